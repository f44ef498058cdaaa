//! Debezium on Kafka Connect and rowcast with the same settings: the same records.

use std::collections::BTreeMap;

use integration::process::Rowcast;
use integration::stack::{ConnectOptions, KafkaConnect, MySql, shared};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::found::{Found, found};
use crate::scenario::{LOG, connect, log_has, own_server, stop, until_async};

/// A server whose log Debezium can parse, and a worker of Kafka Connect.
struct Peer {
    mysql: MySql,
    connect: KafkaConnect,
}

async fn peer() -> &'static Peer {
    static PEER: OnceCell<Peer> = OnceCell::const_new();
    PEER.get_or_init(|| Box::pin(start())).await
}

async fn start() -> Peer {
    let stack = shared().await.unwrap();
    let mysql = own_server("mysql-transforms", &[]).await;
    let servers = (&stack.kafka, &stack.registry);
    let folder = stack.directory().join("connect-transforms");
    let options = ConnectOptions::new("connect-transforms");
    let connect = KafkaConnect::start(&stack.installed, &folder, servers, &options).await.unwrap();
    Peer { mysql, connect }
}

/// The settings that both have. The topics of Debezium begin with `dbz`, ours with `rwc`.
fn settings(peer: &Peer, prefix: &str, database: &str, extra: &Value) -> Value {
    let address = peer.mysql.address();
    let mut settings = json!({
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "tasks.max": "1",
        "database.hostname": address.ip().to_string(),
        "database.port": address.port().to_string(),
        "database.user": MySql::USER,
        "database.password": "",
        "database.server.id": (6400 + prefix.len() + 7 * database.len()).to_string(),
        "topic.prefix": format!("{prefix}_{database}"),
        "database.include.list": database,
        "include.schema.changes": "false",
        "snapshot.mode": "no_data",
        "poll.interval.ms": "50",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
    });
    for (key, value) in extra.as_object().unwrap() {
        let text = value.as_str().unwrap().replace("PREFIX", &format!("{prefix}_{database}"));
        settings[key] = json!(text);
    }
    settings
}

async fn start_debezium(peer: &Peer, database: &str, extra: &Value) {
    let stack = shared().await.unwrap();
    let mut config = settings(peer, "dbz", database, extra);
    config["schema.history.internal.kafka.bootstrap.servers"] = json!(stack.kafka.bootstrap());
    config["schema.history.internal.kafka.topic"] = json!(format!("dbz_{database}-history"));
    config["schema.history.internal.store.only.captured.databases.ddl"] = json!("true");
    let (name, url) = (format!("dbz_{database}"), peer.connect.url());
    let body = json!({ "name": name, "config": config });
    let client = reqwest::Client::new();
    let answer = client.post(format!("{url}/connectors")).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let status = format!("{url}/connectors/{name}/status");
    until_async(async || {
        let state: Value = reqwest::get(&status).await.unwrap().json().await.unwrap();
        assert_ne!(state["tasks"][0]["state"], "FAILED", "{state}");
        state["tasks"][0]["state"] == "RUNNING"
    })
    .await;
}

/// Waits until both follow the log: rows are inserted until each has one in its topic.
async fn both_follow(peer: &Peer, topic: &str, insert: impl Fn(u32) -> String) {
    let bootstrap = shared().await.unwrap().kafka.bootstrap();
    let mut id = 1_000;
    until_async(async || {
        id += 1;
        sql(peer, &[insert(id)]).await;
        ["dbz", "rwc"].iter().all(|it| !found(&bootstrap, &topic.replace("PREFIX", it)).is_empty())
    })
    .await;
}

async fn start_rowcast(peer: &Peer, database: &str, extra: &Value) -> (Rowcast, TempDir) {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let name = format!("rwc_{database}");
    let pipeline = json!({
        "bootstrap.servers": stack.kafka.bootstrap(),
        "schema.registry.url": stack.registry.url(),
        "group.id": name,
        "offset.storage.topic": format!("{name}-offsets"),
        "listeners": "http://127.0.0.1:0",
        "connectors": { &name: settings(peer, "rwc", database, extra) },
    });
    let (file, log) = (folder.path().join("pipeline.yaml"), folder.path().join("rowcast.log"));
    std::fs::write(&file, format!("{pipeline:#}")).unwrap();
    let rowcast = Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap();
    log_has(&rowcast, "source starts").await;
    (rowcast, folder)
}

async fn sql(peer: &Peer, statements: &[String]) {
    let mut connection = connect(&peer.mysql).await;
    for statement in statements {
        connection.query_drop(statement).await.unwrap();
    }
    connection.disconnect().await.unwrap();
}

/// What both have written to a topic, once each has so many records.
async fn both(topic: &str, count: usize) -> [Vec<Found>; 2] {
    let bootstrap = shared().await.unwrap().kafka.bootstrap();
    let of = |prefix: &str| found(&bootstrap, &topic.replace("PREFIX", prefix));
    until_async(async || of("dbz").len() >= count && of("rwc").len() >= count).await;
    [of("dbz"), of("rwc")]
}

/// A record without what is another's of necessity: prefixes, clocks, and our number of the change.
fn comparable(record: &Found) -> (Value, Value, BTreeMap<String, Value>) {
    let json = |text: &Option<String>| {
        let text = text.as_ref().map(|text| text.replace("dbz_", "rwc_"));
        text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap_or_else(|_| json!(text)))
    };
    let mut value = json(&record.value);
    let payload = if value.get("payload").is_some() { &mut value["payload"] } else { &mut value };
    for clock in ["ts_ms", "ts_us", "ts_ns"] {
        payload.as_object_mut().map(|payload| payload.remove(clock));
    }
    if let Some(source) = payload.get_mut("source").and_then(Value::as_object_mut) {
        for of_ours in ["sequence", "version"] {
            source.remove(of_ours);
        }
    }
    // Debezium's router keeps the first schema that it has made of a table, with the name of the
    // topic that it was for, whatever topic later events go to.
    if let Some(name) = value.pointer_mut("/schema/name")
        && name.as_str().is_some_and(|name| name.contains(".outboxevent."))
    {
        *name = Value::Null;
    }
    let headers = record.headers.iter().filter(|(name, _)| {
        // Of the change's number, and of the process.
        name != "rowcast.lsn" && !name.starts_with("__debezium.context.")
    });
    (json(&record.key), value, headers.map(|(name, it)| (name.clone(), json(it))).collect())
}

fn assert_same([debezium, rowcast]: &[Vec<Found>; 2]) {
    assert_eq!(debezium.len(), rowcast.len());
    for (number, (theirs, ours)) in debezium.iter().zip(rowcast).enumerate() {
        let (theirs, ours) = (comparable(theirs), comparable(ours));
        assert_eq!(theirs.0, ours.0, "key of record {number}");
        assert_eq!(theirs.1, ours.1, "value of record {number}");
        assert_eq!(theirs.2, ours.2, "headers of record {number}");
    }
}

/// <https://debezium.io/documentation/reference/3.6/transformations/outbox-event-router.html>
#[tokio::test]
async fn the_outbox_router_writes_what_debeziums_writes() {
    let (peer, database) = (peer().await, "st_outbox");
    let table = format!(
        "CREATE TABLE {database}.outboxevent (id CHAR(36) PRIMARY KEY, aggregatetype VARCHAR(255) \
         NOT NULL, aggregateid VARCHAR(255) NOT NULL, type VARCHAR(255) NOT NULL, \
         at DATETIME(3) NOT NULL, seq INT, payload JSON)"
    );
    sql(peer, &[format!("CREATE DATABASE {database}"), table]).await;
    let extra = json!({
        "table.include.list": format!("{database}.outboxevent"),
        "tombstones.on.delete": "false",
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.route.topic.replacement": "PREFIX.event.${routedByValue}",
        "transforms.outbox.table.field.event.timestamp": "at",
        "transforms.outbox.table.fields.additional.placement": "type:header:eventType,seq:envelope",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    start_debezium(peer, database, &extra).await;
    let (rowcast, _folder) = start_rowcast(peer, database, &extra).await;

    let insert = |id: u32, kind: &str, seq: &str| {
        let second = id % 60;
        format!(
            "INSERT INTO {database}.outboxevent VALUES ('4d47e190-{id}', '{kind}', '{id}', \
             'OrderCreated', '2024-02-29 01:02:{second}.5', {seq}, \
             '{{\"id\": {id}, \"qty\": [1, 2]}}')"
        )
    };
    let topic = format!("PREFIX_{database}.event.probe");
    both_follow(peer, &topic, |id| insert(id, "probe", "0")).await;
    let delete = format!("DELETE FROM {database}.outboxevent");
    sql(peer, &[insert(1, "order", "7"), insert(2, "order", "NULL"), delete.clone()]).await;
    sql(peer, &[insert(3, "customer", "9"), insert(4, "order", "8"), delete]).await;

    let orders = both(&format!("PREFIX_{database}.event.order"), 3).await;
    assert_same(&orders);
    let [debezium, ours] = &orders;
    let keys: Vec<_> = ours.iter().map(|record| record.key.as_deref().unwrap()).collect();
    assert_eq!(keys, ["1", "2", "4"]);
    assert_eq!(ours[0].header("id"), Some("4d47e190-1"));
    assert_eq!(ours[0].header("eventType"), Some("OrderCreated"));
    let times = |records: &[Found]| records.iter().map(|record| record.time).collect::<Vec<_>>();
    assert_eq!(times(debezium), times(ours));
    assert_same(&both(&format!("PREFIX_{database}.event.customer"), 1).await);
    stop(&rowcast).await;
}

#[tokio::test]
async fn json_with_schemas_is_what_kafka_connect_writes() {
    let (peer, database) = (peer().await, "st_types");
    let table = format!(
        "CREATE TABLE {database}.`t` (id BIGINT UNSIGNED PRIMARY KEY, `a-b c` VARCHAR(20) \
         DEFAULT 'x', price DECIMAL(10,2) NOT NULL DEFAULT 1.50, kind ENUM('a','b'), small TINYINT, \
         ratio FLOAT, big DOUBLE, day DATE, at DATETIME(6), stamp TIMESTAMP NULL, raw_bytes BLOB, \
         bits BIT(12), doc JSON, yes BOOLEAN NOT NULL DEFAULT TRUE)"
    );
    let probe = format!("CREATE TABLE {database}.probe (id INT PRIMARY KEY)");
    sql(peer, &[format!("CREATE DATABASE {database}"), table, probe]).await;
    let extra = json!({
        "table.include.list": format!("{database}.t,{database}.probe"),
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    start_debezium(peer, database, &extra).await;
    let (rowcast, _folder) = start_rowcast(peer, database, &extra).await;

    let topic = format!("PREFIX_{database}.{database}.probe");
    both_follow(peer, &topic, |id| format!("INSERT INTO {database}.probe VALUES ({id})")).await;
    let full = format!(
        "INSERT INTO {database}.t VALUES (1, 'y', 12.34, 'b', -3, 1.25, 2.5e30, '2024-02-29', \
         '2024-02-29 01:02:03.000004', '2024-02-29 01:02:03', 0x00ff10, 5, '{{\"k\": [1, null]}}', 0)"
    );
    let changes = [
        full,
        format!("INSERT INTO {database}.t (id, `a-b c`) VALUES (2, NULL)"),
        format!("UPDATE {database}.t SET price = -0.01, small = 7 WHERE id = 1"),
        format!("UPDATE {database}.t SET id = 3 WHERE id = 2"),
        format!("DELETE FROM {database}.t WHERE id = 1"),
    ];
    sql(peer, &changes).await;

    // Two inserts, an update, a new key (delete, tombstone, insert), a delete with its tombstone.
    assert_same(&both(&format!("PREFIX_{database}.{database}.t"), 8).await);
    stop(&rowcast).await;
}
