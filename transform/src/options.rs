//! The settings below one alias, read as Kafka Connect's `ConfigDef` reads them.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ConfigProblem;

/// The settings of one transform or predicate.
pub(crate) struct Options<'a> {
    /// As `transforms.mask.`.
    pub(crate) prefix: String,
    pub(crate) settings: &'a BTreeMap<String, String>,
    /// The full names of those that were asked for.
    pub(crate) asked: &'a mut BTreeSet<String>,
}

impl Options<'_> {
    /// A text, without blanks around it.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        let full = format!("{}{key}", self.prefix);
        let value = self.settings.get(&full).map(|value| value.trim().to_owned());
        self.asked.insert(full);
        value
    }

    pub(crate) fn text_or(&mut self, key: &str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    pub(crate) fn required(&mut self, key: &str) -> Result<String, ConfigProblem> {
        self.text(key).ok_or_else(|| self.missing(key))
    }

    /// A text that is not empty.
    pub(crate) fn non_empty(&mut self, key: &str) -> Result<String, ConfigProblem> {
        match self.required(key)? {
            text if text.is_empty() => Err(self.invalid(key, &text, "String must be non-empty")),
            text => Ok(text),
        }
    }

    pub(crate) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let text = self.text(key)?;
        if text.is_empty() {
            return Some(Vec::new());
        }
        Some(text.split(',').map(|entry| entry.trim().to_owned()).collect())
    }

    pub(crate) fn required_list(&mut self, key: &str) -> Result<Vec<String>, ConfigProblem> {
        self.list(key).ok_or_else(|| self.missing(key))
    }

    /// A list with at least one entry.
    pub(crate) fn non_empty_list(&mut self, key: &str) -> Result<Vec<String>, ConfigProblem> {
        match self.required_list(key)? {
            list if list.is_empty() => Err(self.problem(
                key,
                format!(
                    "Configuration '{key}' must not be empty. Valid values include: any non-empty \
                     value"
                ),
            )),
            list => Ok(list),
        }
    }

    pub(crate) fn boolean(&mut self, key: &str, default: bool) -> Result<bool, ConfigProblem> {
        match self.text(key) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => {
                Err(self.invalid(key, &text, "Expected value to be either true or false"))
            }
        }
    }

    /// `replace.null.with.default`: whether a field's default stands for null. Default true.
    pub(crate) fn defaults(&mut self) -> Result<bool, ConfigProblem> {
        self.boolean("replace.null.with.default", true)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &str,
        default: Option<T>,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigProblem> {
        let text = match (self.text(key), default) {
            (Some(text), _) => text,
            (None, Some(default)) => return Ok(default),
            (None, None) => return Err(self.missing(key)),
        };
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.invalid(key, &text, &format!("String must be one of: {}", words.join(", ")))
        })
    }

    /// Pairs written `a:b`, of which each side is one name.
    pub(crate) fn pairs(&mut self, key: &str) -> Result<Vec<(String, String)>, ConfigProblem> {
        let entries = self.list(key).unwrap_or_default();
        let pair = |entry: &String| {
            let (from, to) = entry.split_once(':')?;
            (!to.contains(':')).then(|| (from.trim().to_owned(), to.trim().to_owned()))
        };
        entries
            .iter()
            .map(|entry| {
                pair(entry).ok_or_else(|| {
                    let all = format!("[{}]", entries.join(", "));
                    self.invalid(key, &all, &format!("Invalid rename mapping: {entry}"))
                })
            })
            .collect()
    }

    pub(crate) fn missing(&self, key: &str) -> ConfigProblem {
        let text = format!("Missing required configuration \"{key}\" which has no default value.");
        self.problem(key, text)
    }

    pub(crate) fn invalid(&self, key: &str, value: &str, why: &str) -> ConfigProblem {
        self.problem(key, format!("Invalid value {value} for configuration {key}: {why}"))
    }

    pub(crate) fn problem(&self, key: &str, problem: impl Into<String>) -> ConfigProblem {
        ConfigProblem { key: format!("{}{key}", self.prefix), problem: problem.into() }
    }
}
