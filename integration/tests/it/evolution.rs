//! Definitions that the schema registry does not take as the next version of their subject.

use integration::process::Rowcast;
use integration::topic::Operation;
use mysql_async::prelude::Queryable;
use serde_json::Value;

use crate::proxy::{Network, Proxy};
use crate::scenario::{Scenario, connect, stop, until, until_async};
use crate::scene::endpoint;

/// A column that older records have no value for, which is not `BACKWARD`, the registry's setting.
const INCOMPATIBLE: &str = "ADD COLUMN city VARCHAR(20) NOT NULL";

#[tokio::test]
async fn a_table_is_parked_when_its_definition_changes_and_not_first_at_its_next_row() {
    let mut scenario = Scenario::new("evolution").await;
    for table in ["t", "u", "bare"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY)")).await;
    }
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.sql("INSERT INTO u VALUES (1)").await;
    let mysql = &scenario.stack.mysql;
    let pipeline = scenario.source(mysql).with("schema.incompatible.allow.tables", "evolution\\.u");
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;
    scenario.topic_is_table("u").await;
    // Its schema is known to the registry, but the table has no row.
    scenario.sql("INSERT INTO bare VALUES (1)").await;
    scenario.topic_is_table("bare").await;
    scenario.sql("DELETE FROM bare").await;
    scenario.topic_is_table("bare").await;

    for table in ["t", "u", "bare"] {
        scenario.sql(&format!("ALTER TABLE {table} {INCOMPATIBLE}")).await;
    }

    // Without any row in the new form.
    for table in ["t", "bare"] {
        let state = state_of(&rowcast, &format!("evolution.{table}")).await;
        assert!(state["reason"].as_str().unwrap().contains("not compatible"), "{state}");
        assert!(state["remedy"].as_str().unwrap().contains("schema.incompatible"), "{state}");
    }
    assert_eq!(versions(&scenario, "t").await, 1);
    let parked_at = scenario.records("t").await.len();
    // The others go on, and the one that may changes its subject.
    scenario.sql("INSERT INTO t VALUES (2, 'zeile-x')").await;
    scenario.sql("INSERT INTO u VALUES (2, 'zeile-x')").await;
    scenario.record("u", |it| it.operation == Operation::Create).await;
    scenario.topic_is_table("u").await;
    assert_eq!(compatibility(&scenario, "u").await, "NONE");
    assert_eq!(scenario.records("t").await.len(), parked_at);

    // What the remedy says.
    scenario.sql("ALTER TABLE t ALTER COLUMN city SET DEFAULT ''").await;
    stop(&rowcast).await;
    let allowing = scenario.source(mysql).with("schema.incompatible", "allow");
    let rowcast = scenario.launch("allowing", &allowing).await;
    let (endpoint, resume) =
        (endpoint(&rowcast).await, "/connectors/evolution/tables/evolution.t/resume");
    // It takes commands a moment after its start.
    until_async(async || endpoint.ask("POST", resume, &Value::Null).await.0 == 202).await;
    scenario.topic_is_table("t").await;
    assert_eq!(versions(&scenario, "t").await, 2);
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_source_that_shall_halt_stops_before_the_change_and_goes_on_when_it_may() {
    let mut scenario = Scenario::new("evolution_halts").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    let mysql = &scenario.stack.mysql;
    let halting = scenario.source(mysql).with("schema.incompatible", "halt");
    let rowcast = scenario.start(&halting).await;
    scenario.topic_is_table("t").await;

    scenario.sql(&format!("ALTER TABLE t {INCOMPATIBLE}")).await;
    scenario.sql("INSERT INTO t VALUES (2, 'zeile-x')").await;

    until_async(async || rowcast.pid().is_none()).await;
    log_has_ended(&rowcast, "the new schema of evolution_halts.t is not compatible");
    assert_eq!(scenario.records("t").await.len(), 1);

    // It stands before the change: with another policy nothing is missing.
    let allowing = scenario.source(mysql).with("schema.incompatible", "allow");
    let rowcast = scenario.launch("allowing", &allowing).await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}

/// The registry goes away just when it is asked for the new definition, and comes back.
#[tokio::test]
async fn a_registry_that_is_away_when_a_definition_changes_is_waited_for() {
    let mut scenario = Scenario::new("evolution_away").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    let (server, path) = scenario.stack.registry.url().split_once("/apis").map_or_else(
        || panic!("the registry has no path"),
        |(server, path)| (server.trim_start_matches("http://").to_owned(), path.to_owned()),
    );
    let proxy = Proxy::start(server.parse().unwrap(), Network::Good).await;
    let url = format!("http://{}/apis{path}", proxy.address);
    let mysql = &scenario.stack.mysql;
    let pipeline = scenario.source(mysql).with_worker("schema.registry.url", &url);
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("t").await;

    proxy.set(Network::CutAfter(0));
    scenario.sql("ALTER TABLE t ADD COLUMN a INT").await;
    scenario.sql("INSERT INTO t VALUES (2, 2)").await;
    let is_told = || rowcast.log().unwrap().contains("could not reach the schema registry");
    assert!(until(is_told).await, "{}", rowcast.log().unwrap());
    assert_eq!(scenario.records("t").await.len(), 1);
    proxy.set(Network::Good);

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 2, "none is missing or repeated");
    stop(&rowcast).await;
}

/// A transaction has rows of two tables; between them another session changes the second one.
#[tokio::test]
async fn a_definition_may_change_in_the_middle_of_another_sessions_transaction() {
    let mut scenario = Scenario::new("evolution_between").await;
    for table in ["t", "u"] {
        scenario.sql(&format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT)")).await;
    }
    let mysql = &scenario.stack.mysql;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    let mut other = connect(mysql).await;
    for id in 1..20 {
        scenario.sql("BEGIN").await;
        scenario.sql(&format!("INSERT INTO t VALUES ({id}, 0)")).await;
        let change = if id % 2 == 0 { "DROP COLUMN b" } else { "ADD COLUMN b INT FIRST" };
        other.query_drop(format!("ALTER TABLE evolution_between.u {change}")).await.unwrap();
        scenario.sql(&format!("INSERT INTO u (id, a) VALUES ({id}, {id})")).await;
        scenario.sql(&format!("UPDATE t SET a = {id} WHERE id = {id}")).await;
        scenario.sql("COMMIT").await;
    }

    for table in ["t", "u"] {
        scenario.topic_is_table(table).await;
    }
    stop(&rowcast).await;
}

fn log_has_ended(rowcast: &Rowcast, text: &str) {
    let log = rowcast.log().unwrap();
    assert!(log.contains(text), "no {text:?} in:\n{log}");
}

/// The state of a table, once it is parked.
async fn state_of(rowcast: &Rowcast, table: &str) -> Value {
    let endpoint = endpoint(rowcast).await;
    let mut found = Value::Null;
    until_async(async || {
        let all = endpoint.get("/tables").await;
        let tables = all["connectors"][0]["source"]["tables"].as_array().cloned();
        let mut tables = tables.unwrap_or_default().into_iter();
        let parked = tables.find(|it| it["table"] == table && it["state"] == "parked");
        found = parked.unwrap_or_default();
        !found.is_null()
    })
    .await;
    found
}

/// How many versions the subject of a table's values has.
async fn versions(scenario: &Scenario, table: &str) -> usize {
    let url = scenario.stack.registry.url();
    let versions = format!("{url}/subjects/{}-value/versions", scenario.topic(table));
    let found: Vec<u32> = reqwest::get(versions).await.unwrap().json().await.unwrap();
    found.len()
}

async fn compatibility(scenario: &Scenario, table: &str) -> String {
    let url = scenario.stack.registry.url();
    let config = format!("{url}/config/{}-value", scenario.topic(table));
    let found: Value = reqwest::get(config).await.unwrap().json().await.unwrap();
    found["compatibilityLevel"].as_str().unwrap_or_default().to_owned()
}
