//! The worker: what connectors and tasks are, their configuration, their offsets, and the only
//! adapters to Kafka.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod connector;
pub mod control;
pub mod definition;
pub mod http;
pub mod kafka;
pub mod offsets;
pub mod task;
pub mod webhook;
pub mod worker;
