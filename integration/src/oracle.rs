//! The comparison that decides every system test: is the index what the table is?
//!
//! The expected document of each row is derived here anew, from a `SELECT`, by the rules that the
//! documentation states. No function of the product is called, so a mistake in one of them cannot
//! hide itself. Numbers are compared as text: a decimal or a 64-bit number that has lost a digit
//! on the way is a difference, and so are a row without a document, a document without a row, and
//! a field without a column.

mod expected;
mod index;
mod table;

use std::time::Duration;

use mysql_async::Pool;
use tokio::time::Instant;

use self::index::Index;
use self::table::Table;

/// How many differences are described; the others are only counted.
const DESCRIBED_MAX: usize = 50;

/// Pause between two comparisons that wait for equality.
const POLL: Duration = Duration::from_millis(200);

/// A table beside its index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Rows of the table.
    pub rows: u64,
    /// Documents of the index.
    pub documents: u64,
    /// Values that were equal, over all rows.
    pub equal_values: u64,
    /// What is different, one line for a row, a document or a value; the first fifty, then one
    /// line with the count of all.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether the index is what the table is.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Why a table and an index could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// MySQL did not answer.
    #[error("cannot read table {table}")]
    MySql {
        /// The table.
        table: String,
        /// MySQL's answer.
        #[source]
        source: mysql_async::Error,
    },

    /// Elasticsearch did not answer.
    #[error("cannot read index {index}")]
    Elasticsearch {
        /// The index.
        index: String,
        /// The answer.
        #[source]
        source: reqwest::Error,
    },

    /// Elasticsearch answered something else than documents.
    #[error("cannot read index {index}: expected documents, found {found}")]
    Answer {
        /// The index.
        index: String,
        /// What it answered.
        found: String,
    },

    /// The table has no columns, no primary key, or a type that has no expected form.
    #[error("cannot expect documents of table {table}: {problem}")]
    Table {
        /// The table.
        table: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The index did not become what the table is.
    #[error(
        "index {index} was not equal to {table} within {seconds} s: {rows} rows, {documents} documents\n{differences}"
    )]
    Different {
        /// The table.
        table: String,
        /// The index.
        index: String,
        /// How long it was waited for.
        seconds: u64,
        /// Rows of the table.
        rows: u64,
        /// Documents of the index.
        documents: u64,
        /// What was different at last.
        differences: String,
    },
}

/// Compares a table, named `database.table`, with an index, value by value.
///
/// The index is refreshed first. Rows that change meanwhile show as differences.
///
/// # Errors
///
/// [`OracleError`] if either side cannot be read. An index that does not exist has no documents.
pub async fn compare_table(
    mysql: &Pool,
    elasticsearch_url: &str,
    table: &str,
    index: &str,
) -> Result<Comparison, OracleError> {
    let table = Table::read(mysql, table).await?;
    let mut index = Index::read(elasticsearch_url, index).await?;
    let mut comparison = Comparison {
        rows: count(table.rows.len()),
        documents: count(index.documents.len()),
        ..Comparison::default()
    };
    let mut different = 0_u64;
    let mut note = |line: String, described: &mut Vec<String>| {
        different += 1;
        if described.len() < DESCRIBED_MAX {
            described.push(line);
        }
    };
    for (id, row) in &table.rows {
        let Some(mut document) = index.documents.remove(id) else {
            note(format!("{id}: the row has no document"), &mut comparison.differences);
            continue;
        };
        for (column, expected) in table.columns.iter().zip(row) {
            let found = document.remove(column);
            let found = found.as_deref().map(serde_json::value::RawValue::get);
            if expected.is(found, index.takes_any_json(column)) {
                comparison.equal_values += 1;
                continue;
            }
            let found = found.unwrap_or("nothing");
            let line =
                format!("{id}: {column} is {expected} in the table and {found} in the index");
            note(line, &mut comparison.differences);
        }
        for field in document.keys() {
            note(format!("{id}: {field} is no column"), &mut comparison.differences);
        }
    }
    for id in index.documents.keys() {
        note(format!("{id}: the document has no row"), &mut comparison.differences);
    }
    if different > count(comparison.differences.len()) {
        comparison.differences.push(format!("{different} differences in all"));
    }
    Ok(comparison)
}

/// Compares again and again until the index is what the table is.
///
/// # Errors
///
/// [`OracleError::Different`] with the last comparison if they are not equal by the deadline;
/// otherwise as [`compare_table`].
pub async fn wait_until_equal(
    mysql: &Pool,
    elasticsearch_url: &str,
    table: &str,
    index: &str,
    deadline: Duration,
) -> Result<Comparison, OracleError> {
    let end = Instant::now() + deadline;
    loop {
        let comparison = compare_table(mysql, elasticsearch_url, table, index).await?;
        if comparison.is_equal() {
            return Ok(comparison);
        }
        if Instant::now() >= end {
            return Err(OracleError::Different {
                table: table.to_owned(),
                index: index.to_owned(),
                seconds: deadline.as_secs(),
                rows: comparison.rows,
                documents: comparison.documents,
                differences: comparison.differences.join("\n"),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// How many documents an index has, after a refresh; an index that does not exist has none.
///
/// # Errors
///
/// [`OracleError`] if Elasticsearch does not answer.
pub async fn document_count(elasticsearch_url: &str, index: &str) -> Result<u64, OracleError> {
    index::document_count(elasticsearch_url, index).await
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
