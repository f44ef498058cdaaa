//! The copy of one table: its chunks from the first that is not emitted to the last that has begun.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use connect::backoff::Backoff;
use schema::fault::{Disposition, Fault, chain};
use schema::offset::{KeyLiteral, SnapshotProgress};
use schema::position::BinlogPosition;
use schema::table::{TableId, TableSchema};
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

use super::bounds::KeyRange;
use super::chunk::{CHUNK_MAX_BYTES, Chunk, ChunkRequest, FoundEnd};
use super::progress::CopyRate;
use super::structure::Structure;
use super::window::Window;
use super::{Room, Step};
use crate::error::SourceError;
use crate::tables::TablePlan;

/// Waits before a chunk is read again that could not be read: from 0.5 s to 30 s.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// The chunks of a table, in the order of its key.
pub(crate) struct TableCopy {
    pub(super) table: TableId,
    chunks: VecDeque<OpenChunk>,
    /// Where the chunk behind the last one begins.
    next: Next,
    /// Its number in the table.
    next_number: u64,
    /// The table's shape, unless it may have changed.
    structure: Option<Arc<Structure>>,
    /// How the keys of the ranges are ordered; empty before anybody has said so.
    key: Vec<String>,
    filter: Option<String>,
    /// Rows of a chunk: fewer than the settings say while rows are large.
    rows: u32,
    rows_max: u32,
    backoff: Backoff,
    pub(super) rate: CopyRate,
}

enum Next {
    After(Option<Vec<KeyLiteral>>),
    /// It is being looked for.
    Unknown,
    /// There are no more rows.
    End,
}

struct OpenChunk {
    number: u64,
    range: KeyRange,
    state: ChunkState,
}

enum ChunkState {
    /// Has to be read, but not before.
    Waiting(Option<Instant>),
    Loading {
        window: Window,
        task: AbortHandle,
    },
    Loaded {
        window: Window,
        chunk: Box<Chunk>,
        /// How its rows are written.
        plan: Option<Arc<TablePlan>>,
    },
}

impl ChunkState {
    fn loaded(chunk: Box<Chunk>, window: Window) -> Self {
        Self::Loaded { window, chunk, plan: None }
    }
}

/// A chunk of which the stream has passed all that its SELECT saw.
pub(crate) struct DueChunk {
    pub(crate) table: TableId,
    /// Its number in the table.
    pub(crate) number: u64,
    pub(crate) chunk: Box<Chunk>,
    pub(crate) window: Window,
    pub(crate) plan: Arc<TablePlan>,
}

impl TableCopy {
    pub(super) fn new(table: TableId, progress: &SnapshotProgress, rows: u32) -> Self {
        // A table that cannot be divided has no place to go on from.
        let (next_number, rows_before) =
            progress.last_key.as_ref().map_or((0, 0), |_| (progress.chunks, progress.rows));
        Self {
            rate: CopyRate::new(rows_before),
            table,
            chunks: VecDeque::new(),
            next: Next::After(progress.last_key.clone()),
            next_number,
            structure: None,
            key: progress.key.clone(),
            filter: progress.filter.clone(),
            rows,
            rows_max: rows,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LONGEST),
        }
    }

    /// Chunks that are read, and those that have been and wait for the stream.
    pub(super) fn open_chunks(&self) -> (usize, usize) {
        let count = |is: fn(&ChunkState) -> bool| {
            self.chunks.iter().filter(|chunk| is(&chunk.state)).count()
        };
        let loading = count(|state| matches!(state, ChunkState::Loading { .. }));
        (loading, count(|state| matches!(state, ChunkState::Loaded { .. })))
    }

    /// Whether a chunk can begin.
    pub(super) fn can_begin(&self, room: Room, now: Instant) -> bool {
        let has_next = room == Room::Any && matches!(self.next, Next::After(_));
        has_next || self.waiting(room, now).is_some()
    }

    /// The first chunk that has to be read again and may be now.
    fn waiting(&self, room: Room, now: Instant) -> Option<usize> {
        let is_ready = |chunk: &OpenChunk| match chunk.state {
            ChunkState::Waiting(not_before) => not_before.is_none_or(|at| at <= now),
            ChunkState::Loading { .. } | ChunkState::Loaded { .. } => false,
        };
        let index = self.chunks.iter().position(is_ready)?;
        // Only what the others wait for may always begin.
        (room == Room::Any || index == 0).then_some(index)
    }

    /// When a chunk can be read again.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let waits = self.chunks.iter().filter_map(|chunk| match chunk.state {
            ChunkState::Waiting(not_before) => not_before,
            ChunkState::Loading { .. } | ChunkState::Loaded { .. } => None,
        });
        waits.min()
    }

    /// Whether its rows are taken while the stream waits where the copy began.
    pub(super) fn holds_stream(&self) -> bool {
        let is_begun = |chunk: &OpenChunk| !matches!(chunk.state, ChunkState::Waiting(_));
        self.is_undivided() && self.chunks.iter().any(is_begun)
    }

    /// Whether the table is known not to have anything that chunks could be divided by.
    fn is_undivided(&self) -> bool {
        self.structure.as_ref().is_some_and(|it| it.chunk_key.columns.is_empty())
    }

    /// The next chunk to read while the stream is at this position; it has to be told of its task.
    pub(super) fn next_request(
        &mut self,
        room: Room,
        now: Instant,
        stream: &BinlogPosition,
    ) -> Option<ChunkRequest> {
        let index = match self.waiting(room, now) {
            Some(index) => index,
            None => {
                let Next::After(after) = &self.next else { return None };
                let range = KeyRange { after: after.clone(), until: None };
                self.push(range);
                self.next = Next::Unknown;
                self.chunks.len() - 1
            }
        };
        let chunk = self.chunks.get(index)?;
        Some(ChunkRequest {
            table: self.table.clone(),
            range: chunk.range.clone(),
            tells_end: false,
            rows: self.rows,
            number: chunk.number,
            blanks_in_json: false,
            order: None,
            filter: self.filter.clone(),
            key: self.key.clone(),
            structure: self.structure.clone(),
            tells_rows: self.rate.has_no_estimate(),
            held_at: self.is_undivided().then(|| stream.clone()),
        })
    }

    fn push(&mut self, range: KeyRange) {
        let number = self.next_number;
        self.next_number += 1;
        self.chunks.push_back(OpenChunk { number, range, state: ChunkState::Waiting(None) });
    }

    /// The chunk of this number is being read.
    pub(super) fn loading(&mut self, number: u64, task: AbortHandle) {
        if let Some(chunk) = self.chunks.iter_mut().find(|chunk| chunk.number == number) {
            chunk.state = ChunkState::Loading { window: Window::default(), task };
        }
    }

    /// The end of a chunk was found: where the one behind it begins.
    pub(super) fn end_found(&mut self, found: FoundEnd) {
        let FoundEnd { number, until, key } = found;
        let is_last = self.chunks.back().is_some_and(|chunk| chunk.number == number);
        let Some(chunk) = self.chunks.back_mut().filter(|_| is_last) else { return };
        if chunk.range.until.is_some() || !matches!(self.next, Next::Unknown) {
            return;
        }
        self.key = key;
        self.next = until.as_ref().map_or(Next::End, |until| Next::After(Some(until.clone())));
        chunk.range.until = until;
    }

    /// Whether the task reads one of its chunks.
    pub(super) fn loads(&self, task: Id) -> bool {
        self.index_of(task).is_some()
    }

    fn index_of(&self, id: Id) -> Option<usize> {
        let is_it = |chunk: &OpenChunk| match &chunk.state {
            ChunkState::Loading { task, .. } => task.id() == id,
            ChunkState::Waiting(_) | ChunkState::Loaded { .. } => false,
        };
        self.chunks.iter().position(is_it)
    }

    /// A chunk is here. One whose window was voided meanwhile is read again.
    pub(super) fn loaded(&mut self, task: Id, read: Box<Chunk>) {
        self.backoff.reset();
        let Some(index) = self.index_of(task) else { return };
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let ChunkState::Loading { window, .. } =
            std::mem::replace(&mut chunk.state, ChunkState::Waiting(None))
        else {
            return;
        };
        if window.is_void() {
            return;
        }
        self.resize(&read);
        self.rate.estimated(read.estimated_rows);
        self.structure = Some(Arc::clone(&read.structure));
        self.key.clone_from(&read.structure.key_order);
        let rest = match &read.rest {
            Some(rest) if rest.until.is_some() => Some(rest.clone()),
            Some(rest) => {
                self.next = Next::After(rest.after.clone());
                None
            }
            None => {
                if read.last_key.is_none() {
                    self.next = Next::End;
                }
                None
            }
        };
        if let Some(chunk) = self.chunks.get_mut(index) {
            // Read again, it is no longer than it is now: its rest is a chunk of its own.
            chunk.range.until.clone_from(&read.last_key);
            chunk.state = ChunkState::loaded(read, window);
        }
        if let Some(range) = rest {
            let number = self.next_number;
            self.next_number += 1;
            let state = ChunkState::Waiting(None);
            self.chunks.insert(index + 1, OpenChunk { number, range, state });
        }
    }

    /// A part of a table that cannot be divided is here: before what its task still reads.
    pub(super) fn piece_loaded(&mut self, task: Id, piece: Box<Chunk>) {
        let Some(index) = self.index_of(task) else { return };
        self.rate.estimated(piece.estimated_rows);
        let Some(reading) = self.chunks.get_mut(index) else { return };
        let number = reading.number;
        reading.number += 1;
        self.next_number = reading.number + 1;
        let range = KeyRange::default();
        let state = ChunkState::loaded(piece, Window::default());
        self.chunks.insert(index, OpenChunk { number, range, state });
    }

    /// The table cannot be divided: its chunk is to be read while the stream waits.
    pub(super) fn undivided(&mut self, task: Id, structure: Arc<Structure>) {
        self.structure = Some(structure);
        self.begin_again(task, None);
    }

    /// What was read of a table that cannot be divided does not count: it has no order in which
    /// reading could go on.
    fn begin_again(&mut self, task: Id, not_before: Option<Instant>) {
        if self.index_of(task).is_none() {
            return;
        }
        self.chunks.clear();
        self.next_number = 0;
        self.push(KeyRange::default());
        self.next = Next::Unknown;
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.state = ChunkState::Waiting(not_before);
        }
    }

    /// Chunks of a few MiB, however large the rows are.
    fn resize(&mut self, read: &Chunk) {
        let bytes = read.rows.memory();
        let is_large = bytes >= CHUNK_MAX_BYTES || read.rest.is_some();
        if is_large {
            self.rows = u32::try_from(read.rows.len()).unwrap_or(u32::MAX).clamp(1, self.rows_max);
        } else if bytes < CHUNK_MAX_BYTES / 4 {
            self.rows = self.rows.saturating_mul(2).min(self.rows_max);
        }
    }

    /// The table is not what it was thought to be: its chunk has to be read again.
    pub(super) fn read_again(&mut self, task: Id) {
        self.structure = None;
        if let Some(chunk) = self.index_of(task).and_then(|index| self.chunks.get_mut(index)) {
            chunk.state = ChunkState::Waiting(None);
        }
    }

    /// A chunk could not be read. Whatever can pass is waited for, beside the stream.
    pub(super) fn load_failed(
        &mut self,
        task: Id,
        error: SourceError,
    ) -> Result<Step, SourceError> {
        if let SourceError::Statement { .. } = &error {
            // Without the server's words, which may have values of rows in them.
            let reason = format!("{error}");
            return Ok(Step::Parked { table: self.table.clone(), reason });
        }
        if error.disposition() != Disposition::Retry {
            return Err(error);
        }
        let delay = self.backoff.next_delay();
        tracing::warn!(
            table = %self.table,
            error = chain(&error),
            hint = error.hint().as_deref(),
            delay_ms = delay.as_millis(),
            "a chunk could not be read, it is read again"
        );
        let not_before = Some(Instant::now() + delay);
        if self.is_undivided() {
            tracing::info!(table = %self.table, "the table is read again from its beginning");
            self.begin_again(task, not_before);
        } else if let Some(chunk) = self.index_of(task).and_then(|at| self.chunks.get_mut(at)) {
            chunk.state = ChunkState::Waiting(not_before);
        }
        Ok(Step::Waiting)
    }

    /// The shape of a chunk that has no plan yet.
    pub(super) fn unplanned(&self) -> Option<&TableSchema> {
        self.chunks.iter().find_map(|chunk| match &chunk.state {
            ChunkState::Loaded { chunk, plan: None, .. } => Some(chunk.schema()),
            ChunkState::Waiting(_) | ChunkState::Loading { .. } | ChunkState::Loaded { .. } => None,
        })
    }

    /// The chunks of this shape are written by this plan.
    pub(super) fn planned(&mut self, plan: &Arc<TablePlan>) {
        for chunk in &mut self.chunks {
            if let ChunkState::Loaded { chunk, plan: own @ None, .. } = &mut chunk.state
                && *chunk.schema() == plan.schema
            {
                *own = Some(Arc::clone(plan));
            }
        }
    }

    /// The stream has changed the row of this key.
    pub(crate) fn touch(&mut self, key: &[u8]) {
        for chunk in &mut self.chunks {
            match &mut chunk.state {
                ChunkState::Loading { window, .. } => window.touch(key),
                ChunkState::Loaded { window, chunk, plan } => {
                    if window.is_crowded(chunk.rows.len()) {
                        match plan.as_ref().map(|plan| chunk.identities(&plan.record)) {
                            Some(Some(keys)) => window.keep(keys),
                            // To emit it fails, too, and says why.
                            Some(None) => window.keep([]),
                            None => window.void(),
                        }
                    }
                    window.touch(key);
                }
                ChunkState::Waiting(_) => {}
            }
        }
    }

    /// The table's definition has changed: what was read of it does not count.
    pub(crate) fn void(&mut self) {
        self.structure = None;
        for chunk in &mut self.chunks {
            match &mut chunk.state {
                ChunkState::Loading { window, .. } => window.void(),
                state @ ChunkState::Loaded { .. } => *state = ChunkState::Waiting(None),
                ChunkState::Waiting(_) => {}
            }
        }
    }

    /// The first chunk, if the stream has passed its high watermark.
    pub(super) fn take_due(&mut self, stream: &BinlogPosition) -> Option<DueChunk> {
        let first = self.chunks.front_mut()?;
        let ChunkState::Loaded { chunk, window, plan: Some(_) } = &first.state else {
            return None;
        };
        if stream.partial_cmp(&chunk.high).is_none_or(std::cmp::Ordering::is_lt) {
            return None;
        }
        if window.is_void() {
            tracing::info!(table = %self.table, "chunk is read again, too much of its table changed");
            first.state = ChunkState::Waiting(None);
            return None;
        }
        let OpenChunk { number, state, .. } = self.chunks.pop_front()?;
        let ChunkState::Loaded { window, chunk, plan: Some(plan) } = state else { return None };
        Some(DueChunk { table: self.table.clone(), number, chunk, window, plan })
    }
}

impl Drop for TableCopy {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            if let ChunkState::Loading { task, .. } = &chunk.state {
                task.abort();
            }
        }
    }
}
