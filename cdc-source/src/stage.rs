//! The generic path: every record that the plans have written is taken apart into Connect's data, goes
//! through the transforms, and is written by the connector's converters.
//!
//! It stands behind the batch, so whatever writes records knows nothing of it: rows, tombstones,
//! heartbeats, ends of transactions, changes of definitions and notifications go through alike, as
//! they do in Kafka Connect. A connector whose transforms fold into its plans and whose converters
//! are Avro has none.

mod drafts;
mod lsn;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connect::config::{TopicRules, WorkerConfig};
use connect::kafka::batch::{BatchRecord, CONTROL_HEADER, LSN_HEADER, RecordBatch, RecordBounds};
use connect::kafka::producer::TransactionalProducer;
use connect::stage::{Extra, RecordFailure, RecordStage, Trouble};
use schema::fault::Fault;
use tokio::time::Instant;
use transform::{Chain, sequence_of};

pub(crate) use self::drafts::{Drafts, Purpose};
pub(crate) use self::lsn::lsn_in_json;
use crate::config::{SourceConfig, StageConfig};
use crate::error::SourceError;

/// Where records go: to Kafka, by way of a stage if there is one.
pub(crate) type Sending<'a> = (&'a mut TransactionalProducer, Option<&'a mut Stage>);

/// How often records that were skipped are told of.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What a source's records go through.
pub(crate) struct Stage {
    chain: Chain,
    records: RecordStage,
    drafts: Arc<Drafts>,
    config: Arc<SourceConfig>,
    /// `errors.tolerance` = `all`.
    tolerates: bool,
    /// The topics of all captured tables, as plans name them.
    tables: Vec<Arc<str>>,
    /// Records that a transform has dropped.
    filtered: u64,
    /// Records that failed and were skipped.
    failed: u64,
    told_at: Option<Instant>,
}

impl Stage {
    /// The stage that the settings ask for; none where the plans do it all.
    pub(crate) fn new(
        config: &Arc<SourceConfig>,
        worker: &WorkerConfig,
        drafts: &Arc<Drafts>,
    ) -> Result<Option<Self>, SourceError> {
        let Some(StageConfig { transforms, converters, tolerates }) = &config.stage else {
            return Ok(None);
        };
        let style = config.records.values.style;
        Ok(Some(Self {
            chain: chain(transforms),
            records: RecordStage::new(*converters, style, worker).map_err(of_all)?,
            drafts: Arc::clone(drafts),
            config: Arc::clone(config),
            tolerates: *tolerates,
            tables: Vec::new(),
            filtered: 0,
            failed: 0,
            told_at: None,
        }))
    }

    /// Tells which topics plans have for the captured tables.
    pub(crate) fn know_tables(&mut self, topics: impl Iterator<Item = String>) {
        self.tables = topics.map(Arc::from).collect();
    }

    /// Records since the start that a transform has dropped, and that failed and were skipped.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.filtered, self.failed)
    }

    /// What becomes of drafts, in their order.
    ///
    /// # Errors
    ///
    /// Returns [`SourceError::Record`] for a record that cannot be handled, unless the settings say to
    /// go on without it; and what is in the way of all records.
    pub(crate) async fn run(
        &mut self,
        drafts: &RecordBatch,
        producer: &mut TransactionalProducer,
    ) -> Result<RecordBatch, SourceError> {
        let mut out = RecordBatch::default();
        for draft in drafts.iter() {
            let (records, bytes) = (out.records(), out.bytes());
            match self.take(&draft, &mut out, producer).await {
                Ok(()) => {}
                Err(Trouble::Record(failure)) => {
                    out.truncate(records, bytes);
                    let topic = self.drafts.name(draft.topic);
                    self.fail(&topic, failure)?;
                }
                Err(trouble @ (Trouble::Kafka(_) | Trouble::Registry(_))) => {
                    return Err(of_all(trouble));
                }
            }
        }
        Ok(out)
    }

    async fn take(
        &mut self,
        draft: &BatchRecord<'_>,
        out: &mut RecordBatch,
        producer: &mut TransactionalProducer,
    ) -> Result<(), Trouble> {
        if draft.headers().any(|(name, _)| name.as_str() == CONTROL_HEADER) {
            return self.control(draft, out, producer).await;
        }
        let record = self.drafts.record(draft)?;
        let is_side = self.drafts.is_side(draft.topic);
        let lsn = lsn_header(draft).or_else(|| sequence_of(&record.value).map(str::to_owned));
        let Some(record) = self.chain.apply(record)? else {
            self.filtered += 1;
            return Ok(());
        };
        let is_told = self.records.keeps_structs() && sequence_of(&record.value).is_some();
        let lsn = lsn.as_deref().filter(|_| !is_told);
        let extra = Extra { header: lsn.map(|lsn| (LSN_HEADER, lsn)), ..Extra::default() };
        let config = Arc::clone(&self.config);
        let rules = |topic: &str| rules(&config, topic, is_side);
        self.records.write((record, extra), &rules, (out, producer)).await
    }

    /// A record for those who read a table's topic, and of no row: it goes where the table's
    /// tombstones would, to every partition.
    async fn control(
        &mut self,
        draft: &BatchRecord<'_>,
        out: &mut RecordBatch,
        producer: &mut TransactionalProducer,
    ) -> Result<(), Trouble> {
        let from = self.drafts.name(draft.topic);
        let Some(topic) = self.route(&from) else {
            tracing::info!(table_topic = %from, "a sweep goes nowhere: the transforms have no topic \
                            for a record without key and value");
            return Ok(());
        };
        let mut others = self.tables.clone();
        others.extend(self.drafts.tables());
        others.retain(|other| *other != from);
        if let Some(other) = others.into_iter().find(|it| self.route(it).as_ref() == Some(&topic)) {
            let hint = "delete by hand what is left over, or give each table a topic of its own";
            tracing::warn!(topic = %topic, table_topic = %from, other_table_topic = %other, hint,
                "rows that are gone are not swept: a sweep would take those of another table");
            return Ok(());
        }
        let config = Arc::clone(&self.config);
        let rules = |topic: &str| rules(&config, topic, false);
        let outlet = self.records.outlet((&topic, &rules), producer).await?;
        let key = self.drafts.part(Some(draft.key))?;
        let mut bytes = Vec::new();
        self.records.write_control(&key, &mut bytes).await?;
        for partition in 0..outlet.partitions {
            let key_start = out.bytes();
            out.buffer().extend_from_slice(&bytes);
            let bounds = RecordBounds { key_start, key_end: out.bytes(), has_value: false };
            out.push(outlet.topic, partition, bounds);
            for (name, value) in draft.headers() {
                out.push_header(name.clone(), value);
            }
        }
        Ok(())
    }

    /// The topic that a record of a topic goes to that has neither key nor value; none if it goes
    /// nowhere.
    fn route(&mut self, topic: &Arc<str>) -> Option<Arc<str>> {
        self.chain.route(topic)
    }

    fn fail(&mut self, topic: &str, failure: RecordFailure) -> Result<(), SourceError> {
        if !self.tolerates {
            return Err(SourceError::Record { topic: topic.to_owned(), source: Box::new(failure) });
        }
        self.failed += 1;
        if self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            tracing::warn!(
                topic,
                error = schema::fault::chain(&failure),
                hint = failure.hint().as_deref(),
                records_since_start = self.failed,
                "a record cannot be written and is skipped, as errors.tolerance says"
            );
        }
        Ok(())
    }
}

/// The transforms of a connector. Its settings were read once already.
fn chain(settings: &BTreeMap<String, String>) -> Chain {
    Chain::read(settings).map(|(chain, _)| chain).unwrap_or_default()
}

/// The topics that records of others go to, for those who look for records.
pub(crate) fn routes(config: &SourceConfig, topics: Vec<String>) -> Vec<String> {
    let Some(stage) = &config.stage else { return topics };
    let mut chain = chain(&stage.transforms);
    let routed = topics.into_iter().filter_map(|topic| chain.route(&topic.into()));
    routed.map(|topic| topic.to_string()).collect()
}

fn lsn_header(draft: &BatchRecord<'_>) -> Option<String> {
    let (_, value) = draft.headers().find(|(name, _)| name.as_str() == LSN_HEADER)?;
    value.map(|value| String::from_utf8_lossy(value).into_owned())
}

/// How a topic is made, by what its records are about.
fn rules(config: &SourceConfig, topic: &str, is_side: bool) -> TopicRules {
    if !is_side {
        return config.topics.rules(topic);
    }
    let replication = Some(config.topics.replication());
    TopicRules { partitions: Some(1), replication, settings: BTreeMap::new() }
}

/// What is in the way of all records.
fn of_all(trouble: Trouble) -> SourceError {
    match trouble {
        Trouble::Record(failure) => {
            SourceError::Record { topic: String::new(), source: Box::new(failure) }
        }
        Trouble::Kafka(error) => error.into(),
        Trouble::Registry(error) => (*error).into(),
    }
}
