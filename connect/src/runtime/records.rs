//! What stands in the config topic: Kafka Connect's records, in its format, and ours beside them.
//!
//! Kafka Connect takes no notice of keys that it does not know, and neither do we of those that only
//! its herder needs: tasks' configurations, session keys, fencings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::connector::ConnectorName;

/// A connector's settings as they were given: variables are not replaced.
pub(crate) type ConnectorSettings = BTreeMap<String, String>;

/// What somebody wants of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TargetState {
    /// That it runs.
    #[default]
    Started,
    /// That it waits.
    Paused,
    /// That it does not run, so that its offsets can be changed.
    Stopped,
}

impl TargetState {
    /// As `state` and `state.v2` have it; workers before Kafka 3.5 know the first one only.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Started => ("STARTED", "STARTED"),
            Self::Paused => ("PAUSED", "PAUSED"),
            Self::Stopped => ("PAUSED", "STOPPED"),
        }
    }

    /// As Kafka Connect has it in its topics and in requests, where `RUNNING` is said as well.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "STARTED" | "RUNNING" => Some(Self::Started),
            "PAUSED" => Some(Self::Paused),
            "STOPPED" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// In which slot each task of a connector runs.
pub(crate) type Placement = BTreeMap<ConnectorName, Vec<i32>>;

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(crate) struct WorkerNotice {
    /// The slots that it has.
    pub(crate) slots: Vec<i32>,
}

/// The request that makes a connector. What is wanted of it at first is part of it: in a record of its
/// own it would change the connector of whoever was first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Creation {
    /// Unlike that of any other request.
    pub(crate) mark: String,
    pub(crate) target: TargetState,
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConfigRecord {
    /// A connector is made, changed, or gone.
    Connector {
        name: ConnectorName,
        /// None: it is gone.
        settings: Option<ConnectorSettings>,
        /// It has to be a new one.
        creation: Option<Creation>,
    },
    /// What is wanted of a connector; none once it is gone.
    Target { name: ConnectorName, state: Option<TargetState> },
    /// That a connector's tasks start again.
    Restart { name: ConnectorName, include_tasks: bool, only_failed: bool },
    /// That one task starts again. Ours: Kafka Connect asks the task's worker.
    RestartTask { name: ConnectorName, task: usize },
    /// How much a logger logs, on every worker.
    Logger { logger: String, level: String },
    /// Where each task runs. Ours.
    Placement(Placement),
    /// Which slots a worker has; none when it leaves. Ours.
    Worker { worker: String, notice: Option<WorkerNotice> },
}

/// A record that is not what its key says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record `{key}` is not what Kafka Connect writes")]
pub(crate) struct CorruptRecord {
    key: String,
}

const CONNECTOR: &str = "connector-";
const TARGET: &str = "target-state-";
const RESTART: &str = "restart-connector-";
const LOGGER: &str = "logger-cluster-";
const RESTART_TASK: &str = "rowcast-restart-task-";
const PLACEMENT: &str = "rowcast-placement";
const WORKER: &str = "rowcast-worker-";

impl ConfigRecord {
    /// Reads a record; none if it says nothing that matters here.
    ///
    /// # Errors
    ///
    /// Returns [`CorruptRecord`] for one that cannot be understood.
    pub(crate) fn parse(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, CorruptRecord> {
        let corrupt = || CorruptRecord { key: String::from_utf8_lossy(key).into_owned() };
        let key = std::str::from_utf8(key).map_err(|_| corrupt())?;
        let value = match value {
            None => None,
            Some(text) => serde_json::from_slice::<Option<Value>>(text).map_err(|_| corrupt())?,
        };
        let name = |prefix: &str| key.strip_prefix(prefix).map(ConnectorName::new);
        if let Some(name) = name(CONNECTOR) {
            return connector(name, value).map(Some).ok_or_else(corrupt);
        }
        if let Some(name) = name(TARGET) {
            let state = value.map(|value| target(&value).ok_or_else(corrupt)).transpose()?;
            return Ok(Some(Self::Target { name, state }));
        }
        // All that is left says something with its value only.
        let Some(value) = value else {
            let gone = |worker: &str| Self::Worker { worker: worker.to_owned(), notice: None };
            return Ok(key.strip_prefix(WORKER).map(gone));
        };
        let is = |field: &str| value.get(field).and_then(Value::as_bool).ok_or_else(corrupt);
        if let Some(name) = name(RESTART) {
            let (include_tasks, only_failed) = (is("include-tasks")?, is("only-failed")?);
            return Ok(Some(Self::Restart { name, include_tasks, only_failed }));
        }
        if let Some(logger) = key.strip_prefix(LOGGER) {
            let level = value.get("level").and_then(Value::as_str).ok_or_else(corrupt)?;
            return Ok(Some(Self::Logger { logger: logger.to_owned(), level: level.to_owned() }));
        }
        ours(key, value).map_err(|_| corrupt())
    }

    /// The record's key and value.
    pub(crate) fn render(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let text = |value: Value| Some(value.to_string().into_bytes());
        let (key, value) = match self {
            Self::Connector { name, settings, creation } => {
                let value = settings.as_ref().map(|settings| {
                    let mut value = json!({ "properties": settings });
                    if let (Some(creation), Some(value)) = (creation, value.as_object_mut()) {
                        let (_, word) = creation.target.words();
                        value.insert(CREATION.to_owned(), Value::from(creation.mark.as_str()));
                        value.insert(INITIAL.to_owned(), Value::from(word));
                    }
                    value
                });
                (format!("{CONNECTOR}{name}"), value.and_then(text))
            }
            Self::Target { name, state } => {
                let words = state.map(TargetState::words);
                let value = words.map(|(old, new)| json!({ "state": old, "state.v2": new }));
                (format!("{TARGET}{name}"), value.and_then(text))
            }
            Self::Restart { name, include_tasks, only_failed } => {
                let value = json!({ "include-tasks": include_tasks, "only-failed": only_failed });
                (format!("{RESTART}{name}"), text(value))
            }
            Self::RestartTask { name, task } => {
                (format!("{RESTART_TASK}{name}"), text(json!({ "task": task })))
            }
            Self::Logger { logger, level } => {
                (format!("{LOGGER}{logger}"), text(json!({ "level": level })))
            }
            Self::Placement(placement) => {
                let tasks: Map<String, Value> = placement
                    .iter()
                    .map(|(name, slots)| (name.to_string(), json!(slots)))
                    .collect();
                (PLACEMENT.to_owned(), text(json!({ "tasks": tasks })))
            }
            Self::Worker { worker, notice } => {
                let value = notice.as_ref().map(|notice| json!(notice));
                (format!("{WORKER}{worker}"), value.and_then(text))
            }
        };
        (key.into_bytes(), value)
    }
}

/// Beside Kafka Connect's `properties`.
const CREATION: &str = "rowcast.creation";
const INITIAL: &str = "rowcast.initial.state";

fn connector(name: ConnectorName, value: Option<Value>) -> Option<ConfigRecord> {
    let Some(value) = value else {
        return Some(ConfigRecord::Connector { name, settings: None, creation: None });
    };
    let Value::Object(properties) = value.get("properties")? else { return None };
    // Kafka Connect may have `null` for a setting, which is as if it were not there.
    let settings = properties.iter().filter(|(_, value)| !value.is_null());
    let settings = settings.map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let target = text(INITIAL).and_then(TargetState::parse).unwrap_or_default();
    let creation = text(CREATION).map(|mark| Creation { mark: mark.to_owned(), target });
    Some(ConfigRecord::Connector {
        name,
        settings: Some(settings.collect::<Option<_>>()?),
        creation,
    })
}

fn target(value: &Value) -> Option<TargetState> {
    let word = value.get("state.v2").or_else(|| value.get("state"))?;
    TargetState::parse(word.as_str()?)
}

fn ours(key: &str, value: Value) -> Result<Option<ConfigRecord>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Task {
        task: usize,
    }
    #[derive(Deserialize)]
    struct Tasks {
        tasks: BTreeMap<String, Vec<i32>>,
    }
    if let Some(name) = key.strip_prefix(RESTART_TASK) {
        let Task { task } = serde_json::from_value(value)?;
        return Ok(Some(ConfigRecord::RestartTask { name: ConnectorName::new(name), task }));
    }
    if key == PLACEMENT {
        let Tasks { tasks } = serde_json::from_value(value)?;
        let placement =
            tasks.into_iter().map(|(name, slots)| (ConnectorName::new(name), slots)).collect();
        return Ok(Some(ConfigRecord::Placement(placement)));
    }
    if let Some(worker) = key.strip_prefix(WORKER) {
        let notice = Some(serde_json::from_value(value)?);
        return Ok(Some(ConfigRecord::Worker { worker: worker.to_owned(), notice }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ConnectorName {
        ConnectorName::new("srv1")
    }

    fn parse(key: &str, value: &str) -> Result<Option<ConfigRecord>, CorruptRecord> {
        ConfigRecord::parse(key.as_bytes(), Some(value.as_bytes()))
    }

    /// Each as a real Kafka Connect 4.3 has written it.
    #[test]
    fn records_of_kafka_connect_are_read_and_written_as_they_are() {
        let settings: ConnectorSettings =
            [("name".to_owned(), "srv1".to_owned()), ("tasks.max".to_owned(), "1".to_owned())]
                .into();
        let made =
            ConfigRecord::Connector { name: name(), settings: Some(settings), creation: None };
        for (key, value, expected) in [
            ("connector-srv1", r#"{"properties":{"name":"srv1","tasks.max":"1"}}"#, made),
            (
                "target-state-srv1",
                r#"{"state":"PAUSED","state.v2":"PAUSED"}"#,
                ConfigRecord::Target { name: name(), state: Some(TargetState::Paused) },
            ),
            (
                "target-state-srv1",
                r#"{"state":"PAUSED","state.v2":"STOPPED"}"#,
                ConfigRecord::Target { name: name(), state: Some(TargetState::Stopped) },
            ),
            (
                "restart-connector-srv1",
                r#"{"include-tasks":true,"only-failed":false}"#,
                ConfigRecord::Restart { name: name(), include_tasks: true, only_failed: false },
            ),
        ] {
            assert_eq!(parse(key, value), Ok(Some(expected.clone())));
            let written = (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
            assert_eq!(expected.render(), written);
        }
        let old = parse("target-state-srv1", r#"{"state":"STARTED"}"#).unwrap();
        assert_eq!(
            old,
            Some(ConfigRecord::Target { name: name(), state: Some(TargetState::Started) })
        );
    }

    #[test]
    fn what_is_gone_has_no_value() {
        let gone = ConfigRecord::Connector { name: name(), settings: None, creation: None };

        assert_eq!(ConfigRecord::parse(b"connector-srv1", None), Ok(Some(gone.clone())));
        assert_eq!(parse("connector-srv1", "null"), Ok(Some(gone)));
        let target = ConfigRecord::Target { name: name(), state: None };
        assert_eq!(target.render(), (b"target-state-srv1".to_vec(), None));
    }

    #[test]
    fn our_own_records_come_back_as_they_were() {
        for record in [
            ConfigRecord::Placement([(name(), vec![3, 0])].into()),
            ConfigRecord::RestartTask { name: name(), task: 2 },
            ConfigRecord::Worker {
                worker: "a:8083".to_owned(),
                notice: Some(WorkerNotice { slots: vec![0, 7] }),
            },
            ConfigRecord::Worker { worker: "a:8083".to_owned(), notice: None },
            ConfigRecord::Logger { logger: "root".to_owned(), level: "DEBUG".to_owned() },
            ConfigRecord::Connector {
                name: name(),
                settings: Some(ConnectorSettings::new()),
                creation: Some(Creation { mark: "x".to_owned(), target: TargetState::Stopped }),
            },
        ] {
            let (key, value) = record.render();
            assert_eq!(ConfigRecord::parse(&key, value.as_deref()), Ok(Some(record)));
        }
    }

    #[test]
    fn others_are_left_alone_and_damaged_ones_are_told_of() {
        for (key, value) in [
            ("task-srv1-0", r#"{"properties":{}}"#),
            ("commit-srv1", r#"{"tasks":1}"#),
            ("session-key", "{}"),
            ("tasks-fencing-srv1", r#"{"tasks":1}"#),
        ] {
            assert_eq!(parse(key, value), Ok(None), "{key}");
        }
        for (key, value) in [
            ("connector-srv1", "{"),
            ("connector-srv1", "[]"),
            ("connector-srv1", r#"{"properties":{"a":1}}"#),
            ("target-state-srv1", r#"{"state":"SLEEPING"}"#),
            ("restart-connector-srv1", "{}"),
            ("rowcast-placement", r#"{"tasks":{"a":["b"]}}"#),
        ] {
            assert!(parse(key, value).is_err(), "{key} {value}");
        }
        assert!(ConfigRecord::parse(b"\xff", None).is_err());
    }
}
