//! Unicode in units of two and four bytes.

/// `ucs2`: the first plane, the most significant byte first.
pub(super) fn ucs2(bytes: &[u8], out: &mut String) -> Option<()> {
    for unit in units(bytes)? {
        out.push(char::from_u32(u16::from_be_bytes(*unit).into())?);
    }
    Some(())
}

pub(super) fn utf16(bytes: &[u8], out: &mut String) -> Option<()> {
    pairs(units(bytes)?.iter().map(|unit| u16::from_be_bytes(*unit)), out)
}

pub(super) fn utf16le(bytes: &[u8], out: &mut String) -> Option<()> {
    pairs(units(bytes)?.iter().map(|unit| u16::from_le_bytes(*unit)), out)
}

pub(super) fn utf32(bytes: &[u8], out: &mut String) -> Option<()> {
    for unit in units(bytes)? {
        out.push(char::from_u32(u32::from_be_bytes(*unit))?);
    }
    Some(())
}

/// The bytes in units of `N`, if none is left over.
fn units<const N: usize>(bytes: &[u8]) -> Option<&[[u8; N]]> {
    let (units, rest) = bytes.as_chunks();
    rest.is_empty().then_some(units)
}

fn pairs(units: impl Iterator<Item = u16>, out: &mut String) -> Option<()> {
    for character in char::decode_utf16(units) {
        out.push(character.ok()?);
    }
    Some(())
}
