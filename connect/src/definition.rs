//! What settings a connector has, and what becomes of each: Kafka Connect's `ConfigDef` as data.
//!
//! A table of definitions says what Kafka Connect's REST API shows of a setting: its type, its
//! default, its place in a form. A table of verdicts says what rowcast does with it: it is honoured,
//! it changes nothing here, or it is refused with what to do instead. The first is the vendors', so
//! that tools find what they know; the second is ours, and [`Definitions::finish`] does what it says.

mod check;
mod infos;
mod own;
mod table;
mod verdict;

use serde::Serialize;

use crate::config::{ConfigError, Leftover, Settings};

pub use check::Wording;
pub(crate) use infos::config_errors;
pub use infos::{ConfigInfo, ConfigInfos, ConfigValueInfo, KeyInfo, key_infos};
pub use own::{of_file_stream_sinks, of_file_stream_sources, of_sinks, of_sources, of_workers};
pub use verdict::{KeyVerdict, Verdict};

/// The type of a setting's value, by Kafka's names (`ConfigDef.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// Texts with commas between them.
    List,
    /// The name of a Java class.
    Class,
    /// Text that is never shown.
    Password,
}

/// How much a setting matters, by Kafka's names (`ConfigDef.Importance`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Importance {
    /// Most need it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// How wide a form shows a setting, by Kafka's names (`ConfigDef.Width`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Width {
    /// Not said.
    None,
    /// A number or a word.
    Short,
    /// A name.
    Medium,
    /// A list or a path.
    Long,
}

/// One setting, as Kafka Connect describes it (`ConfigDef.ConfigKey`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigKey {
    /// Its name, with dots.
    pub name: &'static str,
    /// What its value is.
    pub kind: ConfigType,
    /// Its default as text; none if there is none, or if it is required.
    pub default: Option<&'static str>,
    /// Whether Kafka Connect itself asks for it. Debezium asks for some that are not marked so.
    pub is_required: bool,
    /// How much it matters.
    pub importance: Importance,
    /// The part of a form that it is in.
    pub group: Option<&'static str>,
    /// Its place there, from 0 or 1 as its vendor counts; -1 without a group.
    pub order: i32,
    /// How wide it is there.
    pub width: Width,
    /// What it is called there.
    pub display_name: &'static str,
    /// Settings that depend on it.
    pub dependents: Vec<&'static str>,
    /// What its vendor asks of its value beside the type.
    pub checks: Vec<Check>,
}

/// What a value has to be beside its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// There has to be one.
    Required,
    /// A number above 0, which Debezium says in its own words beside those about the type.
    Positive,
    /// This number or a larger one.
    AtLeast(i64),
    /// One of these words, without regard to capitals.
    OneOf(Vec<&'static str>),
    /// Nothing, but a form does not show the setting.
    Hidden,
}

/// All settings of one class of connectors, and what becomes of them.
#[derive(Debug)]
pub struct Definitions {
    keys: Vec<ConfigKey>,
    verdicts: Vec<KeyVerdict>,
    wording: Wording,
    base: Option<&'static Self>,
    unreadable: Vec<&'static str>,
}

impl Definitions {
    /// Reads two tables: definitions, and verdicts on them and on others. `base` has what all
    /// connectors of the kind have; what this class says of such a setting wins.
    ///
    /// The tables are part of the program. A line that cannot be read is left out, and a test of each
    /// table sees to it that there is none ([`Definitions::unreadable`]).
    #[must_use]
    pub fn parse(
        (keys, verdicts): (&'static str, &'static str),
        wording: Wording,
        base: Option<&'static Self>,
    ) -> Self {
        let (keys, mut unreadable) = table::rows(keys, table::key);
        let (verdicts, others) = table::rows(verdicts, verdict::parse);
        unreadable.extend(others);
        Self { keys, verdicts, wording, base, unreadable }
    }

    /// The class's own settings, in the order in which it lists them.
    #[must_use]
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// The class's own verdicts, also on settings that no definition is about.
    #[must_use]
    pub fn verdicts(&self) -> &[KeyVerdict] {
        &self.verdicts
    }

    /// What all connectors of the kind have.
    #[must_use]
    pub fn base(&self) -> Option<&'static Self> {
        self.base
    }

    /// Lines of its tables that cannot be read: none, or the tables are wrong.
    #[must_use]
    pub fn unreadable(&self) -> &[&'static str] {
        &self.unreadable
    }

    /// What becomes of a setting: by its name, else by the longest `name.*` that begins it.
    #[must_use]
    pub fn verdict(&self, key: &str) -> Option<&KeyVerdict> {
        self.own_verdict(key).or_else(|| self.base?.own_verdict(key))
    }

    fn own_verdict(&self, key: &str) -> Option<&KeyVerdict> {
        let by_name = self.verdicts.iter().find(|verdict| verdict.name == key);
        by_name.or_else(|| {
            let beginning = |verdict: &&KeyVerdict| {
                verdict.name.strip_suffix('*').is_some_and(|beginning| key.starts_with(beginning))
            };
            self.verdicts.iter().filter(beginning).max_by_key(|verdict| verdict.name.len())
        })
    }

    /// The definition of a setting.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&ConfigKey> {
        let found = self.keys.iter().find(|key| key.name == name);
        found.or_else(|| self.base?.key(name))
    }

    /// Ends the reading of a connector's settings: what the parsers have left is refused, passed over
    /// or unknown, as the verdicts say.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first that is refused, and in a pipeline file for the first
    /// that does nothing.
    pub fn finish(&self, settings: Settings) -> Result<(), ConfigError> {
        settings.finish_knowing(&|key, value| {
            let Some(KeyVerdict { verdict, .. }) = self.verdict(key) else {
                return Leftover::Unknown;
            };
            match verdict {
                // Not read, because something that it belongs to is not set.
                Verdict::Honoured { .. } => Leftover::Unused,
                Verdict::Harmless { .. } => Leftover::Harmless,
                Verdict::Refused { remedy, except } => {
                    let value = value.trim();
                    let default = self.key(key).and_then(|key| key.default);
                    let mut taken = except.iter().chain(&default);
                    if value.is_empty() || taken.any(|taken| taken.eq_ignore_ascii_case(value)) {
                        Leftover::Harmless
                    } else {
                        Leftover::Refused(remedy)
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
