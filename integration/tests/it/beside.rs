//! Records beside the rows: transactions, changes of definitions, and TRUNCATE.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use integration::process::Rowcast;
use integration::stack::shared;
use integration::topic::{ChangeRecord, Operation};
use serde_json::{Value, json};

use crate::proxy::{Network, Proxy};
use crate::scenario::{Scenario, count, log_has, many_rows, stop, until, until_async};
use crate::scene;

/// The committed values of a topic beside the rows, in its order.
async fn told(topic: &str) -> Vec<Value> {
    let stack = shared().await.unwrap();
    let records = scene::records(&stack.kafka.bootstrap(), topic);
    let mut schemas: BTreeMap<u32, Schema> = BTreeMap::new();
    let mut values = Vec::new();
    for (_, value) in records {
        let value = value.unwrap();
        let id = u32::from_be_bytes(value[1..5].try_into().unwrap());
        if let std::collections::btree_map::Entry::Vacant(place) = schemas.entry(id) {
            let url = format!("{}/schemas/ids/{id}", stack.registry.url());
            let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
            place.insert(Schema::parse_str(answer["schema"].as_str().unwrap()).unwrap());
        }
        let reader = GenericDatumReader::builder(&schemas[&id]).build().unwrap();
        let mut body = &value[5..];
        let decoded = reader.read_value(&mut body).unwrap();
        assert!(body.is_empty());
        values.push(Value::try_from(decoded).unwrap());
    }
    values
}

/// The records about the transactions of a prefix.
pub(crate) async fn transactions(prefix: &str) -> Vec<Value> {
    told(&format!("{prefix}.transaction")).await
}

/// Every beginning has its end behind it, none is there twice, and exactly one transaction has these
/// counts, with all that is in it.
pub(crate) fn told_once(records: &[Value], tables: &[(&str, usize)]) {
    let mut ids = std::collections::BTreeSet::new();
    for pair in records.chunks(2) {
        let status: Vec<_> = pair.iter().map(|it| it["status"].as_str().unwrap()).collect();
        let id = pair[0]["id"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is there twice");
        let is_last = pair.len() == 1;
        assert!(is_last || status == ["BEGIN", "END"] && pair[1]["id"] == id, "{pair:?}");
    }
    let expected: BTreeMap<&str, usize> = tables.iter().copied().collect();
    let has_them = |record: &&Value| counts(record) == expected;
    assert_eq!(records.iter().filter(has_them).count(), 1, "{records:?}");
    let end = records.iter().find(has_them).unwrap();
    assert_eq!(end["event_count"], expected.values().sum::<usize>());
}

/// The events of each table.
fn counts(record: &Value) -> BTreeMap<&str, usize> {
    let tables = record["data_collections"].as_array().into_iter().flatten();
    let count = |it: &Value| usize::try_from(it["event_count"].as_u64().unwrap()).unwrap();
    tables.map(|it| (it["data_collection"].as_str().unwrap(), count(it))).collect()
}

#[tokio::test]
async fn transactions_are_told_whatever_they_change_and_as_they_end() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("told").await;
    for table in ["t", "u", "ignored"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT)")).await;
    }
    let pipeline = scenario
        .source(mysql)
        .with("table.include.list", "told.t,told.u")
        .with("topic.transaction", "tx")
        .with("provide.transaction.metadata", "true");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied table=told.u").await;

    scenario.sql("INSERT INTO ignored VALUES (1, 1)").await;
    for statement in [
        "XA START 'x'",
        "INSERT INTO u VALUES (7, 7)",
        "UPDATE u SET id = 8",
        "XA END 'x'",
        "XA PREPARE 'x'",
        "XA COMMIT 'x'",
        "BEGIN",
        "INSERT INTO t VALUES (1, 1), (2, 2)",
        "INSERT INTO u VALUES (1, 1)",
        "COMMIT",
        "TRUNCATE t",
        "INSERT INTO t VALUES (9, 9)",
    ] {
        scenario.sql(statement).await;
    }
    scenario.record("t", |it| it.operation == Operation::Create && is_key(it, 9)).await;
    stop(&rowcast).await;

    let records = told("told.tx").await;
    told_once(&records, &[("told.t", 2), ("told.u", 1)]);
    // A changed key is two events.
    told_once(&records, &[("told.u", 3)]);
    let ones = records.iter().filter(|it| counts(it) == [("told.t", 1)].into()).count();
    assert_eq!(ones, 2, "the truncate is one, and the row behind it");
    let empty = |it: &&Value| it["status"] == "END" && it["event_count"] == 0;
    assert!(records.iter().any(|it| empty(&it)), "that of the table that is not captured");
}

fn is_key(record: &ChangeRecord, id: i32) -> bool {
    format!("{:?}", record.key).contains(&id.to_string())
}

/// Statements and what they do to which table, but for what is told at the beginning.
fn streamed(records: &[Value]) -> Vec<(String, String)> {
    let is_streamed = |it: &&Value| it["source"]["snapshot"] == "false";
    let change = |it: &Value| {
        let change = &it["tableChanges"][0];
        let ddl = it["ddl"].as_str().unwrap().to_owned();
        (ddl, format!("{} {}", change["type"], change["id"]).replace(['"', '\\'], ""))
    };
    records.iter().filter(is_streamed).map(change).collect()
}

#[tokio::test]
async fn changes_of_definitions_are_told_once_and_in_their_order_whatever_is_killed() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("defined").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("CREATE TABLE other (id INT PRIMARY KEY)").await;
    let pipeline = scenario
        .source(mysql)
        .with("database.include.list", "defined")
        .with("table.include.list", "defined.t")
        .with("include.schema.changes", "true");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    let mut expected = Vec::new();
    for round in 0..4 {
        let text = format!("ALTER TABLE t ADD COLUMN c{round} INT");
        scenario.sql(&text).await;
        expected.push((text, "ALTER defined.t".to_owned()));
        let text = format!("CREATE TABLE made{round} (id INT PRIMARY KEY)");
        scenario.sql(&text).await;
        expected.push((text, format!("CREATE defined.made{round}")));
        scenario.sql(&format!("INSERT INTO t (id) VALUES ({round})")).await;
        if round % 2 == 0 {
            scenario.record("t", |it| is_key(it, round)).await;
        }
        rowcast.kill().unwrap();
        // Nobody reads while these run.
        scenario.sql(&format!("DROP TABLE made{round}")).await;
        let text = format!("DROP TABLE `defined`.`made{round}`");
        expected.push((text, format!("DROP defined.made{round}")));
        rowcast.start_again().unwrap();
    }
    scenario.sql("RENAME TABLE other TO renamed").await;
    expected.push((
        "RENAME TABLE `defined`.`other` TO `defined`.`renamed`".to_owned(),
        "ALTER defined.renamed".to_owned(),
    ));
    scenario.sql("TRUNCATE renamed").await;
    let is_there = async || streamed(&told("defined").await).len() >= expected.len();
    until_async(is_there).await;
    stop(&rowcast).await;

    let records = told("defined").await;
    assert_eq!(streamed(&records), expected);
    let at_first = records.iter().filter(|it| it["source"]["snapshot"] == "true");
    let at_first: Vec<_> = at_first.map(|it| it["ddl"].as_str().unwrap()).collect();
    assert_eq!(at_first.len(), 8, "{at_first:?}");
    assert!(at_first[0].starts_with("SET character_set_server="), "{at_first:?}");
    assert_eq!(at_first[1..3], [dropped("other"), dropped("t")]);
    assert_eq!(at_first[3], "DROP DATABASE IF EXISTS `defined`");
    // The stream has caught up: the definition is that of its statement.
    let last = records.iter().rfind(|it| it["ddl"] == "ALTER TABLE t ADD COLUMN c0 INT").unwrap();
    let columns = last["tableChanges"][0]["table"]["columns"].as_array().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert!(names.starts_with(&["id", "c0"]), "{names:?}");
}

fn dropped(table: &str) -> String {
    format!("DROP TABLE IF EXISTS `defined`.`{table}`")
}

/// More than is kept in memory at once; none is told twice when the start goes well.
#[tokio::test]
async fn definitions_that_are_many_are_told_in_parts() {
    const TABLES: usize = 200;
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("defined_many").await;
    let columns: Vec<String> = (0..80).map(|number| format!("c{number} VARCHAR(20)")).collect();
    let columns = columns.join(", ");
    scenario.sql(&format!("CREATE TABLE t0 (id INT PRIMARY KEY, {columns})")).await;
    for number in 1..TABLES {
        scenario.sql(&format!("CREATE TABLE t{number} LIKE t0")).await;
    }
    let pipeline = scenario
        .source(mysql)
        .with("database.include.list", "defined_many")
        .with("table.include.list", "defined_many.t1")
        .with("include.schema.changes", "true");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    let expected = 1 + 3 + 2 * TABLES;
    until_async(async || told("defined_many").await.len() >= expected).await;
    stop(&rowcast).await;

    let records = told("defined_many").await;
    let ddl: std::collections::BTreeSet<_> =
        records.iter().map(|it| it["ddl"].as_str().unwrap()).collect();
    assert_eq!((records.len(), ddl.len()), (expected, expected));
    let records = scene::records(&scenario.stack.kafka.bootstrap(), "defined_many");
    let bytes: usize = records.iter().map(|(_, value)| value.as_ref().unwrap().len()).sum();
    assert!(bytes > 5 << 18, "{bytes} bytes are not several parts");
}

/// The statement and the rows of CREATE TABLE … SELECT are one transaction, of which a part is there
/// when the process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_inside_a_split_transaction_is_told_once() {
    const ROWS: usize = 20_000;
    let mut scenario = Scenario::new("defined_wide").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let mysql = &scenario.stack.mysql;
    let proxy = Proxy::start(mysql.address(), Network::Good).await;
    let pipeline = scenario
        .source(mysql)
        .with("database.hostname", &proxy.address.ip().to_string())
        .with("database.port", &proxy.address.port().to_string())
        .with("database.include.list", "defined_wide")
        .with("include.schema.changes", "true")
        .with("provide.transaction.metadata", "true")
        .with("transaction.max.bytes", "65536");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    // The log has 4 MB more then: it cannot end before the process is killed.
    proxy.set(Network::SilentAfter(3_000_000));
    let columns = "id INT PRIMARY KEY, n INT, filler VARCHAR(200)";
    let numbers = many_rows(ROWS).replace("SELECT i, 0, CONCAT", "SELECT i AS id, 0 AS n, CONCAT");
    let numbers = format!("{} AS filler FROM n", numbers.strip_suffix(" FROM n").unwrap());
    scenario.sql(&format!("CREATE TABLE made ({columns}) {numbers}")).await;
    until_async(async || {
        let offsets = scenario.topics.read_texts("defined_wide-offsets").await.unwrap();
        let counts = r#""transaction_data_collection_order_defined_wide.made":"#;
        offsets.iter().any(|(_, value)| value.contains(counts))
    })
    .await;
    rowcast.kill().unwrap();
    proxy.set(Network::Good);
    rowcast.start_again().unwrap();

    let records = scenario.topic_is_table("made").await;
    assert_eq!(count(&records, Operation::Create), ROWS);
    stop(&rowcast).await;
    let told = streamed(&told("defined_wide").await);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, "CREATE defined_wide.made");
    told_once(&transactions("defined_wide").await, &[("defined_wide.made", ROWS)]);
}

#[tokio::test]
async fn without_the_setting_no_definition_is_told() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("untold").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("ALTER TABLE t ADD COLUMN a INT").await;
    scenario.sql("INSERT INTO t VALUES (1, 1)").await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;

    assert!(told("untold").await.is_empty());
}

/// What was skipped, by the program's metrics.
async fn skipped(rowcast: &Rowcast, name: &str, events: u64) {
    let metric = "rowcast_source_skipped_events_total";
    let line = format!(r#"{metric}{{connector="{name}",reason="skipped.operations"}} {events}.0"#);
    scene::metrics_have(rowcast, &[&line]).await;
}

#[tokio::test]
async fn operations_that_are_skipped_are_no_records_and_are_counted() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("skips").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
    scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2)").await;
    let pipeline = scenario.source(mysql).with("skipped.operations", "u,d,t");
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;

    scenario.sql("UPDATE t SET a = 5").await;
    scenario.sql("DELETE FROM t WHERE id = 1").await;
    scenario.sql("INSERT INTO t VALUES (3, 3)").await;
    scenario.record("t", |it| it.operation == Operation::Create).await;
    scenario.sql("TRUNCATE t").await;
    scenario.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;

    skipped(&rowcast, "skips", 3).await;
    let records = scenario.records("t").await;
    assert_eq!((count(&records, Operation::Read), count(&records, Operation::Create)), (2, 1));
    assert_eq!(records.len(), 4, "{records:?}");
    stop(&rowcast).await;
}

/// The first statement is a truncate: no row has said yet how the table is written.
#[tokio::test]
async fn a_truncate_is_a_record_and_its_table_is_swept() {
    let mysql = &shared().await.unwrap().mysql;
    for (name, policy, truncates) in [("emptied", "delete", 2), ("emptied_compact", "compact", 0)] {
        let mut scenario = Scenario::new(name).await;
        scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a INT)").await;
        scenario.sql("INSERT INTO t VALUES (1, 1), (2, 2)").await;
        let url = scenario.stack.elasticsearch.url();
        let pipeline = scenario
            .source(mysql)
            .with("topic.creation.default.cleanup.policy", policy)
            .sink(&format!("{name}_sink"), &url, name);
        let rowcast = scenario.start(&pipeline).await;
        scenario.topic_is_table("t").await;
        rowcast.kill().unwrap();
        scenario.sql("TRUNCATE t").await;
        rowcast.start_again().unwrap();
        scenario.record("t", |it| matches!(it.operation, Operation::Sweep { .. })).await;
        scenario.sql("INSERT INTO t VALUES (2, 20)").await;
        scenario.topic_is_table("t").await;
        scenario.sql("TRUNCATE t").await;
        scenario.sql("INSERT INTO t VALUES (5, 50)").await;
        let records = scenario.topic_is_table("t").await;

        assert_eq!(count(&records, Operation::Truncate), truncates, "{name}");
        let sweeps = |it: &&ChangeRecord| matches!(it.operation, Operation::Sweep { .. });
        assert_eq!(records.iter().filter(sweeps).count(), 2, "{name}");
        let truncate = records.iter().find(|it| it.operation == Operation::Truncate);
        assert!(truncate.is_none_or(|it| it.key.is_empty() && it.before.is_none()));
        until_async(async || documents(&url, &format!("{name}.t")).await == [json!(5)]).await;
        let told = rowcast.log().unwrap().matches("only its sweep is written").count();
        assert_eq!(told, usize::from(truncates == 0), "{}", rowcast.log().unwrap());
        assert!(until(|| rowcast.log().unwrap().contains("sweep done")).await);
        stop(&rowcast).await;
    }
}

/// Debezium's readers know no sweeps, and its default tells of no truncate.
#[tokio::test]
async fn under_debeziums_class_a_truncate_is_a_record_if_it_is_asked_for_and_nothing_else() {
    let mysql = &shared().await.unwrap().mysql;
    for (name, skipped, truncates) in [("cut_as_dbz", "none", 1), ("cut_by_dbz", "t", 0)] {
        let mut scenario = Scenario::new(name).await;
        scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
        scenario.sql("INSERT INTO t VALUES (1), (2)").await;
        let pipeline = scenario
            .source(mysql)
            .with("connector.class", "io.debezium.connector.mysql.MySqlConnector")
            .with("include.schema.changes", "false")
            .with("skipped.operations", skipped);
        let rowcast = scenario.start(&pipeline).await;
        scenario.topic_is_table("t").await;
        stop(&rowcast).await;
        scenario.sql("TRUNCATE t").await;
        scenario.sql("INSERT INTO t VALUES (5)").await;
        rowcast.start_again().unwrap();
        scenario.record("t", |it| it.operation == Operation::Create).await;
        stop(&rowcast).await;

        let records = scenario.records("t").await;
        assert_eq!(count(&records, Operation::Truncate), truncates, "{name}");
        assert_eq!(records.len(), 3 + truncates, "{records:?}");
    }
}

/// The ids of an index.
async fn documents(url: &str, index: &str) -> Vec<Value> {
    let client = reqwest::Client::new();
    client.post(format!("{url}/{index}/_refresh")).send().await.unwrap();
    let answer = client.get(format!("{url}/{index}/_search")).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().map(|hit| hit["_source"]["id"].clone()).collect()
}
