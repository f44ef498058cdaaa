//! What must hold for any input of this crate's decoders: the body of each fuzz target.
//!
//! The same functions run twice: under libFuzzer (`fuzz/`), and in `cargo test` on the seeds, on
//! what was found before and on random mutations of both ([`replay`]). They are not part of the
//! product: the module exists in tests and with the feature `fuzzing` only.

mod connect_json;
mod document;
mod json_binary;
mod number;
pub mod replay;
mod text;

pub use connect_json::CONNECT_JSON;
pub use document::AVRO_DOCUMENT;
pub use json_binary::JSONB;
pub use number::DECIMAL;
pub use text::{GTID_SET, POSITION};

/// One fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// As `fuzz/fuzz_targets/<name>.rs` and `fuzz/seeds/<name>/` have it.
    pub name: &'static str,
    /// Decodes an input and asserts what must hold. Panics when it does not.
    pub run: fn(&[u8]),
    /// Valid inputs, for mutations to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Heap that a byte of input may take, beyond a constant.
    pub heap_per_byte: usize,
}

/// Cuts a part with a length of two bytes, little-endian, off the front; a length beyond the end
/// takes all. So one input holds several parts.
#[must_use]
pub fn split_part(data: &[u8]) -> (&[u8], &[u8]) {
    let Some(([low, high], rest)) = data.split_first_chunk() else { return (data, &[]) };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    rest.split_at_checked(length).unwrap_or((rest, &[]))
}

/// The inverse of [`split_part`]: a first part of at most 64 KiB, and the rest.
///
/// # Panics
///
/// When the first part is longer.
#[must_use]
pub fn join_parts(first: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(first.len()).expect("parts of seeds are short");
    [&length.to_le_bytes(), first, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::replay::replay;
    use super::*;

    #[test]
    fn jsonb_holds_for_seeds_and_their_mutations() {
        replay(&JSONB);
    }

    #[test]
    fn decimal_holds_for_seeds_and_their_mutations() {
        replay(&DECIMAL);
    }

    #[test]
    fn gtid_set_holds_for_seeds_and_their_mutations() {
        replay(&GTID_SET);
    }

    #[test]
    fn position_holds_for_seeds_and_their_mutations() {
        replay(&POSITION);
    }

    #[test]
    fn avro_document_holds_for_seeds_and_their_mutations() {
        replay(&AVRO_DOCUMENT);
    }

    #[test]
    fn connect_json_holds_for_seeds_and_their_mutations() {
        replay(&CONNECT_JSON);
    }

    #[test]
    fn parts_come_back_as_they_were_joined() {
        assert_eq!(split_part(&join_parts(b"ab", b"c")), (&b"ab"[..], &b"c"[..]));
        assert_eq!(split_part(&[9, 0, 1]), (&[1][..], &[][..]));
        assert_eq!(split_part(&[1]), (&[1][..], &[][..]));
    }
}
