//! Changes of definitions as records, in Debezium's topic `<topic.prefix>`.
//!
//! rowcast does not parse definitions: what a table is after a statement, the server is asked when
//! the statement is read. Where the stream is behind, that is a later definition than the
//! statement's, or none if the table is gone.

pub(crate) mod definition;
pub(crate) mod snapshot;

use connect::kafka::RecordLimit;
use connect::kafka::batch::{RecordBatch, RecordBounds, TopicIndex};
use connect::kafka::producer::TransactionalProducer;
use schema::avro::{FRAME_BYTES, frame};
use schema::schema_change::{SchemaChange, key_schema, value_schema, write_key, write_value};

use crate::config::SourceConfig;
use crate::error::SourceError;
use crate::tables::{SideTopic, Tables};

/// Where changes of definitions go. All go to the first partition, so that they keep their order.
#[derive(Debug)]
pub(crate) struct SchemaChanges {
    topic: TopicIndex,
    limit: RecordLimit,
    key_frame: [u8; FRAME_BYTES],
    value_frame: [u8; FRAME_BYTES],
}

impl SchemaChanges {
    /// Makes the topic and registers its schemas, if the settings ask for it.
    pub(crate) async fn start(
        config: &SourceConfig,
        tables: &Tables,
        producer: &mut TransactionalProducer,
    ) -> Result<Option<Self>, SourceError> {
        if !config.schema_changes {
            return Ok(None);
        }
        let style = config.records.values.style;
        let schemas = (&*key_schema(style), &*value_schema(style));
        Ok(Some(Self::new(&tables.side_topic(&config.topic_prefix, schemas, producer).await?)))
    }

    fn new(topic: &SideTopic) -> Self {
        let SideTopic { topic, limit, ids: (key, value), .. } = *topic;
        Self { topic, limit, key_frame: frame(key), value_frame: frame(value) }
    }

    /// Adds a record. What is too large for the topic loses its text, and then its definition: a
    /// reader sees that something has changed.
    pub(crate) fn push(&self, mut change: SchemaChange<'_>, batch: &mut RecordBatch) {
        let (records, bytes) = (batch.records(), batch.bytes());
        let Err(error) = self.push_as_is(&change, batch) else { return };
        tracing::warn!(
            database = change.database,
            table = change.table.as_ref().map(|it| it.table.name.as_str()),
            error = %error,
            "a change of a definition is too large for its topic, its record has no `ddl`"
        );
        change.ddl = None;
        batch.truncate(records, bytes);
        if self.push_as_is(&change, batch).is_err() {
            batch.truncate(records, bytes);
            change.table.iter_mut().for_each(|table| table.definition = None);
            // Names alone are far below any limit.
            self.push_as_is(&change, batch).unwrap_or_default();
        }
    }

    fn push_as_is(
        &self,
        change: &SchemaChange<'_>,
        batch: &mut RecordBatch,
    ) -> Result<(), connect::kafka::RecordTooLarge> {
        let key_start = batch.bytes();
        batch.buffer().extend_from_slice(&self.key_frame);
        write_key(change.database, batch.buffer());
        let key_end = batch.bytes();
        batch.buffer().extend_from_slice(&self.value_frame);
        write_value(change, batch.buffer());
        self.limit.check(batch.bytes() - key_start)?;
        batch.push(self.topic, 0, RecordBounds { key_start, key_end, has_value: true });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use schema::envelope::SnapshotMarker;
    use schema::registry::SchemaId;
    use schema::schema_change::StatementSource;

    use super::*;

    #[test]
    fn a_statement_that_is_too_large_is_told_of_without_its_text() {
        let given = [("message.max.bytes".to_owned(), "2000".to_owned())].into();
        let limit = RecordLimit::of_producer(&given);
        let ids = (SchemaId(1), SchemaId(2));
        let topic = SideTopic { topic: TopicIndex::FIRST, partitions: 1, limit, ids };
        let mut batch = RecordBatch::default();
        let text = format!("ALTER TABLE t COMMENT '{}'", "x".repeat(2000));

        for ddl in ["ALTER TABLE t ADD a INT", &text] {
            let change = SchemaChange {
                source: StatementSource {
                    server: "s",
                    ts_us: 1,
                    snapshot: SnapshotMarker::No,
                    server_id: 1,
                    gtid: None,
                    file: "binlog.000001",
                    pos: 4,
                },
                now_ms: 1,
                database: "shop",
                ddl: Some(ddl),
                table: None,
            };
            SchemaChanges::new(&topic).push(change, &mut batch);
        }

        assert_eq!(batch.records(), 2);
        let bytes = batch.slice(&(0..batch.bytes()));
        assert!(bytes.len() < 1000 && bytes.windows(5).any(|part| part == b"ALTER"));
    }
}
