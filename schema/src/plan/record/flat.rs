//! Flat records: the row alone, as Debezium's `ExtractNewRecordState` leaves it, with what that
//! transform adds to it. Folded into the plan, it costs nothing but the bytes that it adds.

mod metadata;

use std::sync::Arc;

use crate::avro::put_bytes;
use crate::envelope::Source;
use crate::table::TableId;
use crate::value::{Field, Kind, Schema, Value};

use metadata::Metadata;

/// What flat records are beside the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatOptions {
    /// `delete.tombstone.handling.mode`.
    pub deletes: DeleteHandling,
    /// `add.fields`: fields behind the row's.
    pub fields: Vec<AddedField>,
    /// `add.headers`.
    pub headers: Vec<AddedField>,
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
    fields: Vec<(String, Metadata)>,
    headers: Vec<(Arc<str>, Metadata)>,
}

impl FlatPlan {
    pub(super) fn new(
        options: &FlatOptions,
        server: &str,
        table: &TableId,
    ) -> Result<Self, UnknownField> {
        let one = |added: &AddedField| {
            let metadata = Metadata::parse(&added.reference, server, table);
            let unknown = || UnknownField { reference: added.reference.clone() };
            Ok((added.name.clone(), metadata.ok_or_else(unknown)?))
        };
        let settle = |added: &[AddedField]| added.iter().map(one).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            deletes: options.deletes,
            fields: settle(&options.fields)?,
            headers: settle(&options.headers)?
                .into_iter()
                .map(|(name, metadata)| (name.into(), metadata))
                .collect(),
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
            self.fields.iter().map(|(name, metadata)| Field::new(name.clone(), metadata.schema()));
        mark.into_iter().chain(added).collect()
    }

    /// Appends the values of these fields.
    pub(super) fn write(&self, op: &str, source: &Source<'_>, now_us: i64, out: &mut Vec<u8>) {
        if self.deletes.writes_value() {
            out.push(2);
            put_bytes(if op == "d" { b"true" } else { b"false" }, out);
        }
        for (_, metadata) in &self.fields {
            metadata.write(op, source, now_us, out);
        }
    }

    /// The values of the added fields, in Connect's data model.
    pub(super) fn values(
        &self,
        op: &str,
        source: &Source<'_>,
        now_us: i64,
    ) -> impl Iterator<Item = Value> {
        self.fields.iter().map(move |(_, metadata)| metadata.value(op, source, now_us))
    }

    pub(super) fn headers(
        &self,
        op: &str,
        source: &Source<'_>,
        now_us: i64,
        push: &mut impl FnMut(&Arc<str>, &[u8]),
    ) {
        for (name, metadata) in &self.headers {
            if let Some(text) = metadata.text(op, source, now_us) {
                push(name, text.as_bytes());
            }
        }
    }
}

/// Something that a change does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reference} is nothing that a flat record can add; use op, ts_ms, transaction.id or source.<field>"
)]
pub struct UnknownField {
    reference: String,
}
