//! What lies ahead of a stream whose rows have no names: which tables get another definition
//! between where it goes on and where the log ends. Their rows before that must not be named by
//! what their definition is now.

use std::collections::BTreeMap;

use schema::offset::StreamOffset;
use schema::position::BinlogPosition;
use schema::table::TableId;

use crate::binlog::{BinlogEvent, BinlogStream, StartPoint};
use crate::config::SourceConfig;
use crate::ddl::{self, Effect, Statement};
use crate::error::SourceError;
use crate::preflight::Server;

/// Where a table's definition is changed ahead of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redefined {
    /// Behind the first statement that changes it.
    pub(crate) first: BinlogPosition,
    /// Behind the last.
    pub(crate) last: BinlogPosition,
}

/// Reads the log up to where it ended when the definitions had been read, and only its statements:
/// for each captured table the first and the last that change its definition. Nothing if rows have names, or if
/// the stream goes on at the end.
pub(super) async fn redefined(
    config: &SourceConfig,
    server: &Server,
    start: &StartPoint,
    offset: &StreamOffset,
) -> Result<BTreeMap<TableId, Redefined>, SourceError> {
    let mut found = BTreeMap::new();
    let (definitions, end) = &server.definitions;
    let is_same_server = offset.server_uuid.is_none_or(|uuid| uuid == server.uuid);
    let is_at_end = is_same_server && has_reached(&offset.position, end);
    if definitions.is_empty() || is_at_end {
        return Ok(found);
    }
    tracing::info!(
        position = %offset.position,
        end = %end,
        "the log is looked through for changed definitions, because it does not name columns"
    );
    let mut config = config.clone();
    config.connection.become_second_replica();
    let mut stream =
        BinlogStream::open(&config, server.uuid, start, offset.position.clone()).await?;
    loop {
        let event = stream.next().await?;
        if let BinlogEvent::Query(query) = event.parse()?
            && let Ok(database) = query.database()
        {
            let classified = ddl::classify(&query.statement, database, query.dialect);
            for table in redefined_by(classified, server) {
                let at = event.end.clone();
                found
                    .entry(table)
                    .and_modify(|it: &mut Redefined| it.last.clone_from(&at))
                    .or_insert_with(|| Redefined { first: at.clone(), last: at.clone() });
            }
        }
        if has_reached(&event.end, end) {
            return Ok(found);
        }
    }
}

/// The captured tables whose definition a statement changes.
fn redefined_by(statement: Statement, server: &Server) -> Vec<TableId> {
    let case = server.name_case;
    let is_meant: Box<dyn Fn(&TableId) -> bool> = match statement {
        Statement::DatabaseDropped(database) => {
            let database = case.name(&database);
            Box::new(move |table| table.database == database)
        }
        Statement::Ddl(changes) => {
            let changed: Vec<_> = changes
                .into_iter()
                .filter(|change| change.effect != Effect::Emptied)
                .map(|change| case.table(&change.table))
                .collect();
            Box::new(move |table| changed.contains(table))
        }
        Statement::Begin
        | Statement::Commit
        | Statement::Rollback
        | Statement::RollbackToSavepoint
        | Statement::XaStart { .. }
        | Statement::XaOutcome { .. }
        | Statement::Dml(_)
        | Statement::Other
        | Statement::Unknown(_) => return Vec::new(),
    };
    server.tables.iter().filter(|table| is_meant(table)).cloned().collect()
}

/// Positions in files of different base names do not compare: there is nothing to be reached.
fn has_reached(position: &BinlogPosition, end: &BinlogPosition) -> bool {
    position.partial_cmp(end).is_none_or(std::cmp::Ordering::is_ge)
}
