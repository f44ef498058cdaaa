//! What can go wrong with the registry.

use std::borrow::Cow;

use crate::fault::{Disposition, Fault};

/// What the registry did in place of what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Answer {
    /// The HTTP status; none if no whole answer came.
    pub(super) status: Option<u16>,
    /// What it says, or why it could not be asked.
    pub(super) text: Box<str>,
}

/// A call to the schema registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The settings do not make a client.
    #[error("invalid schema registry settings: {problem}")]
    Settings {
        /// What is wrong with which, without their values.
        problem: Box<str>,
    },
    /// No answer, or one that says to come back later.
    #[error("could not reach the schema registry at {urls}")]
    Unavailable {
        /// The URLs that were tried.
        urls: String,
        /// What the last of them did.
        #[source]
        source: Answer,
    },
    /// What answers does not do what a registry does, or not for us: a wrong address or login.
    #[error("the schema registry at {urls} does not serve {what}")]
    Unusable {
        /// The URLs that were tried.
        urls: String,
        /// The subject or id that was asked for.
        what: String,
        /// The answer.
        #[source]
        source: Answer,
    },
    /// The schema is not compatible with the subject's versions.
    #[error("the schema is not compatible with {what}")]
    Incompatible {
        /// The subject.
        what: String,
        /// The registry's reason.
        #[source]
        source: Answer,
    },
    /// The registry has judged the schema, or does not know the id.
    #[error("schema registry refuses {what}")]
    Refused {
        /// The subject or id that was asked for.
        what: String,
        /// The registry's reason.
        #[source]
        source: Answer,
    },
    /// The schema is not there, and we are not to register it.
    #[error("{what} does not have the schema, and `auto.register.schemas` is false")]
    NotRegistered {
        /// The subject.
        what: String,
    },
    /// The subject's latest schema is not the one that records are written by.
    #[error("the latest schema of {what} is another one than the record's")]
    NotLatest {
        /// The subject.
        what: String,
    },
}

impl Fault for RegistryError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Unavailable { .. } => Disposition::Retry,
            Self::Settings { .. }
            | Self::Unusable { .. }
            | Self::Incompatible { .. }
            | Self::Refused { .. }
            | Self::NotRegistered { .. }
            | Self::NotLatest { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Settings { .. } => "correct `schema.registry.url` and `schema.registry.ssl.*`",
            Self::Unavailable { .. } => {
                "start the schema registry or correct `schema.registry.url`; rowcast keeps trying"
            }
            Self::Unusable { .. } => {
                "correct `schema.registry.url`, its path included, and \
                 `schema.registry.basic.auth.user.info` or `bearer.auth.*`"
            }
            Self::Incompatible { .. } => {
                "compare the new schema with the subject's versions; then change the table or the \
                 subject's compatibility (`PUT /config/<subject>`)"
            }
            Self::Refused { .. } => {
                "compare the new schema with the subject's versions and its compatibility setting"
            }
            Self::NotRegistered { .. } => {
                "register the schema under that subject, or set `auto.register.schemas` of the \
                 converter to true"
            }
            Self::NotLatest { .. } => {
                "register the record's schema as the subject's latest, or set \
                 `use.latest.version` of the converter to false"
            }
        }))
    }
}
