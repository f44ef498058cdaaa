//! What can be wrong with a transform's settings, and with a record for it.

use std::borrow::Cow;

use schema::fault::{Disposition, Fault};

/// The class of the exception that Kafka Connect throws, as its error headers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exception {
    /// The data are not what the transform takes.
    Data,
    /// A schema cannot be made.
    SchemaBuilder,
    /// Anything else that Connect knows.
    Connect,
    /// What Debezium throws by its own name.
    Debezium,
    /// An argument of Java's own library.
    IllegalArgument,
    /// A record at a time or in a form in which there should be none.
    IllegalState,
    /// A field that is not there, where Connect does not look before it leaps.
    NullPointer,
}

impl Exception {
    /// The Java class.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Data => "org.apache.kafka.connect.errors.DataException",
            Self::SchemaBuilder => "org.apache.kafka.connect.errors.SchemaBuilderException",
            Self::Connect => "org.apache.kafka.connect.errors.ConnectException",
            Self::Debezium => "io.debezium.DebeziumException",
            Self::IllegalArgument => "java.lang.IllegalArgumentException",
            Self::IllegalState => "java.lang.IllegalStateException",
            Self::NullPointer => "java.lang.NullPointerException",
        }
    }
}

/// A transform does not take a record. The message is Connect's without values: those of rows are in
/// no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("transform `{alias}` ({class}) does not take the record: {message}")]
pub struct TransformError {
    /// Its name in `transforms`.
    pub alias: Box<str>,
    /// Its Java class, for `__connect.errors.class.name`.
    pub class: &'static str,
    /// What Connect throws, for `__connect.errors.exception.class.name`.
    pub exception: Exception,
    /// What is wrong, for `__connect.errors.exception.message`.
    pub message: Box<str>,
}

impl TransformError {
    /// The stage, for `__connect.errors.stage`.
    pub const STAGE: &'static str = "TRANSFORMATION";
}

impl Fault for TransformError {
    /// It is about this record only. Whether it goes to the dead letters or ends the task is what
    /// `errors.tolerance` says.
    fn disposition(&self) -> Disposition {
        Disposition::DeadLetter
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Owned(format!(
            "change the settings `transforms.{}.*` so that the transform takes such records, keep them \
             from it with a predicate, or set `errors.tolerance` = all",
            self.alias
        )))
    }
}

/// A record fails, before it is known in which transform.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exception: Exception,
    pub(crate) message: Box<str>,
}

impl Failure {
    pub(crate) fn new(exception: Exception, message: impl Into<Box<str>>) -> Self {
        Self { exception, message: message.into() }
    }

    pub(crate) fn data(message: impl Into<Box<str>>) -> Self {
        Self::new(Exception::Data, message)
    }
}

/// A setting of a transform or a predicate is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct ConfigProblem {
    /// The setting's full name.
    pub key: String,
    /// What is wrong, in Kafka Connect's words where it has some.
    pub problem: String,
}
