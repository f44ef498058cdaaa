//! What librdkafka is told.

use super::{ConsumerConfig, Topics};
use crate::kafka::client_config;

/// The properties that the promises of this module rest on come last: nobody may change them.
pub(super) fn properties(config: &ConsumerConfig) -> rdkafka::ClientConfig {
    let mut properties = client_config(&config.client_id, &config.kafka);
    for (key, value) in [
        // 8 MiB fetched ahead for all partitions together, and as much in one answer.
        ("queued.max.messages.kbytes", "8192"),
        ("fetch.max.bytes", "8388608"),
        // New topics that match are found within 5 s; librdkafka's default is 5 minutes.
        ("topic.metadata.refresh.interval.ms", "5000"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // A task that was killed has its partitions back after 10 s and not after 45 s. It is not
        // a static member of its group, which would have them at once (ADR 0005).
        ("session.timeout.ms", "10000"),
    ] {
        if !config.kafka.contains_key(key) {
            properties.set(key, value);
        }
    }
    properties
        .set("group.id", &config.group_id)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("allow.auto.create.topics", "false")
        .set("statistics.interval.ms", "0")
        // A committed offset that the broker does not have must stop the sink. Where there is no
        // committed offset, `start_offsets` asks for the beginning itself.
        .set("auto.offset.reset", "error");
    properties
}

/// librdkafka takes a name that begins with `^` as a pattern, and Java matches whole names.
pub(super) fn patterns(topics: &Topics) -> Vec<String> {
    match topics {
        Topics::List(names) => names.clone(),
        Topics::Regex(regex) => {
            let regex = regex.strip_prefix('^').unwrap_or(regex);
            let regex = regex.strip_suffix('$').unwrap_or(regex);
            vec![format!("^({regex})$")]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regex_matches_whole_names() {
        let patterns = |regex: &str| patterns(&Topics::Regex(regex.to_owned()));

        assert_eq!(patterns("shop\\..*|x"), ["^(shop\\..*|x)$"]);
        assert_eq!(patterns("^shop$"), ["^(shop)$"]);
    }
}
