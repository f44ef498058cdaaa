//! What statements do to captured tables.

use schema::offset::TableState;
use schema::table::TableId;
use schema::types::Fidelity;

use super::Pipeline;
use crate::ddl::{Effect, TableChange};
use crate::error::SourceError;

impl Pipeline {
    /// Definitions have changed: rows that are being copied are read again, and where stored rows
    /// may differ now without row events, their table is copied again.
    pub(super) async fn tables_changed(
        &mut self,
        changes: Vec<TableChange>,
    ) -> Result<(), SourceError> {
        for (index, TableChange { table, effect }) in changes.iter().enumerate() {
            // `RENAME t TO old, new TO t`: what becomes of `t` is what counts.
            let is_last = changes.iter().skip(index + 1).all(|later| later.table != *table);
            if is_last {
                self.table_changed(table, *effect).await?;
            }
        }
        Ok(())
    }

    async fn table_changed(&mut self, table: &TableId, effect: Effect) -> Result<(), SourceError> {
        if let Some(copy) = self.snapshot.copy_mut(table) {
            copy.void();
        }
        let is_captured = self.tables.offsets().contains_key(table);
        self.tables.redeclare(table);
        if !is_captured {
            // A table that is created now is complete from its first row on.
            if effect == Effect::Created && self.config.tables.matches(table) {
                self.tables.add(table, TableState::Streaming);
            }
            if effect != Effect::RowsArrive || !self.config.tables.matches(table) {
                return Ok(());
            }
            self.tables.add(table, TableState::Streaming);
        }
        tracing::info!(table = %table, effect = ?effect, "table definition changed");
        let is_parked = self.tables.is_parked(table);
        let reason = match effect {
            // A table of this name that was lost is there again.
            Effect::Created if is_parked => "it was created again",
            Effect::RowsStay | Effect::Created => return Ok(()),
            Effect::RowsChange if is_parked => return Ok(()),
            Effect::RowsChange => "its definition was changed in a way that changes stored rows",
            Effect::RowsArrive => "another table was renamed to it",
            Effect::Emptied => "it was truncated",
            Effect::RowsGone => "it was dropped or renamed",
        };
        if self.config.records.values.fidelity == Fidelity::Debezium {
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
            Effect::Emptied => return self.emptied(table).await,
            Effect::RowsGone if is_parked => {}
            // What was read of it stays where it is: nobody has deleted the rows.
            Effect::RowsGone => self.park(table, reason),
            Effect::RowsStay | Effect::Created | Effect::RowsChange | Effect::RowsArrive => {
                self.copy_again(table, None, reason);
            }
        }
        Ok(())
    }

    pub(super) fn park_named(&mut self, names: &[String], database: &str, reason: &str) {
        for table in self.tables.named(names, database) {
            self.park(&table, reason);
        }
    }

    pub(super) fn park(&mut self, table: &TableId, reason: &str) {
        self.snapshot.give_up(table);
        if !self.tables.is_parked(table) {
            self.tables.park(table, reason);
        }
    }
}
