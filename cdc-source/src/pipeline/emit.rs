//! Row changes → records in the batch.

use std::sync::Arc;

use schema::change::{RowChange, RowImage};
use schema::envelope::{EventSource, SnapshotMarker, Source};
use schema::lsn::Lsn;
use schema::table::TableId;

use super::Pipeline;
use super::order::TransactionOrder;
use super::record_writer::{RecordError, RecordWriter};
use crate::binlog::table_map::TableMap;
use crate::binlog::{BinlogError, RawEvent, RowsEvent};
use crate::error::SourceError;
use crate::rows::ImageReader;
use crate::tables::{Mapping, SkipReason, TablePlan};
use crate::transaction::TransactionTracker;

impl Pipeline {
    /// Emits the rows of an event.
    pub(super) fn take_rows(
        &mut self,
        rows: &RowsEvent<'_>,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        let position = || event.end.at(event.start).to_string();
        let malformed = |what| BinlogError::Malformed { position: position(), what };
        let mapping = self.tables.mapping_of(rows.table_number);
        match mapping.ok_or_else(|| malformed("its table is not described"))? {
            Mapping::Ignored => self.tables.skip(SkipReason::NotCaptured),
            Mapping::Helper => self.tables.skip(SkipReason::OnlineSchemaChange),
            Mapping::Parked => self.tables.skip_row_event(rows.table_number),
            Mapping::Captured { map, .. } if map.columns.len() != rows.columns => {
                self.park_at(&map.id, "a row event has other columns than its table", event);
            }
            Mapping::Captured { map, .. } if !rows.is_full => {
                let reason = "its rows were logged without all columns (binlog_row_image)";
                self.park_with(&map.id, reason, ALL_COLUMNS);
            }
            // They are read again when the transaction is committed.
            Mapping::Captured { .. } if self.transaction.is_xa() => {}
            Mapping::Captured { map, plan } => {
                let counts_skipped =
                    self.order.as_ref().is_some_and(TransactionOrder::counts_skipped);
                let all = counts_skipped.then_some(u64::MAX);
                if let Some(skip) = self.transaction.rows_to_skip(&map.id).or(all) {
                    let is_wanted = !self.config.skipped.has(rows.kind);
                    if !is_wanted {
                        self.tables.skip_operation();
                    }
                    let captured =
                        CapturedRows { map: &map, plan: &plan, rows, event, skip, is_wanted };
                    // Lent out, because emitting needs the rest of the pipeline.
                    let mut images = std::mem::take(&mut self.images);
                    self.emit_rows(&captured, &mut images);
                    self.images = images;
                } else {
                    // They were emitted before a restart: should they be rolled back, they are in
                    // the topic.
                    self.transaction.rows_done_of(&map.id, 0);
                }
            }
        }
        Ok(())
    }

    fn emit_rows(&mut self, captured: &CapturedRows<'_>, images: &mut ImageReader) {
        let (kind, data) = (captured.rows.kind, captured.rows.rows);
        let plan = captured.plan;
        let mut at = 0;
        let mut number = 0;
        let mut last_lsn = None;
        // Lent out, because emitting needs the rest of the pipeline.
        let mut shared = std::mem::take(&mut self.event_source);
        shared.begin(now_us());
        while at < data.len() {
            let (change, end) = match images.change(kind, captured.map, data, at) {
                Ok(read) => read,
                Err(error) => {
                    let reason = schema::fault::chain(&error);
                    self.park_at(&plan.schema.id, &reason, captured.event);
                    break;
                }
            };
            at = end;
            if !captured.is_wanted {
                // Only counted: where a restart goes on does not depend on the settings.
            } else if number >= captured.skip {
                match self.emit_change(captured, &change, number, &mut shared) {
                    Ok(lsn) => last_lsn = Some(lsn),
                    Err(error) => {
                        let reason = schema::fault::chain(&error);
                        self.park_at(&plan.schema.id, &reason, captured.event);
                        break;
                    }
                }
            } else if let Some(order) = &mut self.order {
                order.skip(&plan.record, &plan.schema.id, &change, &mut self.scratch);
            }
            number += 1;
            self.transaction.rows_done(number);
        }
        self.event_source = shared;
        self.transaction.rows_done_of(&plan.schema.id, number);
        if let (Some(lsn), Some(offset)) = (last_lsn, self.tables.offset_mut(&plan.schema.id)) {
            offset.lsn = Some(lsn);
            offset.position = Some(captured.event.end.clone());
        }
        plan.tell_losses();
    }

    /// Parks a table for something in an event.
    fn park_at(&mut self, table: &TableId, reason: &str, event: &RawEvent) {
        let at = event.end.at(event.start);
        self.park(table, &format!("{reason} at {at}"));
    }

    /// Emits one change; an error parks its table.
    fn emit_change(
        &mut self,
        captured: &CapturedRows<'_>,
        change: &RowChange<RowImage<'_>>,
        row: u64,
        event: &mut EventSource,
    ) -> Result<Lsn, RecordError> {
        let plan = captured.plan;
        self.tell_begin();
        let counted = self.order.as_ref().map(TransactionOrder::total);
        let source = source_of(&self.transaction, captured.event, row);
        let mut writer = RecordWriter {
            plan,
            record: &plan.record,
            batch: &mut self.batch,
            lsn: &mut self.lsn,
            order: self.order.as_mut(),
            source,
            event,
            tombstones: self.config.tombstones,
        };
        let (records, bytes) = writer.mark();
        let copy = self.snapshot.copy_mut(&plan.schema.id);
        let written = writer.change(change, &mut self.scratch, copy);
        if written.is_err() {
            self.batch.truncate(records, bytes);
            if let Some((order, total)) = self.order.as_mut().zip(counted) {
                order.take_back(&plan.schema.id, total);
            }
        }
        written
    }
}

pub(super) fn source_of<'a>(
    transaction: &'a TransactionTracker,
    event: &'a RawEvent,
    row: u64,
) -> Source<'a> {
    let open = transaction.open();
    let committed_us = open.map(|open| open.committed_us).filter(|us| *us > 0);
    let ts_us = committed_us.unwrap_or(u64::from(event.timestamp()) * 1_000_000);
    Source {
        ts_us: i64::try_from(ts_us).unwrap_or(i64::MAX),
        snapshot: SnapshotMarker::No,
        lsn: Lsn::ZERO,
        server_id: event.server_id(),
        gtid: transaction.gtid_text(),
        file: event.end.file(),
        pos: event.start,
        row: u32::try_from(row).unwrap_or(u32::MAX),
        thread: open.and_then(|open| open.thread),
        transaction: None,
    }
}

/// A row event of a captured table.
struct CapturedRows<'a> {
    map: &'a TableMap,
    plan: &'a Arc<TablePlan>,
    rows: &'a RowsEvent<'a>,
    event: &'a RawEvent,
    /// Rows that were emitted before a restart.
    skip: u64,
    /// Whether they are records, by `skipped.operations`.
    is_wanted: bool,
}

/// What is to be done about images without some columns.
const ALL_COLUMNS: &str = "let no session set binlog_row_image to anything but FULL, then resume the \
     table: it is copied again";

pub(super) fn now_us() -> i64 {
    i64::try_from(connect::clock::now_micros()).unwrap_or(i64::MAX)
}
