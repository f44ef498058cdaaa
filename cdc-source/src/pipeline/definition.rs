//! What statements do to captured tables.

use schema::offset::TableState;
use schema::table::TableId;
use schema::types::Fidelity;

use super::Pipeline;
use crate::binlog::RawEvent;
use crate::ddl::{Effect, TableChange};
use crate::error::SourceError;
use crate::tables::{NAMED_TOO_LATE, WITHOUT_KEY};

/// What is to be done about a table that is not there any more.
const TABLE_GONE: &str = "nothing if it is not needed any more: take it off `table.include.list`; it is \
     copied by itself if a table of this name is created or renamed to it";

/// Why a table is parked that is not there any more.
const DROPPED: &str = "it was dropped or renamed";
const DATABASE_DROPPED: &str = "its database was dropped";
const DISCARDED: &str = "its tablespace was discarded";

impl Pipeline {
    /// Definitions have changed: rows that are being copied are read again, and where stored rows
    /// may differ now without row events, their table is copied again.
    pub(super) async fn tables_changed(
        &mut self,
        mut changes: Vec<TableChange>,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        changes.iter_mut().for_each(|change| change.table = self.name_case.table(&change.table));
        for (index, TableChange { table, effect }) in changes.iter().enumerate() {
            // `RENAME t TO old, new TO t`: what becomes of `t` is what counts.
            let is_last = changes.iter().skip(index + 1).all(|later| later.table != *table);
            if *effect != Effect::Emptied {
                self.cascades.look_again();
                if self.tables.rename_from(table, &event.end) && !self.tables.is_parked(table) {
                    self.park(table, NAMED_TOO_LATE);
                }
            }
            if is_last {
                self.table_changed(table, *effect, event).await?;
                let is_there = !matches!(effect, Effect::RowsGone | Effect::Emptied);
                if is_there && self.tables.offsets().contains_key(table) {
                    self.tables.will_foresee(table);
                }
            }
        }
        Ok(())
    }

    /// Asks the registry of changed definitions that no row has yet; a table that it does not take
    /// is parked as one that cannot be copied.
    pub(super) async fn foresee(&mut self) -> Result<(), SourceError> {
        if !self.transaction.is_at_boundary() {
            return Ok(());
        }
        while let Some(table) = self.tables.next_to_foresee(self.lag.is_caught_up()) {
            self.tables.foresee(&table).await?;
            if self.tables.is_parked(&table) {
                self.snapshot.give_up(&table);
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn table_changed(
        &mut self,
        table: &TableId,
        effect: Effect,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        if self.tables.helper_of(table).is_some() {
            return Ok(());
        }
        if let Some(copy) = self.snapshot.copy_mut(table) {
            copy.void();
        }
        self.tables.redeclare(table);
        if self.tables.state_of(table).is_none() {
            let is_new = matches!(effect, Effect::Created | Effect::CreatedIfMissing);
            let is_there = is_new || effect == Effect::RowsArrive;
            let is_captured = is_there && self.config.tables.matches(table);
            if !is_captured || (!is_new && self.tables.is_view(table).await?) {
                return Ok(());
            }
            // A table that is created now is complete from its first row on.
            self.tables.add(table, TableState::Streaming);
            if is_new {
                return Ok(());
            }
        }
        tracing::info!(table = %table, effect = ?effect, "table definition changed");
        let parked = match self.tables.state_of(table) {
            Some(TableState::Parked { reason, .. }) => Some(reason.as_str()),
            Some(TableState::Snapshot(_) | TableState::Streaming) | None => None,
        };
        let Some(reason) = reason_to_act(effect, parked) else { return Ok(()) };
        if effect == Effect::KeyMayChange && parked.is_none() {
            let is_declared = self.config.records.message_key(table).is_some();
            if is_declared || !self.tables.lacks_primary_key(table).await? {
                return Ok(());
            }
        }
        let is_told = effect == Effect::Emptied && !self.config.skipped.truncate;
        if self.config.records.values.fidelity == Fidelity::Debezium && !is_told {
            // As Debezium: what rows have become without row events is not followed.
            tracing::warn!(
                table = %table,
                reason,
                hint = "copy the table again by a signal if its readers need the rows as they are",
                "older records of the table are not corrected"
            );
            return Ok(());
        }
        match effect {
            Effect::Emptied => self.emptied(table, event).await?,
            // What was read of it stays where it is: nobody has deleted the rows.
            Effect::RowsGone | Effect::Discarded => self.gone(table, reason),
            Effect::RowsStay
            | Effect::KeyMayChange
            | Effect::Created
            | Effect::CreatedIfMissing
            | Effect::RowsChange
            | Effect::RowsArrive
            | Effect::Imported => self.copy_again(table, None, reason),
        }
        Ok(())
    }

    /// All tables of a database are gone.
    pub(super) fn database_dropped(&mut self, database: &str, event: &RawEvent) {
        self.cascades.look_again();
        let database = self.name_case.name(database);
        let of_it = |table: &&TableId| table.database == database;
        let tables: Vec<_> = self.tables.offsets().keys().filter(of_it).cloned().collect();
        for table in tables {
            self.tables.redeclare(&table);
            self.tables.rename_from(&table, &event.end);
            self.gone(&table, DATABASE_DROPPED);
        }
    }

    /// A table is not there any more. One that is parked for another reason is created anew then,
    /// should it come back.
    fn gone(&mut self, table: &TableId, reason: &str) {
        if self.tables.is_parked(table) {
            let reason = reason.to_owned();
            let remedy = Some(TABLE_GONE.to_owned());
            self.tables.set_state(table, TableState::Parked { reason, remedy });
        } else {
            self.park_with(table, reason, TABLE_GONE);
        }
    }

    pub(super) fn park(&mut self, table: &TableId, reason: &str) {
        self.park_for(table, reason, None);
    }

    /// As [`park`](Self::park), with what is to be done about it.
    pub(super) fn park_with(&mut self, table: &TableId, reason: &str, remedy: &str) {
        self.park_for(table, reason, Some(remedy));
    }

    fn park_for(&mut self, table: &TableId, reason: &str, remedy: Option<&str>) {
        self.snapshot.give_up(table);
        if !self.tables.is_parked(table) {
            self.tables.park_with(table, reason, remedy);
        }
    }
}

/// Why something has to be done for a table after a change of its definition; `None` if nothing has.
/// `parked` is why it is parked, if it is.
fn reason_to_act(effect: Effect, parked: Option<&str>) -> Option<&'static str> {
    let is_gone = parked.is_some_and(|why| [DROPPED, DATABASE_DROPPED].contains(&why));
    match effect {
        Effect::RowsStay => None,
        // A table of this name that was lost is there again.
        Effect::Created if parked.is_some() => Some("it was created again"),
        Effect::CreatedIfMissing if is_gone => Some("it was created again"),
        Effect::Created | Effect::CreatedIfMissing => None,
        Effect::KeyMayChange | Effect::RowsChange if parked == Some(WITHOUT_KEY) => {
            Some("it had no key and may have one now")
        }
        Effect::KeyMayChange | Effect::RowsChange if parked.is_some() => None,
        Effect::KeyMayChange => Some("another key may tell its rows apart"),
        Effect::RowsChange => Some("its definition was changed in a way that changes stored rows"),
        Effect::RowsArrive => Some("another table was renamed to it"),
        Effect::Imported => Some("its tablespace was imported"),
        Effect::Emptied => Some("it was truncated"),
        Effect::RowsGone => Some(DROPPED),
        Effect::Discarded => Some(DISCARDED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_table_waits_for_what_mends_it() {
        let act = |effect, parked| reason_to_act(effect, Some(parked)).is_some();
        let other = "column a cannot be converted";

        assert!(act(Effect::Created, other) && act(Effect::RowsArrive, other));
        assert!(act(Effect::Imported, DISCARDED));
        assert!(!act(Effect::CreatedIfMissing, other) && act(Effect::CreatedIfMissing, DROPPED));
        assert!(act(Effect::CreatedIfMissing, DATABASE_DROPPED));
        assert!(!act(Effect::RowsChange, other) && act(Effect::RowsChange, WITHOUT_KEY));
        assert!(!act(Effect::KeyMayChange, other) && act(Effect::KeyMayChange, WITHOUT_KEY));
    }
}
