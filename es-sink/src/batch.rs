//! Actions that wait for a bulk request, and those of one request.
//!
//! Of several actions on one document only the one with the highest version is kept: it makes the
//! others void, and their records settle with it. What waits is written as it will be sent, so a
//! full batch becomes a request's body without a copy.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::bulk::{BulkAction, DocVersion, DocumentKey};
use crate::bulk_action::{ActionLine, ActionLines, LineOptions, Verb};
use crate::error::Origin;
use crate::fast::{FastMap, FastSet};

/// What a record asks for.
pub(crate) struct NewAction<'a> {
    pub(crate) index: &'a Arc<str>,
    pub(crate) id: &'a str,
    pub(crate) version: DocVersion,
    pub(crate) verb: Verb,
    pub(crate) line: LineOptions<'a>,
    /// The document; empty for a delete.
    pub(crate) body: &'a [u8],
    /// The record.
    pub(crate) origin: Origin,
    /// When the row was changed, since 1970, if the record says it.
    pub(crate) changed_at: Option<Duration>,
}

/// When no more is taken, and how much one request has at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) actions: usize,
    pub(crate) bytes: usize,
}

/// Records that wait at most, however few documents they are about: 100,000, some 5 MB. A limit of
/// the actions alone would let the records of a few hot documents pile up.
const RECORDS_MAX: usize = 100_000;
/// Replaced actions leave holes. They are closed when they are more than the rest, but not for less
/// than 256 KiB, which costs nothing to keep.
const HOLES_MIN: usize = 256 << 10;

/// Actions that wait, the last one for each document.
#[derive(Default)]
pub(crate) struct Pending {
    actions: Vec<BulkAction>,
    by_index: FastMap<Arc<str>, FastMap<Arc<str>, usize>>,
    lines: ActionLines,
    /// The lines of all actions, and of those that were replaced.
    body: Vec<u8>,
    /// How much of the body is not replaced.
    live_bytes: usize,
    records: usize,
    oldest: Option<Instant>,
}

impl Pending {
    /// Adds an action, unless a later one on its document waits already.
    pub(crate) fn push(&mut self, new: &NewAction<'_>) {
        self.oldest.get_or_insert_with(Instant::now);
        self.records += 1;
        let waiting = self.by_index.get(new.index).and_then(|ids| ids.get(new.id));
        let Some(place) = waiting.copied() else { return self.add(new) };
        let Some(action) = self.actions.get_mut(place) else { return };
        // An older one can come later: from another partition, or after a rewind.
        if action.version >= new.version {
            action.void.push(new.origin.clone());
            return;
        }
        action.void.push(action.origin.clone());
        let (line, document) = write_lines(new, &mut self.lines, &mut self.body);
        self.live_bytes = (self.live_bytes + line.len()).saturating_sub(action.line.len());
        (action.version, action.verb) = (new.version, new.verb);
        (action.line, action.document_bytes) = (line, document);
        (action.origin, action.changed_at) = (new.origin.clone(), new.changed_at);
        self.close_holes();
    }

    fn add(&mut self, new: &NewAction<'_>) {
        let (line, document_bytes) = write_lines(new, &mut self.lines, &mut self.body);
        self.live_bytes += line.len();
        let document = DocumentKey { index: Arc::clone(new.index), id: new.id.into() };
        self.enter(&document);
        self.actions.push(BulkAction {
            document,
            version: new.version,
            verb: new.verb,
            line,
            document_bytes,
            origin: new.origin.clone(),
            changed_at: new.changed_at,
            void: Vec::new(),
        });
    }

    fn enter(&mut self, document: &DocumentKey) {
        let ids = match self.by_index.get_mut(&document.index) {
            Some(ids) => ids,
            None => self.by_index.entry(Arc::clone(&document.index)).or_default(),
        };
        ids.insert(Arc::clone(&document.id), self.actions.len());
    }

    fn close_holes(&mut self) {
        if self.body.len() < HOLES_MIN || self.body.len() < 2 * self.live_bytes {
            return;
        }
        let mut body = Vec::with_capacity(self.live_bytes);
        for action in &mut self.actions {
            action.line = copy(&action.line, &self.body, &mut body);
        }
        self.body = body;
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// How many actions wait.
    pub(crate) fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether a limit is reached.
    pub(crate) fn is_full(&self, limits: BatchLimits) -> bool {
        self.actions.len() >= limits.actions
            || self.live_bytes >= limits.bytes
            || self.records >= RECORDS_MAX
    }

    /// Since when the oldest one waits.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Takes a request's worth, in the order in which the documents came first. What is `busy` has
    /// an action under way, and waits. `None` if there is nothing that may be sent.
    pub(crate) fn seal(
        &mut self,
        busy: &FastSet<DocumentKey>,
        limits: BatchLimits,
    ) -> Option<Batch> {
        let waiting = self.actions.iter().filter(|action| busy.contains(&action.document)).count();
        if waiting == self.actions.len() {
            return None;
        }
        let is_whole = waiting == 0
            && self.live_bytes == self.body.len()
            && self.actions.len() <= limits.actions
            && self.live_bytes <= limits.bytes;
        let (actions, body, oldest) = self.take();
        if is_whole {
            return Some(Batch { actions, body: body.into() });
        }
        let (mut taken, mut left, mut bytes) = (Vec::new(), Vec::new(), 0);
        for action in actions {
            let fits = taken.len() < limits.actions
                && (taken.is_empty() || bytes + action.line.len() <= limits.bytes);
            if fits && !busy.contains(&action.document) {
                bytes += action.line.len();
                taken.push(action);
            } else {
                left.push(action);
            }
        }
        self.keep(left, &body, oldest);
        (!taken.is_empty()).then(|| Batch::copied(taken, &body))
    }

    /// Takes everything, and makes room for about as much again: to grow bit by bit would copy each
    /// request once more. An index that nothing was for is forgotten.
    fn take(&mut self) -> (Vec<BulkAction>, Vec<u8>, Option<Instant>) {
        let with_slack = |length: usize| length + length / 8;
        let actions = Vec::with_capacity(with_slack(self.actions.len()));
        let body = Vec::with_capacity(with_slack(self.body.len()));
        self.by_index.retain(|_, ids| {
            let was_used = !ids.is_empty();
            ids.clear();
            was_used
        });
        (self.live_bytes, self.records) = (0, 0);
        let actions = std::mem::replace(&mut self.actions, actions);
        (actions, std::mem::replace(&mut self.body, body), self.oldest.take())
    }

    fn keep(&mut self, actions: Vec<BulkAction>, body: &[u8], oldest: Option<Instant>) {
        for mut action in actions {
            action.line = copy(&action.line, body, &mut self.body);
            self.live_bytes += action.line.len();
            self.records += action.origins().count();
            self.enter(&action.document);
            self.actions.push(action);
            self.oldest = oldest;
        }
    }
}

/// The actions of one request.
#[derive(Default)]
pub(crate) struct Batch {
    actions: Vec<BulkAction>,
    body: Bytes,
}

impl Batch {
    /// A batch of one action after another.
    pub(crate) fn of<'a>(actions: impl IntoIterator<Item = NewAction<'a>>) -> Self {
        let mut pending = Pending::default();
        actions.into_iter().for_each(|action| pending.push(&action));
        let limits = BatchLimits { actions: usize::MAX, bytes: usize::MAX };
        pending.seal(&FastSet::default(), limits).unwrap_or_default()
    }

    fn copied(mut actions: Vec<BulkAction>, from: &[u8]) -> Self {
        let mut body = Vec::with_capacity(actions.iter().map(|action| action.line.len()).sum());
        for action in &mut actions {
            action.line = copy(&action.line, from, &mut body);
        }
        Self { actions, body: body.into() }
    }

    /// Whether it has no action.
    pub(crate) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The actions in the order in which their documents came first.
    pub(crate) fn actions(&self) -> &[BulkAction] {
        &self.actions
    }

    /// The size of its body.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// What an action adds to a body.
    pub(crate) fn bytes_of(action: &BulkAction) -> usize {
        action.line.len()
    }

    /// The bytes of one document; none for a delete.
    pub(crate) fn document(&self, action: &BulkAction) -> &[u8] {
        // Its line break comes after it.
        let end = action.line.end.saturating_sub(1);
        let start = end.saturating_sub(action.document_bytes);
        self.body.get(start..end).unwrap_or_default()
    }

    /// A batch of one action that is like one of this batch, but for its document.
    pub(crate) fn with_document(&self, action: &BulkAction, document: &[u8]) -> Self {
        let header = action.line.end.saturating_sub(action.document_bytes + 1);
        let header = self.body.get(action.line.start..header).unwrap_or_default();
        let body = [header, document, b"\n"].concat();
        let (line, document_bytes) = (0..body.len(), document.len());
        let actions = vec![BulkAction { line, document_bytes, ..action.clone() }];
        Self { actions, body: body.into() }
    }

    /// The body of a request with some of the actions, by their places in ascending order. Only
    /// what has gaps is copied.
    pub(crate) fn body(&self, part: &[usize]) -> Bytes {
        let lines = || part.iter().filter_map(|place| self.actions.get(*place)).map(|a| &a.line);
        let (Some(first), Some(last)) = (lines().next(), lines().next_back()) else {
            return Bytes::new();
        };
        let bytes: usize = lines().map(Range::len).sum();
        // The lines follow each other in the order of the actions.
        if last.end.checked_sub(first.start) == Some(bytes) {
            return self.body.slice(first.start..last.end);
        }
        let mut body = Vec::with_capacity(bytes);
        for line in lines() {
            copy(line, &self.body, &mut body);
        }
        body.into()
    }
}

/// Writes the action's line, and the document's. Where both are, and how long the document is.
fn write_lines(
    new: &NewAction<'_>,
    lines: &mut ActionLines,
    body: &mut Vec<u8>,
) -> (Range<usize>, usize) {
    let start = body.len();
    let NewAction { verb, index, id, line: options, .. } = *new;
    // What is created is there or not; it has no version to compare.
    let version = (verb != Verb::Create).then_some(new.version.0);
    lines.write(&ActionLine { verb, index, id, version, options }, body);
    if new.verb == Verb::Delete {
        return (start..body.len(), 0);
    }
    body.extend_from_slice(new.body);
    body.push(b'\n');
    (start..body.len(), new.body.len())
}

fn copy(line: &Range<usize>, from: &[u8], to: &mut Vec<u8>) -> Range<usize> {
    let start = to.len();
    to.extend_from_slice(from.get(line.clone()).unwrap_or_default());
    start..to.len()
}

#[cfg(test)]
mod tests;
