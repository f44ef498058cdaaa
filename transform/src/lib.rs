//! Kafka Connect's transforms and predicates, and Debezium's, by their names and their settings.
//!
//! What they do is the matter of this crate, on records in Connect's data model: the plain, generic
//! implementation that works for every record. Where a transform only needs what a plan knows before
//! the first row, the connectors fold it into their plans instead, and this is what those are held
//! against. How bytes become a record is the matter of `schema`, what becomes of a record that fails
//! that of the connector.
//!
//! Every transform was held against Kafka Connect 4.3's own class: `src/golden/README.md`.

mod cel;
mod chain;
mod connect;
mod data;
mod debezium;
mod error;
mod fold;
mod headers;
mod java;
mod options;
mod record;
mod schemas;
mod sequence;
#[cfg(test)]
mod tests;
mod text;
mod values;

pub use chain::{Chain, Needs};
pub use data::{JsonProblem, json_of, part_of, schema_json, schema_of};
pub use error::{ConfigProblem, Exception, TransformError};
pub use fold::{Folded, Origin};
pub use headers::{HeaderConverter, HeaderProblem};
pub use record::{Header, Part, Record};
pub use sequence::sequence_of;
pub use text::{byte_array, java_text};

/// The Java classes of all transforms, in the order of their names.
pub fn transform_classes() -> impl Iterator<Item = &'static str> {
    debezium::classes().chain(connect::classes())
}

/// The Java classes of all predicates, in the order of their names.
#[must_use]
pub fn predicate_classes() -> &'static [&'static str] {
    &connect::predicate::CLASSES
}
