//! Indices on a server in this process.

use schema::date_hour::DateHour;
use schema::plan::document::FieldKind;
use serde_json::json;

use super::testing::sink_config;
use super::*;
use crate::testing::FakeServer;
use schema::fault::{Disposition, Fault as _};

const TOPIC: &str = "shop.db.orders";

fn indices(server: &FakeServer, settings: &[(&str, &str)]) -> Indices {
    let config = sink_config(&server.url, settings);
    let client = Arc::new(EsClient::new(&config.connection).unwrap());
    Indices::new(client, config.index).of_connector("c")
}

fn fields(list: &[(&str, FieldKind)]) -> Vec<DocumentField> {
    let field = |(name, kind): &(&str, FieldKind)| DocumentField {
        name: (*name).into(),
        kind: kind.clone(),
        nullable: true,
    };
    list.iter().map(field).collect()
}

async fn prepare(indices: &mut Indices, list: &[(&str, FieldKind)]) -> Result<(), SinkError> {
    let topic: Arc<str> = TOPIC.into();
    let index = indices.name(TOPIC)?;
    indices.prepare(&index, &fields(list), VersionKind::Lsn, &topic).await
}

async fn refusal(indices: &mut Indices, list: &[(&str, FieldKind)]) -> SinkError {
    prepare(indices, list).await.unwrap_err()
}

fn lost(error: &SinkError) -> Option<LostIndex> {
    let SinkError::Index(IndexError::IndexLost { how, .. }) = error else { return None };
    assert_eq!(error.disposition(), Disposition::Halt);
    Some(*how)
}

#[tokio::test]
async fn a_new_index_is_a_generation_behind_its_alias() {
    let server = FakeServer::start().await;
    let mut indices = indices(&server, &[]);

    prepare(&mut indices, &[("id", FieldKind::Long)]).await.unwrap();

    let (index, alias) = server.alias_of(TOPIC).unwrap();
    assert_eq!((&*index, &alias), ("shop.db.orders-000001", &json!({"is_write_index": true})));
    assert_eq!(server.setting(TOPIC, "gc_deletes"), Some("1h".to_owned()));
    let mapping = server.mapping(TOPIC);
    assert_eq!(
        mapping["_meta"]["rowcast"],
        json!({"versions": "lsn", "topic": TOPIC, "created": true, "index_uuid": server.uuid(TOPIC)})
    );
    let name: Arc<str> = TOPIC.into();
    assert!(indices.requires_alias(&name));
}

#[tokio::test]
async fn an_index_of_the_name_is_used_as_it_is_and_its_gc_deletes_raised() {
    let server = FakeServer::start().await;
    server.create(TOPIC, json!({}));
    let mut adopting = indices(&server, &[]);

    prepare(&mut adopting, &[("id", FieldKind::Long)]).await.unwrap();

    assert_eq!(server.alias_of(TOPIC), None);
    assert!(!adopting.requires_alias(&TOPIC.into()));
    assert_eq!(server.setting(TOPIC, "gc_deletes"), Some("1h".to_owned()));

    // A server that does not let it be set, as serverless, keeps its own.
    let server = FakeServer::start().await;
    server.refuse_text("gc_deletes");
    let mut made = indices(&server, &[("index.alias", "false")]);
    prepare(&mut made, &[]).await.unwrap();
    assert_eq!(server.setting(TOPIC, "gc_deletes"), None);
    assert_eq!(server.alias_of(TOPIC), None);
}

#[tokio::test]
async fn a_generation_without_its_alias_halts_instead_of_waiting_for_ever() {
    let server = FakeServer::start().await;
    server.create("shop.db.orders-000001", json!({}));

    let error = refusal(&mut indices(&server, &[]), &[]).await;

    let told = "index `shop.db.orders-000001` is there without its alias `shop.db.orders`";
    assert_eq!(error.to_string(), told);
}

#[tokio::test]
async fn all_conflicts_of_an_index_are_in_one_error() {
    let server = FakeServer::start().await;
    let properties = json!({"a": {"type": "ip"}, "b": {"type": "long"}, "c": {"type": "date"}});
    server.create(TOPIC, json!({ "properties": properties }));
    let wanted = [("a", FieldKind::Long), ("b", FieldKind::Long), ("c", FieldKind::Bytes)];
    let mut indices = indices(&server, &[]);

    let error = indices.check(&TOPIC.into(), &TOPIC.into(), &fields(&wanted)).await.unwrap_err();

    assert_eq!(
        error.to_string(),
        "index `shop.db.orders` has field `a` as ip, expected long for a 64-bit number; field `c` \
         as date, expected binary for a bytes"
    );
    assert_eq!(refusal(&mut indices, &wanted).await.to_string(), error.to_string());
}

#[tokio::test]
async fn what_a_template_says_is_left_to_it() {
    let server = FakeServer::start().await;
    let mappings = json!({"dynamic": "strict", "properties": {"note": {"type": "keyword"}}});
    let template = json!({"mappings": mappings, "settings": {"index": {"gc_deletes": "2h"}}});
    server.put_template("shop.", &json!({ "template": template }));
    let own = r#"{"index_patterns": "x*", "priority": 9}"#;
    let mut templated = indices(&server, &[("index.template", own)]);
    let wanted = [("note", FieldKind::Text), ("n", FieldKind::Long)];

    prepare(&mut templated, &wanted).await.unwrap();

    let mapping = server.mapping(TOPIC);
    let expected = json!({"n": {"type": "long"}, "note": {"type": "keyword"}});
    assert_eq!(mapping["properties"], expected);
    assert_eq!(mapping["dynamic"], "strict");
    assert_eq!(server.setting(TOPIC, "gc_deletes"), Some("2h".to_owned()));
    assert_eq!(server.templates()["rowcast-c"]["priority"], 9);

    // One that cannot hold the rows is refused before there is an index.
    server.delete(TOPIC);
    let error = refusal(&mut indices(&server, &[]), &[("note", FieldKind::Json)]).await;
    assert!(error.to_string().contains("`note` as keyword, expected flattened"), "{error}");
    assert!(!server.has_index(TOPIC));
}

#[tokio::test]
async fn the_limit_of_fields_is_raised_by_the_setting_or_halts_with_it() {
    let server = FakeServer::start().await;
    // Somebody's template for all indices.
    let limit = json!({"settings": {"index": {"mapping": {"total_fields": {"limit": "2"}}}}});
    server.put_template("", &json!({ "template": limit }));
    let [a, b, c] = ["a", "b", "c"].map(|name| (name, FieldKind::Long));
    let mut limited = indices(&server, &[]);
    prepare(&mut limited, &[a.clone(), b.clone()]).await.unwrap();

    let all = [a, b, c];
    let error = refusal(&mut limited, &all).await;
    let of_new = refusal(&mut indices(&server, &[("index.name", "new")]), &all).await;

    for error in [error, of_new] {
        assert_eq!(error.disposition(), Disposition::Halt);
        assert!(error.hint().unwrap().contains("mapping.total_fields.limit"), "{error}");
    }
    let raised = [("index.settings.mapping.total_fields.limit", "3")];
    prepare(&mut indices(&server, &raised), &all).await.unwrap();
    assert!(server.mapping(TOPIC)["properties"]["c"].is_object());
}

#[tokio::test]
async fn an_index_that_is_gone_or_another_one_is_noticed_while_it_is_written_to() {
    let server = FakeServer::start().await;
    let mut indices = indices(&server, &[]);
    prepare(&mut indices, &[("id", FieldKind::Long)]).await.unwrap();
    indices.verify().await.unwrap();

    server.restore(TOPIC);
    assert_eq!(lost(&indices.verify().await.unwrap_err()), Some(LostIndex::Restored));
    server.delete(TOPIC);
    assert_eq!(lost(&indices.verify().await.unwrap_err()), Some(LostIndex::Deleted));
    // Not made anew by the next version of the schema either.
    let gone = refusal(&mut indices, &[("n", FieldKind::Long)]).await;
    assert_eq!(lost(&gone), Some(LostIndex::Deleted));
    server.create(TOPIC, json!({}));
    assert_eq!(lost(&indices.verify().await.unwrap_err()), Some(LostIndex::Recreated));
    let other = refusal(&mut indices, &[("n", FieldKind::Long)]).await;
    assert_eq!(lost(&other), Some(LostIndex::Recreated));
}

/// Old ones are deleted on purpose. One that is there is looked at as any other.
#[tokio::test]
async fn an_index_with_a_date_may_be_gone_but_not_be_another_one() {
    let server = FakeServer::start().await;
    let start = || {
        let mut indices = indices(&server, &[("index.name", "{table}-{column:day:yyyy}")]);
        indices.add_history([TOPIC.into()]);
        indices
    };
    let prepare = async |indices: &mut Indices, year| {
        let index = indices.on(TOPIC, DateHour { year, month: 1, day: 1, hour: 0 }).unwrap();
        let fields = fields(&[("id", FieldKind::Long)]);
        indices.prepare(&index, &fields, VersionKind::Lsn, &TOPIC.into()).await
    };
    let mut indices = start();
    prepare(&mut indices, 2023).await.unwrap();
    prepare(&mut indices, 2024).await.unwrap();

    server.delete("orders-2023");
    indices.verify().await.unwrap();
    assert!(!indices.knows(&"orders-2023".into()) && indices.knows(&"orders-2024".into()));
    prepare(&mut indices, 2023).await.unwrap();
    assert_eq!(server.mapping("orders-2023")["properties"]["id"], json!({"type": "long"}));
    // Another task has made it anew.
    server.delete("orders-2023");
    prepare(&mut start(), 2023).await.unwrap();
    indices.verify().await.unwrap();
    prepare(&mut indices, 2023).await.unwrap();
    // A delete makes one without its alias, whatever is asked for.
    server.delete("orders-2023");
    server.create("orders-2023", json!({}));
    indices.verify().await.unwrap();
    prepare(&mut indices, 2023).await.unwrap();
    assert_eq!(server.mapping("orders-2023")["properties"]["id"], json!({"type": "long"}));
    // Somebody makes one for tomorrow.
    server.create("orders-2025", json!({}));
    prepare(&mut indices, 2025).await.unwrap();

    server.create("orders-2026", json!({}));
    server.put("orders-2026", "1", 1, json!({}));
    server.refresh("orders-2026");
    let error = prepare(&mut indices, 2026).await.unwrap_err();
    assert_eq!(lost(&error), Some(LostIndex::Recreated));
    server.restore("orders-2024");
    assert_eq!(lost(&indices.verify().await.unwrap_err()), Some(LostIndex::Restored));
    let error = prepare(&mut start(), 2024).await.unwrap_err();
    assert_eq!(lost(&error), Some(LostIndex::Restored));
}

/// A rebuilt index takes the old one's place: the task starts over and goes on with it.
#[tokio::test]
async fn an_alias_that_moves_to_another_index_of_ours_is_no_loss() {
    let server = FakeServer::start().await;
    let mut before = indices(&server, &[]);
    prepare(&mut before, &[]).await.unwrap();
    let ours = json!({"versions": "lsn", "topic": TOPIC});
    server.create("shop.db.orders-000002", json!({"_meta": {"rowcast": ours}}));
    server.alias(TOPIC, "shop.db.orders-000002");

    let error = before.verify().await.unwrap_err();

    assert!(matches!(error, SinkError::Index(IndexError::AliasMoved { .. })), "{error}");
    assert_eq!(error.disposition(), Disposition::Retry);
    let mut after = indices(&server, &[]);
    after.add_history([TOPIC.into()]);
    prepare(&mut after, &[]).await.unwrap();
    after.verify().await.unwrap();
}

#[tokio::test]
async fn at_a_start_an_index_without_the_rows_of_committed_offsets_halts() {
    let server = FakeServer::start().await;
    let start = |settings: &[(&str, &str)]| {
        let mut indices = indices(&server, settings);
        indices.add_history([TOPIC.into()]);
        indices
    };
    let adopt = [("index.adopt", "true")];

    assert_eq!(lost(&refusal(&mut start(&[]), &[]).await), Some(LostIndex::Deleted));
    assert_eq!(lost(&refusal(&mut start(&adopt), &[]).await), Some(LostIndex::Deleted));

    prepare(&mut indices(&server, &[]), &[]).await.unwrap();
    prepare(&mut start(&[]), &[]).await.unwrap();
    server.restore(TOPIC);
    assert_eq!(lost(&refusal(&mut start(&[]), &[]).await), Some(LostIndex::Restored));
    prepare(&mut start(&adopt), &[]).await.unwrap();
    prepare(&mut start(&[]), &[]).await.unwrap();

    // Made anew and empty: not even `index.adopt` takes it.
    server.delete(TOPIC);
    server.create(TOPIC, json!({}));
    assert_eq!(lost(&refusal(&mut start(&adopt), &[]).await), Some(LostIndex::Recreated));
    server.put(TOPIC, "1", 7, json!({"id": 1}));
    server.refresh(TOPIC);
    assert_eq!(lost(&refusal(&mut start(&[]), &[]).await), Some(LostIndex::Recreated));
    // Confluent's sink under the same name has filled it: its offsets are the group's.
    prepare(&mut start(&adopt), &[]).await.unwrap();
}

#[tokio::test]
async fn documents_of_others_are_taken_only_if_the_settings_say_so() {
    let server = FakeServer::start().await;
    server.create(TOPIC, json!({}));
    server.set(TOPIC, "refresh_interval", Some("-1"));
    server.put(TOPIC, "1", 7, json!({"id": 1}));

    let error = refusal(&mut indices(&server, &[]), &[]).await;

    assert_eq!(
        error.to_string(),
        "index `shop.db.orders` has documents that rowcast has not written"
    );
    assert!(error.hint().unwrap().contains("`index.adopt`"));
    prepare(&mut indices(&server, &[("index.adopt", "true")]), &[]).await.unwrap();
}

#[tokio::test]
async fn soft_deletes_have_an_alias_that_hides_them() {
    let server = FakeServer::start().await;
    let soft = || {
        let mut config = sink_config(&server.url, &[]);
        config.index.soft_delete = true;
        let client = Arc::new(EsClient::new(&config.connection).unwrap());
        Indices::new(client, config.index)
    };
    prepare(&mut indices(&server, &[]), &[]).await.unwrap();
    assert_eq!(server.alias_of(TOPIC).unwrap().1.get("filter"), None);

    // Debezium's field is a text.
    let wanted = [("__deleted", FieldKind::Text)];
    prepare(&mut soft(), &wanted).await.unwrap();

    let filter = json!({"bool": {"must_not": {"term": {"__deleted": true}}}});
    assert_eq!(server.alias_of(TOPIC).unwrap().1["filter"], filter);
    assert_eq!(server.mapping(TOPIC)["properties"]["__deleted"], json!({"type": "boolean"}));
    server.delete(TOPIC);
    prepare(&mut soft(), &wanted).await.unwrap();
    assert_eq!(server.alias_of(TOPIC).unwrap().1["filter"], filter);

    let server = FakeServer::start().await;
    server.create(TOPIC, json!({}));
    let mut config = sink_config(&server.url, &[]);
    config.index.soft_delete = true;
    let client = Arc::new(EsClient::new(&config.connection).unwrap());
    let error = refusal(&mut Indices::new(client, config.index), &[]).await;
    assert!(matches!(error, SinkError::Index(IndexError::NoAlias { .. })), "{error}");
}

const LOAD: [(&str, &str); 2] =
    [("index.bulk.load", "true"), ("index.settings.number_of_replicas", "2")];

fn rows(indices: &mut Indices, count: u32, is_snapshot: bool) {
    let index: Arc<str> = TOPIC.into();
    (0..count).for_each(|_| indices.bulk_load().seen(&index, is_snapshot));
}

#[tokio::test]
async fn a_snapshot_is_loaded_without_refresh_and_replicas_which_come_back() {
    let server = FakeServer::start().await;
    let mut indices = indices(&server, &LOAD);
    prepare(&mut indices, &[]).await.unwrap();
    let settings =
        || ["refresh_interval", "number_of_replicas"].map(|key| server.setting(TOPIC, key));
    rows(&mut indices, 20_000, false);
    rows(&mut indices, 9_999, true);
    assert_eq!(indices.bulk_load().due(), None);

    rows(&mut indices, 1, true);
    indices.bulk_load().act().await;
    assert_eq!(settings(), [Some("-1".to_owned()), Some("0".to_owned())]);
    let note = json!({"refresh_interval": null, "number_of_replicas": "2"});
    assert_eq!(server.mapping(TOPIC)["_meta"]["rowcast"]["bulk_load"], note);

    indices.bulk_load().act().await;
    assert_eq!(settings(), [Some("-1".to_owned()), Some("0".to_owned())], "it has just begun");
    indices.bulk_load().quiet = Duration::ZERO;
    indices.bulk_load().act().await;
    assert_eq!(settings(), [None, Some("2".to_owned())]);
    assert_eq!(server.mapping(TOPIC)["_meta"]["rowcast"].get("bulk_load"), None);
    assert_eq!(indices.bulk_load().due(), None);
}

#[tokio::test]
async fn settings_of_a_load_come_back_at_a_stop_and_after_a_crash() {
    let server = FakeServer::start().await;
    let load = async |indices: &mut Indices| {
        prepare(indices, &[]).await.unwrap();
        rows(indices, 10_000, true);
        indices.bulk_load().act().await;
        assert_eq!(server.setting(TOPIC, "number_of_replicas"), Some("0".to_owned()));
    };

    let mut stopped = indices(&server, &LOAD);
    load(&mut stopped).await;
    stopped.bulk_load().end().await;
    assert_eq!(server.setting(TOPIC, "number_of_replicas"), Some("2".to_owned()));

    load(&mut indices(&server, &LOAD)).await;
    // The next one finds the note, whatever its own setting is.
    let mut next = indices(&server, &[]);
    prepare(&mut next, &[]).await.unwrap();
    assert!(next.bulk_load().due().is_some());
    next.bulk_load().end().await;
    assert_eq!(server.setting(TOPIC, "number_of_replicas"), Some("2".to_owned()));

    // So does the look at all indices at a start, without any row.
    load(&mut indices(&server, &LOAD)).await;
    let mut idle = indices(&server, &[]);
    idle.check(&TOPIC.into(), &TOPIC.into(), &[]).await.unwrap();
    idle.bulk_load().end().await;
    assert_eq!(server.setting(TOPIC, "number_of_replicas"), Some("2".to_owned()));
}

#[tokio::test]
async fn an_index_of_others_is_not_loaded_and_one_that_refuses_is_left_as_it_is() {
    for is_ours in [false, true] {
        let server = FakeServer::start().await;
        if !is_ours {
            server.create(TOPIC, json!({}));
        }
        let mut indices = indices(&server, &LOAD[..1]);
        prepare(&mut indices, &[]).await.unwrap();
        server.refuse_text("\"number_of_replicas\":0");
        rows(&mut indices, 10_000, true);

        indices.bulk_load().act().await;

        assert_eq!(server.setting(TOPIC, "refresh_interval"), None);
        assert_eq!(server.mapping(TOPIC)["_meta"]["rowcast"].get("bulk_load"), None);
        assert_eq!(indices.bulk_load().due(), None);
    }
}
