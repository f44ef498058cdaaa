//! The data path of the source on one screen: a packet becomes an event, an event row images, a
//! row image a record, and at a transaction's boundary records and offsets become one commit.

mod cascades;
mod command;
mod copy;
mod definition;
mod emit;
mod file;
mod lookahead;
mod lsn_tail;
mod order;
pub(crate) mod record_writer;
mod schema_change;
mod signal;
mod start;
mod status;
mod truncate;
mod unlogged;
mod xa;

use std::sync::Arc;
use std::time::Duration;

use connect::connector::ConnectorName;
use connect::control::{SourceCounts, TaskControl, Wanted};
use connect::kafka::KafkaError;
use connect::kafka::batch::RecordBatch;
use connect::kafka::producer::TransactionalProducer;
use schema::envelope::EventSource;
use schema::fault::{Disposition, Fault};
use schema::gtid::Gtid;
use schema::lsn::LsnClock;
use schema::offset::{SourcePartition, TableState};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use self::start::{Outlook, outlook};

use self::cascades::Cascades;
pub(crate) use self::lookahead::Redefined;
use self::order::TransactionOrder;
use self::record_writer::Scratch;
use self::status::Lag;
use self::unlogged::Statements;
use crate::binlog::table_map::EncodedTableMap;
use crate::binlog::{BinlogError, BinlogEvent, BinlogStream, Feature, Query, RawEvent};
use crate::config::{SnapshotMode, SourceConfig};
use crate::ddl::{self, Statement};
use crate::error::SourceError;
use crate::headroom::Headroom;
use crate::heartbeat::Heartbeat;
use crate::notification::Notifier;
use crate::rows::ImageReader;
use crate::schema_changes::SchemaChanges;
use crate::signal::{Signal, SignalError, SignalFileReader, SignalTopicReader};
use crate::snapshot::{Snapshot, Step};
use crate::stage::Stage;
use crate::tables::{NameCase, SkipReason, Tables};
use crate::transaction::TransactionTracker;

/// Bytes after which a batch goes to the producer: large enough that handing it over costs
/// nothing, small enough that the few that wait stay within the memory bound.
const BATCH_BYTES: usize = 1 << 20;

/// The same of records that go through the generic path: with their schema in JSON they can become
/// thirty times as large.
pub(crate) const DRAFT_BYTES: usize = 64 << 10;

/// Offsets without records are written at most so often.
const IDLE_OFFSETS_EVERY: Duration = Duration::from_secs(5);

/// Events handled before the stop signal is looked at again.
const EVENTS_PER_TURN: usize = 10_000;

/// Everything that one run of the source works with.
pub(crate) struct Pipeline {
    name: ConnectorName,
    config: Arc<SourceConfig>,
    server: Uuid,
    /// Whether the log can be read by GTID set.
    has_gtids: bool,
    /// How the server writes names of tables.
    name_case: NameCase,
    stream: BinlogStream,
    producer: TransactionalProducer,
    tables: Tables,
    transaction: TransactionTracker,
    snapshot: Snapshot,
    cascades: Cascades,
    /// The topic of signals, if there is one.
    signals: Option<SignalTopicReader>,
    /// The file of signals, if there is one.
    signal_file: Option<SignalFileReader>,
    lsn: LsnClock,
    images: ImageReader,
    event_source: EventSource,
    scratch: Scratch,
    /// Counts the changes of the open transaction, if records say so.
    order: Option<TransactionOrder>,
    /// Where changes of definitions go, if they are records.
    schema_changes: Option<SchemaChanges>,
    batch: RecordBatch,
    /// What records go through after the plans, if they go through anything.
    stage: Option<Stage>,
    /// `BATCH_BYTES`, or `DRAFT_BYTES` with a stage.
    batch_bytes: usize,
    heartbeat: Option<Heartbeat>,
    notifier: Option<Notifier>,
    /// Whether the stream has moved since the last flush.
    has_moved: bool,
    counts: SourceCounts,
    last_flush: Instant,
    lag: Lag,
    headroom: Headroom,
    statements: Statements,
}

enum Next {
    Stop,
    Event(RawEvent),
    Chunk(Step),
    Wanted(Wanted),
    Signal(Result<Signal, SignalError>),
    Tick,
}

impl Pipeline {
    /// Runs until `stop` is cancelled or an error.
    ///
    /// Whatever can pass outside Kafka ends with a commit as a stop does. A lost stream is all
    /// that an idle instance sees of its successor, because the server gives the stream to whom
    /// came last; only Kafka knows who may go on. Without asking it, the next start would fence
    /// the successor, which would start again in turn, and so on for ever.
    pub(crate) async fn run(
        mut self,
        stop: CancellationToken,
        control: &mut TaskControl,
    ) -> Result<(), SourceError> {
        self.producer.track(control.topics());
        let followed = self.follow(stop, control).await;
        let Err(error) = followed else { return self.finish().await };
        if matches!(error, SourceError::Kafka(_)) || error.disposition() != Disposition::Retry {
            return Err(error);
        }
        match self.finish().await {
            Err(fenced @ SourceError::Kafka(KafkaError::Fenced { .. })) => Err(fenced),
            Ok(()) | Err(_) => Err(error),
        }
    }

    /// Commits the offsets that are true now, with the records before them.
    async fn finish(mut self) -> Result<(), SourceError> {
        self.flush().await?;
        Ok(self.producer.finish().await?)
    }

    /// Follows the stream until `stop` is cancelled or an error. Whenever it returns, the offsets
    /// are true for what is in the batch.
    async fn follow(
        &mut self,
        stop: CancellationToken,
        control: &mut TaskControl,
    ) -> Result<(), SourceError> {
        loop {
            control.publish(|| self.status());
            if self.is_done() {
                tracing::info!("all tables are copied, which is all that `initial_only` asks for");
                return Ok(());
            }
            self.begin_chunks();
            let heartbeat = self.heartbeat.as_ref().map(Heartbeat::due);
            let is_held = self.snapshot.holds_stream();
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => Next::Stop,
                error = self.producer.failure() => return Err(error.into()),
                // Few, and from people: they do not wait until the stream is idle.
                wanted = control.wanted() => Next::Wanted(wanted),
                signal = next_signal(&mut self.signals) => Next::Signal(signal?),
                signal = next_line(&mut self.signal_file) => Next::Signal(signal),
                step = self.snapshot.step() => Next::Chunk(step?),
                event = self.stream.next(), if !is_held => Next::Event(event?),
                () = tokio::time::sleep_until(self.last_flush + IDLE_OFFSETS_EVERY),
                    if self.has_moved => Next::Tick,
                () = tokio::time::sleep_until(heartbeat.unwrap_or_else(Instant::now)),
                    if heartbeat.is_some() => Next::Tick,
            };
            match next {
                Next::Stop => return Ok(()),
                Next::Event(event) => {
                    self.take_events(event).await?;
                    self.lag.measure(connect::clock::now_micros());
                }
                Next::Wanted(Wanted::Command(command)) => self.command(command).await?,
                Next::Signal(signal) => {
                    self.take_signal(signal).await;
                    self.flush().await?;
                }
                Next::Chunk(step) => self.take_step(step).await?,
                Next::Wanted(Wanted::Status) | Next::Tick => {}
            }
            self.headroom.tell(self.lag.age());
            self.check_cascades().await?;
            self.foresee().await?;
            self.emit_chunks().await?;
            self.flush_if_due().await?;
        }
    }

    /// Whether the settings ask for nothing more.
    fn is_done(&self) -> bool {
        self.config.snapshot.mode == SnapshotMode::InitialOnly && self.tables.are_copied()
    }

    /// Handles an event and all that have arrived behind it.
    async fn take_events(&mut self, first: RawEvent) -> Result<(), SourceError> {
        let mut next = Some(first);
        for _ in 0..EVENTS_PER_TURN {
            let Some(event) = next else { return Ok(()) };
            self.take_event(&event).await?;
            if self.batch.bytes() >= self.batch_bytes {
                self.flush().await?;
            }
            next = self.stream.next_now().transpose()?;
        }
        match next {
            Some(event) => self.take_event(&event).await,
            None => Ok(()),
        }
    }

    async fn take_event(&mut self, event: &RawEvent) -> Result<(), SourceError> {
        self.transaction.saw(event.server_id(), event.timestamp().into());
        let parsed = event.parse()?;
        let begins = matches!(parsed, BinlogEvent::Gtid { .. });
        // A heartbeat of an idle server says where the stream is already.
        self.has_moved |= !matches!(parsed, BinlogEvent::Heartbeat);
        self.take_parsed(parsed, event).await?;
        if !begins {
            self.transaction.event_done();
        }
        Ok(())
    }

    async fn take_parsed(
        &mut self,
        parsed: BinlogEvent<'_>,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        match parsed {
            BinlogEvent::Rotate => self.take_rotate(event).await?,
            BinlogEvent::Gtid { gtid, committed_us } => self.take_gtid(gtid, committed_us, event),
            BinlogEvent::Query(query) => {
                self.transaction.set_thread(query.thread);
                self.take_statement(&query, event).await?;
            }
            BinlogEvent::TableMap(map) if self.tables.knows(map) => {}
            BinlogEvent::TableMap(map) => match map.parse() {
                Ok(parsed) => {
                    self.tables.map(map, (parsed, &event.end), &mut self.producer).await?;
                }
                Err(error) => self.park_undescribed(map, event.error(error))?,
            },
            BinlogEvent::Rows(rows) => {
                self.take_rows(&rows, event)?;
                if let Some(map) = self.tables.signals_of(rows.table_number) {
                    for signal in self.signals_in(&rows, &map) {
                        self.take_signal(signal).await;
                    }
                }
            }
            BinlogEvent::Xid => self.commit(event),
            BinlogEvent::XaPrepare { is_one_phase } => {
                self.xa_prepared(is_one_phase, event).await?;
            }
            BinlogEvent::Heartbeat => {
                self.lag.caught_up();
                self.has_moved |= self.transaction.advance(&event.end);
            }
            BinlogEvent::Incident => self.take_incident(event)?,
            BinlogEvent::Ignorable => {
                self.tables.skip(SkipReason::Ignorable);
                self.pass(event);
            }
            BinlogEvent::Other => {
                if let Some(created) = event.file_created() {
                    self.transaction.file_begins(Some(created));
                }
                self.pass(event);
            }
        }
        Ok(())
    }

    /// Nothing of an event is to be done again; inside a transaction its end will say so.
    fn pass(&mut self, event: &RawEvent) {
        if self.transaction.is_at_boundary() {
            self.transaction.advance(&event.end);
        }
    }

    /// A transaction begins.
    fn take_gtid(&mut self, gtid: Option<Gtid>, committed_us: u64, event: &RawEvent) {
        let begin = event.end.at(event.start);
        if let Some(order) = &mut self.order {
            let (file, pos) = (begin.file(), begin.offset());
            let position = || format!("file={file},pos={pos}");
            let began_us = u64::from(event.timestamp()) * 1_000_000;
            let us = if committed_us == 0 { began_us } else { committed_us };
            let ts_ms = i64::try_from(us / 1000).unwrap_or(i64::MAX);
            order.begin(gtid.as_ref().map_or_else(position, ToString::to_string), ts_ms);
        }
        self.lag.begin(committed_us, event.timestamp());
        self.transaction.begin(&begin, gtid, committed_us);
    }

    /// What a statement does to captured tables, and whether it ends its transaction.
    async fn take_statement(
        &mut self,
        query: &Query<'_>,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        // The first of nearly every transaction.
        if query.statement == "BEGIN" {
            self.opened();
            return Ok(());
        }
        let database = query.database().map_err(|error| event.error(error))?;
        let mark = self.mark();
        let told = self.tell_definitions(query, database, event).await;
        self.or_take_back(told, mark)?;
        match ddl::classify(&query.statement, database, query.dialect) {
            Statement::Begin => self.opened(),
            Statement::XaStart { xid } => {
                self.transaction.opened();
                self.transaction.set_xa(&xid);
            }
            Statement::XaOutcome { xid, is_commit } => {
                self.xa_outcome(&xid, is_commit, event).await?;
            }
            Statement::RollbackToSavepoint => self.rolled_back(),
            Statement::Rollback => {
                self.rolled_back();
                self.commit(event);
            }
            Statement::Commit => self.commit(event),
            Statement::Other => {
                self.statements.forget();
                self.end_single_statement(event);
            }
            Statement::Ddl(changes) => {
                self.statements.forget();
                let changed = self.tables_changed(changes, event).await;
                self.or_take_back(changed, mark)?;
                self.end_single_statement(event);
            }
            Statement::DatabaseDropped(database) => {
                self.database_dropped(&database, event);
                self.end_single_statement(event);
            }
            Statement::Dml(names) => {
                let reason = "its rows were changed in statement format";
                self.changed_by_statement(names, database, reason).await?;
                self.end_single_statement(event);
            }
            Statement::Unknown(names) => {
                let reason = "a statement that is not understood names it";
                self.changed_by_statement(names, database, reason).await?;
                self.end_single_statement(event);
            }
        }
        Ok(())
    }

    /// A table whose description in the log contradicts itself, if it says which one that is.
    fn park_undescribed(
        &mut self,
        map: EncodedTableMap<'_>,
        error: BinlogError,
    ) -> Result<(), BinlogError> {
        let Some(table) = map.table() else { return Err(error) };
        let is_captured =
            self.config.tables.matches(&table) && self.tables.helper_of(&table).is_none();
        if is_captured {
            self.tables.add(&table, TableState::Streaming);
            self.park(&table, &error.to_string());
        }
        self.tables.map_without_rows(map, is_captured);
        Ok(())
    }

    fn end_single_statement(&mut self, event: &RawEvent) {
        if self.transaction.is_single_statement() {
            self.commit(event);
        }
    }

    /// The open transaction has more than one statement.
    fn opened(&mut self) {
        self.transaction.opened();
        self.tell_begin();
    }

    fn tell_begin(&mut self) {
        if let Some(order) = &mut self.order {
            order.tell_begin(&mut self.batch);
        }
    }

    fn commit(&mut self, event: &RawEvent) {
        self.counts.transactions += 1;
        if let Some(order) = &mut self.order {
            order.tell_end(&mut self.batch);
        }
        self.transaction.commit(&event.end);
    }

    /// Hands the batch over when nothing more is coming at the moment.
    async fn flush_if_due(&mut self) -> Result<(), SourceError> {
        let is_full = self.batch.bytes() >= self.batch_bytes;
        let is_whole = self.batch.records() > 0 && self.transaction.is_at_boundary();
        // With the offsets that are true now, as Debezium's heartbeats have them.
        let now_ms = i64::try_from(connect::clock::now_micros() / 1000).unwrap_or(i64::MAX);
        let beats = self.heartbeat.as_mut().is_some_and(|it| it.beat(now_ms, &mut self.batch));
        let is_idle_due = self.has_moved && self.last_flush.elapsed() >= IDLE_OFFSETS_EVERY;
        if is_full || is_whole || is_idle_due || beats {
            self.flush().await?;
        }
        Ok(())
    }

    /// Hands the batch over with the offsets that are true after it.
    async fn flush(&mut self) -> Result<(), SourceError> {
        let server = &self.config.topic_prefix;
        let stream = SourcePartition::Stream { server: server.clone() };
        let mut offset = self.transaction.offset(self.lsn.last());
        offset.transaction = self.order.as_ref().and_then(TransactionOrder::counts);
        let changed = self.tables.take_changed();
        if let Some(notifier) = &mut self.notifier {
            notifier.observe(&changed, self.tables.are_copied(), &mut self.batch);
        }
        if let Some(stage) = &mut self.stage {
            // An error leaves all as it was: whatever is flushed next has these records before its
            // offsets.
            match stage.run(&self.batch, &mut self.producer).await {
                Ok(batch) => self.batch = batch,
                Err(error) => {
                    self.tables.keep_changed(changed);
                    return Err(error);
                }
            }
            (self.counts.filtered, self.counts.failed) = stage.counts();
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.set_offset(stream.key(self.name.as_str()), offset.to_json());
        for (table, offset) in changed {
            let partition = SourcePartition::Table { server: server.clone(), table };
            batch.set_offset(partition.key(self.name.as_str()), offset.to_json());
        }
        if self.transaction.is_at_boundary() {
            batch.end_at_boundary();
        }
        self.counts.records += u64::try_from(batch.records()).unwrap_or_default();
        self.has_moved = false;
        self.last_flush = Instant::now();
        Ok(self.producer.send(batch).await?)
    }
}

/// Never resolves where signals do not come from a topic. Cancel safe.
async fn next_signal(
    topic: &mut Option<SignalTopicReader>,
) -> Result<Result<Signal, SignalError>, SourceError> {
    match topic {
        Some(topic) => topic.next().await.map_err(SourceError::Signals),
        None => std::future::pending().await,
    }
}

/// The same for a file. Cancel safe.
async fn next_line(file: &mut Option<SignalFileReader>) -> Result<Signal, SignalError> {
    match file {
        Some(file) => file.next().await,
        None => std::future::pending().await,
    }
}

fn unsupported(event: &RawEvent, feature: Feature) -> BinlogError {
    BinlogError::Unsupported { position: event.end.at(event.start).to_string(), feature }
}
