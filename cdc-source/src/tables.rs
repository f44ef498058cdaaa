//! Captured tables: which row events belong to which plan, and which tables are parked.

mod mapping;
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
use schema::names;
use schema::offset::{SnapshotProgress, TableOffset, TableState};
use schema::plan::record::{CompileError, RecordPlan};
use schema::registry::{Registry, RegistryError, SchemaId};
use schema::table::{Column, TableId, TableSchema};
use schema::types::Origin;

use self::mapping::Numbered;
use crate::binlog::table_map::{EncodedTableMap, TableMap};

use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot::{Order, structure};

pub(crate) use mapping::Mapping;
pub(crate) use plan::TablePlan;
pub(crate) use skipped::Skipped;

/// What table numbers stand for in one part of the log.
pub(crate) struct Numbers(HashMap<u64, Numbered>);

/// All captured tables.
pub(crate) struct Tables {
    connector: String,
    config: Arc<SourceConfig>,
    registry: Registry,
    admin: Admin,
    numbers: HashMap<u64, Numbered>,
    plans: HashMap<TableId, Arc<TablePlan>>,
    /// Tables whose declaration may have changed since their plan was made.
    redeclared: BTreeSet<TableId>,
    /// Reads declarations; opened when the first is needed.
    connection: Option<Connection>,
    offsets: BTreeMap<TableId, TableOffset>,
    /// Tables that are copied, in their order.
    copying: BTreeSet<(usize, TableId)>,
    /// Tables whose offset has changed since it was last written.
    changed: BTreeSet<TableId>,
    control_key: Option<SchemaId>,
    skipped: Skipped,
}

impl Tables {
    /// Starts with the stored offsets of the tables.
    pub(crate) fn new(
        connector: &ConnectorName,
        config: Arc<SourceConfig>,
        worker: &WorkerConfig,
        offsets: BTreeMap<TableId, TableOffset>,
    ) -> Result<Self, SourceError> {
        let is_copied = |(_, offset): &(&TableId, &TableOffset)| {
            matches!(offset.state, TableState::Snapshot(_))
        };
        let rank = |table: &TableId| (config.tables.rank(table), table.clone());
        Ok(Self {
            copying: offsets.iter().filter(is_copied).map(|(table, _)| rank(table)).collect(),
            connector: connector.to_string(),
            config,
            registry: Registry::new(&worker.registry)?,
            admin: Admin::new(worker)?,
            numbers: HashMap::new(),
            plans: HashMap::new(),
            redeclared: BTreeSet::new(),
            connection: None,
            // Written again in the first transaction: whoever reads the topic uncommitted then
            // finds a committed offset behind any that a crash has left aborted (ADR 0003).
            changed: offsets.keys().cloned().collect(),
            offsets,
            control_key: None,
            skipped: Skipped::new(),
        })
    }

    /// The schema of control records' keys, registered when it is first needed.
    pub(crate) async fn control_key(&mut self) -> Result<SchemaId, SourceError> {
        if let Some(id) = self.control_key {
            return Ok(id);
        }
        let id = self.registry.register(Control::KEY_SUBJECT, Control::KEY_SCHEMA).await?;
        self.control_key = Some(id);
        Ok(id)
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
        map: TableMap,
        producer: &mut TransactionalProducer,
    ) -> Result<(), SourceError> {
        let is_signals = self.config.signal.table.as_ref() == Some(&map.id);
        let signals = is_signals.then(|| Arc::new(map.clone()));
        let mapping = self.mapping(map, producer).await?;
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
        producer: &mut TransactionalProducer,
    ) -> Result<Mapping, SourceError> {
        if !self.config.tables.matches(&map.id) {
            return Ok(Mapping::Ignored);
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
        if !map.has_names() || map.has_prefix_key {
            let reason = "its rows were logged without column names, or its primary key has only \
                          the beginning of a column; set binlog_row_metadata=FULL";
            self.park(&map.id, reason);
            return Ok(Mapping::Parked);
        }
        let schema = match map.table_schema() {
            Ok(schema) => schema,
            Err((column, type_name)) => {
                let reason = format!("column {column} is {type_name}, which is not exact yet");
                self.park(&map.id, &reason);
                return Ok(Mapping::Parked);
            }
        };
        let map = Arc::new(map);
        let schema = self.declared(schema).await?;
        match self.plan(&schema, producer).await? {
            Some(plan) => Ok(Mapping::Captured { map, plan }),
            None => Ok(Mapping::Parked),
        }
    }

    /// Takes note that a table's declaration may be another from here on.
    pub(crate) fn redeclare(&mut self, table: &TableId) {
        self.redeclared.insert(table.clone());
    }

    /// What the log says of a table, with what only its declaration says. The declaration is asked
    /// for once, and taken only if it agrees with the log: else, the log is behind a later
    /// definition, and what is known of the columns that stayed the same is taken over.
    async fn declared(&mut self, mut schema: TableSchema) -> Result<TableSchema, SourceError> {
        let known = self.plans.get(&schema.id).map(|plan| plan.schema.clone());
        let is_current = !self.redeclared.remove(&schema.id);
        if let Some(known) = known.as_ref().filter(|known| is_current && known.covers(&schema)) {
            return Ok(known.clone().with_types_of(schema));
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(Connection::open(&self.config).await?),
        };
        match structure::read(connection, &schema.id).await? {
            Ok(declared) if declared.schema.covers(&schema) => {
                return Ok(declared.schema.with_types_of(schema));
            }
            Ok(_) | Err(_) => {}
        }
        for column in &mut schema.columns {
            let same = |other: &&Column| {
                other.name == column.name && other.column_type == column.column_type
            };
            let known = known.as_ref().and_then(|known| known.columns.iter().find(same));
            column.declaration = known.and_then(|known| known.declaration.clone());
        }
        Ok(schema)
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
        match self.register(&topic, &record).await? {
            Ok((key, value)) => {
                record.set_ids(key, value);
                if let Some(snapshot) = &mut snapshot {
                    snapshot.set_ids(key, value);
                }
            }
            Err(refused) => {
                self.park(&schema.id, &refused);
                return Ok(None);
            }
        }
        let made = match self.table_topic(&topic, (schema, &record), producer).await? {
            Ok(made) => made,
            Err(reason) => {
                self.park(&schema.id, &reason);
                return Ok(None);
            }
        };
        let (RecordTopic { partitions, limit, .. }, oversized) = made;
        let columns = schema.columns.len();
        tracing::info!(table = %schema.id, columns, "table definition taken");
        let topic = producer.add_topic(&topic).await?;
        let schema = schema.clone();
        let plan = TablePlan { schema, record, snapshot, topic, partitions, limit, oversized };
        let plan = Arc::new(plan);
        self.plans.insert(plan.schema.id.clone(), Arc::clone(&plan));
        Ok(Some(plan))
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
            RecordPlan::compile(schema, records.plan_options(server, &schema.id, origin, &choose))
        };
        let snapshot = records.depends_on_origin().then(|| compile(Origin::Snapshot));
        Ok((compile(Origin::Log)?, snapshot.transpose()?))
    }

    /// Registers the schemas; the inner error is the registry's refusal.
    async fn register(
        &self,
        topic: &str,
        record: &RecordPlan,
    ) -> Result<Result<(Option<SchemaId>, SchemaId), String>, SourceError> {
        let key = match record.key_schema() {
            Some(key) => self.registry.register(&names::key_subject(topic), key).await.map(Some),
            None => Ok(None),
        };
        let value =
            self.registry.register(&names::value_subject(topic), record.value_schema()).await;
        match (key, value) {
            (Ok(key), Ok(value)) => Ok(Ok((key, value))),
            (Err(error @ RegistryError::Refused { .. }), _)
            | (_, Err(error @ RegistryError::Refused { .. })) => {
                Ok(Err(schema::fault::chain(&error)))
            }
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        }
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
        if !self.offsets.contains_key(table) {
            return;
        }
        self.set_state(table, TableState::Parked { reason: reason.to_owned() });
        for numbered in self.numbers.values_mut() {
            if matches!(&numbered.mapping, Mapping::Captured { map, .. } if map.id == *table) {
                numbered.mapping = Mapping::Parked;
            }
        }
        tracing::error!(
            table = %table,
            reason,
            hint = "mend the cause, then resume the table: it is copied again beside the others",
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
        self.skipped.count(table);
    }

    /// Row events of parked tables that were not emitted since the start.
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

    /// The captured tables whose names are among these words.
    pub(crate) fn named(&self, words: &[String], database: &str) -> Vec<TableId> {
        let is_named = |table: &&TableId| {
            let database_matches = table.database == database || words.contains(&table.database);
            database_matches && (words.contains(&table.name) || words == [table.database.clone()])
        };
        self.offsets.keys().filter(is_named).cloned().collect()
    }
}
