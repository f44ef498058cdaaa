//! The registry's subjects and schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value as Json, json};

use super::recording::Recording;

/// How long a registry that many ask at once may drop connections.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// Confluent's API of the registry.
pub(super) struct RegistryClient {
    url: String,
    client: reqwest::Client,
}

impl RegistryClient {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: reqwest::Client::new() }
    }

    async fn get(&self, path: &str) -> Json {
        answered(self.client.get(format!("{}{path}", self.url))).await.json().await.unwrap()
    }

    /// Registers the recorded schemas in their order; the numbers that they get.
    pub(super) async fn register(&self, recording: &Recording) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut known = BTreeSet::new();
        for (subject, schema) in &recording.schemas {
            let is_new = known.insert(subject);
            let url = format!("{}/subjects/{subject}/versions", self.url);
            let request = self.client.post(url).json(&json!({ "schema": schema }));
            let answer: Json = answered(request).await.json().await.unwrap();
            ids.push(u32::try_from(answer["id"].as_u64().unwrap()).unwrap());
            if is_new {
                self.allow_all(subject).await;
            }
        }
        ids
    }

    /// Lets a subject take versions that are not compatible: Debezium's recordings have some, and
    /// what differs is to be seen and not refused.
    async fn allow_all(&self, subject: &str) {
        let url = format!("{}/config/{subject}", self.url);
        let request = self.client.put(url).json(&json!({ "compatibility": "NONE" }));
        answered(request).await;
    }

    /// How many schemas each of these subjects has. Of a list of all subjects the registry gives the
    /// first thousand only, and other tests have subjects too.
    pub(super) async fn versions(&self, subjects: BTreeSet<&String>) -> BTreeMap<String, usize> {
        let versions = subjects.into_iter().map(async |subject| {
            let versions = self.get(&format!("/subjects/{subject}/versions")).await;
            (subject.clone(), versions.as_array().unwrap().len())
        });
        join_all(versions).await.into_iter().collect()
    }

    /// The text of a schema.
    pub(super) async fn schema(&self, id: u32) -> String {
        let answer = self.get(&format!("/schemas/ids/{id}")).await;
        answer["schema"].as_str().unwrap().to_owned()
    }
}

/// The answer to a request that may be sent again, as all of these: a connection that breaks under
/// it says nothing about what is tested here. A refusal does.
async fn answered(request: RequestBuilder) -> Response {
    let end = Instant::now() + ANSWERED_WITHIN;
    loop {
        match request.try_clone().unwrap().send().await {
            Ok(answer) => return answer.error_for_status().unwrap(),
            Err(error) if Instant::now() >= end => panic!("{error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
