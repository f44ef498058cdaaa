//! A row change: the operation, with exactly the images that it has.

use std::ops::Range;

use crate::bytes;

/// One change of one row; `R` is how the row is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange<R> {
    /// The row as a snapshot found it.
    Read(R),
    /// A new row.
    Create(R),
    /// A changed row.
    Update {
        /// As it was.
        before: R,
        /// As it is.
        after: R,
    },
    /// A removed row, as it was.
    Delete(R),
}

impl<R> RowChange<R> {
    /// The row as it was, if it was there.
    pub fn before(&self) -> Option<&R> {
        match self {
            Self::Read(_) | Self::Create(_) => None,
            Self::Update { before, .. } | Self::Delete(before) => Some(before),
        }
    }

    /// The row as it is, if it is still there.
    pub fn after(&self) -> Option<&R> {
        match self {
            Self::Read(after) | Self::Create(after) | Self::Update { after, .. } => Some(after),
            Self::Delete(_) => None,
        }
    }

    /// Debezium's code for the operation.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Read(_) => "r",
            Self::Create(_) => "c",
            Self::Update { .. } => "u",
            Self::Delete(_) => "d",
        }
    }

    /// The same as a letter.
    pub(crate) fn op_letter(&self) -> u8 {
        match self {
            Self::Read(_) => b'r',
            Self::Create(_) => b'c',
            Self::Update { .. } => b'u',
            Self::Delete(_) => b'd',
        }
    }
}

/// Where one column's bytes are in a row image: eight bytes, because an event has many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    start: u32,
    /// Below `start` for NULL.
    end: u32,
}

impl Extent {
    /// Of a column that is NULL.
    pub const NULL: Self = Self { start: 1, end: 0 };

    /// The bytes from `start` to `end`, which is not before it.
    #[inline]
    #[must_use]
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The same for places in memory; `None` from 4 GiB on, which no event has.
    #[must_use]
    pub fn of(place: Range<usize>) -> Option<Self> {
        Some(Self { start: place.start.try_into().ok()?, end: place.end.try_into().ok()? })
    }

    /// The place of the bytes; for NULL one where no bytes are.
    #[inline]
    fn place(self) -> Option<Range<usize>> {
        Some(usize::try_from(self.start).ok()?..usize::try_from(self.end).ok()?)
    }

    /// How many bytes the value has; for NULL more than any.
    #[inline]
    fn length(self) -> u32 {
        self.end.wrapping_sub(self.start)
    }

    /// First byte and the one after the last, or `None` for NULL.
    #[must_use]
    pub fn range(self) -> Option<Range<usize>> {
        self.place().filter(|place| place.start <= place.end)
    }
}

/// A row image in the binlog: the bytes of each column, borrowed from the event.
#[derive(Clone, Copy)]
pub struct RowImage<'a> {
    data: &'a [u8],
    extents: &'a [Extent],
}

impl<'a> RowImage<'a> {
    /// Joins the event's data with the places of one row's columns in it.
    #[must_use]
    pub fn new(data: &'a [u8], extents: &'a [Extent]) -> Self {
        Self { data, extents }
    }

    /// The bytes of a column, or `None` for NULL.
    #[must_use]
    #[inline]
    pub fn column(&self, index: usize) -> Option<&'a [u8]> {
        self.data.get(self.extents.get(index)?.place()?)
    }

    /// For each column whether it holds the same bytes in another row, or is NULL in both.
    #[inline]
    pub fn same_columns(&self, other: &Self) -> impl Iterator<Item = bool> {
        let extents = self.extents.iter().zip(other.extents);
        extents.map(|(own, theirs)| self.is_same(other, *own, *theirs))
    }

    /// The same for one column.
    #[must_use]
    pub fn has_same(&self, other: &Self, index: usize) -> bool {
        let extents = self.extents.get(index).zip(other.extents.get(index));
        extents.is_some_and(|(own, theirs)| self.is_same(other, *own, *theirs))
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each column is a tenth of a row's time")]
    fn is_same(&self, other: &Self, own: Extent, theirs: Extent) -> bool {
        let length = own.length();
        if length != theirs.length() {
            return false;
        }
        let (Some(a), Some(b)) = (self.from(own), other.from(theirs)) else { return false };
        // Up to eight bytes are compared as a word, with what follows them in the event.
        if length <= 8
            && let (Some(a), Some(b)) = (a.first_chunk(), b.first_chunk())
        {
            let different = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
            return different.checked_shl(64 - 8 * length).unwrap_or_default() == 0;
        }
        let Ok(length) = usize::try_from(length) else { return false };
        match (a.get(..length), b.get(..length)) {
            (Some(own), Some(theirs)) => bytes::equal(own, theirs),
            // NULL is longer than all data.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// The event from the beginning of a value on.
    #[inline]
    fn from(&self, extent: Extent) -> Option<&'a [u8]> {
        self.data.get(usize::try_from(extent.start).ok()?..)
    }
}

impl std::fmt::Debug for RowImage<'_> {
    /// A row's values are never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowImage({} columns)", self.extents.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_column_is_the_same_when_its_bytes_are(
            values in prop::collection::vec(
                prop::option::of(prop::collection::vec(0_u8..2, 0..12)), 2..8,
            ),
            end in prop::collection::vec(any::<u8>(), 0..10),
        ) {
            let mut data = b"..".to_vec();
            let mut extents = Vec::new();
            for value in &values {
                extents.push(value.as_ref().map_or(Extent::NULL, |bytes| {
                    let start = data.len();
                    data.extend_from_slice(bytes);
                    Extent::of(start..data.len()).unwrap()
                }));
            }
            data.extend_from_slice(&end);

            for (own, value) in extents.iter().zip(&values) {
                for (other, other_value) in extents.iter().zip(&values) {
                    let (own, other) = ([*own], [*other]);
                    let (own, other) = (RowImage::new(&data, &own), RowImage::new(&data, &other));
                    prop_assert_eq!(own.has_same(&other, 0), value == other_value);
                    prop_assert_eq!(own.same_columns(&other).collect::<Vec<_>>(), [value == other_value]);
                }
            }
        }
    }
}
