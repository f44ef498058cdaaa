//! Dates and times by counting, year by year and month by month.

use super::super::error::Problem;

const SECONDS_PER_DAY: i64 = 86_400;
/// 0000-01-01, in days since 1970-01-01.
const FIRST_DAY: i64 = -719_528;
/// After so many days the calendar repeats, and after so many years.
const CYCLE: (i64, i64) = (146_097, 400);

/// `YYYY-MM-DD` of a number of days since 1970-01-01.
pub(super) fn date(days: i64) -> Result<String, Problem> {
    let since_year_0 =
        days.checked_sub(FIRST_DAY).filter(|days| *days >= 0).ok_or(Problem::DateOutOfRange)?;
    let mut year = since_year_0 / CYCLE.0 * CYCLE.1;
    let mut days = since_year_0 % CYCLE.0;
    while days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    if year > 9_999 {
        return Err(Problem::DateOutOfRange);
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Ok(format!("{year:04}-{month:02}-{:02}", days + 1))
}

fn days_of(year: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if leap { 366 } else { 365 }
}

/// `YYYY-MM-DDTHH:MM:SS.fff` of a number of 10^-`digits` seconds since 1970-01-01.
pub(super) fn date_time(ticks: i64, digits: u32) -> Result<String, Problem> {
    let per_second = 10_i64.pow(digits);
    let seconds = ticks.div_euclid(per_second);
    let date = date(seconds.div_euclid(SECONDS_PER_DAY))?;
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let ticks = i128::from(of_day * per_second + ticks.rem_euclid(per_second));
    Ok(format!("{date}T{}", time(ticks, digits)))
}

/// `[-]HH:MM:SS.fff` of a number of 10^-`digits` seconds.
pub(super) fn time(ticks: i128, digits: u32) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let per_second = 10_u128.pow(digits);
    let seconds = ticks.unsigned_abs() / per_second;
    let fraction = ticks.unsigned_abs() % per_second;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let width = digits as usize;
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:0width$}")
}
