//! A schema of Connect as the text of a Protobuf schema.

use std::collections::BTreeSet;

use schema::value::{Field, Kind, Schema};

use super::known::{
    DATE, DATE_FILE, DECIMAL, DECIMAL_FILE, META_FILE, TIME_FILE, TIME_OF_DAY, TIMESTAMP,
    TIMESTAMP_FILE, WRAPPERS, WRAPPERS_FILE,
};
use super::name::{DEFAULT, scrub, to_entry};
use super::{CONNECT_TYPE, ENUM, ProtobufOptions, TAG, TYPE, UNION, WRAPPER, is_union};
use crate::error::FormatError;
use crate::{DEPTH_MAX, names, parameter};

/// The text of a schema, and which of its messages the record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) path: Vec<usize>,
}

impl Text {
    pub(super) fn of(schema: &Schema, options: ProtobufOptions) -> Result<Self, FormatError> {
        match &schema.kind {
            Kind::Struct(fields) => {
                let mut printer = Printer { options, ..Printer::new() };
                let full = printer.name_or_default(schema.name.as_deref());
                let mut parts: Vec<_> = full.split('.').map(|part| printer.scrub(part)).collect();
                let name = parts.pop().unwrap_or_default();
                printer.message(&name, fields, 0)?;
                Ok(Self { text: printer.file(&parts.join(".")), path: vec![0] })
            }
            Kind::Array(_) | Kind::Map(..) => {
                Err(FormatError::schema("is no struct, and Protobuf has no record of it"))
            }
            Kind::Boolean
            | Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::Float32
            | Kind::Float64
            | Kind::String
            | Kind::Bytes => {
                let wrapper = wrapper(schema);
                let place = WRAPPERS.iter().position(|(name, _)| *name == wrapper);
                Ok(Self { text: wrappers(), path: vec![place.unwrap_or_default()] })
            }
        }
    }
}

/// `google/protobuf/wrappers.proto`.
fn wrappers() -> String {
    let mut text = "syntax = \"proto3\";\npackage google.protobuf;\n".to_owned();
    for (name, kind) in WRAPPERS {
        let name = name.rsplit('.').next().unwrap_or(name);
        text.push_str(&format!("\nmessage {name} {{\n  {kind} value = 1;\n}}\n"));
    }
    text
}

/// The wrapper of a scalar.
fn wrapper(schema: &Schema) -> &'static str {
    match &schema.kind {
        Kind::Boolean => "google.protobuf.BoolValue",
        Kind::Int8 | Kind::Int16 | Kind::Int32 => "google.protobuf.Int32Value",
        Kind::Int64 => match parameter(schema, TYPE) {
            Some("uint32" | "fixed32") => "google.protobuf.UInt32Value",
            Some("uint64" | "fixed64") => "google.protobuf.UInt64Value",
            Some(_) | None => "google.protobuf.Int64Value",
        },
        Kind::Float32 => "google.protobuf.FloatValue",
        Kind::Float64 => "google.protobuf.DoubleValue",
        Kind::String => "google.protobuf.StringValue",
        Kind::Bytes | Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => {
            "google.protobuf.BytesValue"
        }
    }
}

/// Prints messages.
struct Printer {
    options: ProtobufOptions,
    imports: BTreeSet<&'static str>,
    /// The messages so far.
    body: String,
    /// How many names were made up.
    made_up: usize,
    depth: usize,
}

/// What stands inside a message.
#[derive(Default)]
struct Inside<'a> {
    /// The last tag that was given.
    tag: u32,
    lines: String,
    /// Its messages and enums: by which names, and of what they were made.
    nested: Vec<(String, &'a Schema)>,
}

impl Printer {
    fn new() -> Self {
        Self {
            options: ProtobufOptions::default(),
            imports: BTreeSet::new(),
            body: String::new(),
            made_up: 0,
            depth: 0,
        }
    }

    fn file(self, package: &str) -> String {
        let mut text = "syntax = \"proto3\";\n".to_owned();
        if !package.is_empty() {
            text.push_str(&format!("package {package};\n"));
        }
        if !self.imports.is_empty() {
            text.push('\n');
        }
        for import in &self.imports {
            text.push_str(&format!("import \"{import}\";\n"));
        }
        format!("{text}\n{}", self.body)
    }

    fn scrub(&self, name: &str) -> String {
        if self.options.scrubs_names { scrub(name) } else { name.to_owned() }
    }

    fn name_or_default(&mut self, name: Option<&str>) -> String {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return name.to_owned();
        }
        self.made_up += 1;
        format!("{DEFAULT}{}", self.made_up)
    }

    /// A name without its package.
    fn short(&mut self, name: Option<&str>) -> String {
        let full = self.name_or_default(name);
        self.scrub(full.rsplit('.').next().unwrap_or_default())
    }

    fn message(&mut self, name: &str, fields: &[Field], indent: usize) -> Result<(), FormatError> {
        if self.depth > DEPTH_MAX {
            return Err(FormatError::schema("nests deeper than 64 levels"));
        }
        self.depth += 1;
        let space = "  ".repeat(indent);
        let mut inside = Inside::default();
        for field in fields {
            self.member(&mut inside, field, indent + 1).map_err(|e| e.within(&field.name))?;
        }
        self.body.push_str(&format!("{space}message {name} {{\n{}", inside.lines));
        for (name, of) in inside.nested {
            self.body.push('\n');
            match &of.kind {
                Kind::Struct(fields) => self.message(&name, fields, indent + 1)?,
                Kind::Map(key, value) => {
                    let entry = [("key", key), ("value", value)];
                    let entry = entry.map(|(name, of)| Field::new(name, Schema::clone(of)));
                    self.message(&name, &entry, indent + 1)?;
                }
                Kind::Boolean
                | Kind::Int8
                | Kind::Int16
                | Kind::Int32
                | Kind::Int64
                | Kind::Float32
                | Kind::Float64
                | Kind::String
                | Kind::Bytes
                | Kind::Array(_) => self.enumeration(&name, of, indent + 1)?,
            }
        }
        self.body.push_str(&format!("{space}}}\n"));
        self.depth -= 1;
        Ok(())
    }

    fn member<'a>(
        &mut self,
        inside: &mut Inside<'a>,
        field: &'a Field,
        indent: usize,
    ) -> Result<(), FormatError> {
        let Kind::Struct(choices) = &field.schema.kind else {
            return self.field(inside, field, (indent, false));
        };
        if !is_union(&field.schema) {
            return self.field(inside, field, (indent, false));
        }
        let name = field.schema.name.as_deref().and_then(|name| name.strip_prefix(UNION));
        let name = self.short(name.map(|name| name.trim_start_matches('.')));
        let space = "  ".repeat(indent);
        inside.lines.push_str(&format!("{space}oneof {name} {{\n"));
        for choice in choices {
            let printed = self.field(inside, choice, (indent + 1, true));
            printed.map_err(|error| error.within(&choice.name))?;
        }
        inside.lines.push_str(&format!("{space}}}\n"));
        Ok(())
    }

    fn field<'a>(
        &mut self,
        inside: &mut Inside<'a>,
        field: &'a Field,
        (indent, of_union): (usize, bool),
    ) -> Result<(), FormatError> {
        let name = self.scrub(&field.name);
        let tag = match parameter(&field.schema, TAG).map(str::parse) {
            Some(tag) => tag.map_err(|_| FormatError::schema("has a tag that is no number"))?,
            None => {
                inside.tag += 1;
                inside.tag
            }
        };
        let is_optional = self.options.optional_for_nullables && field.schema.optional;
        let (label, of) = if let Kind::Array(each) = &field.schema.kind {
            ("repeated ", &**each)
        } else if matches!(field.schema.kind, Kind::Map(..)) {
            ("repeated ", &field.schema)
        } else {
            (if is_optional && !of_union { "optional " } else { "" }, &field.schema)
        };
        let is_entry = !std::ptr::eq(of, &field.schema);
        if is_entry && (matches!(of.kind, Kind::Array(_) | Kind::Map(..)) || is_union(of)) {
            let problem = "is an array of arrays, maps or unions, which Protobuf does not have";
            return Err(FormatError::schema(problem));
        }
        let kind = self.type_name(inside, of, (&name, of_union))?;
        let space = "  ".repeat(indent);
        let meta = self.meta(of, &space);
        inside.lines.push_str(&format!("{space}{label}{kind} {name} = {tag}{meta};\n"));
        Ok(())
    }

    fn type_name<'a>(
        &mut self,
        inside: &mut Inside<'a>,
        of: &'a Schema,
        (field, of_union): (&str, bool),
    ) -> Result<String, FormatError> {
        let known = match of.name.as_deref() {
            Some(names::DECIMAL) => Some((DECIMAL, DECIMAL_FILE)),
            Some(names::DATE) => Some((DATE, DATE_FILE)),
            Some(names::TIME) => Some((TIME_OF_DAY, TIME_FILE)),
            Some(names::TIMESTAMP) => Some((TIMESTAMP, TIMESTAMP_FILE)),
            Some(_) | None => None,
        };
        if let Some((name, file)) = known {
            self.imports.insert(file);
            return Ok(name.to_owned());
        }
        let is_struct = matches!(of.kind, Kind::Struct(_));
        let is_map = matches!(of.kind, Kind::Map(..));
        if is_struct || is_map || parameter(of, ENUM).is_some() {
            let mut name = self.short(of.name.as_deref());
            if is_map {
                name = to_entry(&name);
            } else if is_struct && name == field {
                // A message and a field of one name do not go together.
                name.push_str("Message");
            }
            nest(inside, &name, of)?;
            return Ok(name);
        }
        let wraps = self.options.wrapper_for_nullables && of.optional;
        if wraps && (!of_union || parameter(of, WRAPPER) == Some("true")) {
            self.imports.insert(WRAPPERS_FILE);
            return Ok(wrapper(of).to_owned());
        }
        Ok(scalar(of).to_owned())
    }

    /// What a field's type does not say.
    fn meta(&mut self, of: &Schema, space: &str) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut pairs = Vec::new();
        if of.name.as_deref() == Some(names::DECIMAL) {
            for (name, of_it) in [("precision", names::PRECISION), ("scale", names::SCALE)] {
                pairs.extend(parameter(of, of_it).map(|value| (name, quoted(value))));
            }
        } else if of.kind == Kind::Int8 {
            pairs.push((CONNECT_TYPE, "int8".to_owned()));
        } else if of.kind == Kind::Int16 {
            pairs.push((CONNECT_TYPE, "int16".to_owned()));
        }
        if pairs.is_empty() {
            return String::new();
        }
        self.imports.insert(META_FILE);
        let pairs = pairs.iter().map(|(name, value)| {
            let inner = format!("{space}      ");
            format!(
                "{space}    {{\n{inner}key: \"{name}\",\n{inner}value: \"{value}\"\n{space}    }}"
            )
        });
        let pairs = pairs.collect::<Vec<_>>().join(",\n");
        format!(
            " [(confluent.field_meta) = {{\n{space}  params: [\n{pairs}\n{space}  ]\n{space}}}]"
        )
    }

    fn enumeration(&mut self, name: &str, of: &Schema, indent: usize) -> Result<(), FormatError> {
        let space = "  ".repeat(indent);
        self.body.push_str(&format!("{space}enum {name} {{\n"));
        for (parameter, number) in &of.parameters {
            let symbol = parameter.strip_prefix(ENUM).and_then(|rest| rest.strip_prefix('.'));
            let Some(symbol) = symbol else { continue };
            let number: i32 = number
                .parse()
                .map_err(|_| FormatError::schema("has an enum whose numbers are none"))?;
            self.body.push_str(&format!("{space}  {symbol} = {number};\n"));
        }
        self.body.push_str(&format!("{space}}}\n"));
        Ok(())
    }
}

/// Puts a type into a message, once for each name.
fn nest<'a>(inside: &mut Inside<'a>, name: &str, of: &'a Schema) -> Result<(), FormatError> {
    match inside.nested.iter().find(|(known, _)| known == name) {
        None => inside.nested.push((name.to_owned(), of)),
        Some((_, known)) if known.kind == of.kind => {}
        Some(_) => {
            let what = format!("has two types of the name `{name}` in one message");
            return Err(FormatError::schema(what));
        }
    }
    Ok(())
}

fn scalar(of: &Schema) -> &str {
    match &of.kind {
        Kind::Int8 | Kind::Int16 => "int32",
        Kind::Int32 => parameter(of, TYPE).unwrap_or("int32"),
        Kind::Int64 => parameter(of, TYPE).unwrap_or("int64"),
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::Boolean => "bool",
        Kind::String => "string",
        Kind::Bytes | Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => "bytes",
    }
}
