//! The broker, and topics as they are and as they would be.

use super::{Report, Surroundings, part};
use crate::config::{TopicRules, WorkerConfig};
use crate::kafka::{Admin, TopicCatalog, TopicOutlook};

const COMPACT: [(&str, &str); 1] = [("cleanup.policy", "compact")];

/// Looks at the broker and at the topic of offsets. None if no broker answers.
pub(super) async fn worker(worker: &WorkerConfig, report: &mut Report) -> Option<TopicCatalog> {
    let brokers = worker.kafka.get("bootstrap.servers").cloned().unwrap_or_default();
    let name = (part::KAFKA, &*brokers);
    let listed = match Admin::new(worker) {
        Ok(admin) => admin.catalog().await,
        Err(error) => Err(error),
    };
    let topics = match listed {
        Ok(topics) => topics,
        Err(error) => {
            report.fault(name, &error);
            return None;
        }
    };
    let (brokers, count) = (topics.brokers(), topics.count());
    report.fine(name, format!("answers; {brokers} broker(s), {count} topics that we may see"));
    Some(topics)
}

/// The topics that the workers of a cluster share.
pub(super) async fn cluster(worker: &WorkerConfig, topics: &TopicCatalog, report: &mut Report) {
    let cluster = &worker.cluster;
    offsets(worker, topics, report).await;
    let config = (1, cluster.config_replication);
    internal(&cluster.config_topic, config, &COMPACT, topics, report).await;
    if let Some(partitions) = topics.partitions(&cluster.config_topic).filter(|count| *count != 1) {
        report.problem(
            (part::KAFKA, &cluster.config_topic),
            format!("has {partitions} partitions, expected 1: records have no order"),
            "name another topic as `config.storage.topic`, or none that exists",
        );
    }
    let status = (cluster.status_partitions, cluster.status_replication);
    internal(&cluster.status_topic, status, &COMPACT, topics, report).await;
    let slots = (cluster.slots, cluster.config_replication);
    internal(&cluster.slots_topic, slots, &[], topics, report).await;
}

/// The topic of offsets, which must keep them for ever.
pub async fn offsets(worker: &WorkerConfig, topics: &TopicCatalog, report: &mut Report) {
    let shape = (worker.offset_partitions, worker.offset_replication);
    internal(&worker.offset_topic, shape, &COMPACT, topics, report).await;
}

/// A topic whose cleanup is a matter of life and death.
async fn internal(
    topic: &str,
    (partitions, replication): (i32, i32),
    settings: &[(&str, &str)],
    topics: &TopicCatalog,
    report: &mut Report,
) {
    let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let rules =
        TopicRules { partitions: Some(partitions), replication: Some(replication), settings };
    let name = (part::KAFKA, topic);
    match topics.outlook(topic, &rules).await {
        Ok(TopicOutlook::There { cleanup: Some(found), .. })
            if rules.settings.contains_key("cleanup.policy") && found != "compact" =>
        {
            report.problem(
                name,
                format!("has cleanup.policy={found}, which deletes what has to stay"),
                "set cleanup.policy=compact on the topic with Kafka's tools (kafka-configs --alter)",
            );
        }
        Ok(TopicOutlook::There { partitions, replication, .. }) => {
            report.fine(name, there(partitions, replication));
        }
        Ok(outlook @ TopicOutlook::Absent) => tell(name, &outlook, (&rules, topics), report),
        Err(error) => report.fault(name, &error),
    }
}

/// A topic for records that transforms have sent somewhere: what it was called before, and where it
/// goes, if its name alone says it.
pub async fn check_routed_topic(
    (before, routed): (&str, Option<&str>),
    rules: &TopicRules,
    around: Surroundings<'_>,
    report: &mut Report,
) {
    match routed {
        Some(topic) => check_topic(topic, rules, around, report).await,
        None => report.fine(
            (part::KAFKA, before),
            "is no topic: its records go where the transforms send each of them",
        ),
    }
}

/// A topic for records.
pub async fn check_topic(
    topic: &str,
    rules: &TopicRules,
    around: Surroundings<'_>,
    report: &mut Report,
) {
    let Some(topics) = around.topics else { return };
    match topics.outlook(topic, rules).await {
        Ok(outlook) => tell((part::KAFKA, topic), &outlook, (rules, topics), report),
        Err(error) => report.fault((part::KAFKA, topic), &error),
    }
}

fn there(partitions: i32, replication: i32) -> String {
    format!("is there: {partitions} partition(s), {replication} copies of each")
}

fn tell(
    name: (&'static str, &str),
    outlook: &TopicOutlook,
    (rules, topics): (&TopicRules, &TopicCatalog),
    report: &mut Report,
) {
    match outlook {
        TopicOutlook::There { partitions, replication, differences, .. } => {
            if differences.is_empty() {
                report.fine(name, there(*partitions, *replication));
            } else {
                report.warning(
                    name,
                    format!("is other than its settings say: {}", differences.join(", ")),
                    "change the topic with Kafka's tools, or the settings `topic.creation.*`, which \
                     are for topics that do not exist yet",
                );
            }
        }
        TopicOutlook::Absent if rules.replication() > topics.brokers() => report.problem(
            name,
            format!("would have {} copies of {} broker(s)", rules.replication(), topics.brokers()),
            "start more brokers, or lower `replication.factor` of the topic",
        ),
        TopicOutlook::Absent => report.create(name, will_be(rules)),
    }
}

/// A topic as it would be made.
fn will_be(rules: &TopicRules) -> String {
    let or_brokers = |count: i32| match count {
        -1 => "the broker's number of".to_owned(),
        count => count.to_string(),
    };
    let (partitions, copies) = (or_brokers(rules.partitions()), or_brokers(rules.replication()));
    let settings: Vec<_> =
        rules.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let settings =
        if settings.is_empty() { String::new() } else { format!(", {}", settings.join(", ")) };
    format!("{partitions} partition(s), {copies} copies of each{settings}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_would_be_made_says_how() {
        let settings = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
        let rules = TopicRules { partitions: Some(3), replication: Some(-1), settings };

        assert_eq!(
            will_be(&rules),
            "3 partition(s), the broker's number of copies of each, cleanup.policy=compact"
        );
        assert_eq!(
            will_be(&TopicRules::default()),
            "1 partition(s), the broker's number of copies of each"
        );
    }
}
