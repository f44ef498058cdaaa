//! The table of a run: filled without its binary log, and compared with a topic.

use futures_util::TryStreamExt;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SoakError;
use super::ledger::Ledger;

/// Rows of one INSERT.
const BATCH: u64 = 100_000;

/// A row as a number, by MySQL: CRC-32 of its values as text, times in milliseconds.
pub(super) const DIGEST: &str =
    "CRC32(CONCAT_WS('|', id, a, b, TIMESTAMPDIFF(SECOND, '1970-01-01', c) * 1000))";

/// The statement that inserts the rows from `first` on.
pub(super) fn insert(name: &str, (first, rows): (u64, u64), text: &str) -> String {
    format!(
        "INSERT INTO {name}.t \
         SELECT n.id, 0, {text}, '2020-01-01' + INTERVAL n.id SECOND FROM (\
           SELECT {first} + x.i * 1000 + y.i AS id FROM {name}_seq.seq x JOIN {name}_seq.seq y \
           WHERE x.i * 1000 + y.i < {rows} ORDER BY x.i, y.i) n"
    )
}

/// Makes the numbers 0 to 999 in a database of their own, which nobody captures.
pub(super) async fn make_sequence(connection: &mut Conn, name: &str) -> Result<(), SoakError> {
    connection.query_drop(format!("CREATE DATABASE {name}_seq")).await?;
    connection.query_drop(format!("CREATE TABLE {name}_seq.seq (i INT PRIMARY KEY)")).await?;
    let rows: Vec<_> = (0..1000).map(|i| format!("({i})")).collect();
    connection.query_drop(format!("INSERT INTO {name}_seq.seq VALUES {}", rows.join(", "))).await?;
    Ok(())
}

/// Fills the table with the rows 1 to `rows`, as one that is older than its binary log.
pub(super) async fn fill(connection: &mut Conn, name: &str, rows: u64) -> Result<(), SoakError> {
    connection.query_drop("SET sql_log_bin = OFF").await?;
    let mut first = 1;
    while first <= rows {
        let batch = BATCH.min(rows - first + 1);
        let text = "CONCAT('row ', n.id)";
        connection.query_drop(insert(name, (first, batch), text)).await?;
        first += batch;
    }
    connection.query_drop("SET sql_log_bin = ON").await?;
    // Statistics, for the copy's estimate.
    connection.query_drop(format!("ANALYZE NO_WRITE_TO_BINLOG TABLE {name}.t")).await?;
    Ok(())
}

/// Inserts a row behind all others and gives its key.
pub(super) async fn insert_last(connection: &mut Conn, name: &str) -> Result<u64, SoakError> {
    connection
        .query_drop(format!("INSERT INTO {name}.t (a, b, c) VALUES (0, 'last', '2020-01-01')"))
        .await?;
    Ok(connection.last_insert_id().unwrap_or_default())
}

/// Compares table and ledger: how many rows the table has, and whether both are equal.
pub(super) async fn compare(
    connection: &mut Conn,
    name: &str,
    ledger: &mut Ledger,
) -> Result<(u64, bool), SoakError> {
    let statement = format!("SELECT id, {DIGEST} FROM {name}.t");
    let mut result = connection.query_iter(statement).await?;
    let (mut rows, mut equal) = (0, 0);
    if let Some(mut stream) = result.stream::<(i64, u32)>().await? {
        while let Some((id, digest)) = stream.try_next().await? {
            rows += 1;
            equal += u64::from(ledger.compare(id, digest));
        }
    }
    result.drop_result().await?;
    let there = ledger.there();
    if there != rows {
        ledger.problems.add(format!("the topic has {there} rows, the table {rows}"));
    }
    Ok((rows, there == rows && equal == rows))
}
