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
    server: Uuid,
}

impl Loader {
    pub(super) async fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        let mut connection = Connection::open(config).await?;
        let status = preflight::status_statement(&mut connection).await?;
        let (_, server) =
            preflight::log_end(&mut connection, status).await?.ok_or_else(without_log)?;
        Ok(Self { connection, status, server })
    }

    /// Where the log ends now, and of which server that is: the connection stays with one.
    pub(super) async fn log_end(&mut self) -> Result<(BinlogPosition, Uuid), SourceError> {
        let position = preflight::log_position(&mut self.connection, self.status).await?;
        Ok((position.ok_or_else(without_log)?, self.server))
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
