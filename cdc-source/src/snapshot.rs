//! The first copy of a table, chunk by chunk beside the stream (the watermarks of Netflix's `DBLog`), without a
//! write to the source and, with GTIDs, without a lock.
//!
//! For each chunk, in this order:
//!
//! 1. At a transaction boundary of the stream, S is the set of transactions that it has processed;
//!    from now on the window records the keys that the stream touches in the table.
//! 2. `WAIT_FOR_EXECUTED_GTID_SET(S)`.
//! 3. SELECT the chunk.
//! 4. high := where the binlog ends now.
//! 5. When the stream has passed high, the rows whose keys were not touched are emitted.
//!
//! Why this is right. Take a row version that the SELECT returned and that is emitted. Had the
//! stream emitted a later version of it *before* the window opened, that transaction is in S, so
//! by step 2 the SELECT saw it: a contradiction. Had the stream emitted one *between* opening and
//! closing, its key was touched and the row was not emitted. A version that the stream emits
//! *after* closing gets a higher Lsn. So nothing newer is ever overwritten by an older one.
//! Conversely, what the SELECT saw lies before high, so at closing time the stream has emitted
//! every change up to what the SELECT saw, and a row that was deleted again was touched.
//!
//! A binlog position or `gtid_executed` as the low watermark would not do: the log is sent to
//! replicas before the engine commits, so a row can have been streamed that no SELECT sees yet.
//! Without GTIDs step 2 has no equivalent: there the SELECT is `FOR SHARE`, which waits for such
//! rows.

mod bounds;
mod chunk;
mod copy;
pub(crate) mod create_table;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod loader;
mod place;
mod progress;
mod rows;
pub(crate) mod structure;
mod throttle;
mod values;
mod whole;
mod window;

use std::sync::Arc;

use schema::gtid::GtidSet;
use schema::offset::SnapshotProgress;
use schema::position::BinlogPosition;
use schema::table::{TableId, TableSchema};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::config::SourceConfig;
use crate::error::SourceError;
use crate::tables::TablePlan;

pub(crate) use chunk::{Chunk, Order};
pub(crate) use copy::{DueChunk, TableCopy};
pub(crate) use place::Place;
pub(crate) use progress::CopyRate;
pub(crate) use rows::RowError;
pub(crate) use window::Window;

use bounds::{KeyRange, RangeQuery};
use chunk::{Ends, FoundEnd, Loaded, Piece, Pieces};
use loader::Loader;
use throttle::Throttle;

/// Ends of chunks that were found and not yet looked at: at most one for each that is read.
const ENDS_WAITING: usize = 64;

/// Pieces of tables that wait. Each holds up to a chunk's bytes.
const PIECES_WAITING: usize = 1;

/// A statement that MySQL can only answer if the condition is one for rows of the table.
pub(crate) fn explain(table: &TableId, filter: &str) -> String {
    let schema = TableSchema { id: table.clone(), columns: Vec::new(), key: Vec::new() };
    let range = KeyRange::default();
    RangeQuery { schema: &schema, key: &[], range: &range, filter: Some(filter) }.explain()
}

/// Copies tables, several chunks at a time.
pub(crate) struct Snapshot {
    config: Arc<SourceConfig>,
    server: Uuid,
    copies: Vec<TableCopy>,
    loads: JoinSet<LoadResult>,
    /// Connections that nobody reads from now.
    idle: Vec<Loader>,
    ends: (Ends, FoundEnds),
    pieces: (Pieces, mpsc::Receiver<Piece>),
    throttle: Throttle,
}

type FoundEnds = mpsc::Receiver<(TableId, FoundEnd)>;

type LoadResult = Result<(Loader, Loaded), SourceError>;

/// Which chunks may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    None,
    /// Those that were begun before and that others wait for.
    Heads,
    Any,
}

/// What the pipeline has to do after something came of a chunk.
pub(crate) enum Step {
    /// Nothing but to look what can begin or is due now.
    Waiting,
    /// A chunk is here: its rows have to be named, so that changes of them can be told apart.
    Loaded(TableId),
    /// The table cannot go on.
    Parked { table: TableId, reason: String },
    /// What was copied of the table does not count any more.
    Restart { table: TableId, reason: &'static str },
}

/// What a chunk depends on beside its table's progress.
pub(crate) struct ChunkContext<'a> {
    /// Where the stream is.
    pub(crate) stream: &'a BinlogPosition,
    /// The transactions that the stream has processed; none without GTIDs.
    pub(crate) processed: Option<&'a GtidSet>,
    /// What the chunk's place depends on, if records are to tell it.
    pub(crate) order: Option<Order>,
    /// Whether JSON keeps the blanks that the server prints.
    pub(crate) blanks_in_json: bool,
}

impl Snapshot {
    /// Of the server with this uuid, which is the stream's.
    pub(crate) fn new(config: Arc<SourceConfig>, server: Uuid) -> Self {
        Self {
            server,
            throttle: Throttle::new(&config),
            copies: Vec::new(),
            loads: JoinSet::new(),
            idle: Vec::new(),
            ends: mpsc::channel(ENDS_WAITING),
            pieces: mpsc::channel(PIECES_WAITING),
            config,
        }
    }

    /// Which chunks may begin now.
    pub(crate) fn room(&mut self) -> Room {
        let most = self.config.snapshot.max_threads;
        let (loading, loaded) = self.copies.iter().map(TableCopy::open_chunks).fold(
            (0, 0),
            |(all_loading, all_loaded), (loading, loaded)| {
                (all_loading + loading, all_loaded + loaded)
            },
        );
        if loading >= most || !self.throttle.lets_begin() {
            Room::None
        } else if loading + loaded >= 2 * most {
            Room::Heads
        } else {
            Room::Any
        }
    }

    /// Whether a chunk of the table can begin now.
    pub(crate) fn can_begin(&self, table: &TableId, room: Room) -> bool {
        match self.copy(table) {
            Some(copy) => copy.can_begin(room, Instant::now()),
            None => room == Room::Any,
        }
    }

    /// Steps 1 to 4: opens the window of a chunk and begins to load it.
    pub(crate) fn begin(
        &mut self,
        (table, progress): (&TableId, &SnapshotProgress),
        room: Room,
        context: ChunkContext<'_>,
    ) {
        let config = Arc::clone(&self.config);
        if self.copy(table).is_none() {
            let rows = config.snapshot.chunk_rows;
            self.copies.push(TableCopy::new(table.clone(), progress, rows));
        }
        let Some(copy) = self.copies.iter_mut().find(|copy| copy.table == *table) else { return };
        let request = copy.next_request(room, Instant::now(), context.stream);
        let Some(mut request) = request else { return };
        request.tells_end = config.snapshot.max_threads > 1;
        request.order = context.order;
        request.blanks_in_json = context.blanks_in_json;
        let number = request.number;
        tracing::debug!(table = %table, chunk = number, "chunk begins");
        let (loader, server) = (self.idle.pop(), self.server);
        let (ends, pieces) = (self.ends.0.clone(), self.pieces.0.clone());
        let processed = context.processed.map(ToString::to_string);
        let task = self.loads.spawn(async move {
            let mut loader = match loader {
                Some(loader) => loader,
                None => Loader::open(&config, server).await?,
            };
            let (processed, found) = (processed.as_deref(), (&ends, &pieces));
            let loaded = chunk::load(&mut loader, &request, processed, found).await?;
            Ok((loader, loaded))
        });
        copy.loading(number, task);
    }

    /// Waits until something came of a chunk, or until one can begin that had to wait. Never
    /// resolves when nothing is to come. Cancel safe.
    pub(crate) async fn step(&mut self) -> Result<Step, SourceError> {
        let wake_at = self.wake_at();
        // A piece takes the place of a chunk: it comes when one could begin, and goes before it.
        let takes_pieces = self.has_room_for_piece();
        tokio::select! {
            biased;
            Some(piece) = self.pieces.1.recv(), if takes_pieces => {
                let Piece { table, task, chunk } = piece;
                if let Some(copy) = self.copy_mut(&table) {
                    copy.piece_loaded(task, chunk);
                }
                Ok(Step::Loaded(table))
            }
            Some((table, found)) = self.ends.1.recv() => {
                if let Some(copy) = self.copy_mut(&table) {
                    copy.end_found(found);
                }
                Ok(Step::Waiting)
            }
            Some(ended) = self.loads.join_next_with_id() => self.load_ended(ended),
            () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                Ok(Step::Waiting)
            }
        }
    }

    fn has_room_for_piece(&mut self) -> bool {
        self.holds_stream() && self.throttle.lets_begin()
    }

    /// Whether a table is copied that the stream has to wait for.
    pub(crate) fn holds_stream(&self) -> bool {
        self.copies.iter().any(TableCopy::holds_stream)
    }

    /// When a chunk can begin that cannot begin now.
    fn wake_at(&self) -> Option<Instant> {
        let waiting = self.copies.iter().filter_map(TableCopy::waits_until);
        let throttled = self.throttle.waits_until();
        let now = Instant::now();
        waiting.chain(throttled).filter(|at| *at > now).min()
    }

    fn load_ended(
        &mut self,
        ended: Result<(Id, LoadResult), JoinError>,
    ) -> Result<Step, SourceError> {
        let (task, result) = match ended {
            Ok(ended) => ended,
            // It was given up.
            Err(error) if error.is_cancelled() => return Ok(Step::Waiting),
            Err(error) => (error.id(), Err(SourceError::Panicked)),
        };
        let Some(copy) = self.copies.iter_mut().find(|copy| copy.loads(task)) else {
            return Ok(Step::Waiting);
        };
        let table = copy.table.clone();
        let (loader, loaded) = match result {
            Ok(ended) => ended,
            Err(error) => return copy.load_failed(task, error),
        };
        self.idle.push(loader);
        match loaded {
            Loaded::Chunk(chunk) => copy.loaded(task, chunk),
            Loaded::Changed => copy.read_again(task),
            Loaded::Undivided(structure) => copy.undivided(task, structure),
            Loaded::OtherKey => {
                return Ok(Step::Restart { table, reason: "its key was changed" });
            }
            Loaded::Parked(reason) => return Ok(Step::Parked { table, reason }),
        }
        Ok(Step::Loaded(table))
    }

    fn copy(&self, table: &TableId) -> Option<&TableCopy> {
        self.copies.iter().find(|copy| copy.table == *table)
    }

    /// The copy of a table whose chunks are under way.
    pub(crate) fn copy_mut(&mut self, table: &TableId) -> Option<&mut TableCopy> {
        self.copies.iter_mut().find(|copy| copy.table == *table)
    }

    /// The shape of a chunk of the table that has no plan yet.
    pub(crate) fn unplanned(&self, table: &TableId) -> Option<&TableSchema> {
        self.copy(table)?.unplanned()
    }

    /// The chunks that have the plan's shape are written by it.
    pub(crate) fn planned(&mut self, plan: &Arc<TablePlan>) {
        if let Some(copy) = self.copy_mut(&plan.schema.id) {
            copy.planned(plan);
        }
    }

    /// Step 5: the next chunk of which the stream has passed the high watermark, of whatever table.
    /// A chunk whose window was voided has to begin again.
    pub(crate) fn take_due(&mut self, stream: &BinlogPosition) -> Option<DueChunk> {
        self.copies.iter_mut().find_map(|copy| copy.take_due(stream))
    }

    /// So many rows of a chunk were emitted: how fast the copy is, if it is still under way.
    pub(crate) fn emitted(&mut self, table: &TableId, rows: u64) -> Option<&mut CopyRate> {
        self.throttle.emitted(rows);
        let rate = &mut self.copy_mut(table)?.rate;
        rate.emitted(rows);
        Some(rate)
    }

    /// How fast a table is copied.
    pub(crate) fn rate_of(&self, table: &TableId) -> Option<&CopyRate> {
        self.copy(table).map(|copy| &copy.rate)
    }

    /// Gives the chunks of a table up.
    pub(crate) fn give_up(&mut self, table: &TableId) {
        self.copies.retain(|copy| copy.table != *table);
        if self.copies.is_empty() {
            self.throttle.rest();
            self.idle.clear();
        }
    }
}
