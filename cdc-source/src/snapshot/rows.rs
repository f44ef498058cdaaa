//! The rows of a chunk.

use std::sync::Arc;

use bytes::Bytes;
use schema::types::{MysqlValue, ValueError};

use super::structure::Structure;
use super::values::Reading;
use crate::wire::{Cell, Cells, ColumnForm, WireError};

/// Why a row is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    /// It is no row.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A value is none of its column's.
    #[error("column {name} cannot be converted: {source}")]
    Column {
        /// The column's name.
        name: String,
        /// What is wrong with the value, which is not told.
        source: ValueError,
    },
}

/// Rows as they came, one behind the other: none takes memory of its own, and their values are read
/// where they lie.
#[derive(Debug)]
pub(crate) struct ChunkRows {
    structure: Arc<Structure>,
    forms: Arc<[ColumnForm]>,
    readings: Vec<Reading>,
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl ChunkRows {
    /// None yet, of a table of this shape, whose columns look like this. `blanks_in_json` leaves JSON
    /// as the server prints it.
    pub(super) fn new(
        structure: Arc<Structure>,
        forms: Arc<[ColumnForm]>,
        blanks_in_json: bool,
    ) -> Self {
        let columns = structure.schema.columns.iter().zip(&structure.charsets);
        let readings = columns
            .map(|(column, charset)| Reading::of(&column.column_type, *charset, blanks_in_json))
            .collect();
        Self { structure, forms, readings, bytes: Vec::new(), ends: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What they take in memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<usize>()
    }

    /// Takes a row if all of its values can be read.
    pub(super) fn push(&mut self, row: &Bytes) -> Result<(), RowError> {
        self.each(row, |reading, cell| reading.check(cell))?;
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Puts the values of a row in the place of what `row` has; NULL is `None`.
    pub(crate) fn read<'a>(
        &'a self,
        index: usize,
        row: &mut Vec<Option<MysqlValue<'a>>>,
    ) -> Result<(), RowError> {
        row.clear();
        row.reserve(self.readings.len());
        let end = self.ends.get(index).copied().unwrap_or_default();
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let bytes = self.bytes.get(start.unwrap_or_default()..end).unwrap_or_default();
        self.each(bytes, |reading, cell| {
            row.push(reading.value(cell)?);
            Ok(())
        })
    }

    #[inline]
    fn each<'a>(
        &'a self,
        row: &'a [u8],
        mut take: impl FnMut(&'a Reading, Cell<'a>) -> Result<(), ValueError>,
    ) -> Result<(), RowError> {
        let mut cells = Cells::new(row, self.forms.len()).ok_or_else(no_row)?;
        for (place, (form, reading)) in self.forms.iter().zip(&self.readings).enumerate() {
            let Some(cell) = cells.next(*form) else { return Err(no_row()) };
            if let Err(source) = take(reading, cell) {
                return Err(self.refused(place, source));
            }
        }
        Ok(())
    }

    #[cold]
    fn refused(&self, place: usize, source: ValueError) -> RowError {
        let column = self.structure.schema.columns.get(place);
        let name = column.map(|column| column.name.clone()).unwrap_or_default();
        RowError::Column { name, source }
    }
}

#[cold]
fn no_row() -> RowError {
    RowError::Wire(WireError::Malformed("row"))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use schema::table::{Column, TableId, TableSchema};
    use schema::types::ColumnType;
    use schema::types::charset::Charset;

    use super::*;
    use crate::snapshot::structure::ChunkKey;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column { name: name.to_owned(), column_type, nullable: true, declaration: None }
    }

    /// INT, VARCHAR in latin1, JSON, BLOB.
    fn none(blanks_in_json: bool) -> ChunkRows {
        let columns = vec![
            column("id", ColumnType::Int { unsigned: false }),
            column("text", ColumnType::Text { charset: Charset::Latin1 }),
            column("doc", ColumnType::Json),
            column("bytes", ColumnType::Blob),
        ];
        let structure = Structure {
            schema: TableSchema {
                id: TableId { database: "d".into(), name: "t".into() },
                columns,
                key: vec![0],
            },
            charsets: vec![None, Some(Charset::Latin1), None, None],
            texts: Vec::new(),
            chunk_key: ChunkKey::default(),
            key_order: Vec::new(),
        };
        let forms = [ColumnForm::Signed32, ColumnForm::Bytes, ColumnForm::Bytes, ColumnForm::Bytes];
        ChunkRows::new(Arc::new(structure), Arc::new(forms), blanks_in_json)
    }

    fn row(id: i32, texts: [&[u8]; 3]) -> Bytes {
        let mut row = [&[0, 0], &id.to_le_bytes()[..]].concat();
        for text in texts {
            row.push(u8::try_from(text.len()).unwrap());
            row.extend_from_slice(text);
        }
        row.into()
    }

    #[test]
    fn rows_are_read_in_any_order_as_they_came() {
        let mut rows = none(false);
        assert!(rows.is_empty());
        rows.push(&row(1, [b"a\xe9", b"{\"a\": [1, 2]}", b"\x00"])).unwrap();
        // All NULL but the key.
        rows.push(&Bytes::from([&[0, 0b11_1000], &2_i32.to_le_bytes()[..]].concat())).unwrap();
        rows.push(&row(-3, [b"", b"null", b""])).unwrap();
        assert_eq!(rows.len(), 3);

        let text = |text: &'static str| Some(MysqlValue::Text(Cow::Borrowed(text)));
        let bytes = |bytes: &'static [u8]| Some(MysqlValue::Bytes(Cow::Borrowed(bytes)));
        let id = |id| Some(MysqlValue::Integer(id));
        let expected = [
            vec![id(1), text("a\u{e9}"), text("{\"a\":[1,2]}"), bytes(b"\x00")],
            vec![id(2), None, None, None],
            vec![id(-3), text(""), text("null"), bytes(b"")],
        ];
        let mut values = Vec::new();
        for index in [2, 0, 1, 1] {
            rows.read(index, &mut values).unwrap();
            assert_eq!(values, expected[index]);
        }
        assert!(matches!(rows.read(3, &mut values), Err(RowError::Wire(_))));

        let mut printed = none(true);
        printed.push(&row(1, [b"", b"{\"a\": 1}", b""])).unwrap();
        let mut values = Vec::new();
        printed.read(0, &mut values).unwrap();
        assert_eq!(values[2], text("{\"a\": 1}"));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_refused_and_leaves_nothing() {
        let mut rows = none(false);
        rows.push(&row(1, [b"a", b"1", b""])).unwrap();
        let memory = rows.memory();

        // JSON is UTF-8.
        let refused = rows.push(&row(2, [b"", b"\xff", b""])).unwrap_err();
        assert!(refused.to_string().starts_with("column doc cannot be converted"), "{refused}");
        let whole = row(3, [b"a", b"1", b"b"]);
        for length in 0..whole.len() {
            let cut = whole.slice(..length);
            assert!(matches!(rows.push(&cut), Err(RowError::Wire(_))), "{length}");
        }

        assert_eq!((rows.len(), rows.memory()), (1, memory));
        let mut values = Vec::new();
        rows.read(0, &mut values).unwrap();
        assert_eq!(values[0], Some(MysqlValue::Integer(1)));
    }
}
