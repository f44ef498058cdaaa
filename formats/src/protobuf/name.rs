//! Names of Connect as names of Protobuf, and back, by the rules of Confluent's converter.

/// The name of a struct without one; the number tells several apart.
pub(super) const DEFAULT: &str = "ConnectDefault";

/// What Protobuf calls the message of a map's entries.
pub(super) const ENTRY: &str = "Entry";

/// A name of letters, digits and `_` that begins with a letter: the others become `_`, after the
/// encoding of addresses as Java does it.
pub(super) fn scrub(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = |name: &str| !name.starts_with(|c: char| c.is_ascii_digit() || c == '_');
    if name.is_empty() || (name.bytes().all(is_plain) && begins_well(name)) {
        return name.to_owned();
    }
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            _ if is_plain(byte) => encoded.push(char::from(byte)),
            // Those that the encoding leaves, and the blank, are one character.
            b'.' | b'-' | b'*' | b' ' => encoded.push('_'),
            _ => encoded.push_str(&format!("_{byte:02X}")),
        }
    }
    if begins_well(name) {
        return encoded;
    }
    format!("x{encoded}")
}

/// The name of a map's entries: `unit_price` → `UnitPriceEntry`.
pub(super) fn to_entry(name: &str) -> String {
    if !name.contains('_') {
        return format!("{name}{ENTRY}");
    }
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect()
    });
    format!("{}{ENTRY}", words.collect::<Vec<String>>().concat())
}

/// The inverse, on the last part of a full name: `a.UnitPriceEntry` → `a.unit_price`.
pub(super) fn to_map(name: &str) -> String {
    let (package, last) = match name.rsplit_once('.') {
        Some((package, last)) => (format!("{package}."), last),
        None => (String::new(), name),
    };
    let Some(words) = last.strip_suffix(ENTRY) else { return name.to_owned() };
    let mut out = package;
    for (place, letter) in words.chars().enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_confluents() {
        let scrubbed = [
            ("id", "id"),
            ("a-b.c", "a_b_c"),
            ("1st", "x1st"),
            ("_id", "x_id"),
            ("preis€", "preis_E2_82_AC"),
            ("a b", "a_b"),
            ("€", "_E2_82_AC"),
        ];
        for (name, expected) in scrubbed {
            assert_eq!(scrub(name), expected);
        }
        assert_eq!(to_entry("unit_price"), "UnitPriceEntry");
        assert_eq!(to_entry("tags"), "tagsEntry");
        assert_eq!(to_map("a.UnitPriceEntry"), "a.unit_price");
        assert_eq!(to_map("TagsEntry"), "tags");
    }
}
