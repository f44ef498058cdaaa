//! Statements that change definitions, as records.

use schema::envelope::SnapshotMarker;
use schema::schema_change::{SchemaChange, StatementSource, TableChange, TableChangeKind};

use super::Pipeline;
use super::emit::{now_us, source_of};
use super::order::TransactionOrder;
use crate::binlog::{Query, RawEvent};
use crate::ddl::{Announcement, announcements};
use crate::error::SourceError;
use crate::schema_changes::definition;

/// What was written when a statement began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    records: usize,
    bytes: usize,
    is_begun: bool,
}

impl Pipeline {
    pub(super) fn mark(&self) -> Mark {
        let is_begun = self.order.as_ref().is_some_and(TransactionOrder::is_begun);
        Mark { records: self.batch.records(), bytes: self.batch.bytes(), is_begun }
    }

    /// Takes back what a statement has written if something fails: it comes again with the next
    /// start, whose offset is before it.
    pub(super) fn or_take_back(
        &mut self,
        outcome: Result<(), SourceError>,
        mark: Mark,
    ) -> Result<(), SourceError> {
        if outcome.is_err() {
            self.batch.truncate(mark.records, mark.bytes);
            if let Some(order) = self.order.as_mut().filter(|_| !mark.is_begun) {
                order.clear();
            }
        }
        outcome
    }

    /// Writes what a statement does to definitions, if the settings ask for it: in all databases of
    /// which tables can be captured, as Debezium.
    pub(super) async fn tell_definitions(
        &mut self,
        query: &Query<'_>,
        database: &str,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        if self.schema_changes.is_none() {
            return Ok(());
        }
        // Done before a restart inside its transaction, as a CREATE TABLE … SELECT can be.
        if self.transaction.rows_to_skip_by_events().is_none() {
            return Ok(());
        }
        for told in announcements(&query.statement, database, query.dialect) {
            if self.config.tables.matches_database(&told.database) {
                self.tell_definition(&told, event).await?;
            }
        }
        Ok(())
    }

    async fn tell_definition(
        &mut self,
        told: &Announcement,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        let shown = match &told.table {
            Some((table, TableChangeKind::Create | TableChangeKind::Alter)) => {
                let comments = self.config.records.comments();
                definition::read(self.tables.connection().await?, table, comments).await?
            }
            Some((_, TableChangeKind::Drop)) | None => None,
        };
        let Some(changes) = &self.schema_changes else { return Ok(()) };
        let source = source_of(&self.transaction, event, 0);
        let change = SchemaChange {
            source: StatementSource {
                server: &self.config.topic_prefix,
                ts_us: source.ts_us,
                snapshot: SnapshotMarker::No,
                server_id: source.server_id,
                gtid: source.gtid,
                file: source.file,
                pos: source.pos,
            },
            now_ms: now_us().div_euclid(1000),
            database: &told.database,
            ddl: Some(&told.text),
            table: told.table.as_ref().map(|(table, kind)| TableChange {
                kind: *kind,
                table,
                definition: shown.as_ref().map(|shown| &shown.definition),
            }),
        };
        changes.push(change, &mut self.batch);
        Ok(())
    }
}
