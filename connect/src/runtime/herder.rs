//! Reads the log, and makes run here what shall run here.

mod builds;
mod news;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use schema::fault::{Disposition, Fault, chain};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::builds::Builds;
use self::news::Told;
use self::runs::Runs;
use super::cluster::Local;
use super::members::{MemberEvent, Members};
use super::records::{ConfigRecord, Placement, TargetState};
use super::runner::{AfterHalt, Ended};
use super::state::{ClusterState, ConnectorEntry, Effect, RestartTasks};
use super::statuses::{StatusRecord, Statuses};
use super::{Classes, TaskId};
use crate::backoff::Backoff;
use crate::config::WorkerConfig;
use crate::connector::ConnectorName;
use crate::control::RunState;
use crate::kafka::consumer::{ConsumerError, RevokeDone};
use crate::kafka::shared_log::LogEvent;

/// How often the placement is looked at, and what the status topic has to be told.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Longest time for all tasks to end after a stop. What is not committed by then is repeated at the
/// next start.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// The slot whose owner leads.
const LEADER_SLOT: i32 = 0;

/// Who this worker is.
#[derive(Clone)]
pub(crate) struct Identity {
    /// `host:port`, as Kafka Connect names a worker.
    pub(crate) id: Arc<str>,
    pub(crate) config: Arc<WorkerConfig>,
    pub(crate) classes: Classes,
}

/// What a herder reads and writes.
pub(crate) struct Channels {
    /// The log of what is wanted.
    pub(crate) log: mpsc::Receiver<LogEvent>,
    /// The status topic; none in a process of its own.
    pub(crate) statuses: Option<mpsc::Receiver<LogEvent>>,
    /// To the config topic, in the background.
    pub(crate) records: mpsc::Sender<ConfigRecord>,
    /// To the status topic, in the background.
    pub(crate) told: mpsc::Sender<StatusRecord>,
    /// For whoever asks.
    pub(crate) view: watch::Sender<Arc<ClusterState>>,
    pub(crate) local: watch::Sender<Arc<Local>>,
    pub(crate) seen: watch::Sender<Arc<Statuses>>,
}

/// Why a herder has ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HerderError {
    #[error("the workers' topics cannot be read")]
    Log(#[from] crate::kafka::KafkaError),
    #[error("this worker cannot be a member of group {group}")]
    Group {
        group: String,
        #[source]
        source: Box<ConsumerError>,
    },
}

/// The heart of a worker.
pub(crate) struct Herder {
    identity: Identity,
    channels: Channels,
    members: Members,
    after_halt: AfterHalt,
    state: ClusterState,
    statuses: Statuses,
    /// Whether all that was in the log at the start has been read.
    is_ready: bool,
    /// The same of the status topic.
    knows_statuses: bool,
    slots: BTreeSet<i32>,
    /// Slots that are given up as soon as nothing of them runs here.
    leaving: Vec<(BTreeSet<i32>, RevokeDone)>,
    runs: Runs,
    builds: Builds,
    proposed: Option<(Placement, Instant)>,
    /// What the status topic has been told by this worker.
    told: Told,
    has_news: bool,
    backoff: Backoff,
}

enum Event {
    Log(Option<LogEvent>),
    Status(Option<LogEvent>),
    Member(MemberEvent),
    Ended(TaskId, Ended),
    Look,
}

impl Herder {
    pub(crate) fn new(
        identity: Identity,
        channels: Channels,
        members: Members,
        after_halt: AfterHalt,
    ) -> Self {
        Self {
            identity,
            channels,
            members,
            after_halt,
            state: ClusterState::default(),
            statuses: Statuses::default(),
            is_ready: false,
            knows_statuses: false,
            slots: BTreeSet::new(),
            leaving: Vec::new(),
            runs: Runs::default(),
            builds: Builds::default(),
            proposed: None,
            told: Told::default(),
            has_news: false,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(10)),
        }
    }

    /// Runs until `stop` is cancelled, or until a task halts where that is the end.
    ///
    /// # Errors
    ///
    /// Returns [`HerderError`] when the log or the group fails for good.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Result<Ended, HerderError> {
        let ended = self.flow(stop).await;
        let in_time = tokio::time::timeout(STOP_DEADLINE, self.runs.stop_all()).await;
        if in_time.is_err() {
            tracing::error!(
                "tasks did not end within 30 s; what is not committed will be repeated"
            );
        }
        self.publish_local();
        for (_, done) in self.leaving.drain(..) {
            done.done();
        }
        self.say_goodbye();
        self.members.leave().await;
        match ended {
            Ok(ended) if in_time.is_ok() => Ok(ended),
            Ok(_) => Ok(Ended::Failed),
            Err(error) => Err(error),
        }
    }

    async fn flow(&mut self, stop: &CancellationToken) -> Result<Ended, HerderError> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                (task, ended) = self.runs.ended() => Event::Ended(task, ended),
                event = self.members.next() => Event::Member(event),
                event = self.channels.log.recv() => Event::Log(event),
                event = next(&mut self.channels.statuses) => Event::Status(event),
                _ = look.tick() => Event::Look,
            };
            match event {
                Event::Ended(task, ended) => {
                    if ended == Ended::Failed && self.after_halt == AfterHalt::End {
                        return Ok(Ended::Failed);
                    }
                    tracing::debug!(connector = %task.connector, task = task.task, "task ended");
                    self.reconcile();
                }
                Event::Member(event) => self.member(event).await?,
                Event::Log(event) => self.log(event)?,
                Event::Status(event) => self.status(event)?,
                Event::Look => {
                    self.reload();
                    if self.builds.is_any_due() {
                        self.reconcile();
                    }
                    self.lead();
                    self.tell();
                }
            }
        }
    }

    fn log(&mut self, event: Option<LogEvent>) -> Result<(), HerderError> {
        match event.unwrap_or(LogEvent::Failed(crate::kafka::KafkaError::Gone)) {
            LogEvent::Failed(error) => return Err(error.into()),
            LogEvent::CaughtUp => {
                self.is_ready = true;
                self.has_news = true;
                tracing::info!(connectors = self.state.connectors.len(), "worker is ready");
            }
            LogEvent::Record { position, key, value } => {
                self.record(position, &key, value.as_deref());
            }
        }
        if self.is_ready {
            self.channels.view.send_replace(Arc::new(self.state.clone()));
            self.reconcile();
        }
        Ok(())
    }

    fn record(&mut self, position: i64, key: &[u8], value: Option<&[u8]>) {
        let record = match ConfigRecord::parse(key, value) {
            Ok(Some(record)) => record,
            Ok(None) => return self.state.skip(position),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(position, error, "a record of the config topic is passed over");
                return self.state.skip(position);
            }
        };
        match self.state.apply(position, record) {
            Effect::None => {}
            // What was asked for before this worker began is done, or nobody waits for it.
            Effect::Restart { name, tasks } if self.is_ready => {
                self.builds.try_now(&name);
                self.runs.restart(&name, tasks);
            }
            Effect::Restart { .. } => {}
            Effect::Logger { logger, level } => drop(crate::loggers::set(&logger, &level)),
            Effect::Duplicate { name } => self.keep_first(name),
            Effect::Gone { name } if self.is_ready => self.forget(&name),
            Effect::Gone { .. } => {}
        }
    }

    /// Writes the settings of the one that won once more: compaction would keep the other's.
    fn keep_first(&mut self, name: ConnectorName) {
        let is_leader = self.is_leader();
        let Some(entry) = self.state.connectors.get(&name).filter(|_| is_leader) else { return };
        let (settings, target) = (Some((*entry.settings).clone()), entry.target);
        self.send(ConfigRecord::Connector { name: name.clone(), settings, creation: None });
        if target != TargetState::Started {
            self.send(ConfigRecord::Target { name, state: Some(target) });
        }
    }

    /// Takes in all that is there: what others see is copied once for it.
    fn status(&mut self, first: Option<LogEvent>) -> Result<(), HerderError> {
        let mut next = Some(first.unwrap_or(LogEvent::Failed(crate::kafka::KafkaError::Gone)));
        while let Some(event) = next {
            match event {
                LogEvent::Failed(error) => return Err(error.into()),
                LogEvent::CaughtUp => self.knows_statuses = true,
                LogEvent::Record { position, key, value } => {
                    self.status_record(position, &key, value.as_deref());
                }
            }
            next = self.channels.statuses.as_mut().and_then(|events| events.try_recv().ok());
        }
        self.channels.seen.send_replace(Arc::new(self.statuses.clone()));
        Ok(())
    }

    fn status_record(&mut self, position: i64, key: &[u8], value: Option<&[u8]>) {
        match StatusRecord::parse(key, value) {
            Ok(None) => {}
            Ok(Some(record)) => {
                self.status_came(&record);
                self.statuses.apply(record);
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(position, error, "a record of the status topic is passed over");
            }
        }
    }

    async fn member(&mut self, event: MemberEvent) -> Result<(), HerderError> {
        match event {
            MemberEvent::Assigned(slots) => {
                tracing::info!(slots = slots.len(), "slots assigned");
                self.slots.extend(slots);
            }
            MemberEvent::Revoked { slots, lost, done } => {
                tracing::info!(slots = slots.len(), lost, "slots revoked");
                self.slots.retain(|slot| !slots.contains(slot));
                if lost {
                    // Somebody else is at work: fencing keeps what still runs here from writing.
                    done.done();
                } else {
                    self.leaving.push((slots.into_iter().collect(), done));
                }
            }
            MemberEvent::Failed(error) => return self.join_again(error).await,
        }
        self.has_news = true;
        self.reconcile();
        Ok(())
    }

    /// The group goes on without this worker: what runs here ends, and it joins once more.
    async fn join_again(&mut self, error: ConsumerError) -> Result<(), HerderError> {
        let group = self.identity.config.group_id.clone();
        if error.disposition() != Disposition::Retry {
            return Err(HerderError::Group { group, source: Box::new(error) });
        }
        self.slots.clear();
        self.reconcile();
        let (delay, error) = (self.backoff.next_delay(), chain(&error));
        tracing::warn!(group, error, "left the group, joining it again");
        tokio::time::sleep(delay).await;
        let topic = &self.identity.config.cluster.slots_topic;
        self.members = Members::join(&self.identity.config, topic)
            .map_err(|error| HerderError::Group { group, source: Box::new(error) })?;
        Ok(())
    }

    /// Ends what shall not run here, and starts what shall.
    fn reconcile(&mut self) {
        if !self.is_ready {
            return;
        }
        let connectors: Vec<_> = self.state.connectors.clone().into_iter().collect();
        let mut wanted = BTreeMap::new();
        for (name, entry) in &connectors {
            let count = self.builds.count(name, entry, &self.identity);
            let runs = entry.target == TargetState::Started;
            for task in (0..count).filter(|_| runs) {
                let id = TaskId { connector: name.clone(), task };
                if self.is_mine(&id) {
                    wanted.insert(id, entry.revision);
                }
            }
        }
        self.builds.retain(|name| self.state.connectors.contains_key(name));
        self.runs.end_all_but(&wanted);
        for (name, entry) in &connectors {
            self.start_missing(name, entry, &wanted);
        }
        self.publish_local();
        self.give_up_slots();
    }

    /// Begins tasks anew whose secrets have ended, with those that are there now.
    fn reload(&mut self) {
        for name in self.builds.take_ended() {
            tracing::info!(connector = %name, "secrets have ended, beginning anew");
            self.runs.restart(&name, RestartTasks::All);
        }
    }

    fn is_mine(&self, id: &TaskId) -> bool {
        match &self.members {
            Members::Alone => true,
            Members::Group(_) => {
                let slots = self.state.placement.get(&id.connector);
                slots.and_then(|slots| slots.get(id.task)).is_some_and(|it| self.slots.contains(it))
            }
        }
    }

    fn start_missing(
        &mut self,
        name: &ConnectorName,
        entry: &ConnectorEntry,
        wanted: &BTreeMap<TaskId, i64>,
    ) {
        let runs = &self.runs;
        let missing = |id: &TaskId| wanted.contains_key(id) && !runs.contains(id);
        if !wanted.keys().any(|id| id.connector == *name && missing(id)) {
            return;
        }
        let Some(built) = self.builds.build(name, entry, &self.identity) else { return };
        let missing = |id: &TaskId| wanted.contains_key(id) && !self.runs.contains(id);
        let tasks: Vec<_> = built.tasks.into_iter().filter(|(id, _)| missing(id)).collect();
        for (id, task) in tasks {
            tracing::info!(connector = %id.connector, task = id.task, "task starts");
            self.runs.start(id, (task, built.kind), (entry.revision, self.after_halt));
        }
    }

    fn give_up_slots(&mut self) {
        let (runs, placement) = (&self.runs, &self.state.placement);
        let is_in = |id: &TaskId, slots: &BTreeSet<i32>| {
            let slot = placement.get(&id.connector).and_then(|all| all.get(id.task));
            slot.is_some_and(|slot| slots.contains(slot))
        };
        let (free, busy): (Vec<_>, Vec<_>) = std::mem::take(&mut self.leaving)
            .into_iter()
            .partition(|(slots, _)| !runs.ids().any(|id| is_in(id, slots)));
        self.leaving = busy;
        free.into_iter().for_each(|(_, done)| done.done());
    }
}

async fn next(statuses: &mut Option<mpsc::Receiver<LogEvent>>) -> Option<LogEvent> {
    match statuses {
        Some(statuses) => statuses.recv().await,
        None => std::future::pending().await,
    }
}

impl Runs {
    /// Ends tasks so that they start again.
    fn restart(&mut self, name: &ConnectorName, tasks: RestartTasks) {
        self.end_where(|id, run| {
            id.connector == *name
                && match tasks {
                    RestartTasks::None => false,
                    RestartTasks::All => true,
                    RestartTasks::Failed => matches!(run, RunState::Failed { .. }),
                    RestartTasks::One(task) => id.task == task,
                }
        });
    }
}
