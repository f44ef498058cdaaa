//! Records of a small table as a source writes them: Avro, Lsns in headers, in transactions.

use std::ops::RangeInclusive;
use std::time::Duration;

use integration::stack::Stack;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(30);

const KEY: &str = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}"#;

/// A row without an envelope.
const ROW: &str = r#"{"type":"record","name":"Row","fields":[
    {"name":"id","type":"long"},{"name":"note","type":"string"},{"name":"body","type":"bytes"}]}"#;

/// The same row as Debezium writes it: without a number of its own.
const ENVELOPE: &str = r#"{"type":"record","name":"Envelope","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"long"},{"name":"note","type":"string"}]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[
        {"name":"sequence","type":["null","string"],"default":null}]}},
    {"name":"op","type":"string"}]}"#;

const CONTROL: &str = r#"{"type":"record","name":"Control","namespace":"rowcast","fields":[
    {"name":"control","type":"string"},{"name":"table","type":"string"}]}"#;

/// A topic and its writer.
pub(crate) struct HandWritten {
    topic: String,
    partitions: i32,
    producer: BaseProducer,
    key: u32,
    row: u32,
    envelope: u32,
    control: u32,
    /// The text in each row: one that nobody may see, but for those who ask for values.
    pub(crate) note: &'static str,
}

impl HandWritten {
    /// Makes the topic and registers its schemas.
    pub(crate) async fn new(stack: &Stack, topic: &str, partitions: i32) -> Self {
        let client = |extra: &[(&str, &str)]| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", stack.kafka.bootstrap());
            config.set("message.max.bytes", "10485760");
            for (key, value) in extra {
                config.set(*key, *value);
            }
            config
        };
        let admin: AdminClient<DefaultClientContext> = client(&[]).create().unwrap();
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1))
            .set("max.message.bytes", "10485760");
        let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
        assert_eq!(made, [Ok(topic.to_owned())]);
        let producer: BaseProducer = client(&[("transactional.id", topic)]).create().unwrap();
        producer.init_transactions(WAIT).unwrap();
        let registry = stack.registry.url();
        Self {
            topic: topic.to_owned(),
            partitions,
            producer,
            key: register(&registry, &format!("{topic}-key"), KEY).await,
            row: register(&registry, &format!("{topic}-value"), ROW).await,
            envelope: register(&registry, &format!("{topic}-envelope"), ENVELOPE).await,
            control: register(&registry, "rowcast.control-key", CONTROL).await,
            note: "zeile-note",
        }
    }

    /// Writes rows with numbers from `lsn` on, each to the partition of its id.
    pub(crate) fn rows(&mut self, ids: RangeInclusive<i64>, lsn: u64) {
        let partitions = i64::from(self.partitions);
        self.transaction(|this| {
            for (id, lsn) in ids.zip(lsn..) {
                this.row(i32::try_from(id % partitions).unwrap(), (id, b""), lsn);
            }
        });
    }

    /// The same with so many bytes in each.
    pub(crate) fn long_rows(&mut self, ids: RangeInclusive<i64>, (bytes, lsn): (usize, u64)) {
        let (body, partitions) = (vec![b'x'; bytes], i64::from(self.partitions));
        self.transaction(|this| {
            for (id, lsn) in ids.zip(lsn..) {
                this.row(i32::try_from(id % partitions).unwrap(), (id, &body), lsn);
            }
        });
    }

    /// Writes rows to one partition.
    pub(crate) fn rows_in(&mut self, partition: i32, ids: RangeInclusive<i64>, lsn: u64) {
        self.transaction(|this| {
            ids.zip(lsn..).for_each(|(id, lsn)| this.row(partition, (id, b""), lsn));
        });
    }

    /// Writes rows as Debezium, each to the partition of its id.
    pub(crate) fn debezium_rows(&mut self, ids: RangeInclusive<i64>) {
        self.envelopes(ids, None);
    }

    /// Writes one row as rowcast's source does: its number is in the envelope.
    pub(crate) fn rowcast_row(&mut self, id: i64, lsn: u64) {
        self.envelopes(id..=id, Some(lsn));
    }

    fn envelopes(&mut self, ids: RangeInclusive<i64>, lsn: Option<u64>) {
        self.transaction(|this| {
            for id in ids {
                let (mut key, mut value) = (frame(this.key), frame(this.envelope));
                long(id, &mut key);
                value.extend([0, 2]);
                long(id, &mut value);
                text(this.note.as_bytes(), &mut value);
                match lsn {
                    None => value.push(0),
                    Some(lsn) => {
                        value.push(2);
                        text(lsn.to_string().as_bytes(), &mut value);
                    }
                }
                text(b"c", &mut value);
                let partition = i32::try_from(id % i64::from(this.partitions)).unwrap();
                this.send(partition, (Some(&key), Some(&value)), &[]);
            }
        });
    }

    /// Writes as Debezium that the table was truncated.
    pub(crate) fn debezium_truncate(&mut self, partition: i32) {
        let mut value = frame(self.envelope);
        value.extend([0, 0, 0]);
        text(b"t", &mut value);
        self.transaction(|this| this.send(partition, (None, Some(&value)), &[]));
    }

    /// Writes one row with so many bytes.
    pub(crate) fn large_row(&mut self, partition: i32, id: i64, (bytes, lsn): (usize, u64)) {
        let body = vec![b'x'; bytes];
        self.transaction(|this| this.row(partition, (id, &body), lsn));
    }

    /// Deletes a row.
    pub(crate) fn tombstone(&mut self, partition: i32, id: i64, lsn: u64) {
        let mut key = frame(self.key);
        long(id, &mut key);
        let lsn = lsn.to_string();
        let headers = [("rowcast.lsn", lsn.as_str())];
        self.transaction(|this| this.send(partition, (Some(&key), None), &headers));
    }

    /// Ends a snapshot.
    pub(crate) fn sweep(&mut self, table: &str, before: u64) {
        self.control("sweep", table, before);
    }

    /// Writes a control record to every partition.
    pub(crate) fn control(&mut self, kind: &str, table: &str, before: u64) {
        let mut key = frame(self.control);
        text(kind.as_bytes(), &mut key);
        text(table.as_bytes(), &mut key);
        // Its own number is beyond those of all rows.
        let (lsn, before) = ((before * 2).to_string(), before.to_string());
        let headers = [
            ("rowcast.control", kind),
            ("rowcast.table", table),
            ("rowcast.sweep.before", before.as_str()),
            ("rowcast.lsn", lsn.as_str()),
        ];
        self.transaction(|this| {
            for partition in 0..this.partitions {
                this.send(partition, (Some(&key), None), &headers);
            }
        });
    }

    fn transaction(&mut self, write: impl FnOnce(&Self)) {
        self.producer.begin_transaction().unwrap();
        write(self);
        self.producer.commit_transaction(WAIT).unwrap();
    }

    fn row(&self, partition: i32, (id, body): (i64, &[u8]), lsn: u64) {
        let (mut key, mut value) = (frame(self.key), frame(self.row));
        long(id, &mut key);
        long(id, &mut value);
        text(self.note.as_bytes(), &mut value);
        text(body, &mut value);
        self.send(partition, (Some(&key), Some(&value)), &[("rowcast.lsn", &lsn.to_string())]);
    }

    fn send(
        &self,
        partition: i32,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        headers: &[(&str, &str)],
    ) {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: Some(*value) });
        }
        let mut record =
            BaseRecord::<[u8], [u8]>::to(&self.topic).partition(partition).headers(all);
        (record.key, record.payload) = (key, value);
        while let Err((error, refused)) = self.producer.send(record) {
            let code = error.rdkafka_error_code();
            assert_eq!(code, Some(rdkafka::error::RDKafkaErrorCode::QueueFull));
            self.producer.poll(Duration::from_millis(10));
            record = refused;
        }
    }
}

async fn register(registry: &str, subject: &str, schema: &str) -> u32 {
    let url = format!("{registry}/subjects/{subject}/versions");
    let answer = reqwest::Client::new().post(url).json(&json!({ "schema": schema })).send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    u32::try_from(answer["id"].as_u64().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

fn frame(schema: u32) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..]].concat()
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.push(zigzag.to_le_bytes()[0] | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag.to_le_bytes()[0]);
}

fn text(text: &[u8], out: &mut Vec<u8>) {
    long(i64::try_from(text.len()).unwrap(), out);
    out.extend_from_slice(text);
}
