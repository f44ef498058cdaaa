//! From what a field holds to its type in Elasticsearch.

use schema::plan::document::{DocumentField, FieldKind};
use serde_json::{Map, Value, json};

use crate::config::{DecimalType, JsonType};

/// Longest value of a JSON key that is searchable, in characters. Lucene's terms end at 32,766
/// bytes, of which a character takes up to four, and the key's path needs room too.
const FLATTENED_IGNORE_ABOVE: u32 = 4_096;
/// Deepest JSON: MySQL's own limit. Elasticsearch's default of 20 would refuse documents.
/// <https://dev.mysql.com/doc/refman/9.4/en/json.html>
const FLATTENED_DEPTH: u32 = 100;
/// Longest text that is also searchable as a whole, in characters: what Elasticsearch itself and
/// Confluent's sink choose.
const KEYWORD_IGNORE_ABOVE: u32 = 256;

/// The choices that no schema makes.
#[derive(Debug, Clone)]
pub(super) struct FieldTypes {
    decimal: DecimalType,
    json: JsonType,
    unsigned_long: bool,
}

impl FieldTypes {
    pub(super) fn new(decimal: DecimalType, json: JsonType) -> Self {
        Self { decimal, json, unsigned_long: true }
    }

    pub(super) fn has_unsigned_long(&self) -> bool {
        self.unsigned_long
    }

    /// The server does not have it.
    pub(super) fn forget_unsigned_long(&mut self) {
        self.unsigned_long = false;
    }

    /// `properties` of a mapping.
    pub(super) fn properties(&self, fields: &[DocumentField]) -> Map<String, Value> {
        fields.iter().map(|field| (field.name.to_string(), self.property(&field.kind))).collect()
    }

    fn property(&self, kind: &FieldKind) -> Value {
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
            FieldKind::Text => json!({
                "type": "text",
                "fields": { "keyword": { "type": "keyword", "ignore_above": KEYWORD_IGNORE_ABOVE } },
            }),
            FieldKind::Keyword | FieldKind::Time => plain("keyword"),
            FieldKind::Date => plain("date"),
            FieldKind::DateNanos => date_nanos(),
            FieldKind::Bytes => plain("binary"),
            FieldKind::Json | FieldKind::Map => self.json(),
            FieldKind::Object(fields) => json!({ "properties": self.properties(fields) }),
            // Any field of Elasticsearch can hold several values.
            FieldKind::Array(kind) => self.property(kind),
        }
    }

    fn decimal(&self, precision: Option<u16>, scale: Option<u16>) -> Value {
        match self.decimal {
            DecimalType::Keyword => json!({ "type": "keyword" }),
            DecimalType::Double | DecimalType::ScaledFloat
                if is_unsigned_bigint(precision, scale) && self.unsigned_long =>
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
        match self.json {
            JsonType::Flattened => json!({
                "type": "flattened",
                "ignore_above": FLATTENED_IGNORE_ABOVE,
                "depth_limit": FLATTENED_DEPTH,
            }),
            JsonType::Object => json!({ "type": "object", "dynamic": true }),
            JsonType::Stored => json!({ "type": "object", "enabled": false }),
        }
    }

    /// Types of an existing field that take every value of this kind, besides the one that we
    /// would choose.
    fn also_takes(&self, kind: &FieldKind) -> &'static [&'static str] {
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
            FieldKind::Text => &["keyword", "wildcard", "match_only_text", "constant_keyword"],
            FieldKind::Keyword | FieldKind::Time => {
                &["text", "wildcard", "match_only_text", "constant_keyword"]
            }
            FieldKind::Date => &["date_nanos", "keyword"],
            FieldKind::DateNanos => &["date", "keyword"],
            FieldKind::Boolean => &["keyword"],
            FieldKind::Bytes => &["keyword"],
            FieldKind::Json | FieldKind::Map => match self.json {
                JsonType::Flattened => &["object", "flat_object"],
                JsonType::Object => &["flattened", "flat_object"],
                JsonType::Stored => &[],
            },
            FieldKind::Object(_) => &["nested"],
            FieldKind::Array(kind) if matches!(**kind, FieldKind::Float | FieldKind::Double) => {
                &["double", "dense_vector", "knn_vector"]
            }
            FieldKind::Array(kind) => self.also_takes(kind),
        }
    }
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

/// A field that cannot hold what the records have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) field: String,
    pub(super) found: String,
    pub(super) wanted: String,
}

/// The properties to add to existing ones, so that all fields are there.
pub(super) fn reconcile(
    existing: &Map<String, Value>,
    fields: &[DocumentField],
    types: &FieldTypes,
) -> Result<Map<String, Value>, Conflict> {
    let mut missing = Map::new();
    for field in fields {
        let Some(property) = existing.get(&*field.name) else {
            missing.insert(field.name.to_string(), types.property(&field.kind));
            continue;
        };
        let wanted = types.property(&field.kind);
        let (found_type, wanted_type) = (type_of(property), type_of(&wanted));
        if found_type != wanted_type && !types.also_takes(&field.kind).contains(&found_type) {
            return Err(Conflict {
                field: field.name.to_string(),
                found: found_type.to_owned(),
                wanted: format!("{wanted_type} for a {}", field.kind),
            });
        }
        if let Some(inner) = reconcile_inner(property, &field.kind, types)
            .map_err(|conflict| conflict.within(&field.name))?
        {
            missing.insert(field.name.to_string(), inner);
        }
    }
    Ok(missing)
}

/// The same for the fields of an object.
fn reconcile_inner(
    property: &Value,
    kind: &FieldKind,
    types: &FieldTypes,
) -> Result<Option<Value>, Conflict> {
    if let FieldKind::Array(kind) = kind {
        return reconcile_inner(property, kind, types);
    }
    let FieldKind::Object(fields) = kind else { return Ok(None) };
    let empty = Map::new();
    let existing = property.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let missing = reconcile(existing, fields, types)?;
    Ok((!missing.is_empty()).then(|| json!({ "properties": missing })))
}

impl Conflict {
    fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

/// Objects have no `type` in an answer.
fn type_of(property: &Value) -> &str {
    property.get("type").and_then(Value::as_str).unwrap_or("object")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: FieldKind) -> DocumentField {
        DocumentField { name: name.into(), kind, nullable: true }
    }

    fn types() -> FieldTypes {
        FieldTypes::new(DecimalType::Double, JsonType::Flattened)
    }

    fn existing(properties: Value) -> Map<String, Value> {
        properties.as_object().unwrap().clone()
    }

    const BIGINT_UNSIGNED: FieldKind = FieldKind::Decimal { precision: Some(20), scale: Some(0) };

    #[test]
    fn types_follow_the_meaning_of_a_column() {
        let mut types = types();
        let property = |types: &FieldTypes, kind| types.property(&kind)["type"].clone();

        assert_eq!(property(&types, FieldKind::Date), "date");
        assert_eq!(property(&types, FieldKind::DateNanos), "date_nanos");
        assert_eq!(property(&types, FieldKind::Array(Box::new(FieldKind::Float))), "float");
        assert_eq!(property(&types, BIGINT_UNSIGNED), "unsigned_long");
        types.forget_unsigned_long();
        assert_eq!(property(&types, BIGINT_UNSIGNED), "double");
        let scaled = FieldTypes::new(DecimalType::ScaledFloat, JsonType::Stored);
        let decimal = FieldKind::Decimal { precision: Some(10), scale: Some(2) };
        assert_eq!(
            scaled.property(&decimal),
            json!({"type": "scaled_float", "scaling_factor": 100.0})
        );
        let of_any_scale = FieldKind::Decimal { precision: None, scale: None };
        assert_eq!(scaled.property(&of_any_scale)["type"], "double");
    }

    #[test]
    fn a_new_column_is_added_and_the_others_are_left_alone() {
        let existing = existing(json!({"a": {"type": "long"}, "user": {"type": "ip"}}));
        let fields = [field("a", FieldKind::Integer), field("b", FieldKind::Date)];

        let missing = reconcile(&existing, &fields, &types()).unwrap();

        assert_eq!(Value::from(missing), json!({"b": {"type": "date"}}));
    }

    #[test]
    fn a_type_that_does_not_take_the_values_is_a_conflict_of_both() {
        let existing = existing(json!({"g": {"properties": {"n": {"type": "integer"}}}}));
        let object = |kind| FieldKind::Object(Box::new([field("n", kind)]));

        let conflict =
            reconcile(&existing, &[field("g", object(FieldKind::Long))], &types()).unwrap_err();

        assert_eq!(
            conflict,
            Conflict {
                field: "g.n".to_owned(),
                found: "integer".to_owned(),
                wanted: "long for a 64-bit number".to_owned(),
            }
        );
        assert!(reconcile(&existing, &[field("g", object(FieldKind::Short))], &types()).is_ok());
    }

    #[test]
    fn objects_get_the_fields_that_they_lack() {
        let existing = existing(json!({"g": {"properties": {"wkb": {"type": "binary"}}}}));
        let fields = [field("wkb", FieldKind::Bytes), field("srid", FieldKind::Integer)];
        let fields = [field("g", FieldKind::Object(Box::new(fields)))];

        let missing = reconcile(&existing, &fields, &types()).unwrap();

        assert_eq!(
            Value::from(missing),
            json!({"g": {"properties": {"srid": {"type": "integer"}}}})
        );
    }
}
