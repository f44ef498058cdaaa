//! From a real Debezium to rowcast and back, with the configuration and the topics as they are: the
//! stream goes on where the other has stopped.

mod cluster;
mod history;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use integration::oracle;
use integration::process::{Rowcast, run_rowcast};
use integration::stack::{MySql, shared};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use self::worker::Worker;
use crate::scenario::{DEADLINE, LOG, connect, log_has, own_server, stop, until, until_async};

/// The server whose log these tests read: Debezium parses every statement in it.
async fn server() -> &'static MySql {
    static SERVER: OnceCell<MySql> = OnceCell::const_new();
    SERVER.get_or_init(|| Box::pin(own_server("mysql-takeover", &[]))).await
}

/// A database that is captured by one or the other.
struct Takeover {
    name: &'static str,
    mysql: &'static MySql,
    worker: &'static Worker,
    folder: TempDir,
}

/// One record of a change topic, whoever has written it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    op: String,
    id: i64,
    /// `n` before and after.
    before: Option<i64>,
    after: Option<i64>,
    /// Where it is in the log; of a copied row, nothing.
    place: Option<(String, i64, i64)>,
    is_rowcasts: bool,
}

impl Takeover {
    async fn new(name: &'static str, mysql: &'static MySql, worker: &'static Worker) -> Self {
        let takeover = Self { name, mysql, worker, folder: tempfile::tempdir().unwrap() };
        takeover.sql(&format!("CREATE DATABASE {name}")).await;
        takeover
            .sql(&format!(
                "CREATE TABLE {name}.t (id INT PRIMARY KEY, n INT NOT NULL, note VARCHAR(40) NULL)"
            ))
            .await;
        let rows: Vec<String> = (0..40).map(|id| format!("({id}, 0, 'row {id}')")).collect();
        takeover.sql(&format!("INSERT INTO {name}.t VALUES {}", rows.join(", "))).await;
        takeover
    }

    async fn sql(&self, statement: &str) {
        let mut connection = connect(self.mysql).await;
        connection.query_drop(statement).await.unwrap();
        connection.disconnect().await.unwrap();
    }

    /// Debezium's configuration, which is rowcast's too.
    fn source(&self) -> Value {
        configuration(self.name, self.mysql, self.worker.bootstrap())
    }

    /// Writes a pipeline with the same connector, in the same group and with the same offsets, and a
    /// sink into a new index.
    async fn pipeline(&self, extra: &[(&str, &str)]) -> String {
        let stack = shared().await.unwrap();
        let mut source = self.source();
        for (key, value) in extra {
            source[*key] = json!(value);
        }
        let sink = json!({
            "connector.class": "elasticsearch",
            "connection.url": stack.elasticsearch.url(),
            "topics": self.topic(),
            "index.name": "{database}.{table}",
        });
        let pipeline = json!({
            "bootstrap.servers": self.worker.bootstrap(),
            "schema.registry.url": stack.registry.url(),
            "group.id": self.worker.group(),
            "offset.storage.topic": self.worker.offset_topic(),
            "listeners": "http://127.0.0.1:0",
            "connectors": { self.name: source, format!("{}-sink", self.name): sink },
        });
        let file = self.folder.path().join("pipeline.yaml");
        std::fs::write(&file, format!("{pipeline:#}")).unwrap();
        file.to_str().unwrap().to_owned()
    }

    async fn start(&self) -> Rowcast {
        self.run(&self.pipeline(&[]).await).await
    }

    async fn run(&self, file: &str) -> Rowcast {
        let runs = std::fs::read_dir(self.folder.path()).unwrap().count();
        let log = self.folder.path().join(format!("rowcast-{runs}.log"));
        let rowcast = Rowcast::start(&["run", file], &[LOG], &log).await.unwrap();
        log_has(&rowcast, "source starts").await;
        rowcast
    }

    fn topic(&self) -> String {
        format!("{0}.{0}.t", self.name)
    }

    async fn changes(&self) -> Vec<Change> {
        worker::envelopes(&self.topic()).await.iter().map(change).collect()
    }

    /// The numbers of the table's rows.
    async fn rows(&self) -> BTreeMap<i64, i64> {
        let mut connection = connect(self.mysql).await;
        let rows: Vec<(i64, i64)> =
            connection.query(format!("SELECT id, n FROM {}.t", self.name)).await.unwrap();
        connection.disconnect().await.unwrap();
        rows.into_iter().collect()
    }

    /// Waits until the topic, played back, is the table.
    async fn topic_is_table(&self) -> Vec<Change> {
        let rows = self.rows().await;
        until_async(async || played_back(&self.changes().await) == rows).await;
        self.changes().await
    }

    /// Waits until the index is the table.
    async fn index_is_table(&self) {
        let stack = shared().await.unwrap();
        let pool = mysql_async::Pool::from_url(self.mysql.url()).unwrap();
        let table = format!("{}.t", self.name);
        let url = stack.elasticsearch.url();
        oracle::wait_until_equal(&pool, &url, &table, &table, DEADLINE).await.unwrap();
        pool.disconnect().await.unwrap();
    }

    /// Changes rows until it is told to end, in transactions of one and of several rows. New rows
    /// have ids from `first` on.
    fn load(&self, first: u32) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let (told, name, mysql) = (Arc::clone(&is_over), self.name, self.mysql);
        let running = tokio::spawn(async move {
            let mut connection = connect(mysql).await;
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            let mut round = 0_u32;
            while !told.load(Ordering::Relaxed) {
                pace.tick().await;
                round += 1;
                let (one, new) = (round % 40, first + round);
                for statement in [
                    format!("UPDATE {name}.t SET n = n + 1 WHERE id = {one}"),
                    "BEGIN".to_owned(),
                    format!("INSERT INTO {name}.t VALUES ({new}, 0, NULL)"),
                    format!("UPDATE {name}.t SET n = n + 1 WHERE id < 5"),
                    format!("DELETE FROM {name}.t WHERE id = {}", new - 3),
                    "COMMIT".to_owned(),
                ] {
                    connection.query_drop(statement).await.unwrap();
                }
            }
            connection.disconnect().await.unwrap();
        });
        Load { is_over, running }
    }
}

/// A configuration of Debezium that captures the database `name`.
fn configuration(name: &str, mysql: &MySql, kafka: &str) -> Value {
    let address = mysql.address();
    json!({
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "tasks.max": "1",
        "database.hostname": address.ip().to_string(),
        "database.port": address.port().to_string(),
        "database.user": MySql::USER,
        "database.password": "",
        "database.server.id": (5400 + name.len()).to_string(),
        "topic.prefix": name,
        "database.include.list": name,
        "include.schema.changes": "false",
        "schema.history.internal.kafka.bootstrap.servers": kafka,
        "schema.history.internal.kafka.topic": format!("{name}-history"),
        "schema.history.internal.store.only.captured.databases.ddl": "true",
        "poll.interval.ms": "50",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
    })
}

/// Rows that are being changed.
struct Load {
    is_over: Arc<AtomicBool>,
    running: JoinHandle<()>,
}

impl Load {
    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.running.await.unwrap();
    }
}

fn change(envelope: &Value) -> Change {
    let n = |image: &Value| image["n"].as_i64();
    let (before, after, source) = (&envelope["before"], &envelope["after"], &envelope["source"]);
    let id = after["id"].as_i64().or(before["id"].as_i64()).unwrap();
    let op = envelope["op"].as_str().unwrap().to_owned();
    let gtid = source["gtid"].as_str().map(str::to_owned);
    let number = |name: &str| source[name].as_i64().unwrap();
    Change {
        place: gtid.filter(|_| op != "r").map(|gtid| (gtid, number("pos"), number("row"))),
        is_rowcasts: source["sequence"].is_string(),
        before: n(before),
        after: n(after),
        id,
        op,
    }
}

/// The rows that a topic's records make.
fn played_back(changes: &[Change]) -> BTreeMap<i64, i64> {
    let mut rows = BTreeMap::new();
    for change in changes {
        match change.after {
            Some(n) => rows.insert(change.id, n),
            None => rows.remove(&change.id),
        };
    }
    rows
}

/// Every change is there once: no place in the log twice, and what each row was before a change is
/// what the record before has left of it.
fn has_every_change_once(changes: &[Change]) {
    let mut places = BTreeSet::new();
    let mut rows: BTreeMap<i64, i64> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        if let Some((gtid, position, row)) = &change.place {
            let place = (gtid, position, row, &change.op);
            assert!(places.insert(place), "record {at} is there twice: {change:?}");
        }
        let known = rows.get(&change.id).copied();
        assert_eq!(
            change.before, known,
            "a change is missing or repeated before record {at}: {change:?}"
        );
        match change.after {
            Some(n) => rows.insert(change.id, n),
            None => rows.remove(&change.id),
        };
    }
}

/// How many of the records each of the two has written, and how many rows rowcast has copied.
fn by_writer(changes: &[Change]) -> (usize, usize, usize) {
    let ours = changes.iter().filter(|change| change.is_rowcasts);
    let copied = ours.clone().filter(|change| change.op == "r").count();
    (changes.len() - ours.clone().count(), ours.count(), copied)
}

/// There and back again, while rows are changed all the time.
async fn goes_there_and_back(name: &'static str, mysql: &'static MySql, worker: &'static Worker) {
    let takeover = Takeover::new(name, mysql, worker).await;
    worker.create(name, &takeover.source()).await;
    until_async(async || takeover.changes().await.len() >= 40).await;

    let load = takeover.load(1_000);
    until_async(async || takeover.changes().await.len() >= 400).await;
    worker.stop(name).await;
    let rowcast = takeover.start().await;
    log_has(&rowcast, "the stored offset is debezium's").await;
    let of_debezium = by_writer(&takeover.changes().await).0;
    until_async(async || by_writer(&takeover.changes().await).1 >= 400).await;
    load.end().await;
    let changes = takeover.topic_is_table().await;
    takeover.index_is_table().await;
    stop(&rowcast).await;

    has_every_change_once(&changes);
    let (before, after, copied) = by_writer(&changes);
    println!("{name}: {before} records of Debezium, then {after} of rowcast");
    assert_eq!((before, copied), (of_debezium, 0), "rowcast has copied nothing");

    // Back, with what has been changed meanwhile.
    let load = takeover.load(1_000_000);
    worker.resume(name).await;
    until_async(async || by_writer(&takeover.changes().await).0 >= before + 400).await;
    load.end().await;
    let changes = takeover.topic_is_table().await;
    worker.stop(name).await;

    has_every_change_once(&changes);
    let (again, ours, copied) = by_writer(&changes);
    println!("{name}: {} more of Debezium", again - before);
    assert_eq!((ours, copied), (after, 0));
    let is_copied = |change: &&Change| change.op == "r";
    assert_eq!(changes.iter().filter(is_copied).count(), 40, "each row was copied once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_of_debezium_goes_on_and_debezium_goes_on_after_it() {
    goes_there_and_back("handed_over", server().await, Worker::shared(false).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_goes_on_from_a_worker_with_exactly_once() {
    goes_there_and_back("handed_over_once", server().await, Worker::shared(true).await).await;
}

/// MySQL's default. Debezium knows the columns from its history, rowcast from the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_goes_on_where_rows_have_no_names() {
    static SERVER: OnceCell<MySql> = OnceCell::const_new();
    let minimal = ["--binlog-row-metadata=MINIMAL"];
    let server = async || own_server("mysql-takeover-nameless", &minimal).await;
    let mysql = SERVER.get_or_init(|| Box::pin(server())).await;

    goes_there_and_back("handed_over_nameless", mysql, Worker::shared(false).await).await;
}

/// rowcast is killed between the parts of a transaction. What its offset says of that must not keep
/// Kafka Connect from reading it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debezium_goes_on_inside_a_transaction_that_rowcast_has_begun() {
    let (name, worker) = ("handed_over_inside", Worker::shared(false).await);
    let takeover = Takeover::new(name, server().await, worker).await;
    worker.create(name, &takeover.source()).await;
    until_async(async || takeover.changes().await.len() >= 40).await;
    worker.stop(name).await;
    takeover
        .sql(&format!(
            "INSERT /*+ SET_VAR(cte_max_recursion_depth = 100000) */ INTO {name}.t \
             WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 60000) \
             SELECT 1000 + i, 0, CONCAT('zeile-', REPEAT('x', 34)) FROM r"
        ))
        .await;
    let file = takeover.pipeline(&[("transaction.max.bytes", "65536")]).await;

    let rowcast = takeover.run(&file).await;
    let parts = || rowcast.log().unwrap().matches("split=true").count();
    assert!(until(|| parts() >= 2).await, "{}", rowcast.log().unwrap());
    rowcast.kill().unwrap();
    let export = ["offsets", "export", &file, "--commit"];
    let exported = run_rowcast(&export, &[], DEADLINE).await.unwrap();
    let exported: Value = serde_json::from_slice(&exported.stdout).unwrap();
    let done = &exported["offsets"][0]["offset"]["done"];
    assert!(done.is_string(), "it was killed too late: {exported}");
    worker.resume(name).await;
    let changes = takeover.topic_is_table().await;
    worker.stop(name).await;

    has_every_change_once(&changes);
    let (of_debezium, ours, _) = by_writer(&changes);
    println!("{name}: {ours} rows by rowcast, {} by Debezium", of_debezium - 40);
    assert_eq!(ours + of_debezium, 60_040);
    assert!(ours > 0 && of_debezium > 40, "{ours} {of_debezium}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_migrate_writes_goes_on_where_debezium_has_stopped() {
    let (name, worker) = ("handed_over_by_file", Worker::shared(false).await);
    let takeover = Takeover::new(name, server().await, worker).await;
    worker.create(name, &takeover.source()).await;
    until_async(async || takeover.changes().await.len() >= 40).await;
    worker.stop(name).await;
    takeover.sql(&format!("UPDATE {name}.t SET n = n + 1")).await;

    let folder = takeover.folder.path().join("moved");
    let (output, properties) = (folder.to_str().unwrap(), worker.properties());
    let (from, with) = (worker.url(), properties.to_str().unwrap());
    let migrate = ["migrate", "--from", &from, "--worker", with, "--output", output];
    let told = run_rowcast(&migrate, &[], DEADLINE).await.unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let is_ours = |line: &&str| line.starts_with(&format!("{name} "));
    let line = told.lines().find(is_ours).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("STOPPED") && line.contains("goes on at binlog."), "{told}");
    // The worker is shared: only this connector is meant.
    let config = std::fs::read(folder.join(format!("connectors/{name}.json"))).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let written = std::fs::read_to_string(folder.join("pipeline.yaml")).unwrap();
    let (head, _) = written.split_once("connectors:\n").unwrap();
    let listeners = "listeners: http://127.0.0.1:0";
    let only = format!("{head}{listeners}\nconnectors:\n  {name}: {}\n", config["config"]);
    let file = folder.join("only.yaml");
    std::fs::write(&file, only).unwrap();

    let rowcast = takeover.run(file.to_str().unwrap()).await;
    log_has(&rowcast, "the stored offset is debezium's").await;
    let changes = takeover.topic_is_table().await;
    stop(&rowcast).await;

    has_every_change_once(&changes);
    assert_eq!(by_writer(&changes), (40, 40, 0));
}
