//! Connect's data as messages.

use std::sync::Arc;

use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as ProtoKind, MessageDescriptor};
use prost_reflect::{ReflectMessage, Value as ProtoValue};
use schema::calendar::civil_from_days;
use schema::value::{Field, Kind, Schema, Value};

use super::known::Known;
use super::name::scrub;
use super::text::Text;
use super::{ProtobufOptions, descriptor, is_union};
use crate::error::FormatError;
use crate::{DEPTH_MAX, decimal, frame, names, parameter};

/// How values of one schema are written.
pub(crate) struct Plan {
    options: ProtobufOptions,
    text: Arc<str>,
    path: Vec<usize>,
    message: MessageDescriptor,
}

impl Plan {
    /// Makes a schema of Protobuf.
    pub(crate) fn new(schema: &Schema, options: ProtobufOptions) -> Result<Self, FormatError> {
        let Text { text, path } = Text::of(schema, options)?;
        let message = descriptor::message(&descriptor::compile(&text, &[])?, &path)?;
        Ok(Self { options, text: text.into(), path, message })
    }

    /// Writes values as messages of a schema that there is: the message of the same name, else the
    /// first one.
    pub(crate) fn of_text(
        schema: &Schema,
        options: ProtobufOptions,
        (text, imports): (&str, &[(String, Arc<str>)]),
    ) -> Result<Self, FormatError> {
        let own = Self::new(schema, options)?;
        let file = descriptor::compile(text, imports)?;
        let same = file.messages().position(|message| message.name() == own.message.name());
        let path = vec![same.unwrap_or_default()];
        let message = descriptor::message(&file, &path)?;
        Ok(Self { options, text: text.into(), path, message })
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Appends what stands behind the schema's id.
    pub(crate) fn write(
        &self,
        of: &Schema,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let writer = Writer { options: self.options };
        let message = writer.message(&self.message, of, (value, 0))?;
        frame::put_path(&self.path, out);
        out.extend_from_slice(&message.encode_to_vec());
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Writer {
    options: ProtobufOptions,
}

impl Writer {
    fn message(
        self,
        target: &MessageDescriptor,
        of: &Schema,
        (value, depth): (&Value, usize),
    ) -> Result<DynamicMessage, FormatError> {
        if let Kind::Struct(fields) = &of.kind {
            return self.structure(target, fields, (value, depth));
        }
        self.special(target, of, value)
    }

    fn structure(
        self,
        of: &MessageDescriptor,
        fields: &[Field],
        (value, depth): (&Value, usize),
    ) -> Result<DynamicMessage, FormatError> {
        let Value::Struct(values) = value else { return Err(FormatError::record("is no struct")) };
        if depth > DEPTH_MAX {
            return Err(FormatError::record("nests deeper than 64 levels"));
        }
        let mut message = DynamicMessage::new(of.clone());
        for (field, value) in fields.iter().zip(values) {
            let put = self.put(&mut message, field, (value, depth));
            put.map_err(|error| error.within(&field.name))?;
        }
        Ok(message)
    }

    fn put(
        self,
        message: &mut DynamicMessage,
        field: &Field,
        (value, depth): (&Value, usize),
    ) -> Result<(), FormatError> {
        let default = field.schema.default.as_ref().filter(|_| !self.options.ignores_defaults);
        let value = match (value, default) {
            (Value::Null, Some(default)) => default,
            (value, _) => value,
        };
        // What is not there is null.
        if *value == Value::Null {
            return Ok(());
        }
        if let (Kind::Struct(choices), true) = (&field.schema.kind, is_union(&field.schema)) {
            let Value::Struct(values) = value else {
                return Err(FormatError::record("is no union"));
            };
            let chosen = choices.iter().zip(values).find(|(_, value)| **value != Value::Null);
            let (choice, value) =
                chosen.ok_or(FormatError::record("is a union without a value"))?;
            return self.put(message, choice, (value, depth));
        }
        let name = if self.options.scrubs_names { scrub(&field.name) } else { field.name.clone() };
        let Some(target) = message.descriptor().get_field_by_name(&name) else {
            let what = "is not in the message that the registry has: without \
                        `use.latest.version` the schema is registered as it is";
            return Err(FormatError::schema(what));
        };
        let value = self.value(&target, &field.schema, (value, depth))?;
        let is_set = message.try_set_field(&target, value);
        is_set.map_err(|_| FormatError::schema("has another type in the registry's schema"))
    }

    fn value(
        self,
        target: &FieldDescriptor,
        of: &Schema,
        (value, depth): (&Value, usize),
    ) -> Result<ProtoValue, FormatError> {
        match (&of.kind, value) {
            (Kind::Array(each), Value::Array(values)) => {
                let values = values.iter().map(|value| self.single(target, each, (value, depth)));
                Ok(ProtoValue::List(values.collect::<Result<_, _>>()?))
            }
            (Kind::Map(keys, values), Value::Map(entries)) => {
                let Some(entry) = target.kind().as_message().cloned() else {
                    return Err(FormatError::schema("has another type in the registry's schema"));
                };
                let fields = [("key", keys), ("value", values)];
                let fields = fields.map(|(name, of)| Field::new(name, Schema::clone(of)));
                let entries = entries.iter().map(|(key, value)| {
                    let both = Value::Struct(vec![key.clone(), value.clone()]);
                    let message = self.structure(&entry, &fields, (&both, depth + 1))?;
                    Ok(message)
                });
                let entries = entries.collect::<Result<Vec<_>, FormatError>>()?;
                if target.is_map() {
                    return map(&entries);
                }
                Ok(ProtoValue::List(entries.into_iter().map(ProtoValue::Message).collect()))
            }
            _ => self.single(target, of, (value, depth)),
        }
    }

    fn single(
        self,
        target: &FieldDescriptor,
        of: &Schema,
        (value, depth): (&Value, usize),
    ) -> Result<ProtoValue, FormatError> {
        if *value == Value::Null {
            return Err(FormatError::record("is null in an array, which Protobuf does not have"));
        }
        let kind = target.kind();
        match kind.as_message() {
            Some(message) => {
                Ok(ProtoValue::Message(self.message(message, of, (value, depth + 1))?))
            }
            None => scalar(&kind, value),
        }
    }

    /// A message that is no struct of Connect.
    fn special(
        self,
        target: &MessageDescriptor,
        of: &Schema,
        value: &Value,
    ) -> Result<DynamicMessage, FormatError> {
        let wrong = || FormatError::schema("has another type in the registry's schema");
        let fields: Vec<(&str, ProtoValue)> = match (Known::of(target), value) {
            (Some(Known::Wrapper(_)), value) => {
                let inner = target.get_field_by_name("value").ok_or_else(wrong)?;
                vec![("value", scalar(&inner.kind(), value)?)]
            }
            (Some(Known::Decimal), Value::Bytes(unscaled)) => decimal(of, unscaled)?,
            (Some(Known::Date), Value::Int32(days)) => date(*days)?,
            (Some(Known::TimeOfDay), Value::Int32(millis)) => time(*millis)?,
            (Some(Known::Timestamp), Value::Int64(millis)) => vec![
                ("seconds", ProtoValue::I64(millis.div_euclid(1000))),
                ("nanos", ProtoValue::I32(nanos(millis.rem_euclid(1000)))),
            ],
            _ => return Err(wrong()),
        };
        let mut message = DynamicMessage::new(target.clone());
        for (name, value) in fields {
            message.try_set_field_by_name(name, value).map_err(|_| wrong())?;
        }
        Ok(message)
    }
}

fn map(entries: &[DynamicMessage]) -> Result<ProtoValue, FormatError> {
    let pairs = entries.iter().map(|entry| {
        let key = entry.get_field_by_name("key")?.into_owned().into_map_key()?;
        Some((key, entry.get_field_by_name("value")?.into_owned()))
    });
    let pairs = pairs.collect::<Option<_>>();
    pairs.map(ProtoValue::Map).ok_or(FormatError::record("is no map of Protobuf"))
}

fn scalar(kind: &ProtoKind, value: &Value) -> Result<ProtoValue, FormatError> {
    let wrong = || FormatError::record("is not of its schema");
    let whole = || {
        if let Value::Int32(number) = value {
            return Ok(i64::from(*number));
        }
        let Value::Int64(number) = value else { return Err(wrong()) };
        Ok(*number)
    };
    let small = || whole().and_then(|number| i32::try_from(number).map_err(|_| wrong()));
    Ok(match (kind, value) {
        (ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32, _) => {
            ProtoValue::I32(small()?)
        }
        (ProtoKind::Int64 | ProtoKind::Sint64 | ProtoKind::Sfixed64, _) => {
            ProtoValue::I64(whole()?)
        }
        (ProtoKind::Uint32 | ProtoKind::Fixed32, _) => {
            ProtoValue::U32(u32::try_from(whole()?).map_err(|_| wrong())?)
        }
        (ProtoKind::Uint64 | ProtoKind::Fixed64, _) => ProtoValue::U64(whole()?.cast_unsigned()),
        (ProtoKind::Float, Value::Float32(number)) => ProtoValue::F32(*number),
        (ProtoKind::Double, Value::Float64(number)) => ProtoValue::F64(*number),
        (ProtoKind::Bool, Value::Boolean(truth)) => ProtoValue::Bool(*truth),
        (ProtoKind::String, Value::String(text)) => ProtoValue::String(text.clone()),
        (ProtoKind::Bytes, Value::Bytes(bytes)) => ProtoValue::Bytes(bytes.clone().into()),
        (ProtoKind::Enum(_), Value::Int32(number)) => ProtoValue::EnumNumber(*number),
        (ProtoKind::Enum(of), Value::String(symbol)) => {
            let found = of.get_value_by_name(symbol).map(|value| value.number());
            let unknown = || symbol.rsplit('_').next()?.parse().ok();
            ProtoValue::EnumNumber(found.or_else(unknown).ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    })
}

fn decimal(of: &Schema, unscaled: &[u8]) -> Result<Vec<(&'static str, ProtoValue)>, FormatError> {
    let scale: i32 = parameter(of, names::SCALE)
        .and_then(|scale| scale.parse().ok())
        .ok_or(FormatError::schema("is a decimal without a scale"))?;
    let shortest = decimal::shortest(unscaled).ok_or(FormatError::record("is too long"))?;
    Ok(vec![
        ("precision", ProtoValue::U32(decimal::digits(&shortest))),
        ("value", ProtoValue::Bytes(shortest.into())),
        ("scale", ProtoValue::I32(scale)),
    ])
}

fn date(days: i32) -> Result<Vec<(&'static str, ProtoValue)>, FormatError> {
    let (year, month, day) = civil_from_days(days.into())
        .filter(|(year, _, _)| *year > 0)
        .ok_or(FormatError::record("is no day of the years 1 to 9999"))?;
    let number = |number: u32| ProtoValue::I32(i32::try_from(number).unwrap_or_default());
    Ok(vec![("year", number(year)), ("month", number(month)), ("day", number(day))])
}

fn time(millis: i32) -> Result<Vec<(&'static str, ProtoValue)>, FormatError> {
    if !(0..86_400_000).contains(&millis) {
        return Err(FormatError::record("is no time of a day"));
    }
    let seconds = millis / 1000;
    Ok(vec![
        ("hours", ProtoValue::I32(seconds / 3600)),
        ("minutes", ProtoValue::I32(seconds / 60 % 60)),
        ("seconds", ProtoValue::I32(seconds % 60)),
        ("nanos", ProtoValue::I32(nanos((millis % 1000).into()))),
    ])
}

/// Milliseconds below a second, in nanoseconds.
fn nanos(millis: i64) -> i32 {
    i32::try_from(millis * 1_000_000).unwrap_or_default()
}
