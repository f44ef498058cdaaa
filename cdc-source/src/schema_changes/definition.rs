//! A table's definition as Debezium tells it, from what the server says now.

use std::collections::HashMap;

use mysql_common::Row;
use schema::schema_change::{ColumnDefinition, TableDefinition};
use schema::table::{Declaration, Default, TableId, members_as_printed};

use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot::create_table;
use crate::snapshot::structure::{NO_SUCH_TABLE, quoted, text_literal};

/// `ER_TABLEACCESS_DENIED_ERROR`.
const DENIED: u16 = 1142;

/// What Debezium tells of a default that is the time of the statement.
const NOW: &str = "1970-01-01 00:00:00";

/// A table now, and the statement that makes it.
pub(crate) struct Shown {
    pub(crate) definition: TableDefinition,
    pub(crate) statement: String,
}

/// Reads a table's definition; none if there is no such table, or if it may not be seen. `comments` says
/// whether its comments belong to it.
pub(crate) async fn read(
    connection: &mut Connection,
    table: &TableId,
    comments: bool,
) -> Result<Option<Shown>, SourceError> {
    let filter = format!(
        "TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        text_literal(&table.database),
        text_literal(&table.name)
    );
    let query = format!(
        "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE {filter} AND \
         TABLE_TYPE = 'BASE TABLE'"
    );
    let comment: Option<(String,)> = connection.first("read a table's comment", &query).await?;
    let Some((comment,)) = comment else { return Ok(None) };
    let query = format!(
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLUMN_DEFAULT, EXTRA, \
         COLUMN_COMMENT FROM information_schema.COLUMNS WHERE {filter} ORDER BY ORDINAL_POSITION"
    );
    let columns: Vec<ColumnRow> = connection.rows("read a table's columns", &query).await?;
    let statement = format!("SHOW CREATE TABLE {}", quoted(table));
    let shown: Result<Option<Row>, _> =
        connection.first("read a table's definition", &statement).await;
    let shown = match shown {
        Err(SourceError::Statement { code: NO_SUCH_TABLE | DENIED, .. }) => None,
        shown => shown?,
    };
    let statement = shown.and_then(|row| row.get_opt::<String, _>(1)?.ok());
    let Some(statement) = statement.filter(|_| !columns.is_empty()) else { return Ok(None) };
    let definition = define(&columns, &statement, comments.then_some(comment));
    Ok(Some(Shown { definition, statement }))
}

/// Name, column type, nullable, character set, default, extra, comment.
type ColumnRow = (String, String, String, Option<String>, Option<String>, String, String);

fn define(columns: &[ColumnRow], statement: &str, comment: Option<String>) -> TableDefinition {
    let literals = create_table::defaults(statement);
    let comments = comment.is_some();
    TableDefinition {
        charset: charset_of(statement),
        key: key_of(statement, columns),
        columns: columns.iter().map(|row| column(row, &literals, comments)).collect(),
        comment: comment.filter(|comment| !comment.is_empty()),
    }
}

fn column(row: &ColumnRow, literals: &HashMap<String, &str>, comments: bool) -> ColumnDefinition {
    let (name, type_text, nullable, charset, _, extra, comment) = row;
    let declaration = Declaration {
        type_text: type_text.clone(),
        default: Default::None,
        comment: String::new(),
    };
    let type_name = declaration.type_name();
    let members = matches!(type_name.as_str(), "ENUM" | "SET").then(|| members_of(type_text));
    let number = |text: &str| text.parse().ok();
    let (length, scale) = match (&*type_name, &members) {
        ("ENUM", _) => (Some(1), None),
        // Each member counts for one, with commas between them.
        (_, Some(members)) => (i32::try_from((2 * members.len()).saturating_sub(1)).ok(), None),
        (_, None) => declaration.size().map_or((None, None), |(length, scale)| {
            (number(&length), scale.as_deref().and_then(number))
        }),
    };
    let extra = extra.to_ascii_lowercase();
    ColumnDefinition {
        jdbc_type: jdbc_type(&type_name),
        charset: charset.clone(),
        length,
        scale,
        is_optional: nullable == "YES",
        is_filled: extra.contains("auto_increment") || extra.contains("on update"),
        comment: Some(comment.clone()).filter(|comment| comments && !comment.is_empty()),
        default: default_of(row, literals.get(name).copied()),
        members,
        name: name.clone(),
        type_name,
    }
}

/// The members of an ENUM or SET, in the quotes that the statement has around them.
fn members_of(type_text: &str) -> Vec<String> {
    let quoted = |member: &String| format!("'{}'", member.replace('\'', "''"));
    members_as_printed(type_text).iter().map(quoted).collect()
}

/// The default as the statement has it, without its quotes. That of an expression is none.
fn default_of(row: &ColumnRow, literal: Option<&str>) -> Option<String> {
    let (_, type_text, _, _, default, extra, _) = row;
    let default = default.as_deref()?;
    if extra.contains("DEFAULT_GENERATED") || default.starts_with("CURRENT_TIMESTAMP") {
        let is_moment = ["timestamp", "datetime"].iter().any(|kind| type_text.starts_with(kind));
        let is_now = is_moment && default.starts_with("CURRENT_TIMESTAMP");
        return is_now.then(|| NOW.to_owned());
    }
    if let Some(bits) = default.strip_prefix("b'").and_then(|bits| bits.strip_suffix('\'')) {
        return Some(bits.to_owned());
    }
    let text = literal.and_then(|literal| literal.strip_prefix('\'')?.strip_suffix('\''));
    let text = text.map(|text| text.replace("''", "'"));
    Some(text.or_else(|| literal.map(str::to_owned)).unwrap_or_else(|| default.to_owned()))
}

/// The character set that `SHOW CREATE TABLE` ends with.
fn charset_of(statement: &str) -> Option<String> {
    let (_, options) = statement.split_once("\n) ")?;
    let (_, charset) = options.split_once("DEFAULT CHARSET=")?;
    charset.split([' ', '\n']).next().map(str::to_owned)
}

/// The primary key, or the first unique key of which no column can be NULL.
fn key_of(statement: &str, columns: &[ColumnRow]) -> Vec<String> {
    let is_required = |key: &String| {
        columns.iter().any(|(name, _, nullable, ..)| name == key && nullable == "NO")
    };
    let keys = statement.lines().filter_map(|line| {
        let line = line.strip_prefix("  ")?;
        if let Some(parts) = line.strip_prefix("PRIMARY KEY ") {
            return key_columns(parts);
        }
        let (_, parts) = create_table::name(line.strip_prefix("UNIQUE KEY ")?)?;
        key_columns(parts.trim_start())
    });
    let mut required = keys.filter(|key| key.iter().all(is_required));
    required.next().unwrap_or_default()
}

/// The names in ``(`a`,`b`(10) DESC)``; none if one is an expression.
fn key_columns(parts: &str) -> Option<Vec<String>> {
    let mut columns = Vec::new();
    let mut rest = parts.strip_prefix('(')?;
    loop {
        let (column, behind) = create_table::name(rest)?;
        columns.push(column);
        let behind = match behind.strip_prefix('(') {
            Some(prefix) => prefix.split_once(')')?.1,
            None => behind,
        };
        let end = behind.find([',', ')'])?;
        let (_, next) = behind.split_at_checked(end)?;
        match next.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(columns),
        }
    }
}

/// The numbers of `java.sql.Types`, as Debezium's parser assigns them.
fn jdbc_type(type_name: &str) -> i32 {
    const OTHER: i32 = 1111;
    match type_name.split(' ').next().unwrap_or_default() {
        "TINYINT" | "SMALLINT" => 5,
        "MEDIUMINT" | "INT" | "YEAR" => 4,
        "BIGINT" => -5,
        "FLOAT" => 6,
        "DOUBLE" => 8,
        "DECIMAL" => 3,
        "BIT" => -7,
        "CHAR" | "ENUM" | "SET" => 1,
        "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => 12,
        "BINARY" => -2,
        "VARBINARY" => -3,
        "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => 2004,
        "DATE" => 91,
        "TIME" => 92,
        "DATETIME" => 93,
        "TIMESTAMP" => 2014,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, type_text: &str, default: Option<&str>, extra: &str) -> ColumnRow {
        let (charset, default) = (None, default.map(str::to_owned));
        let (name, type_text) = (name.to_owned(), type_text.to_owned());
        (name, type_text, "NO".to_owned(), charset, default, extra.to_owned(), "why".to_owned())
    }

    const STATEMENT: &str = "CREATE TABLE `t` (
  `a` int NOT NULL DEFAULT '7',
  `e` varchar(9) NOT NULL DEFAULT 'it''s\\0',
  `x` int DEFAULT NULL,
  UNIQUE KEY `f` ((`a` + 1)),
  UNIQUE KEY `n` (`x`),
  UNIQUE KEY `k` (`e`(4) DESC,`a`) USING BTREE
) ENGINE=InnoDB DEFAULT CHARSET=latin1 COMMENT='DEFAULT CHARSET=x'
/*!50100 PARTITION BY HASH (`a`) */";

    #[test]
    fn a_definition_is_told_as_debezium_tells_it() {
        let mut nullable = row("x", "int", None, "");
        nullable.2 = "YES".to_owned();
        let columns = [
            row("a", "int unsigned", Some("7"), "auto_increment"),
            row("e", "varchar(9)", Some("it's"), ""),
            nullable,
        ];

        let told = define(&columns, STATEMENT, None);

        assert_eq!(told.charset.as_deref(), Some("latin1"));
        assert_eq!(told.key, ["e", "a"]);
        let [a, e, x] = told.columns.as_slice() else { panic!() };
        assert_eq!((&*a.type_name, a.jdbc_type, a.is_filled), ("INT UNSIGNED", 4, true));
        assert_eq!((a.default.as_deref(), e.default.as_deref()), (Some("7"), Some("it's\\0")));
        assert_eq!((e.length, x.is_optional, &e.comment), (Some(9), true, &None));
        let told = define(&columns, STATEMENT, Some("of t".to_owned()));
        assert_eq!(told.comment.as_deref(), Some("of t"));
        assert_eq!(told.columns[0].comment.as_deref(), Some("why"));
    }

    #[test]
    fn types_are_told_with_their_sizes() {
        let told = |type_text: &str| {
            let told = column(&row("a", type_text, None, ""), &HashMap::new(), false);
            (told.type_name, told.jdbc_type, told.length, told.scale, told.members)
        };
        let name = str::to_owned;

        assert_eq!(told("decimal(10,2)"), (name("DECIMAL"), 3, Some(10), Some(2), None));
        assert_eq!(told("datetime(3)"), (name("DATETIME"), 93, Some(3), None, None));
        assert_eq!(told("json"), (name("JSON"), 1111, None, None, None));
        let members = || Some(vec![name("'a'"), name("'it''s'"), name("'c,d'")]);
        assert_eq!(told("enum('a','it''s','c,d')"), (name("ENUM"), 1, Some(1), None, members()));
        assert_eq!(told("set('a','it''s','c,d')"), (name("SET"), 1, Some(5), None, members()));
    }

    #[test]
    fn defaults_are_literals_or_none() {
        let told = |type_text: &str, default: &str, extra: &str| {
            default_of(&row("a", type_text, Some(default), extra), None)
        };

        assert_eq!(told("bit(8)", "b'101'", "").as_deref(), Some("101"));
        let now = told("timestamp", "CURRENT_TIMESTAMP", "DEFAULT_GENERATED on update");
        assert_eq!(now.as_deref(), Some(NOW));
        assert_eq!(told("json", "json_array()", "DEFAULT_GENERATED"), None);
        assert_eq!(told("year", "2021", "").as_deref(), Some("2021"));
    }
}
