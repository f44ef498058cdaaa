//! What Elasticsearch is asked, and how its answers read.

use serde_json::{Value, json};

use super::DemoError;

/// A question with its answer's form.
pub(super) struct Query {
    /// In words.
    pub(super) what: &'static str,
    /// The index.
    pub(super) index: &'static str,
    /// The body of `_search`.
    pub(super) body: Value,
    /// From the answer to its lines; no lines are no answer.
    lines: fn(&Value) -> Vec<String>,
}

/// All questions: by words, by range, and by sums.
pub(super) fn all() -> [Query; 4] {
    [
        Query {
            what: "full text: products whose description has words that begin with 김치",
            index: "shop.products",
            body: json!({
                "query": { "match_phrase_prefix": { "description": "김치" } },
                "_source": ["name", "price"],
            }),
            lines: |answer| hits(answer, &["name", "price"]),
        },
        Query {
            what: "full text: products about a wooden train",
            index: "shop.products",
            body: json!({
                "query": { "match": { "description": { "query": "wooden train", "operator": "and" } } },
                "_source": ["name", "description"],
            }),
            lines: |answer| hits(answer, &["name", "description"]),
        },
        Query {
            what: "range: orders of 1000 to 1060 since 17:00 on 3 March 2024, the largest first",
            index: "shop.orders",
            body: json!({
                "query": { "bool": { "filter": [
                    { "range": { "total": { "gte": 1000, "lt": 1060 } } },
                    { "range": { "ordered_at": { "gte": "2024-03-03T17:00:00" } } },
                ] } },
                "sort": [{ "total": "desc" }],
                "_source": ["status", "total", "ordered_at"],
            }),
            lines: |answer| hits(answer, &["status", "total", "ordered_at"]),
        },
        Query {
            what: "aggregation: orders and their sum for each status",
            index: "shop.orders",
            body: json!({
                "size": 0,
                "aggs": { "status": {
                    "terms": { "field": "status" },
                    "aggs": { "sum": { "sum": { "field": "total" } } },
                } },
            }),
            lines: sums,
        },
    ]
}

impl Query {
    /// Sends the question and gives the answer's lines.
    pub(super) async fn ask(&self, elasticsearch_url: &str) -> Result<Vec<String>, DemoError> {
        let failed = |source| DemoError::Query { what: self.what, source };
        let url = format!("{elasticsearch_url}/{}/_search", self.index);
        let answer = reqwest::Client::new().post(url).json(&self.body).send().await;
        let answer: Value = answer.map_err(failed)?.json().await.map_err(failed)?;
        let lines = (self.lines)(&answer);
        if lines.is_empty() {
            return Err(DemoError::Nothing { what: self.what, found: answer.to_string() });
        }
        Ok(lines)
    }
}

/// Each document with some of its fields.
fn hits(answer: &Value, fields: &[&str]) -> Vec<String> {
    let hits = answer.pointer("/hits/hits").and_then(Value::as_array);
    let line = |hit: &Value| {
        let id = hit.get("_id").and_then(Value::as_str).unwrap_or_default();
        let source = hit.get("_source");
        let values = fields.iter().map(|field| {
            let value = source.and_then(|source| source.get(*field)).unwrap_or(&Value::Null);
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        });
        format!("{id}: {}", values.collect::<Vec<_>>().join(" | "))
    };
    hits.map(|hits| hits.iter().map(line).collect()).unwrap_or_default()
}

fn sums(answer: &Value) -> Vec<String> {
    let buckets = answer.pointer("/aggregations/status/buckets").and_then(Value::as_array);
    let line = |bucket: &Value| {
        let text = |path: &str| bucket.pointer(path).cloned().unwrap_or_default();
        let (status, orders) = (text("/key"), text("/doc_count"));
        let sum = text("/sum/value").as_f64().unwrap_or_default();
        format!("{}: {orders} orders, {sum:.2}", status.as_str().unwrap_or_default())
    };
    buckets.map(|buckets| buckets.iter().map(line).collect()).unwrap_or_default()
}
