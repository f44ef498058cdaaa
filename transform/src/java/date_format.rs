//! `SimpleDateFormat` in UTC and in English: patterns of dates, both ways.
//!
//! As Java's, reading is lenient: the 40th day of a month is one of the next, and what is behind
//! the last field does not count.
//! <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/text/SimpleDateFormat.html>

mod calendar;
mod parse;

use std::fmt::Write as _;

use calendar::Date;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const DAY_MS: i64 = 86_400_000;

/// A pattern.
#[derive(Debug, Clone)]
pub(crate) struct DateFormat {
    pub(crate) pattern: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Literal(char),
    /// A letter and how often it stands there.
    Field(char, usize),
}

impl DateFormat {
    /// Reads a pattern, or says what is wrong in Java's words.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = pattern.chars().peekable();
        let mut quoted = false;
        while let Some(c) = rest.next() {
            if c == '\'' {
                if rest.next_if_eq(&'\'').is_some() {
                    items.push(Item::Literal('\''));
                } else {
                    quoted = !quoted;
                }
            } else if quoted || !c.is_ascii_alphabetic() {
                items.push(Item::Literal(c));
            } else if "GyYMLwWDdFEuaHkKhmsSzZX".contains(c) {
                let mut count = 1;
                while rest.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if c == 'X' && count > 3 {
                    return Err(format!("invalid ISO 8601 format: length={count}"));
                }
                items.push(Item::Field(c, count));
            } else {
                return Err(format!("Illegal pattern character '{c}'"));
            }
        }
        if quoted {
            return Err("Unterminated quote".to_owned());
        }
        Ok(Self { pattern: pattern.to_owned(), items })
    }

    /// The text of a time in milliseconds since 1970.
    pub(crate) fn format(&self, millis: i64) -> String {
        let date = Date::of_days(millis.div_euclid(DAY_MS));
        let mut text = String::new();
        for item in &self.items {
            match item {
                Item::Literal(c) => text.push(*c),
                Item::Field(letter, count) => {
                    field(&date, millis.rem_euclid(DAY_MS), (*letter, *count), &mut text);
                }
            }
        }
        text
    }
}

fn field(date: &Date, of_day: i64, (letter, count): (char, usize), text: &mut String) {
    let name = |names: &[&'static str], index: i64| {
        let index = usize::try_from(index).unwrap_or_default();
        let name = names.get(index).copied().unwrap_or_default();
        if count >= 4 { name } else { name.get(..3).unwrap_or(name) }
    };
    let full_month = |index| {
        let index = usize::try_from(index).unwrap_or_default();
        MONTHS.get(index).copied().unwrap_or_default()
    };
    let hour = of_day / 3_600_000;
    let number = match letter {
        // Years before the first are counted backwards.
        'y' | 'Y' => {
            let year = if letter == 'Y' { date.week().0 } else { date.year };
            let year = if year > 0 { year } else { 1 - year };
            if count == 2 { year.rem_euclid(100) } else { year }
        }
        'M' | 'L' if count >= 4 => return text.push_str(full_month(date.month - 1)),
        'M' | 'L' if count == 3 => return text.push_str(name(&MONTHS, date.month - 1)),
        'M' | 'L' => date.month,
        'E' => return text.push_str(name(&DAYS, date.weekday())),
        'G' => return text.push_str(if date.year > 0 { "AD" } else { "BC" }),
        'a' => return text.push_str(if hour < 12 { "AM" } else { "PM" }),
        'z' if count >= 4 => return text.push_str("Coordinated Universal Time"),
        'z' => return text.push_str("UTC"),
        'Z' => return text.push_str("+0000"),
        'X' => return text.push('Z'),
        'w' => date.week().1,
        'W' => date.week_of_month(),
        'D' => date.day_of_year(),
        'd' => date.day,
        'F' => (date.day - 1) / 7 + 1,
        // Monday is one.
        'u' => (date.weekday() + 6) % 7 + 1,
        'H' => hour,
        'k' => {
            if hour == 0 {
                24
            } else {
                hour
            }
        }
        'K' => hour % 12,
        'h' => {
            if hour % 12 == 0 {
                12
            } else {
                hour % 12
            }
        }
        'm' => of_day / 60_000 % 60,
        's' => of_day / 1_000 % 60,
        _ => of_day % 1_000,
    };
    // Writing into a String cannot fail.
    write!(text, "{number:0count$}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in -60_000_000_000_000_i64..250_000_000_000_000) {
            let format = DateFormat::new("yyyy-MM-dd'T'HH:mm:ss.SSSX").unwrap();

            prop_assert_eq!(format.parse(&format.format(millis)), Some(millis));
        }

        #[test]
        fn nothing_panics(pattern in ".{0,12}", text in ".{0,12}", millis: i64) {
            if let Ok(format) = DateFormat::new(&pattern) {
                let _written = format.format(millis);
                let _read = format.parse(&text);
            }
        }

        #[test]
        fn fields_of_any_text_do_not_panic(
            pattern in "[GyYMLwWDdFEuaHkKhmsSzZX:. -]{1,8}", text in "[0-9A-Za-z:+. -]{0,24}",
        ) {
            if let Ok(format) = DateFormat::new(&pattern) {
                let _read = format.parse(&text);
            }
        }
    }
}
