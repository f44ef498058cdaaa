//! Names for columns that the log does not name: those of a definition that was read from the
//! server, if it is the one that the rows were logged by. With `binlog_row_metadata=MINIMAL` the
//! log still has types, lengths, signs and collations; MySQL 5.7 has types and lengths only.

use schema::table::Column;
use schema::types::ColumnType;
use schema::types::charset::Charset;

use super::{
    BINARY_COLLATION, MappedColumn, OptionalMetadata, TableMap, WireType, bit_length, field,
};
use crate::snapshot::structure::{Collation, Structure, Text};

/// What the log says of columns that it does not name. Whole lists are missing where the server
/// does not log them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unnamed {
    wire: Vec<WireType>,
    unsigned: Option<Vec<bool>>,
    collations: Option<Vec<u16>>,
    geometries: Option<Vec<usize>>,
}

/// Why rows cannot be named by a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("the log has {logged} columns, its definition {declared}")]
    Count { logged: usize, declared: usize },
    #[error("its definition has another type of column {number}, `{name}`, than the log")]
    Column { number: usize, name: String },
    /// The server shows `?` for each character of four bytes.
    #[error("the server does not show all characters of the members of column `{name}`")]
    Members { name: String },
}

impl Unnamed {
    pub(super) fn new(wire: Vec<WireType>, optional: OptionalMetadata) -> Self {
        Self {
            wire,
            unsigned: optional.has_signs.then_some(optional.unsigned),
            collations: optional.has_collations.then_some(optional.collations),
            geometries: optional.has_geometries.then_some(optional.geometries),
        }
    }

    /// Whether a column of this place can be what the definition says.
    fn fits(&self, place: usize, column: &Column, text: Text) -> bool {
        let Some(wire) = self.wire.get(place) else { return false };
        let [first, second] = wire.metadata;
        let has_sign = |unsigned: bool| {
            self.unsigned.as_ref().is_none_or(|all| all.get(place) == Some(&unsigned))
        };
        match (&column.column_type, wire.number) {
            (ColumnType::TinyInt { unsigned }, field::TINY)
            | (ColumnType::SmallInt { unsigned }, field::SHORT)
            | (ColumnType::MediumInt { unsigned }, field::INT24)
            | (ColumnType::Int { unsigned }, field::LONG)
            | (ColumnType::BigInt { unsigned }, field::LONGLONG) => has_sign(*unsigned),
            (ColumnType::Float, field::FLOAT)
            | (ColumnType::Double, field::DOUBLE)
            | (ColumnType::Year, field::YEAR)
            | (ColumnType::Date, field::DATE)
            | (ColumnType::Json, field::JSON)
            | (ColumnType::Vector, field::VECTOR) => true,
            (ColumnType::Decimal { precision, scale }, field::NEWDECIMAL) => {
                [*precision, *scale] == wire.metadata
            }
            (ColumnType::Bit { length }, field::BIT) => bit_length(first, second) == Ok(*length),
            (ColumnType::Time { fraction }, field::TIME2)
            | (ColumnType::DateTime { fraction }, field::DATETIME2)
            | (ColumnType::Timestamp { fraction }, field::TIMESTAMP2) => fraction.digits() == first,
            (ColumnType::Enum { members }, field::ENUM) => {
                usize::from(first) == enum_bytes(members.len())
            }
            (ColumnType::Set { members }, field::SET) => {
                usize::from(first) == set_bytes(members.len())
            }
            (
                ColumnType::Text { .. } | ColumnType::Binary { .. } | ColumnType::Blob,
                field::VARCHAR | field::STRING | field::BLOB,
            ) => self.fits_text(*wire, place, (column, text)),
            (ColumnType::Geometry { point }, field::GEOMETRY) => {
                const POINT: usize = 1;
                let is_point = |all: &Vec<usize>| (all.get(place) == Some(&POINT)) == *point;
                self.geometries.as_ref().is_none_or(is_point)
            }
            _ => false,
        }
    }

    fn fits_text(&self, wire: WireType, place: usize, (column, text): (&Column, Text)) -> bool {
        let type_text = column.declaration.as_ref().map_or("", |it| it.type_text.as_str());
        let is_padded = type_text.starts_with("char") || type_text.starts_with("binary");
        let has_length = match wire.number {
            field::BLOB => usize::from(wire.metadata[0]) == length_bytes(text.octets),
            field::STRING => is_padded && u64::try_from(wire.length()) == Ok(text.octets),
            _ => !is_padded && u64::try_from(wire.length()) == Ok(text.octets),
        };
        let is_it = |logged: u16| match text.collation {
            None => logged == BINARY_COLLATION,
            Some(Collation::Number(number)) => logged == number,
            Some(Collation::OfCharset(charset)) => Charset::of_collation(logged) == Some(charset),
        };
        let logged = |all: &Vec<u16>| all.get(place).copied().is_some_and(is_it);
        let has_collation = self.collations.as_ref().is_none_or(logged);
        has_length && has_collation
    }
}

impl TableMap {
    /// The same with the names of a definition and what else only that has.
    pub(crate) fn named(&self, structure: &Structure) -> Result<Self, NameError> {
        let declared = &structure.schema;
        if declared.columns.len() != self.columns.len() {
            let (logged, declared) = (self.columns.len(), declared.columns.len());
            return Err(NameError::Count { logged, declared });
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for (place, (logged, column)) in self.columns.iter().zip(&declared.columns).enumerate() {
            let text = structure.texts.get(place).copied().unwrap_or_default();
            let name = column.name.clone();
            if logged.nullable != column.nullable || !self.unnamed.fits(place, column, text) {
                return Err(NameError::Column { number: place + 1, name });
            }
            let charset = structure.charsets.get(place).copied().flatten();
            if hides_members(&column.column_type, charset) {
                return Err(NameError::Members { name });
            }
            let column_type = Ok(column.column_type.clone());
            columns.push(MappedColumn { name, column_type, nullable: logged.nullable });
        }
        Ok(Self {
            id: self.id.clone(),
            columns,
            widths: self.widths.clone(),
            key: declared.key.clone(),
            has_prefix_key: false,
            unnamed: Unnamed::default(),
        })
    }
}

/// Whether a question mark in a member may stand for a character that the server does not show.
fn hides_members(column_type: &ColumnType, charset: Option<Charset>) -> bool {
    let (ColumnType::Enum { members } | ColumnType::Set { members }) = column_type else {
        return false;
    };
    let has_longer = matches!(
        charset,
        Some(Charset::Utf8 | Charset::Utf16 | Charset::Utf16le | Charset::Utf32 | Charset::Gb18030)
    );
    has_longer && members.iter().any(|member| member.contains('?'))
}

/// Bytes of an ENUM with so many members.
fn enum_bytes(members: usize) -> usize {
    if members < 256 { 1 } else { 2 }
}

/// Bytes of a SET with so many members: 1 to 4, or 8.
fn set_bytes(members: usize) -> usize {
    let bytes = members.div_ceil(8);
    if bytes > 4 { 8 } else { bytes }
}

/// Bytes of the length of a BLOB or TEXT that has room for so many bytes.
fn length_bytes(octets: u64) -> usize {
    match octets {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xff_ffff => 3,
        _ => 4,
    }
}
