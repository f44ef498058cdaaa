//! Whether a value is what its definition says, in the words of its vendor.

use super::{Check, ConfigKey, ConfigType};

/// In whose words errors are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// Kafka's: `Invalid value x for configuration k: …`.
    Connect,
    /// Debezium's: `The 'k' value is invalid: …`.
    Debezium,
}

impl Wording {
    /// An error about a setting, whatever its value.
    pub(super) fn problem(self, key: &str, problem: &str) -> String {
        match self {
            Self::Connect => format!("Invalid value for configuration {key}: {problem}"),
            Self::Debezium => format!("The '{key}' value is invalid: {problem}"),
        }
    }

    fn missing(self, key: &str) -> String {
        match self {
            Self::Connect => {
                format!("Missing required configuration \"{key}\" which has no default value.")
            }
            Self::Debezium => self.problem(key, "A value is required"),
        }
    }

    fn refused(self, key: &ConfigKey, value: &str, connects: &str, debeziums: &str) -> String {
        let (name, shown) = (key.name, key.shown(value));
        match self {
            Self::Connect => {
                format!("Invalid value {shown} for configuration {name}: {connects}")
            }
            Self::Debezium => self.problem(name, debeziums),
        }
    }
}

impl ConfigKey {
    /// A value as it may be shown.
    pub(super) fn shown<'a>(&self, value: &'a str) -> &'a str {
        match self.kind {
            ConfigType::Password => "[hidden]",
            ConfigType::Boolean
            | ConfigType::String
            | ConfigType::Short
            | ConfigType::Int
            | ConfigType::Long
            | ConfigType::List
            | ConfigType::Class => value,
        }
    }

    /// All that is wrong with a value, or with there being none. `takes_words` is whether a parser of
    /// ours knows which words it takes: they can be more than the vendor's, and are told by it.
    pub(super) fn errors(
        &self,
        value: Option<&str>,
        wording: Wording,
        takes_words: bool,
    ) -> Vec<String> {
        let is_missing = match value {
            None => self.is_required || self.checks.contains(&Check::Required),
            Some(value) => value.trim().is_empty() && self.checks.contains(&Check::Required),
        };
        if is_missing {
            return vec![wording.missing(self.name)];
        }
        let Some(value) = value.map(str::trim) else { return Vec::new() };
        let of_type = self.type_error(value, wording);
        let is_typed = of_type.is_none();
        let is_ours = |check: &&Check| !(takes_words && matches!(check, Check::OneOf(_)));
        let of_checks = self.checks.iter().filter(is_ours);
        let of_checks =
            of_checks.filter_map(|check| self.check_error(check, value, is_typed, wording));
        of_type.into_iter().chain(of_checks).collect()
    }

    fn type_error(&self, value: &str, wording: Wording) -> Option<String> {
        let (is_right, connects, debeziums) = match self.kind {
            ConfigType::Boolean => {
                let is_word = ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(value));
                (is_word, "Expected value to be either true or false", "expected true or false")
            }
            ConfigType::Short => {
                let is_number = value.parse::<i16>().is_ok();
                (is_number, "Not a number of type SHORT", "A short value is expected")
            }
            ConfigType::Int => {
                let is_number = value.parse::<i32>().is_ok();
                (is_number, "Not a number of type INT", "An integer is expected")
            }
            ConfigType::Long => {
                let is_number = value.parse::<i64>().is_ok();
                (is_number, "Not a number of type LONG", "A long value is expected")
            }
            ConfigType::String | ConfigType::List | ConfigType::Class | ConfigType::Password => {
                return None;
            }
        };
        (!is_right).then(|| wording.refused(self, value, connects, debeziums))
    }

    fn check_error(
        &self,
        check: &Check,
        value: &str,
        is_typed: bool,
        wording: Wording,
    ) -> Option<String> {
        let number = || value.parse::<i64>().ok();
        match check {
            Check::Positive if number().is_none_or(|number| number <= 0) => {
                let problem = "A positive, non-zero integer value is expected";
                Some(wording.refused(self, value, "Value must be at least 1", problem))
            }
            Check::AtLeast(least) if is_typed && number().is_some_and(|number| number < *least) => {
                let problem = format!("Value must be at least {least}");
                Some(wording.refused(self, value, &problem, &problem))
            }
            Check::OneOf(words) if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) => {
                let words = words.join(", ");
                let connects = format!("String must be one of: {words}");
                Some(wording.refused(self, value, &connects, &format!("expected one of {words}")))
            }
            Check::Required
            | Check::Positive
            | Check::AtLeast(_)
            | Check::OneOf(_)
            | Check::Hidden => None,
        }
    }
}
