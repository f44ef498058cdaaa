//! Reading Avro's binary encoding without ever going past its end.

use super::error::Problem;
use crate::avro::VALUES_MAX;

/// What is left of one record.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// How many values its arrays and maps may still have.
    values_left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, values_left: VALUES_MAX }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// `int` and `long`: zigzag, then seven bits a byte, lowest first.
    pub(super) fn long(&mut self) -> Result<i64, Problem> {
        let mut zigzag = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Problem::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds the topmost bit only.
            if shift == 63 && bits > 1 {
                return Err(Problem::LongOverflow);
            }
            zigzag |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(Problem::LongOverflow)
    }

    /// A length-prefixed run of bytes: `bytes` and `string`.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Problem> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| Problem::NegativeLength)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Problem> {
        str::from_utf8(self.bytes()?).map_err(|_| Problem::NotUtf8)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Problem> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Problem::NotBoolean),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The number of a union's branch or of an enum's symbol.
    pub(super) fn position(&mut self) -> Result<usize, Problem> {
        usize::try_from(self.long()?).map_err(|_| Problem::NegativeLength)
    }

    /// The header of the next block of an array or a map: how many entries follow, and how many
    /// bytes they take where the writer says so. No more entries.
    ///
    /// Every entry takes a byte or more (the plan refuses others), so a count beyond the bytes
    /// that are left is a lie, and the work for a record is bounded by its length.
    pub(super) fn block(&mut self) -> Result<Option<Block>, Problem> {
        let count = self.long()?;
        let bytes = if count < 0 { Some(self.position()?) } else { None };
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| Problem::Truncated)?;
        if count > self.rest.len() {
            return Err(Problem::Truncated);
        }
        Ok((count > 0).then_some(Block { count, bytes }))
    }

    /// Accounts for the entries of a block, each of which has so many values.
    pub(super) fn spend(&mut self, entries: usize, weight: usize) -> Result<(), Problem> {
        let values = entries.saturating_mul(weight);
        self.values_left = self.values_left.checked_sub(values).ok_or(Problem::TooManyValues)?;
        Ok(())
    }
}

/// One block of an array or a map.
pub(super) struct Block {
    pub(super) count: usize,
    pub(super) bytes: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: i64) -> Vec<u8> {
        let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        while zigzag >= 0x80 {
            bytes.push(zigzag.to_le_bytes()[0] | 0x80);
            zigzag >>= 7;
        }
        bytes.push(zigzag.to_le_bytes()[0]);
        bytes
    }

    proptest! {
        #[test]
        fn longs_are_read_as_they_are_written(value: i64) {
            let bytes = encoded(value);
            let mut cursor = Cursor::new(&bytes);

            prop_assert_eq!(cursor.long().unwrap(), value);
            prop_assert_eq!(cursor.remaining(), 0);
        }
    }

    #[test]
    fn a_long_of_more_than_64_bits_is_refused() {
        let mut endless = Cursor::new(&[0xff; 11]);
        assert!(matches!(endless.long(), Err(Problem::LongOverflow)));

        let mut wide = Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]);
        assert!(matches!(wide.long(), Err(Problem::LongOverflow)));
    }
}
