//! One row change → its records: one, or more when a delete or a new key is involved.

use std::ops::Range;
use std::sync::Arc;

use connect::kafka::batch::{
    HeaderName, LSN_HEADER, NEW_KEY_HEADER, OLD_KEY_HEADER, RecordBatch, RecordBounds,
};
use connect::kafka::{RecordTooLarge, partition_of};
use schema::change::RowChange;
use schema::envelope::{EventSource, Source};
use schema::lsn::{Lsn, LsnClock};
use schema::plan::record::{PlanError, RecordPlan, Row};

use super::order::TransactionOrder;
use crate::oversized::{Fate, TRUNCATED_HEADER};
use crate::snapshot::{RowError, TableCopy};
use crate::tables::TablePlan;

/// What the records of one change are made of.
pub(crate) struct RecordWriter<'a> {
    pub(crate) plan: &'a TablePlan,
    /// The plan's record plan for where the row was read.
    pub(crate) record: &'a RecordPlan,
    pub(crate) batch: &'a mut RecordBatch,
    pub(crate) lsn: &'a mut LsnClock,
    /// Counts the changes of the open transaction, if records say so.
    pub(crate) order: Option<&'a mut TransactionOrder>,
    pub(crate) source: Source<'a>,
    /// Has begun with the event that `source` is about.
    pub(crate) event: &'a mut EventSource,
    /// `tombstones.on.delete`.
    pub(crate) tombstones: bool,
}

/// A record whose key and value stand at the end of the batch.
pub(crate) struct Written<'a, R> {
    pub(crate) record: &'a RecordPlan,
    pub(crate) change: &'a RowChange<R>,
    pub(crate) source: &'a Source<'a>,
    pub(crate) now_us: i64,
    pub(crate) partition: i32,
    /// Where its key is; the value is behind it.
    pub(crate) key: Range<usize>,
}

/// Buffers that are kept from row to row.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// Why a change has no record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// A value that its column or its form does not hold.
    #[error(transparent)]
    Value(#[from] PlanError),
    /// More than its topic takes.
    #[error(transparent)]
    TooLarge(#[from] RecordTooLarge),
    /// A row of a copy that is none of its table's.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Whether the record keys of an update's two images differ.
pub(crate) fn key_changes<R: Row>(
    record: &RecordPlan,
    change: &RowChange<R>,
    scratch: &mut Scratch,
) -> Result<bool, PlanError> {
    let RowChange::Update { before, after } = change else { return Ok(false) };
    if record.keeps_key(before, after) {
        return Ok(false);
    }
    scratch.before.clear();
    scratch.after.clear();
    record.write_key(before, &mut scratch.before)?;
    record.write_key(after, &mut scratch.after)?;
    Ok(scratch.before != scratch.after)
}

impl RecordWriter<'_> {
    /// Where the batch ends now.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.batch.records(), self.batch.bytes())
    }

    /// Writes a change and tells the table's copy which rows it touches; returns the last number given
    /// out.
    ///
    /// A changed key is a delete of the old one and a create of the new one, as Debezium has it.
    pub(crate) fn change<R: Row + Copy>(
        &mut self,
        change: &RowChange<R>,
        scratch: &mut Scratch,
        copy: Option<&mut TableCopy>,
    ) -> Result<Lsn, RecordError> {
        if let Some(copy) = copy {
            for row in change.before().into_iter().chain(change.after()) {
                scratch.before.clear();
                self.record.write_identity(row, &mut scratch.before)?;
                copy.touch(&scratch.before);
            }
        }
        let RowChange::Update { before, after } = change else { return self.write(change, None) };
        if !key_changes(self.record, change, scratch)? {
            return self.write(change, None);
        }
        let (mut old_key, mut new_key) = (Vec::new(), Vec::new());
        self.record.write_key_json(before, &mut old_key)?;
        self.record.write_key_json(after, &mut new_key)?;
        self.write(&RowChange::Delete(*before), Some((NEW_KEY_HEADER, &new_key)))?;
        self.write(&RowChange::Create(*after), Some((OLD_KEY_HEADER, &old_key)))
    }

    /// Writes the record of a change, and the tombstone behind a delete.
    fn write<R: Row>(
        &mut self,
        change: &RowChange<R>,
        header: Option<(&'static str, &[u8])>,
    ) -> Result<Lsn, RecordError> {
        let key_start = self.batch.bytes();
        if let Some(row) = change.after().or(change.before()) {
            self.record.write_key(row, self.batch.buffer())?;
        }
        let key_end = self.batch.bytes();
        let partition = partition_of(self.batch.slice(&(key_start..key_end)), self.plan.partitions);
        let is_delete = matches!(change, RowChange::Delete(_));
        let deletes = self.record.deletes();
        let writes_value = !is_delete || deletes.writes_value();
        let mut lsn = if writes_value { self.lsn.tick() } else { self.lsn.last() };
        self.source.lsn = lsn;
        let key = key_start..key_end;
        let has_tombstone = is_delete && deletes.writes_tombstone(self.tombstones);
        let tombstone_key =
            if has_tombstone { self.batch.slice(&key).to_vec() } else { Vec::new() };
        let transaction = self.order.as_mut().map(|order| order.next(&self.plan.schema.id));
        let ordered;
        let source = if transaction.is_none() {
            &self.source
        } else {
            ordered = Source { transaction, ..self.source };
            &ordered
        };
        if writes_value {
            self.record.write_shared(change, source, self.event, self.batch.buffer())?;
            let is_there = match self.plan.limit.check(self.batch.bytes() - key_start) {
                Ok(()) => {
                    let bounds = RecordBounds { key_start, key_end, has_value: true };
                    self.batch.push(self.plan.topic, partition, bounds);
                    Self::headers(self.batch, header);
                    true
                }
                Err(error) => {
                    let (record, now_us) = (self.record, self.event.now_us());
                    let written = Written { record, change, source, now_us, partition, key };
                    Self::push_too_large(self.plan, self.batch, &written, (header, error))?
                }
            };
            if is_there && self.record.is_flat() {
                self.batch.push_lsn(lsn);
                Self::flat_headers(self.batch, self.record, change, (source, self.event.now_us()))?;
            }
        } else {
            self.batch.buffer().truncate(key_start);
        }
        if has_tombstone {
            let key_start = self.batch.bytes();
            self.batch.buffer().extend_from_slice(&tombstone_key);
            let bounds = RecordBounds { key_start, key_end: self.batch.bytes(), has_value: false };
            self.batch.push(self.plan.topic, partition, bounds);
            Self::headers(self.batch, header);
            Self::flat_headers(self.batch, self.record, change, (source, self.event.now_us()))?;
            if let Some(name) = self.record.repeated_header() {
                let name = HeaderName::Chosen(Arc::clone(name));
                self.batch.push_header(name, Some(change.op().as_bytes()));
            }
            lsn = self.lsn.tick();
            self.batch.push_lsn(lsn);
        }
        Ok(lsn)
    }

    /// What becomes of a value that stands behind its key and is too large; says whether it is a
    /// record now.
    #[cold]
    fn push_too_large<R: Row>(
        plan: &TablePlan,
        batch: &mut RecordBatch,
        written: &Written<'_, R>,
        (header, error): (Option<(&'static str, &[u8])>, RecordTooLarge),
    ) -> Result<bool, RecordError> {
        let lost = match plan.oversized.handle(plan, batch, written, error)? {
            Fate::DeadLetter => return Ok(false),
            Fate::Smaller(lost) => lost,
        };
        let Range { start: key_start, end: key_end } = written.key;
        let bounds = RecordBounds { key_start, key_end, has_value: true };
        batch.push(plan.topic, written.partition, bounds);
        Self::headers(batch, header);
        batch.push_header(HeaderName::Fixed(TRUNCATED_HEADER), Some(lost.as_bytes()));
        Ok(true)
    }

    fn headers(batch: &mut RecordBatch, header: Option<(&'static str, &[u8])>) {
        if let Some((name, value)) = header {
            batch.push_header(HeaderName::Fixed(name), Some(value));
        }
    }

    fn flat_headers<R: Row>(
        batch: &mut RecordBatch,
        record: &RecordPlan,
        change: &RowChange<R>,
        (source, now_us): (&Source<'_>, i64),
    ) -> Result<(), PlanError> {
        record.write_headers(change, source, now_us, |name, value| {
            batch.push_header(HeaderName::Chosen(Arc::clone(name)), value);
        })
    }
}

/// A record without an envelope has its order in a header.
trait PushLsn {
    fn push_lsn(&mut self, lsn: Lsn);
}

impl PushLsn for RecordBatch {
    fn push_lsn(&mut self, lsn: Lsn) {
        self.push_header(HeaderName::Fixed(LSN_HEADER), Some(lsn.to_string().as_bytes()));
    }
}
