//! What a record in JSON can have wrong with it.

use std::borrow::Cow;

use super::DEPTH_MAX;
use crate::fault::{Disposition, Fault};

/// A record is not the JSON that its converter's settings say. Names the field, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{}", place(path, problem))]
pub struct JsonError {
    path: Box<str>,
    problem: JsonProblem,
}

/// What is wrong, as the end of a sentence about the record or one of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonProblem {
    /// Bytes that are no text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Text that is not one JSON value.
    #[error("is not one JSON value, see line {line} column {column}")]
    Syntax {
        /// Where, from one.
        line: usize,
        /// Where, from one.
        column: usize,
    },
    /// More levels than are looked at.
    #[error("nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// Anything but a record with its schema.
    #[error("is not an object of `schema` and `payload`")]
    NotEnveloped,
    /// A schema that Connect does not have.
    #[error("has a schema that is not one of Kafka Connect's")]
    NotASchema,
    /// A value that its schema does not allow.
    #[error("has a value that is no {expected}")]
    WrongType {
        /// What the schema says.
        expected: &'static str,
    },
    /// Null, or nothing, where there has to be a value.
    #[error("has no value, and its schema asks for one")]
    Missing,
    /// Two fields of one name.
    #[error("is there twice")]
    Twice,
    /// An operation that is not a row's, or not with these images.
    #[error("has an operation that does not fit its row images")]
    WrongOperation,
}

impl JsonError {
    pub(super) fn whole(problem: JsonProblem) -> Self {
        Self { path: Box::default(), problem }
    }

    pub(super) fn syntax(error: &serde_json::Error) -> Self {
        Self::whole(JsonProblem::Syntax { line: error.line(), column: error.column() })
    }

    /// The same, one level further out.
    pub(super) fn within(self, field: &str) -> Self {
        let path = match &*self.path {
            "" => field.into(),
            inner => format!("{field}.{inner}").into(),
        };
        Self { path, ..self }
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> JsonProblem {
        self.problem
    }
}

fn place(path: &str, problem: &JsonProblem) -> String {
    match path {
        "" => format!("record {problem}"),
        path => format!("field `{path}` {problem}"),
    }
}

impl Fault for JsonError {
    /// It is about who writes the topic, so about all that follows too.
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self.problem {
            JsonProblem::NotEnveloped => {
                "set `value.converter.schemas.enable` or `key.converter.schemas.enable` to what \
                 the writer of the topic has"
            }
            JsonProblem::Twice => "choose another name in `field.renames`",
            JsonProblem::NotUtf8
            | JsonProblem::Syntax { .. }
            | JsonProblem::TooDeep
            | JsonProblem::NotASchema
            | JsonProblem::WrongType { .. }
            | JsonProblem::Missing
            | JsonProblem::WrongOperation => {
                "set `value.converter` and `key.converter` to what the writer of the topic has, or \
                 find out who wrote this record"
            }
        }))
    }
}
