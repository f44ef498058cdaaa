//! What a running task and the rest of the process tell each other: how far it is, and what it
//! shall do with one of its tables.
//!
//! The worker makes one pair for each task. The [`TaskControl`] goes to the task, run after run;
//! the [`TaskHandle`] stays with whoever answers for it, such as the HTTP endpoint.

mod sink;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schema::table::TableId;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use sink::{IndexStatus, RequestStatus, Seconds, SinkStatus, ToleratedStatus};
pub use topics::ActiveTopics;

/// A status is published at most so often: people and scrapers look every few seconds, and making
/// one costs a copy for each table.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// Commands that wait for a task. They come from people: more than a few mean that it hangs.
const WAITING_COMMANDS: usize = 16;

/// How far a source task is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Where the stream is, `file:offset`.
    pub position: String,
    /// The transactions that are done; `None` on servers without GTIDs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtids: Option<String>,
    /// The number of the last change that was emitted.
    pub lsn: u64,
    /// The server, `host:port`.
    pub server: String,
    /// The server's `server_uuid`.
    pub server_uuid: String,
    /// How old the last change was when it was read; 0 when the server has nothing more, `None`
    /// before the first event.
    pub lag_ms: Option<u64>,
    /// How long at least MySQL keeps what is not read yet of its log; `None` if for ever, or if nobody
    /// knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom_seconds: Option<u64>,
    /// Row events that were not emitted since the task began, by reason.
    pub skipped_events: BTreeMap<String, u64>,
    /// Foreign keys that change rows of captured tables without a trace in the binary log.
    #[serde(default)]
    pub unlogged_cascades: u64,
    /// What metrics are made of, and nobody else asks for.
    #[serde(skip)]
    pub counts: SourceCounts,
    /// All captured tables, in the order of their names.
    pub tables: Vec<TableStatus>,
}

/// What a source has done since its task began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceCounts {
    /// `topic.prefix`, by which Debezium names its metrics.
    pub topic_prefix: String,
    /// Records that were handed to Kafka: rows, tombstones, heartbeats and what else there is.
    pub records: u64,
    /// Records that a transform has dropped.
    pub filtered: u64,
    /// Records that could not be transformed or converted and were skipped, as `errors.tolerance` says.
    pub failed: u64,
    /// Transactions of MySQL that were read to their end.
    pub transactions: u64,
}

/// How far one captured table is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableStatus {
    /// The table, `database.table`.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub table: TableId,
    /// What happens to it.
    pub state: TableActivity,
    /// Why, if it needs a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do, if there is something to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Where its last emitted change was, `file:offset`; `None` before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The number of its last emitted change; `None` before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lsn: Option<u64>,
    /// How far its copy is, while it is copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
    /// Row events of it that were not emitted since the task began.
    pub skipped_events: u64,
}

/// What happens to a captured table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableActivity {
    /// Its rows are being copied, beside the stream.
    Snapshot,
    /// Its changes are followed.
    Streaming,
    /// Its copy waits for somebody to resume it.
    Paused,
    /// It cannot go on: `reason` says why.
    Parked,
}

impl TableActivity {
    /// All of them, for a metric that has a value for each.
    pub const ALL: [Self; 4] = [Self::Snapshot, Self::Streaming, Self::Paused, Self::Parked];

    /// Its name as JSON, metrics and tables have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Streaming => "streaming",
            Self::Paused => "paused",
            Self::Parked => "parked",
        }
    }
}

/// How far the copy of a table is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// Rows read so far, over all starts.
    pub rows: u64,
    /// Chunks finished so far, over all starts.
    pub chunks: u64,
    /// Rows that the table has by MySQL's own estimate (`information_schema.TABLES`), which can be
    /// far off; `None` when it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_rows: Option<u64>,
    /// Rows a second since the task began; `None` before the first chunk is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_second: Option<u64>,
    /// Seconds until the copy is done, at that rate and by that estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
}

fn as_text<S: serde::Serializer>(table: &TableId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(table)
}

fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<TableId, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Whether a task runs, in Kafka Connect's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It has not begun yet.
    Unassigned,
    /// It runs.
    Running,
    /// It has failed and will be started again.
    Restarting {
        /// Why it has failed.
        error: String,
    },
    /// It has failed and stays so.
    Failed {
        /// Why.
        error: String,
    },
    /// It has ended because it was told to.
    Stopped,
}

impl RunState {
    /// Its name in Kafka Connect's REST API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Restarting { .. } => "RESTARTING",
            Self::Failed { .. } => "FAILED",
            Self::Stopped => "STOPPED",
        }
    }

    /// Why it does not run.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Restarting { error } | Self::Failed { error } => Some(error),
            Self::Unassigned | Self::Running | Self::Stopped => None,
        }
    }
}

/// Something that a task shall do with one table.
#[derive(Debug)]
pub struct TableCommand {
    /// The table.
    pub table: TableId,
    /// What to do.
    pub action: TableAction,
    /// Takes what happens now, or why nothing does.
    pub answer: oneshot::Sender<Result<String, String>>,
}

impl TableCommand {
    /// Answers it. Who asked may have gone, which changes nothing about what was done.
    pub fn answer(self, answer: Result<String, String>) {
        drop(self.answer.send(answer));
    }
}

/// What can be done with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAction {
    /// Copy it again from its first row, or only the rows that satisfy a condition.
    Snapshot {
        /// The condition, as `WHERE` takes it.
        filter: Option<String>,
    },
    /// Let its copy wait.
    Pause,
    /// Go on with its copy, or with a table that is parked or stopped.
    Resume,
    /// End its copy.
    Stop,
}

impl TableAction {
    /// Its name as the HTTP endpoint has it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Snapshot { .. } => "snapshot",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }
}

/// Makes the two ends of one task's control.
#[must_use]
pub fn task_control() -> (TaskControl, TaskHandle) {
    let (status, seen) = watch::channel(None);
    let (sink, sink_seen) = watch::channel(None);
    let (run, run_seen) = watch::channel(RunState::Unassigned);
    let (sender, commands) = mpsc::channel(WAITING_COMMANDS);
    let topics = ActiveTopics::default();
    let handle = TaskHandle {
        status: seen,
        sink: sink_seen,
        run: run_seen,
        topics: topics.clone(),
        commands: sender,
    };
    let control =
        TaskControl { status, sink, run, topics, commands, next_publish: None, is_behind: false };
    (control, handle)
}

/// The task's end.
#[derive(Debug)]
pub struct TaskControl {
    status: watch::Sender<Option<Arc<SourceStatus>>>,
    sink: watch::Sender<Option<Arc<SinkStatus>>>,
    run: watch::Sender<RunState>,
    topics: ActiveTopics,
    commands: mpsc::Receiver<TableCommand>,
    /// When the next status may be published; none before the first.
    next_publish: Option<Instant>,
    /// Whether a status was held back that is newer than the published one.
    is_behind: bool,
}

impl TaskControl {
    /// Says whether the task runs: the supervisor's part.
    pub(crate) fn set_run_state(&self, state: RunState) {
        self.run.send_replace(state);
    }

    /// Where the task says which topics it works with: for its producer or consumer.
    #[must_use]
    pub fn topics(&self) -> ActiveTopics {
        self.topics.clone()
    }

    /// Publishes a status, made only if it is time for one. What is held back is due a moment
    /// later: [`TaskControl::wanted`].
    pub fn publish(&mut self, status: impl FnOnce() -> SourceStatus) {
        let now = Instant::now();
        if self.next_publish.is_some_and(|next| now < next) {
            self.is_behind = true;
            return;
        }
        self.is_behind = false;
        self.next_publish = Some(now + PUBLISH_EVERY);
        self.status.send_replace(Some(Arc::new(status())));
    }

    /// Publishes the status of a sink's task, made only if it is time for one; else when the next
    /// is due.
    pub fn publish_sink(&mut self, status: impl FnOnce() -> SinkStatus) -> Option<Instant> {
        let now = Instant::now();
        if let Some(next) = self.next_publish.filter(|next| now < *next) {
            return Some(next);
        }
        self.next_publish = Some(now + PUBLISH_EVERY);
        self.sink.send_replace(Some(Arc::new(status())));
        None
    }

    /// Waits for what the rest of the process wants of the task: a command whose sender still
    /// waits for the answer, or a status that was held back. Cancel safe.
    pub async fn wanted(&mut self) -> Wanted {
        let next_publish = self.next_publish.filter(|_| self.is_behind);
        let publish_due = async {
            match next_publish {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = next_command(&mut self.commands) => Wanted::Command(command),
            () = publish_due => Wanted::Status,
        }
    }

    /// Waits for a command as [`TaskControl::wanted`] does, while there is no status. Cancel safe.
    pub async fn next_command(&mut self) -> TableCommand {
        next_command(&mut self.commands).await
    }
}

async fn next_command(commands: &mut mpsc::Receiver<TableCommand>) -> TableCommand {
    loop {
        match commands.recv().await {
            Some(command) if command.answer.is_closed() => {}
            Some(command) => return command,
            // Nobody is left who could send one.
            None => return std::future::pending().await,
        }
    }
}

/// What the rest of the process wants of a task.
#[derive(Debug)]
pub enum Wanted {
    /// That it carries out a command and answers it.
    Command(TableCommand),
    /// That it publishes its status, which has changed since the last.
    Status,
}

/// The end of whoever answers for a task.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    status: watch::Receiver<Option<Arc<SourceStatus>>>,
    sink: watch::Receiver<Option<Arc<SinkStatus>>>,
    run: watch::Receiver<RunState>,
    topics: ActiveTopics,
    commands: mpsc::Sender<TableCommand>,
}

impl TaskHandle {
    /// The topics that the task works with.
    pub(crate) fn topics(&self) -> &ActiveTopics {
        &self.topics
    }

    /// The last status that the task has published; `None` before the first, and always for tasks
    /// that are no source.
    #[must_use]
    pub fn status(&self) -> Option<Arc<SourceStatus>> {
        self.status.borrow().clone()
    }

    /// The last status that a sink's task has published; `None` before the first, and always for
    /// tasks that are no sink.
    #[must_use]
    pub fn sink_status(&self) -> Option<Arc<SinkStatus>> {
        self.sink.borrow().clone()
    }

    /// Whether the task runs.
    #[must_use]
    pub fn run_state(&self) -> RunState {
        self.run.borrow().clone()
    }

    /// Hands a command to the task and waits for its answer, at most `patience`.
    ///
    /// # Errors
    ///
    /// Returns [`CommandError`] when the task does not take it, refuses it or does not answer.
    pub async fn command(
        &self,
        table: TableId,
        action: TableAction,
        patience: Duration,
    ) -> Result<String, CommandError> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(TableCommand { table, action, answer }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => CommandError::Busy,
                mpsc::error::TrySendError::Closed(_) => CommandError::Gone,
            },
        )?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(answer)) => answer.map_err(CommandError::Refused),
            Ok(Err(_)) => Err(CommandError::Gone),
            Err(_) => Err(CommandError::NoAnswer { waited: patience }),
        }
    }
}

/// A command was not carried out, or nobody knows whether it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The task says why it does not do it.
    #[error("{0}")]
    Refused(String),
    /// Other commands wait in front of it.
    #[error("{WAITING_COMMANDS} other commands wait already, try again later")]
    Busy,
    /// The task has ended.
    #[error("the task does not run")]
    Gone,
    /// The task did not come to it in time. It is not carried out later.
    #[error("the task did not answer within {} s; look at its state before you try again", waited.as_secs())]
    NoAnswer {
        /// How long was waited.
        waited: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lsn: u64) -> SourceStatus {
        SourceStatus {
            position: "binlog.000001:4".to_owned(),
            gtids: None,
            lsn,
            server: "db:3306".to_owned(),
            server_uuid: "7b40b903-e54c-11f1-9537-02fc00000001".to_owned(),
            lag_ms: None,
            headroom_seconds: None,
            skipped_events: BTreeMap::new(),
            unlogged_cascades: 0,
            counts: SourceCounts::default(),
            tables: Vec::new(),
        }
    }

    fn published(handle: &TaskHandle) -> Option<u64> {
        handle.status().map(|status| status.lsn)
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_was_held_back_is_due_a_moment_later() {
        let (mut control, handle) = task_control();
        assert_eq!(published(&handle), None);

        control.publish(|| status(1));
        control.publish(|| unreachable!("it is too early to make one"));
        assert_eq!(published(&handle), Some(1));

        assert!(matches!(control.wanted().await, Wanted::Status));
        control.publish(|| status(2));
        assert_eq!(published(&handle), Some(2));
        let wanted = tokio::time::timeout(Duration::from_secs(60), control.wanted()).await;
        assert!(wanted.is_err(), "nothing newer is held back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_is_answered_by_the_task() {
        let (mut control, handle) = task_control();
        let asking = handle.command(
            TableId::new("shop", "orders"),
            TableAction::Pause,
            Duration::from_secs(10),
        );
        let answering = async {
            let command = control.next_command().await;
            assert_eq!(command.table, TableId::new("shop", "orders"));
            assert_eq!(command.action, TableAction::Pause);
            command.answer(Err("it is not copied".to_owned()));
        };

        let (answer, ()) = tokio::join!(asking, answering);

        assert_eq!(answer, Err(CommandError::Refused("it is not copied".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_nobody_waits_for_is_not_carried_out() {
        let (mut control, handle) = task_control();
        let table = TableId::new("shop", "orders");
        let patience = Duration::from_secs(10);

        let given_up = handle.command(table.clone(), TableAction::Stop, patience).await;
        let (taken, _) = tokio::join!(
            control.next_command(),
            tokio::time::timeout(
                Duration::from_secs(1),
                handle.command(table, TableAction::Pause, patience)
            ),
        );

        assert_eq!(given_up, Err(CommandError::NoAnswer { waited: patience }));
        assert_eq!(taken.action, TableAction::Pause);
    }

    #[tokio::test(start_paused = true)]
    async fn commands_are_bounded_and_need_a_task() {
        let (control, handle) = task_control();
        let ask =
            || handle.command(TableId::new("a", "b"), TableAction::Resume, Duration::from_secs(1));
        for _ in 0..WAITING_COMMANDS {
            assert!(matches!(ask().await, Err(CommandError::NoAnswer { .. })));
        }

        assert_eq!(ask().await, Err(CommandError::Busy));
        drop(control);
        assert_eq!(ask().await, Err(CommandError::Gone));
    }

    #[test]
    fn a_state_has_one_name() {
        for state in TableActivity::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
