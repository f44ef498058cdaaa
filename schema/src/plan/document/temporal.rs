//! Dates and times as text.

use std::time::Duration;

use super::error::Problem;
use crate::calendar;
use crate::digits::{push_padded, write_unsigned};

/// What a number of time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

const SECONDS_PER_DAY: i64 = 86_400;

/// `YYYY-MM-DD` of a number of days since 1970-01-01.
#[inline]
pub(super) fn write_date(days: i64, out: &mut Vec<u8>) -> Result<(), Problem> {
    let date = calendar::civil_from_days(days).ok_or(Problem::DateOutOfRange)?;
    let (year_month, day) = calendar::date_text(date);
    out.extend_from_slice(&year_month);
    out.extend_from_slice(&day);
    Ok(())
}

/// `YYYY-MM-DDTHH:MM:SS.fff` with as many digits as the unit has, and without a time zone.
pub(super) fn write_date_time(ticks: i64, unit: Unit, out: &mut Vec<u8>) -> Result<(), Problem> {
    let (seconds, fraction) = match unit {
        Unit::Millis => divide(ticks, 1_000),
        Unit::Micros => divide(ticks, 1_000_000),
        Unit::Nanos => divide(ticks, 1_000_000_000),
    };
    let (days, second) = divide(seconds, SECONDS_PER_DAY);
    write_date(days, out)?;
    out.push(b'T');
    push_clock(second, out);
    push_fraction(fraction, unit, out);
    Ok(())
}

/// A moment as JSON text: `"YYYY-MM-DDTHH:MM:SS.fffZ"`. What is after the year 9999 is null.
pub fn write_instant(since_1970: Duration, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'"');
    let millis = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    match write_date_time(millis, Unit::Millis, out) {
        Ok(()) => out.extend_from_slice(b"Z\""),
        Err(_) => {
            out.truncate(start);
            out.extend_from_slice(b"null");
        }
    }
}

/// `[-]HH:MM:SS.ffffff`. MySQL's TIME is a span from -838:59:59 to 838:59:59, so there is a sign
/// and there can be three digits of hours. Microseconds are shown even for milliseconds, so that
/// texts of one column compare as times do; nanoseconds have three digits more.
pub(super) fn write_time(ticks: i64, unit: Unit, out: &mut Vec<u8>) {
    if ticks < 0 {
        out.push(b'-');
    }
    // `i64::MIN` has no positive counterpart; as unsigned it has.
    let ticks = ticks.unsigned_abs();
    let (per_second, micros) = match unit {
        Unit::Millis => (1_000, 1_000),
        Unit::Micros => (1_000_000, 1),
        Unit::Nanos => (1_000_000_000, 1),
    };
    push_clock(ticks / per_second, out);
    let shown = if unit == Unit::Millis { Unit::Micros } else { unit };
    push_fraction(ticks % per_second * micros, shown, out);
}

/// Quotient towards the past, and what is left over.
fn divide(ticks: i64, by: i64) -> (i64, u64) {
    (ticks.div_euclid(by), ticks.rem_euclid(by).unsigned_abs())
}

#[inline]
fn push_clock(seconds: u64, out: &mut Vec<u8>) {
    const HUNDRED_HOURS: u32 = 360_000;
    match u32::try_from(seconds) {
        Ok(seconds) if seconds < HUNDRED_HOURS => {
            out.extend_from_slice(&calendar::clock_text(seconds));
        }
        _ => {
            let below_an_hour = u32::try_from(seconds % 3_600).unwrap_or_default();
            let [_, _, clock @ ..] = calendar::clock_text(below_an_hour);
            write_unsigned(seconds / 3_600, out);
            out.extend_from_slice(&clock);
        }
    }
}

#[inline]
fn push_fraction(fraction: u64, digits: Unit, out: &mut Vec<u8>) {
    out.push(b'.');
    match digits {
        Unit::Millis => push_padded::<3>(fraction, out),
        Unit::Micros => push_padded::<6>(fraction, out),
        Unit::Nanos => {
            push_padded::<3>(fraction / 1_000_000, out);
            push_padded::<6>(fraction % 1_000_000, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(days: i64) -> String {
        let mut out = Vec::new();
        write_date(days, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn date_time(ticks: i64, unit: Unit) -> String {
        let mut out = Vec::new();
        write_date_time(ticks, unit, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn time(ticks: i64, unit: Unit) -> String {
        let mut out = Vec::new();
        write_time(ticks, unit, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_of_the_recorded_rows_come_out_as_mysql_has_them() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(-354_285), "1000-01-01");
        assert_eq!(date_time(1_709_210_096_789, Unit::Millis), "2024-02-29T12:34:56.789");
        assert_eq!(date_time(253_402_300_799_999_999, Unit::Micros), "9999-12-31T23:59:59.999999");
        assert_eq!(date_time(-1, Unit::Nanos), "1969-12-31T23:59:59.999999999");
    }

    #[test]
    fn times_have_a_sign_and_any_number_of_hours() {
        assert_eq!(time(-3_020_399_000_000, Unit::Micros), "-838:59:59.000000");
        assert_eq!(time(45_296_789, Unit::Millis), "12:34:56.789000");
        assert_eq!(time(0, Unit::Nanos), "00:00:00.000000000");
        assert_eq!(time(i64::MIN, Unit::Micros), "-2562047788:00:54.775808");
    }

    #[test]
    fn the_first_and_the_last_day_are_dates_and_their_neighbours_are_not() {
        let refused = Err(Problem::DateOutOfRange);

        assert_eq!(date(-719_528), "0000-01-01");
        assert_eq!(date(2_932_896), "9999-12-31");
        assert_eq!(write_date(-719_529, &mut Vec::new()), refused);
        assert_eq!(write_date(2_932_897, &mut Vec::new()), refused);
    }
}
