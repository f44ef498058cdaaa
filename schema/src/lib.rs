//! What a row change is and how it is written: positions, offsets, MySQL types, Debezium's
//! envelope, Avro, JSON and the schema registry.
//!
//! This crate knows neither MySQL connections nor Kafka nor Elasticsearch. Everything in it is
//! pure, but for the HTTP client in [`registry`].

pub mod fault;
pub mod lsn;
pub mod plan;
pub mod registry;
