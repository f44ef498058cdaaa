//! All rows of a table, each as the document that it should be.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Pool, Row, Value};
use sha2::{Digest, Sha256};

use super::OracleError;
use super::expected::Expected;

/// Longest id that Elasticsearch takes, in bytes.
const ID_MAX_BYTES: usize = 512;

/// A table as it is at one moment.
#[derive(Debug)]
pub(super) struct Table {
    /// Its columns' names in their order.
    pub(super) columns: Vec<String>,
    /// Each row's values in the order of the columns, under the id of its document.
    pub(super) rows: BTreeMap<String, Vec<Expected>>,
}

/// A column with all that its values' form depends on.
#[derive(Debug)]
struct Column {
    name: String,
    data_type: String,
    /// `DATETIME_PRECISION`, or the length of a BIT.
    digits: u64,
}

impl Table {
    /// Reads all rows of `database.table` in one statement.
    pub(super) async fn read(mysql: &Pool, table: &str) -> Result<Self, OracleError> {
        let failed = |source| OracleError::MySql { table: table.to_owned(), source };
        let wrong = |problem: String| OracleError::Table { table: table.to_owned(), problem };
        let (database, name) = table
            .split_once('.')
            .ok_or_else(|| wrong("expected its name as database.table".to_owned()))?;
        let mut connection = mysql.get_conn().await.map_err(failed)?;
        // TIMESTAMP is shown in UTC, and no mode changes how a value is shown.
        let session = "SET time_zone = '+00:00', sql_mode = ''";
        connection.query_drop(session).await.map_err(failed)?;
        let (columns, key) = shape(&mut connection, database, name).await.map_err(failed)?;
        if key.is_empty() {
            return Err(wrong("it does not exist or has no primary key".to_owned()));
        }
        let expressions: Vec<String> =
            columns.iter().map(Column::expression).collect::<Result<_, _>>().map_err(wrong)?;
        let select =
            format!("SELECT {} FROM {}.{}", expressions.join(", "), quoted(database), quoted(name));
        let found: Vec<Row> = connection.query(select).await.map_err(failed)?;
        let mut rows = BTreeMap::new();
        for row in found {
            let values = columns.iter().zip(row.unwrap());
            let values: Vec<Expected> = values
                .map(|(c, value)| c.expected(value))
                .collect::<Result<_, _>>()
                .map_err(wrong)?;
            rows.insert(id(&columns, &key, &values), values);
        }
        connection.disconnect().await.map_err(failed)?;
        Ok(Self { columns: columns.into_iter().map(|column| column.name).collect(), rows })
    }
}

/// The columns, and the names of the primary key's in key order.
async fn shape(
    connection: &mut Conn,
    database: &str,
    table: &str,
) -> Result<(Vec<Column>, Vec<String>), mysql_async::Error> {
    let rows: Vec<(String, String, u64)> = connection
        .exec(
            "SELECT column_name, data_type, CAST(coalesce(datetime_precision, \
             numeric_precision, 0) AS UNSIGNED) FROM information_schema.columns \
             WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            (database, table),
        )
        .await?;
    let key = connection
        .exec(
            "SELECT column_name FROM information_schema.statistics WHERE table_schema = ? \
             AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index",
            (database, table),
        )
        .await?;
    let column = |(name, data_type, digits): (String, String, u64)| Column {
        name,
        data_type: data_type.to_ascii_lowercase(),
        digits,
    };
    Ok((rows.into_iter().map(column).collect(), key))
}

impl Column {
    /// What is selected, so that MySQL itself gives a text that no client has to interpret.
    fn expression(&self) -> Result<String, String> {
        let name = quoted(&self.name);
        Ok(match self.data_type.as_str() {
            // A FLOAT shows six digits; as DOUBLE it shows all.
            "float" => format!("CAST({name} AS DOUBLE)"),
            "bit" => format!("CAST({name} AS UNSIGNED)"),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => name,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "double"
            | "year" | "date" | "time" | "datetime" | "timestamp" | "char" | "varchar"
            | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "json" => {
                format!("CAST({name} AS CHAR CHARACTER SET utf8mb4)")
            }
            other => return Err(format!("column {} has the type {other}", self.name)),
        })
    }

    /// The expected form of what was selected.
    fn expected(&self, value: Value) -> Result<Expected, String> {
        let bytes = match value {
            Value::NULL => return Ok(Expected::Null),
            Value::Bytes(bytes) => bytes,
            other @ (Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::Double(_)
            | Value::Date(..)
            | Value::Time(..)) => {
                return Err(format!("column {} was selected as {other:?}", self.name));
            }
        };
        if self.data_type.ends_with("blob") || self.data_type.ends_with("binary") {
            return Ok(Expected::Bytes(bytes));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("column {} was not selected as UTF-8", self.name))?;
        let unreadable = || format!("column {} was selected as {text:?}", self.name);
        Ok(match self.data_type.as_str() {
            "float" => Expected::Float(text.parse().map_err(|_| unreadable())?),
            "double" => Expected::Double(text.parse().map_err(|_| unreadable())?),
            "bit" => bits(text.parse().map_err(|_| unreadable())?, self.digits),
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => {
                Expected::Number(without_padding(&text))
            }
            "time" => Expected::Text(with_fraction(&text, 6)),
            "datetime" => {
                let digits = if self.digits <= 3 { 3 } else { 6 };
                Expected::Text(with_fraction(&text.replace(' ', "T"), digits))
            }
            "timestamp" => Expected::Text(format!("{}Z", text.replace(' ', "T"))),
            "set" => {
                let members = text.split(',').filter(|member| !member.is_empty());
                Expected::List(members.map(str::to_owned).collect())
            }
            "json" => Expected::Json(text),
            _ => Expected::Text(text),
        })
    }
}

/// A BIT(1) is a truth value, a longer one is bytes, the lowest first, as Debezium has them.
fn bits(value: u64, length: u64) -> Expected {
    if length == 1 {
        return Expected::Bool(value != 0);
    }
    let size = usize::try_from(length.div_ceil(8)).unwrap_or(8);
    Expected::Bytes(value.to_le_bytes().into_iter().take(size).collect())
}

/// A number without the zeros that ZEROFILL puts before it.
fn without_padding(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let shortened = digits.trim_start_matches('0');
    let zero = if shortened.is_empty() || shortened.starts_with('.') { "0" } else { "" };
    format!("{sign}{zero}{shortened}")
}

/// A time with exactly so many digits after the second; it never has more.
fn with_fraction(time: &str, digits: usize) -> String {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{whole}.{fraction:0<digits$}")
}

/// The id of a row's document: the text of a single key column; of several, their texts with `:`
/// between them, in which `%` and `:` are escaped; a digest where that is no id.
fn id(columns: &[Column], key: &[String], values: &[Expected]) -> String {
    let part = |name: &String| {
        let value = columns.iter().zip(values).find(|(column, _)| column.name == *name);
        value.and_then(|(_, value)| value.id_text()).unwrap_or_default()
    };
    let parts: Vec<String> = key.iter().map(part).collect();
    let text = match parts.as_slice() {
        [only] => only.clone(),
        _ => {
            let escaped = |part: &String| part.replace('%', "%25").replace(':', "%3A");
            parts.iter().map(escaped).collect::<Vec<_>>().join(":")
        }
    };
    if (1..=ID_MAX_BYTES).contains(&text.len()) && !text.starts_with("sha256:") {
        return text;
    }
    let digest = Sha256::digest(text.as_bytes());
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str, digits: u64) -> Column {
        Column { name: "c".to_owned(), data_type: data_type.to_owned(), digits }
    }

    fn expected(data_type: &str, digits: u64, text: &str) -> Expected {
        column(data_type, digits).expected(Value::Bytes(text.into())).unwrap()
    }

    fn text(text: &str) -> Expected {
        Expected::Text(text.to_owned())
    }

    #[test]
    fn times_have_the_digits_of_their_form() {
        let moment = "2024-02-29 12:34:56";

        assert_eq!(expected("datetime", 0, moment), text("2024-02-29T12:34:56.000"));
        assert_eq!(
            expected("datetime", 6, "2024-02-29 12:34:56.789012"),
            text("2024-02-29T12:34:56.789012")
        );
        assert_eq!(
            expected("datetime", 4, "2024-02-29 12:34:56.7890"),
            text("2024-02-29T12:34:56.789000")
        );
        assert_eq!(expected("timestamp", 0, moment), text("2024-02-29T12:34:56Z"));
        assert_eq!(expected("time", 0, "-838:59:59"), text("-838:59:59.000000"));
    }

    #[test]
    fn numbers_keep_their_digits_and_lose_their_padding() {
        let number = |text: &str| Expected::Number(text.to_owned());

        assert_eq!(expected("decimal", 10, "-0.50"), number("-0.50"));
        assert_eq!(expected("int", 10, "0000000042"), number("42"));
        assert_eq!(expected("int", 10, "0000"), number("0"));
        assert_eq!(expected("bit", 1, "1"), Expected::Bool(true));
        assert_eq!(expected("bit", 12, "2560"), Expected::Bytes(vec![0, 10]));
    }

    #[test]
    fn an_id_tells_its_columns_apart() {
        let columns = [column("varchar", 0), column("varchar", 0)];
        let one = id(&columns, &["c".to_owned()], &[text("a:b"), text("x")]);
        let two = id(&columns, &["c".to_owned(), "c".to_owned()], &[text("a:%"), text("x")]);

        assert_eq!(one, "a:b");
        assert_eq!(two, "a%3A%25:a%3A%25");
        assert!(id(&columns, &["c".to_owned()], &[text(""), text("x")]).starts_with("sha256:e3b0"));
    }

    #[test]
    fn a_type_without_a_form_is_named() {
        let error = column("geometry", 0).expression().unwrap_err();

        assert_eq!(error, "column c has the type geometry");
    }
}
