//! JSON texts.

use serde::de::IgnoredAny;

use super::error::Problem;

/// Writes a string with its quotes. Strings without anything to escape, nearly all, are copied in
/// one piece.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(plain) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (copied, tail) = rest.split_at(plain);
        out.extend_from_slice(copied);
        let Some((byte, tail)) = tail.split_first() else { break };
        push_escape(*byte, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
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
