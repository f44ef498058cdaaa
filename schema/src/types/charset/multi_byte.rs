//! Character sets of East Asia: ASCII, and characters of two to four bytes.

use super::Table;

/// Characters of two bytes, each of which is within a range.
#[derive(Debug, Clone, Copy)]
struct Grid {
    table: Table,
    /// First and last lead byte.
    leads: (u8, u8),
    /// First and last trail byte.
    trails: (u8, u8),
}

impl Grid {
    const fn new(table: &'static [u8], leads: (u8, u8), trails: (u8, u8)) -> Self {
        Self { table: Table::new(table), leads, trails }
    }

    fn character(&self, lead: u8, trail: u8) -> Option<char> {
        let place = |byte: u8, (first, last): (u8, u8)| {
            (byte <= last).then_some(())?;
            byte.checked_sub(first).map(usize::from)
        };
        let width = usize::from(self.trails.1 - self.trails.0) + 1;
        self.table.character(place(lead, self.leads)? * width + place(trail, self.trails)?)
    }
}

/// Appends runs of ASCII as they are; `next` takes one other character off the front.
fn decode(
    mut bytes: &[u8],
    out: &mut String,
    next: impl Fn(&[u8]) -> Option<(char, &[u8])>,
) -> Option<()> {
    while !bytes.is_empty() {
        let run = bytes.iter().take_while(|byte| byte.is_ascii()).count();
        let (ascii, rest) = bytes.split_at_checked(run)?;
        out.push_str(std::str::from_utf8(ascii).ok()?);
        bytes = rest;
        if !rest.is_empty() {
            let (character, after) = next(rest)?;
            out.push(character);
            bytes = after;
        }
    }
    Some(())
}

/// A half-width katakana, which the Japanese sets have at the same place.
fn katakana(byte: u8) -> Option<char> {
    const FIRST: u32 = 0xff61;
    let place = byte.checked_sub(0xa1).filter(|place| *place <= 0x3e)?;
    char::from_u32(FIRST + u32::from(place))
}

/// Characters of two bytes and no others.
pub(super) struct DoubleByte(Grid);

impl DoubleByte {
    pub(super) fn decode(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        decode(bytes, out, |bytes| {
            let (&[lead, trail], rest) = bytes.split_first_chunk()?;
            Some((self.0.character(lead, trail)?, rest))
        })
    }
}

/// Shift JIS: katakana of one byte lie between two ranges of lead bytes.
pub(super) struct ShiftJis {
    low: Grid,
    high: Grid,
}

impl ShiftJis {
    const fn new(table: &'static [u8]) -> Self {
        const LOW: (u8, u8) = (0x81, 0x9f);
        const TRAILS: (u8, u8) = (0x40, 0xfc);
        // 31 rows of 189 numbers of 2 bytes.
        let (low, high) = table.split_at(31 * 189 * 2);
        Self { low: Grid::new(low, LOW, TRAILS), high: Grid::new(high, (0xe0, 0xfc), TRAILS) }
    }

    pub(super) fn decode(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        decode(bytes, out, |bytes| {
            let (&lead, rest) = bytes.split_first()?;
            if let Some(character) = katakana(lead) {
                return Some((character, rest));
            }
            let (&trail, rest) = rest.split_first()?;
            let character = self.low.character(lead, trail);
            Some((character.or_else(|| self.high.character(lead, trail))?, rest))
        })
    }
}

/// Extended Unix Code for Japanese: 0x8e and a katakana, 0x8f and two bytes of another grid.
pub(super) struct ExtendedUnix {
    two: Grid,
    three: Grid,
}

impl ExtendedUnix {
    const fn new(two: &'static [u8], three: &'static [u8]) -> Self {
        const RANGE: (u8, u8) = (0xa1, 0xfe);
        Self { two: Grid::new(two, RANGE, RANGE), three: Grid::new(three, RANGE, RANGE) }
    }

    pub(super) fn decode(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        decode(bytes, out, |bytes| {
            let (&[lead, trail], rest) = bytes.split_first_chunk()?;
            match lead {
                0x8e => Some((katakana(trail)?, rest)),
                0x8f => {
                    let (&third, rest) = rest.split_first()?;
                    Some((self.three.character(trail, third)?, rest))
                }
                _ => Some((self.two.character(lead, trail)?, rest)),
            }
        })
    }
}

/// `gb18030`: characters of two bytes, and all others of Unicode as numbers of four digits.
pub(super) struct FourByte {
    two: Grid,
    /// Where runs of consecutive code points of the first plane begin: number and code point.
    ranges: &'static [[u8; 4]],
}

impl FourByte {
    pub(super) fn decode(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        decode(bytes, out, |bytes| {
            let (&[lead, trail], rest) = bytes.split_first_chunk()?;
            if !trail.is_ascii_digit() {
                return Some((self.two.character(lead, trail)?, rest));
            }
            let (&four, rest) = bytes.split_first_chunk()?;
            Some((self.character(number(four)?)?, rest))
        })
    }

    fn character(&self, number: u32) -> Option<char> {
        /// Numbers of the first plane.
        const PLANE: u32 = 39_420;
        /// 0x90308130, which is U+10000.
        const SUPPLEMENTARY: u32 = 189_000;
        if number >= PLANE {
            return char::from_u32(number.checked_sub(SUPPLEMENTARY)? + 0x1_0000);
        }
        let parse = |[a, b, c, d]: [u8; 4]| {
            (u32::from(u16::from_le_bytes([a, b])), u32::from(u16::from_le_bytes([c, d])))
        };
        let after = self.ranges.partition_point(|range| parse(*range).0 <= number);
        let (first, code) = parse(*self.ranges.get(after.checked_sub(1)?)?);
        char::from_u32(code + (number - first))
    }
}

/// Four bytes as a number: digits of 126, 10, 126 and 10.
fn number(bytes: [u8; 4]) -> Option<u32> {
    let digits = [(0x81, 0xfe), (b'0', b'9'), (0x81, 0xfe), (b'0', b'9')];
    bytes.iter().zip(digits).try_fold(0, |number, (byte, (first, last))| {
        let digit = (*byte <= last).then(|| byte.checked_sub(first)).flatten()?;
        Some(number * (u32::from(last - first) + 1) + u32::from(digit))
    })
}

pub(super) static BIG5: DoubleByte =
    DoubleByte(Grid::new(include_bytes!("tables/big5.bin"), (0xa1, 0xf9), (0x40, 0xfe)));
pub(super) static EUCKR: DoubleByte =
    DoubleByte(Grid::new(include_bytes!("tables/euckr.bin"), (0x81, 0xfe), (0x41, 0xfe)));
pub(super) static GB2312: DoubleByte =
    DoubleByte(Grid::new(include_bytes!("tables/gb2312.bin"), (0xa1, 0xf7), (0xa1, 0xfe)));
pub(super) static GBK: DoubleByte =
    DoubleByte(Grid::new(include_bytes!("tables/gbk.bin"), (0x81, 0xfe), (0x40, 0xfe)));
pub(super) static CP932: ShiftJis = ShiftJis::new(include_bytes!("tables/cp932.bin"));
pub(super) static SJIS: ShiftJis = ShiftJis::new(include_bytes!("tables/sjis.bin"));
pub(super) static EUCJPMS: ExtendedUnix = ExtendedUnix::new(
    include_bytes!("tables/eucjpms.bin"),
    include_bytes!("tables/eucjpms_8f.bin"),
);
pub(super) static UJIS: ExtendedUnix =
    ExtendedUnix::new(include_bytes!("tables/ujis.bin"), include_bytes!("tables/ujis_8f.bin"));
pub(super) static GB18030: FourByte = FourByte {
    two: Grid::new(include_bytes!("tables/gb18030.bin"), (0x81, 0xfe), (0x40, 0xfe)),
    ranges: include_bytes!("tables/gb18030_ranges.bin").as_chunks().0,
};
