//! What happens to the tables meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::random::Random;
use crate::soak::SoakError;
use crate::stack::Stack;
use crate::workload::Workload;

/// Few keys: each is changed, deleted and made again many times.
const KEYS: u64 = 60;

/// Between two transactions of a database.
const PACE: Duration = Duration::from_millis(40);

/// Transactions on each database, until they are stopped.
pub(super) struct Traffic {
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<Workload, mysql_async::Error>>>,
}

impl Traffic {
    /// Makes the databases with their tables, and begins.
    pub(super) async fn start(
        stack: &Stack,
        names: &[String],
        random: &mut Random,
    ) -> Result<Self, SoakError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for name in names {
            let seed = random.bits();
            let mut workload = Workload::create(&stack.mysql.url(), name, (KEYS, seed)).await?;
            let is_over = Arc::clone(&is_over);
            tasks.push(tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    workload.step().await?;
                    tokio::time::sleep(PACE).await;
                }
                Ok(workload)
            }));
        }
        Ok(Self { is_over, tasks })
    }

    /// Ends it: how many transactions there were, and the tables of each database.
    pub(super) async fn stop(self) -> Result<(u64, Vec<Vec<String>>), SoakError> {
        self.is_over.store(true, Ordering::Relaxed);
        let (mut transactions, mut tables) = (0, Vec::new());
        for task in self.tasks {
            let workload = task.await??;
            transactions += workload.transactions();
            tables.push(workload.tables());
        }
        Ok((transactions, tables))
    }
}
