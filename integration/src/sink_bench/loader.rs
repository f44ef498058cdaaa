//! The bare bulk loader.

use bytes::Bytes;
use reqwest::Client;
use serde_json::{Value, json};

use super::SinkBenchError;
use super::records::Row;

/// Actions of a request: the sink's default.
const ACTIONS: u64 = 2_000;
/// Requests at once: one for each core of the machine that this is measured on.
const AT_ONCE: usize = 2;

/// The bodies of all requests, with the versions that the sink uses.
pub(super) fn bodies(index: &str, documents: u64) -> Vec<Bytes> {
    let numbers: Vec<u64> = (0..documents).collect();
    let body = |numbers: &[u64]| {
        let mut body = Vec::new();
        for number in numbers {
            let (id, version) = (number, number + 1);
            body.extend_from_slice(
                format!(
                    "{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"{id}\",\"version\":{version},\
                     \"version_type\":\"external\"}}}}\n"
                )
                .as_bytes(),
            );
            Row { id: *number, number: *number }.write_document(&mut body);
            body.push(b'\n');
        }
        Bytes::from(body)
    };
    numbers.chunks(usize::try_from(ACTIONS).unwrap_or(1)).map(body).collect()
}

/// Makes the index as the sink does.
pub(super) async fn create(client: &Client, url: &str, index: &str) -> Result<(), SinkBenchError> {
    let text = json!({
        "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": 256 } },
    });
    let body = json!({
        "settings": { "index": { "gc_deletes": "1h" } },
        "mappings": { "dynamic": false, "properties": {
            "id": { "type": "long" }, "customer": { "type": "long" }, "status": text,
            "email": text, "note": text, "amount": { "type": "double" },
            "created": { "type": "date" },
        } },
    });
    client.put(format!("{url}/{index}")).json(&body).send().await?.error_for_status()?;
    Ok(())
}

/// Sends all of it.
pub(super) async fn load(
    client: &Client,
    url: &str,
    bodies: &[Bytes],
) -> Result<(), SinkBenchError> {
    let half = bodies.len().div_ceil(AT_ONCE);
    let mut senders = Vec::new();
    for part in bodies.chunks(half.max(1)) {
        senders.push(send(client, url, part));
    }
    for sent in futures_util::future::join_all(senders).await {
        sent?;
    }
    Ok(())
}

async fn send(client: &Client, url: &str, bodies: &[Bytes]) -> Result<(), SinkBenchError> {
    for body in bodies {
        let request = client
            .post(format!("{url}/_bulk?filter_path=errors"))
            .header("content-type", "application/x-ndjson")
            .body(body.clone());
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        if answer.get("errors") != Some(&Value::Bool(false)) {
            return Err(SinkBenchError::Unexpected("a document was refused".to_owned()));
        }
    }
    Ok(())
}
