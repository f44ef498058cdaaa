//! One form for a value of a row, whether MySQL or a record gives it.
//!
//! Both ways are written here anew, without a function of the product, so that a mistake in the
//! product cannot hide itself. The form has no more than the value: `DATETIME(3)` and
//! `DATETIME(6)` of one moment are the same cell.

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Row, Value as Sql};

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number, or a TIME in microseconds, as decimal text.
    Number(String),
    /// Text; DATE as `YYYY-MM-DD`, DATETIME and TIMESTAMP (UTC) with six digits of a second.
    Text(String),
    /// JSON without blanks.
    Json(String),
    /// Bytes; BIT with the highest bits first.
    Bytes(Vec<u8>),
}

/// The cells of a row by the names of their columns.
pub type Cells = BTreeMap<String, Cell>;

/// The number of the collation `binary`: such a column has bytes, not text.
const BINARY: u16 = 63;

/// The cells of a row that was read by the binary protocol in UTC; `None` for a type that has no
/// form here.
#[must_use]
pub fn of_row(row: Row) -> Option<Cells> {
    let columns = row.columns();
    let values = columns.iter().zip(row.unwrap());
    values
        .map(|(column, value)| Some((column.name_str().into_owned(), of_sql(column, value)?)))
        .collect()
}

fn of_sql(column: &Column, value: Sql) -> Option<Cell> {
    let kind = column.column_type();
    Some(match value {
        Sql::NULL => Cell::Null,
        Sql::Int(number) => Cell::Number(number.to_string()),
        Sql::UInt(number) => Cell::Number(number.to_string()),
        // FLOAT(M,D) is a double in the topic, and every single is one exactly.
        Sql::Float(number) => Cell::Number(format!("{:?}", f64::from(number))),
        Sql::Double(number) => Cell::Number(format!("{number:?}")),
        Sql::Date(year, month, day, ..) if kind == ColumnType::MYSQL_TYPE_DATE => {
            Cell::Text(format!("{year:04}-{month:02}-{day:02}"))
        }
        Sql::Date(year, month, day, hour, minute, second, micros) => Cell::Text(format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
        )),
        Sql::Time(negative, days, hours, minutes, seconds, micros) => {
            let hours = i64::from(days) * 24 + i64::from(hours);
            let seconds = hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
            let total = seconds * 1_000_000 + i64::from(micros);
            Cell::Number((if negative { -total } else { total }).to_string())
        }
        Sql::Bytes(bytes) if kind == ColumnType::MYSQL_TYPE_BIT && column.column_length() == 1 => {
            Cell::Number(u8::from(bytes != [0]).to_string())
        }
        Sql::Bytes(bytes) if kind == ColumnType::MYSQL_TYPE_BIT => Cell::Bytes(bytes),
        Sql::Bytes(bytes) if kind == ColumnType::MYSQL_TYPE_NEWDECIMAL => {
            let text = String::from_utf8(bytes).ok()?;
            let is_padded = column.flags().contains(ColumnFlags::ZEROFILL_FLAG);
            Cell::Number(if is_padded { without_padding(&text) } else { text })
        }
        Sql::Bytes(bytes) if kind == ColumnType::MYSQL_TYPE_JSON => {
            json(&String::from_utf8(bytes).ok()?)
        }
        Sql::Bytes(bytes) if column.character_set() == BINARY => Cell::Bytes(bytes),
        Sql::Bytes(bytes) => Cell::Text(String::from_utf8(bytes).ok()?),
    })
}

/// A decimal without the zeros that ZEROFILL puts before it.
fn without_padding(text: &str) -> String {
    let shortened = text.trim_start_matches('0');
    let zero = if shortened.is_empty() || shortened.starts_with('.') { "0" } else { "" };
    format!("{zero}{shortened}")
}

/// What a field of a record means: the Connect name of its schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// `connect.name`, empty for a plain type.
    pub name: String,
    /// `scale` of a decimal.
    pub scale: usize,
}

/// The cell of a field of a record; `None` for a type that has no form here.
#[must_use]
pub fn of_avro(value: &Avro, meaning: &Meaning) -> Option<Cell> {
    let name = meaning.name.as_str();
    if let Avro::Union(_, value) = value {
        return of_avro(value, meaning);
    }
    if let Avro::Null = value {
        return Some(Cell::Null);
    }
    if let Avro::Boolean(value) = value {
        return Some(Cell::Number(u8::from(*value).to_string()));
    }
    if let Avro::Float(number) = value {
        return Some(Cell::Number(format!("{:?}", f64::from(*number))));
    }
    if let Avro::Array(numbers) = value {
        return vector(numbers);
    }
    if let Avro::Record(fields) = value {
        return geometry(fields);
    }
    if let Avro::Double(number) = value {
        return Some(Cell::Number(format!("{number:?}")));
    }
    if let Avro::Decimal(decimal) = value {
        let unscaled: Vec<u8> = decimal.try_into().ok()?;
        return Some(Cell::Number(decimal_text(&unscaled, meaning.scale)));
    }
    if let Avro::Bytes(bytes) = value {
        let mut bytes = bytes.clone();
        if name == "io.debezium.data.Bits" {
            bytes.reverse();
        }
        return Some(Cell::Bytes(bytes));
    }
    if let Avro::String(text) = value {
        return match name {
            "io.debezium.data.Json" => Some(json(text)),
            "io.debezium.time.ZonedTimestamp" => zoned(text),
            _ => Some(Cell::Text(text.clone())),
        };
    }
    let number = if let Avro::Int(number) = value {
        i64::from(*number)
    } else if let Avro::Long(number) = value {
        *number
    } else {
        return None;
    };
    Some(match name {
        "io.debezium.time.Date" => Cell::Text(date(number)),
        "io.debezium.time.Timestamp" => Cell::Text(moment(number.checked_mul(1000)?)),
        "io.debezium.time.MicroTimestamp" => Cell::Text(moment(number)),
        _ => Cell::Number(number.to_string()),
    })
}

/// A VECTOR as MySQL stores it.
fn vector(numbers: &[Avro]) -> Option<Cell> {
    let mut bytes = Vec::new();
    for number in numbers {
        let Avro::Float(number) = number else { return None };
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Some(Cell::Bytes(bytes))
}

/// A geometry as MySQL stores it: the SRID, 0 for none, and its well-known binary form.
fn geometry(fields: &[(String, Avro)]) -> Option<Cell> {
    fn plain(value: &Avro) -> &Avro {
        if let Avro::Union(_, value) = value { value } else { value }
    }
    let field = |name: &str| Some(plain(&fields.iter().find(|(field, _)| field == name)?.1));
    let Avro::Bytes(wkb) = field("wkb")? else { return None };
    let srid = if let Avro::Int(srid) = field("srid")? { *srid } else { 0 };
    Some(Cell::Bytes([&srid.to_le_bytes(), wkb.as_slice()].concat()))
}

/// JSON without the blanks outside its strings. Numbers stay text: parsing them would make equal
/// what is not.
fn json(text: &str) -> Cell {
    let mut in_string = false;
    let mut is_escaped = false;
    let compact = text.chars().filter(|character| {
        let is_quote = *character == '"' && !is_escaped;
        is_escaped = in_string && *character == '\\' && !is_escaped;
        in_string ^= is_quote;
        in_string || *character != ' '
    });
    Cell::Json(compact.collect())
}

/// `2024-02-29T12:00:00.5Z` with six digits of a second.
fn zoned(text: &str) -> Option<Cell> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    Some(Cell::Text(format!("{date} {whole}.{fraction:0<6}")))
}

fn moment(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{} {hour:02}:{minute:02}:{second:02}.{micros:06}", date(days))
}

/// The date that lies so many days after 1970-01-01, found by counting years and months.
fn date(days: i64) -> String {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut rest = days;
    let mut year = 1970;
    while rest < 0 {
        year -= 1;
        rest += if is_leap(year) { 366 } else { 365 };
    }
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if rest < length {
            break;
        }
        rest -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", rest + 1)
}

/// The decimal text of a big-endian two's complement number with `scale` digits after the point.
fn decimal_text(unscaled: &[u8], scale: usize) -> String {
    let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut rest: Vec<u8> = unscaled.to_vec();
    if negative {
        let mut carry = true;
        for byte in rest.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let mut digits = String::new();
    while rest.iter().any(|byte| *byte != 0) {
        let mut remainder = 0_u16;
        for byte in &mut rest {
            let value = remainder << 8 | u16::from(*byte);
            *byte = u8::try_from(value / 10).unwrap_or_default();
            remainder = value % 10;
        }
        digits.insert(0, char::from(b'0' + u8::try_from(remainder).unwrap_or_default()));
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_shown_with_their_scale() {
        assert_eq!(decimal_text(&[0], 2), "0.00");
        assert_eq!(decimal_text(&[0xff], 2), "-0.01");
        assert_eq!(decimal_text(&[0x00, 0xff, 0xff], 0), "65535");
        assert_eq!(decimal_text(&[0x80, 0x00], 3), "-32.768");
    }

    #[test]
    fn the_padding_of_a_decimal_is_no_part_of_it() {
        assert_eq!(without_padding("0007.50"), "7.50");
        assert_eq!(without_padding("00.00"), "0.00");
        assert_eq!(without_padding("000"), "0");
    }

    #[test]
    fn days_are_counted_on_both_sides_of_1970() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(moment(-1), "1969-12-31 23:59:59.999999");
    }
}
