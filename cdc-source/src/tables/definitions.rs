//! What tables' definitions say beside the log: declarations, and, for rows that were logged
//! without, names. Names are those of the definition now, as long as no change of it can lie
//! between the rows and that reading.
//!
//! A definition is read at a moment when the log ends at R. It is that of the rows which the stream
//! has at P < R only if no DDL on the table lies between P and R. Whether one does, the stream
//! finds out on its way to R: then rows may have been named wrongly, and the table is parked. R is
//! in the table's offset until the stream has passed it, so that a restart does not forget it.
//! At a start the log up to there is looked through first: a table with DDL ahead of it is parked
//! before a row is written under a wrong name.
//!
//! What it was before the first of them, where a stream is taken over, Debezium's schema history
//! says. No change lies between that and Debezium's offset, which the stream goes on at, so its last
//! word holds up to the first one ahead.
//!
//! A statement's effect is seen only when it is in the log (both are done under the table's
//! metadata lock, and the commit comes last), so no DDL behind R can have been seen.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use schema::offset::StreamOffset;
use schema::position::BinlogPosition;
use schema::table::{Column, TableId, TableSchema};
use tokio::time::Instant;

use super::Tables;
use crate::binlog::table_map::TableMap;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::history::Found;
use crate::pipeline::Redefined;
use crate::preflight::Server;
use crate::snapshot::structure::{self, Structure};

/// Definitions by which rows are named.
#[derive(Default)]
pub(super) struct Definitions {
    known: HashMap<TableId, Definition>,
    /// Where the stream will meet changes of a table's definition, as far as was looked ahead.
    changed_at: BTreeMap<TableId, Redefined>,
    /// What tables are before the first of these, as Debezium knew them where its stream stopped.
    history: Found,
}

#[derive(Clone)]
struct Definition {
    structure: Arc<Structure>,
    /// Where the log ended when it had been read.
    until: BinlogPosition,
}

/// What mends a table whose rows cannot be named.
const REMEDY: &str = "set binlog_row_metadata=FULL, and resume the table when the stream has \
    caught up";

impl Tables {
    /// Takes over what was read of the tables when the source began, which goes on at `resumed`.
    /// Places that another server has told mean nothing on this one.
    pub(crate) fn know(
        &mut self,
        server: &mut Server,
        resumed: &StreamOffset,
        (changed_at, history): (BTreeMap<TableId, Redefined>, Found),
    ) {
        self.definitions.changed_at = changed_at;
        self.definitions.history = history;
        let is_same_server = resumed.server_uuid.is_none_or(|uuid| uuid == server.uuid);
        let resumed = &resumed.position;
        let (structures, until) =
            (std::mem::take(&mut server.definitions.0), &server.definitions.1);
        for structure in structures {
            let (table, until) = (structure.schema.id.clone(), until.clone());
            self.definitions
                .known
                .insert(table, Definition { structure: Arc::new(structure), until });
        }
        for (table, offset) in &mut self.offsets {
            let Some(named_until) = &offset.names_until else { continue };
            let carried = carried(named_until, resumed, (!is_same_server).then_some(until));
            if carried.as_ref() == Some(named_until) {
                continue;
            }
            offset.names_until = carried;
            self.changed.insert(table.clone());
        }
    }

    /// The tables whose definition is changed ahead, and which Debezium knew as they are before that:
    /// all where its stream is taken over just now, else those of which that was noted.
    pub(crate) fn of_history(
        &self,
        changed_at: &BTreeMap<TableId, Redefined>,
        is_taken_over: bool,
    ) -> Vec<TableId> {
        let is_noted = |(table, redefined): &(&TableId, &Redefined)| {
            let noted = self.offsets.get(*table).and_then(|offset| offset.history_until.as_ref());
            is_taken_over || noted == Some(&redefined.first)
        };
        changed_at.iter().filter(is_noted).map(|(table, _)| table.clone()).collect()
    }

    /// Notes up to where the history says what tables are, so that a restart may ask it again. What
    /// only declarations say is taken from what columns that stayed the same have now.
    pub(crate) fn note_history(&mut self) {
        let Definitions { known, changed_at, history } = &mut self.definitions;
        for (table, offset) in &mut self.offsets {
            let until = history.get(table).and_then(|_| changed_at.get(table));
            let until = until.map(|redefined| redefined.first.clone());
            if offset.history_until != until {
                offset.history_until = until;
                self.changed.insert(table.clone());
            }
        }
        for (table, found) in history {
            let (Ok(structure), Some(now)) = (found, known.get(table)) else { continue };
            for column in &mut structure.schema.columns {
                let same = now.structure.schema.columns.iter().find(|now| is_same(column, now));
                if let Some(same) = same {
                    column.declaration.clone_from(&same.declaration);
                }
            }
        }
    }

    /// Names the columns of a table that the stream has at `at`; the inner error is why the table
    /// cannot go on.
    pub(super) async fn with_names(
        &mut self,
        map: TableMap,
        at: &BinlogPosition,
    ) -> Result<Result<(TableMap, TableSchema), String>, SourceError> {
        let id = map.id.clone();
        if let Some(redefined) = self.definitions.changed_at.get(&id)
            && is_before(at, &redefined.last)
        {
            let history = self.definitions.history.get(&id);
            return Ok(history
                .filter(|_| is_before(at, &redefined.first))
                .map_or_else(|| Err(String::new()), |found| named_by_history(&map, found))
                .map_err(|reason| {
                    let changed = &redefined.last;
                    unnamed(&format!("its definition was changed later, at {changed}{reason}"))
                }));
        }
        let definition = match self.definitions.known.get(&id) {
            Some(known) => known.clone(),
            None => match self.read_definition(&id).await? {
                Ok(read) => {
                    self.definitions.known.entry(id.clone()).insert_entry(read).get().clone()
                }
                Err(reason) => return Ok(Err(unnamed(&reason))),
            },
        };
        let named = match map.named(&definition.structure) {
            Ok(named) => named,
            Err(error) => return Ok(Err(unnamed(&error.to_string()))),
        };
        if is_before(at, &definition.until)
            && let Some(offset) = self.offset_mut(&id)
        {
            offset.names_until = Some(definition.until);
        }
        Ok(Ok((named, definition.structure.schema.clone())))
    }

    /// The shape of a table that the log describes; the inner error is why there is none.
    pub(super) async fn described(
        &mut self,
        map: TableMap,
    ) -> Result<Result<(TableMap, TableSchema), String>, SourceError> {
        match map.table_schema() {
            Ok(schema) => Ok(Ok((map, self.declared(schema).await?))),
            Err((column, type_name)) => {
                Ok(Err(format!("column {column} is {type_name}, which is not exact yet")))
            }
        }
    }

    /// What the log says of a table, with what only its declaration says. The declaration is asked
    /// for once, and taken only if it agrees with the log: else, the log is behind a later
    /// definition, and what is known of the columns that stayed the same is taken over.
    async fn declared(&mut self, mut schema: TableSchema) -> Result<TableSchema, SourceError> {
        let known = self.plans.get(&schema.id).map(|plan| plan.schema.clone());
        let is_current = !self.redeclared.remove(&schema.id);
        if let Some(known) = known.as_ref().filter(|known| is_current && known.covers(&schema)) {
            return Ok(known.clone().with_types_of(schema));
        }
        match structure::read(self.connection().await?, &schema.id, None).await? {
            Ok(declared) if declared.schema.covers(&schema) => {
                return Ok(declared.schema.with_types_of(schema));
            }
            Ok(_) | Err(_) => {}
        }
        for column in &mut schema.columns {
            let same = |other: &&Column| {
                other.name == column.name && other.column_type == column.column_type
            };
            let known = known.as_ref().and_then(|known| known.columns.iter().find(same));
            column.declaration = known.and_then(|known| known.declaration.clone());
        }
        Ok(schema)
    }

    /// The shape of signals' rows.
    pub(super) async fn signals(
        &mut self,
        map: &TableMap,
        at: &BinlogPosition,
    ) -> Result<Arc<TableMap>, SourceError> {
        if !map.has_names()
            && let Ok((named, _)) = self.with_names(map.clone(), at).await?
        {
            return Ok(Arc::new(named));
        }
        Ok(Arc::new(map.clone()))
    }

    async fn read_definition(
        &mut self,
        table: &TableId,
    ) -> Result<Result<Definition, String>, SourceError> {
        let declared = self.config.records.message_key(table).map(<[String]>::to_vec);
        let connection = self.connection().await?;
        let read = structure::read(connection, table, declared.as_deref()).await?;
        // Asked for last: what was seen is in the log up to here.
        let until = connection.log_position().await?;
        let until = until.ok_or_else(|| SourceError::Purged {
            reason: "the server has no binary log any more".to_owned(),
        })?;
        Ok(match read {
            Ok(structure) if structure.schema.columns.is_empty() => {
                Err("the table does not exist any more".to_owned())
            }
            Ok(structure) => Ok(Definition { structure: Arc::new(structure), until }),
            Err(problem) => Err(format!("column {} is {}", problem.column, problem.type_name)),
        })
    }

    /// A table's definition was changed at `at`: its rows get their names anew from there on. Says
    /// whether rows before may have been named by what the definition is after it.
    pub(crate) fn rename_from(&mut self, table: &TableId, at: &BinlogPosition) -> bool {
        self.definitions.known.remove(table);
        let ahead = &mut self.definitions.changed_at;
        if ahead.get(table).is_some_and(|redefined| !is_before(at, &redefined.last)) {
            ahead.remove(table);
        }
        self.definitions.history.remove(table);
        let Some(offset) = self.offsets.get_mut(table) else { return false };
        if offset.history_until.take().is_some() {
            self.changed.insert(table.clone());
        }
        let Some(until) = offset.names_until.take() else { return false };
        self.changed.insert(table.clone());
        at.partial_cmp(&until).is_none_or(Ordering::is_le)
    }

    /// The rows that were named do not count any more.
    pub(super) fn forget_names(&mut self, table: &TableId) {
        self.definitions.known.remove(table);
        if let Some(offset) = self.offsets.get_mut(table) {
            offset.names_until = None;
            offset.history_until = None;
        }
    }

    /// A connection to the stream's server, opened when it is needed: one that was idle for a while
    /// the server may have ended.
    pub(crate) async fn connection(&mut self) -> Result<&mut Connection, SourceError> {
        const IDLE_MAX: Duration = Duration::from_secs(30);
        let open = self.connection.take().filter(|(_, used)| used.elapsed() < IDLE_MAX);
        let connection = match open {
            Some((connection, _)) => connection,
            None => {
                let mut connection = Connection::open(&self.config).await?;
                connection.is_of(self.server).await?;
                connection
            }
        };
        Ok(&mut self.connection.insert((connection, Instant::now())).0)
    }
}

/// Whether a column is declared with the same type now.
fn is_same(then: &Column, now: &Column) -> bool {
    let text =
        |column: &Column| column.declaration.as_ref().map(|declared| declared.type_text.clone());
    then.name == now.name && then.column_type == now.column_type && text(then) == text(now)
}

/// What Debezium's history makes of a table, or what is to be said of it.
fn named_by_history(
    map: &TableMap,
    found: &Result<Structure, String>,
) -> Result<(TableMap, TableSchema), String> {
    let structure = found.as_ref().map_err(|reason| format!(", and {reason}"))?;
    let named = map.named(structure);
    let named =
        named.map_err(|error| format!(", and as debezium's schema history has it, {error}"))?;
    Ok((named, structure.schema.clone()))
}

/// Up to where a changed definition may still have been overlooked when the stream goes on at
/// `resumed`; on another server, whose log ends at `end`, places of the old one mean nothing.
fn carried(
    until: &BinlogPosition,
    resumed: &BinlogPosition,
    end: Option<&BinlogPosition>,
) -> Option<BinlogPosition> {
    match end {
        Some(end) => Some(end.clone()),
        None => is_before(resumed, until).then(|| until.clone()),
    }
}

/// Places that do not compare are of logs of different names.
fn is_before(at: &BinlogPosition, other: &BinlogPosition) -> bool {
    at.partial_cmp(other).is_none_or(Ordering::is_lt)
}

/// Why a table is parked whose rows the log does not name.
fn unnamed(reason: &str) -> String {
    format!("its rows were logged without column names, and {reason}; {REMEDY}")
}

/// Why a table is parked whose definition was changed before the stream came to where its names
/// were read.
pub(crate) const NAMED_TOO_LATE: &str = "its rows were logged without column names, and its \
    definition was changed between them and the moment when names were read: some may have been \
    written under wrong names; set binlog_row_metadata=FULL, and resume the table when the stream \
    has caught up, which copies it again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_too_early_is_carried_over_a_restart_until_it_is_passed() {
        let at = |text: &str| text.parse::<BinlogPosition>().unwrap();
        let until = at("binlog.000002:900");

        for (resumed, end, expected) in [
            ("binlog.000002:899", None, Some("binlog.000002:900")),
            ("binlog.000002:900", None, None),
            ("binlog.000003:4", None, None),
            // Nothing there says whether it was passed.
            ("binlog.000003:4", Some("other.000001:50"), Some("other.000001:50")),
            ("other.000001:4", None, Some("binlog.000002:900")),
        ] {
            let end = end.map(at);

            let carried = carried(&until, &at(resumed), end.as_ref());

            assert_eq!(carried, expected.map(at), "{resumed}");
        }
    }
}
