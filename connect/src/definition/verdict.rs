//! What becomes of a setting.

use super::table::given;

/// What becomes of a setting, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVerdict {
    /// Its name; with `*` at its end, all names that begin so.
    pub name: &'static str,
    /// What becomes of it.
    pub verdict: Verdict,
    /// A value, as the column of the table has it; see [`KeyVerdict::sample`].
    sample: &'static str,
    /// What it is, in a few words.
    pub documentation: &'static str,
}

/// What becomes of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does what it does there.
    Honoured {
        /// The test that shows it, as `module::test`.
        test: &'static str,
    },
    /// It is taken and changes nothing.
    Harmless {
        /// Why nothing is lost by that.
        reason: &'static str,
    },
    /// It is an error, but for its default, nothing, and some values that ask for what is done anyway.
    Refused {
        /// What to do, as the error says it after the setting's name.
        remedy: &'static str,
        /// Values that are taken.
        except: Vec<&'static str>,
    },
}

impl KeyVerdict {
    /// Settings that show the verdict: the first is this one, with a value that is refused if it is,
    /// and others may go with it.
    #[must_use]
    pub fn sample(&self) -> Vec<(&'static str, &'static str)> {
        let mut entries = self.sample.split(" && ");
        let first = entries.next().unwrap_or_default();
        // A name that stands for many has one of them in the sample.
        let is_many = self.name.contains(['*', '(']);
        let first = if is_many { pair(first) } else { Some((self.name, first)) };
        first.into_iter().chain(entries.filter_map(pair)).collect()
    }
}

fn pair(text: &'static str) -> Option<(&'static str, &'static str)> {
    text.split_once('=')
}

/// Reads a verdict: name, `honoured`, `harmless` or `refused`, sample, test or reason or remedy,
/// documentation. Behind `refused` stand values that are taken, with `|` between them.
pub(super) fn parse(line: &'static str) -> Option<KeyVerdict> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let &[name, verdict, sample, why, documentation] = columns.as_slice() else { return None };
    let (word, except) = verdict.split_once(' ').unwrap_or((verdict, ""));
    let verdict = match (word, except) {
        ("honoured", "") => Verdict::Honoured { test: why },
        ("harmless", "") => Verdict::Harmless { reason: why },
        ("refused", _) => {
            let except = except.split('|').filter(|value| !value.is_empty()).collect();
            Verdict::Refused { remedy: why, except }
        }
        _ => return None,
    };
    let sample = given(sample).unwrap_or_default();
    Some(KeyVerdict { name, verdict, sample, documentation })
}
