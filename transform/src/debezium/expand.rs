//! `table.expand.json.payload`: a text that is an object in JSON becomes a struct whose schema is found
//! out from it.
//!
//! The types are those of Debezium: whole numbers of 32 or 64 bits, doubles, texts, booleans, structs
//! and arrays, all of which may be null. Objects of one array have the fields of all of them, in the
//! order in which they first appear, where Debezium's order hangs on Java's hashes.

use schema::value::{Field, Kind, Schema, Value};
use serde_json::{Map, Value as Json};

/// What becomes of a field that is null (`table.json.payload.null.behavior`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// `ignore`: it is left out.
    Ignored,
    /// `optional_bytes`: it is one of bytes.
    Bytes,
}

/// Arrays have one type, which this one has not.
struct Untyped;

/// A text as a struct; none if it is no object, or has no types, and stays as it is.
///
/// Of a text that goes on behind the object the rest does not count, as there. An array stays as it
/// is: Debezium 3.6 gives it a type that its value is not of, so that no converter takes it.
pub(super) fn expand(text: &str, column: &str, nulls: Nulls) -> Option<(Schema, Value)> {
    if !text.starts_with('{') {
        return None;
    }
    let json = serde_json::Deserializer::from_str(text).into_iter::<Json>().next()?.ok()?;
    let schema = schema_of(&json, Some(column), nulls).ok().flatten()?;
    let value = value_of(&json, &schema)?;
    Some((schema, value))
}

/// The schema of a value within what has this name; none if it has none.
fn schema_of(json: &Json, name: Option<&str>, nulls: Nulls) -> Result<Option<Schema>, Untyped> {
    let kind = match json {
        Json::Null if nulls == Nulls::Ignored => return Ok(None),
        Json::Null => Kind::Bytes,
        Json::Bool(_) => Kind::Boolean,
        Json::Number(number) => match number.as_i64() {
            Some(number) if i32::try_from(number).is_ok() => Kind::Int32,
            Some(_) => Kind::Int64,
            None => Kind::Float64,
        },
        Json::String(_) => Kind::String,
        Json::Object(fields) => return struct_of(fields, name, nulls).map(Some),
        Json::Array(entries) if entries.is_empty() => return Ok(None),
        Json::Array(entries) => Kind::Array(Box::new(entry_of(entries, name, nulls)?)),
    };
    Ok(Some(Schema::new(kind).optional()))
}

fn struct_of(
    members: &Map<String, Json>,
    name: Option<&str>,
    nulls: Nulls,
) -> Result<Schema, Untyped> {
    let mut fields = Vec::with_capacity(members.len());
    for (member, json) in members {
        if member.is_empty() {
            return Err(Untyped);
        }
        let path = name.map(|name| format!("{name}.{member}"));
        if let Some(schema) = schema_of(json, path.as_deref().or(Some(member)), nulls)? {
            fields.push(Field::new(member, schema));
        }
    }
    let name = name.map(str::to_owned);
    Ok(Schema { name, ..Schema::new(Kind::Struct(fields)) }.optional())
}

/// The type that all entries of an array have, nulls aside.
fn entry_of(entries: &[Json], name: Option<&str>, nulls: Nulls) -> Result<Schema, Untyped> {
    let mut there = entries.iter().filter(|entry| !entry.is_null());
    let Some(first) = there.next() else {
        return schema_of(&Json::Null, name, nulls)?.ok_or(Untyped);
    };
    if there.clone().any(|entry| tag(entry) != tag(first)) {
        return Err(Untyped);
    }
    // What is in an array within an array has no name.
    let name = name.filter(|_| !first.is_array());
    let mut all = schema_of(first, name, nulls)?.ok_or(Untyped)?;
    if first.is_object() {
        for entry in there {
            let other = schema_of(entry, name, nulls)?.ok_or(Untyped)?;
            all = merged(all, other);
        }
    }
    Ok(all)
}

/// The fields of both; of one that both have, the later type, unless it is only that of a null. The
/// struct is required then, as there.
fn merged(known: Schema, other: Schema) -> Schema {
    let is_same = Schema { optional: other.optional, ..known.clone() } == other;
    let (Kind::Struct(fields), Kind::Struct(others)) = (&known.kind, other.kind) else {
        return known;
    };
    if is_same {
        return known;
    }
    let mut fields = fields.clone();
    for field in others {
        match fields.iter_mut().find(|known| known.name == field.name) {
            Some(_) if field.schema.kind == Kind::Bytes => {}
            Some(known) => *known = field,
            None => fields.push(field),
        }
    }
    Schema { kind: Kind::Struct(fields), optional: false, ..known }
}

/// What two entries have to have in common.
fn tag(json: &Json) -> u8 {
    match json {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(number) => match number.as_i64() {
            Some(number) if i32::try_from(number).is_ok() => 2,
            Some(_) => 3,
            None => 4,
        },
        Json::String(_) => 5,
        Json::Array(_) => 6,
        Json::Object(_) => 7,
    }
}

/// A value of a schema; none if it is not of it: the last of several types may not be the first's.
fn value_of(json: &Json, schema: &Schema) -> Option<Value> {
    Some(match (&schema.kind, json) {
        (_, Json::Null) => Value::Null,
        (Kind::Boolean, Json::Bool(truth)) => Value::Boolean(*truth),
        (Kind::Int32, Json::Number(number)) if tag(json) == 2 => {
            Value::Int32(number.as_i64()?.try_into().ok()?)
        }
        (Kind::Int64, Json::Number(number)) if tag(json) == 3 => Value::Int64(number.as_i64()?),
        (Kind::Float64, Json::Number(number)) if number.is_f64() => {
            Value::Float64(number.as_f64()?)
        }
        (Kind::String, Json::String(text)) => Value::String(text.clone()),
        (Kind::Array(entry), Json::Array(entries)) => {
            let entries = entries.iter().map(|json| value_of(json, entry));
            Value::Array(entries.collect::<Option<_>>()?)
        }
        (Kind::Struct(fields), Json::Object(members)) => {
            let values = fields.iter().map(|field| {
                let json = members.get(&field.name).unwrap_or(&Json::Null);
                value_of(json, &field.schema)
            });
            Value::Struct(values.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
