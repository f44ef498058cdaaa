//! How long Amazon's services keep binary logs: by default no longer than they need them.

use super::is_denied;
use crate::connection::Connection;
use crate::dialect::words;
use crate::error::SourceError;
use crate::snapshot::structure::NO_SUCH_TABLE;

/// Warns of logs that may be gone before they are read.
pub(super) async fn check(connection: &mut Connection) -> Result<(), SourceError> {
    if let Some(problem) = problem(connection).await? {
        tracing::warn!(
            problem,
            hint = words::KEEP_LOGS_ON_RDS,
            "the server may purge binary logs before they are read"
        );
    }
    Ok(())
}

/// Why logs may not be kept for long enough; nothing where they are, or where it is no service of
/// Amazon's.
pub(super) async fn problem(
    connection: &mut Connection,
) -> Result<Option<&'static str>, SourceError> {
    if !connection.dialect().is_amazons() {
        return Ok(None);
    }
    let found = connection
        .first::<(Option<String>,)>("read how long logs are kept", words::RETENTION_ON_RDS)
        .await;
    match found {
        Ok(Some((Some(_hours),))) => Ok(None),
        Ok(Some((None,)) | None) => {
            Ok(Some("`binlog retention hours` is NULL, so they go as soon as the service can"))
        }
        Err(error) if is_denied(&error) || is_missing(&error) => {
            Ok(Some("`binlog retention hours` cannot be read, and may be NULL"))
        }
        Err(error) => Err(error),
    }
}

fn is_missing(error: &SourceError) -> bool {
    matches!(error, SourceError::Statement { code: NO_SUCH_TABLE, .. })
}
