//! MySQL to Kafka: what the server's settings must be, the first copy of each table, and then
//! every row change from the binary log.

#[doc(hidden)]
#[cfg(any(test, feature = "bench"))]
pub mod bench;
mod binlog;
mod check;
mod config;
mod connection;
mod ddl;
mod dialect;
mod error;
mod foreign_keys;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod headroom;
mod heartbeat;
mod history;
mod notification;
pub mod offsets;
mod oversized;
mod pipeline;
mod preflight;
mod rows;
mod schema_changes;
mod signal;
mod snapshot;
mod stage;
mod tables;
mod task;
mod transaction;
mod wire;

pub use task::MySqlConnector;
