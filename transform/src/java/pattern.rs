//! Java's regular expressions, as far as the `regex` crate has them: all but looking around and
//! back. Those are refused at the start, not misread.

use regex::{Captures, Regex};

/// A pattern that can be asked for a whole match, and searched for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    anywhere: Regex,
    whole: Regex,
}

impl Pattern {
    /// Compiles a pattern, or says why not.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let compile = |text: &str| Regex::new(text).map_err(|error| why(&error));
        Ok(Self { anywhere: compile(text)?, whole: compile(&format!("^(?:{text})$"))? })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

fn why(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!("Invalid regex: {}", last.trim_start_matches("error: "))
}

/// A replacement, as `Matcher.replaceFirst` reads it: `$1`, `${name}`, and `\` before what stands for
/// itself.
#[derive(Debug, Clone)]
pub(crate) struct Replacement(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Reads a replacement for a pattern, or says what is wrong in Java's words.
    pub(crate) fn new(text: &str, pattern: &Pattern) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' => plain.push(rest.next().ok_or("character to be escaped is missing")?),
                '$' => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Group(group(&mut rest, pattern)?));
                }
                _ => plain.push(c),
            }
        }
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    /// Replaces the first place that matches.
    pub(crate) fn first(&self, text: &str, pattern: &Pattern) -> String {
        let Some(found) = pattern.anywhere.captures(text) else { return text.to_owned() };
        let Some(whole) = found.get(0) else { return text.to_owned() };
        let (before, after) = (text.get(..whole.start()), text.get(whole.end()..));
        let mut out = before.unwrap_or_default().to_owned();
        self.expand(&found, &mut out);
        out.push_str(after.unwrap_or_default());
        out
    }

    fn expand(&self, found: &Captures<'_>, out: &mut String) {
        for piece in &self.0 {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(number) => found.get(*number).map_or("", |group| group.as_str()),
            });
        }
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// The group that stands behind a `$`.
fn group(rest: &mut Rest<'_>, pattern: &Pattern) -> Result<usize, String> {
    let groups = pattern.anywhere.captures_len() - 1;
    let digit = |c: &char| c.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
    match rest.next() {
        None => Err("Illegal group reference: group index is missing".to_owned()),
        Some('{') => {
            let mut name = String::new();
            loop {
                match rest.next() {
                    Some('}') => break,
                    Some(c) => name.push(c),
                    None => {
                        return Err("named capturing group is missing trailing '}'".to_owned());
                    }
                }
            }
            let mut names = pattern.anywhere.capture_names();
            names
                .position(|known| known == Some(&name))
                .ok_or_else(|| format!("No group with name {{{name}}}"))
        }
        Some(c) => {
            let mut number = digit(&c).ok_or("Illegal group reference")?;
            if number > groups {
                return Err(format!("No group {number}"));
            }
            // As many digits as still name a group.
            while let Some(next) = rest.peek().and_then(digit) {
                let longer = number * 10 + next;
                if longer > groups {
                    break;
                }
                number = longer;
                rest.next();
            }
            Ok(number)
        }
    }
}
