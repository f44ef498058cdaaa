//! The Gregorian calendar, extended backwards as MySQL and Java do, and its dates and clocks as
//! text.
//!
//! A row has a few of them, so nothing here divides twice where a multiplication does: the parts of
//! a date come from the affine functions of Neri and Schneider ("Euclidean affine functions and
//! their application to calendar algorithms", 2022), and pairs of digits are made all at once in
//! one word.

/// Days of 400 years.
const ERA: u32 = 146_097;
/// Days from -0400-03-01 to 1970-01-01. Counted from there nothing is negative, the leap day ends
/// its year, and a cycle of 400 years begins.
const EPOCH: u32 = ERA + 719_468;
/// Days from 1970-01-01 to the ends of the years that MySQL has.
const FIRST_DAY: i64 = -719_528;
const LAST_DAY: i64 = 2_932_896;

/// Year, month and day.
pub type Civil = (u32, u32, u32);

/// The date of a number of days since 1970-01-01; `None` outside the years 0 to 9999.
#[inline]
#[must_use]
pub fn civil_from_days(days: i64) -> Option<Civil> {
    let days = (FIRST_DAY..=LAST_DAY).contains(&days).then_some(days)?;
    u32::try_from(days + i64::from(EPOCH)).ok().map(civil)
}

/// The date of a number of days since -0400-03-01, before the year 32,767.
#[inline]
fn civil(days: u32) -> Civil {
    // Quarters of a day, in centuries and then in years of 365.25 days.
    let quarters = 4 * days + 3;
    let (century, of_century) = (quarters / ERA, quarters % ERA / 4);
    // 2,939,745 / 2^32 is one over the 1,461 days of four years.
    let years = 2_939_745 * u64::from(4 * of_century + 3);
    let year_of_century = high(years);
    let day_of_year = low(years) / 2_939_745 / 4;
    // Months are 30.6 days long: 2,141 / 2^16 is one over that.
    let months = 2_141 * day_of_year + 197_913;
    let (month, day) = (months >> 16, (months & 0xffff) / 2_141 + 1);
    // January and February end the year that began in March.
    let is_next_year = day_of_year >= 306;
    let year = 100 * century + year_of_century + u32::from(is_next_year);
    (year - 400, if is_next_year { month - 12 } else { month }, day)
}

/// Days since 1970-01-01 of a date, which has to be one of the years 0 to 9999.
#[inline]
#[must_use]
pub fn days_from_civil((year, month, day): Civil) -> i64 {
    let is_next_year = month <= 2;
    let year = year + 400 - u32::from(is_next_year);
    let month = if is_next_year { month + 12 } else { month };
    let century = year / 100;
    let days = 1_461 * year / 4 - century + century / 4 + (979 * month - 2_919) / 32 + day - 1;
    i64::from(days) - i64::from(EPOCH)
}

/// Whether there is such a day; the month is 1 to 12.
#[inline]
#[must_use]
pub fn is_day((year, month, day): Civil) -> bool {
    day <= 28 || day <= days_of_month(year, month)
}

fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap_year(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// `YYYY-MM-` and `DD`, the first character in the lowest byte.
#[inline]
pub(crate) fn date_text((year, month, day): Civil) -> ([u8; 8], [u8; 2]) {
    let (century, of_century) = (u64::from(year / 100), u64::from(year % 100));
    let pairs = century | of_century << 16 | u64::from(month) << 40;
    let word = digits_of_pairs(pairs, 0x00_0f_00_00_0f_00_0f) | u64::from_le_bytes(*b"0000-00-");
    let [d1, d2, ..] = (digits_of_pairs(u64::from(day), 0x0f) | 0x3030).to_le_bytes();
    (word.to_le_bytes(), [d1, d2])
}

/// `HH:MM:SS` of the seconds since midnight, or of less than a hundred hours.
#[inline]
pub(crate) fn clock_text(seconds: u32) -> [u8; 8] {
    let (hours, minutes) = (seconds / 3_600, seconds / 60);
    let pairs = u64::from(hours)
        | u64::from(minutes - hours * 60) << 24
        | u64::from(seconds - minutes * 60) << 48;
    let digits = digits_of_pairs(pairs, 0x000f_0000_0f00_000f);
    (digits | u64::from_le_bytes(*b"00:00:00")).to_le_bytes()
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` of the milliseconds since 1970-01-01; `None` outside the years 0 to
/// 9999.
#[must_use]
pub fn timestamp_text(millis: i64) -> Option<String> {
    const DAY: i64 = 86_400_000;
    let (year, month, day) = civil_from_days(millis.div_euclid(DAY))?;
    let of_day = millis.rem_euclid(DAY);
    let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z"))
}

/// The digits of numbers below 100, each in its own byte and the one above it, which is free.
/// `ones` has the four low bits of their bytes. Multiplying by 103 / 2^10 divides by 10.
#[inline]
fn digits_of_pairs(pairs: u64, ones: u64) -> u64 {
    let tens = ((pairs * 103) >> 10) & ones;
    tens | ((pairs - tens * 10) << 8)
}

fn high(number: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn low(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every day of ten thousand years, counted one after the other.
    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let mut date = (0, 1, 1);
        for days in FIRST_DAY..=LAST_DAY {
            assert_eq!(civil_from_days(days), Some(date));
            assert_eq!(days_from_civil(date), days);
            assert!(is_day(date));
            let (year, month, day) = date;
            date = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day < days_of_month(year, month) => (year, month, day + 1),
                _ => (year, month + 1, 1),
            };
        }
        assert_eq!(date, (10_000, 1, 1));
        assert_eq!(civil_from_days(0), Some((1970, 1, 1)));
        assert_eq!(civil_from_days(FIRST_DAY - 1), None);
        assert_eq!(civil_from_days(LAST_DAY + 1), None);
        assert_eq!(civil_from_days(i64::MIN), None);
    }

    #[test]
    fn moments_print_in_utc() {
        assert_eq!(timestamp_text(0).unwrap(), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp_text(-1).unwrap(), "1969-12-31T23:59:59.999Z");
        assert_eq!(timestamp_text(1_732_233_845_067).unwrap(), "2024-11-22T00:04:05.067Z");
        assert_eq!(timestamp_text(i64::MAX), None);
    }

    #[test]
    fn leap_days_are_those_of_the_calendar() {
        let is_leap = |year| is_day((year, 2, 29));

        assert_eq!([1900, 1996, 2000, 2023, 2024].map(is_leap), [false, true, true, false, true]);
        assert!(!is_day((2024, 2, 30)) && !is_day((2024, 4, 31)) && is_day((2024, 12, 31)));
    }

    #[test]
    fn dates_and_clocks_print_with_their_zeros() {
        for date in [(0, 1, 1), (987, 10, 9), (2024, 2, 29), (9999, 12, 31)] {
            let (year, month, day) = date;
            let (first, last) = date_text(date);
            let text = String::from_utf8([&first[..], &last].concat()).unwrap();
            assert_eq!(text, format!("{year:04}-{month:02}-{day:02}"));
        }
        for seconds in (0..360_000).step_by(7).chain([86_399, 359_999]) {
            let text = String::from_utf8(clock_text(seconds).to_vec()).unwrap();
            let (minutes, second) = (seconds / 60 % 60, seconds % 60);
            assert_eq!(text, format!("{:02}:{minutes:02}:{second:02}", seconds / 3_600));
        }
    }
}
