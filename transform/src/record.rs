//! A record as transforms see it.

use std::sync::Arc;

use schema::value::{Schema, Value};

/// A key, a value or a header's value: data with its schema, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its schema. Records of one schema share it, so that what a transform made of it is found again.
    pub schema: Option<Arc<Schema>>,
    /// The data. Without a schema, objects are maps.
    pub value: Value,
}

impl Part {
    /// No data and no schema, as a tombstone's value.
    pub const NULL: Self = Self { schema: None, value: Value::Null };

    /// Data with its schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>, value: Value) -> Self {
        Self { schema: Some(schema), value }
    }

    /// Data without a schema.
    #[must_use]
    pub fn free(value: Value) -> Self {
        Self { schema: None, value }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }
}

/// A header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Its name; several can have one.
    pub name: String,
    /// Its value.
    pub part: Part,
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it goes to (a source) or comes from (a sink).
    pub topic: Arc<str>,
    /// The partition, if it is known.
    pub partition: Option<i32>,
    /// Its place in the partition, if it has one: records of a sink have.
    pub offset: Option<i64>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Part,
    /// The value.
    pub value: Part,
    /// The headers in order.
    pub headers: Vec<Header>,
}

/// What a transform with a class for each works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Key,
    Value,
}

impl Side {
    pub(crate) fn of(self, record: &Record) -> &Part {
        match self {
            Self::Key => &record.key,
            Self::Value => &record.value,
        }
    }

    pub(crate) fn of_mut(self, record: &mut Record) -> &mut Part {
        match self {
            Self::Key => &mut record.key,
            Self::Value => &mut record.value,
        }
    }
}
