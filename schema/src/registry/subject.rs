//! What subjects are called.

use super::SchemaKind;

/// How the subject of a schema is named: Confluent's strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// `TopicNameStrategy`: the topic, with `-key` or `-value` behind it. The default.
    #[default]
    Topic,
    /// `RecordNameStrategy`: the full name of the record.
    Record,
    /// `TopicRecordNameStrategy`: the topic, `-`, and the full name of the record.
    TopicRecord,
}

impl Strategy {
    /// The strategy of a Java class, with its package or without.
    #[must_use]
    pub fn of_class(class: &str) -> Option<Self> {
        const PACKAGE: &str = "io.confluent.kafka.serializers.subject.";
        Some(match class.strip_prefix(PACKAGE).unwrap_or(class) {
            "TopicNameStrategy" => Self::Topic,
            "RecordNameStrategy" => Self::Record,
            "TopicRecordNameStrategy" => Self::TopicRecord,
            _ => return None,
        })
    }

    /// The subject of a schema; `suffix` is `-key` or `-value`. A schema without a name has the
    /// topic's, whatever the strategy, where Confluent's refuse it.
    #[must_use]
    pub fn subject(self, topic: &str, suffix: &str, name: Option<&str>) -> String {
        match (self, name) {
            (Self::Topic, _) | (_, None) => format!("{topic}{suffix}"),
            (Self::Record, Some(name)) => name.to_owned(),
            (Self::TopicRecord, Some(name)) => format!("{topic}-{name}"),
        }
    }
}

/// The full name of the record that a schema's text is about.
#[must_use]
pub fn record_name(kind: SchemaKind, text: &str) -> Option<String> {
    let json = || serde_json::from_str::<serde_json::Value>(text).ok();
    match kind {
        SchemaKind::Avro => {
            let json = json()?;
            let name = json.get("name")?.as_str()?;
            let namespace = json.get("namespace").and_then(serde_json::Value::as_str);
            Some(match namespace.filter(|namespace| !namespace.is_empty() && !name.contains('.')) {
                Some(namespace) => format!("{namespace}.{name}"),
                None => name.to_owned(),
            })
        }
        SchemaKind::Json => Some(json()?.get("title")?.as_str()?.to_owned()),
        SchemaKind::Protobuf => {
            let lines = || text.lines().map(str::trim);
            let package = lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
            let first = lines().find_map(|line| line.strip_prefix("message "))?;
            let name = first.split(|c: char| c == '{' || c.is_whitespace()).next()?;
            Some(match package {
                Some(package) => format!("{}.{name}", package.trim()),
                None => name.to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_confluents() {
        let of = |class: &str| Strategy::of_class(class).unwrap();
        let long = "io.confluent.kafka.serializers.subject.RecordNameStrategy";

        assert_eq!(of("TopicNameStrategy").subject("t", "-key", Some("a.B")), "t-key");
        assert_eq!(of(long).subject("t", "-value", Some("a.B")), "a.B");
        let both = of("TopicRecordNameStrategy");
        assert_eq!(both.subject("t", "-value", Some("a.B")), "t-a.B");
        assert_eq!(both.subject("t", "-value", None), "t-value");
        assert_eq!(Strategy::of_class("com.example.Mine"), None);
    }

    #[test]
    fn a_record_is_named_by_its_schema() {
        let avro = r#"{"type":"record","name":"B","namespace":"a","fields":[]}"#;
        let protobuf = "syntax = \"proto3\";\npackage a;\n\nmessage B {\n}\n";

        assert_eq!(record_name(SchemaKind::Avro, avro).as_deref(), Some("a.B"));
        assert_eq!(record_name(SchemaKind::Avro, "\"string\""), None);
        assert_eq!(record_name(SchemaKind::Protobuf, protobuf).as_deref(), Some("a.B"));
        assert_eq!(record_name(SchemaKind::Json, r#"{"title":"a.B"}"#).as_deref(), Some("a.B"));
        assert_eq!(record_name(SchemaKind::Json, "{}"), None);
    }
}
