//! Tests on a binlog that MySQL 9.7.4 wrote (`tests/golden/types.sql`): what it says, what two
//! other decoders think of it, and what becomes of it when it is damaged.

mod damage;
mod golden;
mod old_server;
mod opinions;

use mysql_common::binlog::BinlogFile;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::Event;
use schema::change::RowImage;
use schema::types::temporal::{Fraction, TimestampText, epoch_micros};
use schema::types::{ColumnType, MysqlValue};

use super::event::{self, BinlogEvent, EventError, RowsKind};
use super::table_map::TableMap;
use crate::rows::ImageReader;

/// A finished binlog file.
const FILE: &[u8] = include_bytes!("../../tests/golden/types.binlog");

/// All of its events.
fn events() -> Vec<Event> {
    BinlogFile::new(BinlogVersion::Version4, FILE).unwrap().map(Result::unwrap).collect()
}

/// What our decoder makes of an event.
fn parse(event: &Event) -> Result<BinlogEvent<'_>, EventError> {
    event::parse_body(event.header().event_type_raw(), event.data())
}

/// What our decoder makes of an event, with its rows.
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
        let parsed = parse(event).unwrap();
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
    let image = |row: RowImage<'_>| -> Image {
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
            let (row, end) = reader.one(map, data, at).unwrap();
            images.push(image(row));
            at = end;
        }
    }
    images
}

/// A value as text.
fn comparable(column_type: &ColumnType, bytes: &[u8]) -> String {
    let micros = |micros: i64, digits: u8| {
        TimestampText::new(micros, Fraction::new(digits).unwrap()).unwrap().as_str().to_owned()
    };
    match column_type.read(bytes).unwrap() {
        MysqlValue::Date(date) => format!("{:04}-{:02}-{:02}", date.year, date.month, date.day),
        MysqlValue::DateTime(date, of_day) => micros(epoch_micros(date, of_day).unwrap(), 6),
        MysqlValue::Timestamp(moment) => {
            let ColumnType::Timestamp { fraction } = column_type else { panic!("{column_type:?}") };
            micros(moment.unwrap(), fraction.digits())
        }
        MysqlValue::Decimal(unscaled) => {
            let ColumnType::Decimal { scale, .. } = column_type else { panic!("{column_type:?}") };
            let mut text = Vec::new();
            unscaled.write_text(*scale, &mut text);
            String::from_utf8(text).unwrap()
        }
        MysqlValue::Bits(bits) if *column_type == (ColumnType::Bit { length: 1 }) => {
            bits.to_string()
        }
        MysqlValue::Bits(_) => hex(bytes),
        MysqlValue::Integer(number) | MysqlValue::Time(number) => number.to_string(),
        MysqlValue::Unsigned(number) => number.to_string(),
        MysqlValue::Year(year) => year.to_string(),
        MysqlValue::Float(number) => format!("{number:e}"),
        MysqlValue::Double(number) => format!("{number:e}"),
        MysqlValue::Text(text) => text.into_owned(),
        MysqlValue::Bytes(bytes) => hex(&bytes),
    }
}

/// The date of a moment, or a date alone.
fn date_of(moment: &str) -> String {
    moment.split('T').next().unwrap_or_default().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
