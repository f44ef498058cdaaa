//! Bulk requests: their lines, and what becomes of each action.

use serde_json::{Map, Value, json};

use super::faults::Fault;
use super::http::Request;
use super::index::{Versioning, Written};
use super::manage;
use super::mapping::{self, fields_max};
use super::refusal::Refusal;
use super::state::State;

const ID_BYTES_MAX: usize = 512;

/// The parameters of an action.
const PARAMETERS: [&str; 12] = [
    "_index",
    "_id",
    "routing",
    "version",
    "version_type",
    "require_alias",
    "pipeline",
    "dynamic_templates",
    "list_executed_pipelines",
    "if_seq_no",
    "if_primary_term",
    "retry_on_conflict",
];

/// One action of a request.
#[derive(Debug, Clone)]
pub(super) struct Action {
    pub(super) verb: String,
    pub(super) index: String,
    pub(super) id: Option<String>,
    routing: Option<String>,
    versioning: Versioning,
    requires_alias: bool,
    pipeline: Option<String>,
    /// What its line says.
    pub(super) header: Value,
    /// None for a delete, and for a document that cannot be read.
    source: Option<Value>,
}

impl Action {
    /// What the request says for all of its actions that say nothing themselves.
    pub(super) fn take_defaults(&mut self, request: &Request) {
        let text = |key: &str| request.query(key).map(str::to_owned);
        self.requires_alias |= request.query("require_alias") == Some("true");
        self.pipeline = self.pipeline.take().or_else(|| text("pipeline"));
        self.routing = self.routing.take().or_else(|| text("routing"));
    }

    pub(super) fn document(&self) -> (String, String) {
        (self.index.clone(), self.id.clone().unwrap_or_default())
    }
}

/// Reads the lines of a request to `index`, if its path names one. An error refuses all of it.
pub(super) fn parse(body: &[u8], index: Option<&str>) -> Result<Vec<Action>, Refusal> {
    if !body.ends_with(b"\n") {
        let reason = "The bulk request must be terminated by a newline [\\n]";
        return Err(Refusal::illegal(reason));
    }
    let mut lines = body.split(|byte| *byte == b'\n').enumerate();
    let mut actions = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let mut action = header(line, number + 1, index)?;
        if action.verb != "delete" {
            let document = lines.next().map(|(_, line)| line).unwrap_or_default();
            action.source = serde_json::from_slice(document).ok();
        }
        actions.push(action);
    }
    if actions.is_empty() {
        return Err(Refusal::invalid_request("no requests added"));
    }
    Ok(actions)
}

fn header(line: &[u8], number: usize, index: Option<&str>) -> Result<Action, Refusal> {
    let malformed = |words: String| {
        Refusal::illegal(format!("Malformed action/metadata line [{number}], {words}"))
    };
    let line: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
    let (verb, header) =
        line.into_iter().next().ok_or_else(|| malformed("expected FIELD_NAME".to_owned()))?;
    if !["create", "delete", "index", "update"].contains(&verb.as_str()) {
        return Err(malformed(format!(
            "expected field [create], [delete], [index] or [update] but found [{verb}]"
        )));
    }
    let unknown = |key: &&String| !PARAMETERS.contains(&key.as_str());
    if let Some(key) = header.as_object().into_iter().flatten().map(|(key, _)| key).find(unknown) {
        return Err(Refusal::illegal(format!(
            "Action/metadata line [{number}] contains an unknown parameter [{key}]"
        )));
    }
    let text = |key: &str| header[key].as_str().map(str::to_owned);
    let index = text("_index").or_else(|| index.map(str::to_owned));
    let index = index.ok_or_else(|| Refusal::invalid_request("index is missing"))?;
    let id = text("_id");
    if id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return Err(Refusal::invalid_request(&format!(
            "id is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {}",
            id.map(|id| id.len()).unwrap_or_default()
        )));
    }
    Ok(Action {
        versioning: versioning(&verb, &header, id.is_some())?,
        verb,
        index,
        id,
        routing: text("routing"),
        requires_alias: header["require_alias"] == true,
        pipeline: text("pipeline"),
        header,
        source: None,
    })
}

/// How the version of an action is judged.
pub(super) fn versioning(verb: &str, header: &Value, has_id: bool) -> Result<Versioning, Refusal> {
    let (kind, version) = (header["version_type"].as_str(), &header["version"]);
    let is_external = !matches!(kind, None | Some("internal"));
    if verb == "update" && (is_external || !version.is_null()) {
        return Err(Refusal::illegal(
            "Update requests do not support versioning. Please use `if_seq_no` and \
             `if_primary_term` instead",
        ));
    }
    if verb == "create" && is_external {
        return Err(Refusal::invalid_request(
            "create operations only support internal versioning. use index instead",
        ));
    }
    if !is_external && !version.is_null() {
        return Err(Refusal::invalid_request(
            "internal versioning can not be used for optimistic concurrency control. Please use \
             `if_seq_no` and `if_primary_term` instead",
        ));
    }
    if !is_external {
        return Ok(if verb == "create" { Versioning::Create } else { Versioning::Internal });
    }
    if !has_id {
        let reason = "an id must be provided if version type or value are set";
        return Err(Refusal::invalid_request(reason));
    }
    if version.as_u64().is_some_and(|version| i64::try_from(version).is_err()) {
        let reason = format!("Numeric value ({version}) out of range of long");
        return Err(Refusal::new(400, "x_content_parse_exception", reason));
    }
    let kind = kind.unwrap_or_default();
    match (kind, version.as_u64()) {
        ("external" | "external_gt", Some(version)) => Ok(Versioning::External(version)),
        ("external_gte", Some(version)) => Ok(Versioning::ExternalGte(version)),
        ("external" | "external_gt" | "external_gte", None) => {
            let version = version.as_i64().unwrap_or(-3);
            let kind = kind.to_uppercase();
            Err(Refusal::invalid_request(&format!(
                "illegal version value [{version}] for version type [{kind}]"
            )))
        }
        (other, _) => Err(Refusal::illegal(format!("No version type match [{other}]"))),
    }
}

impl State {
    /// Does what a request says, and gives its items. A fault may be for some of them.
    pub(super) fn bulk(&mut self, actions: Vec<Action>, fault: Option<Fault>) -> Value {
        self.asked.actions += actions.len();
        let lines = actions.iter().map(|action| (action.document(), action.header.clone()));
        self.asked.lines.extend(lines);
        let mut items = Vec::new();
        for (number, action) in actions.into_iter().enumerate() {
            let (index, id) = action.document();
            let verb = action.verb.clone();
            let done = match fault.and_then(|fault| item_fault(fault, number)) {
                Some(refusal) => Err(refusal),
                None => self.apply(action),
            };
            let item = match done {
                Ok(done) => {
                    self.asked.applied += 1;
                    done
                }
                Err(refusal) => {
                    let (status, error) = (refusal.status, refusal.error());
                    json!({ "_index": index, "_id": id, "status": status, "error": error })
                }
            };
            items.push(json!({ verb: item }));
        }
        match fault {
            Some(Fault::WrongCount) => drop(items.pop()),
            Some(Fault::WrongOrder) => items.reverse(),
            _ => {}
        }
        let has_errors = items.iter().any(|item| {
            item.pointer("/index/error").is_some()
                || item.pointer("/delete/error").is_some()
                || item.pointer("/create/error").is_some()
                || item.pointer("/update/error").is_some()
        });
        json!({ "took": 1, "errors": has_errors, "items": items })
    }

    fn apply(&mut self, action: Action) -> Result<Value, Refusal> {
        let name = &action.index;
        if action.requires_alias && !self.is_alias(name) {
            return Err(Refusal::new(
                404,
                "index_not_found_exception",
                format!(
                    "no such index [{name}] and [require_alias] request flag is [true] and \
                     [{name}] is not an alias"
                ),
            ));
        }
        let (product, now) = (self.product, self.now);
        let index_name = self.index_for(name, &action.verb)?;
        let source = self.source_of(&action, &index_name)?;
        let id = match &action.id {
            Some(id) if id.is_empty() => {
                return Err(Refusal::illegal("if _id is specified it must not be empty"));
            }
            Some(id) => id.clone(),
            None => self.new_name("generated"),
        };
        let index =
            self.indices.get_mut(&index_name).ok_or_else(|| Refusal::no_index(&index_name))?;
        if let Some(refusal) = index.block(&index_name) {
            return Err(refusal);
        }
        if let Some(source) = &source {
            let fields_max = fields_max(index.settings.get("mapping.total_fields.limit"));
            if index.is_stream && source.get("@timestamp").is_none_or(Value::is_null) {
                let reason = "data stream timestamp field [@timestamp] is missing";
                return Err(Refusal::new(400, product.document_error(), "failed to parse")
                    .because("illegal_argument_exception", reason));
            }
            mapping::take_document(product, &mut index.mapping, (&id, source), fields_max)?;
        }
        let place = index.place(&id, action.routing.as_deref());
        let written = index.write(place, (source, action.routing), action.versioning, now)?;
        Ok(done(&index_name, &id, &written))
    }

    /// The document of an action, with what a pipeline makes of it and what an update leaves.
    fn source_of(&self, action: &Action, index_name: &str) -> Result<Option<Value>, Refusal> {
        if action.verb == "delete" {
            return Ok(None);
        }
        let Some(source) = &action.source else {
            let kind = self.product.document_error();
            return Err(Refusal::new(400, kind, "failed to parse")
                .because("x_content_e_o_f_exception", "Unexpected end of file"));
        };
        let mut source = source.clone();
        let index = self.indices.get(index_name);
        if action.verb == "update" {
            source = self.updated(action, index_name, &source)?;
        }
        let default = index.and_then(|index| index.settings.get("default_pipeline"));
        let pipeline = action.pipeline.as_ref().or(default).filter(|name| *name != "_none");
        if let Some(name) = pipeline {
            let fields = self.pipelines.get(name).ok_or_else(|| {
                Refusal::illegal(format!("pipeline with id [{name}] does not exist"))
            })?;
            for (key, value) in fields {
                source[key] = value.clone();
            }
        }
        Ok(Some(source))
    }

    fn updated(&self, action: &Action, index: &str, body: &Value) -> Result<Value, Refusal> {
        let id = action.id.clone().unwrap_or_default();
        let current = self.indices.get(index).and_then(|found| {
            let place = found.place(&id, action.routing.as_deref());
            found.current(&place, self.now)?.source.clone()
        });
        match (current, &body["upsert"]) {
            (Some(Value::Object(mut fields)), _) => {
                fields.extend(body["doc"].as_object().cloned().unwrap_or_default());
                Ok(Value::Object(fields))
            }
            (_, Value::Object(_)) => Ok(body["upsert"].clone()),
            _ if body["doc_as_upsert"] == true => Ok(body["doc"].clone()),
            _ => {
                let reason = format!("[{id}]: document missing");
                Err(Refusal::new(404, "document_missing_exception", reason))
            }
        }
    }

    /// The index that a name stands for; made, if it has to be and may be.
    fn index_for(&mut self, name: &str, verb: &str) -> Result<String, Refusal> {
        let known = self.write_index(name)?;
        let is_stream = self.streams.contains_key(name) || self.makes_stream(name);
        if is_stream && verb != "create" {
            return Err(Refusal::illegal(
                "only write ops with an op_type of create are allowed in data streams",
            ));
        }
        match known {
            Some(index) => Ok(index),
            None if self.refuses_auto_create => Err(Refusal::new(
                404,
                "index_not_found_exception",
                format!("no such index [{name}] and [action.auto_create_index] is [false]"),
            )),
            None if is_stream => Ok(manage::create_stream(self, name)),
            None => {
                manage::create(self, name, &json!({}))?;
                Ok(name.to_owned())
            }
        }
    }
}

/// The item of an action that is done.
pub(super) fn done(index: &str, id: &str, written: &Written) -> Value {
    json!({
        "_index": index,
        "_id": id,
        "_version": written.version,
        "result": written.result,
        "_shards": { "total": 2, "successful": 1, "failed": 0 },
        "_seq_no": written.sequence,
        "_primary_term": 1,
        "status": written.status,
    })
}

/// What a fault does to one item.
fn item_fault(fault: Fault, number: usize) -> Option<Refusal> {
    let (status, kind) = match fault {
        Fault::ItemsBusy if number % 2 == 1 => (429, "es_rejected_execution_exception"),
        Fault::ItemsUnavailable if number % 2 == 1 => (503, "unavailable_shards_exception"),
        Fault::ItemsFail if number % 2 == 1 => (500, "exception"),
        Fault::BadDocument if number == 0 => (400, "document_parsing_exception"),
        Fault::CutBefore
        | Fault::CutAfter
        | Fault::CutWithin
        | Fault::WrongCount
        | Fault::WrongOrder
        | Fault::Unavailable
        | Fault::BadGateway
        | Fault::Html
        | Fault::Busy
        | Fault::CircuitBreaker
        | Fault::ItemsBusy
        | Fault::ItemsUnavailable
        | Fault::ItemsFail
        | Fault::TooLarge
        | Fault::Hang
        | Fault::WrongPassword
        | Fault::BadDocument => return None,
    };
    Some(Refusal::new(status, kind, "asked for by the test"))
}
