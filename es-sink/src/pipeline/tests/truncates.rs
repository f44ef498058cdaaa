//! Records that say that a table was truncated.

use super::*;
use crate::testing::truncate_record;

fn written(n: i64) -> Change {
    Change::Write { n }
}

impl Bench {
    async fn assign_ends(&mut self, ends: &[(i32, i64)]) {
        let ends = ends.iter().map(|(number, end)| (partition(*number), KafkaOffset(*end)));
        *self.group.ends.lock().unwrap() = ends.clone().collect();
        self.feed.assigned(ends.map(|(partition, _)| partition).collect()).await;
    }
}

#[tokio::test]
async fn debeziums_truncate_deletes_what_is_older_in_its_one_partition() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.assign_ends(&[(0, 5)]).await;
    bench
        .deliver(vec![
            record(&p, 0, 1, written(1), None),
            record(&p, 1, 2, written(1), None),
            truncate_record(&p, 2, None),
            record(&p, 3, 2, written(2), None),
            record(&p, 4, 3, written(2), None),
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;

    let found: Vec<_> = bench.server.documents(TOPIC).into_keys().collect();
    assert_eq!(found, ["2", "3"]);
    assert_eq!(bench.server.version(TOPIC, "1"), Some(2));
    bench.end().await.0.unwrap();
}

#[tokio::test]
async fn debeziums_truncate_in_one_of_several_partitions_halts() {
    for number in [0, 1] {
        let mut bench = Bench::start(FakeServer::start().await, &[]);
        let p = partition(number);
        bench.assign_ends(&[(0, 2), (1, 2)]).await;
        bench.deliver(vec![record(&p, 0, 1, written(1), None)]).await;
        bench.until(|bench, _| bench.committed.get(&number) == Some(&1)).await;
        bench.deliver(vec![truncate_record(&p, 1, None)]).await;
        bench.until(|bench, _| bench.pipeline.is_finished()).await;

        let error = bench.pipeline.await.unwrap().unwrap_err();
        assert_eq!(error.disposition(), Disposition::Halt);
        assert_eq!(
            error.to_string(),
            format!(
                "record {TOPIC}/{number}@1 truncates a table of 2 partitions, and has no place in \
                 the others"
            )
        );
        assert!(error.hint().unwrap().contains("skipped.operations=t"));
        let found: Vec<_> = bench.server.documents(TOPIC).into_keys().collect();
        assert_eq!(found, ["1"]);
    }
}

#[tokio::test]
async fn rowcasts_truncate_is_left_to_its_sweep() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.assign_ends(&[(0, 3), (1, 9)]).await;
    bench
        .deliver(vec![
            record(&p, 0, 1, written(1), Some(10)),
            truncate_record(&p, 1, Some(20)),
            record(&p, 2, 2, written(1), Some(21)),
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&3)).await;

    let found: Vec<_> = bench.server.documents(TOPIC).into_keys().collect();
    assert_eq!((found.len(), bench.server.searches()), (2, 0));
    bench.end().await.0.unwrap();
}

#[tokio::test]
async fn a_row_without_a_key_is_still_refused() {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let p = partition(0);
    bench.assign_ends(&[(0, 1)]).await;
    let keyless = Record { key: None, ..record(&p, 0, 1, written(1), None) };
    bench.deliver(vec![keyless]).await;

    let error = failure(bench).await;

    assert_eq!(
        error.to_string(),
        format!("record {TOPIC}/0@0 has no key, expected the row's primary key")
    );
}
