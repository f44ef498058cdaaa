//! Protobuf and JSON Schema as Confluent's converters have them: Connect's data to bytes and back.
//!
//! Bytes stand behind the registry's frame ([`frame`]); the texts of schemas are the registry's. The
//! mapping of types is the one that Confluent documents and its converters have, with their settings
//! and their defaults, so that topics of a Java worker are read and topics for Java readers written.
//!
//! Schemas and records are untrusted: nesting and the number of fields are bounded.

mod decimal;
mod error;
pub mod frame;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod json_schema;
pub mod protobuf;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{FormatError, Part};
pub use json_schema::JsonSchemaOptions;
pub use protobuf::ProtobufOptions;
pub use writer::{Format, Prepared, Written, write};

/// Deepest nesting of schemas and values: our choice, more than any table needs. Elasticsearch
/// itself maps 20 levels of objects.
pub(crate) const DEPTH_MAX: usize = 64;

/// Most fields of one schema, all of its structs together: our choice. A message that is used in
/// many places counts in each of them, so that a small text cannot make a large schema.
pub(crate) const FIELDS_MAX: usize = 10_000;

/// Connect's own semantic types.
pub(crate) mod names {
    pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
    pub(crate) const DATE: &str = "org.apache.kafka.connect.data.Date";
    pub(crate) const TIME: &str = "org.apache.kafka.connect.data.Time";
    pub(crate) const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
    /// The parameter that a decimal has its scale in.
    pub(crate) const SCALE: &str = "scale";
    /// The parameter that Confluent's converters keep its precision in.
    pub(crate) const PRECISION: &str = "connect.decimal.precision";
}

/// A parameter of a schema.
pub(crate) fn parameter<'a>(schema: &'a schema::value::Schema, name: &str) -> Option<&'a str> {
    let mut parameters = schema.parameters.iter();
    parameters.find(|(known, _)| known == name).map(|(_, value)| &**value)
}
