//! A JSON Schema as a schema of Connect.

use schema::value::{Field, Kind, Schema};
use serde_json::Value as Json;

use super::resolve::{At, Documents};
use super::{
    ANY, ENUM, INDEX, JSON, JsonSchemaOptions, NULL_MARKER, ONE_OF, PARAMETERS, TYPE, VERSION,
    value,
};
use crate::error::FormatError;
use crate::{DEPTH_MAX, FIELDS_MAX};

/// Makes schemas of schemas.
pub(super) struct SchemaReader<'a> {
    documents: &'a Documents,
    options: JsonSchemaOptions,
    /// The schemas that the one at hand is in, by where they are.
    within: Vec<*const Json>,
    fields: usize,
}

impl<'a> SchemaReader<'a> {
    pub(super) fn new(documents: &'a Documents, options: JsonSchemaOptions) -> Self {
        Self { documents, options, within: Vec::new(), fields: 0 }
    }

    /// The schema of a record.
    pub(super) fn record(&mut self) -> Result<Schema, FormatError> {
        self.schema(self.documents.root()?)
    }

    fn schema(&mut self, at: At<'a>) -> Result<Schema, FormatError> {
        let place = std::ptr::from_ref(at.node);
        if self.within.contains(&place) {
            return Err(FormatError::schema("contains itself, and data of Connect have an end"));
        }
        self.fields += 1;
        if self.within.len() >= DEPTH_MAX || self.fields > FIELDS_MAX {
            return Err(FormatError::schema("has more than 10,000 fields or 64 levels"));
        }
        self.within.push(place);
        let schema = self.node(at);
        self.within.pop();
        schema
    }

    fn node(&mut self, at: At<'a>) -> Result<Schema, FormatError> {
        if let Some(reference) = at.text("$ref") {
            return self.schema(self.documents.resolve(at, reference)?);
        }
        if at.node == &Json::Bool(false) || at.get("not").is_some() {
            return Err(FormatError::schema("excludes values, which Connect does not have"));
        }
        let union = at.list("oneOf").or_else(|| at.list("anyOf"));
        if let Some(all) = at.list("allOf") {
            return self.all_of(at, &all, union);
        }
        match union {
            // Properties beside a choice are what its values have in common.
            Some(_) if at.get("properties").is_some() => self.typed(at),
            Some(choices) => self.union(at, &choices),
            None => self.typed(at),
        }
    }

    /// Everything that objects of all of them have; of other types the one that says most.
    fn all_of(
        &mut self,
        at: At<'a>,
        all: &[At<'a>],
        union: Option<Vec<At<'a>>>,
    ) -> Result<Schema, FormatError> {
        let mut properties = Vec::new();
        self.collect(at, &mut properties, 0)?;
        if !properties.is_empty() {
            let fields = properties.into_iter().map(|(name, part, is_required)| {
                let is_optional = self.options.optional_for_nonrequired && !is_required;
                self.field(name, part, is_optional)
            });
            return Ok(Schema::new(Kind::Struct(fields.collect::<Result<_, _>>()?)));
        }
        if let Some(choices) = union {
            return self.union(at, &choices);
        }
        let says_type = |part: &&At<'a>| part.get("type").is_some() || part.get("$ref").is_some();
        if at.get("type").is_some() {
            return self.typed(at);
        }
        match all.iter().find(says_type).or(all.first()) {
            Some(part) => self.schema(*part),
            None => Ok(any()),
        }
    }

    /// The properties of an object and of all that it is too.
    fn collect(
        &self,
        at: At<'a>,
        properties: &mut Vec<(&'a str, At<'a>, bool)>,
        depth: usize,
    ) -> Result<(), FormatError> {
        if depth > DEPTH_MAX {
            return Err(FormatError::schema("contains itself, and data of Connect have an end"));
        }
        if let Some(reference) = at.text("$ref") {
            return self.collect(self.documents.resolve(at, reference)?, properties, depth + 1);
        }
        for part in at.list("allOf").unwrap_or_default() {
            self.collect(part, properties, depth + 1)?;
        }
        for (name, part) in
            at.get("properties").and_then(|p| p.node.as_object()).into_iter().flatten()
        {
            let found = (&**name, at.part(part), is_required(at, name));
            match properties.iter_mut().find(|(known, _, _)| known == name) {
                Some(known) => *known = found,
                None => properties.push(found),
            }
            if properties.len() > FIELDS_MAX {
                return Err(FormatError::schema("has more than 10,000 fields"));
            }
        }
        Ok(())
    }

    fn union(&mut self, at: At<'a>, choices: &[At<'a>]) -> Result<Schema, FormatError> {
        let values: Vec<_> = choices.iter().filter(|choice| !is_null(**choice)).collect();
        let has_null = values.len() < choices.len();
        match &*values {
            [value] if has_null || self.options.flatten_singletons => {
                let schema = self.schema(**value)?;
                Ok(Schema { optional: schema.optional || has_null, ..schema })
            }
            _ => {
                let fields = values.iter().enumerate().map(|(place, value)| {
                    let schema = self.schema(**value)?.optional();
                    Ok(Field::new(format!("{ONE_OF}.field.{place}"), schema))
                });
                let fields = fields.collect::<Result<_, FormatError>>()?;
                let schema = Schema::record(ONE_OF.to_owned(), None, fields);
                self.described(at, Schema { optional: has_null, ..schema })
            }
        }
    }

    fn typed(&mut self, at: At<'a>) -> Result<Schema, FormatError> {
        let types: Vec<&str> = match at.node.get("type") {
            Some(Json::String(one)) => vec![one],
            Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
            _ => guess(at).into_iter().collect(),
        };
        let values: Vec<_> = types.iter().filter(|kind| **kind != "null").collect();
        let has_null = values.len() < types.len();
        if let Some(symbols) = symbols(at)
            && values.iter().all(|kind| **kind == "string")
        {
            // A text that is always the same says nothing more than that it is one.
            let says_more = at.get("enum").is_some() || values.is_empty();
            let schema = if says_more { enumeration(&symbols) } else { Schema::new(Kind::String) };
            return self.described(at, Schema { optional: has_null, ..schema });
        }
        match &*values {
            [kind] => {
                let schema = self.single(at, kind)?;
                self.described(at, Schema { optional: has_null, ..schema })
            }
            [] if has_null => Err(FormatError::schema("is always null")),
            [] => self.described(at, any()),
            _ => {
                let fields = values.iter().enumerate().map(|(place, kind)| {
                    let schema = self.single(at, kind)?.optional();
                    Ok(Field::new(format!("{ONE_OF}.field.{place}"), schema))
                });
                let fields = fields.collect::<Result<_, FormatError>>()?;
                let schema = Schema::record(ONE_OF.to_owned(), None, fields);
                Ok(Schema { optional: has_null, ..schema })
            }
        }
    }

    fn single(&mut self, at: At<'a>, kind: &str) -> Result<Schema, FormatError> {
        let connect = at.text(TYPE);
        let number = match connect {
            Some("int8") => Some(Kind::Int8),
            Some("int16") => Some(Kind::Int16),
            Some("int32") => Some(Kind::Int32),
            Some("int64") => Some(Kind::Int64),
            Some("float32") => Some(Kind::Float32),
            Some("float64") => Some(Kind::Float64),
            Some("bytes") => Some(Kind::Bytes),
            Some(_) | None => None,
        };
        Ok(Schema::new(match kind {
            "boolean" => Kind::Boolean,
            "integer" => number.unwrap_or(Kind::Int64),
            "number" => number.unwrap_or(Kind::Float64),
            "string" if connect == Some("bytes") => Kind::Bytes,
            "string" => Kind::String,
            "array" => return self.array(at, connect == Some("map")),
            "object" => return self.object(at, connect == Some("map")),
            other => {
                let what = format!("has the type {other}, which JSON Schema does not have");
                return Err(FormatError::schema(what));
            }
        }))
    }

    fn array(&mut self, at: At<'a>, is_map: bool) -> Result<Schema, FormatError> {
        let items = at.get("items").filter(|items| !items.node.is_array());
        let entry = items.and_then(|items| items.get("properties"));
        if let (true, Some(entry)) = (is_map, entry) {
            let mut part = |key: &str| match entry.get(key) {
                Some(part) => self.schema(part).map(Box::new),
                None => Err(FormatError::schema("is a map without `key` or `value`")),
            };
            return Ok(Schema::new(Kind::Map(part("key")?, part("value")?)));
        }
        let each = match items {
            Some(items) => self.schema(items)?,
            None => any(),
        };
        Ok(Schema::new(Kind::Array(Box::new(each))))
    }

    fn object(&mut self, at: At<'a>, is_map: bool) -> Result<Schema, FormatError> {
        if is_map {
            let each = match at.get("additionalProperties") {
                Some(each) => self.schema(each)?,
                None => any(),
            };
            let key = Box::new(Schema::new(Kind::String));
            return Ok(Schema::new(Kind::Map(key, Box::new(each))));
        }
        let parts = at.get("properties").and_then(|properties| properties.node.as_object());
        let mut parts: Vec<_> = parts.into_iter().flatten().enumerate().collect();
        let index = |part: &Json| part.get(INDEX).and_then(Json::as_u64);
        parts.sort_by_key(|(place, (_, part))| {
            index(part).unwrap_or_else(|| u64::try_from(*place).unwrap_or(u64::MAX))
        });
        let fields = parts.into_iter().map(|(_, (name, part))| {
            let is_optional = self.options.optional_for_nonrequired && !is_required(at, name);
            self.field(name, at.part(part), is_optional)
        });
        Ok(Schema::new(Kind::Struct(fields.collect::<Result<_, _>>()?)))
    }

    fn field(&mut self, name: &str, at: At<'a>, is_optional: bool) -> Result<Field, FormatError> {
        let schema = self.schema(at).map_err(|error| error.within(name))?;
        Ok(Field::new(name, Schema { optional: schema.optional || is_optional, ..schema }))
    }

    /// What a schema says beside its type.
    fn described(&self, at: At<'a>, schema: Schema) -> Result<Schema, FormatError> {
        let version = at.node.get(VERSION).and_then(Json::as_u64);
        let given = at.node.get(PARAMETERS).and_then(Json::as_object).into_iter().flatten();
        let given =
            given.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let mut parameters = schema.parameters.clone();
        parameters.extend(given);
        let mut schema = Schema {
            name: schema.name.or_else(|| at.text("title").map(str::to_owned)),
            version: version.and_then(|version| u32::try_from(version).ok()),
            doc: at.text("description").map(str::to_owned),
            parameters,
            ..schema
        };
        if let Some(default) = at.node.get("default").filter(|default| !default.is_null()) {
            let read = value::of_text(&schema, &default.to_string());
            let wrong = |_| FormatError::schema("has a default that is not of its type");
            schema.default = Some(read.map_err(wrong)?);
        }
        Ok(schema)
    }
}

/// Any JSON, as a text.
fn any() -> Schema {
    let schema = Schema::semantic(Kind::String, JSON);
    schema.parameter(ANY, "true".to_owned()).optional()
}

fn is_required(at: At<'_>, name: &str) -> bool {
    let required = at.node.get("required").and_then(Json::as_array);
    required.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(name)))
}

fn is_null(at: At<'_>) -> bool {
    at.text("type") == Some("null")
}

/// The type of a schema that does not name one.
fn guess(at: At<'_>) -> Option<&'static str> {
    let has = |key: &str| at.get(key).is_some();
    if has("properties") || has("additionalProperties") || has("required") {
        return Some("object");
    }
    has("items").then_some("array")
}

/// The values that an enum or a constant has, as texts.
fn symbols(at: At<'_>) -> Option<Vec<String>> {
    let text = |value: &Json| match value {
        Json::Null => NULL_MARKER.to_owned(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    };
    match (at.node.get("enum"), at.node.get("const")) {
        (Some(Json::Array(values)), _) => Some(values.iter().map(text).collect()),
        (_, Some(value)) => Some(vec![text(value)]),
        _ => None,
    }
}

fn enumeration(symbols: &[String]) -> Schema {
    let schema = Schema::new(Kind::String).parameter(ENUM, String::new());
    symbols.iter().fold(schema, |schema, symbol| {
        schema.parameter(&format!("{ENUM}.{symbol}"), symbol.clone())
    })
}
