//! Topics: made as the settings say, and looked at if they are there already.

use integration::stack::shared;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::scenario::{Scenario, log_has, stop};

pub(crate) fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap()
}

/// Makes a topic of one partition with settings.
pub(crate) async fn make(bootstrap: &str, topic: &str, settings: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    for (key, value) in settings {
        new = new.set(key, value);
    }
    let made = admin(bootstrap).create_topics([&new], &AdminOptions::new()).await.unwrap();
    assert_eq!(made, [Ok(topic.to_owned())]);
}

/// Partitions of a topic and the values of its settings.
async fn shape(bootstrap: &str, topic: &str, settings: &[&str]) -> (usize, Vec<String>) {
    let admin = admin(bootstrap);
    let wait = std::time::Duration::from_secs(10);
    let metadata = admin.inner().fetch_metadata(Some(topic), wait).unwrap();
    let partitions = metadata.topics()[0].partitions().len();
    let asked = [ResourceSpecifier::Topic(topic)];
    let found = admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap();
    let found = found.into_iter().next().unwrap().unwrap();
    let value = |name: &&str| found.get(name).unwrap().value.clone().unwrap();
    (partitions, settings.iter().map(value).collect())
}

#[tokio::test]
async fn topics_are_made_as_their_group_or_the_default_says() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("made_topics").await;
    for table in ["plain", "log_web", "log_keep"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1), (2)")).await;
    }
    let pipeline = scenario
        .source(mysql)
        .with_worker("topic.creation.default.partitions", "3")
        .with_worker("topic.creation.default.compression.type", "zstd")
        .with("topic.creation.default.cleanup.policy", "compact")
        .with("topic.creation.groups", "logs")
        .with("topic.creation.logs.include", "made_topics\\..*\\.log_.*")
        .with("topic.creation.logs.exclude", ".*keep")
        .with("topic.creation.logs.partitions", "2")
        .with("topic.creation.logs.cleanup.policy", "compact,delete")
        .with("topic.creation.logs.retention.ms", "123456789")
        .with("heartbeat.interval.ms", "1000");
    let rowcast = scenario.start(&pipeline).await;
    for table in ["plain", "log_web", "log_keep"] {
        scenario.topic_is_table(table).await;
    }

    let bootstrap = scenario.stack.kafka.bootstrap();
    let settings = ["cleanup.policy", "compression.type", "retention.ms"];
    let (partitions, values) = shape(&bootstrap, &scenario.topic("plain"), &settings).await;
    assert_eq!((partitions, values[..2].join(" ")), (3, "compact zstd".to_owned()));
    let (partitions, values) = shape(&bootstrap, &scenario.topic("log_keep"), &settings).await;
    assert_eq!((partitions, values[..2].join(" ")), (3, "compact zstd".to_owned()));
    let (partitions, values) = shape(&bootstrap, &scenario.topic("log_web"), &settings).await;
    assert_eq!((partitions, values.join(" ")), (2, "compact,delete zstd 123456789".to_owned()));
    let (partitions, values) = shape(&bootstrap, "made_topics-offsets", &settings).await;
    assert_eq!((partitions, values[0].as_str()), (1, "compact"));
    let log = rowcast.log().unwrap();
    assert!(!log.contains("is other than its settings say"), "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_topic_that_is_other_than_its_settings_is_used_and_told_of_once() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("other_topic").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let bootstrap = scenario.stack.kafka.bootstrap();
    let topic = scenario.topic("t");
    make(&bootstrap, &topic, &[("cleanup.policy", "delete"), ("retention.ms", "777777777")]).await;
    let pipeline = scenario
        .source(mysql)
        .with("topic.creation.default.partitions", "4")
        .with("topic.creation.default.cleanup.policy", "compact")
        .with("topic.creation.default.retention.ms", "777777777");
    let rowcast = scenario.start(&pipeline).await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.topic_is_table("t").await;
    // The definition is taken again, and the topic looked at.
    scenario.sql("ALTER TABLE t ADD COLUMN more INT").await;
    scenario.sql("INSERT INTO t VALUES (2, 3)").await;
    scenario.topic_is_table("t").await;

    let log = rowcast.log().unwrap();
    assert!(log.matches("table definition taken").count() >= 2, "{log}");
    let told: Vec<_> = log.lines().filter(|line| line.contains("other than its")).collect();
    assert_eq!(told.len(), 1, "{log}");
    let expected = "partitions is 1 and not 4, cleanup.policy is delete and not compact\"";
    assert!(told[0].contains(expected) && told[0].contains(&topic), "{log}");
    assert!(told[0].contains("hint=\"change the topic with Kafka's tools"), "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_topic_that_the_broker_refuses_halts_with_the_settings_to_correct() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("refused_topic").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    let pipeline = scenario.source(mysql).with("topic.creation.default.cleanup.policy", "shred");

    let rowcast = scenario.launch("rowcast", &pipeline).await;
    let status = rowcast.wait(crate::scenario::DEADLINE).await.unwrap();

    let log = rowcast.log().unwrap();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    assert!(last.contains("kafka does not make topic refused_topic.refused_topic.t"), "{log}");
    assert!(last.contains("correct the settings `topic.creation.*`"), "{log}");
}

#[tokio::test]
async fn a_table_without_a_key_is_parked_if_its_topic_is_compacted_and_the_others_go_on() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("compacted").await;
    scenario.sql("CREATE TABLE keyless (n INT)").await;
    scenario.sql("INSERT INTO keyless VALUES (1)").await;
    scenario.sql("CREATE TABLE keyed (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO keyed VALUES (1)").await;
    let pipeline = scenario
        .source(mysql)
        // A table without a key is refused at the start unless the configuration is Debezium's.
        .with("connector.class", "io.debezium.connector.mysql.MySqlConnector")
        .with("topic.creation.default.cleanup.policy", "compact");

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table parked").await;
    scenario.sql("INSERT INTO keyless VALUES (2)").await;
    scenario.sql("INSERT INTO keyed VALUES (2)").await;
    scenario.topic_is_table("keyed").await;

    let log = rowcast.log().unwrap();
    let parked = log.lines().find(|line| line.contains("table parked")).unwrap();
    assert!(parked.contains("table=compacted.keyless"), "{parked}");
    assert!(parked.contains("its topic compacted.compacted.keyless is compacted"), "{parked}");
    assert!(!log.contains("task failed"), "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_topic_that_becomes_compacted_under_a_table_without_a_key_halts_with_a_hint() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("compacted_later").await;
    scenario.sql("CREATE TABLE keyless (n INT)").await;
    let pipeline = scenario
        .source(mysql)
        .with("connector.class", "io.debezium.connector.mysql.MySqlConnector");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    let (topic, bootstrap) = (scenario.topic("keyless"), scenario.stack.kafka.bootstrap());
    let resource = rdkafka::admin::AlterConfig::new(ResourceSpecifier::Topic(&topic));
    let resource = resource.set("cleanup.policy", "compact");
    let altered = admin(&bootstrap).alter_configs([&resource], &AdminOptions::new()).await;
    assert!(altered.unwrap()[0].is_ok());

    scenario.sql("INSERT INTO keyless VALUES (2)").await;
    let status = rowcast.wait(crate::scenario::DEADLINE).await;

    let log = rowcast.log().unwrap();
    let status = status.unwrap_or_else(|error| panic!("{error}:\n{log}"));
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    assert!(last.contains("kafka does not take a record for topic compacted_later"), "{log}");
    assert!(last.contains("hint=") && last.contains("cleanup.policy=delete"), "{log}");
}
