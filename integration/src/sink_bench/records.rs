//! Rows as a source writes them, and what their documents are.

use std::io::Write as _;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::SinkBenchError;
use crate::stack::Stack;

/// Partitions of a topic: as many as a sink could share among tasks.
const PARTITIONS: i32 = 4;
/// Longest wait for the broker to take what was sent.
const WAIT: Duration = Duration::from_secs(60);

const KEY: &str = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;

const VALUE: &str = r#"{"type":"record","name":"Envelope","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"long"},{"name":"customer","type":"long"},
        {"name":"status","type":"string"},{"name":"email","type":"string"},
        {"name":"note","type":["null","string"],"default":null},{"name":"amount","type":"double"},
        {"name":"created","type":{"type":"long","connect.version":1,
            "connect.name":"io.debezium.time.Timestamp"}}]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[
        {"name":"sequence","type":["null","string"],"default":null},
        {"name":"ts_us","type":["null","long"],"default":null}]}},
    {"name":"op","type":"string"}]}"#;

/// A row.
pub(super) struct Row {
    pub(super) id: u64,
    /// What counts the changes: the Lsn is one more.
    pub(super) number: u64,
}

impl Row {
    fn note(&self) -> String {
        format!(
            "order {} was packed, weighed and handed over to the carrier of its region",
            self.id
        )
    }

    fn email(&self) -> String {
        format!("customer.{}@mail.example", self.id % 9_973)
    }

    /// The document that it is.
    pub(super) fn write_document(&self, out: &mut Vec<u8>) {
        let Self { id, number } = self;
        let (customer, email, note) = (id % 9_973, self.email(), self.note());
        let created = "2024-02-29T12:34:56.789";
        let written = write!(
            out,
            "{{\"id\":{id},\"customer\":{customer},\"status\":\"packed\",\"email\":\"{email}\",\
             \"note\":\"{note}\",\"amount\":{number}.0,\"created\":\"{created}\"}}"
        );
        debug_assert!(written.is_ok(), "a Vec takes any bytes");
    }
}

/// A topic of rows.
pub(super) struct Topic {
    name: String,
    producer: BaseProducer,
    key: u32,
    value: u32,
    op: &'static str,
}

impl Topic {
    /// With `op` in all records: `r` for rows of a snapshot, `u` for changes.
    pub(super) async fn make(
        stack: &Stack,
        name: &str,
        op: &'static str,
    ) -> Result<Self, SinkBenchError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", stack.kafka.bootstrap());
        config.set("linger.ms", "20").set("queue.buffering.max.messages", "200000");
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        admin.create_topics([&topic], &AdminOptions::new()).await?;
        let registry = stack.registry.url();
        Ok(Self {
            name: name.to_owned(),
            producer: config.create()?,
            key: register(&registry, &format!("{name}-key"), KEY).await?,
            value: register(&registry, &format!("{name}-value"), VALUE).await?,
            op,
        })
    }

    /// Writes so many changes of so many keys, one after the other.
    pub(super) fn write(&self, changes: u64, keys: u64) -> Result<(), SinkBenchError> {
        for number in 0..changes {
            let row = Row { id: number % keys, number };
            let (key, value) = self.encode(&row);
            let partition = i32::try_from(row.id % 4).unwrap_or_default();
            let mut record = BaseRecord::<[u8], [u8]>::to(&self.name)
                .partition(partition)
                .key(&key)
                .payload(&value);
            while let Err((error, refused)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                self.producer.poll(Duration::from_millis(10));
                record = refused;
            }
        }
        Ok(self.producer.flush(WAIT)?)
    }

    fn encode(&self, row: &Row) -> (Vec<u8>, Vec<u8>) {
        let (mut key, mut value) = (frame(self.key), frame(self.value));
        let id = row.id.cast_signed();
        long(id, &mut key);
        value.extend([0, 2]);
        long(id, &mut value);
        long(id % 9_973, &mut value);
        text("packed", &mut value);
        text(&row.email(), &mut value);
        value.push(2);
        text(&row.note(), &mut value);
        let amount = u32::try_from(row.number).unwrap_or(u32::MAX);
        value.extend(f64::from(amount).to_le_bytes());
        long(1_709_210_096_789, &mut value);
        value.push(2);
        text(&(row.number + 1).to_string(), &mut value);
        value.push(0);
        text(self.op, &mut value);
        (key, value)
    }
}

async fn register(registry: &str, subject: &str, schema: &str) -> Result<u32, SinkBenchError> {
    let url = format!("{registry}/subjects/{subject}/versions");
    let body = json!({ "schema": schema });
    let answer: Value = reqwest::Client::new().post(url).json(&body).send().await?.json().await?;
    let id = answer.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| SinkBenchError::Unexpected(format!("the registry answered {answer}")))
}

fn frame(schema: u32) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..]].concat()
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        let [low, ..] = zigzag.to_le_bytes();
        out.push(low | 0x80);
        zigzag >>= 7;
    }
    let [low, ..] = zigzag.to_le_bytes();
    out.push(low);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(i64::try_from(text.len()).unwrap_or_default(), out);
    out.extend_from_slice(text.as_bytes());
}
