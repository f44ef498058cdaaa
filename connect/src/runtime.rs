//! Connectors at work: what is wanted of them in a log, what runs of them here, and who runs the
//! rest.
//!
//! ```text
//! HTTP, pipeline file → log (config topic, or memory) → herder → tasks that run here
//!                                                          ↑
//!                                   slots of this worker (Kafka's consumer group)
//! ```
//!
//! Whoever wants something writes it to the log and waits until the herder has read it back: so all
//! workers know the same in the same order, and any of them answers any call. A process of its own
//! has the same log in memory.

pub(crate) mod build;
mod cluster;
mod herder;
mod log;
mod members;
mod placement;
pub(crate) mod records;
mod runner;
pub(crate) mod state;
mod statuses;

pub(crate) use build::class_of;
pub(crate) use cluster::{Cluster, ClusterError, Created, Local};
pub(crate) use herder::{Channels, Herder, HerderError, Identity};
pub(crate) use log::ConfigLog;
pub(crate) use members::Members;
pub(crate) use records::{ConfigRecord, ConnectorSettings, TargetState};
pub(crate) use runner::{AfterHalt, Ended as TaskEnd};
#[cfg(test)]
pub(crate) use state::ClusterState;
pub(crate) use state::ConnectorEntry;
pub(crate) use statuses::{Status, StatusRecord};

use crate::connector::{ConnectorClass, ConnectorName};

/// The classes that this process has.
pub(crate) type Classes = &'static [&'static dyn ConnectorClass];

/// One task of one connector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId {
    pub(crate) connector: ConnectorName,
    pub(crate) task: usize,
}
