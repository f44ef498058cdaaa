//! HTTP/1.1 over a real socket: connections can be cut where they are cut in real life.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::rows::{
    FLAT_SCHEMA, FLAT_SCHEMA_ID, KEY_SCHEMA, KEY_SCHEMA_ID, TEXT_SCHEMA, TEXT_SCHEMA_ID,
    VALUE_SCHEMA, VALUE_SCHEMA_ID,
};

/// What goes wrong with one bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is applied, the connection is cut.
    CutBefore,
    /// All is applied, the connection is cut.
    CutAfter,
    /// All is applied, the answer has an item less.
    WrongCount,
    /// Nothing is applied, 503.
    Unavailable,
    /// Each second item is refused with 429, the others are applied.
    ItemsBusy,
    /// Requests of more than one action are too large.
    TooLarge,
    /// Nothing is applied; the answer never comes.
    Hang,
    /// 401.
    WrongPassword,
    /// The first item is refused for its mapping.
    BadDocument,
}

/// What a sweep asks for before it deletes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Refresh,
    Open,
    Search,
}

/// What goes wrong with one of those requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchFault {
    /// The connection is cut.
    Cut,
    /// 429.
    Busy,
    /// 503.
    Unavailable,
    /// An answer without what one of the shards has.
    ShardMissing,
    /// The point in time is forgotten.
    Lost,
}

/// The server. Ends with the value.
pub(crate) struct FakeServer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    indices: HashMap<String, Index>,
    faults: VecDeque<Fault>,
    search_faults: Vec<(Phase, SearchFault)>,
    lacks_unsigned_long: bool,
    is_opensearch: bool,
    bulk_requests: usize,
    /// Largest bulk request; 0 for any.
    max_bytes: usize,
    refused_for_size: usize,
    /// Such a request ends its connection, and nobody is told why.
    cuts_large: bool,
    searches: usize,
    /// Ids, versions and topics as of a moment.
    points: HashMap<String, Vec<(String, u64, Value)>>,
}

#[derive(Default)]
struct Index {
    mapping: Map<String, Value>,
    /// Deleted documents keep their version.
    documents: BTreeMap<String, (u64, Option<Value>)>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let listener = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, state, listener }
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// Each of these goes wrong once.
    pub(crate) fn fail_searches(&self, faults: impl IntoIterator<Item = (Phase, SearchFault)>) {
        self.state.lock().unwrap().search_faults.extend(faults);
    }

    /// Faults that have not happened yet.
    pub(crate) fn faults_left(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.faults.len() + state.search_faults.len()
    }

    /// `http.max_content_length`; 0 for none.
    pub(crate) fn set_max_bytes(&self, bytes: usize) {
        self.state.lock().unwrap().max_bytes = bytes;
    }

    /// Refuses without an answer.
    pub(crate) fn cut_large(&self) {
        self.state.lock().unwrap().cuts_large = true;
    }

    pub(crate) fn refused_for_size(&self) -> usize {
        self.state.lock().unwrap().refused_for_size
    }

    pub(crate) fn be_opensearch(&self) {
        self.state.lock().unwrap().is_opensearch = true;
    }

    pub(crate) fn searches(&self) -> usize {
        self.state.lock().unwrap().searches
    }

    /// Points in time that nobody has closed.
    pub(crate) fn open_points(&self) -> usize {
        self.state.lock().unwrap().points.len()
    }

    /// A document of an index that is there.
    pub(crate) fn put(&self, index: &str, id: &str, version: u64, document: Value) {
        let mut state = self.state.lock().unwrap();
        let documents = &mut state.indices.get_mut(index).unwrap().documents;
        documents.insert(id.to_owned(), (version, Some(document)));
    }

    pub(crate) fn lack_unsigned_long(&self) {
        self.state.lock().unwrap().lacks_unsigned_long = true;
    }

    /// An index that somebody else has made.
    pub(crate) fn create(&self, index: &str, mapping: Value) {
        let mapping = mapping.as_object().unwrap().clone();
        let index_state = Index { mapping, ..Index::default() };
        self.state.lock().unwrap().indices.insert(index.to_owned(), index_state);
    }

    pub(crate) fn mapping(&self, index: &str) -> Value {
        Value::from(self.state.lock().unwrap().indices[index].mapping.clone())
    }

    /// The documents that are there.
    pub(crate) fn documents(&self, index: &str) -> BTreeMap<String, Value> {
        let state = self.state.lock().unwrap();
        let Some(index) = state.indices.get(index) else { return BTreeMap::new() };
        let documents = index.documents.iter();
        documents.filter_map(|(id, (_, doc))| Some((id.clone(), doc.clone()?))).collect()
    }

    /// The version of a document, deleted or not.
    pub(crate) fn version(&self, index: &str, id: &str) -> Option<u64> {
        let state = self.state.lock().unwrap();
        Some(state.indices.get(index)?.documents.get(id)?.0)
    }

    pub(crate) fn has_index(&self, index: &str) -> bool {
        self.state.lock().unwrap().indices.contains_key(index)
    }

    pub(crate) fn bulk_requests(&self) -> usize {
        self.state.lock().unwrap().bulk_requests
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Serves one connection until it ends, or a fault ends it.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut length = 0;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.ok()?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let path = target.split('?').next()?.to_owned();
        let (status, answer) = match (method.as_str(), path.as_str()) {
            ("POST", "/_bulk") => {
                let fault = state.lock().unwrap().faults.pop_front();
                if fault == Some(Fault::Hang) {
                    return std::future::pending().await;
                }
                state.lock().unwrap().bulk(&body, fault)?
            }
            (method, path) => {
                let mut state = state.lock().unwrap();
                match state.search_fault(path) {
                    Some(SearchFault::Cut) => return None,
                    Some(SearchFault::Busy) => (429, json!({})),
                    Some(SearchFault::Unavailable) => (503, json!({})),
                    Some(SearchFault::ShardMissing) => {
                        (200, json!({ "_shards": { "failed": 1 }, "hits": { "hits": [] } }))
                    }
                    Some(SearchFault::Lost) => {
                        (404, json!({ "error": { "type": "search_phase_execution_exception" } }))
                    }
                    None => state.manage(method, path, &body),
                }
            }
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

impl State {
    fn search_fault(&mut self, path: &str) -> Option<SearchFault> {
        let phase = match path.rsplit('/').next()? {
            "_refresh" => Phase::Refresh,
            "_pit" | "point_in_time" => Phase::Open,
            "_search" => Phase::Search,
            _ => return None,
        };
        let number = self.search_faults.iter().position(|(failing, _)| *failing == phase)?;
        Some(self.search_faults.remove(number).1)
    }

    fn search(&mut self, body: &Value) -> (u16, Value) {
        self.searches += 1;
        let id = body["pit"]["id"].as_str().unwrap();
        let Some(point) = self.points.get(id) else {
            return (404, json!({ "error": { "type": "search_phase_execution_exception" } }));
        };
        assert_eq!((&body["_source"], &body["version"]), (&json!(false), &json!(true)));
        let order = if self.is_opensearch { "_id" } else { "_shard_doc" };
        assert_eq!(body["sort"], json!([order]));
        let after = body.get("search_after").map(|after| after[0].as_u64().unwrap());
        let topic = body.pointer("/query/term/__topic");
        let size = usize::try_from(body["size"].as_u64().unwrap()).unwrap();
        let hits: Vec<Value> = (0_u64..)
            .zip(point)
            .filter(|(place, (_, _, of))| {
                after.is_none_or(|after| after < *place) && topic.is_none_or(|topic| topic == of)
            })
            .take(size)
            .map(|(place, (id, version, _))| {
                json!({ "_id": id, "_version": version, "sort": [place] })
            })
            .collect();
        (200, json!({ "pit_id": id, "_shards": { "failed": 0 }, "hits": { "hits": hits } }))
    }

    fn open_point(&mut self, index: &str) -> (u16, Value) {
        let Some(found) = self.indices.get(index) else {
            return (404, json!({ "error": { "type": "index_not_found_exception" } }));
        };
        let documents = found.documents.iter().filter_map(|(id, (version, document))| {
            Some((id.clone(), *version, document.as_ref()?["__topic"].clone()))
        });
        let id = format!("point {}", self.searches);
        self.points.insert(id.clone(), documents.collect());
        let key = if self.is_opensearch { "pit_id" } else { "id" };
        (200, json!({ key: id }))
    }

    fn manage(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let error = |status: u16, kind: &str| (status, json!({ "error": { "type": kind } }));
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if self.lacks_unsigned_long && body.to_string().contains("unsigned_long") {
            let reason = "The mapper type [unsigned_long] declared on field [u] does not exist";
            let error = json!({ "type": "mapper_parsing_exception", "reason": reason });
            return (400, json!({ "error": error }));
        }
        match (method, &*parts) {
            ("GET", ["schemas", "ids", id]) => {
                let schema = match id.parse().unwrap() {
                    KEY_SCHEMA_ID => KEY_SCHEMA,
                    VALUE_SCHEMA_ID => VALUE_SCHEMA,
                    FLAT_SCHEMA_ID => FLAT_SCHEMA,
                    TEXT_SCHEMA_ID => TEXT_SCHEMA,
                    _ => return (404, json!({ "error_code": 40403, "message": "not found" })),
                };
                (200, json!({ "schema": schema }))
            }
            ("GET", [index, "_mapping"]) => match self.indices.get(*index) {
                None => error(404, "index_not_found_exception"),
                Some(found) => (200, json!({ *index: { "mappings": found.mapping } })),
            },
            ("PUT", [index, "_mapping"]) => {
                let mapping = &mut self.indices.get_mut(*index).unwrap().mapping;
                mapping.insert("_meta".to_owned(), body["_meta"].clone());
                let properties = mapping.entry("properties").or_insert(json!({}));
                for (name, property) in body["properties"].as_object().unwrap() {
                    properties[name] = property.clone();
                }
                (200, json!({ "acknowledged": true }))
            }
            ("PUT", [index]) if self.indices.contains_key(*index) => {
                error(400, "resource_already_exists_exception")
            }
            ("PUT", [index]) => {
                let mapping = body["mappings"].as_object().unwrap().clone();
                self.indices.insert((*index).to_owned(), Index { mapping, ..Index::default() });
                (200, json!({ "acknowledged": true }))
            }
            ("POST", [index, "_refresh"]) if self.indices.contains_key(*index) => {
                (200, json!({ "_shards": { "failed": 0 } }))
            }
            ("POST", [_, "_refresh"]) => error(404, "index_not_found_exception"),
            ("POST", [index, "_pit"]) if !self.is_opensearch => self.open_point(index),
            ("POST", [index, "_search", "point_in_time"]) if self.is_opensearch => {
                self.open_point(index)
            }
            ("POST", ["_search"]) => self.search(&body),
            ("DELETE", ["_pit"]) => {
                self.points.remove(body["id"].as_str().unwrap());
                (200, json!({}))
            }
            ("DELETE", ["_search", "point_in_time"]) => {
                self.points.remove(body["pit_id"][0].as_str().unwrap());
                (200, json!({}))
            }
            _ if self.is_opensearch => (400, json!({ "error": "no handler found for uri" })),
            _ => error(400, "unknown_request"),
        }
    }

    /// `None` cuts the connection.
    fn bulk(&mut self, body: &[u8], fault: Option<Fault>) -> Option<(u16, Value)> {
        self.bulk_requests += 1;
        let error = |status: u16, kind: &str| Some((status, json!({ "error": { "type": kind } })));
        let actions = parse_bulk(body);
        if self.max_bytes > 0 && body.len() > self.max_bytes {
            self.refused_for_size += 1;
            if self.cuts_large {
                return None;
            }
            return Some((413, Value::Null));
        }
        match fault {
            Some(Fault::CutBefore) => return None,
            Some(Fault::Unavailable) => return error(503, "unavailable"),
            Some(Fault::WrongPassword) => return error(401, "security_exception"),
            Some(Fault::TooLarge) if actions.len() > 1 => return error(413, "too_large"),
            _ => {}
        }
        let mut items = Vec::new();
        for (number, action) in actions.into_iter().enumerate() {
            let (status, kind) = match fault {
                Some(Fault::ItemsBusy) if number % 2 == 1 => {
                    (429, Some("es_rejected_execution_exception"))
                }
                Some(Fault::BadDocument) if number == 0 => {
                    (400, Some("document_parsing_exception"))
                }
                _ => self.apply(&action),
            };
            let error = kind.map(|kind| json!({ "type": kind }));
            items.push(json!({ action.verb: { "status": status, "error": error } }));
        }
        match fault {
            Some(Fault::CutAfter) => return None,
            Some(Fault::WrongCount) => drop(items.pop()),
            _ => {}
        }
        Some((200, json!({ "errors": true, "items": items })))
    }

    /// As Elasticsearch does with `version_type=external`.
    fn apply(&mut self, action: &Action) -> (u16, Option<&'static str>) {
        let Some(index) = self.indices.get_mut(&action.index) else {
            return (404, Some("index_not_found_exception"));
        };
        let current = index.documents.get(&action.id);
        if current.is_some_and(|(version, _)| *version >= action.version) {
            return (409, Some("version_conflict_engine_exception"));
        }
        let existed = current.is_some_and(|(_, document)| document.is_some());
        index.documents.insert(action.id.clone(), (action.version, action.document.clone()));
        match (&action.document, existed) {
            (Some(_), true) | (None, true) => (200, None),
            (Some(_), false) => (201, None),
            (None, false) => (404, None),
        }
    }
}

struct Action {
    verb: String,
    index: String,
    id: String,
    version: u64,
    document: Option<Value>,
}

fn parse_bulk(body: &[u8]) -> Vec<Action> {
    assert!(body.ends_with(b"\n"));
    let mut lines = str::from_utf8(body).unwrap().lines();
    let mut actions = Vec::new();
    while let Some(line) = lines.next() {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let (verb, header) = line.into_iter().next().unwrap();
        assert_eq!(header["version_type"], "external");
        let document =
            (verb == "index").then(|| serde_json::from_str(lines.next().unwrap()).unwrap());
        actions.push(Action {
            index: header["_index"].as_str().unwrap().to_owned(),
            id: header["_id"].as_str().unwrap().to_owned(),
            version: header["version"].as_u64().unwrap(),
            verb,
            document,
        });
    }
    let mut documents: Vec<_> = actions.iter().map(|action| (&action.index, &action.id)).collect();
    documents.sort_unstable();
    assert!(documents.is_sorted_by(|a, b| a < b), "two actions on one document in one request");
    actions
}
