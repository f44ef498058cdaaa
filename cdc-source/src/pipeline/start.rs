//! The order of a start: end what a predecessor left open, read the offsets, base the Lsn, then
//! read the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connect::config::{Delivery, WorkerConfig};
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
use super::status::Lag;
use super::{Pipeline, lsn_tail};
use crate::binlog::{BinlogStream, StartPoint, continuity};
use crate::config::{SnapshotConfig, SnapshotMode, SourceConfig};
use crate::connection::Connection;
use crate::error::SourceError;
use crate::heartbeat::Heartbeat;
use crate::preflight::{self, Server};
use crate::rows::ImageReader;
use crate::signal::SignalTopicReader;
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
        is_first_run: bool,
    ) -> Result<Self, SourceError> {
        let mut connection = Connection::open(&config).await?;
        let server = preflight::check(&mut connection, &config).await?;

        let producer_config = ProducerConfig {
            delivery: config.delivery,
            transactional_id: connect::offsets::transactional_id(worker, &name),
            commit_interval: config.commit_interval,
            transaction_max_bytes: config.transaction_max_bytes,
        };
        let mut producer = TransactionalProducer::start(worker, producer_config).await?;
        let offsets = connect::offsets::read(worker, &name).await?;
        let stored = Stored::of(&config.topic_prefix, offsets)?;

        let stored_lsn = stored.stream.as_ref().and_then(|offset| offset.lsn);
        let mut lsn = first_lsn(stored_lsn, worker, &config, &server).await?;

        let is_first = stored.stream.is_none();
        let (start, offset, anew) =
            beginning(&mut connection, &server, (stored.stream, config.snapshot.mode)).await?;
        tracing::info!(
            connector = %name,
            server = %connection.address(),
            position = %offset.position,
            tables = server.tables.len(),
            first_start = is_first,
            "source starts"
        );
        let at_server = Arc::new(config.only_at(connection.address()));
        drop(connection);
        let mut tables = Tables::new(&name, Arc::clone(&config), worker, stored.tables)?;
        let always = config.snapshot.mode == SnapshotMode::Always && is_first_run && !is_first;
        begin_tables(&mut tables, &server, (&config.snapshot, anew || always), &mut lsn);
        let signals = SignalTopicReader::start(&config, worker, &tables).await?;
        let heartbeat = Heartbeat::start(&config, &tables, &mut producer).await?;
        let position = offset.position.clone();
        let stream = BinlogStream::open(&config, server.uuid, &start, position).await?;
        Ok(Self {
            name,
            server: server.uuid,
            stream,
            producer,
            tables,
            transaction: TransactionTracker::resume(&offset, server.uuid),
            snapshot: Snapshot::new(at_server, server.uuid),
            signals,
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

/// What happens to each table of the server from now on: what was stored of it, or, if it is new or
/// all begin anew, what the settings say.
fn begin_tables(
    tables: &mut Tables,
    server: &Server,
    (snapshot, anew): (&SnapshotConfig, bool),
    lsn: &mut LsnClock,
) {
    for table in &server.tables {
        tables.add(table, initial_state(snapshot.mode));
    }
    if anew {
        let mark = snapshot.sweep.then(|| lsn.tick());
        for table in &server.tables {
            tables.set_state(table, TableState::Snapshot(SnapshotProgress::again(mark)));
        }
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

/// Where the stream begins, and whether the tables have to be copied anew because what is between
/// the stored offset and now cannot be read any more.
async fn beginning(
    connection: &mut Connection,
    server: &Server,
    (stored, mode): (Option<StreamOffset>, SnapshotMode),
) -> Result<(StartPoint, StreamOffset, bool), SourceError> {
    if mode == SnapshotMode::Recovery && stored.is_none() {
        return Err(SourceError::NothingToRecover);
    }
    let Some(stored) = stored else {
        let (start, offset) = start_point(server, None)?;
        return Ok((start, offset, false));
    };
    let going_on = async {
        let (start, offset) = start_point(server, Some(stored))?;
        if offset.server_uuid == Some(server.uuid) {
            continuity::check(connection, &offset).await?;
        }
        Ok((start, offset))
    };
    let may_copy = matches!(mode, SnapshotMode::WhenNeeded | SnapshotMode::Always);
    let reason = match going_on.await {
        Ok((start, offset)) if !may_copy => return Ok((start, offset, false)),
        Ok((start, offset)) => match continuity::missing(connection, &offset).await? {
            None => return Ok((start, offset, false)),
            Some(reason) => SourceError::Purged { reason },
        },
        Err(error @ (SourceError::Purged { .. } | SourceError::OtherServer { .. })) if may_copy => {
            error
        }
        Err(error) => return Err(error),
    };
    tracing::warn!(
        reason = schema::fault::chain(&reason),
        hint = "keep binary logs longer (binlog_expire_logs_seconds) than rowcast may be down",
        "what was changed meanwhile cannot be read any more: all tables are copied again"
    );
    let (start, offset) = start_point(server, None)?;
    Ok((start, offset, true))
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
            prepared: Vec::new(),
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
    // Without transactions records are written before the offset that says so.
    let is_in_step = config.delivery == Delivery::ExactlyOnce;
    if stored.is_some() && is_in_step {
        return Ok(LsnClock::start(stored, now_us));
    }
    let written = lsn_tail::highest(worker, &config.topic_prefix, server).await?;
    if stored.is_some() {
        return Ok(LsnClock::start(stored.max(written), now_us));
    }
    check_clocks(now_us, server.now_us, config)?;
    if written.is_some() {
        tracing::warn!(
            topic_prefix = config.topic_prefix,
            offset_topic = worker.offset_topic,
            copies = config.snapshot.mode.copies(),
            hint = "if the connector is not new, stop it, restore the offsets topic or the \
                    connector's name, and start it again: where tables are not copied, the changes \
                    since its last offset are missing otherwise",
            "no offset is stored, but the topics have records: the connector begins anew"
        );
    }
    Ok(LsnClock::start(written, now_us.max(server.now_us)))
}

fn check_clocks(now_us: u64, server_us: u64, config: &SourceConfig) -> Result<(), SourceError> {
    let seconds = now_us.abs_diff(server_us) / 1_000_000;
    if seconds > config.max_clock_skew.as_secs() {
        return Err(SourceError::ClockSkew { seconds });
    }
    Ok(())
}
