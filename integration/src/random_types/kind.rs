//! A random type of a column.

use super::text::quoted;
use crate::random::Random;

/// A character set and one of its collations.
pub(super) type Collation = (String, String);

/// What the values of a column are drawn by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An integer of so many bits.
    Integer {
        bits: u32,
        unsigned: bool,
    },
    Bit {
        length: u32,
    },
    Decimal {
        precision: u64,
        scale: u64,
    },
    Float,
    Double,
    /// Text of so many characters at most.
    Text {
        longest: u64,
    },
    /// Bytes, so many at most.
    Bytes {
        longest: u64,
    },
    /// By the number of a member.
    Enum {
        members: u64,
    },
    Set {
        members: u32,
    },
    Year,
    Date,
    Time {
        digits: u32,
    },
    DateTime {
        digits: u32,
    },
    Timestamp {
        digits: u32,
    },
    Json,
    Geometry {
        name: &'static str,
        srid: Option<u32>,
    },
    Vector {
        entries: u64,
    },
}

impl Kind {
    /// Whether columns of the type take a literal as default; the others take an expression.
    pub(super) fn takes_literal_default(&self, sql: &str) -> bool {
        !(matches!(self, Self::Json | Self::Geometry { .. } | Self::Vector { .. })
            || sql.contains("TEXT")
            || sql.contains("BLOB"))
    }

    /// Whether a column of the type can be part of a key along which a table is copied. The
    /// product says in its log which keys it refuses: BIT, FLOAT, DOUBLE,
    /// TIME, ENUM, SET and prefixes.
    pub(super) fn can_be_key(&self, sql: &str) -> bool {
        match self {
            Self::Text { longest } | Self::Bytes { longest } => {
                (1..=60).contains(longest) && !sql.contains("TEXT") && !sql.contains("BLOB")
            }
            Self::Integer { .. }
            | Self::Decimal { .. }
            | Self::Year
            | Self::Date
            | Self::DateTime { .. }
            | Self::Timestamp { .. } => true,
            Self::Bit { .. }
            | Self::Float
            | Self::Double
            | Self::Time { .. }
            | Self::Enum { .. }
            | Self::Set { .. }
            | Self::Json
            | Self::Geometry { .. }
            | Self::Vector { .. } => false,
        }
    }
}

/// A type and how SQL writes it.
pub(super) fn draw(random: &mut Random, collations: &[Collation]) -> (Kind, String) {
    let digits = u32::try_from(random.below(7)).unwrap_or_default();
    let fraction = if digits == 0 { String::new() } else { format!("({digits})") };
    match random.below(20) {
        0..=2 => integer(random),
        3 => bit(random),
        4 | 5 => decimal(random),
        6 => float(random),
        7..=9 => text(random, collations),
        10 | 11 => bytes(random),
        12 => members(random, collations, true),
        13 => members(random, collations, false),
        14 if random.chance(50) => (Kind::Year, "YEAR".to_owned()),
        14 => (Kind::Date, "DATE".to_owned()),
        15 => (Kind::Time { digits }, format!("TIME{fraction}")),
        16 => (Kind::DateTime { digits }, format!("DATETIME{fraction}")),
        17 => (Kind::Timestamp { digits }, format!("TIMESTAMP{fraction}")),
        18 => (Kind::Json, "JSON".to_owned()),
        _ if random.chance(30) => {
            let entries = random.pick(&[1, 2, 3, 100, 2048]);
            (Kind::Vector { entries }, format!("VECTOR({entries})"))
        }
        _ => geometry(random),
    }
}

fn integer(random: &mut Random) -> (Kind, String) {
    let (bits, name) = random.pick(&[
        (8, "TINYINT"),
        (8, "TINYINT(1)"),
        (16, "SMALLINT"),
        (24, "MEDIUMINT"),
        (32, "INT"),
        (64, "BIGINT"),
    ]);
    let sign = random.pick(&["", "", " UNSIGNED", " ZEROFILL"]);
    (Kind::Integer { bits, unsigned: !sign.is_empty() }, format!("{name}{sign}"))
}

fn bit(random: &mut Random) -> (Kind, String) {
    let some = u32::try_from(random.between(1, 64)).unwrap_or(1);
    let length = random.pick(&[1, 2, 7, 8, 9, 63, 64, some, some, some]);
    (Kind::Bit { length }, format!("BIT({length})"))
}

fn decimal(random: &mut Random) -> (Kind, String) {
    let some = random.between(1, 65);
    let precision = random.pick(&[1, 9, 10, 18, 19, 38, 65, some, some, some]);
    let some = random.between(0, precision.min(30));
    let scale = random.pick(&[0, precision.min(30), some, some]);
    let sign = random.pick(&["", "", "", " UNSIGNED", " ZEROFILL"]);
    (Kind::Decimal { precision, scale }, format!("DECIMAL({precision},{scale}){sign}"))
}

fn float(random: &mut Random) -> (Kind, String) {
    let (kind, name) =
        if random.chance(50) { (Kind::Float, "FLOAT") } else { (Kind::Double, "DOUBLE") };
    let digits = random.between(1, 20);
    let fraction = random.between(0, digits.min(10));
    let size = if random.chance(30) { format!("({digits},{fraction})") } else { String::new() };
    let sign = random.pick(&["", "", "", " UNSIGNED", " ZEROFILL"]);
    (kind, format!("{name}{size}{sign}"))
}

/// A character set, and a clause that names it or one of its collations.
fn clause(random: &mut Random, collations: &[Collation]) -> (String, String) {
    if random.chance(20) {
        return ("utf8mb4".to_owned(), String::new());
    }
    let (charset, collation) = random.pick(collations);
    let some = random.pick(&[format!(" CHARACTER SET {charset}"), format!(" COLLATE {collation}")]);
    (charset, some)
}

fn text(random: &mut Random, collations: &[Collation]) -> (Kind, String) {
    let (_, clause) = clause(random, collations);
    let some = random.between(1, 60);
    let short = random.pick(&[1, some, some, 255]);
    let long = random.pick(&[some, some, 255, 256, 1000]);
    let (longest, name) = random.pick(&[
        (short, format!("CHAR({short})")),
        (short, format!("CHAR({short})")),
        (long, format!("VARCHAR({long})")),
        (long, format!("VARCHAR({long})")),
        (long, format!("VARCHAR({long})")),
        (63, "TINYTEXT".to_owned()),
        (16_000, "TEXT".to_owned()),
        (20_000, "MEDIUMTEXT".to_owned()),
        (20_000, "LONGTEXT".to_owned()),
    ]);
    (Kind::Text { longest }, format!("{name}{clause}"))
}

fn bytes(random: &mut Random) -> (Kind, String) {
    let some = random.between(1, 60);
    let short = random.pick(&[0, 1, some, some, 255]);
    let long = random.pick(&[some, some, 255, 256, 1000]);
    let (longest, name) = random.pick(&[
        (short, format!("BINARY({short})")),
        (long, format!("VARBINARY({long})")),
        (255, "TINYBLOB".to_owned()),
        (65_535, "BLOB".to_owned()),
        (70_000, "MEDIUMBLOB".to_owned()),
        (70_000, "LONGBLOB".to_owned()),
    ]);
    (Kind::Bytes { longest }, name)
}

/// An ENUM or a SET.
fn members(random: &mut Random, collations: &[Collation], is_enum: bool) -> (Kind, String) {
    let (charset, clause) = clause(random, collations);
    let mut list = member_names(random, is_enum);
    let has_all = ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030"].contains(&charset.as_str());
    if !has_all {
        list.retain(|member| member.is_ascii());
    }
    if list.is_empty() {
        list.push("only".to_owned());
    }
    let names: Vec<_> = list.iter().map(|member| quoted(member)).collect();
    let (length, names) = (list.len(), names.join(","));
    if is_enum {
        let members = u64::try_from(length).unwrap_or_default();
        (Kind::Enum { members }, format!("ENUM({names}){clause}"))
    } else {
        let members = u32::try_from(length).unwrap_or_default();
        (Kind::Set { members }, format!("SET({names}){clause}"))
    }
}

/// Members that have to be quoted, or are numbers, or are not of ASCII; up to what takes a byte
/// more in the log.
fn member_names(random: &mut Random, is_enum: bool) -> Vec<String> {
    const ODD: [&str; 12] =
        ["it's", "a b", " b", "\"", "\\", "1", "0", "NULL", "`", "é", "한", "😀"];
    let some = random.between(1, 12);
    let count = if is_enum {
        random.pick(&[1, 2, some, some, 255, 256, 300])
    } else {
        random.pick(&[1, 2, some, some, 8, 9, 16, 17, 33, 63, 64])
    };
    let mut list = Vec::new();
    for number in 1..=count {
        let odd = random.pick(&ODD);
        list.push(match random.below(6) {
            0 if !list.contains(&odd.to_owned()) => odd.to_owned(),
            1 => format!("{number}{odd}m"),
            2 if is_enum => format!("m{number},x"),
            _ => format!("m{number}"),
        });
    }
    if is_enum && random.chance(20) {
        list.push(String::new());
    }
    list
}

fn geometry(random: &mut Random) -> (Kind, String) {
    let name = random.pick(&[
        "GEOMETRY",
        "POINT",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
    ]);
    let srid = random.pick(&[None, None, Some(0), Some(4326), Some(3857)]);
    let clause = srid.map(|srid| format!(" SRID {srid}")).unwrap_or_default();
    (Kind::Geometry { name, srid }, format!("{name}{clause}"))
}
