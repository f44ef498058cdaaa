//! What the records of a topic say of each row, in 12 bytes a row.
//!
//! A row's column `a` begins at 0 and grows by one with each change, so that a change that is
//! missing, there twice, or in the wrong place shows, as does a copied row that is older than what
//! was streamed before it.

use super::Records;
use super::shape::{Change, Row};

/// More rows than any run has: what a broken record could ask for is bounded.
const IDS_MAX: usize = 1 << 27;

/// Problems that are told of word by word; the others are counted.
const TOLD: usize = 20;

/// The rows of one topic of one partition.
#[derive(Default)]
pub(super) struct Ledger {
    rows: Vec<Entry>,
    pub(super) counts: Records,
    pub(super) read_twice: u64,
    pub(super) problems: Problems,
    lsn: u64,
}

/// The first ones, and how many there are.
#[derive(Default)]
pub(super) struct Problems {
    pub(super) told: Vec<String>,
    pub(super) count: u64,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// CRC-32 of the newest image.
    digest: u32,
    a: u32,
    state: State,
    was_read: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No record has told of it.
    #[default]
    Unknown,
    There,
    /// A tombstone has to follow.
    Deleted,
    Gone,
}

impl Problems {
    pub(super) fn add(&mut self, problem: String) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(problem);
        }
    }
}

impl Ledger {
    /// How many records it has taken.
    pub(super) fn records(&self) -> u64 {
        let Records { read, created, updated, deleted, tombstones } = &self.counts;
        read + created + updated + deleted + tombstones
    }

    /// Takes the next record that has a value.
    pub(super) fn change(&mut self, key: i64, change: &Change<'_>) {
        self.in_order(key, change.lsn);
        let image = change.after.or(change.before).unwrap_or_default();
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let read_twice = self.read_twice;
        let Some(entry) = self.entry(key).filter(|_| image.id == key) else {
            return self.problems.add(format!("a record of key {key} is of row {}", image.id));
        };
        let known = *entry;
        let wrong = match (change.op, before, after) {
            (b"r", None, Some(after)) => entry.read(after),
            (b"c", None, Some(after)) => entry.created(after),
            (b"u", Some(before), Some(after)) => entry.updated(before, after),
            (b"d", Some(before), None) => entry.deleted(before),
            _ => Some("has not the images of its operation"),
        };
        let counts = &mut self.counts;
        match change.op {
            b"r" => counts.read += 1,
            b"c" => counts.created += 1,
            b"u" => counts.updated += 1,
            _ => counts.deleted += 1,
        }
        if change.op == b"r" && known.was_read {
            self.read_twice = read_twice + 1;
        }
        if let Some(wrong) = wrong {
            let op = String::from_utf8_lossy(change.op);
            let (lsn, a) = (change.lsn, image.a);
            self.problems.add(format!(
                "{op} of {key}, lsn {lsn}, a {a}, {wrong}; it was {:?} with a {}",
                known.state, known.a
            ));
        }
    }

    /// Takes the next record, which has no value.
    pub(super) fn tombstone(&mut self, key: i64, lsn: u64) {
        self.in_order(key, lsn);
        self.counts.tombstones += 1;
        let Some(entry) = self.entry(key) else {
            return self.problems.add(format!("a tombstone has the key {key}"));
        };
        let state = std::mem::replace(&mut entry.state, State::Gone);
        if state != State::Deleted {
            self.problems.add(format!("a tombstone of {key} that was {state:?}"));
        }
    }

    /// Compares a row of the table; `digest` is [`digest`] of it.
    pub(super) fn compare(&mut self, id: i64, found: u32) -> bool {
        let equal =
            self.entry(id).is_some_and(|row| row.state == State::There && row.digest == found);
        if !equal {
            let state = self.entry(id).map(|row| (row.state, row.a));
            self.problems.add(format!("row {id} of the table is {state:?} in the topic"));
        }
        equal
    }

    /// How many rows there are by the topic.
    pub(super) fn there(&self) -> u64 {
        self.rows.iter().filter(|row| row.state == State::There).count() as u64
    }

    fn entry(&mut self, key: i64) -> Option<&mut Entry> {
        let index = usize::try_from(key).ok().filter(|index| *index < IDS_MAX)?;
        if index >= self.rows.len() {
            self.rows.resize(index + 1, Entry::default());
        }
        self.rows.get_mut(index)
    }

    /// Numbers grow within a partition.
    fn in_order(&mut self, key: i64, lsn: u64) {
        if lsn <= self.lsn {
            let last = self.lsn;
            self.problems.add(format!("a record of {key} has lsn {lsn} behind {last}"));
        }
        self.lsn = lsn;
    }
}

impl Entry {
    /// A copied row is what the stream has said last, if it has said anything.
    fn read(&mut self, row: &Row<'_>) -> Option<&'static str> {
        let known = *self;
        self.take(row);
        self.was_read = true;
        match known.state {
            State::Unknown => None,
            State::There if known.was_read => Some("was read before"),
            State::There if known.digest == self.digest => None,
            State::There => Some("is not what was streamed"),
            State::Deleted | State::Gone => Some("had been deleted"),
        }
    }

    fn created(&mut self, row: &Row<'_>) -> Option<&'static str> {
        let known = *self;
        self.take(row);
        (known.state != State::Unknown || row.a != 0).then_some("is no new row")
    }

    fn updated(&mut self, before: &Row<'_>, after: &Row<'_>) -> Option<&'static str> {
        let wrong = self.is_not(before);
        self.take(after);
        wrong.or((after.a != before.a + 1).then_some("does not follow its own `before`"))
    }

    fn deleted(&mut self, before: &Row<'_>) -> Option<&'static str> {
        let wrong = self.is_not(before);
        self.state = State::Deleted;
        wrong
    }

    /// Whether the image before a change is not the one that the last record had.
    fn is_not(&self, before: &Row<'_>) -> Option<&'static str> {
        match self.state {
            State::Unknown => None,
            State::There if self.digest == digest(before) => None,
            State::There => Some("does not follow the last record"),
            State::Deleted | State::Gone => Some("had been deleted"),
        }
    }

    fn take(&mut self, row: &Row<'_>) {
        self.digest = digest(row);
        self.a = u32::try_from(row.a).unwrap_or(u32::MAX);
        self.state = State::There;
    }
}

/// CRC-32 of a row's values as text, as [`DIGEST`](super::table::DIGEST) has it.
fn digest(row: &Row<'_>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(format!("{}|{}|", row.id, row.a).as_bytes());
    hasher.update(row.b);
    hasher.update(format!("|{}", row.c).as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, a: i64) -> Row<'static> {
        Row { id, a, b: b"text", c: 1_577_836_800_000 }
    }

    /// Takes changes of row 1, each as its operation and the numbers before and after it.
    fn problems(changes: &[(&'static str, Option<i64>, Option<i64>)]) -> (Vec<String>, u64) {
        let mut ledger = Ledger::default();
        for (lsn, (op, before, after)) in (1..).zip(changes) {
            let image = |a: &Option<i64>| a.map(|a| row(1, a));
            let (before, after) = (image(before), image(after));
            if *op == "tombstone" {
                ledger.tombstone(1, lsn);
            } else {
                ledger.change(1, &Change { op: op.as_bytes(), before, after, lsn });
            }
        }
        (ledger.problems.told, ledger.read_twice)
    }

    const READ: (&str, Option<i64>, Option<i64>) = ("r", None, Some(3));
    const UPDATED: (&str, Option<i64>, Option<i64>) = ("u", Some(3), Some(4));
    const DELETED: (&str, Option<i64>, Option<i64>) = ("d", Some(4), None);
    const TOMBSTONE: (&str, Option<i64>, Option<i64>) = ("tombstone", None, None);

    #[test]
    fn a_life_without_gaps_is_right() {
        assert_eq!(problems(&[READ, UPDATED, DELETED, TOMBSTONE]), (vec![], 0));
        assert_eq!(problems(&[("u", Some(2), Some(3)), READ, UPDATED]), (vec![], 0));
        assert_eq!(problems(&[("c", None, Some(0)), ("r", None, Some(0))]), (vec![], 0));
        assert_eq!(problems(&[DELETED, TOMBSTONE]), (vec![], 0));
    }

    #[test]
    fn what_is_missing_twice_or_in_the_wrong_place_is_told() {
        let wrong: [&[_]; 9] = [
            &[UPDATED, READ],
            &[READ, UPDATED, UPDATED],
            &[READ, DELETED],
            &[UPDATED, DELETED, TOMBSTONE, READ],
            &[READ, TOMBSTONE],
            &[UPDATED, DELETED, TOMBSTONE, TOMBSTONE],
            &[READ, ("c", None, Some(0))],
            &[("c", None, Some(1))],
            &[("u", None, Some(4))],
        ];
        for changes in wrong {
            assert_eq!(problems(changes).0.len(), 1, "{changes:?}");
        }
        assert_eq!(problems(&[READ, READ]).1, 1);
    }

    #[test]
    fn lsns_grow_and_keys_are_those_of_their_rows() {
        let mut ledger = Ledger::default();
        let created = |lsn| Change { op: b"c", before: None, after: Some(row(2, 0)), lsn };

        ledger.change(2, &created(5));
        ledger.tombstone(2, 5);
        ledger.change(3, &created(6));
        ledger.change(-1, &created(7));

        assert_eq!(ledger.problems.count, 4, "{:?}", ledger.problems.told);
    }

    #[test]
    fn a_digest_is_the_crc_of_the_values_as_text() {
        // SELECT CRC32('2|7|text|1577836800000')
        let text = b"2|7|text|1577836800000";

        let mut ledger = Ledger::default();
        ledger.change(2, &Change { op: b"r", before: None, after: Some(row(2, 7)), lsn: 1 });

        assert!(ledger.compare(2, crc32fast::hash(text)));
        assert!(!ledger.compare(2, 0) && !ledger.compare(1, 0));
        assert_eq!((ledger.there(), ledger.problems.count), (1, 2));
    }
}
