//! Reading Avro's binary encoding without ever going past its end.

use super::error::Problem;
use super::leaves::{self, Leaf};
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

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// `int` and `long`: zigzag, then seven bits a byte, lowest first. Lengths and branches are
    /// one byte, times are eight: the first is taken here, the others in one piece.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Problem> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(u64::from(*byte)))
            }
            _ => self.long_of_several_bytes(),
        }
    }

    /// Passes over an `int` or a `long`.
    #[inline]
    pub(super) fn skip_long(&mut self) -> Result<(), Problem> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => self.rest = rest,
            _ => return self.skip_several_bytes(),
        }
        Ok(())
    }

    fn skip_several_bytes(&mut self) -> Result<(), Problem> {
        match (self.leading_word(), self.rest) {
            (Some((_, length)), _) => self.take(length).map(drop),
            // Nine bytes are a time in nanoseconds.
            (None, [_, _, _, _, _, _, _, _, last, rest @ ..]) if *last < 0x80 => {
                self.rest = rest;
                Ok(())
            }
            (None, _) => self.long_by_bytes().map(drop),
        }
    }

    fn long_of_several_bytes(&mut self) -> Result<i64, Problem> {
        let Some((word, length)) = self.leading_word() else { return self.long_by_bytes() };
        self.take(length)?;
        // The seven bits of each byte close ranks: in pairs, in fours, in eights.
        let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
        let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
        let eight = (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4);
        Ok(unzigzag(eight))
    }

    /// A number of up to eight bytes in one word, without the bytes that follow it, and its length.
    /// `None` for a longer one, and near the end of the record.
    fn leading_word(&self) -> Option<(u64, usize)> {
        let word = u64::from_le_bytes(*self.rest.first_chunk()?);
        // The topmost bit of a byte says that another one follows.
        let ends = !word & 0x8080_8080_8080_8080;
        let last_bit = ends.trailing_zeros();
        let word = word & u64::MAX.checked_shr(63_u32.checked_sub(last_bit)?)?;
        Some((word, usize::try_from(last_bit / 8 + 1).ok()?))
    }

    fn long_by_bytes(&mut self) -> Result<i64, Problem> {
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
                return Ok(unzigzag(zigzag));
            }
        }
        Err(Problem::LongOverflow)
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Passes over values without parts.
    #[inline]
    pub(super) fn skip_leaves(&mut self, values: &[Leaf]) -> Result<(), Problem> {
        self.rest = leaves::skip(values, self.rest)?;
        Ok(())
    }

    /// Passes over `bytes` or a `string`.
    #[inline]
    pub(super) fn skip_bytes(&mut self) -> Result<(), Problem> {
        self.bytes().map(drop)
    }

    /// A length-prefixed run of bytes: `bytes` and `string`.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Problem> {
        // Most are shorter than 64 bytes: an even first byte without another one.
        if let [length, rest @ ..] = self.rest
            && length & 0x81 == 0
        {
            let (taken, rest) =
                rest.split_at_checked(usize::from(length / 2)).ok_or(Problem::Truncated)?;
            self.rest = rest;
            return Ok(taken);
        }
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| Problem::NegativeLength)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Problem> {
        str::from_utf8(self.bytes()?).map_err(|_| Problem::NotUtf8)
    }

    #[inline]
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

    /// Reads the branch of a union of null and another type: whether it is null.
    #[inline]
    pub(super) fn is_null(&mut self, null_branch: usize) -> Result<bool, Problem> {
        if let [branch @ (0 | 2), rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(usize::from(branch / 2) == null_branch);
        }
        match self.position()? {
            branch if branch == null_branch => Ok(true),
            0 | 1 => Ok(false),
            _ => Err(Problem::UnknownBranch),
        }
    }

    /// The number of a union's branch or of an enum's symbol.
    #[inline]
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

fn unzigzag(zigzag: u64) -> i64 {
    (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()
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
            // At the end of a record, and with more behind it.
            for (value, behind) in [(value, 0), (value, 9), (value >> 20, 9), (value >> 40, 9)] {
                let bytes = [encoded(value), vec![0xff; behind]].concat();
                let (mut read, mut skipped) = (Cursor::new(&bytes), Cursor::new(&bytes));

                prop_assert_eq!(read.long().unwrap(), value);
                prop_assert_eq!(read.remaining(), behind);
                skipped.skip_long().unwrap();
                prop_assert_eq!(skipped.remaining(), behind);
            }
        }
    }

    #[test]
    fn a_long_of_more_than_64_bits_is_refused() {
        let mut endless = Cursor::new(&[0xff; 11]);
        assert!(matches!(endless.long(), Err(Problem::LongOverflow)));

        let mut wide = Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]);
        assert!(matches!(wide.clone().skip_long(), Err(Problem::LongOverflow)));
        assert!(matches!(wide.long(), Err(Problem::LongOverflow)));
    }
}
