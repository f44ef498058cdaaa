//! What the pipeline tells the rest of the process about itself.

use std::time::Duration;

use connect::control::{SnapshotStatus, SourceCounts, SourceStatus, TableActivity, TableStatus};
use schema::lsn::Lsn;
use schema::offset::{SnapshotProgress, TableOffset, TableState};
use schema::position::BinlogPosition;
use schema::table::TableId;

use super::Pipeline;

impl Pipeline {
    /// How far the source is now.
    pub(super) fn status(&self) -> SourceStatus {
        let offset = self.transaction.offset(self.lsn.last());
        let (tables, copies) = (&self.tables, &self.snapshot);
        let status_of = |(table, offset): (&TableId, &TableOffset)| {
            let skipped_events = tables.skipped().of_table(table);
            let mut status = table_status(table, offset);
            if let Some((snapshot, rate)) = status.snapshot.as_mut().zip(copies.rate_of(table)) {
                snapshot.estimated_rows = rate.estimated_rows();
                snapshot.rows_per_second = rate.rows_per_second();
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
            headroom_seconds: self.headroom.left(self.lag.age()).map(|left| left.as_secs()),
            skipped_events: tables.skipped().by_reason(),
            unlogged_cascades: self.cascades.count(),
            counts: SourceCounts {
                topic_prefix: self.config.topic_prefix.clone(),
                ..self.counts.clone()
            },
            tables: tables.offsets().iter().map(status_of).collect(),
        }
    }
}

fn table_status(table: &TableId, offset: &TableOffset) -> TableStatus {
    let mut remedy = None;
    let (state, reason, snapshot) = match &offset.state {
        TableState::Snapshot(progress) => {
            let snapshot = snapshot_status(progress);
            let is_paused = progress.is_paused;
            let activity = if is_paused { TableActivity::Paused } else { TableActivity::Snapshot };
            (activity, None, Some(snapshot))
        }
        TableState::Streaming => (TableActivity::Streaming, None, None),
        TableState::Parked { reason, remedy: what } => {
            let resume = || format!("mend the cause, then: rowcast table resume {table}");
            remedy = Some(what.clone().unwrap_or_else(resume));
            (TableActivity::Parked, Some(reason.clone()), None)
        }
    };
    TableStatus {
        table: table.clone(),
        state,
        reason,
        remedy,
        position: offset.position.as_ref().map(BinlogPosition::to_string),
        lsn: offset.lsn.map(Lsn::value),
        snapshot,
        skipped_events: 0,
    }
}

fn snapshot_status(progress: &SnapshotProgress) -> SnapshotStatus {
    SnapshotStatus {
        rows: progress.rows,
        chunks: progress.chunks,
        estimated_rows: None,
        rows_per_second: None,
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

    /// Whether the server has said that there is nothing more.
    pub(super) fn is_caught_up(&self) -> bool {
        self.milliseconds == Some(0) && self.committed_us.is_none()
    }

    /// How old the last event that was handled is now, at most.
    pub(super) fn age(&self) -> Duration {
        let Some(committed_us) = self.committed_us else { return Duration::ZERO };
        Duration::from_micros(connect::clock::now_micros().saturating_sub(committed_us))
    }

    /// Events were handled up to now.
    pub(super) fn measure(&mut self, now_us: u64) {
        if let Some(committed_us) = self.committed_us {
            self.milliseconds = Some(now_us.saturating_sub(committed_us) / 1000);
        }
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
}
