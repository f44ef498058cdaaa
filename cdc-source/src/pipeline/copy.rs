//! Copies of tables: chunks → records, progress → offsets, and what a copy ends with.

use std::sync::Arc;

use connect::kafka::control::{Control, Sweep};
use schema::change::RowChange;
use schema::envelope::{EventSource, SnapshotMarker, Source};
use schema::lsn::Lsn;
use schema::offset::{SnapshotProgress, TableState};
use schema::table::TableId;

use super::Pipeline;
use super::emit::now_us;
use super::record_writer::{RecordError, RecordWriter};
use crate::error::SourceError;
use crate::snapshot::{Chunk, ChunkContext, DueChunk, Room, Step, Window};
use crate::tables::TablePlan;

impl Pipeline {
    /// Begins as many chunks as there is room for, at a boundary of the stream.
    pub(super) fn begin_chunks(&mut self) {
        if self.tables.are_copied() || !self.transaction.is_at_boundary() {
            return;
        }
        loop {
            let room = self.snapshot.room();
            if room == Room::None || !self.begin_chunk(room) {
                return;
            }
        }
    }

    fn begin_chunk(&mut self, room: Room) -> bool {
        let depends_on_origin = self.config.records.depends_on_origin();
        // Where records say which was the first and which the last, one table comes after another.
        let most = if depends_on_origin { 1 } else { usize::MAX };
        let mut to_copy = self.tables.to_copy().take(most);
        let next = to_copy.find(|(table, _)| self.snapshot.can_begin(table, room));
        let Some((table, progress)) = next else { return false };
        let context = ChunkContext {
            stream: self.stream.position(),
            processed: self.transaction.executed(),
            order: depends_on_origin.then(|| self.tables.order_of(table)),
            blanks_in_json: depends_on_origin,
        };
        self.snapshot.begin((table, progress), room, context);
        true
    }

    /// Does what follows from a step of a copy.
    pub(super) async fn take_step(&mut self, step: Step) -> Result<(), SourceError> {
        match step {
            Step::Waiting => Ok(()),
            Step::Loaded(table) => self.plan_chunks(&table).await,
            Step::Parked { table, reason } => {
                self.park(&table, &reason);
                // At once: on a quiet server nothing else would say so.
                self.flush().await
            }
            Step::Restart { table, reason } => {
                self.restart_copy(&table, reason);
                self.flush().await
            }
        }
    }

    /// Finds how the chunks that were read are written.
    async fn plan_chunks(&mut self, table: &TableId) -> Result<(), SourceError> {
        while let Some(schema) = self.snapshot.unplanned(table).cloned() {
            let Some(plan) = self.tables.plan(&schema, &mut self.producer).await? else {
                self.snapshot.give_up(table);
                return self.flush().await;
            };
            self.snapshot.planned(&plan);
        }
        Ok(())
    }

    /// Emits all chunks that are due, each with its progress.
    pub(super) async fn emit_chunks(&mut self) -> Result<(), SourceError> {
        while self.transaction.is_at_boundary() {
            let Some(due) = self.snapshot.take_due(self.stream.position()) else { return Ok(()) };
            match self.emit_chunk_rows(&due) {
                Ok(emitted) => self.finish_chunk(&due, emitted).await?,
                Err(error) => self.park(&due.table, &schema::fault::chain(&error)),
            }
            self.flush().await?;
            self.begin_chunks();
        }
        Ok(())
    }

    fn emit_chunk_rows(&mut self, due: &DueChunk) -> Result<u64, RecordError> {
        // The rows and the progress are one Kafka transaction: an error takes all of them back.
        let (records, bytes) = (self.batch.records(), self.batch.bytes());
        let written = self.write_chunk_rows(due);
        if written.is_err() {
            self.batch.truncate(records, bytes);
        }
        written
    }

    fn write_chunk_rows(&mut self, due: &DueChunk) -> Result<u64, RecordError> {
        let DueChunk { plan, window, chunk, .. } = due;
        let record = plan.snapshot_record();
        let kept = kept_rows(plan, window, chunk)?;
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
        let mut row = Vec::new();
        for (number, index) in kept.iter().enumerate() {
            let marker = chunk.place.map(|place| place.marker(number, kept.len()));
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
            chunk.rows.read(*index, &mut row)?;
            writer.change(&RowChange::Read(row.as_slice()), &mut self.scratch, None)?;
        }
        plan.tell_losses();
        Ok(u64::try_from(kept.len()).unwrap_or(u64::MAX))
    }

    async fn finish_chunk(&mut self, due: &DueChunk, emitted: u64) -> Result<(), SourceError> {
        let DueChunk { table, number, chunk, plan, .. } = due;
        let lsn = self.lsn.last();
        let Some(offset) = self.tables.offset_mut(table) else { return Ok(()) };
        let TableState::Snapshot(progress) = &offset.state else { return Ok(()) };
        let mut progress = progress.clone();
        if emitted > 0 {
            offset.lsn = Some(lsn);
        }
        offset.position = Some(chunk.high.clone());
        if *number == 0 {
            // What was copied before of a table that cannot be divided is copied again.
            (progress.rows, progress.chunks) = (0, 0);
        }
        progress.rows += emitted;
        progress.chunks += 1;
        progress.last_key.clone_from(&chunk.last_key);
        progress.key.clone_from(&chunk.structure.key_order);
        let (rows, chunks) = (progress.rows, progress.chunks);
        tracing::debug!(table = %table, chunk = chunks, emitted, "chunk emitted");
        if let Some(rate) = self.snapshot.emitted(table, emitted)
            && rate.is_to_tell()
        {
            tracing::info!(
                table = %table,
                rows,
                chunks,
                estimated_rows = rate.estimated_rows(),
                rows_per_second = rate.rows_per_second(),
                eta_s = rate.eta().map(|eta| eta.as_secs()),
                "table is being copied"
            );
        }
        if !chunk.is_last {
            self.tables.set_state(table, TableState::Snapshot(progress));
            return Ok(());
        }
        self.snapshot.give_up(table);
        self.tables.set_state(table, TableState::Streaming);
        tracing::info!(table = %table, rows, chunks, "table copied");
        if let Some(notifier) = &mut self.notifier {
            notifier.copied(table, &progress);
        }
        match progress.sweep {
            Some(before) => self.sweep(plan, before).await,
            None => Ok(()),
        }
    }

    /// Tells the table's readers that what is older than a number and has not been written since
    /// is gone.
    pub(super) async fn sweep(&mut self, plan: &TablePlan, before: Lsn) -> Result<(), SourceError> {
        let key_schema = self.tables.control_key().await?;
        let table: Arc<str> = plan.schema.id.to_string().into();
        tracing::info!(table = %table, before = %before, "rows that are not in the table are swept");
        let sweep = Control::Sweep(Sweep { table, before });
        let lsn = self.lsn.tick();
        for partition in 0..plan.partitions {
            sweep.push((plan.topic, partition), key_schema, lsn, &mut self.batch);
        }
        Ok(())
    }

    /// The number below which rows are older than a copy that begins now; none where nothing is
    /// swept.
    pub(super) fn sweep_mark(&mut self) -> Option<Lsn> {
        self.config.snapshot.sweep.then(|| self.lsn.tick())
    }

    /// What was copied of a table does not count: begins again.
    pub(super) fn restart_copy(&mut self, table: &TableId, reason: &str) {
        self.snapshot.give_up(table);
        let Some(TableState::Snapshot(progress)) = self.tables.state_of(table) else { return };
        tracing::info!(table = %table, reason, "the table is copied from its beginning");
        let progress = progress.clone();
        let mark = if progress.filter.is_some() { None } else { self.sweep_mark() };
        self.tables.set_state(table, TableState::Snapshot(progress.restarted(mark)));
    }

    /// Copies a table again beside the stream. What is left of it from before is swept at the end,
    /// unless only some of its rows are asked for.
    pub(super) fn copy_again(&mut self, table: &TableId, filter: Option<String>, reason: &str) {
        self.snapshot.give_up(table);
        let mark = if filter.is_some() { None } else { self.sweep_mark() };
        tracing::info!(table = %table, reason, "the table is copied again");
        let progress = SnapshotProgress { filter, ..SnapshotProgress::again(mark) };
        self.tables.set_state(table, TableState::Snapshot(progress));
    }
}

/// The rows that the stream has not changed, by their places in the chunk.
fn kept_rows(plan: &TablePlan, window: &Window, chunk: &Chunk) -> Result<Vec<usize>, RecordError> {
    let all = 0..chunk.rows.len();
    if window.keeps_all() {
        return Ok(all.collect());
    }
    let (mut row, mut identity) = (Vec::new(), Vec::new());
    let mut kept = Vec::with_capacity(all.len());
    for index in all {
        chunk.rows.read(index, &mut row)?;
        identity.clear();
        // By the log's plan, as the keys that the stream has touched.
        plan.record.write_identity(&row.as_slice(), &mut identity)?;
        if window.keeps(&identity) {
            kept.push(index);
        }
    }
    Ok(kept)
}
