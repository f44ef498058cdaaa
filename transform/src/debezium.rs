//! Debezium's transforms, held against Debezium 3.6's own classes; those that run scripts, by its
//! documentation.
//!
//! <https://debezium.io/documentation/reference/3.6/transformations/index.html>

mod expand;
mod outbox;
mod router;
mod script;
mod unwrap;

use schema::value::{Field, Kind, Schema, Value};

use crate::connect::Make;
use crate::error::Failure;
use crate::record::Part;

/// A transform by its Java class or the last part of its name.
pub(crate) fn find(class: &str) -> Option<(&'static str, Make)> {
    let last = |known: &'static str| known.rsplit('.').next();
    let is = |known: &'static str| known == class || last(known) == Some(class);
    TRANSFORMS.iter().find(|(known, _)| is(known)).copied()
}

/// The classes that there are.
pub(crate) fn classes() -> impl Iterator<Item = &'static str> {
    TRANSFORMS.iter().map(|(class, _)| *class)
}

const TRANSFORMS: [(&str, Make); 5] = [
    ("io.debezium.transforms.ByLogicalTableRouter", router::make),
    ("io.debezium.transforms.ContentBasedRouter", script::make_router),
    ("io.debezium.transforms.ExtractNewRecordState", unwrap::make),
    // Its last part alone is Kafka Connect's own.
    ("io.debezium.transforms.Filter", script::make_filter),
    ("io.debezium.transforms.outbox.EventRouter", outbox::make),
];

/// A change event, seen as one.
#[derive(Clone, Copy)]
struct Envelope<'a> {
    fields: &'a [Field],
    values: &'a [Value],
}

impl<'a> Envelope<'a> {
    /// The change event that a value is, if it is one: by its fields, and by its name where its
    /// converter kept it.
    fn of(part: &'a Part) -> Option<Self> {
        let schema = part.schema.as_deref()?;
        let (Kind::Struct(fields), Value::Struct(values)) = (&schema.kind, &part.value) else {
            return None;
        };
        let is_named = schema.name.as_deref().is_none_or(|name| name.ends_with(".Envelope"));
        let has = |name: &str| fields.iter().any(|field| field.name == name);
        let has_all = ["before", "after", "source", "op"].into_iter().all(has);
        (is_named && has_all).then_some(Self { fields, values })
    }

    fn field(self, name: &str) -> Option<(&'a Schema, &'a Value)> {
        let mut both = self.fields.iter().zip(self.values);
        both.find(|(field, _)| field.name == name).map(|(field, value)| (&field.schema, value))
    }

    /// A field, or one of a field's (`source.ts_ms`); the value is null where the outer one is.
    fn path(self, outer: Option<&str>, name: &str) -> Option<(&'a Schema, &'a Value)> {
        let Some(outer) = outer else { return self.field(name) };
        let (schema, value) = self.field(outer)?;
        let Kind::Struct(fields) = &schema.kind else { return None };
        let place = fields.iter().position(|field| field.name == name)?;
        let values = if let Value::Struct(values) = value { values.as_slice() } else { &[] };
        Some((&fields.get(place)?.schema, values.get(place).unwrap_or(&Value::Null)))
    }

    fn operation(self) -> &'a str {
        match self.field("op") {
            Some((_, Value::String(op))) => op,
            Some(_) | None => "",
        }
    }
}

/// A field of a row, or Connect's refusal.
fn row_field<'a>(
    schema: &'a Schema,
    row: &'a Value,
    name: &str,
) -> Result<(&'a Schema, &'a Value), Failure> {
    let (Kind::Struct(fields), Value::Struct(values)) = (&schema.kind, row) else {
        return Err(Failure::data(format!("{name} is not a valid field name")));
    };
    let mut both = fields.iter().zip(values);
    let found = both.find(|(field, _)| field.name == name);
    let found = found.map(|(field, value)| (&field.schema, value));
    found.ok_or_else(|| Failure::data(format!("{name} is not a valid field name")))
}

/// A text of a row; `None` for null.
fn row_text<'a>(
    schema: &'a Schema,
    row: &'a Value,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    match row_field(schema, row, name)? {
        (_, Value::String(text)) => Ok(Some(text)),
        (schema, Value::Null) if schema.kind == Kind::String => Ok(None),
        _ => Err(Failure::data(format!("Field '{name}' is not of type STRING"))),
    }
}
