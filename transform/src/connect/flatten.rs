//! `Flatten`: fields within fields become fields, their names joined.

use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::java::{no_struct, put, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{SchemaCache, StructRef, fields_of, read, with_fields};

const PURPOSE: &str = "flattening";

struct Flatten {
    side: Side,
    delimiter: String,
    schemas: SchemaCache<Arc<Schema>>,
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let delimiter = options.text_or("delimiter", ".");
    Ok(Box::new(Flatten { side, delimiter, schemas: SchemaCache::default() }))
}

impl Transform for Flatten {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let Part { schema, value } = &*part;
        if *value == Value::Null {
            return Ok(Some(record));
        }
        *part = match schema {
            None => {
                let mut flat = Vec::new();
                flatten_map(require_map(value, PURPOSE)?, ("", &self.delimiter), &mut flat);
                Part::free(Value::Map(flat))
            }
            Some(schema) => {
                let found = StructRef::of(schema, value)
                    .ok_or_else(|| no_struct(schema, value, PURPOSE))?;
                let delimiter = &self.delimiter;
                let new = self.schemas.get(schema, |old| {
                    let mut fields = Vec::new();
                    flatten_fields(fields_of(old)?, ("", delimiter), old.optional, &mut fields)?;
                    with_fields(old, fields)
                })?;
                let mut flat = Vec::new();
                flatten_values(found.fields, Some(found.values), &mut flat);
                Part::new(new, Value::Struct(flat))
            }
        };
        Ok(Some(record))
    }
}

fn joined(name: &str, (before, delimiter): (&str, &str)) -> String {
    if before.is_empty() { name.to_owned() } else { format!("{before}{delimiter}{name}") }
}

fn flatten_map(
    entries: &[(Value, Value)],
    (before, delimiter): (&str, &str),
    flat: &mut Vec<(Value, Value)>,
) {
    for (key, value) in entries {
        let Value::String(name) = key else { continue };
        let name = joined(name, (before, delimiter));
        if let Value::Map(inner) = value {
            flatten_map(inner, (&name, delimiter), flat);
        } else {
            put(flat, &name, value.clone());
        }
    }
}

/// What is within something that can be null can be null.
fn flatten_fields(
    fields: &[Field],
    (before, delimiter): (&str, &str),
    optional: bool,
    flat: &mut Vec<Field>,
) -> Result<(), Failure> {
    for field in fields {
        let name = joined(&field.name, (before, delimiter));
        let optional = optional || field.schema.optional;
        match &field.schema.kind {
            Kind::Struct(inner) => flatten_fields(inner, (&name, delimiter), optional, flat)?,
            Kind::Map(..) => {
                return Err(Failure::data(format!(
                    "Flatten transformation does not support MAP for record with schemas (for field \
                     {name})."
                )));
            }
            Kind::Boolean
            | Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::Float32
            | Kind::Float64
            | Kind::String
            | Kind::Bytes
            | Kind::Array(_) => {
                flat.push(Field::new(name, Schema { optional, ..field.schema.clone() }));
            }
        }
    }
    Ok(())
}

/// The values in the order of the flat fields; nulls for what is within a null.
fn flatten_values(fields: &[Field], values: Option<&[Value]>, flat: &mut Vec<Value>) {
    for (place, field) in fields.iter().enumerate() {
        let value = values.and_then(|values| values.get(place)).unwrap_or(&Value::Null);
        if let Kind::Struct(inner) = &field.schema.kind {
            let values =
                if let Value::Struct(values) = value { Some(values.as_slice()) } else { None };
            flatten_values(inner, values, flat);
        } else if values.is_some() {
            flat.push(read(field, value, true));
        } else {
            flat.push(Value::Null);
        }
    }
}
