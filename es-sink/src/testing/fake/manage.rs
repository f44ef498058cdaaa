//! Indices, their mappings, settings and aliases, templates, pipelines and data streams.

use serde_json::{Map, Value, json};

use super::index::{Index, duration};
use super::mapping::{self, fields_max};
use super::product::Product;
use super::refusal::{Refusal, Reply};
use super::state::{State, matches};

/// What a setting of an index begins with.
const SETTINGS: [&str; 26] = [
    "analysis.",
    "auto_expand_replicas",
    "blocks.",
    "codec",
    "default_pipeline",
    "final_pipeline",
    "gc_deletes",
    "hidden",
    "highlight.",
    "lifecycle.",
    "mapping.",
    "mapper.",
    "max_",
    "merge.",
    "number_of_replicas",
    "number_of_routing_shards",
    "number_of_shards",
    "priority",
    "query.",
    "refresh_interval",
    "routing.",
    "search.",
    "similarity.",
    "soft_deletes.",
    "sort.",
    "translog.",
];

/// Those that a project without nodes and shards takes.
const SERVERLESS_SETTINGS: [&str; 10] = [
    "analysis.",
    "blocks.",
    "codec",
    "default_pipeline",
    "final_pipeline",
    "hidden",
    "mapping.",
    "max_",
    "refresh_interval",
    "sort.",
];

/// Those that only a new index takes.
const FIXED_SETTINGS: [&str; 4] =
    ["number_of_shards", "number_of_routing_shards", "codec", "sort."];

/// Makes an index, with what the best of the templates for its name says.
pub(super) fn create(state: &mut State, name: &str, body: &Value) -> Result<(), Refusal> {
    let invalid = |reason: String| {
        let reason = format!("Invalid index name [{name}], {reason}");
        Err(Refusal::new(400, "invalid_index_name_exception", reason))
    };
    if let Some(index) = state.indices.get(name) {
        let reason = format!("index [{name}/{}] already exists", index.uuid);
        return Err(Refusal::new(400, "resource_already_exists_exception", reason));
    }
    if name.chars().any(char::is_uppercase) {
        return invalid("must be lowercase".to_owned());
    }
    if name.starts_with(['_', '-', '+']) {
        return invalid("must not start with '_', '-', or '+'".to_owned());
    }
    if state.is_alias(name) {
        return invalid("already exists as alias".to_owned());
    }
    let template = state.template_for(name)["template"].clone();
    let mut index = Index::new(state.new_name("uuid"));
    index.refresh(state.now);
    for part in [&template, body] {
        let settings = settings_of(&part["settings"]);
        check_settings(state.product, &settings)?;
        set(&mut index, settings);
        for (alias, properties) in part["aliases"].as_object().into_iter().flatten() {
            index.aliases.insert(alias.clone(), properties.clone());
        }
        let fields_max = fields_max(index.settings.get("mapping.total_fields.limit"));
        let meta = index.mapping.get("_meta").cloned();
        mapping::merge(state.product, &mut index.mapping, &part["mappings"], fields_max)?;
        // The one of a template stays, below the index's own.
        if let (Some(Value::Object(mut below)), Some(Value::Object(own))) =
            (meta, index.mapping.get("_meta"))
        {
            below.extend(own.clone());
            index.mapping.insert("_meta".to_owned(), Value::Object(below));
        }
    }
    state.indices.insert(name.to_owned(), index);
    Ok(())
}

/// Makes a data stream and the index behind it, whose name is given.
pub(super) fn create_stream(state: &mut State, name: &str) -> String {
    let behind = format!(".ds-{name}-000001");
    let mapping = json!({ "properties": { "@timestamp": { "type": "date" } } });
    let mut index = Index::new(state.new_name("uuid"));
    index.mapping = mapping.as_object().cloned().unwrap_or_default();
    index.is_stream = true;
    let template = state.template_for(name)["template"].clone();
    let added = &template["mappings"];
    let merged = mapping::merge(state.product, &mut index.mapping, added, usize::MAX);
    assert!(merged.is_ok(), "the template of a data stream was checked before");
    set(&mut index, settings_of(&template["settings"]));
    state.indices.insert(behind.clone(), index);
    state.streams.insert(name.to_owned(), behind.clone());
    behind
}

/// Settings as they were written, with all their names flat and without `index.`.
fn settings_of(settings: &Value) -> Vec<(String, Option<String>)> {
    fn walk(value: &Value, path: &str, out: &mut Vec<(String, Option<String>)>) {
        let name = || path.strip_prefix("index.").unwrap_or(path).to_owned();
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(value, &format!("{path}{dot}{key}"), out);
                }
            }
            Value::Null => out.push((name(), None)),
            Value::String(text) => out.push((name(), Some(text.clone()))),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                out.push((name(), Some(value.to_string())));
            }
        }
    }
    let mut out = Vec::new();
    if settings.is_object() {
        walk(settings, "", &mut out);
    }
    out
}

fn check_settings(product: Product, settings: &[(String, Option<String>)]) -> Result<(), Refusal> {
    let begins = |key: &str, known: &[&str]| known.iter().any(|name| key.starts_with(name));
    for (key, value) in settings {
        if !begins(key, &SETTINGS) {
            let kind = match product.is_opensearch() {
                true => "settings_exception",
                false => "illegal_argument_exception",
            };
            let reason = format!(
                "unknown setting [index.{key}] please check that any required plugins are \
                 installed, or check the breaking changes documentation for removed settings"
            );
            return Err(Refusal::new(400, kind, reason));
        }
        if product == Product::Serverless && !begins(key, &SERVERLESS_SETTINGS) {
            return Err(Refusal::illegal(format!(
                "Settings [index.{key}] are not available when running in serverless mode"
            )));
        }
        let is_time = key == "refresh_interval" || key == "gc_deletes";
        if is_time && value.as_ref().is_some_and(|text| text != "-1" && duration(text).is_none()) {
            return Err(Refusal::illegal(format!(
                "failed to parse setting [index.{key}] with value [{}] as a time value: unit is \
                 missing or unrecognized",
                value.clone().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

fn set(index: &mut Index, settings: Vec<(String, Option<String>)>) {
    for (key, value) in settings {
        match value {
            Some(value) => index.settings.insert(key, value),
            None => index.settings.remove(&key),
        };
    }
}

pub(super) fn acknowledged() -> Reply {
    (200, json!({ "acknowledged": true }))
}

impl State {
    /// The template of the highest priority whose pattern a name fits; null if there is none.
    pub(super) fn template_for(&self, name: &str) -> &Value {
        let fits = |template: &&Value| {
            let patterns = template["index_patterns"].as_array().into_iter().flatten();
            patterns.filter_map(Value::as_str).any(|pattern| matches(pattern, name))
        };
        let priority = |template: &&Value| template["priority"].as_u64().unwrap_or(0);
        self.templates.values().filter(fits).max_by_key(priority).unwrap_or(&Value::Null)
    }

    pub(super) fn makes_stream(&self, name: &str) -> bool {
        self.template_for(name)["data_stream"].is_object()
    }

    pub(super) fn put_template(&mut self, name: &str, body: Value) -> Result<Reply, Refusal> {
        let mut scratch = Map::new();
        mapping::merge(self.product, &mut scratch, &body["template"]["mappings"], usize::MAX)?;
        check_settings(self.product, &settings_of(&body["template"]["settings"]))?;
        let same = |other: &Value| {
            other["index_patterns"] == body["index_patterns"]
                && other["priority"] == body["priority"]
        };
        let rival = self.templates.iter().find(|(other, known)| *other != name && same(known));
        if let Some((rival, known)) = rival {
            return Err(Refusal::illegal(format!(
                "index template [{name}] has index patterns {} matching patterns from existing \
                 templates [{rival}] that have the same priority [{}], multiple index templates \
                 may not match during index creation, please use a different priority",
                body["index_patterns"], known["priority"]
            )));
        }
        self.templates.insert(name.to_owned(), body);
        Ok(acknowledged())
    }

    pub(super) fn get_template(&self, name: &str) -> Result<Reply, Refusal> {
        let found = self.templates.get(name).ok_or_else(|| {
            let reason = format!("index template matching [{name}] not found");
            Refusal::new(404, "resource_not_found_exception", reason)
        })?;
        let template = json!({ "name": name, "index_template": found });
        Ok((200, json!({ "index_templates": [template] })))
    }

    /// `PUT index/_settings`.
    pub(super) fn put_settings(&mut self, names: &str, body: &Value) -> Result<Reply, Refusal> {
        let settings = settings_of(body.get("settings").unwrap_or(body));
        check_settings(self.product, &settings)?;
        let fixed = |(key, _): &&(String, Option<String>)| {
            FIXED_SETTINGS.iter().any(|name| key.starts_with(name))
        };
        let fixed = settings.iter().find(fixed).map(|(key, _)| key.clone());
        for (name, _) in self.read_indices(names)? {
            let Some(index) = self.indices.get_mut(&name) else { continue };
            if let Some(key) = &fixed {
                return Err(Refusal::illegal(format!(
                    "Can't update non dynamic settings [[index.{key}]] for open indices \
                     [[{name}/{}]]",
                    index.uuid
                )));
            }
            set(index, settings.clone());
        }
        Ok(acknowledged())
    }

    /// `PUT index/_mapping`.
    pub(super) fn put_mapping(&mut self, names: &str, body: &Value) -> Result<Reply, Refusal> {
        for (name, _) in self.read_indices(names)? {
            let Some(index) = self.indices.get_mut(&name) else { continue };
            let block = index.block(&name);
            // Elasticsearch lets a mapping grow while the disk is full.
            let is_blocked =
                |refusal: &Refusal| refusal.status != 429 || self.product.is_opensearch();
            if let Some(refusal) = block.filter(is_blocked) {
                return Err(refusal);
            }
            let fields_max = fields_max(index.settings.get("mapping.total_fields.limit"));
            mapping::merge(self.product, &mut index.mapping, body, fields_max)?;
        }
        Ok(acknowledged())
    }

    /// `POST _aliases`. All of it or nothing, but an alias that is not there is removed without an
    /// error unless `must_exist` says so: as the servers do.
    pub(super) fn change_aliases(&mut self, body: &Value) -> Result<Reply, Refusal> {
        let mut changes = Vec::new();
        for action in body["actions"].as_array().into_iter().flatten() {
            let Some((verb, what)) = action.as_object().and_then(|action| action.iter().next())
            else {
                return Err(Refusal::illegal("No action specified"));
            };
            let (index, alias) = (what["index"].as_str(), what["alias"].as_str());
            let index = index.unwrap_or_default();
            let found = self.indices.get(index).ok_or_else(|| Refusal::no_index(index))?;
            let alias = alias.unwrap_or_default();
            if verb == "add" && self.indices.contains_key(alias) {
                let reason = format!(
                    "Invalid alias name [{alias}]: an index or data stream exists with the same \
                     name as the alias"
                );
                return Err(Refusal::new(400, "invalid_alias_name_exception", reason));
            }
            if verb == "remove" && what["must_exist"] == true && !found.aliases.contains_key(alias)
            {
                let reason = format!("aliases [{alias}] missing");
                return Err(Refusal::new(404, "aliases_not_found_exception", reason));
            }
            changes.push((verb.clone(), index.to_owned(), alias.to_owned(), properties(what)));
        }
        for (verb, index, alias, properties) in changes {
            if verb == "remove_index" {
                self.indices.remove(&index);
            } else if let Some(index) = self.indices.get_mut(&index) {
                match verb.as_str() {
                    "add" => index.aliases.insert(alias, properties),
                    _ => index.aliases.remove(&alias),
                };
            }
        }
        Ok(acknowledged())
    }

    /// `GET _alias/name`.
    pub(super) fn get_alias(&self, name: &str) -> Reply {
        let mut found = Map::new();
        for (index, state) in &self.indices {
            let aliases = state.aliases.iter().filter(|(alias, _)| matches(name, alias));
            let aliases: Map<_, _> = aliases.map(|(a, p)| (a.clone(), p.clone())).collect();
            if !aliases.is_empty() {
                found.insert(index.clone(), json!({ "aliases": aliases }));
            }
        }
        if found.is_empty() && !name.contains('*') {
            let error = format!("alias [{name}] missing");
            return (404, json!({ "error": error, "status": 404 }));
        }
        (200, Value::Object(found))
    }

    /// `DELETE index`.
    pub(super) fn delete_index(&mut self, name: &str) -> Result<Reply, Refusal> {
        if self.is_alias(name) {
            return Err(Refusal::illegal(format!(
                "The provided expression [{name}] matches an alias, specify the corresponding \
                 concrete indices instead."
            )));
        }
        self.indices.remove(name).ok_or_else(|| Refusal::no_index(name))?;
        Ok(acknowledged())
    }

    /// What each of the indices has, by their names.
    pub(super) fn describe(
        &self,
        names: &str,
        part: impl Fn(&str, &Index) -> Value,
    ) -> Result<Reply, Refusal> {
        let found = self.read_indices(names)?;
        let described = found.into_iter().filter_map(|(name, _)| {
            let value = part(&name, self.indices.get(&name)?);
            Some((name, value))
        });
        Ok((200, Value::Object(described.collect())))
    }
}

/// What an alias says besides its name.
fn properties(what: &Value) -> Value {
    let keys = ["filter", "is_write_index", "routing", "index_routing", "search_routing"];
    let kept = keys.into_iter().filter_map(|key| Some((key.to_owned(), what.get(key)?.clone())));
    Value::Object(kept.collect())
}
