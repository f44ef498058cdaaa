//! What only Debezium's offsets say: which copies it has left unfinished.

use serde_json::Value;

use crate::table::TableId;

/// Copies that Debezium has not finished, by an offset that it has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DebeziumCopies {
    /// Whether it was in the middle of its first copy. That one has no places to go on from.
    pub is_copying_all: bool,
    /// Tables of an incremental snapshot.
    pub tables: Vec<TableId>,
}

impl DebeziumCopies {
    /// Reads them from a stream's offset; `None` for one that rowcast has written.
    #[must_use]
    pub fn of(json: &[u8]) -> Option<Self> {
        let offset: Value = serde_json::from_slice(json).ok()?;
        if offset.get("rowcast").is_some() {
            return None;
        }
        let is_over = offset.get("snapshot_completed").and_then(Value::as_bool) == Some(true);
        // The kind of the copy in newer versions, `true` in older ones.
        let is_in_copy = match offset.get("snapshot") {
            Some(Value::String(kind)) => !kind.is_empty() && kind != "false",
            Some(Value::Bool(is_in_copy)) => *is_in_copy,
            Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => {
                false
            }
        };
        let listed = offset.get("incremental_snapshot_collections").and_then(Value::as_str);
        let listed = listed.and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
        let name = |entry: &Value| {
            entry.get("incremental_snapshot_collections_id")?.as_str()?.parse().ok()
        };
        Some(Self {
            is_copying_all: is_in_copy && !is_over,
            tables: listed.unwrap_or_default().iter().filter_map(name).collect(),
        })
    }

    /// Whether the table's copy is not finished.
    #[must_use]
    pub fn include(&self, table: &TableId) -> bool {
        self.is_copying_all || self.tables.contains(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(json: &str) -> DebeziumCopies {
        DebeziumCopies::of(json.as_bytes()).unwrap()
    }

    #[test]
    fn an_offset_of_debeziums_says_what_it_was_copying() {
        let (t, u) = (TableId::new("shop", "t"), TableId::new("shop", "u"));
        for (json, has_t, has_u) in [
            (r#"{"file":"b.000001","pos":4,"ts_sec":1}"#, false, false),
            (r#"{"file":"b.000001","pos":4,"snapshot":"INITIAL"}"#, true, true),
            (r#"{"snapshot":"INITIAL","snapshot_completed":false}"#, true, true),
            (r#"{"snapshot":"INITIAL","snapshot_completed":true}"#, false, false),
            (r#"{"snapshot":true}"#, true, true),
            (r#"{"snapshot":null,"incremental_snapshot_primary_key":null}"#, false, false),
            (
                r#"{"incremental_snapshot_collections":"[{\"incremental_snapshot_collections_id\":\"shop.t\",\"incremental_snapshot_collections_additional_condition\":null}]"}"#,
                true,
                false,
            ),
        ] {
            let copies = copies(json);

            assert_eq!((copies.include(&t), copies.include(&u)), (has_t, has_u), "{json}");
        }
    }

    #[test]
    fn an_offset_of_rowcasts_says_nothing_of_the_kind() {
        assert_eq!(DebeziumCopies::of(br#"{"file":"b.1","snapshot":true,"rowcast":1}"#), None);
        assert_eq!(DebeziumCopies::of(b"{"), None);
    }
}
