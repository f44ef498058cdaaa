//! What a schema or a record can have wrong with it.

use std::borrow::Cow;

use schema::fault::{Disposition, Fault};

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A schema, so every record of it.
    Schema,
    /// One record.
    Record,
}

/// A schema or a record that cannot be converted. Names the field, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", place(path))]
pub struct FormatError {
    path: String,
    what: Cow<'static, str>,
    part: Part,
}

impl FormatError {
    pub(crate) fn schema(what: impl Into<Cow<'static, str>>) -> Self {
        Self { path: String::new(), what: what.into(), part: Part::Schema }
    }

    pub(crate) fn record(what: impl Into<Cow<'static, str>>) -> Self {
        Self { path: String::new(), what: what.into(), part: Part::Record }
    }

    /// A record whose schema is of another language than its converter's.
    #[must_use]
    pub fn other_kind(found: &str, converter: &str) -> Self {
        Self::record(format!("has a schema in {found}, which is not what {converter} writes"))
    }

    /// The same, one level further out.
    pub(crate) fn within(self, field: &str) -> Self {
        let path =
            if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        Self { path, ..self }
    }

    /// What it is about.
    #[must_use]
    pub fn part(&self) -> Part {
        self.part
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("field `{path}`: ") }
}

impl Fault for FormatError {
    /// It is about who writes the topic, so about all that follows too.
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self.part {
            Part::Schema => {
                "compare the schema in the registry with what docs/config.md says of its converter"
            }
            Part::Record => {
                "set `value.converter` and `key.converter` to what the writer of the topic has, or \
                 find out who wrote this record"
            }
        }))
    }
}
