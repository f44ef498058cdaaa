//! The schema that a record was written with, as a tree that keeps Connect's attributes.
//!
//! `apache-avro` judges whether the text is a schema, but its own tree drops `connect.name` and
//! `connect.parameters` from everything that has no name of its own, and those say what a number
//! means. So the text is walked a second time here.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::SchemaError;

/// Longest schema text: 16 MiB, our choice. A table of 4,096 columns with enums fits.
const TEXT_MAX_BYTES: usize = 16 << 20;
/// Deepest nesting: our choice. A column is at level 3, a geometry's field at level 4.
const DEPTH_MAX: usize = 32;
/// Most types after all names are replaced by what they stand for: our choice. MySQL allows 4,096
/// columns, each of which is a union of two, twice in an envelope. Without it, a few records that
/// each name the one before twice would grow without a bound.
const WEIGHT_MAX: usize = 100_000;

/// One type with what Connect says about it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    pub(crate) semantics: Semantics,
    /// How many types it consists of, itself included.
    weight: usize,
}

impl Node {
    pub(crate) fn new(shape: Shape, semantics: Semantics) -> Self {
        let weight = match &shape {
            Shape::Null
            | Shape::Boolean
            | Shape::Int
            | Shape::Long
            | Shape::Float
            | Shape::Double
            | Shape::Bytes
            | Shape::String
            | Shape::Fixed(_)
            | Shape::Enum(_) => 1,
            Shape::Array(entry) | Shape::Map(entry) => weigh(std::iter::once(entry)),
            Shape::Record(fields) => weigh(fields.iter().map(|field| &field.node)),
            Shape::Union(branches) => weigh(branches.iter()),
        };
        Self { shape, semantics, weight }
    }

    /// The fields, if this is a record.
    pub(crate) fn fields(&self) -> Option<&[Field]> {
        if let Shape::Record(fields) = &self.shape { Some(fields) } else { None }
    }

    /// How many values one of this type can be made of, at least for a type without arrays and
    /// maps: the types that it consists of.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Which branch is null and the other type, for a union of null and one type in either order;
    /// the type itself if it is no union; `None` for any other union.
    pub(crate) fn optional(&self) -> Option<(Option<usize>, &Self)> {
        let Shape::Union(branches) = &self.shape else { return Some((None, self)) };
        match &**branches {
            [null, node] if matches!(null.shape, Shape::Null) => Some((Some(0), node)),
            [node, null] if matches!(null.shape, Shape::Null) => Some((Some(1), node)),
            _ => None,
        }
    }
}

/// Avro's types.
#[derive(Debug)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<Box<str>>),
    Array(Arc<Node>),
    Map(Arc<Node>),
    Record(Vec<Field>),
    Union(Vec<Arc<Node>>),
}

/// A field of a record.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) node: Arc<Node>,
}

/// What a value means beyond its type.
#[derive(Debug, Default)]
pub(crate) struct Semantics {
    /// `connect.name`, as `io.debezium.time.Date`.
    pub(crate) name: Option<Box<str>>,
    /// `connect.type`, as `int16`.
    pub(crate) connect_type: Option<Box<str>>,
    /// `logicalType`, as `timestamp-millis`.
    pub(crate) logical_type: Option<Box<str>>,
    /// Digits after the point.
    pub(crate) scale: Option<i64>,
    /// Digits in all.
    pub(crate) precision: Option<i64>,
}

/// Parses a writer schema.
pub(super) fn parse(text: &str) -> Result<Arc<Node>, SchemaError> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(SchemaError::TooLong { found: text.len(), limit: TEXT_MAX_BYTES });
    }
    apache_avro::Schema::parse_str(text).map_err(|error| SchemaError::Invalid(Box::new(error)))?;
    let json = serde_json::from_str(text).map_err(|error| {
        SchemaError::Invalid(Box::new(apache_avro::error::Details::ParseSchemaJson(error).into()))
    })?;
    Parser::default().node(&json, &Scope { path: "", namespace: None, depth: 0 })
}

/// Takes a tree that did not come from a text, if it is not larger than one that did may be.
pub(super) fn accept(root: Arc<Node>) -> Result<Arc<Node>, SchemaError> {
    if root.weight > WEIGHT_MAX {
        let scope = Scope { path: "", namespace: None, depth: 0 };
        return Err(scope.unsupported("more than 100,000 types", "the columns of a table"));
    }
    Ok(root)
}

/// Where in the schema the parser is.
#[derive(Clone, Copy)]
struct Scope<'a> {
    path: &'a str,
    namespace: Option<&'a str>,
    depth: usize,
}

impl Scope<'_> {
    fn unsupported(&self, found: impl Into<String>, expected: &'static str) -> SchemaError {
        let found = found.into().into();
        SchemaError::Unsupported { path: self.path.to_owned(), found, expected }
    }
}

/// The named types seen so far. One enters the map when it is complete, so a type that contains
/// itself does not find itself.
#[derive(Default)]
struct Parser {
    named: HashMap<String, Arc<Node>>,
}

impl Parser {
    fn node(&mut self, json: &Value, scope: &Scope<'_>) -> Result<Arc<Node>, SchemaError> {
        if scope.depth > DEPTH_MAX {
            return Err(SchemaError::TooDeep { path: scope.path.to_owned(), limit: DEPTH_MAX });
        }
        let deeper = Scope { depth: scope.depth + 1, ..*scope };
        let node = match json {
            Value::String(name) => self.by_name(name, scope)?,
            Value::Array(branches) => self.union(branches, &deeper)?,
            Value::Object(attributes) => self.complex(attributes, &deeper)?,
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                return Err(scope.unsupported("no type", "a type"));
            }
        };
        if node.weight > WEIGHT_MAX {
            return Err(scope.unsupported("more than 100,000 types", "the columns of a table"));
        }
        Ok(node)
    }

    fn by_name(&self, name: &str, scope: &Scope<'_>) -> Result<Arc<Node>, SchemaError> {
        if let Some(shape) = primitive(name) {
            return Ok(Arc::new(Node { shape, semantics: Semantics::default(), weight: 1 }));
        }
        self.named
            .get(&full_name(name, scope.namespace))
            .or_else(|| self.named.get(name))
            .map(Arc::clone)
            .ok_or_else(|| {
                scope.unsupported(format!("type `{name}` within itself"), "a type that ends")
            })
    }

    fn union(&mut self, branches: &[Value], scope: &Scope<'_>) -> Result<Arc<Node>, SchemaError> {
        let branches = branches
            .iter()
            .map(|branch| self.node(branch, scope))
            .collect::<Result<Vec<_>, _>>()?;
        let weight = weigh(branches.iter());
        Ok(Arc::new(Node {
            shape: Shape::Union(branches),
            semantics: Semantics::default(),
            weight,
        }))
    }

    /// A type written as an object: with attributes, or one that has parts.
    fn complex(
        &mut self,
        attributes: &Map<String, Value>,
        scope: &Scope<'_>,
    ) -> Result<Arc<Node>, SchemaError> {
        let kind = match attributes.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(nested) => return self.node(nested, scope),
            None => return Err(scope.unsupported("no `type`", "a type")),
        };
        let name = attributes.get("name").and_then(Value::as_str);
        let own_namespace = attributes.get("namespace").and_then(Value::as_str);
        let full = name.map(|name| full_name(name, own_namespace.or(scope.namespace)));
        let namespace = full.as_deref().and_then(|full| full.rsplit_once('.').map(|(ns, _)| ns));
        let inside = Scope { namespace: namespace.or(scope.namespace), ..*scope };
        let (shape, weight) = match kind {
            "record" | "error" => self.record(attributes, &inside)?,
            "array" => self.collection(attributes, "items", Shape::Array, &inside)?,
            "map" => self.collection(attributes, "values", Shape::Map, &inside)?,
            "enum" => (Shape::Enum(symbols(attributes)), 1),
            "fixed" => (Shape::Fixed(fixed_size(attributes, &inside)?), 1),
            name => match primitive(name) {
                Some(shape) => (shape, 1),
                None => return self.by_name(name, scope),
            },
        };
        let node = Arc::new(Node { shape, semantics: Semantics::of(attributes), weight });
        if let Some(full) = full {
            self.named.insert(full, Arc::clone(&node));
        }
        Ok(node)
    }

    fn record(
        &mut self,
        attributes: &Map<String, Value>,
        scope: &Scope<'_>,
    ) -> Result<(Shape, usize), SchemaError> {
        let Some(Value::Array(fields)) = attributes.get("fields") else {
            return Err(scope.unsupported("a record without fields", "a list of fields"));
        };
        let fields =
            fields.iter().map(|field| self.field(field, scope)).collect::<Result<Vec<_>, _>>()?;
        let weight = weigh(fields.iter().map(|field| &field.node));
        Ok((Shape::Record(fields), weight))
    }

    fn field(&mut self, json: &Value, scope: &Scope<'_>) -> Result<Field, SchemaError> {
        let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
        let path =
            if scope.path.is_empty() { name.to_owned() } else { format!("{}.{name}", scope.path) };
        let scope = Scope { path: &path, ..*scope };
        let node = self.node(json.get("type").unwrap_or(&Value::Null), &scope)?;
        Ok(Field { name: name.into(), node })
    }

    fn collection(
        &mut self,
        attributes: &Map<String, Value>,
        key: &str,
        shape: fn(Arc<Node>) -> Shape,
        scope: &Scope<'_>,
    ) -> Result<(Shape, usize), SchemaError> {
        let inner = self.node(attributes.get(key).unwrap_or(&Value::Null), scope)?;
        let weight = weigh(std::iter::once(&inner));
        Ok((shape(inner), weight))
    }
}

impl Semantics {
    fn of(attributes: &Map<String, Value>) -> Self {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).map(Box::from);
        let parameter = |key: &str| {
            attributes.get("connect.parameters")?.get(key)?.as_str()?.parse::<i64>().ok()
        };
        let number = |key: &str| attributes.get(key).and_then(Value::as_i64);
        Self {
            name: text("connect.name"),
            connect_type: text("connect.type"),
            logical_type: text("logicalType"),
            scale: parameter("scale").or_else(|| number("scale")),
            precision: parameter("connect.decimal.precision").or_else(|| number("precision")),
        }
    }
}

fn primitive(name: &str) -> Option<Shape> {
    Some(match name {
        "null" => Shape::Null,
        "boolean" => Shape::Boolean,
        "int" => Shape::Int,
        "long" => Shape::Long,
        "float" => Shape::Float,
        "double" => Shape::Double,
        "bytes" => Shape::Bytes,
        "string" => Shape::String,
        _ => return None,
    })
}

fn full_name(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !namespace.is_empty() && !name.contains('.') => {
            format!("{namespace}.{name}")
        }
        Some(_) | None => name.to_owned(),
    }
}

fn symbols(attributes: &Map<String, Value>) -> Vec<Box<str>> {
    let symbols = attributes.get("symbols").and_then(Value::as_array);
    symbols.into_iter().flatten().filter_map(Value::as_str).map(Box::from).collect()
}

fn fixed_size(attributes: &Map<String, Value>, scope: &Scope<'_>) -> Result<usize, SchemaError> {
    attributes
        .get("size")
        .and_then(Value::as_u64)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| scope.unsupported("a fixed type without a size", "a size"))
}

fn weigh<'a>(parts: impl Iterator<Item = &'a Arc<Node>>) -> usize {
    parts.fold(1, |sum, part| sum.saturating_add(part.weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_contains_itself_is_refused() {
        let text = r#"{"type":"record","name":"a","fields":[{"name":"next","type":["null","a"]}]}"#;

        assert!(matches!(parse(text), Err(SchemaError::Unsupported { .. })));
    }

    /// Each record names the one before twice: 2^40 types from 40 lines.
    #[test]
    fn names_that_multiply_are_refused() {
        let mut inner = r#"{"type":"record","name":"r0","fields":[]}"#.to_owned();
        for level in 1..=25 {
            let before = level - 1;
            inner = format!(
                r#"{{"type":"record","name":"r{level}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":"r{before}"}}]}}"#
            );
        }

        let error = parse(&inner).unwrap_err().to_string();

        assert!(error.contains("more than 100,000 types"), "{error}");
    }

    #[test]
    fn nesting_has_a_limit() {
        let mut text = r#""int""#.to_owned();
        for _ in 0..40 {
            text = format!(r#"{{"type":"array","items":{text}}}"#);
        }

        assert!(matches!(parse(&text), Err(SchemaError::TooDeep { .. })));
    }
}
