//! Single changes of random rows, at a steady pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::{SoakError, connect};
use crate::random::Random;
use crate::stack::Stack;

/// Connections that write.
const CONNECTIONS: u32 = 4;

/// Transactions of a connection in a row, so that the pace needs no timer finer than 1 ms.
const BURST: u32 = 5;

/// `ER_LOCK_WAIT_TIMEOUT` and `ER_LOCK_DEADLOCK`: MySQL has rolled the statement back.
const PASSING: [u16; 2] = [1205, 1213];

/// Writes until it is stopped.
pub(super) struct Writers {
    tasks: JoinSet<Result<(), SoakError>>,
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
}

/// What one connection does.
struct Writer {
    connection: Conn,
    name: String,
    random: Random,
    /// Keys that were there at the beginning.
    rows: u64,
}

impl Writers {
    /// Changes the table `name.t` of `rows` rows, so many times a second.
    pub(super) async fn start(
        stack: &Stack,
        (name, rows): (&str, u64),
        rate: u32,
        random: &mut Random,
    ) -> Result<Self, SoakError> {
        let (stop, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        let pause = Duration::from_secs(1) * CONNECTIONS * BURST / rate.max(1);
        for _ in 0..CONNECTIONS {
            let random = Random::new(random.bits());
            let connection = connect(stack).await?;
            let mut writer = Writer { connection, name: name.to_owned(), random, rows };
            let (stop, committed) = (Arc::clone(&stop), Arc::clone(&committed));
            tasks.spawn(async move {
                let mut pace = tokio::time::interval_at(Instant::now(), pause);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !stop.load(Ordering::Relaxed) {
                    pace.tick().await;
                    for _ in 0..BURST {
                        committed.fetch_add(writer.write().await?, Ordering::Relaxed);
                    }
                }
                writer.connection.disconnect().await?;
                Ok(())
            });
        }
        Ok(Self { tasks, stop, committed })
    }

    /// Fails as soon as a writer has. Cancel safe.
    pub(super) async fn failed(&mut self) -> SoakError {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Err(error))) => return error,
                Some(Err(error)) => return error.into(),
                Some(Ok(Ok(()))) => {}
                None => std::future::pending::<()>().await,
            }
        }
    }

    /// Stops them and gives how many changes they have committed.
    pub(super) async fn stop(mut self) -> Result<u64, SoakError> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(self.committed.load(Ordering::Relaxed))
    }
}

impl Writer {
    /// One change in a transaction of its own; 0 if there was no row to change.
    async fn write(&mut self) -> Result<u64, SoakError> {
        let Self { connection, name, random, rows } = self;
        let (number, id) = (random.below(1 << 30), 1 + random.below(*rows));
        let c = format!("'2020-01-01' + INTERVAL {number} SECOND");
        let statement = match random.below(10) {
            0 | 1 => format!("INSERT INTO {name}.t (a, b, c) VALUES (0, 'new {number}', {c})"),
            2 => format!("DELETE FROM {name}.t WHERE id = {id}"),
            _ => {
                format!("UPDATE {name}.t SET a = a + 1, b = 'at {number}', c = {c} WHERE id = {id}")
            }
        };
        match connection.query_drop(statement).await {
            Ok(()) => Ok(connection.affected_rows().min(1)),
            Err(mysql_async::Error::Server(error)) if PASSING.contains(&error.code) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
