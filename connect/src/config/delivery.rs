//! How often a source's record can be in its topic.

use super::WorkerConfig;
use super::settings::{ConfigError, Settings};

/// How often a source's record can be in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Records and offsets are one Kafka transaction.
    ExactlyOnce,
    /// Offsets are written after the records that they cover: a crash repeats records.
    AtLeastOnce,
}

impl Delivery {
    /// Reads a source's `exactly.once`, whose default is the worker's, and Connect's
    /// `exactly.once.support`, which asks for it and changes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for another word, or if it is required and disabled.
    pub fn read(worker: &WorkerConfig, settings: &mut Settings) -> Result<Self, ConfigError> {
        let delivery = settings.choice(
            "exactly.once",
            worker.delivery,
            &[("enabled", Self::ExactlyOnce), ("disabled", Self::AtLeastOnce)],
        )?;
        let is_required = settings.choice(
            "exactly.once.support",
            false,
            &[("requested", false), ("required", true)],
        )?;
        if is_required && delivery == Self::AtLeastOnce {
            let problem =
                "is required, but `exactly.once` or `exactly.once.source.support` is disabled";
            return Err(settings.error("exactly.once.support", problem));
        }
        Ok(delivery)
    }
}
