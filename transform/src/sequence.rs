//! The number of a change: it is in the envelope, which transforms may take away.

use schema::value::{Kind, Schema, Value};

use crate::Part;

/// The text of `source.sequence`, if the value is an envelope that has one.
#[must_use]
pub fn sequence_of(value: &Part) -> Option<&str> {
    let found = match value.schema.as_deref() {
        Some(schema) => {
            let (schema, source) = field(schema, &value.value, "source")?;
            field(schema, source, "sequence")?.1
        }
        None => entry(entry(&value.value, "source")?, "sequence")?,
    };
    if let Value::String(text) = found { Some(text) } else { None }
}

fn field<'a>(schema: &'a Schema, value: &'a Value, name: &str) -> Option<(&'a Schema, &'a Value)> {
    let (Kind::Struct(fields), Value::Struct(values)) = (&schema.kind, value) else { return None };
    let (field, value) = fields.iter().zip(values).find(|(field, _)| field.name == name)?;
    Some((&field.schema, value))
}

fn entry<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(entries) = value else { return None };
    let is = |key: &Value| if let Value::String(key) = key { key == name } else { false };
    entries.iter().find(|(key, _)| is(key)).map(|(_, value)| value)
}
