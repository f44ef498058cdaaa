//! Captured tables: which row events belong to which plan, and which tables are parked.

mod compatibility;
mod declared;
mod definitions;
pub(crate) mod helper;
mod kind;
mod mapping;
mod name_case;
mod plan;
mod skipped;
mod topics;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use connect::config::WorkerConfig;
use connect::connector::ConnectorName;
use connect::kafka::control::Control;
use connect::kafka::producer::TransactionalProducer;
use connect::kafka::{Admin, RecordTopic};
use schema::bytes::equal;
use schema::offset::{SnapshotProgress, TableOffset, TableState};
use schema::plan::record::{CompileError, RecordPlan};
use schema::position::BinlogPosition;
use schema::registry::{Registry, SchemaId};
use schema::table::{Column, TableId, TableSchema};
use schema::types::Origin;
use tokio::time::Instant;
use uuid::Uuid;

use self::definitions::Definitions;
use self::mapping::Numbered;
use crate::binlog::table_map::{EncodedTableMap, TableMap};
use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot::{Order, structure};
use crate::stage::{Drafts, Purpose};

pub(crate) use definitions::NAMED_TOO_LATE;
pub(crate) use mapping::Mapping;
pub(crate) use name_case::NameCase;
pub(crate) use plan::TablePlan;
pub(crate) use skipped::{SkipReason, Skipped};
pub(crate) use topics::SideTopic;

/// Why a table is parked whose rows nothing tells apart.
pub(crate) const WITHOUT_KEY: &str = "it has no key; add one, declare one by `message.key.columns`, \
     or set `table.without.key` to copy";

/// What table numbers stand for in one part of the log.
pub(crate) struct Numbers(HashMap<u64, Numbered>);

/// All captured tables.
pub(crate) struct Tables {
    connector: String,
    config: Arc<SourceConfig>,
    registry: Registry,
    /// In whose place records are written where they do not go to Kafka as they are.
    drafts: Option<Arc<Drafts>>,
    admin: Admin,
    numbers: HashMap<u64, Numbered>,
    plans: HashMap<TableId, Arc<TablePlan>>,
    /// Tables whose declaration may have changed since their plan was made.
    redeclared: BTreeSet<TableId>,
    /// Reads declarations, and when it did so last.
    connection: Option<(Connection, Instant)>,
    /// The stream's server.
    server: Uuid,
    /// By what rows are named that the log does not name.
    definitions: Definitions,
    offsets: BTreeMap<TableId, TableOffset>,
    /// Tables that are copied, in their order.
    copying: BTreeSet<(usize, TableId)>,
    /// Tables whose offset has changed since it was last written.
    changed: BTreeSet<TableId>,
    control_key: Option<SchemaId>,
    /// Tables whose definition has changed, since when, and of which the registry was not asked yet.
    unforeseen: BTreeMap<TableId, Instant>,
    skipped: Skipped,
}

impl Tables {
    /// Starts with the stored offsets of the tables. The settings name only the stream's server.
    pub(crate) fn new(
        connector: &ConnectorName,
        (config, server): (Arc<SourceConfig>, Uuid),
        worker: &WorkerConfig,
        offsets: BTreeMap<TableId, TableOffset>,
    ) -> Result<Self, SourceError> {
        let offsets = helper::left_out(offsets, &config);
        let is_copied = |(_, offset): &(&TableId, &TableOffset)| {
            matches!(offset.state, TableState::Snapshot(_))
        };
        let rank = |table: &TableId| (config.tables.rank(table), table.clone());
        Ok(Self {
            copying: offsets.iter().filter(is_copied).map(|(table, _)| rank(table)).collect(),
            connector: connector.to_string(),
            drafts: config.stage.as_ref().map(|_| Arc::default()),
            config,
            registry: Registry::new(&worker.registry)?,
            admin: Admin::new(worker)?,
            numbers: HashMap::new(),
            plans: HashMap::new(),
            redeclared: BTreeSet::new(),
            connection: None,
            server,
            definitions: Definitions::default(),
            // Written again in the first transaction: whoever reads the topic uncommitted then
            // finds a committed offset behind any that a crash has left aborted (ADR 0003).
            changed: offsets.keys().cloned().collect(),
            offsets,
            control_key: None,
            unforeseen: BTreeMap::new(),
            skipped: Skipped::default(),
        })
    }

    /// The schema of control records' keys, registered when it is first needed.
    pub(crate) async fn control_key(&mut self) -> Result<SchemaId, SourceError> {
        if let Some(id) = self.control_key {
            return Ok(id);
        }
        let id = match &self.drafts {
            Some(drafts) => drafts.schema(Control::KEY_SCHEMA),
            None => self.registry.register(Control::KEY_SUBJECT, Control::KEY_SCHEMA).await?,
        };
        self.control_key = Some(id);
        Ok(id)
    }

    /// In whose place records are written, where they do not go to Kafka as they are.
    pub(crate) fn drafts(&self) -> Option<&Arc<Drafts>> {
        self.drafts.as_ref()
    }

    /// How a table's rows are written now, if any were.
    pub(crate) fn plan_of(&self, table: &TableId) -> Option<Arc<TablePlan>> {
        self.plans.get(table).cloned()
    }

    /// Adds a captured table that has no offset yet.
    pub(crate) fn add(&mut self, table: &TableId, state: TableState) {
        if !self.offsets.contains_key(table) {
            self.offsets.insert(table.clone(), TableOffset::new(TableState::Streaming));
            self.set_state(table, state);
        }
    }

    /// Changes what happens to a captured table.
    pub(crate) fn set_state(&mut self, table: &TableId, state: TableState) {
        let Some(offset) = self.offsets.get_mut(table) else { return };
        let rank = (self.config.tables.rank(table), table.clone());
        match &state {
            TableState::Snapshot(_) => {
                self.copying.insert(rank);
            }
            TableState::Streaming | TableState::Parked { .. } => {
                self.copying.remove(&rank);
            }
        }
        if matches!(offset.state, TableState::Parked { .. })
            && !matches!(state, TableState::Parked { .. })
        {
            for (number, numbered) in &mut self.numbers {
                numbered.is_over |= numbered.table(*number).as_ref() == Some(table);
            }
        }
        offset.state = state;
        self.changed.insert(table.clone());
    }

    /// What happens to a captured table.
    pub(crate) fn state_of(&self, table: &TableId) -> Option<&TableState> {
        self.offsets.get(table).map(|offset| &offset.state)
    }

    /// Whether a `TABLE_MAP` only repeats what the last one with its number said.
    pub(crate) fn knows(&self, map: EncodedTableMap<'_>) -> bool {
        self.numbers.get(&map.number).is_some_and(|it| !it.is_over && equal(&it.bytes, map.bytes))
    }

    /// Takes note of what the row events of a number look like.
    pub(crate) async fn map(
        &mut self,
        encoded: EncodedTableMap<'_>,
        (map, at): (TableMap, &BinlogPosition),
        producer: &mut TransactionalProducer,
    ) -> Result<(), SourceError> {
        let is_signals = self.config.signal.table.as_ref() == Some(&map.id);
        let signals = if is_signals { Some(self.signals(&map, at).await?) } else { None };
        let mapping = self.mapping(map, at, producer).await?;
        let bytes = encoded.bytes.into();
        let numbered = Numbered { bytes, mapping, signals, is_over: false };
        self.numbers.insert(encoded.number, numbered);
        Ok(())
    }

    /// Takes note of a number whose rows cannot be read.
    pub(crate) fn map_without_rows(&mut self, encoded: EncodedTableMap<'_>, is_captured: bool) {
        let mapping = if is_captured { Mapping::Parked } else { Mapping::Ignored };
        let numbered =
            Numbered { bytes: encoded.bytes.into(), mapping, signals: None, is_over: false };
        self.numbers.insert(encoded.number, numbered);
    }

    async fn mapping(
        &mut self,
        map: TableMap,
        at: &BinlogPosition,
        producer: &mut TransactionalProducer,
    ) -> Result<Mapping, SourceError> {
        if !self.config.tables.matches(&map.id) {
            return Ok(Mapping::Ignored);
        }
        if let Some(base) = self.helper_of(&map.id) {
            helper::tell(&map.id, &base);
            return Ok(Mapping::Helper);
        }
        if !self.offsets.contains_key(&map.id) {
            // Neither listed at the start nor created since: its older rows were never copied.
            self.add(&map.id, TableState::Streaming);
            let (name, user) = (structure::quoted(&map.id), &self.config.connection.user);
            let reason = format!(
                "it was there before the start and could not be seen; GRANT SELECT ON {name} TO \
                 '{user}'"
            );
            self.park(&map.id, &reason);
        }
        if self.is_parked(&map.id) {
            return Ok(Mapping::Parked);
        }
        let id = map.id.clone();
        let described = if map.has_names() {
            self.described(map).await?
        } else {
            self.with_names(map, at).await?
        };
        let (map, schema) = match described {
            Ok((map, schema)) => (Arc::new(map), schema),
            Err(reason) => {
                self.park(&id, &reason);
                return Ok(Mapping::Parked);
            }
        };
        if self.config.refuses(&schema) {
            self.park(&map.id, WITHOUT_KEY);
            return Ok(Mapping::Parked);
        }
        match self.plan(&schema, producer).await? {
            Some(plan) => Ok(Mapping::Captured { map, plan }),
            None => Ok(Mapping::Parked),
        }
    }

    /// Takes note that a table's declaration may be another from here on.
    pub(crate) fn redeclare(&mut self, table: &TableId) {
        self.redeclared.insert(table.clone());
        // Without names the next description may be the same and mean another.
        for (number, numbered) in &mut self.numbers {
            numbered.is_over |= numbered.table(*number).as_ref() == Some(table);
        }
    }

    /// The plan of a table version, compiled and registered when it is new. `None` when it cannot
    /// be written or the registry refuses it, which parks the table.
    pub(crate) async fn plan(
        &mut self,
        schema: &TableSchema,
        producer: &mut TransactionalProducer,
    ) -> Result<Option<Arc<TablePlan>>, SourceError> {
        if let Some(plan) = self.plans.get(&schema.id)
            && plan.schema == *schema
        {
            return Ok(Some(Arc::clone(plan)));
        }
        let compiled = self.compile(schema);
        let (mut record, mut snapshot) = match compiled {
            Ok(plans) => plans,
            Err(error) => {
                self.park(&schema.id, &error.to_string());
                return Ok(None);
            }
        };
        let topic = record.topic().to_owned();
        if let Some(other) = self.sharing(&topic, &schema.id) {
            let reason = format!(
                "its topic {topic} is that of {other}: a sweep of one would delete rows of the other; \
                 set `transforms` so that each has one"
            );
            self.park(&schema.id, &reason);
            return Ok(None);
        }
        self.unforeseen.remove(&schema.id);
        let ids = self.register(&schema.id, &record).await?;
        let Some((key, value)) = ids else { return Ok(None) };
        record.set_ids(key, value);
        if let Some(snapshot) = &mut snapshot {
            snapshot.set_ids(key, value);
        }
        let made = match self.table_topic(&topic, (schema, &record), producer).await? {
            Ok(made) => made,
            Err(reason) => {
                self.park(&schema.id, &reason);
                return Ok(None);
            }
        };
        let (RecordTopic { partitions, limit, is_compacted }, oversized) = made;
        let columns = schema.columns.len();
        tracing::info!(table = %schema.id, columns, "table definition taken");
        let topic = self.add_topic((&topic, Purpose::Table), producer).await?;
        let schema = schema.clone();
        let plan = TablePlan {
            schema,
            record,
            snapshot,
            topic,
            partitions,
            is_compacted,
            limit,
            oversized,
        };
        let plan = Arc::new(plan);
        self.plans.insert(plan.schema.id.clone(), Arc::clone(&plan));
        Ok(Some(plan))
    }

    /// Another table that writes to this topic, because the routers say so.
    fn sharing(&self, topic: &str, table: &TableId) -> Option<TableId> {
        let mut plans = self.plans.values();
        let found = plans.find(|plan| plan.schema.id != *table && plan.record.topic() == topic);
        found.map(|plan| plan.schema.id.clone())
    }

    /// The plans of the log's rows and, where they differ, of a snapshot's.
    fn compile(
        &self,
        schema: &TableSchema,
    ) -> Result<(RecordPlan, Option<RecordPlan>), CompileError> {
        let records = &self.config.records;
        let choose = |column: &Column| records.choice(&schema.id, column);
        let compile = |origin| {
            let server = &self.config.topic_prefix;
            let options = records.plan_options(server, &schema.id, origin, &choose);
            let mut record = RecordPlan::compile(schema, options)?;
            let topic = records.routed(record.topic());
            record.set_topic(&topic);
            Ok::<_, CompileError>(record)
        };
        let snapshot = records.depends_on_origin().then(|| compile(Origin::Snapshot));
        Ok((compile(Origin::Log)?, snapshot.transpose()?))
    }

    /// What to do with row events of a number; `None` for a number that was never mapped.
    pub(crate) fn mapping_of(&self, number: u64) -> Option<Mapping> {
        self.numbers.get(&number).map(|numbered| numbered.mapping.clone())
    }

    /// The shape of a number's rows, if they are signals.
    pub(crate) fn signals_of(&self, number: u64) -> Option<Arc<TableMap>> {
        self.config.signal.table.as_ref()?;
        self.numbers.get(&number)?.signals.clone()
    }

    /// Puts the numbers aside while another part of the log is read: there they may stand for other
    /// tables.
    pub(crate) fn lend_numbers(&mut self) -> Numbers {
        Numbers(std::mem::take(&mut self.numbers))
    }

    /// Goes on with the numbers that were put aside.
    pub(crate) fn return_numbers(&mut self, numbers: Numbers) {
        self.numbers = numbers.0;
    }

    /// Table numbers are only good within one file.
    pub(crate) fn forget_numbers(&mut self) {
        self.numbers.clear();
    }

    /// Stops emitting a table. The others go on.
    pub(crate) fn park(&mut self, table: &TableId, reason: &str) {
        self.park_with(table, reason, None);
    }

    /// Stops emitting a table, for a reason that has its own remedy.
    pub(crate) fn park_with(&mut self, table: &TableId, reason: &str, remedy: Option<&str>) {
        const REMEDY: &str =
            "mend the cause, then resume the table: it is copied again beside the others";
        if !self.offsets.contains_key(table) {
            return;
        }
        self.forget_names(table);
        let state =
            TableState::Parked { reason: reason.to_owned(), remedy: remedy.map(str::to_owned) };
        self.set_state(table, state);
        for numbered in self.numbers.values_mut() {
            if matches!(&numbered.mapping, Mapping::Captured { map, .. } if map.id == *table) {
                numbered.mapping = Mapping::Parked;
            }
        }
        tracing::error!(
            table = %table,
            reason,
            hint = remedy.unwrap_or(REMEDY),
            "table parked, its changes are not emitted any more"
        );
    }

    /// Whether the table is parked.
    pub(crate) fn is_parked(&self, table: &TableId) -> bool {
        self.offsets
            .get(table)
            .is_some_and(|offset| matches!(offset.state, TableState::Parked { .. }))
    }

    /// Counts a row event of a parked table.
    pub(crate) fn skip_row_event(&mut self, number: u64) {
        let table = self.numbers.get(&number).and_then(|it| it.table(number));
        self.skipped.count_parked(table);
    }

    /// Counts an event that is not emitted.
    pub(crate) fn skip(&mut self, reason: SkipReason) {
        self.skipped.count(reason);
    }

    /// Events that were not emitted since the start.
    pub(crate) fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// A captured table's offset, to change it.
    pub(crate) fn offset_mut(&mut self, table: &TableId) -> Option<&mut TableOffset> {
        let offset = self.offsets.get_mut(table)?;
        if !self.changed.contains(table) {
            self.changed.insert(table.clone());
        }
        Some(offset)
    }

    /// All captured tables with their offsets.
    pub(crate) fn offsets(&self) -> &BTreeMap<TableId, TableOffset> {
        &self.offsets
    }

    /// The tables that are copied and do not wait to be resumed, in the order in which they begin:
    /// that of `table.include.list`, then of their names.
    pub(crate) fn to_copy(&self) -> impl Iterator<Item = (&TableId, &SnapshotProgress)> {
        self.copying.iter().filter_map(|(_, table)| match self.state_of(table)? {
            TableState::Snapshot(progress) if !progress.is_paused => Some((table, progress)),
            TableState::Snapshot(_) | TableState::Streaming | TableState::Parked { .. } => None,
        })
    }

    /// Whether no table is left to copy.
    pub(crate) fn are_copied(&self) -> bool {
        self.copying.is_empty()
    }

    /// Where a table is among those that are copied.
    pub(crate) fn order_of(&self, table: &TableId) -> Order {
        let rank = (self.config.tables.rank(table), table);
        let later = self.copying.iter().filter(|(at, other)| (*at, other) > rank);
        let is_before = |other: &TableId| (self.config.tables.rank(other), other) < rank;
        Order {
            is_first: !self.offsets.keys().any(is_before),
            later: later.map(|(_, table)| table.clone()).collect(),
        }
    }

    /// Takes the offsets that have changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<(TableId, TableOffset)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|table| {
                let offset = self.offsets.get(&table)?.clone();
                Some((table, offset))
            })
            .collect()
    }

    /// Takes back what was taken: it was not written.
    pub(crate) fn keep_changed(&mut self, changed: Vec<(TableId, TableOffset)>) {
        self.changed.extend(changed.into_iter().map(|(table, _)| table));
    }

    /// The captured tables whose names are among these words.
    pub(crate) fn named(&self, words: &[String], database: &str) -> Vec<TableId> {
        let is_named = |table: &&TableId| {
            let database_matches = table.database == database || words.contains(&table.database);
            database_matches && (words.contains(&table.name) || words == [table.database.clone()])
        };
        self.offsets.keys().filter(is_named).cloned().collect()
    }
}
