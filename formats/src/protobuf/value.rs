//! A message as a value of Connect.

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind as ProtoKind, MapKey,
    ReflectMessage, Value as ProtoValue,
};
use schema::calendar::{days_from_civil, is_day};
use schema::value::{Kind, Schema, Value};

use super::ProtobufOptions;
use super::known::Known;
use super::read::{Member, entry, has_optional, members, message_of};
use crate::error::FormatError;
use crate::{decimal, names, parameter};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Reads values by the schema that was made of their message's type.
#[derive(Clone, Copy)]
pub(super) struct ValueReader {
    pub(super) options: ProtobufOptions,
}

impl ValueReader {
    /// Reads a record.
    pub(super) fn record(
        self,
        of: &Schema,
        message: &DynamicMessage,
    ) -> Result<Value, FormatError> {
        self.message(of, message)
    }

    fn message(self, of: &Schema, message: &DynamicMessage) -> Result<Value, FormatError> {
        let Kind::Struct(fields) = &of.kind else { return self.special(of, message) };
        let mut values = Vec::with_capacity(fields.len());
        for (schema, member) in fields.iter().zip(members(&message.descriptor(), self.options)) {
            let value = match member {
                Member::Union(union) => {
                    let mut set = union.fields().map(|field| self.present(message, &field));
                    if set.any(|is_set| is_set) {
                        let Kind::Struct(choices) = &schema.schema.kind else {
                            return Err(FormatError::schema("has a union that is no struct"));
                        };
                        let choices = choices.iter().zip(union.fields());
                        let values = choices.map(|(choice, field)| {
                            if !self.present(message, &field) {
                                return Ok(Value::Null);
                            }
                            let value = self.field(&choice.schema, &field, message);
                            value.map_err(|error| error.within(&choice.name))
                        });
                        Ok(Value::Struct(values.collect::<Result<_, _>>()?))
                    } else {
                        Ok(Value::Null)
                    }
                }
                Member::Field { field, of_union } => {
                    if self.is_null(message, &field, of_union) {
                        Ok(Value::Null)
                    } else {
                        self.field(&schema.schema, &field, message)
                    }
                }
            };
            values.push(value.map_err(|error| error.within(&schema.name))?);
        }
        Ok(Value::Struct(values))
    }

    /// Whether a field is one of a union's that is the one chosen.
    fn present(self, message: &DynamicMessage, field: &FieldDescriptor) -> bool {
        message.has_field(field)
    }

    /// Whether nothing stands for a null here: of what always has a value, the default stands for
    /// itself.
    fn is_null(self, message: &DynamicMessage, field: &FieldDescriptor, of_union: bool) -> bool {
        if message.has_field(field) {
            return false;
        }
        if of_union {
            return true;
        }
        let is_message =
            message_of(field).is_some() && field.cardinality() != Cardinality::Repeated;
        if is_message {
            return !self.options.struct_for_nulls;
        }
        let is_proto2 = field.parent_file().syntax() == prost_reflect::Syntax::Proto2;
        let counts = !is_proto2 || self.options.optional_for_proto2;
        counts && has_optional(field) && !self.options.struct_for_nulls
    }

    fn field(
        self,
        of: &Schema,
        field: &FieldDescriptor,
        message: &DynamicMessage,
    ) -> Result<Value, FormatError> {
        let found = message.get_field(field);
        if let (Kind::Map(key, value), Some(entry)) = (&of.kind, entry(field)) {
            return self.map((key, value), &entry, &found);
        }
        match (&of.kind, &*found) {
            (Kind::Array(each), ProtoValue::List(list)) => {
                let values = list.iter().map(|value| self.single(each, &field.kind(), value));
                Ok(Value::Array(values.collect::<Result<_, _>>()?))
            }
            (_, value) => self.single(of, &field.kind(), value),
        }
    }

    fn map(
        self,
        (of_keys, of_values): (&Schema, &Schema),
        (key, value): &(FieldDescriptor, FieldDescriptor),
        found: &ProtoValue,
    ) -> Result<Value, FormatError> {
        let mut entries = Vec::new();
        match found {
            ProtoValue::Map(map) => {
                let mut sorted: Vec<_> = map.iter().collect();
                sorted.sort_by_key(|(key, _)| *key);
                for (found, of_it) in sorted {
                    let found = self.single(of_keys, &key.kind(), &plain(found))?;
                    entries.push((found, self.single(of_values, &value.kind(), of_it)?));
                }
            }
            ProtoValue::List(list) => {
                for message in list.iter().filter_map(ProtoValue::as_message) {
                    let found = self.single(of_keys, &key.kind(), &message.get_field(key))?;
                    let of_it = if self.is_null(message, value, false) {
                        Value::Null
                    } else {
                        self.field(of_values, value, message)?
                    };
                    // The last one of a key wins, as in a map.
                    match entries.iter_mut().find(|(known, _)| *known == found) {
                        Some((_, known)) => *known = of_it,
                        None => entries.push((found, of_it)),
                    }
                }
            }
            ProtoValue::Bool(_)
            | ProtoValue::I32(_)
            | ProtoValue::I64(_)
            | ProtoValue::U32(_)
            | ProtoValue::U64(_)
            | ProtoValue::F32(_)
            | ProtoValue::F64(_)
            | ProtoValue::String(_)
            | ProtoValue::Bytes(_)
            | ProtoValue::EnumNumber(_)
            | ProtoValue::Message(_) => return Err(FormatError::record("is no map")),
        }
        Ok(Value::Map(entries))
    }

    fn single(
        self,
        of: &Schema,
        kind: &ProtoKind,
        value: &ProtoValue,
    ) -> Result<Value, FormatError> {
        Ok(match value {
            ProtoValue::Bool(truth) => Value::Boolean(*truth),
            ProtoValue::I32(number) => Value::Int32(narrow(&of.kind, *number)),
            ProtoValue::I64(number) => Value::Int64(*number),
            ProtoValue::U32(number) => Value::Int64((*number).into()),
            // Java has no such numbers: those of the upper half are negative there too.
            ProtoValue::U64(number) => Value::Int64(number.cast_signed()),
            ProtoValue::F32(number) => Value::Float32(*number),
            ProtoValue::F64(number) => Value::Float64(*number),
            ProtoValue::String(text) => Value::String(text.clone()),
            ProtoValue::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            ProtoValue::EnumNumber(number) => {
                let symbols = kind.as_enum().filter(|_| of.kind == Kind::String);
                match symbols {
                    Some(symbols) => Value::String(symbol(symbols, *number)),
                    None => Value::Int32(*number),
                }
            }
            ProtoValue::Message(message) => self.message(of, message)?,
            ProtoValue::List(_) | ProtoValue::Map(_) => {
                return Err(FormatError::record("is a list in a list"));
            }
        })
    }

    /// A message that is no struct of Connect.
    fn special(self, of: &Schema, message: &DynamicMessage) -> Result<Value, FormatError> {
        let number = |name: &str| {
            let value = message.get_field_by_name(name);
            let value = value.as_deref().and_then(|value| value.as_i32().map(i64::from));
            value.unwrap_or_default()
        };
        match Known::of(&message.descriptor()) {
            Some(Known::Decimal) => {
                let unscaled = message.get_field_by_name("value");
                let unscaled = unscaled.as_deref().and_then(ProtoValue::as_bytes);
                let wanted = parameter(of, names::SCALE).and_then(|scale| scale.parse().ok());
                let bytes = decimal::rescaled(
                    unscaled.map_or(&[][..], |bytes| bytes),
                    number("scale"),
                    wanted.unwrap_or_default(),
                );
                let problem = "is a decimal with more digits behind the point than its field says: \
                               set `scale` in `confluent.field_meta` of the schema";
                Ok(Value::Bytes(bytes.ok_or(FormatError::record(problem))?))
            }
            Some(Known::Date) => date(number("year"), number("month"), number("day")),
            Some(Known::TimeOfDay) => {
                time(number("hours"), number("minutes"), number("seconds"), number("nanos"))
            }
            Some(Known::Timestamp) => {
                let seconds = message.get_field_by_name("seconds");
                let seconds = seconds.as_deref().and_then(ProtoValue::as_i64).unwrap_or_default();
                let millis = seconds.checked_mul(1000);
                let nanos = number("nanos").div_euclid(1_000_000);
                let millis = millis.and_then(|millis| millis.checked_add(nanos));
                Ok(Value::Int64(millis.ok_or(FormatError::record("is no time"))?))
            }
            Some(Known::Wrapper(_)) => {
                let message = message.clone();
                let Some(field) = message.descriptor().get_field_by_name("value") else {
                    return Err(FormatError::schema("has a wrapper without a value"));
                };
                self.field(of, &field, &message)
            }
            None => Err(FormatError::schema("has a message that is no struct")),
        }
    }
}

fn plain(key: &MapKey) -> ProtoValue {
    key.clone().into()
}

/// As Java narrows an int.
#[expect(clippy::cast_possible_truncation, reason = "Java's byteValue and shortValue")]
fn narrow(kind: &Kind, number: i32) -> i32 {
    if *kind == Kind::Int8 {
        (number as i8).into()
    } else if *kind == Kind::Int16 {
        (number as i16).into()
    } else {
        number
    }
}

/// The name of an enum's value; one that the schema does not have is called as Java calls it.
fn symbol(of: &EnumDescriptor, number: i32) -> String {
    match of.get_value(number) {
        Some(value) => value.name().to_owned(),
        None => format!("UNKNOWN_ENUM_VALUE_{}_{number}", of.name()),
    }
}

fn date(year: i64, month: i64, day: i64) -> Result<Value, FormatError> {
    let in_range = |number: i64, most: u32| {
        u32::try_from(number).ok().filter(|number| (1..=most).contains(number))
    };
    let parts = (in_range(year, 9999), in_range(month, 12), in_range(day, 31));
    let (Some(year), Some(month), Some(day)) = parts else {
        return Err(FormatError::record("is no day of the calendar"));
    };
    if !is_day((year, month, day)) {
        return Err(FormatError::record("is no day of the calendar"));
    }
    let days = i32::try_from(days_from_civil((year, month, day))).unwrap_or_default();
    Ok(Value::Int32(days))
}

fn time(hours: i64, minutes: i64, seconds: i64, nanos: i64) -> Result<Value, FormatError> {
    let parts = [(hours, 24), (minutes, 60), (seconds, 60), (nanos, 1_000_000_000)];
    if !parts.iter().all(|(number, end)| (0..*end).contains(number)) {
        return Err(FormatError::record("is no time of a day"));
    }
    let millis = ((hours * 60 + minutes) * 60 + seconds) * 1000 + nanos / 1_000_000;
    debug_assert!(millis < MILLIS_PER_DAY, "the parts are in range");
    Ok(Value::Int32(i32::try_from(millis).unwrap_or_default()))
}
