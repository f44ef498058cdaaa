//! The standalone worker: connectors from a file, each task supervised.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use schema::fault::{Disposition, Fault, chain};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::config::{ConfigError, PipelineConfig};
use crate::connector::{ConnectorClass, ConnectorName};
use crate::control::{RunState, TaskControl, task_control};
use crate::http::{self, Connector, Connectors};
use crate::task::{Task, TaskError};

/// Waits between two runs of a task that failed: from 0.5 s to 30 s.
const RESTART_FIRST: Duration = Duration::from_millis(500);
const RESTART_LONGEST: Duration = Duration::from_secs(30);

/// A run that lasted so long counts as a success: the next failure waits briefly again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Longest time for all tasks to end after a stop. What is not committed by then is repeated at the
/// next start.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Why [`run`] ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// `stop` was cancelled, and all tasks ended in good order.
    Stopped,
    /// A task halted, or did not end in time.
    Failed,
}

/// Runs all connectors of a pipeline until `stop` is cancelled or a task halts.
///
/// # Errors
///
/// Returns [`ConfigError`] when a connector's class or settings are not valid; nothing has been
/// started then.
pub async fn run(
    pipeline: PipelineConfig,
    classes: &[&dyn ConnectorClass],
    stop: CancellationToken,
) -> Result<Ended, ConfigError> {
    let mut tasks = Vec::new();
    let mut connectors = Connectors::default();
    for connector in pipeline.connectors {
        let class = find(classes, &connector.class).ok_or_else(|| {
            connector.settings.error("connector.class", unknown_class(classes, &connector.class))
        })?;
        let mut handles = Vec::new();
        for task in class.tasks(&connector.name, connector.settings, &pipeline.worker)? {
            let (control, handle) = task_control();
            handles.push(handle);
            tasks.push((connector.name.clone(), task, control));
        }
        let known = Connector { kind: class.kind(), tasks: handles };
        connectors.0.insert(connector.name, known);
    }
    let sockets = http::bind(&pipeline.worker.listeners).await?;
    let tracker = TaskTracker::new();
    http::serve(sockets, &Arc::new(connectors), &tracker, &stop);
    let halted = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for (name, task, control) in tasks {
        let (stop, halted) = (stop.clone(), Arc::clone(&halted));
        tracker.spawn(async move {
            if supervise(&name, task, control, stop.clone()).await == Ended::Failed {
                halted.store(true, std::sync::atomic::Ordering::Relaxed);
                stop.cancel();
            }
        });
    }
    tracker.close();
    stop.cancelled().await;
    let in_time = tokio::time::timeout(STOP_DEADLINE, tracker.wait()).await.is_ok();
    if !in_time {
        tracing::error!("tasks did not end within 30 s; what is not committed will be repeated");
    }
    let failed = halted.load(std::sync::atomic::Ordering::Relaxed) || !in_time;
    Ok(if failed { Ended::Failed } else { Ended::Stopped })
}

fn find<'a>(classes: &[&'a dyn ConnectorClass], name: &str) -> Option<&'a dyn ConnectorClass> {
    classes.iter().copied().find(|class| class.names().contains(&name))
}

fn unknown_class(classes: &[&dyn ConnectorClass], found: &str) -> String {
    let known: Vec<_> = classes.iter().flat_map(|class| class.names()).copied().collect();
    format!("is {found:?}, expected one of {}", known.join(", "))
}

/// Runs a task again and again while its errors can pass.
async fn supervise(
    name: &ConnectorName,
    task: Box<dyn Task>,
    mut control: TaskControl,
    stop: CancellationToken,
) -> Ended {
    let ended = run_until_ended(name, task, &mut control, stop).await;
    if ended == Ended::Stopped {
        control.set_run_state(RunState::Stopped);
    }
    ended
}

async fn run_until_ended(
    name: &ConnectorName,
    mut task: Box<dyn Task>,
    control: &mut TaskControl,
    stop: CancellationToken,
) -> Ended {
    let mut backoff = Backoff::new(RESTART_FIRST, RESTART_LONGEST);
    loop {
        let started = tokio::time::Instant::now();
        // A library that panics on damaged input ends one run, not the task without a trace.
        control.set_run_state(RunState::Running);
        let run = AssertUnwindSafe(task.run(stop.clone(), control)).catch_unwind().await;
        let Err(error) = run.unwrap_or_else(|_| Err(Panicked.into())) else {
            return Ended::Stopped;
        };
        let told = chain(error.fault());
        if stop.is_cancelled() {
            tracing::warn!(connector = %name, error = chain(error.fault()), "task failed while stopping");
            return Ended::Stopped;
        }
        match error.disposition() {
            Disposition::Retry => {}
            Disposition::DeadLetter | Disposition::Halt => {
                log_halt(name, &error);
                control.set_run_state(RunState::Failed { error: told });
                return Ended::Failed;
            }
        }
        if started.elapsed() >= HEALTHY_AFTER {
            backoff.reset();
        }
        let delay = backoff.next_delay();
        tracing::warn!(
            connector = %name,
            error = told,
            hint = error.fault().hint().as_deref(),
            delay_ms = delay.as_millis(),
            "task failed, starting it again"
        );
        control.set_run_state(RunState::Restarting { error: told });
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ended::Stopped,
            () = refuse_commands(control) => {}
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Answers commands while the task does not run. Never ends. Cancel safe.
async fn refuse_commands(control: &mut TaskControl) {
    loop {
        let command = control.next_command().await;
        command.answer(Err("the task has failed and is about to start again".to_owned()));
    }
}

/// A run ended in a panic. The panic's own message is on standard error.
#[derive(Debug, thiserror::Error)]
#[error("task panicked")]
struct Panicked;

impl Fault for Panicked {
    fn disposition(&self) -> Disposition {
        Disposition::Retry
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some("report the panic; rowcast starts the task again from its stored offset".into())
    }
}

fn log_halt(name: &ConnectorName, error: &TaskError) {
    tracing::error!(
        connector = %name,
        error = chain(error.fault()),
        hint = error.fault().hint().as_deref(),
        "task halted"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{CommandError, TableAction};
    use crate::task::TaskRun;

    #[derive(Debug, thiserror::Error)]
    #[error("told to fail")]
    struct Told(Disposition);

    impl Fault for Told {
        fn disposition(&self) -> Disposition {
            self.0
        }
    }

    /// What each run of a task does, in order.
    enum Run {
        Fail(Disposition),
        Panic,
        UntilStopped,
    }

    struct Scripted(std::vec::IntoIter<Run>);

    impl Task for Scripted {
        fn run<'a>(&'a mut self, stop: CancellationToken, _: &'a mut TaskControl) -> TaskRun<'a> {
            let next = self.0.next().expect("no run is expected any more");
            Box::pin(async move {
                match next {
                    Run::Fail(disposition) => Err(Told(disposition).into()),
                    Run::Panic => panic!("told to panic"),
                    Run::UntilStopped => {
                        stop.cancelled().await;
                        Ok(())
                    }
                }
            })
        }
    }

    async fn supervised(script: Vec<Run>, stop_after: Option<Duration>) -> Ended {
        let stop = CancellationToken::new();
        let task = Box::new(Scripted(script.into_iter()));
        let name = ConnectorName::new("x");
        let supervising = supervise(&name, task, task_control().0, stop.clone());
        let stopping = async {
            match stop_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = supervising => ended,
            () = stopping => unreachable!("it never ends"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_fails_or_panics_is_followed_by_another() {
        let script = vec![Run::Fail(Disposition::Retry), Run::Panic, Run::UntilStopped];

        let ended = supervised(script, Some(Duration::from_secs(60))).await;

        assert_eq!(ended, Ended::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_waits_for_its_next_run_says_why_and_takes_no_commands() {
        let script = vec![Run::Fail(Disposition::Retry), Run::UntilStopped];
        let (control, handle) = task_control();
        let (stop, name) = (CancellationToken::new(), ConnectorName::new("x"));
        let task = Box::new(Scripted(script.into_iter()));
        let asking = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let waiting = handle.run_state();
            let table = schema::table::TableId::new("a", "b");
            let patience = Duration::from_secs(20);
            let refused = handle.command(table, TableAction::Pause, patience).await;
            tokio::time::sleep(RESTART_LONGEST).await;
            let after = handle.run_state();
            stop.cancel();
            (waiting, refused, after)
        };

        assert_eq!(handle.run_state(), RunState::Unassigned);
        let (ended, (waiting, refused, after)) =
            tokio::join!(supervise(&name, task, control, stop.clone()), asking);

        assert_eq!(waiting, RunState::Restarting { error: "told to fail".to_owned() });
        assert!(matches!(refused, Err(CommandError::Refused(_))), "{refused:?}");
        assert_eq!(after, RunState::Running);
        assert_eq!((ended, handle.run_state()), (Ended::Stopped, RunState::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_halt_is_final() {
        let script = vec![Run::Fail(Disposition::Retry), Run::Fail(Disposition::Halt)];

        assert_eq!(supervised(script, None).await, Ended::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_between_two_runs() {
        let script = vec![Run::Fail(Disposition::Retry)];

        let ended = supervised(script, Some(Duration::from_millis(1))).await;

        assert_eq!(ended, Ended::Stopped);
    }
}
