//! What a row change is and how it is written: positions, offsets, MySQL types, Debezium's
//! envelope, Avro, JSON and the schema registry.
//!
//! This crate knows neither MySQL connections nor Kafka nor Elasticsearch. Everything in it is
//! pure, but for the HTTP client in [`registry`].

pub mod avro;
pub mod bytes;
pub mod calendar;
pub mod change;
pub mod connect_json;
pub mod date_hour;
pub mod digits;
pub mod envelope;
pub mod fault;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gtid;
pub mod lsn;
pub mod names;
pub mod offset;
pub mod plan;
pub mod position;
pub mod registry;
pub mod schema_change;
pub mod table;
pub mod transaction_metadata;
pub mod types;
pub mod value;
