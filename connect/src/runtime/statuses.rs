//! The status topic: how each task is, as its worker has said it last, and which topics each connector
//! works with, in Kafka Connect's format.

use std::collections::{BTreeMap, BTreeSet};

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

/// A topic that a connector works with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicOf {
    pub(crate) connector: ConnectorName,
    pub(crate) topic: String,
}

/// Who has met such a topic first, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicMet {
    /// The task's number.
    pub(crate) task: usize,
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// All that the topic says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statuses {
    /// By what they are of.
    pub(crate) states: BTreeMap<StatusOf, Status>,
    /// The topics of each connector that has any.
    pub(crate) topics: BTreeMap<ConnectorName, BTreeSet<String>>,
}

/// One record; without a value it takes back what the last one of its key has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusRecord {
    State(StatusOf, Option<Status>),
    Topic(TopicOf, Option<TopicMet>),
}

/// A record that is not what its key says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record `{key}` is not what Kafka Connect writes")]
pub(crate) struct CorruptStatus {
    key: String,
}

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
/// Between a topic and its connector. No topic has a colon.
const OF_CONNECTOR: &str = ":connector-";

/// The value of a topic's record.
#[derive(Serialize, Deserialize)]
struct TopicValue {
    topic: TopicFields,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TopicFields {
    name: String,
    connector: String,
    task: usize,
    discover_timestamp: u64,
}

impl StatusOf {
    fn parse(key: &str) -> Option<Self> {
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

    /// The connector that it is of.
    pub(crate) fn connector(&self) -> &ConnectorName {
        match self {
            Self::Connector(name) | Self::Task(TaskId { connector: name, .. }) => name,
        }
    }
}

impl TopicOf {
    fn parse(key: &str) -> Option<Self> {
        let (topic, name) = key.strip_prefix(TOPIC)?.split_once(OF_CONNECTOR)?;
        Some(Self { connector: ConnectorName::new(name), topic: topic.to_owned() })
    }

    fn render(&self) -> String {
        format!("{TOPIC}{}{OF_CONNECTOR}{}", self.topic, self.connector)
    }

    fn value(&self, met: &TopicMet) -> TopicValue {
        TopicValue {
            topic: TopicFields {
                name: self.topic.clone(),
                connector: self.connector.to_string(),
                task: met.task,
                discover_timestamp: met.at_ms,
            },
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

impl StatusRecord {
    /// Reads a record; none if it says nothing that matters here.
    ///
    /// # Errors
    ///
    /// Returns [`CorruptStatus`] for one that cannot be understood.
    pub(crate) fn parse(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, CorruptStatus> {
        let corrupt = || CorruptStatus { key: String::from_utf8_lossy(key).into_owned() };
        let key = std::str::from_utf8(key).map_err(|_| corrupt())?;
        if let Some(of) = TopicOf::parse(key) {
            let value = parsed::<TopicValue>(value).map_err(|_| corrupt())?;
            let met = |TopicValue { topic }| TopicMet {
                task: topic.task,
                at_ms: topic.discover_timestamp,
            };
            return Ok(Some(Self::Topic(of, value.map(met))));
        }
        let Some(of) = StatusOf::parse(key) else { return Ok(None) };
        Ok(Some(Self::State(of, parsed(value).map_err(|_| corrupt())?)))
    }

    /// The record's key and value.
    pub(crate) fn render(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let (key, value) = match self {
            Self::State(of, status) => {
                let value = status.as_ref().and_then(|status| serde_json::to_vec(status).ok());
                (of.render(), value)
            }
            Self::Topic(of, met) => {
                let value = met.as_ref().and_then(|met| serde_json::to_vec(&of.value(met)).ok());
                (of.render(), value)
            }
        };
        (key.into_bytes(), value)
    }
}

fn parsed<T: serde::de::DeserializeOwned>(
    value: Option<&[u8]>,
) -> Result<Option<T>, serde_json::Error> {
    value.map_or(Ok(None), serde_json::from_slice)
}

impl Statuses {
    /// Takes the next record in.
    pub(crate) fn apply(&mut self, record: StatusRecord) {
        match record {
            StatusRecord::State(of, None) => drop(self.states.remove(&of)),
            StatusRecord::State(of, Some(status)) => drop(self.states.insert(of, status)),
            StatusRecord::Topic(TopicOf { connector, topic }, Some(_)) => {
                self.topics.entry(connector).or_default().insert(topic);
            }
            StatusRecord::Topic(TopicOf { connector, topic }, None) => {
                if let Some(topics) = self.topics.get_mut(&connector) {
                    topics.remove(&topic);
                    self.topics.retain(|_, topics| !topics.is_empty());
                }
            }
        }
    }

    /// Whether a topic of a connector is known.
    pub(crate) fn has_topic(&self, of: &TopicOf) -> bool {
        self.topics.get(&of.connector).is_some_and(|topics| topics.contains(&of.topic))
    }

    /// Records that take back all that is said of connectors that are not there.
    pub(crate) fn without(
        &self,
        is_there: impl Fn(&ConnectorName) -> bool,
    ) -> impl Iterator<Item = StatusRecord> {
        let states = self.states.keys().filter(|of| !is_there(of.connector()));
        let states = states.map(|of| StatusRecord::State(of.clone(), None)).collect::<Vec<_>>();
        let gone = self.topics.keys().filter(|name| !is_there(name));
        let topics = gone.flat_map(|name| self.forgotten(name)).collect::<Vec<_>>();
        states.into_iter().chain(topics)
    }

    /// Records that forget the topics of a connector.
    pub(crate) fn forgotten(
        &self,
        connector: &ConnectorName,
    ) -> impl Iterator<Item = StatusRecord> {
        let of = |topic: &String| TopicOf { connector: connector.clone(), topic: topic.clone() };
        self.topics
            .get(connector)
            .into_iter()
            .flatten()
            .map(move |topic| StatusRecord::Topic(of(topic), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ConnectorName {
        ConnectorName::new("a-b")
    }

    #[test]
    fn records_are_kafka_connects() {
        let run = RunState::Failed { error: "away".to_owned() };
        let status = Status::new(&run, "w:8083");
        let of = StatusOf::Task(TaskId { connector: name(), task: 3 });
        let topic = TopicOf { connector: name(), topic: "shop.t-1".to_owned() };
        for (record, key, value) in [
            (
                StatusRecord::State(of, Some(status)),
                "status-task-a-b-3",
                r#"{"state":"FAILED","trace":"away","worker_id":"w:8083","generation":0}"#,
            ),
            (
                StatusRecord::Topic(topic, Some(TopicMet { task: 3, at_ms: 7 })),
                "status-topic-shop.t-1:connector-a-b",
                r#"{"topic":{"name":"shop.t-1","connector":"a-b","task":3,"discoverTimestamp":7}}"#,
            ),
        ] {
            let (found, text) = record.render();
            assert_eq!((&*found, text.as_deref()), (key.as_bytes(), Some(value.as_bytes())));
            assert_eq!(StatusRecord::parse(&found, text.as_deref()), Ok(Some(record)));
        }
    }

    #[test]
    fn a_damaged_record_is_told_of_and_another_ones_is_left_alone() {
        for (key, value) in [
            ("status-task-a-3", "{"),
            ("status-task-a-3", "[]"),
            ("status-connector-a", r#"{"state":1}"#),
            ("status-topic-x:connector-a", "{}"),
        ] {
            assert!(StatusRecord::parse(key.as_bytes(), Some(value.as_bytes())).is_err(), "{key}");
        }
        assert!(StatusRecord::parse(b"\xff", None).is_err());
        for key in ["status-task-a", "status-task-a-x", "status-topic-x", "other"] {
            assert_eq!(StatusRecord::parse(key.as_bytes(), Some(b"{}")), Ok(None), "{key}");
        }
    }

    #[test]
    fn what_is_said_of_a_connector_goes_with_it() {
        let mut statuses = Statuses::default();
        let of = StatusOf::Task(TaskId { connector: name(), task: 0 });
        let topic = TopicOf { connector: name(), topic: "t".to_owned() };
        let status = Status::new(&RunState::Running, "w:1");
        statuses.apply(StatusRecord::State(of, Some(status)));
        statuses.apply(StatusRecord::Topic(topic.clone(), Some(TopicMet { task: 0, at_ms: 1 })));
        assert!(statuses.has_topic(&topic));
        assert_eq!(statuses.without(|_| true).count(), 0);

        for record in statuses.without(|_| false).collect::<Vec<_>>() {
            let (key, value) = record.render();
            assert_eq!(value, None);
            statuses.apply(StatusRecord::parse(&key, None).unwrap().unwrap());
        }

        assert!(statuses.states.is_empty() && statuses.topics.is_empty());
    }
}
