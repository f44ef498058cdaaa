//! A message's type as a schema of Connect.

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind as ProtoKind, MapKey,
    MessageDescriptor, OneofDescriptor, Syntax, Value as ProtoValue,
};
use schema::value::{Field, Kind, Schema};

use super::known::{Known, WRAPPERS};
use super::name::{ENTRY, to_map};
use super::{CONNECT_TYPE, ENUM, ProtobufOptions, TAG, TYPE, UNION, WRAPPER};
use crate::error::FormatError;
use crate::{DEPTH_MAX, FIELDS_MAX, names};

/// What a message has, in the order of Connect's fields: unions come first.
#[derive(Debug, Clone)]
pub(super) enum Member {
    Union(OneofDescriptor),
    Field {
        field: FieldDescriptor,
        /// Whether it is one of a union whose fields are the message's.
        of_union: bool,
    },
}

/// The members of a message.
pub(super) fn members(message: &MessageDescriptor, options: ProtobufOptions) -> Vec<Member> {
    let mut members = Vec::new();
    for union in message.oneofs().filter(|union| !union.is_synthetic()) {
        if options.flatten_unions {
            members.extend(union.fields().map(|field| Member::Field { field, of_union: true }));
        } else {
            members.push(Member::Union(union));
        }
    }
    let plain = message.fields().filter(|field| real_union(field).is_none());
    members.extend(plain.map(|field| Member::Field { field, of_union: false }));
    members
}

fn real_union(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field.containing_oneof().filter(|union| !union.is_synthetic())
}

/// Whether a field has the word `optional` before it.
pub(super) fn has_optional(field: &FieldDescriptor) -> bool {
    if field.parent_file().syntax() == Syntax::Proto2 {
        return field.cardinality() == Cardinality::Optional && real_union(field).is_none();
    }
    field.containing_oneof().is_some_and(|union| union.is_synthetic())
}

/// Key and value of a map: one that the schema calls so, or a list of what looks like entries.
pub(super) fn entry(field: &FieldDescriptor) -> Option<(FieldDescriptor, FieldDescriptor)> {
    let message = message_of(field).filter(|_| field.cardinality() == Cardinality::Repeated)?;
    let (key, value) = (message.get_field_by_name("key")?, message.get_field_by_name("value")?);
    let is_one = |field: &FieldDescriptor| field.cardinality() != Cardinality::Repeated;
    let is_entry = message.name().ends_with(ENTRY) && message.fields().len() == 2;
    (is_entry && is_one(&key) && is_one(&value)).then_some((key, value))
}

pub(super) fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    field.kind().as_message().cloned()
}

/// Makes schemas of types.
pub(super) struct SchemaReader {
    options: ProtobufOptions,
    /// The messages that the one at hand is in.
    within: Vec<String>,
    fields: usize,
}

impl SchemaReader {
    pub(super) fn new(options: ProtobufOptions) -> Self {
        Self { options, within: Vec::new(), fields: 0 }
    }

    /// The schema of a record.
    pub(super) fn record(&mut self, message: &MessageDescriptor) -> Result<Schema, FormatError> {
        if let Some(Known::Wrapper(place)) = Known::of(message)
            && self.options.wrapper_for_raw_primitives
        {
            return Ok(Schema::new(wrapped(place)));
        }
        self.message(message)
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result<Schema, FormatError> {
        let name = message.full_name();
        if self.within.iter().any(|outer| outer == name) {
            let what = format!("message {name} contains itself, and data of Connect have an end");
            return Err(FormatError::schema(what));
        }
        if self.within.len() >= DEPTH_MAX {
            return Err(FormatError::schema("nests deeper than 64 levels"));
        }
        self.within.push(name.to_owned());
        let mut fields = Vec::new();
        for member in members(message, self.options) {
            fields.push(match member {
                Member::Union(union) => self.union(&union)?,
                Member::Field { field, of_union } => self.field(&field, of_union)?,
            });
        }
        self.within.pop();
        let name = if self.options.keeps_packages { name } else { message.name() };
        Ok(Schema::record(name.to_owned(), None, fields))
    }

    fn union(&mut self, union: &OneofDescriptor) -> Result<Field, FormatError> {
        let fields = union.fields().map(|field| self.field(&field, true));
        let fields = fields.collect::<Result<_, _>>()?;
        let name = if self.options.keeps_packages { union.full_name() } else { union.name() };
        let schema = Schema::record(format!("{UNION}.{name}"), None, fields).optional();
        Ok(Field::new(self.union_name(union), schema))
    }

    /// The name of a union's field.
    fn union_name(&self, union: &OneofDescriptor) -> String {
        if !self.options.index_for_unions {
            return union.name().to_owned();
        }
        let mut all = union.parent_message().oneofs().filter(|union| !union.is_synthetic());
        let index = all.position(|other| other == *union).unwrap_or_default();
        format!("{}_{index}", union.name())
    }

    fn field(&mut self, field: &FieldDescriptor, of_union: bool) -> Result<Field, FormatError> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(FormatError::schema("has more than 10,000 fields"));
        }
        let schema = self.type_of(field, of_union);
        Ok(Field::new(field.name(), schema.map_err(|error| error.within(field.name()))?))
    }

    fn type_of(&mut self, field: &FieldDescriptor, of_union: bool) -> Result<Schema, FormatError> {
        let mut schema = match entry(field) {
            Some((key, value)) => self.map(field, &key, &value)?,
            None => self.single(field)?,
        };
        if field.cardinality() == Cardinality::Repeated && entry(field).is_none() {
            schema = Schema::new(Kind::Array(Box::new(schema.optional()))).optional();
        }
        let options = self.options;
        let message = message_of(field);
        if of_union {
            schema.optional = true;
            let known = message.as_ref().and_then(Known::of);
            if options.wrapper_for_nullables && matches!(known, Some(Known::Wrapper(_))) {
                schema = schema.parameter(WRAPPER, "true".to_owned());
            }
        } else if options.optional_for_nullables {
            schema.optional |= has_optional(field);
        } else if !options.wrapper_for_nullables {
            schema.optional = true;
        }
        Ok(schema.parameter(TAG, field.number().to_string()))
    }

    fn map(
        &mut self,
        field: &FieldDescriptor,
        key: &FieldDescriptor,
        value: &FieldDescriptor,
    ) -> Result<Schema, FormatError> {
        let key = self.field(key, false)?.schema;
        let value = self.field(value, false)?.schema;
        let message = message_of(field);
        let name = message.as_ref().map_or("", |message| {
            if self.options.keeps_packages { message.full_name() } else { message.name() }
        });
        let map = Schema::new(Kind::Map(Box::new(key), Box::new(value)));
        Ok(Schema { name: Some(to_map(name)), optional: true, ..map })
    }

    fn single(&mut self, field: &FieldDescriptor) -> Result<Schema, FormatError> {
        let typed = |kind: Kind, name: &str| Schema::new(kind).parameter(TYPE, name.to_owned());
        if field.is_group() {
            return Err(FormatError::schema("is a group, which Connect does not have"));
        }
        Ok(match field.kind() {
            ProtoKind::Int32 => Schema::new(small(field).unwrap_or(Kind::Int32)),
            ProtoKind::Sint32 => {
                small(field).map_or_else(|| typed(Kind::Int32, "sint32"), Schema::new)
            }
            ProtoKind::Sfixed32 => {
                small(field).map_or_else(|| typed(Kind::Int32, "sfixed32"), Schema::new)
            }
            ProtoKind::Int64 => Schema::new(Kind::Int64),
            ProtoKind::Uint32 => typed(Kind::Int64, "uint32"),
            ProtoKind::Fixed32 => typed(Kind::Int64, "fixed32"),
            ProtoKind::Uint64 => typed(Kind::Int64, "uint64"),
            ProtoKind::Sint64 => typed(Kind::Int64, "sint64"),
            ProtoKind::Fixed64 => typed(Kind::Int64, "fixed64"),
            ProtoKind::Sfixed64 => typed(Kind::Int64, "sfixed64"),
            ProtoKind::Float => Schema::new(Kind::Float32),
            ProtoKind::Double => Schema::new(Kind::Float64),
            ProtoKind::Bool => Schema::new(Kind::Boolean),
            ProtoKind::String => Schema::new(Kind::String),
            ProtoKind::Bytes => Schema::new(Kind::Bytes),
            ProtoKind::Enum(kind) => self.enumeration(&kind),
            ProtoKind::Message(message) => self.known(field, &message)?.optional(),
        })
    }

    fn enumeration(&self, of: &EnumDescriptor) -> Schema {
        let kind = if self.options.int_for_enums { Kind::Int32 } else { Kind::String };
        let name = if self.options.keeps_packages { of.full_name() } else { of.name() };
        let mut schema = Schema { name: Some(name.to_owned()), ..Schema::new(kind) };
        schema = schema.parameter(ENUM, of.name().to_owned());
        for value in of.values() {
            let name = format!("{ENUM}.{}", value.name());
            schema = schema.parameter(&name, value.number().to_string());
        }
        schema.optional()
    }

    fn known(
        &mut self,
        field: &FieldDescriptor,
        message: &MessageDescriptor,
    ) -> Result<Schema, FormatError> {
        Ok(match Known::of(message) {
            Some(Known::Decimal) => decimal(field),
            Some(Known::Date) => Schema::semantic(Kind::Int32, names::DATE),
            Some(Known::TimeOfDay) => Schema::semantic(Kind::Int32, names::TIME),
            Some(Known::Timestamp) => Schema::semantic(Kind::Int64, names::TIMESTAMP),
            Some(Known::Wrapper(place)) if self.options.wrapper_for_nullables => {
                Schema::new(wrapped(place))
            }
            Some(Known::Wrapper(_)) | None => self.message(message)?,
        })
    }
}

/// What is in a wrapper.
fn wrapped(place: usize) -> Kind {
    match WRAPPERS.get(place).map_or("", |(_, kind)| kind) {
        "double" => Kind::Float64,
        "float" => Kind::Float32,
        "int32" => Kind::Int32,
        "bool" => Kind::Boolean,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        _ => Kind::Int64,
    }
}

fn small(field: &FieldDescriptor) -> Option<Kind> {
    match meta(field, CONNECT_TYPE)?.as_str() {
        "int8" => Some(Kind::Int8),
        "int16" => Some(Kind::Int16),
        _ => None,
    }
}

fn decimal(field: &FieldDescriptor) -> Schema {
    let number = |name: &str| meta(field, name).filter(|text| text.parse::<i32>().is_ok());
    let scale = number("scale").unwrap_or_else(|| "0".to_owned());
    let schema = Schema::semantic(Kind::Bytes, names::DECIMAL).parameter(names::SCALE, scale);
    match number("precision") {
        Some(precision) => schema.parameter(names::PRECISION, precision),
        None => schema,
    }
}

/// A parameter of a field's `confluent.field_meta`.
fn meta(field: &FieldDescriptor, name: &str) -> Option<String> {
    let extension = field.parent_pool().get_extension_by_name("confluent.field_meta")?;
    let options: DynamicMessage = field.options();
    let found = options.get_extension(&extension);
    let parameters = found.as_message()?.get_field_by_name("params")?.into_owned();
    let ProtoValue::Map(parameters) = parameters else { return None };
    Some(parameters.get(&MapKey::String(name.to_owned()))?.as_str()?.to_owned())
}
