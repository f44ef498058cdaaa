//! A row change: the operation, with exactly the images that it has.

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
}

/// Where one column's bytes are in a row image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// The bytes from `start` to `end` of the image's data.
    Bytes {
        /// First byte.
        start: usize,
        /// After the last byte.
        end: usize,
    },
}

/// A row image in the binlog: the bytes of each column, borrowed from the event.
#[derive(Clone, Copy)]
pub struct RowImage<'a> {
    data: &'a [u8],
    cells: &'a [Cell],
}

impl<'a> RowImage<'a> {
    /// Joins the event's data with the places of one row's columns in it.
    #[must_use]
    pub fn new(data: &'a [u8], cells: &'a [Cell]) -> Self {
        Self { data, cells }
    }

    /// The bytes of a column, or `None` for NULL.
    #[must_use]
    #[inline]
    pub fn column(&self, index: usize) -> Option<&'a [u8]> {
        match self.cells.get(index)? {
            Cell::Null => None,
            Cell::Bytes { start, end } => self.data.get(*start..*end),
        }
    }
}

impl std::fmt::Debug for RowImage<'_> {
    /// A row's values are never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowImage({} columns)", self.cells.len())
    }
}
