//! What is in one record of Debezium's schema history, which is JSON in a form of Debezium's own.

use schema::gtid::GtidSet;
use schema::offset::StreamOffset;
use schema::position::BinlogPosition;
use schema::table::TableId;
use serde::Deserialize;
use serde_json::Value;

/// A statement and the definitions that it has left behind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    position: Position,
    #[serde(default)]
    pub(super) database_name: Option<String>,
    #[serde(default)]
    pub(super) ddl: Option<String>,
    #[serde(default)]
    pub(super) table_changes: Option<Vec<Change>>,
}

/// Where Debezium was when it wrote it, in the words of its offsets.
#[derive(Debug, Deserialize)]
struct Position {
    file: String,
    pos: u64,
    #[serde(default)]
    gtids: Option<String>,
    /// A boolean, or which kind of copy it is.
    #[serde(default)]
    snapshot: Value,
}

/// What has become of one table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) id: String,
    /// Its name before, if it has got another.
    #[serde(default)]
    pub(super) previous_id: Option<String>,
    #[serde(default)]
    pub(super) table: Option<Table>,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Kind {
    Create,
    Alter,
    Drop,
}

/// A table as Debezium knows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    #[serde(default)]
    pub(super) default_charset_name: Option<String>,
    #[serde(default)]
    pub(super) primary_key_column_names: Vec<String>,
    pub(super) columns: Vec<Column>,
}

/// A column as Debezium knows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_name: String,
    #[serde(default)]
    pub(super) charset_name: Option<String>,
    #[serde(default)]
    pub(super) length: Option<u64>,
    #[serde(default)]
    pub(super) scale: Option<u64>,
    pub(super) position: usize,
    pub(super) optional: bool,
    #[serde(default)]
    pub(super) has_default_value: bool,
    #[serde(default)]
    pub(super) default_value_expression: Option<String>,
    #[serde(default)]
    pub(super) comment: Option<String>,
    #[serde(default)]
    pub(super) enum_values: Option<Vec<String>>,
}

impl Record {
    /// Whether it was true already when the stream was at an offset; `None` if they do not compare.
    ///
    /// A copy's record says what was there at its place. Another's is of a statement that ends at its
    /// `pos`, but its `gtids` are those before the statement: the same ones in the offset do not say
    /// on which side of it that is.
    pub(super) fn is_before(&self, offset: &StreamOffset) -> Option<bool> {
        let Position { file, pos, gtids, snapshot } = &self.position;
        let is_copied = !matches!(snapshot, Value::Null | Value::Bool(false))
            && snapshot.as_str().is_none_or(|text| text != "false");
        if let Some((then, now)) = gtids.as_ref().zip(offset.gtids.as_ref()) {
            let then: GtidSet = then.parse().ok()?;
            if !then.is_subset(now) {
                return Some(false);
            }
            if is_copied || !now.is_subset(&then) {
                return Some(true);
            }
        }
        let then = BinlogPosition::new(file, *pos).ok()?;
        then.partial_cmp(&offset.position).map(std::cmp::Ordering::is_le)
    }
}

/// The table of an id: `"database"."table"`, where a quote in a name is doubled.
pub(super) fn table_id(id: &str) -> Option<TableId> {
    let (database, rest) = quoted(id)?;
    let (name, rest) = quoted(rest.strip_prefix('.')?)?;
    rest.is_empty().then(|| TableId::new(database, name))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let (part, behind) = rest.split_once('"')?;
        name.push_str(part);
        let Some(next) = behind.strip_prefix('"') else { return Some((name, behind)) };
        name.push('"');
        rest = next;
    }
}
