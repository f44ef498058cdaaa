//! From what a field holds to its type in Elasticsearch.

use std::collections::HashSet;

use schema::plan::document::{DocumentField, FieldKind};
use serde_json::{Map, Value, json};

use super::mark;
use crate::bulk::error_kind;
use crate::config::{
    DecimalType, IndexConfig, JsonType, Overrides, StringType, TypeChoices, VectorType,
};

/// Longest value of a JSON key that is searchable, in characters. Lucene's terms end at 32,766
/// bytes, of which a character takes up to four, and the key's path needs room too.
const FLATTENED_IGNORE_ABOVE: u32 = 4_096;
/// Deepest JSON: MySQL's own limit. Elasticsearch's default of 20 would refuse documents.
/// <https://dev.mysql.com/doc/refman/9.4/en/json.html>
const FLATTENED_DEPTH: u32 = 100;
/// Longest text that is also searchable as a whole, in characters: what Elasticsearch itself and
/// Confluent's sink choose.
const MULTI_FIELD_IGNORE_ABOVE: u32 = 256;
/// The same where it is searchable in no other way: Lucene's 32,766 bytes in characters of four.
/// Without a limit a longer one would be refused, and the document with it.
const KEYWORD_IGNORE_ABOVE: u32 = 8_191;

/// Types that rowcast chooses by itself and that not every server has: what is taken instead is in
/// [`FieldTypes::instead`]. A type that the user has asked for is not replaced.
const REPLACED: [&str; 4] = ["unsigned_long", "flattened", "flat_object", "geo_shape"];

/// The choices that no schema makes.
#[derive(Debug, Clone)]
pub(super) struct FieldTypes {
    choices: TypeChoices,
    overrides: Overrides,
    soft_delete: bool,
    /// Of [`REPLACED`], what this server does not have.
    absent: HashSet<&'static str>,
}

impl FieldTypes {
    pub(super) fn new(config: &IndexConfig) -> Self {
        Self {
            choices: config.types,
            overrides: config.overrides.clone(),
            soft_delete: config.soft_delete,
            absent: HashSet::new(),
        }
    }

    /// What an answer says about a type that the server does not have. The wording differs:
    /// `No handler for type [t]`, and since Elasticsearch 9 `The mapper type [t] declared on field
    /// [f] does not exist` (seen with OpenSearch 3.8 and Elasticsearch 9.5.3).
    pub(super) fn absent_type(answer: &[u8]) -> Option<Box<str>> {
        if &*error_kind(answer) != "mapper_parsing_exception" {
            return None;
        }
        let text = String::from_utf8_lossy(answer);
        let (_, rest) = text
            .split_once("No handler for type [")
            .or_else(|| text.split_once("The mapper type ["))?;
        rest.split_once(']').map(|(name, _)| name.into())
    }

    /// Does without a type from now on; whether that changes anything.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        let known = REPLACED.iter().find(|known| **known == name);
        known.is_some_and(|known| self.absent.insert(known))
    }

    /// `properties` of a mapping. `path` is the table's, or the outer field's.
    pub(super) fn properties(&self, path: &str, fields: &[DocumentField]) -> Map<String, Value> {
        let properties = fields.iter().map(|field| {
            let path = format!("{path}.{}", field.name);
            (field.name.to_string(), self.property(&path, &field.kind))
        });
        properties.collect()
    }

    /// What the user wants a field to be, whatever it holds.
    pub(super) fn chosen(&self, path: &str) -> Option<&Value> {
        self.overrides.of(path)
    }

    /// What a field is. `path` is `database.table.column`, with the names of inner fields behind.
    pub(super) fn property(&self, path: &str, kind: &FieldKind) -> Value {
        if self.soft_delete && path.ends_with(mark::DELETED_SUFFIX) {
            return json!({ "type": "boolean" });
        }
        match self.chosen(path) {
            Some(property) => property.clone(),
            None => self.instead(self.usual(path, kind)),
        }
    }

    fn usual(&self, path: &str, kind: &FieldKind) -> Value {
        let plain = |name: &str| json!({ "type": name });
        match kind {
            FieldKind::Boolean => plain("boolean"),
            FieldKind::Byte => plain("byte"),
            FieldKind::Short | FieldKind::Year => plain("short"),
            FieldKind::Integer => plain("integer"),
            FieldKind::Long => plain("long"),
            FieldKind::Float => plain("float"),
            FieldKind::Double => plain("double"),
            FieldKind::Decimal { precision, scale } => self.decimal(*precision, *scale),
            FieldKind::Text => self.text(),
            FieldKind::Keyword | FieldKind::Time => plain("keyword"),
            FieldKind::Date => plain("date"),
            FieldKind::DateNanos => date_nanos(),
            FieldKind::Bytes => plain("binary"),
            FieldKind::Json | FieldKind::Map => self.json(),
            FieldKind::Object(fields) => json!({ "properties": self.properties(path, fields) }),
            // A shape that is none, as a ring that is open, must not end the task.
            FieldKind::GeoPoint => json!({ "type": "geo_point", "ignore_malformed": true }),
            FieldKind::GeoShape => json!({ "type": "geo_shape", "ignore_malformed": true }),
            FieldKind::Array(kind) if **kind == FieldKind::Float => self.vector(),
            // Any field of Elasticsearch can hold several values.
            FieldKind::Array(kind) => self.property(path, kind),
        }
    }

    /// What is taken for a type that the server does not have.
    fn instead(&self, property: Value) -> Value {
        let name = type_of(&property);
        if !self.absent.contains(name) {
            return property;
        }
        match name {
            "unsigned_long" => json!({ "type": "double" }),
            "flattened" => self.instead(json!({ "type": "flat_object" })),
            _ => json!({ "type": "object", "enabled": false }),
        }
    }

    fn decimal(&self, precision: Option<u16>, scale: Option<u16>) -> Value {
        match self.choices.decimal {
            DecimalType::Keyword => json!({ "type": "keyword" }),
            DecimalType::Double | DecimalType::ScaledFloat
                if is_unsigned_bigint(precision, scale) =>
            {
                json!({ "type": "unsigned_long" })
            }
            DecimalType::ScaledFloat if let Some(scale) = scale => {
                json!({ "type": "scaled_float", "scaling_factor": 10_f64.powi(i32::from(scale)) })
            }
            DecimalType::Double | DecimalType::ScaledFloat => json!({ "type": "double" }),
        }
    }

    fn json(&self) -> Value {
        match self.choices.json {
            JsonType::Flattened => json!({
                "type": "flattened",
                "ignore_above": FLATTENED_IGNORE_ABOVE,
                "depth_limit": FLATTENED_DEPTH,
            }),
            JsonType::Object => json!({ "type": "object", "dynamic": true }),
            JsonType::Stored => json!({ "type": "object", "enabled": false }),
        }
    }

    fn text(&self) -> Value {
        match self.choices.string {
            StringType::TextKeyword => json!({ "type": "text", "fields": multi_field() }),
            StringType::Text => json!({ "type": "text" }),
            StringType::Keyword => {
                json!({ "type": "keyword", "ignore_above": KEYWORD_IGNORE_ABOVE })
            }
            StringType::Wildcard => json!({ "type": "wildcard" }),
            StringType::MatchOnlyText => json!({ "type": "match_only_text" }),
        }
    }

    /// `cosine`, the default of `dense_vector`, refuses a vector of zeros and its document with it.
    /// Before Elasticsearch 8.11 a vector is not indexed unless told to, and must have `dims`.
    fn vector(&self) -> Value {
        let dims = self.choices.vector_dims;
        match self.choices.vector {
            VectorType::Float => json!({ "type": "float" }),
            VectorType::DenseVector if dims == 0 => {
                json!({ "type": "dense_vector", "index": true, "similarity": "l2_norm" })
            }
            VectorType::DenseVector => json!({
                "type": "dense_vector", "index": true, "similarity": "l2_norm", "dims": dims,
            }),
            VectorType::KnnVector => json!({ "type": "knn_vector", "dimension": dims }),
        }
    }

    /// Types of an existing field that take every value of this kind, besides the one that we
    /// would choose.
    pub(super) fn also_takes(&self, kind: &FieldKind) -> &'static [&'static str] {
        match kind {
            FieldKind::Byte => &["short", "integer", "long", "double", "keyword"],
            FieldKind::Short | FieldKind::Year => &["integer", "long", "double", "keyword"],
            FieldKind::Integer => &["long", "double", "keyword"],
            FieldKind::Long => &["double", "keyword"],
            FieldKind::Float => &["double", "keyword"],
            FieldKind::Double => &["keyword"],
            FieldKind::Decimal { .. } => {
                &["double", "float", "scaled_float", "keyword", "unsigned_long"]
            }
            FieldKind::Text | FieldKind::Keyword | FieldKind::Time => {
                &["text", "keyword", "wildcard", "match_only_text", "constant_keyword"]
            }
            FieldKind::Date => &["date_nanos", "keyword"],
            FieldKind::DateNanos => &["date", "keyword"],
            FieldKind::Boolean => &["keyword"],
            FieldKind::Bytes => &["keyword"],
            FieldKind::Json | FieldKind::Map => match self.choices.json {
                JsonType::Flattened => &["object", "flat_object"],
                JsonType::Object => &["flattened", "flat_object"],
                JsonType::Stored => &[],
            },
            FieldKind::Object(_) => &["nested"],
            FieldKind::GeoPoint => &["geo_shape"],
            // What it is on a server without `geo_shape`.
            FieldKind::GeoShape => &["object"],
            FieldKind::Array(kind) if matches!(**kind, FieldKind::Float | FieldKind::Double) => {
                &["float", "double", "dense_vector", "knn_vector"]
            }
            FieldKind::Array(kind) => self.also_takes(kind),
        }
    }

    /// What makes an existing field of ours take all that a kind can hold, and be found as it
    /// would be in a new index. Both can be added to a field that has documents; the second is
    /// there for documents that are written from then on.
    pub(super) fn improved(&self, path: &str, kind: &FieldKind, existing: &Value) -> Option<Value> {
        if *kind != FieldKind::Text || self.chosen(path).is_some() {
            return None;
        }
        let mut improved = existing.as_object()?.clone();
        let is_text = type_of(existing) == "text";
        if type_of(existing) == "keyword" && !improved.contains_key("ignore_above") {
            improved.insert("ignore_above".to_owned(), json!(KEYWORD_IGNORE_ABOVE));
            return Some(improved.into());
        }
        if is_text
            && self.choices.string == StringType::TextKeyword
            && !improved.contains_key("fields")
        {
            improved.insert("fields".to_owned(), multi_field());
            return Some(improved.into());
        }
        None
    }
}

fn multi_field() -> Value {
    json!({ "keyword": { "type": "keyword", "ignore_above": MULTI_FIELD_IGNORE_ABOVE } })
}

/// Elasticsearch has nanoseconds from 1970 to 2262 only. An earlier one is in the document and is
/// not found by a search, instead of stopping the sink.
/// <https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/date_nanos>
fn date_nanos() -> Value {
    json!({ "type": "date_nanos", "ignore_malformed": true })
}

/// `BIGINT UNSIGNED` in Debezium's precise mode. A `DECIMAL(20,0)` looks the same; for one with
/// negative values an index with another type can be made beforehand.
fn is_unsigned_bigint(precision: Option<u16>, scale: Option<u16>) -> bool {
    scale == Some(0) && precision == Some(20)
}

/// Objects have no `type` in an answer.
pub(super) fn type_of(property: &Value) -> &str {
    property.get("type").and_then(Value::as_str).unwrap_or("object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::testing::index_config;

    fn types(settings: &[(&str, &str)]) -> FieldTypes {
        FieldTypes::new(&index_config(settings))
    }

    fn property(types: &FieldTypes, kind: &FieldKind) -> Value {
        types.property("db.t.c", kind)
    }

    const BIGINT_UNSIGNED: FieldKind = FieldKind::Decimal { precision: Some(20), scale: Some(0) };

    #[test]
    fn types_follow_the_meaning_of_a_column() {
        let types = types(&[]);
        let of = |kind| property(&types, &kind)["type"].clone();

        assert_eq!(of(FieldKind::Date), "date");
        assert_eq!(of(FieldKind::DateNanos), "date_nanos");
        assert_eq!(of(FieldKind::Array(Box::new(FieldKind::Float))), "float");
        assert_eq!(of(BIGINT_UNSIGNED), "unsigned_long");
        assert_eq!(of(FieldKind::Text), "text");
        assert_eq!(of(FieldKind::Json), "flattened");
    }

    #[test]
    fn settings_choose_where_the_schema_leaves_a_choice() {
        let chosen = types(&[
            ("decimal.type", "scaled_float"),
            ("string.type", "keyword"),
            ("vector.type", "dense_vector"),
            ("vector.dims", "3"),
        ]);
        let decimal = FieldKind::Decimal { precision: Some(10), scale: Some(2) };
        let of_any_scale = FieldKind::Decimal { precision: None, scale: None };
        let vector = FieldKind::Array(Box::new(FieldKind::Float));

        let scaled = json!({"type": "scaled_float", "scaling_factor": 100.0});
        assert_eq!(property(&chosen, &decimal), scaled);
        assert_eq!(property(&chosen, &of_any_scale)["type"], "double");
        let keyword = json!({"type": "keyword", "ignore_above": 8191});
        assert_eq!(property(&chosen, &FieldKind::Text), keyword);
        let dense =
            json!({"type": "dense_vector", "index": true, "similarity": "l2_norm", "dims": 3});
        assert_eq!(property(&chosen, &vector), dense);
    }

    #[test]
    fn an_override_wins_over_the_kind_and_the_settings() {
        let chosen = types(&[("index.mapping.override.db.t.c", "ip"), ("string.type", "text")]);

        assert_eq!(property(&chosen, &FieldKind::Text), json!({"type": "ip"}));
        assert_eq!(chosen.property("db.t.d", &FieldKind::Text), json!({"type": "text"}));
    }

    #[test]
    fn a_type_that_the_server_lacks_is_replaced_once_and_no_chosen_one_is() {
        let mut types = types(&[]);

        assert!(types.forget("unsigned_long") && !types.forget("unsigned_long"));
        assert_eq!(property(&types, &BIGINT_UNSIGNED)["type"], "double");
        assert!(types.forget("flattened"));
        assert_eq!(property(&types, &FieldKind::Json), json!({"type": "flat_object"}));
        assert!(types.forget("flat_object"));
        assert_eq!(property(&types, &FieldKind::Json)["enabled"], false);
        assert!(!types.forget("wildcard"));
        for reason in ["No handler for type [x] declared", "The mapper type [x] declared on"] {
            let error = json!({"type": "mapper_parsing_exception", "reason": reason});
            let body = json!({ "error": error }).to_string();
            assert_eq!(FieldTypes::absent_type(body.as_bytes()).as_deref(), Some("x"));
        }
    }
}
