//! Flat records: the row alone, as Debezium's `ExtractNewRecordState` leaves it, with what that
//! transform adds to it. Folded into the plan, it costs nothing but the bytes that it adds.

mod added;
mod metadata;

use std::sync::Arc;

use super::{ColumnPlan, PlanError, Row};
use crate::avro::put_bytes;
use crate::change::RowChange;
use crate::envelope::Source;
use crate::table::TableId;
use crate::types::Fidelity;
use crate::value::{Field, Kind, Schema, Value};

use added::Added;

/// What flat records are beside the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatOptions {
    /// `delete.tombstone.handling.mode`.
    pub deletes: DeleteHandling,
    /// `add.fields`: fields behind the row's.
    pub fields: Vec<AddedField>,
    /// `add.headers`.
    pub headers: Vec<AddedField>,
    /// `add.headers.prefix`.
    pub header_prefix: String,
}

/// What becomes of a deleted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteHandling {
    /// Nothing.
    Drop,
    /// A tombstone, if `tombstones.on.delete` asks for one.
    Tombstone,
    /// The row as it was, marked in `__deleted`.
    Rewrite,
    /// The same, and the tombstone if `tombstones.on.delete` asks for one.
    RewriteWithTombstone,
    /// A tombstone.
    DeleteToTombstone,
}

impl DeleteHandling {
    /// Whether a record with a value is written.
    #[must_use]
    pub fn writes_value(self) -> bool {
        matches!(self, Self::Rewrite | Self::RewriteWithTombstone)
    }

    /// Whether a tombstone is written; `wanted` is `tombstones.on.delete`.
    #[must_use]
    pub fn writes_tombstone(self, wanted: bool) -> bool {
        match self {
            Self::Drop | Self::Rewrite => false,
            Self::Tombstone | Self::RewriteWithTombstone => wanted,
            Self::DeleteToTombstone => true,
        }
    }
}

/// Something about the change that goes along with the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedField {
    /// What, for example `op` or `source.ts_ms`.
    pub reference: String,
    /// Under which name.
    pub name: String,
}

impl AddedField {
    /// Reads `op`, `source.ts_ms` or `op:operation`, as the transform's settings have them.
    #[must_use]
    pub fn parse(text: &str, prefix: &str) -> Self {
        let (reference, name) = match text.split_once(':') {
            Some((reference, name)) => (reference, name.to_owned()),
            None => (text, text.replace('.', "_")),
        };
        Self { reference: reference.to_owned(), name: format!("{prefix}{name}") }
    }
}

/// A flat record's additions, settled for one table.
#[derive(Debug)]
pub(super) struct FlatPlan {
    deletes: DeleteHandling,
    fields: Vec<(String, Added)>,
    headers: Vec<(Arc<str>, Added)>,
    /// The header that Debezium gives a tombstone once more.
    repeated: Option<Arc<str>>,
}

/// For which table a flat record's additions are settled.
pub(super) struct FlatTable<'a> {
    pub(super) server: &'a str,
    pub(super) id: &'a TableId,
    pub(super) columns: &'a [ColumnPlan],
    pub(super) fidelity: Fidelity,
}

impl FlatTable<'_> {
    /// Debezium passes over what a change does not have.
    fn settle(&self, added: &[AddedField]) -> Result<Vec<(String, Added)>, UnknownField> {
        let mut settled = Vec::with_capacity(added.len());
        for AddedField { reference, name } in added {
            match Added::parse(reference, self.server, self.id, self.columns) {
                Some(found) => settled.push((name.clone(), found)),
                None if self.fidelity == Fidelity::Debezium => {}
                None => return Err(UnknownField { reference: reference.clone() }),
            }
        }
        Ok(settled)
    }
}

impl FlatPlan {
    pub(super) fn new(options: &FlatOptions, table: &FlatTable<'_>) -> Result<Self, UnknownField> {
        let headers = table.settle(&options.headers)?;
        let repeats = table.fidelity == Fidelity::Debezium
            && !headers.is_empty()
            && options.deletes != DeleteHandling::DeleteToTombstone;
        Ok(Self {
            deletes: options.deletes,
            fields: table.settle(&options.fields)?,
            headers: headers.into_iter().map(|(name, added)| (name.into(), added)).collect(),
            repeated: repeats.then(|| format!("{}op", options.header_prefix).into()),
        })
    }

    pub(super) fn deletes(&self) -> DeleteHandling {
        self.deletes
    }

    /// The fields behind the row's.
    pub(super) fn fields(&self) -> Vec<Field> {
        let mark = self
            .deletes
            .writes_value()
            .then(|| Field::new("__deleted", Schema::new(Kind::String).optional()));
        let added =
            self.fields.iter().map(|(name, added)| Field::new(name.clone(), added.schema()));
        mark.into_iter().chain(added).collect()
    }

    /// Appends the values of these fields.
    pub(super) fn write<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        if self.deletes.writes_value() {
            out.push(2);
            put_bytes(if change.op() == "d" { b"true" } else { b"false" }, out);
        }
        self.fields.iter().try_for_each(|(_, added)| added.write(change, source, now_us, out))
    }

    /// The values of the added fields, in Connect's data model.
    pub(super) fn values<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
    ) -> Result<Vec<Value>, PlanError> {
        self.fields.iter().map(|(_, added)| added.value(change, source, now_us)).collect()
    }

    /// Hands on the headers of a change's record. NULL is a header without a value.
    pub(super) fn headers<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        push: &mut impl FnMut(&Arc<str>, Option<&[u8]>),
    ) -> Result<(), PlanError> {
        for (name, added) in &self.headers {
            let text = added.text(change, source, now_us)?;
            push(name, text.as_ref().map(String::as_bytes));
        }
        Ok(())
    }

    /// The header that a tombstone has once more: in Debezium it shares the headers of the delete
    /// before it, and gets its own.
    pub(super) fn repeated(&self) -> Option<&Arc<str>> {
        self.repeated.as_ref()
    }
}

/// Something that a change does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reference} is nothing that a flat record can add; use op, ts_ms, transaction.id, source.<field>, before.<column> or after.<column>"
)]
pub struct UnknownField {
    reference: String,
}
