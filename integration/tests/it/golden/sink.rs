//! What Debezium and Confluent's converter really wrote, indexed by a sink on real servers.
//!
//! The records have no Lsn, so the version of a document is the Kafka offset of its last change:
//! that alone says which records the index has to have. What the documents are is said by the plain
//! path from values, and of a row with all types by hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Stack, shared};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schema::plan::document::{
    DocumentOptions, DocumentPlan, FieldKind, GenericDocument, GeometryForm, JsonForm, RowChange,
};
use serde_json::{Value as Json, json};

use super::recording::{Recorded, Recording, recordings};
use super::registry::RegistryClient;
use crate::scenario::{DEADLINE, LOG, stop};

const PREFIX: &str = "golden_sink";

/// As the sink has them by default.
const OPTIONS: DocumentOptions =
    DocumentOptions { json: JsonForm::ObjectsOnly, geometry: GeometryForm::Object };

/// Documents and topics that there are, so that less is noticed.
const TOPICS: usize = 48;
const DOCUMENTS: usize = 216;

/// Documents by the offsets of their last changes.
type Index = BTreeMap<u64, Json>;

/// What an index has to have.
#[derive(Default)]
struct Expected {
    live: BTreeMap<Vec<u8>, u64>,
    documents: BTreeMap<u64, Json>,
    records: u64,
}

impl Expected {
    /// Carries out one record.
    fn apply(&mut self, record: &Recorded, recording: &Recording) {
        let offset = self.records;
        self.records += 1;
        let change = record.value.as_ref().map(|(schema, body)| {
            let plain = GenericDocument::new(&recording.schemas[*schema].1, OPTIONS).unwrap();
            let mut document = Vec::new();
            let row = plain.run(body, &mut document).unwrap();
            assert_eq!(row.lsn, None);
            (row.change, document)
        });
        let key = record.key.as_ref().map(|(_, body)| body.clone());
        match change {
            Some((RowChange::Truncate, _)) => self.live.clear(),
            Some((RowChange::Upsert { .. }, document)) => {
                self.live.insert(key.unwrap(), offset);
                self.documents.insert(offset, serde_json::from_slice(&document).unwrap());
            }
            None | Some((RowChange::Delete, _)) => {
                self.live.remove(&key.unwrap());
            }
        }
    }

    fn index(&self) -> Index {
        self.live.values().map(|offset| (*offset, self.documents[offset].clone())).collect()
    }
}

/// The SQL pairs: types of each kind, flattened records, geometry and numbers. Not more, because
/// each table is an index to be made.
const PAIRS: [&str; 4] = ["gold", "unwrap", "geo", "num"];

/// A table without a key makes no documents, nor one whose columns change their types, nor one with values that are none (which Debezium
/// writes for zero dates, say).
fn is_indexable(recording: &Recording, topic: &str) -> bool {
    let mut records = recording.records.iter().filter(|record| record.topic == topic);
    let mut kinds: BTreeMap<Box<str>, FieldKind> = BTreeMap::new();
    records.all(|record| {
        // A column of another type halts the sink, as it has to.
        let plan = record.value.as_ref().map(|(schema, _)| &recording.schemas[*schema].1);
        let plan = plan.and_then(|schema| DocumentPlan::compile(schema, OPTIONS).ok());
        let fields = plan.iter().flat_map(DocumentPlan::fields);
        let mut keeps_its_types = true;
        for field in fields {
            let kind = kinds.entry(field.name.clone()).or_insert_with(|| field.kind.clone());
            keeps_its_types &= *kind == field.kind;
        }
        let decodes = record.value.as_ref().is_none_or(|(schema, body)| {
            let plain = GenericDocument::new(&recording.schemas[*schema].1, OPTIONS);
            plain.is_ok_and(|plain| plain.run(body, &mut Vec::new()).is_ok())
        });
        record.key.is_some() && keeps_its_types && decodes
    })
}

fn topic_of(recording: &Recording, record: &Recorded) -> String {
    format!("{PREFIX}.{}.{}", recording.name, record.topic)
}

async fn produce(stack: &Stack, recordings: &[Recording]) -> BTreeMap<String, Expected> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.kafka.bootstrap());
    let producer: BaseProducer = config.create().unwrap();
    let registry = RegistryClient::new(&stack.registry.url());
    let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
    for recording in recordings {
        let ids = registry.register(recording).await;
        let framed = |part: &Option<(usize, Vec<u8>)>| {
            let (schema, body) = part.as_ref()?;
            Some([&[0], &ids[*schema].to_be_bytes()[..], body].concat())
        };
        for record in &recording.records {
            if !is_indexable(recording, &record.topic) {
                continue;
            }
            let topic = topic_of(recording, record);
            let known = expected.contains_key(&topic);
            let index = expected.entry(topic.clone()).or_default();
            if !known {
                create(&config, &topic).await;
            }
            index.apply(record, recording);
            let (key, value) = (framed(&record.key), framed(&record.value));
            let mut headers = OwnedHeaders::new();
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: value.as_ref() });
            }
            let mut message = BaseRecord::<[u8], [u8]>::to(&topic).partition(0).headers(headers);
            message.key = key.as_deref();
            message.payload = value.as_deref();
            producer.send(message).map_err(|(error, _)| error).unwrap();
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    expected
}

async fn create(config: &ClientConfig, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
    assert_eq!(made, [Ok(topic.to_owned())]);
}

async fn indexed(stack: &Stack, topic: &str) -> Option<Index> {
    let url = format!("{}/{}", stack.elasticsearch.url(), topic.to_lowercase());
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return None;
    }
    let search = json!({ "size": 1_000, "version": true });
    let answer = client.post(format!("{url}/_search")).json(&search).send().await.unwrap();
    let answer: Json = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap().iter();
    let version = |hit: &Json| hit["_version"].as_u64().unwrap();
    Some(hits.map(|hit| (version(hit), hit["_source"].clone())).collect())
}

/// The row of `golden.sql` with a value of each type, after its update, as a person reads it there.
fn row_of_all_types() -> Json {
    let text = include_str!("row_of_all_types.json");
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn what_debezium_wrote_is_indexed_as_it_is() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut recordings = recordings();
    recordings.retain(|recording| PAIRS.contains(&&*recording.pair));
    for recording in &mut recordings {
        for (subject, _) in &mut recording.schemas {
            *subject = format!("{PREFIX}.{}.{subject}", recording.name);
        }
    }
    let expected = produce(stack, &recordings).await;
    let documents: usize = expected.values().map(|index| index.live.len()).sum();
    assert_eq!((expected.len(), documents), (TOPICS, DOCUMENTS));
    let url = stack.elasticsearch.url();
    let pipeline = PipelineFile::new(PREFIX, &stack.kafka, &stack.registry)
        .sink(PREFIX, &url, PREFIX)
        .with("index.name", "{topic}")
        .with("index.settings.number_of_replicas", "0");
    let (file, log) = (folder.path().join("sink.yaml"), folder.path().join("sink.log"));
    pipeline.write(&file).unwrap();
    let rowcast = Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap();

    let mut left: BTreeMap<_, _> = expected.iter().map(|(t, index)| (t, index.index())).collect();
    let end = Instant::now() + 2 * DEADLINE;
    while !left.is_empty() {
        assert!(rowcast.pid().is_some(), "{}", rowcast.log().unwrap());
        for topic in left.keys().copied().cloned().collect::<Vec<_>>() {
            let found = indexed(stack, &topic).await;
            if found.as_ref() == left.get(&topic) {
                left.remove(&topic);
            } else if Instant::now() > end {
                panic!("{topic} has {found:?}, expected {:?}", left[&topic]);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let all_types = indexed(stack, &format!("{PREFIX}.srv1.srv1.gold.t_all")).await.unwrap();
    let row = all_types.values().find(|row| row["id"] == 1).unwrap();
    assert_eq!(*row, row_of_all_types());
    stop(&rowcast).await;
}
