//! Settings about documents that do not fit their index.

use connect::config::{ConfigError, Settings};

/// What becomes of a document that its index never takes, as a text in a field of numbers.
#[derive(Debug, Clone, Copy)]
pub struct MalformedConfig {
    /// `behavior.on.malformed.documents`. Default `dead_letter` if there is a dead-letter topic, else
    /// `park`: nothing is lost, and the other tables go on.
    pub policy: MalformedPolicy,
    /// `malformed.documents.drop.field`: whether the column that Elasticsearch names is left out
    /// first, and the rest of the row written. Default `false`.
    pub drop_field: bool,
}

/// What is done with such a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedPolicy {
    /// The task fails, as Confluent's sink does by default.
    Fail,
    /// Its partition stops there, all others go on.
    Park,
    /// Its record goes to the dead-letter topic, and the document stays as it was.
    DeadLetter,
}

impl MalformedConfig {
    pub(super) fn from_settings(
        settings: &mut Settings,
        has_dead_letters: bool,
    ) -> Result<Self, ConfigError> {
        const POLICY: &str = "behavior.on.malformed.documents";
        let default =
            if has_dead_letters { MalformedPolicy::DeadLetter } else { MalformedPolicy::Park };
        let policy = settings.choice(
            POLICY,
            default,
            &[
                ("fail", MalformedPolicy::Fail),
                ("park", MalformedPolicy::Park),
                ("dead_letter", MalformedPolicy::DeadLetter),
                // Confluent's sink drops the document with these, and reports it to the
                // dead-letter topic if there is one.
                ("warn", MalformedPolicy::DeadLetter),
                ("ignore", MalformedPolicy::DeadLetter),
            ],
        )?;
        if policy == MalformedPolicy::DeadLetter && !has_dead_letters {
            return Err(settings.error(
                POLICY,
                "would lose rows: name a topic for them in `errors.deadletterqueue.topic.name`, or \
                 set it to `park`",
            ));
        }
        let drop_field = settings.boolean("malformed.documents.drop.field", false)?;
        Ok(Self { policy, drop_field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn parse(value: Option<&str>, has_dead_letters: bool) -> Result<MalformedPolicy, String> {
        let pairs = value.map(|value| ("behavior.on.malformed.documents".to_owned(), value.into()));
        let values = pairs.into_iter().collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        let config = MalformedConfig::from_settings(&mut settings, has_dead_letters);
        config.map(|config| config.policy).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_dropped_without_a_place_to_go() {
        assert_eq!(parse(None, false), Ok(MalformedPolicy::Park));
        assert_eq!(parse(None, true), Ok(MalformedPolicy::DeadLetter));
        assert_eq!(parse(Some("ignore"), true), Ok(MalformedPolicy::DeadLetter));
        assert_eq!(parse(Some("fail"), true), Ok(MalformedPolicy::Fail));
        assert!(parse(Some("warn"), false).unwrap_err().contains("would lose rows"));
    }
}
