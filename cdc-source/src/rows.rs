//! Row images: where each column's bytes are.

mod partial;

use std::ops::Range;

use schema::change::{Extent, RowChange, RowImage};
use schema::types::ValueError;

use self::partial::{Images, PartialColumns};
use crate::binlog::RowsKind;
use crate::binlog::table_map::TableMap;

/// How many bytes a column's value takes in a row image: those of a length, little-endian, so many
/// as it says, and so many always. All three are added, whatever the column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellWidth {
    prefix: u8,
    /// The bits of a length in the first four bytes.
    mask: u32,
    fixed: u32,
}

/// Walks through the images of a row event. Reused from event to event, so a row costs no
/// allocation.
#[derive(Debug, Default)]
pub(crate) struct ImageReader {
    before: Vec<Extent>,
    after: Vec<Extent>,
    /// The after image of a partial update, which is nowhere in the event.
    built: Vec<u8>,
}

/// The bytes of a row event are not rows of its table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageError {
    /// Too few bytes, or lengths that lead beyond them.
    #[error("a row image does not fit its table")]
    Damaged,
    /// Differences of what is or was NULL.
    #[error("column {column} holds a partial update where there is no document")]
    NoDocument { column: String },
    /// Differences that cannot be applied.
    #[error("column {column} cannot be updated")]
    PartialJson {
        column: String,
        #[source]
        source: ValueError,
    },
}

impl ImageReader {
    /// Reads one image that begins at `start` of `data`; returns where it ends, `None` if that is
    /// beyond the data.
    fn image(
        map: &TableMap,
        data: &[u8],
        start: usize,
        extents: &mut Vec<Extent>,
    ) -> Option<usize> {
        let count = map.widths.len();
        let nulls_end = start.checked_add(count.div_ceil(8))?;
        let nulls = data.get(start..nulls_end)?;
        let limit = u32::try_from(data.len()).ok()?.into();
        let mut at = u64::try_from(nulls_end).ok()?;
        extents.resize(count, Extent::NULL);
        let columns = extents.chunks_mut(8).zip(map.widths.chunks(8));
        for ((extents, widths), nulls) in columns.zip(nulls) {
            let mut null_bits = *nulls;
            for (extent, width) in extents.iter_mut().zip(widths) {
                let is_null = null_bits & 1 == 1;
                null_bits >>= 1;
                if is_null {
                    *extent = Extent::NULL;
                    continue;
                }
                let (begin, end) = width.place(data, at)?;
                if end > limit {
                    return None;
                }
                *extent = Extent::new(begin.try_into().ok()?, end.try_into().ok()?);
                at = end;
            }
        }
        usize::try_from(at).ok()
    }

    /// Reads the change of a row that begins at `at`; returns where it ends.
    pub(crate) fn change<'a>(
        &'a mut self,
        kind: RowsKind,
        map: &TableMap,
        data: &'a [u8],
        at: usize,
    ) -> Result<(RowChange<RowImage<'a>>, usize), ImageError> {
        let (change, end) = match kind {
            RowsKind::Write => {
                let (row, end) = self.one(map, data, at)?;
                (RowChange::Create(row), end)
            }
            RowsKind::Delete => {
                let (row, end) = self.one(map, data, at)?;
                (RowChange::Delete(row), end)
            }
            RowsKind::Update => {
                let (before, after, end) = self.two(map, data, at)?;
                (RowChange::Update { before, after }, end)
            }
            RowsKind::PartialUpdate => self.partial(map, data, at)?,
        };
        // An image of a table without columns has no bytes and would never end.
        if end == at { Err(ImageError::Damaged) } else { Ok((change, end)) }
    }

    /// Reads a row whose after image may hold differences; builds the image that they mean.
    fn partial<'a>(
        &'a mut self,
        map: &TableMap,
        data: &'a [u8],
        start: usize,
    ) -> Result<(RowChange<RowImage<'a>>, usize), ImageError> {
        let middle = Self::image(map, data, start, &mut self.before).ok_or(ImageError::Damaged)?;
        let partial = PartialColumns::read(map, data, middle)?;
        let end = Self::image(map, data, partial.image_start, &mut self.after)
            .ok_or(ImageError::Damaged)?;
        let images =
            Images { before: &self.before, after: &mut self.after, end, built: &mut self.built };
        partial.apply(map, data, images)?;
        let before = RowImage::new(data, &self.before);
        let after = RowImage::new(&self.built, &self.after);
        Ok((RowChange::Update { before, after }, end))
    }

    /// Reads a row with one image; returns it and where it ends.
    pub(crate) fn one<'a>(
        &'a mut self,
        map: &TableMap,
        data: &'a [u8],
        start: usize,
    ) -> Result<(RowImage<'a>, usize), ImageError> {
        let end = Self::image(map, data, start, &mut self.after).ok_or(ImageError::Damaged)?;
        Ok((RowImage::new(data, &self.after), end))
    }

    /// Reads a row with both images; returns them and where it ends.
    ///
    /// Few updates move a column. After the others a column stands as far behind where it stood as
    /// its image does, and need not be looked for.
    pub(crate) fn two<'a>(
        &'a mut self,
        map: &TableMap,
        data: &'a [u8],
        start: usize,
    ) -> Result<(RowImage<'a>, RowImage<'a>, usize), ImageError> {
        let middle = Self::image(map, data, start, &mut self.before).ok_or(ImageError::Damaged)?;
        let before = RowImage::new(data, &self.before);
        let bytes = middle - start;
        if let Some(moved) = data.get(bytes..)
            && stands_alike(map, &self.before, data, moved, start..middle)
        {
            return Ok((before, RowImage::new(moved, &self.before), middle + bytes));
        }
        let end = Self::image(map, data, middle, &mut self.after).ok_or(ImageError::Damaged)?;
        Ok((before, RowImage::new(data, &self.after), end))
    }
}

/// Whether the image at a place in `other` has its columns where the one in `data` has them at
/// `extents`: all that tells is the same. `false` near the end of the data, where it may be so.
fn stands_alike(
    map: &TableMap,
    extents: &[Extent],
    data: &[u8],
    other: &[u8],
    image: Range<usize>,
) -> bool {
    let nulls = image.start..image.start + map.widths.len().div_ceil(8);
    let is_whole = image.end <= other.len();
    if !is_whole || data.get(nulls.clone()) != other.get(nulls) {
        return false;
    }
    extents.iter().zip(&map.widths).filter(|(_, width)| width.prefix > 0).all(|(extent, width)| {
        // Of a column that is NULL in both there is no length.
        extent.range().is_none_or(|place| {
            let word = |bytes: &[u8]| {
                let at = place.start.checked_sub(width.prefix.into())?;
                Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) & width.mask)
            };
            word(data).is_some_and(|length| word(other) == Some(length))
        })
    })
}

impl CellWidth {
    /// Of a type that rowcast does not know: beyond the end of any event.
    pub(crate) const UNKNOWN: Self = Self { prefix: 0, mask: 0, fixed: u32::MAX };

    /// Always so many bytes.
    pub(crate) fn fixed(bytes: u16) -> Self {
        Self { prefix: 0, mask: 0, fixed: bytes.into() }
    }

    /// One to four bytes say how many follow.
    pub(crate) fn prefixed(bytes: u8) -> Self {
        let bytes = bytes.clamp(1, 4);
        Self { prefix: bytes, mask: u32::MAX >> (32 - 8 * bytes), fixed: 0 }
    }

    /// Where the value that begins at `at` has its bytes, which may be beyond the data.
    #[inline]
    fn place(self, data: &[u8], at: u64) -> Option<(u64, u64)> {
        let rest = data.get(usize::try_from(at).ok()?..)?;
        let word = match rest.first_chunk() {
            Some(word) => u32::from_le_bytes(*word),
            None => short_word(rest),
        };
        let begin = at + u64::from(self.prefix);
        Some((begin, begin + u64::from(word & self.mask) + u64::from(self.fixed)))
    }
}

/// A word at the end of the data, with zeros for what is beyond it.
#[cold]
fn short_word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table_map::MappedColumn;
    use proptest::prelude::*;
    use schema::table::TableId;

    fn map(widths: &[CellWidth]) -> TableMap {
        let column = |_: &CellWidth| MappedColumn {
            name: "c".to_owned(),
            column_type: Err("unused"),
            nullable: true,
        };
        TableMap {
            id: TableId::new("d", "t"),
            columns: widths.iter().map(column).collect(),
            widths: widths.to_vec(),
            key: vec![],
            has_prefix_key: false,
            unnamed: crate::binlog::table_map::Unnamed::default(),
        }
    }

    #[test]
    fn cells_are_found_behind_the_null_bitmap() {
        let map = map(&[CellWidth::fixed(2), CellWidth::prefixed(1), CellWidth::fixed(1)]);
        let data = [0b100, 1, 2, 3, b'a', b'b', b'c'];

        let mut reader = ImageReader::default();
        let (row, end) = reader.one(&map, &data, 0).unwrap();

        let cells = [0, 1, 2].map(|index| row.column(index));
        assert_eq!((cells, end), ([Some(&data[1..3]), Some(b"abc"), None], 7));
    }

    /// Any bytes, and any bytes twice with some that differ.
    fn bytes_of_two_images() -> impl Strategy<Value = Vec<u8>> {
        let byte = || prop_oneof![3 => 0_u8..4, 1 => any::<u8>()];
        let twice = (prop::collection::vec(byte(), 1..30), any::<prop::sample::Index>(), byte());
        let twice = twice.prop_map(|(image, place, byte)| {
            let mut data = [&image[..], &image].concat();
            let place = place.index(data.len());
            data[place] = byte;
            data
        });
        prop_oneof![prop::collection::vec(byte(), 0..60), twice]
    }

    proptest! {
        #[test]
        fn any_bytes_give_cells_within_the_data_or_an_error(
            data in bytes_of_two_images(),
            widths in prop::collection::vec(prop_oneof![
                (0_u16..9).prop_map(CellWidth::fixed),
                (1_u8..5).prop_map(CellWidth::prefixed),
            ], 0..20),
        ) {
            let mut reader = ImageReader::default();
            let map = map(&widths);
            let mut alone = ImageReader::default();
            let columns = |row: RowImage<'_>| {
                let column = |index| row.column(index).map(<[u8]>::to_vec);
                (0..widths.len()).map(column).collect::<Vec<_>>()
            };
            let mut one_by_one = || {
                let (row, middle) = alone.one(&map, &data, 0)?;
                let before = columns(row);
                let (row, end) = alone.one(&map, &data, middle)?;
                Ok((before, columns(row), end))
            };

            let both = reader.two(&map, &data, 0);

            let both = both.map(|(before, after, end)| (columns(before), columns(after), end));
            prop_assert_eq!(both, one_by_one());
        }
    }
}
