//! What a topic is, against what its rules say.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use rdkafka::admin::ConfigResource;
use rdkafka::metadata::MetadataTopic;

use crate::config::TopicRules;

/// What becomes of old records.
pub(super) const CLEANUP_POLICY: &str = "cleanup.policy";

/// Partitions and copies of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) partitions: i32,
    pub(super) replication: i32,
}

impl Shape {
    /// None for a topic without partitions, which is how one that does not exist is told of.
    pub(super) fn of(topic: &MetadataTopic) -> Option<Self> {
        let count = i32::try_from(topic.partitions().len()).ok().filter(|count| *count > 0)?;
        let copies = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
        let replication = i32::try_from(copies.unwrap_or_default()).ok()?;
        Some(Self { partitions: count, replication })
    }
}

/// The value of a topic's setting.
pub(super) fn setting<'a>(settings: &'a ConfigResource, name: &str) -> Option<&'a str> {
    settings.get(name)?.value.as_deref()
}

/// Whether old records of a key make place for newer ones; the topic then has keys only.
pub(super) fn is_compacted(settings: &ConfigResource) -> bool {
    words(setting(settings, CLEANUP_POLICY).unwrap_or_default()).contains("compact")
}

/// Whether the last record of each key stays for ever.
pub(super) fn is_only_compacted(settings: &ConfigResource) -> bool {
    words(setting(settings, CLEANUP_POLICY).unwrap_or_default()) == HashSet::from(["compact"])
}

/// Says once in a process where a topic that was there already is other than it would be made.
pub(super) fn tell_differences(
    topic: &str,
    rules: &TopicRules,
    shape: Shape,
    settings: Option<&ConfigResource>,
) {
    static TOLD: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let value = |name: &str| settings.and_then(|settings| setting(settings, name));
    let differences = differences(rules, shape, value);
    if differences.is_empty() {
        return;
    }
    let is_new = TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned());
    if is_new {
        tracing::warn!(
            topic,
            differences = differences.join(", "),
            hint = "change the topic with Kafka's tools, or the settings `topic.creation.*`, which \
                    are for topics that do not exist yet",
            "the topic exists and is other than its settings say"
        );
    }
}

/// What is other than the rules, each with what is found and what is asked for. A setting that
/// cannot be read is not other.
pub(super) fn differences<'a>(
    rules: &TopicRules,
    shape: Shape,
    value: impl Fn(&str) -> Option<&'a str>,
) -> Vec<String> {
    let number = |name: &str, found: i32, asked: Option<i32>| {
        let asked = asked.filter(|asked| *asked > 0 && *asked != found)?;
        Some(format!("{name} is {found} and not {asked}"))
    };
    let numbers = [
        number("partitions", shape.partitions, rules.partitions),
        number("replication.factor", shape.replication, rules.replication),
    ];
    let settings = rules.settings.iter().filter_map(|(name, asked)| {
        let found = value(name).filter(|found| words(found) != words(asked))?;
        Some(format!("{name} is {found} and not {asked}"))
    });
    numbers.into_iter().flatten().chain(settings).collect()
}

/// Lists are compared as sets.
fn words(value: &str) -> HashSet<&str> {
    value.split(',').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_and_is_other_is_a_difference() {
        let shape = Shape { partitions: 3, replication: 1 };
        let found = |name: &str| match name {
            "cleanup.policy" => Some("delete,compact"),
            "retention.ms" => Some("1000"),
            _ => None,
        };
        let asked = [
            ("cleanup.policy", "compact, delete"),
            ("retention.ms", "2000"),
            ("compression.type", "zstd"),
        ];
        let settings = asked.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let rules = TopicRules { partitions: Some(6), replication: Some(-1), settings };

        assert_eq!(
            differences(&rules, shape, found),
            ["partitions is 3 and not 6", "retention.ms is 1000 and not 2000"]
        );
        assert_eq!(differences(&TopicRules::default(), shape, found), Vec::<String>::new());
    }
}
