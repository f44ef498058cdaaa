//! Dates and times as text.

use super::digits::{pair, push_padded, write_unsigned};
use super::error::Problem;

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
    let (year, month, day) = civil(days)?;
    let ([y1, y2], [y3, y4]) = (pair(year / 100), pair(year % 100));
    let ([m1, m2], [d1, d2]) = (pair(month), pair(day));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
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

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar, which
/// MySQL and Java's `LocalDate` extend backwards alike.
///
/// Counts from -0400-03-01, so that no number is negative, the leap day ends the year and a cycle
/// of 400 years has 146,097 days.
fn civil(days: i64) -> Result<(u64, u64, u64), Problem> {
    let (first, last) = YEARS_0_TO_9999;
    if !(first..=last).contains(&days) {
        return Err(Problem::DateOutOfRange);
    }
    let shifted = u32::try_from(days + 719_468 + 146_097).map_err(|_| Problem::DateOutOfRange)?;
    let (cycle, day_of_cycle) = (shifted / 146_097, shifted % 146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = cycle * 400 + year_of_cycle + u32::from(month <= 2) - 400;
    Ok((year.into(), month.into(), day.into()))
}

/// 0000-01-01 and 9999-12-31 as days.
const YEARS_0_TO_9999: (i64, i64) = (-719_528, 2_932_896);

/// Quotient towards the past, and what is left over.
fn divide(ticks: i64, by: i64) -> (i64, u64) {
    (ticks.div_euclid(by), ticks.rem_euclid(by).unsigned_abs())
}

#[inline]
fn push_clock(seconds: u64, out: &mut Vec<u8>) {
    let ([m1, m2], [s1, s2]) = (pair(seconds / 60 % 60), pair(seconds % 60));
    let hours = seconds / 3_600;
    if hours < 100 {
        let [h1, h2] = pair(hours);
        out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
    } else {
        write_unsigned(hours, out);
        out.extend_from_slice(&[b':', m1, m2, b':', s1, s2]);
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
    use proptest::prelude::*;

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
        let (first, last) = YEARS_0_TO_9999;

        assert_eq!(date(first), "0000-01-01");
        assert_eq!(date(last), "9999-12-31");
        assert_eq!(civil(first - 1), Err(Problem::DateOutOfRange));
        assert_eq!(civil(last + 1), Err(Problem::DateOutOfRange));
    }

    proptest! {
        /// The calendar counted by hand: each day is the one after the day before.
        #[test]
        fn each_day_follows_the_day_before(days in YEARS_0_TO_9999.0..YEARS_0_TO_9999.1) {
            let (year, month, day) = civil(days).unwrap();
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let in_month = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = match (day == in_month, month) {
                (false, _) => (year, month, day + 1),
                (true, 12) => (year + 1, 1, 1),
                (true, _) => (year, month + 1, 1),
            };
            prop_assert_eq!(civil(days + 1).unwrap(), next);
        }
    }
}
