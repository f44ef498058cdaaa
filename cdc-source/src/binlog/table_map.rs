//! `TABLE_MAP` events: what the rows that follow look like.
//!
//! Body and optional metadata as described in MySQL's `libs/mysql/binlog/event/rows_event.h`. With
//! `binlog_row_metadata=FULL` they hold everything that decoding needs.

mod names;

use std::borrow::Cow;

use schema::table::{Column, TableId, TableSchema};
use schema::types::ColumnType;
use schema::types::charset::Charset;
use schema::types::temporal::Fraction;

use super::event::EventError;
use super::reader::{Reader, bits};
use crate::rows::CellWidth;

pub(crate) use names::Unnamed;

/// Most columns of a table: `MAX_FIELDS` of the server.
pub(super) const COLUMNS_MAX: usize = 4096;

/// Number of the collation `binary`, which marks bytes that are not text.
const BINARY_COLLATION: u16 = 63;

/// A parsed `TABLE_MAP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMap {
    pub(crate) id: TableId,
    pub(crate) columns: Vec<MappedColumn>,
    /// How many bytes the value of each column takes in a row image.
    pub(crate) widths: Vec<CellWidth>,
    /// Indices of the primary key's columns, in key order.
    pub(crate) key: Vec<usize>,
    /// Whether a key column is indexed by a prefix only.
    pub(crate) has_prefix_key: bool,
    /// What is known of columns that have no names.
    pub(crate) unnamed: Unnamed,
}

/// One column as the log describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MappedColumn {
    /// Empty unless `binlog_row_metadata=FULL`.
    pub(crate) name: String,
    /// What the values are, or the name of a type that is not exact yet.
    pub(crate) column_type: Result<ColumnType, &'static str>,
    pub(crate) nullable: bool,
}

impl TableMap {
    /// The table's shape, or the column and type that cannot be converted.
    pub(crate) fn table_schema(&self) -> Result<TableSchema, (String, &'static str)> {
        let column = |column: &MappedColumn| match &column.column_type {
            Ok(column_type) => Ok(Column {
                name: column.name.clone(),
                column_type: column_type.clone(),
                nullable: column.nullable,
                declaration: None,
            }),
            Err(type_name) => Err((column.name.clone(), *type_name)),
        };
        Ok(TableSchema {
            id: self.id.clone(),
            columns: self.columns.iter().map(column).collect::<Result<_, _>>()?,
            key: self.key.clone(),
        })
    }

    /// Whether the log names the columns.
    pub(crate) fn has_names(&self) -> bool {
        self.columns.iter().all(|column| !column.name.is_empty())
    }
}

/// The body of an event that may say what an earlier one has said: each transaction repeats it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedTableMap<'a> {
    /// The number that row events refer to.
    pub(crate) number: u64,
    /// Number and all: equal bytes mean the same.
    pub(crate) bytes: &'a [u8],
}

impl<'a> EncodedTableMap<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, EventError> {
        let number = Reader::new(bytes).little_endian(6);
        Ok(Self { number: number.ok_or(EventError::Malformed("table map"))?, bytes })
    }

    /// The table that it is about; it stands before everything else that can be damaged.
    pub(crate) fn table(self) -> Option<TableId> {
        head(self.bytes).map(|(table, _)| table)
    }

    /// What it says.
    pub(crate) fn parse(self) -> Result<TableMap, EventError> {
        parse(self.bytes)
    }
}

/// The table's name, and what comes behind it.
fn head(data: &[u8]) -> Option<(TableId, Reader<'_>)> {
    let mut reader = Reader::new(data);
    // The number, and flags that concern the server only.
    reader.take(8)?;
    let database = reader.name()?;
    let name = reader.name()?;
    Some((TableId::new(database, name), reader))
}

fn parse(data: &[u8]) -> Result<TableMap, EventError> {
    let malformed = || EventError::Malformed("table map");
    let (id, mut reader) = head(data).ok_or_else(malformed)?;
    let count = reader.length().filter(|count| *count <= COLUMNS_MAX).ok_or_else(malformed)?;
    let types = reader.take(count).ok_or_else(malformed)?;
    let metadata_length = reader.length().ok_or_else(malformed)?;
    let metadata = reader.take(metadata_length).ok_or_else(malformed)?;
    let nullable: Vec<bool> =
        bits(reader.take(count.div_ceil(8)).ok_or_else(malformed)?, count).collect();
    let wire = wire_types(types, metadata).ok_or_else(malformed)?;
    let optional = OptionalMetadata::parse(reader.rest(), &wire).ok_or_else(malformed)?;
    let columns = wire
        .iter()
        .enumerate()
        .map(|(index, wire)| MappedColumn {
            name: optional.names.get(index).cloned().unwrap_or_default(),
            column_type: wire.column_type(index, &optional),
            nullable: nullable.get(index).copied().unwrap_or(true),
        })
        .collect();
    if !is_key(&optional.key, count) || ![0, count].contains(&optional.names.len()) {
        return Err(malformed());
    }
    let widths = wire.iter().map(|wire| wire.width()).collect();
    let (key, has_prefix_key) = (optional.key.clone(), optional.has_prefix_key);
    let is_named = !optional.names.is_empty();
    let unnamed = if is_named { Unnamed::default() } else { Unnamed::new(wire, optional) };
    Ok(TableMap { id, columns, widths, key, has_prefix_key, unnamed })
}

/// Whether these are columns of the table, each at most once.
fn is_key(key: &[usize], count: usize) -> bool {
    let mut seen = vec![false; count];
    key.iter().all(|index| seen.get_mut(*index).is_some_and(|seen| !std::mem::replace(seen, true)))
}

/// A type as it stands in the event: its number and its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireType {
    number: u8,
    /// First and second byte of the metadata.
    metadata: [u8; 2],
}

/// Column types by their number (`enum_field_types`).
mod field {
    pub(super) const TINY: u8 = 1;
    pub(super) const SHORT: u8 = 2;
    pub(super) const LONG: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DOUBLE: u8 = 5;
    pub(super) const LONGLONG: u8 = 8;
    pub(super) const INT24: u8 = 9;
    pub(super) const DATE: u8 = 10;
    pub(super) const YEAR: u8 = 13;
    pub(super) const VARCHAR: u8 = 15;
    pub(super) const BIT: u8 = 16;
    pub(super) const TIMESTAMP2: u8 = 17;
    pub(super) const DATETIME2: u8 = 18;
    pub(super) const TIME2: u8 = 19;
    pub(super) const VECTOR: u8 = 242;
    pub(super) const JSON: u8 = 245;
    pub(super) const NEWDECIMAL: u8 = 246;
    pub(super) const ENUM: u8 = 247;
    pub(super) const SET: u8 = 248;
    pub(super) const BLOB: u8 = 252;
    pub(super) const STRING: u8 = 254;
    pub(super) const GEOMETRY: u8 = 255;
}

/// Pairs each type with its metadata, whose length depends on the type.
fn wire_types(types: &[u8], metadata: &[u8]) -> Option<Vec<WireType>> {
    let mut reader = Reader::new(metadata);
    let wire = |number: &u8| {
        let length = match *number {
            field::FLOAT
            | field::DOUBLE
            | field::BLOB
            | field::JSON
            | field::GEOMETRY
            | field::VECTOR
            | field::TIMESTAMP2
            | field::DATETIME2
            | field::TIME2 => 1,
            field::VARCHAR | field::BIT | field::NEWDECIMAL | field::STRING => 2,
            field::ENUM | field::SET => 2,
            _ => 0,
        };
        let bytes = reader.take(length)?;
        let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
        Some(WireType { number: *number, metadata: [at(0), at(1)] }.unpacked())
    };
    types.iter().map(wire).collect()
}

impl WireType {
    /// `STRING` hides the real type of CHAR, ENUM and SET in its first metadata byte, and two bits
    /// of a length over 255 in it as well, inverted.
    fn unpacked(self) -> Self {
        let [first, second] = self.metadata;
        if self.number != field::STRING {
            return self;
        }
        if matches!(first, field::ENUM | field::SET) {
            return Self { number: first, metadata: [second, 0] };
        }
        let high = (first & 0x30) ^ 0x30;
        Self { number: field::STRING, metadata: [second, high >> 4] }
    }

    /// The two metadata bytes as a length.
    fn length(self) -> usize {
        let [low, high] = self.metadata;
        usize::from(low) | usize::from(high) << 8
    }

    fn width(self) -> CellWidth {
        let [first, second] = self.metadata;
        let fraction = |base: u16| CellWidth::fixed(base + u16::from(first).div_ceil(2));
        match self.number {
            field::TINY | field::YEAR => CellWidth::fixed(1),
            field::SHORT => CellWidth::fixed(2),
            field::INT24 | field::DATE => CellWidth::fixed(3),
            field::LONG | field::FLOAT => CellWidth::fixed(4),
            field::LONGLONG | field::DOUBLE => CellWidth::fixed(8),
            field::TIMESTAMP2 => fraction(4),
            field::DATETIME2 => fraction(5),
            field::TIME2 => fraction(3),
            field::NEWDECIMAL => schema::types::decimal::packed_bytes(first, second)
                .and_then(|bytes| u16::try_from(bytes).ok())
                .map_or(CellWidth::UNKNOWN, CellWidth::fixed),
            field::BIT => CellWidth::fixed(u16::from(second) + u16::from(first > 0)),
            field::ENUM | field::SET => CellWidth::fixed(first.into()),
            field::VARCHAR | field::STRING => {
                CellWidth::prefixed(if self.length() > 255 { 2 } else { 1 })
            }
            field::BLOB | field::JSON | field::GEOMETRY | field::VECTOR
                if (1..=4).contains(&first) =>
            {
                CellWidth::prefixed(first)
            }
            _ => CellWidth::UNKNOWN,
        }
    }

    fn column_type(
        self,
        index: usize,
        optional: &OptionalMetadata,
    ) -> Result<ColumnType, &'static str> {
        let [first, second] = self.metadata;
        let unsigned = optional.unsigned.get(index).copied().unwrap_or_default();
        let fraction = || Fraction::new(first).ok_or("a time of unknown precision");
        let members = || {
            optional.members(index).ok_or("ENUM or SET with members that are no text of Unicode")
        };
        Ok(match self.number {
            field::TINY => ColumnType::TinyInt { unsigned },
            field::SHORT => ColumnType::SmallInt { unsigned },
            field::INT24 => ColumnType::MediumInt { unsigned },
            field::LONG => ColumnType::Int { unsigned },
            field::LONGLONG => ColumnType::BigInt { unsigned },
            field::FLOAT => ColumnType::Float,
            field::DOUBLE => ColumnType::Double,
            field::NEWDECIMAL => ColumnType::Decimal { precision: first, scale: second },
            field::BIT => ColumnType::Bit { length: bit_length(first, second)? },
            field::YEAR => ColumnType::Year,
            field::DATE => ColumnType::Date,
            field::TIME2 => ColumnType::Time { fraction: fraction()? },
            field::DATETIME2 => ColumnType::DateTime { fraction: fraction()? },
            field::TIMESTAMP2 => ColumnType::Timestamp { fraction: fraction()? },
            field::JSON => ColumnType::Json,
            // As many bytes as its members need (`Field_enum::pack_length`).
            field::ENUM if matches!(first, 1 | 2) => ColumnType::Enum { members: members()? },
            field::SET if matches!(first, 1..=8) => ColumnType::Set { members: members()? },
            field::ENUM | field::SET => return Err("ENUM or SET of an impossible size"),
            field::VARCHAR | field::BLOB | field::STRING => {
                let collation = optional.collations.get(index).copied().unwrap_or_default();
                self.text_type(collation)?
            }
            field::GEOMETRY => {
                const POINT: usize = 1;
                ColumnType::Geometry { point: optional.geometries.get(index) == Some(&POINT) }
            }
            field::VECTOR => ColumnType::Vector,
            _ => return Err("a type of MySQL before 5.6.4"),
        })
    }

    fn text_type(self, collation: u16) -> Result<ColumnType, &'static str> {
        match (collation, self.number) {
            (BINARY_COLLATION, field::STRING) => Ok(ColumnType::Binary { length: self.length() }),
            (BINARY_COLLATION, _) => Ok(ColumnType::Blob),
            (_, _) => Charset::of_collation(collation)
                .map(|charset| ColumnType::Text { charset })
                .ok_or("text of an unknown collation"),
        }
    }

    fn is_numeric(self) -> bool {
        matches!(
            self.number,
            field::TINY
                | field::SHORT
                | field::INT24
                | field::LONG
                | field::LONGLONG
                | field::FLOAT
                | field::DOUBLE
                | field::NEWDECIMAL
                | field::YEAR
        )
    }

    /// Whether the character sets of the metadata count it. The server's VECTOR is a kind of BLOB,
    /// so they do (measured on 9.7).
    fn is_character(self) -> bool {
        matches!(self.number, field::VARCHAR | field::BLOB | field::STRING | field::VECTOR)
    }

    fn is_enum_or_set(self) -> bool {
        matches!(self.number, field::ENUM | field::SET)
    }
}

/// Whole bytes of a BIT, and the bits beside them: 1 to 64 together.
fn bit_length(bits: u8, bytes: u8) -> Result<u8, &'static str> {
    let length = bytes.checked_mul(8).and_then(|whole| whole.checked_add(bits));
    length.filter(|length| (1..=64).contains(length)).ok_or("BIT of an unknown length")
}

/// The optional metadata, spread over the columns that it is about.
#[derive(Debug, Default)]
struct OptionalMetadata {
    unsigned: Vec<bool>,
    collations: Vec<u16>,
    /// The kind of each geometry column, by its number in well-known binary.
    geometries: Vec<usize>,
    names: Vec<String>,
    /// In the character set of their column.
    members: Vec<Vec<Vec<u8>>>,
    key: Vec<usize>,
    has_prefix_key: bool,
    /// Which lists the log has: servers and settings differ.
    has_signs: bool,
    has_collations: bool,
    has_geometries: bool,
}

impl OptionalMetadata {
    /// Fields of type, length and value. Unknown ones are skipped, as the server's own reader does.
    fn parse(data: &[u8], wire: &[WireType]) -> Option<Self> {
        let count = wire.len();
        let mut metadata = Self {
            unsigned: vec![false; count],
            collations: vec![0; count],
            geometries: vec![0; count],
            members: vec![Vec::new(); count],
            ..Self::default()
        };
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let kind = reader.little_endian(1)?;
            let length = reader.length()?;
            let mut value = Reader::new(reader.take(length)?);
            metadata.has_signs |= kind == 1;
            metadata.has_collations |= matches!(kind, 2 | 3);
            metadata.has_geometries |= kind == 7;
            match kind {
                1 => metadata.set_signedness(value.rest(), wire),
                2 => metadata.set_default_charset(value, wire, WireType::is_character)?,
                3 => metadata.set_charsets(value, wire, WireType::is_character)?,
                4 => {
                    while !value.is_empty() {
                        let name = std::str::from_utf8(value.short_bytes()?).ok()?;
                        metadata.names.push(name.to_owned());
                    }
                }
                5 => metadata.set_members(value, wire, field::SET)?,
                6 => metadata.set_members(value, wire, field::ENUM)?,
                7 => {
                    for place in places(wire, |wire| wire.number == field::GEOMETRY) {
                        *metadata.geometries.get_mut(place)? = value.length()?;
                    }
                }
                8 => {
                    while !value.is_empty() {
                        metadata.key.push(value.length()?);
                    }
                }
                9 => {
                    while !value.is_empty() {
                        metadata.key.push(value.length()?);
                        metadata.has_prefix_key |= value.length()? != 0;
                    }
                }
                10 => metadata.set_default_charset(value, wire, WireType::is_enum_or_set)?,
                11 => metadata.set_charsets(value, wire, WireType::is_enum_or_set)?,
                _ => {}
            }
        }
        Some(metadata)
    }

    /// One bit for each numeric column, the highest first.
    fn set_signedness(&mut self, bitmap: &[u8], wire: &[WireType]) {
        let numeric = wire.iter().enumerate().filter(|(_, wire)| wire.is_numeric());
        for (bit, (index, _)) in numeric.enumerate() {
            let byte = bitmap.get(bit / 8).copied().unwrap_or_default();
            if let Some(unsigned) = self.unsigned.get_mut(index) {
                *unsigned = byte << (bit % 8) & 0x80 != 0;
            }
        }
    }

    /// The collation of most character columns, then those that differ by their place among them.
    fn set_default_charset(
        &mut self,
        mut value: Reader<'_>,
        wire: &[WireType],
        applies: fn(WireType) -> bool,
    ) -> Option<()> {
        let default = u16::try_from(value.length()?).ok()?;
        let places: Vec<usize> = places(wire, applies);
        for place in &places {
            *self.collations.get_mut(*place)? = default;
        }
        while !value.is_empty() {
            let place = *places.get(value.length()?)?;
            *self.collations.get_mut(place)? = u16::try_from(value.length()?).ok()?;
        }
        Some(())
    }

    /// The collation of each character column.
    fn set_charsets(
        &mut self,
        mut value: Reader<'_>,
        wire: &[WireType],
        applies: fn(WireType) -> bool,
    ) -> Option<()> {
        for place in places(wire, applies) {
            *self.collations.get_mut(place)? = u16::try_from(value.length()?).ok()?;
        }
        Some(())
    }

    /// For each ENUM or SET column the number of its members, then their texts.
    fn set_members(&mut self, mut value: Reader<'_>, wire: &[WireType], number: u8) -> Option<()> {
        for (index, _) in wire.iter().enumerate().filter(|(_, wire)| wire.number == number) {
            let count = value.length()?;
            let member = |_| value.short_bytes().map(<[u8]>::to_vec);
            *self.members.get_mut(index)? = (0..count).map(member).collect::<Option<_>>()?;
        }
        Some(())
    }

    /// The members of an ENUM or SET as text, if Unicode has their characters.
    fn members(&self, index: usize) -> Option<Vec<String>> {
        let charset = Charset::of_collation(*self.collations.get(index)?)?;
        let decode = |member: &Vec<u8>| charset.decode(member).ok().map(Cow::into_owned);
        self.members.get(index)?.iter().map(decode).collect()
    }
}

fn places(wire: &[WireType], applies: fn(WireType) -> bool) -> Vec<usize> {
    wire.iter().enumerate().filter(|(_, wire)| applies(**wire)).map(|(index, _)| index).collect()
}
