//! Messages that both sides know: Google's and Confluent's, by their numbers.

use prost_reflect::MessageDescriptor;

/// A message with a meaning in Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Decimal,
    Date,
    TimeOfDay,
    Timestamp,
    /// One of `google/protobuf/wrappers.proto`: its place in that file.
    Wrapper(usize),
}

impl Known {
    pub(super) fn of(message: &MessageDescriptor) -> Option<Self> {
        let name = message.full_name();
        Some(match name {
            DECIMAL => Self::Decimal,
            DATE => Self::Date,
            TIME_OF_DAY => Self::TimeOfDay,
            TIMESTAMP => Self::Timestamp,
            _ => Self::Wrapper(WRAPPERS.iter().position(|(known, _)| *known == name)?),
        })
    }
}

pub(super) const DECIMAL: &str = "confluent.type.Decimal";
pub(super) const DATE: &str = "google.type.Date";
pub(super) const TIME_OF_DAY: &str = "google.type.TimeOfDay";
pub(super) const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The messages of `google/protobuf/wrappers.proto`, in its order, and what each has in it.
pub(super) const WRAPPERS: [(&str, &str); 9] = [
    ("google.protobuf.DoubleValue", "double"),
    ("google.protobuf.FloatValue", "float"),
    ("google.protobuf.Int64Value", "int64"),
    ("google.protobuf.UInt64Value", "uint64"),
    ("google.protobuf.Int32Value", "int32"),
    ("google.protobuf.UInt32Value", "uint32"),
    ("google.protobuf.BoolValue", "bool"),
    ("google.protobuf.StringValue", "string"),
    ("google.protobuf.BytesValue", "bytes"),
];

pub(super) const WRAPPERS_FILE: &str = "google/protobuf/wrappers.proto";
pub(super) const TIMESTAMP_FILE: &str = "google/protobuf/timestamp.proto";
pub(super) const DECIMAL_FILE: &str = "confluent/type/decimal.proto";
pub(super) const META_FILE: &str = "confluent/meta.proto";
pub(super) const DATE_FILE: &str = "google/type/date.proto";
pub(super) const TIME_FILE: &str = "google/type/timeofday.proto";

/// What any schema may import without the registry having it, as with Confluent's. Those of
/// `google/protobuf/` come with the compiler.
pub(super) const FILES: [(&str, &str); 4] = [
    (
        DECIMAL_FILE,
        "syntax = \"proto3\"; package confluent.type; \
         message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    ),
    (
        META_FILE,
        "syntax = \"proto3\"; package confluent; import \"google/protobuf/descriptor.proto\"; \
         message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; \
         repeated Rule rules = 4; } \
         message Rule { string name = 1; string doc = 2; string expr = 3; string sql = 4; } \
         extend google.protobuf.FileOptions { Meta file_meta = 1088; } \
         extend google.protobuf.MessageOptions { Meta message_meta = 1088; } \
         extend google.protobuf.FieldOptions { Meta field_meta = 1088; } \
         extend google.protobuf.EnumOptions { Meta enum_meta = 1088; } \
         extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }",
    ),
    (
        DATE_FILE,
        "syntax = \"proto3\"; package google.type; \
         message Date { int32 year = 1; int32 month = 2; int32 day = 3; }",
    ),
    (
        TIME_FILE,
        "syntax = \"proto3\"; package google.type; \
         message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }",
    ),
];
