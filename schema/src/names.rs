//! Names of topics, subjects and Avro records, as Debezium and Confluent's registry form them.

use std::fmt::Write as _;

use crate::table::TableId;

/// Longest topic name that Kafka accepts (`org.apache.kafka.common.internals.Topic`).
const TOPIC_MAX_CHARS: usize = 249;

/// The topic of a table's changes: `<prefix>.<database>.<table>`, each character that Kafka
/// refuses replaced by `_`.
#[must_use]
pub fn data_topic(prefix: &str, table: &TableId) -> String {
    let mut topic: String = format!("{prefix}.{}.{}", table.database, table.name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' })
        .collect();
    topic.truncate(TOPIC_MAX_CHARS);
    topic
}

/// What becomes of names that Avro does not take (`field.name.adjustment.mode` and
/// `schema.name.adjustment.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameAdjustment {
    /// Nothing: such a name is an error.
    None,
    /// Nothing: the names go into no Avro schema.
    AsTheyAre,
    /// Each character that Avro refuses becomes `_`.
    Avro,
    /// Each such character becomes `_u` and its four hexadecimal digits, and so does `_` itself:
    /// different names stay different.
    AvroUnicode,
}

impl NameAdjustment {
    /// A field's name; `None` if Avro does not take it.
    #[must_use]
    pub fn field(self, name: &str) -> Option<String> {
        match self {
            Self::None => is_avro_name(name).then(|| name.to_owned()),
            Self::AsTheyAre => Some(name.to_owned()),
            Self::Avro => Some(avro_name(name)),
            Self::AvroUnicode => Some(unicode_name(name)),
        }
    }

    /// The namespace of a table's records: its topic, part by part.
    #[must_use]
    pub fn namespace(self, topic: &str) -> String {
        let adjust = |part: &str| match self {
            // An invalid namespace would make each of its schemas invalid.
            Self::None | Self::Avro => avro_name(part),
            Self::AsTheyAre => part.to_owned(),
            Self::AvroUnicode => unicode_name(part),
        };
        topic.split('.').map(adjust).collect::<Vec<_>>().join(".")
    }
}

fn is_avro_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What Avro refuses is replaced by `_`, and a leading digit is preceded by one.
fn avro_name(name: &str) -> String {
    let mut adjusted = String::with_capacity(name.len() + 1);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        adjusted.push('_');
    }
    adjusted.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    adjusted
}

/// What Avro refuses, and `_`, is replaced by the number of its UTF-16 units.
fn unicode_name(name: &str) -> String {
    let mut adjusted = String::with_capacity(name.len());
    for (index, unit) in name.encode_utf16().enumerate() {
        match char::from_u32(unit.into()) {
            Some(letter) if letter.is_ascii_alphabetic() => adjusted.push(letter),
            Some(digit) if digit.is_ascii_digit() && index > 0 => adjusted.push(digit),
            _ => {
                // Writing into a String cannot fail.
                write!(adjusted, "_u{unit:04x}").unwrap_or_default();
            }
        }
    }
    adjusted
}

/// The registry subject of a topic's keys (`TopicNameStrategy`).
#[must_use]
pub fn key_subject(topic: &str) -> String {
    format!("{topic}-key")
}

/// The registry subject of a topic's values (`TopicNameStrategy`).
#[must_use]
pub fn value_subject(topic: &str) -> String {
    format!("{topic}-value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_what_debezium_made_of_an_odd_table() {
        // From the golden recording: schema and field name adjustment mode `avro`.
        let topic = data_topic("srv-2", &TableId::new("gold", "t-odd name$1"));

        assert_eq!(topic, "srv-2.gold.t-odd_name_1");
        assert_eq!(NameAdjustment::Avro.namespace(&topic), "srv_2.gold.t_odd_name_1");
        assert_eq!(avro_name("1st"), "_1st");
        assert_eq!(avro_name("col-1 x"), "col_1_x");
        assert_eq!(value_subject(&topic), "srv-2.gold.t-odd_name_1-value");
    }
}
