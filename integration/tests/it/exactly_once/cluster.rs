//! Three brokers, of which one dies in the middle of a commit: the leader of a table's topic, or
//! the coordinator of the transactions.

use std::time::{Duration, Instant};

use integration::random::Random;
use integration::stack::{Kafka, KafkaOptions, Signal, shared};
use integration::topic::Topics;
use integration::workload::Workload;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};

use super::pause_inside_commit;
use crate::scenario::{DEADLINE, Scenario, log_has, stop};

/// How many brokers die, one after the other.
const DEATHS: usize = 4;

/// Longest wait for one answer of a cluster that elects a leader.
const ANSWER: Duration = Duration::from_secs(10);

/// The topic that knows how each transaction ended; its leader is their coordinator.
const TRANSACTIONS: &str = "__transaction_state";

struct Cluster {
    brokers: Vec<Kafka>,
    consumer: BaseConsumer,
}

impl Cluster {
    async fn start(folder: &std::path::Path) -> Self {
        let stack = shared().await.unwrap();
        let options = KafkaOptions::default();
        let brokers = Kafka::start_cluster(&stack.installed, folder, &options, 3).await.unwrap();
        let bootstrap = bootstrap(&brokers);
        let consumer = ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
        Self { brokers, consumer }
    }

    /// The broker that leads partition 0 of a topic.
    fn leader(&self, topic: &str) -> &Kafka {
        let end = Instant::now() + DEADLINE;
        loop {
            let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER).unwrap();
            let leader =
                metadata.topics()[0].partitions().first().map_or(-1, MetadataPartition::leader);
            let is_it = |broker: &&Kafka| i32::try_from(broker.id).unwrap() == leader;
            if let Some(broker) = self.brokers.iter().find(is_it) {
                return broker;
            }
            assert!(Instant::now() < end, "{topic} has no leader");
        }
    }

    /// Waits until every copy of every partition is in sync.
    async fn is_whole(&self) {
        let end = Instant::now() + DEADLINE;
        loop {
            let metadata = self.consumer.fetch_metadata(None, ANSWER).unwrap();
            let mut partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
            if partitions.all(|partition| partition.isr().len() == partition.replicas().len()) {
                return;
            }
            assert!(Instant::now() < end, "a copy did not catch up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn bootstrap(brokers: &[Kafka]) -> String {
    brokers.iter().map(Kafka::bootstrap).collect::<Vec<_>>().join(",")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_or_coordinator_that_dies_in_mid_commit_loses_and_repeats_nothing() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let bootstrap = bootstrap(&cluster.brokers);
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mysql = &stack.mysql;
    let mut workload = Workload::create(&mysql.url(), "cluster", (60, seed)).await.unwrap();
    let mut scenario = Scenario::without_database("cluster", mysql).await;
    scenario.topics = Topics::new(&bootstrap, &stack.registry.url());
    let pipeline = scenario.source(mysql).with_worker("bootstrap.servers", &bootstrap);
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "table copied table=cluster.texts").await;

    for round in 0..DEATHS {
        cluster.is_whole().await;
        let topic = if round % 2 == 0 { scenario.topic("numbers") } else { TRANSACTIONS.into() };
        let dying = cluster.leader(&topic);
        let traffic = (&mut workload, &mut random);
        pause_inside_commit(&rowcast, &scenario.topics, traffic, "cluster-offsets").await;
        dying.server.kill().unwrap();
        rowcast.signal(Signal::Resume).unwrap();
        for _ in 0..40 {
            workload.step().await.unwrap();
        }
        dying.server.start_again().await.unwrap();
    }

    cluster.is_whole().await;
    for table in ["numbers", "pairs", "texts"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
}
