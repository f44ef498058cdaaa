//! The status topic: how each task is, as its worker has said it last, in Kafka Connect's format.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TaskId;
use crate::connector::ConnectorName;
use crate::control::RunState;

/// What a status is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StatusOf {
    Connector(ConnectorName),
    Task(TaskId),
}

/// A status as it stands in the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// In Kafka Connect's words.
    pub(crate) state: String,
    /// Why it does not run.
    #[serde(default)]
    pub(crate) trace: Option<String>,
    /// The worker that says so.
    pub(crate) worker_id: String,
    /// Kafka Connect's number of the rebalance; nobody reads it.
    #[serde(default)]
    pub(crate) generation: i64,
}

/// All statuses by what they are of.
pub(crate) type Statuses = BTreeMap<StatusOf, Status>;

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";

impl StatusOf {
    fn parse(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(name) = key.strip_prefix(CONNECTOR) {
            return Some(Self::Connector(ConnectorName::new(name)));
        }
        let (name, task) = key.strip_prefix(TASK)?.rsplit_once('-')?;
        let connector = ConnectorName::new(name);
        Some(Self::Task(TaskId { connector, task: task.parse().ok()? }))
    }

    fn render(&self) -> String {
        match self {
            Self::Connector(name) => format!("{CONNECTOR}{name}"),
            Self::Task(TaskId { connector, task }) => format!("{TASK}{connector}-{task}"),
        }
    }
}

impl Status {
    pub(crate) fn new(run: &RunState, worker_id: &str) -> Self {
        Self {
            state: run.as_str().to_owned(),
            trace: run.error().map(str::to_owned),
            worker_id: worker_id.to_owned(),
            generation: 0,
        }
    }
}

/// Takes a record of the topic in. One that nobody understands changes nothing.
pub(crate) fn apply(statuses: &mut Statuses, key: &[u8], value: Option<&[u8]>) {
    let Some(of) = StatusOf::parse(key) else { return };
    let status = value.map(serde_json::from_slice::<Option<Status>>);
    match status {
        None | Some(Ok(None)) => drop(statuses.remove(&of)),
        Some(Ok(Some(status))) => drop(statuses.insert(of, status)),
        Some(Err(_)) => {
            let key = of.render();
            tracing::warn!(key, "a record of the status topic is not what Kafka Connect writes");
        }
    }
}

/// A record of the topic.
pub(crate) fn record(of: &StatusOf, status: Option<&Status>) -> (Vec<u8>, Option<Vec<u8>>) {
    let value = status.and_then(|status| serde_json::to_vec(status).ok());
    (of.render().into_bytes(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kafka_connects() {
        let of = StatusOf::Task(TaskId { connector: ConnectorName::new("a-b"), task: 3 });
        let run = RunState::Failed { error: "away".to_owned() };
        let status = Status::new(&run, "w:8083");

        let (key, value) = record(&of, Some(&status));

        assert_eq!(key, b"status-task-a-b-3");
        let expected = r#"{"state":"FAILED","trace":"away","worker_id":"w:8083","generation":0}"#;
        assert_eq!(value.as_deref(), Some(expected.as_bytes()));
        let mut statuses = Statuses::new();
        apply(&mut statuses, &key, value.as_deref());
        assert_eq!(statuses.get(&of), Some(&status));
        apply(&mut statuses, &key, Some(b"{"));
        assert_eq!(statuses.len(), 1, "a damaged record changes nothing");
        apply(&mut statuses, b"status-topic-x:connector-a", Some(b"{}"));
        apply(&mut statuses, &key, None);
        assert!(statuses.is_empty());
    }
}
