//! The cluster: its indices, what they are called, and what was asked of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::faults::Faults;
use super::index::{Entry, Index, Place};
use super::product::Product;
use super::refusal::Refusal;

/// Everything that the server has.
#[derive(Default)]
pub(super) struct State {
    pub(super) product: Product,
    pub(super) indices: BTreeMap<String, Index>,
    pub(super) templates: BTreeMap<String, Value>,
    /// The fields that each pipeline sets.
    pub(super) pipelines: BTreeMap<String, Map<String, Value>>,
    /// The index behind each data stream.
    pub(super) streams: BTreeMap<String, String>,
    /// The schemas of the registry, by id.
    pub(super) schemas: BTreeMap<u32, String>,
    /// The latest schema of each subject.
    pub(super) subjects: BTreeMap<String, u32>,
    pub(super) points: HashMap<String, Point>,
    pub(super) faults: Faults,
    pub(super) asked: Asked,
    /// Turned by the test alone.
    pub(super) now: Duration,
    pub(super) refuses_auto_create: bool,
    pub(super) lacks_unsigned_long: bool,
    pub(super) registry_is_down: bool,
    /// What no body may have.
    pub(super) refused_texts: Vec<String>,
    /// Largest body; 0 for any.
    pub(super) max_bytes: usize,
    /// Larger ones end their connections, and nobody is told why.
    pub(super) cuts_large: bool,
    /// What the header `authorization` has to be.
    pub(super) authorization: Option<String>,
    names_given: u64,
}

/// What was visible at one moment, of how many indices ever.
pub(super) struct Point {
    pub(super) documents: Vec<(String, Arc<BTreeMap<Place, Entry>>)>,
    pub(super) filter: Option<Value>,
}

/// What was asked so far.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) bulk_requests: usize,
    pub(super) bulk_bytes: usize,
    pub(super) actions: usize,
    pub(super) applied: usize,
    pub(super) refused_for_size: usize,
    pub(super) searches: usize,
    /// How often each method and path.
    pub(super) calls: BTreeMap<String, usize>,
    /// Bulk requests under way now, and at most.
    pub(super) under_way: (usize, usize),
    /// Actions under way on each document.
    pub(super) documents: HashMap<(String, String), usize>,
    /// The last line about each document.
    pub(super) lines: HashMap<(String, String), Value>,
    /// The most of them at once on one.
    pub(super) most_on_one: usize,
    /// Requests that are held now.
    pub(super) held: usize,
}

impl State {
    pub(super) fn of(product: Product) -> Self {
        Self { product, ..Self::default() }
    }

    /// A name that no other thing has.
    pub(super) fn new_name(&mut self, prefix: &str) -> String {
        self.names_given += 1;
        format!("{prefix}-{}", self.names_given)
    }

    /// The one index that a write to a name goes to.
    pub(super) fn write_index(&self, name: &str) -> Result<Option<String>, Refusal> {
        if self.indices.contains_key(name) {
            return Ok(Some(name.to_owned()));
        }
        if let Some(behind) = self.streams.get(name) {
            return Ok(Some(behind.clone()));
        }
        let behind: Vec<_> = self.behind_alias(name).collect();
        let chosen = behind.iter().find(|(_, alias)| alias["is_write_index"] == true);
        match (chosen, &*behind) {
            (Some((index, _)), _) => Ok(Some((*index).to_owned())),
            (None, [(index, alias)]) if alias["is_write_index"] != false => {
                Ok(Some((*index).to_owned()))
            }
            (None, []) => Ok(None),
            (None, _) => Err(Refusal::illegal(format!(
                "no write index is defined for alias [{name}]. The write index may be explicitly \
                 disabled using is_write_index=false or the alias points to multiple indices \
                 without one being designated as a write index"
            ))),
        }
    }

    /// The indices of a name: itself, or those behind the alias.
    pub(super) fn behind(&self, name: &str) -> Vec<String> {
        let has =
            |(index, found): &(&String, &Index)| *index == name || found.aliases.contains_key(name);
        self.indices.iter().filter(has).map(|(index, _)| index.clone()).collect()
    }

    /// The first index of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Index> {
        self.indices.get(self.behind(name).first()?)
    }

    pub(super) fn named_mut(&mut self, name: &str) -> Option<&mut Index> {
        let name = self.behind(name).first()?.clone();
        self.indices.get_mut(&name)
    }

    pub(super) fn is_alias(&self, name: &str) -> bool {
        self.behind_alias(name).next().is_some()
    }

    fn behind_alias<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let indices = self.indices.iter();
        indices.filter_map(move |(index, found)| Some((index.as_str(), found.aliases.get(name)?)))
    }

    /// The indices that a reading request names, each with the filter of the alias it came by.
    pub(super) fn read_indices(
        &self,
        names: &str,
    ) -> Result<Vec<(String, Option<Value>)>, Refusal> {
        let mut found = Vec::new();
        for name in names.split(',') {
            let before = found.len();
            let is_all = name == "_all";
            for (index, state) in &self.indices {
                let alias = state.aliases.iter().find(|(alias, _)| matches(name, alias));
                if is_all || matches(name, index) || self.streams.get(name) == Some(index) {
                    found.push((index.clone(), None));
                } else if let Some((_, alias)) = alias {
                    found.push((index.clone(), alias.get("filter").cloned()));
                }
            }
            if found.len() == before && !name.contains('*') && !is_all {
                return Err(Refusal::no_index(name));
            }
        }
        Ok(found)
    }
}

/// Whether a name fits a pattern with `*`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

impl Asked {
    /// Counts a request in; what it is about is counted out by [`Self::end`].
    pub(super) fn begin(&mut self, documents: &[(String, String)]) {
        self.under_way.0 += 1;
        self.under_way.1 = self.under_way.1.max(self.under_way.0);
        for document in documents {
            let count = self.documents.entry(document.clone()).or_default();
            *count += 1;
            self.most_on_one = self.most_on_one.max(*count);
        }
    }

    pub(super) fn end(&mut self, documents: &[(String, String)]) {
        self.under_way.0 -= 1;
        for document in documents {
            if let Some(count) = self.documents.get_mut(document) {
                *count -= 1;
            }
        }
        self.documents.retain(|_, count| *count > 0);
    }
}
