//! What to do about an error: the one question that every error type of rowcast answers.

use std::borrow::Cow;
use std::error::Error;

/// The verdict on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The cause can pass: wait with back-off, without a limit, and let nothing behind it move.
    Retry,
    /// This input can never succeed and harms nothing else. Given by allow-list only.
    DeadLetter,
    /// Going on would lose or reorder data, or a person must decide. Also the verdict on
    /// everything unknown.
    Halt,
}

/// An error that knows its verdict.
pub trait Fault: Error + Send + Sync {
    /// What the caller has to do.
    fn disposition(&self) -> Disposition;

    /// What a person can do about it, as one imperative sentence.
    fn hint(&self) -> Option<Cow<'static, str>> {
        None
    }
}

/// Prints an error with all its sources, each after a colon: the form in which errors are logged.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some crates print their source in their own message; once is enough.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
