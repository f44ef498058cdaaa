//! What a start would do, without doing it.

use std::collections::BTreeMap;

use connect::config::WorkerConfig;
use connect::connector::ConnectorName;
use schema::offset::{DebeziumCopies, SnapshotProgress, TableOffset, TableState};
use schema::position::BinlogPosition;
use schema::table::TableId;

use super::{Stored, beginning, check_clocks, initial_state};
use crate::config::{SnapshotMode, SourceConfig};
use crate::connection::Connection;
use crate::error::SourceError;
use crate::preflight::Server;

/// Where the stream would begin, and what would become of the tables.
pub(crate) struct Outlook {
    /// Where in the log.
    pub(crate) position: BinlogPosition,
    /// Nothing is stored: it begins where the log ends.
    pub(crate) is_first: bool,
    /// All tables would be copied again.
    pub(crate) is_anew: bool,
    mode: SnapshotMode,
    stored: BTreeMap<TableId, TableOffset>,
    taken_over: Option<DebeziumCopies>,
}

impl Outlook {
    /// What would become of a table, as `begin_tables` decides it.
    pub(crate) fn state_of(&self, table: &TableId) -> TableState {
        let is_copied = self.taken_over.as_ref().is_some_and(|copies| !copies.include(table));
        match self.stored.get(table) {
            _ if self.is_anew => TableState::Snapshot(SnapshotProgress::default()),
            Some(offset) => offset.state.clone(),
            None if is_copied => TableState::Streaming,
            None => initial_state(self.mode),
        }
    }
}

/// Reads the offsets and finds where a start would begin, as [`super::Pipeline::start`] does. Writes
/// nothing: an offset that a dead process has left in an open transaction is not seen.
///
/// # Errors
///
/// Returns [`SourceError`] for what is in the way of a start.
pub(crate) async fn outlook(
    (connection, config): (&mut Connection, &SourceConfig),
    server: &Server,
    (name, worker): (&ConnectorName, &WorkerConfig),
) -> Result<Outlook, SourceError> {
    let offsets = connect::offsets::peek(worker, name).await?;
    let Stored { stream, tables, taken_over } = Stored::of(&config.topic_prefix, offsets)?;
    let (mode, is_first) = (config.snapshot.mode, stream.is_none());
    if is_first {
        check_clocks(connect::clock::now_micros(), server.now_us, config)?;
    }
    let (_, offset, is_anew) = beginning(connection, config, server, stream).await?;
    Ok(Outlook {
        position: offset.position,
        is_first,
        is_anew: is_anew || (mode == SnapshotMode::Always && !is_first),
        mode,
        stored: tables,
        taken_over,
    })
}
