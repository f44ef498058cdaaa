//! One task at work: run again and again while its errors can pass.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use schema::fault::{Disposition, Fault, chain};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::connector::ConnectorName;
use crate::control::{RunState, TaskControl};
use crate::task::{Task, TaskError};

/// Waits between two runs of a task that failed: from 0.5 s to 30 s.
const RESTART_FIRST: Duration = Duration::from_millis(500);
const RESTART_LONGEST: Duration = Duration::from_secs(30);

/// Waits between two runs of a task whose error does not pass by itself, where somebody may mend
/// its cause elsewhere: from 10 s to 10 min.
pub(super) const MENDED_FIRST: Duration = Duration::from_secs(10);
pub(super) const MENDED_LONGEST: Duration = Duration::from_secs(600);

/// A run that lasted so long counts as a success: the next failure waits briefly again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// What comes after an error that does not pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterHalt {
    /// The end.
    End,
    /// Another try, after a longer wait. The task counts as failed meanwhile.
    TryAgain,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to.
    Stopped,
    /// By an error.
    Failed,
}

/// Runs a task again and again while its errors can pass.
pub(crate) async fn supervise(
    name: &ConnectorName,
    task: Box<dyn Task>,
    mut control: TaskControl,
    (stop, after_halt): (CancellationToken, AfterHalt),
) -> Ended {
    let ended = run_until_ended(name, task, &mut control, (stop, after_halt)).await;
    if ended == Ended::Stopped {
        control.set_run_state(RunState::Stopped);
    }
    ended
}

async fn run_until_ended(
    name: &ConnectorName,
    mut task: Box<dyn Task>,
    control: &mut TaskControl,
    (stop, after_halt): (CancellationToken, AfterHalt),
) -> Ended {
    let mut backoff = Backoff::new(RESTART_FIRST, RESTART_LONGEST);
    let mut mended = Backoff::new(MENDED_FIRST, MENDED_LONGEST);
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
        if started.elapsed() >= HEALTHY_AFTER {
            backoff.reset();
            mended.reset();
        }
        let delay = match (error.disposition(), after_halt) {
            (Disposition::Retry, _) => {
                let delay = backoff.next_delay();
                log_retry(name, &error, delay);
                control.set_run_state(RunState::Restarting { error: told });
                delay
            }
            (Disposition::DeadLetter | Disposition::Halt, AfterHalt::End) => {
                log_halt(name, &error);
                control.set_run_state(RunState::Failed { error: told });
                return Ended::Failed;
            }
            (Disposition::DeadLetter | Disposition::Halt, AfterHalt::TryAgain) => {
                log_halt(name, &error);
                control.set_run_state(RunState::Failed { error: told });
                mended.next_delay()
            }
        };
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

fn log_retry(name: &ConnectorName, error: &TaskError, delay: Duration) {
    tracing::warn!(
        connector = %name,
        error = chain(error.fault()),
        hint = error.fault().hint().as_deref(),
        delay_ms = delay.as_millis(),
        "task failed, starting it again"
    );
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
    use crate::control::{CommandError, TableAction, task_control};
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
        let supervising = supervise(&name, task, task_control().0, (stop.clone(), AfterHalt::End));
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
            tokio::join!(supervise(&name, task, control, (stop.clone(), AfterHalt::End)), asking);

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

    #[tokio::test(start_paused = true)]
    async fn what_somebody_may_mend_is_tried_again_and_counts_as_failed_meanwhile() {
        let script = vec![Run::Fail(Disposition::Halt), Run::UntilStopped];
        let (control, handle) = task_control();
        let (stop, name) = (CancellationToken::new(), ConnectorName::new("x"));
        let task = Box::new(Scripted(script.into_iter()));
        let looking = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let failed = handle.run_state();
            tokio::time::sleep(MENDED_LONGEST).await;
            let after = handle.run_state();
            stop.cancel();
            (failed, after)
        };

        let supervising = supervise(&name, task, control, (stop.clone(), AfterHalt::TryAgain));
        let (ended, (failed, after)) = tokio::join!(supervising, looking);

        assert_eq!(failed, RunState::Failed { error: "told to fail".to_owned() });
        assert_eq!((after, ended), (RunState::Running, Ended::Stopped));
    }
}
