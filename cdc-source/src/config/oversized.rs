//! What is done with records that are larger than Kafka takes.

use connect::config::{ConfigError, Settings};
use regex::Regex;
use schema::table::TableId;

use super::policy::TablePolicy;

/// What happens to a record that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OversizedPolicy {
    /// Its table is parked.
    Park,
    /// It loses the image before the change, and then the ends of some columns.
    Truncate,
    /// A record about it goes to the dead-letter topic.
    DeadLetter,
}

const POLICIES: [(&str, OversizedPolicy); 3] = [
    ("park", OversizedPolicy::Park),
    ("truncate", OversizedPolicy::Truncate),
    ("dead_letter", OversizedPolicy::DeadLetter),
];

/// `record.too.large` and what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct OversizedConfig {
    /// `record.too.large`: `park` (default), `truncate` or `dead_letter`, and its lists of tables.
    policy: TablePolicy<OversizedPolicy>,
    /// `record.too.large.truncate.columns`: the columns that `truncate` may cut.
    columns: Vec<Regex>,
    /// `errors.deadletterqueue.topic.name`, if there is one.
    pub(crate) dead_letter_topic: Option<String>,
    /// `errors.deadletterqueue.topic.replication.factor`. Default: as for all topics.
    pub(crate) dead_letter_replication: Option<i32>,
}

impl OversizedConfig {
    /// With `staged` records change after they are written here, so that nothing can be cut out of
    /// them.
    pub(super) fn read(settings: &mut Settings, staged: bool) -> Result<Self, ConfigError> {
        let replication = settings.integer(
            "errors.deadletterqueue.topic.replication.factor",
            -1,
            -1..=i16::MAX.into(),
        )?;
        let policy = TablePolicy::read(
            settings,
            ("record.too.large", OversizedPolicy::Park),
            &POLICIES,
            &[
                ("record.too.large.park.tables", OversizedPolicy::Park),
                ("record.too.large.truncate.tables", OversizedPolicy::Truncate),
                ("record.too.large.dead_letter.tables", OversizedPolicy::DeadLetter),
            ],
        )?;
        let config = Self {
            policy,
            columns: super::patterns(settings, "record.too.large.truncate.columns")?,
            dead_letter_topic: settings.topic_name("errors.deadletterqueue.topic.name")?,
            dead_letter_replication: (replication > 0).then_some(replication),
        };
        let used = |wanted| config.policy.may_be(wanted);
        if staged && (used(OversizedPolicy::Truncate) || used(OversizedPolicy::DeadLetter)) {
            let problem = "can only be `park` beside transforms that do not fold and converters other \
                           than Avro: there a record that is too large is a failed one, see \
                           `errors.tolerance`";
            return Err(settings.error("record.too.large", problem));
        }
        if used(OversizedPolicy::DeadLetter) && config.dead_letter_topic.is_none() {
            let problem = "is required by record.too.large=dead_letter: where such records go";
            return Err(settings.error("errors.deadletterqueue.topic.name", problem));
        }
        if !config.columns.is_empty() && !used(OversizedPolicy::Truncate) {
            let problem = "has no effect without record.too.large=truncate";
            return Err(settings.error("record.too.large.truncate.columns", problem));
        }
        Ok(config)
    }

    /// What happens to the records of a table.
    pub(crate) fn policy(&self, table: &TableId) -> OversizedPolicy {
        self.policy.of(table)
    }

    /// Whether a column may be cut.
    pub(crate) fn may_cut(&self, table: &TableId, column: &str) -> bool {
        let name = format!("{table}.{column}");
        self.columns.iter().any(|pattern| pattern.is_match(&name))
    }
}

#[cfg(test)]
mod tests {
    use connect::config::Origin;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<OversizedConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::PipelineFile, values);
        let config =
            OversizedConfig::read(&mut settings, false).map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn the_first_pattern_decides_and_the_others_get_the_default() {
        let config = read(&[
            ("record.too.large.truncate.tables", "shop.orders"),
            ("record.too.large.dead_letter.tables", "shop.*"),
            ("record.too.large.truncate.columns", "shop.orders.note, .*\\.body"),
            ("errors.deadletterqueue.topic.name", "dlq"),
        ])
        .unwrap();
        let policy = |name: &str| config.policy(&name.parse().unwrap());

        assert_eq!(policy("shop.orders"), OversizedPolicy::Truncate);
        assert_eq!(policy("shop.carts"), OversizedPolicy::DeadLetter);
        assert_eq!(policy("crm.notes"), OversizedPolicy::Park);
        let may_cut = |name: &str, column: &str| config.may_cut(&name.parse().unwrap(), column);
        assert!(may_cut("shop.orders", "note") && may_cut("crm.x", "body"));
        assert!(!may_cut("shop.orders", "note2"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |key: &str, value: &str| read(&[(key, value)]).unwrap_err();

        assert!(error("record.too.large", "drop").contains("expected one of park, truncate"));
        let dead_letter = error("record.too.large", "dead_letter");
        assert!(dead_letter.contains("`errors.deadletterqueue.topic.name` is required"));
        let table = error("record.too.large.dead_letter.tables", "a.b");
        assert!(table.contains("`errors.deadletterqueue.topic.name` is required"));
        assert!(error("record.too.large.park.tables", "a(").contains("invalid pattern"));
        let columns = error("record.too.large.truncate.columns", "a.b.c");
        assert!(columns.contains("has no effect without"));
    }
}
