//! What the HTTP endpoint asks of a worker and tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::herder::Identity;
use super::log::ConfigLog;
use super::records::{ConfigRecord, ConnectorSettings, Creation, TargetState};
use super::state::{ClusterState, ConnectorEntry};
use super::statuses::{Status, StatusOf, StatusRecord, Statuses};
use super::{TaskId, build};
use crate::clock::since_epoch;
use crate::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use crate::control::{RunState, TaskHandle};
use crate::http::Connectors;
use crate::kafka::KafkaError;

/// Longest wait until a record that was written has come back: Kafka Connect's 90 s for a request.
const BACK_WITHIN: Duration = Duration::from_secs(90);

/// How a worker's own connectors are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Local {
    /// Whether the log has been read to its end.
    pub(crate) is_ready: bool,
    /// What runs here.
    pub(crate) connectors: Arc<Connectors>,
    /// Connectors whose settings make no tasks.
    pub(crate) failed: BTreeMap<ConnectorName, RunState>,
    /// How many tasks each connector has.
    pub(crate) counts: BTreeMap<ConnectorName, usize>,
}

/// A worker, for whoever asks it.
pub(crate) struct Cluster {
    pub(crate) identity: Identity,
    pub(crate) log: ConfigLog,
    pub(crate) view: watch::Receiver<Arc<ClusterState>>,
    pub(crate) local: watch::Receiver<Arc<Local>>,
    pub(crate) statuses: watch::Receiver<Arc<Statuses>>,
    /// To the status topic, in the background, as long as the herder runs.
    pub(crate) told: mpsc::WeakSender<StatusRecord>,
    pub(crate) requests: AtomicU64,
}

/// What was asked for could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error("the worker has not read its topics yet")]
    NotReady,
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("what was written has not come back within 90 s")]
    Timeout,
}

/// What a request to make a connector has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is the one that was asked for.
    Made,
    /// There is another one of that name.
    Exists,
}

impl Cluster {
    /// What is wanted, as far as it has been read.
    pub(crate) fn state(&self) -> Arc<ClusterState> {
        Arc::clone(&self.view.borrow())
    }

    /// What runs here.
    pub(crate) fn local(&self) -> Arc<Local> {
        Arc::clone(&self.local.borrow())
    }

    /// One connector.
    pub(crate) fn connector(&self, name: &str) -> Option<Arc<ConnectorEntry>> {
        self.state().connectors.get(&ConnectorName::new(name)).cloned()
    }

    /// Which way a connector's records go; a source if nobody knows.
    pub(crate) fn kind(&self, entry: &ConnectorEntry) -> ConnectorKind {
        let class = build::class_of(self.identity.classes, &entry.settings);
        class.map_or(ConnectorKind::Source, ConnectorClass::kind)
    }

    /// Writes records, and waits until this worker has read the last of them.
    ///
    /// # Errors
    ///
    /// Returns [`ClusterError`] when they could not be written or did not come back.
    pub(crate) async fn append(
        &self,
        records: impl IntoIterator<Item = ConfigRecord>,
    ) -> Result<Arc<ClusterState>, ClusterError> {
        if !self.local().is_ready {
            return Err(ClusterError::NotReady);
        }
        let mut last = None;
        for record in records {
            last = Some(self.log.append(&record).await?);
        }
        let mut view = self.view.clone();
        let is_back = |state: &Arc<ClusterState>| last.is_none_or(|last| state.next > last);
        let back = tokio::time::timeout(BACK_WITHIN, view.wait_for(is_back)).await;
        let state = back.map_err(|_| ClusterError::Timeout)?.map_err(|_| KafkaError::Gone)?;
        Ok(Arc::clone(&state))
    }

    /// Makes a connector, unless somebody else has made one of its name first.
    ///
    /// # Errors
    ///
    /// As [`Cluster::append`].
    pub(crate) async fn create(
        &self,
        name: &ConnectorName,
        settings: ConnectorSettings,
        target: TargetState,
    ) -> Result<Created, ClusterError> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let at = since_epoch().as_micros();
        let mark = format!("{}/{at}/{number}", self.identity.id);
        let made = ConfigRecord::Connector {
            name: name.clone(),
            settings: Some(settings),
            creation: Some(Creation { mark: mark.clone(), target }),
        };
        let state = self.append([made]).await?;
        let entry = state.connectors.get(name);
        let is_ours = entry.is_some_and(|entry| entry.creation.as_deref() == Some(&*mark));
        if !is_ours {
            return Ok(Created::Exists);
        }
        if target != TargetState::Started {
            // Where Kafka Connect looks for it.
            let initial = ConfigRecord::Target { name: name.clone(), state: Some(target) };
            self.append([initial]).await?;
        }
        Ok(Created::Made)
    }

    /// How a task is, and which worker says so.
    pub(crate) fn task_status(&self, id: &TaskId, entry: &ConnectorEntry) -> Status {
        let worker = |id: &TaskId| {
            let state = self.state();
            state.worker_of(&id.connector, id.task).map_or_else(|| self.own_id(), str::to_owned)
        };
        match entry.target {
            TargetState::Paused => return status("PAUSED", worker(id)),
            TargetState::Stopped => return status("STOPPED", worker(id)),
            TargetState::Started => {}
        }
        let own = &*self.identity.id;
        if let Some(handle) = self.handle(id) {
            return Status::new(&handle.run_state(), own);
        }
        let owner = worker(id);
        if let Some(failed) = self.local().failed.get(&id.connector).filter(|_| *owner == *own) {
            return Status::new(failed, own);
        }
        let told = self.statuses.borrow().states.get(&StatusOf::Task(id.clone())).cloned();
        // What a worker has said that is not its worker any more is over.
        told.filter(|told| told.worker_id == owner).unwrap_or_else(|| status("UNASSIGNED", owner))
    }

    /// How a connector is: it has nothing to do by itself.
    pub(crate) fn connector_status(&self, name: &ConnectorName, entry: &ConnectorEntry) -> Status {
        let state = self.state();
        let worker = state.worker_of(name, 0).map_or_else(|| self.own_id(), str::to_owned);
        let local = self.local();
        let is_without_tasks = local.counts.get(name).is_none_or(|count| *count == 0);
        if let Some(failed) = local.failed.get(name).filter(|_| is_without_tasks) {
            return Status::new(failed, &self.identity.id);
        }
        let of = StatusOf::Connector(name.clone());
        let told = self.statuses.borrow().states.get(&of).cloned();
        if let Some(failed) = told.filter(|told| told.state == "FAILED") {
            return failed;
        }
        match entry.target {
            TargetState::Started => status("RUNNING", worker),
            TargetState::Paused => status("PAUSED", worker),
            TargetState::Stopped => status("STOPPED", worker),
        }
    }

    /// The tasks of a connector that is not stopped.
    pub(crate) fn tasks(&self, name: &ConnectorName, entry: &ConnectorEntry) -> Vec<TaskId> {
        if entry.target == TargetState::Stopped {
            return Vec::new();
        }
        let count = self.local().counts.get(name).copied().filter(|count| *count > 0);
        // What cannot be made here may run elsewhere.
        let placed = || self.state().placement.get(name).map_or(0, Vec::len);
        let count = count.unwrap_or_else(placed);
        (0..count).map(|task| TaskId { connector: name.clone(), task }).collect()
    }

    /// The topics that a connector works with, as far as they have not been forgotten.
    pub(crate) fn topics(&self, name: &ConnectorName) -> BTreeSet<String> {
        let mut topics = self.statuses.borrow().topics.get(name).cloned().unwrap_or_default();
        // What is not told yet, or in a process of its own is told to nobody.
        for handle in self.handles(name) {
            topics.extend(handle.topics().all());
        }
        topics
    }

    /// Forgets them, in the background.
    pub(crate) async fn forget_topics(&self, name: &ConnectorName) {
        let forgotten: Vec<_> = self.statuses.borrow().forgotten(name).collect();
        for handle in self.handles(name) {
            handle.topics().clear();
        }
        let Some(told) = self.told.upgrade() else { return };
        for record in forgotten {
            // It ends with the worker.
            drop(told.send(record).await);
        }
    }

    /// The tasks of a connector that run here.
    fn handles(&self, name: &ConnectorName) -> Vec<TaskHandle> {
        let local = self.local();
        let connector = local.connectors.0.get(name);
        connector.into_iter().flat_map(|it| it.tasks.values()).cloned().collect()
    }

    /// A task that runs here.
    pub(crate) fn handle(&self, id: &TaskId) -> Option<TaskHandle> {
        self.local().connectors.0.get(&id.connector)?.tasks.get(&id.task).cloned()
    }

    fn own_id(&self) -> String {
        self.identity.id.to_string()
    }
}

fn status(state: &str, worker_id: String) -> Status {
    Status { state: state.to_owned(), trace: None, worker_id, generation: 0 }
}
