//! Character sets: the text of a column's bytes, exactly as MySQL converts it.
//!
//! What the characters are was asked of the server (`charset/tables`, written by
//! `integration/src/bin/charset_tables.rs`), not taken from a library: MySQL's `gbk`, `big5`,
//! `sjis` and `ujis` differ from the encodings of the web in hundreds of characters each.
//!
//! The server prints what it can store and not convert as `?`. Such a value is an error here: the
//! character would be lost and nobody would know.

mod multi_byte;
mod single_byte;
mod unicode;

use std::borrow::Cow;

use super::ValueError;

/// The character set of a column's bytes. `binary` is none: its bytes are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the server's own names")]
pub enum Charset {
    Armscii8,
    Ascii,
    Big5,
    Cp1250,
    Cp1251,
    Cp1256,
    Cp1257,
    Cp850,
    Cp852,
    Cp866,
    Cp932,
    Dec8,
    Eucjpms,
    Euckr,
    Gb18030,
    Gb2312,
    Gbk,
    Geostd8,
    Greek,
    Hebrew,
    Hp8,
    Keybcs2,
    Koi8r,
    Koi8u,
    /// Windows code page 1252 with its five gaps filled by the control characters of the same
    /// number.
    Latin1,
    Latin2,
    Latin5,
    Latin7,
    Macce,
    Macroman,
    Sjis,
    Swe7,
    Tis620,
    Ucs2,
    Ujis,
    Utf16,
    Utf16le,
    Utf32,
    /// `utf8mb4`.
    Utf8,
    Utf8mb3,
}

impl Charset {
    /// The character set of a collation, by the collation's number in `information_schema`: those
    /// of MySQL 5.7 to 9.7. `None` for numbers that none of them has, and for `binary`.
    #[must_use]
    pub fn of_collation(id: u16) -> Option<Self> {
        Some(match id {
            32 | 64 => Self::Armscii8,
            11 | 65 => Self::Ascii,
            1 | 84 => Self::Big5,
            26 | 34 | 44 | 66 | 99 => Self::Cp1250,
            14 | 23 | 50..=52 => Self::Cp1251,
            57 | 67 => Self::Cp1256,
            29 | 58 | 59 => Self::Cp1257,
            4 | 80 => Self::Cp850,
            40 | 81 => Self::Cp852,
            36 | 68 => Self::Cp866,
            95 | 96 => Self::Cp932,
            3 | 69 => Self::Dec8,
            97 | 98 => Self::Eucjpms,
            19 | 85 => Self::Euckr,
            248..=250 => Self::Gb18030,
            24 | 86 => Self::Gb2312,
            28 | 87 => Self::Gbk,
            92 | 93 => Self::Geostd8,
            25 | 70 => Self::Greek,
            16 | 71 => Self::Hebrew,
            6 | 72 => Self::Hp8,
            37 | 73 => Self::Keybcs2,
            7 | 74 => Self::Koi8r,
            22 | 75 => Self::Koi8u,
            5 | 8 | 15 | 31 | 47..=49 | 94 => Self::Latin1,
            2 | 9 | 21 | 27 | 77 => Self::Latin2,
            30 | 78 => Self::Latin5,
            20 | 41 | 42 | 79 => Self::Latin7,
            38 | 43 => Self::Macce,
            39 | 53 => Self::Macroman,
            13 | 88 => Self::Sjis,
            10 | 82 => Self::Swe7,
            18 | 89 => Self::Tis620,
            35 | 90 | 128..=151 | 159 => Self::Ucs2,
            12 | 91 => Self::Ujis,
            54 | 55 | 101..=124 => Self::Utf16,
            56 | 62 => Self::Utf16le,
            60 | 61 | 160..=183 => Self::Utf32,
            33 | 76 | 83 | 192..=215 | 223 => Self::Utf8mb3,
            45 | 46 | 224..=247 | 255..=271 | 273..=275 | 277..=294 => Self::Utf8,
            296..=298 | 300 | 303..=323 => Self::Utf8,
            _ => return None,
        })
    }

    /// Its name, which before a literal says that the literal is of this character set.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Armscii8 => "armscii8",
            Self::Ascii => "ascii",
            Self::Big5 => "big5",
            Self::Cp1250 => "cp1250",
            Self::Cp1251 => "cp1251",
            Self::Cp1256 => "cp1256",
            Self::Cp1257 => "cp1257",
            Self::Cp850 => "cp850",
            Self::Cp852 => "cp852",
            Self::Cp866 => "cp866",
            Self::Cp932 => "cp932",
            Self::Dec8 => "dec8",
            Self::Eucjpms => "eucjpms",
            Self::Euckr => "euckr",
            Self::Gb18030 => "gb18030",
            Self::Gb2312 => "gb2312",
            Self::Gbk => "gbk",
            Self::Geostd8 => "geostd8",
            Self::Greek => "greek",
            Self::Hebrew => "hebrew",
            Self::Hp8 => "hp8",
            Self::Keybcs2 => "keybcs2",
            Self::Koi8r => "koi8r",
            Self::Koi8u => "koi8u",
            Self::Latin1 => "latin1",
            Self::Latin2 => "latin2",
            Self::Latin5 => "latin5",
            Self::Latin7 => "latin7",
            Self::Macce => "macce",
            Self::Macroman => "macroman",
            Self::Sjis => "sjis",
            Self::Swe7 => "swe7",
            Self::Tis620 => "tis620",
            Self::Ucs2 => "ucs2",
            Self::Ujis => "ujis",
            Self::Utf16 => "utf16",
            Self::Utf16le => "utf16le",
            Self::Utf32 => "utf32",
            Self::Utf8 => "utf8mb4",
            Self::Utf8mb3 => "utf8mb3",
        }
    }

    /// The text of a column's bytes, borrowed where they are UTF-8 already.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError::Charset`] for bytes that are no character of the set, and for
    /// characters that Unicode does not have.
    #[inline]
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, ValueError> {
        // Nearly all columns are of this set, so it does not go through the list of all.
        if self == Self::Utf8 || self.is_utf8(bytes) {
            return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| ValueError::Charset);
        }
        self.converted(bytes)
    }

    fn converted(self, bytes: &[u8]) -> Result<Cow<'_, str>, ValueError> {
        let mut text = String::with_capacity(2 * bytes.len());
        self.convert(bytes, &mut text).ok_or(ValueError::Charset)?;
        Ok(Cow::Owned(text))
    }

    /// Whether the bytes are text only if they are text as UTF-8, and then the same.
    fn is_utf8(self, bytes: &[u8]) -> bool {
        match self {
            Self::Utf8 => true,
            // Characters of four bytes begin with 0xf0 or more.
            Self::Utf8mb3 => bytes.iter().all(|byte| *byte < 0xf0),
            Self::Swe7 | Self::Ucs2 | Self::Utf16 | Self::Utf16le | Self::Utf32 => false,
            Self::Armscii8
            | Self::Ascii
            | Self::Big5
            | Self::Cp1250
            | Self::Cp1251
            | Self::Cp1256
            | Self::Cp1257
            | Self::Cp850
            | Self::Cp852
            | Self::Cp866
            | Self::Cp932
            | Self::Dec8
            | Self::Eucjpms
            | Self::Euckr
            | Self::Gb18030
            | Self::Gb2312
            | Self::Gbk
            | Self::Geostd8
            | Self::Greek
            | Self::Hebrew
            | Self::Hp8
            | Self::Keybcs2
            | Self::Koi8r
            | Self::Koi8u
            | Self::Latin1
            | Self::Latin2
            | Self::Latin5
            | Self::Latin7
            | Self::Macce
            | Self::Macroman
            | Self::Sjis
            | Self::Tis620
            | Self::Ujis => bytes.is_ascii(),
        }
    }

    /// Appends text that is not UTF-8 already.
    fn convert(self, bytes: &[u8], out: &mut String) -> Option<()> {
        match self {
            Self::Ascii | Self::Utf8 | Self::Utf8mb3 => None,
            Self::Armscii8 => single_byte::ARMSCII8.decode(bytes, out),
            Self::Big5 => multi_byte::BIG5.decode(bytes, out),
            Self::Cp1250 => single_byte::CP1250.decode(bytes, out),
            Self::Cp1251 => single_byte::CP1251.decode(bytes, out),
            Self::Cp1256 => single_byte::CP1256.decode(bytes, out),
            Self::Cp1257 => single_byte::CP1257.decode(bytes, out),
            Self::Cp850 => single_byte::CP850.decode(bytes, out),
            Self::Cp852 => single_byte::CP852.decode(bytes, out),
            Self::Cp866 => single_byte::CP866.decode(bytes, out),
            Self::Cp932 => multi_byte::CP932.decode(bytes, out),
            Self::Dec8 => single_byte::DEC8.decode(bytes, out),
            Self::Eucjpms => multi_byte::EUCJPMS.decode(bytes, out),
            Self::Euckr => multi_byte::EUCKR.decode(bytes, out),
            Self::Gb18030 => multi_byte::GB18030.decode(bytes, out),
            Self::Gb2312 => multi_byte::GB2312.decode(bytes, out),
            Self::Gbk => multi_byte::GBK.decode(bytes, out),
            Self::Geostd8 => single_byte::GEOSTD8.decode(bytes, out),
            Self::Greek => single_byte::GREEK.decode(bytes, out),
            Self::Hebrew => single_byte::HEBREW.decode(bytes, out),
            Self::Hp8 => single_byte::HP8.decode(bytes, out),
            Self::Keybcs2 => single_byte::KEYBCS2.decode(bytes, out),
            Self::Koi8r => single_byte::KOI8R.decode(bytes, out),
            Self::Koi8u => single_byte::KOI8U.decode(bytes, out),
            Self::Latin1 => single_byte::LATIN1.decode(bytes, out),
            Self::Latin2 => single_byte::LATIN2.decode(bytes, out),
            Self::Latin5 => single_byte::LATIN5.decode(bytes, out),
            Self::Latin7 => single_byte::LATIN7.decode(bytes, out),
            Self::Macce => single_byte::MACCE.decode(bytes, out),
            Self::Macroman => single_byte::MACROMAN.decode(bytes, out),
            Self::Sjis => multi_byte::SJIS.decode(bytes, out),
            Self::Swe7 => single_byte::SWE7.decode(bytes, out),
            Self::Tis620 => single_byte::TIS620.decode(bytes, out),
            Self::Ucs2 => unicode::ucs2(bytes, out),
            Self::Ujis => multi_byte::UJIS.decode(bytes, out),
            Self::Utf16 => unicode::utf16(bytes, out),
            Self::Utf16le => unicode::utf16le(bytes, out),
            Self::Utf32 => unicode::utf32(bytes, out),
        }
    }
}

/// A row of 16-bit code points, as the server gave them; U+FFFD where it has none.
#[derive(Debug, Clone, Copy)]
struct Table(&'static [[u8; 2]]);

impl Table {
    const fn new(bytes: &'static [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    fn character(self, index: usize) -> Option<char> {
        let code = u16::from_le_bytes(*self.0.get(index)?);
        char::from_u32(code.into()).filter(|character| *character != char::REPLACEMENT_CHARACTER)
    }
}

#[cfg(test)]
mod tests;
