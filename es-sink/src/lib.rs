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
mod check;
mod client;
mod config;
mod document;
mod error;
mod fast;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod mapping;
mod meter;
mod pace;
mod patience;
mod pipeline;
mod probe;
mod start_check;
mod sweep;
mod task;
#[doc(hidden)]
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod writer;

pub use config::{
    AppendConfig, Converter, Converters, DecimalType, DocumentsConfig, DynamicTopics, FieldsConfig,
    GeometryType, JsonType, LargeConfig, LargePolicy, MalformedConfig, MalformedPolicy, Overrides,
    SinkConfig, StringType, TopicIndex, TruncateConfig, TypeChoices, VectorType,
};
pub use error::{DateError, FieldConflict, IndexError, LostIndex, SinkError};
pub use mapping::{HandBack, HandBackStep, HandedBack};
pub use task::{ElasticsearchSink, OpenSearchSink};
