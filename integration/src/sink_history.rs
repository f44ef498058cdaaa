//! Random histories of a table as a topic brings them to a sink, and what its index must be.
//!
//! A history has writes and deletes of a few keys, changes of keys, sweeps, records that come twice
//! at once, and replays: from any earlier record on, everything comes again. It has no MySQL and no
//! Kafka; whoever runs it delivers it as he likes.
//!
//! A replay always goes on to the end of what was written. So the last change of each key is the
//! last that comes, and the index must be the model also when a server has forgotten its deletes,
//! as it does when it restarts. A write that comes again without the delete behind it is the
//! documented limit, and not drawn here.

use std::collections::BTreeMap;

use crate::random::Random;

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose row.
    pub key: u64,
    /// The place of the change among all.
    pub lsn: u64,
    /// The row's value; none when it is deleted.
    pub value: Option<u64>,
}

/// A record, in the order of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A row has changed.
    Row(Change),
    /// All rows of lower numbers than this are gone.
    Sweep {
        /// The number.
        before: u64,
    },
}

/// How long, and of how many keys.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the random numbers begin with.
    pub seed: u64,
    /// Parts that are delivered one after the other.
    pub steps: u64,
    /// Keys.
    pub keys: u64,
}

/// A history and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What is delivered together, one part after the other.
    pub steps: Vec<Vec<Entry>>,
    /// The value and the number of each key that has a row in the end.
    pub rows: BTreeMap<u64, (u64, u64)>,
}

impl History {
    /// Draws one.
    #[must_use]
    pub fn draw(options: Options) -> Self {
        let mut writer = Writer {
            random: Random::new(options.seed),
            keys: options.keys,
            lsn: 0,
            log: Vec::new(),
            rows: BTreeMap::new(),
        };
        let mut steps: Vec<_> = (0..options.steps).map(|_| writer.step()).collect();
        // Some rows are left, so an index that nothing has come to is never the end.
        let last = |key| Entry::Row(writer.change(key, Some(key)));
        steps.push((0..options.keys.div_ceil(4)).map(last).collect());
        Self { steps, rows: writer.rows }
    }
}

struct Writer {
    random: Random,
    keys: u64,
    lsn: u64,
    /// Everything once.
    log: Vec<Entry>,
    rows: BTreeMap<u64, (u64, u64)>,
}

impl Writer {
    fn step(&mut self) -> Vec<Entry> {
        match self.random.below(40) {
            0..=5 => return self.replay(),
            6 => {
                self.lsn += 1;
                let before = self.lsn;
                self.rows.retain(|_, (_, lsn)| *lsn >= before);
                self.log.push(Entry::Sweep { before });
                return vec![Entry::Sweep { before }];
            }
            _ => {}
        }
        let mut entries = Vec::new();
        for _ in 0..self.random.between(1, 40) {
            for change in self.changes() {
                let entry = Entry::Row(change);
                self.log.push(entry);
                entries.push(entry);
                if self.random.chance(10) {
                    entries.push(entry);
                }
            }
        }
        entries
    }

    /// Everything from some record on.
    fn replay(&mut self) -> Vec<Entry> {
        let length = u64::try_from(self.log.len()).unwrap_or(u64::MAX);
        let from = usize::try_from(self.random.below(length)).unwrap_or(usize::MAX);
        self.log.get(from..).unwrap_or_default().to_vec()
    }

    /// What one statement does.
    fn changes(&mut self) -> Vec<Change> {
        let (key, other) = (self.random.below(self.keys), self.random.below(self.keys));
        let value = self.random.below(1_000_000);
        match self.random.below(10) {
            0..=1 => vec![self.change(key, None)],
            // The key of a row changes, as the source writes it.
            2 if key != other => vec![self.change(key, None), self.change(other, Some(value))],
            _ => vec![self.change(key, Some(value))],
        }
    }

    fn change(&mut self, key: u64, value: Option<u64>) -> Change {
        // Numbers grow with holes.
        self.lsn += self.random.between(1, 3);
        match value {
            Some(value) => self.rows.insert(key, (value, self.lsn)),
            None => self.rows.remove(&key),
        };
        Change { key, lsn: self.lsn, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64) -> Options {
        Options { seed, steps: 60, keys: 8 }
    }

    /// A table to which everything is done in the order in which it comes, without versions.
    fn applied(history: &History) -> BTreeMap<u64, (u64, u64)> {
        let mut rows = BTreeMap::new();
        for entry in history.steps.iter().flatten() {
            match entry {
                Entry::Row(Change { key, lsn, value: Some(value) }) => {
                    rows.insert(*key, (*value, *lsn));
                }
                Entry::Row(Change { key, value: None, .. }) => drop(rows.remove(key)),
                Entry::Sweep { before } => rows.retain(|_, (_, lsn)| *lsn >= *before),
            }
        }
        rows
    }

    #[test]
    fn a_seed_repeats_a_history() {
        assert_eq!(History::draw(options(7)), History::draw(options(7)));
        assert_ne!(History::draw(options(7)), History::draw(options(8)));
    }

    /// So a server that forgets all versions has to end there too.
    #[test]
    fn what_comes_last_of_each_key_is_the_end() {
        for seed in 0..200 {
            let history = History::draw(options(seed));
            assert_eq!(applied(&history), history.rows, "seed {seed}");
        }
    }

    /// A test that draws nothing of a kind would show nothing of it.
    #[test]
    fn histories_have_deletes_sweeps_and_replays() {
        let histories: Vec<_> = (0..20).map(|seed| History::draw(options(seed))).collect();
        let entries: Vec<_> = histories.iter().flat_map(|h| h.steps.iter().flatten()).collect();
        let highest = |history: &History| {
            let lsns = history.steps.iter().flatten().map(|entry| match entry {
                Entry::Row(change) => change.lsn,
                Entry::Sweep { before } => *before,
            });
            lsns.fold((0, 0), |(max, falls), lsn| (max.max(lsn), falls + u64::from(lsn < max))).1
        };

        assert!(entries.iter().any(|entry| matches!(entry, Entry::Sweep { .. })));
        assert!(entries.iter().any(|e| matches!(e, Entry::Row(Change { value: None, .. }))));
        assert!(histories.iter().map(highest).sum::<u64>() > 1_000);
        assert!(histories.iter().all(|history| !history.rows.is_empty()));
    }
}
