//! Slices of bytes that are short, nearly always equal, and nearly always ASCII.

/// Whether two slices are equal. Inlined, because a call of `memcmp` for a few bytes costs more
/// than they do: its vector version took a fifth of the time of an update (measured by
/// `cargo bench-codec binlog_to_avro_single_row`).
#[inline]
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((a_words, _), (b_words, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let (Some(a_last), Some(b_last)) = (a.last_chunk(), b.last_chunk()) else {
        return few(a) == few(b);
    };
    // The last word overlaps the one before it.
    let last = word(*a_last) ^ word(*b_last);
    match (a_words, b_words) {
        ([a], [b]) => (word(*a) ^ word(*b)) | last == 0,
        _ => {
            let words = a_words.iter().zip(b_words);
            words.fold(last, |bits, (a, b)| bits | (word(*a) ^ word(*b))) == 0
        }
    }
}

/// Fewer than eight bytes in a word: two pieces that overlap.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u32::from_ne_bytes(*first)) | u64::from(u32::from_ne_bytes(*last)) << 32
    } else {
        bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}

/// Whether bytes are UTF-8. Most text is ASCII, which is seen eight bytes at once; the standard
/// way begins where it ends.
#[inline]
#[must_use]
pub fn is_utf8(text: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_chunks::<8>();
    let ascii = words.iter().take_while(|bytes| word(**bytes) & HIGH_BITS == 0).count();
    if ascii == words.len() && few(rest) & HIGH_BITS == 0 {
        return true;
    }
    text.get(8 * ascii..).is_some_and(|rest| std::str::from_utf8(rest).is_ok())
}

/// Appends bytes. Up to 32 of them are copied as two pieces that overlap.
#[inline]
pub fn push(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if bytes.len() > 32 {
        out.extend_from_slice(bytes);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>())
    {
        out.extend_from_slice(first);
        out.truncate(start + bytes.len() - last.len());
        out.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        out.extend_from_slice(first);
        out.truncate(start + bytes.len() - last.len());
        out.extend_from_slice(last);
    } else {
        // Fewer than eight are gathered in a word.
        let word = bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let unused = u32::try_from(8 - bytes.len()).unwrap_or_default() * 8;
        out.extend_from_slice(&word.checked_shl(unused).unwrap_or_default().to_be_bytes());
        out.truncate(start + bytes.len());
    }
}

fn word(bytes: [u8; 8]) -> u64 {
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_of_any_length_are_appended(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let mut out = b"before".to_vec();
            push(&bytes, &mut out);

            prop_assert_eq!(out, [&b"before"[..], &bytes].concat());
        }
        #[test]
        fn text_is_what_the_standard_says(
            text in "[a-zé–😀]{0,40}", place in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut damaged = text.clone().into_bytes();
            damaged.push(b'.');
            let place = place.index(damaged.len());
            damaged[place] = byte;

            prop_assert!(is_utf8(text.as_bytes()));
            prop_assert_eq!(is_utf8(&damaged), std::str::from_utf8(&damaged).is_ok());
        }

        #[test]
        fn it_is_what_the_operator_says(
            a in prop::collection::vec(0_u8..3, 0..40), b in prop::collection::vec(0_u8..3, 0..40),
        ) {
            prop_assert_eq!(equal(&a, &b), a == b);
            prop_assert!(equal(&a, &a.clone()));
        }
    }
}
