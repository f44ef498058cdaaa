//! Characters: the character sets that are exact, ENUM and SET.

use std::borrow::Cow;

use super::{ValueError, integer};
use crate::value::{Kind, Schema};

/// The character set of a column's bytes, as far as it is decoded exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `utf8mb4` and `utf8mb3`.
    Utf8,
    /// `ascii`.
    Ascii,
    /// MySQL's `latin1`, which is Windows code page 1252 with its five gaps filled by the control
    /// characters of the same number.
    Latin1,
}

impl Charset {
    /// The character set of a collation, by the collation's number in `information_schema`.
    /// `None` for those that are not exact yet, and for `binary`, which is not text.
    #[must_use]
    pub fn of_collation(id: u16) -> Option<Self> {
        match id {
            33 | 45 | 46 | 76 | 83 | 192..=215 | 223..=247 | 255..=323 => Some(Self::Utf8),
            11 | 65 => Some(Self::Ascii),
            5 | 8 | 15 | 31 | 47 | 48 | 49 | 94 => Some(Self::Latin1),
            _ => None,
        }
    }

    /// The text of a column's bytes, borrowed where they are UTF-8 already.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError::Charset`] for bytes that the character set does not have.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, ValueError> {
        match self {
            Self::Utf8 => {
                std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| ValueError::Charset)
            }
            Self::Ascii | Self::Latin1 if bytes.is_ascii() => {
                std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| ValueError::Charset)
            }
            Self::Ascii => Err(ValueError::Charset),
            Self::Latin1 => Ok(Cow::Owned(bytes.iter().copied().map(latin1_char).collect())),
        }
    }
}

/// 0x80 to 0x9f of code page 1252; everything else is its own code point.
fn latin1_char(byte: u8) -> char {
    const HIGH_CONTROLS: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|index| HIGH_CONTROLS.get(usize::from(index)));
    high.copied().unwrap_or(char::from(byte))
}

/// The schema of ENUM and SET: their members are a parameter, commas within them escaped.
pub(super) fn member_schema(name: &str, members: &[String]) -> Schema {
    let escaped: Vec<_> = members.iter().map(|member| member.replace(',', "\\,")).collect();
    Schema::semantic(Kind::String, name).parameter("allowed", escaped.join(","))
}

/// The member of an ENUM: one or two bytes, counted from 1; 0 is the empty string that stands for
/// an invalid value.
pub(super) fn enum_member<'a>(bytes: &[u8], members: &'a [String]) -> Result<&'a str, ValueError> {
    match usize::try_from(integer::read_u64(bytes)?).map_err(|_| ValueError::Member)? {
        0 => Ok(""),
        number => members.get(number - 1).map(String::as_str).ok_or(ValueError::Member),
    }
}

/// The members of a SET, one bit each, joined by commas.
pub(super) fn set_members(bytes: &[u8], members: &[String]) -> Result<String, ValueError> {
    let bits = integer::read_u64(bytes)?;
    let known = u32::try_from(members.len()).map_err(|_| ValueError::Member)?;
    if known < 64 && bits >> known != 0 {
        return Err(ValueError::Member);
    }
    let chosen = members.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
    Ok(chosen.map(|(_, member)| member.as_str()).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin1_is_code_page_1252() {
        let text = Charset::Latin1.decode(&[b'a', 0x80, 0x81, 0xe9, 0xff]).unwrap();

        assert_eq!(text, "a€\u{81}éÿ");
    }

    #[test]
    fn wrong_characters_are_errors_and_not_replaced() {
        assert_eq!(Charset::Utf8.decode(&[0xff]), Err(ValueError::Charset));
        assert_eq!(Charset::Ascii.decode(&[0x80]), Err(ValueError::Charset));
    }

    #[test]
    fn members_are_counted_as_mysql_counts_them() {
        let members: Vec<String> = ["x", "y", "z"].map(str::to_owned).into();

        assert_eq!(enum_member(&[0], &members), Ok(""));
        assert_eq!(enum_member(&[3], &members), Ok("z"));
        assert_eq!(enum_member(&[4], &members), Err(ValueError::Member));
        assert_eq!(set_members(&[0b101], &members).as_deref(), Ok("x,z"));
        assert_eq!(set_members(&[0b1000], &members), Err(ValueError::Member));
    }
}
