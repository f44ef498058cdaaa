//! What parts of expressions are: data of a record, or made of it.

use std::borrow::Cow;
use std::cmp::Ordering;

use schema::value::{Kind, Schema, Value};

use crate::java::decimal::Decimal;
use crate::record::Header;

/// A value. Structs, maps and arrays of a record stay where they are.
#[derive(Clone)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    List(Vec<Self>),
    Data(Option<&'a Schema>, &'a Value),
    Headers(&'a [Header]),
    Header(&'a Header),
    Schema(&'a Schema),
}

impl std::fmt::Debug for Val<'_> {
    /// Values of rows are never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl<'a> Val<'a> {
    /// Data of a record. Decimals are doubles, and dates the numbers by which Connect has them.
    pub(super) fn of(schema: Option<&'a Schema>, value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(flag) => Self::Bool(*flag),
            Value::Int32(number) => Self::Int((*number).into()),
            Value::Int64(number) | Value::Date(number) => Self::Int(*number),
            Value::Float32(number) => Self::Double((*number).into()),
            Value::Float64(number) => Self::Double(*number),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Bytes(bytes) => match schema.filter(|schema| is_decimal(schema)) {
                Some(schema) => {
                    let decimal = Decimal::new(bytes, Decimal::scale_of(schema)).to_string();
                    decimal.parse().map_or(Self::Bytes(bytes), Self::Double)
                }
                None => Self::Bytes(bytes),
            },
            Value::Array(_) | Value::Map(_) | Value::Struct(_) => Self::Data(schema, value),
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Uint(_) => "a whole number",
            Self::Double(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) | Self::Data(_, Value::Array(_)) => "a list",
            Self::Data(..) => "an object",
            Self::Headers(_) => "all headers",
            Self::Header(_) => "a header",
            Self::Schema(_) => "a schema",
        }
    }

    /// A field of an object; `None` if it has none of that name.
    pub(super) fn field(&self, name: &str) -> Result<Option<Self>, String> {
        match self {
            Self::Data(schema, Value::Struct(values)) => {
                let fields = schema.map(|schema| &schema.kind);
                let Some(Kind::Struct(fields)) = fields else { return Ok(None) };
                let mut both = fields.iter().zip(values);
                let found = both.find(|(field, _)| field.name == name);
                Ok(found.map(|(field, value)| Val::of(Some(&field.schema), value)))
            }
            Self::Data(schema, Value::Map(entries)) => {
                let kind = schema.map(|schema| &schema.kind);
                let of = if let Some(Kind::Map(_, of)) = kind { Some(&**of) } else { None };
                let is =
                    |key: &Value| if let Value::String(key) = key { key == name } else { false };
                let found = entries.iter().find(|(key, _)| is(key));
                Ok(found.map(|(_, value)| Val::of(of, value)))
            }
            // As in Debezium the last one of a name.
            Self::Headers(headers) => {
                Ok(headers.iter().rfind(|header| header.name == name).map(Self::Header))
            }
            Self::Header(header) => Ok(match name {
                "value" => Some(Val::of(header.part.schema.as_deref(), &header.part.value)),
                "schema" => Some(header.part.schema.as_deref().map_or(Self::Null, Self::Schema)),
                _ => None,
            }),
            Self::Schema(schema) => Ok(match name {
                "name" => {
                    let name = schema.name.as_deref();
                    Some(name.map_or(Self::Null, |name| Self::Text(name.into())))
                }
                "version" => Some(schema.version.map_or(Self::Null, |it| Self::Int(it.into()))),
                _ => None,
            }),
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Uint(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::List(_)
            | Self::Data(..) => {
                Err(format!("{} has no field `{name}`: ask `has` before", self.kind()))
            }
        }
    }

    /// The elements of a list.
    pub(super) fn elements(self) -> Result<Vec<Self>, String> {
        match (self.kind(), self) {
            (_, Self::List(all)) => Ok(all),
            (_, Self::Data(schema, Value::Array(all))) => {
                let kind = schema.map(|schema| &schema.kind);
                let of = if let Some(Kind::Array(of)) = kind { Some(&**of) } else { None };
                Ok(all.iter().map(|value| Val::of(of, value)).collect())
            }
            (kind, _) => Err(format!("a list is expected and there is {kind}")),
        }
    }

    /// Whether two values are equal; those of different kinds are not.
    pub(super) fn is_equal(&self, other: &Self) -> Result<bool, String> {
        let has_no_value =
            |value: &Self| matches!(value, Self::Headers(_) | Self::Header(_) | Self::Schema(_));
        let (left, right) = (has_no_value(self), has_no_value(other));
        let is_null = |value: &Self| matches!(value, Self::Null);
        if (left && !is_null(other)) || (right && !is_null(self)) {
            let kind = if left { self.kind() } else { other.kind() };
            return Err(format!(
                "{kind} cannot be compared: name a field of it, as `header.h.value`"
            ));
        }
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Data(_, left), Self::Data(_, right)) => left == right,
            (Self::List(left), Self::List(right)) => {
                let mut both = left.iter().zip(right);
                left.len() == right.len() && both.all(|(a, b)| a.is_equal(b) == Ok(true))
            }
            _ => self.order(other) == Some(Ordering::Equal),
        })
    }

    /// Which of two values comes first, if they can be compared. Numbers of all kinds can.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Bytes(left), Self::Bytes(right)) => Some(left.cmp(right)),
            (Self::Double(left), Self::Double(right)) => left.partial_cmp(right),
            (Self::Double(left), right) => {
                whole_with_double(right.whole()?, *left).map(Ordering::reverse)
            }
            (left, Self::Double(right)) => whole_with_double(left.whole()?, *right),
            (left, right) => Some(left.whole()?.cmp(&right.whole()?)),
        }
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some((*number).into()),
            Self::Uint(number) => Some((*number).into()),
            Self::Null
            | Self::Bool(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::List(_)
            | Self::Data(..)
            | Self::Headers(_)
            | Self::Header(_)
            | Self::Schema(_) => None,
        }
    }
}

fn is_decimal(schema: &Schema) -> bool {
    schema.name.as_deref() == Some("org.apache.kafka.connect.data.Decimal")
}

/// Exact, also where a double has gaps between whole numbers.
fn whole_with_double(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it saturates beyond all whole numbers")]
    let floor = double.floor() as i128;
    let fraction = if double > double.floor() { Ordering::Less } else { Ordering::Equal };
    Some(whole.cmp(&floor).then(fraction))
}
