//! Which index a record's document goes to: its topic's, or one of its topic's by the date of a
//! column.
//!
//! A document has to be found again by whatever comes later for its row, so the column is part of
//! the key. What is appended is never looked for, so there any column will do.

use std::sync::Arc;

use connect::clock::since_epoch;
use connect::kafka::consumer::Record;
use schema::date_hour::DateHour;
use schema::plan::document::Row;

use super::append::field;
use super::key::KeyColumns;
use super::{Documents, decode_error};
use crate::error::{DateError, Origin, SinkError};
use crate::mapping::table_of;

/// How many names of dates are kept, and indices of such names: about three years of days. With more
/// all are looked at again. Tests have more than that sooner.
const DATED_MAX: usize = if cfg!(test) { 10 } else { 1_000 };

/// Where a topic's documents go.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) index: Arc<str>,
    /// Whether its name has a date. That of a topic is a pattern then.
    pub(super) is_dated: bool,
}

impl Documents {
    /// The index that a topic's rows go to. With a date, the pattern of all of them.
    pub(crate) fn index(&mut self, topic: &Arc<str>) -> Result<Arc<str>, SinkError> {
        Ok(self.name(topic)?.index)
    }

    /// The topic that transforms give the records of one, as far as its name says; `None` if they choose
    /// it record by record.
    pub(crate) fn routed(&mut self, topic: &Arc<str>) -> Option<Arc<str>> {
        match &mut self.transforms {
            Some(transforms) => transforms.routed(topic),
            None => Some(Arc::clone(topic)),
        }
    }

    /// The index of the table that a record without a row is about.
    pub(crate) fn index_of(&mut self, record: &Record) -> Result<Arc<str>, SinkError> {
        let routed = self.transforms.as_mut().map(|transforms| transforms.topic_of(record));
        let topic = routed.transpose()?.unwrap_or_else(|| Arc::clone(&record.partition.topic));
        self.index(&topic)
    }

    pub(super) fn name(&mut self, topic: &Arc<str>) -> Result<Name, SinkError> {
        if let Some(name) = self.names.get(topic) {
            return Ok(name.clone());
        }
        let stream = self.config.append.as_ref().and_then(|append| append.stream.as_ref());
        let named = self.config.indices.iter().find(|named| *named.topic == **topic);
        let is_dated = named.is_none() && stream.is_none() && self.indices.date_column().is_some();
        let index = match (named, stream) {
            (Some(named), _) => Arc::clone(&named.index),
            (None, Some(stream)) => stream.replace("${topic}", topic).to_lowercase().into(),
            (None, None) => self.indices.name(topic)?,
        };
        let name = Name { index, is_dated };
        self.names.insert(Arc::clone(topic), name.clone());
        Ok(name)
    }

    /// The index of a row, by the date in its key.
    pub(super) fn index_of_key(
        &mut self,
        record: &Record,
        columns: &KeyColumns<'_>,
    ) -> Result<Arc<str>, SinkError> {
        let column = self.indices.date_column().unwrap_or_default();
        let mut text = String::new();
        let has_column = columns.write_column(column, &mut text).map_err(decode_error(record))?;
        if !has_column {
            let (origin, column) = (Origin::of(record), column.into());
            return Err(DateError::NotInKey { origin, column }.into());
        }
        let Some(date) = DateHour::parse(&text) else {
            let found = if text == "%N" { "null" } else { "something else" };
            return Err(no_date(record, column, found));
        };
        self.on(&record.partition.topic, date)
    }

    /// The index of a change, by the date in its document. A change without a row, as a truncation,
    /// has none, so it goes to where it was made.
    pub(super) fn index_of_change(
        &mut self,
        record: &Record,
        (row, document): (&Row, &[u8]),
        columns: Option<&KeyColumns<'_>>,
    ) -> Result<Arc<str>, SinkError> {
        let topic = &record.partition.topic;
        let column = self.indices.date_column().unwrap_or_default();
        let named = self.config.fields.field(table_of(topic), column);
        let value = named.and_then(|name| field(document, &name));
        let mut text = String::new();
        let has_text = match (value, columns) {
            (Some(value), _) => match serde_json::from_str::<Option<String>>(value.get()) {
                Ok(Some(date)) => {
                    text = date;
                    true
                }
                Ok(None) => return Err(no_date(record, column, "null")),
                Err(_) => return Err(no_date(record, column, "something else")),
            },
            (None, Some(columns)) => {
                columns.write_column(column, &mut text).map_err(decode_error(record))?
            }
            (None, None) => false,
        };
        let has_row = row.document().is_some();
        let date = match has_text {
            true => DateHour::parse(&text),
            false if has_row => return Err(no_date(record, column, "no value")),
            // As its `@timestamp`.
            false => DateHour::of_instant(row.changed_at.unwrap_or_else(since_epoch)),
        };
        let Some(date) = date else { return Err(no_date(record, column, "something else")) };
        self.on(topic, date)
    }

    fn on(&mut self, topic: &Arc<str>, date: DateHour) -> Result<Arc<str>, SinkError> {
        let key = (Arc::clone(topic), self.indices.rounded(date));
        if let Some(index) = self.dated.get(&key) {
            return Ok(Arc::clone(index));
        }
        if self.dated.len() >= DATED_MAX {
            self.dated.clear();
            self.ready.forget_all();
            self.indices.forget_dated();
        }
        let index = self.indices.on(topic, date)?;
        self.dated.insert(key, Arc::clone(&index));
        Ok(index)
    }
}

fn no_date(record: &Record, column: &str, found: &'static str) -> SinkError {
    DateError::NoDate { origin: Origin::of(record), column: column.into(), found }.into()
}
