//! Online schema changes, while rows change and somebody reads the index: pt-online-schema-change as
//! it is, and gh-ost's statements.

mod gh_ost;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use integration::cell::Cell;
use integration::oracle;
use integration::process::Rowcast;
use integration::random::Random;
use integration::stack::{MySql, percona, shared};
use integration::topic::ChangeRecord;
use mysql_async::{Opts, Pool};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use self::load::{BASE_ROWS, Load, Watch};
use crate::scenario::{DEADLINE, Scenario, stop, until_async};
use crate::scene::endpoint;

/// Fewer changes prove nothing.
const CHANGES_MIN: u64 = 100;

/// Longest run of the tool.
const TOOL_DEADLINE: Duration = Duration::from_secs(240);

/// A table of orders, a pipeline from it to an index, rows that change, and a reader of the index.
struct Migration {
    scenario: Scenario,
    mysql: &'static MySql,
    rowcast: Rowcast,
    load: Load,
    watch: Watch,
}

impl Migration {
    async fn begin(name: &'static str) -> Self {
        let stack = shared().await.unwrap();
        let seed = Random::seed("ROWCAST_SEED");
        println!("ROWCAST_SEED={seed}");
        let mut scenario = Scenario::new(name).await;
        scenario
            .sql("CREATE TABLE orders (id INT PRIMARY KEY, a INT NOT NULL, note VARCHAR(40))")
            .await;
        scenario.sql("SET cte_max_recursion_depth = 100000").await;
        scenario
            .sql(&format!(
                "INSERT INTO orders WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                 WHERE i < {BASE_ROWS}) SELECT i, 0, 'zeile-begin' FROM n"
            ))
            .await;
        let elasticsearch = stack.elasticsearch.url();
        let pipeline = scenario.source(&stack.mysql).with("snapshot.chunk.rows", "100").sink(
            &format!("{name}-sink"),
            &elasticsearch,
            name,
        );
        let rowcast = scenario.start(&pipeline).await;
        let migration_index = format!("{name}.orders");
        index_is_table(&stack.mysql, &migration_index).await;
        let watch = Watch::start(&elasticsearch, &migration_index);
        let load = Load::start(&stack.mysql, name, seed).await;
        Self { scenario, mysql: &stack.mysql, rowcast, load, watch }
    }

    /// Ends the load; table, topic and index are one, and nobody has seen less in between.
    async fn end(mut self) {
        let name = self.scenario.name;
        let changes = self.load.stop_after(CHANGES_MIN).await;
        // One cut-over is one copy.
        let records = self.scenario.copied_again("orders", 1).await;
        index_is_table(self.mysql, &format!("{name}.orders")).await;
        let (looks, fewest) = self.watch.stop().await;
        assert!(looks > 10, "{changes} changes, {looks} looks prove nothing");
        assert_eq!(fewest, u64::from(BASE_ROWS), "the index was half filled in between");
        counters_only_grow(&records);
        self.no_trace_of_helpers().await;
        stop(&self.rowcast).await;
    }

    /// No topic, no schema, no state: only a count.
    async fn no_trace_of_helpers(&self) {
        let (name, stack) = (self.scenario.name, self.scenario.stack);
        let expected: BTreeSet<String> = [format!("{name}.{name}.orders")].into();
        let bootstrap = stack.kafka.bootstrap();
        let topics = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer =
                ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
            let metadata = consumer.fetch_metadata(None, DEADLINE).unwrap();
            metadata.topics().iter().map(|topic| topic.name().to_owned()).collect::<Vec<_>>()
        });
        let prefix = format!("{name}.");
        let ours = |names: Vec<String>| -> BTreeSet<String> {
            names.into_iter().filter(|it| it.starts_with(&prefix)).collect()
        };
        assert_eq!(ours(topics.await.unwrap()), expected);
        // Each by its name: a list of all has as many as the registry likes to show.
        let known = |table: &str| {
            let topic = format!("{name}.{name}.{table}");
            let url = format!("{}/subjects/{topic}-value/versions", stack.registry.url());
            async { reqwest::get(url).await.unwrap().status().is_success() }
        };
        assert!(known("orders").await);
        for helper in ["_orders_new", "_orders_old", "_orders_gho", "_orders_ghc", "_orders_del"] {
            assert!(!known(helper).await, "{helper}");
        }

        let endpoint = endpoint(&self.rowcast).await;
        // What is published lags a little behind what is done.
        until_async(async || {
            let all = endpoint.get("/tables").await;
            let tables = all["connectors"][0]["source"]["tables"].as_array().unwrap();
            assert_eq!(tables.len(), 1, "{all}");
            tables[0]["state"] == "streaming"
        })
        .await;
        until_async(async || {
            let metrics = endpoint.text("/metrics").await;
            let is_it = |line: &&str| {
                line.starts_with("rowcast_source_skipped_events_total")
                    && line.contains("online_schema_change")
            };
            metrics.lines().find(is_it).is_some_and(|line| !line.ends_with(" 0"))
        })
        .await;
    }
}

async fn index_is_table(mysql: &MySql, name: &str) {
    let elasticsearch = shared().await.unwrap().elasticsearch.url();
    let pool = Pool::new(Opts::from_url(&mysql.url()).unwrap());
    oracle::wait_until_equal(&pool, &elasticsearch, name, name, DEADLINE).await.unwrap();
    pool.disconnect().await.unwrap();
}

/// Each change of a row has added to its counter: per key the records are in order.
fn counters_only_grow(records: &[ChangeRecord]) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for record in records {
        let Some(after) = &record.after else { continue };
        let Cell::Number(counter) = &after.cells["a"] else { panic!("{after:?}") };
        let counter: u64 = counter.parse().unwrap();
        let before = last.insert(format!("{:?}", record.key), counter);
        assert!(before.is_none_or(|before| before <= counter), "{record:?} behind {before:?}");
    }
}

async fn run_tool(mysql: &MySql, database: &str, options: &[&str]) {
    let installed = &shared().await.unwrap().installed;
    let tool = percona::online_schema_change(installed).await.unwrap();
    let port = mysql.address().port();
    let mut command = tokio::process::Command::new(tool);
    command
        // Other tests run beside it.
        .args(["--max-load", "Threads_running=10000", "--critical-load", "Threads_running=10000"])
        // It takes rowcast for a replica, which it cannot connect to.
        .args([
            "--recursion-method",
            "none",
            "--chunk-size",
            "100",
            "--sleep",
            "0.02",
            "--no-version-check",
            "--execute",
        ])
        .args(options)
        .arg(format!("h=127.0.0.1,P={port},u={},D={database},t=orders", MySql::USER))
        .kill_on_drop(true);
    let output = tokio::time::timeout(TOOL_DEADLINE, command.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("Successfully altered"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pt_online_schema_change_is_followed_without_a_trace_of_its_tables() {
    let migration = Migration::begin("osc_pt").await;

    let alter = "ADD COLUMN b INT NOT NULL DEFAULT 5 FIRST, MODIFY note VARCHAR(60), ADD INDEX (a)";
    run_tool(migration.mysql, "osc_pt", &["--alter", alter]).await;

    migration.end().await;
}

/// `DROP TABLE orders`, then `RENAME TABLE _orders_new TO orders`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pt_online_schema_change_that_drops_and_renames_is_followed() {
    let mut migration = Migration::begin("osc_drop_swap").await;
    let child = "CREATE TABLE osc_drop_swap_other.items (id INT PRIMARY KEY, order_id INT, \
                 FOREIGN KEY (order_id) REFERENCES osc_drop_swap.orders (id))";
    migration.scenario.sql("CREATE DATABASE osc_drop_swap_other").await;
    migration.scenario.sql(child).await;
    migration.scenario.sql("INSERT INTO osc_drop_swap_other.items VALUES (1, 1)").await;

    let options =
        ["--alter", "ADD COLUMN b VARCHAR(9)", "--alter-foreign-keys-method", "drop_swap"];
    run_tool(migration.mysql, "osc_drop_swap", &options).await;

    migration.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gh_osts_statements_are_followed_without_a_trace_of_its_tables() {
    let mut migration = Migration::begin("osc_gh").await;

    gh_ost::migrate(&mut migration.load, migration.mysql, "osc_gh").await;

    migration.end().await;
}

/// A cut-over that is undone: the table goes away, and comes back.
#[tokio::test]
async fn a_table_that_is_renamed_away_and_back_is_copied_again() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("osc_undone").await;
    scenario.sql("CREATE TABLE orders (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO orders VALUES (1, 1), (2, 2)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    scenario.topic_is_table("orders").await;

    scenario.sql("RENAME TABLE orders TO _orders_20261121202122_del").await;
    scenario.sql("DELETE FROM _orders_20261121202122_del WHERE id = 1").await;
    scenario.sql("RENAME TABLE _orders_20261121202122_del TO orders").await;
    scenario.sql("INSERT INTO orders VALUES (3, 3)").await;

    scenario.copied_again("orders", 1).await;
    stop(&rowcast).await;
}

/// Helpers that are asked for by name, or all of them, are tables as any.
#[tokio::test]
async fn helpers_are_captured_if_the_settings_say_so() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("osc_captured").await;
    for table in ["orders", "_orders_new"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT)")).await;
        scenario.sql(&format!("INSERT INTO {table} VALUES (1, 1), (2, 2)")).await;
    }
    let all = scenario.source(mysql);
    let named = "osc_captured\\.orders,osc_captured._orders_new";
    let rowcast = scenario.start(&all.clone().with("table.include.list", named)).await;
    scenario.topic_is_table("_orders_new").await;
    stop(&rowcast).await;

    let capture = all.clone().with("online.schema.changes", "capture");
    let rowcast = scenario.launch("capture", &capture).await;
    scenario.sql("INSERT INTO _orders_new VALUES (3, 3)").await;
    scenario.topic_is_table("_orders_new").await;
    stop(&rowcast).await;

    let rowcast = scenario.launch("follow", &all).await;
    scenario.sql("INSERT INTO _orders_new VALUES (4, 4)").await;
    scenario.sql("INSERT INTO orders VALUES (4, 4)").await;
    scenario.topic_is_table("orders").await;
    assert_eq!(scenario.records("_orders_new").await.len(), 3, "it is a helper again");
    stop(&rowcast).await;
}
