//! Writes a history into Kafka as a source does: Avro, numbers in headers, in transactions.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::super::SoakError;
use crate::sink_history::{Change, Entry};
use crate::stack::{Kafka, Registry};

const WAIT: Duration = Duration::from_secs(60);

/// Partitions of the topic: more than a process has tasks.
const PARTITIONS: u8 = 3;

const KEY: &str = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;

const ROW: &str = r#"{"type":"record","name":"Row","fields":[
    {"name":"id","type":"long"},{"name":"n","type":"long"}]}"#;

const CONTROL: &str = r#"{"type":"record","name":"Control","namespace":"rowcast","fields":[
    {"name":"control","type":"string"},{"name":"table","type":"string"}]}"#;

/// A topic and its writer.
pub(super) struct Feed {
    topic: String,
    table: String,
    producer: BaseProducer,
    key: u32,
    row: u32,
    control: u32,
}

impl Feed {
    /// Makes the topic `prefix.prefix.t` and registers its schemas.
    pub(super) async fn new(
        kafka: &Kafka,
        registry: &Registry,
        prefix: &str,
    ) -> Result<Self, SoakError> {
        let topic = format!("{prefix}.{prefix}.t");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap());
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let new = NewTopic::new(&topic, PARTITIONS.into(), TopicReplication::Fixed(1));
        let made = admin.create_topics([&new], &AdminOptions::new()).await?;
        for result in made {
            result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
        }
        let producer: BaseProducer = config.set("transactional.id", &topic).create()?;
        producer.init_transactions(WAIT)?;
        let url = registry.url();
        let key = register(&url, &format!("{topic}-key"), KEY).await?;
        let row = register(&url, &format!("{topic}-value"), ROW).await?;
        let control = register(&url, "rowcast.control-key", CONTROL).await?;
        Ok(Self { topic, table: format!("{prefix}.t"), producer, key, row, control })
    }

    /// Writes one part of a history, in one transaction.
    pub(super) fn write(&self, entries: &[Entry]) -> Result<(), SoakError> {
        self.producer.begin_transaction()?;
        for entry in entries {
            match entry {
                Entry::Row(change) => self.row(*change)?,
                Entry::Sweep { before } => self.sweep(*before)?,
            }
        }
        Ok(self.producer.commit_transaction(WAIT)?)
    }

    fn row(&self, change: Change) -> Result<(), SoakError> {
        let mut key = frame(self.key);
        long(change.key, &mut key);
        let value = change.value.map(|n| {
            let mut value = frame(self.row);
            long(change.key, &mut value);
            long(n, &mut value);
            value
        });
        let partition = u8::try_from(change.key % u64::from(PARTITIONS)).unwrap_or_default();
        let lsn = change.lsn.to_string();
        self.send(partition, (&key, value.as_deref()), &[("rowcast.lsn", &lsn)])
    }

    fn sweep(&self, before: u64) -> Result<(), SoakError> {
        let mut key = frame(self.control);
        text("sweep", &mut key);
        text(&self.table, &mut key);
        let before = before.to_string();
        let headers = [
            ("rowcast.control", "sweep"),
            ("rowcast.table", &self.table),
            ("rowcast.sweep.before", &before),
            ("rowcast.lsn", &before),
        ];
        for partition in 0..PARTITIONS {
            self.send(partition, (&key, None), &headers)?;
        }
        Ok(())
    }

    fn send(
        &self,
        partition: u8,
        (key, value): (&[u8], Option<&[u8]>),
        headers: &[(&str, &str)],
    ) -> Result<(), SoakError> {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: Some(*value) });
        }
        let mut record =
            BaseRecord::<[u8], [u8]>::to(&self.topic).partition(partition.into()).headers(all);
        (record.key, record.payload) = (Some(key), value);
        while let Err((error, refused)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(10));
            record = refused;
        }
        Ok(())
    }
}

async fn register(registry: &str, subject: &str, schema: &str) -> Result<u32, SoakError> {
    let url = format!("{registry}/subjects/{subject}/versions");
    let request = reqwest::Client::new().post(url).json(&json!({ "schema": schema }));
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    let id = answer.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    Ok(id.unwrap_or_default())
}

fn frame(schema: u32) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..]].concat()
}

/// Avro's form of a number that is not negative.
fn long(value: u64, out: &mut Vec<u8>) {
    let mut zigzag = value << 1;
    while zigzag >= 0x80 {
        let [low, ..] = zigzag.to_le_bytes();
        out.push(low | 0x80);
        zigzag >>= 7;
    }
    let [low, ..] = zigzag.to_le_bytes();
    out.push(low);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(u64::try_from(text.len()).unwrap_or_default(), out);
    out.extend_from_slice(text.as_bytes());
}
