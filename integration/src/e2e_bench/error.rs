//! Why there are no figures.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::latency::LatencyError;
use crate::process::ProcessError;
use crate::sink_bench::SinkBenchError;
use crate::stack::StackError;

/// The bench could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// MySQL refused a statement.
    #[error("mysql refused a statement")]
    MySql(#[from] mysql_async::Error),
    /// Kafka did not answer.
    #[error("kafka does not answer")]
    Kafka(#[from] KafkaError),
    /// A server did not answer.
    #[error("a server does not answer")]
    Http(#[from] reqwest::Error),
    /// rowcast could not be started or stopped.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A server could not be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A file could not be written.
    #[error("cannot write a file")]
    Io(#[from] std::io::Error),
    /// The counting of records was broken off.
    #[error("the reader of a topic ended early")]
    Gone(#[from] tokio::task::JoinError),
    /// In the measuring of latency.
    #[error(transparent)]
    Latency(#[from] LatencyError),
    /// In the measuring of the sink.
    #[error(transparent)]
    Sink(#[from] SinkBenchError),
    /// A topic could not be made.
    #[error("topic {topic} cannot be made: {code}")]
    Topic {
        /// Its name.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
    },
    /// A process ended by itself.
    #[error("{what} ended before its time")]
    Ended {
        /// Which.
        what: &'static str,
    },
    /// rowcast ended badly.
    #[error("rowcast ended with an error; its log ends with:\n{log}")]
    Rowcast {
        /// The end of its log.
        log: String,
    },
    /// Debezium's task failed.
    #[error("debezium's connector {name} failed:\n{trace}")]
    Debezium {
        /// Which connector.
        name: String,
        /// What Kafka Connect says.
        trace: String,
    },
    /// Something did not come.
    #[error("waited in vain for {what}")]
    Late {
        /// What.
        what: String,
    },
    /// The topics have fewer or more rows than were written.
    #[error("expected {expected} rows in the topics, found {found}")]
    Rows {
        /// So many were written.
        expected: u64,
        /// So many are there.
        found: u64,
    },
}
