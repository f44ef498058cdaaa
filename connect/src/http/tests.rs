mod security;

use std::time::Duration;

use schema::table::TableId;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::config::{
    ConfigError, HttpSecurity, Listener, Listeners, PipelineConfig, Settings, WorkerConfig,
};
use crate::control::{
    IndexStatus, RequestStatus, SinkStatus, SnapshotStatus, SourceCounts, TableAction,
    TableActivity, TableStatus, TaskControl, ToleratedStatus, task_control,
};
use crate::runtime::{ClusterState, ConfigLog, ConfigRecord, Identity};
use crate::task::Task;

/// An endpoint with the source `shop` and the sink `shop-sink`, and their tasks.
struct Running {
    url: String,
    shop: TaskControl,
    sink: TaskControl,
    stop: CancellationToken,
    tracker: TaskTracker,
}

fn any_port() -> Listeners {
    let listener = Listener { host: "127.0.0.1".to_owned(), port: 0, is_https: false };
    Listeners { addresses: vec![listener], is_chosen: true, security: HttpSecurity::default() }
}

/// A connector of a class that never runs.
struct Quiet(&'static [&'static str], ConnectorKind);

impl ConnectorClass for Quiet {
    fn names(&self) -> &'static [&'static str] {
        self.0
    }

    fn task_class(&self) -> &'static str {
        "test.Task"
    }

    fn kind(&self) -> ConnectorKind {
        self.1
    }

    fn tasks(
        &self,
        _: &ConnectorName,
        _: Settings,
        _: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        Ok(Vec::new())
    }
}

static CLASSES: [&dyn ConnectorClass; 2] =
    [&Quiet(&["test.Source"], ConnectorKind::Source), &Quiet(&["test.Sink"], ConnectorKind::Sink)];

/// A cluster in which somebody else makes connectors run.
fn cluster(connectors: Connectors, address: String) -> Arc<Cluster> {
    let yaml = "bootstrap.servers: none:1\nschema.registry.url: http://none\nconnectors: {x: \
                {connector.class: y}}";
    let config = Arc::new(PipelineConfig::parse(yaml, &|_| None).unwrap().worker);
    let identity = Identity { id: address.into(), config, classes: &CLASSES };
    let mut state = ClusterState::default();
    let mut local = Local { is_ready: true, ..Local::default() };
    for (position, (name, connector)) in (0..).zip(&connectors.0) {
        let class = match connector.kind {
            ConnectorKind::Source => "test.Source",
            ConnectorKind::Sink => "test.Sink",
        };
        let settings = Some([("connector.class".to_owned(), class.to_owned())].into());
        let record = ConfigRecord::Connector { name: name.clone(), settings, creation: None };
        state.apply(position, record);
        local.counts.insert(name.clone(), connector.tasks.len());
    }
    local.connectors = Arc::new(connectors);
    let (log, _) = ConfigLog::in_memory();
    let view = tokio::sync::watch::channel(Arc::new(state)).1;
    let local = tokio::sync::watch::channel(Arc::new(local)).1;
    let statuses = tokio::sync::watch::channel(Arc::default()).1;
    let told = tokio::sync::mpsc::channel(1).0.downgrade();
    Arc::new(Cluster { identity, log, view, local, statuses, told, requests: 0.into() })
}

async fn running() -> Running {
    let ((shop, handle), (sink, sink_handle)) = (task_control(), task_control());
    shop.set_run_state(RunState::Running);
    sink.set_run_state(RunState::Restarting { error: "elasticsearch is away".to_owned() });
    let connector = |kind, handle| Connector { kind, tasks: [(0, handle)].into() };
    let connectors = Connectors(
        [
            (ConnectorName::new("shop"), connector(ConnectorKind::Source, handle)),
            (ConnectorName::new("shop-sink"), connector(ConnectorKind::Sink, sink_handle)),
        ]
        .into(),
    );
    let sockets = bind(&any_port()).await.unwrap();
    let address = sockets[0].local_addr().unwrap().to_string();
    let url = format!("http://{address}");
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    serve(sockets, &cluster(connectors, address), &tracker, &stop);
    tracker.close();
    Running { url, shop, sink, stop, tracker }
}

fn status() -> SourceStatus {
    let table = |name: &str, state, snapshot| TableStatus {
        table: TableId::new("shop", name),
        state,
        reason: (state == TableActivity::Parked).then(|| "truncated".to_owned()),
        remedy: (state == TableActivity::Parked).then(|| "copy it again".to_owned()),
        position: Some("binlog.000002:900".to_owned()),
        lsn: Some(7),
        snapshot,
        skipped_events: 3,
    };
    let snapshot = SnapshotStatus {
        rows: 1000,
        chunks: 2,
        estimated_rows: Some(3000),
        rows_per_second: Some(500),
        eta_seconds: Some(4),
    };
    SourceStatus {
        position: "binlog.000002:1234".to_owned(),
        gtids: Some("7b40b903-e54c-11f1-9537-02fc00000001:1-80".to_owned()),
        lsn: 1_795_227_115_000_000,
        server: "db:3306".to_owned(),
        server_uuid: "7b40b903-e54c-11f1-9537-02fc00000001".to_owned(),
        lag_ms: Some(1500),
        headroom_seconds: Some(86_400),
        skipped_events: [("parked".to_owned(), 3)].into(),
        unlogged_cascades: 2,
        counts: SourceCounts {
            topic_prefix: "p".to_owned(),
            records: 12,
            filtered: 3,
            failed: 2,
            transactions: 5,
        },
        tables: vec![
            table("a", TableActivity::Snapshot, Some(snapshot)),
            table("b.c", TableActivity::Parked, None),
        ],
    }
}

fn sink_status() -> SinkStatus {
    let parked = vec!["shop.a/3@41".to_owned()];
    let index = IndexStatus { indexed: 7, stale: 2, lag_ms: Some(1_500), ..IndexStatus::default() };
    let tolerated = ToleratedStatus { dead_letters: 1, skipped: 0 };
    let mut requests = RequestStatus { in_flight: 3, ..RequestStatus::default() };
    requests.retries.insert("es_rejected_execution_exception".to_owned(), 4);
    requests.seconds.add(0.02);
    SinkStatus {
        records: 9,
        sweeps: 2,
        swept_documents: 1500,
        parked,
        tolerated: [("TRANSFORMATION".to_owned(), tolerated)].into(),
        indices: [("shop.a".to_owned(), index)].into(),
        requests,
    }
}

impl Running {
    async fn get(&self, path: &str) -> (u16, Value) {
        answer(reqwest::Client::new().get(format!("{}{path}", self.url))).await
    }

    fn post(&self, path: &str, body: &str) -> reqwest::RequestBuilder {
        reqwest::Client::new().post(format!("{}{path}", self.url)).body(body.to_owned())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

fn error(status: u16, message: &str) -> (u16, Value) {
    (status, json!({ "error_code": status, "message": message }))
}

#[tokio::test]
async fn paths_of_kafka_connect_answer_as_kafka_connect() {
    let mut running = running().await;
    let worker_id = running.url.trim_start_matches("http://");

    assert_eq!(running.get("/connectors").await, (200, json!(["shop", "shop-sink"])));
    let (_, status) = running.get("/connectors/shop-sink/status").await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        status,
        json!({
            "name": "shop-sink",
            "connector": { "state": "RUNNING", "worker_id": worker_id, "version": version },
            "tasks": [{
                "id": 0, "state": "RESTARTING", "worker_id": worker_id,
                "trace": "elasticsearch is away", "version": version,
            }],
            "type": "sink",
        })
    );
    running.sink.publish_sink(sink_status);
    let (_, status) = running.get("/connectors/shop-sink/status").await;
    let told = json!({ "sweeps": 2, "swept_documents": 1500, "parked": ["shop.a/3@41"] });
    for (key, value) in told.as_object().unwrap() {
        assert_eq!(status["tasks"][0]["sink"][key], *value);
    }
    // The messages are those of the golden recording.
    let missing = running.get("/connectors/nope/status").await;
    assert_eq!(missing, error(404, "No status found for connector nope"));
    let missing = running.get("/connectors/nope/tables").await;
    assert_eq!(missing, error(404, "Connector nope not found"));
    assert_eq!(running.get("/nope").await, error(404, "HTTP 404 Not Found"));
    let wrong = answer(running.post("/tables", "")).await;
    assert_eq!(wrong, error(405, "HTTP 405 Method Not Allowed"));
    let (code, health) = running.get("/health").await;
    assert_eq!((code, &health["status"]), (200, &json!("healthy")));
}

#[tokio::test]
async fn tables_are_what_the_task_has_published() {
    let mut running = running().await;
    let before = client::tables(&running.url).await.unwrap();

    running.shop.publish(status);
    let after = client::tables(&running.url).await.unwrap();

    let shop = ConnectorTables {
        connector: "shop".to_owned(),
        state: "RUNNING".to_owned(),
        trace: None,
        source: None,
    };
    assert_eq!(before.connectors, std::slice::from_ref(&shop));
    // What only metrics tell stays in the process.
    let told = SourceStatus { counts: SourceCounts::default(), ..status() };
    let shop = ConnectorTables { source: Some(told), ..shop };
    assert_eq!(after.connectors, std::slice::from_ref(&shop));
    let (_, one) = running.get("/connectors/shop/tables").await;
    assert_eq!(one, serde_json::to_value(shop).unwrap());
}

#[tokio::test]
async fn commands_reach_the_task_and_its_answer_comes_back() {
    let mut running = running().await;
    running.shop.publish(status);
    let path = "/connectors/shop/tables/shop.a";
    let table = TableId::new("shop", "a");
    let snapshot = running.post(&format!("{path}/snapshot"), r#"{"filter": "id > 5"}"#);
    let stop = running.post(&format!("{path}/stop"), "");

    let answering = async {
        let command = running.shop.next_command().await;
        let filter = Some("id > 5".to_owned());
        assert_eq!((&command.table, &command.action), (&table, &TableAction::Snapshot { filter }));
        command.answer(Ok("it is copied again".to_owned()));
        let command = running.shop.next_command().await;
        assert_eq!(command.action, TableAction::Stop);
        command.answer(Err("it is not copied".to_owned()));
    };
    let asking = async { (answer(snapshot).await, answer(stop).await) };
    let ((copied, stopped), ()) = tokio::join!(asking, answering);

    assert_eq!(copied, (202, json!({ "message": "it is copied again" })));
    assert_eq!(stopped, error(409, "it is not copied"));
}

#[tokio::test]
async fn what_is_no_command_never_reaches_the_task() {
    let mut running = running().await;
    let early = answer(running.post("/connectors/shop/tables/shop.a/pause", "")).await;
    assert_eq!(early, error(409, "Connector shop has not begun yet"));
    running.shop.publish(status);
    let big = format!(r#"{{"filter": "{}"}}"#, "x".repeat(FILTER_TOO_LONG));
    for (path, body, code, message) in [
        ("nope/tables/shop.a/pause", "", 404, "Connector nope not found"),
        ("shop-sink/tables/shop.a/pause", "", 404, "is a sink"),
        ("shop/tables/shop.z/pause", "", 404, "Table shop.z is not captured by shop"),
        ("shop/tables/shop.a/halt", "", 404, "expected snapshot, pause, resume or stop"),
        ("shop/tables/shop.a/pause", r#"{"filter": "1"}"#, 400, "takes no filter"),
        ("shop/tables/shop.a/snapshot", r#"{"filtre": "1"}"#, 400, "The body is not"),
        ("shop/tables/shop.a/snapshot", "id > 'geheim'", 400, "The body is not"),
        ("shop/tables/shop.a/snapshot", &big, 400, "longer than"),
    ] {
        let (found, answer) = answer(running.post(&format!("/connectors/{path}"), body)).await;

        let text = answer["message"].as_str().unwrap();
        assert_eq!((found, &answer["error_code"]), (code, &json!(code)), "{path}: {text}");
        assert!(text.contains(message) && !text.contains("geheim"), "{path}: {text}");
    }
    let path = "/connectors/shop/tables/shop.a/pause";
    let page = running.post(path, "").header("Origin", "http://evil.example");
    assert_eq!(answer(page).await.0, 403);
    let huge = running.post(path, &"x".repeat(BODY_MAX_BYTES + 1)).send().await.unwrap();
    assert_eq!(huge.status().as_u16(), 413);
    let none = tokio::time::timeout(Duration::from_millis(1), running.shop.next_command()).await;
    assert!(none.is_err(), "a command has reached the task");
}

const FILTER_TOO_LONG: usize = 17 << 10;

#[tokio::test]
async fn metrics_are_what_the_tasks_have_published() {
    let mut running = running().await;
    running.shop.publish(status);
    running.sink.publish_sink(sink_status);

    let response = reqwest::get(format!("{}/metrics", running.url)).await.unwrap();

    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = response.text().await.unwrap();
    for line in [
        r#"rowcast_task_state{connector="shop",task="0",state="running"} 1.0"#,
        r#"rowcast_task_state{connector="shop-sink",task="0",state="restarting"} 1.0"#,
        r#"rowcast_source_lag_seconds{connector="shop"} 1.5"#,
        r#"rowcast_source_lsn{connector="shop"} 1795227115000000.0"#,
        r#"rowcast_source_position_bytes{connector="shop",file="binlog.000002"} 1234.0"#,
        r#"rowcast_source_skipped_events_total{connector="shop",reason="parked"} 3.0"#,
        r#"rowcast_source_unlogged_cascades{connector="shop"} 2.0"#,
        r#"rowcast_source_table_state{connector="shop",table="shop.a",state="snapshot"} 1.0"#,
        r#"rowcast_source_table_state{connector="shop",table="shop.a",state="parked"} 0.0"#,
        r#"rowcast_source_table_state{connector="shop",table="shop.b.c",state="parked"} 1.0"#,
        r#"rowcast_source_table_skipped_row_events_total{connector="shop",table="shop.a"} 3.0"#,
        r#"rowcast_source_snapshot_rows{connector="shop",table="shop.a"} 1000.0"#,
        r#"rowcast_source_snapshot_chunks{connector="shop",table="shop.a"} 2.0"#,
        r#"rowcast_source_snapshot_rows_per_second{connector="shop",table="shop.a"} 500.0"#,
        r#"rowcast_source_snapshot_eta_seconds{connector="shop",table="shop.a"} 4.0"#,
        r#"rowcast_sink_sweeps_total{connector="shop-sink",task="0"} 2.0"#,
        r#"rowcast_sink_swept_documents_total{connector="shop-sink",task="0"} 1500.0"#,
        r#"rowcast_sink_parked_partitions{connector="shop-sink",task="0"} 1.0"#,
        r#"rowcast_sink_actions_total{connector="shop-sink",task="0",index="shop.a",outcome="indexed"} 7.0"#,
        r#"rowcast_sink_actions_total{connector="shop-sink",task="0",index="shop.a",outcome="stale"} 2.0"#,
        r#"rowcast_sink_tolerated_records_total{connector="shop-sink",task="0",stage="TRANSFORMATION",outcome="dead_letter"} 1.0"#,
        r#"rowcast_sink_lag_seconds{connector="shop-sink",task="0",index="shop.a"} 1.5"#,
        r#"rowcast_sink_in_flight_requests{connector="shop-sink",task="0"} 3.0"#,
        r#"rowcast_sink_retries_total{connector="shop-sink",task="0",cause="es_rejected_execution_exception"} 4.0"#,
        r#"rowcast_sink_request_seconds_bucket{le="0.025",connector="shop-sink",task="0"} 1"#,
        r#"rowcast_sink_request_seconds_bucket{le="+Inf",connector="shop-sink",task="0"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn every_metric_is_documented() {
    let document = include_str!("../../../docs/metrics.md");
    let documented: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `rowcast_")?.split('`').next())
        .collect();

    let names: Vec<String> =
        metrics::names().map(|name| name.trim_start_matches("rowcast_").to_owned()).collect();

    assert_eq!(documented, names);
}

#[test]
fn every_name_of_others_is_documented() {
    let document = include_str!("../../../docs/metrics.md");
    let documented: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| !name.starts_with("rowcast_"))
        .collect();

    assert_eq!(documented, metrics::names_of_others().collect::<Vec<_>>());
}

#[tokio::test]
async fn dashboards_of_others_find_their_names_if_they_are_asked_for() {
    let mut running = running().await;
    running.shop.publish(status);
    running.sink.publish_sink(sink_status);
    let text = async |path: &str| {
        reqwest::get(format!("{}{path}", running.url)).await.unwrap().text().await.unwrap()
    };

    let (ours, both) = (text("/metrics").await, text("/metrics?names=jmx").await);
    let wrong = reqwest::get(format!("{}/metrics?names=x", running.url)).await.unwrap();

    assert!(!ours.contains("debezium_") && !ours.contains("kafka_connect_"), "{ours}");
    assert!(both.starts_with(ours.trim_end_matches("# EOF\n")), "{both}");
    let streaming = r#"{context="streaming",name="p",plugin="mysql"}"#;
    let snapshot = r#"{context="snapshot",name="p",plugin="mysql"}"#;
    for (name, labels, value) in [
        ("debezium_metrics_MilliSecondsBehindSource", streaming, "1500.0"),
        ("debezium_metrics_BinlogPosition", streaming, "1234.0"),
        ("debezium_metrics_IsGtidModeEnabled", streaming, "1.0"),
        ("debezium_metrics_TotalNumberOfEventsSeen", streaming, "12.0"),
        ("debezium_metrics_NumberOfCommittedTransactions", streaming, "5.0"),
        ("debezium_metrics_SnapshotRunning", snapshot, "1.0"),
        ("debezium_metrics_SnapshotPaused", snapshot, "0.0"),
        ("debezium_metrics_SnapshotCompleted", snapshot, "0.0"),
        ("debezium_metrics_TotalTableCount", snapshot, "2.0"),
        ("debezium_metrics_RemainingTableCount", snapshot, "1.0"),
    ] {
        let line = format!("{name}{labels} {value}");
        assert!(both.lines().any(|found| found == line), "no {line} in\n{both}");
    }
    for name in metrics::names_of_others() {
        assert!(both.contains(&name), "{name} is not there");
    }
    assert_eq!(wrong.status().as_u16(), 400);
}

#[tokio::test]
async fn a_stop_ends_the_endpoint_though_a_connection_is_open() {
    let running = running().await;
    let idle = tokio::net::TcpStream::connect(running.url.trim_start_matches("http://"));
    let _idle = idle.await.unwrap();
    // Kept alive by the client.
    assert_eq!(running.get("/connectors").await.0, 200);

    running.stop.cancel();

    let ended = tokio::time::timeout(Duration::from_secs(60), running.tracker.wait()).await;
    assert!(ended.is_ok());
    let refused = client::tables(&running.url).await.unwrap_err();
    assert!(matches!(refused, client::AskError::Nobody { .. }), "{refused}");
}

#[tokio::test]
async fn a_taken_address_is_an_error_only_if_it_was_chosen() {
    let taken = bind(&any_port()).await.unwrap();
    let port = taken[0].local_addr().unwrap().port();
    let mut listeners = any_port();
    listeners.addresses[0].port = port;

    let error = bind(&listeners).await.unwrap_err().to_string();
    listeners.is_chosen = false;
    let bound = bind(&listeners).await.unwrap();

    assert!(error.contains("`listeners`") && error.contains(&port.to_string()), "{error}");
    assert!(bound.is_empty());
}

#[tokio::test]
async fn another_server_is_not_taken_for_ours() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let router = Router::new().route("/tables", get(|| async { "<html>" }));
    let serving = tokio::spawn(async move {
        let (stream, _) = socket.accept().await.unwrap();
        hyper::server::conn::http1::Builder::new()
            .serve_connection(
                hyper_util::rt::TokioIo::new(stream),
                hyper_util::service::TowerToHyperService::new(router),
            )
            .await
    });

    let error = client::tables(&url).await.unwrap_err();

    assert!(matches!(error, client::AskError::Other { status: 200, .. }), "{error}");
    serving.abort();
}
