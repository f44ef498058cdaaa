//! `index.gc_deletes`: how long the version of a deleted document is remembered.
//!
//! On indices that rowcast makes it is set from the beginning. One that is taken over may have
//! Elasticsearch's minute, after which an older write brings a deleted document back.

use std::time::Duration;

use serde_json::{Value, json};

use super::Indices;
use super::state::IndexState;
use crate::error::SinkError;

/// Longer than any request of rowcast's is under way (`read.timeout.ms`, an hour at most).
pub(super) const DEFAULT: &str = "1h";
/// The setting's name below `index`.
pub(super) const KEY: &str = "gc_deletes";
/// Elasticsearch's own.
/// <https://www.elastic.co/docs/reference/elasticsearch/index-settings/index-modules>
const ELASTICSEARCHS: Duration = Duration::from_secs(60);

/// A time as Elasticsearch writes it. `None` for what is none, as -1.
fn parse(text: &str) -> Option<Duration> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "nanos" => Some(Duration::from_nanos(number)),
        "micros" => Some(Duration::from_micros(number)),
        "ms" | "" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

impl Indices {
    /// What the settings, or else rowcast, want it to be.
    pub(super) fn wanted_gc_deletes(&self) -> &str {
        let settings = &self.config.settings;
        settings.get(KEY).or_else(|| settings.get("index.gc_deletes")).map_or(DEFAULT, |own| own)
    }

    /// Raises it on an index that rowcast has not made. One that may not be changed is told of.
    pub(super) async fn raise_gc_deletes(&self, state: &IndexState) -> Result<(), SinkError> {
        let wanted = self.wanted_gc_deletes();
        let found = state.settings.get(KEY).and_then(Value::as_str);
        let is_lower = match (found.map(parse), parse(wanted)) {
            (None, Some(wanted)) => ELASTICSEARCHS < wanted,
            (Some(Some(found)), Some(wanted)) => found < wanted,
            // Somebody has chosen something special.
            (Some(None), _) | (_, None) => false,
        };
        if state.is_ours() || !is_lower {
            return Ok(());
        }
        let index = &*state.name;
        let body = json!({ "index": { KEY: wanted } });
        let put = self.put(format!("/{index}/_settings"), &body, "set gc_deletes of", index).await;
        match put {
            Ok(answer) if answer.status == 200 => {
                tracing::info!(index, found, gc_deletes = wanted, "gc_deletes raised");
            }
            Ok(_) | Err(SinkError::Denied { status: 403, .. }) => {
                tracing::warn!(
                    index,
                    gc_deletes = found.unwrap_or("60s"),
                    hint = "set `index.gc_deletes` of the index to 1h",
                    "an older write that comes later than gc_deletes after a delete brings the \
                     document back, and rowcast may not raise it"
                );
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_elasticsearch_writes_them() {
        assert_eq!(parse("1h"), Some(Duration::from_secs(3_600)));
        assert_eq!(parse("60s"), parse("1m"));
        assert_eq!(parse("60000ms"), parse("60000"));
        assert_eq!(parse("1d"), parse("24h"));
        assert_eq!((parse("-1"), parse("soon"), parse("1y")), (None, None, None));
        assert_eq!(parse(DEFAULT).unwrap(), Duration::from_secs(3_600));
    }
}
