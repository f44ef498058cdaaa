//! Tests of the launcher itself: each server answers, keeps its data, and dies with its starter.

mod opensearch;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use integration::stack::{
    Elasticsearch, ElasticsearchOptions, Kafka, KafkaOptions, MySql, MySqlOptions, Registry,
    RegistryOptions, Stack, StackOptions, is_alive, shared,
};
use mysql_async::prelude::Queryable;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn each_server_answers_a_real_request() {
    let stack = shared().await.unwrap();

    let settings: Vec<(String, String)> = query(
        &stack.mysql,
        "SELECT variable_name, variable_value FROM performance_schema.global_variables \
         WHERE variable_name IN ('gtid_mode', 'binlog_format', 'binlog_row_metadata', \
         'binlog_row_image', 'log_bin') ORDER BY variable_name",
    )
    .await;
    produce(&stack.kafka, "stack_answers", "hello").await;
    let schema = json!({ "schema": "\"long\"" });
    let versions = format!("{}/subjects/stack-answers/versions", stack.registry.url());
    let id = post(&versions, &schema).await;
    let compatibility = get(&format!("{}/config", stack.registry.url())).await;
    let version = get(&stack.elasticsearch.url()).await;

    let expected = [
        ("binlog_format", "ROW"),
        ("binlog_row_image", "FULL"),
        ("binlog_row_metadata", "FULL"),
        ("gtid_mode", "ON"),
        ("log_bin", "ON"),
    ];
    assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(record_count(&stack.kafka, "stack_answers"), 1);
    assert!(id["id"].as_u64().unwrap() > 0);
    assert_eq!(compatibility["compatibilityLevel"], "BACKWARD");
    assert_eq!(version["tagline"], "You Know, for Search");
    assert_eq!(version["version"]["number"], "9.5.3");
}

#[tokio::test]
async fn the_semisync_plugin_of_mysql_can_be_installed() {
    let stack = shared().await.unwrap();

    execute(&stack.mysql, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'").await;

    let status = "SELECT plugin_status FROM information_schema.plugins \
                  WHERE plugin_name = 'rpl_semi_sync_source'";
    assert_eq!(query::<String>(&stack.mysql, status).await, ["ACTIVE"]);
    execute(&stack.mysql, "UNINSTALL PLUGIN rpl_semi_sync_source").await;
}

#[tokio::test]
async fn mysql_keeps_its_data_when_it_is_killed_and_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = MySqlOptions::default();
    let mysql = MySql::start(installed, folder.path(), &options).await.unwrap();
    execute(&mysql, "CREATE DATABASE kept").await;
    execute(&mysql, "CREATE TABLE kept.t (id INT PRIMARY KEY)").await;

    execute(&mysql, "INSERT INTO kept.t VALUES (1)").await;
    mysql.server.kill().unwrap();
    mysql.server.start_again().await.unwrap();
    execute(&mysql, "INSERT INTO kept.t VALUES (2)").await;
    mysql.server.restart().await.unwrap();

    assert_eq!(query::<u32>(&mysql, "SELECT id FROM kept.t").await, [1, 2]);
}

#[tokio::test]
async fn two_mysql_servers_have_different_ids() {
    let folder = tempfile::tempdir().unwrap();
    let stack = shared().await.unwrap();
    let mut options = MySqlOptions::default();
    options.server_id = 7;
    options.arguments.push("--binlog-row-image=MINIMAL".to_owned());

    let second = MySql::start(&stack.installed, folder.path(), &options).await.unwrap();

    let ids = "SELECT concat(@@server_id, ' ', @@server_uuid, ' ', @@binlog_row_image)";
    let first = query::<String>(&stack.mysql, ids).await.remove(0);
    let second = query::<String>(&second, ids).await.remove(0);
    assert!(first.starts_with("1 ") && first.ends_with(" FULL"), "{first}");
    assert!(second.starts_with("7 ") && second.ends_with(" MINIMAL"), "{second}");
    assert_ne!(first.split(' ').nth(1), second.split(' ').nth(1));
}

#[tokio::test]
async fn kafka_keeps_its_data_when_it_is_killed_and_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = KafkaOptions::default();
    let kafka = Kafka::start(installed, folder.path(), &options).await.unwrap();

    produce(&kafka, "kept", "one").await;
    kafka.server.kill().unwrap();
    kafka.server.start_again().await.unwrap();
    produce(&kafka, "kept", "two").await;
    kafka.server.restart().await.unwrap();

    assert_eq!(record_count(&kafka, "kept"), 2);
}

#[tokio::test]
async fn a_persistent_registry_keeps_its_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let mut options = RegistryOptions::default();
    options.is_persistent = true;
    let registry = Registry::start(installed, folder.path(), &options).await.unwrap();
    let versions = format!("{}/subjects/kept/versions", registry.url());

    post(&versions, &json!({ "schema": "\"long\"" })).await;
    registry.server.kill().unwrap();
    registry.server.start_again().await.unwrap();

    assert_eq!(get(&versions).await, json!([1]));
}

#[tokio::test]
async fn elasticsearch_keeps_its_data_when_it_is_killed_and_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = ElasticsearchOptions::default();
    let node = Elasticsearch::start(installed, folder.path(), &options).await.unwrap();
    let index = format!("{}/kept/_doc?refresh=true", node.url());

    post(&index, &json!({ "n": 1 })).await;
    node.server.kill().unwrap();
    node.server.start_again().await.unwrap();
    post(&index, &json!({ "n": 2 })).await;
    node.server.restart().await.unwrap();

    assert_eq!(get(&format!("{}/kept/_count", node.url())).await["count"], 2);
}

#[tokio::test]
async fn elasticsearch_can_ask_for_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let mut options = ElasticsearchOptions::default();
    options.settings.push(("test.http.login".to_owned(), "elastic:secret".to_owned()));
    options.is_guarded = true;
    let node = Elasticsearch::start(installed, folder.path(), &options).await.unwrap();
    let request = || reqwest::Client::new().get(node.url());

    let without = request().send().await.unwrap().status();
    let with = request().basic_auth("elastic", Some("secret")).send().await.unwrap().status();

    assert_eq!((without.as_u16(), with.as_u16()), (401, 200));
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let mut options = MySqlOptions::default();
    options.arguments.push("--no-such-option=1".to_owned());

    let error = MySql::start(installed, folder.path(), &options).await.unwrap_err().to_string();

    assert!(error.contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = MySqlOptions::default();
    let mysql = MySql::start(installed, folder.path(), &options).await.unwrap();

    mysql.server.pause().unwrap();
    let answer = query::<u32>(&mysql, "SELECT 1");
    let silent = tokio::time::timeout(Duration::from_millis(500), answer).await.is_err();
    mysql.server.resume().unwrap();

    assert!(silent);
    assert_eq!(query::<u32>(&mysql, "SELECT 1").await, [1]);
}

#[tokio::test]
async fn two_stacks_run_side_by_side() {
    let first = shared().await.unwrap();

    let second = Stack::start(StackOptions::default()).await.unwrap();

    assert_ne!(first.directory(), second.directory());
    execute(&second.mysql, "CREATE DATABASE only_in_second").await;
    let databases = "SHOW DATABASES LIKE 'only_in_second'";
    assert_eq!(query::<String>(&first.mysql, databases).await.len(), 0);
    assert_eq!(query::<String>(&second.mysql, databases).await.len(), 1);
    assert!(get(&format!("{}/_cluster/health", second.elasticsearch.url())).await.is_object());
    let pids = second.pids();
    second.stop().await.unwrap();
    assert_eq!(pids.len(), 4);
    assert!(!pids.into_iter().any(is_alive));
}

#[tokio::test]
async fn all_servers_die_with_a_starter_that_is_killed() {
    shared().await.unwrap();
    let name = format!("killed-{}", std::process::id());
    let mut starter = Command::new(env!("CARGO_BIN_EXE_stack"))
        .args(["up", "--name", &name])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let up = until(|| status_of(&name).contains("is up")).await;
    let pids = server_pids(&name);

    starter.kill().unwrap();
    starter.wait().unwrap();

    assert!(up, "{}", status_of(&name));
    assert_eq!(pids.len(), 4);
    assert!(until(|| !pids.iter().copied().any(is_alive)).await, "left: {pids:?}");
    assert!(status_of(&name).contains("is down"));
    stack_command(&["down", "--delete", "--name", &name]);
    assert_eq!(status_of(&name), "");
}

#[tokio::test]
async fn a_detached_stack_keeps_its_data_until_it_is_deleted() {
    shared().await.unwrap();
    let name = format!("detached-{}", std::process::id());

    let shown = stack_command(&["up", "--detach", "--name", &name]);
    let pids = server_pids(&name);
    let down = stack_command(&["down", "--name", &name]);
    let logs = stack_command(&["logs", "mysql", "--lines", "100", "--name", &name]);
    stack_command(&["up", "--detach", "--name", &name]);
    let again = stack_command(&["down", "--delete", "--name", &name]);

    assert!(shown.contains("export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:"), "{shown}");
    assert!(down.contains("stopped"), "{down}");
    assert!(!pids.into_iter().any(is_alive));
    assert!(logs.contains("ready for connections"), "{logs}");
    assert!(again.contains("stopped"), "{again}");
    assert_eq!(status_of(&name), "");
}

/// Waits for a condition; says whether it came true in time.
async fn until(condition: impl Fn() -> bool) -> bool {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

fn stack_command(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stack")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line that `status` has for a stack; empty if it knows none.
fn status_of(name: &str) -> String {
    let status = stack_command(&["status"]);
    let quoted = format!("{name:?}");
    status.lines().find(|line| line.contains(&quoted)).unwrap_or_default().to_owned()
}

fn server_pids(name: &str) -> Vec<u32> {
    let status = status_of(name);
    let Some((_, folder)) = status.split_once("data and logs: ") else { return Vec::new() };
    let text = std::fs::read_to_string(format!("{folder}/stack.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let pids = description["server_pids"].as_array().unwrap();
    pids.iter().map(|pid| u32::try_from(pid.as_u64().unwrap()).unwrap()).collect()
}

async fn query<T>(mysql: &MySql, sql: &str) -> Vec<T>
where
    T: mysql_async::prelude::FromRow + Send + 'static,
{
    let options = mysql_async::Opts::from_url(&format!("{}/", mysql.url())).unwrap();
    let mut connection = mysql_async::Conn::new(options).await.unwrap();
    let rows = connection.query(sql).await.unwrap();
    connection.disconnect().await.unwrap();
    rows
}

async fn execute(mysql: &MySql, sql: &str) {
    query::<mysql_async::Row>(mysql, sql).await;
}

async fn get(url: &str) -> Value {
    reqwest::get(url).await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

async fn post(url: &str, body: &Value) -> Value {
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    response.error_for_status().unwrap().json().await.unwrap()
}

fn kafka_config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap());
    config
}

/// Makes the topic if it is not there, and writes one record that the broker has acknowledged.
async fn produce(kafka: &Kafka, topic: &str, payload: &str) {
    let admin: AdminClient<DefaultClientContext> = kafka_config(kafka).create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
    admin.create_topics([&new], &options).await.unwrap();
    let producer: ThreadedProducer<_> = kafka_config(kafka).create().unwrap();
    producer.send(BaseRecord::<(), _>::to(topic).payload(payload)).unwrap();
    producer.flush(DEADLINE).unwrap();
}

fn record_count(kafka: &Kafka, topic: &str) -> i64 {
    let consumer: BaseConsumer = kafka_config(kafka).create().unwrap();
    let (low, high) = consumer.fetch_watermarks(topic, 0, DEADLINE).unwrap();
    high - low
}
