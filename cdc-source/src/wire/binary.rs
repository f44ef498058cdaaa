//! Rows as prepared statements return them, read where they lie.
//!
//! `mysql_common` reads them too, into memory of their own for each row and each text; it is what the
//! rows here are compared with in tests.

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::packets::Column;

use crate::binlog::reader::Reader;

/// The first bits of the map of NULLs are of no column.
const NULLS_BEGIN: usize = 2;

/// What a column's values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnForm {
    Null,
    Signed8,
    Signed16,
    Signed32,
    Signed64,
    Unsigned8,
    Unsigned16,
    Unsigned32,
    Unsigned64,
    Float,
    Double,
    Date,
    Time,
    /// With their number before them.
    Bytes,
}

impl ColumnForm {
    pub(super) fn of(column: &Column) -> Self {
        let is_unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
        let either = |signed, unsigned| if is_unsigned { unsigned } else { signed };
        match column.column_type() {
            ColumnType::MYSQL_TYPE_NULL => Self::Null,
            ColumnType::MYSQL_TYPE_TINY => either(Self::Signed8, Self::Unsigned8),
            ColumnType::MYSQL_TYPE_SHORT | ColumnType::MYSQL_TYPE_YEAR => {
                either(Self::Signed16, Self::Unsigned16)
            }
            ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24 => {
                either(Self::Signed32, Self::Unsigned32)
            }
            ColumnType::MYSQL_TYPE_LONGLONG => either(Self::Signed64, Self::Unsigned64),
            ColumnType::MYSQL_TYPE_FLOAT => Self::Float,
            ColumnType::MYSQL_TYPE_DOUBLE => Self::Double,
            ColumnType::MYSQL_TYPE_TIMESTAMP
            | ColumnType::MYSQL_TYPE_DATE
            | ColumnType::MYSQL_TYPE_NEWDATE
            | ColumnType::MYSQL_TYPE_DATETIME => Self::Date,
            ColumnType::MYSQL_TYPE_TIME => Self::Time,
            ColumnType::MYSQL_TYPE_DECIMAL
            | ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_BIT
            | ColumnType::MYSQL_TYPE_TIMESTAMP2
            | ColumnType::MYSQL_TYPE_DATETIME2
            | ColumnType::MYSQL_TYPE_TIME2
            | ColumnType::MYSQL_TYPE_TYPED_ARRAY
            | ColumnType::MYSQL_TYPE_VECTOR
            | ColumnType::MYSQL_TYPE_UNKNOWN
            | ColumnType::MYSQL_TYPE_JSON
            | ColumnType::MYSQL_TYPE_NEWDECIMAL
            | ColumnType::MYSQL_TYPE_ENUM
            | ColumnType::MYSQL_TYPE_SET
            | ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_GEOMETRY => Self::Bytes,
        }
    }
}

/// What a row holds in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Signed(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    /// Year, month, day, hour, minute, second, microseconds.
    Date(u16, u8, u8, u8, u8, u8, u32),
    /// Whether it is negative, days, hours, minutes, seconds, microseconds.
    Time(bool, u32, u8, u8, u8, u32),
    Bytes(&'a [u8]),
}

/// What a row holds, column by column.
pub(crate) struct Cells<'a> {
    nulls: &'a [u8],
    /// The next column's place in them.
    place: usize,
    reader: Reader<'a>,
}

impl<'a> Cells<'a> {
    /// Those of a row with so many columns; none if it is no row.
    pub(crate) fn new(row: &'a [u8], columns: usize) -> Option<Self> {
        let mut reader = Reader::new(row);
        reader.byte().filter(|first| *first == 0)?;
        let nulls = reader.take((NULLS_BEGIN + columns).div_ceil(8))?;
        Some(Self { nulls, place: NULLS_BEGIN, reader })
    }

    /// The next column's, which is of this form; none if it is not there.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call takes longer than to read a number")]
    pub(crate) fn next(&mut self, form: ColumnForm) -> Option<Cell<'a>> {
        let nulls = self.nulls.get(self.place / 8)?;
        let is_null = nulls >> (self.place % 8) & 1 == 1;
        self.place += 1;
        if is_null {
            return Some(Cell::Null);
        }
        let reader = &mut self.reader;
        Some(match form {
            ColumnForm::Null => Cell::Null,
            ColumnForm::Signed8 => Cell::Signed(i8::from_le_bytes(*reader.array()?).into()),
            ColumnForm::Signed16 => Cell::Signed(i16::from_le_bytes(*reader.array()?).into()),
            ColumnForm::Signed32 => Cell::Signed(i32::from_le_bytes(*reader.array()?).into()),
            ColumnForm::Signed64 => Cell::Signed(i64::from_le_bytes(*reader.array()?)),
            ColumnForm::Unsigned8 => Cell::Unsigned(reader.byte()?.into()),
            ColumnForm::Unsigned16 => Cell::Unsigned(u16::from_le_bytes(*reader.array()?).into()),
            ColumnForm::Unsigned32 => Cell::Unsigned(u32::from_le_bytes(*reader.array()?).into()),
            ColumnForm::Unsigned64 => Cell::Unsigned(u64::from_le_bytes(*reader.array()?)),
            ColumnForm::Float => Cell::Float(f32::from_le_bytes(*reader.array()?)),
            ColumnForm::Double => Cell::Double(f64::from_le_bytes(*reader.array()?)),
            ColumnForm::Date => date(reader)?,
            ColumnForm::Time => time(reader)?,
            ColumnForm::Bytes => Cell::Bytes(reader.short_bytes()?),
        })
    }
}

/// As long as it says: what is missing at its end is zero.
fn date<'a>(reader: &mut Reader<'a>) -> Option<Cell<'a>> {
    let length = reader.byte()?;
    if !matches!(length, 0 | 4 | 7 | 11) {
        return None;
    }
    let (mut day, mut clock, mut micros) = ((0, 0, 0), (0, 0, 0), 0);
    if length >= 4 {
        day = (u16::from_le_bytes(*reader.array()?), reader.byte()?, reader.byte()?);
    }
    if length >= 7 {
        clock = (reader.byte()?, reader.byte()?, reader.byte()?);
    }
    if length == 11 {
        micros = u32::from_le_bytes(*reader.array()?);
    }
    Some(Cell::Date(day.0, day.1, day.2, clock.0, clock.1, clock.2, micros))
}

fn time<'a>(reader: &mut Reader<'a>) -> Option<Cell<'a>> {
    let length = reader.byte()?;
    if !matches!(length, 0 | 8 | 12) {
        return None;
    }
    let (mut is_negative, mut days, mut clock, mut micros) = (false, 0, (0, 0, 0), 0);
    if length >= 8 {
        is_negative = reader.byte()? == 1;
        days = u32::from_le_bytes(*reader.array()?);
        clock = (reader.byte()?, reader.byte()?, reader.byte()?);
    }
    if length == 12 {
        micros = u32::from_le_bytes(*reader.array()?);
    }
    Some(Cell::Time(is_negative, days, clock.0, clock.1, clock.2, micros))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mysql_common::io::ParseBuf;
    use mysql_common::proto::Binary;
    use mysql_common::row::{Row, RowDeserializer};
    use mysql_common::value::{ServerSide, Value};
    use proptest::prelude::*;

    use super::*;

    /// A column of every form, and bytes that a value of it may be.
    fn column() -> impl Strategy<Value = (ColumnType, bool, Vec<u8>)> {
        let fixed = |kind, width| {
            let bytes = prop::collection::vec(any::<u8>(), width);
            (Just(kind), any::<bool>(), bytes).boxed()
        };
        let counted = |kind, lengths: &'static [usize]| {
            let length = prop::sample::select(lengths);
            let bytes = length.prop_flat_map(|length| {
                prop::collection::vec(any::<u8>(), length).prop_map(move |mut bytes| {
                    bytes.insert(0, u8::try_from(length).unwrap());
                    bytes
                })
            });
            (Just(kind), Just(false), bytes).boxed()
        };
        let text = prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| {
            let mut counted = match u8::try_from(bytes.len()) {
                Ok(short @ 0..=250) => vec![short],
                _ => [&[0xfc], &u16::try_from(bytes.len()).unwrap().to_le_bytes()[..]].concat(),
            };
            counted.extend(bytes);
            counted
        });
        prop_oneof![
            fixed(ColumnType::MYSQL_TYPE_NULL, 0),
            fixed(ColumnType::MYSQL_TYPE_TINY, 1),
            fixed(ColumnType::MYSQL_TYPE_SHORT, 2),
            fixed(ColumnType::MYSQL_TYPE_YEAR, 2),
            fixed(ColumnType::MYSQL_TYPE_INT24, 4),
            fixed(ColumnType::MYSQL_TYPE_LONG, 4),
            fixed(ColumnType::MYSQL_TYPE_LONGLONG, 8),
            fixed(ColumnType::MYSQL_TYPE_FLOAT, 4),
            fixed(ColumnType::MYSQL_TYPE_DOUBLE, 8),
            counted(ColumnType::MYSQL_TYPE_DATE, &[0, 4]),
            counted(ColumnType::MYSQL_TYPE_DATETIME, &[0, 4, 7, 11]),
            counted(ColumnType::MYSQL_TYPE_TIMESTAMP, &[0, 4, 7, 11]),
            counted(ColumnType::MYSQL_TYPE_TIME, &[0, 8, 12]),
            (Just(ColumnType::MYSQL_TYPE_VAR_STRING), Just(false), text.clone()).boxed(),
            (Just(ColumnType::MYSQL_TYPE_NEWDECIMAL), Just(false), text).boxed(),
        ]
    }

    fn columns_of(row: &[(ColumnType, bool)]) -> Vec<Column> {
        let column = |(kind, is_unsigned): &(ColumnType, bool)| {
            let flags =
                if *is_unsigned { ColumnFlags::UNSIGNED_FLAG } else { ColumnFlags::empty() };
            Column::new(*kind).with_flags(flags)
        };
        row.iter().map(column).collect()
    }

    fn ours(row: &[u8], columns: &[Column]) -> Option<Vec<Value>> {
        let mut cells = Cells::new(row, columns.len())?;
        let mut next = |column| cells.next(ColumnForm::of(column));
        let value = |cell| match cell {
            Cell::Null => Value::NULL,
            Cell::Signed(number) => Value::Int(number),
            Cell::Unsigned(number) => i64::try_from(number).map_or(Value::UInt(number), Value::Int),
            Cell::Float(number) => Value::Float(number),
            Cell::Double(number) => Value::Double(number),
            Cell::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Cell::Date(year, month, day, hour, minute, second, micros) => {
                Value::Date(year, month, day, hour, minute, second, micros)
            }
            Cell::Time(is_negative, days, hours, minutes, seconds, micros) => {
                Value::Time(is_negative, days, hours, minutes, seconds, micros)
            }
        };
        columns.iter().map(|column| next(column).map(value)).collect()
    }

    fn theirs(row: &[u8], columns: Vec<Column>) -> std::io::Result<Vec<Value>> {
        let columns: Arc<[Column]> = columns.into();
        let row = ParseBuf(row).parse::<RowDeserializer<ServerSide, Binary>>(columns);
        row.map(|row| Row::from(row).unwrap())
    }

    /// Their bits are compared: no NaN is equal to itself. A value of `mysql_common` cannot always be
    /// printed.
    fn are_same(ours: Vec<Value>, theirs: Vec<Value>) -> bool {
        let bits = |value| {
            if let Value::Float(number) = value {
                Value::Bytes(number.to_le_bytes().to_vec())
            } else if let Value::Double(number) = value {
                Value::Bytes(number.to_le_bytes().to_vec())
            } else {
                value
            }
        };
        ours.into_iter().map(bits).eq(theirs.into_iter().map(bits))
    }

    proptest! {
        #[test]
        fn a_row_has_the_values_that_mysql_common_reads(
            row in prop::collection::vec((column(), any::<bool>()), 0..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut packet = vec![0_u8; 1 + (NULLS_BEGIN + row.len()).div_ceil(8)];
            for (place, ((_, _, bytes), is_null)) in row.iter().enumerate() {
                if *is_null {
                    packet[1 + (NULLS_BEGIN + place) / 8] |= 1 << ((NULLS_BEGIN + place) % 8);
                } else {
                    packet.extend(bytes);
                }
            }
            let columns: Vec<_> = row.iter().map(|((kind, sign, _), _)| (*kind, *sign)).collect();
            let columns = columns_of(&columns);

            let read = ours(&packet, &columns).unwrap();
            prop_assert_eq!(read.len(), row.len());
            prop_assert!(are_same(read, theirs(&packet, columns.clone()).unwrap()));

            let cut = &packet[..cut.index(packet.len())];
            prop_assert!(ours(cut, &columns).is_none());
        }

        #[test]
        fn any_bytes_are_an_error_or_what_mysql_common_reads(
            columns in prop::collection::vec(column(), 1..6),
            packet in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let columns: Vec<_> = columns.iter().map(|(kind, sign, _)| (*kind, *sign)).collect();
            let columns = columns_of(&columns);
            for packet in [packet.clone(), [&[0, 0], &packet[..]].concat()] {
                if let Some(read) = ours(&packet, &columns) {
                    prop_assert!(are_same(read, theirs(&packet, columns.clone()).unwrap()));
                }
            }
        }
    }
}
