//! The pipeline against a server and a consumer that fail.

mod append;
mod dated;
mod delivery;
mod documents;
mod folded;
mod folded_rows;
mod histories;
mod json;
mod large;
mod late_writes;
mod malformed;
mod shared;
mod sweeps;
mod tolerance;
mod transforms;
mod truncates;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use connect::config::{Origin, Settings};
use connect::control::{TaskHandle, task_control};
use connect::kafka::consumer::{Command, ConsumerFeed, Ends, KafkaOffset};
use schema::fault::{Disposition, Fault as _};
use schema::registry::{Registry, RegistryConfig};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::bulk::Bulk;
use crate::client::EsClient;
use crate::config::SinkConfig;
use crate::mapping::Indices;
use crate::sweep::{Asked, Group};
use crate::testing::{Change, FakeServer, Fault, flat_record, record, text_record};
use crate::writer::WriterConfig;

const TOPIC: &str = "shop.db.orders";

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: TOPIC.into(), partition: number }
}

/// A running pipeline with Kafka's end in the hands of the test.
struct Bench {
    server: FakeServer,
    feed: ConsumerFeed,
    stop: CancellationToken,
    pipeline: JoinHandle<Result<(), SinkError>>,
    committed: BTreeMap<i32, i64>,
    group: FakeGroup,
    told: TaskHandle,
}

/// What Kafka knows of the group.
#[derive(Clone, Default)]
struct FakeGroup {
    committed: Arc<Mutex<BTreeMap<TopicPartition, i64>>>,
    ends: Arc<Mutex<Ends>>,
}

impl Group for FakeGroup {
    fn ends(&self) -> Asked<'_> {
        Box::pin(async { Ok(self.ends.lock().unwrap().clone()) })
    }

    fn not_passed(&self, mut ends: Ends) -> Asked<'_> {
        let committed = self.committed.lock().unwrap();
        ends.retain(|(partition, end)| committed.get(partition).copied().unwrap_or(0) < end.0);
        Box::pin(async { Ok(ends) })
    }
}

impl Bench {
    fn start(server: FakeServer, extra: &[(&str, &str)]) -> Self {
        Self::start_with(server, extra, FLUSH_DEADLINE)
    }

    /// With another time for a rebalance to wait.
    fn start_with(server: FakeServer, extra: &[(&str, &str)], flush: Duration) -> Self {
        let pairs = [("topics", TOPIC), ("connection.url", &*server.url), ("batch.size", "7")];
        let values = pairs.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let settings = Settings::new("connector `s`", Origin::PipelineFile, values.collect());
        let config = SinkConfig::from_settings(settings).unwrap();
        let registry = RegistryConfig {
            urls: vec![server.url.clone()],
            timeout: Duration::from_secs(5),
            ..RegistryConfig::default()
        };
        let client = Arc::new(EsClient::new(&config.connection).unwrap());
        let indices = Indices::new(Arc::clone(&client), config.index.clone());
        let registry = Registry::new(&registry).unwrap();
        let documents = Documents::new(registry, indices, &config.index, config.documents)
            .waiting_for_the_registry(config.errors.retry);
        let (consumer, feed) = SinkConsumer::with_feed();
        let group = FakeGroup::default();
        let watched = group.clone();
        let bulk = Arc::new(Bulk::new(client, config.delivery.pace(), Arc::default()));
        let sweeper = Sweeper::new(
            Arc::clone(&bulk),
            config.index.clone(),
            Box::new(move |_| Ok(Box::new(watched.clone()))),
        );
        let writer_config = WriterConfig { large: config.large, malformed: config.malformed };
        let writer = Writer::new(bulk, writer_config, None);
        let stations = Stations { documents, writer, sweeper, errors: config.errors };
        let mut pipeline = Pipeline::new(consumer, stations, config.delivery);
        pipeline.offsets = Offsets::new(Duration::from_millis(5));
        pipeline.flush_deadline = flush;
        let stop = CancellationToken::new();
        let token = stop.clone();
        let (mut control, told) = task_control();
        let pipeline = tokio::spawn(async move { pipeline.run(&token, &mut control).await });
        Self { server, feed, stop, pipeline, committed: BTreeMap::new(), group, told }
    }

    async fn deliver(&mut self, records: Vec<Record>) {
        let mut polled = self.feed.polled(records);
        while let Err(refused) = self.feed.records(polled, Duration::from_millis(20)).await {
            polled = refused;
            assert!(self.command().is_none());
            assert!(!self.pipeline.is_finished(), "the pipeline has ended early");
        }
    }

    /// Takes one command: commits are noted, others given back.
    fn command(&mut self) -> Option<Command> {
        match self.feed.command(Duration::ZERO)? {
            Command::Commit { offsets, done } => {
                for (partition, KafkaOffset(offset)) in offsets {
                    let mut group = self.group.committed.lock().unwrap();
                    group.insert(partition.clone(), offset);
                    drop(group);
                    let before = self.committed.insert(partition.partition, offset);
                    assert!(before < Some(offset), "committed offsets only grow");
                }
                if let Some(done) = done {
                    done.send(Ok(())).unwrap();
                }
                None
            }
            other @ (Command::RevokeDone | Command::Close) => Some(other),
        }
    }

    /// Serves commands until something holds. A deadline makes a stuck pipeline a failed test.
    async fn until(&mut self, mut holds: impl FnMut(&mut Self, Option<&Command>) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let command = self.command();
            if holds(self, command.as_ref()) {
                return;
            }
            assert!(Instant::now() < deadline, "waited for 30 s");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the task has published so many sweeps and swept documents, and these records.
    async fn tells(&mut self, (sweeps, swept_documents): (u64, u64), parked: &[&str]) {
        let expected = (sweeps, swept_documents, parked.join(", "));
        self.until(|bench, _| {
            bench.told.sink_status().is_some_and(|told| {
                (told.sweeps, told.swept_documents, told.parked.join(", ")) == expected
            })
        })
        .await;
    }

    /// Somebody sets the group's offset of a partition back.
    fn rewind(&mut self, number: i32, offset: i64) {
        let mut group = self.group.committed.lock().unwrap();
        if offset > 0 {
            group.insert(partition(number), offset);
            self.committed.insert(number, offset);
        } else {
            group.remove(&partition(number));
            self.committed.remove(&number);
        }
    }

    async fn end(mut self) -> (Result<(), SinkError>, FakeServer, BTreeMap<i32, i64>) {
        self.stop.cancel();
        self.until(|bench, _| bench.pipeline.is_finished()).await;
        (self.pipeline.await.unwrap(), self.server, self.committed)
    }
}

#[tokio::test]
async fn rows_become_documents_and_offsets_follow() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench
        .deliver(vec![
            record(&p, 10, 1, Change::Write { n: 5 }, Some(100)),
            record(&p, 12, 2, Change::Write { n: 6 }, Some(101)),
            record(&p, 13, 1, Change::Delete, Some(102)),
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&14)).await;

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let documents = server.documents(TOPIC);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents["2"], json!({"id": 2, "n": 6, "u": null}));
    let mapping = server.mapping(TOPIC);
    assert_eq!(mapping["properties"]["n"], json!({"type": "long"}));
    assert_eq!(mapping["_meta"]["rowcast"]["versions"], "lsn");
    assert_eq!(mapping["dynamic"], false);
}

/// Stop comes while records are in the batch: they are sent and committed.
/// Flattened by Debezium: the number of the change is in a header, a delete in a field.
#[tokio::test]
async fn flat_rows_have_their_version_from_the_header_and_are_deleted_when_marked() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench
        .deliver(vec![
            flat_record(&p, 0, 1, Change::Write { n: 5 }, Some(100)),
            flat_record(&p, 1, 2, Change::Write { n: 6 }, Some(101)),
            flat_record(&p, 2, 1, Change::Delete, Some(102)),
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&3)).await;

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let row = json!({"id": 2, "n": 6, "__deleted": "false"});
    assert_eq!(server.documents(TOPIC), BTreeMap::from([("2".to_owned(), row)]));
    assert_eq!(server.version(TOPIC, "1"), Some(102));
    assert_eq!(server.version(TOPIC, "2"), Some(101));
}

#[tokio::test]
async fn a_stop_settles_what_has_been_taken() {
    let extra = [("linger.ms", "60000")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;
    // The index is made and marked when the record is taken.
    let is_marked = |server: &FakeServer| {
        let mark = |server: &FakeServer| server.mapping(TOPIC)["_meta"]["rowcast"].clone();
        server.has_index(TOPIC) && mark(server)["index_uuid"].is_string()
    };
    bench.until(|bench, _| is_marked(&bench.server)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;

    let (ended, server, committed) = bench.end().await;

    ended.unwrap();
    assert_eq!(server.documents(TOPIC).len(), 1);
    assert_eq!(committed[&0], 1);
}

#[tokio::test]
async fn a_revocation_waits_for_what_is_under_way() {
    let extra = [("linger.ms", "60000")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let (p, q) = (partition(0), partition(1));
    bench.feed.assigned(vec![p.clone(), q.clone()]).await;
    bench
        .deliver(
            (0..10)
                .map(|n| record(&p, n, n, Change::Write { n }, Some(1 + n.unsigned_abs())))
                .collect(),
        )
        .await;
    bench.until(|bench, _| bench.server.bulk_requests() > 0).await;

    bench.feed.revoked(vec![p], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;

    // Seven were sent; of the three others, those that were taken are sent too.
    let committed = bench.committed[&0];
    let documents = bench.server.documents(TOPIC).len();
    assert!(committed >= 7 && usize::try_from(committed).unwrap() == documents);
    bench.end().await.0.unwrap();
}

async fn failure(bench: Bench) -> SinkError {
    let mut bench = bench;
    bench.until(|bench, _| bench.pipeline.is_finished()).await;
    bench.pipeline.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_wrong_password_halts_with_a_hint() {
    let server = FakeServer::start().await;
    server.fail([Fault::WrongPassword]);
    let mut bench = Bench::start(server, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::Halt);
    assert!(error.hint().unwrap().contains("connection.password"));
}

#[tokio::test]
async fn a_refused_document_halts_and_is_named_by_its_place_only() {
    let server = FakeServer::start().await;
    server.fail([Fault::BadDocument]);
    let mut bench = Bench::start(server, &[("behavior.on.malformed.documents", "fail")]);
    let p = partition(3);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 41, 1, Change::Write { n: 5 }, Some(1))]).await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::DeadLetter);
    assert_eq!(
        error.to_string(),
        "elasticsearch refuses record shop.db.orders/3@41 in index `shop.db.orders` with 400 \
         document_parsing_exception for field `?`"
    );
}

/// The test servers of this project and all OpenSearch before 2.8 are like that.
#[tokio::test]
async fn a_server_without_unsigned_long_gets_double() {
    let server = FakeServer::start().await;
    server.lack_unsigned_long();
    let mut bench = Bench::start(server, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;

    assert_eq!(bench.server.mapping(TOPIC)["properties"]["u"], json!({"type": "double"}));
    bench.end().await.0.unwrap();
}

/// Elasticsearch is away for longer than any of its clients waits: nothing is lost, nothing dies.
#[tokio::test]
async fn an_outage_is_waited_for() {
    let server = FakeServer::start().await;
    server.fail([Fault::CutBefore, Fault::Unavailable, Fault::Hang, Fault::CutAfter]);
    let extra = [("connection.timeout.ms", "100"), ("read.timeout.ms", "200")];
    let mut bench = Bench::start(server, &extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;

    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;

    assert_eq!(bench.server.bulk_requests(), 4);
    bench.end().await.0.unwrap();
}

#[tokio::test]
async fn records_without_an_lsn_do_not_follow_those_with_one() {
    for first in [0, 5] {
        let mut bench = Bench::start(FakeServer::start().await, &[]);
        let p = partition(0);
        bench.feed.assigned(vec![p.clone()]).await;
        // Another source's, as long as they come first.
        for offset in 0..first {
            bench.deliver(vec![record(&p, offset, 1, Change::Write { n: 5 }, None)]).await;
        }
        bench.deliver(vec![record(&p, first, 1, Change::Write { n: 6 }, Some(7))]).await;
        bench.deliver(vec![record(&p, first + 1, 1, Change::Write { n: 7 }, None)]).await;

        let error = failure(bench).await;

        assert_eq!(
            error.to_string(),
            "index `shop.db.orders` has versions from lsn, expected kafka offset as in topic \
             shop.db.orders"
        );
    }
}

/// Each partition on its own, over restarts, and when records are read again.
#[tokio::test]
async fn a_topic_that_was_taken_over_goes_on_in_its_index() {
    let (p, q) = (partition(0), partition(1));
    let without = |p, offset, id| record(p, offset, id, Change::Write { n: offset }, None);
    let with = |p, offset: i64, id| {
        let lsn = Some(900 + offset.unsigned_abs());
        record(p, offset, id, Change::Write { n: offset }, lsn)
    };
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    bench.feed.assigned(vec![p.clone(), q.clone()]).await;

    bench
        .deliver(vec![without(&p, 3, 1), without(&q, 3, 2), with(&p, 4, 1), without(&q, 4, 2)])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    let noted = bench.server.mapping(TOPIC)["_meta"]["rowcast"].clone();
    assert_eq!(
        (&noted["versions"], &noted["taken_over"]),
        (&json!("lsn"), &json!({"shop.db.orders/0": 4}))
    );
    let server = bench.end().await.1;
    let mut bench = Bench::start(server, &[]);
    bench.feed.assigned(vec![p.clone(), q.clone()]).await;
    // What is old is void; the other partition has not come so far.
    bench.deliver(vec![without(&p, 2, 1), without(&q, 5, 2), with(&q, 6, 2), with(&p, 5, 3)]).await;
    bench.until(|bench, _| bench.committed.get(&1) == Some(&7)).await;
    let noted = bench.server.mapping(TOPIC)["_meta"]["rowcast"]["taken_over"].clone();
    assert_eq!(noted, json!({"shop.db.orders/0": 4, "shop.db.orders/1": 6}));
    bench.deliver(vec![without(&q, 7, 2)]).await;

    let error = failure(bench).await;

    assert!(error.to_string().contains("has versions from lsn"), "{error}");
}

#[tokio::test]
async fn an_index_of_somebody_else_is_completed_or_refused() {
    let server = FakeServer::start().await;
    server.create(TOPIC, json!({"_meta": {"owner": "x"}, "properties": {"n": {"type": "ip"}}}));
    let mut bench = Bench::start(server, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;
    let error = failure(bench).await.to_string();
    assert!(error.contains("field `n` as ip, expected long"), "{error}");

    let server = FakeServer::start().await;
    server.create(TOPIC, json!({"_meta": {"owner": "x"}, "properties": {"n": {"type": "long"}}}));
    let mut bench = Bench::start(server, &[]);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;
    let mapping = bench.server.mapping(TOPIC);
    assert_eq!(
        mapping["_meta"],
        json!({"owner": "x",
            "rowcast": {"versions": "lsn", "topic": TOPIC, "index_uuid": "uuid-1"}})
    );
    assert_eq!(mapping["properties"]["id"], json!({"type": "long"}));
    bench.end().await.0.unwrap();
}
