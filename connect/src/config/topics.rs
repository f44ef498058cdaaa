//! How topics are made: Kafka Connect's `topic.creation.*` (KIP-158).

use std::collections::BTreeMap;

use regex::Regex;

use super::settings::{ConfigError, Settings};

/// What the broker's own default is asked for with.
const OF_BROKER: i32 = -1;

/// Most partitions that are asked for: our choice, far above what one table needs.
const PARTITIONS_MAX: i32 = 10_000;

/// The rules for all topics, and those for some of them.
#[derive(Debug, Clone, Default)]
pub struct TopicCreation {
    default: TopicRules,
    /// In the order in which they are asked: the first that has a topic decides.
    groups: Vec<TopicGroup>,
    /// `topic.creation.enable` is false: the broker says how topics are, and connectors do not.
    is_brokers: bool,
}

/// How one topic is made. What is not set is left to rowcast or the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicRules {
    /// `partitions`: -1 for the broker's default, or 1 to 10,000.
    pub partitions: Option<i32>,
    /// `replication.factor`: -1 for the broker's default, or 1 to 32,767.
    pub replication: Option<i32>,
    /// Any other name: a configuration of the topic, such as `cleanup.policy`.
    pub settings: BTreeMap<String, String>,
}

/// Topics that are made alike.
#[derive(Debug, Clone)]
struct TopicGroup {
    includes: Vec<Regex>,
    excludes: Vec<Regex>,
    rules: TopicRules,
}

impl TopicCreation {
    /// Reads the settings of the worker, or those of a connector over the worker's.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first that is out of its range, and for a group without
    /// topics.
    pub fn read(settings: &mut Settings, worker: &Self) -> Result<Self, ConfigError> {
        let mut groups = Vec::new();
        // First, because the names of groups are parts of settings.
        for name in settings.list("topic.creation.groups") {
            if name == "default" {
                let problem = "cannot have the group `default`, which has all other topics";
                return Err(settings.error("topic.creation.groups", problem));
            }
            groups.push(TopicGroup::read(&name, settings)?);
        }
        let default = TopicRules::read(
            settings,
            ("topic.creation.default.partitions", "topic.creation.default.replication.factor"),
            "topic.creation.default.",
        )?;
        if worker.is_brokers {
            // As in Kafka Connect, what the connector says is passed over.
            return Ok(worker.clone());
        }
        groups.extend(worker.groups.iter().cloned());
        Ok(Self { default: default.over(&worker.default), groups, is_brokers: false })
    }

    /// Reads the settings of a worker.
    ///
    /// # Errors
    ///
    /// As [`TopicCreation::read`].
    pub(super) fn of_worker(settings: &mut Settings) -> Result<Self, ConfigError> {
        let is_enabled = settings.boolean("topic.creation.enable", true)?;
        let rules = Self::read(settings, &Self::default())?;
        if is_enabled {
            return Ok(rules);
        }
        let of_broker = TopicRules {
            partitions: Some(OF_BROKER),
            replication: Some(OF_BROKER),
            settings: BTreeMap::new(),
        };
        Ok(Self { default: of_broker, groups: Vec::new(), is_brokers: true })
    }

    /// How the topic of this name is made.
    #[must_use]
    pub fn rules(&self, topic: &str) -> TopicRules {
        match self.groups.iter().find(|group| group.has(topic)) {
            Some(group) => group.rules.clone().over(&self.default),
            None => self.default.clone(),
        }
    }

    /// How many copies topics have that are not a table's.
    #[must_use]
    pub fn replication(&self) -> i32 {
        self.default.replication()
    }
}

impl TopicRules {
    fn read(
        settings: &mut Settings,
        (partitions, replication): (&str, &str),
        prefix: &str,
    ) -> Result<Self, ConfigError> {
        let mut number = |key: &str, max: i32| {
            let Some(text) = settings.optional(key) else { return Ok(None) };
            let number = text.trim().parse().ok();
            let number = number.filter(|n: &i32| *n == OF_BROKER || (1..=max).contains(n));
            let problem = || format!("expected -1 or a number from 1 to {max}");
            number.map(Some).ok_or_else(|| settings.error(key, problem()))
        };
        let partitions = number(partitions, PARTITIONS_MAX)?;
        let replication = number(replication, i16::MAX.into())?;
        Ok(Self { partitions, replication, settings: settings.with_prefix(prefix) })
    }

    /// These rules, and others where these say nothing.
    fn over(self, other: &Self) -> Self {
        let mut settings = other.settings.clone();
        settings.extend(self.settings);
        Self {
            partitions: self.partitions.or(other.partitions),
            replication: self.replication.or(other.replication),
            settings,
        }
    }

    /// Partitions of a new topic. Default 1, as Kafka's `num.partitions`.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions.unwrap_or(1)
    }

    /// Copies of a new topic. Default: the broker's.
    #[must_use]
    pub fn replication(&self) -> i32 {
        self.replication.unwrap_or(OF_BROKER)
    }
}

impl TopicGroup {
    fn read(name: &str, settings: &mut Settings) -> Result<Self, ConfigError> {
        let includes = patterns(settings, &format!("topic.creation.{name}.include"))?;
        let excludes = patterns(settings, &format!("topic.creation.{name}.exclude"))?;
        if includes.is_empty() {
            let key = format!("topic.creation.{name}.include");
            return Err(settings.error(&key, "is required: the topics of the group"));
        }
        let numbers = (
            format!("topic.creation.{name}.partitions"),
            format!("topic.creation.{name}.replication.factor"),
        );
        let prefix = format!("topic.creation.{name}.");
        let rules = TopicRules::read(settings, (&numbers.0, &numbers.1), &prefix)?;
        Ok(Self { includes, excludes, rules })
    }

    fn has(&self, topic: &str) -> bool {
        let matches = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(topic));
        matches(&self.includes) && !matches(&self.excludes)
    }
}

/// Patterns for whole names, as Connect has them.
fn patterns(settings: &mut Settings, key: &str) -> Result<Vec<Regex>, ConfigError> {
    let texts = settings.list(key);
    let pattern = |text: String| {
        Regex::new(&format!("^(?:{text})$"))
            .map_err(|_| settings.error(key, format!("has the invalid pattern {text:?}")))
    };
    texts.into_iter().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn read(pairs: &[(&str, &str)], worker: &TopicCreation) -> Result<TopicCreation, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::PipelineFile, values);
        let read = TopicCreation::read(&mut settings, worker).map_err(|e| e.to_string())?;
        settings.finish().map_err(|e| e.to_string())?;
        Ok(read)
    }

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn without_settings_a_topic_has_one_partition_and_the_brokers_copies() {
        let rules = read(&[], &TopicCreation::default()).unwrap().rules("p.d.t");

        assert_eq!((rules.partitions(), rules.replication()), (1, -1));
        assert_eq!(rules, TopicRules::default());
    }

    #[test]
    fn the_first_group_decides_over_the_default_and_a_connector_over_its_worker() {
        let worker = [
            ("topic.creation.default.partitions", "3"),
            ("topic.creation.default.cleanup.policy", "compact"),
            ("topic.creation.groups", "big"),
            ("topic.creation.big.include", "p\\..*"),
            ("topic.creation.big.partitions", "50"),
        ];
        let worker = read(&worker, &TopicCreation::default()).unwrap();
        let connector = [
            ("topic.creation.default.replication.factor", "2"),
            ("topic.creation.groups", "logs,short"),
            ("topic.creation.logs.include", "p\\.logs\\..*, other"),
            ("topic.creation.logs.exclude", "p\\.logs\\.keep"),
            ("topic.creation.logs.retention.ms", "1000"),
            ("topic.creation.logs.cleanup.policy", "delete"),
            ("topic.creation.short.include", "p\\.logs\\..*"),
            ("topic.creation.short.partitions", "-1"),
        ];
        let both = read(&connector, &worker).unwrap();

        let logs = both.rules("p.logs.web");
        assert_eq!((logs.partitions(), logs.replication()), (3, 2));
        let expected = settings(&[("cleanup.policy", "delete"), ("retention.ms", "1000")]);
        assert_eq!(logs.settings, expected);
        assert_eq!(both.rules("p.logs.keep").partitions(), -1, "the second group has it");
        assert_eq!(both.rules("p.d.t").partitions(), 50, "the worker's group has it");
        assert_eq!(both.rules("q").settings, settings(&[("cleanup.policy", "compact")]));
    }

    #[test]
    fn a_worker_can_leave_the_shape_of_topics_to_the_broker() {
        let pairs =
            [("topic.creation.enable", "false"), ("topic.creation.default.partitions", "3")];
        let mut of_worker = Settings::new("the worker", Origin::Connect, settings(&pairs));
        let worker = TopicCreation::of_worker(&mut of_worker).unwrap();

        let rules = read(&[("topic.creation.default.partitions", "9")], &worker).unwrap();

        let rules = rules.rules("p.d.t");
        assert_eq!((rules.partitions(), rules.replication()), (-1, -1));
        assert!(rules.settings.is_empty() && of_worker.finish().is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        let error = |pairs: &[(&str, &str)]| read(pairs, &TopicCreation::default()).unwrap_err();

        for (key, value, expected) in [
            ("topic.creation.default.partitions", "0", "expected -1 or a number from 1 to 10000"),
            ("topic.creation.default.partitions", "x", "expected -1 or a number from 1 to 10000"),
            ("topic.creation.groups", "default", "cannot have the group `default`"),
            ("topic.creation.groups", "g", "`topic.creation.g.include` is required"),
            ("topic.creation.typo.partitions", "3", "is not a known setting"),
        ] {
            let found = error(&[(key, value)]);
            assert!(found.contains(expected), "{found}");
        }
        let bad = [("topic.creation.groups", "g"), ("topic.creation.g.include", "a(")];
        assert!(error(&bad).contains("invalid pattern"));
    }
}
