//! Bounds of chunks: a table's rows between two of its keys, as SQL.
//!
//! A bound is compared as the index is ordered: text in the column's own character set and
//! collation, ENUM, SET and BIT by their numbers, times in the session's UTC. Row constructors get
//! no index range from MySQL, so composite keys are spelt out with OR.

use mysql_common::{Row, Value as Sql};
use schema::offset::KeyLiteral;
use schema::table::{Column, TableSchema};
use schema::types::ColumnType;
use schema::types::charset::Charset;

use super::structure::{hex, quoted, quoted_name, text_literal};

/// A part of a table along its key: after `after`, up to and with `until`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// `None` begins with the first row.
    pub(crate) after: Option<Vec<KeyLiteral>>,
    /// `None` ends with the last row.
    pub(crate) until: Option<Vec<KeyLiteral>>,
}

/// The statements that read one range of a table.
#[derive(Clone, Copy)]
pub(super) struct RangeQuery<'a> {
    pub(super) schema: &'a TableSchema,
    /// The columns of the key, in its order.
    pub(super) key: &'a [usize],
    pub(super) range: &'a KeyRange,
    /// Only rows for which this SQL expression is true.
    pub(super) filter: Option<&'a str>,
}

impl RangeQuery<'_> {
    /// The rows in the order of the key, at most `limit`. Names are given, so invisible columns
    /// come too; behind the columns come the key's parts whose columns do not say how they are
    /// ordered.
    pub(super) fn rows(&self, limit: u64, lock: Option<&str>) -> String {
        format!("{} LIMIT {limit}{}", self.select(), behind(lock))
    }

    /// All rows of the range.
    pub(super) fn all_rows(&self, lock: Option<&str>) -> String {
        format!("{}{}", self.select(), behind(lock))
    }

    fn select(&self) -> String {
        let columns = self.schema.columns.iter().map(|column| quoted_name(&column.name));
        let extra = self.key_columns().filter(|it| is_ordered_by_number(it)).map(number_of);
        let select: Vec<_> = columns.chain(extra).collect();
        format!("SELECT {}{}", select.join(", "), self.from())
    }

    fn key_columns(&self) -> impl Iterator<Item = &Column> {
        columns_of(self.schema, self.key)
    }

    /// The key of the row that is `number` behind the first, from 0.
    pub(super) fn key_of_row(&self, number: u64) -> String {
        let select: Vec<_> = self.key_columns().map(key_expression).collect();
        format!("SELECT {}{} LIMIT 1 OFFSET {number}", select.join(", "), self.from())
    }

    /// What the optimizer thinks of the rows.
    pub(super) fn explain(&self) -> String {
        format!("EXPLAIN FORMAT=TRADITIONAL SELECT 1{}", self.from())
    }

    fn from(&self) -> String {
        let after = self.range.after.as_ref().map(|key| self.compare(key, (">", ">")));
        let until = self.range.until.as_ref().map(|key| self.compare(key, ("<", "<=")));
        let filter = self.filter.map(|filter| format!("({filter})"));
        let conditions: Vec<_> = [after, until, filter].into_iter().flatten().collect();
        let filter = match conditions.as_slice() {
            [] => String::new(),
            all => format!(" WHERE {}", all.join(" AND ")),
        };
        let key: Vec<_> = self.key_columns().map(|it| quoted_name(&it.name)).collect();
        let order =
            if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) };
        format!(" FROM {}{filter}{order}", quoted(&self.schema.id))
    }

    /// Rows on one side of a key: all columns before the one that decides are equal.
    fn compare(&self, key: &[KeyLiteral], (strict, last): (&str, &str)) -> String {
        let columns: Vec<_> = self.key_columns().collect();
        let part = |index: usize, operator: &str| match (columns.get(index), key.get(index)) {
            (Some(column), Some(key)) => {
                let literal = literal(&column.column_type, key);
                format!("{} {operator} {literal}", quoted_name(&column.name))
            }
            // A key of another length than the table's was refused before.
            _ => "FALSE".to_owned(),
        };
        let alternative = |deciding: usize| {
            let equal = (0..deciding).map(|index| part(index, "="));
            let operator = if deciding + 1 == columns.len() { last } else { strict };
            let all: Vec<_> = equal.chain(std::iter::once(part(deciding, operator))).collect();
            format!("({})", all.join(" AND "))
        };
        let alternatives: Vec<_> = (0..columns.len()).map(alternative).collect();
        format!("({})", alternatives.join(" OR "))
    }
}

/// What locks the rows that are read, at the end of the statement.
fn behind(lock: Option<&str>) -> String {
    lock.map_or_else(String::new, |lock| format!(" {lock}"))
}

fn columns_of<'a>(schema: &'a TableSchema, key: &[usize]) -> impl Iterator<Item = &'a Column> {
    key.iter().filter_map(|index| schema.columns.get(*index))
}

/// Where the key's parts are in a row of [`RangeQuery::rows`].
pub(super) fn key_places(schema: &TableSchema, key: &[usize]) -> Vec<usize> {
    let mut extra = schema.columns.len();
    let place = |index: &usize| {
        let by_number = schema.columns.get(*index).is_some_and(is_ordered_by_number);
        if !by_number {
            return *index;
        }
        extra += 1;
        extra - 1
    };
    key.iter().map(place).collect()
}

/// The key of a row whose parts are at `places`; `None` if one of them cannot bound a chunk.
pub(super) fn key_literals(
    (schema, key): (&TableSchema, &[usize]),
    row: &Row,
    places: &[usize],
) -> Option<Vec<KeyLiteral>> {
    let parts = columns_of(schema, key).zip(places);
    parts.map(|(column, place)| key_literal(&column.column_type, row.as_ref(*place)?)).collect()
}

/// How the key is ordered: one text for each column, with all that its order depends on.
pub(super) fn key_order(
    schema: &TableSchema,
    key: &[usize],
    collations: &[Option<u64>],
) -> Vec<String> {
    let part = |index: &usize| {
        let column = schema.columns.get(*index)?;
        let type_text = column.declaration.as_ref().map_or("", |it| it.type_text.as_str());
        let collation = collations.get(*index).copied().flatten();
        let collation = collation.map_or_else(String::new, |id| format!(" collation {id}"));
        Some(format!("{} {type_text}{collation}", column.name))
    };
    key.iter().filter_map(part).collect()
}

/// Columns whose text is not what they are ordered by.
fn is_ordered_by_number(column: &Column) -> bool {
    matches!(
        column.column_type,
        ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Bit { .. }
    )
}

fn number_of(column: &Column) -> String {
    format!("CAST({} + 0 AS UNSIGNED)", quoted_name(&column.name))
}

fn key_expression(column: &Column) -> String {
    if is_ordered_by_number(column) { number_of(column) } else { quoted_name(&column.name) }
}

fn key_literal(column_type: &ColumnType, sql: &Sql) -> Option<KeyLiteral> {
    Some(match sql {
        Sql::Int(number) => KeyLiteral::Signed(*number),
        Sql::UInt(number) => KeyLiteral::Unsigned(*number),
        // With all digits, so that it is the same number again.
        Sql::Float(number) => KeyLiteral::Text(format!("{:e}", f64::from(*number))),
        Sql::Double(number) => KeyLiteral::Text(format!("{number:e}")),
        Sql::Bytes(bytes) if column_type.is_binary() => KeyLiteral::Binary(hex(bytes)),
        // Not as Unicode: `cp932` and others have characters twice, which sort apart.
        Sql::Bytes(bytes) if column_type.charset().is_some_and(|set| set != Charset::Utf8) => {
            KeyLiteral::Binary(hex(bytes))
        }
        Sql::Bytes(bytes) => KeyLiteral::Text(String::from_utf8(bytes.clone()).ok()?),
        Sql::Date(year, month, day, hour, minute, second, micros) => KeyLiteral::Text(format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"
        )),
        Sql::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let sign = if *is_negative { "-" } else { "" };
            let hours = u64::from(*days) * 24 + u64::from(*hours);
            KeyLiteral::Text(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{micros:06}"))
        }
        Sql::NULL => return None,
    })
}

/// A bound as MySQL compares it along the column's index, without converting the column. Text is
/// compared by the column's collation, because that of a literal gives way.
fn literal(column_type: &ColumnType, key: &KeyLiteral) -> String {
    match key {
        KeyLiteral::Signed(number) => number.to_string(),
        KeyLiteral::Unsigned(number) => number.to_string(),
        KeyLiteral::Binary(hex) => match column_type.charset() {
            Some(charset) => format!("_{} x'{hex}'", charset.name()),
            None => format!("x'{hex}'"),
        },
        KeyLiteral::Text(text) => {
            let quoted = text_literal(text);
            if let ColumnType::Decimal { precision, scale } = column_type {
                format!("CAST({quoted} AS DECIMAL({precision},{scale}))")
            } else if *column_type == ColumnType::Date {
                format!("CAST({quoted} AS DATE)")
            } else if column_type.is_moment() {
                format!("CAST({quoted} AS DATETIME(6))")
            } else if matches!(column_type, ColumnType::Time { .. }) {
                format!("CAST({quoted} AS TIME(6))")
            } else if matches!(column_type, ColumnType::Float | ColumnType::Double) {
                // Only a number may stand unquoted.
                text.parse::<f64>().map_or(quoted, |number| format!("{number:e}"))
            } else {
                quoted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::table::TableId;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column { name: name.to_owned(), column_type, nullable: false, declaration: None }
    }

    fn table() -> TableSchema {
        TableSchema {
            id: TableId::new("shop", "order_items"),
            columns: vec![
                column("note", ColumnType::Text { charset: Charset::Utf8 }),
                column("order_id", ColumnType::BigInt { unsigned: true }),
                column("line", ColumnType::Text { charset: Charset::Utf8 }),
            ],
            key: vec![1, 2],
        }
    }

    fn table_of(column_type: ColumnType) -> TableSchema {
        TableSchema { columns: vec![column("k", column_type)], key: vec![0], ..table() }
    }

    fn after(key: Vec<KeyLiteral>) -> KeyRange {
        KeyRange { after: Some(key), until: None }
    }

    fn rows(schema: &TableSchema, range: &KeyRange) -> String {
        RangeQuery { schema, key: &schema.key, range, filter: None }.rows(11, None)
    }

    #[test]
    fn a_whole_table_has_no_bound() {
        assert_eq!(
            rows(&table(), &KeyRange::default()),
            "SELECT `note`, `order_id`, `line` FROM `shop`.`order_items` \
             ORDER BY `order_id`, `line` LIMIT 11"
        );
    }

    #[test]
    fn a_table_without_a_key_has_no_order() {
        let statement = rows(&TableSchema { key: vec![], ..table() }, &KeyRange::default());

        assert!(statement.ends_with("FROM `shop`.`order_items` LIMIT 11"), "{statement}");
        let (schema, range) = (TableSchema { key: vec![], ..table() }, KeyRange::default());
        let whole = RangeQuery { schema: &schema, key: &[], range: &range, filter: None };
        assert!(whole.all_rows(Some("FOR SHARE")).ends_with("`order_items` FOR SHARE"));
    }

    #[test]
    fn composite_bounds_are_spelt_out() {
        let text = |text: &str| KeyLiteral::Text(text.to_owned());
        let range = KeyRange {
            after: Some(vec![KeyLiteral::Unsigned(7), text("a")]),
            until: Some(vec![KeyLiteral::Unsigned(9), text("b")]),
        };

        let schema = table();
        let (key, filter) = (schema.key.as_slice(), Some("note <> ''"));
        let query = RangeQuery { schema: &schema, key, range: &range, filter };

        assert_eq!(
            query.rows(11, Some("FOR SHARE")),
            "SELECT `note`, `order_id`, `line` FROM `shop`.`order_items` \
             WHERE ((`order_id` > 7) OR (`order_id` = 7 AND `line` > _utf8mb4 x'61')) \
             AND ((`order_id` < 9) OR (`order_id` = 9 AND `line` <= _utf8mb4 x'62')) \
             AND (note <> '') ORDER BY `order_id`, `line` LIMIT 11 FOR SHARE"
        );
        assert_eq!(
            RangeQuery { filter: None, range: &KeyRange::default(), ..query }.key_of_row(4095),
            "SELECT `order_id`, `line` FROM `shop`.`order_items` ORDER BY `order_id`, `line` \
             LIMIT 1 OFFSET 4095"
        );
    }

    #[test]
    fn a_bound_in_another_character_set_has_the_bytes_of_its_column() {
        let schema = table_of(ColumnType::Text { charset: Charset::Cp932 });

        let statement = rows(&schema, &after(vec![KeyLiteral::Binary("ed40".to_owned())]));

        assert!(statement.contains("WHERE ((`k` > _cp932 x'ed40')) ORDER"), "{statement}");
    }

    /// In one with more digits after the point there is no room for all those before it.
    #[test]
    fn a_bound_of_a_decimal_has_the_size_of_its_column() {
        let schema = table_of(ColumnType::Decimal { precision: 65, scale: 0 });

        let statement = rows(&schema, &after(vec![KeyLiteral::Text("9".repeat(65))]));

        assert!(statement.contains("' AS DECIMAL(65,0)))) ORDER"), "{statement}");
    }

    #[test]
    fn an_enum_is_bounded_by_its_number_and_a_float_by_all_its_digits() {
        let members = vec!["b".to_owned(), "a".to_owned()];
        let schema = table_of(ColumnType::Enum { members });
        let statement = rows(&schema, &after(vec![KeyLiteral::Unsigned(1)]));
        let float = key_literal(&ColumnType::Float, &Sql::Float(1.1)).unwrap();

        assert_eq!(
            statement,
            "SELECT `k`, CAST(`k` + 0 AS UNSIGNED) FROM `shop`.`order_items` \
             WHERE ((`k` > 1)) ORDER BY `k` LIMIT 11"
        );
        assert_eq!(key_places(&schema, &schema.key), [1]);
        assert_eq!(literal(&ColumnType::Float, &float), "1.100000023841858e0");
        assert_eq!(
            literal(&ColumnType::Double, &KeyLiteral::Text("1); DROP".to_owned())),
            "_utf8mb4 x'31293b2044524f50'"
        );
    }

    #[test]
    fn a_time_is_bounded_in_hours() {
        let time = Sql::Time(true, 34, 22, 59, 59, 1);

        let key = key_literal(&ColumnType::Date, &time).unwrap();

        assert_eq!(key, KeyLiteral::Text("-838:59:59.000001".to_owned()));
    }
}
