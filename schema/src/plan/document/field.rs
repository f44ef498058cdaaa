//! What a document's fields are, for whoever makes the mapping.

/// One field of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentField {
    /// Its name: the column's.
    pub name: Box<str>,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it can be null.
    pub nullable: bool,
}

/// What a field holds, by Connect's semantic types where the schema has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 8 bits.
    Byte,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A year as a number.
    Year,
    /// A binary number of 32 bits.
    Float,
    /// A binary number of 64 bits.
    Double,
    /// An exact decimal, written as a number with all its digits.
    Decimal {
        /// Digits in all, where the schema says so.
        precision: Option<u16>,
        /// Digits after the point, unless each value has its own.
        scale: Option<u16>,
    },
    /// Text for people.
    Text,
    /// A word from a list, or an id: compared as a whole. A set is an array of them.
    Keyword,
    /// A date, with or without a time, in ISO 8601.
    Date,
    /// A date with a time to the nanosecond, in ISO 8601.
    DateNanos,
    /// A time of day or a span: `[-]HH:MM:SS.ffffff`.
    Time,
    /// Bytes in base64.
    Bytes,
    /// Any JSON value.
    Json,
    /// An object with fields of its own, as a geometry.
    Object(Box<[DocumentField]>),
    /// A place on earth, as `{"lat":…,"lon":…}`.
    GeoPoint,
    /// A shape on earth, as well-known text.
    GeoShape,
    /// An object whose keys are data.
    Map,
    /// Any number of values of one kind.
    Array(Box<Self>),
}

impl std::fmt::Display for FieldKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Byte => "8-bit number",
            Self::Short => "16-bit number",
            Self::Integer => "32-bit number",
            Self::Long => "64-bit number",
            Self::Year => "year",
            Self::Float => "32-bit floating point number",
            Self::Double => "64-bit floating point number",
            Self::Decimal { .. } => "decimal",
            Self::Text => "text",
            Self::Keyword => "word",
            Self::Date => "date",
            Self::DateNanos => "date with nanoseconds",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Json => "JSON",
            Self::Object(_) => "object",
            Self::GeoPoint => "point",
            Self::GeoShape => "geometry",
            Self::Map => "map",
            Self::Array(kind) => return write!(f, "array of {kind}"),
        })
    }
}
