//! Reading a chunk: a range of a table along its key.

use std::sync::Arc;
use std::time::Duration;

use schema::offset::KeyLiteral;
use schema::plan::record::RecordPlan;
use schema::position::BinlogPosition;
use schema::table::{TableId, TableSchema};
use tokio::sync::mpsc;
use tokio::task::Id;

use super::bounds::{self, KeyRange, RangeQuery};
use super::loader::Loader;
use super::rows::{ChunkRows, RowError};
use super::structure::{NO_SUCH_TABLE, Structure, UNKNOWN_COLUMN, quoted};
use super::{Place, whole};
use crate::connection::Connection;
use crate::error::SourceError;

/// Longest time for one row of a chunk's SELECT to come. It reads along an index; with `FOR SHARE`
/// it may have to wait for row locks, which time out after 50 s by default.
const ROW_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest time for the wait of step 2 in one statement.
const WAIT_SECONDS: u32 = 50;

/// Bytes of rows after which a chunk ends early: with a few chunks under way at once, and each row
/// in memory as it came and as its record, it keeps a copy of any table within tens of MiB.
pub(crate) const CHUNK_MAX_BYTES: usize = 4 << 20;

/// Most bytes of rows with one declared key.
const TIES_MAX_BYTES: usize = 16 << 20;

/// Which chunk to read.
#[derive(Debug, Clone)]
pub(crate) struct ChunkRequest {
    pub(crate) table: TableId,
    pub(crate) range: KeyRange,
    /// Whether the chunk behind is to begin while this one is read: then its end is looked for
    /// first.
    pub(crate) tells_end: bool,
    /// Most rows of it.
    pub(crate) rows: u32,
    /// Its number within the table, from 0.
    pub(crate) number: u64,
    /// Whether JSON keeps the blanks that the server prints.
    pub(crate) blanks_in_json: bool,
    /// What the chunk's place depends on, if records are to tell it.
    pub(crate) order: Option<Order>,
    /// Only rows for which this SQL expression is true.
    pub(crate) filter: Option<String>,
    /// How the keys of the range are ordered; empty if nobody has said so yet.
    pub(crate) key: Vec<String>,
    /// The table's shape, if it has not changed since it was read.
    pub(crate) structure: Option<Arc<Structure>>,
    /// Whether the server's estimate of the rows that are left is asked for.
    pub(crate) tells_rows: bool,
    /// Where the stream waits while the whole table is read: what cannot be divided is read so.
    pub(crate) held_at: Option<BinlogPosition>,
}

/// Where a table is among those that are copied.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Whether no table comes before it.
    pub(crate) is_first: bool,
    /// The tables that are copied after it, in their order.
    pub(crate) later: Vec<TableId>,
}

impl Order {
    /// The place of a chunk that is not the last of its table.
    pub(super) fn inside(&self, number: u64) -> Place {
        Place {
            in_first_table: self.is_first,
            is_first_chunk: number == 0,
            is_last_chunk: false,
            nothing_follows: false,
        }
    }
}

/// The rows of a chunk and what bounds them.
pub(crate) struct Chunk {
    pub(crate) structure: Arc<Structure>,
    pub(crate) rows: ChunkRows,
    /// Up to and with which key the rows are there; `None` if to the table's end, and in a table
    /// that cannot be divided.
    pub(crate) last_key: Option<Vec<KeyLiteral>>,
    /// Whether the table's last row is here.
    pub(crate) is_last: bool,
    /// What is left of the range that was asked for, if the chunk ended early.
    pub(crate) rest: Option<KeyRange>,
    /// The chunk is emitted when the stream is here. All that the SELECT saw lies before; of a table
    /// that cannot be divided, what lies behind follows.
    pub(crate) high: BinlogPosition,
    /// Where its rows are in the copy of all tables, if records are to tell it.
    pub(crate) place: Option<Place>,
    /// How many rows were left before it, by the server's estimate.
    pub(crate) estimated_rows: Option<u64>,
}

impl Chunk {
    pub(crate) fn schema(&self) -> &TableSchema {
        &self.structure.schema
    }

    /// What tells its rows from each other, by the log's plan: as the keys that the stream touches.
    /// None if that cannot be told of one.
    pub(super) fn identities(&self, plan: &RecordPlan) -> Option<Vec<Box<[u8]>>> {
        let (mut row, mut identity) = (Vec::new(), Vec::new());
        let identities = (0..self.rows.len()).map(|index| {
            self.rows.read(index, &mut row).ok()?;
            identity.clear();
            plan.write_identity(&row.as_slice(), &mut identity).ok()?;
            Some(Box::from(identity.as_slice()))
        });
        identities.collect()
    }
}

/// What came of reading a chunk.
pub(crate) enum Loaded {
    Chunk(Box<Chunk>),
    /// The table is another than it was thought to be: its shape has to be read again.
    Changed,
    /// The table cannot be divided: the stream has to wait while it is read.
    Undivided(Arc<Structure>),
    /// The key is not what the range is of: the copy has to begin again.
    OtherKey,
    /// The table cannot be copied, and why.
    Parked(String),
}

/// Where a chunk ends, before it is read.
#[derive(Debug)]
pub(super) struct FoundEnd {
    /// The chunk's number within its table.
    pub(super) number: u64,
    /// Its last key; `None` if it ends with the table.
    pub(super) until: Option<Vec<KeyLiteral>>,
    /// How that key is ordered.
    pub(super) key: Vec<String>,
}

/// A part of a table that cannot be divided, and whose it is.
pub(super) struct Piece {
    pub(super) table: TableId,
    /// The task that reads the table.
    pub(super) task: Id,
    pub(super) chunk: Box<Chunk>,
}

/// Where such parts are sent to.
pub(super) type Pieces = mpsc::Sender<Piece>;

/// Where ends of chunks are sent to.
pub(super) type Ends = mpsc::Sender<(TableId, FoundEnd)>;

/// Steps 2 to 4.
pub(super) async fn load(
    loader: &mut Loader,
    request: &ChunkRequest,
    processed: Option<&str>,
    (ends, pieces): (&Ends, &Pieces),
) -> Result<Loaded, SourceError> {
    wait_for(&mut loader.connection, processed).await?;
    if let Some(held_at) = &request.held_at {
        return whole::load(loader, request, (held_at, processed.is_none()), pieces).await;
    }
    let structure = match loader.structure(request).await? {
        Ok(structure) => structure,
        Err(refused) => return Ok(refused),
    };
    if structure.chunk_key.columns.is_empty() {
        return Ok(Loaded::Undivided(structure));
    }
    let is_first = request.range.after.is_none() && request.key.is_empty();
    // An offset of format 1 says nothing of its key's order.
    let is_known = !request.key.is_empty() && request.key != structure.key_order;
    let fits = |key: &Option<Vec<KeyLiteral>>| {
        key.as_ref().is_none_or(|key| key.len() == structure.chunk_key.columns.len())
    };
    if !is_first && (is_known || !fits(&request.range.after) || !fits(&request.range.until)) {
        return Ok(Loaded::OtherKey);
    }
    let read = async {
        let estimate = estimated_rows(loader, request, &structure).await?;
        let (found, selected) = rows_of(loader, (request, &structure), processed, ends).await?;
        Ok((found, Selected { estimated_rows: estimate, ..selected }))
    };
    let (found, selected) = match read.await {
        Ok(read) => read,
        Err(SourceError::Statement { code: NO_SUCH_TABLE | UNKNOWN_COLUMN, .. })
            if request.structure.is_some() =>
        {
            return Ok(Loaded::Changed);
        }
        Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => {
            return Ok(Loaded::Parked(gone()));
        }
        Err(error @ SourceError::Statement { code: UNKNOWN_COLUMN, .. }) => {
            let is_other = loader.is_other(request, &structure).await?;
            return if is_other { Ok(Loaded::Changed) } else { Err(error) };
        }
        Err(error) => return Err(error),
    };
    // The end of the log is looked for last: all that the SELECT saw lies before.
    let high = loader.log_end().await?;
    finish(loader, request, (structure, found), (selected, high)).await
}

/// What was read of what was asked for.
struct Found {
    /// What the next chunk begins behind.
    announced: KeyRange,
    /// What the SELECT was of.
    read: KeyRange,
}

/// Step 3. Rows of the same key stay together, because the next chunk begins behind a key; if they
/// are too many for a chunk, a smaller part is read.
async fn rows_of(
    loader: &mut Loader,
    (request, structure): (&ChunkRequest, &Arc<Structure>),
    processed: Option<&str>,
    ends: &Ends,
) -> Result<(Found, Selected), SourceError> {
    let has_ties = structure.chunk_key.has_ties;
    let mut announced = request.range.clone();
    let mut read = request.range.clone();
    if request.tells_end && request.range.until.is_none() {
        announced.until = end_of(loader, request, structure, request.rows).await?;
        let (number, key) = (request.number, structure.key_order.clone());
        let end = FoundEnd { number, until: announced.until.clone(), key };
        if ends.send((request.table.clone(), end)).await.is_err() {
            tracing::debug!(table = %request.table, "nobody asks for the chunk any more");
        }
        read.until.clone_from(&announced.until);
    } else if has_ties && request.range.until.is_none() {
        read.until = end_of(loader, request, structure, request.rows).await?;
    }
    let mut rows = request.rows;
    loop {
        let with_locks = processed.is_none();
        let is_least = rows <= 1;
        let limit = Limit::of(request.rows, has_ties && read.until.is_some(), is_least);
        let selected = select(loader, request, structure, (&read, limit, with_locks)).await?;
        if !selected.is_cut || !has_ties || is_least {
            return Ok((Found { announced, read }, selected));
        }
        rows /= 2;
        let until = end_of(loader, request, structure, rows).await?;
        read.until = until.or_else(|| announced.until.clone());
    }
}

/// The key of the last of so many rows; `None` if there are fewer.
async fn end_of(
    loader: &mut Loader,
    request: &ChunkRequest,
    structure: &Structure,
    rows: u32,
) -> Result<Option<Vec<KeyLiteral>>, SourceError> {
    let (schema, key) = (&structure.schema, structure.chunk_key.columns.as_slice());
    let query = query_of(request, structure, &request.range);
    let statement = query.key_of_row(u64::from(rows.saturating_sub(1)));
    let found = loader.connection.rows_in_binary("look for a chunk's end", &statement).await?;
    let places: Vec<_> = (0..key.len()).collect();
    Ok(found.first().and_then(|row| bounds::key_literals((schema, key), row, &places)))
}

pub(super) fn query_of<'a>(
    request: &'a ChunkRequest,
    structure: &'a Structure,
    range: &'a KeyRange,
) -> RangeQuery<'a> {
    let (schema, key) = (&structure.schema, structure.chunk_key.columns.as_slice());
    RangeQuery { schema, key, range, filter: request.filter.as_deref() }
}

/// How much one SELECT may bring.
#[derive(Clone, Copy)]
struct Limit {
    rows: u64,
    bytes: usize,
}

impl Limit {
    /// `is_closed`: rows of one key count together, and the range ends with one.
    fn of(rows: u32, is_closed: bool, is_least: bool) -> Self {
        // A bounded range may have grown since its end was looked for.
        let rows = if is_closed { u64::from(u32::MAX) } else { 2 * u64::from(rows) };
        Self { rows, bytes: if is_closed && is_least { TIES_MAX_BYTES } else { CHUNK_MAX_BYTES } }
    }
}

/// What a SELECT has brought.
struct Selected {
    rows: ChunkRows,
    last_key: Option<Vec<KeyLiteral>>,
    /// Whether more rows of the range may follow.
    is_cut: bool,
    /// Why a row could not be converted.
    refused: Option<String>,
    estimated_rows: Option<u64>,
}

impl Selected {
    fn new(rows: ChunkRows) -> Self {
        Self { rows, last_key: None, is_cut: false, refused: None, estimated_rows: None }
    }
}

/// How many rows are left to copy, as the server's optimizer thinks.
pub(super) async fn estimated_rows(
    loader: &mut Loader,
    request: &ChunkRequest,
    structure: &Structure,
) -> Result<Option<u64>, SourceError> {
    if !request.tells_rows {
        return Ok(None);
    }
    let query = query_of(request, structure, &request.range);
    let explained: Vec<mysql_common::Row> =
        loader.connection.rows("estimate a table's rows", &query.explain()).await?;
    Ok(explained.first().and_then(|row| row.get_opt("rows")).and_then(Result::ok))
}

async fn select(
    loader: &mut Loader,
    request: &ChunkRequest,
    structure: &Arc<Structure>,
    (range, limit, with_locks): (&KeyRange, Limit, bool),
) -> Result<Selected, SourceError> {
    let (schema, key) = (&structure.schema, structure.chunk_key.columns.as_slice());
    let query = query_of(request, structure, range);
    let most = if range.until.is_some() { limit.rows } else { u64::from(request.rows) };
    let statement = query.rows(most + 1, loader.lock(with_locks));
    let places = bounds::key_places(schema, key);
    let mut found = loader.connection.select("read a chunk", &statement, ROW_TIMEOUT).await?;
    let forms = Arc::clone(found.forms());
    let mut selected =
        Selected::new(ChunkRows::new(Arc::clone(structure), forms, request.blanks_in_json));
    let mut is_full = false;
    while let Some(row) = found.next().await? {
        if is_full {
            selected.is_cut = true;
            break;
        }
        match selected.rows.push(&row) {
            Ok(()) => {}
            Err(RowError::Wire(error)) => return Err(found.failed(error)),
            Err(error @ RowError::Column { .. }) => {
                selected.refused = Some(error.to_string());
                break;
            }
        }
        let count = u64::try_from(selected.rows.len()).unwrap_or(u64::MAX);
        is_full = count >= most || selected.rows.memory() >= limit.bytes;
        if is_full {
            let row = found.parsed(&row)?;
            selected.last_key = bounds::key_literals((schema, key), &row, &places);
        }
    }
    found.skip().await?;
    Ok(selected)
}

async fn finish(
    loader: &mut Loader,
    request: &ChunkRequest,
    (structure, found): (Arc<Structure>, Found),
    (selected, high): (Selected, BinlogPosition),
) -> Result<Loaded, SourceError> {
    if let Some(reason) = selected.refused {
        let is_other = request.structure.is_some() || loader.is_other(request, &structure).await?;
        return Ok(if is_other { Loaded::Changed } else { Loaded::Parked(reason) });
    }
    let (last_key, rest) = if !selected.is_cut {
        let is_whole = found.read.until == found.announced.until;
        let rest = KeyRange { after: found.read.until.clone(), until: found.announced.until };
        (found.read.until, (!is_whole).then_some(rest))
    } else if structure.chunk_key.has_ties {
        return Ok(Loaded::Parked(too_many_ties()));
    } else if let Some(key) = selected.last_key {
        let rest = KeyRange { after: Some(key.clone()), until: found.announced.until };
        (Some(key), Some(rest))
    } else {
        return Ok(Loaded::Parked("its key cannot bound a chunk".to_owned()));
    };
    let is_last = last_key.is_none();
    let ends = (request.number, is_last, selected.rows.is_empty());
    let place = place(loader, request, ends).await?;
    let Selected { rows, estimated_rows, .. } = selected;
    Ok(Loaded::Chunk(Box::new(Chunk {
        structure,
        rows,
        last_key,
        is_last,
        rest,
        high,
        place,
        estimated_rows,
    })))
}

/// Looks whether rows follow in later tables. Each table is looked at once in all: only the end of
/// one with rows looks, and no further than the next one with rows.
pub(super) async fn place(
    loader: &mut Loader,
    request: &ChunkRequest,
    (number, is_last, is_empty): (u64, bool, bool),
) -> Result<Option<Place>, SourceError> {
    let Some(order) = request.order.as_ref().filter(|_| !is_empty) else { return Ok(None) };
    let mut nothing_follows = is_last;
    for table in &order.later {
        if !nothing_follows {
            break;
        }
        let statement = format!("SELECT 1 FROM {} LIMIT 1", quoted(table));
        match loader.connection.first::<u8>("look for rows", &statement).await {
            Ok(found) => nothing_follows = found.is_none(),
            Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Place {
        in_first_table: order.is_first,
        is_first_chunk: number == 0,
        is_last_chunk: is_last,
        nothing_follows,
    }))
}

fn too_many_ties() -> String {
    format!(
        "more than {} MiB of its rows have the same values in the columns of `message.key.columns`",
        TIES_MAX_BYTES >> 20
    )
}

pub(super) fn gone() -> String {
    "the table does not exist any more".to_owned()
}

/// Waits until all that the stream has processed is visible to a SELECT.
async fn wait_for(connection: &mut Connection, processed: Option<&str>) -> Result<(), SourceError> {
    let Some(processed) = processed.filter(|set| !set.is_empty()) else { return Ok(()) };
    let statement = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{processed}', {WAIT_SECONDS})");
    loop {
        let timed_out: Option<u8> =
            connection.first("wait until the stream's rows are visible", &statement).await?;
        if timed_out == Some(0) {
            return Ok(());
        }
        tracing::info!("waiting for a commit that the binary log already holds");
    }
}
