//! Texts that nobody may see: passwords of tests begin with one word and values of rows with another,
//! and nothing that rowcast writes may have either.
//!
//! Each log of a process is looked at when its [`Rowcast`](crate::process::Rowcast) goes, and its metrics
//! and its REST API before it is stopped, so that every test that starts one looks; the helpers that read
//! answers and headers of dead letters look as well. What was looked at, and what was found, is written
//! down in the file that [`TALLY`] names, for `.ci/run` to add up: a search that looks at nothing finds
//! nothing. The helpers that fill tables put [`ROW`] into their texts.

use std::fs::OpenOptions;
use std::io::Write;

/// What all passwords, tokens and keys of tests have.
pub const SECRET: &str = "geheim";

/// What values of rows have, where a test looks whether they are told.
pub const ROW: &str = "zeile-";

/// The environment variable with the file to which a line `KIND BYTES` is added for each text, and a line
/// `found BYTES` for each that was not to be seen.
pub const TALLY: &str = "ROWCAST_LOOKED_AT";

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All that a process has written.
    Log,
    /// What a command has printed.
    Output,
    /// An answer of the REST API, or the metrics.
    Answer,
    /// The headers of a dead letter.
    Letter,
}

impl Kind {
    /// Its name in the tally.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Output => "output",
            Self::Answer => "answer",
            Self::Letter => "letter",
        }
    }
}

/// What texts have that a test of the search itself plants: they are found, and do not count.
const PLANTED: &str = "planted";

/// What a thread of a process that panics writes.
const PANIC: &str = "panicked at";

/// Looks at a text in which nothing may stand that nobody may see.
///
/// What is found is written down as well: a panic in a task or behind another one fails no test.
///
/// # Panics
///
/// If a mark is there, with its line; not while the thread panics already.
pub fn absent(kind: Kind, text: &str) {
    write_down(kind.name(), text.len());
    let is_marked = |line: &&str| [SECRET, ROW].iter().any(|mark| line.contains(mark));
    if let Some(line) = text.lines().find(is_marked) {
        found(&format!("this {} tells what nobody may see: {line}", kind.name()));
    }
}

/// Looks at the log of a process that has ended.
///
/// # Panics
///
/// If it says that a thread of it panicked; not while this thread panics already.
pub fn did_not_panic(log: &str) {
    if let Some(line) = log.lines().find(|line| line.contains(PANIC)) {
        found(&format!("rowcast panicked: {line}"));
    }
}

fn found(what: &str) {
    if !what.contains(PLANTED) {
        write_down("found", what.len());
    }
    assert!(std::thread::panicking(), "{what}");
}

/// That it was looked at. What cannot be written down is missing in the sum, which is then too small.
fn write_down(kind: &str, bytes: usize) {
    let Some(path) = std::env::var_os(TALLY) else { return };
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        file.write_all(format!("{kind} {bytes}\n").as_bytes()).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_seen_wherever_it_stands() {
        for planted in ["password=geheim-planted", "a\nb planted zeile-0815-y c\nd"] {
            for kind in [Kind::Log, Kind::Output, Kind::Answer, Kind::Letter] {
                let looked = std::panic::catch_unwind(|| absent(kind, planted));
                let told = *looked.unwrap_err().downcast::<String>().unwrap();
                assert!(told.contains(kind.name()), "{told}");
            }
        }
        absent(Kind::Log, "INFO rows=3 table=shop.orders");
    }

    #[test]
    fn a_panic_in_a_log_is_seen() {
        let log = "INFO x\nthread 'planted' panicked at src/main.rs:1:1:\nno value";
        let looked = std::panic::catch_unwind(|| did_not_panic(log));
        let told = *looked.unwrap_err().downcast::<String>().unwrap();
        assert!(told.contains("src/main.rs:1:1"), "{told}");
        did_not_panic("INFO rows=3 table=shop.orders");
    }
}
