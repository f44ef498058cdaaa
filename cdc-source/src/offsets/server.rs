//! What MySQL's binary log still has, and whether somebody reads it under our number.

use std::time::Duration;

use schema::gtid::GtidSet;
use schema::position::BinlogPosition;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::{ConnectionConfig, SourceConfig};
use crate::connection::{Connection, position_of};
use crate::dialect::words;
use crate::error::SourceError;

/// A server's binary log.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ServerLog {
    pub(super) uuid: Uuid,
    /// Whether the log is read by GTID set.
    pub(super) has_gtids: bool,
    pub(super) executed: GtidSet,
    pub(super) purged: GtidSet,
    /// Where each file ends, oldest first.
    pub(super) ends: Vec<BinlogPosition>,
    /// Whether a replica with our server id is connected.
    pub(super) is_read: bool,
}

impl ServerLog {
    /// Asks the server, and waits for a replica with our number to go, at most `patience`.
    pub(super) async fn read(
        config: &SourceConfig,
        patience: Duration,
    ) -> Result<Self, SourceError> {
        let mut connection = Connection::open(config).await?;
        let variables = "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_mode, \
                         @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged";
        let found: Option<(String, String, String, String)> =
            connection.first("read the executed transactions", variables).await?;
        let (uuid, mode, executed, purged) = found.unwrap_or_default();
        let files: Vec<mysql_common::Row> =
            connection.rows("list the binary logs", "SHOW BINARY LOGS").await?;
        Ok(Self {
            uuid: uuid.parse().unwrap_or_default(),
            has_gtids: mode == "ON",
            executed: executed.parse().unwrap_or_default(),
            purged: purged.parse().unwrap_or_default(),
            ends: files.iter().filter_map(position_of).collect(),
            is_read: stays_read(&mut connection, &config.connection, patience).await?,
        })
    }
}

/// Where a server's log ends, as this module reads it.
#[cfg(test)]
pub(crate) async fn end(config: &SourceConfig) -> Result<Option<BinlogPosition>, SourceError> {
    Ok(ServerLog::read(config, Duration::ZERO).await?.ends.pop())
}

/// Whether a replica with our number and uuid is there, and still is after a while. MySQL notices that one
/// has gone when it sends to it in vain, which is at the second heartbeat.
async fn stays_read(
    connection: &mut Connection,
    config: &ConnectionConfig,
    patience: Duration,
) -> Result<bool, SourceError> {
    const ASK_EVERY: Duration = Duration::from_millis(250);
    let end = Instant::now() + patience;
    while is_read(connection, config).await? {
        if Instant::now() >= end {
            return Ok(true);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(false)
}

/// Replicas register with their number and uuid when they ask for the log, and are forgotten when their
/// connection ends.
async fn is_read(
    connection: &mut Connection,
    config: &ConnectionConfig,
) -> Result<bool, SourceError> {
    let statement = connection.dialect().say(&words::REPLICAS);
    let replicas: Vec<mysql_common::Row> = connection.rows("list replicas", statement).await?;
    // Somebody else's may have the same number, but never the same uuid.
    let uuid = config.replica_uuid.to_string();
    let is_ours = |row: &mysql_common::Row| {
        row.get_opt::<u32, _>(0)?.ok().filter(|number| *number == config.server_id)?;
        let last = row.len().checked_sub(1)?;
        row.get_opt::<String, _>(last)?.ok().filter(|found| *found == uuid)
    };
    Ok(replicas.iter().any(|row| is_ours(row).is_some()))
}
