//! JSON texts.

use serde::de::IgnoredAny;

use super::error::Problem;
use crate::bytes;

/// Writes a string with its quotes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    push_string(text.as_bytes(), Survey::of(text.as_bytes()).escapes, out);
}

/// The same for bytes that should be UTF-8. Those that are ASCII, nearly all, are looked at once.
#[inline]
pub(super) fn write_text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Problem> {
    let survey = Survey::of(bytes);
    if !survey.ascii {
        str::from_utf8(bytes).map_err(|_| Problem::NotUtf8)?;
    }
    push_string(bytes, survey.escapes, out);
    Ok(())
}

/// Text without anything to escape, nearly all, is copied in one piece.
#[inline]
fn push_string(bytes: &[u8], escapes: bool, out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if escapes {
        push_escaped(bytes, out);
    } else {
        bytes::push(bytes, out);
    }
    out.push(b'"');
}

/// What bytes have in them.
struct Survey {
    escapes: bool,
    ascii: bool,
}

impl Survey {
    /// Sixteen bytes at a time. The last piece overlaps the one before it: to look twice is quicker
    /// than to look one by one.
    #[inline]
    fn of(bytes: &[u8]) -> Self {
        if bytes.len() < 16 {
            return Self::of_few(bytes);
        }
        let (mut special, mut all) = ([0; 2], [0; 2]);
        let mut look = |piece: &[u8; 16]| {
            for ((special, all), word) in special.iter_mut().zip(&mut all).zip(piece.as_chunks().0)
            {
                let word = u64::from_ne_bytes(*word);
                *special |= special_bits(word);
                *all |= word;
            }
        };
        if bytes.len() > 32 {
            bytes.as_chunks().0.iter().for_each(&mut look);
        } else {
            bytes.first_chunk().into_iter().for_each(&mut look);
        }
        bytes.last_chunk().into_iter().for_each(look);
        let [special, all] = [special, all].map(|[first, second]| (first | second) & HIGH_BITS);
        Self { escapes: special != 0, ascii: all == 0 }
    }

    /// Up to 15 bytes, in two words filled up with blanks.
    fn of_few(bytes: &[u8]) -> Self {
        let word = |bytes: &[u8]| {
            let blanks = u64::from_ne_bytes([b' '; 8]);
            bytes.iter().fold(blanks, |word, byte| (word << 8) | u64::from(*byte))
        };
        let (head, tail) = bytes.split_at(bytes.len().min(8));
        let (head, tail) = (word(head), word(tail));
        Self {
            escapes: (special_bits(head) | special_bits(tail)) & HIGH_BITS != 0,
            ascii: (head | tail) & HIGH_BITS == 0,
        }
    }
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Has a high bit where one of the eight bytes has to be escaped, and none where none has to be;
/// not always in the same byte. Subtracting from a byte borrows when it is smaller, which sets its
/// high bit; bytes that had it before are no ASCII and not special.
#[inline]
fn special_bits(word: u64) -> u64 {
    let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    (quote | backslash | control) & !word
}

fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(plain) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (copied, tail) = rest.split_at(plain);
        out.extend_from_slice(copied);
        let Some((byte, tail)) = tail.split_first() else { break };
        push_escape(*byte, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            for nibble in [byte >> 4, byte & 0xf] {
                out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Copies a text that is exactly one JSON value. `wrap` puts what is neither an object nor null
/// into an object of one field.
///
/// Line breaks between tokens become blanks: a `_bulk` body is split at line breaks. Inside a JSON
/// string there are none, the grammar forbids them.
pub(super) fn write_verbatim(text: &str, wrap: bool, out: &mut Vec<u8>) -> Result<(), Problem> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Problem::NotJson)?;
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let wrap = wrap && !text.starts_with('{') && text != "null";
    if wrap {
        out.extend_from_slice(b"{\"value\":");
    }
    if text.bytes().any(is_line_break) {
        out.extend(text.bytes().map(|byte| if is_line_break(byte) { b' ' } else { byte }));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    if wrap {
        out.push(b'}');
    }
    Ok(())
}

fn is_line_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verbatim(text: &str, wrap: bool) -> Result<String, Problem> {
        let mut out = Vec::new();
        write_verbatim(text, wrap, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    proptest! {
        #[test]
        fn a_string_reads_back_as_itself(text: String) {
            let mut out = Vec::new();
            write_string(&text, &mut out);

            prop_assert!(!out.iter().any(|byte| *byte < 0x20));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        /// Eight bytes at a time find what one byte at a time finds.
        #[test]
        fn bytes_are_surveyed_as_one_by_one(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let survey = Survey::of(&bytes);

            prop_assert_eq!(survey.escapes, bytes.iter().any(|byte| needs_escape(*byte)));
            prop_assert_eq!(survey.ascii, bytes.is_ascii());
        }

        #[test]
        fn few_bytes_are_surveyed_as_one_by_one(bytes in "[\\x1e-\\x22\\x5b-\\x5d\u{80}x]{0,20}") {
            let escapes = bytes.bytes().any(needs_escape);

            prop_assert_eq!(Survey::of(bytes.as_bytes()).escapes, escapes);
        }

        #[test]
        fn control_characters_read_back_too(text in "[\\x00-\\x7f]{0,40}") {
            let mut out = Vec::new();
            write_string(&text, &mut out);

            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn json_is_copied_as_it_is() {
        let text = r#"{"b": 1, "d": 12345678901234567890.10}"#;

        assert_eq!(verbatim(text, true).unwrap(), text);
    }

    #[test]
    fn a_line_break_never_gets_into_a_body() {
        assert_eq!(verbatim("{\"a\":\r\n 1\n}\n", false).unwrap(), "{\"a\":   1 }");
        assert_eq!(verbatim(r#""a\nb""#, false).unwrap(), r#""a\nb""#);
    }

    #[test]
    fn what_is_not_one_value_is_refused() {
        for text in ["", "{", "1 2", "{\"a\":\"\n\"}", "nul"] {
            assert_eq!(verbatim(text, false), Err(Problem::NotJson), "{text:?}");
        }
    }

    #[test]
    fn values_that_are_no_objects_are_wrapped_on_request() {
        assert_eq!(verbatim("[1]", true).unwrap(), r#"{"value":[1]}"#);
        assert_eq!(verbatim(" 7 ", true).unwrap(), r#"{"value":7}"#);
        assert_eq!(verbatim("null", true).unwrap(), "null");
        assert_eq!(verbatim("7", false).unwrap(), "7");
    }
}
