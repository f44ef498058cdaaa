//! A schema of Connect as a JSON Schema.

use schema::value::{Field, Kind, Schema};
use serde_json::{Map, Value as Json, json};

use super::{
    ENUM, INDEX, JsonSchemaOptions, NAMESPACE, NULL_MARKER, PARAMETERS, TYPE, VERSION, is_union,
    write_value,
};
use crate::error::FormatError;
use crate::{DEPTH_MAX, names, parameter};

/// The text of a schema.
pub(crate) fn text(schema: &Schema, options: JsonSchemaOptions) -> Result<String, FormatError> {
    Writer { options }.schema(schema, None, 0).map(|schema| schema.to_string())
}

#[derive(Clone, Copy)]
struct Writer {
    options: JsonSchemaOptions,
}

impl Writer {
    fn schema(self, of: &Schema, index: Option<usize>, depth: usize) -> Result<Json, FormatError> {
        if depth > DEPTH_MAX {
            return Err(FormatError::schema("nests deeper than 64 levels"));
        }
        let mut json = if let (Kind::Struct(choices), true) = (&of.kind, is_union(of)) {
            self.union(choices, of.optional, depth)?
        } else if of.optional {
            let required = Schema { optional: false, ..of.clone() };
            json!({ "oneOf": [{ "type": "null" }, self.schema(&required, None, depth + 1)?] })
        } else {
            self.described(of, depth)?
        };
        if let (Some(index), Json::Object(json)) = (index, &mut json) {
            json.insert(INDEX.to_owned(), json!(index));
        }
        Ok(json)
    }

    fn union(
        self,
        choices: &[Field],
        is_optional: bool,
        depth: usize,
    ) -> Result<Json, FormatError> {
        let mut all = Vec::new();
        if is_optional {
            all.push(json!({ "type": "null" }));
        }
        for (place, choice) in choices.iter().enumerate() {
            let required = Schema { optional: false, ..choice.schema.clone() };
            let schema = self.schema(&required, Some(place), depth + 1);
            all.push(schema.map_err(|error| error.within(&choice.name))?);
        }
        Ok(json!({ "oneOf": all }))
    }

    fn described(self, of: &Schema, depth: usize) -> Result<Json, FormatError> {
        let mut json = self.kind(of, depth)?;
        let mut put = |key: &str, value: Option<Json>| {
            if let Some(value) = value {
                json.insert(key.to_owned(), value);
            }
        };
        put("title", of.name.as_ref().map(|name| json!(name)));
        put("description", of.doc.as_ref().map(|doc| json!(doc)));
        put(VERSION, of.version.map(|version| json!(version)));
        let parameters = of.parameters.iter().filter(|(name, _)| !name.starts_with(NAMESPACE));
        let parameters: Map<_, _> =
            parameters.map(|(name, value)| (name.clone(), json!(value))).collect();
        put(PARAMETERS, (!parameters.is_empty()).then_some(Json::Object(parameters)));
        if let Some(default) = &of.default {
            let text = write_value::text(of, default, self.options)?;
            put("default", serde_json::from_str(&text).ok());
        }
        Ok(Json::Object(json))
    }

    fn kind(self, of: &Schema, depth: usize) -> Result<Map<String, Json>, FormatError> {
        let is_number = self.options.numeric_decimals && of.name.as_deref() == Some(names::DECIMAL);
        let json = match &of.kind {
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Int8 => json!({ "type": "integer", TYPE: "int8" }),
            Kind::Int16 => json!({ "type": "integer", TYPE: "int16" }),
            Kind::Int32 => json!({ "type": "integer", TYPE: "int32" }),
            Kind::Int64 => json!({ "type": "integer", TYPE: "int64" }),
            Kind::Float32 => json!({ "type": "number", TYPE: "float32" }),
            Kind::Float64 => json!({ "type": "number", TYPE: "float64" }),
            Kind::Bytes if is_number => json!({ "type": "number", TYPE: "bytes" }),
            Kind::Bytes => json!({ "type": "string", TYPE: "bytes" }),
            Kind::String if parameter(of, ENUM).is_some() => json!({ "enum": symbols(of) }),
            Kind::String => json!({ "type": "string" }),
            Kind::Array(each) => {
                json!({ "type": "array", "items": self.schema(each, None, depth + 1)? })
            }
            Kind::Map(key, each) if is_name(key) => {
                let each = self.schema(each, None, depth + 1)?;
                json!({ "type": "object", "additionalProperties": each, TYPE: "map" })
            }
            Kind::Map(key, each) => {
                let key = self.schema(key, Some(0), depth + 1)?;
                let each = self.schema(each, Some(1), depth + 1)?;
                let entry =
                    json!({ "type": "object", "properties": { "key": key, "value": each } });
                json!({ "type": "array", "items": entry, TYPE: "map" })
            }
            Kind::Struct(fields) => {
                let mut properties = Map::new();
                for (place, field) in fields.iter().enumerate() {
                    let schema = self.schema(&field.schema, Some(place), depth + 1);
                    let schema = schema.map_err(|error| error.within(&field.name))?;
                    properties.insert(field.name.clone(), schema);
                }
                let mut json = json!({ "type": "object", "properties": properties });
                if let (false, Json::Object(json)) = (self.options.additional_properties, &mut json)
                {
                    json.insert("additionalProperties".to_owned(), json!(false));
                }
                json
            }
        };
        let Json::Object(json) = json else { return Err(FormatError::schema("is no object")) };
        Ok(json)
    }
}

/// Whether the keys of a map can be names of an object.
pub(super) fn is_name(key: &Schema) -> bool {
    key.kind == Kind::String && !key.optional
}

fn symbols(of: &Schema) -> Vec<Json> {
    let prefix = format!("{ENUM}.");
    let symbols = of.parameters.iter().filter_map(|(name, _)| name.strip_prefix(&prefix));
    symbols.map(|symbol| if symbol == NULL_MARKER { Json::Null } else { json!(symbol) }).collect()
}
