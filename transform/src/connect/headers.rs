//! `DropHeaders`, `HeaderFrom` and `InsertHeader`.

use std::sync::Arc;

use schema::value::{Field, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Exception, Failure};
use crate::java::{is_name, lookup, no_struct, require_map};
use crate::options::Options;
use crate::record::{Header, Part, Record, Side};
use crate::schemas::{SchemaCache, StructRef, fields_of, read, with_fields};
use crate::values;

/// Takes all headers of some names away.
struct DropHeaders(Vec<String>);

pub(super) fn make_drop(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    Ok(Box::new(DropHeaders(options.non_empty_list("headers")?)))
}

impl Transform for DropHeaders {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        record.headers.retain(|header| !self.0.contains(&header.name));
        Ok(Some(record))
    }
}

/// Adds a header that is always the same.
struct InsertHeader {
    name: String,
    part: Part,
}

pub(super) fn make_insert(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    let (name, text) = (options.required("header")?, options.required("value.literal")?);
    Ok(Box::new(InsertHeader { name, part: values::parse(&text) }))
}

impl Transform for InsertHeader {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        record.headers.push(Header { name: self.name.clone(), part: self.part.clone() });
        Ok(Some(record))
    }
}

/// Copies or moves fields to headers.
struct HeaderFrom {
    side: Side,
    /// Names of fields and of their headers.
    pairs: Vec<(String, String)>,
    moves: bool,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

pub(super) fn make_from(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let (fields, headers) = (options.required_list("fields")?, options.required_list("headers")?);
    let choices = [("move", true), ("copy", false)];
    let moves = options.choice("operation", None, &choices)?;
    for (key, list) in [("fields", &fields), ("headers", &headers)] {
        if list.is_empty() {
            return Err(options.invalid(key, "[]", "Empty list"));
        }
    }
    if fields.len() != headers.len() {
        let problem = "'fields' config must have the same number of elements as 'headers' config.";
        return Err(options.problem("fields", problem));
    }
    Ok(Box::new(HeaderFrom {
        side,
        pairs: fields.into_iter().zip(headers).collect(),
        moves,
        defaults: options.defaults()?,
        schemas: SchemaCache::default(),
    }))
}

impl Transform for HeaderFrom {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let purpose = if self.moves { "header move" } else { "header copy" };
        let mut added = Vec::with_capacity(self.pairs.len());
        match &part.schema {
            None => {
                let entries = require_map(&part.value, purpose)?;
                for (field, name) in &self.pairs {
                    let value = Part::free(lookup(entries, field).clone());
                    added.push(Header { name: name.clone(), part: value });
                }
                if self.moves {
                    let mut entries = entries.to_vec();
                    entries
                        .retain(|(key, _)| !self.pairs.iter().any(|(name, _)| is_name(key, name)));
                    part.value = Value::Map(entries);
                }
            }
            Some(schema) => {
                let found = StructRef::of(schema, &part.value)
                    .ok_or_else(|| no_struct(schema, &part.value, purpose))?;
                for (name, header) in &self.pairs {
                    let (field, value) = found.find(name).ok_or_else(|| no_field(name))?;
                    let value = read(field, value, self.defaults);
                    let part = Part::new(Arc::new(field.schema.clone()), value);
                    added.push(Header { name: header.clone(), part });
                }
                if self.moves {
                    let stays = |field: &Field| !self.pairs.iter().any(|(n, _)| *n == field.name);
                    let new = self.schemas.get(schema, |old| {
                        let kept = fields_of(old)?.iter().filter(|field| stays(field)).cloned();
                        with_fields(old, kept.collect())
                    })?;
                    let kept = found.iter().filter(|(field, _)| stays(field));
                    let value = Value::Struct(
                        kept.map(|(field, value)| read(field, value, self.defaults)).collect(),
                    );
                    *part = Part::new(new, value);
                }
            }
        }
        record.headers.extend(added);
        Ok(Some(record))
    }
}

fn no_field(name: &str) -> Failure {
    Failure::new(Exception::NullPointer, format!("the value has no field {name}"))
}
