//! The tasks that run here.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connector::ConnectorKind;
use crate::control::{ActiveTopics, RunState, TaskHandle, task_control};
use crate::http::{Connector, Connectors};
use crate::runtime::TaskId;
use crate::runtime::runner::{AfterHalt, Ended, supervise};
use crate::task::Task;

/// All of them, those that are ending among them.
#[derive(Default)]
pub(super) struct Runs {
    runs: BTreeMap<TaskId, Run>,
    ending: JoinSet<(TaskId, Ended)>,
}

struct Run {
    /// The place of the settings that it was made of.
    revision: i64,
    kind: ConnectorKind,
    stop: CancellationToken,
    handle: TaskHandle,
}

impl Runs {
    pub(super) fn start(
        &mut self,
        id: TaskId,
        (task, kind): (Box<dyn Task>, ConnectorKind),
        (revision, after_halt): (i64, AfterHalt),
    ) {
        let (control, handle) = task_control();
        let stop = CancellationToken::new();
        let run = Run { revision, kind, stop: stop.clone(), handle };
        self.runs.insert(id.clone(), run);
        self.ending.spawn(async move {
            let ended = supervise(&id.connector, task, control, (stop, after_halt)).await;
            (id, ended)
        });
    }

    pub(super) fn contains(&self, id: &TaskId) -> bool {
        self.runs.contains_key(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &TaskId> {
        self.runs.keys()
    }

    /// How each is.
    pub(super) fn states(&self) -> impl Iterator<Item = (TaskId, RunState)> {
        self.runs.iter().map(|(id, run)| (id.clone(), run.handle.run_state()))
    }

    /// The topics that each works with.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&TaskId, &ActiveTopics)> {
        self.runs.iter().map(|(id, run)| (id, run.handle.topics()))
    }

    /// Tells all to end that are not wanted, or not with these settings.
    pub(super) fn end_all_but(&mut self, wanted: &BTreeMap<TaskId, i64>) {
        for (id, run) in &self.runs {
            if wanted.get(id) != Some(&run.revision) {
                run.stop.cancel();
            }
        }
    }

    /// Tells those to end of which something holds.
    pub(super) fn end_where(&mut self, is_it: impl Fn(&TaskId, &RunState) -> bool) {
        for (id, run) in &self.runs {
            if is_it(id, &run.handle.run_state()) {
                run.stop.cancel();
            }
        }
    }

    /// Waits until one has ended; for ever while none runs. Cancel safe.
    pub(super) async fn ended(&mut self) -> (TaskId, Ended) {
        loop {
            match self.ending.join_next().await {
                Some(Ok((id, ended))) => {
                    self.runs.remove(&id);
                    return (id, ended);
                }
                // Panics are caught inside.
                Some(Err(error)) => tracing::error!(%error, "a task's supervisor has died"),
                None => std::future::pending().await,
            }
        }
    }

    /// Ends all and waits for it.
    pub(super) async fn stop_all(&mut self) {
        self.runs.values().for_each(|run| run.stop.cancel());
        while let Some(ended) = self.ending.join_next().await {
            if let Ok((id, _)) = ended {
                self.runs.remove(&id);
            }
        }
    }

    /// As the HTTP endpoint has them.
    pub(super) fn connectors(&self) -> Connectors {
        let mut connectors = Connectors::default();
        for (id, run) in &self.runs {
            let name = id.connector.clone();
            let new = || Connector { kind: run.kind, tasks: BTreeMap::new() };
            let connector = connectors.0.entry(name).or_insert_with(new);
            connector.tasks.insert(id.task, run.handle.clone());
        }
        connectors
    }
}
