//! The pipeline against a server and a consumer that fail.

mod large;
mod sweeps;

use std::collections::BTreeMap;
use std::sync::Mutex;

use connect::config::{Origin, Settings};
use connect::kafka::consumer::{Command, ConsumerFeed, Ends, KafkaOffset};
use proptest::prelude::*;
use schema::fault::{Disposition, Fault as _};
use schema::registry::{Registry, RegistryConfig};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::bulk::EsClient;
use crate::config::SinkConfig;
use crate::mapping::Indices;
use crate::sweep::{Asked, Group};
use crate::testing::{Change, FakeServer, Fault, flat_record, record};

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
        ends.retain(|(partition, end)| committed.get(partition).is_none_or(|c| *c < end.0));
        Box::pin(async { Ok(ends) })
    }
}

impl Bench {
    fn start(server: FakeServer, extra: &[(&str, &str)]) -> Self {
        let pairs = [("topics", TOPIC), ("connection.url", &*server.url), ("batch.size", "7")];
        let values = pairs.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let settings = Settings::new("connector `s`", Origin::PipelineFile, values.collect());
        let config = SinkConfig::from_settings(settings).unwrap();
        let registry = RegistryConfig {
            urls: vec![server.url.clone()],
            basic_auth: None,
            timeout: Duration::from_secs(5),
        };
        let client = Arc::new(EsClient::new(&config.connection).unwrap());
        let indices = Indices::new(Arc::clone(&client), config.index.clone());
        let registry = Registry::new(&registry).unwrap();
        let documents = Documents::new(registry, indices, &config.index);
        let (consumer, feed) = SinkConsumer::with_feed();
        let group = FakeGroup::default();
        let watched = group.clone();
        let sweeper = Sweeper::new(
            Arc::clone(&client),
            config.index.clone(),
            Box::new(move |_| Ok(Box::new(watched.clone()))),
        );
        let writer = Writer::new(client, config.large, None);
        let stations = Stations { documents, writer, sweeper };
        let mut pipeline = Pipeline::new(consumer, stations, config.batch);
        pipeline.offsets = Offsets::new(Duration::from_millis(5));
        let stop = CancellationToken::new();
        let token = stop.clone();
        let pipeline = tokio::spawn(async move { pipeline.run(&token).await });
        Self { server, feed, stop, pipeline, committed: BTreeMap::new(), group }
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
    // The index is made when the record is taken.
    bench.until(|bench, _| bench.server.has_index(TOPIC)).await;
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
    let mut bench = Bench::start(server, &[]);
    let p = partition(3);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 41, 1, Change::Write { n: 5 }, Some(1))]).await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::DeadLetter);
    assert_eq!(
        error.to_string(),
        "elasticsearch refuses record shop.db.orders/3@41 in index `shop.db.orders` with 400 \
         document_parsing_exception"
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
async fn versions_of_two_kinds_do_not_meet_in_one_index() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, None)]).await;
    bench.deliver(vec![record(&p, 1, 1, Change::Write { n: 6 }, Some(7))]).await;

    let error = failure(bench).await;

    assert_eq!(
        error.to_string(),
        "index `shop.db.orders` has versions from kafka offset, expected lsn as in topic \
         shop.db.orders"
    );
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
        json!({"owner": "x", "rowcast": {"versions": "lsn", "topic": TOPIC}})
    );
    assert_eq!(mapping["properties"]["id"], json!({"type": "long"}));
    bench.end().await.0.unwrap();
}

/// One change of the table; its place in the list is its Lsn.
#[derive(Debug, Clone)]
struct Step {
    id: i64,
    change: Change,
    /// Partition to be taken away and given back after this step.
    rebalance: Option<i32>,
}

fn any_step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![3 => any::<i16>().prop_map(|n| Change::Write { n: n.into() }),
                             1 => Just(Change::Delete)];
    (0_i64..6, change, prop::option::weighted(0.06, 0_i32..2))
        .prop_map(|(id, change, rebalance)| Step { id, change, rebalance })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::CutBefore),
        Just(Fault::CutAfter),
        Just(Fault::WrongCount),
        Just(Fault::Unavailable),
        Just(Fault::ItemsBusy),
        Just(Fault::TooLarge),
    ]
}

proptest! {
    // Each fault costs a real wait of 100 ms or more.
    #![proptest_config(ProptestConfig {
        cases: 12,
        max_shrink_iters: 50,
        ..ProptestConfig::default()
    })]

    /// After random faults, rebalances and the repetitions that they cause, the index is what the
    /// table is; and at no moment was an offset committed whose change the index did not have.
    #[test]
    fn after_random_faults_the_index_equals_the_table(
        steps in prop::collection::vec(any_step(), 1..60),
        faults in prop::collection::vec(any_fault(), 0..5),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(converges(steps, faults));
    }
}

async fn converges(steps: Vec<Step>, faults: Vec<Fault>) {
    let server = FakeServer::start().await;
    server.fail(faults);
    let mut bench = Bench::start(server, &[]);
    let mut logs: BTreeMap<i32, Vec<Record>> = [(0, Vec::new()), (1, Vec::new())].into();
    bench.feed.assigned(vec![partition(0), partition(1)]).await;
    let mut table = BTreeMap::new();
    for (step, lsn) in steps.iter().zip(1_u64..) {
        let number = i32::from(step.id % 2 == 1);
        let log = logs.get_mut(&number).unwrap();
        // Offsets have holes where transaction markers are.
        let offset = log.last().map_or(0, |last: &Record| last.offset.0 + 1 + step.id % 2);
        let row = record(&partition(number), offset, step.id, step.change, Some(lsn));
        log.push(row.clone());
        bench.deliver(vec![row]).await;
        match step.change {
            Change::Write { n } => {
                table.insert(step.id.to_string(), json!({"id": step.id, "n": n, "u": null}))
            }
            Change::Delete => table.remove(&step.id.to_string()),
        };
        if let Some(number) = step.rebalance {
            rebalance(&mut bench, number, &logs[&number]).await;
        }
    }
    let ends: BTreeMap<i32, i64> =
        logs.iter().filter_map(|(number, log)| Some((*number, log.last()?.offset.0 + 1))).collect();
    bench.until(|bench, _| bench.committed == ends).await;

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let documents: BTreeMap<String, Value> = server.documents(TOPIC);
    assert_eq!(documents, table);
    for (step, lsn) in steps.iter().zip(1_u64..) {
        assert!(server.version(TOPIC, &step.id.to_string()) >= Some(lsn));
    }
}

/// Takes a partition away, gives it back, and delivers again from the committed offset, as Kafka
/// does.
async fn rebalance(bench: &mut Bench, number: i32, log: &[Record]) {
    bench.feed.revoked(vec![partition(number)], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;
    let committed = bench.committed.get(&number).copied().unwrap_or(0);
    let again: Vec<_> = log.iter().filter(|r| r.offset.0 >= committed).cloned().collect();
    bench.feed.assigned(vec![partition(number)]).await;
    if !again.is_empty() {
        bench.deliver(again).await;
    }
}
