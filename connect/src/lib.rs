//! The worker: what connectors and tasks are, their configuration, their offsets, and the only
//! adapters to Kafka.

pub mod backoff;
pub mod check;
pub mod clock;
pub mod config;
mod connect_names;
pub mod connector;
pub mod control;
pub mod converter;
pub mod definition;
pub mod file_stream;
pub mod http;
pub mod java_client;
pub mod kafka;
pub mod loggers;
pub mod offsets;
pub mod pem;
mod runtime;
pub mod stage;
pub mod task;
mod vault;
pub mod webhook;
pub mod worker;
