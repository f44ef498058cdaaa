//! Under whose names metrics are told.

use super::settings::{ConfigError, Settings};

/// `metrics.names`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetricNames {
    /// Ours alone.
    #[default]
    Rowcast,
    /// Also those that dashboards for Kafka Connect and Debezium ask for.
    Jmx,
}

impl MetricNames {
    const WORDS: [(&str, Self); 2] = [("rowcast", Self::Rowcast), ("jmx", Self::Jmx)];

    pub(super) fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        settings.choice("metrics.names", Self::default(), &Self::WORDS)
    }

    /// What a word means.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, names)| *names)
    }
}
