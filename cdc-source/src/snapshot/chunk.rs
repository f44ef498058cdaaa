//! One chunk: a range of a table along its primary key.

use std::time::Duration;

use schema::offset::KeyLiteral;
use schema::position::BinlogPosition;
use schema::table::{TableId, TableSchema};
use schema::types::{ColumnType, MysqlValue};
use uuid::Uuid;

use super::structure::{self, NO_SUCH_TABLE, Structure, quoted, quoted_name, text_literal};
use super::{Place, values};
use crate::connection::Connection;
use crate::error::SourceError;
use crate::preflight;

/// Longest time for one chunk's SELECT. It reads a few thousand rows along an index; with
/// `FOR SHARE` it may have to wait for row locks, which time out after 50 s by default.
const SELECT_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest time for the wait of step 2 in one statement.
const WAIT_SECONDS: u32 = 50;

/// Which chunk to read.
#[derive(Debug, Clone)]
pub(crate) struct ChunkRequest {
    pub(crate) table: TableId,
    /// The chunk begins after this key; `None` for the first.
    pub(crate) after: Option<Vec<KeyLiteral>>,
    /// Most rows of it.
    pub(crate) rows: u32,
    /// Its number within the table, from 0.
    pub(crate) number: u64,
    /// Whether JSON keeps the blanks that the server prints.
    pub(crate) blanks_in_json: bool,
    /// What the chunk's place depends on, if records are to tell it.
    pub(crate) order: Option<Order>,
}

/// Where a table is among those that are copied.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Whether no table comes before it.
    pub(crate) is_first: bool,
    /// The tables that are copied after it, in their order.
    pub(crate) later: Vec<TableId>,
}

/// The rows of a chunk and what bounds them.
pub(crate) struct Chunk {
    pub(crate) schema: TableSchema,
    pub(crate) rows: Vec<Vec<Option<MysqlValue<'static>>>>,
    /// The key of the last row, if there is one.
    pub(crate) last_key: Option<Vec<KeyLiteral>>,
    /// Whether the table has no rows after it.
    pub(crate) is_last: bool,
    /// All that the SELECT saw lies before.
    pub(crate) high: BinlogPosition,
    /// The server that `high` is of.
    pub(crate) server: Uuid,
    /// Where its rows are in the copy of all tables, if records are to tell it.
    pub(crate) place: Option<Place>,
}

/// What came of reading a chunk.
pub(crate) enum Loaded {
    Chunk(Chunk),
    /// The table cannot be copied, and why.
    Parked(String),
}

/// Steps 2 to 4.
pub(super) async fn load(
    connection: &mut Connection,
    request: &ChunkRequest,
    processed: Option<&str>,
) -> Result<Loaded, SourceError> {
    wait_for(connection, processed).await?;
    let structure = match structure::read(connection, &request.table).await? {
        Ok(structure) if structure.schema.columns.is_empty() => return Ok(Loaded::Parked(gone())),
        Ok(structure) => structure,
        Err(problem) => {
            let column = &problem.column;
            let reason =
                format!("column {column} is {}, which is not exact yet", problem.type_name);
            return Ok(Loaded::Parked(reason));
        }
    };
    let statement = select(&structure.schema, request, processed.is_none());
    let selected = connection.rows_in_binary("read a chunk", &statement, SELECT_TIMEOUT).await;
    let mut rows = match selected {
        Ok(rows) => rows,
        Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => {
            return Ok(Loaded::Parked(gone()));
        }
        Err(error) => return Err(error),
    };
    let status = preflight::status_statement(connection).await?;
    let (high, server) = preflight::log_end(connection, status).await?.ok_or_else(|| {
        SourceError::Purged { reason: "the server has no binary log any more".to_owned() }
    })?;
    let is_last = rows.len() <= usize::try_from(request.rows).unwrap_or(usize::MAX);
    if !is_last {
        rows.pop();
    }
    let last_key = rows.last().and_then(|row| values::key_literals(&structure.schema, row));
    let last_key = last_key.filter(|key| !key.is_empty());
    let place = place(connection, request, (is_last, rows.is_empty())).await?;
    let converted: Result<Vec<_>, String> =
        rows.into_iter().map(|row| values::row(&structure, row, request.blanks_in_json)).collect();
    let Structure { schema, .. } = structure;
    Ok(match converted {
        Err(reason) => Loaded::Parked(reason),
        Ok(_) if last_key.is_none() && !is_last => Loaded::Parked(unbounded(&schema)),
        Ok(rows) => Loaded::Chunk(Chunk { schema, rows, last_key, is_last, high, server, place }),
    })
}

/// Looks whether rows follow in later tables. Each table is looked at once in all: only the end of
/// one with rows looks, and no further than the next one with rows.
async fn place(
    connection: &mut Connection,
    request: &ChunkRequest,
    (is_last, is_empty): (bool, bool),
) -> Result<Option<Place>, SourceError> {
    let Some(order) = request.order.as_ref().filter(|_| !is_empty) else { return Ok(None) };
    let mut nothing_follows = is_last;
    for table in &order.later {
        if !nothing_follows {
            break;
        }
        let statement = format!("SELECT 1 FROM {} LIMIT 1", quoted(table));
        match connection.first::<u8>("look for rows", &statement).await {
            Ok(found) => nothing_follows = found.is_none(),
            Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Place {
        in_first_table: order.is_first,
        is_first_chunk: request.number == 0,
        is_last_chunk: is_last,
        nothing_follows,
    }))
}

fn unbounded(schema: &TableSchema) -> String {
    if schema.key.is_empty() {
        return "it has no key, so it must fit into one chunk; add a primary key, or raise \
                snapshot.chunk.rows"
            .to_owned();
    }
    "its key cannot bound a chunk".to_owned()
}

fn gone() -> String {
    "the table does not exist any more".to_owned()
}

/// Waits until all that the stream has processed is visible to a SELECT.
async fn wait_for(connection: &mut Connection, processed: Option<&str>) -> Result<(), SourceError> {
    let Some(processed) = processed.filter(|set| !set.is_empty()) else { return Ok(()) };
    let statement = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{processed}', {WAIT_SECONDS})");
    loop {
        let timed_out: Option<u8> =
            connection.first("wait until the stream's rows are visible", &statement).await?;
        if timed_out == Some(0) {
            return Ok(());
        }
        tracing::info!("waiting for a commit that the binary log already holds");
    }
}

/// The chunk's SELECT. Names are given, so invisible columns come too. It asks for one row more than
/// the chunk has, which tells whether another one follows.
fn select(schema: &TableSchema, request: &ChunkRequest, with_locks: bool) -> String {
    let columns: Vec<_> = schema.columns.iter().map(|column| quoted_name(&column.name)).collect();
    let key: Vec<_> = schema.key_columns().map(|column| quoted_name(&column.name)).collect();
    let bound = request.after.as_ref().map(|after| bound(schema, after));
    let filter = bound.map(|bound| format!(" WHERE {bound}")).unwrap_or_default();
    let order =
        if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) };
    let locks = if with_locks { " FOR SHARE" } else { "" };
    format!(
        "SELECT {} FROM {}{filter}{order} LIMIT {}{locks}",
        columns.join(", "),
        quoted(&schema.id),
        u64::from(request.rows) + 1
    )
}

/// "After this key", spelt out with OR: MySQL does not use an index range for row constructors.
fn bound(schema: &TableSchema, after: &[KeyLiteral]) -> String {
    let columns: Vec<_> = schema.key_columns().collect();
    let literal = |index: usize| match (columns.get(index), after.get(index)) {
        (Some(column), Some(key)) => literal(&column.column_type, key),
        _ => "NULL".to_owned(),
    };
    let name = |index: usize| columns.get(index).map_or(String::new(), |c| quoted_name(&c.name));
    let alternatives: Vec<_> = (0..columns.len())
        .map(|last| {
            let equal = (0..last).map(|index| format!("{} = {}", name(index), literal(index)));
            let greater = std::iter::once(format!("{} > {}", name(last), literal(last)));
            format!("({})", equal.chain(greater).collect::<Vec<_>>().join(" AND "))
        })
        .collect();
    alternatives.join(" OR ")
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
            let text = text_literal(text);
            if let ColumnType::Decimal { precision, scale } = column_type {
                format!("CAST({text} AS DECIMAL({precision},{scale}))")
            } else if *column_type == ColumnType::Date {
                format!("CAST({text} AS DATE)")
            } else if column_type.is_moment() {
                format!("CAST({text} AS DATETIME(6))")
            } else {
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::table::Column;
    use schema::types::charset::Charset;

    fn table() -> TableSchema {
        let column = |name: &str, column_type| Column {
            name: name.to_owned(),
            column_type,
            nullable: false,
            declaration: None,
        };
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

    fn request(after: Option<Vec<KeyLiteral>>) -> ChunkRequest {
        ChunkRequest {
            table: TableId::new("shop", "order_items"),
            after,
            rows: 10,
            number: 0,
            blanks_in_json: false,
            order: None,
        }
    }

    #[test]
    fn the_first_chunk_has_no_bound() {
        assert_eq!(
            select(&table(), &request(None), false),
            "SELECT `note`, `order_id`, `line` FROM `shop`.`order_items` \
             ORDER BY `order_id`, `line` LIMIT 11"
        );
    }

    #[test]
    fn a_table_without_a_key_has_no_order() {
        let table = TableSchema { key: vec![], ..table() };

        let statement = select(&table, &request(None), false);

        assert!(statement.ends_with("FROM `shop`.`order_items` LIMIT 11"), "{statement}");
    }

    #[test]
    fn a_bound_in_another_character_set_has_the_bytes_of_its_column() {
        let mut table = table();
        table.columns[2].column_type = ColumnType::Text { charset: Charset::Cp932 };
        table.key = vec![2];
        let after = vec![KeyLiteral::Binary("ed40".to_owned())];

        let statement = select(&table, &request(Some(after)), false);

        assert!(statement.contains("WHERE (`line` > _cp932 x'ed40') ORDER"), "{statement}");
    }

    /// In one with more digits after the point there is no room for all those before it.
    #[test]
    fn a_bound_of_a_decimal_has_the_size_of_its_column() {
        let mut table = table();
        table.columns[1].column_type = ColumnType::Decimal { precision: 65, scale: 0 };
        table.key = vec![1];
        let after = vec![KeyLiteral::Text("9".repeat(65))];

        let statement = select(&table, &request(Some(after)), false);

        assert!(statement.contains("' AS DECIMAL(65,0))) ORDER"), "{statement}");
    }

    #[test]
    fn a_composite_bound_is_spelt_out() {
        let after = vec![KeyLiteral::Unsigned(7), KeyLiteral::Text("a".to_owned())];

        let statement = select(&table(), &request(Some(after)), true);

        assert_eq!(
            statement,
            "SELECT `note`, `order_id`, `line` FROM `shop`.`order_items` \
             WHERE (`order_id` > 7) OR (`order_id` = 7 AND `line` > _utf8mb4 x'61') \
             ORDER BY `order_id`, `line` LIMIT 11 FOR SHARE"
        );
    }
}
