//! The config topic, folded: which connectors there are, what is wanted of them, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::records::{ConfigRecord, ConnectorSettings, Placement, TargetState, WorkerNotice};
use crate::connector::ConnectorName;

/// The place of a record in the config topic.
pub(crate) type LogPosition = i64;

/// All connectors of a cluster. Equal on all workers that have read as far.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClusterState {
    /// The connectors in the order of their names.
    pub(crate) connectors: BTreeMap<ConnectorName, Arc<ConnectorEntry>>,
    /// Where their tasks run.
    pub(crate) placement: Arc<Placement>,
    /// The levels of loggers that hold on all workers.
    pub(crate) loggers: BTreeMap<String, String>,
    /// Who has each slot, by the last notice that names it.
    pub(crate) slots: BTreeMap<i32, Arc<str>>,
    /// Targets that came before their connectors.
    targets: BTreeMap<ConnectorName, TargetState>,
    /// Where the next record will be.
    pub(crate) next: LogPosition,
}

/// One connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectorEntry {
    /// Its settings as they were given.
    pub(crate) settings: Arc<ConnectorSettings>,
    /// What is wanted of it.
    pub(crate) target: TargetState,
    /// Where its settings stand: other settings, other place.
    pub(crate) revision: LogPosition,
    /// The mark of the request that made it.
    pub(crate) creation: Option<String>,
}

/// What a record asks for once, when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, beside what is in the state now.
    None,
    /// Tasks shall start again.
    Restart { name: ConnectorName, tasks: RestartTasks },
    /// A logger has another level.
    Logger { logger: String, level: String },
    /// A connector was to be made that is there already: the settings of the one that is there have
    /// to be written once more, as compaction would keep the others.
    Duplicate { name: ConnectorName },
    /// A connector is gone, and what others know of it has to go as well.
    Gone { name: ConnectorName },
}

/// Which tasks shall start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartTasks {
    /// None: only the connector itself, which has nothing to do by itself.
    None,
    /// All.
    All,
    /// Those that have failed.
    Failed,
    /// One.
    One(usize),
}

impl ClusterState {
    /// Takes the next record in.
    pub(crate) fn apply(&mut self, position: LogPosition, record: ConfigRecord) -> Effect {
        self.next = self.next.max(position + 1);
        match record {
            ConfigRecord::Connector { name, settings: None, .. } => {
                self.connectors.remove(&name);
                self.targets.remove(&name);
                Effect::Gone { name }
            }
            ConfigRecord::Connector { name, settings: Some(settings), creation } => {
                let existing = self.connectors.get(&name);
                if existing.is_some() && creation.is_some() {
                    return Effect::Duplicate { name };
                }
                let earlier = self.targets.remove(&name);
                let target = match (existing, &creation) {
                    (Some(existing), _) => existing.target,
                    // What was wanted of one before it is over.
                    (None, Some(creation)) => creation.target,
                    (None, None) => earlier.unwrap_or_default(),
                };
                let mark = creation.map(|creation| creation.mark);
                let creation = mark.or_else(|| existing.and_then(|it| it.creation.clone()));
                let settings = Arc::new(settings);
                let entry = ConnectorEntry { settings, target, revision: position, creation };
                self.connectors.insert(name, Arc::new(entry));
                Effect::None
            }
            ConfigRecord::Target { name, state } => {
                self.set_target(name, state.unwrap_or_default());
                Effect::None
            }
            ConfigRecord::Restart { name, include_tasks, only_failed } => {
                let tasks = match (include_tasks, only_failed) {
                    (false, _) => RestartTasks::None,
                    (true, false) => RestartTasks::All,
                    (true, true) => RestartTasks::Failed,
                };
                Effect::Restart { name, tasks }
            }
            ConfigRecord::RestartTask { name, task } => {
                Effect::Restart { name, tasks: RestartTasks::One(task) }
            }
            ConfigRecord::Logger { logger, level } => {
                self.loggers.insert(logger.clone(), level.clone());
                Effect::Logger { logger, level }
            }
            ConfigRecord::Placement(placement) => {
                self.placement = Arc::new(placement);
                Effect::None
            }
            ConfigRecord::Worker { worker, notice } => {
                self.set_slots(&worker, notice);
                Effect::None
            }
        }
    }

    /// A record that nobody understands has been passed.
    pub(crate) fn skip(&mut self, position: LogPosition) {
        self.next = self.next.max(position + 1);
    }

    fn set_target(&mut self, name: ConnectorName, target: TargetState) {
        match self.connectors.get_mut(&name) {
            Some(entry) => Arc::make_mut(entry).target = target,
            // Kafka Connect writes an initial state before the connector.
            None => drop(self.targets.insert(name, target)),
        }
    }

    fn set_slots(&mut self, worker: &str, notice: Option<WorkerNotice>) {
        self.slots.retain(|_, owner| **owner != *worker);
        let owner: Arc<str> = worker.into();
        for slot in notice.into_iter().flat_map(|notice| notice.slots) {
            self.slots.insert(slot, Arc::clone(&owner));
        }
    }

    /// Who runs a task, if anybody does.
    pub(crate) fn worker_of(&self, name: &ConnectorName, task: usize) -> Option<&str> {
        let slot = self.placement.get(name)?.get(task)?;
        self.slots.get(slot).map(|worker| &**worker)
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::Creation;
    use super::*;

    fn name() -> ConnectorName {
        ConnectorName::new("a")
    }

    fn connector(value: &str, creation: Option<&str>) -> ConfigRecord {
        let settings = [("k".to_owned(), value.to_owned())].into();
        let creation = creation.map(|mark| Creation { mark: mark.to_owned(), target: of(mark) });
        ConfigRecord::Connector { name: name(), settings: Some(settings), creation }
    }

    /// A request whose mark is `stopped` wants that.
    fn of(mark: &str) -> TargetState {
        if mark == "stopped" { TargetState::Stopped } else { TargetState::Started }
    }

    fn target(state: TargetState) -> ConfigRecord {
        ConfigRecord::Target { name: name(), state: Some(state) }
    }

    #[test]
    fn of_two_requests_for_one_name_the_first_wins() {
        let mut state = ClusterState::default();

        assert_eq!(state.apply(4, connector("first", Some("x"))), Effect::None);
        let second = state.apply(5, connector("second", Some("y")));

        assert_eq!(second, Effect::Duplicate { name: name() });
        assert_eq!(state.connectors[&name()].settings["k"], "first");
        assert_eq!((state.connectors[&name()].revision, state.next), (4, 6));
        assert_eq!(state.apply(6, connector("changed", None)), Effect::None);
        let entry = &state.connectors[&name()];
        assert_eq!((&*entry.settings["k"], entry.revision), ("changed", 6));
        assert_eq!(entry.creation.as_deref(), Some("x"));
    }

    /// As long as it was a record of its own, it stopped the connector of the first.
    #[test]
    fn what_the_second_wanted_at_first_does_not_change_the_first_ones() {
        for (marks, expected) in
            [(["x", "stopped"], TargetState::Started), (["stopped", "x"], TargetState::Stopped)]
        {
            let mut state = ClusterState::default();
            state.apply(0, target(TargetState::Paused));
            for (position, mark) in (1..).zip(marks) {
                state.apply(position, connector(mark, Some(mark)));
            }

            assert_eq!(state.connectors[&name()].target, expected);
            assert_eq!(state.connectors[&name()].settings["k"], marks[0]);
        }
    }

    #[test]
    fn a_target_holds_until_the_connector_is_gone() {
        let mut state = ClusterState::default();
        state.apply(0, target(TargetState::Stopped));
        state.apply(1, connector("v", None));
        assert_eq!(state.connectors[&name()].target, TargetState::Stopped);

        state.apply(2, target(TargetState::Paused));
        state.apply(3, connector("w", None));
        assert_eq!(state.connectors[&name()].target, TargetState::Paused);

        state.apply(4, ConfigRecord::Connector { name: name(), settings: None, creation: None });
        state.apply(5, connector("v", None));
        assert_eq!(state.connectors[&name()].target, TargetState::Started);
    }

    #[test]
    fn a_slot_is_the_last_ones_who_said_so() {
        let mut state = ClusterState::default();
        let notice = |worker: &str, slots: &[i32]| ConfigRecord::Worker {
            worker: worker.to_owned(),
            notice: Some(WorkerNotice { slots: slots.to_vec() }),
        };
        state.apply(0, ConfigRecord::Placement([(name(), vec![1, 9])].into()));
        state.apply(1, notice("w1", &[0, 1]));
        state.apply(2, notice("w2", &[1]));

        assert_eq!(state.worker_of(&name(), 0), Some("w2"));
        assert_eq!(state.worker_of(&name(), 1), None);
        assert_eq!(state.slots.values().map(|it| &**it).collect::<Vec<_>>(), ["w1", "w2"]);

        state.apply(3, ConfigRecord::Worker { worker: "w2".to_owned(), notice: None });
        assert_eq!(state.worker_of(&name(), 0), None);
    }
}
