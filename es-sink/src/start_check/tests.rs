//! What is known of indices before the first record, against the fake server.

use connect::config::{Origin, Settings};
use schema::registry::{Registry, RegistryConfig};
use serde_json::json;

use super::*;
use crate::client::EsClient;
use crate::config::SinkConfig;
use crate::mapping::Indices;
use crate::testing::{DATED_SCHEMA_ID, FakeServer};

const TOPIC: &str = "shop.db.orders";

/// Checks a topic whose schema has `id`, `day` and `at`.
async fn checked(server: &FakeServer, extra: &[(&str, &str)]) -> Result<(), SinkError> {
    server.register_as(&format!("{TOPIC}-value"), DATED_SCHEMA_ID);
    let pairs = [("topics", TOPIC), ("connection.url", &*server.url)];
    let values = pairs.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let settings = Settings::new("connector `s`", Origin::PipelineFile, values.collect());
    let config = SinkConfig::from_settings(settings).unwrap();
    let registry = RegistryConfig {
        urls: vec![server.url.clone()],
        timeout: Duration::from_secs(5),
        ..RegistryConfig::default()
    };
    let client = Arc::new(EsClient::new(&config.connection).unwrap());
    let indices = Indices::new(client, config.index.clone());
    let registry = Registry::new(&registry).unwrap();
    let mut documents = Documents::new(registry, indices, &config.index, config.documents);
    check_all(&mut documents, &[TOPIC.into()]).await
}

/// An index whose field `at` is no date.
async fn with_conflict(index: &str, field: &str) -> FakeServer {
    let server = FakeServer::start().await;
    let mark = json!({"rowcast": {"versions": "lsn", "topic": TOPIC}});
    server.create(index, json!({"_meta": mark, "properties": { field: {"type": "ip"}}}));
    server
}

async fn conflict(server: &FakeServer, extra: &[(&str, &str)]) -> Option<String> {
    checked(server, extra).await.err().map(|error| error.to_string())
}

#[tokio::test]
async fn a_field_that_cannot_hold_its_column_is_found() {
    let server = with_conflict(TOPIC, "at").await;

    let expected = "index `shop.db.orders` has field `at` as ip, expected date for a date";
    assert_eq!(conflict(&server, &[]).await.as_deref(), Some(expected));
    assert_eq!(server.mapping(TOPIC)["properties"].as_object().unwrap().len(), 1);
    assert_eq!(conflict(&FakeServer::start().await, &[]).await, None);
}

#[tokio::test]
async fn a_column_that_no_document_has_is_not_looked_at() {
    let server = with_conflict(TOPIC, "at").await;

    assert_eq!(conflict(&server, &[("field.exclude.list", "at")]).await, None);
    assert_eq!(conflict(&server, &[("field.include.list", "id,day")]).await, None);
    assert_eq!(conflict(&server, &[("field.renames", "at:made_at")]).await, None);
    let server = with_conflict(TOPIC, "made_at").await;
    let renamed = conflict(&server, &[("field.renames", "at:made_at")]).await.unwrap();
    assert!(renamed.contains("field `made_at` as ip"), "{renamed}");
}

#[tokio::test]
async fn the_fields_of_marks_changes_and_topics_are_looked_at() {
    for (field, setting) in [
        ("__deleted", ("behavior.on.delete", "soft")),
        ("__deleted_at", ("behavior.on.delete", "soft")),
        ("@timestamp", ("write.method", "append")),
        ("__op", ("write.method", "append")),
        ("__topic", ("index.shared", "true")),
    ] {
        let server = with_conflict(TOPIC, field).await;

        assert_eq!(conflict(&server, &[]).await, None);
        let found = conflict(&server, &[setting]).await.unwrap();
        assert!(found.contains(&format!("field `{field}` as ip")), "{found}");
    }
}

#[tokio::test]
async fn what_elasticsearch_maps_itself_is_left_out() {
    let server = with_conflict(TOPIC, "at").await;

    assert_eq!(conflict(&server, &[("schema.ignore", "true")]).await, None);
    assert_eq!(conflict(&server, &[("topic.schema.ignore", TOPIC)]).await, None);
    assert!(conflict(&server, &[("topic.schema.ignore", "other")]).await.is_some());
    assert_eq!(conflict(&server, &[("value.converter", "json")]).await, None);
    assert!(conflict(&server, &[("key.converter", "json")]).await.is_some());
    let server = with_conflict("logs-shop-all", "at").await;
    let stream = [
        ("write.method", "append"),
        ("data.stream.type", "logs"),
        ("data.stream.dataset", "shop"),
        ("data.stream.namespace", "all"),
    ];
    assert_eq!(conflict(&server, &stream).await, None);
}

#[tokio::test]
async fn the_index_is_the_one_that_rows_will_go_to() {
    let mapping = "topic.to.external.resource.mapping";
    let server = with_conflict("elsewhere", "at").await;

    assert_eq!(conflict(&server, &[]).await, None);
    let found = conflict(&server, &[(mapping, "shop.db.orders:elsewhere")]).await.unwrap();
    assert!(found.contains("index `elsewhere`"), "{found}");

    // Of those with dates the latest one.
    let dated = ("index.name", "{table}-{column:day:yyyy}");
    let server = with_conflict("orders-2023", "at").await;
    let found = conflict(&server, &[dated]).await.unwrap();
    assert!(found.contains("index `orders-2023`"), "{found}");
    let mark = json!({"rowcast": {"versions": "lsn", "topic": TOPIC}});
    server.create("orders-2024", json!({ "_meta": mark}));
    assert_eq!(conflict(&server, &[dated]).await, None);
}
