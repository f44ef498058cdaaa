//! Which topics a sink reads.

use super::settings::{ConfigError, Settings};
use crate::kafka::consumer::Topics;

/// Reads `topics` or `topics.regex`, exactly one of them, as Kafka Connect has it.
///
/// # Errors
///
/// Returns [`ConfigError`] for both or none.
pub fn read_topics(settings: &mut Settings) -> Result<Topics, ConfigError> {
    let list = settings.list("topics");
    match (list.is_empty(), settings.optional("topics.regex")) {
        (false, None) => Ok(Topics::List(list)),
        (true, Some(regex)) if !regex.is_empty() => Ok(Topics::Regex(regex)),
        (true, _) => Err(settings.error("topics", "is required, or `topics.regex` instead")),
        (false, Some(_)) => Err(settings.error("topics", "cannot be set beside `topics.regex`")),
    }
}
