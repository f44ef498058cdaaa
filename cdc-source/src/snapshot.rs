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

mod chunk;
mod create_table;
mod place;
pub(crate) mod structure;
mod values;
mod window;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schema::gtid::GtidSet;
use schema::table::TableId;

use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;

pub(crate) use chunk::{Chunk, ChunkRequest, Loaded, Order};
pub(crate) use place::Place;
pub(crate) use window::Window;

/// The chunk that is under way. At most one is: the next begins when it is emitted.
pub(crate) struct Snapshot {
    config: Arc<SourceConfig>,
    /// Kept from chunk to chunk; lent to the one that is loading.
    connection: Option<Connection>,
    open: Option<OpenChunk>,
}

/// A chunk between its step 1 and its step 5.
pub(crate) struct OpenChunk {
    pub(crate) window: Window,
    state: ChunkState,
}

type Loading = Pin<Box<dyn Future<Output = Result<(Connection, Loaded), SourceError>> + Send>>;

enum ChunkState {
    Loading(Loading),
    Loaded(Chunk),
}

/// What came of loading a chunk.
pub(crate) enum Step {
    /// It waits for the stream to pass its high watermark.
    Waiting,
    /// The table is gone, or has a column that is not exact.
    Parked { table: TableId, reason: String },
}

impl Snapshot {
    pub(crate) fn new(config: Arc<SourceConfig>) -> Self {
        Self { config, connection: None, open: None }
    }

    /// Whether a chunk is under way.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Steps 1 to 4: opens the window and begins to load the chunk after `request`'s last key.
    pub(crate) fn begin(&mut self, request: ChunkRequest, processed: Option<&GtidSet>) {
        tracing::debug!(table = %request.table, chunk = request.number, "chunk begins");
        let window = Window::new(request.table.clone());
        let config = Arc::clone(&self.config);
        let connection = self.connection.take();
        let processed = processed.map(ToString::to_string);
        let loading = Box::pin(async move {
            let mut connection = match connection {
                Some(connection) => connection,
                None => Connection::open(&config).await?,
            };
            let loaded = chunk::load(&mut connection, &request, processed.as_deref()).await?;
            Ok((connection, loaded))
        });
        self.open = Some(OpenChunk { window, state: ChunkState::Loading(loading) });
    }

    /// Waits until the chunk is loaded. Never resolves when none is loading. Cancel safe: the load
    /// goes on at the next call.
    pub(crate) async fn loaded(&mut self) -> Result<Step, SourceError> {
        let Some(OpenChunk { window, state: ChunkState::Loading(loading) }) = &mut self.open else {
            return std::future::pending().await;
        };
        let (connection, loaded) = loading.await?;
        let table = window.table().clone();
        self.connection = Some(connection);
        match loaded {
            Loaded::Chunk(chunk) => {
                if let Some(open) = &mut self.open {
                    open.state = ChunkState::Loaded(chunk);
                }
                Ok(Step::Waiting)
            }
            Loaded::Parked(reason) => {
                self.open = None;
                Ok(Step::Parked { table, reason })
            }
        }
    }

    /// The window, if it is of this table.
    pub(crate) fn window_of(&mut self, table: &TableId) -> Option<&mut Window> {
        self.open.as_mut().map(|open| &mut open.window).filter(|window| window.table() == table)
    }

    /// Step 5: the chunk, if the stream has passed its high watermark. A chunk whose window was
    /// voided is dropped and has to begin again.
    pub(crate) fn take_due(
        &mut self,
        stream: &schema::position::BinlogPosition,
        server: uuid::Uuid,
    ) -> Result<Option<(Window, Chunk)>, SourceError> {
        let Some(OpenChunk { state: ChunkState::Loaded(chunk), .. }) = &self.open else {
            return Ok(None);
        };
        if chunk.server != server {
            let found = chunk.server.to_string();
            return Err(SourceError::OtherServer { stored: server.to_string(), found });
        }
        if stream.partial_cmp(&chunk.high).is_none_or(std::cmp::Ordering::is_lt) {
            return Ok(None);
        }
        let Some(OpenChunk { window, state: ChunkState::Loaded(chunk) }) = self.open.take() else {
            return Ok(None);
        };
        if window.is_void() {
            tracing::info!(table = %window.table(), "chunk is read again, its table has changed");
            return Ok(None);
        }
        Ok(Some((window, chunk)))
    }

    /// Gives the chunk of a table up that cannot go on.
    pub(crate) fn cancel(&mut self, table: &TableId) {
        if self.window_of(table).is_some() {
            self.open = None;
        }
    }
}
