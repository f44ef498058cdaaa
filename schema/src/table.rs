//! The shape of a table's rows at one moment.

use std::fmt;
use std::str::FromStr;

use crate::types::ColumnType;

/// A table, written `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// The database (schema) it is in.
    pub database: String,
    /// Its name within the database.
    pub name: String,
}

impl TableId {
    /// Names a table.
    pub fn new(database: impl Into<String>, name: impl Into<String>) -> Self {
        Self { database: database.into(), name: name.into() }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}

impl FromStr for TableId {
    type Err = ParseTableIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (database, name) = text.split_once('.').ok_or(ParseTableIdError)?;
        Ok(Self::new(database, name))
    }
}

/// The text is not `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid table name, expected <database>.<table>")]
pub struct ParseTableIdError;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name as MySQL has it.
    pub name: String,
    /// What its values are.
    pub column_type: ColumnType,
    /// Whether a row may leave it NULL.
    pub nullable: bool,
}

/// The columns of a table and its key at one moment: what a `TABLE_MAP` event says with
/// `binlog_row_metadata=FULL`, and what `information_schema` says for the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Which table.
    pub id: TableId,
    /// All columns in the order of the row image.
    pub columns: Vec<Column>,
    /// Indices into `columns` of the primary key, in key order. Empty without a primary key.
    pub key: Vec<usize>,
}

impl TableSchema {
    /// The columns of the primary key, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|index| self.columns.get(*index))
    }
}
