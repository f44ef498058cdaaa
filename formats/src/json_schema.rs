//! JSON Schema, as `io.confluent.connect.json.JsonSchemaConverter` has it: a schema in the registry,
//! and JSON behind its id.
//!
//! Facts of the mapping: <https://docs.confluent.io/platform/current/schema-registry/connect.html#json-schema>
//! and its `JsonSchemaData`. Different here: a schema that contains itself is refused, because Connect's
//! data here have an end; where anything is allowed (`{}`, an array without `items`) the value is its
//! JSON as a text, of Debezium's type for that; a value of another type than its schema is refused
//! instead of read as zero.

mod number;
mod read;
mod reader;
mod resolve;
mod value;
pub(crate) mod write;
pub(crate) mod write_value;

pub use reader::Reader;

/// The settings of the converter, with Confluent's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JsonSchemaOptions {
    /// `object.additional.properties`: objects may have more than their schema says. Default `true`.
    pub additional_properties: bool,
    /// `use.optional.for.nonrequired`: what is not `required` may be null. Default `false`.
    pub optional_for_nonrequired: bool,
    /// `decimal.format`: whether decimals are numbers (`NUMERIC`) and not base 64. Default `false`.
    pub numeric_decimals: bool,
    /// `flatten.singleton.unions`: a choice of one is that one. Default `true`.
    pub flatten_singletons: bool,
    /// `ignore.default.for.nullables`: a null stays one where there is a default. Default `false`.
    pub ignores_defaults: bool,
}

impl Default for JsonSchemaOptions {
    fn default() -> Self {
        Self {
            additional_properties: true,
            optional_for_nonrequired: false,
            numeric_decimals: false,
            flatten_singletons: true,
            ignores_defaults: false,
        }
    }
}

/// What begins the names of parameters that are the converter's own.
const NAMESPACE: &str = "io.confluent.connect.json";
/// The parameter of enums; one for each symbol has it as its beginning.
const ENUM: &str = "io.confluent.connect.json.Enum";
/// The name of a struct that is a choice.
const ONE_OF: &str = "io.confluent.connect.json.OneOf";
/// The parameter of a text that is any JSON. Ours.
const ANY: &str = "io.confluent.connect.json.Any";
/// Debezium's name of a text that is JSON.
const JSON: &str = "io.debezium.data.Json";
/// A null among the symbols of an enum.
const NULL_MARKER: &str = "<NULL>";

const TYPE: &str = "connect.type";
const VERSION: &str = "connect.version";
const PARAMETERS: &str = "connect.parameters";
const INDEX: &str = "connect.index";

fn is_union(schema: &schema::value::Schema) -> bool {
    schema.name.as_deref() == Some(ONE_OF)
}
