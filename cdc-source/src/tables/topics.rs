//! The topics that a connector writes to.

use connect::kafka::RecordTopic;
use connect::kafka::producer::TransactionalProducer;
use schema::names;
use schema::plan::record::RecordPlan;
use schema::table::TableSchema;

use super::Tables;
use crate::error::SourceError;
use crate::heartbeat::{self, HeartbeatTopic};
use crate::oversized::Oversized;

impl Tables {
    /// Makes the topic of a table, and says what is done with records that it does not take. The
    /// inner error is why it takes none.
    pub(super) async fn table_topic(
        &self,
        topic: &str,
        (schema, record): (&TableSchema, &RecordPlan),
        producer: &mut TransactionalProducer,
    ) -> Result<Result<(RecordTopic, Oversized), String>, SourceError> {
        let made = self.admin.ensure_record_topic(topic, &self.config.topics.rules(topic)).await?;
        if record.key_schema().is_none() && made.is_compacted {
            return Ok(Err(format!(
                "it has no key, and its topic {topic} is compacted, which takes no record without \
                 one; set cleanup.policy=delete on the topic"
            )));
        }
        let servers = (&self.admin, producer);
        let oversized =
            Oversized::new(&self.config, &self.connector, servers, (schema, record)).await?;
        Ok(Ok((made, oversized)))
    }

    /// Makes the topic of signals, so that signals can be written before anybody has.
    pub(crate) async fn signal_topic(&self, topic: &str) -> Result<(), SourceError> {
        self.admin.ensure_topic(topic, 1, self.config.topics.replication(), &[]).await?;
        Ok(())
    }

    /// Makes the topic of heartbeats and registers their schemas.
    pub(crate) async fn heartbeat_topic(
        &self,
        topic: &str,
        producer: &mut TransactionalProducer,
    ) -> Result<HeartbeatTopic, SourceError> {
        let key = names::key_subject(topic);
        let key = self.registry.register(&key, heartbeat::KEY_SCHEMA).await?;
        let value = names::value_subject(topic);
        let value = self.registry.register(&value, heartbeat::VALUE_SCHEMA).await?;
        let replication = self.config.topics.replication();
        let partitions = self.admin.ensure_topic(topic, 1, replication, &[]).await?;
        let topic = producer.add_topic(topic).await?;
        Ok(HeartbeatTopic { topic, partitions, ids: (key, value) })
    }
}
