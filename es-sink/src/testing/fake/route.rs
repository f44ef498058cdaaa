//! Which request does what.

use serde_json::{Value, json};

use super::bulk::{done, versioning};
use super::http::Request;
use super::manage::{self, acknowledged};
use super::mapping::{self, unknown_type};
use super::product::Product;
use super::refusal::{Refusal, Reply, no_handler};
use super::state::State;

impl State {
    /// Answers a request that is no bulk request.
    pub(super) fn route(&mut self, request: &Request) -> Reply {
        let body = request.json();
        if let Some(text) = self.refused_texts.iter().find(|text| body.to_string().contains(*text))
        {
            return Refusal::illegal(format!("unknown setting [{text}]")).reply();
        }
        if self.lacks_unsigned_long && body.to_string().contains("unsigned_long") {
            return unknown_type(self.product, "u", "unsigned_long").reply();
        }
        let done = match self.cluster(request, &body) {
            Some(done) => done,
            None => self.index_or_none(request, &body),
        };
        done.unwrap_or_else(|refusal| refusal.reply())
    }

    /// Requests that name no index.
    fn cluster(&mut self, request: &Request, body: &Value) -> Option<Result<Reply, Refusal>> {
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(match (request.verb(), &*parts) {
            ("GET", [""]) => Ok((200, self.product.greeting())),
            ("GET", ["schemas", "ids", id]) => Ok(self.schema(id)),
            ("GET", ["subjects", subject, "versions", "latest"]) => Ok(self.latest(subject)),
            ("GET", ["_cluster", "health"]) => Ok((200, json!({ "status": "green" }))),
            ("PUT", ["_cluster", "settings"]) if self.product != Product::Serverless => {
                let key = "/persistent/action.auto_create_index";
                if let Some(value) = body.pointer(key) {
                    self.refuses_auto_create = value == "false" || *value == false;
                }
                Ok(acknowledged())
            }
            ("POST", ["_aliases"]) => self.change_aliases(body),
            ("GET", ["_alias", name]) => Ok(self.get_alias(name)),
            ("POST", ["_index_template", "_simulate_index", name]) => {
                let template = self.template_for(name)["template"].clone();
                Ok((200, json!({ "template": template, "overlapping": [] })))
            }
            ("PUT" | "POST", ["_index_template", name]) => self.put_template(name, body.clone()),
            ("GET", ["_index_template", name]) => self.get_template(name),
            ("DELETE", ["_index_template", name]) => {
                self.templates.remove(*name);
                Ok(acknowledged())
            }
            ("PUT", ["_ingest", "pipeline", name]) => Ok(self.put_pipeline(name, body)),
            ("GET" | "POST", ["_search"]) => self.search(None, body),
            ("DELETE", ["_pit"]) if !self.product.is_opensearch() => {
                Ok(self.close_points(&body["id"]))
            }
            ("DELETE", ["_search", "point_in_time"]) if self.product.is_opensearch() => {
                Ok(self.close_points(&body["pit_id"]))
            }
            ("PUT", ["_data_stream", name]) => {
                manage::create_stream(self, name);
                Ok(acknowledged())
            }
            ("GET", ["_data_stream", name]) => Ok(match self.streams.get(*name) {
                Some(behind) => {
                    let stream = json!({ "name": name, "indices": [{ "index_name": behind }] });
                    (200, json!({ "data_streams": [stream] }))
                }
                None => Refusal::no_index(name).reply(),
            }),
            ("DELETE", ["_data_stream", name]) => {
                if let Some(behind) = self.streams.remove(*name) {
                    self.indices.remove(&behind);
                }
                Ok(acknowledged())
            }
            ("POST", ["_flush"]) => {
                self.indices.values_mut().for_each(super::index::Index::flush);
                Ok(all_shards())
            }
            _ => return None,
        })
    }

    fn index_or_none(&mut self, request: &Request, body: &Value) -> Result<Reply, Refusal> {
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let is_flat = request.query("flat_settings") == Some("true");
        match (request.verb(), &*parts) {
            (method, [name, ..]) if name.starts_with('_') && *name != "_all" => {
                Ok(no_handler(method, &request.target))
            }
            ("PUT", [name]) => {
                manage::create(self, name, body)?;
                let done =
                    json!({ "acknowledged": true, "shards_acknowledged": true, "index": name });
                Ok((200, done))
            }
            ("DELETE", [name]) => self.delete_index(name),
            ("GET", [name]) => self.describe(name, |name, index| {
                let settings = index.settings_json(name, is_flat);
                json!({
                    "aliases": index.aliases,
                    "mappings": mapping::shown(&index.mapping),
                    "settings": settings,
                })
            }),
            ("GET", [name, "_mapping"]) => self
                .describe(name, |_, index| json!({ "mappings": mapping::shown(&index.mapping) })),
            ("PUT" | "POST", [name, "_mapping"]) => self.put_mapping(name, body),
            ("GET", [name, "_settings"] | [name, "_settings", _]) => self.describe(
                name,
                |name, index| json!({ "settings": index.settings_json(name, is_flat) }),
            ),
            ("PUT", [name, "_settings"]) => self.put_settings(name, body),
            ("GET", [name, "_alias"]) => {
                self.describe(name, |_, index| json!({ "aliases": index.aliases }))
            }
            ("PUT" | "POST", [name, "_alias" | "_aliases", alias]) => {
                let mut add = json!({ "index": name, "alias": alias });
                for (key, value) in body.as_object().into_iter().flatten() {
                    add[key] = value.clone();
                }
                self.change_aliases(&json!({ "actions": [{ "add": add }] }))
            }
            _ => self.documents(request, body),
        }
    }

    /// Requests about documents.
    fn documents(&mut self, request: &Request, body: &Value) -> Result<Reply, Refusal> {
        let parts = request.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let routing = request.query("routing");
        match (request.verb(), &*parts) {
            ("POST" | "GET", [name, "_refresh"]) => {
                let now = self.now;
                self.each(name, |index| index.refresh(now))
            }
            ("POST", [_, "_flush"]) if self.product == Product::Serverless => {
                let reason = format!(
                    "uri [{}] with method [POST] exists but is not available when running in \
                     serverless mode",
                    request.target
                );
                Err(Refusal::new(410, "api_not_available_exception", reason))
            }
            ("POST", [name, "_flush"]) => self.each(name, super::index::Index::flush),
            ("GET" | "POST", [name, "_search"]) => self.search(Some(name), body),
            ("GET" | "POST", [name, "_count"]) => self.count(name, body),
            ("POST", [name, "_pit"]) if !self.product.is_opensearch() => self.open_point(name),
            ("POST", [name, "_search", "point_in_time"]) if self.product.is_opensearch() => {
                self.open_point(name)
            }
            ("GET", [name, "_doc", id]) => self.get(name, (id, routing)),
            ("PUT" | "POST", [name, "_doc", id]) => {
                self.write_one(request, (name, id), Some(body.clone()))
            }
            ("DELETE", [name, "_doc", id]) => self.write_one(request, (name, id), None),
            (method, _) => Ok(no_handler(method, &request.target)),
        }
    }

    /// Does something to each of the indices of a name.
    fn each(
        &mut self,
        names: &str,
        mut act: impl FnMut(&mut super::index::Index),
    ) -> Result<Reply, Refusal> {
        for (name, _) in self.read_indices(names)? {
            if let Some(index) = self.indices.get_mut(&name) {
                act(index);
            }
        }
        Ok(all_shards())
    }

    /// One document by its own path, without what pipelines and mappings make of it.
    fn write_one(
        &mut self,
        request: &Request,
        (name, id): (&str, &str),
        source: Option<Value>,
    ) -> Result<Reply, Refusal> {
        let version = request.query("version").and_then(|text| text.parse::<i64>().ok());
        let header = json!({ "version": version, "version_type": request.query("version_type") });
        let versioning = versioning("index", &header, true)?;
        let (now, routing) = (self.now, request.query("routing").map(str::to_owned));
        let index_name = match self.write_index(name)? {
            Some(index) => index,
            None => {
                manage::create(self, name, &json!({}))?;
                name.to_owned()
            }
        };
        let index = self.indices.get_mut(&index_name).ok_or_else(|| Refusal::no_index(name))?;
        if let Some(refusal) = index.block(&index_name) {
            return Err(refusal);
        }
        let place = index.place(id, routing.as_deref());
        let written = index.write(place, (source, routing), versioning, now)?;
        if request.query("refresh").is_some_and(|refresh| refresh != "false") {
            index.refresh(now);
        }
        Ok((written.status, done(&index_name, id, &written)))
    }

    fn put_pipeline(&mut self, name: &str, body: &Value) -> Reply {
        let processors = body["processors"].as_array().into_iter().flatten();
        let fields = processors.filter_map(|processor| {
            let set = processor.get("set")?;
            Some((set["field"].as_str()?.to_owned(), set["value"].clone()))
        });
        self.pipelines.insert(name.to_owned(), fields.collect());
        acknowledged()
    }

    /// The schema registry's half.
    fn schema(&self, id: &str) -> Reply {
        if self.registry_is_down {
            return (503, json!({ "error_code": 50301, "message": "not now" }));
        }
        match id.parse().ok().and_then(|id| self.schemas.get(&id)) {
            Some(schema) => (200, json!({ "schema": schema })),
            None => (404, json!({ "error_code": 40403, "message": "not found" })),
        }
    }

    fn latest(&self, subject: &str) -> Reply {
        match self.subjects.get(subject).and_then(|id| Some((id, self.schemas.get(id)?))) {
            Some((id, schema)) => {
                (200, json!({ "subject": subject, "version": 1, "id": id, "schema": schema }))
            }
            None => (404, json!({ "error_code": 40401, "message": "not found" })),
        }
    }
}

fn all_shards() -> Reply {
    (200, json!({ "_shards": { "total": 1, "successful": 1, "failed": 0 } }))
}
