//! `JSON` columns: MySQL's binary JSON as text.
//!
//! The binary form is described in MySQL's `sql-common/json_binary.h`. Text is written compactly,
//! as Debezium writes what it reads from the binlog; numbers are printed as MySQL prints them. A
//! SELECT gives the same text with blanks after `,` and `:`, which [`compact`] takes out.

mod encode;
mod number;
mod patch;
mod path;
mod tree;

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use self::patch::write_patched;
use super::{ValueError, decimal};

/// The kinds of values without parts, by the byte before them.
mod kind {
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const INT16: u8 = 0x05;
    pub(super) const UINT16: u8 = 0x06;
    pub(super) const INT32: u8 = 0x07;
    pub(super) const UINT32: u8 = 0x08;
    pub(super) const INT64: u8 = 0x09;
    pub(super) const UINT64: u8 = 0x0a;
    pub(super) const DOUBLE: u8 = 0x0b;
    pub(super) const STRING: u8 = 0x0c;
    pub(super) const OPAQUE: u8 = 0x0f;
}

/// Deepest nesting: MySQL's own limit (`JSON_DOCUMENT_MAX_DEPTH`).
const DEPTH_MAX: usize = 100;

/// Most bytes of text for each byte of binary JSON. One control character becomes `\u0001`, one
/// empty key with its literal `"":null,` for 7 bytes; damage that lets parts of a document contain
/// each other would grow without this limit.
const TEXT_BYTES_PER_BYTE: usize = 12;

/// Appends binary JSON as text.
///
/// # Errors
///
/// Returns [`ValueError::Json`] when the bytes are not binary JSON.
pub fn write_text(binary: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    // MySQL stores no bytes at all for a NULL that an old server let into a NOT NULL column.
    let Some((kind, value)) = binary.split_first() else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let limit = out.len() + 64 + binary.len() * TEXT_BYTES_PER_BYTE;
    Writer { out, limit }.value(*kind, value, 0)
}

/// Appends JSON text without the blanks outside its strings.
pub fn compact(text: &str, out: &mut Vec<u8>) {
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        if !in_string && byte == b' ' {
            continue;
        }
        out.push(byte);
        if byte == b'"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && byte == b'\\' && !escaped;
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
}

impl Writer<'_> {
    fn value(&mut self, kind: u8, bytes: &[u8], depth: usize) -> Result<(), ValueError> {
        if depth > DEPTH_MAX || self.out.len() > self.limit {
            return Err(ValueError::Json);
        }
        if let Some(layout) = Layout::of(kind) {
            return self.container(bytes, depth, layout);
        }
        match kind {
            kind::LITERAL => self.literal(*bytes.first().ok_or(ValueError::Json)?),
            kind::INT16 => self.display(i16::from_le_bytes(array(bytes)?)),
            kind::UINT16 => self.display(u16::from_le_bytes(array(bytes)?)),
            kind::INT32 => self.display(i32::from_le_bytes(array(bytes)?)),
            kind::UINT32 => self.display(u32::from_le_bytes(array(bytes)?)),
            kind::INT64 => self.display(i64::from_le_bytes(array(bytes)?)),
            kind::UINT64 => self.display(u64::from_le_bytes(array(bytes)?)),
            kind::DOUBLE => number::write_double(f64::from_le_bytes(array(bytes)?), self.out),
            kind::STRING => self.string(variable_length(bytes)?),
            kind::OPAQUE => {
                let (field_type, rest) = bytes.split_first().ok_or(ValueError::Json)?;
                self.opaque(*field_type, variable_length(rest)?)
            }
            _ => Err(ValueError::Json),
        }
    }

    /// An object or array: count and size, then the entries, which point into the rest.
    fn container(&mut self, bytes: &[u8], depth: usize, layout: Layout) -> Result<(), ValueError> {
        let width = layout.offset_bytes();
        let count = layout.offset(bytes, 0)?;
        let size = layout.offset(bytes, width)?;
        let bytes = bytes.get(..size).ok_or(ValueError::Json)?;
        let keys = 2 * width;
        let values = keys + if layout.object { count * (width + 2) } else { 0 };
        self.out.push(if layout.object { b'{' } else { b'[' });
        for index in 0..count {
            if index > 0 {
                self.out.push(b',');
            }
            if layout.object {
                let entry = keys + index * (width + 2);
                let start = layout.offset(bytes, entry)?;
                let length = little_endian(bytes, entry + width, 2)?;
                self.string(bytes.get(start..start + length).ok_or(ValueError::Json)?)?;
                self.out.push(b':');
            }
            let entry = values + index * (width + 1);
            let kind = *bytes.get(entry).ok_or(ValueError::Json)?;
            let start = layout.value_start(bytes, entry, kind)?;
            self.value(kind, bytes.get(start..).ok_or(ValueError::Json)?, depth + 1)?;
        }
        self.out.push(if layout.object { b'}' } else { b']' });
        Ok(())
    }

    fn literal(&mut self, literal: u8) -> Result<(), ValueError> {
        self.out.extend_from_slice(match literal {
            0 => b"null",
            1 => b"true",
            2 => b"false",
            _ => return Err(ValueError::Json),
        });
        Ok(())
    }

    fn display(&mut self, number: impl std::fmt::Display) -> Result<(), ValueError> {
        use std::io::Write as _;
        write!(self.out, "{number}").map_err(|_| ValueError::Json)
    }

    /// Text, utf8mb4, with the escapes that MySQL writes.
    fn string(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ValueError::Charset)?;
        self.out.push(b'"');
        for byte in text.bytes() {
            let escape = match byte {
                b'"' | b'\\' => byte,
                0x08 => b'b',
                0x09 => b't',
                0x0a => b'n',
                0x0c => b'f',
                0x0d => b'r',
                0x00..=0x1f => {
                    self.out.extend_from_slice(b"\\u00");
                    self.out.push(b'0' + (byte >> 4));
                    self.out
                        .push(*b"0123456789abcdef".get(usize::from(byte & 0xf)).unwrap_or(&b'0'));
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', escape]);
        }
        self.out.push(b'"');
        Ok(())
    }

    /// A value of an SQL type inside JSON: decimals are numbers, dates and times are strings,
    /// everything else is base64 with the number of its type.
    fn opaque(&mut self, field_type: u8, bytes: &[u8]) -> Result<(), ValueError> {
        const NEWDECIMAL: u8 = 246;
        const TIMESTAMP: u8 = 7;
        const DATE: u8 = 10;
        const TIME: u8 = 11;
        const DATETIME: u8 = 12;
        match field_type {
            NEWDECIMAL => {
                let &[precision, scale, ref packed @ ..] = bytes else {
                    return Err(ValueError::Json);
                };
                decimal::text_from_binlog(packed, precision, scale, self.out)
            }
            DATE | DATETIME | TIMESTAMP => {
                let text = packed_datetime(i64::from_le_bytes(array(bytes)?), field_type == DATE);
                self.string(text.as_bytes())
            }
            TIME => self.string(packed_time(i64::from_le_bytes(array(bytes)?)).as_bytes()),
            _ => {
                let text = format!("base64:type{field_type}:{}", in_lines(&STANDARD.encode(bytes)));
                self.string(text.as_bytes())
            }
        }
    }
}

/// Base64 in lines of 76 characters, as MySQL's `base64_encode` in `mysys/base64.cc` writes it.
fn in_lines(base64: &str) -> String {
    const LINE_CHARS: usize = 76;
    let mut lines = String::with_capacity(base64.len() + base64.len() / LINE_CHARS);
    for (index, character) in base64.chars().enumerate() {
        if index > 0 && index % LINE_CHARS == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines
}

/// The four kinds of containers.
#[derive(Clone, Copy)]
struct Layout {
    object: bool,
    large: bool,
}

impl Layout {
    /// That of a container of this kind; `None` if it is none.
    fn of(kind: u8) -> Option<Self> {
        (kind <= 0x03).then_some(Self { object: kind <= 0x01, large: kind & 1 == 1 })
    }

    fn kind(self) -> u8 {
        u8::from(self.large) | u8::from(!self.object) << 1
    }

    fn offset_bytes(self) -> usize {
        if self.large { 4 } else { 2 }
    }

    fn offset(self, bytes: &[u8], at: usize) -> Result<usize, ValueError> {
        little_endian(bytes, at, self.offset_bytes())
    }

    /// Where the value begins that `entry` of a container is about.
    fn value_start(self, bytes: &[u8], entry: usize, kind: u8) -> Result<usize, ValueError> {
        if self.is_inlined(kind) { Ok(entry + 1) } else { self.offset(bytes, entry + 1) }
    }

    /// Literals and the integers that fit into an offset stand in the entry itself.
    fn is_inlined(self, kind: u8) -> bool {
        matches!(kind, kind::LITERAL | kind::INT16 | kind::UINT16)
            || (self.large && matches!(kind, kind::INT32 | kind::UINT32))
    }
}

fn little_endian(bytes: &[u8], at: usize, width: usize) -> Result<usize, ValueError> {
    let bytes = bytes.get(at..at + width).ok_or(ValueError::Json)?;
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ValueError> {
    bytes.get(..N).and_then(|bytes| bytes.try_into().ok()).ok_or(ValueError::Json)
}

/// A length of seven bits a byte, low bits first, at most five bytes; then so many bytes.
fn variable_length(bytes: &[u8]) -> Result<&[u8], ValueError> {
    bytes.get(variable_extent(bytes)?).ok_or(ValueError::Json)
}

/// Where the bytes are that such a length counts.
fn variable_extent(bytes: &[u8]) -> Result<Range<usize>, ValueError> {
    let mut length = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 1;
            let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
            return end.map(|end| start..end).ok_or(ValueError::Json);
        }
    }
    Err(ValueError::Json)
}

/// MySQL's packed datetime: microseconds in 24 bits, then second, minute, hour, day, and
/// `year * 13 + month`.
fn packed_datetime(packed: i64, date_only: bool) -> String {
    let packed = packed.unsigned_abs();
    let (micros, whole) = (packed & 0xff_ffff, packed >> 24);
    let year_month = whole >> 22;
    let (year, month, day) = (year_month / 13, year_month % 13, whole >> 17 & 0x1f);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if date_only {
        return date;
    }
    let (hour, minute, second) = (whole >> 12 & 0x1f, whole >> 6 & 0x3f, whole & 0x3f);
    format!("{date} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// MySQL's packed time: as above, with ten bits for the hour, and a sign.
fn packed_time(packed: i64) -> String {
    let sign = if packed < 0 { "-" } else { "" };
    let packed = packed.unsigned_abs();
    let (micros, whole) = (packed & 0xff_ffff, packed >> 24);
    let (hour, minute, second) = (whole >> 12 & 0x3ff, whole >> 6 & 0x3f, whole & 0x3f);
    format!("{sign}{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(binary: &[u8]) -> Result<String, ValueError> {
        let mut out = Vec::new();
        write_text(binary, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_small_object_with_an_inlined_and_a_stored_value() {
        // {"a": 1, "b": "x"}: count 2, size 22, key entries, value entries, keys, string.
        let binary = [
            0x00, 2, 0, 22, 0, 18, 0, 1, 0, 19, 0, 1, 0, 0x05, 1, 0, 0x0c, 20, 0, b'a', b'b', 1,
            b'x',
        ];

        assert_eq!(text(&binary).unwrap(), r#"{"a":1,"b":"x"}"#);
    }

    #[test]
    fn scalars_and_opaque_values() {
        assert_eq!(text(&[]).unwrap(), "null");
        assert_eq!(text(&[0x04, 1]).unwrap(), "true");
        assert_eq!(text(&[0x0c, 3, b'"', 1, b'\n']).unwrap(), r#""\"\u0001\n""#);
        assert_eq!(text(&[0x0f, 246, 4, 3, 2, 0x89, 0x00]).unwrap(), "9.00");
        assert_eq!(text(&[0x0f, 15, 1, 0xff]).unwrap(), r#""base64:type15:/w==""#);
    }

    #[test]
    fn long_base64_is_broken_into_lines_as_mysql_breaks_it() {
        // SELECT JSON_ARRAY(REPEAT(x'ff', 57), REPEAT(x'ff', 58)) on 9.7.
        assert_eq!(in_lines(&STANDARD.encode([0xff; 57])), "/".repeat(76));
        assert_eq!(in_lines(&STANDARD.encode([0xff; 58])), format!("{}\n/w==", "/".repeat(76)));
    }

    #[test]
    fn blanks_go_only_outside_strings() {
        let mut out = Vec::new();

        compact(r#"{"a b": [1, "c \" d", "\\"], "e": " "}"#, &mut out);

        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a b":[1,"c \" d","\\"],"e":" "}"#);
    }

    #[test]
    fn nesting_without_an_end_is_refused() {
        // An array whose only entry points at the array itself.
        let binary = [0x02, 1, 0, 7, 0, 0x02, 0, 0];

        assert_eq!(text(&binary), Err(ValueError::Json));
    }

    proptest! {
        #[test]
        fn any_bytes_give_text_or_an_error(binary in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = text(&binary) {
                prop_assert!(text.len() <= 64 + 2 * 6 * binary.len() * TEXT_BYTES_PER_BYTE);
            }
        }
    }
}
