//! Signals, in Debezium's forms: what somebody wants of a connector by writing a row into a table,
//! a record into a topic, or a line into a file.

mod file;
mod topic;

use regex::Regex;
use schema::table::TableId;
use serde::Deserialize;

pub(crate) use file::SignalFileReader;
pub(crate) use topic::SignalTopicReader;

/// What a signal asks for.
#[derive(Debug, Clone)]
pub(crate) enum Signal {
    /// `execute-snapshot`: copy these tables.
    Snapshot(Vec<SnapshotOf>),
    /// `pause-snapshot`: let copies wait; of these tables, or of all.
    Pause(Option<Tables>),
    /// `resume-snapshot`: go on; with these tables, or with all that wait.
    Resume(Option<Tables>),
    /// `stop-snapshot`: end copies; of these tables, or of all.
    Stop(Option<Tables>),
    /// `log`: write a message into the log.
    Log(String),
}

/// Tables to copy, by a pattern for their whole names.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotOf {
    pub(crate) tables: Tables,
    /// Only the rows for which this is true.
    pub(crate) filter: Option<String>,
}

/// Patterns for whole names of tables.
#[derive(Debug, Clone)]
pub(crate) struct Tables(Vec<Regex>);

/// A signal that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignalError {
    #[error("its type is not known")]
    Type,
    #[error(
        "a signal does not move the source in the log: stop it, and use `rowcast offsets set`, which \
         says what would be missed"
    )]
    Position,
    #[error("there is no history of schemas to change: rows are read by what the log says")]
    History,
    #[error("its data is not what its type has")]
    Data,
    #[error("`data-collections` names no table")]
    NoTables,
    #[error("`data-collections` has an invalid pattern")]
    Pattern,
}

/// The longest message that is logged: more is somebody's mistake.
const MESSAGE_MAX_CHARS: usize = 1_000;

#[derive(Deserialize, Default)]
struct Data {
    #[serde(default, rename = "data-collections")]
    collections: Vec<String>,
    #[serde(default, rename = "additional-conditions")]
    conditions: Vec<Condition>,
    /// The one condition for all, as Debezium had it before 2.3.
    #[serde(default, rename = "additional-condition")]
    condition: Option<String>,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "data-collection")]
    collection: String,
    filter: String,
}

impl Signal {
    /// Reads a signal: its type, and its data, which is JSON or missing.
    pub(crate) fn parse(kind: &str, data: Option<&str>) -> Result<Self, SignalError> {
        let text = data.map(str::trim).filter(|data| !data.is_empty()).unwrap_or("{}");
        let data: Data = serde_json::from_str(text).map_err(|_| SignalError::Data)?;
        match kind.trim() {
            "execute-snapshot" => {
                if data.collections.is_empty() {
                    return Err(SignalError::NoTables);
                }
                data.collections
                    .iter()
                    .map(|name| data.snapshot_of(name))
                    .collect::<Result<_, _>>()
                    .map(Self::Snapshot)
            }
            "pause-snapshot" => data.tables().map(Self::Pause),
            "resume-snapshot" => data.tables().map(Self::Resume),
            "stop-snapshot" => data.tables().map(Self::Stop),
            "log" => Ok(Self::Log(data.message.chars().take(MESSAGE_MAX_CHARS).collect())),
            "set-binlog-position" => Err(SignalError::Position),
            "schema-changes" => Err(SignalError::History),
            _ => Err(SignalError::Type),
        }
    }
}

/// A signal as a record or a line has it.
#[derive(Deserialize)]
struct RawSignal {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<Box<serde_json::value::RawValue>>,
}

/// Reads one.
fn parse_json(value: &[u8]) -> Result<Signal, SignalError> {
    let raw: RawSignal = serde_json::from_slice(value).map_err(|_| SignalError::Data)?;
    let text = raw.data.as_ref().map(|data| data.get());
    match text {
        // Some write the data as JSON within a text, as a signal table has it.
        Some(quoted) if quoted.starts_with('"') => {
            let inner: String = serde_json::from_str(quoted).map_err(|_| SignalError::Data)?;
            Signal::parse(&raw.kind, Some(&inner))
        }
        text => Signal::parse(&raw.kind, text.filter(|text| *text != "null")),
    }
}

impl Data {
    fn snapshot_of(&self, name: &String) -> Result<SnapshotOf, SignalError> {
        let tables = Tables::of(std::slice::from_ref(name))?;
        let is_for = |condition: &&Condition| {
            // A condition's pattern may be that of the collections, or the name of one.
            condition.collection == *name
                || tables.0.iter().any(|it| it.is_match(&condition.collection))
        };
        let own = self.conditions.iter().find(is_for).map(|condition| &condition.filter);
        let filter = own.or(self.condition.as_ref()).filter(|filter| !filter.trim().is_empty());
        Ok(SnapshotOf { filter: filter.cloned(), tables })
    }

    fn tables(&self) -> Result<Option<Tables>, SignalError> {
        if self.collections.is_empty() {
            return Ok(None);
        }
        Tables::of(&self.collections).map(Some)
    }
}

impl Tables {
    fn of(patterns: &[String]) -> Result<Self, SignalError> {
        // As Debezium's: whole names, whatever their capitals are.
        let pattern = |text: &String| Regex::new(&format!("(?i)^(?:{text})$"));
        let patterns: Result<_, _> = patterns.iter().map(pattern).collect();
        patterns.map(Self).map_err(|_| SignalError::Pattern)
    }

    /// Whether the table is one of them.
    pub(crate) fn has(&self, table: &TableId) -> bool {
        let name = table.to_string();
        self.0.iter().any(|pattern| pattern.is_match(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(data: &str) -> Vec<SnapshotOf> {
        let Signal::Snapshot(all) = Signal::parse("execute-snapshot", Some(data)).unwrap() else {
            panic!("it is a snapshot");
        };
        all
    }

    #[test]
    fn a_snapshot_has_tables_and_conditions() {
        let all = snapshots(
            r#"{"type": "INCREMENTAL", "data-collections": ["shop.orders", "crm\\..*"],
                "additional-conditions": [{"data-collection": "shop.orders", "filter": "id > 5"}]}"#,
        );

        let has = |index: usize, table: &str| all[index].tables.has(&table.parse().unwrap());
        assert!(has(0, "shop.orders") && !has(0, "shop.orders2") && has(1, "crm.people"));
        assert_eq!(all[0].filter.as_deref(), Some("id > 5"));
        assert_eq!(all[1].filter, None);
    }

    #[test]
    fn the_old_form_has_one_condition_for_all() {
        let all =
            snapshots(r#"{"data-collections": ["a.b", "a.c"], "additional-condition": "x = 1"}"#);

        assert!(all.iter().all(|one| one.filter.as_deref() == Some("x = 1")));
    }

    #[test]
    fn others_are_for_all_tables_or_for_some() {
        assert!(matches!(Signal::parse("pause-snapshot", None), Ok(Signal::Pause(None))));
        assert!(matches!(Signal::parse("resume-snapshot", Some("")), Ok(Signal::Resume(None))));
        let stop = Signal::parse("stop-snapshot", Some(r#"{"data-collections": ["a.b"]}"#));
        assert!(matches!(stop, Ok(Signal::Stop(Some(_)))));
        let log = Signal::parse("log", Some(r#"{"message": "hello"}"#));
        assert!(matches!(log, Ok(Signal::Log(message)) if message == "hello"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |kind, data| Signal::parse(kind, Some(data)).unwrap_err();

        assert_eq!(error("execute-snapshot", "{}"), SignalError::NoTables);
        assert_eq!(error("execute-snapshot", "[1"), SignalError::Data);
        assert_eq!(
            error("execute-snapshot", r#"{"data-collections": ["a("]}"#),
            SignalError::Pattern
        );
        assert_eq!(error("schema-changes", "{}"), SignalError::History);
        assert_eq!(error("set-binlog-position", "{}"), SignalError::Position);
        assert_eq!(error("x", "{}"), SignalError::Type);
    }

    #[test]
    fn a_record_has_type_and_data() {
        let nested = br#"{"type":"execute-snapshot","data":{"data-collections":["a.b"]}}"#;
        let quoted = br#"{"type":"execute-snapshot","data":"{\"data-collections\":[\"a.b\"]}"}"#;

        assert!(matches!(parse_json(nested), Ok(Signal::Snapshot(all)) if all.len() == 1));
        assert!(matches!(parse_json(quoted), Ok(Signal::Snapshot(all)) if all.len() == 1));
        assert!(matches!(
            parse_json(br#"{"type":"pause-snapshot","data":null}"#),
            Ok(Signal::Pause(_))
        ));
        assert_eq!(parse_json(b"").unwrap_err(), SignalError::Data);
        assert_eq!(parse_json(br#"{"type":"x"}"#).unwrap_err(), SignalError::Type);
    }
}
