//! Global transaction identifiers and sets of them.
//!
//! Syntax and meaning as in MySQL's manual, "GTID Format and Storage", with the tags of 8.3.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The server (and since MySQL 8.3 the tag) that numbered a transaction.
#[derive(Debug, Clone, Eq)]
pub struct GtidSource {
    /// `server_uuid` of the server that committed it first.
    pub uuid: Uuid,
    /// The tag, empty for none; at most 32 characters, lower case.
    pub tag: String,
}

impl Ord for GtidSource {
    /// By the identifier's bytes as one number, then by the tag, which nearly no transaction has:
    /// every transaction is looked up by this. `memcmp` of nothing is not free: its masked loads
    /// from an address that no page has took a sixth of a small transaction's time.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_tag = || match (self.tag.is_empty(), other.tag.is_empty()) {
            (true, true) => Ordering::Equal,
            _ => self.tag.cmp(&other.tag),
        };
        self.uuid.as_u128().cmp(&other.uuid.as_u128()).then_with(by_tag)
    }
}

impl PartialEq for GtidSource {
    fn eq(&self, other: &Self) -> bool {
        // As bytes: their order is not asked for.
        self.uuid == other.uuid
            && (self.tag.is_empty() && other.tag.is_empty() || self.tag == other.tag)
    }
}

impl std::hash::Hash for GtidSource {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
        self.tag.hash(state);
    }
}

impl PartialOrd for GtidSource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One transaction, written `uuid:number` or `uuid:tag:number`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// Who numbered it.
    pub source: GtidSource,
    /// Its number, from 1.
    pub number: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source.uuid)?;
        if !self.source.tag.is_empty() {
            write!(f, "{}:", self.source.tag)?;
        }
        self.number.fmt(f)
    }
}

/// A set of transactions, as `gtid_executed` is one.
///
/// Kept as disjoint, non-adjacent closed intervals in ascending order for each source, so equal
/// sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    sources: BTreeMap<GtidSource, Vec<Interval>>,
}

/// Transactions `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The first number, at least 1.
    pub first: u64,
    /// The last number, at least `first`.
    pub last: u64,
}

impl GtidSet {
    /// Adds one transaction.
    pub fn insert(&mut self, gtid: &Gtid) {
        let interval = Interval { first: gtid.number, last: gtid.number };
        if let Some(intervals) = self.sources.get_mut(&gtid.source) {
            return insert_interval(intervals, interval);
        }
        self.sources.insert(gtid.source.clone(), vec![interval]);
    }

    /// Adds all transactions of another set.
    pub fn union(&mut self, other: &Self) {
        for (source, intervals) in &other.sources {
            let own = self.sources.entry(source.clone()).or_default();
            for interval in intervals {
                insert_interval(own, *interval);
            }
        }
    }

    /// Whether the transaction is in the set.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        let intervals = self.sources.get(&gtid.source).map_or(&[][..], Vec::as_slice);
        let after = intervals.partition_point(|interval| interval.first <= gtid.number);
        after.checked_sub(1).and_then(|i| intervals.get(i)).is_some_and(|i| gtid.number <= i.last)
    }

    /// Whether every transaction of this set is in the other one.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.sources.iter().all(|(source, intervals)| {
            let theirs = other.sources.get(source).map_or(&[][..], Vec::as_slice);
            intervals.iter().all(|own| {
                theirs.iter().any(|their| their.first <= own.first && own.last <= their.last)
            })
        })
    }

    /// The transactions of this set that are not in the other one.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut sources = BTreeMap::new();
        for (source, intervals) in &self.sources {
            let theirs = other.sources.get(source).map_or(&[][..], Vec::as_slice);
            let left: Vec<_> = intervals.iter().flat_map(|own| without(*own, theirs)).collect();
            if !left.is_empty() {
                sources.insert(source.clone(), left);
            }
        }
        Self { sources }
    }

    /// How many transactions are in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        let intervals = self.sources.values().flatten();
        intervals.fold(0, |sum, it| (it.last - it.first).saturating_add(1).saturating_add(sum))
    }

    /// Whether no transaction is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The sources with their intervals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&GtidSource, &[Interval])> {
        self.sources.iter().map(|(source, intervals)| (source, intervals.as_slice()))
    }
}

/// Inserts an interval and joins what it touches. New transactions nearly always extend the last
/// interval, which is found at once.
fn insert_interval(intervals: &mut Vec<Interval>, new: Interval) {
    if let Some(last) = intervals.last_mut()
        && last.last.checked_add(1) == Some(new.first)
    {
        last.last = new.last;
        return;
    }
    let touches = |old: &Interval| {
        old.first <= new.last.saturating_add(1) && new.first <= old.last.saturating_add(1)
    };
    let start = intervals.partition_point(|old| old.last.saturating_add(1) < new.first);
    let count = intervals.iter().skip(start).take_while(|old| touches(old)).count();
    let joined = intervals.iter().skip(start).take(count).fold(new, |joined, old| Interval {
        first: joined.first.min(old.first),
        last: joined.last.max(old.last),
    });
    intervals.splice(start..start + count, [joined]);
}

/// What is left of an interval without those of an ascending list.
fn without(own: Interval, theirs: &[Interval]) -> Vec<Interval> {
    let mut left = Vec::new();
    let mut first = Some(own.first);
    for their in theirs.iter().filter(|it| it.first <= own.last && own.first <= it.last) {
        let Some(begin) = first else { break };
        if begin < their.first {
            left.push(Interval { first: begin, last: their.first - 1 });
        }
        first = their.last.checked_add(1).filter(|next| *next <= own.last);
    }
    left.extend(first.map(|first| Interval { first, last: own.last }));
    left
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&GtidSource> = None;
        for (source, intervals) in &self.sources {
            if previous.is_none_or(|before| before.uuid != source.uuid) {
                let comma = if previous.is_some() { "," } else { "" };
                write!(f, "{comma}{}", source.uuid)?;
            }
            if !source.tag.is_empty() {
                write!(f, ":{}", source.tag)?;
            }
            for Interval { first, last } in intervals {
                if first == last {
                    write!(f, ":{first}")?;
                } else {
                    write!(f, ":{first}-{last}")?;
                }
            }
            previous = Some(source);
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = ParseGtidSetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            set.parse_source(part).ok_or_else(|| ParseGtidSetError { part: part.to_owned() })?;
        }
        Ok(set)
    }
}

impl GtidSet {
    /// Parses `uuid[:tag]:interval[:interval…][:tag:interval…]`.
    fn parse_source(&mut self, part: &str) -> Option<()> {
        let mut words = part.split(':').map(str::trim);
        let uuid = words.next()?.parse().ok()?;
        let mut source = GtidSource { uuid, tag: String::new() };
        let mut complete = false;
        for word in words {
            if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                source.tag = parse_tag(word)?;
                complete = false;
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let interval = Interval { first: first.parse().ok()?, last: last.parse().ok()? };
            if interval.first == 0 || interval.last < interval.first {
                return None;
            }
            insert_interval(self.sources.entry(source.clone()).or_default(), interval);
            complete = true;
        }
        complete.then_some(())
    }
}

/// A tag: a letter or `_`, then up to 31 letters, digits or `_`; kept in lower case.
fn parse_tag(word: &str) -> Option<String> {
    let valid = word.len() <= 32 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then(|| word.to_ascii_lowercase())
}

/// The text is not a GTID set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid gtid set at {part:?}, expected uuid:first-last")]
pub struct ParseGtidSetError {
    part: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    const A: &str = "7b40b903-e54c-11f1-9537-02fc00000001";
    const B: &str = "8b40b903-e54c-11f1-9537-02fc00000001";

    fn gtid(number: u64) -> Gtid {
        Gtid { source: GtidSource { uuid: A.parse().unwrap(), tag: String::new() }, number }
    }

    fn set(numbers: &BTreeSet<u64>) -> GtidSet {
        let mut set = GtidSet::default();
        numbers.iter().for_each(|number| set.insert(&gtid(*number)));
        set
    }

    #[test]
    fn tags_and_several_servers_print_as_mysql_prints_them() {
        let text = format!("{A}:1-3:7:blue:1-2:red:5,{B}:4");

        assert_eq!(text.parse::<GtidSet>().unwrap().to_string(), text);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["x", A, &format!("{A}:0"), &format!("{A}:5-4"), &format!("{A}:tag")] {
            assert!(text.parse::<GtidSet>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_set_behaves_like_a_set_of_numbers(
            own in prop::collection::btree_set(1_u64..60, 0..40),
            other in prop::collection::btree_set(1_u64..60, 0..40),
            order in Just((1_u64..60).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut shuffled = GtidSet::default();
            order.iter().filter(|n| own.contains(n)).for_each(|n| shuffled.insert(&gtid(*n)));
            prop_assert_eq!(&shuffled, &set(&own));
            prop_assert_eq!(shuffled.to_string().parse::<GtidSet>().unwrap(), set(&own));
            prop_assert!((1..60).all(|n| shuffled.contains(&gtid(n)) == own.contains(&n)));
            prop_assert_eq!(set(&own).is_subset(&set(&other)), own.is_subset(&other));

            let left: BTreeSet<u64> = own.difference(&other).copied().collect();
            prop_assert_eq!(set(&own).difference(&set(&other)), set(&left));
            prop_assert_eq!(set(&left).count(), left.len() as u64);

            shuffled.union(&set(&other));

            prop_assert_eq!(shuffled, set(&own.union(&other).copied().collect()));
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _parsed = text.parse::<GtidSet>();
        }
    }
}
