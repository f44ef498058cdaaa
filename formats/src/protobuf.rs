//! Protobuf, as `io.confluent.connect.protobuf.ProtobufConverter` has it.
//!
//! Facts of the mapping: <https://docs.confluent.io/platform/current/schema-registry/connect.html#protobuf>
//! and its `ProtobufData`. Different here: a message that contains itself is refused, because Connect's
//! data here have an end; a decimal that its field's scale cannot hold is refused instead of read with
//! another; defaults are not written, because proto3 has none.

mod descriptor;
mod known;
mod name;
mod read;
mod reader;
mod text;
mod value;
mod write;

pub use reader::Reader;
pub(crate) use write::Plan;

/// The settings of the converter, with Confluent's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtobufOptions {
    /// `enhanced.protobuf.schema.support`: structs and enums keep their packages. Default `false`.
    pub keeps_packages: bool,
    /// `scrub.invalid.names`: names that Protobuf does not take are changed. Default `false`.
    pub scrubs_names: bool,
    /// `int.for.enums`: enums are numbers. Default `false`.
    pub int_for_enums: bool,
    /// `optional.for.nullables`: what can be null has proto3's `optional`. Default `false`.
    pub optional_for_nullables: bool,
    /// `optional.for.proto2`: an `optional` of proto2 that is not there is null. Default `true`.
    pub optional_for_proto2: bool,
    /// `wrapper.for.nullables`: what can be null is one of `google/protobuf/wrappers.proto`. Default
    /// `false`.
    pub wrapper_for_nullables: bool,
    /// `wrapper.for.raw.primitives`: a record that is one of these is its value. Default `true`.
    pub wrapper_for_raw_primitives: bool,
    /// `generate.struct.for.nulls`: a message that is not there is one without fields. Default `false`.
    pub struct_for_nulls: bool,
    /// `generate.index.for.unions`: the field of a `oneof` has its number behind its name. Default
    /// `true`.
    pub index_for_unions: bool,
    /// `flatten.unions`: the fields of a `oneof` are fields of its message. Default `false`.
    pub flatten_unions: bool,
    /// `ignore.default.for.nullables`: a null stays one where there is a default. Default `false`.
    pub ignores_defaults: bool,
}

impl Default for ProtobufOptions {
    fn default() -> Self {
        Self {
            keeps_packages: false,
            scrubs_names: false,
            int_for_enums: false,
            optional_for_nullables: false,
            optional_for_proto2: true,
            wrapper_for_nullables: false,
            wrapper_for_raw_primitives: true,
            struct_for_nulls: false,
            index_for_unions: true,
            flatten_unions: false,
            ignores_defaults: false,
        }
    }
}

/// The parameters by which schemas keep what Protobuf knows of them.
pub(crate) const ENUM: &str = "io.confluent.connect.protobuf.Enum";
pub(crate) const UNION: &str = "io.confluent.connect.protobuf.Union";
pub(crate) const TAG: &str = "io.confluent.connect.protobuf.Tag";
pub(crate) const TYPE: &str = "io.confluent.connect.protobuf.Type";
pub(crate) const WRAPPER: &str = "io.confluent.connect.protobuf.Wrapper";
/// A field's own metadata, in `confluent.field_meta`.
pub(crate) const CONNECT_TYPE: &str = "connect.type";

/// Whether a struct is a `oneof`.
pub(crate) fn is_union(schema: &schema::value::Schema) -> bool {
    schema.name.as_deref().is_some_and(|name| name.starts_with(UNION))
}
