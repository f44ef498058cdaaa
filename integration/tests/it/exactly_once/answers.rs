//! A commit of which nobody knows whether it happened: the request or its answer was lost.

use std::time::Duration;

use integration::process::Rowcast;
use integration::stack::{Kafka, KafkaOptions, shared};
use integration::topic::Topics;
use tempfile::TempDir;

use super::proxy::{Loss, Proxy};
use crate::scenario::{Scenario, log_has, stop, until};

/// The broker's listener behind the proxy.
const PROXIED: &str = "PROXIED";

/// A scenario whose broker is only reached through a proxy, and its running source.
async fn behind_proxy(name: &'static str) -> (Scenario, Rowcast, Proxy, (Kafka, TempDir)) {
    let stack = shared().await.unwrap();
    let proxy = Proxy::start();
    let folder = tempfile::tempdir().unwrap();
    let mut options = KafkaOptions::default();
    // Of a listener of its own: who looks whether the broker is ready does not meet the proxy.
    options.listeners.push(PROXIED.to_owned());
    options.advertised.push((PROXIED.to_owned(), proxy.address()));
    let protocols = format!("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{PROXIED}:PLAINTEXT");
    options.properties.push(("listener.security.protocol.map".to_owned(), protocols));
    let kafka = Kafka::start(&stack.installed, folder.path(), &options).await.unwrap();
    proxy.set_broker(kafka.listener(PROXIED).unwrap());
    let mut scenario = Scenario::new(name).await;
    let bootstrap = proxy.address().to_string();
    scenario.topics = Topics::new(&bootstrap, &stack.registry.url());
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let pipeline = scenario.source(&stack.mysql).with_worker("bootstrap.servers", &bootstrap);
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("INSERT INTO t VALUES (-1)").await;
    scenario.topic_is_table("t").await;
    (scenario, rowcast, proxy, (kafka, folder))
}

/// Commits rows while what is named is lost, at least so often.
async fn lose(scenario: &mut Scenario, proxy: &Proxy, loss: Loss, (first, times): (u32, usize)) {
    let before = proxy.lost();
    proxy.lose(Some(loss));
    let mut id = first;
    scenario.sql(&format!("INSERT INTO t VALUES ({id})")).await;
    while proxy.lost() < before + times {
        id += 1;
        scenario.sql(&format!("INSERT INTO t VALUES ({id})")).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(id < first + 100_000, "nothing was lost");
    }
}

#[tokio::test]
async fn a_commit_without_an_answer_is_repeated_and_not_aborted() {
    let (mut scenario, rowcast, proxy, _kafka) = behind_proxy("no_answer").await;
    for (round, loss) in [Loss::AnswerAndConnection, Loss::RequestAndConnection].iter().enumerate()
    {
        let first = 1_000_000 * (1 + u32::try_from(round).unwrap());
        lose(&mut scenario, &proxy, *loss, (first, 3)).await;
        proxy.lose(None);
        scenario.topic_is_table("t").await;
    }

    // The commit itself was repeated: no transaction was given up, no start was needed.
    let log = rowcast.log().unwrap();
    assert!(!log.contains("task failed"), "{log}");
    assert_eq!(log.matches("source starts").count(), 1, "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_commit_whose_answer_never_comes_is_found_at_the_next_start() {
    let (mut scenario, rowcast, proxy, _kafka) = behind_proxy("silent_answer").await;
    for (round, loss) in [Loss::Answer, Loss::Request].into_iter().enumerate() {
        let first = 1_000_000 * (1 + u32::try_from(round).unwrap());
        lose(&mut scenario, &proxy, loss, (first, 1)).await;
        // For longer than a commit may take: the program gives up without knowing its outcome.
        let failed = || rowcast.log().unwrap().matches("task failed, starting it again").count();
        assert!(until(|| failed() > round).await, "{}", rowcast.log().unwrap());
        proxy.lose(None);
        scenario.topic_is_table("t").await;
    }

    let log = rowcast.log().unwrap();
    assert!(log.contains("could not commit at"), "{log}");
    assert!(!log.contains(" ERROR "), "{log}");
    stop(&rowcast).await;
}
