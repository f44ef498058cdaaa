//! Transforms and converters of the source on real servers: every record goes through them, once.

mod debezium;
mod found;

use std::collections::BTreeMap;

use integration::stack::shared;
use serde_json::{Value, json};

use self::found::{Found, found};
use crate::scenario::until_async;
use crate::scene::{Scene, metrics_have, stop};

/// Sets the classes and the options of transforms.
fn transform(scene: &mut Scene, names: &str, settings: &[(&str, &str)]) {
    scene.set("transforms", names);
    for (key, value) in settings {
        scene.set(&format!("transforms.{key}"), *value);
    }
}

/// JSON without schemas for both sides.
fn plain_json(scene: &mut Scene) {
    for side in ["key", "value"] {
        scene.set(&format!("{side}.converter"), "org.apache.kafka.connect.json.JsonConverter");
        scene.set(&format!("{side}.converter.schemas.enable"), "false");
    }
}

fn records(scene: &Scene, topic: &str) -> Vec<Found> {
    found(&scene.worker["bootstrap.servers"], topic)
}

/// The values of records that have one.
fn values(records: &[Found]) -> Vec<Value> {
    let values = records.iter().filter_map(|record| record.value.as_deref());
    values.map(|value| serde_json::from_str(value).unwrap()).collect()
}

const UNWRAP: (&str, &str) = ("unwrap.type", "io.debezium.transforms.ExtractNewRecordState");

/// Five times in the middle of some thousand rows; each row is there once, and as the transforms
/// have it.
#[tokio::test]
async fn after_kills_every_record_has_gone_through_the_transforms_once() {
    let mut scene = Scene::new("st_kills").await;
    plain_json(&mut scene);
    let chain = [
        UNWRAP,
        ("drop.type", "ReplaceField$Value"),
        ("drop.exclude", "note"),
        ("cast.type", "Cast$Value"),
        ("cast.spec", "id:string"),
        ("add.type", "InsertField$Value"),
        ("add.static.field", "from"),
        ("add.static.value", "mysql"),
        ("route.type", "RegexRouter"),
        ("route.regex", "(.*)\\.t"),
        ("route.replacement", "$1.routed"),
    ];
    transform(&mut scene, "unwrap,drop,cast,add,route", &chain);
    let topic = "st_kills.st_kills.routed";
    let rowcast = scene.start().await;
    until_async(async || records(&scene, topic).len() >= 3).await;

    for kill in 0..5_usize {
        let first = 1_000 * (u32::try_from(kill).unwrap() + 1);
        let count = records(&scene, topic).len();
        tokio::join!(scene.insert(first..=first + 299), async {
            until_async(async || records(&scene, topic).len() > count + 20 * kill).await;
            rowcast.kill().unwrap();
        });
        rowcast.start_again().unwrap();
    }

    until_async(async || records(&scene, topic).len() >= 1_503).await;
    let found = records(&scene, topic);
    let mut rows = BTreeMap::new();
    for value in values(&found) {
        assert_eq!(value["from"], "mysql", "{value}");
        assert_eq!(value.as_object().unwrap().len(), 2, "{value}");
        *rows.entry(value["id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!((found.len(), rows.len()), (1_503, 1_503));
    assert!(rows.values().all(|times| *times == 1));
    // Where there is no envelope the number is beside it, and never goes back.
    let numbers: Vec<u64> =
        found.iter().map(|record| record.header("rowcast.lsn").unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    stop(&rowcast).await;
}

/// A Cast that does not take the three rows that are there, and takes the fourth one.
fn casting(scene: &mut Scene) {
    plain_json(scene);
    let chain = [UNWRAP, ("cast.type", "Cast$Value"), ("cast.spec", "note:int32")];
    transform(scene, "unwrap,cast", &chain);
}

#[tokio::test]
async fn a_record_that_a_transform_does_not_take_ends_the_task() {
    let mut scene = Scene::new("st_fails").await;
    casting(&mut scene);

    let refusal = scene.refused().await;

    for part in ["st_fails.st_fails.t", "transform `cast`", "transforms.Cast$Value"] {
        assert!(refusal.error.contains(part), "{}", refusal.error);
    }
    assert!(refusal.hint.contains("`transforms.cast.*`"), "{}", refusal.hint);
    assert_eq!(records(&scene, &scene.topic()), []);
}

/// Connect's own words for a router by time, because Debezium's records have none.
#[tokio::test]
async fn a_router_by_time_finds_none_as_with_debezium() {
    let mut scene = Scene::new("st_times").await;
    let route = [("route.type", "TimestampRouter"), ("route.topic.format", "${topic}-x")];
    transform(&mut scene, "route", &route);

    let refusal = scene.refused().await;

    assert!(refusal.error.contains("Timestamp missing on record"), "{}", refusal.error);
}

#[tokio::test]
async fn where_errors_are_tolerated_a_record_is_skipped_and_counted() {
    let mut scene = Scene::new("st_skips").await;
    casting(&mut scene);
    scene.set("errors.tolerance", "all");
    let rowcast = scene.start().await;
    let failed = r#"rowcast_source_records_failed_total{connector="st_skips"} 3.0"#;
    metrics_have(&rowcast, &[failed]).await;

    scene.sql("INSERT INTO st_skips.t VALUES (4, '42')").await;

    until_async(async || records(&scene, &scene.topic()).len() == 1).await;
    assert_eq!(values(&records(&scene, &scene.topic())), [json!({"id": 4, "note": 42})]);
    let log = stop(&rowcast).await;
    assert!(log.contains("a record cannot be written and is skipped"), "{log}");
}

#[tokio::test]
async fn a_filter_drops_and_counts_and_heartbeats_go_through_as_well() {
    let mut scene = Scene::new("st_filter").await;
    plain_json(&mut scene);
    let chain = [
        ("drop.type", "Filter"),
        ("drop.predicate", "rows"),
        ("route.type", "RegexRouter"),
        ("route.regex", "__debezium-heartbeat\\.(.*)"),
        ("route.replacement", "beats-$1"),
    ];
    transform(&mut scene, "drop,route", &chain);
    scene.set("predicates", "rows");
    scene.set("predicates.rows.type", "TopicNameMatches");
    scene.set("predicates.rows.pattern", ".*\\.t");
    scene.set("heartbeat.interval.ms", "200");
    let rowcast = scene.start().await;

    let filtered = r#"rowcast_source_records_filtered_total{connector="st_filter"} 3.0"#;
    metrics_have(&rowcast, &[filtered]).await;
    until_async(async || !records(&scene, "beats-st_filter").is_empty()).await;
    let beat = &records(&scene, "beats-st_filter")[0];
    assert_eq!(beat.key.as_deref(), Some(r#"{"serverName":"st_filter"}"#));
    assert_eq!(records(&scene, &scene.topic()), []);
    stop(&rowcast).await;
}

/// Documents of an index.
async fn documents(index: &str) -> BTreeMap<String, Value> {
    let url = format!("{}/{index}", shared().await.unwrap().elasticsearch.url());
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return BTreeMap::new();
    }
    let search = json!({ "size": 100 });
    let answer = client.post(format!("{url}/_search")).json(&search).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
    hits.map(|hit| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone())).collect()
}

/// From the table to the index by way of JSON; there is no registry at all.
async fn by_way_of_json(name: &str, schemas: &str, unwrap: bool) {
    let mut scene = Scene::new(name).await;
    if unwrap {
        transform(&mut scene, "unwrap", &[UNWRAP]);
    }
    scene.worker.remove("schema.registry.url");
    scene.add_sink(&shared().await.unwrap().elasticsearch.url());
    for settings in [&mut scene.settings, &mut scene.sink] {
        for side in ["key", "value"] {
            settings.insert(format!("{side}.converter"), "json".to_owned());
            settings.insert(format!("{side}.converter.schemas.enable"), schemas.to_owned());
        }
    }
    if schemas == "false" || unwrap {
        // Nothing says of which table such a record is.
        scene.sink.insert("index.name".to_owned(), format!("{name}.t"));
    }
    let rowcast = scene.start().await;
    let index = format!("{name}.t");
    until_async(async || documents(&index).await.len() == 3).await;

    let changes = [
        format!("UPDATE {name}.t SET note = 'two' WHERE id = 2"),
        format!("DELETE FROM {name}.t WHERE id = 1"),
        format!("UPDATE {name}.t SET id = 30, note = NULL WHERE id = 3"),
        format!("INSERT INTO {name}.t VALUES (4, 'four')"),
    ];
    scene.session(&changes.each_ref().map(String::as_str)).await;

    let row = |id: i32, note: Value| (id.to_string(), json!({ "id": id, "note": note }));
    let expected = [row(2, json!("two")), row(4, json!("four")), row(30, Value::Null)];
    let expected = BTreeMap::from(expected);
    until_async(async || documents(&index).await == expected).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn an_index_is_its_table_by_way_of_json_with_schemas() {
    by_way_of_json("st_json", "true", false).await;
}

#[tokio::test]
async fn an_index_is_its_table_by_way_of_json_without_schemas() {
    by_way_of_json("st_plain", "false", false).await;
}

/// In the place of a deleted row there is a null that has a schema.
#[tokio::test]
async fn an_index_is_its_table_by_way_of_json_without_envelopes() {
    by_way_of_json("st_flat", "true", true).await;
}
