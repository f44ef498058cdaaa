//! `errors.*`: what becomes of a record that cannot be read or transformed, by Kafka Connect's names.
//!
//! Where dead letters go is in `large.rs`: documents that the server does not take go there too.

use std::time::Duration;

use connect::config::{ConfigError, Settings};

/// What becomes of a record that cannot be read or transformed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorsConfig {
    /// `errors.tolerance`. Default `none`.
    pub(crate) tolerance: Tolerance,
    /// `errors.log.enable`: whether each of those that are tolerated has a line in the log. Default
    /// `false`: a line each 10 s says how many there were.
    pub(crate) log: bool,
    /// `errors.log.include.messages`: whether that line says when the record was written, as Kafka
    /// Connect's does. Default `false`. Never a value of the row.
    pub(crate) log_messages: bool,
    /// How long a registry that does not answer is waited for.
    pub(crate) retry: RetryConfig,
}

/// Whether such a record ends the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// It does.
    None,
    /// It goes to the dead-letter topic if there is one; else it is passed over, and counted.
    All,
}

/// How long something is tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryConfig {
    /// `errors.retry.timeout`. `None` is -1 and the default: without limit, for an outage says
    /// nothing about a record. Kafka Connect's default is 0.
    pub(crate) timeout: Option<Duration>,
    /// `errors.retry.delay.max.ms`: the longest pause between two tries, 1 ms to 1 day. Default 2 s,
    /// so that work goes on soon after an outage; Kafka Connect's is 60 s.
    pub(crate) delay_max: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { timeout: None, delay_max: Duration::from_millis(DELAY_MAX_MS) }
    }
}

const DELAY_MAX_MS: u64 = 2_000;

impl ErrorsConfig {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let choices = [("none", Tolerance::None), ("all", Tolerance::All)];
        let timeout: i64 = settings.integer("errors.retry.timeout", -1, -1..=i64::MAX)?;
        let delay_max = settings.duration_ms(
            "errors.retry.delay.max.ms",
            DELAY_MAX_MS,
            1..=24 * 60 * 60 * 1_000,
        )?;
        Ok(Self {
            tolerance: settings.choice("errors.tolerance", Tolerance::None, &choices)?,
            log: settings.boolean("errors.log.enable", false)?,
            log_messages: settings.boolean("errors.log.include.messages", false)?,
            retry: RetryConfig {
                timeout: u64::try_from(timeout).ok().map(Duration::from_millis),
                delay_max,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn parse(pairs: &[(&str, &str)]) -> Result<ErrorsConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::Connect, values);
        let config = ErrorsConfig::from_settings(&mut settings);
        let config = config.map_err(|error| error.to_string())?;
        settings.finish().unwrap();
        Ok(config)
    }

    #[test]
    fn settings_about_errors_are_read_as_kafka_connect_has_them() {
        let config = parse(&[]).unwrap();
        assert_eq!((config.tolerance, config.retry.timeout), (Tolerance::None, None));
        assert!(!config.log && !config.log_messages);

        let config = parse(&[
            ("errors.tolerance", "ALL"),
            ("errors.retry.timeout", "600000"),
            ("errors.retry.delay.max.ms", "30000"),
            ("errors.log.enable", "true"),
            ("errors.log.include.messages", "true"),
        ]);
        let config = config.unwrap();
        assert_eq!(config.tolerance, Tolerance::All);
        assert_eq!(config.retry.timeout, Some(Duration::from_secs(600)));
        assert_eq!(config.retry.delay_max, Duration::from_secs(30));
        assert!(config.log && config.log_messages);
        let at_once = parse(&[("errors.retry.timeout", "0")]).unwrap();
        assert_eq!(at_once.retry.timeout, Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_number_or_no_word_of_them_is_refused() {
        assert!(parse(&[("errors.tolerance", "some")]).unwrap_err().contains("errors.tolerance"));
        let timeout = parse(&[("errors.retry.timeout", "-2")]).unwrap_err();
        assert!(timeout.contains("errors.retry.timeout"), "{timeout}");
        assert!(parse(&[("errors.retry.delay.max.ms", "0")]).is_err());
    }
}
