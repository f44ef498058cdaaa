//! What must hold for any row that a server sends.

use std::sync::Arc;

use bytes::Bytes;
use schema::fuzzing::{Target, join_parts, split_part};
use schema::table::{Column, TableId, TableSchema};
use schema::types::ColumnType;
use schema::types::charset::Charset;

use super::rows::ChunkRows;
use super::structure::{ChunkKey, Structure};
use crate::wire::ColumnForm;

/// What columns look like and what they are declared as, two bytes each, and a row of them.
pub const SELECTED_ROW: Target =
    Target { name: "selected_row", run: selected_row, seeds, heap_per_byte: 256 };

/// Columns of a table.
const COLUMNS_MAX: usize = 32;

const FORMS: [ColumnForm; 14] = [
    ColumnForm::Null,
    ColumnForm::Signed8,
    ColumnForm::Signed16,
    ColumnForm::Signed32,
    ColumnForm::Signed64,
    ColumnForm::Unsigned8,
    ColumnForm::Unsigned16,
    ColumnForm::Unsigned32,
    ColumnForm::Unsigned64,
    ColumnForm::Float,
    ColumnForm::Double,
    ColumnForm::Date,
    ColumnForm::Time,
    ColumnForm::Bytes,
];

fn types() -> Vec<(ColumnType, Option<Charset>)> {
    let text = |charset| (ColumnType::Text { charset }, Some(charset));
    let plain = [
        ColumnType::Int { unsigned: false },
        ColumnType::BigInt { unsigned: true },
        ColumnType::Float,
        ColumnType::Double,
        ColumnType::Decimal { precision: 10, scale: 2 },
        ColumnType::Bit { length: 12 },
        ColumnType::Blob,
        ColumnType::Year,
        ColumnType::Date,
        ColumnType::Json,
    ];
    let plain = plain.into_iter().map(|column_type| (column_type, None));
    plain.chain([Charset::Utf8, Charset::Latin1, Charset::Utf16].map(text)).collect()
}

/// A row that is taken can be read, again and again; one that is refused leaves nothing.
fn selected_row(data: &[u8]) {
    let (shape, row) = split_part(data);
    let types = types();
    let (mut columns, mut charsets, mut forms) = (Vec::new(), Vec::new(), Vec::new());
    for part in shape.chunks_exact(2).take(COLUMNS_MAX) {
        let place = |byte: Option<&u8>, count| byte.map_or(0, |byte| usize::from(*byte) % count);
        let Some(form) = FORMS.get(place(part.first(), FORMS.len())) else { return };
        let Some((column_type, charset)) = types.get(place(part.get(1), types.len())) else {
            return;
        };
        forms.push(*form);
        charsets.push(*charset);
        let (name, column_type) = (columns.len().to_string(), column_type.clone());
        columns.push(Column { name, column_type, nullable: true, declaration: None });
    }
    let id = TableId { database: "d".to_owned(), name: "t".to_owned() };
    let count = columns.len();
    let structure = Structure {
        schema: TableSchema { id, columns, key: Vec::new() },
        charsets,
        texts: Vec::new(),
        chunk_key: ChunkKey::default(),
        key_order: Vec::new(),
    };
    let mut rows = ChunkRows::new(Arc::new(structure), forms.into(), false);
    let is_taken = rows.push(&Bytes::copy_from_slice(row)).is_ok();
    assert_eq!((rows.len(), rows.is_empty()), (usize::from(is_taken), !is_taken));
    assert!(is_taken || rows.memory() == 0);
    let (mut once, mut again) = (Vec::new(), Vec::new());
    assert_eq!(rows.read(0, &mut once).is_ok(), is_taken);
    if is_taken {
        assert_eq!(once.len(), count);
        assert!(rows.read(0, &mut again).is_ok());
        // No NaN is equal to itself.
        assert_eq!(format!("{once:?}"), format!("{again:?}"));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // INT, VARCHAR, DECIMAL, JSON, DATETIME, then the same but for a NULL.
    let shape = [3, 0, 13, 10, 13, 4, 13, 9, 11, 8];
    let texts = b"\x02hi\x041.50\x08{\"a\": 1}";
    let whole = [&[0, 0, 7, 0, 0, 0], &texts[..], &[4, 0xe9, 7, 2, 29]].concat();
    let with_null = [&[0, 0b1000, 7, 0, 0, 0], &b"\x041.50\x01[\x00"[..]].concat();
    vec![join_parts(&shape, &whole), join_parts(&shape, &with_null), join_parts(&shape, &[])]
}
