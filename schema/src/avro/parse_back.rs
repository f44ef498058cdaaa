//! Avro schema → Connect schema, for a text that [`schema_text`](super::schema_text) wrote: nothing
//! of what it was made of is lost, as it is where a record of anybody's is read.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::derive::{CLEAN_LOGICAL_TYPES, NAMELESS};
use crate::value::{Field, Kind, Schema, Value};

/// The Connect schema that a text was made of; `None` for a text that was not made here. Of the
/// clean style's only what it has attributes for.
#[must_use]
pub fn schema_of_text(text: &str) -> Option<Schema> {
    let json = serde_json::from_str(text).ok()?;
    Reader::default().any(&json, "")
}

#[derive(Default)]
struct Reader {
    /// The records that were spelt out.
    named: HashMap<String, Schema>,
}

impl Reader {
    fn any(&mut self, json: &Json, namespace: &str) -> Option<Schema> {
        let Json::Array(branches) = json else { return self.required(json, namespace) };
        let mut branches = branches.iter().filter(|branch| *branch != "null");
        let schema = self.required(branches.next()?, namespace)?;
        branches.next().is_none().then(|| schema.optional())
    }

    fn required(&mut self, json: &Json, namespace: &str) -> Option<Schema> {
        if let Some(name) = json.as_str() {
            return self.by_name(name, namespace);
        }
        let object = json.as_object()?;
        let base = object.get("type")?.as_str()?;
        if base == "record" {
            return self.record(object, namespace);
        }
        let kind = match base {
            "array" => Kind::Array(Box::new(self.any(object.get("items")?, namespace)?)),
            "map" => {
                let keys = Box::new(Schema::new(Kind::String));
                Kind::Map(keys, Box::new(self.any(object.get("values")?, namespace)?))
            }
            "int" => match text(object, "connect.type") {
                Some("int8") => Kind::Int8,
                Some("int16") => Kind::Int16,
                Some(_) | None => Kind::Int32,
            },
            other => primitive(other)?,
        };
        Some(with_attributes(Schema::new(kind), object))
    }

    fn by_name(&self, name: &str, namespace: &str) -> Option<Schema> {
        if let Some(kind) = primitive(name) {
            return Some(Schema::new(kind));
        }
        self.named.get(&full_name(name, namespace)).or_else(|| self.named.get(name)).cloned()
    }

    fn record(&mut self, object: &Map<String, Json>, namespace: &str) -> Option<Schema> {
        let namespace = text(object, "namespace").unwrap_or(namespace);
        let name = full_name(text(object, "name")?, namespace);
        let fields = object.get("fields")?.as_array()?.iter().map(|json| {
            let mut schema = self.any(json.get("type")?, namespace)?;
            // The clean style has it only here.
            if let Some(default) = json.get("default").filter(|_| schema.default.is_none()) {
                schema.default = value(&schema.kind, default);
            }
            Some(Field::new(json.get("name")?.as_str()?, schema))
        });
        let schema = Schema::new(Kind::Struct(fields.collect::<Option<_>>()?));
        let mut schema = with_attributes(schema, object);
        if schema.name.is_none() && !name.starts_with(NAMELESS) {
            schema.name = Some(name.clone());
        }
        self.named.insert(name, schema.clone());
        Some(schema)
    }
}

fn with_attributes(mut schema: Schema, object: &Map<String, Json>) -> Schema {
    let logical = text(object, "logicalType");
    let semantic = CLEAN_LOGICAL_TYPES.iter().find(|(_, known)| logical == Some(known));
    let name = text(object, "connect.name").or(semantic.map(|(name, _)| *name));
    schema.name = name.map(str::to_owned);
    schema.doc = text(object, "connect.doc").map(str::to_owned);
    let version = object.get("connect.version").and_then(Json::as_u64);
    schema.version = version.and_then(|version| u32::try_from(version).ok());
    let parameters = object.get("connect.parameters").and_then(Json::as_object);
    for (name, value) in parameters.into_iter().flatten() {
        schema.parameters.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    if schema.parameters.is_empty() {
        // The clean style's decimals have them as Avro's own.
        for (ours, avro) in [("scale", "scale"), ("connect.decimal.precision", "precision")] {
            let number = object.get(avro).and_then(Json::as_u64);
            schema.parameters.extend(number.map(|number| (ours.to_owned(), number.to_string())));
        }
    }
    schema.default = object.get("connect.default").and_then(|json| value(&schema.kind, json));
    schema
}

/// A default, as a schema has it.
fn value(kind: &Kind, json: &Json) -> Option<Value> {
    Some(match kind {
        Kind::Boolean => Value::Boolean(json.as_bool()?),
        Kind::Int8 | Kind::Int16 | Kind::Int32 => Value::Int32(json.as_i64()?.try_into().ok()?),
        Kind::Int64 => Value::Int64(json.as_i64()?),
        #[expect(clippy::cast_possible_truncation, reason = "a single was written as a number")]
        Kind::Float32 => Value::Float32(json.as_f64()? as f32),
        Kind::Float64 => Value::Float64(json.as_f64()?),
        Kind::String => Value::String(json.as_str()?.to_owned()),
        Kind::Bytes => {
            let bytes = json.as_str()?.chars().map(|c| u8::try_from(c).ok());
            Value::Bytes(bytes.collect::<Option<_>>()?)
        }
        Kind::Array(entry) => {
            let entries = json.as_array()?.iter().map(|json| value(&entry.kind, json));
            Value::Array(entries.collect::<Option<_>>()?)
        }
        Kind::Map(..) | Kind::Struct(_) => return None,
    })
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "boolean" => Kind::Boolean,
        "int" => Kind::Int32,
        "long" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        _ => return None,
    })
}

fn text<'a>(object: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str)
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::{SchemaStyle, schema_text};

    #[test]
    fn debeziums_own_texts_come_back_as_they_were() {
        for text in [
            include_str!("../../tests/golden/transaction-key.json").trim(),
            include_str!("../../tests/golden/transaction-value.json").trim(),
            include_str!("../../tests/golden/schema-change-key.json").trim(),
            include_str!("../../tests/golden/schema-change-value.json").trim(),
        ] {
            let schema = schema_of_text(text).unwrap();
            assert_eq!(schema_text(&schema, SchemaStyle::Debezium), text);
        }
    }

    #[test]
    fn what_a_schema_says_is_not_lost() {
        let field = |name: &str, schema| Field::new(name, schema);
        let inner = Schema::record(
            "a.b.Value".to_owned(),
            None,
            vec![
                field("i8", Schema::new(Kind::Int8).default_value(Value::Int32(-1))),
                field(
                    "f",
                    Schema::new(Kind::Float32).optional().default_value(Value::Float32(0.1)),
                ),
                field("b", Schema::new(Kind::Bytes).default_value(Value::Bytes(vec![0, 255]))),
                field(
                    "e",
                    Schema::semantic(Kind::String, "io.debezium.data.Enum")
                        .parameter("z", "1".to_owned())
                        .parameter("allowed", "a,b".to_owned())
                        .doc("d"),
                ),
            ],
        );
        let map = Kind::Map(Box::new(Schema::new(Kind::String)), Box::new(inner.clone()));
        let list = Kind::Array(Box::new(Schema::new(Kind::Int64).optional()));
        let nameless = Schema::new(Kind::Struct(vec![field("x", Schema::new(Kind::String))]));
        let schema = Schema::record(
            "a.b.Envelope".to_owned(),
            Some(2),
            vec![
                field("before", inner.clone().optional()),
                field("after", inner.optional()),
                field("map", Schema::new(map)),
                field("list", Schema::new(list)),
                field("nameless", nameless),
            ],
        );

        let text = schema_text(&schema, SchemaStyle::Debezium);

        assert_eq!(schema_of_text(&text).unwrap(), schema, "{text}");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "{", r#""enum""#, r#"["int","string"]"#, r#"{"type":"fixed"}"#] {
            assert_eq!(schema_of_text(text), None, "{text}");
        }
    }
}
