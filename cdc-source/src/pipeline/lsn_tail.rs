//! The highest Lsn at the ends of a connector's topics: what the next one has to exceed when none
//! is stored, because the offsets were lost or the connector has a new name.

use connect::config::WorkerConfig;
use connect::kafka::producer::TransactionalProducer;
use connect::kafka::{OpenRecord, Tail, open_records, read_tails};
use schema::avro::{FRAME_BYTES, MAGIC};
use schema::lsn::Lsn;
use schema::names;
use schema::plan::document::{DocumentOptions, DocumentPlan};
use schema::registry::{Registry, RegistryError, SchemaId};

use crate::config::SourceConfig;
use crate::error::SourceError;
use crate::preflight::Server;
use crate::stage::{lsn_in_json, routes};

/// Within a partition the order of records is the order of Lsns, so the last record of each is
/// enough. A record without one, of Debezium for example, does not count.
pub(super) async fn highest(
    worker: &WorkerConfig,
    config: &SourceConfig,
    server: &Server,
) -> Result<Option<Lsn>, SourceError> {
    let registry = Registry::new(&worker.registry)?;
    let mut highest = None;
    for tail in read_tails(worker, topics(config, server)).await? {
        highest = highest.max(lsn_of(&registry, &tail).await?);
    }
    Ok(highest)
}

/// Aborts the transaction that an offset is open with, and what is open behind the offset before it.
pub(super) async fn abort_open(
    producer: &mut TransactionalProducer,
    (open, before): (OpenRecord, Option<Lsn>),
    (config, worker): (&SourceConfig, &WorkerConfig),
    server: &Server,
) -> Result<(), SourceError> {
    let mut all = open_behind(before, worker, config, server).await?;
    all.push(open);
    let partitions = all.len();
    producer.abort_open(all).await?;
    tracing::warn!(
        partitions,
        "a transaction that the brokers had left open was aborted, its rows come again"
    );
    Ok(())
}

/// The first records of transactions that the brokers have left open and whose rows come again, as the
/// offset that is stored is before them. What is open and not behind it is left to the next marker.
async fn open_behind(
    stored: Option<Lsn>,
    worker: &WorkerConfig,
    config: &SourceConfig,
    server: &Server,
) -> Result<Vec<OpenRecord>, SourceError> {
    let registry = Registry::new(&worker.registry)?;
    let mut found = Vec::new();
    for record in open_records(worker, topics(config, server)).await? {
        if lsn_of(&registry, &record.tail()).await? > stored {
            found.push(record);
        } else {
            let topic = record.topic();
            tracing::warn!(topic, "records stay hidden until the topic's next transaction ends");
        }
    }
    Ok(found)
}

/// Where the rows of the tables go.
fn topics(config: &SourceConfig, server: &Server) -> Vec<String> {
    let topic_of = |table| {
        let topic = names::data_topic(&config.topic_prefix, table);
        config.records.routed(&topic).to_string()
    };
    routes(config, server.tables.iter().map(topic_of).collect())
}

async fn lsn_of(registry: &Registry, tail: &Tail) -> Result<Option<Lsn>, RegistryError> {
    if let Some(header) = &tail.lsn_header {
        return Ok(header.parse().ok());
    }
    if let Some(text) = tail.value.as_deref().and_then(lsn_in_json) {
        return Ok(text.parse().ok());
    }
    let framed = tail.value.as_deref().and_then(|value| value.split_first_chunk::<FRAME_BYTES>());
    let Some(([MAGIC, a, b, c, d], body)) = framed else { return Ok(None) };
    let id = SchemaId(u32::from_be_bytes([*a, *b, *c, *d]));
    let schema = match registry.schema(id).await {
        Ok(schema) => schema,
        // A schema that the registry does not have is not one of ours.
        Err(RegistryError::Refused { .. } | RegistryError::Incompatible { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let plan = DocumentPlan::compile(&schema, DocumentOptions::default()).ok();
    let row = plan.and_then(|plan| plan.run(body, &mut Vec::new()).ok());
    Ok(row.and_then(|row| row.lsn))
}
