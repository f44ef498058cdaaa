//! `TimestampConverter`: text, a count since 1970, or Connect's types of times, one to the other.

use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Exception, Failure};
use crate::java::date_format::DateFormat;
use crate::java::{class_of, lookup, no_struct, put, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{SchemaCache, StructRef, fields_of, logical, read, with_fields};

const PURPOSE: &str = "converting timestamp formats";
const DAY_MS: i64 = 86_400_000;

struct TimestampConverter {
    side: Side,
    /// Empty for the whole.
    field: String,
    target: Form,
    format: Option<DateFormat>,
    /// How many of the unit are a second.
    unit: i64,
    defaults: bool,
    schemas: SchemaCache<(Arc<Schema>, Option<Form>)>,
}

/// In which form a time is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

const FORMS: [(&str, Form); 5] = [
    ("string", Form::Text),
    ("unix", Form::Unix),
    ("Date", Form::Date),
    ("Time", Form::Time),
    ("Timestamp", Form::Timestamp),
];
const UNITS: [(&str, i64); 4] = [
    ("nanoseconds", 1_000_000_000),
    ("microseconds", 1_000_000),
    ("milliseconds", 1_000),
    ("seconds", 1),
];

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let field = options.text_or("field", "");
    let target = options.choice("target.type", None, &FORMS)?;
    let pattern = options.text_or("format", "");
    let unit = options.choice("unix.precision", Some(1_000), &UNITS)?;
    if target == Form::Text && pattern.is_empty() {
        let problem = "TimestampConverter requires format option to be specified when using string timestamps";
        return Err(options.problem("format", problem));
    }
    let format = (!pattern.is_empty()).then(|| {
        DateFormat::new(&pattern).map_err(|why| {
            let problem = format!(
                "TimestampConverter requires a SimpleDateFormat-compatible pattern for string \
                 timestamps: {pattern}: {why}"
            );
            options.problem("format", problem)
        })
    });
    let format = format.transpose()?;
    let defaults = options.defaults()?;
    let schemas = SchemaCache::default();
    Ok(Box::new(TimestampConverter { side, field, target, format, unit, defaults, schemas }))
}

impl Transform for TimestampConverter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let Part { schema, value } = &*part;
        *part = match schema {
            None if self.field.is_empty() || *value == Value::Null => {
                Part::free(self.convert(None, free_form(value)?, value)?)
            }
            None => {
                let mut entries = require_map(value, PURPOSE)?.to_vec();
                let old = lookup(&entries, &self.field);
                let new = self.convert(None, free_form(old)?, old)?;
                put(&mut entries, &self.field, new);
                Part::free(Value::Map(entries))
            }
            Some(schema) => {
                let schema = Arc::clone(schema);
                let value = value.clone();
                self.with_schema(&schema, &value)?
            }
        };
        Ok(Some(record))
    }
}

impl TimestampConverter {
    fn with_schema(&mut self, schema: &Arc<Schema>, value: &Value) -> Result<Part, Failure> {
        let (field, target) = (&self.field, self.target);
        if field.is_empty() {
            let (new, form) = self.schemas.get(schema, |old| {
                Ok((Arc::new(target_schema(target, old.optional)), Some(form_of(old)?)))
            })?;
            return Ok(Part::new(new, self.convert(Some(schema), form, value)?));
        }
        let found = StructRef::of(schema, value);
        if found.is_none() && *value != Value::Null {
            return Err(no_struct(schema, value, PURPOSE));
        }
        let (new, form) = self.schemas.get(schema, |old| new_schema(field, target, old))?;
        let Some(found) = found else { return Ok(Part::new(new, Value::Null)) };
        let values = found.iter().map(|(field, value)| {
            let value = read(field, value, self.defaults);
            if field.name != self.field {
                return Ok(value);
            }
            self.convert(Some(&field.schema), form, &value)
        });
        Ok(Part::new(new, Value::Struct(values.collect::<Result<_, _>>()?)))
    }

    /// A time of one form in the target's.
    fn convert(
        &self,
        schema: Option<&Schema>,
        form: Option<Form>,
        value: &Value,
    ) -> Result<Value, Failure> {
        let Some(form) = form.filter(|_| *value != Value::Null) else { return Ok(Value::Null) };
        let millis = self.millis(form, value).map_err(|failure| {
            failure.unwrap_or_else(|| {
                let class = class_of(schema, value);
                Failure::data(format!("Expected a timestamp, but found {class}"))
            })
        })?;
        let days = millis.div_euclid(DAY_MS);
        let of_day = millis.rem_euclid(DAY_MS);
        let int = |number: i64| {
            let fits = i32::try_from(number).map(Value::Int32);
            fits.map_err(|_| Failure::data("The time does not fit its type"))
        };
        Ok(match self.target {
            Form::Text => {
                let format = self.format.as_ref();
                Value::String(format.map_or_else(String::new, |format| format.format(millis)))
            }
            Form::Unix if self.unit >= 1_000 => {
                Value::Int64(millis.saturating_mul(self.unit / 1_000))
            }
            Form::Unix => Value::Int64(millis / 1_000),
            Form::Date if schema.is_none() => Value::Date(days * DAY_MS),
            Form::Time if schema.is_none() => Value::Date(of_day),
            Form::Timestamp if schema.is_none() => Value::Date(millis),
            Form::Date => int(days)?,
            Form::Time => int(of_day)?,
            Form::Timestamp => Value::Int64(millis),
        })
    }

    /// The milliseconds since 1970 of a time; `Err(None)` for a value that is none of its form.
    fn millis(&self, form: Form, value: &Value) -> Result<i64, Option<Failure>> {
        match (form, value) {
            (Form::Text, Value::String(text)) => {
                let Some(format) = &self.format else {
                    let message = "the setting `format` is needed to read a text";
                    return Err(Some(Failure::new(Exception::NullPointer, message)));
                };
                format.parse(text).ok_or_else(|| {
                    let pattern = &format.pattern;
                    Some(Failure::data(format!(
                        "Could not parse timestamp: value does not match pattern ({pattern})"
                    )))
                })
            }
            (Form::Unix, Value::Int64(count)) if self.unit >= 1_000 => {
                Ok(count / (self.unit / 1_000))
            }
            (Form::Unix, Value::Int64(count)) => Ok(count.saturating_mul(1_000)),
            (Form::Date, Value::Int32(days)) => Ok(i64::from(*days) * DAY_MS),
            (Form::Time, Value::Int32(millis)) => Ok(i64::from(*millis)),
            (Form::Timestamp, Value::Int64(millis) | Value::Date(millis)) => Ok(*millis),
            _ => Err(None),
        }
    }
}

/// The form of a value without a schema; `None` for null.
fn free_form(value: &Value) -> Result<Option<Form>, Failure> {
    Ok(match value {
        Value::Null => None,
        Value::Date(_) => Some(Form::Timestamp),
        Value::Int64(_) => Some(Form::Unix),
        Value::String(_) => Some(Form::Text),
        Value::Boolean(_)
        | Value::Int32(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Bytes(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::Struct(_) => {
            let class = class_of(None, value);
            return Err(Failure::data(format!(
                "TimestampConverter does not support class {class} objects as timestamps"
            )));
        }
    })
}

/// The form that a schema says.
fn form_of(schema: &Schema) -> Result<Form, Failure> {
    match schema.name.as_deref() {
        Some(logical::TIMESTAMP) => Ok(Form::Timestamp),
        Some(logical::DATE) => Ok(Form::Date),
        Some(logical::TIME) => Ok(Form::Time),
        _ if schema.kind == Kind::String => Ok(Form::Text),
        _ if schema.kind == Kind::Int64 => Ok(Form::Unix),
        _ => Err(Failure::new(
            Exception::Connect,
            format!(
                "Schema {} does not correspond to a known timestamp type format",
                crate::data::schema_name(schema)
            ),
        )),
    }
}

fn target_schema(target: Form, optional: bool) -> Schema {
    let schema = match target {
        Form::Text => Schema::new(Kind::String),
        Form::Unix => Schema::new(Kind::Int64),
        Form::Date => Schema::semantic(Kind::Int32, logical::DATE),
        Form::Time => Schema::semantic(Kind::Int32, logical::TIME),
        Form::Timestamp => logical::timestamp(),
    };
    Schema { optional, ..schema }
}

/// The struct's new schema and the form that the field had; `None` if there is no such field.
fn new_schema(
    name: &str,
    target: Form,
    old: &Schema,
) -> Result<(Arc<Schema>, Option<Form>), Failure> {
    let mut form = None;
    let mut fields = Vec::new();
    for field in fields_of(old)? {
        if field.name == name {
            form = Some(form_of(&field.schema)?);
            fields.push(Field::new(name, target_schema(target, field.schema.optional)));
        } else {
            fields.push(field.clone());
        }
    }
    Ok((with_fields(old, fields)?, form))
}
