//! Mappings: what may be put into one, what a document has to be like, and what it adds.

use serde_json::{Map, Value, json};

use super::product::Product;
use super::refusal::Refusal;
use super::values;

const FIELDS_MAX: usize = 1_000;

/// Settings of a field that stay as they are.
const FIXED: [&str; 7] =
    ["format", "index", "doc_values", "store", "scaling_factor", "analyzer", "dims"];

/// A mapping as it is answered: `dynamic` is text whatever was written.
pub(super) fn shown(mapping: &Map<String, Value>) -> Value {
    let mut shown = Value::Object(mapping.clone());
    if let Some(dynamic) = mapping.get("dynamic") {
        shown["dynamic"] = Value::String(values::preview(dynamic));
    }
    shown
}

/// What an index's limit is.
pub(super) fn fields_max(limit: Option<&String>) -> usize {
    limit.and_then(|limit| limit.parse().ok()).unwrap_or(FIELDS_MAX)
}

/// Puts `added` into a mapping, all or nothing.
pub(super) fn merge(
    product: Product,
    mapping: &mut Map<String, Value>,
    added: &Value,
    fields_max: usize,
) -> Result<(), Refusal> {
    let mut merged = mapping.clone();
    let added = added.as_object().cloned().unwrap_or_default();
    for (key, value) in added {
        match key.as_str() {
            "properties" => {
                let properties = merged.entry("properties").or_insert_with(|| json!({}));
                check_types(product, &value)?;
                merge_properties(properties, &value, "")?;
            }
            _ => {
                merged.insert(key, value);
            }
        }
    }
    if count(&merged) > fields_max {
        let reason = format!("Limit of total fields [{fields_max}] has been exceeded");
        return Err(Refusal::illegal(reason));
    }
    *mapping = merged;
    Ok(())
}

fn check_types(product: Product, properties: &Value) -> Result<(), Refusal> {
    for (name, field) in properties.as_object().into_iter().flatten() {
        if let Some(kind) = field["type"].as_str()
            && !product.has_type(kind)
        {
            return Err(unknown_type(product, name, kind));
        }
        check_types(product, &field["properties"])?;
    }
    Ok(())
}

/// The words of 7.17 and OpenSearch, and those since.
pub(super) fn unknown_type(product: Product, name: &str, kind: &str) -> Refusal {
    let is_old = product.is_opensearch() || product == Product::Elasticsearch7;
    let reason = if is_old {
        format!("No handler for type [{kind}] declared on field [{name}]")
    } else {
        format!(
            "The mapper type [{kind}] declared on field [{name}] does not exist. It might have \
             been created within a future version or requires a plugin to be installed. Check \
             the documentation."
        )
    };
    let prefix = if is_old { "Failed to parse mapping [_doc]" } else { "Failed to parse mapping" };
    let whole = Refusal::new(400, "mapper_parsing_exception", format!("{prefix}: {reason}"));
    whole.because("mapper_parsing_exception", reason)
}

fn merge_properties(into: &mut Value, added: &Value, path: &str) -> Result<(), Refusal> {
    for (name, field) in added.as_object().into_iter().flatten() {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match into.get_mut(name) {
            None => into[name] = field.clone(),
            Some(known) => merge_field(known, field, &full)?,
        }
    }
    Ok(())
}

fn merge_field(known: &mut Value, added: &Value, path: &str) -> Result<(), Refusal> {
    let (was, is) = (type_of(known).to_owned(), type_of(added).to_owned());
    if (was == "object") != (is == "object") {
        return Err(Refusal::illegal(format!(
            "can't merge a non object mapping [{path}] with an object mapping"
        )));
    }
    if was != is {
        return Err(Refusal::illegal(format!(
            "mapper [{path}] cannot be changed from type [{was}] to [{is}]"
        )));
    }
    for parameter in FIXED {
        let (before, after) = (known.get(parameter), added.get(parameter));
        if after.is_some_and(|after| before != Some(after)) {
            let text = |value: Option<&Value>| match value {
                None => "default".to_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            return Err(Refusal::illegal(format!(
                "Mapper for [{path}] conflicts with existing mapper:\n\tCannot update parameter \
                 [{parameter}] from [{}] to [{}]",
                text(before),
                text(after)
            )));
        }
    }
    for (key, value) in added.as_object().into_iter().flatten() {
        if key == "properties" {
            if !known["properties"].is_object() {
                known["properties"] = json!({});
            }
            merge_properties(&mut known["properties"], value, path)?;
        } else {
            known[key] = value.clone();
        }
    }
    Ok(())
}

/// The type of a field; one that has none is an object.
pub(super) fn type_of(field: &Value) -> &str {
    field["type"].as_str().unwrap_or("object")
}

/// All fields, objects and multi-fields.
fn count(mapping: &Map<String, Value>) -> usize {
    fn of(fields: Option<&Value>) -> usize {
        let fields = fields.and_then(Value::as_object).into_iter().flatten();
        fields.map(|(_, field)| 1 + of(field.get("properties")) + of(field.get("fields"))).sum()
    }
    of(mapping.get("properties"))
}

/// Judges a document; the fields that it brings are in the mapping then.
pub(super) fn take_document(
    product: Product,
    mapping: &mut Map<String, Value>,
    (id, source): (&str, &Value),
    fields_max: usize,
) -> Result<(), Refusal> {
    let Some(object) = source.as_object() else {
        return Err(Refusal::new(400, product.document_error(), "failed to parse"));
    };
    let mut added = json!({});
    let dynamic = mapping.get("dynamic").map_or_else(|| "true".to_owned(), values::preview);
    let no_fields = json!({});
    let known = mapping.get("properties").unwrap_or(&no_fields);
    let mut reader = Reader { product, id };
    reader.object(object, (known, &mut added), &dynamic, "")?;
    let news = Map::from_iter([("properties".to_owned(), added.clone())]);
    let new_fields = count(&news);
    if new_fields == 0 {
        return Ok(());
    }
    if count(mapping) + new_fields > fields_max {
        return Err(too_many_fields(product, fields_max, new_fields));
    }
    merge_properties(mapping.entry("properties").or_insert_with(|| json!({})), &added, "")
}

fn too_many_fields(product: Product, fields_max: usize, new_fields: usize) -> Refusal {
    let mut reason = format!("Limit of total fields [{fields_max}] has been exceeded");
    if !product.is_opensearch() {
        reason.push_str(&format!(" while adding new fields [{new_fields}]"));
    }
    if !product.has_document_parsing_exception() {
        return Refusal::illegal(reason);
    }
    let whole = format!("[1:2] failed to parse: {reason}");
    Refusal::new(400, product.document_error(), whole).because("illegal_argument_exception", reason)
}

/// Reads one document.
struct Reader<'a> {
    product: Product,
    id: &'a str,
}

impl Reader<'_> {
    fn object(
        &mut self,
        object: &Map<String, Value>,
        (known, added): (&Value, &mut Value),
        dynamic: &str,
        path: &str,
    ) -> Result<(), Refusal> {
        for (name, value) in object {
            let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(field) => self.field(field, value, (dynamic, &full))?,
                None if dynamic == "strict" => return Err(self.strict(name, path)),
                None if dynamic != "true" => {}
                None => {
                    if let Some(field) = guess(value) {
                        added[name] = field;
                    }
                }
            }
        }
        Ok(())
    }

    /// A value of a field that the mapping has.
    fn field(
        &mut self,
        field: &Value,
        value: &Value,
        (dynamic, path): (&str, &str),
    ) -> Result<(), Refusal> {
        if let Value::Array(values) = value
            && !values::takes_arrays(type_of(field))
        {
            return values.iter().try_for_each(|one| self.field(field, one, (dynamic, path)));
        }
        match (type_of(field), value) {
            (_, Value::Null) => Ok(()),
            ("object" | "nested", Value::Object(object)) => {
                let own = field.get("dynamic").map(values::preview);
                // What an object brings anew is not followed here: nothing of ours does that.
                let dynamic = match own.as_deref().unwrap_or(dynamic) {
                    "strict" => "strict",
                    _ => "false",
                };
                self.object(object, (&field["properties"], &mut json!({})), dynamic, path)
            }
            ("object" | "nested", _) => {
                let name = path.rsplit('.').next().unwrap_or(path);
                Err(self.document_error(format!(
                    "object mapping for [{path}] tried to parse field [{name}] as object, but \
                     found a concrete value"
                )))
            }
            (kind, value) => match values::check(field, value) {
                Ok(()) => Ok(()),
                Err(_) if field["ignore_malformed"] == true => Ok(()),
                // Where Lucene refuses it, and not the mapping, it is nobody's fault in particular.
                Err((_, reason))
                    if reason.starts_with(values::IMMENSE_TERM)
                        && !self.product.has_document_parsing_exception() =>
                {
                    Err(Refusal::illegal(reason))
                }
                Err((cause, reason)) => {
                    let whole = self.document_error(format!(
                        "failed to parse field [{path}] of type [{kind}] in document with id \
                         '{}'. Preview of field's value: '{}'",
                        self.id,
                        values::preview(value)
                    ));
                    Err(whole.because(cause, reason))
                }
            },
        }
    }

    fn strict(&self, name: &str, path: &str) -> Refusal {
        let within = if path.is_empty() { "_doc" } else { path };
        let reason = format!(
            "{}mapping set to strict, dynamic introduction of [{name}] within [{within}] is not \
             allowed",
            self.location()
        );
        Refusal::new(400, "strict_dynamic_mapping_exception", reason)
    }

    fn document_error(&self, reason: String) -> Refusal {
        let reason = format!("{}{reason}", self.location());
        Refusal::new(400, self.product.document_error(), reason)
    }

    /// Line and column, as if every field were the first.
    fn location(&self) -> &'static str {
        if self.product.has_document_parsing_exception() { "[1:2] " } else { "" }
    }
}

/// What a server makes of a value that no field is for.
fn guess(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(json!({ "type": "boolean" })),
        Value::Number(number) if number.is_f64() => Some(json!({ "type": "float" })),
        Value::Number(_) => Some(json!({ "type": "long" })),
        Value::String(text) if values::is_date(text) => Some(json!({ "type": "date" })),
        Value::String(_) => {
            let keyword = json!({ "type": "keyword", "ignore_above": 256 });
            Some(json!({ "type": "text", "fields": { "keyword": keyword } }))
        }
        Value::Array(values) => values.iter().find_map(guess),
        Value::Object(object) if object.is_empty() => Some(json!({ "type": "object" })),
        Value::Object(object) => {
            let fields = object.iter().filter_map(|(name, v)| Some((name.clone(), guess(v)?)));
            Some(json!({ "properties": fields.collect::<Map<_, _>>() }))
        }
    }
}
