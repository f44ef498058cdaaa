//! All documents of a table with their versions, page by page, as of one moment.
//!
//! A point in time and `search_after`: nothing is kept here but one page. `_version` cannot be
//! queried, so each document is looked at.
//! <https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results>

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::bulk::error_kind;
use crate::client::{Answer, EsClient, Method, NoAnswer, Request};
use crate::document::soft::DELETED_FIELD;
use crate::error::SinkError;
use crate::mapping::TOPIC_FIELD;
use crate::patience::Patience;

/// Documents of one page: some 100 KB of ids. Elasticsearch's limit is 10,000.
const PAGE: usize = 1_000;
/// How long the server keeps the point in time after each request. The deletes of a page come in
/// between; should they take longer, as in an outage, the scan begins again.
const KEEP_ALIVE: &str = "5m";

const ACTION: &str = "search";

/// A scan under way.
pub(super) struct Scan<'a> {
    client: &'a EsClient,
    index: &'a str,
    wanted: Wanted<'a>,
    api: Api,
    point: String,
    after: Option<Box<RawValue>>,
}

/// Which documents are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Those of a topic, of an index that has others too.
    pub(super) topic: Option<&'a str>,
    /// Those that are not marked as deleted.
    pub(super) unmarked: bool,
}

/// A document that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) routing: Option<String>,
}

/// Elasticsearch and OpenSearch have the same thing under two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Elasticsearch,
    OpenSearch,
}

/// What the next page has brought.
pub(super) enum Scanned {
    /// So many.
    Documents(Vec<Found>),
    /// There are no more.
    End,
    /// The server has forgotten the point in time.
    Lost,
}

#[derive(Deserialize)]
struct Opened {
    #[serde(alias = "pit_id")]
    id: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    pit_id: Option<String>,
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    #[serde(default)]
    hits: Hits,
}

#[derive(Deserialize)]
struct Refreshed {
    #[serde(rename = "_shards")]
    shards: Shards,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}

#[derive(Deserialize, Default)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_version")]
    version: u64,
    #[serde(default, rename = "_routing")]
    routing: Option<String>,
    sort: Box<RawValue>,
}

impl<'a> Scan<'a> {
    /// Fixes the moment. `None` if there is no such index.
    pub(super) async fn open(
        client: &'a EsClient,
        index: &'a str,
        wanted: Wanted<'a>,
    ) -> Result<Option<Self>, SinkError> {
        let mut api = Api::Elasticsearch;
        loop {
            let path = match api {
                Api::Elasticsearch => format!("/{index}/_pit?keep_alive={KEEP_ALIVE}"),
                Api::OpenSearch => {
                    format!("/{index}/_search/point_in_time?keep_alive={KEEP_ALIVE}")
                }
            };
            let answer =
                client.ask(&Request::json(Method::Post, path, None), ACTION, index).await?;
            match (answer.status, serde_json::from_slice::<Opened>(&answer.body)) {
                (200, Ok(Opened { id: point })) => {
                    return Ok(Some(Self { client, index, wanted, api, point, after: None }));
                }
                (404, _) if is_gone(&answer) => return Ok(None),
                // It does not know the path: there is no `error.type`.
                (400 | 404 | 405, _)
                    if api == Api::Elasticsearch && error_kind(&answer.body).is_empty() =>
                {
                    api = Api::OpenSearch;
                }
                _ => return Err(client.refusal(&answer, ACTION, index)),
            }
        }
    }

    /// The next page.
    pub(super) async fn next(&mut self) -> Result<Scanned, SinkError> {
        let path = "/_search?allow_partial_search_results=false&filter_path=pit_id,timed_out,\
                    _shards.failed,hits.hits._id,hits.hits._version,hits.hits._routing,hits.hits.sort";
        let request = Request::json(Method::Post, path.to_owned(), Some(self.body()));
        let mut patience = Patience::with_elasticsearch();
        loop {
            let answer = self.client.ask(&request, ACTION, self.index).await?;
            let page = match (answer.status, serde_json::from_slice::<Page>(&answer.body)) {
                (200, Ok(page)) => page,
                // The node that had it was restarted, or its time was over.
                (404, _) => return Ok(Scanned::Lost),
                _ => return Err(self.client.refusal(&answer, ACTION, self.index)),
            };
            if page.timed_out || page.shards.failed > 0 {
                patience.wait(self.client.urls(), "the search has not reached all shards").await;
                continue;
            }
            return Ok(self.turn(page));
        }
    }

    fn turn(&mut self, page: Page) -> Scanned {
        if let Some(point) = page.pit_id {
            self.point = point;
        }
        let mut documents = Vec::with_capacity(page.hits.hits.len());
        for Hit { id, version, routing, sort } in page.hits.hits {
            documents.push(Found { id, version, routing });
            self.after = Some(sort);
        }
        if documents.is_empty() { Scanned::End } else { Scanned::Documents(documents) }
    }

    fn body(&self) -> String {
        // Both orders are total: OpenSearch has the first one only in its latest versions.
        let order = match self.api {
            Api::Elasticsearch => "_shard_doc",
            Api::OpenSearch => "_id",
        };
        let mut body = Map::from_iter([
            ("size".to_owned(), json!(PAGE)),
            ("pit".to_owned(), json!({ "id": self.point, "keep_alive": KEEP_ALIVE })),
            ("sort".to_owned(), json!([order])),
            ("_source".to_owned(), json!(false)),
            ("version".to_owned(), json!(true)),
            ("track_total_hits".to_owned(), json!(false)),
        ]);
        if let Some(query) = self.wanted.query() {
            body.insert("query".to_owned(), query);
        }
        if let Some(after) = &self.after {
            // Numbers of 64 bits: as they came.
            let after = serde_json::from_str(after.get()).unwrap_or(Value::Null);
            body.insert("search_after".to_owned(), after);
        }
        Value::Object(body).to_string()
    }

    /// Lets the server forget the point in time. What fails here ends with its time.
    pub(super) async fn close(self) {
        let (path, body) = match self.api {
            Api::Elasticsearch => ("/_pit", json!({ "id": self.point })),
            Api::OpenSearch => ("/_search/point_in_time", json!({ "pit_id": [self.point] })),
        };
        let request = Request::json(Method::Delete, path.to_owned(), Some(body.to_string()));
        if let Err(NoAnswer { reason, .. }) = self.client.send(&request).await {
            tracing::debug!(index = self.index, reason, "point in time is not closed");
        }
    }
}

impl Wanted<'_> {
    /// `None` for all of them.
    fn query(&self) -> Option<Value> {
        let topic = self.topic.map(|topic| json!({ "term": { TOPIC_FIELD: topic } }));
        match (topic, self.unmarked) {
            (topic, false) => topic,
            (topic, true) => {
                let marked = json!({ "term": { DELETED_FIELD: true } });
                let filter: Vec<_> = topic.into_iter().collect();
                Some(json!({ "bool": { "filter": filter, "must_not": marked } }))
            }
        }
    }
}

fn is_gone(answer: &Answer) -> bool {
    &*error_kind(&answer.body) == "index_not_found_exception"
}

/// Of an answer to a refresh.
pub(super) fn failed_shards(body: &[u8]) -> Option<u32> {
    serde_json::from_slice::<Refreshed>(body).ok().map(|refreshed| refreshed.shards.failed)
}
