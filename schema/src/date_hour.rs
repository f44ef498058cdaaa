//! The day and the hour of a text in ISO 8601, in UTC.

use std::time::Duration;

use crate::calendar::{Civil, civil_from_days, days_from_civil, is_day};

/// An hour of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DateHour {
    /// 0 to 9999.
    pub year: u32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23; 0 for a date without a time.
    pub hour: u32,
}

const DAY_MINUTES: i64 = 1_440;

impl DateHour {
    /// Reads `YYYY-MM-DD`, alone or with `THH:MM`, seconds and their parts, and `Z` or `+HH:MM`.
    /// A blank can be in place of the `T`. A time without a zone is UTC. `None` for any other text,
    /// and outside the years 0 to 9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.as_bytes().split_first_chunk::<10>()?;
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
        let civil: Civil =
            (number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
        if !(1..=12).contains(&civil.1) || civil.2 == 0 || !is_day(civil) {
            return None;
        }
        let minutes = match rest {
            [] => 0,
            [b'T' | b' ', clock @ ..] => utc_minutes(clock)?,
            [..] => return None,
        };
        Self::of_minutes(days_from_civil(civil) * DAY_MINUTES + minutes)
    }

    /// The hour of a moment; `None` after the year 9999.
    #[must_use]
    pub fn of_instant(since_1970: Duration) -> Option<Self> {
        Self::of_minutes(i64::try_from(since_1970.as_secs() / 60).ok()?)
    }

    fn of_minutes(since_1970: i64) -> Option<Self> {
        let (year, month, day) = civil_from_days(since_1970.div_euclid(DAY_MINUTES))?;
        let hour = u32::try_from(since_1970.rem_euclid(DAY_MINUTES) / 60).ok()?;
        Some(Self { year, month, day, hour })
    }
}

/// The minutes since midnight in UTC of `HH:MM[:SS[.fff]]` and a zone. Below zero and above a day's
/// where the zone says so.
fn utc_minutes(clock: &[u8]) -> Option<i64> {
    let ([h1, h2, b':', m1, m2], rest) = clock.split_first_chunk::<5>()? else { return None };
    let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    let rest = match rest {
        [b':', s1, s2, rest @ ..] if number(&[*s1, *s2])? <= 60 => rest,
        [b':', ..] => return None,
        [..] => rest,
    };
    let zone = match rest {
        [b'.', parts @ ..] => {
            let end = parts.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(parts.len());
            parts.get(end..).filter(|_| end > 0)?
        }
        [..] => rest,
    };
    (hour < 24 && minute < 60).then_some(())?;
    Some(i64::from(hour * 60 + minute) - zone_minutes(zone)?)
}

/// How many minutes a zone is before UTC.
fn zone_minutes(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        [] | [b'Z'] => return Some(0),
        [sign, h1, h2] => (sign, [*h1, *h2], [b'0', b'0']),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, [*h1, *h2], [*m1, *m2]),
        [..] => return None,
    };
    let (hours, minutes) = (number(&hours)?, number(&minutes)?);
    let offset = (hours < 24 && minutes < 60).then(|| i64::from(hours * 60 + minutes))?;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

/// The number of up to nine digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::timestamp_text;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<(u32, u32, u32, u32)> {
        DateHour::parse(text).map(|DateHour { year, month, day, hour }| (year, month, day, hour))
    }

    #[test]
    fn what_columns_become_in_documents_is_read() {
        let expected = Some((2024, 2, 29, 12));

        assert_eq!(parse("2024-02-29"), Some((2024, 2, 29, 0)));
        assert_eq!(parse("2024-02-29T12:34:56.789"), expected);
        assert_eq!(parse("2024-02-29T12:34:56.789012"), expected);
        assert_eq!(parse("2024-02-29T12:34:56Z"), expected);
        assert_eq!(parse("2024-02-29 12:34"), expected);
        assert_eq!(parse("2024-03-01T00:04:05.5+11:30"), expected);
        assert_eq!(parse("2024-02-29T04:59:59-0800"), expected);
        assert_eq!(parse("2024-02-29T10:00-02"), expected);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2024",
            "2024-02",
            "20240229",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-01-01x",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T12",
            "2024-01-01T12:3",
            "2024-01-01T12:60",
            "2024-01-01T12:30:xx",
            "2024-01-01T12:30:10.",
            "2024-01-01T12:30 Berlin",
            "2024-01-01T12:30*01:00",
            "0000-01-01T00:00+01:00",
            "9999-12-31T23:30-01:00",
            "%N",
            "1709210096789",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_the_same_hour_in_every_zone(
            seconds in -62_000_000_000_i64..253_000_000_000, offset in -1_439_i64..1_440,
        ) {
            let utc = timestamp_text(seconds * 1_000).unwrap();
            let local = timestamp_text((seconds + offset * 60) * 1_000).unwrap();
            let sign = if offset < 0 { '-' } else { '+' };
            let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
            let local = format!("{}{sign}{hours:02}:{minutes:02}", local.trim_end_matches('Z'));

            let found = DateHour::parse(&utc).unwrap();
            let DateHour { year, month, day, hour } = found;
            let beginning = format!("{year:04}-{month:02}-{day:02}T{hour:02}:");
            prop_assert!(utc.starts_with(&beginning));
            prop_assert_eq!(DateHour::parse(&local), Some(found));
            if let Ok(since_1970) = u64::try_from(seconds) {
                let instant = Duration::from_secs(since_1970);
                prop_assert_eq!(DateHour::of_instant(instant), Some(found));
            }
        }

        #[test]
        fn any_text_is_a_date_or_none(text in "[0-9TZ:. +-]{0,30}|\\PC{0,30}") {
            if let Some(DateHour { month, day, hour, .. }) = DateHour::parse(&text) {
                prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24);
            }
        }
    }
}
