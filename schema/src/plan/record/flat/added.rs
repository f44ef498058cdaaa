//! One field or header that a flat record has beside its row.

use super::metadata::Metadata;
use crate::change::RowChange;
use crate::envelope::Source;
use crate::plan::record::key::header_text;
use crate::plan::record::{ColumnPlan, PlanError, Row};
use crate::table::TableId;
use crate::value::{Schema, Value};

/// What is added.
#[derive(Debug)]
pub(super) enum Added {
    /// Something that is known of the change.
    Metadata(Metadata),
    /// `before.<column>` or `after.<column>`.
    Column(Image, Box<ColumnPlan>),
}

/// One of the two rows of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Image {
    Before,
    After,
}

impl Image {
    fn of<R>(self, change: &RowChange<R>) -> Option<&R> {
        match self {
            Self::Before => change.before(),
            Self::After => change.after(),
        }
    }
}

impl Added {
    /// Finds what a reference means, for a table with these columns.
    pub(super) fn parse(
        reference: &str,
        server: &str,
        table: &TableId,
        columns: &[ColumnPlan],
    ) -> Option<Self> {
        let image = match reference.split_once('.') {
            Some(("before", name)) => Some((Image::Before, name)),
            Some(("after", name)) => Some((Image::After, name)),
            Some(_) | None => None,
        };
        let Some((image, name)) = image else {
            return Metadata::parse(reference, server, table).map(Self::Metadata);
        };
        let column = columns.iter().find(|column| column.name() == name)?;
        Some(Self::Column(image, Box::new(column.without_default())))
    }

    /// The optional schema of the field.
    pub(super) fn schema(&self) -> Schema {
        match self {
            Self::Metadata(metadata) => metadata.schema(),
            Self::Column(_, column) => column.schema.clone(),
        }
    }

    /// Appends the value with its union's branch.
    pub(super) fn write<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        match self {
            Self::Metadata(metadata) => metadata.write(change.op(), source, now_us, out),
            Self::Column(image, column) => match image.of(change) {
                // The first branch, NULL.
                None => out.push(0),
                Some(row) => {
                    column.write(column.cell(row), out).map_err(|source| column.error(source))?;
                }
            },
        }
        Ok(())
    }

    /// The value in Connect's data model.
    pub(super) fn value<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
    ) -> Result<Value, PlanError> {
        match self {
            Self::Metadata(metadata) => Ok(metadata.value(change.op(), source, now_us)),
            Self::Column(image, column) => {
                image.of(change).map_or(Ok(Value::Null), |row| column.generic_field(row))
            }
        }
    }

    /// The value as a header has it.
    pub(super) fn text<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
    ) -> Result<Option<String>, PlanError> {
        match self {
            Self::Metadata(metadata) => Ok(metadata.text(change.op(), source, now_us)),
            Self::Column(..) => Ok(header_text(self.value(change, source, now_us)?)),
        }
    }
}
