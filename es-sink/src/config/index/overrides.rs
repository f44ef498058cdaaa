//! Properties of single fields, as the user wants them.

use connect::config::{ConfigError, Origin, Settings};
use regex::Regex;
use serde_json::{Value, json};

const PREFIX: &str = "index.mapping.override.";

/// `index.mapping.override.*`: what fields are in the index, by `database.table.column`.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<Override>);

#[derive(Debug, Clone)]
struct Override {
    name: String,
    pattern: Regex,
    property: Value,
}

impl Overrides {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let flags = match settings.origin() {
            Origin::PipelineFile => "",
            Origin::Connect => "(?i)",
        };
        let all = settings.with_prefix(PREFIX).into_iter().map(|(name, value)| {
            let refuse = |problem| settings.error(&format!("{PREFIX}{name}"), problem);
            let pattern = Regex::new(&format!("{flags}^(?:{name})$"))
                .map_err(|_| refuse("is no valid pattern of database.table.column"))?;
            let property = property(&value).map_err(refuse)?;
            Ok(Override { name, pattern, property })
        });
        all.collect::<Result<_, _>>().map(Self)
    }

    /// The property of a field: the one that names it, else the first whose pattern matches, in
    /// the order of the alphabet.
    pub(crate) fn of(&self, field: &str) -> Option<&Value> {
        let named = self.0.iter().find(|one| one.name == field);
        let found = named.or_else(|| self.0.iter().find(|one| one.pattern.is_match(field)));
        found.map(|one| &one.property)
    }
}

/// A type's name, or a whole property in JSON.
fn property(text: &str) -> Result<Value, &'static str> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|_| "is no JSON, expected a type or a property as {\"type\": …}");
    }
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.is_empty() || !text.chars().all(is_word) {
        return Err("expected a type as `keyword`, or a property as {\"type\": …}");
    }
    Ok(json!({ "type": text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Overrides, String> {
        let values = pairs.iter().map(|(k, v)| (format!("{PREFIX}{k}"), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        Overrides::from_settings(&mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_wins_over_patterns_and_they_match_as_a_whole() {
        let overrides = parse(&[
            (".*", "keyword"),
            ("shop.orders.ip", "ip"),
            ("shop\\..*\\.v", r#"{"type": "dense_vector", "dims": 3}"#),
        ])
        .unwrap();

        let of = |field: &str| overrides.of(field).unwrap()["type"].clone();
        assert_eq!(of("shop.orders.ip"), "ip");
        assert_eq!(of("shop.orders.v"), "keyword");
        assert_eq!(parse(&[("a.b.c", "ip")]).unwrap().of("a.b.cd"), None);
    }

    #[test]
    fn what_is_neither_a_type_nor_json_is_refused_by_its_name() {
        let error = |value| parse(&[("a.b.c", value)]).unwrap_err();

        assert!(error("{\"type\":").contains("`index.mapping.override.a.b.c` is no JSON"));
        assert!(error("Key word").contains("expected a type as `keyword`"));
        assert!(parse(&[("(", "ip")]).unwrap_err().contains("no valid pattern"));
    }
}
