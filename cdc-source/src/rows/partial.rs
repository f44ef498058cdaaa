//! Images of partial updates: a JSON column may hold what has changed in place of what it is.
//!
//! Before such an image stand options and, if one of them says so, a bit for each JSON column of
//! the table that is set when the column holds differences (`unpack_row` in MySQL's
//! `sql/rpl_record.cc`). These updates are rare, so the image that they mean is built anew.

use schema::change::Extent;
use schema::types::ColumnType;
use schema::types::json::write_patched;

use super::ImageError;
use crate::binlog::table_map::TableMap;

/// The only option that there is (`PARTIAL_JSON_UPDATES`).
const HAS_PARTIAL_BITS: u8 = 1;

/// Which columns of an image hold differences.
pub(super) struct PartialColumns {
    columns: Vec<usize>,
    /// Where the image itself begins.
    pub(super) image_start: usize,
}

impl PartialColumns {
    pub(super) fn read(map: &TableMap, data: &[u8], start: usize) -> Result<Self, ImageError> {
        let bits_start = start + 1;
        let image_start = match data.get(start).ok_or(ImageError::Damaged)? {
            0 => return Ok(Self { columns: Vec::new(), image_start: bits_start }),
            &HAS_PARTIAL_BITS => bits_start + json_columns(map).count().div_ceil(8),
            _ => return Err(ImageError::Damaged),
        };
        let bits = data.get(bits_start..image_start).ok_or(ImageError::Damaged)?;
        let is_set = |bit: usize| bits.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
        let columns = json_columns(map).enumerate().filter(|(bit, _)| is_set(*bit));
        Ok(Self { columns: columns.map(|(_, column)| column).collect(), image_start })
    }

    /// Builds the after image: its own bytes, and behind them the documents that its differences
    /// make of those of the before image.
    pub(super) fn apply(
        &self,
        map: &TableMap,
        data: &[u8],
        images: Images<'_>,
    ) -> Result<(), ImageError> {
        let Images { before, after, end, built } = images;
        let image = data.get(self.image_start..end).ok_or(ImageError::Damaged)?;
        built.clear();
        built.extend_from_slice(image);
        for extent in after.iter_mut() {
            if let Some(place) = extent.range() {
                let moved = |at: usize| at.checked_sub(self.image_start);
                *extent = moved(place.start)
                    .zip(moved(place.end))
                    .and_then(|(start, end)| Extent::of(start..end))
                    .ok_or(ImageError::Damaged)?;
            }
        }
        for column in &self.columns {
            let (Some(document), Some(extent)) =
                (before.get(*column).and_then(|extent| extent.range()), after.get_mut(*column))
            else {
                return Err(no_document(map, *column));
            };
            let document = data.get(document).ok_or(ImageError::Damaged)?;
            let diffs = extent.range().ok_or_else(|| no_document(map, *column))?;
            let diffs = image.get(diffs).ok_or(ImageError::Damaged)?;
            let start = built.len();
            write_patched(document, diffs, built).map_err(|source| ImageError::PartialJson {
                column: name_of(map, *column),
                source,
            })?;
            *extent = Extent::of(start..built.len()).ok_or(ImageError::Damaged)?;
        }
        Ok(())
    }
}

/// The two images of a row as they were found, and where the after image is built.
pub(super) struct Images<'a> {
    pub(super) before: &'a [Extent],
    pub(super) after: &'a mut [Extent],
    /// Where the after image ends in the event.
    pub(super) end: usize,
    pub(super) built: &'a mut Vec<u8>,
}

fn json_columns(map: &TableMap) -> impl Iterator<Item = usize> {
    let is_json = |column: &Result<ColumnType, _>| matches!(column, Ok(ColumnType::Json));
    let columns = map.columns.iter().enumerate();
    columns.filter(move |(_, column)| is_json(&column.column_type)).map(|(index, _)| index)
}

fn no_document(map: &TableMap, column: usize) -> ImageError {
    ImageError::NoDocument { column: name_of(map, column) }
}

fn name_of(map: &TableMap, column: usize) -> String {
    map.columns.get(column).map(|column| column.name.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{CellWidth, ImageReader};
    use super::*;
    use crate::binlog::RowsKind;
    use crate::binlog::table_map::MappedColumn;
    use proptest::prelude::*;
    use schema::change::RowImage;
    use schema::table::TableId;
    use schema::types::ValueError;

    /// A number and two documents.
    fn map() -> TableMap {
        let column = |name: &str, column_type| MappedColumn {
            name: name.to_owned(),
            column_type: Ok(column_type),
            nullable: true,
        };
        let json = |name| column(name, ColumnType::Json);
        let number = ColumnType::TinyInt { unsigned: false };
        TableMap {
            id: TableId::new("d", "t"),
            columns: vec![json("a"), column("id", number), json("b")],
            widths: vec![CellWidth::prefixed(4), CellWidth::fixed(1), CellWidth::prefixed(4)],
            key: vec![1],
            has_prefix_key: false,
            unnamed: crate::binlog::table_map::Unnamed::default(),
        }
    }

    fn counted(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
    }

    /// `[1]`.
    const DOCUMENT: &[u8] = &[0x02, 1, 0, 7, 0, 0x05, 1, 0];

    /// `$[0]` becomes 9.
    const DIFF: &[u8] = &[0, 4, b'$', b'[', b'0', b']', 3, 0x05, 9, 0];

    fn before() -> Vec<u8> {
        [&[0][..], &counted(DOCUMENT), &[7], &counted(DOCUMENT)].concat()
    }

    type Columns = Vec<Option<Vec<u8>>>;

    fn read(data: &[u8]) -> Result<(Columns, usize), ImageError> {
        let mut reader = ImageReader::default();
        let (change, end) = reader.change(RowsKind::PartialUpdate, &map(), data, 0)?;
        let after: &RowImage<'_> = change.after().unwrap();
        Ok(((0..3).map(|index| after.column(index).map(<[u8]>::to_vec)).collect(), end))
    }

    #[test]
    fn a_column_of_differences_becomes_its_document_and_the_others_stay() {
        let partial = [&before()[..], &[1, 0b10], &[0], &counted(&[]), &[8], &counted(DIFF)];
        let whole = [&before()[..], &[0], &[0b001], &[8], &counted(DOCUMENT)];

        let (after, end) = read(&partial.concat()).unwrap();
        let nine = [0x02, 1, 0, 7, 0, 0x05, 9, 0];
        assert_eq!(after, [Some(vec![]), Some(vec![8]), Some(nine.to_vec())]);
        assert_eq!(end, partial.concat().len());
        let (after, end) = read(&whole.concat()).unwrap();
        assert_eq!(after, [None, Some(vec![8]), Some(DOCUMENT.to_vec())]);
        assert_eq!(end, whole.concat().len());
    }

    #[test]
    fn differences_without_a_document_or_of_another_one_name_their_column() {
        let to_null = [&before()[..], &[1, 0b10, 0b100], &counted(&[]), &[8]].concat();
        let from_null = [0b100, 0, 0, 0, 0, 7, 1, 0b10, 0, 0, 0, 0, 0, 8];
        let from_null = [&from_null[..], &counted(DIFF)].concat();
        let damaged = [&before()[..], &[1, 0b10, 0], &counted(&[]), &[8], &counted(&DIFF[..9])];

        let no_document = Err(ImageError::NoDocument { column: "b".to_owned() });
        assert_eq!(read(&to_null), no_document);
        assert_eq!(read(&from_null), no_document);
        let source = ValueError::JsonDiff;
        assert_eq!(
            read(&damaged.concat()),
            Err(ImageError::PartialJson { column: "b".to_owned(), source })
        );
        assert_eq!(read(&[&before()[..], &[2, 0]].concat()), Err(ImageError::Damaged));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_image_or_an_error(
            options in 0_u8..3,
            tail in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let data = [&before()[..], &[options], &tail].concat();
            if let Ok((_, end)) = read(&data) {
                prop_assert!(end <= data.len());
            }
        }

        #[test]
        fn a_partial_update_with_flipped_bytes_is_an_image_or_an_error(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let parts = [&before()[..], &[1, 0b11, 0], &counted(DIFF), &[8], &counted(DIFF)];
            let mut data = parts.concat();
            for (place, byte) in flips {
                let place = place.index(data.len());
                data[place] = byte;
            }
            if let Ok((_, end)) = read(&data) {
                prop_assert!(end <= data.len());
            }
        }
    }
}
