//! The order of a start: end what a predecessor left open, read the offsets, base the Lsn, then
//! read the log.

mod outlook;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connect::config::{Delivery, WorkerConfig};
use connect::connector::ConnectorName;
use connect::control::SourceCounts;
use connect::kafka::batch::RecordBatch;
use connect::kafka::producer::{ProducerConfig, TransactionalProducer};
use schema::envelope::EventSource;
use schema::gtid::GtidSet;
use schema::lsn::{Lsn, LsnClock};
use schema::offset::{
    DebeziumCopies, OffsetError, SnapshotProgress, SourcePartition, StreamOffset, TableOffset,
    TableState,
};
use schema::table::TableId;
use schema::transaction_metadata::{key_schema, value_schema};
use tokio::time::Instant;

use super::cascades::Cascades;
use super::order::TransactionOrder;
use super::record_writer::Scratch;
use super::status::Lag;
use super::unlogged::Statements;
use super::{Pipeline, lookahead, lsn_tail};
use crate::binlog::{BinlogStream, StartPoint, continuity};
use crate::config::{SnapshotConfig, SnapshotMode, SourceConfig};
use crate::connection::Connection;
use crate::error::SourceError;
use crate::headroom::Headroom;
use crate::heartbeat::Heartbeat;
use crate::history::{self, Found};
use crate::notification::Notifier;
use crate::preflight::{self, Server};
use crate::rows::ImageReader;
use crate::schema_changes::SchemaChanges;
use crate::schema_changes::snapshot::Telling;
use crate::signal::{SignalFileReader, SignalTopicReader};
use crate::snapshot::Snapshot;
use crate::stage::{Sending, Stage};
use crate::tables::{NameCase, Tables};
use crate::transaction::TransactionTracker;

pub(crate) use outlook::{Outlook, outlook};

impl Pipeline {
    /// Prepares a run.
    ///
    /// # Errors
    ///
    /// Returns [`SourceError`] for whatever is in the way; no row has been written then.
    pub(crate) async fn start(
        name: ConnectorName,
        config: Arc<SourceConfig>,
        worker: &WorkerConfig,
        is_first_run: bool,
    ) -> Result<Self, SourceError> {
        let mut connection = Connection::open(&config).await?;
        let mut server = preflight::check(&mut connection, &config).await?;
        let (mut producer, stored) = stored(&name, (&config, worker), &server).await?;
        let mut lsn = first_lsn(&stored, worker, &config, &server).await?;

        let (is_first, taken_over) = (stored.stream.is_none(), stored.taken_over);
        let (start, offset, anew) =
            beginning(&mut connection, &config, &server, stored.stream).await?;
        tell_start((&name, connection.address()), &offset, (server.tables.len(), is_first));
        let at_server = Arc::new(config.only_at(connection.address()));
        let read_at = (Arc::clone(&at_server), server.uuid);
        let mut tables = Tables::new(&name, read_at, worker, stored.tables)?;
        let mut stage = stage((&config, worker), &tables, &server)?;
        let notifier = Notifier::start(&config, &tables, &mut producer).await?;
        let always = config.snapshot.mode == SnapshotMode::Always && is_first_run && !is_first;
        let is_anew = anew || always;
        let at = (&start, &offset, taken_over.is_some());
        know_definitions(&mut tables, &mut server, (&at_server, worker), at).await?;
        let how = (&config.snapshot, is_anew, taken_over.as_ref());
        begin_tables(&mut tables, &server, how, &mut lsn);
        let signals = SignalTopicReader::start(&config, worker, &tables).await?;
        let first = (is_first || is_anew).then_some(&mut connection);
        let sending = (&mut producer, stage.as_mut());
        let beside = Beside::start(&config, (&tables, sending), &offset, first).await?;
        drop(connection);
        let stream =
            BinlogStream::open(&config, server.uuid, &start, offset.position.clone()).await?;
        Ok(Self {
            name,
            server: server.uuid,
            has_gtids: server.has_gtids,
            name_case: server.name_case,
            stream,
            producer,
            tables,
            transaction: TransactionTracker::resume(&offset, server.uuid),
            snapshot: Snapshot::new(at_server, server.uuid),
            cascades: Cascades::new(&server),
            signals,
            signal_file: config.signal.file.as_ref().map(SignalFileReader::new),
            lsn,
            images: ImageReader::default(),
            event_source: EventSource::default(),
            scratch: Scratch::default(),
            order: beside.order,
            schema_changes: beside.schema_changes,
            batch: beside.batch,
            batch_bytes: if stage.is_some() { super::DRAFT_BYTES } else { super::BATCH_BYTES },
            stage,
            heartbeat: beside.heartbeat,
            notifier,
            // The first offsets are written at once: from then on no row can be missed.
            has_moved: true,
            counts: SourceCounts::default(),
            last_flush: Instant::now(),
            lag: Lag::default(),
            headroom: Headroom::start(&config),
            statements: Statements::default(),
            config,
        })
    }
}

/// The producer, behind which nobody else writes, and then the offsets that are there.
async fn stored(
    name: &ConnectorName,
    (config, worker): (&SourceConfig, &WorkerConfig),
    server: &Server,
) -> Result<(TransactionalProducer, Stored), SourceError> {
    let producer = producer_config(name, config, worker);
    let mut producer = TransactionalProducer::start(worker, producer).await?;
    if config.delivery == Delivery::ExactlyOnce {
        end_left_open(&mut producer, name, (config, worker), server).await?;
    }
    let offsets = connect::offsets::read(worker, name).await?;
    Ok((producer, Stored::of(&config.topic_prefix, offsets)?))
}

/// Aborts a transaction that the brokers have left open for ever, if its rows come again then: whatever is
/// behind the offset before it.
async fn end_left_open(
    producer: &mut TransactionalProducer,
    name: &ConnectorName,
    (config, worker): (&SourceConfig, &WorkerConfig),
    server: &Server,
) -> Result<(), SourceError> {
    let left_open = connect::offsets::left_open(worker, name).await?;
    let Some((open, before)) = left_open else { return Ok(()) };
    let before = Stored::of(&config.topic_prefix, before)?;
    let is_first = before.stream.is_none() && config.snapshot.mode.copies();
    if before.lsn().is_none() && !is_first {
        return Ok(());
    }
    lsn_tail::abort_open(producer, (open, before.lsn()), (config, worker), server).await
}

/// What records go through after the plans, if they go through anything.
fn stage(
    (config, worker): (&Arc<SourceConfig>, &WorkerConfig),
    tables: &Tables,
    server: &Server,
) -> Result<Option<Stage>, SourceError> {
    let Some(drafts) = tables.drafts() else { return Ok(None) };
    let mut stage = Stage::new(config, worker, drafts)?;
    if let Some(stage) = &mut stage {
        let topic_of = |table| schema::names::data_topic(&config.topic_prefix, table);
        stage.know_tables(server.tables.iter().map(topic_of));
    }
    Ok(stage)
}

/// Tells the tables what is known of their definitions, now and ahead of the stream.
async fn know_definitions(
    tables: &mut Tables,
    server: &mut Server,
    (config, worker): (&SourceConfig, &WorkerConfig),
    (start, offset, is_taken_over): (&StartPoint, &StreamOffset, bool),
) -> Result<(), SourceError> {
    let redefined = lookahead::redefined(config, server, start, offset).await?;
    let asked = tables.of_history(&redefined, is_taken_over);
    let found = from_history((config, worker), offset, asked, server.name_case).await?;
    tables.know(server, offset, (redefined, found));
    Ok(())
}

/// What Debezium's schema history says of tables at an offset, or why it says nothing.
async fn from_history(
    (config, worker): (&SourceConfig, &WorkerConfig),
    offset: &StreamOffset,
    tables: Vec<TableId>,
    case: NameCase,
) -> Result<Found, SourceError> {
    if tables.is_empty() {
        return Ok(Found::new());
    }
    match &config.history {
        Ok(topic) => Ok(history::read((topic, worker), offset, tables.into_iter(), case).await?),
        Err(reason) => {
            let unknown = |table| (table, Err((*reason).to_owned()));
            Ok(tables.into_iter().map(unknown).collect())
        }
    }
}

/// What is written beside the rows, as far as the settings ask for it.
struct Beside {
    heartbeat: Option<Heartbeat>,
    order: Option<TransactionOrder>,
    schema_changes: Option<SchemaChanges>,
    /// What there is to write at once: the definitions that are there at the beginning.
    batch: RecordBatch,
}

impl Beside {
    /// Makes the topics; with a connection also what the topic of definitions begins with.
    async fn start(
        config: &Arc<SourceConfig>,
        (tables, (producer, stage)): (&Tables, Sending<'_>),
        offset: &StreamOffset,
        connection: Option<&mut Connection>,
    ) -> Result<Self, SourceError> {
        let heartbeat = Heartbeat::start(config, tables, producer).await?;
        let mut order = None;
        if let Some(topic) = &config.transaction_topic {
            let style = config.records.values.style;
            let schemas = (&*key_schema(style), &*value_schema(style));
            let topic = tables.side_topic(topic, schemas, producer).await?;
            order = Some(TransactionOrder::new(&topic, offset.transaction.clone()));
        }
        let schema_changes = SchemaChanges::start(config, tables, producer).await?;
        let mut batch = RecordBatch::default();
        if let Some((changes, connection)) = schema_changes.as_ref().zip(connection) {
            let telling = Telling { changes, config, position: &offset.position };
            batch = telling.run(connection, (producer, stage)).await?;
        }
        Ok(Self { heartbeat, order, schema_changes, batch })
    }
}

fn tell_start(
    (name, server): (&ConnectorName, &str),
    offset: &StreamOffset,
    (tables, is_first): (usize, bool),
) {
    tracing::info!(
        connector = %name,
        server = %server,
        position = %offset.position,
        tables,
        first_start = is_first,
        "source starts"
    );
}

/// How the producer of a source writes.
fn producer_config(
    name: &ConnectorName,
    config: &SourceConfig,
    worker: &WorkerConfig,
) -> ProducerConfig {
    ProducerConfig {
        delivery: config.delivery,
        transactional_id: connect::offsets::transactional_id(worker, name),
        commit_interval: config.commit_interval,
        transaction_max_bytes: config.transaction_max_bytes,
    }
}

/// A connector's offsets, sorted into the stream's and the tables'.
struct Stored {
    stream: Option<StreamOffset>,
    tables: BTreeMap<TableId, TableOffset>,
    /// What Debezium had not copied yet, if the stream's offset is one of its own.
    taken_over: Option<DebeziumCopies>,
}

impl Stored {
    /// The last number that was given out.
    fn lsn(&self) -> Option<Lsn> {
        self.stream.as_ref()?.lsn
    }

    /// The highest number that a table was given. Where Debezium has written the stream's offset over
    /// ours, only these are left.
    fn lsn_of_tables(&self) -> Option<Lsn> {
        self.tables.values().filter_map(|table| table.lsn).max()
    }

    fn of(prefix: &str, offsets: HashMap<SourcePartition, Vec<u8>>) -> Result<Self, OffsetError> {
        let mut stored = Self { stream: None, tables: BTreeMap::new(), taken_over: None };
        for (partition, value) in offsets {
            match partition {
                SourcePartition::Stream { server } if server == prefix => {
                    stored.stream = Some(StreamOffset::from_json(&value)?);
                    stored.taken_over = DebeziumCopies::of(&value);
                    if let Some(copies) = &stored.taken_over {
                        tell_takeover(prefix, copies);
                    }
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

fn tell_takeover(prefix: &str, copies: &DebeziumCopies) {
    tracing::info!(
        topic_prefix = prefix,
        is_copying_all = copies.is_copying_all,
        tables_in_copy = copies.tables.len(),
        "the stored offset is debezium's: its stream goes on, and what it has copied is not copied \
         again"
    );
}

/// What happens to each table of the server from now on: what was stored of it, or, if it is new or
/// all begin anew, what the settings say. What Debezium has copied is not copied again.
fn begin_tables(
    tables: &mut Tables,
    server: &Server,
    (snapshot, anew, taken_over): (&SnapshotConfig, bool, Option<&DebeziumCopies>),
    lsn: &mut LsnClock,
) {
    for table in &server.tables {
        let is_copied = taken_over.is_some_and(|copies| !copies.include(table));
        let state = if is_copied { TableState::Streaming } else { initial_state(snapshot.mode) };
        // Its table may be gone for a moment, between two renames.
        if tables.helper_of(table).is_none() {
            tables.add(table, state);
        }
    }
    if anew {
        let mark = snapshot.sweep.then(|| lsn.tick());
        for table in &server.tables {
            tables.set_state(table, TableState::Snapshot(SnapshotProgress::again(mark)));
        }
    }
    tables.note_history();
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
    config: &SourceConfig,
    server: &Server,
    stored: Option<StreamOffset>,
) -> Result<(StartPoint, StreamOffset, bool), SourceError> {
    let mode = config.snapshot.mode;
    if mode == SnapshotMode::Recovery && stored.is_none() {
        return Err(SourceError::NothingToRecover);
    }
    let Some(stored) = stored else {
        let (start, offset) = start_point(server, None)?;
        return Ok((start, offset, false));
    };
    let may_copy = matches!(mode, SnapshotMode::WhenNeeded | SnapshotMode::Always);
    let going_on = async {
        let (start, offset) = start_point(server, Some(stored))?;
        match &offset.gtids {
            _ if offset.server_uuid == Some(server.uuid) => {
                continuity::check(connection, &offset).await?;
                continuity::check_file(connection, config, &offset).await?;
            }
            Some(processed) if server.has_gtids => {
                continuity::check_other(connection, processed).await?;
            }
            Some(_) | None => {}
        }
        // Without GTIDs the server itself says so when it is asked for the log, which is too late to
        // copy the tables instead.
        let is_by_gtids = offset.gtids.is_some() && server.has_gtids;
        if (is_by_gtids || may_copy)
            && let Some(reason) = continuity::missing(connection, &offset).await?
        {
            return Err(SourceError::Purged { reason });
        }
        Ok((start, offset))
    };
    let reason = match going_on.await {
        Ok((start, offset)) => return Ok((start, offset, false)),
        Err(
            error @ (SourceError::Purged { .. }
            | SourceError::OtherServer { .. }
            | SourceError::Diverged { .. }),
        ) if may_copy => error,
        Err(error) => return Err(error),
    };
    tracing::warn!(
        reason = schema::fault::chain(&reason),
        hint = format!(
            "{}, so that logs are there for longer than rowcast may be down",
            connection.dialect().keep_logs()
        ),
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
            file_created: None,
            lsn: None,
            prepared: Vec::new(),
            done: None,
            transaction: None,
        },
    };
    let is_other = offset.server_uuid.is_some_and(|uuid| uuid != server.uuid);
    let other_server = || SourceError::OtherServer {
        stored: offset.server_uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        found: server.uuid.to_string(),
    };
    match &offset.gtids {
        // Inside a transaction another server may group rows into other events: an offset that counts
        // only those, as Debezium's, says nothing there.
        Some(_) if is_other && offset.is_inside() && offset.done.is_none() => Err(other_server()),
        Some(gtids) if server.has_gtids => Ok((StartPoint::Gtids(gtids.clone()), offset)),
        Some(_) | None if is_other => Err(other_server()),
        Some(_) | None => Ok((StartPoint::Position(offset.position.clone()), offset)),
    }
}

/// Where the numbers of changes go on: after the stored one, or else after all that were written
/// and after both clocks.
async fn first_lsn(
    offsets: &Stored,
    worker: &WorkerConfig,
    config: &SourceConfig,
    server: &Server,
) -> Result<LsnClock, SourceError> {
    let (stored, now_us) = (offsets.lsn(), connect::clock::now_micros());
    // Without transactions records are written before the offset that says so.
    let is_in_step = config.delivery == Delivery::ExactlyOnce;
    if stored.is_some() && is_in_step {
        return Ok(LsnClock::start(stored, now_us));
    }
    let written = lsn_tail::highest(worker, config, server).await?;
    let written = written.max(offsets.lsn_of_tables());
    if stored.is_some() {
        return Ok(LsnClock::start(stored.max(written), now_us));
    }
    check_clocks(now_us, server.now_us, config)?;
    if written.is_some() && offsets.stream.is_none() {
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
