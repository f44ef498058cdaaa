//! The only adapters to rdkafka: no type of it leaves this module.

mod admin;
pub mod batch;
pub mod consumer;
mod error;
mod log;
mod partitioner;
pub mod producer;
mod tails;
mod topic_reader;

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

pub use admin::Admin;
pub use error::KafkaError;
pub use partitioner::partition_of;
pub use tails::{Tail, read_tails};
pub(crate) use topic_reader::read_compacted;

/// A client's configuration: the user's properties over ours.
fn client_config(client_id: &str, properties: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", client_id);
    // librdkafka's own default of 100 ms to 10 s leaves a restarted broker unnoticed for long.
    config.set("reconnect.backoff.max.ms", "2000");
    for (key, value) in properties {
        config.set(key, value);
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}
