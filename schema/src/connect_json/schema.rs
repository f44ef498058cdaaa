//! The schema in a record: Kafka Connect's, in the form of its `JsonConverter`.

use std::sync::Arc;

use serde_json::Value;

use super::encode;
use super::error::{JsonError, JsonProblem};
use crate::avro::{Field, INSTANT, Node, Semantics, Shape, WriterSchema};

/// Longest text of a schema: 16 MiB, as of Avro's.
const TEXT_MAX_BYTES: usize = 16 << 20;

/// A schema, and how its payloads become Avro bytes.
#[derive(Debug)]
pub struct ConnectSchema {
    pub(super) root: Type,
    writer: WriterSchema,
}

/// One type.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) kind: Kind,
    pub(super) optional: bool,
    /// The text of the value that stands for null where null is not allowed.
    pub(super) default: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Boolean,
    /// Between these bounds.
    Whole(i64, i64),
    Float,
    Double,
    String,
    Bytes,
    /// Of this scale.
    Decimal(u16),
    Array(Box<Type>),
    Map(Box<Type>),
    Struct(Vec<(Box<str>, Type)>),
}

impl ConnectSchema {
    /// Reads the text of a schema.
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when it is not one of Connect's, or has maps whose keys are no texts.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let wrong = || JsonError::whole(JsonProblem::NotASchema);
        if text.len() > TEXT_MAX_BYTES {
            return Err(wrong());
        }
        let mut json: Value =
            serde_json::from_str(text).map_err(|error| JsonError::syntax(&error))?;
        // A row that may be null, as `ExtractNewRecordState` leaves it: a null one is no row, so it
        // does not come here, and documents are made of records, not of unions.
        if let Some(row) =
            json.as_object_mut().filter(|it| it.get("type") == Some(&"struct".into()))
        {
            row.remove("optional");
        }
        let (root, node) = parse(&json)?;
        let writer = WriterSchema::of_tree(node).map_err(|_| wrong())?;
        Ok(Self { root, writer })
    }

    /// The schema that the Avro bytes have.
    #[must_use]
    pub fn writer(&self) -> &WriterSchema {
        &self.writer
    }

    /// Appends a payload as Avro bytes of [`Self::writer`].
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when it is not of this schema. `out` is then as it was.
    pub fn encode(&self, payload: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let start = out.len();
        let written = encode::value(&self.root, payload, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

/// Both forms of a type.
fn parse(json: &Value) -> Result<(Type, Arc<Node>), JsonError> {
    let wrong = || JsonError::whole(JsonProblem::NotASchema);
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let mut semantics = Semantics { name: text("name").map(Box::from), ..Semantics::default() };
    let (kind, shape) = match text("type").ok_or_else(wrong)? {
        "boolean" => (Kind::Boolean, Shape::Boolean),
        width @ ("int8" | "int16") => {
            semantics.connect_type = Some(width.into());
            let bound = if width == "int8" { i64::from(i8::MAX) } else { i64::from(i16::MAX) };
            (Kind::Whole(-bound - 1, bound), Shape::Int)
        }
        "int32" => (Kind::Whole(i32::MIN.into(), i32::MAX.into()), Shape::Int),
        "int64" => (Kind::Whole(i64::MIN, i64::MAX), Shape::Long),
        "float" => (Kind::Float, Shape::Float),
        "double" => (Kind::Double, Shape::Double),
        "string" => (Kind::String, Shape::String),
        "bytes" if text("name") == Some("org.apache.kafka.connect.data.Decimal") => {
            let parameter =
                |key: &str| json.get("parameters")?.get(key)?.as_str()?.parse::<u16>().ok();
            let scale = parameter("scale").ok_or_else(wrong)?;
            semantics.scale = Some(scale.into());
            semantics.precision = parameter("connect.decimal.precision").map(i64::from);
            (Kind::Decimal(scale), Shape::Bytes)
        }
        "bytes" => (Kind::Bytes, Shape::Bytes),
        "array" => {
            let (entry, node) = parse(json.get("items").ok_or_else(wrong)?)?;
            (Kind::Array(Box::new(entry)), Shape::Array(node))
        }
        "map" => {
            let keys = json.get("keys").and_then(|keys| keys.get("type"));
            let keys = keys.and_then(Value::as_str).filter(|keys| *keys == "string");
            keys.ok_or_else(wrong)?;
            let (entry, node) = parse(json.get("values").ok_or_else(wrong)?)?;
            (Kind::Map(Box::new(entry)), Shape::Map(node))
        }
        "struct" => parse_struct(json)?,
        _ => return Err(wrong()),
    };
    if semantics.name.as_deref() == Some(INSTANT) {
        semantics.logical_type = Some("timestamp-micros".into());
    }
    let optional = json.get("optional").and_then(Value::as_bool).unwrap_or(false);
    let default = json.get("default").filter(|value| !value.is_null());
    let default = default.map(|value| value.to_string().into());
    let node = Arc::new(Node::new(shape, semantics));
    let node = if optional { nullable(node) } else { node };
    Ok((Type { kind, optional, default }, node))
}

fn parse_struct(json: &Value) -> Result<(Kind, Shape), JsonError> {
    let wrong = || JsonError::whole(JsonProblem::NotASchema);
    let (mut types, mut fields) = (Vec::new(), Vec::new());
    for field in json.get("fields").and_then(Value::as_array).ok_or_else(wrong)? {
        let name = field.get("field").and_then(Value::as_str).ok_or_else(wrong)?;
        let (kind, node) = parse(field).map_err(|error| error.within(name))?;
        types.push((name.into(), kind));
        fields.push(Field { name: name.into(), node });
    }
    Ok((Kind::Struct(types), Shape::Record(fields)))
}

fn nullable(node: Arc<Node>) -> Arc<Node> {
    let null = Arc::new(Node::new(Shape::Null, Semantics::default()));
    Arc::new(Node::new(Shape::Union(vec![null, node]), Semantics::default()))
}
