//! What can go wrong between a bare machine and four running servers.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::platform::Unsupported;

/// Why the servers could not be fetched, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The machine cannot run the servers natively.
    #[error(transparent)]
    Platform(#[from] Unsupported),

    /// A file, a folder or a process could not be handled by the operating system.
    #[error("cannot {action}")]
    Io {
        /// What was tried, as a verb and its object.
        action: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// A tool that fetches or prepares a server failed, after all retries.
    #[error("{step} failed ({status}); its output ends:\n{tail}")]
    Tool {
        /// What the tool was called for.
        step: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        tail: String,
    },

    /// A download brought something else than what was pinned.
    #[error("{what}; expected {expected}, found {found}")]
    Unexpected {
        /// What was looked at, and what to do.
        what: String,
        /// What the pin says.
        expected: String,
        /// What was there.
        found: String,
    },

    /// A server did not answer in time.
    #[error("{server} was not ready within {seconds} s; {} ends:\n{tail}", .log.display())]
    NotReady {
        /// The server's name.
        server: &'static str,
        /// How long it was waited for.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// A server ended by itself.
    #[error("{server} ended ({status}) before it was ready; {} ends:\n{tail}", .log.display())]
    Ended {
        /// The server's name.
        server: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// A server ignored the request to stop; it was killed.
    #[error("{server} did not stop within {seconds} s and was killed")]
    NotStopped {
        /// The server's name.
        server: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },

    /// Every port that was tried is taken.
    #[error("no free port between {low} and {high}; stop other servers on this machine")]
    NoPort {
        /// The first port of the range.
        low: u16,
        /// The last port of the range.
        high: u16,
    },

    /// Another process runs the named stack.
    #[error("stack {name:?} is already up; take another --name, or `cargo stack down` first")]
    AlreadyUp {
        /// The stack's name.
        name: String,
    },

    /// A background task of this process died.
    #[error("a task of the launcher did not finish")]
    Task(#[from] tokio::task::JoinError),
}

/// Adds what was tried to an error of the operating system.
pub(super) fn io_error(action: impl Into<String>) -> impl FnOnce(io::Error) -> StackError {
    let action = action.into();
    move |source| StackError::Io { action, source }
}
