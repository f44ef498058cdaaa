//! Requests as such: their size, their form, and what is said to those that are none.

use serde_json::{Value, json};

use super::server::{BODY_BYTES_MAX, Server, error, gzip, line};

fn body(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

pub(super) async fn a_body_may_be_compressed_and_has_a_limit(server: &Server) {
    let index = server.index(json!({ "mappings": { "dynamic": false } })).await;
    let plain = body(&[line("index", &index, "1", 5), json!({ "n": 1 })]);

    let packed = server.send_bulk("", gzip(&plain), Some("gzip")).await.unwrap();
    let broken = server.send_bulk("", b"nonsense\n".to_vec(), Some("gzip")).await.unwrap();
    let large = [line("index", &index, "2", 5), json!({ "n": "x".repeat(BODY_BYTES_MAX) })];
    let refused = server.send_bulk("", body(&large), None).await;
    // It is the size without the compression that counts.
    let also_refused = server.send_bulk("", gzip(&body(&large)), Some("gzip")).await;
    let path = "?filter_path=errors,items.*.status,items.*.error.type";
    let cut = server.send_bulk(path, plain, None).await.unwrap();

    assert_eq!((packed.0, &packed.1["items"][0]["index"]["status"]), (200, &json!(201)));
    assert_eq!(broken.0, 400);
    for answer in [refused, also_refused] {
        // Some end the connection before the answer has come.
        assert!(answer.as_ref().is_none_or(|(status, _)| *status == 413), "{answer:?}");
    }
    let error = json!({ "type": "version_conflict_engine_exception" });
    let item = json!({ "index": { "status": 409, "error": error } });
    assert_eq!(cut, (200, json!({ "errors": true, "items": [item] })));
}

pub(super) async fn what_cannot_be_read_refuses_the_line_or_the_request(server: &Server) {
    let index = server.index(json!({})).await;
    let good = body(&[line("index", &index, "1", 5), json!({ "n": 1 })]);
    let with = |more: String| [&good[..], more.as_bytes()].concat();
    let header = line("index", &index, "2", 5);
    let long = line("index", &index, &"i".repeat(513), 5);
    let illegal = "illegal_argument_exception";
    for (bad, kind) in [
        (format!("{header}\n{{}}"), illegal),
        (format!("{{\"idx\":{{\"_index\":\"{index}\"}}}}\n{{}}\n"), illegal),
        (format!("{{\"index\":{{\"_index\":\"{index}\",\"nonsense\":1}}}}\n{{}}\n"), illegal),
        (format!("{long}\n{{}}\n"), "action_request_validation_exception"),
    ] {
        let (status, answer) = server.send_bulk("", with(bad.clone()), None).await.unwrap();
        assert_eq!((status, error(&answer).0), (400, kind), "{bad}: {answer}");
    }
    // Nothing of those requests was done.
    let (status, _) = server.call("GET", &format!("/{index}/_doc/1"), None).await;
    assert_eq!(status, 404);

    let broken = with(format!("{header}\n{{\"n\":\n"));
    let (status, answer) = server.send_bulk("", broken, None).await.unwrap();
    assert_eq!((status, &answer["items"][0]["index"]["status"]), (200, &json!(201)), "{answer}");
    let item = &answer["items"][1]["index"];
    assert_eq!(item["status"], 400);
    assert_eq!(item["error"]["type"], server.product.document_error());

    let (status, greeting) = server.call("GET", "/", None).await;
    assert_eq!(status, 200);
    assert_eq!(greeting["version"]["distribution"] == "opensearch", server.product.is_opensearch());
    assert!(greeting["version"]["number"].is_string());
    let (status, answer) = server.call("POST", "/_nonsense/x", None).await;
    assert_eq!(status, 400);
    assert!(answer["error"].is_string(), "{answer}");
}
