//! Two other decoders on the same recorded events. What they cannot read, or read wrongly, is
//! listed here: a new entry in a list, or one that is missing, is a failure too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use mysql_cdc::binlog_reader::BinlogReader;
use mysql_cdc::events::binlog_event::BinlogEvent as Other;
use mysql_cdc::events::row_events::mysql_value::MySqlValue;
use mysql_cdc::events::row_events::row_data::RowData;
use mysql_common::Value;
use mysql_common::binlog::events::{EventData, TableMapEvent};
use mysql_common::binlog::row::BinlogRow;
use mysql_common::binlog::value::BinlogValue;
use schema::types::ColumnType;
use schema::types::temporal::{Fraction, TimestampText};

use super::{Decoded, Image, date_of, decoded, events, hex};
use crate::binlog::table_map::TableMap;

/// Where a decoder differs from ours: `table.column: ours / theirs`.
type Differences = BTreeSet<String>;

#[test]
fn mysql_common_reads_the_same_values_but_for_its_known_faults() {
    let mut tables: BTreeMap<u64, TableMapEvent<'static>> = BTreeMap::new();
    let (mut differences, mut compared) = (Differences::new(), 0);

    for (event, ours) in events().iter().zip(decoded()) {
        match (event.read_data().unwrap(), ours) {
            (Some(EventData::TableMapEvent(map)), _) => {
                tables.insert(map.table_id(), map.into_owned());
            }
            (Some(EventData::RowsEvent(rows)), Decoded::Rows { map, images, .. }) => {
                let theirs = rows.rows(&tables[&rows.table_id()]).map(Result::unwrap);
                let theirs: Vec<BinlogRow> =
                    theirs.flat_map(|(before, after)| [before, after]).flatten().collect();
                assert_eq!(theirs.len(), images.len());
                for (image, row) in images.iter().zip(&theirs) {
                    let theirs = |index| row.as_ref(index).and_then(of_mysql_common);
                    compared += compare(&map, image, theirs, &mut differences);
                }
            }
            _ => {}
        }
    }

    let known = [
        // A negative MEDIUMINT keeps its three bytes only.
        "golden.numbers.m: -5 / 16777211",
        "golden.numbers.m: -8388608 / 8388608",
        // The year 0000 is counted from 1900.
        "golden.numbers.y: 0 / 1900",
    ];
    assert_eq!(differences, known.map(str::to_owned).into());
    assert!(compared > 190, "{compared}");
}

#[test]
fn mysql_cdc_reads_the_same_values_where_it_can() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/types.binlog");
    let mut reader = BinlogReader::new(File::open(path).unwrap()).unwrap();
    let (mut differences, mut unread, mut compared) = (Differences::new(), BTreeSet::new(), 0);

    for ours in decoded() {
        // The first of an update's two images is theirs, too.
        let theirs: Option<Vec<RowData>> = match reader.read_event() {
            Ok((_, Other::WriteRowsEvent(event))) => Some(event.rows),
            Ok((_, Other::DeleteRowsEvent(event))) => Some(event.rows),
            Ok((_, Other::UpdateRowsEvent(event))) => Some(
                event
                    .rows
                    .into_iter()
                    .flat_map(|row| [row.before_update, row.after_update])
                    .collect(),
            ),
            Ok(_) | Err(_) => None,
        };
        let Decoded::Rows { map, images, .. } = ours else { continue };
        let Some(rows) = theirs else {
            unread.insert(map.id.to_string());
            continue;
        };
        assert_eq!(rows.len(), images.len());
        for (image, row) in images.iter().zip(&rows) {
            let theirs = |index: usize| {
                let column_type = map.columns[index].column_type.as_ref().ok()?;
                Some(of_mysql_cdc(column_type, row.cells[index].as_ref()?))
            };
            compared += compare(&map, image, theirs, &mut differences);
        }
    }

    // Bytes and latin1 that are not UTF-8, a negative TIME, and types newer than 2023.
    let cannot =
        ["golden.bytes", "golden.latin", "golden.negative", "golden.others", "golden.texts"];
    assert_eq!(unread, cannot.map(str::to_owned).into());
    let known = [
        "golden.numbers.y: 0 / 1900",
        // Times have milliseconds only.
        "golden.moments.t6: 1 / 0",
        "golden.moments.d6: 1970-01-01T00:00:00.000001Z / 1970-01-01T00:00:00.000000Z",
        "golden.moments.d6: 9999-12-31T23:59:59.999999Z / 9999-12-31T23:59:59.999000Z",
    ];
    assert_eq!(differences, known.map(str::to_owned).into());
    assert!(compared > 120, "{compared}");
}

/// Compares one row image; returns how many values of it.
fn compare(
    map: &TableMap,
    ours: &Image,
    theirs: impl Fn(usize) -> Option<Their>,
    differences: &mut Differences,
) -> usize {
    let mut compared = 0;
    for (index, column) in map.columns.iter().enumerate() {
        let ours = match &ours[index] {
            Some(Ok(text)) => Some(text.as_str()),
            None => None,
            Some(Err(_)) => continue,
        };
        let column_type = column.column_type.as_ref().unwrap();
        let theirs = theirs(index).map(|value| value.comparable(column_type));
        compared += 1;
        if ours != theirs.as_deref() {
            let shown = |text: Option<&str>| text.unwrap_or("NULL").to_owned();
            let (ours, theirs) = (shown(ours), shown(theirs.as_deref()));
            differences.insert(format!("{}.{}: {ours} / {theirs}", map.id, column.name));
        }
    }
    compared
}

/// What both of the others say, before it is made comparable by the column's type.
enum Their {
    /// Comparable as it is.
    Text(String),
    /// Bytes, or a number as bytes, or text in the column's character set.
    Bytes(Vec<u8>),
    /// The number of an ENUM's member or the bits of a SET.
    Number(u64),
}

impl Their {
    fn comparable(self, column_type: &ColumnType) -> String {
        match (self, column_type) {
            (Self::Number(number), ColumnType::Enum { members }) => match number {
                0 => String::new(),
                _ => members[usize::try_from(number).unwrap() - 1].clone(),
            },
            (Self::Number(bits), ColumnType::Set { members }) => {
                let chosen = members.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
                chosen.map(|(_, member)| member.as_str()).collect::<Vec<_>>().join(",")
            }
            (Self::Bytes(bytes), ColumnType::Set { .. }) => {
                let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                Self::Number(bits).comparable(column_type)
            }
            (Self::Bytes(bytes), ColumnType::Text { charset }) => {
                charset.decode(&bytes).unwrap().into_owned()
            }
            (Self::Bytes(bytes), ColumnType::Bit { length: 1 }) => bytes[0].to_string(),
            (Self::Bytes(mut bytes), ColumnType::Binary { length }) => {
                bytes.resize(*length, 0);
                hex(&bytes)
            }
            (
                Self::Bytes(bytes),
                ColumnType::Bit { .. }
                | ColumnType::Blob
                | ColumnType::Geometry { .. }
                | ColumnType::Vector,
            ) => hex(&bytes),
            (Self::Bytes(bytes), ColumnType::Timestamp { fraction }) => {
                timestamp(std::str::from_utf8(&bytes).unwrap(), *fraction)
            }
            (Self::Bytes(bytes), _) => String::from_utf8(bytes).unwrap(),
            (Self::Text(text), ColumnType::Date) => date_of(&text),
            (Self::Text(text), ColumnType::Json) => {
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                json.to_string()
            }
            (Self::Text(text), _) => text,
            (Self::Number(number), _) => number.to_string(),
        }
    }
}

fn of_mysql_common(value: &BinlogValue<'_>) -> Option<Their> {
    let value = match value {
        BinlogValue::Value(value) => value,
        BinlogValue::Jsonb(json) => {
            let json = serde_json::Value::from(json.clone().parse().unwrap());
            return Some(Their::Text(json.to_string()));
        }
        BinlogValue::JsonDiff(_) => panic!("no partial update was recorded"),
    };
    Some(match value {
        Value::NULL => return None,
        Value::Bytes(bytes) => Their::Bytes(bytes.clone()),
        Value::Int(number) => match u64::try_from(*number) {
            Ok(number) => Their::Number(number),
            Err(_) => Their::Text(number.to_string()),
        },
        Value::UInt(number) => Their::Number(*number),
        Value::Float(number) => Their::Text(format!("{number:e}")),
        Value::Double(number) => Their::Text(format!("{number:e}")),
        Value::Date(year, month, day, hour, minute, second, micros) => Their::Text(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
        )),
        Value::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let hours = i64::from(*days) * 24 + i64::from(*hours);
            let seconds = (hours * 60 + i64::from(*minutes)) * 60 + i64::from(*seconds);
            let micros = seconds * 1_000_000 + i64::from(*micros);
            Their::Text(if *is_negative { -micros } else { micros }.to_string())
        }
    })
}

fn of_mysql_cdc(column_type: &ColumnType, value: &MySqlValue) -> Their {
    // It takes all integers for unsigned.
    let is_signed = matches!(
        column_type,
        ColumnType::TinyInt { unsigned: false }
            | ColumnType::SmallInt { unsigned: false }
            | ColumnType::MediumInt { unsigned: false }
            | ColumnType::Int { unsigned: false }
            | ColumnType::BigInt { unsigned: false }
    );
    let integer = |number: u64, bits: u32| {
        let shift = 64 - bits;
        let signed = (number << shift).cast_signed() >> shift;
        Their::Text(if is_signed { signed.to_string() } else { number.to_string() })
    };
    match value {
        MySqlValue::TinyInt(number) => integer(u64::from(*number), 8),
        MySqlValue::SmallInt(number) => integer(u64::from(*number), 16),
        MySqlValue::MediumInt(number) => integer(u64::from(*number), 24),
        MySqlValue::Int(number) => integer(u64::from(*number), 32),
        MySqlValue::BigInt(number) => integer(*number, 64),
        MySqlValue::Float(number) => Their::Text(format!("{number:e}")),
        MySqlValue::Double(number) => Their::Text(format!("{number:e}")),
        MySqlValue::Decimal(text) => Their::Text(text.clone()),
        MySqlValue::String(text) => Their::Text(text.clone()),
        MySqlValue::Enum(number) => Their::Number(u64::from(*number)),
        MySqlValue::Set(bits) => Their::Number(*bits),
        MySqlValue::Year(year) => Their::Text(year.to_string()),
        MySqlValue::Blob(bytes) if *column_type == ColumnType::Json => {
            let mut json = Vec::new();
            schema::types::json::write_text(bytes, &mut json).unwrap();
            Their::Text(String::from_utf8(json).unwrap())
        }
        MySqlValue::Blob(bytes) => Their::Bytes(bytes.clone()),
        MySqlValue::Bit(bits) => Their::Bytes(bytes_of(bits)),
        MySqlValue::Date(date) => {
            Their::Text(format!("{:04}-{:02}-{:02}", date.year, date.month, date.day))
        }
        MySqlValue::Time(time) => {
            let minutes = i64::from(time.hour) * 60 + i64::from(time.minute);
            let millis = (minutes * 60 + i64::from(time.second)) * 1000 + i64::from(time.millis);
            Their::Text((millis * 1000).to_string())
        }
        MySqlValue::DateTime(at) => Their::Text(format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}000Z",
            at.year, at.month, at.day, at.hour, at.minute, at.second, at.millis
        )),
        MySqlValue::Timestamp(millis) => {
            Their::Bytes(format!("{}.{:03}", millis / 1000, millis % 1000).into_bytes())
        }
    }
}

/// Bits, the lowest first, as bytes, the highest first.
fn bytes_of(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).rev().map(byte).collect()
}

/// `seconds.fraction` since 1970 as the column shows it.
fn timestamp(text: &str, fraction: Fraction) -> String {
    let (seconds, part) = text.split_once('.').unwrap_or((text, ""));
    let micros: i64 = format!("{part:0<6}").parse().unwrap();
    let micros = seconds.parse::<i64>().unwrap() * 1_000_000 + micros;
    TimestampText::new(micros, fraction).unwrap().as_str().to_owned()
}
