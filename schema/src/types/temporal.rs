//! Dates and times. The binlog's forms are those of MySQL 5.6.4 and later ("Date and Time Data
//! Type Representation" in the MySQL Internals manual).

use super::ValueError;
use crate::avro::put_count;
use crate::{calendar, digits};

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;
const DAY: u32 = 86_400;
pub(super) const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;

/// Digits after the seconds, 0 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(u8);

impl Fraction {
    /// Microseconds.
    pub(super) const LONGEST: Self = Self(6);

    /// Wraps a number of digits; `None` above 6.
    #[must_use]
    pub fn new(digits: u8) -> Option<Self> {
        (digits <= 6).then_some(Self(digits))
    }

    /// The digits.
    #[must_use]
    pub fn digits(self) -> u8 {
        self.0
    }

    /// Bytes that the fraction takes in the binlog.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::from(self.0).div_ceil(2)
    }

    /// The microseconds in a fraction's bytes.
    #[inline]
    fn micros(self, bytes: &[u8]) -> Result<u32, ValueError> {
        let micros = match *bytes {
            [] => 0,
            [a] => u32::from(a) * 10_000,
            [a, b] => u32::from_be_bytes([0, 0, a, b]) * 100,
            [a, b, c] => u32::from_be_bytes([0, a, b, c]),
            _ => return Err(ValueError::Length),
        };
        if micros < 1_000_000 { Ok(micros) } else { Err(ValueError::DateRange) }
    }

    /// What one unit of the fraction's bytes is, in microseconds.
    fn unit_micros(self) -> i64 {
        match self.bytes() {
            1 => 10_000,
            2 => 100,
            _ => 1,
        }
    }

    /// Where the text of a timestamp has its `Z`. Without digits the point goes too.
    #[inline]
    fn text_end(self) -> usize {
        const POINT: usize = "2020-01-02T03:04:05".len();
        if self.0 == 0 { POINT } else { POINT + 1 + usize::from(self.0) }
    }

    /// Whether milliseconds hold all digits.
    #[must_use]
    pub fn fits_millis(self) -> bool {
        self.0 <= 3
    }
}

/// A date as MySQL stores it: any part can be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilDate {
    /// 0 to 9999.
    pub year: u32,
    /// 1 to 12, or 0.
    pub month: u32,
    /// 1 to 31, or 0.
    pub day: u32,
}

/// `YEAR`: one byte, 0 for 0000, else years since 1900.
pub(super) fn year(bytes: &[u8]) -> Result<i32, ValueError> {
    match bytes {
        [0] => Ok(0),
        [byte] => Ok(1900 + i32::from(*byte)),
        _ => Err(ValueError::Length),
    }
}

/// `DATE`: three bytes, little-endian, day in 5 bits, month in 4, year in 15.
pub(super) fn date(bytes: &[u8]) -> Result<CivilDate, ValueError> {
    let &[a, b, c] = bytes else { return Err(ValueError::Length) };
    let packed = u32::from_le_bytes([a, b, c, 0]);
    Ok(CivilDate { year: packed >> 9, month: packed >> 5 & 0xf, day: packed & 0x1f })
}

/// `TIME(fraction)` as signed microseconds.
pub(super) fn time(bytes: &[u8], fraction: Fraction) -> Result<i64, ValueError> {
    if bytes.len() != 3 + fraction.bytes() {
        return Err(ValueError::Length);
    }
    let fraction_bits = 8 * fraction.bytes();
    let packed = big_endian(bytes) - (0x80_0000 << fraction_bits);
    let magnitude = packed.abs();
    let whole = magnitude >> fraction_bits;
    let (hours, minutes, seconds) = (whole >> 12 & 0x3ff, whole >> 6 & 0x3f, whole & 0x3f);
    if hours > 838 || minutes > 59 || seconds > 59 {
        return Err(ValueError::DateRange);
    }
    let parts = magnitude & ((1 << fraction_bits) - 1);
    let micros = (hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND
        + fraction_micros(parts, fraction)?;
    Ok(micros * packed.signum())
}

/// `DATETIME(fraction)`: the date, and microseconds since midnight.
#[inline]
pub(super) fn datetime(bytes: &[u8], fraction: Fraction) -> Result<(CivilDate, i64), ValueError> {
    // The top bit is the sign, which is set for every date that exists.
    const SIGN: u64 = 1 << 39;
    let (head, tail) = bytes.split_first_chunk::<5>().ok_or(ValueError::Length)?;
    if tail.len() != fraction.bytes() {
        return Err(ValueError::Length);
    }
    let [a, b, c, d, e] = *head;
    let packed = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
    if packed & SIGN == 0 {
        return Err(ValueError::DateRange);
    }
    let part = |shift: u32, mask: u64| u32::try_from(packed >> shift & mask).unwrap_or(u32::MAX);
    let year_month = part(22, 0x1_ffff);
    let date = CivilDate { year: year_month / 13, month: year_month % 13, day: part(17, 0x1f) };
    let clock =
        Clock { hour: part(12, 0x1f), minute: part(6, 0x3f), second: part(0, 0x3f), micros: 0 };
    Ok((date, clock.micros_of_day()? + i64::from(fraction.micros(tail)?)))
}

/// `DATE` as days since 1970.
pub(crate) fn date_days(bytes: &[u8]) -> Result<i64, ValueError> {
    let date = date(bytes)?;
    days_from_civil(date.year, date.month, date.day)
}

/// `TIME(fraction)` in microseconds.
pub(crate) fn time_micros(bytes: &[u8], fraction: Fraction) -> Result<i64, ValueError> {
    time(bytes, fraction)
}

/// `DATETIME(fraction)` as microseconds since 1970, as if it were UTC.
pub(crate) fn datetime_micros(bytes: &[u8], fraction: Fraction) -> Result<i64, ValueError> {
    let (date, micros) = datetime(bytes, fraction)?;
    epoch_micros(date, micros)
}

/// Appends `TIMESTAMP(fraction)` as an Avro string: its text in UTC.
#[inline]
pub(crate) fn put_timestamp(
    bytes: &[u8],
    fraction: Fraction,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let (seconds, micros) = timestamp_parts(bytes, fraction)?;
    if seconds == 0 {
        return Err(ValueError::ZeroDate);
    }
    let words = timestamp_words(i64::from(seconds / DAY), seconds % DAY, micros)?;
    let length = fraction.text_end();
    put_count(length + 1, out);
    let end = out.len() + length;
    for word in words {
        out.extend_from_slice(&word);
    }
    out.truncate(end);
    out.push(b'Z');
    Ok(())
}

/// `TIMESTAMP(fraction)`: microseconds since 1970 UTC, or `None` for MySQL's zero.
pub(super) fn timestamp(bytes: &[u8], fraction: Fraction) -> Result<Option<i64>, ValueError> {
    let (seconds, micros) = timestamp_parts(bytes, fraction)?;
    let total = i64::from(seconds) * MICROS_PER_SECOND + i64::from(micros);
    Ok((seconds != 0).then_some(total))
}

/// Seconds since 1970, and microseconds.
#[inline]
fn timestamp_parts(bytes: &[u8], fraction: Fraction) -> Result<(u32, u32), ValueError> {
    let (head, tail) = bytes.split_first_chunk::<4>().ok_or(ValueError::Length)?;
    if tail.len() != fraction.bytes() {
        return Err(ValueError::Length);
    }
    Ok((u32::from_be_bytes(*head), fraction.micros(tail)?))
}

/// The hour, minute, second and microsecond of a day.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999,999.
    pub micros: u32,
}

impl Clock {
    /// Microseconds since midnight.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError::DateRange`] when a part is out of its range.
    pub fn micros_of_day(self) -> Result<i64, ValueError> {
        if self.hour > 23 || self.minute > 59 || self.second > 59 || self.micros > 999_999 {
            return Err(ValueError::DateRange);
        }
        let seconds = self.hour * 3600 + self.minute * 60 + self.second;
        Ok(i64::from(seconds) * MICROS_PER_SECOND + i64::from(self.micros))
    }
}

/// Microseconds since 1970 of a date and the microseconds since its midnight, as if in UTC.
///
/// # Errors
///
/// Returns [`ValueError`] when there is no such day.
pub fn epoch_micros(date: CivilDate, micros: i64) -> Result<i64, ValueError> {
    Ok(days_from_civil(date.year, date.month, date.day)? * MICROS_PER_DAY + micros)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, which MySQL's dates are in.
///
/// # Errors
///
/// Returns [`ValueError`] when there is no such day.
#[inline]
pub fn days_from_civil(year: u32, month: u32, day: u32) -> Result<i64, ValueError> {
    if month == 0 || day == 0 {
        return Err(ValueError::ZeroDate);
    }
    if year > 9999 || month > 12 || !calendar::is_day((year, month, day)) {
        return Err(ValueError::DateRange);
    }
    Ok(calendar::days_from_civil((year, month, day)))
}

/// `2020-01-02T03:04:05.120Z` without an allocation: the fraction has the column's digits.
#[derive(Debug, Clone, Copy)]
pub struct TimestampText {
    /// Four words, because that is how they are made.
    bytes: [u8; 32],
    length: usize,
}

impl TimestampText {
    /// Prints microseconds since 1970.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError::DateRange`] outside the years 0 to 9999.
    pub fn new(micros: i64, fraction: Fraction) -> Result<Self, ValueError> {
        let seconds = micros.div_euclid(MICROS_PER_SECOND);
        let small = |number: i64| u32::try_from(number).map_err(|_| ValueError::DateRange);
        let of_day = small(seconds.rem_euclid(SECONDS_PER_DAY))?;
        let parts = small(micros.rem_euclid(MICROS_PER_SECOND))?;
        Self::of_parts(seconds.div_euclid(SECONDS_PER_DAY), of_day, parts, fraction)
    }

    /// Prints days since 1970, seconds of the day and microseconds.
    #[inline]
    fn of_parts(
        days: i64,
        of_day: u32,
        micros: u32,
        fraction: Fraction,
    ) -> Result<Self, ValueError> {
        let words = timestamp_words(days, of_day, micros)?;
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(words.as_flattened()) {
            *to = *from;
        }
        let end = fraction.text_end();
        if let Some(slot) = bytes.get_mut(end) {
            *slot = b'Z';
        }
        Ok(Self { bytes, length: end + 1 })
    }

    /// The text's bytes, which are ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The text without zeros at the end of the fraction.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        if text.contains(&b'.') {
            let digits = text.strip_suffix(b"Z").unwrap_or(text);
            let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
            let kept = digits.len() - zeros;
            // A fraction of zeros takes its point along.
            let kept = if digits.get(kept - 1) == Some(&b'.') { kept - 1 } else { kept };
            if let Some(slot) = self.bytes.get_mut(kept) {
                *slot = b'Z';
            }
            self.length = kept + 1;
        }
        self
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only digits and punctuation are written.
        self.bytes.get(..self.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
    }
}

/// `2020-01-02T03:04:05.123456` in four words.
#[inline]
fn timestamp_words(days: i64, of_day: u32, micros: u32) -> Result<[[u8; 8]; 4], ValueError> {
    let date = calendar::civil_from_days(days).ok_or(ValueError::DateRange)?;
    let (year_month, day) = calendar::date_text(date);
    let clock = u64::from_le_bytes(calendar::clock_text(of_day));
    let micros = digits::digits(micros.into()) | digits::ZEROS;
    let day = u64::from(u16::from_le_bytes(day));
    // `DDTHH:MM`, `:SS.ffff` and `ff`.
    let middle = day | u64::from(b'T') << 16 | clock << 24;
    let seconds = clock >> 40 | u64::from(b'.') << 24 | micros >> 16 << 32;
    Ok([year_month, middle.to_le_bytes(), seconds.to_le_bytes(), (micros >> 48).to_le_bytes()])
}

/// `2020-01-02Z`, as Debezium's `IsoDate` has it.
pub(super) fn iso_date(days: i64) -> String {
    let (year, month, day) = calendar::civil_from_days(days).unwrap_or_default();
    format!("{year:04}-{month:02}-{day:02}Z")
}

/// `01:02:03.12Z`, as Debezium's `IsoTime` has it: without zeros at its end, and 24:00:00 as the
/// next day's begin.
pub(super) fn iso_time(micros: i64) -> String {
    let seconds = micros / MICROS_PER_SECOND;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let parts = format!("{:06}", micros % MICROS_PER_SECOND);
    let parts = parts.trim_end_matches('0');
    let point = if parts.is_empty() { "" } else { "." };
    format!("{hour:02}:{minute:02}:{second:02}{point}{parts}Z")
}

fn fraction_micros(parts: i64, fraction: Fraction) -> Result<i64, ValueError> {
    let micros = parts * fraction.unit_micros();
    if fraction.bytes() > 0 && micros >= MICROS_PER_SECOND {
        return Err(ValueError::DateRange);
    }
    Ok(micros)
}

/// At most 6 bytes.
fn big_endian(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fraction(digits: u8) -> Fraction {
        Fraction::new(digits).unwrap()
    }

    #[test]
    fn known_days() {
        assert_eq!(days_from_civil(1970, 1, 1), Ok(0));
        assert_eq!(days_from_civil(2020, 1, 2), Ok(18_263));
        assert_eq!(days_from_civil(2000, 2, 30), Err(ValueError::DateRange));
        assert_eq!(days_from_civil(0, 0, 0), Err(ValueError::ZeroDate));
        assert_eq!(days_from_civil(2020, 5, 0), Err(ValueError::ZeroDate));
    }

    #[test]
    fn negative_times_keep_their_fraction() {
        // The manual's example for TIME2: the whole packed number is negated.
        let packed = |micros_parts: i64, whole: i64, digits: u8| {
            let bytes = 3 + fraction(digits).bytes();
            let bits = 8 * fraction(digits).bytes();
            let value = (0x80_0000_i64 << bits) - ((whole << bits) | micros_parts);
            value.to_be_bytes()[8 - bytes..].to_vec()
        };
        let one_hour = 1 << 12;

        assert_eq!(time(&packed(0, one_hour, 0), fraction(0)), Ok(-3_600_000_000));
        assert_eq!(time(&packed(50, one_hour, 2), fraction(2)), Ok(-3_600_500_000));
        assert_eq!(time(&packed(1, one_hour, 6), fraction(6)), Ok(-3_600_000_001));
    }

    #[test]
    fn a_timestamp_prints_as_many_digits_as_its_column_has() {
        let bytes = [0x5e, 0x0d, 0x5d, 0x25, 0x04, 0xb0];

        let text = |bytes: &[u8], digits| {
            let micros = timestamp(bytes, fraction(digits)).unwrap().unwrap();
            TimestampText::new(micros, fraction(digits)).unwrap().as_str().to_owned()
        };

        assert_eq!(text(&bytes[..4], 0), "2020-01-02T03:01:57Z");
        assert_eq!(text(&bytes, 3), "2020-01-02T03:01:57.120Z");
        assert_eq!(timestamp(&[0; 4], fraction(0)), Ok(None));
    }

    proptest! {
        #[test]
        fn timestamps_print_their_parts(
            seconds in any::<u32>(), micros in 0_u32..1_000_000, digits in 0_u8..=6,
        ) {
            let total = i64::from(seconds) * MICROS_PER_SECOND + i64::from(micros);
            let text = TimestampText::new(total, fraction(digits)).unwrap();

            let (year, month, day) = calendar::civil_from_days(i64::from(seconds / DAY)).unwrap();
            let clock = seconds % DAY;
            let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
            let mut parts = format!(".{micros:06}");
            parts.truncate(if digits == 0 { 0 } else { 1 + usize::from(digits) });
            prop_assert_eq!(
                text.as_str(),
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{parts}Z")
            );
        }

        #[test]
        fn any_bytes_give_a_moment_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..10), digits in 0_u8..=6,
        ) {
            let _date = date(&bytes);
            let _time = time(&bytes, fraction(digits));
            let _datetime = datetime(&bytes, fraction(digits));
            let _timestamp = timestamp(&bytes, fraction(digits));
        }
    }
}
