//! What a search sees, and points in time.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::index::{Entry, Place};
use super::refusal::{Refusal, Reply};
use super::state::{Point, State};

const SIZE: u64 = 10;
const RESULT_WINDOW_MAX: u64 = 10_000;

/// A document that fits, in the order of its place.
struct Hit<'a> {
    index: &'a str,
    number: u64,
    place: &'a Place,
    entry: &'a Entry,
}

impl State {
    /// Opens a point in time of what is visible now.
    pub(super) fn open_point(&mut self, names: &str) -> Result<Reply, Refusal> {
        let point = self.point(names)?;
        let id = self.new_name("point");
        self.points.insert(id.clone(), point);
        let key = if self.product.is_opensearch() { "pit_id" } else { "id" };
        let shards = json!({ "total": 1, "successful": 1, "skipped": 0, "failed": 0 });
        Ok((200, json!({ key: id, "_shards": shards })))
    }

    fn point(&self, names: &str) -> Result<Point, Refusal> {
        let mut point = Point { documents: Vec::new(), filter: None };
        for (name, filter) in self.read_indices(names)? {
            if let Some(index) = self.indices.get(&name) {
                point.documents.push((name, index.visible()));
                point.filter = filter;
            }
        }
        Ok(point)
    }

    /// Forgets points in time; the ids are one text or a list.
    pub(super) fn close_points(&mut self, ids: &Value) -> Reply {
        let ids: Vec<_> = match ids {
            Value::Array(ids) => ids.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect(),
        };
        let before = self.points.len();
        ids.iter().for_each(|id| drop(self.points.remove(*id)));
        let freed = before - self.points.len();
        (if freed > 0 { 200 } else { 404 }, json!({ "succeeded": freed > 0, "num_freed": freed }))
    }

    /// `_search`, of indices or of a point in time.
    pub(super) fn search(&mut self, names: Option<&str>, body: &Value) -> Result<Reply, Refusal> {
        self.asked.searches += 1;
        let id = body["pit"]["id"].as_str();
        let found;
        let point = match (id, names) {
            (Some(id), _) => self.points.get(id).ok_or_else(|| {
                let reason = "all shards failed";
                Refusal::new(404, "search_phase_execution_exception", reason)
                    .because("search_context_missing_exception", "No search context found")
            })?,
            (None, names) => {
                found = self.point(names.unwrap_or("_all"))?;
                &found
            }
        };
        let size = body["size"].as_u64().unwrap_or(SIZE);
        if size + body["from"].as_u64().unwrap_or(0) > RESULT_WINDOW_MAX {
            return Err(Refusal::illegal(format!(
                "Result window is too large, from + size must be less than or equal to: \
                 [{RESULT_WINDOW_MAX}]"
            )));
        }
        let order = self.order(&body["sort"], id.is_some())?;
        let mut hits = fitting(point, &body["query"])?;
        if order == Order::Id {
            hits.sort_by(|a, b| a.place.id.cmp(&b.place.id));
        }
        let total = hits.len();
        let after = body["search_after"].get(0);
        hits.retain(|hit| after.is_none_or(|after| hit.is_after(order, after)));
        let from = usize::try_from(body["from"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let hits = hits.into_iter().skip(from).take(size);
        let hits: Vec<_> = hits.map(|hit| hit.to_json(order, body)).collect();
        let mut answer = json!({
            "took": 1,
            "timed_out": false,
            "_shards": { "total": 1, "successful": 1, "skipped": 0, "failed": 0 },
            "hits": { "total": { "value": total, "relation": "eq" }, "hits": hits },
        });
        if let Some(id) = id {
            answer["pit_id"] = json!(id);
        }
        Ok((200, answer))
    }

    /// `_count`.
    pub(super) fn count(&self, names: &str, body: &Value) -> Result<Reply, Refusal> {
        // The filter is of an alias, and is another one for each: none of ours has several.
        let count = fitting(&self.point(names)?, &body["query"])?.len();
        Ok((
            200,
            json!({ "count": count, "_shards": { "total": 1, "successful": 1, "failed": 0 } }),
        ))
    }

    /// `GET index/_doc/id`, which needs no refresh.
    pub(super) fn get(
        &self,
        name: &str,
        (id, routing): (&str, Option<&str>),
    ) -> Result<Reply, Refusal> {
        let index_name = self.write_index(name)?.ok_or_else(|| Refusal::no_index(name))?;
        let index = self.indices.get(&index_name).ok_or_else(|| Refusal::no_index(name))?;
        match index.current(&index.place(id, routing), self.now) {
            Some(Entry { version, sequence, source: Some(source), routing, .. }) => {
                let mut answer = json!({
                    "_index": index_name,
                    "_id": id,
                    "_version": version,
                    "_seq_no": sequence,
                    "_primary_term": 1,
                    "found": true,
                    "_source": source,
                });
                if let Some(routing) = routing {
                    answer["_routing"] = json!(routing);
                }
                Ok((200, answer))
            }
            _ => Ok((404, json!({ "_index": index_name, "_id": id, "found": false }))),
        }
    }

    fn order(&self, sort: &Value, is_point: bool) -> Result<Order, Refusal> {
        let first = match sort {
            Value::Array(fields) => fields.first().unwrap_or(&Value::Null),
            other => other,
        };
        let name = match first {
            Value::Object(field) => field.keys().next().map(String::as_str),
            other => other.as_str(),
        };
        match name {
            None => Ok(Order::None),
            Some("_shard_doc") if is_point && self.product.has_shard_doc() => Ok(Order::Place),
            Some("_id") if self.product.sorts_by_id() => Ok(Order::Id),
            Some("_id") => Err(Refusal::illegal(
                "Fielddata access on the _id field is disallowed, you can re-enable it by \
                 updating the dynamic cluster setting: indices.id_field_data.enabled",
            )),
            Some(name) => {
                let reason = format!("No mapping found for [{name}] in order to sort on");
                Err(Refusal::new(400, "query_shard_exception", reason))
            }
        }
    }
}

/// The order of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Place,
    Id,
}

impl Hit<'_> {
    fn is_after(&self, order: Order, after: &Value) -> bool {
        match order {
            Order::None => true,
            Order::Place => after.as_u64().is_none_or(|after| self.number > after),
            Order::Id => after
                .as_str()
                .is_none_or(|after| self.place.id.as_str().cmp(after) == Ordering::Greater),
        }
    }

    fn to_json(&self, order: Order, body: &Value) -> Value {
        let mut hit = json!({ "_index": self.index, "_id": self.place.id });
        if body["version"] == true {
            hit["_version"] = json!(self.entry.version);
        }
        if let Some(routing) = &self.entry.routing {
            hit["_routing"] = json!(routing);
        }
        if body["_source"] != false {
            hit["_source"] = self.entry.source.clone().unwrap_or_default();
        }
        match order {
            Order::None => {}
            Order::Place => hit["sort"] = json!([self.number]),
            Order::Id => hit["sort"] = json!([self.place.id]),
        }
        hit
    }
}

fn fitting<'a>(point: &'a Point, query: &Value) -> Result<Vec<Hit<'a>>, Refusal> {
    let mut hits = Vec::new();
    let all = point.documents.iter().flat_map(|(index, documents)| {
        documents.iter().map(move |(place, entry)| (index, place, entry))
    });
    let no_query = Value::Null;
    let filter = point.filter.as_ref().unwrap_or(&no_query);
    for (number, (index, place, entry)) in (0_u64..).zip(all) {
        let source = entry.source.as_ref().unwrap_or(&no_query);
        if fits(query, &place.id, source)? && fits(filter, &place.id, source)? {
            hits.push(Hit { index, number, place, entry });
        }
    }
    Ok(hits)
}

/// Whether a document fits a query.
fn fits(query: &Value, id: &str, source: &Value) -> Result<bool, Refusal> {
    let Some((kind, what)) = query.as_object().and_then(|query| query.iter().next()) else {
        return Ok(true);
    };
    let field = what.as_object().and_then(|what| what.iter().next());
    let value = |name: &String| source.pointer(&format!("/{}", name.replace('.', "/")));
    match (kind.as_str(), field) {
        ("match_all", _) => Ok(true),
        ("bool", _) => of_bool(what, id, source),
        ("ids", _) => Ok(what["values"].as_array().into_iter().flatten().any(|value| value == id)),
        ("exists", _) => {
            let name = what["field"].as_str().unwrap_or_default().to_owned();
            Ok(value(&name).is_some_and(|value| !value.is_null()))
        }
        ("term", Some((name, wanted))) => {
            let wanted = wanted.get("value").unwrap_or(wanted);
            Ok(value(name).is_some_and(|value| equals(value, wanted)))
        }
        ("terms", Some((name, wanted))) => {
            let mut wanted = wanted.as_array().into_iter().flatten();
            Ok(wanted.any(|wanted| value(name).is_some_and(|value| equals(value, wanted))))
        }
        _ => {
            let reason = format!("unknown query [{kind}]");
            Err(Refusal::new(400, "parsing_exception", reason))
        }
    }
}

fn of_bool(what: &Value, id: &str, source: &Value) -> Result<bool, Refusal> {
    let fitting = |key: &str| -> Result<(usize, usize), Refusal> {
        let queries = match &what[key] {
            Value::Array(queries) => queries.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let mut count = 0;
        for query in &queries {
            count += usize::from(fits(query, id, source)?);
        }
        Ok((count, queries.len()))
    };
    let (must, filter) = (fitting("must")?, fitting("filter")?);
    let (must_not, should) = (fitting("must_not")?, fitting("should")?);
    let wants_should = should.1 > 0 && must.1 + filter.1 == 0;
    Ok(must.0 == must.1
        && filter.0 == filter.1
        && must_not.0 == 0
        && (should.0 > 0 || !wants_should))
}

fn equals(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| equals(value, wanted)),
        value => value == wanted || super::values::preview(value) == super::values::preview(wanted),
    }
}

/// What is left of an answer by `filter_path`.
pub(super) fn filtered(value: &Value, paths: &[Vec<&str>]) -> Option<Value> {
    if paths.iter().any(Vec::is_empty) {
        return Some(value.clone());
    }
    match value {
        Value::Object(object) => {
            let mut kept = Map::new();
            for (key, value) in object {
                let deeper: Vec<_> = paths
                    .iter()
                    .filter_map(|path| path.split_first())
                    .filter(|(first, _)| super::state::matches(first, key))
                    .map(|(_, rest)| rest.to_vec())
                    .collect();
                if let Some(value) = filtered(value, &deeper).filter(|_| !deeper.is_empty()) {
                    kept.insert(key.clone(), value);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(values) => {
            let kept: Vec<_> = values.iter().filter_map(|value| filtered(value, paths)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
