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
    DocumentField, DocumentOptions, DocumentPlan, FieldKind, PlanError, RowChoice, write_instant,
    write_string,
};
use schema::value::{Field, Kind, Schema};
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
        let other =
            other.ok().and_then(|of| DocumentPlan::of_schema(of.writer(), &everything).ok());
        let (Some(other), Ok(plan)) = (other, self.compile(schema, &everything)) else {
            return false;
        };
        let is_place =
            |field: &DocumentField| matches!(field.kind, FieldKind::GeoPoint | FieldKind::GeoShape);
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
        let of =
            |column: &str| self.fields.iter().find(|field| field.origin.column() == Some(column));
        let field = |column: &str| (choice.field)(&of(column)?.name);
        let instead = |column: &str| of(column)?.origin.masked().cloned();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ROW: &str = r#"{"type":"record","name":"Value","fields":[
        {"name":"id","type":"long"},
        {"name":"name","type":["null","string"],"default":null},
        {"name":"json","type":{"type":"string","connect.name":"io.debezium.data.Json"}},
        {"name":"__deleted","type":["null","string"],"default":null}]}"#;
    /// Connect has it as a plain text, which is another field of a mapping.
    const WITH_ENUM: &str = r#"{"type":"record","name":"Value","fields":[{"name":"kind",
        "type":{"type":"enum","name":"Kind","symbols":["a","b"]}}]}"#;

    fn fold(class: &str, options: &[(&str, &str)], schema: &str) -> Option<Fold> {
        let mut all = BTreeMap::from([
            ("transforms".to_owned(), "t".to_owned()),
            ("transforms.t.type".to_owned(), class.to_owned()),
        ]);
        for (key, value) in options {
            all.insert(format!("transforms.t.{key}"), (*value).to_owned());
        }
        let (chain, _) = Chain::read(&all).unwrap();
        let schema = WriterSchema::parse(schema).unwrap();
        Fold::of(&chain, &schema, DocumentOptions::default())
    }

    #[test]
    fn what_is_the_same_for_all_rows_folds() {
        let replace = [("exclude", "json"), ("renames", "name:title")];
        let replaced = fold("ReplaceField$Value", &replace, ROW).unwrap();
        let everything = RowChoice::everything(DocumentOptions::default());

        let plan = replaced.compile(&WriterSchema::parse(ROW).unwrap(), &everything).unwrap();

        let names: Vec<_> = plan.fields().iter().map(|field| &*field.name).collect();
        assert_eq!(names, ["id", "title", "__deleted"]);
        assert!(fold("MaskField$Value", &[("fields", "id,name")], ROW).is_some());
        let insert = [("offset.field", "at"), ("static.field", "s"), ("static.value", "x")];
        assert!(fold("InsertField$Value", &insert, ROW).is_some());
    }

    #[test]
    fn what_would_be_another_document_goes_through_one_by_one() {
        // No field of that name marks a deleted row any more, or one does that did not.
        assert!(fold("ReplaceField$Value", &[("exclude", "__deleted")], ROW).is_none());
        assert!(fold("ReplaceField$Value", &[("renames", "name:__op")], ROW).is_none());
        assert!(fold("MaskField$Value", &[("fields", "__deleted")], ROW).is_none());
        // An empty text is no JSON, so the record is refused.
        assert!(fold("MaskField$Value", &[("fields", "json")], ROW).is_none());
        // Two fields of one name, so the record is refused.
        assert!(fold("ReplaceField$Value", &[("renames", "name:id")], ROW).is_none());
        assert!(fold("ReplaceField$Value", &[("exclude", "x")], WITH_ENUM).is_none());
    }
}
