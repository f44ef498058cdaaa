//! Kafka, the schema registry or Elasticsearch down at the start and later: waited for, told of,
//! and nothing lost or doubled.

use integration::stack::{Kafka, KafkaOptions, Registry, RegistryOptions, shared};

use super::scene::{Scene, stop, until, wait_for_log};

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
    wait_for_log(&rowcast, "start Kafka or correct `bootstrap.servers`").await;
    let log = rowcast.log().unwrap();
    assert!(log.contains(&format!("at {}", kafka.bootstrap())), "{log}");
    assert!(warnings(&log).len() <= 5, "{log}");
    kafka.server.start_again().await.unwrap();
    scene.wait_for_rows(&rowcast, 3).await;
    wait_for_log(&rowcast, "table copied").await;

    for batch in 0..10 {
        scene.insert(4 + batch * 10..=13 + batch * 10).await;
        if batch == 4 {
            kafka.server.kill().unwrap();
        }
    }
    let told = "start Kafka or correct `bootstrap.servers`";
    let twice = || async { rowcast.log().unwrap().matches(told).count() >= 2 };
    assert!(until(twice).await, "{}", rowcast.log().unwrap());
    kafka.server.start_again().await.unwrap();

    scene.wait_for_rows(&rowcast, 103).await;
    let log = stop(&rowcast).await;
    assert!(warnings(&log).len() <= 25, "{} warnings:\n{log}", warnings(&log).len());
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
async fn a_property_that_kafka_clients_do_not_have_is_named() {
    for (key, value, expected) in [
        ("kafka.no.such.property", "1", "`no.such.property`"),
        ("kafka.linger.mss", "1", "`linger.mss`"),
        ("kafka.security.protocol", "tls", "`security.protocol`"),
        ("kafka.transaction.timeout.ms", "1", "`transaction.timeout.ms`"),
    ] {
        let mut scene = Scene::new(&format!("bad_property_{}", expected.len())).await;
        scene.worker.insert(key.to_owned(), value.to_owned());

        let refusal = scene.refused().await;

        assert!(refusal.error.contains(expected), "{refusal:?}");
        assert!(refusal.hint.contains("below `kafka` in the pipeline file"), "{refusal:?}");
        assert!(scene.offsets().is_empty());
    }
}
