//! The registry's frame: a zero byte, the id of the schema, and for Protobuf which message of it.
//! <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>

use schema::registry::SchemaId;

use crate::error::FormatError;

/// The first byte of a record in the registry's frame.
pub const MAGIC: u8 = 0;

/// Longest path to a message: one that is nested deeper is not looked for.
const PATH_MAX: usize = 32;

/// The frame of a schema.
#[must_use]
pub fn header(id: SchemaId) -> [u8; 5] {
    let [a, b, c, d] = id.0.to_be_bytes();
    [MAGIC, a, b, c, d]
}

/// Takes the path to a message off the front: its number among the messages of the file, then among
/// those of that one, and so on.
pub(crate) fn take_path(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), FormatError> {
    let (count, mut rest) = take_number(bytes)?;
    // The first message, which nearly all are, in short.
    if count == 0 {
        return Ok((vec![0], rest));
    }
    if count > PATH_MAX {
        return Err(FormatError::record("names a message that is nested deeper than 32 levels"));
    }
    let mut path = Vec::with_capacity(count);
    for _ in 0..count {
        let (index, after) = take_number(rest)?;
        path.push(index);
        rest = after;
    }
    Ok((path, rest))
}

/// Appends the path to a message.
pub(crate) fn put_path(path: &[usize], out: &mut Vec<u8>) {
    if path == [0] {
        return out.push(0);
    }
    put_number(path.len(), out);
    path.iter().for_each(|index| put_number(*index, out));
}

/// A number that is not negative, in zigzag and base 128.
fn take_number(bytes: &[u8]) -> Result<(usize, &[u8]), FormatError> {
    let broken = || FormatError::record("does not begin with the path of a Protobuf message");
    let (mut zigzag, mut shift, mut rest) = (0_u64, 0_u32, bytes);
    loop {
        let (&byte, after) = rest.split_first().ok_or_else(broken)?;
        rest = after;
        zigzag |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
        if shift > 28 {
            return Err(broken());
        }
    }
    // An odd one is negative.
    let number = usize::try_from(zigzag / 2).ok().filter(|_| zigzag % 2 == 0);
    number.map(|number| (number, rest)).ok_or_else(broken)
}

fn put_number(number: usize, out: &mut Vec<u8>) {
    let mut zigzag = number * 2;
    while zigzag > 0x7f {
        out.push(0x80 | u8::try_from(zigzag & 0x7f).unwrap_or_default());
        zigzag >>= 7;
    }
    out.push(u8::try_from(zigzag).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Confluent's documentation: `[1, 0]` is `2, 1, 0` in zigzag, `[0]` is `0`.
    #[test]
    fn paths_are_confluents() {
        for (path, bytes) in [
            (vec![0], vec![0]),
            (vec![1], vec![2, 2]),
            (vec![1, 0], vec![4, 2, 0]),
            (vec![100, 2], vec![4, 0xc8, 1, 4]),
        ] {
            let mut out = Vec::new();
            put_path(&path, &mut out);
            assert_eq!(out, bytes);
            out.push(9);
            assert_eq!(take_path(&out), Ok((path, &[9][..])));
        }
        assert_eq!(take_path(&[2, 0, 7]), Ok((vec![0], &[7][..])), "the long form is read too");
        assert_eq!(header(SchemaId(258)), [0, 0, 0, 1, 2]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bytes in [&[][..], &[2], &[1], &[0x80], &[0xff; 9], &[0x7e, 0]] {
            assert!(take_path(bytes).is_err(), "{bytes:?}");
        }
    }
}
