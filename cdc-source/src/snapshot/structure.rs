//! A table's shape as `information_schema` has it: the same [`TableSchema`] that the log gives.

use std::fmt::Write as _;

use schema::table::{Column, Declaration, Default, TableId, TableSchema};
use schema::types::ColumnType;
use schema::types::charset::Charset;
use schema::types::temporal::Fraction;

use super::{bounds, create_table};
use crate::connection::Connection;
use crate::error::SourceError;

/// `ER_NO_SUCH_TABLE`.
pub(crate) const NO_SUCH_TABLE: u16 = 1146;

/// `ER_BAD_FIELD_ERROR`.
pub(super) const UNKNOWN_COLUMN: u16 = 1054;

/// A column whose type is not exact yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnsupportedColumn {
    pub(crate) column: String,
    pub(crate) type_name: String,
}

/// A table's shape, and what a SELECT's bytes are besides.
#[derive(Debug, Clone)]
pub(crate) struct Structure {
    pub(crate) schema: TableSchema,
    /// The character set of each column that has one. A SELECT reads ENUM and SET as text in it,
    /// the log as numbers.
    pub(crate) charsets: Vec<Option<Charset>>,
    /// What the declaration of each column says of its text or bytes.
    pub(crate) texts: Vec<Text>,
    /// What its rows are put in order by to copy them in chunks.
    pub(crate) chunk_key: ChunkKey,
    /// How that key is ordered: one text for each of its columns, with all that matters for it.
    pub(crate) key_order: Vec<String>,
}

/// What a declaration says of a column's text or bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// How its characters compare, unless it is bytes.
    pub(crate) collation: Option<Collation>,
    /// Most bytes of a value; 0 for other columns.
    pub(crate) octets: u64,
}

/// What is known of how a column's characters compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collation {
    /// The collation's number.
    Number(u16),
    /// Any of a character set: Debezium's history does not tell which.
    OfCharset(Charset),
}

/// The columns of an index along which a table is copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChunkKey {
    /// None if no index has them as whole columns: then the table cannot be divided.
    pub(crate) columns: Vec<usize>,
    /// Whether rows can have the same key: the columns were declared to be one.
    pub(crate) has_ties: bool,
}

/// Reads a table's shape; the inner error names a column that cannot be converted. A table that
/// does not exist has no columns. Without a key of its own it is copied along the columns that were
/// declared to be one, if they have an index.
pub(crate) async fn read(
    connection: &mut Connection,
    table: &TableId,
    declared: Option<&[String]>,
) -> Result<Result<Structure, UnsupportedColumn>, SourceError> {
    let filter = format!(
        "TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        text_literal(&table.database),
        text_literal(&table.name)
    );
    let mut columns: Vec<ColumnRow> = connection
        .rows(
            "read a table's columns",
            &format!(
                "SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.IS_NULLABLE, \
                 CAST(l.ID AS UNSIGNED), c.CHARACTER_SET_NAME, c.CHARACTER_OCTET_LENGTH, c.COLUMN_DEFAULT, c.EXTRA, \
                 c.COLUMN_COMMENT \
                 FROM information_schema.COLUMNS c LEFT JOIN information_schema.COLLATIONS l \
                 ON l.COLLATION_NAME = c.COLLATION_NAME WHERE {filter} ORDER BY ORDINAL_POSITION"
            ),
        )
        .await?;
    let shown = if columns.is_empty() { None } else { show(connection, table).await? };
    let keys = match shown {
        Some((keys, statement)) => {
            complete_defaults(&mut columns, &statement);
            keys
        }
        None => {
            columns.clear();
            Vec::new()
        }
    };
    let charsets = columns.iter().map(charset).collect();
    let texts = columns.iter().map(text).collect();
    let collations: Vec<_> = columns.iter().map(|(_, _, _, _, collation, ..)| *collation).collect();
    Ok(assemble(table, &columns, &keys).map(|schema| {
        let chunk_key = chunk_key(&schema, &keys, declared.unwrap_or_default());
        let key_order = bounds::key_order(&schema, &chunk_key.columns, &collations);
        Structure { schema, charsets, texts, chunk_key, key_order }
    }))
}

/// The parts of a table's indexes and the statement that makes it; `None` if there is no such table.
async fn show(
    connection: &mut Connection,
    table: &TableId,
) -> Result<Option<(Vec<IndexPart>, String)>, SourceError> {
    let name = quoted(table);
    let shown = async {
        // In the order in which the server has them, which `information_schema.STATISTICS` cannot
        // say.
        let statement = format!("SHOW KEYS FROM {name}");
        let keys: Vec<mysql_common::Row> =
            connection.rows("read a table's keys", &statement).await?;
        let statement = format!("SHOW CREATE TABLE {name}");
        let statement: Option<(String, String)> =
            connection.first("read a table's definition", &statement).await?;
        let keys = keys.iter().filter_map(IndexPart::read).collect();
        Ok((keys, statement.map(|(_, statement)| statement).unwrap_or_default()))
    };
    match shown.await {
        Ok(shown) => Ok(Some(shown)),
        Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn complete_defaults(columns: &mut [ColumnRow], statement: &str) {
    let literals = create_table::defaults(statement);
    for row in columns {
        let literal = literals.get(&row.0);
        let whole = literal.and_then(|literal| create_table::whole(&column_type(row)?, literal));
        if let Some(whole) = whole {
            row.7 = Some(whole);
        }
    }
}

/// One column of an index, or an expression in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct IndexPart {
    index: String,
    column: Option<String>,
    /// Whether only the column's beginning is in the index.
    is_prefix: bool,
    is_unique: bool,
    /// Whether rows can be read in its order: a tree that the optimizer may use.
    has_order: bool,
}

impl IndexPart {
    /// A row of `SHOW KEYS`.
    fn read(row: &mysql_common::Row) -> Option<Self> {
        const NON_UNIQUE: usize = 1;
        const NAME: usize = 2;
        const COLUMN: usize = 4;
        const PREFIX: usize = 7;
        let text = |place: usize| row.get_opt::<Option<String>, _>(place)?.ok();
        let named = |name: &str| row.get_opt::<String, _>(name)?.ok();
        let prefix: Option<u64> = row.get_opt(PREFIX)?.ok()?;
        let is_visible = named("Visible").is_none_or(|visible| visible == "YES");
        Some(Self {
            index: text(NAME)??,
            column: text(COLUMN)?,
            is_prefix: prefix.is_some(),
            is_unique: row.get_opt::<u8, _>(NON_UNIQUE)?.ok()? == 0,
            has_order: is_visible && named("Index_type").is_some_and(|kind| kind == "BTREE"),
        })
    }
}

/// The shape that another account of the columns and the key gives, by which rows can be named, and no
/// more: collations stand only for their character sets, and indexes are not known.
pub(crate) fn retold(
    table: &TableId,
    columns: &[ColumnRow],
    key: Vec<usize>,
) -> Result<Structure, UnsupportedColumn> {
    let schema = TableSchema { key, ..assemble(table, columns, &[])? };
    let charsets: Vec<_> = columns.iter().map(charset).collect();
    let text = |(row, charset): (&ColumnRow, &Option<Charset>)| {
        let Text { octets, .. } = text(row);
        Text { collation: charset.map(Collation::OfCharset), octets }
    };
    let texts = columns.iter().zip(&charsets).map(text).collect();
    let (chunk_key, key_order) = (ChunkKey::default(), Vec::new());
    Ok(Structure { schema, charsets, texts, chunk_key, key_order })
}

/// Name, data type, column type, nullable, collation, character set, bytes, default, extra, comment.
pub(crate) type ColumnRow = (
    String,
    String,
    String,
    String,
    Option<u64>,
    Option<String>,
    Option<u64>,
    Option<String>,
    String,
    String,
);

fn assemble(
    table: &TableId,
    columns: &[ColumnRow],
    keys: &[IndexPart],
) -> Result<TableSchema, UnsupportedColumn> {
    let column = |row: &ColumnRow| {
        let (name, _, type_name, nullable, _, charset, ..) = row;
        let in_charset =
            charset.as_ref().map_or_else(String::new, |name| format!(" in character set {name}"));
        let unsupported = || UnsupportedColumn {
            column: name.clone(),
            type_name: format!("{type_name}{in_charset}"),
        };
        Ok(Column {
            name: name.clone(),
            column_type: column_type(row).ok_or_else(unsupported)?,
            nullable: nullable == "YES",
            declaration: Some(declaration(row)),
        })
    };
    let parsed = columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let key = key_of(&parsed, keys);
    Ok(TableSchema { id: table.clone(), columns: parsed, key })
}

fn text(row: &ColumnRow) -> Text {
    let (_, _, _, _, collation, _, octets, ..) = row;
    let collation = collation.and_then(|id| u16::try_from(id).ok());
    Text { collation: collation.map(Collation::Number), octets: octets.unwrap_or_default() }
}

fn charset(row: &ColumnRow) -> Option<Charset> {
    let (_, _, _, _, collation, ..) = row;
    Charset::of_collation(u16::try_from((*collation)?).ok()?)
}

/// The primary key, or the first unique key of which no column can be NULL, as `InnoDB` and Debezium
/// choose. What is unique in its beginning is unique as a whole.
fn key_of(columns: &[Column], keys: &[IndexPart]) -> Vec<usize> {
    unique_key(columns, keys).map(|(key, _)| key).unwrap_or_default()
}

/// The key and the parts of its index.
fn unique_key<'a>(
    columns: &[Column],
    keys: &'a [IndexPart],
) -> Option<(Vec<usize>, &'a [IndexPart])> {
    let mut by_index = keys.chunk_by(|a, b| a.index == b.index);
    by_index.find_map(|parts| {
        let is_unique = parts.iter().all(|part| part.is_unique);
        is_unique.then(|| Some((places(columns, parts)?, parts)))?
    })
}

/// Where the columns of an index are; `None` if one is an expression or can be NULL.
fn places(columns: &[Column], parts: &[IndexPart]) -> Option<Vec<usize>> {
    let place = |part: &IndexPart| {
        let place = columns.iter().position(|column| Some(&column.name) == part.column.as_ref())?;
        columns.get(place).is_some_and(|column| !column.nullable).then_some(place)
    };
    parts.iter().map(place).collect()
}

/// The table's key if its index has all of its columns whole, or else the declared columns in the
/// order of an index that begins with them.
fn chunk_key(schema: &TableSchema, keys: &[IndexPart], declared: &[String]) -> ChunkKey {
    if let Some((columns, parts)) = unique_key(&schema.columns, keys) {
        let is_whole = parts.iter().all(|part| !part.is_prefix);
        return ChunkKey { columns: if is_whole { columns } else { Vec::new() }, has_ties: false };
    }
    let begins_with = |parts: &[IndexPart]| {
        let parts = parts.get(..declared.len())?;
        let is_declared = |part: &IndexPart| {
            let is_it = part.column.as_ref().is_some_and(|column| declared.contains(column));
            is_it && part.has_order && !part.is_prefix
        };
        parts.iter().all(is_declared).then(|| places(&schema.columns, parts))?
    };
    let mut by_index = keys.chunk_by(|a, b| a.index == b.index);
    let columns = by_index.find_map(begins_with).unwrap_or_default();
    ChunkKey { columns, has_ties: true }
}

fn declaration(row: &ColumnRow) -> Declaration {
    let (_, data_type, type_text, .., default, extra, comment) = row;
    let is_moment = matches!(data_type.as_str(), "timestamp" | "datetime");
    let default = match default {
        None => Default::None,
        Some(text) if is_moment && text.starts_with("CURRENT_TIMESTAMP") => {
            Default::CurrentTimestamp
        }
        Some(_) if extra.contains("DEFAULT_GENERATED") => Default::Expression,
        Some(text) => Default::Literal(text.clone()),
    };
    Declaration { type_text: type_text.clone(), default, comment: comment.clone() }
}

fn column_type(row: &ColumnRow) -> Option<ColumnType> {
    let (_, data_type, column_type, ..) = row;
    let unsigned = column_type.contains("unsigned") || column_type.contains("zerofill");
    let mut sizes = sizes(column_type);
    let mut size = || sizes.next().unwrap_or_default();
    let charset = || charset(row);
    // The members are shown in utf8mb3, whatever their column's character set is: one outside the
    // first plane of Unicode has a `?` here, and is itself in the log. Rows have it right all the
    // same, because they do not take their text from here.
    let members = || charset().map(|_| members(column_type));
    Some(match data_type.to_ascii_lowercase().as_str() {
        "tinyint" => ColumnType::TinyInt { unsigned },
        "smallint" => ColumnType::SmallInt { unsigned },
        "mediumint" => ColumnType::MediumInt { unsigned },
        "int" => ColumnType::Int { unsigned },
        "bigint" => ColumnType::BigInt { unsigned },
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "decimal" => ColumnType::Decimal { precision: small(size())?, scale: small(size())? },
        "bit" => ColumnType::Bit { length: small(size())? },
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            ColumnType::Text { charset: charset()? }
        }
        "binary" => ColumnType::Binary { length: size() },
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnType::Blob,
        "enum" => ColumnType::Enum { members: members()? },
        "set" => ColumnType::Set { members: members()? },
        "year" => ColumnType::Year,
        "date" => ColumnType::Date,
        "time" => ColumnType::Time { fraction: Fraction::new(small(size())?)? },
        "datetime" => ColumnType::DateTime { fraction: Fraction::new(small(size())?)? },
        "timestamp" => ColumnType::Timestamp { fraction: Fraction::new(small(size())?)? },
        "json" => ColumnType::Json,
        "vector" => ColumnType::Vector,
        "point" => ColumnType::Geometry { point: true },
        "geometry" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => {
            ColumnType::Geometry { point: false }
        }
        _ => return None,
    })
}

fn small(number: usize) -> Option<u8> {
    u8::try_from(number).ok()
}

/// The numbers in `decimal(10,2) unsigned`; of an ENUM or SET none, whose members come in quotes.
fn sizes(column_type: &str) -> impl Iterator<Item = usize> {
    let inside = column_type.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.map_or("", |(sizes, _)| sizes).split(',').map_while(|size| size.parse().ok())
}

/// The members in `enum('a','it''s','c\\\\d')`.
fn members(column_type: &str) -> Vec<String> {
    schema::table::members_as_printed(column_type)
        .iter()
        .map(|member| create_table::unescaped(member))
        .collect()
}

/// A table's name as a statement takes it.
pub(crate) fn quoted(table: &TableId) -> String {
    format!("{}.{}", quoted_name(&table.database), quoted_name(&table.name))
}

/// One name as a statement takes it.
pub(crate) fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Text as a literal that no SQL mode reads differently.
pub(crate) fn text_literal(text: &str) -> String {
    format!("_utf8mb4 x'{}'", hex(text.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_their_quotes_and_commas() {
        let text = r"enum('a','it''s','c,d','','\\\n')";

        assert_eq!(members(text), ["a", "it's", "c,d", "", "\\\n"]);
    }

    #[test]
    fn the_key_is_the_first_that_no_row_can_lack() {
        let column = |name: &str, nullable| Column {
            name: name.to_owned(),
            column_type: ColumnType::Int { unsigned: false },
            nullable,
            declaration: None,
        };
        let columns = [column("a", false), column("b", true), column("c", false)];
        let key = |name: &str, column: Option<&str>, prefix: Option<u64>| IndexPart {
            index: name.to_owned(),
            column: column.map(str::to_owned),
            is_prefix: prefix.is_some(),
            is_unique: name != "declared",
            has_order: true,
        };
        let keys = [
            key("z", Some("a"), None),
            key("z", Some("b"), None),
            key("y", None, None),
            key("declared", Some("a"), None),
            key("declared", Some("c"), None),
            key("x", Some("c"), Some(10)),
            key("x", Some("a"), None),
            key("w", Some("a"), None),
        ];
        let chunked_by = |keys: &[IndexPart], declared: &[&str]| {
            let id = TableId::new("shop", "t");
            let key = key_of(&columns, keys);
            let schema = TableSchema { id, columns: columns.to_vec(), key };
            let declared: Vec<_> = declared.iter().map(|name| (*name).to_owned()).collect();
            chunk_key(&schema, keys, &declared).columns
        };

        assert_eq!(key_of(&columns, &keys), [2, 0]);
        assert_eq!(key_of(&columns, &keys[..5]), [0_usize; 0]);
        assert_eq!(chunked_by(&keys, &[]), [0_usize; 0], "its index has no whole column c");
        assert_eq!(chunked_by(&keys[7..], &["c"]), [0], "a key of its own comes first");
        assert_eq!(chunked_by(&keys[..5], &["c", "a"]), [0, 2], "in the order of the index");
        assert_eq!(chunked_by(&keys[..5], &["a"]), [0]);
        assert_eq!(chunked_by(&keys[..5], &["c"]), [0_usize; 0]);
        assert_eq!(chunked_by(&keys[..5], &["a", "b"]), [0_usize; 0]);
        assert_eq!(chunked_by(&keys[..5], &[]), [0_usize; 0]);
    }

    #[test]
    fn members_are_read_without_their_backslashes() {
        assert_eq!(members(r"set('a\\b','\\','\n\r\0')"), [r"a\b", r"\", "\n\r\0"]);
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted(&TableId::new("a`b", "c")), "`a``b`.`c`");
        assert_eq!(text_literal("a'"), "_utf8mb4 x'6127'");
    }
}
