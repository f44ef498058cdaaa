//! The order of a start: end what a predecessor left open, read the offsets, base the Lsn, then
//! read the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connect::config::WorkerConfig;
use connect::connector::ConnectorName;
use connect::kafka::batch::RecordBatch;
use connect::kafka::producer::{ProducerConfig, TransactionalProducer};
use schema::envelope::EventSource;
use schema::gtid::GtidSet;
use schema::lsn::{Lsn, LsnClock};
use schema::offset::{
    OffsetError, SnapshotProgress, SourcePartition, StreamOffset, TableOffset, TableState,
};
use schema::table::TableId;
use tokio::time::Instant;

use super::order::TransactionOrder;
use super::record_writer::Scratch;
use super::status::{Lag, Rates};
use super::{Pipeline, lsn_tail};
use crate::binlog::{BinlogStream, StartPoint, continuity};
use crate::config::{SnapshotMode, SourceConfig};
use crate::connection::Connection;
use crate::error::SourceError;
use crate::heartbeat::Heartbeat;
use crate::preflight::{self, Server};
use crate::rows::ImageReader;
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use crate::transaction::TransactionTracker;

impl Pipeline {
    /// Prepares a run.
    ///
    /// # Errors
    ///
    /// Returns [`SourceError`] for whatever is in the way; nothing has been written then.
    pub(crate) async fn start(
        name: ConnectorName,
        config: Arc<SourceConfig>,
        worker: &WorkerConfig,
    ) -> Result<Self, SourceError> {
        let mut connection = Connection::open(&config).await?;
        let server = preflight::check(&mut connection, &config).await?;

        let producer_config = ProducerConfig {
            transactional_id: format!("{}-{name}-0", worker.group_id),
            commit_interval: config.commit_interval,
            transaction_max_bytes: config.transaction_max_bytes,
        };
        let mut producer = TransactionalProducer::start(worker, producer_config).await?;
        let offsets = connect::offsets::read(worker, &name).await?;
        let stored = Stored::of(&config.topic_prefix, offsets)?;

        let stored_lsn = stored.stream.as_ref().and_then(|offset| offset.lsn);
        let lsn = first_lsn(stored_lsn, worker, &config, &server).await?;

        let is_first = stored.stream.is_none();
        let (start, offset) = start_point(&server, stored.stream)?;
        if !is_first && offset.server_uuid == Some(server.uuid) {
            continuity::check(&mut connection, &offset).await?;
        }
        drop(connection);
        tracing::info!(
            connector = %name,
            server = %config.address(),
            position = %offset.position,
            tables = server.tables.len(),
            first_start = is_first,
            "source starts"
        );
        let mut tables = Tables::new(Arc::clone(&config), worker.clone(), stored.tables)?;
        for table in &server.tables {
            tables.add(table, initial_state(config.snapshot.mode));
        }
        let heartbeat = Heartbeat::start(&config, &tables, &mut producer).await?;
        let stream = BinlogStream::open(&config, &start, offset.position.clone()).await?;
        Ok(Self {
            name,
            server: server.uuid,
            stream,
            producer,
            tables,
            transaction: TransactionTracker::resume(&offset, server.uuid),
            snapshot: Snapshot::new(Arc::clone(&config)),
            lsn,
            images: ImageReader::default(),
            event_source: EventSource::default(),
            scratch: Scratch::default(),
            order: config.records.transaction_metadata.then(TransactionOrder::default),
            batch: RecordBatch::default(),
            heartbeat,
            // The first offsets are written at once: from then on no row can be missed.
            has_moved: true,
            last_flush: Instant::now(),
            lag: Lag::default(),
            rates: Rates::default(),
            config,
        })
    }
}

/// A connector's offsets, sorted into the stream's and the tables'.
struct Stored {
    stream: Option<StreamOffset>,
    tables: BTreeMap<TableId, TableOffset>,
}

impl Stored {
    fn of(prefix: &str, offsets: HashMap<SourcePartition, Vec<u8>>) -> Result<Self, OffsetError> {
        let mut stored = Self { stream: None, tables: BTreeMap::new() };
        for (partition, value) in offsets {
            match partition {
                SourcePartition::Stream { server } if server == prefix => {
                    stored.stream = Some(StreamOffset::from_json(&value)?);
                }
                SourcePartition::Table { server, table } if server == prefix => {
                    stored.tables.insert(table, TableOffset::from_json(&value)?);
                }
                SourcePartition::Stream { .. } | SourcePartition::Table { .. } => {}
            }
        }
        Ok(stored)
    }
}

fn initial_state(mode: SnapshotMode) -> TableState {
    match mode {
        SnapshotMode::Initial
        | SnapshotMode::InitialOnly
        | SnapshotMode::WhenNeeded
        | SnapshotMode::Always => TableState::Snapshot(SnapshotProgress::default()),
        SnapshotMode::NoData | SnapshotMode::Recovery => TableState::Streaming,
    }
}

/// Where the stream begins: after the stored offset, or, at the first start, where the log ends
/// now. A file position means nothing on another server.
fn start_point(
    server: &Server,
    stored: Option<StreamOffset>,
) -> Result<(StartPoint, StreamOffset), SourceError> {
    let executed: GtidSet = server.executed.parse().unwrap_or_default();
    let offset = match stored {
        Some(offset) => offset,
        None => StreamOffset {
            position: server.position.clone(),
            gtids: server.has_gtids.then_some(executed),
            event: 0,
            row: 0,
            server_id: 0,
            ts_sec: 0,
            server_uuid: Some(server.uuid),
            lsn: None,
        },
    };
    let is_other = offset.server_uuid.is_some_and(|uuid| uuid != server.uuid);
    let other_server = || SourceError::OtherServer {
        stored: offset.server_uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        found: server.uuid.to_string(),
    };
    match &offset.gtids {
        // Inside a transaction another server may group rows into other events.
        Some(_) if is_other && (offset.event, offset.row) != (0, 0) => Err(other_server()),
        Some(gtids) if server.has_gtids => Ok((StartPoint::Gtids(gtids.clone()), offset)),
        Some(_) | None if is_other => Err(other_server()),
        Some(_) | None => Ok((StartPoint::Position(offset.position.clone()), offset)),
    }
}

/// Where the numbers of changes go on: after the stored one, or else after all that were written
/// and after both clocks.
async fn first_lsn(
    stored: Option<Lsn>,
    worker: &WorkerConfig,
    config: &SourceConfig,
    server: &Server,
) -> Result<LsnClock, SourceError> {
    let now_us = connect::clock::now_micros();
    if stored.is_some() {
        return Ok(LsnClock::start(stored, now_us));
    }
    check_clocks(now_us, server.now_us, config)?;
    let written = lsn_tail::highest(worker, &config.topic_prefix, server).await?;
    Ok(LsnClock::start(written, now_us.max(server.now_us)))
}

fn check_clocks(now_us: u64, server_us: u64, config: &SourceConfig) -> Result<(), SourceError> {
    let seconds = now_us.abs_diff(server_us) / 1_000_000;
    if seconds > config.max_clock_skew.as_secs() {
        return Err(SourceError::ClockSkew { seconds });
    }
    Ok(())
}
