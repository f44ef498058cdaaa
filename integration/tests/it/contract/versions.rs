//! Versions, and what is remembered of deletes.

use serde_json::{Value, json};

use super::server::{Item, Server, error, line};

fn row() -> Value {
    json!({ "n": 1 })
}

fn statuses(items: &[Item]) -> Vec<u64> {
    items.iter().map(|item| item.status).collect()
}

pub(super) async fn an_equal_or_lower_version_conflicts(server: &Server) {
    let index = server.index(json!({})).await;

    assert_eq!(server.write(&index, "1", (5, row())).await.status, 201);
    assert_eq!(server.write(&index, "1", (6, row())).await.status, 200);
    for version in [6, 5] {
        let item = server.write(&index, "1", (version, row())).await;
        assert!(item.is_conflict(), "{item:?}");
        assert!(item.reason.contains("current version [6] is higher or equal to the one provided"));
        assert!(server.delete(&index, "1", version).await.is_conflict());
    }
    assert_eq!(server.delete(&index, "1", 7).await.status, 200);
    assert!(server.delete(&index, "1", 7).await.is_conflict());
    assert!(server.write(&index, "1", (7, row())).await.is_conflict());
    assert_eq!(server.write(&index, "1", (8, row())).await.status, 201);
}

pub(super) async fn external_gte_takes_an_equal_version(server: &Server) {
    let index = server.index(json!({})).await;
    let write = async |version: u64| {
        let mut action = line("index", &index, "1", version);
        action["index"]["version_type"] = json!("external_gte");
        server.items(&[action, row()]).await.remove(0)
    };

    assert_eq!(write(6).await.status, 201);
    assert_eq!(write(6).await.status, 200);
    let lower = write(5).await;
    assert!(lower.is_conflict() && lower.reason.contains("is higher than the one provided [5]"));
}

pub(super) async fn a_delete_of_nothing_is_remembered(server: &Server) {
    let index = server.index(json!({})).await;

    let deleted = server.delete(&index, "1", 9).await;

    assert_eq!((deleted.status, &*deleted.kind), (404, ""));
    assert_eq!(deleted.whole["result"], "not_found");
    assert_eq!(deleted.whole["_version"], 9);
    assert!(server.write(&index, "1", (9, row())).await.is_conflict());
    assert_eq!(server.write(&index, "1", (10, row())).await.status, 201);
}

pub(super) async fn versions_go_from_zero_to_the_largest_long(server: &Server) {
    let index = server.index(json!({})).await;
    let largest = u64::try_from(i64::MAX).unwrap();

    assert_eq!(server.write(&index, "1", (0, row())).await.status, 201);
    assert!(server.write(&index, "1", (0, row())).await.is_conflict());
    assert_eq!(server.write(&index, "1", (largest, row())).await.status, 200);
    assert!(server.write(&index, "1", (largest, row())).await.is_conflict());
}

/// So one such version would keep all others of its request from being written.
pub(super) async fn a_version_out_of_range_refuses_the_whole_request(server: &Server) {
    let index = server.index(json!({})).await;
    for version in [json!(i64::MAX as u64 + 1), json!(-1), Value::Null] {
        let mut bad = line("index", &index, "1", 1);
        bad["index"]["version"] = version.clone();
        if version.is_null() {
            bad["index"].as_object_mut().unwrap().remove("version");
        }

        let (status, answer) =
            server.bulk(&[line("index", &index, "2", 1), row(), bad, row()]).await;

        assert_eq!(status, 400, "{version}: {answer}");
        assert!(answer.get("items").is_none());
    }
    let (status, _) = server.call("GET", &format!("/{index}/_doc/2"), None).await;
    assert_eq!(status, 404);
}

pub(super) async fn create_has_no_external_versions(server: &Server) {
    let index = server.index(json!({})).await;

    let (status, answer) = server.bulk(&[line("create", &index, "1", 5), row()]).await;

    assert_eq!((status, error(&answer).0), (400, "action_request_validation_exception"));
    assert!(error(&answer).1.contains("create operations only support internal versioning"));
    let create = json!({ "create": { "_index": index, "_id": "1" } });
    assert_eq!(server.items(&[create.clone(), row()]).await[0].status, 201);
    let again = server.items(&[create, row()]).await.remove(0);
    assert!(again.is_conflict() && again.reason.contains("document already exists"));
}

pub(super) async fn an_update_has_no_versions(server: &Server) {
    let index = server.index(json!({})).await;

    let update = line("update", &index, "1", 5);
    let (status, answer) = server.bulk(&[update, json!({ "doc": row() })]).await;

    assert_eq!((status, error(&answer).0), (400, "illegal_argument_exception"));
    assert!(error(&answer).1.starts_with("Update requests do not support versioning"));
}

/// So an index that somebody else has filled has small versions, which ours are beyond.
pub(super) async fn internal_versions_count(server: &Server) {
    let index = server.index(json!({})).await;
    let write = json!({ "index": { "_index": index, "_id": "1" } });

    let items = server.items(&[write.clone(), row(), write, row()]).await;

    assert_eq!(statuses(&items), [201, 200]);
    assert_eq!(items[1].whole["_version"], 2);
    assert!(server.write(&index, "1", (2, row())).await.is_conflict());
    assert_eq!(server.write(&index, "1", (3, row())).await.status, 200);
}

pub(super) async fn actions_on_one_document_are_done_in_order(server: &Server) {
    let index = server.index(json!({})).await;
    let write = |version| [line("index", &index, "1", version), json!({ "n": version })];
    let lines =
        [&write(10)[..], &write(12), &[line("delete", &index, "1", 11)], &write(13)].concat();

    let items = server.items(&lines).await;

    assert_eq!(statuses(&items), [201, 200, 409, 200]);
    let (_, document) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(document["_source"]["n"], 13);
}

pub(super) async fn deletes_are_forgotten_after_gc_deletes(server: &Server) {
    let settings = json!({ "settings": { "index": { "gc_deletes": "2s" } } });
    let index = server.index(settings).await;
    server.write(&index, "1", (5, row())).await;
    server.delete(&index, "1", 10).await;
    assert!(server.write(&index, "1", (6, row())).await.is_conflict());

    server.until(async || server.write(&index, "1", (6, row())).await.status == 201).await;

    // The limit of the promise: an older write has brought it back.
    let (status, _) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(status, 200);
}

pub(super) async fn deletes_that_are_not_flushed_survive_a_crash(server: &Server) {
    let index = server.index(json!({ "settings": { "index": { "gc_deletes": "1h" } } })).await;
    server.write(&index, "1", (5, row())).await;
    server.delete(&index, "1", 10).await;

    server.crash().await;

    assert!(server.write(&index, "1", (6, row())).await.is_conflict());
    assert_eq!(server.write(&index, "1", (11, row())).await.status, 201);
}

pub(super) async fn a_restart_forgets_deletes(server: &Server) {
    let index = server.index(json!({ "settings": { "index": { "gc_deletes": "1h" } } })).await;
    server.write(&index, "1", (5, row())).await;
    server.delete(&index, "1", 10).await;
    server.write(&index, "2", (10, row())).await;
    assert!(server.write(&index, "1", (6, row())).await.is_conflict());

    server.restart().await;

    assert_eq!(server.write(&index, "1", (6, row())).await.status, 201);
    // Of documents that are there the version is kept.
    assert!(server.write(&index, "2", (10, row())).await.is_conflict());
}
