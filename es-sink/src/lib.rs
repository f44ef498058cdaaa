//! Kafka to Elasticsearch: an index that becomes what the table is.
//!
//! Each record becomes one action on one document, with the record's place in the order of changes
//! as its external version. So actions can be repeated and even overtake each other, and the index
//! ends the same: at-least-once delivery is effectively exactly once.
//!
//! The path of one record is `pipeline.rs`; everything else is one of its stations.

mod batch;
mod bulk;
pub mod bulk_action;
mod config;
mod document;
mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod large;
mod mapping;
mod patience;
mod pipeline;
mod sweep;
mod task;
#[cfg(test)]
mod testing;

pub use config::{DecimalType, JsonType, LargeConfig, LargePolicy, SinkConfig, TruncateConfig};
pub use error::SinkError;
pub use task::ElasticsearchSink;
