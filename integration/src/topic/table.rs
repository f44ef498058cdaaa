//! The table beside its topic.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use mysql_async::consts::ColumnFlags;
use mysql_async::prelude::Queryable;
use mysql_async::{Opts, Row};

use super::{ChangeRecord, TopicError, Topics, replay};
use crate::cell::{self, Cell, Cells};

/// How many differences are described.
const DESCRIBED_MAX: usize = 10;

/// Pause between two comparisons.
const POLL: Duration = Duration::from_millis(100);

/// Where a topic and its table differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many rows differ.
    pub rows: usize,
    /// The first ones.
    pub described: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows differ: {}", self.rows, self.described.join("; "))
    }
}

/// All rows of `database.table` by their keys, as they are committed now.
///
/// # Errors
///
/// [`TopicError`] if MySQL does not answer or a type has no form.
pub async fn read_table(mysql: &str, table: &str) -> Result<BTreeMap<Cells, Cells>, TopicError> {
    let failed = |source| TopicError::MySql { table: table.to_owned(), source };
    let unfit = || TopicError::Table { table: table.to_owned() };
    let options = Opts::from_url(mysql).map_err(|error| failed(error.into()))?;
    let mut connection = mysql_async::Conn::new(options).await.map_err(failed)?;
    connection
        .query_drop("SET NAMES utf8mb4, time_zone = '+00:00', group_concat_max_len = 100000")
        .await
        .map_err(failed)?;
    // Named, because `*` leaves invisible columns out.
    let columns: Option<Option<String>> = connection
        .exec_first(
            "SELECT GROUP_CONCAT(CONCAT('`', column_name, '`') ORDER BY ordinal_position) \
             FROM information_schema.columns WHERE CONCAT(table_schema, '.', table_name) = ?",
            (table,),
        )
        .await
        .map_err(failed)?;
    let select = format!("SELECT {} FROM {table}", columns.flatten().ok_or_else(unfit)?);
    let rows: Vec<Row> = connection.exec(select, ()).await.map_err(failed)?;
    connection.disconnect().await.map_err(failed)?;
    let mut found = BTreeMap::new();
    for row in rows {
        let columns = row.columns();
        let keys: Vec<String> = columns
            .iter()
            .filter(|column| column.flags().contains(ColumnFlags::PRI_KEY_FLAG))
            .map(|column| column.name_str().into_owned())
            .collect();
        let cells = cell::of_row(row).ok_or_else(unfit)?;
        let key: Cells = keys
            .into_iter()
            .filter_map(|name| cells.get(&name).map(|cell| (name.clone(), cell.clone())))
            .collect();
        found.insert(key, cells);
    }
    Ok(found)
}

/// Compares a topic's rows with a table's; nothing if they are the same. A column that a record
/// does not have yet is NULL.
#[must_use]
pub fn difference(records: &[ChangeRecord], table: &BTreeMap<Cells, Cells>) -> Option<Difference> {
    let mut played = replay(records);
    let mut lines = Vec::new();
    for (key, row) in table {
        let Some(found) = played.remove(key) else {
            lines.push(format!("{key:?} is not in the topic"));
            continue;
        };
        let different =
            row.iter().find(|(name, cell)| found.get(*name).unwrap_or(&Cell::Null) != *cell);
        if let Some((name, cell)) = different {
            let found = found.get(name);
            lines.push(format!("{key:?}: {name} is {cell:?} in the table, {found:?} in the topic"));
        }
    }
    lines.extend(played.keys().map(|key| format!("{key:?} is not in the table")));
    let rows = lines.len();
    lines.truncate(DESCRIBED_MAX);
    (rows > 0).then_some(Difference { rows, described: lines })
}

/// Reads again and again until the topic is what the table is; gives its records.
///
/// # Errors
///
/// [`TopicError::Different`] if they are not equal by the deadline; otherwise as
/// [`Topics::read`].
pub async fn wait_until_equal(
    topics: &mut Topics,
    mysql: &str,
    (table, topic): (&str, &str),
    deadline: Duration,
) -> Result<Vec<ChangeRecord>, TopicError> {
    let end = Instant::now() + deadline;
    loop {
        let records = topics.read(topic).await?;
        let Some(difference) = difference(&records, &read_table(mysql, table).await?) else {
            return Ok(records);
        };
        if Instant::now() >= end {
            let (topic, table) = (topic.to_owned(), table.to_owned());
            let seconds = deadline.as_secs();
            return Err(TopicError::Different { topic, table, seconds, difference });
        }
        tokio::time::sleep(POLL).await;
    }
}
