//! What a search sees, where documents live, and what is done to them on the way.

use serde_json::{Value, json};

use super::server::{Server, line, line_with};

pub(super) async fn a_search_sees_what_was_refreshed(server: &Server) {
    let settings = json!({ "settings": { "index": { "refresh_interval": "-1" } } });
    let index = server.index(settings).await;

    server.write(&index, "1", (5, json!({ "n": 1 }))).await;

    assert_eq!(server.count(&index).await, 0);
    let (status, document) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!((status, &document["_version"]), (200, &json!(5)));
    server.refresh(&index).await;
    assert_eq!(server.count(&index).await, 1);
    server.delete(&index, "1", 6).await;
    assert_eq!(server.count(&index).await, 1);
    let (status, _) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(status, 404);
}

/// How a point in time is opened and closed.
struct Dialect {
    open: &'static str,
    close: &'static str,
    key: &'static str,
}

fn dialects(server: &Server) -> (Dialect, &'static str) {
    let elasticsearch = Dialect { open: "_pit", close: "/_pit", key: "id" };
    let (open, close) = ("_search/point_in_time", "/_search/point_in_time");
    let opensearch = Dialect { open, close, key: "pit_id" };
    match server.product.is_opensearch() {
        true => (opensearch, elasticsearch.open),
        false => (elasticsearch, opensearch.open),
    }
}

async fn open_point(server: &Server, index: &str) -> Value {
    let (dialect, _) = dialects(server);
    let path = format!("/{index}/{}?keep_alive=1m", dialect.open);
    let (status, answer) = server.call("POST", &path, None).await;
    assert_eq!(status, 200, "{answer}");
    answer[dialect.key].clone()
}

pub(super) async fn a_point_in_time_has_versions_and_stays_as_it_is(server: &Server) {
    let index = server.index(json!({})).await;
    for (id, version) in [("1", 5), ("2", 6), ("3", 7)] {
        server.write(&index, id, (version, json!({ "t": id == "2" }))).await;
    }
    server.refresh(&index).await;
    let id = open_point(server, &index).await;
    server.delete(&index, "1", 8).await;
    server.refresh(&index).await;

    let order = if server.product.is_opensearch() { "_id" } else { "_shard_doc" };
    let mut found = Vec::new();
    let mut body = json!({
        "size": 2, "pit": { "id": id, "keep_alive": "1m" }, "sort": [order],
        "_source": false, "version": true, "track_total_hits": false,
    });
    loop {
        let (status, page) = server.call("POST", "/_search", Some(body.clone())).await;
        assert_eq!(status, 200, "{page}");
        let hits = page["hits"]["hits"].as_array().unwrap().clone();
        let Some(last) = hits.last() else { break };
        body["search_after"] = last["sort"].clone();
        found.extend(hits.iter().map(|hit| (hit["_id"].clone(), hit["_version"].clone())));
    }

    assert_eq!(found, [("1", 5), ("2", 6), ("3", 7)].map(|(id, v)| (json!(id), json!(v))));
    let (dialect, other) = dialects(server);
    let closing = if dialect.key == "id" { json!({ "id": id }) } else { json!({ "pit_id": [id] }) };
    assert_eq!(server.call("DELETE", dialect.close, Some(closing)).await.0, 200);
    let (status, _) = server.call("POST", "/_search", Some(body)).await;
    assert_eq!(status, 404);
    // How the sink learns which of them it speaks with: there is no `error.type`.
    let (status, answer) =
        server.call("POST", &format!("/{index}/{other}?keep_alive=1m"), None).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().starts_with("no handler found"), "{answer}");
}

pub(super) async fn a_restart_loses_points_in_time(server: &Server) {
    let index = server.index(json!({})).await;
    server.write(&index, "1", (5, json!({}))).await;
    let id = open_point(server, &index).await;

    server.restart().await;

    let body = json!({ "pit": { "id": id, "keep_alive": "1m" } });
    let (status, answer) = server.call("POST", "/_search", Some(body)).await;
    assert_eq!(status, 404, "{answer}");
}

pub(super) async fn the_shard_of_a_document_is_that_of_its_routing(server: &Server) {
    let index = server.index(json!({ "settings": { "number_of_shards": 2 } })).await;
    let mut taken = 0;
    for routing in ["a", "b", "c", "d", "e", "f"] {
        let line = line_with(line("index", &index, "1", 5), &[("routing", json!(routing))]);
        taken += u32::from(server.items(&[line, json!({})]).await[0].status == 201);
    }
    server.refresh(&index).await;

    // One document in each of the shards, with the same id.
    assert_eq!((taken, server.count(&index).await), (2, 2));
    let path = format!("/{index}/_doc/1?routing=a");
    assert_eq!(server.call("GET", &path, None).await.1["_routing"], "a");
}

pub(super) async fn a_pipeline_is_run_or_missed(server: &Server) {
    let index = server.index(json!({})).await;
    let pipeline = server.new_name();
    let body = json!({ "processors": [{ "set": { "field": "p", "value": 1 } }] });
    server.call("PUT", &format!("/_ingest/pipeline/{pipeline}"), Some(body)).await;
    let write = async |id: &str, pipeline: &str| {
        let line = line_with(line("index", &index, id, 5), &[("pipeline", json!(pipeline))]);
        server.items(&[line, json!({ "n": 2 })]).await.remove(0)
    };

    assert_eq!(write("1", &pipeline).await.status, 201);
    let missed = write("2", "nothing").await;

    let (_, document) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(document["_source"], json!({ "n": 2, "p": 1 }));
    assert_eq!((missed.status, &*missed.kind), (400, "illegal_argument_exception"));
    assert_eq!(missed.reason, "pipeline with id [nothing] does not exist");
}

pub(super) async fn a_data_stream_takes_new_documents_only(server: &Server) {
    let stream = server.new_name();
    let template = json!({
        "index_patterns": [stream], "priority": 500, "data_stream": {},
    });
    let path = format!("/_index_template/{stream}");
    assert_eq!(server.call("PUT", &path, Some(template)).await.0, 200);
    let create = json!({ "create": { "_index": stream, "_id": "1" } });
    let moment = json!({ "@timestamp": "2024-01-01T00:00:00Z" });

    let created = server.items(&[create.clone(), moment.clone()]).await.remove(0);
    let again = server.items(&[create, moment.clone()]).await.remove(0);
    let timeless = json!({ "create": { "_index": stream, "_id": "2" } });
    let timeless = server.items(&[timeless, json!({ "n": 1 })]).await.remove(0);
    let written = server.write(&stream, "3", (5, moment)).await;
    let deleted = server.delete(&stream, "1", 5).await;

    assert_eq!(created.status, 201, "{created:?}");
    assert!(created.whole["_index"].as_str().unwrap().starts_with(&format!(".ds-{stream}-")));
    assert!(again.is_conflict(), "{again:?}");
    assert_eq!((timeless.status, &*timeless.kind), (400, server.product.document_error()));
    for item in [written, deleted] {
        assert_eq!((item.status, &*item.kind), (400, "illegal_argument_exception"));
        assert_eq!(
            item.reason,
            "only write ops with an op_type of create are allowed in data streams"
        );
    }
}
