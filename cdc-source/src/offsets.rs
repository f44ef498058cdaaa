//! The stored offsets of a source for people: to look at, to give away, and to change in place of
//! the task, with what a change would mean.

mod change;
mod plan;
mod server;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::connector::ConnectorName;
use connect::control::{SourceCounts, SourceStatus, TableActivity, TableStatus};
use connect::http::ConnectorTables;
use connect::kafka::KafkaError;
use connect::offsets::{
    ConnectorOffset, ConnectorOffsets, OffsetChange, OffsetsWriter, StoredOffset,
};
use schema::fault::{Disposition, Fault, chain};
use schema::lsn::Lsn;
use schema::offset::{DebeziumCopies, OffsetError, SourcePartition, StreamOffset, TableOffset};
use schema::position::BinlogPosition;
use schema::table::TableId;
use serde_json::Value;

use self::change::Change;
pub use self::plan::{Place, Plan, StreamPlan, TablePlan};
use self::plan::{Situation, StoredTables};
use self::server::ServerLog;
#[cfg(test)]
pub(crate) use self::server::end as server_log_for_tests;
use crate::config::SourceConfig;

/// How long MySQL may still list a connector that has ended: several of the heartbeats by which it
/// notices, which are a second apart.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// The offsets of one source.
pub struct SourceOffsets {
    name: ConnectorName,
    config: Arc<SourceConfig>,
    worker: WorkerConfig,
}

/// A stored offset, as far as it can be understood.
pub struct Understood {
    /// What it is about.
    pub partition: Value,
    /// What it says; its own JSON if that is any.
    pub offset: Option<Value>,
    /// Why the next start would refuse it, or pass it over.
    pub problem: Option<String>,
}

impl SourceOffsets {
    /// Reads the source's settings. Connects to nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] as the source itself would.
    pub fn new(
        name: &ConnectorName,
        mut settings: Settings,
        worker: &WorkerConfig,
    ) -> Result<Self, ConfigError> {
        let config = SourceConfig::read(name.as_str(), worker, &mut settings)?;
        settings.finish()?;
        Ok(Self { name: name.clone(), config: Arc::new(config), worker: worker.clone() })
    }

    /// The connector's name.
    #[must_use]
    pub fn name(&self) -> &ConnectorName {
        &self.name
    }

    /// What is committed now. May be asked for beside the connector.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetsError::Kafka`] when the topic cannot be read.
    pub async fn stored(&self) -> Result<Vec<StoredOffset>, OffsetsError> {
        Ok(connect::offsets::stored(&self.worker, &self.name).await?)
    }

    /// A stored offset with what the next start would say to it.
    #[must_use]
    pub fn understand(&self, stored: &StoredOffset) -> Understood {
        let problem = match self.partition_of(&stored.partition) {
            None => Some("it is about nothing that this connector knows".to_owned()),
            Some(SourcePartition::Stream { .. }) => {
                StreamOffset::from_json(&stored.value).err().map(|error| chain(&error))
            }
            Some(SourcePartition::Table { .. }) => {
                TableOffset::from_json(&stored.value).err().map(|error| chain(&error))
            }
        };
        let offset = serde_json::from_slice(&stored.value).ok();
        Understood { partition: stored.partition.clone(), offset, problem }
    }

    /// The partition, if it is one of this connector's.
    fn partition_of(&self, partition: &Value) -> Option<SourcePartition> {
        let key = serde_json::to_vec(&(self.name.as_str(), partition)).ok()?;
        let (_, parsed) = SourcePartition::parse_key(&key)?;
        // Fields that the reader does not know would make it another partition.
        let (_, written): (String, Value) =
            serde_json::from_slice(&parsed.key(self.name.as_str())).ok()?;
        let (SourcePartition::Stream { server } | SourcePartition::Table { server, .. }) = &parsed;
        (written == *partition && *server == self.config.topic_prefix).then_some(parsed)
    }

    /// The stored offsets in the form of Kafka Connect's REST API.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetsError::Damaged`] for a record that is no JSON object: it cannot be given to
    /// anybody.
    pub fn export(&self, stored: &[StoredOffset]) -> Result<ConnectorOffsets, OffsetsError> {
        let entry = |stored: &StoredOffset| {
            let damaged = || OffsetsError::Damaged {
                partition: stored.partition.to_string(),
                problem: "damaged offset record".to_owned(),
            };
            let Value::Object(partition) = stored.partition.clone() else { return Err(damaged()) };
            let offset = serde_json::from_slice(&stored.value).map_err(|_| damaged())?;
            Ok(ConnectorOffset { partition, offset: Some(offset) })
        };
        let offsets = stored.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(ConnectorOffsets { offsets })
    }

    /// What the stored offsets say of the tables, for when nothing runs that could be asked.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetsError::Damaged`] for an offset that cannot be understood.
    pub fn tables(&self, stored: &[StoredOffset]) -> Result<ConnectorTables, OffsetsError> {
        let (stream, tables) = self.sorted(stored)?;
        let source = stream.map(|stream| SourceStatus {
            position: stream.position.to_string(),
            gtids: stream.gtids.as_ref().map(ToString::to_string),
            lsn: stream.lsn.unwrap_or(Lsn::ZERO).value(),
            server: self.config.connection.addresses(),
            server_uuid: stream.server_uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            lag_ms: None,
            headroom_seconds: None,
            skipped_events: std::collections::BTreeMap::new(),
            unlogged_cascades: 0,
            counts: SourceCounts::default(),
            tables: tables.iter().filter_map(|(table, it)| stored_status(table, it)).collect(),
        });
        let state = if source.is_some() { "unknown" } else { "never started" };
        let (connector, state) = (self.name.to_string(), state.to_owned());
        Ok(ConnectorTables { connector, state, trace: None, source })
    }

    /// The stream's offset and the tables' among the stored ones.
    fn sorted(
        &self,
        stored: &[StoredOffset],
    ) -> Result<(Option<StreamOffset>, StoredTables), OffsetsError> {
        let (mut stream, mut tables) = (None, StoredTables::new());
        for it in stored {
            let damaged = |error: OffsetError| OffsetsError::Damaged {
                partition: it.partition.to_string(),
                problem: chain(&error),
            };
            match self.partition_of(&it.partition) {
                Some(SourcePartition::Stream { .. }) => {
                    stream = Some(StreamOffset::from_json(&it.value).map_err(damaged)?);
                }
                Some(SourcePartition::Table { table, .. }) => {
                    tables.insert(table, TableOffset::from_json(&it.value).map_err(damaged)?);
                }
                None => {}
            }
        }
        Ok((stream, tables))
    }

    /// Says what a request would do, without doing it.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetsError`] when the request is not valid or what is stored cannot be read.
    pub async fn plan(&self, request: &ConnectorOffsets) -> Result<Plan, OffsetsError> {
        let changes = self.changes(request)?;
        let log = ServerLog::read(&self.config, Duration::ZERO).await;
        let stored = self.stored().await?;
        Ok(self.planned(&stored, &changes, log.as_ref().map_err(|error| chain(error))))
    }

    fn planned(
        &self,
        stored: &[StoredOffset],
        changes: &[Change],
        log: Result<&ServerLog, String>,
    ) -> Plan {
        // A damaged offset may be replaced, and one that is not keeps the connector from starting.
        let is_readable = |it: &&StoredOffset| self.understand(it).problem.is_none();
        let (readable, others): (Vec<_>, Vec<_>) = stored.iter().partition(is_readable);
        let readable: Vec<StoredOffset> = readable.into_iter().cloned().collect();
        let (stream, tables) = self.sorted(&readable).unwrap_or_default();
        let changed: Vec<_> =
            changes.iter().map(|change| self.partition_of_change(change)).collect();
        let mut unusable = Vec::new();
        let doubts = others.into_iter().filter_map(|it| {
            let partition = self.partition_of(&it.partition)?;
            let problem = self.understand(it).problem?;
            let what = if changed.contains(&partition) {
                "so what its new one would lose cannot be told"
            } else {
                "the next start halts"
            };
            unusable.push(partition);
            Some(format!("the stored offset of {} is unusable ({problem}), {what}", it.partition))
        });
        let doubts: Vec<String> = doubts.collect();
        let situation = Situation {
            stream,
            tables,
            log,
            unusable,
            copies_new_tables: self.copies_new_tables(stored, changes),
        };
        let mut plan = plan::plan(&self.name, &situation, changes);
        plan.losses.extend(doubts);
        plan
    }

    /// Whether a table without an offset is copied. Not beside an offset of Debezium's, which has
    /// copied it.
    fn copies_new_tables(&self, stored: &[StoredOffset], changes: &[Change]) -> bool {
        let is_stream = |it: &&StoredOffset| {
            matches!(self.partition_of(&it.partition), Some(SourcePartition::Stream { .. }))
        };
        let new = changes.iter().find_map(|change| match change {
            Change::Stream(new) => Some(new.as_ref().map(|new| new.json.as_slice())),
            Change::Table(..) => None,
        });
        let stored = || stored.iter().find(is_stream).map(|it| it.value.as_slice());
        let copies = new.unwrap_or_else(stored).and_then(DebeziumCopies::of);
        self.config.snapshot.mode.copies() && copies.is_none_or(|copies| copies.is_copying_all)
    }

    fn partition_of_change(&self, change: &Change) -> SourcePartition {
        let server = self.config.topic_prefix.clone();
        match change {
            Change::Stream(_) => SourcePartition::Stream { server },
            Change::Table(table, _) => SourcePartition::Table { server, table: table.clone() },
        }
    }

    /// Changes stored offsets in one Kafka transaction. A task that still runs cannot commit any
    /// more and halts.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetsError`] when the request is not valid, when the connector runs, or, unless
    /// `allow_loss`, when changes would be lost; nothing has been written then.
    pub async fn set(
        &self,
        request: &ConnectorOffsets,
        allow_loss: bool,
    ) -> Result<Plan, OffsetsError> {
        let changes = self.changes(request)?;
        let log = ServerLog::read(&self.config, ENDED_WITHIN).await;
        self.refuse_running(log.as_ref().ok())?;
        // Before the task is fenced: what is refused should not have ended it.
        let told = log.as_ref().map_err(|error| chain(error));
        refuse_losses(&self.planned(&self.stored().await?, &changes, told.clone()), allow_loss)?;
        let writer = OffsetsWriter::start(&self.worker, &self.name).await?;
        // A task that has just been fenced may have committed since.
        let plan = self.planned(writer.stored(), &changes, told);
        refuse_losses(&plan, allow_loss)?;
        writer.write(changes.iter().map(|change| self.record(change)).collect()).await?;
        Ok(plan)
    }

    fn record(&self, change: &Change) -> OffsetChange {
        let value = match change {
            Change::Stream(offset) => offset.as_ref().map(|it| it.json.clone()),
            Change::Table(_, offset) => offset.as_ref().map(|it| it.json.clone()),
        };
        OffsetChange { key: self.partition_of_change(change).key(self.name.as_str()), value }
    }

    /// Writes what is stored once more, so that nothing aborted stands behind it, and returns it.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetsError`] when the connector runs or Kafka fails.
    pub async fn commit(&self) -> Result<Vec<StoredOffset>, OffsetsError> {
        let log = ServerLog::read(&self.config, ENDED_WITHIN).await;
        self.refuse_running(log.as_ref().ok())?;
        let writer = OffsetsWriter::start(&self.worker, &self.name).await?;
        let stored = writer.stored().to_vec();
        writer.write_again().await?;
        Ok(stored)
    }

    /// MySQL knows who reads its log under our number.
    fn refuse_running(&self, log: Option<&ServerLog>) -> Result<(), OffsetsError> {
        if log.is_some_and(|log| log.is_read) {
            let (connector, server_id) = (self.name.to_string(), self.config.connection.server_id);
            let address = self.config.connection.addresses();
            return Err(OffsetsError::Running { connector, address, server_id });
        }
        Ok(())
    }
}

fn refuse_losses(plan: &Plan, allow_loss: bool) -> Result<(), OffsetsError> {
    let unknown = plan.not_checked.iter().map(|why| format!("mysql could not be asked: {why}"));
    let losses: Vec<String> = plan.losses.iter().cloned().chain(unknown).collect();
    if losses.is_empty() || allow_loss { Ok(()) } else { Err(OffsetsError::Loss { losses }) }
}

/// What a stored offset says of a table. Its state is read by its name, as JSON has it.
fn stored_status(table: &TableId, offset: &TableOffset) -> Option<TableStatus> {
    let json: Value = serde_json::from_slice(&offset.to_json()).ok()?;
    let named: TableActivity = serde_json::from_value(json.get("state")?.clone()).ok()?;
    let is_paused = json.get("is_paused").and_then(Value::as_bool) == Some(true);
    let state = if is_paused { TableActivity::Paused } else { named };
    let number = |name: &str| json.get(name).and_then(Value::as_u64);
    let snapshot = number("rows").zip(number("chunks")).map(|(rows, chunks)| {
        let (estimated_rows, rows_per_second, eta_seconds) = (None, None, None);
        connect::control::SnapshotStatus {
            rows,
            chunks,
            estimated_rows,
            rows_per_second,
            eta_seconds,
        }
    });
    Some(TableStatus {
        table: table.clone(),
        state,
        reason: json.get("reason").and_then(Value::as_str).map(str::to_owned),
        remedy: json.get("remedy").and_then(Value::as_str).map(str::to_owned),
        position: offset.position.as_ref().map(BinlogPosition::to_string),
        lsn: offset.lsn.map(Lsn::value),
        snapshot,
        skipped_events: 0,
    })
}

/// Offsets could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum OffsetsError {
    /// The request is not one that this connector could have.
    #[error("the offset of partition {partition} is refused: {problem}")]
    Invalid {
        /// The partition, as it was given.
        partition: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is nothing in the request.
    #[error("the request has no offsets")]
    Empty,
    /// A stored offset cannot be understood.
    #[error("the stored offset of partition {partition} cannot be used: {problem}")]
    Damaged {
        /// The partition.
        partition: String,
        /// Why.
        problem: String,
    },
    /// The connector runs.
    #[error(
        "connector {connector} runs: mysql at {address} sends its log to server id {server_id}"
    )]
    Running {
        /// Its name.
        connector: String,
        /// The server.
        address: String,
        /// Its number as a replica.
        server_id: u32,
    },
    /// The change would lose changes or could not be started from.
    #[error("the new offsets would not keep every change: {}", losses.join("; "))]
    Loss {
        /// What would be lost.
        losses: Vec<String>,
    },
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl Fault for OffsetsError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Kafka(error) => error.disposition(),
            Self::Invalid { .. }
            | Self::Empty
            | Self::Damaged { .. }
            | Self::Running { .. }
            | Self::Loss { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Invalid { .. } | Self::Empty => Some(
                "give what `rowcast offsets export` prints, with other values; `null` as offset \
                 takes one away"
                    .into(),
            ),
            Self::Damaged { .. } => Some(
                "write a good offset over it with `rowcast offsets set`, or use the rowcast \
                 version that wrote it"
                    .into(),
            ),
            Self::Running { .. } => {
                Some("stop it first; offsets of a running one are its own".into())
            }
            Self::Loss { .. } => Some(
                "see `--dry-run`; to lose these changes knowingly, add `--unsafe-allow-loss`"
                    .into(),
            ),
            Self::Kafka(error) => error.hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::PipelineConfig;

    /// A connector `shop` of the tables of database `shop`.
    pub(super) fn shop() -> SourceOffsets {
        let file = "
bootstrap.servers: 127.0.0.1:1
schema.registry.url: http://127.0.0.1:1
connectors:
  shop:
    connector.class: mysql
    database.hostname: 127.0.0.1
    database.user: u
    topic.prefix: shop
    table.include.list: shop\\..*
";
        let mut pipeline = PipelineConfig::parse(file, &|_| None).unwrap();
        let connector = pipeline.connectors.remove(0);
        SourceOffsets::new(&connector.name, connector.settings, &pipeline.worker).unwrap()
    }
}
