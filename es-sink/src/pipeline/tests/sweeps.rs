//! Sweeps, with a server that fails and partitions that go.

use super::*;
use crate::testing::{Phase, SearchFault, sweep_record};

const BEFORE: u64 = 100;

/// An index of ours with a document below the sweep's number and one above.
fn index_with_old_and_new(server: &FakeServer) {
    server.create(TOPIC, json!({"_meta": {"rowcast": {"versions": "lsn", "topic": TOPIC}}}));
    server.put(TOPIC, "77", 99, json!({"id": 77}));
    server.put(TOPIC, "88", 100, json!({"id": 88}));
}

fn ids(server: &FakeServer, index: &str) -> Vec<String> {
    server.documents(index).into_keys().collect()
}

impl Bench {
    /// Gives partitions, which end there.
    async fn assign(&mut self, ends: &[(i32, i64)]) {
        let ends = ends.iter().map(|(number, end)| (partition(*number), KafkaOffset(*end)));
        *self.group.ends.lock().unwrap() = ends.clone().collect();
        // Before the control record at 4 an earlier owner has left nothing to do.
        self.group.committed.lock().unwrap().insert(partition(0), 4);
        self.feed.assigned(ends.map(|(partition, _)| partition).collect()).await;
    }
}

/// A pipeline with one partition that has nothing but the control record.
async fn swept_alone(server: FakeServer, extra: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::start(server, extra);
    bench.assign(&[(0, 6)]).await;
    bench.deliver(vec![sweep_record(&partition(0), 4, BEFORE)]).await;
    bench
}

#[tokio::test]
async fn a_sweep_waits_for_every_partition_and_its_own_waits_for_the_sweep() {
    let server = FakeServer::start().await;
    index_with_old_and_new(&server);
    let mut bench = Bench::start(server, &[]);
    let (p, q) = (partition(0), partition(1));
    bench.assign(&[(0, 8), (1, 10)]).await;
    // 55 is in MySQL, and its row is on its way in another partition; 5 is behind the sweep.
    bench.server.put(TOPIC, "55", 50, json!({"id": 55}));
    bench
        .deliver(vec![
            record(&p, 3, 4, Change::Write { n: 1 }, Some(101)),
            sweep_record(&p, 4, BEFORE),
            record(&p, 6, 5, Change::Write { n: 1 }, Some(200)),
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&4)).await;
    assert_eq!(bench.feed.held(), Some([p.clone()].into()));
    bench.deliver(vec![record(&p, 7, 6, Change::Write { n: 1 }, Some(201))]).await;
    bench.deliver(vec![record(&q, 8, 55, Change::Write { n: 1 }, Some(150))]).await;
    bench.until(|bench, _| bench.committed.get(&1) == Some(&9)).await;

    assert_eq!(ids(&bench.server, TOPIC), ["4", "55", "77", "88"]);
    assert_eq!((bench.committed[&0], bench.server.searches()), (4, 0));
    bench.tells((0, 0), &[]).await;

    bench.deliver(vec![sweep_record(&q, 9, BEFORE)]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&8)).await;
    assert_eq!(ids(&bench.server, TOPIC), ["4", "5", "55", "6", "88"]);
    assert_eq!(bench.server.version(TOPIC, "77"), Some(BEFORE));
    assert_eq!(bench.feed.held(), Some([].into()));
    assert_eq!(bench.server.open_points(), 0);
    bench.tells((1, 1), &[]).await;
    bench.end().await.0.unwrap();
}

#[tokio::test]
async fn the_sweep_is_done_whatever_fails_on_the_way() {
    use SearchFault::{Busy, Cut, Lost, ShardMissing, Unavailable};
    let mut cases = vec![
        (vec![(Phase::Refresh, ShardMissing)], vec![]),
        (vec![(Phase::Search, ShardMissing)], vec![]),
        (vec![(Phase::Search, Lost)], vec![]),
    ];
    for phase in [Phase::Refresh, Phase::Open, Phase::Search] {
        cases.push((vec![(phase, Cut), (phase, Busy), (phase, Unavailable)], vec![]));
    }
    for fault in [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::ItemsBusy,
        Fault::Unavailable,
        Fault::WrongCount,
        Fault::TooLarge,
    ] {
        cases.push((vec![], vec![fault]));
    }
    for (searches, faults) in cases {
        let server = FakeServer::start().await;
        index_with_old_and_new(&server);
        server.put(TOPIC, "66", 1, json!({"id": 66}));
        server.fail_searches(searches.clone());
        server.fail(faults.clone());
        let mut bench = swept_alone(server, &[]).await;
        bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;

        let case = format!("{searches:?} {faults:?}");
        assert_eq!(ids(&bench.server, TOPIC), ["88"], "{case}");
        let is_told = |bench: &Bench| bench.told.sink_status().is_some_and(|it| it.sweeps == 1);
        bench.until(|bench, _| is_told(bench)).await;
        assert_eq!(bench.server.faults_left(), 0, "{case}");
        bench.end().await.0.unwrap();
    }
}

#[tokio::test]
async fn an_index_of_many_pages_is_swept_to_its_end() {
    let server = FakeServer::start().await;
    index_with_old_and_new(&server);
    for number in 0..2_500_u64 {
        server.put(TOPIC, &format!("d{number:04}"), number % 200, json!({"id": number}));
    }
    let mut bench = swept_alone(server, &[]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;

    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    let left = server.documents(TOPIC);
    assert_eq!(left.len(), 1 + 1_200);
    assert!(left.keys().all(|id| server.version(TOPIC, id) >= Some(BEFORE)));
    assert_eq!(server.searches(), 4);
}

#[tokio::test]
async fn opensearch_is_swept_by_its_own_path() {
    let server = FakeServer::start().await;
    index_with_old_and_new(&server);
    server.be_opensearch();
    let mut bench = swept_alone(server, &[]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;

    assert_eq!(ids(&bench.server, TOPIC), ["88"]);
    assert_eq!(bench.server.open_points(), 0);
    bench.end().await.0.unwrap();
}

/// Partition 0 goes while the sweep waits for another partition: its next owner begins again.
#[tokio::test]
async fn a_sweep_whose_partition_goes_is_done_by_the_next_owner() {
    let server = FakeServer::start().await;
    index_with_old_and_new(&server);
    let mut bench = Bench::start(server, &[]);
    let (p, q) = (partition(0), partition(1));
    bench.assign(&[(0, 6), (1, 3)]).await;
    bench.deliver(vec![sweep_record(&p, 4, BEFORE)]).await;
    bench.until(|bench, _| bench.feed.held() == Some([p.clone()].into())).await;

    bench.feed.revoked(vec![p.clone()], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;
    assert_eq!(bench.feed.held(), Some([].into()));
    bench.deliver(vec![sweep_record(&q, 2, BEFORE)]).await;
    bench.until(|bench, _| bench.committed.get(&1) == Some(&3)).await;
    assert_eq!(ids(&bench.server, TOPIC), ["77", "88"]);
    assert_eq!(bench.committed.get(&0), None);

    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![sweep_record(&p, 4, BEFORE)]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    assert_eq!(ids(&bench.server, TOPIC), ["88"]);
    bench.end().await.0.unwrap();
}

/// The server hangs in the middle of the deletes. The task gives the partition up all the same, and
/// does not commit.
#[tokio::test]
async fn a_sweep_that_hangs_keeps_neither_a_rebalance_nor_a_stop() {
    let server = FakeServer::start().await;
    index_with_old_and_new(&server);
    server.fail([Fault::Hang, Fault::Hang]);
    let mut bench = swept_alone(server, &[]).await;
    let p = partition(0);
    bench.until(|bench, _| bench.server.faults_left() == 1).await;

    bench.feed.revoked(vec![p.clone()], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![sweep_record(&p, 4, BEFORE)]).await;
    bench.until(|bench, _| bench.server.faults_left() == 0).await;

    let (ended, server, committed) = bench.end().await;
    ended.unwrap();
    assert_eq!(committed, BTreeMap::new());
    assert_eq!(ids(&server, TOPIC), ["77", "88"]);
}

#[tokio::test]
async fn without_an_index_there_is_nothing_to_sweep_and_an_empty_one_is_made() {
    let mut bench = swept_alone(FakeServer::start().await, &[]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    assert!(bench.server.has_index(TOPIC));
    bench.end().await.0.unwrap();

    // Nor in one that rowcast has never written to.
    let server = FakeServer::start().await;
    server.create(TOPIC, json!({"_meta": {"owner": "x"}}));
    server.put(TOPIC, "1", 1, json!({}));
    let mut bench = swept_alone(server, &[]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    assert_eq!(ids(&bench.server, TOPIC), ["1"]);
    bench.end().await.0.unwrap();
}

/// The source has taken the topic over, and its first record is a sweep.
#[tokio::test]
async fn documents_of_the_source_before_are_swept() {
    let server = FakeServer::start().await;
    let mark = json!({"versions": "kafka offset", "topic": TOPIC});
    server.create(TOPIC, json!({"_meta": {"rowcast": mark}}));
    server.put(TOPIC, "1", 1, json!({}));
    let mut bench = swept_alone(server, &[]).await;

    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;

    assert_eq!(ids(&bench.server, TOPIC), Vec::<String>::new());
    bench.end().await.0.unwrap();
}

#[tokio::test]
async fn an_index_of_another_topic_is_not_swept() {
    for (mark, expected) in [
        (json!({"versions": "lsn", "topic": "x.y.z"}), "has the documents of topic x.y.z"),
        (json!({"versions": "lsn", "shared": true}), "is shared by several topics"),
    ] {
        let server = FakeServer::start().await;
        server.create(TOPIC, json!({"_meta": {"rowcast": mark}}));
        server.put(TOPIC, "1", 1, json!({}));
        let mut bench = swept_alone(server, &[]).await;
        bench.until(|bench, _| bench.pipeline.is_finished()).await;

        let error = bench.pipeline.await.unwrap().unwrap_err();
        assert_eq!(error.disposition(), Disposition::Halt);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(ids(&bench.server, TOPIC), ["1"]);
    }
}

#[tokio::test]
async fn in_a_shared_index_each_table_has_its_own_documents_and_its_own_sweep() {
    let extra = [("index.shared", "true"), ("index.name", "all")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let (orders, items) = (
        TopicPartition { topic: "s.db.orders".into(), partition: 0 },
        TopicPartition { topic: "s.db.items".into(), partition: 1 },
    );
    *bench.group.ends.lock().unwrap() = vec![(orders.clone(), KafkaOffset(9))];
    bench.feed.assigned(vec![orders.clone(), items.clone()]).await;
    bench
        .deliver(vec![
            record(&orders, 1, 7, Change::Write { n: 1 }, Some(10)),
            record(&orders, 2, 8, Change::Write { n: 2 }, Some(120)),
            record(&items, 1, 7, Change::Write { n: 3 }, Some(11)),
            sweep_record(&orders, 3, BEFORE),
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&4)).await;

    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    let document = |id: i64, n: i64, topic: &str| {
        let id_text = format!("{topic}:{id}");
        (id_text, json!({"id": id, "n": n, "u": null, "__topic": topic}))
    };
    let expected = [document(7, 3, "s.db.items"), document(8, 2, "s.db.orders")];
    assert_eq!(server.documents("all"), expected.into());
    let mapping = server.mapping("all");
    assert_eq!(mapping["properties"]["__topic"], json!({"type": "keyword"}));
    let mark = &mapping["_meta"]["rowcast"];
    assert_eq!((&mark["versions"], &mark["shared"]), (&json!("lsn"), &json!(true)));
    assert_eq!(mark.get("topic"), None);
}

#[tokio::test]
async fn two_topics_do_not_meet_in_one_index_unless_they_are_told_to() {
    let mut bench = Bench::start(FakeServer::start().await, &[("index.name", "all")]);
    let of = |topic: &str| TopicPartition { topic: topic.into(), partition: 0 };
    bench.feed.assigned(vec![of("a"), of("b")]).await;
    bench
        .deliver(vec![
            record(&of("a"), 0, 1, Change::Write { n: 5 }, Some(1)),
            record(&of("b"), 0, 1, Change::Write { n: 6 }, Some(2)),
        ])
        .await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::Halt);
    assert_eq!(
        error.to_string(),
        "index `all` has the documents of topic a, expected an index of its own for topic b"
    );
}
