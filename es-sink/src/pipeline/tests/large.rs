//! Documents that the server does not take for their size.

use super::*;
use crate::testing::text_record;

/// What the server takes in these tests.
const LIMIT: usize = 1_000;

async fn limited(extra: &[(&str, &str)]) -> Bench {
    let server = FakeServer::start().await;
    server.set_max_bytes(LIMIT);
    Bench::start(server, extra)
}

#[tokio::test]
async fn a_document_that_is_too_large_parks_its_partition_and_no_other() {
    let mut bench = limited(&[]).await;
    let (p, q) = (partition(0), partition(1));
    bench.feed.assigned(vec![p.clone(), q.clone()]).await;
    let of_p = |from: i64| {
        [(0, 1, 10), (1, 2, 2_000), (2, 3, 10), (3, 4, 3_000)]
            .into_iter()
            .filter(|(offset, _, _)| *offset >= from)
            .map(|(offset, id, letters)| text_record(&p, offset, (id, letters)))
            .collect::<Vec<_>>()
    };
    bench.deliver(of_p(0)).await;
    bench.until(|bench, _| bench.feed.held() == Some([p.clone()].into())).await;
    bench.deliver(vec![text_record(&p, 4, (5, 10)), text_record(&q, 0, (9, 10))]).await;
    bench.until(|bench, _| bench.committed.get(&1) == Some(&1)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;
    assert!(!bench.server.documents(TOPIC).contains_key("5"));

    // The limit is raised. Whoever gets the partition next begins at the document.
    bench.server.set_max_bytes(0);
    bench.feed.revoked(vec![p.clone()], false).await;
    bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;
    assert_eq!(bench.feed.held(), Some([].into()));
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(of_p(1)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&4)).await;
    let ids: Vec<_> = bench.server.documents(TOPIC).into_keys().collect();
    assert_eq!(ids, ["1", "2", "3", "4", "9"]);
    bench.end().await.0.unwrap();
}

#[tokio::test]
async fn columns_that_are_named_are_cut_and_the_rest_of_the_row_is_written() {
    let mut bench = limited(&[
        ("document.too.large.truncate.tables", r"db\.orders"),
        ("document.too.large.truncate.columns", r"db\.orders\.body"),
        ("document.too.large.truncate.to.chars", "5"),
    ])
    .await;
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    bench.deliver(vec![text_record(&p, 0, (1, 20)), text_record(&p, 1, (2, 2_000))]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&2)).await;

    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    let document = |id: i64, letters: usize| json!({"id": id, "body": "é".repeat(letters)});
    let expected = [("1", document(1, 20)), ("2", document(2, 5))];
    assert_eq!(server.documents(TOPIC), expected.map(|(id, row)| (id.to_owned(), row)).into());
    assert_eq!(server.version(TOPIC, "2"), Some(2));
}

#[tokio::test]
async fn what_cannot_be_cut_small_enough_is_parked() {
    for (columns, chars) in [(r"db\.other\..*", "5"), (r".*\.body", "1900")] {
        let mut bench = limited(&[
            ("document.too.large", "truncate"),
            ("document.too.large.truncate.columns", columns),
            ("document.too.large.truncate.to.chars", chars),
        ])
        .await;
        let p = partition(0);
        bench.feed.assigned(vec![p.clone()]).await;
        bench.deliver(vec![text_record(&p, 0, (1, 2_000))]).await;
        bench.until(|bench, _| bench.feed.held() == Some([p.clone()].into())).await;
        bench.tells((0, 0), &[&format!("{TOPIC}/0@0")]).await;
        bench.feed.revoked(vec![p], false).await;
        bench.tells((0, 0), &[]).await;

        let (ended, server, committed) = bench.end().await;
        ended.unwrap();
        assert_eq!((server.documents(TOPIC).len(), committed.len()), (0, 0));
    }
}

#[tokio::test]
async fn what_a_refusal_has_told_is_not_asked_again() {
    let mut bench = limited(&[("linger.ms", "1000")]).await;
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    let batch = |from: i64| (from..from + 7).map(|n| text_record(&p, n, (n, 100))).collect();
    bench.deliver(batch(0)).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&7)).await;
    let refused = bench.server.refused_for_size();
    assert!(refused > 0);

    for from in (7..70).step_by(7) {
        bench.deliver(batch(from)).await;
        bench.until(|bench, _| bench.committed.get(&0) == Some(&(from + 7))).await;
    }

    assert_eq!(bench.server.refused_for_size(), refused);
    assert_eq!(bench.server.documents(TOPIC).len(), 70);
    bench.end().await.0.unwrap();
}

/// As servers do that end the connection before they have read the request.
#[tokio::test]
async fn a_refusal_that_nobody_hears_is_found_out() {
    let mut bench = limited(&[]).await;
    bench.server.set_max_bytes(700 << 10);
    bench.server.cut_large();
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    // Together they are too large, and the third is by itself.
    let letters = [200_000, 200_000, 400_000, 10];
    let records = (0..).zip(letters).map(|(n, letters)| text_record(&p, n, (n, letters)));
    bench.deliver(records.collect()).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&2)).await;
    bench.until(|bench, _| bench.feed.held() == Some([p.clone()].into())).await;

    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    let ids: Vec<_> = server.documents(TOPIC).into_keys().collect();
    assert_eq!(ids, ["0", "1", "3"]);
}
