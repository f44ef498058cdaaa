//! A column of Debezium's in the words of `information_schema`: what its parser has left of a
//! statement, in which a type can have any of its names and leave out what goes without saying.

use schema::table::TableId;

use super::record::{Column, Table};
use crate::snapshot::structure::{self, ColumnRow, Structure};

/// Columns of one table (MySQL's own limit).
const COLUMNS_MAX: usize = 4_096;

/// The structure of a table; the error says what is not understood.
pub(super) fn structure(id: &TableId, table: &Table) -> Result<Structure, String> {
    let columns = &table.columns;
    let is_in_order = columns.iter().enumerate().all(|(at, column)| column.position == at + 1);
    if columns.is_empty() || columns.len() > COLUMNS_MAX || !is_in_order {
        return Err("its columns are not one after the other there".to_owned());
    }
    let row = |column: &Column| {
        let not_understood =
            || format!("column `{}` is {} there", column.name, shortened(&column.type_name));
        row(column, table.default_charset_name.as_deref()).ok_or_else(not_understood)
    };
    let rows = columns.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let place = |name: &String| {
        let place = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        place.ok_or_else(|| format!("its key has column `{name}`, which it has not"))
    };
    let key = table.primary_key_column_names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    structure::retold(id, &rows, key)
        .map_err(|problem| format!("column `{}` is {} there", problem.column, problem.type_name))
}

/// A type's name that may be anything, for a message.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

fn row(column: &Column, table_charset: Option<&str>) -> Option<ColumnRow> {
    let typed = Typed::of(column, table_charset)?;
    let default = column.default_value_expression.as_ref().filter(|_| column.has_default_value);
    let default = default.map(|text| default_text(text, typed.data_type));
    Some((
        column.name.clone(),
        typed.data_type.to_owned(),
        typed.text,
        if column.optional { "YES" } else { "NO" }.to_owned(),
        typed.charset.map(|charset| charset.collation.into()),
        typed.charset.map(|charset| charset.name.to_owned()),
        Some(typed.octets),
        default,
        String::new(),
        column.comment.clone().unwrap_or_default(),
    ))
}

/// A default as `information_schema` has it. Debezium has left the quotes of a literal doubled, and
/// words as they were written. For the time of the statement it has the same as for time 0, which is
/// what its schemas say of both.
fn default_text(text: &str, data_type: &str) -> String {
    match text.to_ascii_uppercase().as_str() {
        "TRUE" if data_type == "tinyint" => "1".to_owned(),
        "FALSE" if data_type == "tinyint" => "0".to_owned(),
        _ => text.replace("''", "'"),
    }
}

/// A type as the server prints it.
struct Typed {
    data_type: &'static str,
    /// With its size and its attributes.
    text: String,
    charset: Option<CharsetInfo>,
    /// Most bytes of text or bytes.
    octets: u64,
}

impl Typed {
    fn of(column: &Column, table_charset: Option<&str>) -> Option<Self> {
        let name = column.type_name.to_ascii_uppercase();
        let mut words: Vec<&str> = name.split_whitespace().collect();
        let mut has = |word: &str| {
            let before = words.len();
            words.retain(|other| *other != word);
            words.len() < before
        };
        let (unsigned, zerofill) = (has("UNSIGNED"), has("ZEROFILL"));
        has("SIGNED");
        let name = words.join(" ");
        let (length, scale) = (column.length, column.scale);
        let text = |data_type: &'static str, text: String| {
            Some(Self { data_type, text, charset: None, octets: 0 })
        };
        if let Some(data_type) = number(&name, length, scale) {
            let sizes = match data_type {
                "decimal" => format!("({},{})", length.unwrap_or(10), scale.unwrap_or(0)),
                "bit" => format!("({})", length.unwrap_or(1)),
                "tinyint" if is_one(&name, length) && !unsigned => "(1)".to_owned(),
                "float" | "double" if scale.is_some() => format!("({},{})", length?, scale?),
                _ if zerofill && length.is_some() => format!("({})", length?),
                _ => String::new(),
            };
            let unsigned = unsigned || zerofill || name == "SERIAL";
            let attributes = if zerofill { " unsigned zerofill" } else { " unsigned" };
            let attributes = if unsigned { attributes } else { "" };
            return text(data_type, format!("{data_type}{sizes}{attributes}"));
        }
        if let Some(data_type) = moment(&name) {
            let fraction = length.filter(|digits| *digits > 0 && data_type != "year");
            let fraction = fraction.map_or_else(String::new, |digits| format!("({digits})"));
            return text(data_type, format!("{data_type}{fraction}"));
        }
        if let Some(data_type) = plain(&name) {
            return text(data_type, data_type.to_owned());
        }
        Self::of_text(&name, column, table_charset)
    }

    fn of_text(name: &str, column: &Column, table_charset: Option<&str>) -> Option<Self> {
        let (data_type, is_national) = text_type(name)?;
        let national = is_national.then_some("utf8mb3");
        let own = column.charset_name.as_deref().or(national).or(table_charset);
        let charset = if is_bytes(data_type) { Some(BINARY) } else { CharsetInfo::named(own?) };
        let charset = charset?;
        let data_type = if charset.name == BINARY.name { of_bytes(data_type) } else { data_type };
        let length = column.length.map(|length| length.checked_mul(charset.bytes));
        let (data_type, octets) = match (data_type, length) {
            (_, Some(None)) => return None,
            ("char" | "binary", None) => (data_type, charset.bytes),
            ("char" | "binary" | "varchar" | "varbinary", Some(Some(octets))) => {
                (data_type, octets)
            }
            ("varchar" | "varbinary", None) => return None,
            // The smallest type that has room for so many characters.
            ("text" | "blob", Some(Some(octets))) => fitting(data_type == "text", octets),
            ("enum" | "set", _) => (data_type, 0),
            (_, _) => (data_type, room(data_type)?),
        };
        let text = match data_type {
            "enum" | "set" => {
                let members = column.enum_values.as_ref().filter(|members| !members.is_empty())?;
                format!("{data_type}({})", members.join(","))
            }
            "char" | "binary" | "varchar" | "varbinary" => {
                format!("{data_type}({})", column.length.unwrap_or(1))
            }
            _ => data_type.to_owned(),
        };
        let charset = Some(charset).filter(|charset| charset.name != BINARY.name);
        Some(Self { data_type, text, charset, octets })
    }
}

fn number(name: &str, length: Option<u64>, scale: Option<u64>) -> Option<&'static str> {
    // FLOAT(p) is one of the two by its bits (MySQL's manual, "Floating-Point Types").
    const SINGLE_BITS: u64 = 24;
    Some(match name {
        "TINYINT" | "BOOL" | "BOOLEAN" | "INT1" => "tinyint",
        "SMALLINT" | "INT2" => "smallint",
        "MEDIUMINT" | "MIDDLEINT" | "INT3" => "mediumint",
        "INT" | "INTEGER" | "INT4" => "int",
        "BIGINT" | "INT8" | "SERIAL" => "bigint",
        "FLOAT" if scale.is_none() && length.is_some_and(|bits| bits > SINGLE_BITS) => "double",
        "FLOAT" | "FLOAT4" => "float",
        "DOUBLE" | "DOUBLE PRECISION" | "REAL" | "FLOAT8" => "double",
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => "decimal",
        "BIT" => "bit",
        _ => return None,
    })
}

fn is_one(name: &str, length: Option<u64>) -> bool {
    length == Some(1) || name.starts_with("BOOL")
}

fn moment(name: &str) -> Option<&'static str> {
    Some(match name {
        "YEAR" => "year",
        "DATE" => "date",
        "TIME" => "time",
        "DATETIME" => "datetime",
        "TIMESTAMP" => "timestamp",
        _ => return None,
    })
}

fn plain(name: &str) -> Option<&'static str> {
    Some(match name {
        "JSON" => "json",
        "VECTOR" => "vector",
        "POINT" => "point",
        "GEOMETRY" => "geometry",
        "LINESTRING" => "linestring",
        "POLYGON" => "polygon",
        "MULTIPOINT" => "multipoint",
        "MULTILINESTRING" => "multilinestring",
        "MULTIPOLYGON" => "multipolygon",
        "GEOMCOLLECTION" | "GEOMETRYCOLLECTION" => "geomcollection",
        _ => return None,
    })
}

/// The type, and whether it is one of the national ones, whose character set is always the same.
fn text_type(name: &str) -> Option<(&'static str, bool)> {
    Some(match name {
        "CHAR" | "CHARACTER" => ("char", false),
        "NCHAR" | "NATIONAL CHAR" | "NATIONAL CHARACTER" => ("char", true),
        "VARCHAR" | "CHAR VARYING" | "CHARACTER VARYING" => ("varchar", false),
        "NVARCHAR"
        | "NCHAR VARCHAR"
        | "NCHAR VARYING"
        | "NATIONAL VARCHAR"
        | "NATIONAL CHAR VARYING"
        | "NATIONAL CHARACTER VARYING" => ("varchar", true),
        "BINARY" => ("binary", false),
        "VARBINARY" => ("varbinary", false),
        "TINYTEXT" => ("tinytext", false),
        "TEXT" => ("text", false),
        "MEDIUMTEXT" | "LONG" | "LONG VARCHAR" | "LONG CHAR VARYING" => ("mediumtext", false),
        "LONGTEXT" => ("longtext", false),
        "TINYBLOB" => ("tinyblob", false),
        "BLOB" => ("blob", false),
        "MEDIUMBLOB" | "LONG VARBINARY" => ("mediumblob", false),
        "LONGBLOB" => ("longblob", false),
        "ENUM" => ("enum", false),
        "SET" => ("set", false),
        _ => return None,
    })
}

fn is_bytes(data_type: &str) -> bool {
    data_type.ends_with("blob") || data_type.ends_with("binary")
}

/// What text in the character set `binary` is; ENUM and SET stay what they are.
fn of_bytes(data_type: &'static str) -> &'static str {
    match data_type {
        "char" => "binary",
        "varchar" => "varbinary",
        "tinytext" => "tinyblob",
        "text" => "blob",
        "mediumtext" => "mediumblob",
        "longtext" => "longblob",
        other => other,
    }
}

/// Most bytes of a TEXT or BLOB.
fn room(data_type: &str) -> Option<u64> {
    Some(match data_type {
        "tinytext" | "tinyblob" => 0xff,
        "text" | "blob" => 0xffff,
        "mediumtext" | "mediumblob" => 0xff_ffff,
        "longtext" | "longblob" => 0xffff_ffff,
        _ => return None,
    })
}

fn fitting(is_text: bool, octets: u64) -> (&'static str, u64) {
    let (text, blob, room) = match octets {
        0..=0xff => ("tinytext", "tinyblob", 0xff),
        0x100..=0xffff => ("text", "blob", 0xffff),
        0x1_0000..=0xff_ffff => ("mediumtext", "mediumblob", 0xff_ffff),
        _ => ("longtext", "longblob", 0xffff_ffff),
    };
    (if is_text { text } else { blob }, room)
}

/// A character set of MySQL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CharsetInfo {
    name: &'static str,
    /// Any of its collations.
    collation: u16,
    /// Most bytes of a character.
    bytes: u64,
}

const BINARY: CharsetInfo = CharsetInfo { name: "binary", collation: 63, bytes: 1 };

impl CharsetInfo {
    fn named(name: &str) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { name };
        let is_it = |(known, ..): &&(&str, u16, u64)| known.eq_ignore_ascii_case(name);
        let (name, collation, bytes) = *CHARSETS.iter().find(is_it)?;
        Some(Self { name, collation, bytes })
    }
}

/// `information_schema.CHARACTER_SETS` of MySQL 8.4, with the number of each one's default
/// collation.
#[rustfmt::skip]
pub(super) const CHARSETS: [(&str, u16, u64); 41] = [
    ("armscii8", 32, 1), ("ascii", 11, 1), ("big5", 1, 2), ("cp1250", 26, 1), ("cp1251", 51, 1),
    ("cp1256", 57, 1), ("cp1257", 59, 1), ("cp850", 4, 1), ("cp852", 40, 1), ("cp866", 36, 1),
    ("cp932", 95, 2), ("dec8", 3, 1), ("eucjpms", 97, 3), ("euckr", 19, 2), ("gb18030", 248, 4),
    ("gb2312", 24, 2), ("gbk", 28, 2), ("geostd8", 92, 1), ("greek", 25, 1), ("hebrew", 16, 1),
    ("hp8", 6, 1), ("keybcs2", 37, 1), ("koi8r", 7, 1), ("koi8u", 22, 1), ("latin1", 8, 1),
    ("latin2", 9, 1), ("latin5", 30, 1), ("latin7", 41, 1), ("macce", 38, 1), ("macroman", 39, 1),
    ("sjis", 13, 2), ("swe7", 10, 1), ("tis620", 18, 1), ("ucs2", 35, 2), ("ujis", 12, 3),
    ("utf16", 54, 4), ("utf16le", 56, 4), ("utf32", 60, 4), ("utf8mb3", 33, 3), ("utf8mb4", 255, 4),
    ("binary", 63, 1),
];
