//! Transforms as a part of the plan: where a chain does the same to all rows of a schema, rows
//! become its documents at once, and nothing is taken apart.
//!
//! Which ones do says [`transform::Chain::fold`]. What else can come in such a topic, a tombstone or
//! a schema for which they refuse rows, goes through them one by one, as the connectors' other
//! chains do (`docs/adr/0120-what-folds-is-asked-for-each-schema.md`).

use std::ops::Range;
use std::time::Duration;

use connect::kafka::consumer::Record;
use schema::avro::WriterSchema;
use schema::connect_json::ConnectSchema;
use schema::plan::document::{
    DocumentField, DocumentOptions, DocumentPlan, FieldKind, PlanError, RowChoice, write_instant, write_string,
};
use schema::value::{Field, Kind, Schema, Value};
use transform::{Chain, Folded, Origin, schema_json};

use super::append::{OPERATION_FIELD, add_field};
use super::soft::DELETED_FIELD;
use crate::config::FieldsConfig;

/// Milliseconds after 1970 that are not after the year 9999: those that a date of a document has.
pub(super) const DATED_MILLIS: Range<i64> = 0..253_402_300_800_000;

/// What rows of one schema become.
#[derive(Debug)]
pub(super) struct Fold {
    fields: Vec<Folded>,
}

/// Whether a chain folds for rows that have nothing that hinders it.
pub(crate) fn may_fold(chain: &Chain) -> bool {
    !chain.is_empty() && chain.fold(&Schema::new(Kind::Struct(Vec::new()))).is_some()
}

impl Fold {
    /// What a chain does to all rows of a schema, if there is a plan that does it.
    pub(super) fn of(
        chain: &Chain,
        schema: &WriterSchema,
        options: DocumentOptions,
    ) -> Option<Self> {
        let value = schema.connect_schema().ok()?;
        let fold = Self { fields: chain.fold(&value)? };
        (fold.keeps_marks(&value) && fold.has_the_fields_of_the_other_path(schema, options))
            .then_some(fold)
    }

    /// Whether what marks a row as deleted is what it was: it is recognised by its name in the row.
    fn keeps_marks(&self, value: &Schema) -> bool {
        let Kind::Struct(before) = &value.kind else { return false };
        [DELETED_FIELD, OPERATION_FIELD].into_iter().all(|mark| {
            let was_there = before.iter().any(|field| field.name == mark);
            let after: Vec<_> = self.fields.iter().filter(|field| field.name == mark).collect();
            match after.as_slice() {
                [] => !was_there,
                [field] => was_there && field.origin == Origin::Row(mark.to_owned()),
                _ => false,
            }
        })
    }

    /// Whether an index gets the same fields as by way of Connect's data, which do not have all that
    /// Avro has. Geometries are kept under names of their own, which a new name would not change.
    fn has_the_fields_of_the_other_path(
        &self,
        schema: &WriterSchema,
        options: DocumentOptions,
    ) -> bool {
        let made = self.fields.iter().map(|field| Field::new(&field.name, field.schema.clone()));
        let made = Schema::new(Kind::Struct(made.collect()));
        let everything = RowChoice::everything(options);
        let other = ConnectSchema::parse(&schema_json(&made).to_string());
        let other = other.ok().and_then(|of| DocumentPlan::of_schema(of.writer(), &everything).ok());
        let (Some(other), Ok(plan)) = (other, self.compile(schema, &everything)) else {
            return false;
        };
        let is_place = |field: &DocumentField| {
            matches!(field.kind, FieldKind::GeoPoint | FieldKind::GeoShape)
        };
        plan.fields() == other.fields() && !(plan.fields().iter().any(is_place) && self.renames())
    }

    fn renames(&self) -> bool {
        self.fields.iter().any(|field| field.origin.column().is_some_and(|old| old != field.name))
    }

    /// The plan. `choice` is about the fields that come out of the transforms.
    pub(super) fn compile(
        &self,
        schema: &WriterSchema,
        choice: &RowChoice<'_>,
    ) -> Result<DocumentPlan, PlanError> {
        let of = |column: &str| {
            self.fields.iter().find(|field| field.origin.column() == Some(column))
        };
        let field = |column: &str| (choice.field)(&of(column)?.name);
        let instead = |column: &str| match &of(column)?.origin {
            Origin::Masked(_, value) => Some(Value::clone(value)),
            Origin::Row(_)
            | Origin::Topic
            | Origin::Partition
            | Origin::Offset
            | Origin::Timestamp
            | Origin::Text(_) => None,
        };
        let added: Vec<_> = self.fields.iter().filter_map(|field| added(field, choice)).collect();
        let choice = RowChoice { field: &field, instead: &instead, added: &added, ..*choice };
        DocumentPlan::of_schema(schema, &choice)
    }

    /// Adds the fields that are of the record and not of its row to its document.
    pub(super) fn add_fields(
        &self,
        record: &Record,
        (fields, table): (&FieldsConfig, &str),
        document: &mut Vec<u8>,
    ) {
        for Folded { name, origin, .. } in &self.fields {
            let mut value = Vec::new();
            match origin {
                Origin::Row(_) | Origin::Masked(..) => continue,
                Origin::Topic => write_string(&record.partition.topic, &mut value),
                Origin::Text(text) => write_string(text, &mut value),
                Origin::Partition => value = record.partition.partition.to_string().into(),
                Origin::Offset => value = record.offset.0.to_string().into(),
                Origin::Timestamp => match record.meta.timestamp.map(u64::try_from) {
                    Some(Ok(millis)) => {
                        write_instant(Duration::from_millis(millis), &mut value);
                    }
                    Some(Err(_)) | None => value = b"null".to_vec(),
                },
            }
            if let Some(name) = fields.field(table, name) {
                add_field(&name, &value, document);
            }
        }
    }
}

/// A field that is of the record and not of its row.
fn added(field: &Folded, choice: &RowChoice<'_>) -> Option<DocumentField> {
    let kind = match &field.origin {
        Origin::Row(_) | Origin::Masked(..) => return None,
        Origin::Topic | Origin::Text(_) => FieldKind::Text,
        Origin::Partition => FieldKind::Integer,
        Origin::Offset => FieldKind::Long,
        Origin::Timestamp => FieldKind::Date,
    };
    let name = (choice.field)(&field.name)?;
    Some(DocumentField { name, kind, nullable: field.schema.optional })
}
