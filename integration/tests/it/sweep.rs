//! Sweeps on real servers. Rows and control records are written by hand, as a source writes them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Stack, shared};
use serde_json::{Value, json};

use crate::hand_written::HandWritten;
use crate::scenario::{DEADLINE, LOG, log_has, stop, until_async};
use crate::scene::metrics_have;

const BEFORE: u64 = 1_000_000;

/// A sink of the topics of a prefix.
fn sink(stack: &Stack, prefix: &str) -> PipelineFile {
    let url = stack.elasticsearch.url();
    PipelineFile::new(prefix, &stack.kafka, &stack.registry).sink(prefix, &url, prefix)
}

async fn start(pipeline: &PipelineFile, folder: &Path, name: &str) -> Rowcast {
    let (file, log) = (folder.join("sink.yaml"), folder.join(format!("{name}.log")));
    pipeline.write(&file).unwrap();
    Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
}

/// Ids of an index after a refresh; none without an index.
async fn ids(stack: &Stack, index: &str) -> BTreeSet<String> {
    let url = format!("{}/{index}", stack.elasticsearch.url());
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return BTreeSet::new();
    }
    let search = json!({ "size": 10_000, "_source": false });
    let answer = client.post(format!("{url}/_search")).json(&search).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect()
}

async fn count(stack: &Stack, index: &str) -> u64 {
    let url = format!("{}/{index}", stack.elasticsearch.url());
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return 0;
    }
    let answer: Value =
        client.get(format!("{url}/_count")).send().await.unwrap().json().await.unwrap();
    answer["count"].as_u64().unwrap()
}

fn names(ids: RangeInclusive<i64>) -> BTreeSet<String> {
    ids.map(|id| id.to_string()).collect()
}

async fn wait_for(stack: &Stack, index: &str, expected: &BTreeSet<String>, rowcast: &Rowcast) {
    let is_there = async || ids(stack, index).await == *expected;
    let waited =
        tokio::time::timeout(DEADLINE - Duration::from_secs(5), until_async(is_there)).await;
    let found = ids(stack, index).await;
    let log = rowcast.log().unwrap();
    assert!(waited.is_ok(), "{} of {} documents:\n{log}", found.len(), expected.len());
}

#[tokio::test]
async fn after_a_sweep_the_index_has_what_the_last_snapshot_has_written() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut topic = HandWritten::new(stack, "sweep_one.shop.orders", 1).await;
    topic.rows(1..=3_000, 1);
    let rowcast = start(&sink(stack, "sweep_one"), folder.path(), "sink").await;
    until_async(async || count(stack, "shop.orders").await == 3_000).await;

    // The new snapshot finds only half of them; the rest was deleted unseen. 9,999 comes behind it.
    topic.rows(1..=1_500, BEFORE + 1);
    topic.sweep("shop.orders", BEFORE);
    topic.rows(9_999..=9_999, BEFORE + 5_000);

    let expected: BTreeSet<_> = names(1..=1_500).into_iter().chain(["9999".to_owned()]).collect();
    wait_for(stack, "shop.orders", &expected, &rowcast).await;
    log_has(&rowcast, "sweep done").await;
    let log = rowcast.log().unwrap();
    assert!(log.contains(" scanned=3000 deleted=1500 "), "{log}");
    let told = [
        r#"rowcast_sink_sweeps_total{connector="sweep_one",task="0"} 1.0"#,
        r#"rowcast_sink_swept_documents_total{connector="sweep_one",task="0"} 1500.0"#,
        r#"rowcast_sink_parked_partitions{connector="sweep_one",task="0"} 0.0"#,
    ];
    metrics_have(&rowcast, &told).await;
    stop(&rowcast).await;

    // The record's offset is committed: it is not read again.
    rowcast.start_again().unwrap();
    topic.rows(10_000..=10_000, BEFORE + 6_000);
    let expected = expected.into_iter().chain(["10000".to_owned()]).collect();
    wait_for(stack, "shop.orders", &expected, &rowcast).await;
    stop(&rowcast).await;
    assert_eq!(rowcast.log().unwrap().matches("sweep begins").count(), 1);
}

/// Old rows that nobody has deleted lie in other partitions, unread when the sweep's record is.
/// Would it not wait for them, they would come after it and stay.
#[tokio::test]
async fn a_sweep_waits_for_what_other_tasks_and_processes_have_not_read_yet() {
    let stack = shared().await.unwrap();
    for (prefix, tasks, processes) in
        [("sweep_task", "1", 1), ("sweep_tasks", "3", 1), ("sweep_processes", "1", 2)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut topic = HandWritten::new(stack, &format!("{prefix}.{prefix}.t"), 3).await;
        // Partition 0 has next to nothing, so its record is read long before the other ones.
        topic.rows_in(1, 1..=15_000, 1);
        topic.rows_in(2, 15_001..=30_000, 20_000);
        topic.rows_in(0, 30_001..=30_010, 40_000);
        topic.rows_in(1, 1..=10, BEFORE + 1);
        topic.sweep(&format!("{prefix}.t"), BEFORE);
        let pipeline = sink(stack, prefix).with("tasks.max", tasks);
        let mut running = Vec::new();
        for number in 0..processes {
            running.push(start(&pipeline, folder.path(), &format!("sink-{number}")).await);
        }

        wait_for(stack, &format!("{prefix}.t"), &names(1..=10), &running[0]).await;
        let logs = async || running.iter().map(|r| r.log().unwrap()).collect::<String>();
        until_async(async || logs().await.contains("sweep done")).await;
        for rowcast in &running {
            stop(rowcast).await;
        }
        assert_eq!(ids(stack, &format!("{prefix}.t")).await, names(1..=10));
    }
}

#[tokio::test]
async fn a_sweep_that_is_killed_is_done_after_the_next_start() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut topic = HandWritten::new(stack, "sweep_kill.sweep_kill.t", 2).await;
    topic.rows(1..=40_000, 1);
    let rowcast = start(&sink(stack, "sweep_kill"), folder.path(), "sink").await;
    until_async(async || count(stack, "sweep_kill.t").await == 40_000).await;

    topic.rows(1..=100, BEFORE + 1);
    topic.sweep("sweep_kill.t", BEFORE);
    until_async(async || count(stack, "sweep_kill.t").await < 40_000).await;
    rowcast.kill().unwrap();
    let left = count(stack, "sweep_kill.t").await;
    assert!(left > 100, "the sweep was done before it could be killed");
    rowcast.start_again().unwrap();

    wait_for(stack, "sweep_kill.t", &names(1..=100), &rowcast).await;
    log_has(&rowcast, "sweep done").await;
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert_eq!((log.matches("sweep begins").count(), log.matches("sweep done").count()), (2, 1));
}

/// The index is an alias, and has a document of another table.
#[tokio::test]
async fn a_sweep_of_one_table_leaves_the_other_one_in_a_shared_index() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = reqwest::Client::new();
    let made = client
        .put(format!("{}/sweep-shared-v1", stack.elasticsearch.url()))
        .json(&json!({ "aliases": { "sweep-shared": {} }, "mappings": { "dynamic": false } }))
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success());
    let mut orders = HandWritten::new(stack, "sweep_shared.shop.orders", 1).await;
    let mut items = HandWritten::new(stack, "sweep_shared.shop.items", 1).await;
    orders.rows(1..=4, 1);
    items.rows(1..=4, 1);
    let pipeline =
        sink(stack, "sweep_shared").with("index.name", "sweep-shared").with("index.shared", "true");
    let rowcast = start(&pipeline, folder.path(), "sink").await;
    until_async(async || count(stack, "sweep-shared").await == 8).await;

    orders.rows(4..=5, BEFORE + 1);
    orders.sweep("shop.orders", BEFORE);

    let orders = (4..=5).map(|id| format!("sweep_shared.shop.orders:{id}"));
    let items = (1..=4).map(|id| format!("sweep_shared.shop.items:{id}"));
    let expected: BTreeSet<String> = orders.chain(items).collect();
    wait_for(stack, "sweep-shared-v1", &expected, &rowcast).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_truncate_of_debeziums_empties_the_index() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut topic = HandWritten::new(stack, "sweep_dbz.sweep_dbz.t", 1).await;
    topic.debezium_rows(1..=2_000);
    let rowcast = start(&sink(stack, "sweep_dbz"), folder.path(), "sink").await;
    until_async(async || count(stack, "sweep_dbz.t").await == 2_000).await;

    topic.debezium_truncate(0);
    topic.debezium_rows(1_990..=2_010);

    wait_for(stack, "sweep_dbz.t", &names(1_990..=2_010), &rowcast).await;
    log_has(&rowcast, "sweep done").await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_truncate_of_debeziums_halts_where_there_are_more_partitions() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut topic = HandWritten::new(stack, "sweep_dbz2.sweep_dbz2.t", 2).await;
    topic.debezium_rows(1..=20);
    topic.debezium_truncate(1);
    let rowcast = start(&sink(stack, "sweep_dbz2"), folder.path(), "sink").await;

    let refusal = crate::scene::refusal(&rowcast).await;

    assert!(refusal.error.contains("truncates a table of 2 partitions"), "{}", refusal.error);
    assert!(refusal.hint.contains("skipped.operations=t"), "{}", refusal.hint);
    assert_eq!(count(stack, "sweep_dbz2.t").await, 20);
}

#[tokio::test]
async fn a_control_record_of_a_later_version_halts() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut topic = HandWritten::new(stack, "sweep_unknown.shop.t", 1).await;
    topic.control("merge", "shop.t", BEFORE);
    let rowcast = start(&sink(stack, "sweep_unknown"), folder.path(), "sink").await;

    let refusal = crate::scene::refusal(&rowcast).await;

    assert_eq!(
        refusal.error,
        "control record sweep_unknown.shop.t/0@0 is of a kind that is not known here"
    );
    assert!(refusal.hint.contains("or a newer one"), "{}", refusal.hint);
}
