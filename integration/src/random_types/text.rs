//! Random text, as SQL and as JSON.

use crate::random::Random;

/// Texts that are likely to go wrong.
const CORNERS: [&str; 14] = [
    "",
    " ",
    "a",
    "trailing  ",
    "\0",
    "it's",
    "\"",
    "\\",
    "\\n",
    "a\nb\tc\r",
    "NULL",
    "é",
    "한",
    "😀",
];

/// First and last character of what writing systems use.
const SCRIPTS: [(u32, u32); 14] = [
    (0x20, 0x7e),
    (0x20, 0x7e),
    (0xa0, 0xff),
    (0x100, 0x17f),
    (0x391, 0x3c9),
    (0x401, 0x451),
    (0x5d0, 0x5ea),
    (0x621, 0x64a),
    (0x0e01, 0x0e3a),
    (0x3041, 0x30f6),
    (0x4e00, 0x9fa5),
    (0xac00, 0xd7a3),
    (0x1_f300, 0x1_f64f),
    (0x1, 0x1f),
];

/// Text of no more than so many characters, some of them not in every character set.
pub(super) fn draw(random: &mut Random, longest: u64) -> String {
    if random.chance(30) {
        let corner = random.pick(&CORNERS);
        if u64::try_from(corner.chars().count()).is_ok_and(|count| count <= longest) {
            return corner.to_owned();
        }
    }
    let some = random.below(longest.min(40) + 1);
    let length = random.pick(&[some, some, some, some, some, some, longest.min(300)]);
    let script = random.pick(&SCRIPTS);
    (0..length)
        .filter_map(|_| {
            let (first, last) = if random.chance(20) { (0x20, 0x7e) } else { script };
            let code = random.between(first.into(), last.into());
            char::from_u32(u32::try_from(code).unwrap_or(0x20))
        })
        .collect()
}

/// Text that every character set has, as a literal.
pub(super) fn ascii(random: &mut Random, longest: u64) -> String {
    let text: String = draw(random, longest).chars().filter(char::is_ascii_alphanumeric).collect();
    quoted(&text)
}

/// Text as a literal of SQL.
pub(super) fn quoted(text: &str) -> String {
    let inner = text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0");
    format!("'{inner}'")
}

/// A JSON document.
pub(super) fn json(random: &mut Random, depth: u32) -> String {
    let kinds = if depth == 0 { 6 } else { 9 };
    match random.below(kinds) {
        0 => random.pick(&["null", "true", "false", "{}", "[]", "\"\""]).to_owned(),
        1 => random.bits().cast_signed().to_string(),
        2 => random
            .pick(&["0", "-1", "32768", "65536", "-2147483649", "18446744073709551615"])
            .to_owned(),
        3 => {
            let number = f64::from_bits(random.bits());
            if number.is_finite() { format!("{number:e}") } else { "1.5".to_owned() }
        }
        4 | 5 => {
            let longest = random.pick(&[10, 20, 130, 300]);
            serde_json::Value::String(draw(random, longest)).to_string()
        }
        6 | 7 => {
            let members: Vec<String> = (0..random.below(6))
                .map(|number| {
                    let name = format!("{number}{}", draw(random, 8));
                    let name = serde_json::Value::String(name).to_string();
                    format!("{name}: {}", json(random, depth - 1))
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        _ => {
            let entries: Vec<String> =
                (0..random.below(6)).map(|_| json(random, depth - 1)).collect();
            format!("[{}]", entries.join(", "))
        }
    }
}
