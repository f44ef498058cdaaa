//! What only the fake can do. What it has in common with real servers is asked in `integration`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;

/// Sends a request in a connection of its own.
async fn open(server: &FakeServer, (method, path): (&str, &str), body: &str) -> TcpStream {
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nauthorization: ApiKey good\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The status and the body; what there is of them when the connection ends.
async fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.rsplit_once("content-length: ").unwrap().1.parse().unwrap();
            if body.len() >= length {
                break;
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => break,
            Ok(count) => text.push_str(str::from_utf8(&part[..count]).unwrap()),
        }
    }
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

async fn bulk(server: &FakeServer, ids: &[(&str, u64)]) -> TcpStream {
    let lines = ids.iter().map(|(id, version)| {
        let header =
            json!({ "_index": "i", "_id": id, "version": version, "version_type": "external" });
        format!("{}\n{}\n", json!({ "index": header }), json!({ "v": version }))
    });
    open(server, ("POST", "/_bulk"), &lines.collect::<String>()).await
}

async fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "waited for 30 s");
        tokio::task::yield_now().await;
    }
}

/// A zombie: its client has given up and has sent something newer. Versions keep that.
#[tokio::test]
async fn a_request_that_is_held_is_applied_though_its_client_is_gone() {
    let server = FakeServer::start().await;
    server.hold();
    let old = bulk(&server, &[("1", 5), ("2", 5)]).await;
    until(|| server.held() == 1).await;
    assert_eq!(server.actions(), 0);

    drop(old);
    until(|| server.state().asked.under_way.0 == 0).await;
    let new = bulk(&server, &[("1", 6)]).await;
    until(|| server.held() == 2).await;
    server.release();

    assert_eq!(answer(new).await.0, 200);
    until(|| server.actions() == 3).await;
    assert_eq!((server.version("i", "1"), server.version("i", "2")), (Some(6), Some(5)));
    assert_eq!((server.most_requests(), server.most_actions_on_one_document()), (1, 1));
}

#[tokio::test]
async fn two_actions_on_one_document_are_counted() {
    let server = FakeServer::start().await;
    server.hold();
    let (first, second) = (bulk(&server, &[("1", 5)]).await, bulk(&server, &[("1", 6)]).await);
    until(|| server.held() == 2).await;

    assert_eq!(server.most_actions_on_one_document(), 2);

    server.release();
    assert_eq!((answer(first).await.0, answer(second).await.0), (200, 200));
    // So that the server may end: elsewhere this is a failure.
    server.state().asked.most_on_one = 1;
}

#[tokio::test]
async fn each_fault_is_what_it_says() {
    for (fault, status, applied, words) in [
        (Fault::CutBefore, 0, 0, ""),
        (Fault::CutAfter, 0, 2, ""),
        (Fault::CutWithin, 200, 2, "\"errors\":false"),
        (Fault::WrongCount, 200, 2, "\"items\":[{"),
        (Fault::WrongOrder, 200, 2, "\"items\":[{\"index\":{\"_index\":\"i\",\"_id\":\"2\""),
        (Fault::Unavailable, 503, 0, "unavailable"),
        (Fault::BadGateway, 502, 0, "<html>"),
        (Fault::Html, 200, 0, "<html>"),
        (Fault::Busy, 429, 0, "es_rejected_execution_exception"),
        (Fault::CircuitBreaker, 429, 0, "circuit_breaking_exception"),
        (Fault::ItemsBusy, 200, 1, "\"status\":429"),
        (Fault::ItemsUnavailable, 200, 1, "unavailable_shards_exception"),
        (Fault::ItemsFail, 200, 1, "\"status\":500"),
        (Fault::TooLarge, 413, 0, "too_large"),
        (Fault::WrongPassword, 401, 0, "security_exception"),
        (Fault::BadDocument, 200, 1, "document_parsing_exception"),
    ] {
        let server = FakeServer::start().await;
        server.fail([fault]);

        let (found, body) = answer(bulk(&server, &[("1", 5), ("2", 6)]).await).await;

        assert_eq!((found, server.documents("i").len()), (status, applied), "{fault:?}: {body}");
        assert!(body.contains(words), "{fault:?}: {body}");
        let is_whole = serde_json::from_str::<Value>(&body).is_ok();
        assert_eq!(is_whole, status != 0 && fault != Fault::CutWithin && !body.contains("<html>"));
        let again = answer(bulk(&server, &[("3", 7)]).await).await;
        assert_eq!((again.0, server.faults_left()), (200, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn time_passes_only_when_it_is_told_to() {
    let server = FakeServer::start().await;
    server.create("i", json!({}));
    answer(bulk(&server, &[("1", 5)]).await).await;
    assert_eq!((server.visible("i").len(), server.documents("i").len()), (0, 1));

    server.advance(Duration::from_secs(1));
    assert_eq!(server.visible("i").len(), 1);

    server.set("i", "refresh_interval", Some("-1"));
    answer(bulk(&server, &[("2", 5)]).await).await;
    server.advance(Duration::from_secs(3600));
    assert_eq!(server.visible("i").len(), 1);
}

#[tokio::test]
async fn who_does_not_log_in_is_refused() {
    let server = FakeServer::start().await;
    server.ask_for_login("ApiKey good");
    assert_eq!(answer(open(&server, ("GET", "/"), "").await).await.0, 200);

    server.ask_for_login("ApiKey other");
    let (status, body) = answer(open(&server, ("GET", "/"), "").await).await;

    assert_eq!(status, 401);
    assert!(body.contains("security_exception"), "{body}");
    assert_eq!(server.calls(), [("GET /".to_owned(), 2)].into());
}
