//! Names of topics, subjects and Avro records, as Debezium and Confluent's registry form them.

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

/// The namespace of a table's Avro records: the topic's name with what Avro refuses replaced by
/// `_`, as Debezium's `schema.name.adjustment.mode=avro` does.
#[must_use]
pub fn avro_namespace(topic: &str) -> String {
    topic.split('.').map(avro_name).collect::<Vec<_>>().join(".")
}

/// A field's Avro name: what Avro refuses is replaced by `_`, and a leading digit is preceded by
/// one.
#[must_use]
pub fn avro_name(name: &str) -> String {
    let mut adjusted = String::with_capacity(name.len() + 1);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        adjusted.push('_');
    }
    adjusted.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
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
        assert_eq!(avro_namespace(&topic), "srv_2.gold.t_odd_name_1");
        assert_eq!(avro_name("1st"), "_1st");
        assert_eq!(avro_name("col-1 x"), "col_1_x");
        assert_eq!(value_subject(&topic), "srv-2.gold.t-odd_name_1-value");
    }
}
