//! Character sets of one byte a character: a table of 256 each.

use super::Table;

/// The characters of all bytes.
pub(super) struct SingleByte(Table);

impl SingleByte {
    const fn new(table: &'static [u8]) -> Self {
        Self(Table::new(table))
    }

    pub(super) fn decode(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        for byte in bytes {
            out.push(self.0.character(usize::from(*byte))?);
        }
        Some(())
    }
}

pub(super) static ARMSCII8: SingleByte = SingleByte::new(include_bytes!("tables/armscii8.bin"));
pub(super) static CP1250: SingleByte = SingleByte::new(include_bytes!("tables/cp1250.bin"));
pub(super) static CP1251: SingleByte = SingleByte::new(include_bytes!("tables/cp1251.bin"));
pub(super) static CP1256: SingleByte = SingleByte::new(include_bytes!("tables/cp1256.bin"));
pub(super) static CP1257: SingleByte = SingleByte::new(include_bytes!("tables/cp1257.bin"));
pub(super) static CP850: SingleByte = SingleByte::new(include_bytes!("tables/cp850.bin"));
pub(super) static CP852: SingleByte = SingleByte::new(include_bytes!("tables/cp852.bin"));
pub(super) static CP866: SingleByte = SingleByte::new(include_bytes!("tables/cp866.bin"));
pub(super) static DEC8: SingleByte = SingleByte::new(include_bytes!("tables/dec8.bin"));
pub(super) static GEOSTD8: SingleByte = SingleByte::new(include_bytes!("tables/geostd8.bin"));
pub(super) static GREEK: SingleByte = SingleByte::new(include_bytes!("tables/greek.bin"));
pub(super) static HEBREW: SingleByte = SingleByte::new(include_bytes!("tables/hebrew.bin"));
pub(super) static HP8: SingleByte = SingleByte::new(include_bytes!("tables/hp8.bin"));
pub(super) static KEYBCS2: SingleByte = SingleByte::new(include_bytes!("tables/keybcs2.bin"));
pub(super) static KOI8R: SingleByte = SingleByte::new(include_bytes!("tables/koi8r.bin"));
pub(super) static KOI8U: SingleByte = SingleByte::new(include_bytes!("tables/koi8u.bin"));
pub(super) static LATIN1: SingleByte = SingleByte::new(include_bytes!("tables/latin1.bin"));
pub(super) static LATIN2: SingleByte = SingleByte::new(include_bytes!("tables/latin2.bin"));
pub(super) static LATIN5: SingleByte = SingleByte::new(include_bytes!("tables/latin5.bin"));
pub(super) static LATIN7: SingleByte = SingleByte::new(include_bytes!("tables/latin7.bin"));
pub(super) static MACCE: SingleByte = SingleByte::new(include_bytes!("tables/macce.bin"));
pub(super) static MACROMAN: SingleByte = SingleByte::new(include_bytes!("tables/macroman.bin"));
pub(super) static SWE7: SingleByte = SingleByte::new(include_bytes!("tables/swe7.bin"));
pub(super) static TIS620: SingleByte = SingleByte::new(include_bytes!("tables/tis620.bin"));
