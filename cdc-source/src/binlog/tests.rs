//! Tests on a binlog that MySQL 9.7.4 wrote (`tests/golden/types.sql`): what it says, what two
//! other decoders think of it, and what becomes of it when it is damaged.

mod damage;
mod golden;
mod opinions;

use mysql_common::binlog::BinlogFile;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::Event;
use schema::change::{Cell, RowImage};
use schema::types::temporal::{Fraction, TimestampText};
use schema::types::{ColumnType, UnsignedBigInt};
use schema::value::Value;

use super::event::{self, BinlogEvent, RowsKind};
use super::table_map::TableMap;
use crate::rows::ImageReader;

/// A finished binlog file.
const FILE: &[u8] = include_bytes!("../../tests/golden/types.binlog");

/// All of its events.
fn events() -> Vec<Event> {
    BinlogFile::new(BinlogVersion::Version4, FILE).unwrap().map(Result::unwrap).collect()
}

/// What our decoder makes of an event.
enum Decoded {
    Table(TableMap),
    Rows { kind: RowsKind, map: TableMap, images: Vec<Image> },
    Other,
}

/// A row image: `None` is NULL, the others are comparable texts or why there is none.
type Image = Vec<Option<Result<String, String>>>;

/// Decodes all events in their order.
fn decoded() -> Vec<Decoded> {
    let mut tables = std::collections::HashMap::new();
    let mut decode = |event: &Event| {
        let parsed = event::parse(event).unwrap();
        if let BinlogEvent::TableMap(encoded) = parsed {
            let map = encoded.parse().unwrap();
            tables.insert(encoded.number, map.clone());
            return Decoded::Table(map);
        }
        let BinlogEvent::Rows(rows) = parsed else { return Decoded::Other };
        let map = tables[&rows.table_number].clone();
        let images = images(&map, rows.kind, rows.rows);
        Decoded::Rows { kind: rows.kind, map, images }
    };
    events().iter().map(&mut decode).collect()
}

fn images(map: &TableMap, kind: RowsKind, data: &[u8]) -> Vec<Image> {
    let image = |cells: &[Cell]| -> Image {
        let row = RowImage::new(data, cells);
        let text = |(index, column): (usize, &super::table_map::MappedColumn)| {
            let bytes = row.column(index)?;
            Some(match &column.column_type {
                Ok(column_type) => Ok(comparable(column_type, bytes)),
                Err(type_name) => Err((*type_name).to_owned()),
            })
        };
        map.columns.iter().enumerate().map(text).collect()
    };
    let (mut reader, mut images, mut at) = (ImageReader::default(), Vec::new(), 0);
    while at < data.len() {
        if kind == RowsKind::Update {
            let (before, after, end) = reader.two(map, data, at).unwrap();
            images.extend([image(before), image(after)]);
            at = end;
        } else {
            let (cells, end) = reader.one(map, data, at).unwrap();
            images.push(image(cells));
            at = end;
        }
    }
    images
}

/// A value as text that does not depend on how Connect represents its type.
fn comparable(column_type: &ColumnType, bytes: &[u8]) -> String {
    let micros = |micros: i64| {
        TimestampText::new(micros, Fraction::new(6).unwrap()).unwrap().as_str().to_owned()
    };
    match (column_type, column_type.value(bytes, UnsignedBigInt::Precise).unwrap()) {
        (ColumnType::Date, Value::Int32(days)) => {
            date_of(&micros(i64::from(days) * 86_400_000_000))
        }
        (ColumnType::DateTime { fraction }, Value::Int64(units)) => {
            micros(if fraction.digits() <= 3 { units * 1000 } else { units })
        }
        (ColumnType::Decimal { scale, .. }, Value::Bytes(unscaled)) => number(&unscaled, *scale),
        (ColumnType::BigInt { unsigned: true }, Value::Bytes(unscaled)) => number(&unscaled, 0),
        (ColumnType::Bit { .. }, Value::Bytes(mut bits)) => {
            bits.reverse();
            hex(&bits)
        }
        (_, Value::Boolean(bit)) => u8::from(bit).to_string(),
        (_, Value::Int32(number)) => number.to_string(),
        (_, Value::Int64(number)) => number.to_string(),
        (_, Value::Float32(number)) => format!("{number:e}"),
        (_, Value::Float64(number)) => format!("{number:e}"),
        (_, Value::String(text)) => text,
        (_, Value::Bytes(bytes)) => hex(&bytes),
        (_, Value::Null | Value::Struct(_)) => panic!("{column_type:?}"),
    }
}

/// The date of a moment, or a date alone.
fn date_of(moment: &str) -> String {
    moment.split('T').next().unwrap_or_default().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The decimal text of a big-endian number in two's complement.
fn number(unscaled: &[u8], scale: u8) -> String {
    let is_negative = unscaled.first().is_some_and(|byte| *byte >= 0x80);
    let mut digits = vec![0_u32];
    for byte in unscaled {
        // Of a negative number the complement is counted, which is one less.
        let mut carry = u32::from(if is_negative { !byte } else { *byte });
        for digit in &mut digits {
            let sum = *digit * 256 + carry;
            (*digit, carry) = (sum % 10, sum / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    if is_negative {
        let below_nine = digits.iter().position(|digit| *digit < 9).unwrap_or(digits.len());
        digits[..below_nine].fill(0);
        match digits.get_mut(below_nine) {
            Some(digit) => *digit += 1,
            None => digits.push(1),
        }
    }
    let scale = usize::from(scale);
    digits.resize(digits.len().max(scale + 1), 0);
    let mut text = if is_negative { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.iter().enumerate().rev() {
        text.push_str(&digit.to_string());
        if place == scale && scale > 0 {
            text.push('.');
        }
    }
    text
}
