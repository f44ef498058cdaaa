//! Giving an index back to a sink whose versions are Kafka offsets, as Confluent's.
//!
//! An Lsn is greater than any offset, so in an index that has Lsns every write of such a sink would be
//! void, and nobody would know. Elasticsearch does not let versions of documents be made smaller. So
//! another index takes the name, empty and with nothing that rowcast wants of an index: the other
//! sink makes its mapping by itself, and fills it from the beginning of the topic.

use serde_json::{Value, json};

use super::create::FIRST_GENERATION;
use super::mark::{TAKEN_OVER, VersionKind, noted_versions};
use super::state::IndexState;
use super::{ANY_DATE, Indices};
use crate::bulk::error_kind;
use crate::client::{Method, Request};
use crate::error::SinkError;

/// How far an index is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandBack {
    /// It is only looked at.
    Look,
    /// A new one takes its alias, and the old one stays. An index that has the name itself is left
    /// as it is.
    NewIndex,
    /// As above; an index that has the name itself is deleted, because nothing else can have it then.
    NewIndexForOld,
}

/// What has become of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedBack {
    /// Whose rows it has.
    pub topic: String,
    /// The name that both sinks write to.
    pub name: String,
    /// What was done, or has to be.
    pub step: HandBackStep,
}

/// What was done about an index, or has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandBackStep {
    /// Nothing, for this reason.
    Needless(&'static str),
    /// It has to be another one than this, which is behind an alias.
    Needed {
        /// Its own name.
        old: String,
    },
    /// It has to be another one, and can only be once this one, which has the name itself, is
    /// deleted.
    InTheWay,
    /// Another one has the name now.
    Made {
        /// The index that had it.
        old: String,
        /// Whether that one is still there.
        is_kept: bool,
        /// The one that has it now.
        new: String,
    },
}

impl Indices {
    /// Gives the index of a topic back. A second time finds nothing left to do.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when Elasticsearch refuses a step; the old index has its name until the
    /// last one.
    pub(crate) async fn hand_back(
        &self,
        topic: &str,
        how: HandBack,
    ) -> Result<HandedBack, SinkError> {
        let name = self.name(topic)?.to_string();
        let done = |step| HandedBack { topic: topic.to_owned(), name: name.clone(), step };
        if name.contains(ANY_DATE) {
            return Ok(done(HandBackStep::Needless("its indices are named by dates")));
        }
        let Some(state) = self.read(&name).await? else {
            return Ok(done(HandBackStep::Needless("there is no such index")));
        };
        if !has_lsns(&state) {
            return Ok(done(HandBackStep::Needless("its versions are no Lsns")));
        }
        let old = state.name.to_string();
        Ok(done(match (how, state.is_alias) {
            (HandBack::Look, true) => HandBackStep::Needed { old },
            (HandBack::Look | HandBack::NewIndex, false) => HandBackStep::InTheWay,
            (HandBack::NewIndex | HandBack::NewIndexForOld, true)
            | (HandBack::NewIndexForOld, false) => {
                let new = next_generation(&name, &old);
                self.make_plain(&new).await?;
                self.rename(&name, (&old, state.is_alias), &new).await?;
                HandBackStep::Made { is_kept: state.is_alias, old, new }
            }
        }))
    }

    /// Makes an index that is nobody's yet. One that an earlier attempt has left is taken.
    async fn make_plain(&self, index: &str) -> Result<(), SinkError> {
        let action = "create index";
        let body = json!({ "settings": { "index": self.config.settings } });
        let answer = self.put(format!("/{index}"), &body, action, index).await?;
        let is_there = &*error_kind(&answer.body) == "resource_already_exists_exception";
        match answer.status {
            200 => Ok(()),
            400 if is_there && self.is_empty(index).await? => Ok(()),
            _ => Err(self.client.refusal(&answer, action, index)),
        }
    }

    /// Gives an index the name of another in one step.
    async fn rename(
        &self,
        name: &str,
        (old, is_alias): (&str, bool),
        new: &str,
    ) -> Result<(), SinkError> {
        let action = "move the alias of";
        let away = match is_alias {
            true => json!({ "remove": { "index": old, "alias": name } }),
            false => json!({ "remove_index": { "index": old } }),
        };
        let add = json!({ "add": { "index": new, "alias": name, "is_write_index": true } });
        let body = json!({ "actions": [away, add] }).to_string();
        let request = Request::json(Method::Post, "/_aliases".to_owned(), Some(body));
        let answer = self.client.ask(&request, action, name).await?;
        if answer.status != 200 {
            return Err(self.client.refusal(&answer, action, name));
        }
        Ok(())
    }
}

/// Whether documents may have versions that are greater than offsets.
fn has_lsns(state: &IndexState) -> bool {
    let is_offset = noted_versions(&state.meta).is_some_and(|it| it == VersionKind::Offset.word());
    state.is_marked() && (!is_offset || state.noted(TAKEN_OVER).is_some_and(Value::is_object))
}

/// The name behind an alias that comes after an index's own.
fn next_generation(name: &str, old: &str) -> String {
    let number = old.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    match number.filter(|text| text.len() >= 6).and_then(|text| text.parse::<u32>().ok()) {
        Some(number) => format!("{name}-{:06}", number.saturating_add(1)),
        None => format!("{name}{FIRST_GENERATION}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_counted_as_a_rollover_does() {
        for (old, new) in [
            ("a.b-000001", "a.b-000002"),
            ("a.b-000999", "a.b-001000"),
            ("a.b-1000000", "a.b-1000001"),
            ("a.b", "a.b-000001"),
            ("other", "a.b-000001"),
            ("a.b-7", "a.b-000001"),
        ] {
            assert_eq!(next_generation("a.b", old), new, "{old}");
        }
    }

    #[test]
    fn an_index_without_lsns_stays() {
        let has = |note: Value| {
            let body = json!({ "a": { "mappings": { "_meta": { "rowcast": note } } } }).to_string();
            has_lsns(&IndexState::parse("a", body.as_bytes()).unwrap())
        };

        assert!(has(json!({ "versions": "lsn" })));
        assert!(has(json!({ "versions": "lsn", "taken_over": { "t/0": 4 } })));
        assert!(has(json!({})), "an earlier version of rowcast did not say");
        assert!(!has(json!({ "versions": "kafka offset" })));
    }
}
