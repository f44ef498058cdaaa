//! Values that were written as something else than they are: counted, so that none is silent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Why a value was written as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// BIGINT UNSIGNED from 2^63 on, written as a negative number.
    Wrapped,
    /// NULL, written as its column's default.
    Defaulted,
    /// A value that its form cannot hold, written as NULL, the default or the epoch.
    Unconvertible,
}

impl Loss {
    const ALL: [Self; 3] = [Self::Wrapped, Self::Defaulted, Self::Unconvertible];

    /// What happened, and how to keep the value.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Wrapped => "set bigint.unsigned.handling.mode=precise to keep the number",
            Self::Defaulted => "set ignore.default.for.nullables=true to keep NULL",
            Self::Unconvertible => {
                "set event.converting.failure.handling.mode=fail to stop the table instead"
            }
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wrapped => "wrapped",
            Self::Defaulted => "null replaced by default",
            Self::Unconvertible => "unconvertible",
        }
    }
}

/// The counts of a plan, by column and kind.
#[derive(Debug)]
pub struct Losses {
    columns: Box<[[Counter; 3]]>,
    /// Whether a count left zero since [`Losses::take_new`] was last asked.
    has_new: AtomicBool,
}

#[derive(Debug, Default)]
struct Counter {
    count: AtomicU64,
    is_told: AtomicBool,
}

impl Losses {
    pub(super) fn new(columns: usize) -> Self {
        let columns = std::iter::repeat_with(Default::default).take(columns).collect();
        Self { columns, has_new: AtomicBool::new(false) }
    }

    pub(super) fn count(&self, column: usize, loss: Loss) {
        let counter = self.columns.get(column).and_then(|counters| counters.get(loss as usize));
        if counter.is_some_and(|counter| counter.count.fetch_add(1, Ordering::Relaxed) == 0) {
            self.has_new.store(true, Ordering::Relaxed);
        }
    }

    /// The losses that were not told of yet, with the number of their column among those that are
    /// written. Cheap enough to ask after each event.
    pub fn take_new(&self) -> impl Iterator<Item = (usize, Loss)> {
        let has_new = self.has_new.load(Ordering::Relaxed);
        if has_new {
            self.has_new.store(false, Ordering::Relaxed);
        }
        let counted = has_new.then(|| self.counted()).into_iter().flatten();
        counted
            .filter(|(.., counter)| !counter.is_told.swap(true, Ordering::Relaxed))
            .map(|(column, loss, _)| (column, loss))
    }

    /// All counts above zero, with the number of their column among those that are written.
    pub fn counts(&self) -> impl Iterator<Item = (usize, Loss, u64)> {
        self.counted()
            .map(|(column, loss, counter)| (column, loss, counter.count.load(Ordering::Relaxed)))
    }

    fn counted(&self) -> impl Iterator<Item = (usize, Loss, &Counter)> {
        self.columns.iter().enumerate().flat_map(|(column, counters)| {
            let all = Loss::ALL.into_iter().zip(counters);
            all.filter(|(_, counter)| counter.count.load(Ordering::Relaxed) > 0)
                .map(move |(loss, counter)| (column, loss, counter))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_told_of_once_and_counted_always() {
        let losses = Losses::new(2);

        losses.count(1, Loss::Wrapped);
        losses.count(1, Loss::Wrapped);
        let first: Vec<_> = losses.take_new().collect();
        losses.count(0, Loss::Defaulted);
        losses.count(1, Loss::Wrapped);
        let second: Vec<_> = losses.take_new().collect();

        assert_eq!(first, [(1, Loss::Wrapped)]);
        assert_eq!(second, [(0, Loss::Defaulted)]);
        let counts: Vec<_> = losses.counts().collect();
        assert_eq!(counts, [(0, Loss::Defaulted, 1), (1, Loss::Wrapped, 3)]);
    }
}
