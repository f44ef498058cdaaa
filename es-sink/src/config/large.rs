//! Settings about documents that Elasticsearch does not take for their size.

use connect::config::{ConfigError, Origin, Settings};
use connect::kafka::dead_letters::DeadLetterConfig;
use regex::Regex;

/// What becomes of a document that is larger than a request may be.
#[derive(Debug, Clone)]
pub struct LargeConfig {
    /// `document.too.large`: what is done unless a table has its own. Default `park`: it loses
    /// nothing, and the other tables go on.
    pub policy: LargePolicy,
    /// `document.too.large.park.tables`, `….truncate.tables`, `….dead_letter.tables`: patterns of
    /// `database.table`. The first one that matches holds, in this order.
    pub of_tables: Vec<(LargePolicy, Vec<Regex>)>,
    /// What `truncate` cuts.
    pub truncate: TruncateConfig,
    /// Where dead letters go; there if any policy is `dead_letter`.
    pub dead_letters: Option<DeadLetterConfig>,
}

/// What is done with such a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargePolicy {
    /// Its partition stops there, all others go on.
    Park,
    /// Named columns are cut, and the rest of the row is written.
    Truncate,
    /// Its record goes to the dead-letter topic, and the document stays as it was.
    DeadLetter,
}

/// What is cut of such a document.
#[derive(Debug, Clone)]
pub struct TruncateConfig {
    /// `document.too.large.truncate.columns`: patterns of `database.table.column`.
    pub columns: Vec<Regex>,
    /// `document.too.large.truncate.to.chars`: characters that texts keep, 0 to 1,000,000. Default
    /// 1,000. Of base64 whole groups of four stay, so that it is still base64.
    pub to_chars: usize,
}

impl LargeConfig {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        const POLICY: &str = "document.too.large";
        const COLUMNS: &str = "document.too.large.truncate.columns";
        const LETTERS: &str = "errors.deadletterqueue.topic.name";
        let policy = settings.choice(
            POLICY,
            LargePolicy::Park,
            &[
                ("park", LargePolicy::Park),
                ("truncate", LargePolicy::Truncate),
                ("dead_letter", LargePolicy::DeadLetter),
            ],
        )?;
        let of_tables = vec![
            (LargePolicy::Park, patterns(settings, "document.too.large.park.tables")?),
            (LargePolicy::Truncate, patterns(settings, "document.too.large.truncate.tables")?),
            (LargePolicy::DeadLetter, patterns(settings, "document.too.large.dead_letter.tables")?),
        ];
        let is_used = |wanted: LargePolicy| {
            let mut of_tables = of_tables.iter();
            policy == wanted || of_tables.any(|(of, list)| *of == wanted && !list.is_empty())
        };
        let (truncates, writes_letters) =
            (is_used(LargePolicy::Truncate), is_used(LargePolicy::DeadLetter));
        let columns = patterns(settings, COLUMNS)?;
        if truncates && columns.is_empty() {
            return Err(settings.error(COLUMNS, "is required by `document.too.large`: truncate"));
        }
        let to_chars =
            settings.integer("document.too.large.truncate.to.chars", 1_000, 0..=1_000_000)?;
        let dead_letters = dead_letters(settings, LETTERS)?;
        if writes_letters && dead_letters.is_none() {
            return Err(settings.error(LETTERS, "is required by `document.too.large`: dead_letter"));
        }
        let truncate = TruncateConfig { columns, to_chars };
        Ok(Self { policy, of_tables, truncate, dead_letters })
    }

    /// What is done with documents of a table, as `database.table`.
    pub(crate) fn of(&self, table: &str) -> LargePolicy {
        let matches = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(table));
        let own = self.of_tables.iter().find(|(_, patterns)| matches(patterns));
        own.map_or(self.policy, |(policy, _)| *policy)
    }
}

/// `errors.deadletterqueue.*`, by Connect's names.
fn dead_letters(
    settings: &mut Settings,
    topic: &str,
) -> Result<Option<DeadLetterConfig>, ConfigError> {
    let topic = settings.topic_name(topic)?;
    let replication =
        settings.integer("errors.deadletterqueue.topic.replication.factor", -1, -1..=32_767)?;
    let context_headers =
        settings.boolean("errors.deadletterqueue.context.headers.enable", true)?;
    Ok(topic.map(|topic| DeadLetterConfig { topic, replication, context_headers }))
}

/// Patterns for whole names. As in the source, capitals count in a pipeline file only.
pub(super) fn patterns(settings: &mut Settings, key: &str) -> Result<Vec<Regex>, ConfigError> {
    let flags = match settings.origin() {
        Origin::PipelineFile => "",
        Origin::Connect => "(?i)",
    };
    let list = settings.list(key);
    let compiled = list.iter().map(|text| {
        Regex::new(&format!("{flags}^(?:{text})$"))
            .map_err(|_| settings.error(key, format!("has the invalid pattern {text:?}")))
    });
    compiled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<LargeConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        let config =
            LargeConfig::from_settings(&mut settings).map_err(|error| error.to_string())?;
        settings.finish().unwrap();
        Ok(config)
    }

    #[test]
    fn a_table_has_the_first_policy_that_names_it() {
        let config = parse(&[
            ("document.too.large", "dead_letter"),
            ("errors.deadletterqueue.topic.name", "dlq"),
            ("document.too.large.truncate.tables", "shop.notes, shop.files"),
            ("document.too.large.truncate.columns", "shop.*.body"),
            ("document.too.large.park.tables", "shop.f.*"),
        ])
        .unwrap();

        assert_eq!(config.of("shop.orders"), LargePolicy::DeadLetter);
        assert_eq!(config.of("shop.notes"), LargePolicy::Truncate);
        assert_eq!(config.of("shop.notes2"), LargePolicy::DeadLetter);
        assert_eq!(config.of("shop.files"), LargePolicy::Park);
        assert_eq!(parse(&[]).unwrap().of("shop.files"), LargePolicy::Park);
    }

    #[test]
    fn a_policy_without_what_it_needs_is_refused() {
        let error = |pairs: &[(&str, &str)]| parse(pairs).unwrap_err();

        assert!(error(&[("document.too.large", "truncate")]).contains("truncate.columns"));
        let tables = [("document.too.large.dead_letter.tables", "a.b")];
        assert!(error(&tables).contains("`errors.deadletterqueue.topic.name` is required"));
        assert!(error(&[("document.too.large", "halt")]).contains("expected one of park"));
        assert!(error(&[("document.too.large.park.tables", "(")]).contains("invalid pattern"));
    }
}
