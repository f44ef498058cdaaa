//! Debezium's schema history: what captured tables were where its stream stopped, for rows that were
//! logged without names before a definition was changed.
//!
//! The topic has a record for each statement, in the order of the log, with the whole definition of
//! each table that it changes. Of all of them only the last one at or before an offset is kept, and
//! only of the tables that are asked for. What is not understood is never guessed: a table of which
//! it may have been the last word has no definition then, and the reason.

mod column;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod record;

use std::collections::BTreeMap;

use connect::config::WorkerConfig;
use connect::kafka::{KafkaError, read_in_order};
use schema::offset::StreamOffset;
use schema::table::TableId;

use self::record::{Change, Kind, Record};
use crate::config::HistoryTopic;
use crate::ddl::{self, Dialect, Effect, Statement};
use crate::snapshot::structure::Structure;
use crate::tables::NameCase;

/// What a table was, or why that is not known.
pub(crate) type Found = BTreeMap<TableId, Result<Structure, String>>;

/// Reads the history up to an offset, for some tables.
///
/// # Errors
///
/// Returns [`KafkaError`] when no broker answers.
pub(crate) async fn read(
    (config, worker): (&HistoryTopic, &WorkerConfig),
    offset: &StreamOffset,
    tables: impl Iterator<Item = TableId>,
    case: NameCase,
) -> Result<Found, KafkaError> {
    let history = History::new(offset.clone(), tables, case);
    let (topic, mut properties) = (config.topic.clone(), worker.kafka.clone());
    if let Some(bootstrap) = &config.bootstrap {
        properties.insert("bootstrap.servers".to_owned(), bootstrap.clone());
    }
    tracing::info!(topic, "debezium's schema history is read, because definitions were changed");
    let (partitions, mut history) =
        read_in_order(topic.clone(), properties, history, History::take).await?;
    if partitions != 1 {
        history.know_none(&format!("the topic {topic} has {partitions} partitions, not 1"));
    }
    Ok(history.found)
}

/// What the records so far say.
#[derive(Clone)]
struct History {
    until: StreamOffset,
    case: NameCase,
    found: Found,
}

impl History {
    fn new(until: StreamOffset, tables: impl Iterator<Item = TableId>, case: NameCase) -> Self {
        let unknown = || Err("debezium's schema history does not have the table".to_owned());
        Self { until, case, found: tables.map(|table| (table, unknown())).collect() }
    }

    /// Takes the next record.
    fn take(&mut self, value: &[u8]) {
        let record: Record = match serde_json::from_slice(value) {
            Ok(record) => record,
            // It may be about any table.
            Err(error) => {
                // Its words are not told: statements can have passwords.
                let at = (error.line(), error.column());
                self.know_none(&format!(
                    "a record of debezium's schema history is not of its form \
                     (line {}, column {})",
                    at.0, at.1
                ));
                return;
            }
        };
        match record.is_before(&self.until) {
            Some(true) => {}
            Some(false) => return,
            None => {
                self.know_none("a record of debezium's schema history is about another log");
                return;
            }
        }
        let changes = record.table_changes.as_deref().unwrap_or_default();
        if changes.is_empty() {
            self.take_statement(&record);
        } else {
            self.take_gone(&record);
        }
        for change in changes {
            self.take_change(change);
        }
    }

    /// The name that a table has had is not always said beside its new definition.
    fn take_gone(&mut self, record: &Record) {
        let Statement::Ddl(changes) = statement(record) else { return };
        for change in changes.iter().filter(|change| change.effect == Effect::RowsGone) {
            self.set(&self.case.table(&change.table), || Err(GONE.to_owned()));
        }
    }

    fn take_change(&mut self, change: &Change) {
        let ids =
            [Some(&change.id), change.previous_id.as_ref()].map(|id| id.map(|id| self.id(id)));
        let [Some(Some(id)), previous @ (None | Some(Some(_)))] = ids else {
            self.know_none("a record of debezium's schema history names a table in another way");
            return;
        };
        if let Some(previous) = previous.flatten() {
            self.set(&previous, || Err(GONE.to_owned()));
        }
        self.set(&id, || match (change.kind, &change.table) {
            (Kind::Drop, _) => Err(GONE.to_owned()),
            (Kind::Create | Kind::Alter, Some(table)) => column::structure(&id, table),
            (Kind::Create | Kind::Alter, None) => {
                Err("debezium's schema history has only its name".to_owned())
            }
        });
    }

    /// A statement of which Debezium has kept only the words: either it changes no definition, or
    /// Debezium has not understood it.
    fn take_statement(&mut self, record: &Record) {
        let words = record.ddl.as_deref().map(ddl::words).unwrap_or_default();
        let is_altered = words.first().is_some_and(|it| it.eq_ignore_ascii_case("ALTER"));
        let unknown = || {
            Err("debezium's schema history has only the words of a statement about it".to_owned())
        };
        match statement(record) {
            Statement::Ddl(changes) => {
                for change in changes {
                    let is_index = matches!(change.effect, Effect::RowsStay | Effect::KeyMayChange);
                    if change.effect != Effect::Emptied && (is_altered || !is_index) {
                        self.set(&self.case.table(&change.table), unknown);
                    }
                }
            }
            Statement::DatabaseDropped(database) => {
                let database = self.case.name(&database);
                for (table, found) in &mut self.found {
                    if table.database == database && found.is_ok() {
                        *found = Err(GONE.to_owned());
                    }
                }
            }
            Statement::Unknown(words) => {
                for (table, found) in &mut self.found {
                    if words.iter().any(|word| self.case.name(word) == table.name) {
                        *found = unknown();
                    }
                }
            }
            Statement::Begin
            | Statement::Commit
            | Statement::Rollback
            | Statement::RollbackToSavepoint
            | Statement::XaStart { .. }
            | Statement::XaOutcome { .. }
            | Statement::Dml(_)
            | Statement::Other => {}
        }
    }

    fn id(&self, text: &str) -> Option<TableId> {
        record::table_id(text).map(|id| self.case.table(&id))
    }

    /// Says what a table is, if it was asked for.
    fn set(&mut self, table: &TableId, structure: impl FnOnce() -> Result<Structure, String>) {
        if let Some(found) = self.found.get_mut(table) {
            *found = structure();
        }
    }

    fn know_none(&mut self, reason: &str) {
        for found in self.found.values_mut() {
            *found = Err(reason.to_owned());
        }
    }
}

/// What a record's statement is about.
fn statement(record: &Record) -> Statement {
    let database = record.database_name.as_deref().unwrap_or_default();
    let statement = record.ddl.as_deref().unwrap_or_default();
    ddl::classify(statement, database, Dialect::default())
}

/// Why a table has no definition.
const GONE: &str = "debezium's schema history says that it was dropped or has got another name";

#[cfg(test)]
mod tests;
