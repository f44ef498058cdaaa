//! What the pipeline tells the rest of the process about itself.

use std::collections::BTreeMap;
use std::time::Duration;

use connect::control::{SnapshotStatus, SourceStatus, TableActivity, TableStatus};
use schema::lsn::Lsn;
use schema::offset::{SnapshotProgress, TableOffset, TableState};
use schema::position::BinlogPosition;
use schema::table::TableId;
use tokio::time::Instant;

use super::Pipeline;

/// A rate is that of the last so many seconds, and up to twice as many: long enough for several
/// chunks, short enough to follow a change of load.
const RATE_OVER: Duration = Duration::from_secs(15);

impl Pipeline {
    /// How far the source is now.
    pub(super) fn status(&mut self) -> SourceStatus {
        let offset = self.transaction.offset(self.lsn.last());
        let now = Instant::now();
        let (rates, tables, copies) = (&mut self.rates, &self.tables, &self.snapshot);
        rates.keep_only(|table| tables.offsets().contains_key(table));
        let status_of = |(table, offset): (&TableId, &TableOffset)| {
            let skipped_events = tables.skipped().of(table);
            let mut status = table_status(table, offset, rates, now);
            if let Some((snapshot, rate)) = status.snapshot.as_mut().zip(copies.rate_of(table)) {
                snapshot.estimated_rows = rate.estimated_rows();
                snapshot.eta_seconds = rate.eta().map(|eta| eta.as_secs());
            }
            TableStatus { skipped_events, ..status }
        };
        SourceStatus {
            position: offset.position.to_string(),
            gtids: offset.gtids.as_ref().map(ToString::to_string),
            lsn: self.lsn.last().value(),
            server: self.stream.address().to_owned(),
            server_uuid: self.server.to_string(),
            lag_ms: self.lag.milliseconds,
            skipped_events: BTreeMap::from([("parked".to_owned(), tables.skipped().all())]),
            tables: tables.offsets().iter().map(status_of).collect(),
        }
    }
}

fn table_status(
    table: &TableId,
    offset: &TableOffset,
    rates: &mut Rates,
    now: Instant,
) -> TableStatus {
    let (state, reason, snapshot) = match &offset.state {
        TableState::Snapshot(progress) => {
            let snapshot = snapshot_status(progress, rates.rate(table, progress.rows, now));
            let is_paused = progress.is_paused;
            let activity = if is_paused { TableActivity::Paused } else { TableActivity::Snapshot };
            (activity, None, Some(snapshot))
        }
        TableState::Streaming => (TableActivity::Streaming, None, None),
        TableState::Parked { reason } => (TableActivity::Parked, Some(reason.clone()), None),
    };
    TableStatus {
        table: table.clone(),
        state,
        reason,
        position: offset.position.as_ref().map(BinlogPosition::to_string),
        lsn: offset.lsn.map(Lsn::value),
        snapshot,
        skipped_events: 0,
    }
}

fn snapshot_status(progress: &SnapshotProgress, rows_per_second: Option<u64>) -> SnapshotStatus {
    SnapshotStatus {
        rows: progress.rows,
        chunks: progress.chunks,
        estimated_rows: None,
        rows_per_second,
        eta_seconds: None,
    }
}

/// How far behind the server the stream is.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// When the last transaction was committed, microseconds since 1970; `None` when the server
    /// has said that there is nothing more.
    committed_us: Option<u64>,
    /// What it was when the last event was handled.
    milliseconds: Option<u64>,
}

impl Lag {
    /// A transaction begins: when it was committed, or, on servers that do not say, the second in
    /// which it began.
    pub(super) fn begin(&mut self, committed_us: u64, began_seconds: u32) {
        let began_us = u64::from(began_seconds) * 1_000_000;
        self.committed_us = Some(if committed_us == 0 { began_us } else { committed_us });
    }

    /// The server sends a heartbeat only when it has sent everything else.
    pub(super) fn caught_up(&mut self) {
        self.committed_us = None;
        self.milliseconds = Some(0);
    }

    /// Events were handled up to now.
    pub(super) fn measure(&mut self, now_us: u64) {
        if let Some(committed_us) = self.committed_us {
            self.milliseconds = Some(now_us.saturating_sub(committed_us) / 1000);
        }
    }
}

/// How fast tables are copied.
#[derive(Debug, Default)]
pub(super) struct Rates(BTreeMap<TableId, Rate>);

/// Two marks of rows at a time: the rate is measured from the older.
#[derive(Debug, Clone, Copy)]
struct Rate {
    older: (Instant, u64),
    newer: (Instant, u64),
}

impl Rates {
    fn keep_only(&mut self, is_kept: impl Fn(&TableId) -> bool) {
        self.0.retain(|table, _| is_kept(table));
    }

    /// Rows a second of late, now that so many rows are copied; `None` until there is a second to
    /// measure over, and when the copy has begun anew.
    fn rate(&mut self, table: &TableId, rows: u64, now: Instant) -> Option<u64> {
        let mark = (now, rows);
        let rate = match self.0.get_mut(table) {
            Some(rate) if rate.newer.1 <= rows => rate,
            Some(_) | None => {
                self.0.insert(table.clone(), Rate { older: mark, newer: mark });
                return None;
            }
        };
        if now.duration_since(rate.newer.0) >= RATE_OVER {
            *rate = Rate { older: rate.newer, newer: mark };
        }
        let (since, rows_then) = rate.older;
        let elapsed_ms = u64::try_from(now.duration_since(since).as_millis()).ok()?;
        let copied = rows.saturating_sub(rows_then).saturating_mul(1000);
        (elapsed_ms >= 1000).then(|| copied / elapsed_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_the_last_transaction_until_the_server_has_no_more() {
        let mut lag = Lag::default();
        lag.measure(5_000_000);
        assert_eq!(lag.milliseconds, None);

        lag.begin(3_000_000, 0);
        lag.measure(5_000_000);
        assert_eq!(lag.milliseconds, Some(2000));

        lag.begin(0, 4);
        lag.measure(5_500_000);
        assert_eq!(lag.milliseconds, Some(1500));

        lag.caught_up();
        lag.measure(60_000_000);
        assert_eq!(lag.milliseconds, Some(0));

        lag.begin(99_000_000, 0);
        lag.measure(60_000_000);
        assert_eq!(lag.milliseconds, Some(0), "the server's clock is ahead of ours");
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let (mut rates, table) = (Rates::default(), TableId::new("shop", "orders"));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);

        assert_eq!(rates.rate(&table, 1_000, at(0)), None);
        assert_eq!(rates.rate(&table, 1_000, start + Duration::from_millis(300)), None);
        assert_eq!(rates.rate(&table, 11_000, at(10)), Some(1_000));
        // Then it becomes slower: what was before is forgotten after a while.
        assert_eq!(rates.rate(&table, 16_000, at(15)), Some(1_000));
        assert_eq!(rates.rate(&table, 16_150, at(30)), Some(10));
        assert_eq!(rates.rate(&table, 16_300, at(45)), Some(10));
        // Then it begins anew.
        assert_eq!(rates.rate(&table, 5, at(46)), None);
    }
}
