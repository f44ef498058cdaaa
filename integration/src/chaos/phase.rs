//! The phases of the product as its log shows them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// What the product can be in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A Kafka transaction is being committed.
    Commit,
    /// A chunk of a snapshot is between its window's opening and its emission.
    Chunk,
    /// A table's definition has changed and the new one is not taken yet.
    Definition,
    /// A bulk request has no answer yet.
    Bulk,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Commit, Self::Chunk, Self::Definition, Self::Bulk];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Chunk => "chunk",
            Self::Definition => "definition",
            Self::Bulk => "bulk",
        }
    }

    /// What the log says when it begins.
    pub(super) fn begins(self) -> &'static str {
        match self {
            Self::Commit => "transaction commit begins",
            Self::Chunk => "chunk begins",
            Self::Definition => "table definition changed",
            Self::Bulk => "bulk request sent",
        }
    }

    /// What the log says when it has ended.
    fn ends(self) -> &'static str {
        match self {
            Self::Commit => "transaction committed",
            Self::Chunk => "chunk emitted",
            Self::Definition => "table definition taken",
            Self::Bulk => "bulk request answered",
        }
    }

    /// Whether it only comes while a table is copied.
    pub(super) fn needs_fresh_table(self) -> bool {
        self == Self::Chunk
    }
}

/// The phases that a log ends within.
pub(super) fn hit(log: &str) -> Vec<Phase> {
    let is_open = |phase: &Phase| {
        let began = log.rfind(phase.begins());
        began.is_some_and(|began| log.rfind(phase.ends()).is_none_or(|ended| ended < began))
    };
    Phase::ALL.into_iter().filter(is_open).collect()
}

/// What is appended to a log from now on.
pub(super) struct LogTail {
    file: File,
    text: String,
}

impl LogTail {
    /// Begins behind what is in the log already.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(Self { file, text: String::new() })
    }

    /// Waits until the log has a text; `false` if it has not by then.
    pub(super) async fn wait_for(&mut self, text: &str, deadline: Duration) -> io::Result<bool> {
        let end = Instant::now() + deadline;
        while !self.read_all()?.contains(text) {
            if Instant::now() >= end {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(true)
    }

    /// Everything since the tail was opened.
    pub(super) fn read_all(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        self.text.push_str(&String::from_utf8_lossy(&bytes));
        Ok(self.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_hit_if_its_last_begin_has_no_end() {
        let log = "chunk begins\nchunk emitted\nbulk request sent\ntransaction commit begins\n\
                   bulk request answered\nchunk begins\n";

        assert_eq!(hit(log), [Phase::Commit, Phase::Chunk]);
        assert_eq!(hit(""), []);
    }
}
