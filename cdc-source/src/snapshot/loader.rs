//! A connection that reads chunks, and what it knows of its server.

use std::sync::Arc;

use schema::position::BinlogPosition;
use uuid::Uuid;

use super::chunk::{ChunkRequest, Loaded, gone};
use super::structure::{self, Structure};
use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::dialect::words;
use crate::error::SourceError;
use crate::tables::WITHOUT_KEY;

/// A connection for chunks.
pub(super) struct Loader {
    pub(super) connection: Connection,
    config: Arc<SourceConfig>,
}

impl Loader {
    /// Connects to the server of the stream: what is read elsewhere cannot be put in its order.
    pub(super) async fn open(
        config: &Arc<SourceConfig>,
        server: Uuid,
    ) -> Result<Self, SourceError> {
        let mut connection = Connection::open(config).await?;
        connection.is_of(server).await?;
        Ok(Self { connection, config: Arc::clone(config) })
    }

    /// What a SELECT ends with whose rows are to be locked.
    pub(super) fn lock(&self, with_locks: bool) -> Option<&'static str> {
        with_locks.then(|| self.connection.dialect().say(&words::SHARED_LOCK))
    }

    /// Where the log ends now.
    pub(super) async fn log_end(&mut self) -> Result<BinlogPosition, SourceError> {
        self.connection.log_position().await?.ok_or_else(without_log)
    }

    /// The table's shape: the one that is known, or else the server's.
    pub(super) async fn structure(
        &mut self,
        request: &ChunkRequest,
    ) -> Result<Result<Arc<Structure>, Loaded>, SourceError> {
        if let Some(structure) = &request.structure {
            return Ok(Ok(Arc::clone(structure)));
        }
        let declared = self.config.records.message_key(&request.table);
        let read = structure::read(&mut self.connection, &request.table, declared).await?;
        Ok(match read {
            Ok(structure) if structure.schema.columns.is_empty() => Err(Loaded::Parked(gone())),
            Ok(structure) if self.config.refuses(&structure.schema) => {
                Err(Loaded::Parked(WITHOUT_KEY.to_owned()))
            }
            Ok(structure) => Ok(Arc::new(structure)),
            Err(problem) => {
                let column = &problem.column;
                let reason =
                    format!("column {column} is {}, which is not exact yet", problem.type_name);
                Err(Loaded::Parked(reason))
            }
        })
    }
}

impl Loader {
    /// Whether a table is another by now than it was found to be: between two statements anybody
    /// may change it.
    pub(super) async fn is_other(
        &mut self,
        request: &ChunkRequest,
        found: &Structure,
    ) -> Result<bool, SourceError> {
        let declared = self.config.records.message_key(&request.table);
        let now = structure::read(&mut self.connection, &request.table, declared).await?;
        Ok(now.map_or(true, |now| now.schema != found.schema))
    }
}

fn without_log() -> SourceError {
    SourceError::Purged { reason: "the server has no binary log any more".to_owned() }
}
