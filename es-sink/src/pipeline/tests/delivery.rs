//! Several requests at once, and what a server that is slow, full or away does to them.

use super::*;

fn writes(p: &TopicPartition, offsets: std::ops::Range<i64>, keys: i64) -> Vec<Record> {
    let write = |offset: i64| {
        let change = Change::Write { n: offset };
        record(p, offset, offset % keys, change, Some(offset.unsigned_abs() + 1))
    };
    offsets.map(write).collect()
}

/// Begins with one request and has as many as it may when the server has answered some.
#[tokio::test]
async fn several_requests_are_under_way_and_never_two_actions_on_a_document() {
    let extra = [("batch.size", "10"), ("max.in.flight.requests", "4")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(writes(&p, 0..400, 1_000)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&400)).await;

    bench.server.hold();
    bench.deliver(writes(&p, 400..500, 1_000)).await;
    bench.until(|bench, _| bench.server.held() == 4).await;
    // Of documents that are under way, and of others.
    bench.deliver(writes(&p, 500..501, 1)).await;
    bench.deliver(writes(&p, 501..502, 1_000)).await;
    bench.server.release();
    bench.until(|bench, _| bench.committed.get(&0) == Some(&502)).await;

    assert_eq!(bench.server.most_requests(), 4);
    assert_eq!(bench.server.most_actions_on_one_document(), 1);
    assert_eq!(bench.server.documents(TOPIC).len(), 501);
    bench.end().await.0.unwrap();
}

/// A request is under way while thousands of changes of the same rows come.
#[tokio::test]
async fn changes_of_few_rows_become_few_actions() {
    const UPDATES: i64 = 20_000;
    let extra = [("batch.size", "2000")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    for chunk in 0..UPDATES / 1_000 {
        bench.deliver(writes(&p, chunk * 1_000..(chunk + 1) * 1_000, 20)).await;
    }
    bench.until(|bench, _| bench.committed.get(&0) == Some(&UPDATES)).await;

    assert_eq!(bench.server.documents(TOPIC).len(), 20);
    let actions = i64::try_from(bench.server.actions()).unwrap();
    assert!(actions <= UPDATES / 20, "{actions} actions");
    bench.end().await.0.unwrap();
}

/// A full disk makes Elasticsearch block an index. What waits is bounded, nothing ends, and all of it
/// is there when the block is gone.
#[tokio::test]
async fn a_read_only_index_is_waited_for() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(writes(&p, 0..5, 1_000)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    bench.server.block(TOPIC);
    bench.deliver(writes(&p, 5..50, 1_000)).await;
    let refused = bench.server.bulk_requests();
    bench.until(|bench, _| bench.server.bulk_requests() > refused + 2).await;
    assert_eq!(bench.committed[&0], 5);

    bench.server.unblock(TOPIC);
    bench.until(|bench, _| bench.committed.get(&0) == Some(&50)).await;

    assert_eq!(bench.server.documents(TOPIC).len(), 50);
    bench.end().await.0.unwrap();
}

/// Records that nobody can deliver are not taken without an end.
#[tokio::test]
async fn while_nothing_is_answered_no_more_is_taken_than_fits() {
    let extra = [("batch.size", "100"), ("max.in.flight.requests", "2")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(writes(&p, 0..1, 100_000)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;
    bench.server.hold();

    // Four batches are in the channel, and one each is waiting, filling and under way.
    let mut taken = 0;
    for chunk in 0..40 {
        let records = writes(&p, 1 + chunk * 1_000..1 + (chunk + 1) * 1_000, 100_000);
        let polled = bench.feed.polled(records);
        if bench.feed.records(polled, Duration::from_millis(500)).await.is_err() {
            break;
        }
        taken += 1;
    }

    assert!((4..12).contains(&taken), "{taken} thousand records were taken");
    bench.server.release();
    bench.until(|bench, _| bench.committed.get(&0) == Some(&(1 + taken * 1_000))).await;
    bench.end().await.0.unwrap();
}

/// The request hangs longer than a rebalance waits: it is cancelled before the partition goes, and
/// what stays is read again.
#[tokio::test]
async fn a_revocation_cancels_what_is_not_answered() {
    let (server, deadline) = (FakeServer::start().await, Duration::from_millis(500));
    let mut bench = Bench::start_with(server, &[], deadline);
    let (p, q) = (partition(0), partition(1));
    bench.feed.assigned(vec![p.clone(), q.clone()]).await;
    bench.deliver(writes(&p, 0..1, 100)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;
    bench.server.hold();
    bench.deliver(writes(&p, 1..5, 100)).await;
    bench.until(|bench, _| bench.server.held() > 0).await;

    bench.feed.revoked(vec![p], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;

    let error = failure(bench).await;
    assert_eq!(error.disposition(), Disposition::Retry);
}

/// Rows of 100 KB: of requests of 5 MB no five are under way.
#[tokio::test]
async fn large_documents_take_no_more_memory_than_small_ones() {
    let mut bench =
        Bench::start(FakeServer::start().await, &[("linger.ms", "2000"), ("batch.size", "2000")]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    let rows = |offsets: std::ops::Range<i64>| {
        offsets.map(|offset| text_record(&p, offset, (offset, 50_000))).collect::<Vec<_>>()
    };
    bench.deliver(rows(0..1)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;

    // Enough answers that more requests would be sent if they were small.
    let mut next = 1;
    while bench.told.sink_status().unwrap().requests.in_flight_limit < 4 {
        assert!(next < 50_000, "the server is never fast enough");
        bench.deliver(rows(next..next + 10)).await;
        next += 10;
        bench.until(|bench, _| bench.committed.get(&0) == Some(&next)).await;
    }
    bench.server.hold();
    for chunk in 0..12 {
        let polled = bench.feed.polled(rows(next + chunk * 110..next + (chunk + 1) * 110));
        if bench.feed.records(polled, Duration::from_millis(1_000)).await.is_err() {
            break;
        }
    }

    assert!((1..=3).contains(&bench.server.held()), "{}", bench.server.held());
    bench.server.release();
    bench.end().await.0.unwrap();
}
