//! Row changes → records in the batch.

use std::sync::Arc;

use connect::kafka::batch::{LSN_HEADER, RecordBatch, RecordBounds};
use connect::kafka::partition_of;
use schema::change::{RowChange, RowImage};
use schema::envelope::Source;
use schema::lsn::{Lsn, LsnClock};
use schema::offset::{SnapshotProgress, TableState};
use schema::plan::record::{PlanError, Row};
use schema::table::TableId;

use super::Pipeline;
use crate::binlog::table_map::TableMap;
use crate::binlog::{BinlogError, Feature, RawEvent, RowsEvent, RowsKind};
use crate::error::SourceError;
use crate::rows::{ImageError, ImageReader};
use crate::snapshot::{Chunk, Window};
use crate::tables::{Mapping, TablePlan};

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
            Mapping::Parked => self.tables.skip_row_event(),
            Mapping::Captured { map, .. } if map.columns.len() != rows.columns => {
                return Err(malformed("it has other columns than its table").into());
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
                    let emitted = self.emit_rows(&captured, &mut images);
                    self.images = images;
                    emitted?;
                }
            }
        }
        Ok(())
    }

    fn emit_rows(
        &mut self,
        captured: &CapturedRows<'_>,
        images: &mut ImageReader,
    ) -> Result<(), BinlogError> {
        let data = captured.rows.rows;
        let mut at = 0;
        let mut number = 0;
        while at < data.len() {
            let (change, end) =
                read_change(captured, images, at).map_err(|_| BinlogError::Malformed {
                    position: captured.event.end.at(captured.event.start).to_string(),
                    what: "a row image does not fit its table",
                })?;
            at = end;
            let is_new = number >= captured.skip;
            if is_new && !self.emit_change(captured.plan, &change, number, captured.event) {
                break;
            }
            number += 1;
            self.transaction.rows_done(number);
        }
        Ok(())
    }

    /// Emits one change. `false` when it cannot be converted, which parks its table.
    fn emit_change(
        &mut self,
        plan: &Arc<TablePlan>,
        change: &RowChange<RowImage<'_>>,
        row: u64,
        event: &RawEvent,
    ) -> bool {
        let table = &plan.schema.id;
        let open = self.transaction.open();
        let committed_us = open.map(|open| open.committed_us).filter(|us| *us > 0);
        let ts_us = committed_us.unwrap_or(u64::from(event.timestamp()) * 1_000_000);
        let gtid = open.and_then(|open| open.gtid_text.clone());
        let source = Source {
            ts_us: i64::try_from(ts_us).unwrap_or(i64::MAX),
            snapshot: false,
            lsn: self.lsn.last(),
            server_id: event.server_id(),
            gtid: gtid.as_deref(),
            file: event.end.file(),
            pos: event.start,
            row: u32::try_from(row).unwrap_or(u32::MAX),
            thread: open.and_then(|open| open.thread),
        };
        let mut writer = RecordWriter {
            plan,
            batch: &mut self.batch,
            lsn: &mut self.lsn,
            source,
            now_us: now_us(),
            tombstones: self.config.tombstones,
        };
        let mark = writer.mark();
        let window = self.snapshot.window_of(table);
        match writer.change(change, &mut self.old_key, window) {
            Ok(lsn) => {
                self.transaction.emitted();
                if let Some(offset) = self.tables.offset_mut(table) {
                    offset.lsn = Some(lsn);
                    offset.position = Some(event.end.clone());
                }
                true
            }
            Err(error) => {
                let (records, bytes) = mark;
                self.batch.truncate(records, bytes);
                let at = event.end.at(event.start);
                let reason = format!("{} at {at}", schema::fault::chain(&error));
                let table = table.clone();
                self.park(&table, &reason);
                false
            }
        }
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
            return Ok(());
        };
        let emitted = match self.emit_chunk_rows(&plan, &window, &chunk) {
            Ok(emitted) => emitted,
            Err(error) => {
                self.tables.park(&table, &schema::fault::chain(&error));
                return Ok(());
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
    ) -> Result<u64, PlanError> {
        let mut emitted = 0;
        let mut key = Vec::new();
        // The rows and the progress are one Kafka transaction: an error takes all of them back.
        let (records, bytes) = (self.batch.records(), self.batch.bytes());
        for row in &chunk.rows {
            let row = row.as_slice();
            key.clear();
            let written = plan.record.write_key(&row, &mut key);
            if written.is_ok() && !window.keeps(&key) {
                continue;
            }
            let source = Source {
                ts_us: now_us(),
                snapshot: true,
                lsn: self.lsn.last(),
                server_id: 0,
                gtid: None,
                file: chunk.high.file(),
                pos: chunk.high.offset(),
                row: 0,
                thread: None,
            };
            let mut writer = RecordWriter {
                plan,
                batch: &mut self.batch,
                lsn: &mut self.lsn,
                source,
                now_us: now_us(),
                tombstones: false,
            };
            let written = written
                .and_then(|()| writer.change(&RowChange::Read(row), &mut self.old_key, None));
            if let Err(error) = written {
                self.batch.truncate(records, bytes);
                return Err(error);
            }
            emitted += 1;
        }
        Ok(emitted)
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

/// A row event of a captured table.
struct CapturedRows<'a> {
    map: &'a TableMap,
    plan: &'a Arc<TablePlan>,
    rows: &'a RowsEvent<'a>,
    event: &'a RawEvent,
    /// Rows that were emitted before a restart.
    skip: u64,
}

/// The change that begins at `at`, and where it ends.
fn read_change<'a>(
    captured: &CapturedRows<'a>,
    images: &'a mut ImageReader,
    at: usize,
) -> Result<(RowChange<RowImage<'a>>, usize), ImageError> {
    let data = captured.rows.rows;
    let (change, end) = match captured.rows.kind {
        RowsKind::Write => {
            let (cells, end) = images.one(captured.map, data, at)?;
            (RowChange::Create(RowImage::new(data, cells)), end)
        }
        RowsKind::Delete => {
            let (cells, end) = images.one(captured.map, data, at)?;
            (RowChange::Delete(RowImage::new(data, cells)), end)
        }
        RowsKind::Update => {
            let (before, after, end) = images.two(captured.map, data, at)?;
            let before = RowImage::new(data, before);
            (RowChange::Update { before, after: RowImage::new(data, after) }, end)
        }
    };
    // An image of a table without columns has no bytes and would never end.
    if end == at { Err(ImageError) } else { Ok((change, end)) }
}

fn now_us() -> i64 {
    i64::try_from(connect::clock::now_micros()).unwrap_or(i64::MAX)
}

/// Writes one change as its records: one, or up to three when a delete or a new key is involved.
struct RecordWriter<'a> {
    plan: &'a TablePlan,
    batch: &'a mut RecordBatch,
    lsn: &'a mut LsnClock,
    source: Source<'a>,
    now_us: i64,
    tombstones: bool,
}

impl RecordWriter<'_> {
    /// Where the batch ends now.
    fn mark(&self) -> (usize, usize) {
        (self.batch.records(), self.batch.bytes())
    }

    /// Writes a change and tells the window its keys; returns the last number given out.
    ///
    /// A changed key is a delete of the old one and a create of the new one, as Debezium has it.
    fn change<R: Row + Copy>(
        &mut self,
        change: &RowChange<R>,
        old_key: &mut Vec<u8>,
        window: Option<&mut Window>,
    ) -> Result<Lsn, PlanError> {
        old_key.clear();
        let start = self.batch.bytes();
        let mut keys_differ = false;
        match change {
            RowChange::Update { before, after } => {
                self.plan.record.write_key(before, old_key)?;
                self.plan.record.write_key(after, self.batch.buffer())?;
                let new_key = self.batch.slice(&(start..self.batch.bytes()));
                keys_differ = new_key != old_key.as_slice();
                if let Some(window) = window {
                    window.touch(old_key);
                    window.touch(new_key);
                }
            }
            RowChange::Read(row) | RowChange::Create(row) | RowChange::Delete(row) => {
                self.plan.record.write_key(row, self.batch.buffer())?;
                if let Some(window) = window {
                    window.touch(self.batch.slice(&(start..self.batch.bytes())));
                }
            }
        }
        if let (true, RowChange::Update { before, after }) = (keys_differ, change) {
            let records = self.batch.records();
            self.batch.truncate(records, start);
            self.record(&RowChange::Delete(*before))?;
            return self.record(&RowChange::Create(*after));
        }
        let records = self.batch.records();
        self.batch.truncate(records, start);
        self.record(change)
    }

    /// Writes the record of a change, and the tombstone behind a delete.
    fn record<R: Row>(&mut self, change: &RowChange<R>) -> Result<Lsn, PlanError> {
        let key_start = self.batch.bytes();
        if let Some(row) = change.after().or(change.before()) {
            self.plan.record.write_key(row, self.batch.buffer())?;
        }
        let key_end = self.batch.bytes();
        let partition = partition_of(self.batch.slice(&(key_start..key_end)), self.plan.partitions);
        let lsn = self.lsn.tick();
        let source = Source { lsn, ..self.source };
        self.plan.record.write_envelope(change, &source, self.now_us, self.batch.buffer())?;
        let bounds = RecordBounds { key_start, key_end, has_value: true };
        self.batch.push(self.plan.topic, partition, bounds);
        if !(self.tombstones && matches!(change, RowChange::Delete(_))) {
            return Ok(lsn);
        }
        // The tombstone has no envelope, so its order travels in a header.
        let key = self.batch.slice(&(key_start..key_end)).to_vec();
        let key_start = self.batch.bytes();
        self.batch.buffer().extend_from_slice(&key);
        let bounds = RecordBounds { key_start, key_end: self.batch.bytes(), has_value: false };
        self.batch.push(self.plan.topic, partition, bounds);
        let lsn = self.lsn.tick();
        self.batch.push_header(LSN_HEADER, lsn.to_string().as_bytes());
        Ok(lsn)
    }
}
