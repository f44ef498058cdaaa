//! MySQL to Kafka: what the server's settings must be, the first copy of each table, and then
//! every row change from the binary log.

#[doc(hidden)]
#[cfg(any(test, feature = "bench"))]
pub mod bench;
mod binlog;
mod config;
mod connection;
mod ddl;
mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod heartbeat;
pub mod offsets;
mod oversized;
mod pipeline;
mod preflight;
mod rows;
mod signal;
mod snapshot;
mod tables;
mod task;
mod transaction;
mod wire;

pub use task::MySqlConnector;
