//! Whether an index is still the one that was written to.
//!
//! Offsets say that rows are in the index. Whoever deletes it, makes it anew or restores it from a
//! copy takes rows away that nobody will send again, so that has to be noticed, and a person has to
//! decide. An index's UUID tells it from every other one of its name; it stands in its `_meta` too,
//! which a restored copy brings along with the UUID of the index that it was made of.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::mark;
use super::state::IndexState;
use super::{Indices, Prepared};
use crate::client::{Method, Request};
use crate::error::{IndexError, LostIndex, SinkError};

/// Longest list of names in one request. Elasticsearch takes lines of 4,096 bytes
/// (`http.max_initial_line_length`), of which the rest of the path needs some.
const NAMES_MAX_BYTES: usize = 3_000;

/// What is known about an index that is met at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the one that was written to, or has nothing to lose.
    Same,
    /// It is not, and this has become of the other one.
    Lost(LostIndex),
    /// rowcast has written nothing to it, and whether there are documents has to be asked.
    Unknown,
}

/// Compares what an index is with what it says.
pub(super) fn standing(state: &IndexState, has_history: bool) -> Standing {
    let noted = state.noted(mark::INDEX_UUID).and_then(Value::as_str);
    match (state.is_marked(), noted, state.uuid()) {
        (false, _, _) => Standing::Unknown,
        (true, Some(noted), Some(uuid)) if noted != uuid => match has_history {
            true => Standing::Lost(LostIndex::Restored),
            // All rows come again.
            false => Standing::Same,
        },
        // One of an earlier version of rowcast has no UUID, nor has one that was made just now.
        (true, _, _) => Standing::Same,
    }
}

impl Indices {
    /// Whether all indices that were prepared are still the same ones: one request for many. Those
    /// with a date may be gone, and are forgotten.
    ///
    /// # Errors
    ///
    /// Returns [`IndexError::IndexLost`] for the first that is not.
    pub(crate) async fn verify(&mut self) -> Result<(), SinkError> {
        let gone = self.find_gone().await?;
        for index in gone {
            tracing::info!(
                index = &*index,
                "index was deleted; the next row of its date makes it ready again"
            );
            self.prepared.remove(&index);
        }
        Ok(())
    }

    /// The indices that are gone as they may.
    async fn find_gone(&self) -> Result<Vec<Arc<str>>, SinkError> {
        let mut gone = Vec::new();
        let known: Vec<_> =
            self.prepared.iter().filter(|(_, known)| known.uuid.is_some()).collect();
        let mut rest = known.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(names_in_one_request(rest));
            let names: Vec<&str> = now.iter().map(|(name, _)| &***name).collect();
            let found = self.uuids(&names.join(",")).await?;
            for (name, known) in now {
                match self.compare(name, known, &found).await {
                    // Another task may have made it anew already. Whoever has made it, the next
                    // row looks at it.
                    Err(SinkError::Index(IndexError::IndexLost {
                        how: LostIndex::Deleted | LostIndex::Recreated,
                        ..
                    })) if known.is_dated => gone.push(Arc::clone(name)),
                    compared => compared?,
                }
            }
            rest = later;
        }
        Ok(gone)
    }

    async fn compare(
        &self,
        name: &str,
        known: &Prepared,
        found: &HashMap<String, String>,
    ) -> Result<(), SinkError> {
        let lost = |how| Err(IndexError::IndexLost { index: name.into(), how }.into());
        let uuid = found.get(&*known.index);
        if uuid.map(String::as_str) == known.uuid.as_deref() {
            return Ok(());
        }
        // This is rare, so the index is asked for everything.
        let Some(state) = self.read(name).await? else { return lost(LostIndex::Deleted) };
        if state.uuid() == known.uuid.as_deref() {
            return Ok(());
        }
        if !state.is_marked() {
            return lost(LostIndex::Recreated);
        }
        match standing(&state, true) {
            Standing::Lost(how) => lost(how),
            Standing::Same | Standing::Unknown if state.name != known.index => {
                Err(IndexError::AliasMoved { index: name.into() }.into())
            }
            Standing::Same | Standing::Unknown => lost(LostIndex::Recreated),
        }
    }

    /// UUIDs by the indices' own names. What is missing is not there.
    async fn uuids(&self, names: &str) -> Result<HashMap<String, String>, SinkError> {
        let action = "look at";
        let path =
            format!("/{names}/_settings?filter_path=*.settings.index.uuid&ignore_unavailable=true");
        let answer =
            self.client.ask(&Request::json(Method::Get, path, None), action, names).await?;
        match answer.status {
            200 => {}
            404 => return Ok(HashMap::new()),
            _ => return Err(self.client.refusal(&answer, action, names)),
        }
        let indices: Map<String, Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let uuid =
            |index: &Value| Some(index.pointer("/settings/index/uuid")?.as_str()?.to_owned());
        Ok(indices.iter().filter_map(|(name, index)| Some((name.clone(), uuid(index)?))).collect())
    }
}

/// How many of the names fit into one request; one at least.
fn names_in_one_request<T: AsRef<str>, U>(names: &[(T, U)]) -> usize {
    let mut bytes = 0;
    let fitting = names.iter().take_while(|(name, _)| {
        bytes += name.as_ref().len() + 1;
        bytes <= NAMES_MAX_BYTES
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(meta: &Value, uuid: &str) -> IndexState {
        let index = json!({"mappings": {"_meta": meta}, "settings": {"index": {"uuid": uuid}}});
        IndexState::parse("i", json!({ "i": index }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_copy_is_known_by_the_uuid_that_it_has_brought_along() {
        let marked = |uuid: &str| json!({"rowcast": {"index_uuid": uuid}});

        assert_eq!(standing(&state(&marked("a"), "a"), true), Standing::Same);
        let restored = Standing::Lost(LostIndex::Restored);
        assert_eq!(standing(&state(&marked("a"), "b"), true), restored);
        assert_eq!(standing(&state(&marked("a"), "b"), false), Standing::Same);
        assert_eq!(standing(&state(&json!({"rowcast": {}}), "b"), true), Standing::Same);
        assert_eq!(standing(&state(&json!({"x": 1}), "b"), true), Standing::Unknown);
    }

    #[test]
    fn names_are_asked_for_in_requests_that_fit() {
        let names: Vec<_> = (0..100).map(|n| (format!("{n:0>250}"), ())).collect();

        let (mut rest, mut asked) = (names.as_slice(), 0);
        while !rest.is_empty() {
            let count = names_in_one_request(rest);
            let line: usize = rest.iter().take(count).map(|(name, ())| name.len() + 1).sum();
            assert!(count >= 1 && line <= NAMES_MAX_BYTES);
            (rest, asked) = (&rest[count..], asked + count);
        }

        assert_eq!(asked, 100);
    }
}
