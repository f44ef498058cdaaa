//! Reading the fields of an event without ever going past its end.

/// Reads bytes from the front; `None` when there are too few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(array)
    }

    /// A number of up to eight bytes.
    #[inline]
    pub(crate) fn little_endian(&mut self, width: usize) -> Option<u64> {
        let word = self.rest.first_chunk();
        let bytes = self.take(width)?;
        let unused = (8_usize.checked_sub(width)?) * 8;
        if let Some(word) = word
            && let Some(mask) = u64::MAX.checked_shr(u32::try_from(unused).ok()?)
        {
            return Some(u64::from_le_bytes(*word) & mask);
        }
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A length-encoded integer that counts something in memory.
    pub(crate) fn length(&mut self) -> Option<usize> {
        let number = match self.little_endian(1)? {
            0xfc => self.little_endian(2)?,
            0xfd => self.little_endian(3)?,
            0xfe => self.little_endian(8)?,
            small @ 0..=0xfa => small,
            _ => return None,
        };
        usize::try_from(number).ok()
    }

    /// A length of one byte, the name, and a zero byte.
    pub(crate) fn name(&mut self) -> Option<String> {
        let length = usize::try_from(self.little_endian(1)?).ok()?;
        let name = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        self.take(1)?;
        Some(name)
    }

    /// Length-encoded bytes.
    pub(crate) fn short_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// The first `count` bits of a bitmap, lowest first.
pub(crate) fn bits(bitmap: &[u8], count: usize) -> impl Iterator<Item = bool> {
    (0..count).map(|bit| bitmap.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1))
}
