//! All documents of an index, their values as text.

use std::collections::{BTreeMap, HashMap};

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::OracleError;

/// Documents of one answer; Elasticsearch's own limit is 10,000.
const PAGE: usize = 2_000;

/// A document: its fields with their text.
pub(super) type Document = BTreeMap<String, Box<RawValue>>;

/// An index as it is at one moment.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The documents by their ids.
    pub(super) documents: HashMap<String, Document>,
    /// `properties` of its mapping.
    properties: Value,
}

#[derive(Deserialize)]
struct Page {
    pit_id: String,
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Document,
    sort: Vec<Value>,
}

#[derive(Deserialize)]
struct PointInTime {
    id: String,
}

/// The requests about one index.
struct Requests<'a> {
    client: Client,
    url: &'a str,
    index: &'a str,
}

impl Index {
    /// Reads an index after a refresh. One that does not exist is empty.
    pub(super) async fn read(url: &str, index: &str) -> Result<Self, OracleError> {
        let requests = Requests { client: Client::new(), url, index };
        if !requests.refresh().await? {
            return Ok(Self::default());
        }
        let mapping: Value = requests.answer(requests.client.get(requests.of("_mapping"))).await?;
        let properties = mapping.get(index).and_then(|index| index.pointer("/mappings/properties"));
        let mut read =
            Self { documents: HashMap::new(), properties: properties.cloned().unwrap_or_default() };
        let open = requests.client.post(requests.of("_pit?keep_alive=1m"));
        let mut point = requests.answer::<PointInTime>(open).await?.id;
        let mut after = Value::Null;
        loop {
            let page: Page = requests.answer(requests.page(&point, &after)).await?;
            point = page.pit_id;
            let Some(last) = page.hits.hits.last() else { break };
            after = Value::Array(last.sort.clone());
            read.documents.extend(page.hits.hits.into_iter().map(|hit| (hit.id, hit.source)));
        }
        let close = requests.client.delete(format!("{url}/_pit")).json(&json!({ "id": point }));
        let _closed: Value = requests.answer(close).await?;
        Ok(read)
    }

    /// Whether JSON of a field is kept and not indexed, and so may be any value.
    pub(super) fn takes_any_json(&self, field: &str) -> bool {
        let enabled = self.properties.get(field).and_then(|property| property.get("enabled"));
        enabled.and_then(Value::as_bool) == Some(false)
    }
}

/// How many documents an index has, after a refresh.
pub(super) async fn document_count(url: &str, index: &str) -> Result<u64, OracleError> {
    let requests = Requests { client: Client::new(), url, index };
    if !requests.refresh().await? {
        return Ok(0);
    }
    let answer: Value = requests.answer(requests.client.get(requests.of("_count"))).await?;
    answer.get("count").and_then(Value::as_u64).ok_or_else(|| requests.unexpected(&answer))
}

impl Requests<'_> {
    /// Makes all documents visible; says whether the index exists.
    async fn refresh(&self) -> Result<bool, OracleError> {
        let sent = self.client.post(self.of("_refresh")).send().await;
        let answer = sent.map_err(|source| self.failed(source))?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        answer.error_for_status().map(|_| true).map_err(|source| self.failed(source))
    }

    fn page(&self, point: &str, after: &Value) -> reqwest::RequestBuilder {
        let mut body = json!({
            "size": PAGE,
            "pit": { "id": point, "keep_alive": "1m" },
            "sort": ["_shard_doc"],
            "track_total_hits": false,
        });
        if let (Some(body), false) = (body.as_object_mut(), after.is_null()) {
            body.insert("search_after".to_owned(), after.clone());
        }
        self.client.post(format!("{}/_search", self.url)).json(&body)
    }

    /// Sends a request and reads its answer, or what was answered instead.
    async fn answer<T: serde::de::DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, OracleError> {
        let answer = request.send().await.map_err(|source| self.failed(source))?;
        let text = answer.text().await.map_err(|source| self.failed(source))?;
        serde_json::from_str(&text).map_err(|_| self.unexpected(&text))
    }

    fn of(&self, what: &str) -> String {
        format!("{}/{}/{what}", self.url, self.index)
    }

    fn failed(&self, source: reqwest::Error) -> OracleError {
        OracleError::Elasticsearch { index: self.index.to_owned(), source }
    }

    fn unexpected(&self, found: &impl ToString) -> OracleError {
        OracleError::Answer { index: self.index.to_owned(), found: found.to_string() }
    }
}
