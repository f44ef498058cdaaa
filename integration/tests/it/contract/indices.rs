//! Indices, aliases, settings and templates.

use serde_json::{Value, json};

use super::server::{Server, error, line, line_with};

async fn get(server: &Server, path: &str) -> Value {
    let (status, answer) = server.call("GET", path, None).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn aliases(server: &Server, actions: Value) {
    let (status, answer) =
        server.call("POST", "/_aliases", Some(json!({ "actions": actions }))).await;
    assert_eq!(status, 200, "{answer}");
}

pub(super) async fn an_index_is_made_once(server: &Server) {
    let index = server.index(json!({})).await;

    let (status, answer) = server.call("PUT", &format!("/{index}"), Some(json!({}))).await;
    let (upper, refused) = server.call("PUT", "/Upper", Some(json!({}))).await;
    let (gone, none) = server.call("GET", "/nothing/_mapping", None).await;

    assert_eq!((status, error(&answer).0), (400, "resource_already_exists_exception"));
    assert_eq!((upper, error(&refused).0), (400, "invalid_index_name_exception"));
    assert_eq!((gone, error(&none).0), (404, "index_not_found_exception"));
}

pub(super) async fn an_index_that_is_made_again_is_another(server: &Server) {
    let index = server.index(json!({})).await;
    let path = format!("/{index}/_settings");
    let uuid = |answer: Value| answer[&index]["settings"]["index"]["uuid"].clone();
    server.write(&index, "1", (5, json!({}))).await;

    let first = uuid(get(server, &path).await);
    server.call("DELETE", &format!("/{index}"), None).await;
    server.call("PUT", &format!("/{index}"), Some(json!({}))).await;
    let second = uuid(get(server, &path).await);

    assert!(first.is_string() && second.is_string() && first != second, "{first} {second}");
    assert_eq!(server.write(&index, "1", (1, json!({}))).await.status, 201);
}

/// So an index that was deleted behind our back is there again with the next bulk request, with
/// a guessed mapping.
pub(super) async fn a_write_makes_an_index_and_so_does_a_delete(server: &Server) {
    let (written, deleted) = (server.new_name(), server.new_name());

    assert_eq!(server.write(&written, "1", (5, json!({ "n": 1 }))).await.status, 201);
    assert_eq!(server.delete(&deleted, "1", 5).await.status, 404);

    let mapping = get(server, &format!("/{written}/_mapping")).await;
    assert_eq!(mapping[&written]["mappings"]["properties"]["n"]["type"], "long");
    assert_eq!(server.call("HEAD", &format!("/{deleted}"), None).await.0, 200);
}

pub(super) async fn no_index_is_made_where_that_is_off(server: &Server) {
    let set = |value: Value| json!({ "persistent": { "action.auto_create_index": value } });
    server.call("PUT", "/_cluster/settings", Some(set(json!("false")))).await;
    let index = server.new_name();

    let item = server.write(&index, "1", (5, json!({}))).await;

    server.call("PUT", "/_cluster/settings", Some(set(Value::Null))).await;
    assert_eq!((item.status, &*item.kind), (404, "index_not_found_exception"));
    assert_eq!(server.call("HEAD", &format!("/{index}"), None).await.0, 404);
}

pub(super) async fn require_alias_wants_an_alias(server: &Server) {
    let index = server.index(json!({})).await;
    let (alias, nothing) = (server.new_name(), server.new_name());
    aliases(server, json!([{ "add": { "index": index, "alias": alias } }])).await;
    let write = async |name: &str| {
        let line = line_with(line("index", name, "1", 5), &[("require_alias", json!(true))]);
        server.items(&[line, json!({})]).await.remove(0)
    };

    assert_eq!(write(&alias).await.status, 201);
    for name in [&index, &nothing] {
        let item = write(name).await;
        assert_eq!((item.status, &*item.kind), (404, "index_not_found_exception"));
        assert!(item.reason.contains("request flag is [true]"), "{item:?}");
    }
    // The request may say it for all of its actions.
    let body = format!("{}\n{{}}\n", line("index", &index, "2", 5)).into_bytes();
    let (status, answer) = server.send_bulk("?require_alias=true", body, None).await.unwrap();
    assert_eq!((status, &answer["items"][0]["index"]["status"]), (200, &json!(404)), "{answer}");
    assert_eq!(server.call("HEAD", &format!("/{nothing}"), None).await.0, 404);
}

pub(super) async fn an_alias_is_swapped_at_once(server: &Server) {
    let (old, new) = (server.index(json!({})).await, server.index(json!({})).await);
    let alias = server.new_name();
    aliases(server, json!([{ "add": { "index": old, "alias": alias } }])).await;
    let before = server.write(&alias, "1", (5, json!({}))).await;

    let swap = json!([
        { "remove": { "index": old, "alias": alias } },
        { "add": { "index": new, "alias": alias } },
    ]);
    aliases(server, swap).await;
    let after = server.write(&alias, "1", (5, json!({}))).await;
    aliases(server, json!([{ "add": { "index": old, "alias": alias } }])).await;
    let both = server.write(&alias, "2", (5, json!({}))).await;
    let write_index = json!({ "index": new, "alias": alias, "is_write_index": true });
    aliases(server, json!([{ "add": write_index }])).await;
    let chosen = server.write(&alias, "2", (5, json!({}))).await;

    assert_eq!((before.status, &before.whole["_index"]), (201, &json!(old)));
    assert_eq!((after.status, &after.whole["_index"]), (201, &json!(new)));
    assert_eq!((both.status, &*both.kind), (400, "illegal_argument_exception"));
    assert!(both.reason.starts_with("no write index is defined for alias"), "{both:?}");
    assert_eq!(chosen.whole["_index"], json!(new));
    let (status, _) = server.call("DELETE", &format!("/{alias}"), None).await;
    assert_eq!(status, 400, "an index is not deleted by its alias");
    let (status, answer) = server.call("PUT", &format!("/{alias}"), Some(json!({}))).await;
    assert_eq!((status, error(&answer).0), (400, "invalid_index_name_exception"));
}

/// So a swap that begins at the wrong index leaves the alias on two: `must_exist` prevents it.
pub(super) async fn removing_an_alias_that_is_not_there_is_no_error(server: &Server) {
    let (one, two) = (server.index(json!({})).await, server.index(json!({})).await);
    let (alias, strict) = (server.new_name(), server.new_name());
    let swap = |alias: &str, must_exist: Option<bool>| {
        let mut remove = json!({ "index": one, "alias": alias });
        if let Some(must_exist) = must_exist {
            remove["must_exist"] = json!(must_exist);
        }
        let add = json!({ "index": two, "alias": alias });
        json!({ "actions": [{ "remove": remove }, { "add": add }] })
    };

    let (lenient, _) = server.call("POST", "/_aliases", Some(swap(&alias, None))).await;
    let (refused, answer) = server.call("POST", "/_aliases", Some(swap(&strict, Some(true)))).await;

    assert_eq!(lenient, 200);
    assert_eq!(server.call("HEAD", &format!("/{alias}"), None).await.0, 200);
    assert_eq!((refused, error(&answer).0), (404, "aliases_not_found_exception"));
    assert_eq!(server.call("HEAD", &format!("/{strict}"), None).await.0, 404);
}

/// What soft deletes are made of.
pub(super) async fn an_alias_with_a_filter_takes_what_it_does_not_show(server: &Server) {
    let index = server.index(json!({})).await;
    let alias = server.new_name();
    let filter = json!({ "bool": { "must_not": [{ "term": { "__deleted": true } }] } });
    aliases(server, json!([{ "add": { "index": index, "alias": alias, "filter": filter } }])).await;

    server.write(&alias, "1", (5, json!({ "n": 1 }))).await;
    server.write(&alias, "2", (5, json!({ "__deleted": true }))).await;
    server.write(&alias, "3", (5, json!({ "__deleted": false }))).await;
    server.refresh(&index).await;

    assert_eq!((server.count(&alias).await, server.count(&index).await), (2, 3));
    // A get is not filtered.
    assert_eq!(server.call("GET", &format!("/{alias}/_doc/2"), None).await.0, 200);
}

pub(super) async fn settings_change_and_go_back(server: &Server) {
    let index = server.index(json!({ "settings": { "index": { "gc_deletes": "1h" } } })).await;
    let path = format!("/{index}/_settings");
    let put = async |settings: Value| server.call("PUT", &path, Some(settings)).await;
    let read = async |key: &str| {
        let answer = get(server, &format!("{path}?flat_settings=true")).await;
        answer[&index]["settings"][key].clone()
    };

    let bulk = json!({ "index": { "refresh_interval": "-1", "number_of_replicas": 0 } });
    assert_eq!(put(bulk).await.0, 200);
    assert_eq!(read("index.refresh_interval").await, "-1");
    assert_eq!(read("index.number_of_replicas").await, "0");
    assert_eq!(read("index.gc_deletes").await, "1h");
    assert_eq!(put(json!({ "index": { "refresh_interval": null } })).await.0, 200);
    assert_eq!(read("index.refresh_interval").await, Value::Null);

    let (status, answer) = put(json!({ "index": { "nonsense": 1 } })).await;
    let unknown = match server.product.is_opensearch() {
        true => "settings_exception",
        false => "illegal_argument_exception",
    };
    assert_eq!((status, error(&answer).0), (400, unknown));
    let (status, answer) = put(json!({ "index": { "number_of_shards": 3 } })).await;
    assert_eq!((status, error(&answer).0), (400, "illegal_argument_exception"));
    assert_eq!(put(json!({ "index": { "refresh_interval": "abc" } })).await.0, 400);
}

pub(super) async fn a_template_is_below_what_an_index_says(server: &Server) {
    let index = server.new_name();
    let path = format!("/_index_template/{index}");
    let template = json!({
        "index_patterns": [format!("{index}*")],
        "priority": 5,
        "template": {
            "settings": { "refresh_interval": "9s", "gc_deletes": "2h" },
            "mappings": { "_meta": { "t": 1 }, "properties": { "t": { "type": "keyword" } } },
            "aliases": { format!("a{index}"): {} },
        },
    });
    assert_eq!(server.call("PUT", &path, Some(template.clone())).await.0, 200);
    let rival = format!("/_index_template/rival{index}");
    assert_eq!(server.call("PUT", &rival, Some(template)).await.0, 400);

    let own = json!({
        "settings": { "gc_deletes": "1h" },
        "mappings": { "_meta": { "u": 1 }, "properties": { "u": { "type": "long" } } },
    });
    server.call("PUT", &format!("/{index}"), Some(own)).await;

    let found = get(server, &format!("/{index}")).await[&index].clone();
    assert_eq!(found["settings"]["index"]["refresh_interval"], "9s");
    assert_eq!(found["settings"]["index"]["gc_deletes"], "1h");
    assert_eq!(found["mappings"]["_meta"], json!({ "t": 1, "u": 1 }));
    assert_eq!(found["mappings"]["properties"]["t"]["type"], "keyword");
    assert_eq!(found["mappings"]["properties"]["u"]["type"], "long");
    assert_eq!(found["aliases"], json!({ format!("a{index}"): {} }));
    assert_eq!(server.call("GET", "/_index_template/none", None).await.0, 404);
}

pub(super) async fn a_full_disk_is_429_and_a_block_is_403(server: &Server) {
    let index = server.index(json!({})).await;
    server.write(&index, "1", (1, json!({}))).await;
    for (block, status) in [("read_only_allow_delete", 429), ("read_only", 403), ("write", 403)] {
        let set = |value: Value| json!({ format!("index.blocks.{block}"): value });
        let path = format!("/{index}/_settings");
        server.call("PUT", &path, Some(set(json!(true)))).await;

        let written = server.write(&index, "1", (2, json!({}))).await;
        let deleted = server.delete(&index, "1", 2).await;

        for item in [written, deleted] {
            let found = (item.status, &*item.kind);
            assert_eq!(found, (status, "cluster_block_exception"), "{block}: {item:?}");
        }
        assert_eq!(server.call("PUT", &path, Some(set(Value::Null))).await.0, 200);
    }
    assert_eq!(server.write(&index, "1", (2, json!({}))).await.status, 200);
}
