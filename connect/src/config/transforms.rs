//! `transforms` and `predicates` of a connector.

use std::collections::BTreeMap;

use transform::Chain;

use super::{ConfigError, Settings};

/// Takes the settings of all transforms and predicates, and looks whether they make a chain
/// ([`Chain::read`]). Settings below a transform that it does not know stay.
///
/// # Errors
///
/// Returns [`ConfigError`] for a transform that is not known, and for settings that it does not take.
pub fn read_transforms(settings: &mut Settings) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut given = BTreeMap::new();
    for name in ["transforms", "predicates"] {
        given.extend(settings.peek(name).map(|value| (name.to_owned(), value.to_owned())));
        let prefix = format!("{name}.");
        for (rest, value) in settings.clone().with_prefix(&prefix) {
            given.insert(format!("{prefix}{rest}"), value);
        }
    }
    let (_, asked) = Chain::read(&given).map_err(|error| {
        settings.error(&error.key, format!("is not what it has to be: {}", error.problem))
    })?;
    asked.iter().for_each(|key| drop(settings.optional(key)));
    given.retain(|key, _| asked.contains(key));
    Ok(given)
}
