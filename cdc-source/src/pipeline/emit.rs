//! Row changes → records in the batch.

use std::sync::Arc;

use schema::change::{RowChange, RowImage};
use schema::envelope::{EventSource, SnapshotMarker, Source};
use schema::lsn::Lsn;
use schema::offset::{SnapshotProgress, TableState};
use schema::table::TableId;
use schema::types::MysqlValue;

use super::Pipeline;
use super::record_writer::{RecordError, RecordWriter};
use crate::binlog::table_map::TableMap;
use crate::binlog::{BinlogError, Feature, RawEvent, RowsEvent};
use crate::error::SourceError;
use crate::rows::ImageReader;
use crate::snapshot::{Chunk, Window};
use crate::tables::{Mapping, TablePlan};
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
            Mapping::Ignored => {}
            Mapping::Parked => self.tables.skip_row_event(rows.table_number),
            Mapping::Captured { map, .. } if map.columns.len() != rows.columns => {
                self.park_at(&map.id, "a row event has other columns than its table", event);
            }
            Mapping::Captured { map, .. } if !rows.is_full => {
                self.park(&map.id, "its rows were logged without all columns (binlog_row_image)");
            }
            Mapping::Captured { .. } if self.transaction.is_xa() => {
                let (position, feature) = (position(), Feature::XaTransaction);
                return Err(BinlogError::Unsupported { position, feature }.into());
            }
            Mapping::Captured { map, plan } => {
                if let Some(skip) = self.transaction.rows_to_skip() {
                    let captured = CapturedRows { map: &map, plan: &plan, rows, event, skip };
                    // Lent out, because emitting needs the rest of the pipeline.
                    let mut images = std::mem::take(&mut self.images);
                    self.emit_rows(&captured, &mut images);
                    self.images = images;
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
            if number >= captured.skip {
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
        let window = self.snapshot.window_of(&plan.schema.id);
        let written = writer.change(change, &mut self.scratch, window);
        match written {
            Ok(_) => self.transaction.emitted(),
            Err(_) => self.batch.truncate(records, bytes),
        }
        written
    }

    /// Emits the chunk whose high watermark the stream has passed, at a boundary.
    pub(super) async fn emit_chunk(&mut self) -> Result<(), SourceError> {
        if !self.transaction.is_at_boundary() {
            return Ok(());
        }
        let due = self.snapshot.take_due(self.stream.position(), self.server)?;
        let Some((window, chunk)) = due else { return Ok(()) };
        let table = window.table().clone();
        let Some(plan) = self.tables.plan(&chunk.schema, &mut self.producer).await? else {
            return self.flush().await;
        };
        let emitted = match self.emit_chunk_rows(&plan, &window, &chunk) {
            Ok(emitted) => emitted,
            Err(error) => {
                // At once: on a quiet server nothing else would say so.
                self.tables.park(&table, &schema::fault::chain(&error));
                return self.flush().await;
            }
        };
        self.finish_chunk(&table, &chunk, emitted);
        self.flush().await
    }

    /// Emits the rows that no change has overtaken; their number, or what is wrong with one.
    fn emit_chunk_rows(
        &mut self,
        plan: &TablePlan,
        window: &Window,
        chunk: &Chunk,
    ) -> Result<u64, RecordError> {
        let record = plan.snapshot_record();
        let rows = kept_rows(plan, window, chunk)?;
        // The rows and the progress are one Kafka transaction: an error takes all of them back.
        let (records, bytes) = (self.batch.records(), self.batch.bytes());
        let now_us = now_us();
        let mut source = Source {
            ts_us: now_us,
            snapshot: SnapshotMarker::Incremental,
            lsn: self.lsn.last(),
            server_id: 0,
            gtid: None,
            file: chunk.high.file(),
            pos: chunk.high.offset(),
            row: 0,
            thread: None,
            transaction: None,
        };
        let mut shared = EventSource::default();
        shared.begin(now_us);
        for (number, row) in rows.iter().enumerate() {
            let marker = chunk.place.map(|place| place.marker(number, rows.len()));
            if let Some(marker) = marker.filter(|marker| *marker != source.snapshot) {
                source.snapshot = marker;
                shared.begin(now_us);
            }
            let mut writer = RecordWriter {
                plan,
                record,
                batch: &mut self.batch,
                lsn: &mut self.lsn,
                order: None,
                source,
                event: &mut shared,
                tombstones: false,
            };
            let written = writer.change(&RowChange::Read(*row), &mut self.scratch, None);
            if let Err(error) = written {
                self.batch.truncate(records, bytes);
                return Err(error);
            }
        }
        plan.tell_losses();
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    fn finish_chunk(&mut self, table: &TableId, chunk: &Chunk, emitted: u64) {
        let lsn = self.lsn.last();
        let Some(offset) = self.tables.offset_mut(table) else { return };
        let TableState::Snapshot(progress) = &offset.state else { return };
        let (rows, chunks) = (progress.rows + emitted, progress.chunks + 1);
        if emitted > 0 {
            offset.lsn = Some(lsn);
        }
        offset.position = Some(chunk.high.clone());
        tracing::debug!(table = %table, chunk = chunks, emitted, "chunk emitted");
        if chunk.is_last {
            offset.state = TableState::Streaming;
            tracing::info!(table = %table, rows, chunks, "table copied");
            return;
        }
        let last_key = chunk.last_key.clone();
        offset.state = TableState::Snapshot(SnapshotProgress { last_key, rows, chunks });
    }
}

/// The rows of a chunk that no change has overtaken.
fn kept_rows<'a>(
    plan: &TablePlan,
    window: &Window,
    chunk: &'a Chunk,
) -> Result<Vec<&'a [Option<MysqlValue<'static>>]>, RecordError> {
    let mut identity = Vec::new();
    let mut kept = Vec::with_capacity(chunk.rows.len());
    for row in &chunk.rows {
        let row = row.as_slice();
        identity.clear();
        // By the log's plan, as the keys that the stream has touched.
        plan.record.write_identity(&row, &mut identity)?;
        if window.keeps(&identity) {
            kept.push(row);
        }
    }
    Ok(kept)
}

/// Where a change comes from: the row of this number in an event.
fn source_of<'a>(transaction: &'a TransactionTracker, event: &'a RawEvent, row: u64) -> Source<'a> {
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
}

fn now_us() -> i64 {
    i64::try_from(connect::clock::now_micros()).unwrap_or(i64::MAX)
}
