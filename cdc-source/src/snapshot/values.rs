//! What a SELECT returns by the binary protocol, as the same generic values that the log gives.

use mysql_async::{Row, Value as Sql};
use schema::offset::KeyLiteral;
use schema::table::TableSchema;
use schema::types::charset::Charset;
use schema::types::temporal::{Clock, TimestampText, days_from_civil, epoch_micros};
use schema::types::{ColumnType, UnsignedBigInt, ValueError, decimal, json};
use schema::value::{Kind, Value};

use super::structure::{Structure, hex};

/// A whole row; the error names the column that cannot be converted.
pub(super) fn row(
    structure: &Structure,
    row: Row,
    unsigned_bigint: UnsignedBigInt,
) -> Result<Vec<Value>, String> {
    let columns = structure.schema.columns.iter().zip(&structure.charsets).zip(row.unwrap());
    columns
        .map(|((column, charset), sql)| {
            value(&column.column_type, *charset, sql, unsigned_bigint)
                .map_err(|error| format!("column {} cannot be converted: {error}", column.name))
        })
        .collect()
}

/// The key of a row as the bound of the next chunk.
pub(super) fn key_literals(schema: &TableSchema, row: &Row) -> Option<Vec<KeyLiteral>> {
    let literal = |index: &usize| {
        let column = schema.columns.get(*index)?;
        key_literal(&column.column_type, row.as_ref(*index)?)
    };
    schema.key.iter().map(literal).collect()
}

fn value(
    column_type: &ColumnType,
    charset: Option<Charset>,
    sql: Sql,
    unsigned_bigint: UnsignedBigInt,
) -> Result<Value, ValueError> {
    match sql {
        Sql::NULL => Ok(Value::Null),
        Sql::Int(number) => integer(column_type, i128::from(number), unsigned_bigint),
        Sql::UInt(number) => integer(column_type, i128::from(number), unsigned_bigint),
        Sql::Float(number) if *column_type == ColumnType::Float => Ok(Value::Float32(number)),
        Sql::Double(number) if *column_type == ColumnType::Double => Ok(Value::Float64(number)),
        Sql::Float(_) | Sql::Double(_) => Err(ValueError::Length),
        Sql::Bytes(bytes) => bytes_value(column_type, charset, bytes),
        Sql::Date(year, month, day, hour, minute, second, micros) => {
            let date = (year.into(), month.into(), day.into());
            let clock =
                Clock { hour: hour.into(), minute: minute.into(), second: second.into(), micros };
            moment(column_type, date, clock)
        }
        Sql::Time(negative, days, hours, minutes, seconds, micros) => {
            let hours = i64::from(days) * 24 + i64::from(hours);
            let seconds = hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
            let total = seconds * 1_000_000 + i64::from(micros);
            Ok(Value::Int64(if negative { -total } else { total }))
        }
    }
}

fn integer(
    column_type: &ColumnType,
    number: i128,
    unsigned_bigint: UnsignedBigInt,
) -> Result<Value, ValueError> {
    if *column_type == (ColumnType::BigInt { unsigned: true }) {
        let number = u64::try_from(number).map_err(|_| ValueError::Length)?;
        if unsigned_bigint == UnsignedBigInt::Long {
            return Ok(Value::Int64(number.cast_signed()));
        }
        let mut unscaled = Vec::new();
        decimal::put_u64(number, &mut unscaled);
        return Ok(Value::Bytes(unscaled));
    }
    if column_type.schema(unsigned_bigint).kind == Kind::Int64 {
        return i64::try_from(number).map(Value::Int64).map_err(|_| ValueError::Length);
    }
    i32::try_from(number).map(Value::Int32).map_err(|_| ValueError::Length)
}

fn bytes_value(
    column_type: &ColumnType,
    charset: Option<Charset>,
    bytes: Vec<u8>,
) -> Result<Value, ValueError> {
    if column_type.is_binary() {
        return Ok(Value::Bytes(bytes));
    }
    if let ColumnType::Bit { length } = column_type {
        return Ok(match length {
            1 => Value::Boolean(bytes != [0]),
            _ => Value::Bytes(bytes.into_iter().rev().collect()),
        });
    }
    if let Some(charset) = charset {
        return Ok(Value::String(charset.decode(&bytes)?.into_owned()));
    }
    // JSON, which is utf8mb4, and digits.
    let text = String::from_utf8(bytes).map_err(|_| ValueError::Charset)?;
    if let ColumnType::Decimal { scale, .. } = column_type {
        let mut unscaled = Vec::new();
        decimal::from_text(&text, *scale, &mut unscaled)?;
        return Ok(Value::Bytes(unscaled));
    }
    if *column_type == ColumnType::Json {
        let mut compact = Vec::with_capacity(text.len());
        json::compact(&text, &mut compact);
        return String::from_utf8(compact).map(Value::String).map_err(|_| ValueError::Charset);
    }
    Ok(Value::String(text))
}

fn moment(
    column_type: &ColumnType,
    date: (u32, u32, u32),
    clock: Clock,
) -> Result<Value, ValueError> {
    if let ColumnType::DateTime { fraction } = column_type {
        return Ok(Value::Int64(fraction.timestamp_units(epoch_micros(date, clock)?)));
    }
    if let ColumnType::Timestamp { fraction } = column_type {
        let text = TimestampText::new(epoch_micros(date, clock)?, *fraction)?;
        return Ok(Value::String(text.as_str().to_owned()));
    }
    let days = days_from_civil(date.0, date.1, date.2)?;
    i32::try_from(days).map(Value::Int32).map_err(|_| ValueError::DateRange)
}

fn key_literal(column_type: &ColumnType, sql: &Sql) -> Option<KeyLiteral> {
    Some(match sql {
        Sql::Int(number) => KeyLiteral::Signed(*number),
        Sql::UInt(number) => KeyLiteral::Unsigned(*number),
        Sql::Bytes(bytes) if column_type.is_binary() => KeyLiteral::Binary(hex(bytes)),
        // Not as Unicode: `cp932` and others have characters twice, which sort apart.
        Sql::Bytes(bytes) if column_type.charset().is_some_and(|set| set != Charset::Utf8) => {
            KeyLiteral::Binary(hex(bytes))
        }
        Sql::Bytes(bytes) => KeyLiteral::Text(String::from_utf8(bytes.clone()).ok()?),
        Sql::Date(year, month, day, hour, minute, second, micros) => KeyLiteral::Text(format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
        )),
        Sql::NULL | Sql::Float(_) | Sql::Double(_) | Sql::Time(..) => return None,
    })
}
