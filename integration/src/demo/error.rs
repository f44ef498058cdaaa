//! Why the demo could not go on.

use std::io;
use std::process::ExitStatus;

use crate::oracle::OracleError;
use crate::process::ProcessError;
use crate::stack::StackError;

/// A part of the demo failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The servers could not be started or stopped.
    #[error(transparent)]
    Stack(#[from] StackError),

    /// rowcast could not be built, started or stopped.
    #[error(transparent)]
    Process(#[from] ProcessError),

    /// A table could not be compared with its index.
    #[error(transparent)]
    Oracle(#[from] OracleError),

    /// Nothing can be shown, or signals cannot be received.
    #[error("cannot use the terminal")]
    Terminal(#[from] io::Error),

    /// MySQL refused a statement.
    #[error("MySQL refused to {what}")]
    MySql {
        /// What was tried.
        what: &'static str,
        /// MySQL's answer.
        #[source]
        source: mysql_async::Error,
    },

    /// Elasticsearch did not answer a query.
    #[error("Elasticsearch did not answer: {what}")]
    Query {
        /// What was asked.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },

    /// Elasticsearch found nothing where rows are.
    #[error("expected an answer to {what:?}, found {found}")]
    Nothing {
        /// What was asked.
        what: &'static str,
        /// What was answered.
        found: String,
    },

    /// The snapshot was not complete in time.
    #[error("the snapshot was not complete within {seconds} s; rowcast's log ends:\n{log}")]
    Snapshot {
        /// How long it was waited for.
        seconds: u64,
        /// The last lines of the log.
        log: String,
    },

    /// A row did not arrive.
    #[error("customer {id} was not in its index within {seconds} s")]
    Lost {
        /// The row's key.
        id: u64,
        /// How long it was waited for.
        seconds: u64,
    },

    /// rowcast ended by itself.
    #[error("rowcast ended by itself; its log ends:\n{log}")]
    Ended {
        /// The last lines of the log.
        log: String,
    },

    /// rowcast did not end in good order.
    #[error("rowcast ended with {status} when it was asked to stop; its log ends:\n{log}")]
    Stopped {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of the log.
        log: String,
    },
}
