//! Row images: where each column's bytes are.

use schema::change::Cell;

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
}

/// The bytes of a row event are not rows of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row image is damaged")]
pub(crate) struct ImageError;

impl ImageReader {
    /// Reads one image that begins at `start` of `data`; returns where it ends.
    fn image(
        map: &TableMap,
        data: &[u8],
        start: usize,
        cells: &mut Vec<Cell>,
    ) -> Result<usize, ImageError> {
        cells.clear();
        cells.reserve(map.columns.len());
        let count = map.columns.len();
        let nulls_end = start.checked_add(count.div_ceil(8)).ok_or(ImageError)?;
        let nulls = data.get(start..nulls_end).ok_or(ImageError)?;
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
            let (begin, end) = extent(column.width, data, at).ok_or(ImageError)?;
            cells.push(Cell::Bytes { start: begin, end });
            at = end;
        }
        Ok(at)
    }

    /// Reads a row with one image; returns its cells and where it ends.
    pub(crate) fn one(
        &mut self,
        map: &TableMap,
        data: &[u8],
        start: usize,
    ) -> Result<(&[Cell], usize), ImageError> {
        let end = Self::image(map, data, start, &mut self.after)?;
        Ok((&self.after, end))
    }

    /// Reads a row with both images; returns their cells and where it ends.
    pub(crate) fn two(
        &mut self,
        map: &TableMap,
        data: &[u8],
        start: usize,
    ) -> Result<(&[Cell], &[Cell], usize), ImageError> {
        let middle = Self::image(map, data, start, &mut self.before)?;
        let end = Self::image(map, data, middle, &mut self.after)?;
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
