//! A writer's schema and its values in Connect's data model: what a transform works on.

use super::decode::{Datum, DatumError, WriterSchema};
use super::derive::INSTANT;
use super::error::SchemaError;
use super::writer::{Node, Semantics, Shape};
use crate::value::{Field, Kind, Schema, Value};

impl WriterSchema {
    /// The schema as Connect's converter reads it. Versions, defaults and descriptions are not kept:
    /// no document depends on them.
    ///
    /// # Errors
    ///
    /// Returns [`SchemaError`] for types that Connect does not have.
    pub fn connect_schema(&self) -> Result<Schema, SchemaError> {
        schema(self.root(), "")
    }

    /// Reads one value of [`Self::connect_schema`].
    ///
    /// # Errors
    ///
    /// Returns [`DatumError`] when the bytes are not one value of this schema.
    pub fn connect_value(&self, of: &Schema, body: &[u8]) -> Result<Value, DatumError> {
        self.decode(body).map(|datum| value(of, datum))
    }
}

/// The type of a value at `path`.
pub(crate) fn schema(node: &Node, path: &str) -> Result<Schema, SchemaError> {
    let unsupported = |found: &'static str, expected| SchemaError::Unsupported {
        path: path.to_owned(),
        found: found.into(),
        expected,
    };
    let (null, node) =
        node.optional().ok_or_else(|| unsupported("a union", "null and one type"))?;
    let kind = match &node.shape {
        Shape::Boolean => Kind::Boolean,
        Shape::Int => match node.semantics.connect_type.as_deref() {
            Some("int8") => Kind::Int8,
            Some("int16") => Kind::Int16,
            Some(_) | None => Kind::Int32,
        },
        Shape::Long => Kind::Int64,
        Shape::Float => Kind::Float32,
        Shape::Double => Kind::Float64,
        Shape::Bytes | Shape::Fixed(_) => Kind::Bytes,
        Shape::String | Shape::Enum(_) => Kind::String,
        Shape::Array(entry) => Kind::Array(Box::new(schema(entry, path)?)),
        Shape::Map(entry) => {
            Kind::Map(Box::new(Schema::new(Kind::String)), Box::new(schema(entry, path)?))
        }
        Shape::Record(fields) => {
            let fields = fields.iter().map(|field| {
                let path = if path.is_empty() { String::new() } else { format!("{path}.") };
                let schema = schema(&field.node, &format!("{path}{}", field.name))?;
                Ok(Field::new(&*field.name, schema))
            });
            Kind::Struct(fields.collect::<Result<_, SchemaError>>()?)
        }
        Shape::Null => return Err(unsupported("only null", "a type")),
        Shape::Union(_) => return Err(unsupported("a union in a union", "null and one type")),
    };
    let name = match (&node.semantics.name, &node.semantics.logical_type) {
        (Some(name), _) => Some(name.to_string()),
        (None, Some(logical)) => {
            let known = LOGICAL_TYPES.iter().find(|(known, _)| **known == **logical);
            let (_, name) = known.ok_or_else(|| {
                unsupported("a logical type that Connect does not have", "a type that it has")
            })?;
            Some((*name).to_owned())
        }
        (None, None) => None,
    };
    let optional = null.is_some();
    Ok(Schema { optional, name, parameters: parameters(&node.semantics), ..Schema::new(kind) })
}

/// The semantic names of Avro's logical types, Connect's own or Debezium's.
const LOGICAL_TYPES: [(&str, &str); 8] = [
    ("decimal", "org.apache.kafka.connect.data.Decimal"),
    ("date", "org.apache.kafka.connect.data.Date"),
    ("time-millis", "org.apache.kafka.connect.data.Time"),
    ("timestamp-millis", "org.apache.kafka.connect.data.Timestamp"),
    ("time-micros", "io.debezium.time.MicroTime"),
    ("local-timestamp-millis", "io.debezium.time.Timestamp"),
    ("local-timestamp-micros", "io.debezium.time.MicroTimestamp"),
    ("timestamp-micros", INSTANT),
];

fn parameters(semantics: &Semantics) -> Vec<(String, String)> {
    let scale = semantics.scale.map(|scale| ("scale".to_owned(), scale.to_string()));
    let precision = semantics.precision;
    let precision =
        precision.map(|digits| ("connect.decimal.precision".to_owned(), digits.to_string()));
    scale.into_iter().chain(precision).collect()
}

fn value(of: &Schema, datum: Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Boolean(truth) => Value::Boolean(truth),
        Datum::Long(number) if of.kind == Kind::Int64 => Value::Int64(number),
        // Avro's int has 32 bits, and the reader takes more.
        Datum::Long(number) => i32::try_from(number).map_or(Value::Int64(number), Value::Int32),
        Datum::Float(number) => Value::Float32(number),
        Datum::Double(number) => Value::Float64(number),
        Datum::Bytes(bytes) => Value::Bytes(bytes),
        Datum::String(text) | Datum::Symbol(text) => Value::String(text),
        Datum::Array(entries) => {
            let Kind::Array(entry) = &of.kind else { return Value::Null };
            Value::Array(entries.into_iter().map(|datum| value(entry, datum)).collect())
        }
        Datum::Map(entries) => {
            let Kind::Map(_, entry) = &of.kind else { return Value::Null };
            let entries = entries.into_iter();
            Value::Map(entries.map(|(k, datum)| (Value::String(k), value(entry, datum))).collect())
        }
        Datum::Record(values) => {
            let Kind::Struct(fields) = &of.kind else { return Value::Null };
            let both = fields.iter().zip(values);
            Value::Struct(both.map(|(field, datum)| value(&field.schema, datum)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_its_converter_made_it_of() {
        let writer = WriterSchema::parse(
            r#"{"type":"record","name":"r","fields":[
                {"name":"id","type":"int"},
                {"name":"tiny","type":{"type":"int","connect.type":"int16"}},
                {"name":"at","type":["null",{"type":"long","connect.name":"io.debezium.time.Timestamp"}]},
                {"name":"d","type":{"type":"bytes","logicalType":"decimal","scale":2,"precision":5}},
                {"name":"m","type":{"type":"map","values":"string"}}],"connect.name":"a.b"}"#,
        )
        .unwrap();

        let schema = writer.connect_schema().unwrap();
        let body = [2, 4, 2, 6, 2, 7, 2, 2, b'k', 2, b'v', 0];
        let value = writer.connect_value(&schema, &body).unwrap();

        let mut again = Vec::new();
        super::super::encode(&schema, &value, &mut again).unwrap();
        assert_eq!(again, body);
        assert_eq!(schema.name.as_deref(), Some("a.b"));
        let Kind::Struct(fields) = &schema.kind else { panic!("a struct") };
        let names: Vec<_> = fields.iter().map(|field| field.schema.name.as_deref()).collect();
        let decimal = "org.apache.kafka.connect.data.Decimal";
        let timestamp = "io.debezium.time.Timestamp";
        assert_eq!(names, [None, None, Some(timestamp), Some(decimal), None]);
        assert_eq!(fields[1].schema.kind, Kind::Int16);
        assert!(fields[2].schema.optional);
    }

    #[test]
    fn what_connect_does_not_have_is_refused() {
        for text in [r#"["int","string"]"#, r#"{"type":"long","logicalType":"timestamp-nanos"}"#] {
            assert!(WriterSchema::parse(text).unwrap().connect_schema().is_err());
        }
    }
}
