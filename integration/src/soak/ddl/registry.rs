//! What the registry says of the schemas of a run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::SoakError;

/// Longest wait for a registry that is busy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Lets a subject take any schema.
pub(super) async fn allow_all(url: &str, subject: &str) -> Result<(), SoakError> {
    let client = reqwest::Client::new();
    let end = Instant::now() + ANSWERED_WITHIN;
    loop {
        let all = json!({"compatibility": "NONE"});
        let asked = client.put(format!("{url}/config/{subject}")).json(&all).send().await;
        match asked.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// The versions of a subject that do not read what their predecessors wrote.
pub(super) async fn incompatible(url: &str, subject: &str) -> Result<Vec<u64>, SoakError> {
    let client = reqwest::Client::new();
    let ask =
        async |path: String| client.get(format!("{url}/subjects/{subject}{path}")).send().await;
    let listed = ask("/versions".to_owned()).await?;
    if listed.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(Vec::new());
    }
    let versions: Vec<u64> = listed.error_for_status()?.json().await?;
    let mut found = Vec::new();
    for pair in versions.windows(2) {
        let [before, after] = pair else { continue };
        let schema: Value = ask(format!("/versions/{after}")).await?.json().await?;
        let path = format!("{url}/compatibility/subjects/{subject}/versions/{before}");
        let schema = json!({"schema": schema.get("schema").cloned().unwrap_or_default()});
        let answer: Value = client.post(path).json(&schema).send().await?.json().await?;
        if answer.get("is_compatible").and_then(Value::as_bool) != Some(true) {
            found.push(*after);
        }
    }
    Ok(found)
}
