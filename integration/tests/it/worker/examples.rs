//! Two examples that people begin with, posted with curl as they stand in Debezium's examples and in
//! Confluent's quick start: only addresses are others.

use integration::oracle;
use integration::stack::{MySql, shared};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use super::Worker;
use super::quickstart::run;
use crate::hand_written::HandWritten;
use crate::indices::has_documents;
use crate::scenario::{DEADLINE, connect, own_server, stop};

/// Debezium's tutorial, with the transform by which its example for Elasticsearch names topics.
fn debezium(mysql: &MySql, kafka: &str) -> Value {
    let address = mysql.address();
    json!({
        "name": "inventory-connector",
        "config": {
            "connector.class": "io.debezium.connector.mysql.MySqlConnector",
            "tasks.max": "1",
            "database.hostname": address.ip().to_string(),
            "database.port": address.port().to_string(),
            "database.user": "debezium",
            "database.password": "dbz",
            "database.server.id": "184054",
            "topic.prefix": "dbserver1",
            "database.include.list": "inventory",
            "schema.history.internal.kafka.bootstrap.servers": kafka,
            "schema.history.internal.kafka.topic": "schema-changes.inventory",
            "transforms": "route",
            "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.route.regex": "([^.]+)\\.([^.]+)\\.([^.]+)",
            "transforms.route.replacement": "$3",
        },
    })
}

/// Confluent's sink in the same example.
fn elastic_sink(elasticsearch: &str) -> Value {
    json!({
        "name": "elastic-sink",
        "config": {
            "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
            "tasks.max": "1",
            "topics": "customers",
            "connection.url": elasticsearch,
            "transforms": "unwrap,key",
            "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.unwrap.drop.tombstones": "false",
            "transforms.key.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
            "transforms.key.field": "id",
            "key.ignore": "false",
            "type.name": "customer",
            "behavior.on.null.values": "delete",
        },
    })
}

/// Confluent's quick start.
fn quick_start(elasticsearch: &str) -> Value {
    json!({
        "name": "elasticsearch-sink",
        "config": {
            "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
            "tasks.max": "1",
            "topics": "test-elasticsearch-sink",
            "key.ignore": "true",
            "connection.url": elasticsearch,
            "type.name": "kafka-connect",
            "name": "elasticsearch-sink",
        },
    })
}

/// The table of the example, and the user of its configuration.
async fn inventory() -> MySql {
    let mysql = own_server("mysql-examples", &[]).await;
    let mut connection = connect(&mysql).await;
    for statement in [
        "CREATE DATABASE inventory",
        "CREATE TABLE inventory.customers (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, \
         first_name VARCHAR(255) NOT NULL, last_name VARCHAR(255) NOT NULL, \
         email VARCHAR(255) NOT NULL UNIQUE KEY) AUTO_INCREMENT = 1001",
        "INSERT INTO inventory.customers VALUES (DEFAULT, 'a', 'b', 'c'), (DEFAULT, 'd', 'e', 'f')",
        "CREATE USER debezium IDENTIFIED BY 'dbz'",
        "GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT, LOCK TABLES \
         ON *.* TO debezium",
    ] {
        connection.query_drop(statement).await.unwrap();
    }
    connection.disconnect().await.unwrap();
    mysql
}

#[tokio::test]
async fn the_examples_of_debezium_and_of_confluents_sink_work_with_curl() {
    let (stack, mysql) = (shared().await.unwrap(), inventory().await);
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(stack, "wk-tutorial", folder.path(), "worker").await;
    let mut topic = HandWritten::new(stack, "test-elasticsearch-sink", 1).await;
    topic.rows(1..=3, 1);
    let url = stack.elasticsearch.url();
    let bodies =
        [debezium(&mysql, &stack.kafka.bootstrap()), elastic_sink(&url), quick_start(&url)];
    for body in &bodies {
        let text = body.to_string();
        std::fs::write(folder.path().join("body.json"), text).unwrap();
        let curl = format!(
            "curl -sS -X POST -H 'Accept:application/json' -H 'Content-Type:application/json' \
             {}/connectors/ -d @body.json",
            worker.url
        );
        let answer = run(&curl, folder.path()).await;
        assert_eq!(answer["name"], body["name"], "{answer}");
    }

    has_documents(&url, "test-elasticsearch-sink", 3).await;
    has_documents(&url, "customers", 2).await;
    let mut connection = connect(&mysql).await;
    for statement in [
        "UPDATE inventory.customers SET first_name = 'Anne Marie' WHERE id = 1001",
        "INSERT INTO inventory.customers VALUES (DEFAULT, 'g', 'h', 'i'), (DEFAULT, 'j', 'k', 'l')",
        "DELETE FROM inventory.customers WHERE id = 1002",
    ] {
        connection.query_drop(statement).await.unwrap();
    }
    connection.disconnect().await.unwrap();
    let pool = mysql_async::Pool::from_url(mysql.url()).unwrap();
    let (table, index) = ("inventory.customers", "customers");
    oracle::wait_until_equal(&pool, &url, table, index, DEADLINE).await.unwrap();
    pool.disconnect().await.unwrap();
    stop(&worker.process).await;
}
