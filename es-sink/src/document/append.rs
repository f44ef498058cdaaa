//! Append-only: each change is a document of its own, and none is ever replaced.
//!
//! A document is created under an id that says which change it is, so a change that comes again
//! finds itself there, and that is success. It has the row as it is after the change, of a delete as
//! it was before, and beside it what happened and when. Tombstones say nothing that the delete
//! before them has not said.

use std::time::Duration;

use connect::clock::since_epoch;
use connect::kafka::consumer::Record;
use schema::lsn::Lsn;
use schema::plan::document::{
    DocumentField, FieldKind, Row, write_id, write_instant, write_string,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::dated::Name;
use super::key::KeyColumns;
use super::{Added, Documents, add_topic, version};
use crate::batch::{NewAction, Pending};
use crate::bulk_action::{LineOptions, Verb};
use crate::config::AppendConfig;
use crate::error::{Origin, SinkError};
use crate::mapping::table_of;

/// When the change was made.
const TIMESTAMP_FIELD: &str = "@timestamp";
/// What happened: Debezium's letter.
pub(super) const OPERATION_FIELD: &str = "__op";

/// The fields that a document has beside those of its row.
pub(super) fn fields() -> [DocumentField; 2] {
    [(TIMESTAMP_FIELD, FieldKind::Date), (OPERATION_FIELD, FieldKind::Keyword)]
        .map(|(name, kind)| DocumentField { name: name.into(), kind, nullable: true })
}

impl Documents {
    /// Adds the document of a change.
    ///
    /// # Errors
    ///
    /// As [`Documents::add`].
    pub(super) async fn append(
        &mut self,
        record: &Record,
        name: &Name,
        batch: &mut Pending,
    ) -> Result<Added, SinkError> {
        if record.value.is_none() {
            return Ok(Added::Nothing);
        }
        let Some(config) = self.config.append.clone() else { return Ok(Added::Nothing) };
        let columns = match config.ignores_key || record.key.is_none() {
            true => None,
            false => Some(self.read_key(record).await?),
        };
        self.document.clear();
        let (row, written) = self.read_row(record).await?;
        let lsn = row.lsn.or(record.lsn);
        let (kind, version) = version(lsn, record);
        let topic = &record.partition.topic;
        let mut body = self.body_of(topic, &row, columns.as_ref());
        let mut name = name.clone();
        if name.is_dated {
            name.index = self.index_of_change(record, (&row, &body), columns.as_ref())?;
        }
        self.get_ready(record, &name, (&row, written)).await?;
        let index = &name.index;
        if config.stream.is_none() {
            self.indices.expect(index, kind, record).await?;
        }
        let is_keyed = columns.is_some();
        complete(&mut body, &row, &config);
        if self.is_shared {
            add_topic(topic, &mut body);
        }
        let id = self.id_of(record, lsn.filter(|_| is_keyed));
        let line = LineOptions {
            routing: self.key.routing().filter(|_| is_keyed),
            pipeline: self.config.pipeline.as_deref(),
            require_alias: self.indices.requires_alias(index),
        };
        let (verb, origin, changed_at) = (Verb::Create, Origin::of(record), row.changed_at);
        let (id, body) = (&*id, &*body);
        batch.push(&NewAction { index, id, version, verb, line, body, origin, changed_at });
        Ok(Added::Action)
    }

    /// The row of a change, or what its key says of it.
    fn body_of(&self, topic: &str, row: &Row, columns: Option<&KeyColumns<'_>>) -> Vec<u8> {
        if let Some(range) = row.document() {
            return self.document.get(range.clone()).unwrap_or_default().to_vec();
        }
        let key = columns.map(|columns| columns.fields(table_of(topic), &self.config));
        [b"{", &*key.unwrap_or_default(), b"}"].concat()
    }

    /// The id of a change: its number and its row's key, or its place.
    fn id_of(&self, record: &Record, lsn: Option<Lsn>) -> String {
        let (mut id, topic) = (String::new(), &Origin::of(record).partition.topic);
        match lsn {
            Some(lsn) => {
                let prefix = format!("{topic}:{lsn}:");
                write_id(&prefix, [Some(&*self.key.id)].into_iter(), &mut id);
            }
            // As Confluent's sink makes them.
            None => {
                let (partition, offset) = (record.partition.partition, record.offset.0);
                let place = format!("{topic}+{partition}+{offset}");
                write_id("", [Some(&*place)].into_iter(), &mut id);
            }
        }
        id
    }
}

/// Adds what happened and when.
fn complete(document: &mut Vec<u8>, row: &Row, config: &AppendConfig) {
    let timestamp = timestamp(document, &config.timestamp_fields);
    if let Some(operation) = row.operation {
        let mut text = Vec::new();
        write_string(operation.encode_utf8(&mut [0; 4]), &mut text);
        add_field(OPERATION_FIELD, &text, document);
    }
    match timestamp {
        // It is there under this name.
        Some(None) => {}
        Some(Some(timestamp)) => add_field(TIMESTAMP_FIELD, &timestamp, document),
        None => {
            let mut text = Vec::new();
            // A record that does not say when is as old as its reading.
            let changed_at: Duration = row.changed_at.unwrap_or_else(since_epoch);
            write_instant(changed_at, &mut text);
            add_field(TIMESTAMP_FIELD, &text, document);
        }
    }
}

/// The value of the first field that is there and not null; `Some(None)` if that is the timestamp
/// itself.
fn timestamp(document: &[u8], names: &[String]) -> Option<Option<Vec<u8>>> {
    names.iter().find_map(|name| {
        let value = field(document, name).filter(|value| value.get() != "null")?;
        Some((name != TIMESTAMP_FIELD).then(|| value.get().as_bytes().to_vec()))
    })
}

/// One field of a document, as the text that it is.
pub(super) fn field<'a>(document: &'a [u8], name: &str) -> Option<&'a RawValue> {
    #[derive(Deserialize)]
    struct Fields<'a>(#[serde(borrow)] std::collections::HashMap<String, &'a RawValue>);

    let Fields(fields) = serde_json::from_slice(document).ok()?;
    fields.get(name).copied()
}

/// Adds a field to a document.
pub(super) fn add_field(name: &str, value: &[u8], document: &mut Vec<u8>) {
    let is_empty = document.ends_with(b"{}");
    document.pop();
    if !is_empty {
        document.push(b',');
    }
    write_string(name, document);
    document.push(b':');
    document.extend_from_slice(value);
    document.push(b'}');
}
