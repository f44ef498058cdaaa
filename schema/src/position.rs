//! Where we are in one server's binary log.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A byte offset in one binlog file, written `mysql-bin.000042:1337`.
///
/// Two positions whose files have different base names belong to different logs and do not
/// compare: `partial_cmp` gives `None`.
///
/// The offset has 64 bits although the event header's `log_pos` has 32: a transaction is never
/// split across files, so a file can outgrow `max_binlog_size` and pass 4 GiB, where `log_pos`
/// wraps.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct BinlogPosition {
    file: Arc<str>,
    sequence: u64,
    offset: u64,
}

impl BinlogPosition {
    /// A position in a file that the server named, for example `mysql-bin.000042`.
    ///
    /// # Errors
    ///
    /// Returns [`ParsePositionError`] when the name has no number after its last dot.
    pub fn new(file: &str, offset: u64) -> Result<Self, ParsePositionError> {
        let invalid = || ParsePositionError { input: file.into() };
        let (_, sequence) = file.rsplit_once('.').ok_or_else(invalid)?;
        let sequence = sequence.parse().map_err(|_| invalid())?;
        Ok(Self { file: file.into(), sequence, offset })
    }

    /// Moves to another offset of the same file.
    #[inline]
    pub fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// The same file at another offset.
    #[must_use]
    pub fn at(&self, offset: u64) -> Self {
        Self { file: Arc::clone(&self.file), sequence: self.sequence, offset }
    }

    /// The file's name as the server has it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The byte offset in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn base(&self) -> &str {
        self.file.rsplit_once('.').map_or("", |(base, _)| base)
    }
}

impl Clone for BinlogPosition {
    fn clone(&self) -> Self {
        self.at(self.offset)
    }

    /// Nearly always both are in the same file: then only numbers are copied, once an event.
    #[inline]
    fn clone_from(&mut self, source: &Self) {
        if Arc::ptr_eq(&self.file, &source.file) {
            self.offset = source.offset;
        } else {
            *self = source.clone();
        }
    }
}

impl PartialOrd for BinlogPosition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.base() == other.base())
            .then(|| (self.sequence, self.offset).cmp(&(other.sequence, other.offset)))
    }
}

impl fmt::Display for BinlogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl FromStr for BinlogPosition {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParsePositionError { input: text.into() };
        let (file, offset) = text.rsplit_once(':').ok_or_else(invalid)?;
        Self::new(file, offset.parse().map_err(|_| invalid())?)
    }
}

/// The text is not a binlog position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid binlog position {input:?}, expected <base>.<sequence>:<offset>")]
pub struct ParsePositionError {
    input: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_are_ordered_by_their_number_and_only_within_one_log() {
        let position = |text: &str| text.parse::<BinlogPosition>().unwrap();

        assert!(position("binlog.999999:9") < position("binlog.1000000:4"));
        assert!(position("binlog.000002:4") < position("binlog.000002:5"));
        assert_eq!(position("a.000002:4").partial_cmp(&position("b.000002:4")), None);
    }

    proptest! {
        #[test]
        fn display_then_parse_is_identity(
            base in "[a-z][a-z0-9-]{0,20}", sequence in 1_u32..1_000_000, width in 6_usize..9, offset: u64,
        ) {
            let position = BinlogPosition::new(&format!("{base}.{sequence:0width$}"), offset).unwrap();
            prop_assert_eq!(position.to_string().parse::<BinlogPosition>().unwrap(), position);
        }

        #[test]
        fn parsing_never_panics(input in ".*") {
            let _parsed = input.parse::<BinlogPosition>();
        }
    }
}
