//! An index that a snapshot fills, with `index.bulk.load`, on real servers.

use serde_json::Value;

use crate::indices::ask;
use crate::scenario::{Scenario, log_has, many_rows, stop, until_async};

/// Twice the rows from which on it is worth it.
const ROWS: usize = 20_000;

/// `refresh_interval` and rowcast's note of what it was; null where there is none.
async fn refresh(url: &str) -> (Value, Value) {
    let index = "bulk_load.t-000001";
    let answer = reqwest::get(format!("{url}/{index}")).await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let index = &answer[index];
    let note = index["mappings"]["_meta"]["rowcast"]["bulk_load"].clone();
    (index["settings"]["index"]["refresh_interval"].clone(), note)
}

#[tokio::test]
async fn a_snapshot_is_loaded_without_refresh_and_a_kill_does_not_leave_it_so() {
    let mut scenario = Scenario::new("bulk_load").await;
    let url = scenario.stack.elasticsearch.url();
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, n INT, s VARCHAR(200))").await;
    scenario.sql(&format!("INSERT INTO t {}", many_rows(ROWS))).await;
    let pipeline = scenario
        .source(&scenario.stack.mysql)
        .sink("bulk_load-sink", &url, "bulk_load")
        .with("index.bulk.load", "true");
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    until_async(async || refresh(&url).await.0 == "-1").await;
    log_has(&rowcast, "bulk load: no refresh and no replicas for now").await;

    rowcast.kill().unwrap();
    let (interval, note) = refresh(&url).await;
    assert_eq!(interval, "-1");
    assert!(note.is_object(), "{note}");
    rowcast.start_again().unwrap();

    // The settings are back when no row has come for a while, which may be before the copy goes on.
    // The documents are found without a refresh of ours.
    until_async(async || {
        let count = ask("GET", format!("{url}/bulk_load.t/_count"), &Value::Null).await;
        count["count"] == ROWS && refresh(&url).await == (Value::Null, Value::Null)
    })
    .await;
    log_has(&rowcast, "bulk load ended: settings are as before").await;
    stop(&rowcast).await;
}
