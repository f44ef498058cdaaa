//! What a worker tells the others: where tasks run if it leads, which slots it has, how its tasks are,
//! which topics they work with. And what it tells whoever asks it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Herder, LEADER_SLOT};
use crate::clock::since_epoch;
use crate::connector::ConnectorName;
use crate::control::RunState;
use crate::runtime::TaskId;
use crate::runtime::cluster::Local;
use crate::runtime::members::Members;
use crate::runtime::placement::place;
use crate::runtime::records::{ConfigRecord, Placement, TargetState, WorkerNotice};
use crate::runtime::statuses::{Status, StatusOf, StatusRecord, TopicMet, TopicOf};

/// After so long a record that was written and has not come back is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(5);

/// The same of topics, of which there may be many: longer than one record's writing may take.
const TOPIC_AGAIN: Duration = Duration::from_secs(60);

/// What the status topic has been told by this worker.
#[derive(Default)]
pub(super) struct Told {
    states: BTreeMap<StatusOf, (Status, Instant)>,
    /// Topics of which the record has not come back, and since when.
    topics: BTreeMap<TopicOf, Instant>,
    /// When something was last taken back of connectors that are gone.
    cleared: Option<Instant>,
}

impl Herder {
    /// The leader's part: where tasks run.
    pub(super) fn lead(&mut self) {
        if !self.is_ready || !self.is_leader() || self.has_news {
            return;
        }
        let tasks = self.builds.counts();
        let placement = place(&tasks, &self.state.placement, &self.state.slots);
        if placement == *self.state.placement {
            self.proposed = None;
            return;
        }
        let is_under_way = |(proposed, at): &(Placement, Instant)| {
            *proposed == placement && at.elapsed() < WRITE_AGAIN
        };
        if !self.proposed.as_ref().is_some_and(is_under_way) {
            self.proposed = Some((placement.clone(), Instant::now()));
            self.send(ConfigRecord::Placement(placement));
        }
    }

    pub(super) fn is_leader(&self) -> bool {
        self.slots.contains(&LEADER_SLOT)
    }

    /// Tells the others what is new.
    pub(super) fn tell(&mut self) {
        if matches!(self.members, Members::Alone) || !self.is_ready {
            return;
        }
        if self.has_news {
            let notice = WorkerNotice { slots: self.slots.iter().copied().collect() };
            let worker = self.identity.id.to_string();
            self.has_news = !self.send(ConfigRecord::Worker { worker, notice: Some(notice) });
        }
        self.tell_states();
        // What is there already is not told again.
        if self.knows_statuses {
            self.tell_topics();
            self.clear_gone();
        }
    }

    fn tell_states(&mut self) {
        let now = self.states();
        for (of, status) in &now {
            if self.is_told(of, status) {
                continue;
            }
            let record = StatusRecord::State(of.clone(), Some(status.clone()));
            if !self.send_status(record) {
                return;
            }
            self.told.states.insert(of.clone(), (status.clone(), Instant::now()));
        }
        self.told.states.retain(|of, _| now.contains_key(of));
    }

    /// Whether a status need not be told. A worker that has lost a task may notice late and say something
    /// of it behind its new worker, which then says its own again.
    fn is_told(&self, of: &StatusOf, status: &Status) -> bool {
        let Some((told, since)) = self.told.states.get(of) else { return false };
        let is_mine = match of {
            StatusOf::Task(id) => self.is_mine(id),
            StatusOf::Connector(_) => false,
        };
        let stands = self.statuses.states.get(of);
        let is_overwritten =
            stands.is_some_and(|stands| stands.worker_id != status.worker_id) && is_mine;
        told == status && (!is_overwritten || since.elapsed() < WRITE_AGAIN)
    }

    /// How the tasks are that this worker has, and connectors whose settings make none.
    fn states(&self) -> BTreeMap<StatusOf, Status> {
        let own = &self.identity.id;
        let mut now = BTreeMap::new();
        for (id, run) in self.runs.states() {
            now.insert(StatusOf::Task(id), Status::new(&run, own));
        }
        for (name, error) in self.builds.failures() {
            let failed = Status::new(&RunState::Failed { error: error.to_owned() }, own);
            for id in self.placed_here(name).filter(|id| !self.runs.contains(id)) {
                now.insert(StatusOf::Task(id), failed.clone());
            }
            if self.is_leader() && self.builds.is_without_tasks(name) {
                now.insert(StatusOf::Connector(name.clone()), failed);
            }
        }
        // Somebody has mended it.
        let failed = self.statuses.states.iter().filter(|(_, status)| status.state == "FAILED");
        for (of, _) in failed.filter(|_| self.is_leader()) {
            if matches!(of, StatusOf::Connector(_)) && !now.contains_key(of) {
                now.insert(of.clone(), Status::new(&RunState::Running, own));
            }
        }
        now.retain(|of, _| self.state.connectors.contains_key(of.connector()));
        now
    }

    /// The tasks of a connector that shall run and are placed here.
    fn placed_here(&self, name: &ConnectorName) -> impl Iterator<Item = TaskId> {
        let entry = self.state.connectors.get(name);
        let runs = entry.is_some_and(|entry| entry.target == TargetState::Started);
        let count = self.state.placement.get(name).map_or(0, Vec::len);
        let id = |task| TaskId { connector: name.clone(), task };
        (0..count).map(id).filter(move |id| runs && self.is_mine(id))
    }

    fn tell_topics(&mut self) {
        if !self.identity.config.cluster.tracks_topics {
            return;
        }
        let mut news = Vec::new();
        for (id, topics) in self.runs.topics() {
            if !self.state.connectors.contains_key(&id.connector) {
                continue;
            }
            topics.visit(|topic| {
                let of = TopicOf { connector: id.connector.clone(), topic: topic.to_owned() };
                let told = self.told.topics.get(&of);
                let is_told = told.is_some_and(|since| since.elapsed() < TOPIC_AGAIN);
                if !is_told && !self.statuses.has_topic(&of) {
                    news.push((of, id.task));
                }
            });
        }
        let at_ms = u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX);
        for (of, task) in news {
            let record = StatusRecord::Topic(of.clone(), Some(TopicMet { task, at_ms }));
            if !self.send_status(record) {
                return;
            }
            self.told.topics.insert(of, Instant::now());
        }
    }

    /// Takes back what stands in the status topic of connectors that are gone.
    fn clear_gone(&mut self) {
        let is_under_way = self.told.cleared.is_some_and(|at| at.elapsed() < WRITE_AGAIN);
        if !self.is_leader() || is_under_way {
            return;
        }
        let connectors = &self.state.connectors;
        let gone = self.statuses.without(|name| connectors.contains_key(name));
        let gone = gone.collect::<Vec<_>>();
        if !gone.is_empty() {
            self.told.cleared = Some(Instant::now());
        }
        for record in gone {
            self.send_status(record);
        }
    }

    /// A connector is gone; another one of its name begins without its topics.
    pub(super) fn forget(&mut self, name: &ConnectorName) {
        if self.is_leader() && self.knows_statuses {
            let all = self.statuses.without(|it| it != name).collect::<Vec<_>>();
            for record in all {
                self.send_status(record);
            }
        }
    }

    /// A record has come: what somebody has taken back is told again as long as it is true.
    pub(super) fn status_came(&mut self, record: &StatusRecord) {
        match record {
            StatusRecord::State(of, None) => drop(self.told.states.remove(of)),
            StatusRecord::State(_, Some(_)) => {}
            StatusRecord::Topic(of, Some(_)) => drop(self.told.topics.remove(of)),
            StatusRecord::Topic(of, None) => {
                self.told.topics.remove(of);
                for (id, topics) in self.runs.topics() {
                    if id.connector == of.connector {
                        topics.forget(&of.topic);
                    }
                }
            }
        }
    }

    /// Tells whoever asks this worker.
    pub(super) fn publish_local(&self) {
        let failed = self.builds.failures().map(|(name, error)| {
            let error = error.to_owned();
            (name.clone(), RunState::Failed { error })
        });
        let local = Local {
            is_ready: self.is_ready,
            connectors: Arc::new(self.runs.connectors()),
            failed: failed.collect(),
            counts: self.builds.counts(),
        };
        self.channels.local.send_replace(Arc::new(local));
    }

    pub(super) fn say_goodbye(&self) {
        if matches!(self.members, Members::Group(_)) {
            let worker = self.identity.id.to_string();
            self.send(ConfigRecord::Worker { worker, notice: None });
        }
    }

    /// Writes in the background; `false` if too much waits already.
    pub(super) fn send(&self, record: ConfigRecord) -> bool {
        self.channels.records.try_send(record).is_ok()
    }

    fn send_status(&self, record: StatusRecord) -> bool {
        self.channels.told.try_send(record).is_ok()
    }
}
