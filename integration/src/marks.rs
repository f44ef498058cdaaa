//! Texts that nobody may see: passwords of tests begin with one word and values of rows with another,
//! and nothing that rowcast writes may have either.
//!
//! Each log of a process is looked at when its [`Rowcast`](crate::process::Rowcast) goes, so that every
//! test that starts one looks; the helpers that read answers of the REST API, metrics and headers of dead
//! letters look as well. How much was looked at is written down in the file that [`TALLY`] names, for
//! `.ci/run` to add up: a search that looks at nothing finds nothing.

use std::fs::OpenOptions;
use std::io::Write;

/// What all passwords, tokens and keys of tests have.
pub const SECRET: &str = "geheim";

/// What values of rows have, where a test looks whether they are told.
pub const ROW: &str = "zeile-";

/// The environment variable with the file to which a line `KIND BYTES` is added for each text.
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

/// Looks at a text in which nothing may stand that nobody may see.
///
/// # Panics
///
/// If a mark is there, with its line; not while the thread panics already.
pub fn absent(kind: Kind, text: &str) {
    write_down(kind, text.len());
    let is_marked = |line: &&str| [SECRET, ROW].iter().any(|mark| line.contains(mark));
    let seen = text.lines().find(is_marked);
    assert!(
        seen.is_none() || std::thread::panicking(),
        "this {} tells what nobody may see: {}",
        kind.name(),
        seen.unwrap_or_default()
    );
}

/// That it was looked at. What cannot be written down is missing in the sum, which is then too small.
fn write_down(kind: Kind, bytes: usize) {
    let Some(path) = std::env::var_os(TALLY) else { return };
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        file.write_all(format!("{} {bytes}\n", kind.name()).as_bytes()).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_seen_wherever_it_stands() {
        for planted in ["password=geheim-4711", "a\nb zeile-0815-y c\nd", "geheim"] {
            for kind in [Kind::Log, Kind::Output, Kind::Answer, Kind::Letter] {
                let looked = std::panic::catch_unwind(|| absent(kind, planted));
                let told = *looked.unwrap_err().downcast::<String>().unwrap();
                assert!(told.contains(kind.name()), "{told}");
            }
        }
        absent(Kind::Log, "INFO rows=3 table=shop.orders");
    }
}
