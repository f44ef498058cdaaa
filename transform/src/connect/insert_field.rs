//! `InsertField`: where a record is and when, and a fixed text, as fields.

use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::fold::{Folded, Origin, Row, nulls_stay};
use crate::java::{no_struct, put, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{SchemaCache, StructRef, fields_of, logical, read, with_fields};

const PURPOSE: &str = "field insertion";

struct InsertField {
    side: Side,
    fields: Vec<Inserted>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

struct Inserted {
    name: String,
    optional: bool,
    what: What,
}

enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(String),
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let mut fields = Vec::new();
    let keys = [
        ("topic.field", What::Topic),
        ("partition.field", What::Partition),
        ("offset.field", What::Offset),
        ("timestamp.field", What::Timestamp),
    ];
    for (key, what) in keys {
        fields.extend(options.text(key).map(|text| Inserted::new(&text, what)));
    }
    let text = options.text("static.value");
    if let Some(name) = options.text("static.field") {
        let Some(text) = text else {
            let problem = format!("No value specified for static field: {name}");
            return Err(options.problem("static.field", problem));
        };
        fields.push(Inserted::new(&name, What::Static(text)));
    }
    if fields.is_empty() {
        return Err(options.problem("type", "No field insertion configured"));
    }
    let defaults = options.defaults()?;
    Ok(Box::new(InsertField { side, fields, defaults, schemas: SchemaCache::default() }))
}

impl Inserted {
    /// `!` behind a name makes the field required, `?`, or nothing, optional.
    fn new(text: &str, what: What) -> Self {
        let (name, optional) = match text.strip_suffix('!') {
            Some(name) => (name, false),
            None => (text.strip_suffix('?').unwrap_or(text), true),
        };
        Self { name: name.to_owned(), optional, what }
    }

    fn schema(&self) -> Schema {
        let schema = match self.what {
            What::Topic | What::Static(_) => Schema::new(Kind::String),
            What::Partition => Schema::new(Kind::Int32),
            What::Offset => Schema::new(Kind::Int64),
            What::Timestamp => logical::timestamp(),
        };
        Schema { optional: self.optional, ..schema }
    }

    /// The field in all rows; `None` if there are records that have no value for it.
    fn folded(&self) -> Option<Folded> {
        let origin = match &self.what {
            What::Topic => Origin::Topic,
            What::Partition => Origin::Partition,
            What::Offset => Origin::Offset,
            What::Timestamp if !self.optional => return None,
            What::Timestamp => Origin::Timestamp,
            What::Static(text) => Origin::Text(text.clone()),
        };
        Some(Folded { name: self.name.clone(), schema: self.schema(), origin })
    }

    /// The value; `None` if the record does not have it.
    fn value(&self, record: &Record) -> Result<Option<Value>, Failure> {
        Ok(match &self.what {
            What::Topic => Some(Value::String((*record.topic).to_owned())),
            What::Partition => record.partition.map(Value::Int32),
            What::Offset => {
                let offset = record.offset.ok_or_else(|| {
                    Failure::data(
                        "Only SinkRecord supported for [field insertion], found: SourceRecord",
                    )
                })?;
                Some(Value::Int64(offset))
            }
            What::Timestamp => record.timestamp.map(Value::Int64),
            What::Static(text) => Some(Value::String(text.clone())),
        })
    }
}

impl Transform for InsertField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let Part { schema, value } = self.side.of(&record);
        if *value == Value::Null {
            return Ok(Some(record));
        }
        let part = match schema {
            None => {
                let mut entries = require_map(value, PURPOSE)?.to_vec();
                for field in &self.fields {
                    if let Some(value) = field.value(&record)? {
                        put(&mut entries, &field.name, value);
                    }
                }
                Part::free(Value::Map(entries))
            }
            Some(schema) => {
                let found = StructRef::of(schema, value)
                    .ok_or_else(|| no_struct(schema, value, PURPOSE))?;
                let added = &self.fields;
                let new = self.schemas.get(schema, |old| {
                    let added = added.iter().map(|field| Field::new(&field.name, field.schema()));
                    with_fields(old, fields_of(old)?.iter().cloned().chain(added).collect())
                })?;
                let old = found.iter().map(|(field, value)| Ok(read(field, value, self.defaults)));
                let added = self
                    .fields
                    .iter()
                    .map(|field| Ok(field.value(&record)?.unwrap_or(Value::Null)));
                Part::new(new, Value::Struct(old.chain(added).collect::<Result<_, Failure>>()?))
            }
        };
        *self.side.of_mut(&mut record) = part;
        Ok(Some(record))
    }

    fn fold(&self, mut row: Row) -> Option<Row> {
        if self.side != Side::Value || !nulls_stay(&row.fields, self.defaults) {
            return None;
        }
        let added = self.fields.iter().map(Inserted::folded).collect::<Option<Vec<_>>>()?;
        let mut fields = std::mem::take(&mut row.fields);
        fields.extend(added);
        row.with(fields)
    }
}
