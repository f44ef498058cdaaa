//! Metrics under the names that dashboards for Kafka Connect and Debezium ask for.

use integration::process::Rowcast;
use integration::stack::shared;

use crate::indices::has_documents;
use crate::scenario::{own_server, until_async};
use crate::scene::{Scene, endpoint, metrics_have, stop};

/// The value of a metric with these labels.
async fn value(rowcast: &Rowcast, metric: &str) -> f64 {
    let text = endpoint(rowcast).await.text("/metrics").await;
    let value = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {metric} in\n{text}")).parse().unwrap()
}

/// What is so as long as all is well.
fn fixed(streaming: &str, snapshot: &str) -> Vec<String> {
    let state = |connector: &str| {
        format!(
            r#"kafka_connect_connector_status{{connector="{connector}",task="0",status="running"}} 1.0"#
        )
    };
    vec![
        format!("debezium_metrics_Connected{streaming} 1.0"),
        format!("debezium_metrics_IsGtidModeEnabled{streaming} 1.0"),
        format!("debezium_metrics_MilliSecondsBehindSource{streaming} 0.0"),
        format!("debezium_metrics_SnapshotRunning{snapshot} 0.0"),
        format!("debezium_metrics_SnapshotPaused{snapshot} 0.0"),
        format!("debezium_metrics_SnapshotCompleted{snapshot} 1.0"),
        format!("debezium_metrics_TotalTableCount{snapshot} 1.0"),
        format!("debezium_metrics_RemainingTableCount{snapshot} 0.0"),
        "kafka_connect_worker_connector_count{} 2.0".to_owned(),
        "kafka_connect_worker_task_count{} 2.0".to_owned(),
        r#"kafka_connect_worker_connector_total_task_count{connector="dashboards"} 1.0"#.to_owned(),
        r#"kafka_connect_worker_connector_running_task_count{connector="dashboards"} 1.0"#
            .to_owned(),
        r#"kafka_connect_worker_connector_failed_task_count{connector="dashboards"} 0.0"#
            .to_owned(),
        state("dashboards"),
        state("dashboards-sink"),
    ]
}

#[tokio::test]
async fn names_of_others_have_the_values_of_a_real_pipeline() {
    let url = shared().await.unwrap().elasticsearch.url();
    // Of its own, as other tests write into the log of the shared one and begin new files of it.
    let mysql = own_server("mysql-dashboards", &[]).await;
    let mut scene = Scene::on(&mysql, "dashboards").await;
    scene.add_sink(&url);
    scene.worker.insert("metrics.names".to_owned(), "jmx".to_owned());
    let running = scene.start().await;
    has_documents(&url, "dashboards.t", 3).await;
    let labels =
        |context: &str| format!(r#"{{context="{context}",name="dashboards",plugin="mysql"}}"#);
    let (streaming, snapshot) = (labels("streaming"), labels("snapshot"));
    let fixed = fixed(&streaming, &snapshot);
    metrics_have(&running, &fixed.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let seen = format!("debezium_metrics_TotalNumberOfEventsSeen{streaming}");
    let transactions = format!("debezium_metrics_NumberOfCommittedTransactions{streaming}");
    let place = format!("debezium_metrics_BinlogPosition{streaming}");
    let written =
        r#"kafka_connect_source_task_source_record_write_total{connector="dashboards",task="0"}"#;
    let read =
        r#"kafka_connect_sink_task_sink_record_read_total{connector="dashboards-sink",task="0"}"#;
    // What is written is counted when it is answered, which may be after it can be found.
    until_async(async || {
        let counts = [&*seen, written, read].map(|metric| value(&running, metric));
        futures_util::future::join_all(counts).await.iter().all(|count| *count >= 3.0)
    })
    .await;
    let before = (value(&running, &seen).await, value(&running, read).await);
    let (committed, position) =
        (value(&running, &transactions).await, value(&running, &place).await);

    scene.insert(4..=5).await;
    has_documents(&url, "dashboards.t", 5).await;

    let after = [
        format!("{seen} {:?}", before.0 + 2.0),
        format!("{written} {:?}", before.0 + 2.0),
        format!("{read} {:?}", before.1 + 2.0),
    ];
    metrics_have(&running, &after.each_ref().map(String::as_str)).await;
    assert!(value(&running, &transactions).await > committed);
    assert!(value(&running, &place).await > position);
    stop(&running).await;
}
