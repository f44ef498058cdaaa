//! Reading a table that cannot be divided, because it has no key, or its key no index of whole
//! columns: one SELECT, whose rows are emitted while they come.
//!
//! Rows without a key cannot be told apart, so nothing says which of them the stream has changed
//! meanwhile. Therefore the stream waits at S, where the copy begins, until the table is copied. What it
//! emits then is all that came after S. The SELECT has seen the beginning of that too: such changes
//! follow rows that have them already, in their own order, so that each row ends as it is. A crash
//! repeats the copy. Rows come at least once, and the last record of a row is the true one.

use std::sync::Arc;
use std::time::Duration;

use schema::position::BinlogPosition;

use super::chunk::{
    self, CHUNK_MAX_BYTES, Chunk, ChunkRequest, Loaded, Piece, Pieces, gone, place,
};
use super::loader::Loader;
use super::rows::{ChunkRows, RowError};
use super::structure::NO_SUCH_TABLE;
use crate::error::SourceError;

/// Longest wait for a row.
const ROW_TIMEOUT: Duration = Duration::from_secs(300);

/// The server ends a statement whose rows nobody takes after 60 s. Kafka may be away for longer.
const PATIENCE: &str = "SET SESSION net_write_timeout = 3600";

/// Reads the whole table. All pieces but the last go through `pieces`.
pub(super) async fn load(
    loader: &mut Loader,
    request: &ChunkRequest,
    (held_at, with_locks): (&BinlogPosition, bool),
    pieces: &Pieces,
) -> Result<Loaded, SourceError> {
    // Not as it was once known: what cannot be read now parks the table.
    let unknown = ChunkRequest { structure: None, ..request.clone() };
    let structure = match loader.structure(&unknown).await? {
        Ok(structure) => structure,
        Err(refused) => return Ok(refused),
    };
    if !structure.chunk_key.columns.is_empty() {
        return Ok(Loaded::Changed);
    }
    tracing::info!(
        table = %request.table,
        "the table cannot be divided into chunks: it is read as a whole, and the stream waits for it"
    );
    let estimated_rows = chunk::estimated_rows(loader, request, &structure).await?;
    loader.connection.run("wait for slow readers", PATIENCE).await?;
    let piece = |number, rows| Chunk {
        structure: Arc::clone(&structure),
        rows,
        last_key: None,
        is_last: false,
        rest: None,
        high: held_at.clone(),
        place: request.order.as_ref().map(|order| order.inside(number)),
        estimated_rows,
    };
    let mut number = request.number;
    let most = usize::try_from(request.rows).unwrap_or(usize::MAX);
    let statement =
        chunk::query_of(request, &structure, &request.range).all_rows(loader.lock(with_locks));
    let selected = loader.connection.select("read a table", &statement, ROW_TIMEOUT).await;
    let mut found = match selected {
        Ok(found) => found,
        Err(SourceError::Statement { code: NO_SUCH_TABLE, .. }) => {
            return Ok(Loaded::Parked(gone()));
        }
        Err(error) => return Err(error),
    };
    let forms = Arc::clone(found.forms());
    let none =
        || ChunkRows::new(Arc::clone(&structure), Arc::clone(&forms), request.blanks_in_json);
    let mut open = piece(number, none());
    while let Some(row) = found.next().await? {
        // A piece is handed over when there is another row: the last one is told apart.
        if open.rows.len() >= most || open.rows.memory() >= CHUNK_MAX_BYTES {
            number += 1;
            let full = std::mem::replace(&mut open, piece(number, none()));
            hand_over(request, full, pieces).await;
        }
        match open.rows.push(&row) {
            Ok(()) => {}
            Err(RowError::Wire(error)) => return Err(found.failed(error)),
            Err(error @ RowError::Column { .. }) => return Ok(Loaded::Parked(error.to_string())),
        }
    }
    // The last piece comes by another way, so it waits until those before it were taken.
    drop(pieces.reserve().await);
    open.is_last = true;
    open.place = place(loader, request, (number, true, open.rows.is_empty())).await?;
    Ok(Loaded::Chunk(Box::new(open)))
}

async fn hand_over(request: &ChunkRequest, chunk: Chunk, pieces: &Pieces) {
    let (table, chunk) = (request.table.clone(), Box::new(chunk));
    let piece = Piece { table, task: tokio::task::id(), chunk };
    if pieces.send(piece).await.is_err() {
        tracing::debug!(table = %request.table, "nobody asks for the table any more");
    }
}
