//! Where a chunk's rows are in the copy of all tables, as Debezium tells readers in
//! `source.snapshot`.
//!
//! Debezium copies before it streams, so that its `last` is the last of all. Here changes are
//! streamed meanwhile: the words say which of the copied rows was the first or the last, and
//! nothing about changes between them.

use schema::envelope::SnapshotMarker;

/// A chunk's place in the copy of all tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Whether no table was copied before.
    pub(crate) in_first_table: bool,
    /// Whether its table begins with it.
    pub(crate) is_first_chunk: bool,
    /// Whether its table ends with it.
    pub(crate) is_last_chunk: bool,
    /// Whether no table that is copied later has rows.
    pub(crate) nothing_follows: bool,
}

impl Place {
    /// What is said of a row of so many.
    pub(crate) fn marker(self, row: usize, rows: usize) -> SnapshotMarker {
        let is_first = row == 0 && self.is_first_chunk;
        let is_last = row + 1 == rows && self.is_last_chunk;
        match (is_first, is_last) {
            (_, true) if self.nothing_follows => SnapshotMarker::Last,
            (true, _) if self.in_first_table => SnapshotMarker::First,
            (_, true) => SnapshotMarker::LastInTable,
            (true, false) => SnapshotMarker::FirstInTable,
            (false, false) => SnapshotMarker::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers(place: Place, rows: usize) -> Vec<&'static str> {
        (0..rows).map(|row| place.marker(row, rows).marker().unwrap()).collect()
    }

    /// As the recordings of Debezium 3.6.3 have them.
    #[test]
    fn the_ends_of_tables_and_of_the_whole_are_told() {
        let middle = Place {
            in_first_table: false,
            is_first_chunk: true,
            is_last_chunk: true,
            nothing_follows: false,
        };
        let first = Place { in_first_table: true, ..middle };
        let last = Place { nothing_follows: true, ..middle };

        let (begin, end) = ("first_in_data_collection", "last_in_data_collection");
        assert_eq!(markers(first, 3), ["first", "true", end]);
        assert_eq!(markers(middle, 3), [begin, "true", end]);
        assert_eq!(markers(middle, 1), [end]);
        assert_eq!(markers(last, 2), [begin, "last"]);
        assert_eq!(markers(Place { in_first_table: true, ..last }, 1), ["last"]);
        assert_eq!(markers(Place { is_first_chunk: false, ..last }, 2), ["true", "last"]);
        assert_eq!(markers(Place { is_last_chunk: false, ..first }, 2), ["first", "true"]);
    }
}
