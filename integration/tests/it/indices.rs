//! Indices on a real Elasticsearch: how they are made, what they are refused for, and what can be
//! found in them. Rows are written by hand, or come from MySQL.

use std::path::Path;

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Elasticsearch, ElasticsearchOptions, Stack, shared};
use serde_json::{Value, json};

use crate::hand_written::HandWritten;
use crate::scenario::{LOG, Scenario, log_has, stop, until_async};
use crate::scene::refusal;

/// A sink of the topics of a prefix.
pub(crate) fn sink(stack: &Stack, prefix: &str, url: &str) -> PipelineFile {
    PipelineFile::new(prefix, &stack.kafka, &stack.registry).sink(prefix, url, prefix)
}

pub(crate) async fn start(pipeline: &PipelineFile, folder: &Path, name: &str) -> Rowcast {
    let (file, log) = (folder.join("sink.yaml"), folder.join(format!("{name}.log")));
    pipeline.write(&file).unwrap();
    Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
}

/// Asks the server; the answer must be a success.
pub(crate) async fn ask(method: &str, url: String, body: &Value) -> Value {
    let method: reqwest::Method = method.parse().unwrap();
    let mut request = reqwest::Client::new().request(method, &url);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert!(status.is_success(), "{url}: {body}");
    body
}

/// How many documents a query finds, after a refresh; none without an index.
pub(crate) async fn found(url: &str, index: &str, query: &Value) -> u64 {
    let client = reqwest::Client::new();
    let refreshed = client.post(format!("{url}/{index}/_refresh")).send().await.unwrap();
    if !refreshed.status().is_success() {
        return 0;
    }
    let body = json!({ "query": query });
    ask("POST", format!("{url}/{index}/_count"), &body).await["count"].as_u64().unwrap()
}

pub(crate) async fn has_documents(url: &str, index: &str, count: u64) {
    until_async(async || found(url, index, &json!({ "match_all": {} })).await == count).await;
}

async fn mapping(url: &str, index: &str) -> Value {
    let answer = ask("GET", format!("{url}/{index}/_mapping"), &Value::Null).await;
    let (_, index) = answer.as_object().unwrap().iter().next().unwrap();
    index["mappings"].clone()
}

#[tokio::test]
async fn a_new_index_is_a_generation_behind_an_alias_and_knows_its_uuid() {
    let stack = shared().await.unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), stack.elasticsearch.url());
    let mut topic = HandWritten::new(stack, "idx_alias.idx_alias.t", 2).await;
    topic.rows(1..=20, 1);
    let pipeline = sink(stack, "idx_alias", &url).with("tasks.max", "2");
    let rowcast = start(&pipeline, folder.path(), "sink").await;
    has_documents(&url, "idx_alias.t", 20).await;
    stop(&rowcast).await;

    let index = ask("GET", format!("{url}/idx_alias.t"), &Value::Null).await;

    let index = &index["idx_alias.t-000001"];
    assert_eq!(index["aliases"]["idx_alias.t"], json!({ "is_write_index": true }));
    let settings = &index["settings"]["index"];
    assert_eq!(settings["gc_deletes"], "1h");
    let mark = &index["mappings"]["_meta"]["rowcast"];
    assert_eq!(mark["index_uuid"], settings["uuid"]);
    // How rowcast asks for the UUIDs of many: what is not there is left out.
    let asked = "_settings?filter_path=*.settings.index.uuid&ignore_unavailable=true";
    let uuids = ask("GET", format!("{url}/idx_alias.t,idx_none/{asked}"), &Value::Null).await;
    let expected = json!({ "settings": { "index": { "uuid": settings["uuid"] } } });
    assert_eq!(uuids, json!({ "idx_alias.t-000001": expected }));
    assert_eq!(ask("GET", format!("{url}/idx_none/{asked}"), &Value::Null).await, json!({}));
    assert_eq!((&mark["versions"], &mark["created"]), (&json!("lsn"), &json!(true)));
}

/// A user's template has a field and `dynamic`; the settings have a template, too.
#[tokio::test]
async fn templates_and_overrides_win_over_what_the_schema_says() {
    let stack = shared().await.unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), stack.elasticsearch.url());
    let mappings = json!({ "dynamic": "strict", "properties": { "id": { "type": "keyword" } } });
    let template =
        json!({ "index_patterns": ["idx_template.*"], "template": { "mappings": mappings } });
    ask("PUT", format!("{url}/_index_template/idx_template"), &template).await;
    let mut topic = HandWritten::new(stack, "idx_template.idx_template.t", 1).await;
    topic.rows(1..=3, 1);
    let own = json!({ "index_patterns": ["idx_other*"], "priority": 3 });
    let pipeline = sink(stack, "idx_template", &url)
        .with(
            "index.mapping.override.idx_template.t.note",
            r#"{"type":"keyword","doc_values":false}"#,
        )
        .with("index.settings.number_of_replicas", "0")
        .with("index.template", &own.to_string());
    let rowcast = start(&pipeline, folder.path(), "sink").await;
    has_documents(&url, "idx_template.t", 3).await;
    stop(&rowcast).await;

    let mapping = mapping(&url, "idx_template.t").await;
    assert_eq!(mapping["dynamic"], "strict");
    assert_eq!(mapping["properties"]["id"], json!({ "type": "keyword" }));
    let note = json!({ "type": "keyword", "doc_values": false });
    assert_eq!(mapping["properties"]["note"], note);
    assert_eq!(mapping["properties"]["body"], json!({ "type": "binary" }));
    assert_eq!(
        found(&url, "idx_template.t", &json!({ "term": { "note": "zeile-note" } })).await,
        3
    );
    let path = format!("{url}/_index_template/rowcast-idx_template");
    let put = ask("GET", path, &Value::Null).await;
    assert_eq!(put["index_templates"][0]["index_template"]["priority"], 3);
}

#[tokio::test]
async fn all_fields_that_do_not_fit_are_told_at_the_start() {
    let stack = shared().await.unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), stack.elasticsearch.url());
    let properties = json!({ "id": { "type": "ip" }, "note": { "type": "date" } });
    let body = json!({ "mappings": { "properties": properties } });
    ask("PUT", format!("{url}/idx_conflict.t"), &body).await;
    // The registry knows what will come: not one record is needed.
    drop(HandWritten::new(stack, "idx_conflict.idx_conflict.t", 1).await);
    let rowcast = start(&sink(stack, "idx_conflict", &url), folder.path(), "sink").await;

    let refusal = refusal(&rowcast).await;

    assert!(
        refusal.error.ends_with(
            "index `idx_conflict.t` has field `id` as ip, expected long for a 64-bit number; \
             field `note` as date, expected text for a text"
        ),
        "{}",
        refusal.error
    );
    assert!(refusal.hint.contains("`index.mapping.override`"), "{}", refusal.hint);
    assert_eq!(found(&url, "idx_conflict.t", &json!({ "match_all": {} })).await, 0);
}

#[tokio::test]
async fn an_index_with_documents_of_others_is_taken_only_if_the_settings_say_so() {
    let stack = shared().await.unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), stack.elasticsearch.url());
    // As Confluent's sink leaves it: the version is the offset.
    let path = format!("{url}/idx_adopt.t/_doc/2?version=1&version_type=external");
    ask("PUT", path, &json!({ "id": 2, "note": "old" })).await;
    let mut topic = HandWritten::new(stack, "idx_adopt.idx_adopt.t", 1).await;
    topic.rows(1..=3, 1_000_000);
    let pipeline = sink(stack, "idx_adopt", &url);
    let rowcast = start(&pipeline, folder.path(), "refuses").await;
    let refusal = refusal(&rowcast).await;
    assert!(refusal.error.contains("documents that rowcast has not written"), "{}", refusal.error);

    let rowcast = start(&pipeline.with("index.adopt", "true"), folder.path(), "adopts").await;

    has_documents(&url, "idx_adopt.t", 3).await;
    stop(&rowcast).await;
    assert_eq!(found(&url, "idx_adopt.t", &json!({ "match": { "note": "zeile-note" } })).await, 3);
    let settings = ask("GET", format!("{url}/idx_adopt.t/_settings"), &Value::Null).await;
    assert_eq!(settings["idx_adopt.t"]["settings"]["index"]["gc_deletes"], "1h");
}

#[tokio::test]
async fn the_limit_of_fields_halts_before_a_row_and_the_setting_mends_it() {
    let stack = shared().await.unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), stack.elasticsearch.url());
    let limit = json!({ "settings": { "index.mapping.total_fields.limit": 2 } });
    ask("PUT", format!("{url}/idx_limit.t"), &limit).await;
    let mut topic = HandWritten::new(stack, "idx_limit.idx_limit.t", 1).await;
    topic.rows(1..=3, 1);
    let pipeline = sink(stack, "idx_limit", &url);
    let rowcast = start(&pipeline, folder.path(), "halts").await;
    let refusal = refusal(&rowcast).await;
    assert!(refusal.error.contains("`idx_limit.t` takes no 3 more fields"), "{}", refusal.error);
    assert!(refusal.hint.contains("mapping.total_fields.limit"), "{}", refusal.hint);

    let pipeline = pipeline.with("index.settings.mapping.total_fields.limit", "50");
    let rowcast = start(&pipeline, folder.path(), "goes_on").await;

    has_documents(&url, "idx_limit.t", 3).await;
    stop(&rowcast).await;
}

/// The server here has no `geo_shape`: the sink does without, and says so.
#[tokio::test]
async fn places_and_vectors_are_found_by_where_they_are() {
    let mut scenario = Scenario::new("idx_geo").await;
    let url = scenario.stack.elasticsearch.url();
    scenario
        .sql(
            "CREATE TABLE t (id INT PRIMARY KEY, p POINT SRID 4326, plane POINT, s LINESTRING, \
             v VECTOR(3))",
        )
        .await;
    scenario
        .sql(
            "INSERT INTO t VALUES \
             (1, ST_GeomFromText('POINT(52.5 13.4)', 4326), POINT(1, 2), \
              LINESTRING(POINT(1, 2), POINT(3, 4)), TO_VECTOR('[1,0,0]')), \
             (2, ST_GeomFromText('POINT(-33.9 151.2)', 4326), POINT(5000, 7), NULL, \
              TO_VECTOR('[0,0,0]')), \
             (3, NULL, NULL, NULL, NULL)",
        )
        .await;
    let pipeline = scenario
        .source(&scenario.stack.mysql)
        .sink("idx_geo-sink", &url, "idx_geo")
        .with("geometry.type", "geo")
        .with("vector.type", "dense_vector");
    let rowcast = scenario.start(&pipeline).await;
    has_documents(&url, "idx_geo.t", 3).await;

    let berlin =
        json!({ "geo_distance": { "distance": "50km", "p": { "lat": 52.5, "lon": 13.4 } } });
    assert_eq!(found(&url, "idx_geo.t", &berlin).await, 1);
    let near = json!({ "field": "v", "query_vector": [0.9, 0.1, 0], "k": 1, "num_candidates": 5 });
    let hits = ask("POST", format!("{url}/idx_geo.t/_search"), &json!({ "knn": near })).await;
    assert_eq!(hits["hits"]["hits"][0]["_id"], "1");
    let document = |id: u32| ask("GET", format!("{url}/idx_geo.t/_doc/{id}"), &Value::Null);
    let first = document(1).await["_source"].clone();
    assert_eq!(first["p"], json!({ "lat": 52.5, "lon": 13.4 }));
    assert_eq!(first["s"], "LINESTRING (1.0 2.0,3.0 4.0)");
    let second = document(2).await["_source"].clone();
    assert_eq!(second["plane"], Value::Null);
    assert_eq!(second["plane__geometry"]["x"], json!(5000.0));
    log_has(&rowcast, "the server has no such type").await;
    stop(&rowcast).await;
}

/// The node whose snapshots go to a folder.
async fn server_with_repository(stack: &Stack) -> Elasticsearch {
    let directory = stack.directory().join("elasticsearch-repository");
    let mut options = ElasticsearchOptions::default();
    let repository = directory.join("repository").display().to_string();
    options.settings.push(("path.repo".to_owned(), repository.clone()));
    let server =
        Box::pin(Elasticsearch::start(&stack.installed, &directory, &options)).await.unwrap();
    let body = json!({ "type": "fs", "settings": { "location": repository } });
    ask("PUT", format!("{}/_snapshot/r", server.url()), &body).await;
    server
}

/// What the sink's knowledge of lost indices is built on: a restored index has the marks of the old
/// one, and a UUID of its own.
#[tokio::test]
async fn a_restored_index_has_the_old_mark_and_another_uuid() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_repository(stack).await;
    let url = server.url();
    let mut topic = HandWritten::new(stack, "idx_restored.idx_restored.t", 1).await;
    topic.rows(1..=10, 1);
    let rowcast = start(&sink(stack, "idx_restored", &url), folder.path(), "sink").await;
    has_documents(&url, "idx_restored.t", 10).await;
    stop(&rowcast).await;

    let snapshot = format!("{url}/_snapshot/r/s");
    let only = json!({ "indices": "idx_restored.t-000001" });
    ask("PUT", format!("{snapshot}?wait_for_completion=true"), &only).await;
    ask("DELETE", format!("{url}/idx_restored.t-000001"), &Value::Null).await;
    ask("POST", format!("{snapshot}/_restore?wait_for_completion=true"), &json!({})).await;

    let index = ask("GET", format!("{url}/idx_restored.t"), &Value::Null).await;
    let index = &index["idx_restored.t-000001"];
    let noted = &index["mappings"]["_meta"]["rowcast"]["index_uuid"];
    assert!(noted.is_string());
    assert_ne!(*noted, index["settings"]["index"]["uuid"]);
}

/// `require_alias` does not hold for deletes: one with an external version makes the index anew, as
/// an index of the alias's name. Such an index has no mark, by which it is known.
#[tokio::test]
async fn a_delete_makes_an_index_whatever_require_alias_says() {
    let stack = shared().await.unwrap();
    let url = stack.elasticsearch.url();
    let lines = [
        r#"{"delete":{"_index":"idx_gone_a","_id":"1","version":5,"version_type":"external","require_alias":true}}"#,
        r#"{"index":{"_index":"idx_gone_b","_id":"1","version":5,"version_type":"external","require_alias":true}}"#,
        "{}",
    ];

    let answer = reqwest::Client::new()
        .post(format!("{url}/_bulk"))
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n") + "\n")
        .send()
        .await
        .unwrap();

    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["items"][0]["delete"]["result"], "not_found");
    assert_eq!(answer["items"][1]["index"]["error"]["type"], "index_not_found_exception");
    assert_eq!(mapping(&url, "idx_gone_a").await, json!({}));
    let missing = reqwest::get(format!("{url}/idx_gone_b")).await.unwrap();
    assert_eq!(missing.status(), 404);
}
