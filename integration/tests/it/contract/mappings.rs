//! What a document has to be like, and what becomes of a mapping.

use es_sink::testing::Product;
use serde_json::{Value, json};

use super::server::{Server, error, line};

async fn index_with(server: &Server, field: Value) -> String {
    server.index(json!({ "mappings": { "properties": { "f": field } } })).await
}

pub(super) async fn a_value_of_another_type_condemns_its_document_alone(server: &Server) {
    for (kind, value, cause) in [
        ("long", json!("abc"), "For input string: \"abc\""),
        ("long", json!(true), "not numeric"),
        ("long", json!(1e19), "out of range of"),
        ("byte", json!(300), "Value [300] is out of range for a byte"),
        ("double", json!("x"), "For input string: \"x\""),
        ("boolean", json!("abc"), "Failed to parse value [abc] as only [true] or [false]"),
        ("boolean", json!(1), "not of boolean type"),
        ("date", json!("abc"), "failed to parse date field [abc] with format"),
        ("date", json!(""), "cannot parse empty date"),
        ("date", json!({ "x": 1 }), ""),
        ("ip", json!("abc"), "'abc' is not an IP string literal."),
        ("keyword", json!({ "x": 1 }), ""),
    ] {
        let index = index_with(server, json!({ "type": kind })).await;
        let lines = [
            line("index", &index, "bad", 1),
            json!({ "f": value }),
            line("index", &index, "good", 1),
            json!({}),
        ];

        let items = server.items(&lines).await;

        let (bad, good) = (&items[0], &items[1]);
        assert_eq!((bad.status, good.status), (400, 201), "{kind} {value}: {bad:?}");
        assert_eq!(bad.kind, server.product.document_error(), "{bad:?}");
        let words =
            format!("failed to parse field [f] of type [{kind}] in document with id 'bad'.");
        assert!(bad.reason.contains(&words), "{bad:?}");
        let found = bad.whole["error"]["caused_by"]["reason"].as_str().unwrap();
        assert!(found.contains(cause), "{kind} {value}: {found}");
    }
}

pub(super) async fn a_value_that_can_be_read_as_the_type_is_taken(server: &Server) {
    for (kind, value) in [
        ("long", json!(1.5)),
        ("long", json!("5")),
        ("long", json!("")),
        ("long", json!([1, 2])),
        ("long", Value::Null),
        ("boolean", json!("true")),
        ("date", json!(12345)),
        ("date", json!("2024-02-29T12:00:00.123Z")),
        ("ip", json!("::1")),
        ("keyword", json!(5)),
        ("double", json!("1e3")),
    ] {
        let index = index_with(server, json!({ "type": kind })).await;
        let item = server.write(&index, "1", (1, json!({ "f": value }))).await;
        assert_eq!(item.status, 201, "{kind} {value}: {item:?}");
    }
}

pub(super) async fn ignore_malformed_takes_it(server: &Server) {
    let index = index_with(server, json!({ "type": "long", "ignore_malformed": true })).await;

    assert_eq!(server.write(&index, "1", (1, json!({ "f": "abc" }))).await.status, 201);

    let (_, document) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(document["_source"]["f"], "abc");
}

pub(super) async fn an_object_is_no_value(server: &Server) {
    let index = index_with(server, json!({ "type": "object" })).await;

    let item = server.write(&index, "1", (1, json!({ "f": 5 }))).await;

    assert_eq!((item.status, &*item.kind), (400, server.product.document_error()));
    let words = "object mapping for [f] tried to parse field [f] as object, but found a concrete \
                 value";
    assert!(item.reason.contains(words), "{item:?}");
}

pub(super) async fn strict_refuses_what_it_does_not_know(server: &Server) {
    let index = server.index(json!({ "mappings": { "dynamic": "strict" } })).await;

    let item = server.write(&index, "1", (1, json!({ "x": 5 }))).await;

    assert_eq!((item.status, &*item.kind), (400, "strict_dynamic_mapping_exception"));
    let words = "mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed";
    assert!(item.reason.contains(words), "{item:?}");
}

pub(super) async fn without_dynamic_nothing_is_guessed(server: &Server) {
    let index = server.index(json!({ "mappings": { "dynamic": false } })).await;

    assert_eq!(server.write(&index, "1", (1, json!({ "x": { "y": 5 } }))).await.status, 201);

    let (_, answer) = server.call("GET", &format!("/{index}/_mapping"), None).await;
    assert_eq!(answer[&index], json!({ "mappings": { "dynamic": "false" } }));
    let (_, document) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(document["_source"], json!({ "x": { "y": 5 } }));
}

pub(super) async fn dynamic_guesses(server: &Server) {
    let index = server.index(json!({})).await;
    let document = json!({
        "text": "abc", "date": "2024-01-01", "whole": 1, "fraction": 1.5, "flag": true,
        "object": { "x": 1 }, "list": [null, 2], "null": null, "empty": [], "none": {},
    });

    assert_eq!(server.write(&index, "1", (1, document)).await.status, 201);

    let (_, answer) = server.call("GET", &format!("/{index}/_mapping"), None).await;
    let keyword = json!({ "type": "keyword", "ignore_above": 256 });
    let expected = json!({
        "text": { "type": "text", "fields": { "keyword": keyword } },
        "date": { "type": "date" },
        "whole": { "type": "long" },
        "fraction": { "type": "float" },
        "flag": { "type": "boolean" },
        "object": { "properties": { "x": { "type": "long" } } },
        "list": { "type": "long" },
        "none": { "type": "object" },
    });
    assert_eq!(answer[&index]["mappings"]["properties"], expected);
}

pub(super) async fn fields_have_a_limit(server: &Server) {
    let body = json!({
        "settings": { "index.mapping.total_fields.limit": 3 },
        "mappings": { "properties": {
            "a": { "type": "long" },
            "b": { "properties": { "c": { "type": "long" } } },
        } },
    });
    let index = server.index(body).await;
    let more = json!({ "properties": { "d": { "type": "long" } } });

    let (status, answer) = server.call("PUT", &format!("/{index}/_mapping"), Some(more)).await;
    let item = server.write(&index, "1", (1, json!({ "e": 1 }))).await;

    let words = "Limit of total fields [3] has been exceeded";
    assert_eq!((status, error(&answer)), (400, ("illegal_argument_exception", words)));
    // Where documents add fields, newer Elasticsearch says that it is the document's fault.
    let is_documents = !server.product.is_opensearch() && server.product != Product::Elasticsearch7;
    let kind =
        if is_documents { "document_parsing_exception" } else { "illegal_argument_exception" };
    assert_eq!((item.status, &*item.kind), (400, kind), "{item:?}");
    assert!(item.reason.contains(words), "{item:?}");
    // What brings nothing new is still taken.
    assert_eq!(server.write(&index, "2", (1, json!({ "a": 1 }))).await.status, 201);
}

pub(super) async fn a_field_keeps_its_type(server: &Server) {
    let index = index_with(server, json!({ "type": "long" })).await;
    let path = format!("/{index}/_mapping");
    for (field, words) in [
        (
            json!({ "type": "keyword" }),
            "mapper [f] cannot be changed from type [long] to [keyword]",
        ),
        (
            json!({ "properties": {} }),
            "can't merge a non object mapping [f] with an object mapping",
        ),
        (json!({ "type": "long", "index": false }), "Cannot update parameter [index]"),
    ] {
        let body = json!({ "properties": { "f": field, "g": { "type": "long" } } });
        let (status, answer) = server.call("PUT", &path, Some(body)).await;
        let (kind, reason) = error(&answer);
        assert_eq!((status, kind), (400, "illegal_argument_exception"), "{answer}");
        assert!(reason.contains(words), "{reason}");
    }

    let (_, answer) = server.call("GET", &path, None).await;
    assert_eq!(answer[&index]["mappings"]["properties"], json!({ "f": { "type": "long" } }));
}

/// How the sink finds out that there is no `unsigned_long`.
pub(super) async fn an_unknown_type_is_named(server: &Server) {
    let body = json!({ "mappings": { "properties": { "f": { "type": "nonsense" } } } });
    let name = server.new_name();

    let (status, answer) = server.call("PUT", &format!("/{name}"), Some(body)).await;

    assert_eq!((status, error(&answer).0), (400, "mapper_parsing_exception"));
    assert!(error(&answer).1.contains("type [nonsense] declared on field [f]"), "{answer}");
}

pub(super) async fn a_term_has_a_limit(server: &Server) {
    let index = index_with(server, json!({ "type": "keyword" })).await;
    let short = index_with(server, json!({ "type": "keyword", "ignore_above": 256 })).await;
    let row = || json!({ "f": "z".repeat(40_000) });

    let item = server.write(&index, "1", (1, row())).await;

    assert_eq!(item.status, 400, "{item:?}");
    let words = "Document contains at least one immense term";
    if server.product.is_opensearch() || server.product == Product::Elasticsearch7 {
        // As for much else that is not the document's fault: only the words tell.
        assert_eq!(item.kind, "illegal_argument_exception");
        assert!(item.reason.starts_with(words), "{item:?}");
    } else {
        assert_eq!(item.kind, "document_parsing_exception");
        let cause = item.whole["error"]["caused_by"]["reason"].as_str().unwrap();
        assert!(cause.starts_with(words), "{cause}");
    }
    assert_eq!(server.write(&short, "1", (1, row())).await.status, 201);
}

pub(super) async fn meta_is_replaced_as_a_whole(server: &Server) {
    let index = server.index(json!({ "mappings": { "_meta": { "a": 1, "b": 1 } } })).await;
    let path = format!("/{index}/_mapping");

    server.call("PUT", &path, Some(json!({ "_meta": { "b": 2 } }))).await;
    let (_, replaced) = server.call("GET", &path, None).await;
    server.call("PUT", &path, Some(json!({ "properties": { "f": { "type": "long" } } }))).await;
    let (_, kept) = server.call("GET", &path, None).await;

    assert_eq!(replaced[&index]["mappings"]["_meta"], json!({ "b": 2 }));
    assert_eq!(kept[&index]["mappings"]["_meta"], json!({ "b": 2 }));
}
