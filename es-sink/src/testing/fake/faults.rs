//! What goes wrong, and when.

use std::collections::VecDeque;

/// What goes wrong with one bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is applied, the connection is cut.
    CutBefore,
    /// All is applied, the connection is cut.
    CutAfter,
    /// All is applied, half of the answer comes, the connection is cut.
    CutWithin,
    /// All is applied, the answer has an item less.
    WrongCount,
    /// All is applied, the answer's items are in another order.
    WrongOrder,
    /// Nothing is applied, 503.
    Unavailable,
    /// Nothing is applied, 502 and a page of HTML, as a proxy answers.
    BadGateway,
    /// Nothing is applied, 200 and a page of HTML.
    Html,
    /// Nothing is applied, 429.
    Busy,
    /// Nothing is applied, 429 because the memory is full.
    CircuitBreaker,
    /// Each second item is refused with 429, the others are applied.
    ItemsBusy,
    /// Each second item is refused with 503, because a shard is away; the others are applied.
    ItemsUnavailable,
    /// Each second item is refused with 500; the others are applied.
    ItemsFail,
    /// Requests of more than one action are too large.
    TooLarge,
    /// Nothing is applied; the answer never comes.
    Hang,
    /// 401.
    WrongPassword,
    /// The first item is refused for its mapping.
    BadDocument,
}

/// What a sweep asks for before it deletes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `_refresh`.
    Refresh,
    /// The opening of a point in time.
    Open,
    /// `_search`.
    Search,
}

/// What goes wrong with one request that is no bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchFault {
    /// The connection is cut.
    Cut,
    /// All is done, the connection is cut.
    CutAfter,
    /// 429.
    Busy,
    /// 503.
    Unavailable,
    /// An answer without what one of the shards has.
    ShardMissing,
    /// The point in time is forgotten.
    Lost,
}

/// Which requests such a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Aim {
    Phase(Phase),
    /// Method and path have this text.
    Path(String),
}

/// Faults that have not happened yet.
#[derive(Debug, Default)]
pub(super) struct Faults {
    bulk: VecDeque<Fault>,
    others: Vec<(Aim, SearchFault)>,
}

impl Faults {
    pub(super) fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.bulk.extend(faults);
    }

    pub(super) fn add_searches(&mut self, faults: impl IntoIterator<Item = (Phase, SearchFault)>) {
        self.others.extend(faults.into_iter().map(|(phase, fault)| (Aim::Phase(phase), fault)));
    }

    pub(super) fn add_request(&mut self, part: &str, fault: SearchFault) {
        self.others.push((Aim::Path(part.to_owned()), fault));
    }

    pub(super) fn of_bulk(&mut self) -> Option<Fault> {
        self.bulk.pop_front()
    }

    pub(super) fn of_request(&mut self, method: &str, path: &str) -> Option<SearchFault> {
        let phase = match path.rsplit('/').next() {
            Some("_refresh") => Some(Phase::Refresh),
            Some("_pit" | "point_in_time") => Some(Phase::Open),
            Some("_search") => Some(Phase::Search),
            _ => None,
        };
        let call = format!("{method} {path}");
        let number = self.others.iter().position(|(aim, _)| match aim {
            Aim::Phase(failing) => phase == Some(*failing),
            Aim::Path(part) => call.contains(part),
        })?;
        Some(self.others.remove(number).1)
    }

    pub(super) fn len(&self) -> usize {
        self.bulk.len() + self.others.len()
    }
}
