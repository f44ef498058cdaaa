//! A flat map of settings that knows which of them were read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use schema::fault::{Disposition, Fault};
use secrecy::SecretString;

use super::providers::Providers;
use super::variables::{Replacing, Variables};
use crate::connector::ConnectorName;

/// Where settings come from, which decides what an unknown key is and which defaults hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A pipeline file: an unknown key is an error, defaults are exact.
    PipelineFile,
    /// A Kafka Connect configuration: an unknown key is a warning, defaults are Debezium's.
    Connect,
}

impl Origin {
    /// The origin of a configuration with this `connector.class`: a Java class, or the last part of
    /// one, is how a configuration of Kafka Connect names it.
    #[must_use]
    pub fn of_class(class: &str) -> Self {
        let is_java = class.contains(|c: char| c == '.' || c.is_ascii_uppercase());
        if is_java { Self::Connect } else { Self::PipelineFile }
    }
}

/// Longest name of a topic, as Kafka limits it (`Topic.MAX_NAME_LENGTH`).
const TOPIC_NAME_MAX: usize = 249;

/// The settings of one connector or of the worker, each read at most once.
///
/// Reading takes a setting out, so what is left at the end is what nobody knows. Never printed:
/// values may be secrets.
#[derive(Clone)]
pub struct Settings {
    scope: String,
    origin: Origin,
    values: BTreeMap<String, String>,
    /// Whether they are only looked at, so that nothing of them belongs into the log.
    is_trial: bool,
    valid_for: Option<Duration>,
}

/// What a setting is that no parser has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// Nobody knows it.
    Unknown,
    /// It is known, and not needed because of another one.
    Unused,
    /// It is known and changes nothing.
    Harmless,
    /// It is known and not done; the text says what to do instead.
    Refused(&'static str),
}

impl Settings {
    /// Wraps a map. `scope` names the connector (or the worker) in errors.
    pub fn new(scope: impl Into<String>, origin: Origin, values: BTreeMap<String, String>) -> Self {
        Self { scope: scope.into(), origin, values, is_trial: false, valid_for: None }
    }

    /// The same settings, read only to find what is wrong with them.
    #[must_use]
    pub fn for_trial(self) -> Self {
        Self { is_trial: true, ..self }
    }

    /// Looks at a setting without taking it.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Wraps a connector's settings as they were given, with the variables replaced as this machine
    /// and the worker's providers have them. May wait for a provider.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for a variable that cannot be replaced.
    pub fn of_connector(
        name: &ConnectorName,
        given: &BTreeMap<String, String>,
        providers: &Providers,
    ) -> Result<Self, ConfigError> {
        let environment = &|name: &str| std::env::var(name).ok();
        Self::of_connector_in(name, given, Variables { environment, providers })
    }

    /// The same settings with the variables replaced as this machine has them.
    pub(crate) fn variables(
        given: &BTreeMap<String, String>,
        providers: &Providers,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let environment = &|name: &str| std::env::var(name).ok();
        let named = Self::new("the connector", Origin::Connect, BTreeMap::new());
        Ok(Self::resolved(named, given, Variables { environment, providers })?.values)
    }

    pub(super) fn of_connector_in(
        name: &ConnectorName,
        given: &BTreeMap<String, String>,
        variables: Variables<'_>,
    ) -> Result<Self, ConfigError> {
        let class = given.get("connector.class").map(String::as_str).unwrap_or_default();
        let origin = Origin::of_class(class);
        let named = Self::new(format!("connector `{name}`"), origin, BTreeMap::new());
        let mut settings = Self::resolved(named, given, variables)?;
        // It is known already.
        settings.values.remove("name");
        Ok(settings)
    }

    /// Adds settings, with the variables in them replaced.
    pub(super) fn resolved(
        mut self,
        given: &BTreeMap<String, String>,
        variables: Variables<'_>,
    ) -> Result<Self, ConfigError> {
        let mut replacing = Replacing::new(variables);
        for (key, text) in given {
            let value =
                replacing.replace(text).map_err(|error| self.error(key, error.to_string()))?;
            self.values.insert(key.clone(), value);
        }
        self.valid_for = replacing.valid_for();
        Ok(self)
    }

    /// For how long the secrets among the values are valid; none if for ever.
    #[must_use]
    pub fn valid_for(&self) -> Option<Duration> {
        self.valid_for
    }

    /// Takes a setting that may be absent.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    /// Gives a setting another name, unless there is one of that name.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(value) = self.optional(from) {
            self.values.entry(to.to_owned()).or_insert(value);
        }
    }

    /// Gives a setting another value.
    pub fn replace(&mut self, key: &str, value: &str) {
        self.values.insert(key.to_owned(), value.to_owned());
    }

    /// Takes a setting that has a default.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        self.optional(key).unwrap_or_else(|| default.to_owned())
    }

    /// Takes a setting that must be there.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when it is missing or empty.
    pub fn required(&mut self, key: &str) -> Result<String, ConfigError> {
        self.optional(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| self.error(key, "is required"))
    }

    /// Takes a password; absent means empty.
    pub fn secret(&mut self, key: &str) -> SecretString {
        self.optional(key).unwrap_or_default().into()
    }

    /// Takes a comma-separated list; blanks around the entries do not count.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        let text = self.optional(key).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Takes a comma-separated list with at least one entry.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when it is missing or empty.
    pub fn required_list(&mut self, key: &str) -> Result<Vec<String>, ConfigError> {
        let list = self.list(key);
        if list.is_empty() { Err(self.error(key, "is required")) } else { Ok(list) }
    }

    /// Takes a name that a Kafka topic can have or begin with, if it is there.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for other characters than Kafka takes, or too many.
    pub fn topic_name(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        let Some(name) = self.optional(key) else { return Ok(None) };
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.is_empty() && name.len() <= TOPIC_NAME_MAX && name.chars().all(fits) {
            return Ok(Some(name));
        }
        Err(self.error(key, "expected letters, digits, `.`, `_` and `-`, 249 at most"))
    }

    /// Takes a whole number within a range.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] with the range when the text is not such a number.
    pub fn integer<N>(
        &mut self,
        key: &str,
        default: N,
        range: RangeInclusive<N>,
    ) -> Result<N, ConfigError>
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.optional(key) else { return Ok(default) };
        text.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            self.error(key, format!("expected a number from {} to {}", range.start(), range.end()))
        })
    }

    /// Takes a number of milliseconds within a range.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] with the range when the text is not such a number.
    pub fn duration_ms(
        &mut self,
        key: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        self.integer(key, default, range).map(Duration::from_millis)
    }

    /// Takes `true` or `false`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for any other text.
    pub fn boolean(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.optional(key).as_deref().map(str::trim) {
            None => Ok(default),
            Some(text) if self.is_word(text, "true") => Ok(true),
            Some(text) if self.is_word(text, "false") => Ok(false),
            Some(_) => Err(self.error(key, "expected true or false")),
        }
    }

    /// Whether a text is a word. Java's parsers do not look at capitals, so those of a Connect
    /// configuration do not either.
    fn is_word(&self, text: &str, word: &str) -> bool {
        match self.origin {
            Origin::PipelineFile => text == word,
            Origin::Connect => text.eq_ignore_ascii_case(word),
        }
    }

    /// Takes one of a few words.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] with the words when the text is none of them.
    pub fn choice<T: Copy>(
        &mut self,
        key: &str,
        default: T,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let Some(text) = self.optional(key) else { return Ok(default) };
        let found = choices.iter().find(|(word, _)| self.is_word(text.trim(), word));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.error(key, format!("expected one of {}", words.join(", ")))
        })
    }

    /// Whether a setting that nobody has taken begins with `prefix`.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.values.keys().any(|key| key.starts_with(prefix))
    }

    /// Takes all settings that begin with `prefix`, without it.
    pub fn with_prefix(&mut self, prefix: &str) -> BTreeMap<String, String> {
        let (taken, left) = std::mem::take(&mut self.values)
            .into_iter()
            .partition(|(key, _)| key.starts_with(prefix));
        self.values = left;
        let taken: BTreeMap<String, String> = taken;
        taken
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value)))
            .collect()
    }

    /// Takes all settings whose name is `prefix`, something, `suffix`; gives the something.
    pub fn between(&mut self, prefix: &str, suffix: &str) -> Vec<(String, String)> {
        let middle = |key: &str| Some(key.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
        let keys: Vec<_> =
            self.values.keys().filter(|key| middle(key).is_some()).cloned().collect();
        keys.into_iter().filter_map(|key| Some((middle(&key)?, self.optional(&key)?))).collect()
    }

    /// Whether a setting is there and nobody has taken it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// What nobody has taken.
    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Adds a setting, or gives it another value.
    pub(crate) fn insert(&mut self, key: &str, value: &str) {
        self.values.insert(key.to_owned(), value.to_owned());
    }

    /// Takes over where the settings come from, which a connector's class can tell.
    #[must_use]
    pub fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Warns of a setting that nobody knows, unless they are only looked at.
    pub(crate) fn tell_unknown(&self, key: &str) {
        if !self.is_trial {
            tracing::warn!(connector = self.scope, key, "unknown setting is ignored");
        }
    }

    /// Ends the reading: what nobody took is unknown.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] naming the first unknown key, if the settings come from a pipeline
    /// file. For Connect's it logs a warning for each, as Connect does.
    pub fn finish(self) -> Result<(), ConfigError> {
        self.finish_knowing(&|_, _| Leftover::Unknown)
    }

    /// Ends the reading: `judge` says what a key that nobody took, with its value, is.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first key that is refused, and in a pipeline file for the
    /// first that does nothing, whether it is known or not.
    pub fn finish_knowing(self, judge: &dyn Fn(&str, &str) -> Leftover) -> Result<(), ConfigError> {
        for (key, value) in &self.values {
            match (judge(key, value), self.origin) {
                (Leftover::Refused(remedy), _) => return Err(self.error(key, remedy)),
                (Leftover::Harmless, Origin::PipelineFile) => {
                    return Err(self.error(key, "changes nothing in rowcast: leave it out"));
                }
                (Leftover::Unknown | Leftover::Unused, Origin::PipelineFile) => {
                    return Err(self.error(key, "is not a known setting"));
                }
                (Leftover::Unknown, Origin::Connect) => self.tell_unknown(key),
                (Leftover::Unused | Leftover::Harmless, Origin::Connect) => {}
            }
        }
        Ok(())
    }

    /// An error about a setting of this scope.
    pub fn error(&self, key: &str, problem: impl Into<Cow<'static, str>>) -> ConfigError {
        let (scope, key) = (self.scope.clone(), key.to_owned());
        ConfigError::Setting { scope, key, problem: problem.into() }
    }

    /// Where the settings come from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// The configuration is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A setting is missing, unknown or out of its range.
    #[error("invalid configuration of {scope}: `{key}` {problem}")]
    Setting {
        /// The connector, or the pipeline.
        scope: String,
        /// The setting's name.
        key: String,
        /// What is wrong with it, never its value if that may be a secret.
        problem: Cow<'static, str>,
    },
    /// The pipeline file cannot be read.
    #[error("pipeline file {path} cannot be read: {problem}")]
    Unreadable {
        /// Its path as it was given.
        path: String,
        /// Why.
        problem: Cow<'static, str>,
    },
    /// The pipeline file is not what YAML is, or no map.
    #[error("the pipeline file is not valid YAML: {problem}")]
    Yaml {
        /// What is wrong and where, without any text of the file.
        problem: Cow<'static, str>,
    },
}

impl ConfigError {
    /// An error about a setting of the worker.
    pub fn new(key: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        let scope = "the pipeline".to_owned();
        Self::Setting { scope, key: key.into(), problem: problem.into() }
    }
}

impl Fault for ConfigError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Setting { key, .. } => format!("correct `{key}` in the pipeline file").into(),
            Self::Unreadable { .. } => {
                "correct the path of the pipeline file, or its access".into()
            }
            Self::Yaml { .. } => "correct the pipeline file at this place".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(origin: Origin, pairs: &[(&str, &str)]) -> Settings {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("connector `orders`", origin, values)
    }

    #[test]
    fn an_unknown_key_of_a_pipeline_file_is_named() {
        let mut settings = settings(Origin::PipelineFile, &[("port", "1"), ("prot", "2")]);

        assert_eq!(settings.integer("port", 0_u16, 0..=9).unwrap(), 1);

        let error = settings.finish().unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid configuration of connector `orders`: `prot` is not a known setting"
        );
    }

    #[test]
    fn an_unknown_key_of_connect_passes() {
        assert!(settings(Origin::Connect, &[("prot", "2")]).finish().is_ok());
    }

    #[test]
    fn a_number_out_of_its_range_names_the_range() {
        let mut settings = settings(Origin::PipelineFile, &[("port", "70000")]);

        let error = settings.integer("port", 0_u32, 1..=65_535).unwrap_err().to_string();

        assert!(error.ends_with("`port` expected a number from 1 to 65535"), "{error}");
    }

    #[test]
    fn what_stands_between_is_taken_out() {
        let pairs = [("column.mask.with.10.chars", "d.t.a"), ("column.mask.x", "1")];
        let mut settings = settings(Origin::PipelineFile, &pairs);

        let taken = settings.between("column.mask.with.", ".chars");

        assert_eq!(taken, [("10".to_owned(), "d.t.a".to_owned())]);
        assert!(settings.finish().is_err(), "the other one is left");
    }

    #[test]
    fn a_prefix_is_taken_off() {
        let mut settings = settings(Origin::PipelineFile, &[("kafka.acks", "all"), ("x", "1")]);

        assert_eq!(settings.with_prefix("kafka.")["acks"], "all");
        assert_eq!(settings.optional("x").as_deref(), Some("1"));
        assert!(settings.finish().is_ok());
    }
}
