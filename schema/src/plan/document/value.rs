//! Values of any kind: their plan, and the pass over them.

use super::cursor::Cursor;
use super::decimal;
use super::error::{DecodeError, PlanError, Problem};
use super::field::{DocumentField, FieldKind};
use super::geometry::Geometry;
use super::json::{write_string, write_verbatim};
use super::scalar::Scalar;
use super::skip::{Skip, refuse_empty};
use super::{DocumentOptions, GeometryForm, JsonForm, RowChoice};
use crate::avro::{self, Field, Node, Shape};
use crate::value as connect;

/// One field of an object: what comes before its value, and the value.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: Box<str>,
    /// What it is called in the document; `None` for one that is left out.
    field: Option<Box<str>>,
    label: Label,
    value: Value,
}

/// A value that may be null.
#[derive(Debug)]
pub(super) struct Value {
    /// Which branch of the union is null; `None` where the type is no union.
    null_branch: Option<usize>,
    codec: Codec,
    /// How many values this can be, for the limit on those in arrays and maps.
    weight: usize,
}

#[derive(Debug)]
enum Codec {
    Scalar(Scalar),
    Json {
        wrap: bool,
    },
    Set,
    Array(Box<Value>),
    Map(Box<Value>),
    Object(Box<[Column]>),
    Geometry(Geometry),
    VariableDecimal,
    /// Passed over: of a column that is left out.
    LeftOut(Skip),
    Instead(Box<Instead>),
}

/// One text in the place of every value.
#[derive(Debug)]
struct Instead {
    skip: Skip,
    kind: FieldKind,
    text: Box<[u8]>,
}

/// Compiles the columns of a row, as far as they are wanted in a document.
pub(super) fn compile_row(
    fields: &[Field],
    choice: &RowChoice<'_>,
) -> Result<Box<[Column]>, PlanError> {
    let mut columns: Vec<Column> = Vec::with_capacity(fields.len());
    for field in fields {
        let Some(name) = (choice.field)(&field.name) else {
            columns.push(Column::left_out(field)?);
            continue;
        };
        let same = columns.iter().find(|column| column.field.as_deref() == Some(&*name));
        if let Some(same) = same {
            let (first, second) = (same.name.clone(), field.name.clone());
            return Err(PlanError::SameField { field: name, first, second });
        }
        let is_first = columns.iter().all(|column| column.field.is_none());
        let mut value = Value::compile(&field.node, &field.name, choice.options)?;
        if let Some(instead) = (choice.instead)(&field.name) {
            value.codec = value.codec.instead(&field.node, &field.name, &instead)?;
        }
        let label = Label::of(&name, is_first);
        columns.push(Column { name: field.name.clone(), field: Some(name), label, value });
    }
    Ok(columns.into())
}

/// Compiles the fields of a record.
pub(super) fn compile_columns(
    fields: &[Field],
    path: &str,
    options: DocumentOptions,
) -> Result<Box<[Column]>, PlanError> {
    let columns = fields.iter().enumerate().map(|(index, field)| {
        let path =
            if path.is_empty() { field.name.to_string() } else { format!("{path}.{}", field.name) };
        let value = Value::compile(&field.node, &path, options)?;
        let (name, label) = (field.name.clone(), Label::of(&field.name, index == 0));
        Ok(Column { field: Some(name.clone()), name, label, value })
    });
    columns.collect()
}

/// An entry of a list or a map has no name that a geometry could be kept under.
pub(super) fn unnamed(options: DocumentOptions) -> DocumentOptions {
    DocumentOptions { geometry: GeometryForm::Object, ..options }
}

/// What the columns are in a mapping.
pub(super) fn describe(columns: &[Column]) -> Box<[DocumentField]> {
    let fields = columns.iter().filter_map(|column| {
        Some(DocumentField {
            name: column.field.clone()?,
            kind: column.value.codec.kind(),
            nullable: column.value.null_branch.is_some(),
        })
    });
    fields.collect()
}

/// Writes one row: an object with all columns. Nulls are written too, so that a document shows
/// the whole row and a query can tell a null from a column that did not exist yet.
pub(super) fn write_row(
    columns: &[Column],
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    for column in columns {
        column
            .write(cursor, out)
            .map_err(|problem| DecodeError::new(Some(&column.name), problem))?;
    }
    close_object(columns, out);
    Ok(())
}

/// An object without columns has no label that opens it.
pub(super) fn close_object(columns: &[Column], out: &mut Vec<u8>) {
    // The first one is nearly always there.
    let is_open = columns.iter().any(|column| column.field.is_some());
    out.extend_from_slice(if is_open { b"}" } else { b"{}" });
}

impl Column {
    fn left_out(field: &Field) -> Result<Self, PlanError> {
        let codec = Codec::LeftOut(Skip::compile(&field.node, &field.name)?);
        let value = Value { null_branch: None, codec, weight: 1 };
        Ok(Self { name: field.name.clone(), field: None, label: Label::new(b""), value })
    }

    #[inline(always)]
    pub(super) fn write(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        self.label.write(out);
        self.value.write(cursor, out)
    }
}

/// `{"name":` for the first column, `,"name":` for the others.
///
/// Most are short. Such a label is copied together with the zeros that follow it, which are then
/// taken away again: a copy whose length the compiler knows is a few instructions, any other one a
/// call.
#[derive(Debug)]
enum Label {
    Short { padded: [u8; 16], length: usize },
    Long(Box<[u8]>),
}

impl Label {
    fn of(name: &str, is_first: bool) -> Self {
        let mut label = vec![if is_first { b'{' } else { b',' }];
        write_string(name, &mut label);
        label.push(b':');
        Self::new(&label)
    }

    fn new(label: &[u8]) -> Self {
        let mut padded = [0; 16];
        match padded.get_mut(..label.len()) {
            Some(start) => {
                start.copy_from_slice(label);
                Self::Short { padded, length: label.len() }
            }
            None => Self::Long(label.into()),
        }
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Short { padded, length } => {
                let start = out.len();
                out.extend_from_slice(padded);
                out.truncate(start + length);
            }
            Self::Long(label) => out.extend_from_slice(label),
        }
    }
}

impl Value {
    fn compile(node: &Node, path: &str, options: DocumentOptions) -> Result<Self, PlanError> {
        let weight = node.weight();
        let (null_branch, node) = node.optional().ok_or_else(|| PlanError::Unsupported {
            path: path.to_owned(),
            found: "a union of several types".into(),
            expected: "a union of null and one type",
        })?;
        Ok(Self { null_branch, codec: Codec::compile(node, path, options)?, weight })
    }

    #[inline(always)]
    fn write(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        if is_null(self.null_branch, cursor)? {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        self.codec.write(cursor, out)
    }
}

/// Reads the branch of a union of two, if there is one.
#[inline]
pub(super) fn is_null(
    null_branch: Option<usize>,
    cursor: &mut Cursor<'_>,
) -> Result<bool, Problem> {
    null_branch.map_or(Ok(false), |null_branch| cursor.is_null(null_branch))
}

impl Codec {
    fn compile(node: &Node, path: &str, options: DocumentOptions) -> Result<Self, PlanError> {
        if let Some(scalar) = Scalar::compile(node, path)? {
            return Ok(Self::Scalar(scalar));
        }
        Ok(match &node.shape {
            Shape::Array(entry) => {
                refuse_empty(entry, path)?;
                Self::Array(Box::new(Value::compile(entry, path, unnamed(options))?))
            }
            Shape::Map(entry) => {
                Self::Map(Box::new(Value::compile(entry, path, unnamed(options))?))
            }
            Shape::Record(fields) if decimal::is_variable(node, fields) => Self::VariableDecimal,
            Shape::Record(fields) => match Geometry::compile(node, fields, path, options)? {
                Some(geometry) => Self::Geometry(geometry),
                None => Self::Object(compile_columns(fields, path, options)?),
            },
            Shape::String if node.semantics.name.as_deref() == Some("io.debezium.data.EnumSet") => {
                Self::Set
            }
            Shape::String => Self::Json { wrap: options.json == JsonForm::ObjectsOnly },
            Shape::Null
            | Shape::Boolean
            | Shape::Int
            | Shape::Long
            | Shape::Float
            | Shape::Double
            | Shape::Bytes
            | Shape::Fixed(_)
            | Shape::Enum(_)
            | Shape::Union(_) => {
                return Err(PlanError::Unsupported {
                    path: path.to_owned(),
                    found: "null or a union within a union".into(),
                    expected: "a type with values",
                });
            }
        })
    }

    /// The same for a column that has one value wherever it is not null.
    fn instead(self, node: &Node, path: &str, value: &connect::Value) -> Result<Self, PlanError> {
        let refused = || PlanError::Unsupported {
            path: path.to_owned(),
            found: "another value than the column has".into(),
            expected: "one that a document can show",
        };
        let (_, node) = node.optional().ok_or_else(refused)?;
        let schema = avro::connect_type(node, path)?;
        let (mut body, mut text) = (Vec::new(), Vec::new());
        avro::encode(&schema, value, &mut body).map_err(|_| refused())?;
        let mut cursor = Cursor::new(&body);
        self.write(&mut cursor, &mut text).map_err(|_| refused())?;
        if cursor.remaining() > 0 {
            return Err(refused());
        }
        let (skip, kind) = (Skip::compile(node, path)?, self.kind());
        Ok(Self::Instead(Box::new(Instead { skip, kind, text: text.into() })))
    }

    fn kind(&self) -> FieldKind {
        match self {
            Self::Scalar(scalar) => scalar.kind(),
            Self::Json { .. } => FieldKind::Json,
            Self::Set => FieldKind::Keyword,
            Self::Array(entry) => FieldKind::Array(Box::new(entry.codec.kind())),
            Self::Map(_) => FieldKind::Map,
            Self::Object(columns) => FieldKind::Object(describe(columns)),
            Self::Geometry(geometry) => geometry.kind(),
            Self::VariableDecimal => FieldKind::Decimal { precision: None, scale: None },
            // No document has it.
            Self::LeftOut(_) => FieldKind::Json,
            Self::Instead(instead) => instead.kind.clone(),
        }
    }

    #[inline(always)]
    fn write(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        if let Self::Scalar(scalar) = self {
            scalar.write_json(cursor, out)
        } else {
            self.write_parts(cursor, out)
        }
    }

    fn write_parts(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        match self {
            Self::Scalar(scalar) => scalar.write_json(cursor, out),
            Self::Json { wrap } => write_verbatim(cursor.text()?, *wrap, out),
            Self::Set => {
                write_set(cursor.text()?, out);
                Ok(())
            }
            Self::Array(entry) => write_blocks(*b"[]", entry.weight, cursor, out, |cursor, out| {
                entry.write(cursor, out)
            }),
            Self::Map(entry) => write_blocks(*b"{}", entry.weight, cursor, out, |cursor, out| {
                write_string(cursor.text()?, out);
                out.push(b':');
                entry.write(cursor, out)
            }),
            Self::Object(columns) => {
                columns.iter().try_for_each(|column| column.write(cursor, out))?;
                close_object(columns, out);
                Ok(())
            }
            Self::Geometry(geometry) => geometry.write(cursor, out),
            Self::VariableDecimal => {
                let scale = cursor.long()?;
                decimal::write_scaled(cursor.bytes()?, scale, out)
            }
            Self::LeftOut(skip) => skip.run(cursor),
            Self::Instead(instead) => {
                out.extend_from_slice(&instead.text);
                instead.skip.run(cursor)
            }
        }
    }
}

/// The chosen members of a MySQL SET, which cannot contain commas.
/// <https://dev.mysql.com/doc/refman/9.4/en/set.html>
fn write_set(text: &str, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, member) in text.split(',').filter(|member| !member.is_empty()).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(member, out);
    }
    out.push(b']');
}

/// The entries of an array or a map, with commas between them.
fn write_blocks(
    [open, close]: [u8; 2],
    weight: usize,
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    mut entry: impl FnMut(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    out.push(open);
    let mut separate = false;
    while let Some(block) = cursor.block()? {
        cursor.spend(block.count, weight)?;
        for _ in 0..block.count {
            if separate {
                out.push(b',');
            }
            separate = true;
            entry(cursor, out)?;
        }
    }
    out.push(close);
    Ok(())
}
