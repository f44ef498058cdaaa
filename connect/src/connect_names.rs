//! A worker's properties by Kafka Connect's names, in ours.

use std::collections::BTreeMap;

/// What every Kafka client takes from the top of a worker's properties, as Kafka Connect hands it on.
/// `ssl.*` is not among them: it is the endpoint's here, and Java's stores are nothing for librdkafka.
/// It refuses `sasl.jaas.config`, which is better than to go on without a login.
const CLIENT: [&str; 4] =
    ["security.protocol", "sasl.mechanism", "sasl.jaas.config", "client.dns.lookup"];

/// What Kafka Connect needs and we do not: the JVM's classes, and times of its own protocol.
const NEEDLESS: [&str; 15] = [
    "plugin.path",
    "plugin.discovery",
    "offset.flush.interval.ms",
    "offset.flush.timeout.ms",
    "offset.storage.file.filename",
    "scheduled.rebalance.max.delay.ms",
    "rebalance.timeout.ms",
    "worker.sync.timeout.ms",
    "worker.unsync.backoff.ms",
    "connect.protocol",
    "connector.client.config.override.policy",
    "internal.key.converter",
    "internal.value.converter",
    "task.shutdown.graceful.timeout.ms",
    "config.providers",
];

/// Our names for what stands in a `worker.properties`.
pub(crate) fn of_connect(given: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut ours = BTreeMap::new();
    for (key, value) in given {
        let key = match &*key {
            key if NEEDLESS.contains(&key) || key.starts_with("config.providers.") => continue,
            key if CLIENT.contains(&key) => format!("kafka.{key}"),
            // There is one registry for all.
            key if key.starts_with("key.converter.schema.registry.") => continue,
            "value.converter.schema.registry.url" => "schema.registry.url".to_owned(),
            "value.converter.schema.registry.basic.auth.user.info" => {
                "schema.registry.basic.auth.user.info".to_owned()
            }
            _ => key,
        };
        ours.entry(key).or_insert(value);
    }
    ours
}
