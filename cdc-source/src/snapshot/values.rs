//! What a SELECT returns by the binary protocol, as the same values that the log gives.

use std::borrow::Cow;

use mysql_common::{Row, Value as Sql};
use schema::types::charset::Charset;
use schema::types::decimal::Unscaled;
use schema::types::temporal::{CivilDate, Clock, epoch_micros};
use schema::types::{ColumnType, MysqlValue, ValueError, json};

use super::structure::Structure;

/// A whole row; the error names the column that cannot be converted. `blanks_in_json` leaves JSON
/// as the server prints it.
pub(super) fn row(
    structure: &Structure,
    row: Row,
    blanks_in_json: bool,
) -> Result<Vec<Option<MysqlValue<'static>>>, String> {
    let columns = structure.schema.columns.iter().zip(&structure.charsets).zip(row.unwrap());
    columns
        .map(|((column, charset), sql)| {
            value(&column.column_type, *charset, sql, blanks_in_json)
                .map_err(|error| format!("column {} cannot be converted: {error}", column.name))
        })
        .collect()
}

fn value(
    column_type: &ColumnType,
    charset: Option<Charset>,
    sql: Sql,
    blanks_in_json: bool,
) -> Result<Option<MysqlValue<'static>>, ValueError> {
    Ok(Some(match sql {
        Sql::NULL => return Ok(None),
        Sql::Int(number) => integer(column_type, i128::from(number))?,
        Sql::UInt(number) => integer(column_type, i128::from(number))?,
        Sql::Float(number) if *column_type == ColumnType::Float => MysqlValue::Float(number),
        Sql::Double(number) if *column_type == ColumnType::Double => MysqlValue::Double(number),
        Sql::Float(_) | Sql::Double(_) => return Err(ValueError::Form),
        Sql::Bytes(bytes) => bytes_value(column_type, charset, bytes, blanks_in_json)?,
        Sql::Date(year, month, day, hour, minute, second, micros) => {
            let date = CivilDate { year: year.into(), month: month.into(), day: day.into() };
            let clock =
                Clock { hour: hour.into(), minute: minute.into(), second: second.into(), micros };
            moment(column_type, date, clock)?
        }
        Sql::Time(negative, days, hours, minutes, seconds, micros) => {
            let hours = i64::from(days) * 24 + i64::from(hours);
            let seconds = hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
            let total = seconds * 1_000_000 + i64::from(micros);
            MysqlValue::Time(if negative { -total } else { total })
        }
    }))
}

fn integer(column_type: &ColumnType, number: i128) -> Result<MysqlValue<'static>, ValueError> {
    if *column_type == (ColumnType::BigInt { unsigned: true }) {
        return u64::try_from(number).map(MysqlValue::Unsigned).map_err(|_| ValueError::Length);
    }
    if *column_type == ColumnType::Year {
        return i32::try_from(number).map(MysqlValue::Year).map_err(|_| ValueError::Length);
    }
    i64::try_from(number).map(MysqlValue::Integer).map_err(|_| ValueError::Length)
}

fn bytes_value(
    column_type: &ColumnType,
    charset: Option<Charset>,
    bytes: Vec<u8>,
    blanks_in_json: bool,
) -> Result<MysqlValue<'static>, ValueError> {
    let is_bytes = matches!(column_type, ColumnType::Geometry { .. } | ColumnType::Vector);
    if is_bytes || column_type.is_binary() {
        return Ok(MysqlValue::Bytes(Cow::Owned(bytes)));
    }
    if matches!(column_type, ColumnType::Bit { .. }) {
        return Ok(column_type.read(&bytes)?.into_owned());
    }
    if let Some(charset) = charset {
        return Ok(MysqlValue::Text(Cow::Owned(charset.decode(&bytes)?.into_owned())));
    }
    // JSON, which is utf8mb4, and digits.
    let text = String::from_utf8(bytes).map_err(|_| ValueError::Charset)?;
    if let ColumnType::Decimal { scale, .. } = column_type {
        return Ok(MysqlValue::Decimal(Unscaled::parse(&text, *scale)?));
    }
    if *column_type == ColumnType::Json && !blanks_in_json {
        let mut compact = Vec::with_capacity(text.len());
        json::compact(&text, &mut compact);
        let compact = String::from_utf8(compact).map_err(|_| ValueError::Charset)?;
        return Ok(MysqlValue::Text(Cow::Owned(compact)));
    }
    Ok(MysqlValue::Text(Cow::Owned(text)))
}

fn moment(
    column_type: &ColumnType,
    date: CivilDate,
    clock: Clock,
) -> Result<MysqlValue<'static>, ValueError> {
    if *column_type == ColumnType::Date {
        return Ok(MysqlValue::Date(date));
    }
    let micros = clock.micros_of_day()?;
    if matches!(column_type, ColumnType::DateTime { .. }) {
        return Ok(MysqlValue::DateTime(date, micros));
    }
    // The session's time zone is UTC.
    let is_zero = (date.year, date.month, date.day) == (0, 0, 0);
    Ok(MysqlValue::Timestamp(if is_zero { None } else { Some(epoch_micros(date, micros)?) }))
}
