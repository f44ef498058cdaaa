//! Kafka Connect's own transforms: one file for each.
//!
//! <https://kafka.apache.org/43/kafka-connect/user-guide/#transformations>

mod cast;
mod extract_field;
mod flatten;
mod headers;
mod hoist_field;
mod insert_field;
mod mask_field;
mod path;
pub(crate) mod predicate;
mod replace_field;
mod routers;
mod set_schema_metadata;
mod timestamp_converter;
mod value_to_key;

use crate::error::{ConfigProblem, Failure};
use crate::fold::Row;
use crate::options::Options;
use crate::record::{Record, Side};

/// One transform with its settings.
pub(crate) trait Transform: Send + Sync {
    /// The record that it makes of one; `None` if it drops it.
    fn apply(&mut self, record: Record) -> Result<Option<Record>, Failure>;

    /// What it makes of the fields of any row; `None` if that is another matter with every row, or
    /// if it refuses such a row.
    fn fold(&self, _: Row) -> Option<Row> {
        None
    }
}

/// Reads a transform's settings.
pub(crate) type Make = fn(&mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem>;

const PACKAGE: &str = "org.apache.kafka.connect.transforms.";

/// A transform by its Java class or, as Connect also takes it, by the last part of its name.
pub(crate) fn find(class: &str) -> Option<(&'static str, Make)> {
    let is = |known: &str| known == class || known.strip_prefix(PACKAGE) == Some(class);
    TRANSFORMS.iter().find(|(known, _)| is(known)).copied()
}

/// The classes that there are.
pub(crate) fn classes() -> impl Iterator<Item = &'static str> {
    TRANSFORMS.iter().map(|(class, _)| *class)
}

const TRANSFORMS: [(&str, Make); 26] = [
    ("org.apache.kafka.connect.transforms.Cast$Key", |o| cast::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.Cast$Value", |o| cast::make(Side::Value, o)),
    ("org.apache.kafka.connect.transforms.DropHeaders", headers::make_drop),
    ("org.apache.kafka.connect.transforms.ExtractField$Key", |o| extract_field::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.ExtractField$Value", |o| {
        extract_field::make(Side::Value, o)
    }),
    ("org.apache.kafka.connect.transforms.Filter", predicate::make_filter),
    ("org.apache.kafka.connect.transforms.Flatten$Key", |o| flatten::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.Flatten$Value", |o| flatten::make(Side::Value, o)),
    ("org.apache.kafka.connect.transforms.HeaderFrom$Key", |o| headers::make_from(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.HeaderFrom$Value", |o| {
        headers::make_from(Side::Value, o)
    }),
    ("org.apache.kafka.connect.transforms.HoistField$Key", |o| hoist_field::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.HoistField$Value", |o| hoist_field::make(Side::Value, o)),
    ("org.apache.kafka.connect.transforms.InsertField$Key", |o| insert_field::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.InsertField$Value", |o| {
        insert_field::make(Side::Value, o)
    }),
    ("org.apache.kafka.connect.transforms.InsertHeader", headers::make_insert),
    ("org.apache.kafka.connect.transforms.MaskField$Key", |o| mask_field::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.MaskField$Value", |o| mask_field::make(Side::Value, o)),
    ("org.apache.kafka.connect.transforms.RegexRouter", routers::make_regex),
    ("org.apache.kafka.connect.transforms.ReplaceField$Key", |o| replace_field::make(Side::Key, o)),
    ("org.apache.kafka.connect.transforms.ReplaceField$Value", |o| {
        replace_field::make(Side::Value, o)
    }),
    ("org.apache.kafka.connect.transforms.SetSchemaMetadata$Key", |o| {
        set_schema_metadata::make(Side::Key, o)
    }),
    ("org.apache.kafka.connect.transforms.SetSchemaMetadata$Value", |o| {
        set_schema_metadata::make(Side::Value, o)
    }),
    ("org.apache.kafka.connect.transforms.TimestampConverter$Key", |o| {
        timestamp_converter::make(Side::Key, o)
    }),
    ("org.apache.kafka.connect.transforms.TimestampConverter$Value", |o| {
        timestamp_converter::make(Side::Value, o)
    }),
    ("org.apache.kafka.connect.transforms.TimestampRouter", routers::make_timestamp),
    ("org.apache.kafka.connect.transforms.ValueToKey", value_to_key::make),
];
