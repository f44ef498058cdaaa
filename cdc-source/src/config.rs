//! The connector's settings, by Debezium's names where Debezium has them.

mod compatibility;
mod connection;
mod converters;
mod definitions;
mod heartbeat;
mod history;
mod notification;
mod oversized;
mod policy;
mod records;
mod signal;
mod skipped;
mod snapshot;
mod stage;
mod transforms;

use std::time::Duration;

use connect::config::{ConfigError, Delivery, Origin, Settings, TopicCreation, WorkerConfig};
use connect::converter::Converter;
use regex::Regex;
use schema::table::{TableId, TableSchema};

use crate::foreign_keys::CascadePolicy;

pub(crate) use compatibility::Incompatible;
pub(crate) use connection::{ConnectionConfig, Host};
pub(crate) use definitions::definitions;
pub(crate) use heartbeat::HeartbeatConfig;
pub(crate) use history::HistoryTopic;
pub(crate) use notification::NotificationConfig;
use oversized::OversizedConfig;
pub(crate) use oversized::OversizedPolicy;
use policy::TablePolicy;
pub(crate) use records::RecordConfig;
pub(crate) use signal::{SignalConfig, SignalFile};
pub(crate) use skipped::SkippedOperations;
pub(crate) use snapshot::{SnapshotConfig, SnapshotMode};
pub(crate) use stage::StageConfig;

/// A connector's settings.
#[derive(Clone)]
pub(crate) struct SourceConfig {
    /// Where MySQL is, who we are there, and how long we wait.
    pub(crate) connection: ConnectionConfig,
    /// `topic.prefix`: begins every topic, and names the server in offsets.
    pub(crate) topic_prefix: String,
    /// `database.include.list`, `table.include.list` and the lists of what is taken away again.
    pub(crate) tables: TableFilter,
    /// `online.schema.changes`: what is done with the tables that tools for them work with.
    pub(crate) online_schema_changes: OnlineSchemaChanges,
    /// What records look like.
    pub(crate) records: RecordConfig,
    /// What they go through after that, if they go through anything.
    pub(crate) stage: Option<StageConfig>,
    /// Whether the records' schemas are in a registry.
    pub(crate) has_registry: bool,
    /// `provide.transaction.metadata` and `topic.transaction`: the topic of transactions' beginnings
    /// and ends, if records tell their transactions.
    pub(crate) transaction_topic: Option<String>,
    /// `include.schema.changes`: whether statements that change definitions are records. Default
    /// false; true under Debezium's class, as there.
    pub(crate) schema_changes: bool,
    /// `skipped.operations`: what is no record.
    pub(crate) skipped: SkippedOperations,
    /// How tables are copied.
    pub(crate) snapshot: SnapshotConfig,
    /// `foreign.key.cascades`: what is done about foreign keys that change rows without a trace in
    /// the log. Default warn.
    pub(crate) cascades: CascadePolicy,
    /// Where signals come from.
    pub(crate) signal: SignalConfig,
    /// `commit.interval.ms`, 1 to 10,000: longest time that a busy Kafka transaction stays open, unless
    /// more is there than the brokers take.
    /// Default 100.
    pub(crate) commit_interval: Duration,
    /// `transaction.max.bytes`, 64 KiB to 1 GiB: bytes after which a Kafka transaction ends.
    /// Default 16 MiB.
    pub(crate) transaction_max_bytes: usize,
    /// `tombstones.on.delete`. Default true.
    pub(crate) tombstones: bool,
    /// `exactly.once`: whether records and offsets are written in Kafka transactions. Default:
    /// the worker's `exactly.once.source.support`.
    pub(crate) delivery: Delivery,
    /// `topic.creation.*`: how topics are made, over the worker's rules.
    pub(crate) topics: TopicCreation,
    /// `record.too.large` and the settings behind it.
    pub(crate) oversized: OversizedConfig,
    pub(crate) notification: NotificationConfig,
    /// `binlog.headroom.warn.percent`: of the time that MySQL keeps its log, how much has to be left.
    pub(crate) headroom_warn_percent: u32,
    /// `schema.incompatible`: what happens to a table whose new schema the registry does not take.
    pub(crate) incompatible: TablePolicy<Incompatible>,
    /// Heartbeats, if the settings ask for them.
    pub(crate) heartbeat: Option<HeartbeatConfig>,
    /// `schema.history.internal.*`: where a Debezium that ran before has kept definitions, or why that
    /// cannot be read.
    pub(crate) history: Result<HistoryTopic, &'static str>,
    /// `max.clock.skew.ms`, 1,000 to 86,400,000: how far this machine's clock may be from MySQL's
    /// when no Lsn is stored yet. Default 60,000, our choice.
    pub(crate) max_clock_skew: Duration,
}

impl SourceConfig {
    /// The same with only the host of this address: what goes with the stream reads from the
    /// stream's server, wherever in the list that is.
    pub(crate) fn only_at(&self, address: &str) -> Self {
        let mut config = self.clone();
        config.connection.hosts.retain(|host| host.to_string() == address);
        config
    }

    /// Whether a table of this shape is not captured, because nothing tells its rows apart.
    pub(crate) fn refuses(&self, table: &TableSchema) -> bool {
        let has_key = !table.key.is_empty() || self.records.message_key(&table.id).is_some();
        !has_key && !self.snapshot.copies_without_key
    }

    /// Reads the settings of the connector `name` of a worker.
    pub(crate) fn read(
        name: &str,
        worker: &WorkerConfig,
        settings: &mut Settings,
    ) -> Result<Self, ConfigError> {
        let converters = converters::read(worker, settings)?;
        let topic_prefix = settings
            .topic_name("topic.prefix")?
            .ok_or_else(|| settings.error("topic.prefix", "is required"))?;
        let has_registry = stage::need_registry(converters);
        let (records, transforms) =
            RecordConfig::read(settings, (has_registry, converters.value == Converter::Avro))?;
        let stage = StageConfig::read(settings, transforms, converters)?;
        let signal = SignalConfig::read((&worker.group_id, name), &topic_prefix, settings)?;
        Ok(Self {
            signal,
            heartbeat: HeartbeatConfig::read(&topic_prefix, settings)?,
            history: HistoryTopic::read(settings)?,
            connection: ConnectionConfig::read(name, &worker.group_id, settings)?,
            transaction_topic: read_transaction_topic(&topic_prefix, settings)?,
            topic_prefix,
            tables: TableFilter::read(settings)?,
            online_schema_changes: read_online_schema_changes(settings)?,
            snapshot: SnapshotConfig::read(settings, records.values.fidelity)?,
            cascades: settings.choice(
                "foreign.key.cascades",
                CascadePolicy::Warn,
                &[("warn", CascadePolicy::Warn), ("refuse", CascadePolicy::Refuse)],
            )?,
            records,
            has_registry,
            schema_changes: settings
                .boolean("include.schema.changes", settings.origin() == Origin::Connect)?,
            skipped: SkippedOperations::read(settings)?,
            commit_interval: settings.duration_ms("commit.interval.ms", 100, 1..=10_000)?,
            transaction_max_bytes: settings.integer(
                "transaction.max.bytes",
                64 << 20,
                64 << 10..=1 << 30,
            )?,
            delivery: Delivery::read(worker, settings)?,
            topics: TopicCreation::read(settings, &worker.topics)?,
            oversized: OversizedConfig::read(settings, stage.is_some())?,
            incompatible: compatibility::read(settings, stage.as_ref())?,
            stage,
            notification: NotificationConfig::read(settings)?,
            headroom_warn_percent: settings.integer("binlog.headroom.warn.percent", 25, 0..=100)?,
            tombstones: settings.boolean("tombstones.on.delete", true)?,
            max_clock_skew: settings.duration_ms(
                "max.clock.skew.ms",
                60_000,
                1_000..=86_400_000,
            )?,
        })
    }
}

/// `provide.transaction.metadata`, default false, and `topic.transaction`, default `transaction`.
fn read_transaction_topic(
    prefix: &str,
    settings: &mut Settings,
) -> Result<Option<String>, ConfigError> {
    let is_wanted = settings.boolean("provide.transaction.metadata", false)?;
    let name = settings.topic_name("topic.transaction")?;
    let name = name.as_deref().unwrap_or("transaction");
    Ok(is_wanted.then(|| format!("{prefix}.{name}")))
}

/// What is done with the tables that tools for online schema changes work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnlineSchemaChanges {
    /// They are not captured; the table that they end as is copied.
    Follow,
    /// They are tables as any, as they are to Debezium.
    Capture,
}

fn read_online_schema_changes(settings: &mut Settings) -> Result<OnlineSchemaChanges, ConfigError> {
    let default = match settings.origin() {
        Origin::PipelineFile => OnlineSchemaChanges::Follow,
        Origin::Connect => OnlineSchemaChanges::Capture,
    };
    let choices =
        [("follow", OnlineSchemaChanges::Follow), ("capture", OnlineSchemaChanges::Capture)];
    settings.choice("online.schema.changes", default, &choices)
}

/// Which tables are captured: regular expressions on `database` and `database.table`, anchored, as
/// Debezium's.
#[derive(Debug, Clone)]
pub(crate) struct TableFilter {
    databases: NameFilter,
    tables: NameFilter,
    /// Whether a pattern of `table.include.list` must match a table at the start.
    must_match: bool,
}

impl TableFilter {
    fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        let is_ours = settings.origin() == Origin::PipelineFile;
        let databases = NameFilter {
            includes: patterns(settings, "database.include.list")?,
            excludes: patterns(settings, "database.exclude.list")?,
        };
        let tables = NameFilter {
            includes: patterns(settings, "table.include.list")?,
            excludes: patterns(settings, "table.exclude.list")?,
        };
        if is_ours && tables.includes.is_empty() && databases.includes.is_empty() {
            return Err(settings.error(
                "table.include.list",
                "or `database.include.list` is required: the tables to capture, as \
                 database.table or a regular expression",
            ));
        }
        Ok(Self { databases, tables, must_match: is_ours })
    }

    /// Whether the table is captured. MySQL's own databases never are.
    pub(crate) fn matches(&self, table: &TableId) -> bool {
        self.matches_database(&table.database) && self.tables.includes(&table.to_string())
    }

    /// Whether tables of the database can be captured.
    pub(crate) fn matches_database(&self, database: &str) -> bool {
        const SYSTEM: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];
        !SYSTEM.contains(&database) && self.databases.includes(database)
    }

    /// Whether an include is the table's own name and no pattern for several.
    pub(crate) fn names(&self, table: &TableId) -> bool {
        let name = table.to_string();
        self.tables.includes.iter().any(|include| written(include).replace('\\', "") == name)
    }

    /// The place of the first include that matches the table.
    pub(crate) fn rank(&self, table: &TableId) -> usize {
        let name = table.to_string();
        let includes = &self.tables.includes;
        includes.iter().position(|pattern| pattern.is_match(&name)).unwrap_or_default()
    }

    /// The includes that match none of the tables, as they were written. A Debezium configuration
    /// may name tables that are made later.
    pub(crate) fn unmatched<'a>(&'a self, tables: &'a [TableId]) -> impl Iterator<Item = &'a str> {
        self.tables
            .includes
            .iter()
            .filter(|_| self.must_match)
            .filter(|pattern| !tables.iter().any(|table| pattern.is_match(&table.to_string())))
            .map(written)
    }
}

/// A pattern as it was written.
fn written(pattern: &Regex) -> &str {
    let text = pattern.as_str().trim_start_matches("(?i)");
    text.trim_start_matches("^(?:").trim_end_matches(")$")
}

/// Names that match one of some patterns, or of which there are none, and none of others.
#[derive(Debug, Clone)]
struct NameFilter {
    includes: Vec<Regex>,
    excludes: Vec<Regex>,
}

impl NameFilter {
    fn includes(&self, name: &str) -> bool {
        (self.includes.is_empty() || self.includes.iter().any(|pattern| pattern.is_match(name)))
            && !self.excludes.iter().any(|pattern| pattern.is_match(name))
    }
}

/// Which columns are in the rows: regular expressions on `database.table.column`. The key has its
/// columns whether they are or not.
#[derive(Debug, Clone)]
pub(crate) struct ColumnFilter(NameFilter);

impl ColumnFilter {
    fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        let includes = patterns(settings, "column.include.list")?;
        let excludes = patterns(settings, "column.exclude.list")?;
        if !includes.is_empty() && !excludes.is_empty() {
            return Err(settings
                .error("column.exclude.list", "cannot be combined with column.include.list"));
        }
        Ok(Self(NameFilter { includes, excludes }))
    }

    /// Whether the column of this full name is written.
    fn includes(&self, name: &str) -> bool {
        self.0.includes(name)
    }
}

fn patterns(settings: &mut Settings, key: &str) -> Result<Vec<Regex>, ConfigError> {
    let list = settings.optional(key).unwrap_or_default();
    pattern_list(settings, key, &list)
}

/// The patterns of a list that was the value of `key`.
fn pattern_list(settings: &Settings, key: &str, list: &str) -> Result<Vec<Regex>, ConfigError> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(|entry| pattern(settings, key, entry)).collect()
}

/// A pattern for whole names. Debezium does not look at capitals; a pipeline file does, because
/// MySQL can have tables that differ in nothing else.
fn pattern(settings: &Settings, key: &str, text: &str) -> Result<Regex, ConfigError> {
    let flags = match settings.origin() {
        Origin::PipelineFile => "",
        Origin::Connect => "(?i)",
    };
    Regex::new(&format!("{flags}^(?:{text})$"))
        .map_err(|_| settings.error(key, format!("has the invalid pattern {text:?}")))
}

#[cfg(test)]
mod tests {
    use connect::config::PipelineConfig;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<SourceConfig, String> {
        read_as(Origin::PipelineFile, pairs)
    }

    fn read_as(origin: Origin, pairs: &[(&str, &str)]) -> Result<SourceConfig, String> {
        let base = [
            ("database.hostname", "db"),
            ("database.user", "u"),
            ("topic.prefix", "p"),
            ("table.include.list", "shop.orders, shop.c.*"),
        ];
        let all = base.iter().chain(pairs);
        let values = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", origin, values);
        let config =
            SourceConfig::read("x", &worker(), &mut settings).map_err(|e| e.to_string())?;
        settings.finish().map_err(|e| e.to_string())?;
        Ok(config)
    }

    fn worker() -> WorkerConfig {
        let file = "{bootstrap.servers: b, schema.registry.url: http://r, group.id: g, \
                     connectors: {x: {connector.class: mysql}}}";
        PipelineConfig::parse(file, &|_| None).unwrap().worker
    }

    #[test]
    fn whoever_requires_exactly_once_is_told_that_it_is_off() {
        let delivery = |pairs: &[(&str, &str)]| read(pairs).map(|config| config.delivery);
        let (off, required) = (("exactly.once", "disabled"), ("exactly.once.support", "required"));

        assert_eq!(delivery(&[]), Ok(Delivery::ExactlyOnce));
        assert_eq!(delivery(&[required]), Ok(Delivery::ExactlyOnce));
        assert_eq!(delivery(&[off]), Ok(Delivery::AtLeastOnce));
        assert!(delivery(&[off, required]).unwrap_err().contains("`exactly.once.support`"));
    }

    #[test]
    fn debeziums_class_tells_definitions_and_transactions_have_a_topic_if_they_are_told() {
        let topic = |pairs: &[(&str, &str)]| read(pairs).unwrap().transaction_topic;
        let told = ("provide.transaction.metadata", "true");

        assert_eq!(topic(&[("topic.transaction", "tx")]), None);
        assert_eq!(topic(&[told]).as_deref(), Some("p.transaction"));
        assert_eq!(topic(&[told, ("topic.transaction", "tx")]).as_deref(), Some("p.tx"));
        assert!(read(&[told, ("topic.transaction", "a b")]).is_err());
        assert!(!read(&[]).unwrap().schema_changes);
        assert!(read_as(Origin::Connect, &[]).unwrap().schema_changes);
    }

    #[test]
    fn tables_are_matched_as_a_whole_and_excluded_last() {
        let config = read(&[("table.exclude.list", "shop.carts")]).unwrap();
        let captured = |name: &str| config.tables.matches(&name.parse().unwrap());

        assert!(captured("shop.orders") && captured("shop.customers"));
        assert!(!captured("shop.orders2") && !captured("shop.carts") && !captured("mysql.orders"));
    }

    #[test]
    fn databases_and_tables_are_both_looked_at() {
        let lists = [("table.include.list", ""), ("database.include.list", "shop,crm.*")];
        let config = read(&[&lists[..], &[("table.exclude.list", ".*\\.tmp")]].concat()).unwrap();
        let captured = |name: &str| config.tables.matches(&name.parse().unwrap());

        assert!(captured("shop.orders") && captured("crm2.x"));
        assert!(!captured("shop.tmp") && !captured("shops.x"));
    }

    #[test]
    fn debeziums_configuration_captures_all_databases_and_tables_that_are_made_later() {
        let config = read_as(Origin::Connect, &[("table.include.list", "")]).unwrap();

        assert!(config.tables.matches(&TableId::new("any", "table")));
        assert!(!config.tables.matches(&TableId::new("mysql", "user")));
        let config = read_as(Origin::Connect, &[]).unwrap();
        assert_eq!(config.tables.unmatched(&[]).count(), 0);
    }

    #[test]
    fn an_include_without_a_table_is_found() {
        let config = read(&[]).unwrap();

        let tables = [TableId::new("shop", "customers")];
        let unmatched: Vec<_> = config.tables.unmatched(&tables).collect();

        assert_eq!(unmatched, ["shop.orders"]);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |pairs: &[(&str, &str)]| read(pairs).err().unwrap();

        assert!(error(&[("table.include.list", "")]).contains("`table.include.list` or"));
        assert!(error(&[("table.exclude.list", "a(")]).contains("invalid pattern"));
        assert!(error(&[("snapshot.mode", "never")]).contains("expected one of initial, "));
        assert!(error(&[("databse.port", "1")]).contains("`databse.port` is not a known setting"));
    }
}
