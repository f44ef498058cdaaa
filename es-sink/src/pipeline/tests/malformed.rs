//! Documents that do not fit their index.

use super::*;

/// An index in which `n` is no number.
async fn with_wrong_type(extra: &[(&str, &str)]) -> Bench {
    let server = FakeServer::start().await;
    // Mapped by somebody else: the sink's own check lets a keyword pass for a number.
    server.create(
        TOPIC,
        json!({"properties": {
            "id": {"type": "long"}, "n": {"type": "long"}, "u": {"type": "unsigned_long"},
            "body": {"type": "keyword"},
        }}),
    );
    server.fail([Fault::BadDocument]);
    Bench::start(server, extra)
}

#[tokio::test]
async fn a_document_that_does_not_fit_parks_its_partition_and_no_other() {
    let mut bench = with_wrong_type(&[]).await;
    let (p, q) = (partition(0), partition(1));
    bench.feed.assigned(vec![p.clone(), q.clone()]).await;
    bench.deliver(vec![record(&p, 4, 1, Change::Write { n: 5 }, Some(1))]).await;
    bench.until(|bench, _| bench.feed.held() == Some([p.clone()].into())).await;
    bench.deliver(vec![record(&q, 0, 9, Change::Write { n: 6 }, Some(2))]).await;
    bench.until(|bench, _| bench.committed.get(&1) == Some(&1)).await;

    bench.tells((0, 0), &["shop.db.orders/0@4"]).await;
    assert_eq!(bench.committed.get(&0), None);
    assert_eq!(bench.server.documents(TOPIC).into_keys().collect::<Vec<_>>(), ["9"]);

    // Its next owner tries again, and the row fits by now.
    bench.feed.revoked(vec![p.clone()], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 4, 1, Change::Write { n: 5 }, Some(1))]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    assert_eq!(bench.server.documents(TOPIC).len(), 2);
    bench.end().await.0.unwrap();
}

/// The rows around it are in the same request.
#[tokio::test]
async fn the_column_that_does_not_fit_is_left_out_and_the_rest_of_the_row_is_written() {
    let server = FakeServer::start().await;
    server.create(
        TOPIC,
        json!({"properties": {
            "id": {"type": "long"}, "body": {"type": "keyword"},
        }}),
    );
    let extra = [("malformed.documents.drop.field", "true")];
    let mut bench = Bench::start(server, &extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    let rows = [(0, 1, 10), (1, 2, 40_000), (2, 3, 10)];
    let rows = rows.map(|(offset, id, letters)| text_record(&p, offset, (id, letters)));
    bench.deliver(rows.into()).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&3)).await;

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let documents = server.documents(TOPIC);
    assert_eq!(documents["2"], json!({"id": 2}));
    assert_eq!(documents["3"]["body"], "é".repeat(10));
    assert_eq!(server.version(TOPIC, "2"), Some(2));
}

#[tokio::test]
async fn what_is_not_about_one_document_halts_and_is_no_letter() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![record(&p, 0, 1, Change::Write { n: 5 }, Some(1))]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;
    bench.server.refuse_auto_create();
    bench.server.delete(TOPIC);
    bench.deliver(vec![record(&p, 1, 1, Change::Write { n: 6 }, Some(2))]).await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::Halt);
}
