//! The unit of work: something that runs until it is stopped or fails.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use schema::fault::{Disposition, Fault};
use tokio_util::sync::CancellationToken;

use crate::control::TaskControl;

/// What [`Task::run`] returns.
pub type TaskRun<'a> = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send + 'a>>;

/// One task of a connector.
///
/// A task keeps nothing between two runs that matters: each run reads its position from where it
/// was committed. That is why a failed run is repaired by starting the next one.
pub trait Task: Send {
    /// Runs until `stop` is cancelled, which ends it in good order with `Ok`, or until an error.
    /// `control` takes its status and has commands for it; a task without tables leaves it alone.
    ///
    /// # Errors
    ///
    /// The [`TaskError`] says by its [`Disposition`] whether the supervisor runs the task again.
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a>;
}

/// Why a task ended: the error of the crate that it is from, which crosses the border as its
/// verdict and its text.
pub struct TaskError(Box<dyn Fault>);

impl TaskError {
    /// What the supervisor does now.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.0.disposition()
    }

    /// The error itself.
    #[must_use]
    pub fn fault(&self) -> &dyn Fault {
        &*self.0
    }
}

impl<F: Fault + 'static> From<F> for TaskError {
    fn from(fault: F) -> Self {
        Self(Box::new(fault))
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
