//! The shape of a table's rows at one moment.

use std::fmt;
use std::str::FromStr;

use crate::types::{ColumnType, Fidelity};

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
    /// What its declaration says beyond that. The log does not have it, so it is not always
    /// known.
    pub declaration: Option<Declaration>,
}

impl Column {
    /// The characters, bytes or digits that its type has room for, by Debezium's count. `None`
    /// where the type has no such number or the declaration is not known.
    #[must_use]
    pub fn declared_length(&self) -> Option<usize> {
        match &self.column_type {
            ColumnType::Enum { .. } => Some(1),
            // Each member counts for one, with commas between them.
            ColumnType::Set { members } => Some((2 * members.len()).saturating_sub(1)),
            ColumnType::Decimal { precision, .. } => Some((*precision).into()),
            ColumnType::Bit { length } => Some((*length).into()),
            ColumnType::Text { .. } | ColumnType::Binary { .. } | ColumnType::Blob => {
                self.declaration.as_ref()?.size()?.0.parse().ok()
            }
            ColumnType::TinyInt { .. }
            | ColumnType::SmallInt { .. }
            | ColumnType::MediumInt { .. }
            | ColumnType::Int { .. }
            | ColumnType::BigInt { .. }
            | ColumnType::Float
            | ColumnType::Double
            | ColumnType::Year
            | ColumnType::Date
            | ColumnType::Time { .. }
            | ColumnType::DateTime { .. }
            | ColumnType::Timestamp { .. }
            | ColumnType::Json
            | ColumnType::Geometry { .. }
            | ColumnType::Vector => None,
        }
    }
}

/// What only a column's declaration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The type as MySQL prints it, for example `float(7,3)`.
    pub type_text: String,
    /// What a new row gets that does not say.
    pub default: Default,
    /// Its comment, empty without one.
    pub comment: String,
}

/// The members of an `enum('a','it''s')`, as the server prints them: only the quotes are single
/// again.
#[must_use]
pub fn members_as_printed(type_text: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut current: Option<String> = None;
    let mut characters = type_text.chars().peekable();
    while let Some(c) = characters.next() {
        match (&mut current, c) {
            (None, '\'') => current = Some(String::new()),
            (None, _) => {}
            (Some(member), '\'') if characters.next_if_eq(&'\'').is_some() => member.push('\''),
            (Some(_), '\'') => members.extend(current.take()),
            (Some(member), '\\') => {
                member.push('\\');
                member.extend(characters.next());
            }
            (Some(member), c) => member.push(c),
        }
    }
    members
}

/// What a new row gets in a column that it does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// NULL, or an error.
    None,
    /// Always the same, as `information_schema` prints it.
    Literal(String),
    /// The time of the statement.
    CurrentTimestamp,
    /// What an expression gives.
    Expression,
}

impl Declaration {
    /// The type's name as Debezium has it: capital letters, without its size.
    #[must_use]
    pub fn type_name(&self) -> String {
        let (name, rest) = self.type_text.split_once('(').unwrap_or((&self.type_text, ""));
        let attributes = rest.split_once(')').map_or("", |(_, attributes)| attributes);
        format!("{name}{attributes}").to_ascii_uppercase()
    }

    /// The type's size, and its digits after the point. Members of ENUM and SET are none.
    #[must_use]
    pub fn size(&self) -> Option<(String, Option<String>)> {
        let (_, rest) = self.type_text.split_once('(')?;
        let (size, _) = rest.split_once(')')?;
        let (length, scale) = match size.split_once(',') {
            Some((length, scale)) => (length, Some(scale.to_owned())),
            None => (size, None),
        };
        length.bytes().all(|b| b.is_ascii_digit()).then(|| (length.to_owned(), scale))
    }

    /// The comment as schemas have it. Debezium leaves quotes doubled, as the statement has them.
    #[must_use]
    pub fn comment_for(&self, fidelity: Fidelity) -> String {
        match fidelity {
            Fidelity::Exact => self.comment.clone(),
            Fidelity::Debezium => self.comment.replace('\'', "''"),
        }
    }

    /// The members of an ENUM or SET as Debezium knows them: as the statement has them, with its
    /// backslashes, and with a question mark for each character of four bytes.
    #[must_use]
    pub fn printed_members(&self) -> Vec<String> {
        members_as_printed(&self.type_text)
    }

    /// Whether it is a `FLOAT(M,D)`, which Debezium widens to a double.
    #[must_use]
    pub fn has_float_digits(&self) -> bool {
        self.type_text.starts_with("float(")
    }
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
    /// Whether this declaration says of every row image what the log says. The log does not name
    /// a unique key that stands in for a primary key.
    #[must_use]
    pub fn covers(&self, logged: &Self) -> bool {
        let same = |(a, b): (&Column, &Column)| {
            (&a.name, a.nullable) == (&b.name, b.nullable) && a.column_type.shows(&b.column_type)
        };
        self.id == logged.id
            && (self.key == logged.key || logged.key.is_empty())
            && self.columns.len() == logged.columns.len()
            && self.columns.iter().zip(&logged.columns).all(same)
    }

    /// This declaration with the types that the log has, which shows more of some.
    #[must_use]
    pub fn with_types_of(mut self, logged: Self) -> Self {
        for (column, logged) in self.columns.iter_mut().zip(logged.columns) {
            column.column_type = logged.column_type;
        }
        self
    }

    /// The columns of the primary key with their places, in key order.
    pub fn key_columns_with_index(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.key.iter().filter_map(|index| Some((*index, self.columns.get(*index)?)))
    }

    /// The columns of the primary key, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|index| self.columns.get(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(members: &[&str]) -> TableSchema {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        let column = Column {
            name: "mood".to_owned(),
            column_type: ColumnType::Enum { members },
            nullable: true,
            declaration: None,
        };
        TableSchema { id: TableId::new("shop", "orders"), columns: vec![column], key: Vec::new() }
    }

    #[test]
    fn members_outside_the_first_plane_are_taken_from_the_log() {
        let logged = table(&["😀 good", "가", "?"]);
        let declared = table(&["? good", "가", "?"]);

        assert!(declared.covers(&logged));
        assert_eq!(declared.with_types_of(logged.clone()), logged);
    }

    #[test]
    fn other_members_are_another_declaration() {
        assert!(!table(&["a", "b"]).covers(&table(&["😀", "b"])));
    }
}
