//! A connection that reads chunks, and what it knows of its server.

use std::sync::Arc;

use schema::position::BinlogPosition;
use uuid::Uuid;

use super::chunk::{ChunkRequest, Loaded, gone};
use super::structure::{self, Structure};
use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::preflight;

/// A connection for chunks.
pub(super) struct Loader {
    pub(super) connection: Connection,
    /// The statement that says where the log ends.
    status: &'static str,
}

impl Loader {
    /// Connects to the server of the stream: what is read elsewhere cannot be put in its order.
    pub(super) async fn open(config: &SourceConfig, server: Uuid) -> Result<Self, SourceError> {
        let mut connection = Connection::open(config).await?;
        connection.is_of(server).await?;
        let status = preflight::status_statement(&mut connection).await?;
        Ok(Self { connection, status })
    }

    /// Where the log ends now.
    pub(super) async fn log_end(&mut self) -> Result<BinlogPosition, SourceError> {
        let position = preflight::log_position(&mut self.connection, self.status).await?;
        position.ok_or_else(without_log)
    }

    /// The table's shape: the one that is known, or else the server's.
    pub(super) async fn structure(
        &mut self,
        request: &ChunkRequest,
    ) -> Result<Result<Arc<Structure>, Loaded>, SourceError> {
        if let Some(structure) = &request.structure {
            return Ok(Ok(Arc::clone(structure)));
        }
        let read = structure::read(&mut self.connection, &request.table).await?;
        Ok(match read {
            Ok(structure) if structure.schema.columns.is_empty() => Err(Loaded::Parked(gone())),
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

fn without_log() -> SourceError {
    SourceError::Purged { reason: "the server has no binary log any more".to_owned() }
}
