//! Row events that are not emitted because their table is parked: counted, and told now and then.

use std::collections::HashMap;
use std::time::Duration;

use schema::table::TableId;
use tokio::time::Instant;

/// How often they are told of.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Row events of parked tables since the start.
#[derive(Debug)]
pub(crate) struct Skipped {
    all: u64,
    of: HashMap<TableId, u64>,
    untold: u64,
    told_at: Instant,
}

impl Skipped {
    pub(super) fn new() -> Self {
        Self { all: 0, of: HashMap::new(), untold: 0, told_at: Instant::now() }
    }

    /// Counts one; `table` if the log says which it is of.
    pub(super) fn count(&mut self, table: Option<TableId>) {
        if let Some(table) = table {
            *self.of.entry(table).or_default() += 1;
        }
        self.all += 1;
        self.untold += 1;
        if self.all == 1 || self.told_at.elapsed() >= TELL_EVERY {
            tracing::warn!(
                row_events = self.untold,
                row_events_since_start = self.all,
                reason = "parked",
                hint = "resume the parked tables when their causes are mended",
                "row events of parked tables are not emitted"
            );
            self.told_at = Instant::now();
            self.untold = 0;
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> u64 {
        self.all
    }

    /// Those of one table.
    pub(crate) fn of(&self, table: &TableId) -> u64 {
        self.of.get(table).copied().unwrap_or(0)
    }
}
