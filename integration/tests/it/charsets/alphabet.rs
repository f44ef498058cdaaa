//! Characters of a character set, drawn at random as the bytes that a column stores.

use integration::random::Random;
use schema::types::charset::Charset;

/// One character: its bytes in the character set, and its text.
pub(super) fn character(charset: Charset, random: &mut Random) -> (Vec<u8>, String) {
    loop {
        let bytes = candidate(charset, random);
        let Ok(text) = charset.decode(&bytes) else { continue };
        if text.chars().count() == 1 {
            return (bytes.clone(), text.into_owned());
        }
    }
}

/// A text of up to so many characters.
pub(super) fn text(charset: Charset, longest: u64, random: &mut Random) -> Vec<u8> {
    (0..random.below(longest + 1)).flat_map(|_| character(charset, random).0).collect()
}

/// Bytes that have a fair chance to be a character.
fn candidate(charset: Charset, random: &mut Random) -> Vec<u8> {
    let [a, b, c, d, kind, ..] = random.bits().to_le_bytes();
    let pair = [0xd8 | (a & 3), b, 0xdc | (c & 3), d];
    match charset.name() {
        "utf8mb4" | "utf8mb3" => {
            let code = u32::from_le_bytes([a, b, if kind < 128 { 0 } else { c & 0x0f }, 0]);
            char::from_u32(code).unwrap_or('x').to_string().into_bytes()
        }
        "utf32" => vec![0, if kind < 128 { 0 } else { a & 0x0f }, b, c],
        "utf16" if kind < 128 => pair.into(),
        "utf16le" if kind < 128 => [pair[1], pair[0], pair[3], pair[2]].into(),
        "utf16" | "utf16le" | "ucs2" => vec![a, b],
        "gb18030" if kind < 128 => vec![0x80 | a, 0x30 | (b & 7), 0x80 | c, 0x30 | (d & 7)],
        _ => match kind % 4 {
            0 => vec![a],
            1 => vec![0x8f, a | 0x80, b | 0x80],
            _ => vec![a | 0x80, b],
        },
    }
}
