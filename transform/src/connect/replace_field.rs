//! `ReplaceField`: fields left out, kept, and called otherwise.

use std::sync::Arc;

use schema::value::{Field, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::fold::{Folded, Row, nulls_stay};
use crate::java::{no_struct, put, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{SchemaCache, StructRef, fields_of, read, with_fields};

const PURPOSE: &str = "field replacement";

struct ReplaceField {
    side: Side,
    names: Names,
    defaults: bool,
    schemas: SchemaCache<(Arc<Schema>, Arc<[usize]>)>,
}

/// Which fields are kept, and under which name.
struct Names {
    include: Vec<String>,
    exclude: Vec<String>,
    renames: Vec<(String, String)>,
}

impl Names {
    fn of<'a>(&'a self, field: &'a str) -> Option<&'a str> {
        let is_in = |list: &[String]| list.iter().any(|name| name == field);
        if is_in(&self.exclude) || !(self.include.is_empty() || is_in(&self.include)) {
            return None;
        }
        // The last of several for one field, as in a Java map.
        let rename = self.renames.iter().rev().find(|(from, _)| from == field);
        Some(rename.map_or(field, |(_, to)| to))
    }
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let names = Names {
        include: options.list("include").unwrap_or_default(),
        exclude: options.list("exclude").unwrap_or_default(),
        renames: options.pairs("renames")?,
    };
    let defaults = options.defaults()?;
    Ok(Box::new(ReplaceField { side, names, defaults, schemas: SchemaCache::default() }))
}

impl Transform for ReplaceField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let Part { schema, value } = &*part;
        if *value == Value::Null {
            return Ok(Some(record));
        }
        *part = match schema {
            None => {
                let mut kept = Vec::new();
                for (key, value) in require_map(value, PURPOSE)? {
                    let Value::String(name) = key else { continue };
                    if let Some(name) = self.names.of(name) {
                        put(&mut kept, name, value.clone());
                    }
                }
                Part::free(Value::Map(kept))
            }
            Some(schema) => {
                let found = StructRef::of(schema, value)
                    .ok_or_else(|| no_struct(schema, value, PURPOSE))?;
                let (schema, places) = self.schemas.get(schema, |old| keep(&self.names, old))?;
                let kept = |place: &usize| {
                    let entry = found.fields.get(*place).zip(found.values.get(*place));
                    entry.map_or(Value::Null, |(field, value)| read(field, value, self.defaults))
                };
                Part::new(schema, Value::Struct(places.iter().map(kept).collect()))
            }
        };
        Ok(Some(record))
    }

    fn fold(&self, mut row: Row) -> Option<Row> {
        if self.side != Side::Value {
            return None;
        }
        let named =
            |field: Folded| Some(Folded { name: self.names.of(&field.name)?.to_owned(), ..field });
        let fields = std::mem::take(&mut row.fields);
        let fields: Vec<_> = fields.into_iter().filter_map(named).collect();
        nulls_stay(&fields, self.defaults).then_some(fields).and_then(|fields| row.with(fields))
    }
}

/// The new schema, and where its fields were.
fn keep(names: &Names, old: &Schema) -> Result<(Arc<Schema>, Arc<[usize]>), Failure> {
    let (mut fields, mut places) = (Vec::new(), Vec::new());
    for (place, field) in fields_of(old)?.iter().enumerate() {
        if let Some(name) = names.of(&field.name) {
            fields.push(Field::new(name, field.schema.clone()));
            places.push(place);
        }
    }
    Ok((with_fields(old, fields)?, places.into()))
}
