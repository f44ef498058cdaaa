//! Kafka, the schema registry or Elasticsearch down at the start and later: waited for, told of,
//! and nothing lost or doubled.

use integration::process::Rowcast;
use integration::stack::{
    Elasticsearch, ElasticsearchOptions, Kafka, KafkaOptions, Registry, RegistryOptions, shared,
};

use crate::scene::{DEADLINE, SECRET, Scene, clean_log, stop, until, wait_for_log};

/// Lines in the log that tell of trouble.
fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(" WARN ")).collect()
}

#[tokio::test]
async fn kafka_is_waited_for_at_the_start_and_later() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = KafkaOptions::default();
    let kafka = Kafka::start(installed, folder.path(), &options).await.unwrap();
    let mut scene = Scene::new("bad_kafka").await;
    scene.worker.insert("bootstrap.servers".to_owned(), kafka.bootstrap());
    kafka.server.kill().unwrap();

    let rowcast = scene.start().await;
    let told = "start Kafka or correct `bootstrap.servers`";
    wait_for_log(&rowcast, told).await;
    let log = rowcast.log().unwrap();
    assert!(log.contains("kafka does not answer") && log.contains(&kafka.bootstrap()), "{log}");
    assert_eq!(warnings(&log).len(), 1, "{log}");
    kafka.server.start_again().await.unwrap();
    scene.wait_for_rows(&rowcast, 3).await;
    wait_for_log(&rowcast, "table copied").await;

    for batch in 0..10 {
        scene.insert(4 + batch * 10..=13 + batch * 10).await;
        if batch == 4 {
            kafka.server.kill().unwrap();
        }
    }
    // On a busy machine the registry may be too slow once, which is another line.
    let is_told = |line: &str| {
        ["task failed, starting it again", &kafka.bootstrap(), told]
            .iter()
            .all(|it| line.contains(it))
    };
    let failed = until(|| async { rowcast.log().unwrap().lines().any(is_told) }).await;
    assert!(failed, "{}", rowcast.log().unwrap());
    kafka.server.start_again().await.unwrap();

    scene.wait_for_rows(&rowcast, 103).await;
    let log = stop(&rowcast).await;
    assert!(warnings(&log).len() <= 8, "{log}");
    assert_eq!(scene.offsets().len(), 2);
}

#[tokio::test]
async fn the_registry_is_waited_for_at_the_start_and_later() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let mut options = RegistryOptions::default();
    options.is_persistent = true;
    let registry = Registry::start(installed, folder.path(), &options).await.unwrap();
    let mut scene = Scene::new("bad_registry").await;
    scene.worker.insert("schema.registry.url".to_owned(), registry.url());
    registry.server.kill().unwrap();

    let rowcast = scene.start().await;
    let told = "start the schema registry or correct `schema.registry.url`";
    wait_for_log(&rowcast, told).await;
    let log = rowcast.log().unwrap();
    let expected = format!("could not reach the schema registry at {}", registry.url());
    assert!(log.contains(&expected), "{log}");
    registry.server.start_again().await.unwrap();
    scene.wait_for_rows(&rowcast, 3).await;
    wait_for_log(&rowcast, "table copied").await;

    registry.server.kill().unwrap();
    let before = rowcast.log().unwrap().matches(told).count();
    scene.sql("ALTER TABLE bad_registry.t ADD COLUMN more INT, ALGORITHM = INSTANT").await;
    scene.sql("INSERT INTO bad_registry.t VALUES (4, 'zeile-0815-y', 1)").await;
    let again = || async { rowcast.log().unwrap().matches(told).count() > before };
    assert!(until(again).await, "{}", rowcast.log().unwrap());
    registry.server.start_again().await.unwrap();

    scene.wait_for_rows(&rowcast, 4).await;
    let log = stop(&rowcast).await;
    assert!(!log.contains("parked"), "{log}");
}

#[tokio::test]
async fn an_address_that_is_no_registry_halts_and_parks_nothing() {
    let mut scene = Scene::new("bad_no_registry").await;
    let wrong = shared().await.unwrap().registry.url().replace("ccompat", "nothing");
    scene.worker.insert("schema.registry.url".to_owned(), wrong.clone());

    let refusal = scene.refused().await;

    assert!(refusal.error.contains(&wrong), "{refusal:?}");
    assert!(refusal.error.contains("404"), "{refusal:?}");
    assert!(refusal.hint.contains("correct `schema.registry.url`"), "{refusal:?}");
    assert!(!refusal.log.contains("parked"), "{refusal:?}");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn elasticsearch_is_waited_for_at_the_start_and_later() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = ElasticsearchOptions::default();
    let node = Elasticsearch::start(installed, folder.path(), &options).await.unwrap();
    let mut scene = Scene::new("bad_elasticsearch").await;
    scene.add_sink(&node.url());
    node.server.kill().unwrap();

    let rowcast = scene.start().await;
    let told = "elasticsearch is not available, retrying";
    wait_for_log(&rowcast, told).await;
    let log = rowcast.log().unwrap();
    let line = log.lines().find(|line| line.contains(told)).unwrap();
    assert!(line.contains(&node.url()) && line.contains("correct `connection.url`"), "{line}");
    node.server.start_again().await.unwrap();
    wait_for_documents(&rowcast, &node.url(), 3).await;

    node.server.kill().unwrap();
    scene.insert(4..=50).await;
    scene.sql("UPDATE bad_elasticsearch.t SET note = 'zeile-0815-y2' WHERE id < 10").await;
    scene.sql("DELETE FROM bad_elasticsearch.t WHERE id = 20").await;
    let again = || async { rowcast.log().unwrap().matches(told).count() >= 2 };
    assert!(until(again).await, "{}", rowcast.log().unwrap());
    node.server.start_again().await.unwrap();

    wait_for_documents(&rowcast, &node.url(), 49).await;
    assert_eq!(documents(&node.url(), "&q=note.keyword:zeile*y2").await, Some(9));
    let log = stop(&rowcast).await;
    assert!(warnings(&log).len() <= 8, "{log}");
}

#[tokio::test]
async fn a_wrong_password_of_elasticsearch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let mut options = ElasticsearchOptions::default();
    options.settings.push(("test.http.login".to_owned(), "elastic:right".to_owned()));
    options.is_guarded = true;
    let node = Elasticsearch::start(installed, folder.path(), &options).await.unwrap();
    let mut scene = Scene::new("bad_login").await;
    scene.add_sink(&node.url());
    scene.sink.insert("connection.username".to_owned(), "elastic".to_owned());
    scene.sink.insert("connection.password".to_owned(), SECRET.to_owned());

    let rowcast = scene.start().await;
    let status = rowcast.wait(DEADLINE).await.unwrap();

    let log = clean_log(&rowcast);
    assert_eq!(status.code(), Some(1), "{log}");
    let line = log.lines().find(|line| line.contains(" ERROR ")).unwrap();
    assert!(line.contains("elasticsearch at http://127.0.0.1:"), "{line}");
    assert!(line.contains("answered 401") && line.contains("`connection.password`"), "{line}");
}

/// Waits until the index of table `t` has so many documents.
async fn wait_for_documents(rowcast: &Rowcast, url: &str, count: u64) {
    let arrived = until(|| async { documents(url, "").await == Some(count) }).await;
    assert!(arrived, "{:?} of {count}:\n{}", documents(url, "").await, rowcast.log().unwrap());
}

/// How many documents of table `t` a query finds; nothing while there is no index.
async fn documents(url: &str, query: &str) -> Option<u64> {
    let index = format!("{url}/bad_elasticsearch.t");
    reqwest::Client::new().post(format!("{index}/_refresh")).send().await.ok()?;
    let found = reqwest::get(format!("{index}/_search?size=0&track_total_hits=true{query}"));
    let found: serde_json::Value = found.await.ok()?.json().await.ok()?;
    found["hits"]["total"]["value"].as_u64()
}
