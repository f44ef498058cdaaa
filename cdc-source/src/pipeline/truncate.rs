//! TRUNCATE: Debezium's record of it (`op` = `t`), and the sweep that does for our readers what it
//! says.

use std::sync::Arc;

use connect::kafka::batch::RecordBounds;
use schema::offset::TableState;
use schema::table::TableId;
use schema::types::Fidelity;

use super::Pipeline;
use super::emit::{now_us, source_of};
use crate::binlog::RawEvent;
use crate::error::SourceError;
use crate::tables::TablePlan;

const REASON: &str = "it was truncated";

impl Pipeline {
    /// All rows of a table were removed without row events: what is in its topic is swept, or
    /// copied again.
    pub(super) async fn emptied(
        &mut self,
        table: &TableId,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        let plan = match self.tables.plan_of(table) {
            Some(plan) => Some(plan),
            // No row was seen yet since the start.
            None if self.writes_truncates(table) => {
                self.tables.plan_as_declared(table, &mut self.producer).await?
            }
            None => None,
        };
        if let Some(plan) = &plan {
            self.write_truncate(plan, event);
        }
        match self.tables.state_of(table) {
            Some(TableState::Snapshot(_)) => self.restart_copy(table, REASON),
            Some(TableState::Streaming) => match plan {
                Some(plan) => {
                    if let Some(mark) = self.sweep_mark() {
                        self.sweep(&plan, mark).await?;
                    }
                }
                // As Debezium: there is nothing of which that could be said.
                None if self.config.records.values.fidelity == Fidelity::Debezium => {}
                // Nothing says yet how its rows are written: its copy will.
                None => self.copy_again(table, None, REASON),
            },
            Some(TableState::Parked { .. }) | None => {}
        }
        Ok(())
    }

    /// Whether a truncate of the table is a record, as far as the settings say.
    fn writes_truncates(&self, table: &TableId) -> bool {
        let is_live = matches!(
            self.tables.state_of(table),
            Some(TableState::Snapshot(_) | TableState::Streaming)
        );
        is_live && !self.config.skipped.truncate
    }

    /// The record that says so to those who do not know sweeps.
    fn write_truncate(&mut self, plan: &Arc<TablePlan>, event: &RawEvent) {
        let table = &plan.schema.id;
        if !self.writes_truncates(table) {
            self.tables.skip_operation();
            return;
        }
        if plan.record.is_flat() {
            // As `ExtractNewRecordState`: a row alone cannot say it.
            self.tables.skip_operation();
            return;
        }
        if plan.is_compacted {
            self.tables.skip_truncate_record(table);
            return;
        }
        self.tell_begin();
        let mut source = source_of(&self.transaction, event, 0);
        source.lsn = self.lsn.tick();
        source.transaction = self.order.as_mut().map(|order| order.next(table));
        let key_start = self.batch.bytes();
        plan.record.write_truncate(&source, now_us(), self.batch.buffer());
        let bounds = RecordBounds { key_start, key_end: key_start, has_value: true };
        self.batch.push(plan.topic, 0, bounds);
    }
}
