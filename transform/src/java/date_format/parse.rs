//! Reading a text by a pattern.

use super::calendar::Date;
use super::{DAY_MS, DAYS, DateFormat, Item, MONTHS};

/// Years of two digits are those from 1946 to 2045: Java's are the 80 before and the 19 after the
/// start of the worker, and a topic that is read twice should be the same twice.
const FIRST_OF_TWO_DIGITS: i64 = 1946;
/// Longest number of a field.
const DIGITS_MAX: usize = 12;

/// What a text says; what it does not is that of 1970-01-01 00:00.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    is_before: bool,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    is_afternoon: bool,
    /// Minutes, seconds and less.
    millis: i64,
    offset_minutes: i64,
}

impl DateFormat {
    /// Milliseconds since 1970; `None` if the text does not match.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (place, item) in self.items.iter().enumerate() {
            match item {
                Item::Literal(c) => rest = rest.strip_prefix(*c)?,
                Item::Field(letter, count) => {
                    // Of numbers without anything between them, each has its own width.
                    let next = self.items.get(place + 1);
                    let abuts =
                        matches!(next, Some(Item::Field(next, more)) if is_number(*next, *more));
                    let width = if abuts { *count } else { DIGITS_MAX };
                    rest = fields.read((*letter, *count), width, rest)?;
                }
            }
        }
        Some(fields.millis())
    }
}

fn is_number(letter: char, count: usize) -> bool {
    let is_name = "ML".contains(letter) && count >= 3;
    !is_name && !"GEazZX".contains(letter)
}

impl Fields {
    /// Reads one field; gives what is behind it.
    fn read<'t>(
        &mut self,
        (letter, count): (char, usize),
        width: usize,
        text: &'t str,
    ) -> Option<&'t str> {
        let text = text.trim_start_matches([' ', '\t']);
        if !is_number(letter, count) {
            return self.read_word(letter, text);
        }
        let (number, digits, rest) = number(text, width)?;
        match letter {
            'y' if count <= 2 && digits == 2 && number >= 0 => {
                let year = FIRST_OF_TWO_DIGITS / 100 * 100 + number;
                self.year = Some(if year < FIRST_OF_TWO_DIGITS { year + 100 } else { year });
            }
            'y' | 'Y' => self.year = Some(number),
            'M' | 'L' => self.month = Some(number),
            'd' => self.day = Some(number),
            'D' => self.day_of_year = Some(number),
            'k' => self.hour = if number == 24 { 0 } else { number },
            'h' => self.hour = if number == 12 { 0 } else { number },
            'H' | 'K' => self.hour = number,
            'm' => self.add(number, 60_000),
            's' => self.add(number, 1_000),
            'S' => self.add(number, 1),
            // Weeks and days of weeks say nothing that a date does not.
            _ => {}
        }
        Some(rest)
    }

    fn add(&mut self, number: i64, millis: i64) {
        self.millis = self.millis.saturating_add(number.saturating_mul(millis));
    }

    fn read_word<'t>(&mut self, letter: char, text: &'t str) -> Option<&'t str> {
        match letter {
            'M' | 'L' => {
                let (month, rest) = name(&MONTHS, text)?;
                self.month = Some(month + 1);
                Some(rest)
            }
            'E' => Some(name(&DAYS, text)?.1),
            'G' => {
                let (era, rest) = name(&["BC ", "AD "], text)?;
                self.is_before = era == 0;
                Some(rest)
            }
            'a' => {
                let (half, rest) = name(&["AM ", "PM "], text)?;
                self.is_afternoon = half == 1;
                Some(rest)
            }
            _ => {
                let (minutes, rest) = zone(text)?;
                self.offset_minutes = minutes;
                Some(rest)
            }
        }
    }

    fn millis(&self) -> i64 {
        let year = self.year.unwrap_or(1970);
        let year = if self.is_before { 1 - year } else { year };
        let days = match (self.day_of_year, self.month) {
            (Some(day), None) => Date::days((year, 1, day)),
            _ => Date::days((year, self.month.unwrap_or(1), self.day.unwrap_or(1))),
        };
        let hour = self.hour.saturating_add(if self.is_afternoon { 12 } else { 0 });
        days.saturating_mul(DAY_MS)
            .saturating_add(hour.saturating_mul(3_600_000))
            .saturating_add(self.millis)
            .saturating_sub(self.offset_minutes.saturating_mul(60_000))
    }
}

/// A number, how many digits it has, and what is behind it.
fn number(text: &str, width: usize) -> Option<(i64, usize, &str)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let digits = unsigned.bytes().take(width).take_while(u8::is_ascii_digit).count();
    let (digits_text, rest) = unsigned.split_at_checked(digits)?;
    let number: i64 = digits_text.parse().ok()?;
    Some((if negative { -number } else { number }, digits, rest))
}

/// Which name, or its first three letters or two, the text begins with; capitals do not count.
fn name<'t>(names: &[&str], text: &'t str) -> Option<(i64, &'t str)> {
    let starts = |name: &str| {
        let (start, rest) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(rest)
    };
    let long = names.iter().map(|name| starts(name.trim_end()));
    let short = names.iter().map(|name| starts(name.get(..3)?.trim_end()));
    let found =
        long.enumerate().chain(short.enumerate()).find_map(|(at, rest)| rest.map(|r| (at, r)));
    let (at, rest) = found?;
    Some((i64::try_from(at).ok()?, rest))
}

/// The minutes east of Greenwich: `Z`, `UTC`, `GMT`, `+0200`, `+02:00`, `+02`, `GMT+02:00`.
fn zone(text: &str) -> Option<(i64, &str)> {
    let named = ["UTC", "GMT", "Z"].iter().find_map(|name| text.strip_prefix(name));
    let rest = named.unwrap_or(text);
    let (sign, digits) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        (None, None) => return named.map(|rest| (0, rest)),
    };
    let (hours, _, rest) = number(digits, 2).filter(|(hours, ..)| (0..24).contains(hours))?;
    let behind = rest.strip_prefix(':').unwrap_or(rest);
    match number(behind, 2).filter(|(minutes, count, _)| *count == 2 && (0..60).contains(minutes)) {
        Some((minutes, _, rest)) => Some((sign * (hours * 60 + minutes), rest)),
        None => Some((sign * hours * 60, rest)),
    }
}
