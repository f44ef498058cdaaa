//! Kafka Connect's data model: what every format can express.
//!
//! The generic path, which the snapshot takes and against which the compiled plans are held. The
//! hot path never builds these values.

/// The type of a value with its meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The physical type.
    pub kind: Kind,
    /// Whether NULL is a value.
    pub optional: bool,
    /// The semantic type or the record's name, for example `io.debezium.time.Date`.
    pub name: Option<String>,
    /// The version of the semantic type.
    pub version: Option<u32>,
    /// What the type is, in words.
    pub doc: Option<String>,
    /// Parameters of the semantic type, in order.
    pub parameters: Vec<(String, String)>,
    /// The value that a reader takes when the field is missing.
    pub default: Option<Value>,
}

/// The physical types. A row of MySQL has neither `Int8` nor `Map`: records that others wrote and
/// that transforms made can have both.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// 8-bit signed.
    Int8,
    /// 16-bit signed.
    Int16,
    /// 32-bit signed.
    Int32,
    /// 64-bit signed.
    Int64,
    /// IEEE single.
    Float32,
    /// IEEE double.
    Float64,
    /// Unicode text.
    String,
    /// Bytes.
    Bytes,
    /// Any number of values of one type.
    Array(Box<Schema>),
    /// Values by key: the types of both.
    Map(Box<Schema>, Box<Schema>),
    /// Named fields in order.
    Struct(Vec<Field>),
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub schema: Schema,
}

impl Schema {
    /// A plain, required type.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
        }
    }

    /// A required semantic type of version 1.
    #[must_use]
    pub fn semantic(kind: Kind, name: &str) -> Self {
        Self { name: Some(name.to_owned()), version: Some(1), ..Self::new(kind) }
    }

    /// A required record.
    #[must_use]
    pub fn record(name: String, version: Option<u32>, fields: Vec<Field>) -> Self {
        Self { name: Some(name), version, ..Self::new(Kind::Struct(fields)) }
    }

    /// The same type that also takes NULL.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same type with one more parameter.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: String) -> Self {
        self.parameters.push((name.to_owned(), value));
        self
    }

    /// The same type with a description.
    #[must_use]
    pub fn doc(self, doc: &str) -> Self {
        Self { doc: Some(doc.to_owned()), ..self }
    }

    /// The same type with a default.
    #[must_use]
    pub fn default_value(self, value: Value) -> Self {
        Self { default: Some(value), ..self }
    }
}

impl Field {
    /// Names a type.
    pub fn new(name: impl Into<String>, schema: Schema) -> Self {
        Self { name: name.into(), schema }
    }
}

/// A value; its type is known by its [`Schema`].
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// For [`Kind::Boolean`].
    Boolean(bool),
    /// For [`Kind::Int8`], [`Kind::Int16`] and [`Kind::Int32`].
    Int32(i32),
    /// For [`Kind::Int64`].
    Int64(i64),
    /// For [`Kind::Float32`].
    Float32(f32),
    /// For [`Kind::Float64`].
    Float64(f64),
    /// For [`Kind::String`].
    String(String),
    /// For [`Kind::Bytes`].
    Bytes(Vec<u8>),
    /// For [`Kind::Array`].
    Array(Vec<Self>),
    /// For [`Kind::Map`], and what a record without a schema has instead of a struct; in order, and
    /// no key is there twice.
    Map(Vec<(Self, Self)>),
    /// A time without a schema, in milliseconds since 1970: Connect's `java.util.Date`. With a
    /// schema it is a number that the schema's name gives a meaning.
    Date(i64),
    /// For [`Kind::Struct`]: one value for each field.
    Struct(Vec<Self>),
}

impl std::fmt::Debug for Value {
    /// Values of rows are never printed, so only the kind is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean(..)",
            Self::Int32(_) => "Int32(..)",
            Self::Int64(_) => "Int64(..)",
            Self::Float32(_) => "Float32(..)",
            Self::Float64(_) => "Float64(..)",
            Self::String(_) => "String(..)",
            Self::Bytes(_) => "Bytes(..)",
            Self::Array(_) => "Array(..)",
            Self::Map(_) => "Map(..)",
            Self::Date(_) => "Date(..)",
            Self::Struct(_) => "Struct(..)",
        })
    }
}
