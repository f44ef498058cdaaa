//! The topics that a connector writes to.

use std::collections::BTreeMap;

use connect::config::TopicRules;
use connect::kafka::batch::TopicIndex;
use connect::kafka::producer::TransactionalProducer;
use connect::kafka::{RecordLimit, RecordTopic};
use schema::plan::record::RecordPlan;
use schema::registry::{SchemaId, SchemaKind};
use schema::table::TableSchema;

use super::Tables;
use crate::error::SourceError;
use crate::oversized::Oversized;
use crate::stage::Purpose;

impl Tables {
    /// Makes the topic of a table, and says what is done with records that it does not take. The
    /// inner error is why it takes none.
    pub(super) async fn table_topic(
        &self,
        topic: &str,
        (schema, record): (&TableSchema, &RecordPlan),
        producer: &mut TransactionalProducer,
    ) -> Result<Result<(RecordTopic, Oversized), String>, SourceError> {
        if self.drafts.is_some() {
            let made = RecordTopic { partitions: 1, limit: RecordLimit::NONE, is_compacted: false };
            return Ok(Ok((made, Oversized::default())));
        }
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

    /// What records call a topic that is there.
    pub(super) async fn add_topic(
        &self,
        (topic, purpose): (&str, Purpose),
        producer: &mut TransactionalProducer,
    ) -> Result<TopicIndex, SourceError> {
        match &self.drafts {
            Some(drafts) => Ok(drafts.topic(topic, purpose)),
            None => Ok(producer.add_topic(topic).await?),
        }
    }

    /// Makes the topic of signals, so that signals can be written before anybody has.
    pub(crate) async fn signal_topic(&self, topic: &str) -> Result<(), SourceError> {
        self.admin.ensure_topic(topic, 1, self.config.topics.replication(), &[]).await?;
        Ok(())
    }

    /// Makes a topic with one partition for records that are about no row, and registers their
    /// schemas.
    pub(crate) async fn side_topic(
        &self,
        topic: &str,
        (key_schema, value_schema): (&str, &str),
        producer: &mut TransactionalProducer,
    ) -> Result<SideTopic, SourceError> {
        if let Some(drafts) = &self.drafts {
            let ids = (drafts.schema(key_schema), drafts.schema(value_schema));
            let topic = drafts.topic(topic, Purpose::Side);
            return Ok(SideTopic { topic, partitions: 1, limit: RecordLimit::NONE, ids });
        }
        let subject = self.registry.key_subject(topic, (SchemaKind::Avro, key_schema));
        let key = self.registry.register(&subject, key_schema).await?;
        let subject = self.registry.value_subject(topic, (SchemaKind::Avro, value_schema));
        let value = self.registry.register(&subject, value_schema).await?;
        let replication = Some(self.config.topics.replication());
        let rules = TopicRules { partitions: Some(1), replication, settings: BTreeMap::new() };
        let made = self.admin.ensure_record_topic(topic, &rules).await?;
        let topic = producer.add_topic(topic).await?;
        Ok(SideTopic { topic, partitions: made.partitions, limit: made.limit, ids: (key, value) })
    }
}

/// A topic of records that are about no row, and what its registry calls their schemas.
pub(crate) struct SideTopic {
    pub(crate) topic: TopicIndex,
    pub(crate) partitions: i32,
    /// The largest record that it takes.
    pub(crate) limit: RecordLimit,
    pub(crate) ids: (SchemaId, SchemaId),
}
