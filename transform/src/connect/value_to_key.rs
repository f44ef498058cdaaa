//! `ValueToKey`: fields of the value become the key.

use std::sync::Arc;

use schema::value::{Field, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::java::{lookup, no_struct, require_map};
use crate::options::Options;
use crate::record::{Part, Record};
use crate::schemas::{SchemaCache, StructRef, fields_of, nameless, read};

const PURPOSE: &str = "copying fields from value to key";

struct ValueToKey {
    fields: Vec<String>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

pub(super) fn make(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    let fields = options.non_empty_list("fields")?;
    Ok(Box::new(ValueToKey {
        fields,
        defaults: options.defaults()?,
        schemas: SchemaCache::default(),
    }))
}

impl Transform for ValueToKey {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let Part { schema, value } = &record.value;
        record.key = match schema {
            None => {
                let entries = require_map(value, PURPOSE)?;
                let entry =
                    |name: &String| (Value::String(name.clone()), lookup(entries, name).clone());
                Part::free(Value::Map(self.fields.iter().map(entry).collect()))
            }
            Some(schema) => {
                let found = StructRef::of(schema, value)
                    .ok_or_else(|| no_struct(schema, value, PURPOSE))?;
                let key = self.schemas.get(schema, |schema| key_schema(&self.fields, schema))?;
                let field = |name: &String| {
                    let found = found.find(name);
                    found.map_or(Value::Null, |(field, value)| read(field, value, self.defaults))
                };
                Part::new(key, Value::Struct(self.fields.iter().map(field).collect()))
            }
        };
        Ok(Some(record))
    }
}

fn key_schema(names: &[String], value: &Schema) -> Result<Arc<Schema>, Failure> {
    let fields = fields_of(value)?;
    let field = |name: &String| {
        let found = fields.iter().find(|field| field.name == *name);
        found.cloned().ok_or_else(|| Failure::data(format!("Field does not exist: {name}")))
    };
    nameless(names.iter().map(field).collect::<Result<Vec<Field>, Failure>>()?)
}
