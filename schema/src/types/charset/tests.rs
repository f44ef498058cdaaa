use super::*;
use proptest::prelude::*;

/// Every character set, by the numbers of the collations.
fn all() -> Vec<Charset> {
    let mut all: Vec<Charset> = Vec::new();
    for charset in (0..=u16::MAX).filter_map(Charset::of_collation) {
        if !all.contains(&charset) {
            all.push(charset);
        }
    }
    all
}

#[test]
fn there_are_forty_character_sets_and_their_names_differ() {
    let names: std::collections::BTreeSet<_> = all().iter().map(|charset| charset.name()).collect();

    assert_eq!((all().len(), names.len()), (40, 40));
}

#[test]
fn binary_and_unknown_collations_are_none() {
    for id in [0, 17, 63, 100, 272, 295, 324, 1024, u16::MAX] {
        assert_eq!(Charset::of_collation(id), None, "{id}");
    }
}

#[test]
fn latin1_is_code_page_1252() {
    let text = Charset::Latin1.decode(&[b'a', 0x80, 0x81, 0xe9, 0xff]).unwrap();

    assert_eq!(text, "a€\u{81}éÿ");
}

#[test]
fn one_text_is_read_in_every_form() {
    let forms: [(Charset, &[u8], &str); 15] = [
        (Charset::Big5, b"a\xa4\xa4\xa4\xe5", "a中文"),
        (Charset::Gbk, b"\xd6\xd0a\xce\xc4", "中a文"),
        (Charset::Gb2312, b"\xd6\xd0\xce\xc4a", "中文a"),
        (Charset::Gb18030, b"\xd6\xd0\x81\x30\x81\x30\x94\x39\xfc\x36", "中\u{80}😀"),
        (Charset::Sjis, b"\xb1\x93\xfa\x96\x7b\x5c", "ｱ日本\\"),
        (Charset::Cp932, b"\x87\x40\xfb\xfc", "①髙"),
        (Charset::Ujis, b"\x8e\xb1\xc6\xfc\x8f\xb0\xa1", "ｱ日丂"),
        (Charset::Eucjpms, b"\xad\xa1\x8f\xf3\xf3", "①ⅰ"),
        (Charset::Euckr, b"\xc7\xd1\xb1\xdb", "한글"),
        (Charset::Utf16, b"\0a\xd8\x3d\xde\x00", "a😀"),
        (Charset::Utf16le, b"a\0\x3d\xd8\x00\xde", "a😀"),
        (Charset::Utf32, b"\0\0\0a\0\x01\xf6\x00", "a😀"),
        (Charset::Ucs2, b"\xd5\x5c\0a", "한a"),
        (Charset::Swe7, b"K|p", "Köp"),
        (Charset::Koi8r, b"\xed\xc9\xd2", "Мир"),
    ];
    for (charset, bytes, text) in forms {
        assert_eq!(charset.decode(bytes).as_deref(), Ok(text), "{charset:?}");
    }
}

#[test]
fn wrong_characters_are_errors_and_not_replaced() {
    let wrong: [(Charset, &[u8]); 16] = [
        (Charset::Utf8, b"\xff"),
        (Charset::Utf8, b"\xed\xa0\x80"),
        (Charset::Utf8mb3, "😀".as_bytes()),
        (Charset::Ascii, b"\x80"),
        (Charset::Swe7, b"\x7f"),
        (Charset::Big5, b"\xa1"),
        // The server says U+FFFD.
        (Charset::Big5, b"\xa1\x5a"),
        // The server stores it and says "?".
        (Charset::Gbk, b"\xa2\xa1\xfe\xfe"),
        (Charset::Gb18030, b"\x81\x30\x81"),
        (Charset::Gb18030, b"\xe3\x32\x9a\x36"),
        (Charset::Sjis, b"\x81\x20"),
        // The server drops an incomplete last character.
        (Charset::Eucjpms, b"a\xa1"),
        (Charset::Utf16, b"\xd8\x00"),
        (Charset::Utf16le, b"a"),
        (Charset::Ucs2, b"\xd8\x3d\xde\x00"),
        (Charset::Utf32, b"\0\x11\0\0"),
    ];
    for (charset, bytes) in wrong {
        assert_eq!(charset.decode(bytes), Err(ValueError::Charset), "{charset:?} {bytes:x?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_text_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        for charset in all() {
            // Whether it is right, the system tests ask the server; here it must not panic.
            if let Ok(text) = charset.decode(&bytes) {
                prop_assert_eq!(text.is_empty(), bytes.is_empty());
            }
        }
    }

    #[test]
    fn texts_one_after_the_other_are_one_text(
        first in prop::collection::vec(any::<u8>(), 0..9),
        second in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        for charset in all() {
            if let (Ok(a), Ok(b)) = (charset.decode(&first), charset.decode(&second)) {
                let bytes = [first.clone(), second.clone()].concat();
                let both = charset.decode(&bytes);
                let expected = format!("{a}{b}");
                prop_assert_eq!(both.as_deref(), Ok(expected.as_str()), "{:?}", charset);
            }
        }
    }

    #[test]
    fn utf8_is_what_it_is(text in ".*") {
        prop_assert!(matches!(
            Charset::Utf8.decode(text.as_bytes()), Ok(Cow::Borrowed(same)) if same == text
        ));
    }
}
