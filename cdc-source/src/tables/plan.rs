//! How the rows of a table are written, and where to.

use connect::kafka::RecordLimit;
use connect::kafka::batch::TopicIndex;
use schema::plan::record::RecordPlan;
use schema::table::TableSchema;

use crate::oversized::Oversized;

/// How the rows of one table version are written, and where to.
#[derive(Debug)]
pub(crate) struct TablePlan {
    pub(crate) schema: TableSchema,
    pub(crate) record: RecordPlan,
    /// For rows that a snapshot reads, where they are written differently.
    pub(super) snapshot: Option<RecordPlan>,
    pub(crate) topic: TopicIndex,
    pub(crate) partitions: i32,
    /// Whether the topic takes no record without a key.
    pub(crate) is_compacted: bool,
    /// The largest record that the topic takes.
    pub(crate) limit: RecordLimit,
    /// What is done with a larger one.
    pub(crate) oversized: Oversized,
}

impl TablePlan {
    /// A plan of a topic with one partition, whose snapshots are written like changes.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn new(schema: TableSchema, record: RecordPlan, topic: TopicIndex) -> Self {
        let limit = RecordLimit::default();
        let oversized = Oversized::default();
        let (snapshot, partitions, is_compacted) = (None, 1, false);
        Self { schema, record, snapshot, topic, partitions, is_compacted, limit, oversized }
    }

    /// How the rows are written that a snapshot reads.
    pub(crate) fn snapshot_record(&self) -> &RecordPlan {
        self.snapshot.as_ref().unwrap_or(&self.record)
    }

    /// Warns of values that were written as something else for the first time, and of records that
    /// were too large.
    pub(crate) fn tell_losses(&self) {
        self.oversized.tell(&self.schema);
        let records = [Some(&self.record), self.snapshot.as_ref()];
        for record in records.into_iter().flatten() {
            for (column, loss) in record.losses().take_new() {
                tracing::warn!(
                    table = %self.schema.id,
                    column = record.column_name(column),
                    loss = loss.as_str(),
                    hint = loss.hint(),
                    "a value was written as something else than the row holds"
                );
            }
        }
    }
}
