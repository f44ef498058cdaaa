//! Avro's binary form of a generic value.

use crate::bytes;
use crate::value::{Kind, Schema, Value};

/// Appends a value.
///
/// # Errors
///
/// Returns [`EncodeError`] when the value is not one of its schema's.
pub fn encode(schema: &Schema, value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if schema.optional {
        // The branch that is not "null" stands first when there is a default.
        let value_branch = i64::from(schema.default.is_none());
        if matches!(value, Value::Null) {
            put_long(1 - value_branch, out);
            return Ok(());
        }
        put_long(value_branch, out);
    }
    match (&schema.kind, value) {
        (Kind::Boolean, Value::Boolean(value)) => out.push(u8::from(*value)),
        (Kind::Int8 | Kind::Int16 | Kind::Int32, Value::Int32(value)) => {
            put_long((*value).into(), out);
        }
        (Kind::Int64, Value::Int64(value)) => put_long(*value, out),
        (Kind::Float32, Value::Float32(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Kind::Float64, Value::Float64(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Kind::String, Value::String(value)) => put_bytes(value.as_bytes(), out),
        (Kind::Bytes, Value::Bytes(value)) => put_bytes(value, out),
        (Kind::Array(entry), Value::Array(values)) => {
            // One block with all entries, then the end, as Avro's Java encoder writes it.
            if !values.is_empty() {
                put_count(values.len(), out);
            }
            for value in values {
                encode(entry, value, out)?;
            }
            put_long(0, out);
        }
        (Kind::Map(keys, entry), Value::Map(entries)) if keys.kind == Kind::String => {
            if !entries.is_empty() {
                put_count(entries.len(), out);
            }
            for (key, value) in entries {
                let Value::String(key) = key else { return Err(EncodeError) };
                put_bytes(key.as_bytes(), out);
                encode(entry, value, out)?;
            }
            put_long(0, out);
        }
        (Kind::Struct(fields), Value::Struct(values)) if fields.len() == values.len() => {
            for (field, value) in fields.iter().zip(values) {
                encode(&field.schema, value, out)?;
            }
        }
        _ => return Err(EncodeError),
    }
    Ok(())
}

/// Appends an Avro `int` or `long`: zigzag, seven bits a byte.
#[inline]
pub fn put_long(value: i64, out: &mut Vec<u8>) {
    let rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let [first, second, ..] = rest.to_le_bytes();
    if rest < 0x80 {
        out.push(first);
    } else if rest < 0x4000 {
        out.extend_from_slice(&[first | 0x80, second << 1 | first >> 7]);
    } else if let Some(rest) = u32::try_from(rest).ok().filter(|rest| *rest < 1 << 28) {
        put_four(rest, out);
    } else {
        put_varint(rest, out);
    }
}

/// Three or four bytes, in half the steps of [`put_varint`].
fn put_four(rest: u32, out: &mut Vec<u8>) {
    let apart = (rest & 0x0fff_c000) << 2 | rest & 0x3fff;
    let apart = (apart & 0x3f80_3f80) << 1 | apart & 0x007f_007f;
    let (continued, length) = if rest < 1 << 21 { (0x8080, 3) } else { (0x0080_8080, 4) };
    let end = out.len() + length;
    out.extend_from_slice(&(apart | continued).to_le_bytes());
    out.truncate(end);
}

/// Five bytes and more, without a loop: the groups of bits are moved apart by halves.
fn put_varint(rest: u64, out: &mut Vec<u8>) {
    /// All bytes but the last say that another one follows.
    const CONTINUED: u64 = 0x8080_8080_8080_8080;
    let apart = (rest & 0x00ff_ffff_f000_0000) << 4 | rest & 0x0fff_ffff;
    let apart = (apart & 0x0fff_c000_0fff_c000) << 2 | apart & 0x0000_3fff_0000_3fff;
    let apart = (apart & 0x3f80_3f80_3f80_3f80) << 1 | apart & 0x007f_007f_007f_007f;
    if rest >> 56 != 0 {
        // Nine bytes; a tenth holds the 64th bit.
        out.extend_from_slice(&(apart | CONTINUED).to_le_bytes());
        let [highest, ..] = rest.to_be_bytes();
        out.push(highest);
        if highest >= 0x80 {
            out.push(1);
        }
        return;
    }
    // Counted beside the groups, not from them: where the next value begins hangs on it. Times 37
    // by 256 is by seven up to 56.
    let length = ((70 - rest.leading_zeros()) * 37) >> 8;
    let end = out.len() + usize::try_from(length).unwrap_or_default();
    out.extend_from_slice(&(apart | CONTINUED >> (8 * (9 - length))).to_le_bytes());
    out.truncate(end);
}

/// Appends Avro `bytes` or `string`: the length, then the bytes.
#[inline]
pub fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_count(value.len(), out);
    bytes::push(value, out);
}

/// Appends the length of something in memory, which is never longer than [`isize::MAX`].
#[inline]
pub fn put_count(count: usize, out: &mut Vec<u8>) {
    put_long(i64::try_from(count).unwrap_or(i64::MAX), out);
}

/// A value is not one of its schema's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value does not fit its schema")]
pub struct EncodeError;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put_by_loop(mut rest: u64, out: &mut Vec<u8>) {
        while rest >= 0x80 {
            out.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).unwrap());
    }

    proptest! {
        #[test]
        fn a_long_of_any_size_is_what_the_loop_writes(number: u64, shift in 0_u32..64) {
            let number = (number >> shift).cast_signed();
            let zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
            let (mut direct, mut looped) = (Vec::new(), Vec::new());

            put_long(number, &mut direct);
            put_by_loop(zigzag, &mut looped);

            prop_assert_eq!(direct, looped);
        }
    }
}
