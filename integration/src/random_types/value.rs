//! Random values of a type, corners preferred, as SQL.

use super::kind::Kind;
use super::{spatial, text};
use crate::random::Random;

/// A value that is not NULL. It is a literal for every type of which a default is one.
pub(super) fn draw(random: &mut Random, kind: &Kind) -> String {
    match kind {
        Kind::Integer { bits, unsigned } => integer(random, *bits, *unsigned),
        Kind::Bit { length } => format!("b'{:b}'", pattern(random, *length)),
        Kind::Decimal { precision, scale } => decimal(random, *precision, *scale),
        Kind::Float => float(random),
        Kind::Double => double(random),
        Kind::Text { longest } => text::quoted(&text::draw(random, *longest)),
        Kind::Bytes { longest } => bytes(random, *longest),
        Kind::Enum { members } => {
            let some = random.between(1, *members);
            random.pick(&[1, *members, some, some]).to_string()
        }
        Kind::Set { members } => pattern(random, *members).to_string(),
        Kind::Year => {
            let some = random.between(1901, 2155);
            format!("'{:04}'", random.pick(&[0, 1901, 2155, some, some]))
        }
        Kind::Date => format!("'{}'", date(random)),
        Kind::Time { digits } => time(random, *digits),
        Kind::DateTime { digits } => {
            format!("'{} {}{}'", date(random), clock(random), fraction(random, *digits))
        }
        Kind::Timestamp { digits } => timestamp(random, *digits),
        Kind::Json => text::quoted(&text::json(random, 3)),
        Kind::Geometry { name, srid } => spatial::draw(random, name, *srid),
        Kind::Vector { entries } => vector(random, *entries),
    }
}

/// A value that MySQL takes as a default: it has no sign that an unsigned column refuses, no
/// character that the character set does not have, and is not too large.
pub(super) fn default(random: &mut Random, kind: &Kind) -> String {
    match kind {
        Kind::Text { longest } => text::ascii(random, *longest),
        Kind::Float | Kind::Double => random.pick(&["0", "0.5", "0.25", "0.1"]).to_owned(),
        Kind::Decimal { .. } => draw(random, kind).trim_start_matches('-').to_owned(),
        Kind::Integer { .. }
        | Kind::Bit { .. }
        | Kind::Bytes { .. }
        | Kind::Enum { .. }
        | Kind::Set { .. }
        | Kind::Year
        | Kind::Date
        | Kind::Time { .. }
        | Kind::DateTime { .. }
        | Kind::Timestamp { .. }
        | Kind::Json
        | Kind::Geometry { .. }
        | Kind::Vector { .. } => draw(random, kind),
    }
}

/// So many bits: none, all, the highest, or any.
fn pattern(random: &mut Random, length: u32) -> u64 {
    let all = u64::MAX >> (64 - length.clamp(1, 64));
    let some = random.bits() & all;
    random.pick(&[0, 1, all, all ^ (all >> 1), some, some, some])
}

fn integer(random: &mut Random, bits: u32, unsigned: bool) -> String {
    let pattern = pattern(random, bits);
    if unsigned {
        return pattern.to_string();
    }
    // The highest bit of so many is the sign.
    let shift = 64 - bits;
    ((pattern << shift).cast_signed() >> shift).to_string()
}

fn decimal(random: &mut Random, precision: u64, scale: u64) -> String {
    let run = |random: &mut Random, count: u64| -> String {
        let fill = random.pick(&["", "", "", "0", "9"]);
        let digit =
            |_| if fill.is_empty() { random.below(10).to_string() } else { fill.to_owned() };
        (0..count).map(digit).collect()
    };
    let sign = random.pick(&["", "-"]);
    let (whole, fraction) = (run(random, precision - scale), run(random, scale));
    let whole = if whole.is_empty() { "0" } else { whole.as_str() };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn float(random: &mut Random) -> String {
    format!("{:e}", single(random))
}

fn single(random: &mut Random) -> f32 {
    let bits = u32::try_from(random.bits() >> 32).unwrap_or_default();
    let any = f32::from_bits(bits);
    let any = if any.is_finite() { any } else { 0.1 };
    let corners =
        [0.0, -0.0, 1.0, -0.1, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 16_777_217.0];
    let corner = random.pick(&corners);
    random.pick(&[any, any, corner])
}

fn double(random: &mut Random) -> String {
    let any = f64::from_bits(random.bits());
    let any = if any.is_finite() { any } else { 0.1 };
    let corners = [0.0, -0.0, 1.0, -0.1, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e23];
    let corner = random.pick(&corners);
    format!("{:e}", random.pick(&[any, any, corner]))
}

fn bytes(random: &mut Random, longest: u64) -> String {
    let some = random.below(longest.min(40) + 1);
    let length = random.pick(&[0, 1, some, some, some, some, longest]).min(longest);
    if length > 300 {
        return format!("REPEAT(x'{:02x}', {length})", random.below(256));
    }
    // Bytes that are stripped, padded or ended with somewhere.
    let any = random.below(256);
    let hex: String =
        (0..length).map(|_| format!("{:02x}", random.pick(&[0, 0x20, 0xff, any, any]))).collect();
    format!("x'{hex}'")
}

fn date(random: &mut Random) -> String {
    let some = random.between(1, 9999);
    let year = random.pick(&[1, 1000, 1582, 1900, 1969, 1970, 2000, 2024, 2038, 9999, some, some]);
    let some = random.between(1, 12);
    let month = random.pick(&[1, 2, 12, some, some]);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let some = random.between(1, last);
    format!("{year:04}-{month:02}-{:02}", random.pick(&[1, last, some]))
}

fn clock(random: &mut Random) -> String {
    if random.chance(30) {
        return random.pick(&["00:00:00", "23:59:59", "12:00:00"]).to_owned();
    }
    format!("{:02}:{:02}:{:02}", random.below(24), random.below(60), random.below(60))
}

/// As many digits as the column has, so that nothing is rounded up beyond the last year.
fn fraction(random: &mut Random, digits: u32) -> String {
    if digits == 0 {
        return String::new();
    }
    let end = 10_u64.pow(digits);
    let some = random.below(end);
    let width = usize::try_from(digits).unwrap_or_default();
    format!(".{:0width$}", random.pick(&[0, 1, end - 1, end / 10, some, some]))
}

fn time(random: &mut Random, digits: u32) -> String {
    let sign = random.pick(&["", "-"]);
    let some = random.below(838);
    let hours = random.pick(&[0, 1, 23, 24, 255, 512, 837, some, some]);
    let (minutes, seconds) = (random.below(60), random.below(60));
    if random.chance(10) {
        return format!("'{sign}838:59:59'");
    }
    if random.chance(20) {
        return format!("'{sign}00:00:00{}'", fraction(random, digits));
    }
    format!("'{sign}{hours:02}:{minutes:02}:{seconds:02}{}'", fraction(random, digits))
}

fn timestamp(random: &mut Random, digits: u32) -> String {
    let fraction = fraction(random, digits);
    if random.chance(30) {
        let corner = random.pick(&["1970-01-01 00:00:01", "2038-01-19 03:14:07"]);
        return format!("'{corner}{fraction}'");
    }
    let (year, month, day) =
        (random.between(1971, 2037), random.between(1, 12), random.between(1, 28));
    format!("'{year}-{month:02}-{day:02} {}{fraction}'", clock(random))
}

fn vector(random: &mut Random, entries: u64) -> String {
    let count = random.pick(&[1, entries]);
    // Smaller numbers than the least normal one are refused.
    let number = |_| {
        let number = single(random);
        if number.is_subnormal() { "0".to_owned() } else { format!("{number:e}") }
    };
    let numbers: Vec<String> = (0..count).map(number).collect();
    format!("STRING_TO_VECTOR('[{}]')", numbers.join(","))
}
