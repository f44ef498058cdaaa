//! Reads a topic from its beginning to the newest row, as a consumer of committed records.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::SoakError;
use super::ledger::Ledger;
use super::shape::{self, Shape};
use crate::stack::Stack;

/// Longest time without a record before the newest one has come.
const SILENCE: Duration = Duration::from_secs(180);

/// One wait for a record.
const SLICE: Duration = Duration::from_secs(1);

/// The newest row did not come.
pub(super) struct Silent {
    /// How many records came.
    pub(super) records: u64,
    pub(super) seconds: u64,
}

/// Reads the topic's one partition until the row `last` comes.
pub(super) async fn read(
    stack: &Stack,
    topic: &str,
    last: u64,
) -> Result<Result<Ledger, Silent>, SoakError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack.kafka.bootstrap())
        .set("group.id", "integration-soak-reader")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", "32768")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&assignment)?;
    let schemas = Schemas { url: stack.registry.url(), known: HashMap::new() };
    let runtime = Handle::current();
    let last = i64::try_from(last).unwrap_or(i64::MAX);
    let reading =
        move || Reading { schemas, ledger: Ledger::default() }.run(&consumer, last, &runtime);
    tokio::task::spawn_blocking(reading).await?
}

struct Reading {
    schemas: Schemas,
    ledger: Ledger,
}

/// The registry's schemas; nothing for one that is of no use here.
struct Schemas {
    url: String,
    known: HashMap<u32, Option<Shape>>,
}

impl Reading {
    fn run(
        mut self,
        consumer: &BaseConsumer,
        last: i64,
        runtime: &Handle,
    ) -> Result<Result<Ledger, Silent>, SoakError> {
        let mut heard = Instant::now();
        while heard.elapsed() < SILENCE {
            match consumer.poll(SLICE) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if self.take(&message, runtime)? == last {
                        return Ok(Ok(self.ledger));
                    }
                }
                // The process makes the topic when its first records come.
                Some(Err(KafkaError::MessageConsumption(_))) | None => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Ok(Err(Silent { records: self.ledger.records(), seconds: SILENCE.as_secs() }))
    }

    /// The key of a record; -1 if it has none that fits.
    fn take(&mut self, message: &BorrowedMessage<'_>, runtime: &Handle) -> Result<i64, SoakError> {
        let offset = message.offset();
        let key = message.key().and_then(frame).and_then(|(_, mut key)| {
            let id = shape::number(&mut key)?;
            key.is_empty().then_some(id)
        });
        let Some(key) = key else {
            self.ledger.problems.add(format!("the record at {offset} has no key of the table"));
            return Ok(-1);
        };
        let Some(value) = message.payload() else {
            match lsn_of(message) {
                Some(lsn) => self.ledger.tombstone(key, lsn),
                None => self.ledger.problems.add(format!("no lsn is at {offset}")),
            }
            return Ok(key);
        };
        let framed = frame(value);
        if let Some((id, _)) = framed {
            self.schemas.learn(id, runtime)?;
        }
        let change =
            framed.and_then(|(id, body)| self.schemas.known.get(&id)?.as_ref()?.change(body));
        match change {
            Some(change) => self.ledger.change(key, &change),
            None => self.ledger.problems.add(format!("the record at {offset} is no change")),
        }
        Ok(key)
    }
}

impl Schemas {
    fn learn(&mut self, id: u32, runtime: &Handle) -> Result<(), SoakError> {
        if self.known.contains_key(&id) {
            return Ok(());
        }
        let url = format!("{}/schemas/ids/{id}", self.url);
        let answer: serde_json::Value = runtime
            .block_on(async { reqwest::get(url).await?.error_for_status()?.json().await })?;
        let shape = answer.get("schema").and_then(serde_json::Value::as_str).and_then(Shape::parse);
        self.known.insert(id, shape);
        Ok(())
    }
}

/// Confluent's frame: a zero, the schema's number, and the Avro bytes.
fn frame(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&[0, a, b, c, d], body) = bytes.split_first_chunk::<5>()? else { return None };
    Some((u32::from_be_bytes([a, b, c, d]), body))
}

/// The Lsn of a record without a value; none of a control record, which no run has.
fn lsn_of(message: &BorrowedMessage<'_>) -> Option<u64> {
    let headers = message.headers()?;
    if headers.iter().any(|header| header.key == "rowcast.control") {
        return None;
    }
    let lsn = headers.iter().find(|header| header.key == "rowcast.lsn")?;
    std::str::from_utf8(lsn.value?).ok()?.parse().ok()
}
