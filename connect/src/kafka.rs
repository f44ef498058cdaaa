//! The only adapters to rdkafka: no type of it leaves this module.

mod admin;
pub mod batch;
mod cause;
pub mod consumer;
pub mod control;
pub mod dead_letters;
mod error;
pub(crate) mod group;
pub mod letters;
mod limit;
mod log;
mod open_records;
mod partitioner;
mod partitions;
pub mod producer;
pub(crate) mod shared_log;
mod tails;
mod topic_reader;

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

pub use admin::{Admin, RecordTopic, TopicCatalog, TopicOutlook};
pub use cause::Cause;
pub use error::KafkaError;
pub(crate) use group::cluster_id;
pub use limit::{RecordLimit, RecordTooLarge};
pub(crate) use open_records::open_offset;
pub use open_records::{OpenRecord, open_records};
pub use partitioner::partition_of;
pub use tails::{Tail, read_tails};
pub use topic_reader::read_in_order;
pub(crate) use topic_reader::{Existence, read_compacted};

/// A client's configuration: the user's properties over ours.
fn client_config(client_id: &str, properties: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", client_id);
    // librdkafka's own default of 100 ms to 10 s leaves a restarted broker unnoticed for long.
    config.set("reconnect.backoff.max.ms", "2000");
    for (key, value) in properties {
        config.set(key, value);
    }
    // The only other method is a callback, which librdkafka's admin client would never call.
    let asks_for_tokens = ["sasl.mechanism", "sasl.mechanisms"]
        .iter()
        .any(|key| properties.get(*key).is_some_and(|value| value == "OAUTHBEARER"));
    if asks_for_tokens && !properties.contains_key("sasl.oauthbearer.method") {
        config.set("sasl.oauthbearer.method", "oidc");
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// Properties that rowcast sets itself, because its guarantees stand on them or its settings do
/// the same.
const OWN: [&str; 17] = [
    "allow.auto.create.topics",
    "auto.offset.reset",
    "batch.size",
    "bootstrap.servers",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "linger.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// What is wrong with the first of the user's properties that cannot be used: its name, and the
/// problem. Makes no client.
pub(crate) fn check_properties(properties: &BTreeMap<String, String>) -> Result<(), Problem> {
    for (property, value) in properties {
        if OWN.contains(&property.as_str()) {
            let problem = "is set by rowcast itself and cannot be changed".to_owned();
            return Err(Problem { property: property.clone(), problem });
        }
        check_property(property, value)
            .map_err(|problem| Problem { property: property.clone(), problem })?;
    }
    Ok(())
}

/// What librdkafka says against a property. Makes no client.
pub(crate) fn check_property(property: &str, value: &str) -> Result<(), String> {
    match ClientConfig::new().set(property, value).create_native_config() {
        Err(rdkafka::error::KafkaError::ClientConfig(_, problem, ..)) => {
            Err(format!("is not accepted: {problem}"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What is wrong with a property.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) property: String,
    pub(crate) problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(property: &str, value: &str) -> Option<String> {
        let properties = [(property.to_owned(), value.to_owned())].into();
        check_properties(&properties)
            .err()
            .map(|found| format!("{} {}", found.property, found.problem))
    }

    #[test]
    fn properties_are_checked_without_a_client() {
        assert_eq!(problem("security.protocol", "sasl_ssl"), None);
        assert_eq!(problem("sasl.password", "x"), None);
        for (property, value, expected) in [
            ("no.such", "1", "no.such is not accepted: No such configuration property"),
            ("security.protocol", "tls", "security.protocol is not accepted: Invalid value"),
            ("transactional.id", "x", "transactional.id is set by rowcast itself"),
        ] {
            let found = problem(property, value).unwrap();
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
