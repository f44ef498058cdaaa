//! Reading a chunk: a range of a table along its key.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use schema::offset::KeyLiteral;
use schema::position::BinlogPosition;
use schema::table::{TableId, TableSchema};
use schema::types::MysqlValue;
use tokio::sync::mpsc;

use super::bounds::{self, KeyRange, RangeQuery};
use super::loader::Loader;
use super::structure::{NO_SUCH_TABLE, Structure, UNKNOWN_COLUMN, quoted};
use super::{Place, values};
use crate::connection::Connection;
use crate::error::SourceError;

/// Longest time for one row of a chunk's SELECT to come. It reads along an index; with `FOR SHARE`
/// it may have to wait for row locks, which time out after 50 s by default.
const ROW_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest time for the wait of step 2 in one statement.
const WAIT_SECONDS: u32 = 50;

/// Bytes of rows after which a chunk ends early: with a few chunks under way at once, and each row
/// in memory as its values and as its record, it keeps a copy of any table within tens of MiB.
pub(crate) const CHUNK_MAX_BYTES: usize = 4 << 20;

/// What each value in memory takes beside its bytes.
const VALUE_BYTES: usize = 32;

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
}

/// Where a table is among those that are copied.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Whether no table comes before it.
    pub(crate) is_first: bool,
    /// The tables that are copied after it, in their order.
    pub(crate) later: Vec<TableId>,
}

/// The rows of a chunk and what bounds them.
pub(crate) struct Chunk {
    pub(crate) structure: Arc<Structure>,
    pub(crate) rows: Vec<Vec<Option<MysqlValue<'static>>>>,
    /// Bytes of the rows.
    pub(crate) bytes: usize,
    /// Up to and with which key the rows are there; `None` if to the table's end.
    pub(crate) last_key: Option<Vec<KeyLiteral>>,
    /// What is left of the range that was asked for, if the chunk ended early.
    pub(crate) rest: Option<KeyRange>,
    /// All that the SELECT saw lies before.
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
}

/// What came of reading a chunk.
pub(crate) enum Loaded {
    Chunk(Box<Chunk>),
    /// The table is another than it was thought to be: its shape has to be read again.
    Changed,
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

/// Where ends of chunks are sent to.
pub(super) type Ends = mpsc::Sender<(TableId, FoundEnd)>;

/// Steps 2 to 4.
pub(super) async fn load(
    loader: &mut Loader,
    request: &ChunkRequest,
    processed: Option<&str>,
    ends: &Ends,
) -> Result<Loaded, SourceError> {
    wait_for(&mut loader.connection, processed).await?;
    let structure = match loader.structure(request).await? {
        Ok(structure) => structure,
        Err(refused) => return Ok(refused),
    };
    let schema = &structure.schema;
    let is_first = request.range.after.is_none() && request.key.is_empty();
    // An offset of format 1 says nothing of its key's order.
    let is_known = !request.key.is_empty() && request.key != structure.key_order;
    let fits = |key: &Option<Vec<KeyLiteral>>| {
        key.as_ref().is_none_or(|key| key.len() == schema.key.len())
    };
    if !is_first && (is_known || !fits(&request.range.after) || !fits(&request.range.until)) {
        return Ok(Loaded::OtherKey);
    }
    let read = async {
        let estimate = estimated_rows(loader, request, schema).await?;
        let range = range(loader, request, &structure, ends).await?;
        let selected = select(loader, request, &structure, (&range, processed.is_none())).await?;
        Ok((range, Selected { estimated_rows: estimate, ..selected }))
    };
    let (range, selected) = match read.await {
        Ok(read) => read,
        Err(SourceError::Statement { code: NO_SUCH_TABLE | UNKNOWN_COLUMN, .. })
            if request.structure.is_some() =>
        {
            return Ok(Loaded::Changed);
        }
        Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => {
            return Ok(Loaded::Parked(gone()));
        }
        Err(error) => return Err(error),
    };
    // The end of the log is looked for last: all that the SELECT saw lies before.
    let high = loader.log_end().await?;
    finish(loader, request, (structure, range), (selected, high)).await
}

/// The range that is read now: up to where the next chunk begins, if that one is not to wait.
async fn range(
    loader: &mut Loader,
    request: &ChunkRequest,
    structure: &Structure,
    ends: &Ends,
) -> Result<KeyRange, SourceError> {
    let schema = &structure.schema;
    if !request.tells_end || request.range.until.is_some() || schema.key.is_empty() {
        return Ok(request.range.clone());
    }
    let query = RangeQuery { schema, range: &request.range, filter: request.filter.as_deref() };
    let statement = query.key_of_row(u64::from(request.rows.saturating_sub(1)));
    let found = loader.connection.rows_in_binary("look for a chunk's end", &statement).await?;
    let places: Vec<_> = (0..schema.key.len()).collect();
    let until = found.first().and_then(|row| bounds::key_literals(schema, row, &places));
    let (number, key) = (request.number, structure.key_order.clone());
    let end = FoundEnd { number, until: until.clone(), key };
    if ends.send((request.table.clone(), end)).await.is_err() {
        tracing::debug!(table = %request.table, "nobody asks for the chunk any more");
    }
    Ok(KeyRange { after: request.range.after.clone(), until })
}

/// What a SELECT has brought.
#[derive(Default)]
struct Selected {
    rows: Vec<Vec<Option<MysqlValue<'static>>>>,
    bytes: usize,
    last_key: Option<Vec<KeyLiteral>>,
    /// Whether more rows of the range may follow.
    is_cut: bool,
    /// Why a row could not be converted.
    refused: Option<String>,
    estimated_rows: Option<u64>,
}

/// How many rows are left to copy, as the server's optimizer thinks.
async fn estimated_rows(
    loader: &mut Loader,
    request: &ChunkRequest,
    schema: &TableSchema,
) -> Result<Option<u64>, SourceError> {
    if !request.tells_rows {
        return Ok(None);
    }
    let query = RangeQuery { schema, range: &request.range, filter: request.filter.as_deref() };
    let explained: Vec<mysql_common::Row> =
        loader.connection.rows("estimate a table's rows", &query.explain()).await?;
    Ok(explained.first().and_then(|row| row.get_opt("rows")).and_then(Result::ok))
}

async fn select(
    loader: &mut Loader,
    request: &ChunkRequest,
    structure: &Structure,
    (range, with_locks): (&KeyRange, bool),
) -> Result<Selected, SourceError> {
    let schema = &structure.schema;
    let query = RangeQuery { schema, range, filter: request.filter.as_deref() };
    // A bounded range may have grown since its end was looked for.
    let most = u64::from(request.rows) * if range.until.is_some() { 2 } else { 1 };
    let statement = query.rows(most + 1, with_locks);
    let places = bounds::key_places(schema);
    let mut selected = Selected::default();
    let mut count = 0;
    let blanks = request.blanks_in_json;
    let mut is_full = false;
    let take = |row: mysql_common::Row| {
        if is_full {
            selected.is_cut = true;
            return ControlFlow::Break(());
        }
        count += 1;
        selected.bytes += bytes_of(&row);
        // A table without a key cannot go on behind a row, so that its chunk has no other end.
        is_full = count == most || selected.bytes >= CHUNK_MAX_BYTES && !schema.key.is_empty();
        if is_full {
            selected.last_key = bounds::key_literals(schema, &row, &places);
        }
        match values::row(structure, row, blanks) {
            Ok(row) => selected.rows.push(row),
            Err(reason) => {
                selected.refused = Some(reason);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    loader.connection.each_row("read a chunk", &statement, ROW_TIMEOUT, take).await?;
    Ok(selected)
}

/// What the row takes in memory, about.
fn bytes_of(row: &mysql_common::Row) -> usize {
    let bytes = |place| match row.as_ref(place) {
        Some(mysql_common::Value::Bytes(bytes)) => VALUE_BYTES + bytes.len(),
        Some(_) | None => VALUE_BYTES,
    };
    (0..row.len()).map(bytes).sum()
}

async fn finish(
    loader: &mut Loader,
    request: &ChunkRequest,
    (structure, range): (Arc<Structure>, KeyRange),
    (selected, high): (Selected, BinlogPosition),
) -> Result<Loaded, SourceError> {
    if let Some(reason) = selected.refused {
        let is_old = request.structure.is_some();
        return Ok(if is_old { Loaded::Changed } else { Loaded::Parked(reason) });
    }
    let cut_at = selected.last_key.filter(|key| !key.is_empty());
    if selected.is_cut && cut_at.is_none() {
        return Ok(Loaded::Parked(unbounded(&structure.schema)));
    }
    let (last_key, rest) = match cut_at.filter(|_| selected.is_cut) {
        None => (range.until, None),
        Some(key) => (Some(key.clone()), Some(KeyRange { after: Some(key), until: range.until })),
    };
    let is_last = last_key.is_none();
    let place = place(loader, request, (is_last, selected.rows.is_empty())).await?;
    let Selected { rows, bytes, estimated_rows, .. } = selected;
    Ok(Loaded::Chunk(Box::new(Chunk {
        structure,
        rows,
        bytes,
        last_key,
        rest,
        high,
        place,
        estimated_rows,
    })))
}

/// Looks whether rows follow in later tables. Each table is looked at once in all: only the end of
/// one with rows looks, and no further than the next one with rows.
async fn place(
    loader: &mut Loader,
    request: &ChunkRequest,
    (is_last, is_empty): (bool, bool),
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
        is_first_chunk: request.number == 0,
        is_last_chunk: is_last,
        nothing_follows,
    }))
}

fn unbounded(schema: &TableSchema) -> String {
    if schema.key.is_empty() {
        return "it has no key, so it must fit into one chunk; add a primary key, or raise \
                snapshot.chunk.rows"
            .to_owned();
    }
    "its key cannot bound a chunk".to_owned()
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
