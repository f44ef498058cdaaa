//! Row images: where each column's bytes are.

mod partial;

use schema::change::{Cell, RowChange, RowImage};
use schema::types::ValueError;

use self::partial::{Images, PartialColumns};
use crate::binlog::RowsKind;
use crate::binlog::table_map::TableMap;

/// How many bytes a column's value takes in a row image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellWidth {
    /// Always so many.
    Fixed(usize),
    /// So many bytes say how many follow, little-endian.
    Prefixed(usize),
    /// A type that rowcast does not know.
    Unknown,
}

/// Walks through the images of a row event. Reused from event to event, so a row costs no
/// allocation.
#[derive(Debug, Default)]
pub(crate) struct ImageReader {
    before: Vec<Cell>,
    after: Vec<Cell>,
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
    fn image(map: &TableMap, data: &[u8], start: usize, cells: &mut Vec<Cell>) -> Option<usize> {
        cells.clear();
        cells.reserve(map.columns.len());
        let count = map.columns.len();
        let nulls_end = start.checked_add(count.div_ceil(8))?;
        let nulls = data.get(start..nulls_end)?;
        let mut at = nulls_end;
        let mut nulls = nulls.iter();
        let mut null_bits = 0;
        for (index, column) in map.columns.iter().enumerate() {
            if index % 8 == 0 {
                null_bits = nulls.next().copied().unwrap_or_default();
            }
            let is_null = null_bits & 1 == 1;
            null_bits >>= 1;
            if is_null {
                cells.push(Cell::Null);
                continue;
            }
            let (begin, end) = extent(column.width, data, at)?;
            cells.push(Cell::Bytes { start: begin, end });
            at = end;
        }
        Some(at)
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
                let (cells, end) = self.one(map, data, at)?;
                (RowChange::Create(RowImage::new(data, cells)), end)
            }
            RowsKind::Delete => {
                let (cells, end) = self.one(map, data, at)?;
                (RowChange::Delete(RowImage::new(data, cells)), end)
            }
            RowsKind::Update => {
                let (before, after, end) = self.two(map, data, at)?;
                let before = RowImage::new(data, before);
                (RowChange::Update { before, after: RowImage::new(data, after) }, end)
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

    /// Reads a row with one image; returns its cells and where it ends.
    pub(crate) fn one(
        &mut self,
        map: &TableMap,
        data: &[u8],
        start: usize,
    ) -> Result<(&[Cell], usize), ImageError> {
        let end = Self::image(map, data, start, &mut self.after).ok_or(ImageError::Damaged)?;
        Ok((&self.after, end))
    }

    /// Reads a row with both images; returns their cells and where it ends.
    pub(crate) fn two(
        &mut self,
        map: &TableMap,
        data: &[u8],
        start: usize,
    ) -> Result<(&[Cell], &[Cell], usize), ImageError> {
        let middle = Self::image(map, data, start, &mut self.before).ok_or(ImageError::Damaged)?;
        let end = Self::image(map, data, middle, &mut self.after).ok_or(ImageError::Damaged)?;
        Ok((&self.before, &self.after, end))
    }
}

/// Where the value that begins at `at` has its bytes; `None` if it does not fit into the data.
#[inline]
fn extent(width: CellWidth, data: &[u8], at: usize) -> Option<(usize, usize)> {
    let (begin, length) = match width {
        CellWidth::Fixed(length) => (at, length),
        CellWidth::Prefixed(1) => (at + 1, usize::from(*data.get(at)?)),
        CellWidth::Prefixed(2) => {
            let (low, high) = (*data.get(at)?, *data.get(at + 1)?);
            (at + 2, usize::from(low) | usize::from(high) << 8)
        }
        CellWidth::Prefixed(prefix) => {
            let begin = at.checked_add(prefix)?;
            let length = data.get(at..begin)?;
            (begin, length.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
        }
        CellWidth::Unknown => return None,
    };
    let end = begin.checked_add(length)?;
    (end <= data.len()).then_some((begin, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table_map::MappedColumn;
    use proptest::prelude::*;
    use schema::table::TableId;

    fn map(widths: &[CellWidth]) -> TableMap {
        let column = |width: &CellWidth| MappedColumn {
            name: "c".to_owned(),
            width: *width,
            column_type: Err("unused"),
            nullable: true,
        };
        TableMap {
            id: TableId::new("d", "t"),
            columns: widths.iter().map(column).collect(),
            key: vec![],
            has_prefix_key: false,
        }
    }

    #[test]
    fn cells_are_found_behind_the_null_bitmap() {
        let map = map(&[CellWidth::Fixed(2), CellWidth::Prefixed(1), CellWidth::Fixed(1)]);
        let data = [0b100, 1, 2, 3, b'a', b'b', b'c'];

        let mut reader = ImageReader::default();
        let (cells, end) = reader.one(&map, &data, 0).unwrap();

        let expected =
            [Cell::Bytes { start: 1, end: 3 }, Cell::Bytes { start: 4, end: 7 }, Cell::Null];
        assert_eq!((cells, end), (&expected[..], 7));
    }

    proptest! {
        #[test]
        fn any_bytes_give_cells_within_the_data_or_an_error(
            data in prop::collection::vec(any::<u8>(), 0..60),
            widths in prop::collection::vec(prop_oneof![
                (0_usize..9).prop_map(CellWidth::Fixed),
                (1_usize..5).prop_map(CellWidth::Prefixed),
            ], 0..20),
        ) {
            let mut reader = ImageReader::default();
            if let Ok((before, after, end)) = reader.two(&map(&widths), &data, 0) {
                prop_assert!(end <= data.len());
                for cell in before.iter().chain(after) {
                    if let Cell::Bytes { start, end } = cell {
                        prop_assert!(start <= end && *end <= data.len());
                    }
                }
            }
        }
    }
}
