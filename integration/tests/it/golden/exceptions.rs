//! Where Debezium is wrong in a way that is not repeated, or knows what rowcast cannot know. Each is
//! a line of "Differences from Debezium" in `docs/semantics.md`.

/// What may differ, and why. The comparison fails for one that explains nothing.
pub(super) struct Exception {
    /// The SQL pair.
    pub(super) pair: &'static str,
    /// Connectors; all of the pair if it is empty.
    pub(super) connectors: &'static [&'static str],
    pub(super) tables: &'static [&'static str],
    pub(super) what: What,
    /// The reason.
    pub(super) why: &'static str,
}

/// What may differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The whole table.
    Table,
    /// These columns: their schemas and values.
    Schema(&'static [&'static str]),
    /// The values of these columns in rows that the snapshot reads.
    SnapshotValues(&'static [&'static str]),
    /// The values of these columns in rows of the log.
    LogValues(&'static [&'static str]),
    /// Which rows the snapshot reads under which key.
    SnapshotRows,
}

pub(super) const EXCEPTIONS: &[Exception] = &[Exception {
    pair: "zero",
    connectors: &["zero_nano_n"],
    tables: &["zn"],
    what: What::Table,
    why: "13: years below 100 are not moved, so that they are out of the range of nanoseconds",
}];
