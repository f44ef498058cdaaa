//! The captured tables: they exist, can be read, have a key, and every column is exact.

use schema::table::TableId;

use super::{Finding, is_denied};
use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot::structure::{self, Structure};
use crate::tables::helper;

/// Lists them and looks at each.
pub(super) async fn check(
    connection: &mut Connection,
    config: &SourceConfig,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<TableId>, Vec<Structure>), SourceError> {
    let rows: Vec<(String, String)> = connection
        .rows(
            "list tables",
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_SCHEMA, TABLE_NAME",
        )
        .await?;
    let tables = rows.into_iter().map(|(database, name)| TableId { database, name });
    let matching: Vec<TableId> = tables.filter(|table| config.tables.matches(table)).collect();
    let is_helper = |table: &TableId| helper::base_of(table, config, matching.iter()).is_some();
    let mut captured: Vec<_> = matching.iter().filter(|table| !is_helper(table)).cloned().collect();
    for pattern in config.tables.unmatched(&captured) {
        findings.push(Finding {
            what: format!("`table.include.list` has {pattern}"),
            why: "no table of this name can be seen",
            remedy: format!(
                "correct the list, create the table, or GRANT SELECT ON it TO '{}'",
                config.connection.user
            ),
        });
    }
    let mut structures = Vec::with_capacity(captured.len());
    let mut gone = Vec::new();
    for table in &captured {
        match check_table(connection, config, table, findings).await? {
            Looked::Fit(structure) => structures.push(*structure),
            Looked::Unfit => {}
            Looked::Gone => gone.push(table.clone()),
        }
    }
    captured.retain(|table| !gone.contains(table));
    Ok((captured, structures))
}

/// What has become of a table that was listed.
enum Looked {
    Fit(Box<Structure>),
    /// There is a finding.
    Unfit,
    /// It was dropped since, and the log will say so.
    Gone,
}

async fn check_table(
    connection: &mut Connection,
    config: &SourceConfig,
    table: &TableId,
    findings: &mut Vec<Finding>,
) -> Result<Looked, SourceError> {
    // All columns: a grant of some of them would hide the others from information_schema too.
    let probe = format!("SELECT * FROM {} LIMIT 0", structure::quoted(table));
    match connection.rows::<mysql_common::Row>("read a table", &probe).await {
        Ok(_) => {}
        Err(error) if is_denied(&error) => {
            findings.push(Finding {
                what: format!("table {table} cannot be read"),
                why: "its rows are copied first",
                remedy: format!(
                    "GRANT SELECT ON {} TO '{}'",
                    structure::quoted(table),
                    config.connection.user
                ),
            });
            return Ok(Looked::Unfit);
        }
        Err(SourceError::Statement { code: structure::NO_SUCH_TABLE, .. }) => {
            return Ok(Looked::Gone);
        }
        Err(error) => return Err(error),
    }
    let declared = config.records.message_key(table);
    match structure::read(connection, table, declared).await? {
        Ok(found) if found.schema.columns.is_empty() => return Ok(Looked::Gone),
        Ok(found) if config.refuses(&found.schema) => findings.push(Finding {
            what: format!("table {table} has no primary key and no unique key without NULL"),
            why: "a document needs an id, and a copy needs an order to go on in",
            remedy: format!(
                "add a primary key to {table}, name the columns that tell its rows apart \
                 (`message.key.columns`), take it off `table.include.list`, or write its rows to \
                 Kafka without a key, some of them twice (`table.without.key`: copy)"
            ),
        }),
        Ok(found) => return Ok(Looked::Fit(Box::new(found))),
        Err(problem) => findings.push(Finding {
            what: format!("column {} of {table} is {}", problem.column, problem.type_name),
            why: "that cannot be captured exactly yet",
            remedy: format!("take {table} off `table.include.list`"),
        }),
    }
    Ok(Looked::Unfit)
}
