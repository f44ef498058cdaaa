//! Events that are not emitted: counted by reason, and those that should have been are told of now
//! and then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use schema::table::TableId;
use tokio::time::Instant;

/// How often they are told of.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Why an event is not emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// Rows of a table that no list names.
    NotCaptured,
    /// Rows of a table that is parked.
    Parked,
    /// Rows of a helper of an online schema change.
    OnlineSchemaChange,
    /// What `skipped.operations` leaves out.
    Operation,
    /// A statement that changes rows, or may, without row events.
    Statement,
    /// An event of an unknown type that the server has marked as one that may be ignored.
    Ignorable,
    /// The server says that its log has a gap.
    Incident,
}

/// Each reason with its name in metrics and status.
const REASONS: [(SkipReason, &str); 7] = [
    (SkipReason::NotCaptured, "not_captured"),
    (SkipReason::Parked, "parked"),
    (SkipReason::OnlineSchemaChange, "online_schema_change"),
    (SkipReason::Operation, "skipped.operations"),
    (SkipReason::Statement, "statement"),
    (SkipReason::Ignorable, "ignorable"),
    (SkipReason::Incident, "incident"),
];

/// Events since the start that were not emitted.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    /// In the order of [`REASONS`].
    counts: [u64; REASONS.len()],
    of_parked: HashMap<TableId, u64>,
    untold: u64,
    told_at: Option<Instant>,
    /// Tables whose topic takes no record of a TRUNCATE, of which that was told.
    without_truncates: BTreeSet<TableId>,
}

impl Skipped {
    /// Counts one.
    pub(super) fn count(&mut self, reason: SkipReason) {
        let counted = REASONS.iter().zip(&mut self.counts).find(|((it, _), _)| *it == reason);
        if let Some((_, count)) = counted {
            *count += 1;
        }
    }

    /// Counts one of a parked table; `table` if the log says which it is of.
    pub(super) fn count_parked(&mut self, table: Option<TableId>) {
        self.count(SkipReason::Parked);
        if let Some(table) = table {
            *self.of_parked.entry(table).or_default() += 1;
        }
        self.untold += 1;
        if self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            tracing::warn!(
                row_events = self.untold,
                reason = "parked",
                hint = "resume the parked tables when their causes are mended",
                "row events of parked tables are not emitted"
            );
            self.told_at = Some(Instant::now());
            self.untold = 0;
        }
    }

    /// A TRUNCATE is no record, because the table's topic takes none without a key; told once.
    pub(super) fn count_truncate(&mut self, table: &TableId) {
        self.count(SkipReason::Operation);
        if self.without_truncates.insert(table.clone()) {
            tracing::warn!(
                table = %table,
                hint = "set cleanup.policy=delete on the topic if other readers than rowcast's \
                        sinks need the record",
                "its topic is compacted and takes no record of a TRUNCATE, only its sweep is written"
            );
        }
    }

    /// How many for each reason, those without any too: a counter that is there from the start is
    /// seen to move.
    pub(crate) fn by_reason(&self) -> BTreeMap<String, u64> {
        let named = REASONS.iter().zip(self.counts);
        named.map(|((_, name), count)| ((*name).to_owned(), count)).collect()
    }

    /// Row events of one table while it was parked.
    pub(crate) fn of_table(&self, table: &TableId) -> u64 {
        self.of_parked.get(table).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_count_from_the_start() {
        let mut skipped = Skipped::default();
        assert!(skipped.by_reason().values().all(|count| *count == 0));
        for (times, (reason, _)) in REASONS.into_iter().enumerate() {
            for _ in 0..=times {
                skipped.count(reason);
            }
        }
        let table = TableId::new("d", "t");

        skipped.count_parked(Some(table.clone()));

        let counts = skipped.by_reason();
        assert_eq!(counts.len(), REASONS.len(), "no two have one name");
        assert_eq!((counts["not_captured"], counts["parked"], counts["incident"]), (1, 3, 7));
        assert_eq!((skipped.of_table(&table), skipped.of_table(&TableId::new("d", "u"))), (1, 0));
    }
}
