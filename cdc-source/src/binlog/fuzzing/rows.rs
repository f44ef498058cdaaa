//! Row images: through the reader, through the plan, and as a document.

use std::collections::HashMap;
use std::sync::LazyLock;

use schema::avro::FRAME_BYTES;
use schema::change::{Cell, RowChange, RowImage};
use schema::envelope::Source;
use schema::fuzzing::{Target, join_parts, split_part};
use schema::lsn::Lsn;
use schema::plan::document::{DocumentOptions, DocumentPlan, Problem, RowChange as DocumentChange};
use schema::plan::record::{PlanOptions, RecordPlan};
use schema::table::TableSchema;
use schema::types::UnsignedBigInt;
use schema::value::Value;

use super::super::event::{self, BinlogEvent, RowsEvent, RowsKind, kind};
use super::super::table_map::{EncodedTableMap, TableMap};
use super::{event_of, recorded_bodies};
use crate::rows::ImageReader;

/// The body of a `TABLE_MAP` as a part, a byte that picks the event type and with [`LONG`] the
/// handling of unsigned numbers, and the body of the row event.
pub const ROW_IMAGES: Target = Target { name: "row_images", run, seeds, heap_per_byte: 32 * 1024 };

/// Unsigned numbers wrap.
const LONG: u8 = 0x80;

const KINDS: [u8; 6] = [
    kind::WRITE_ROWS,
    kind::UPDATE_ROWS,
    kind::DELETE_ROWS,
    kind::WRITE_ROWS_V1,
    kind::UPDATE_ROWS_V1,
    kind::DELETE_ROWS_V1,
];

fn run(data: &[u8]) {
    let (map_body, rest) = split_part(data);
    let Some((pick, body)) = rest.split_first() else { return };
    let encoded = EncodedTableMap::new(map_body).and_then(EncodedTableMap::parse);
    let number = KINDS.get(usize::from(pick & !LONG) % KINDS.len()).copied().unwrap_or_default();
    let (Ok(map), Some(event)) = (encoded, event_of(number, body)) else { return };
    let Ok(BinlogEvent::Rows(rows)) = event::parse(&event) else { return };
    // As the pipeline refuses them.
    if rows.columns != map.columns.len() || !rows.is_full {
        return;
    }
    let is_long = pick & LONG != 0;
    let unsigned = if is_long { UnsignedBigInt::Long } else { UnsignedBigInt::Precise };
    let is_captured = map.has_names() && !map.key.is_empty() && !map.has_prefix_key;
    let schema = map.table_schema().ok().filter(|_| is_captured);
    let plan = schema.map(|schema| Plan::new(schema, unsigned, map_body.len()));
    read_rows(&map, &rows, plan.as_ref());
}

/// Reads the rows to their end. An image never reaches beyond the event, and each one is longer
/// than nothing, so there is an end.
fn read_rows(map: &TableMap, rows: &RowsEvent<'_>, plan: Option<&Plan>) {
    let (mut reader, mut at, data) = (ImageReader::default(), 0, rows.rows);
    while at < data.len() {
        let image = |cells| RowImage::new(data, cells);
        let read = match rows.kind {
            RowsKind::Write => reader.one(map, data, at).map(|(cells, end)| {
                lies_within(cells, at, end);
                (RowChange::Create(image(cells)), end)
            }),
            RowsKind::Delete => reader.one(map, data, at).map(|(cells, end)| {
                lies_within(cells, at, end);
                (RowChange::Delete(image(cells)), end)
            }),
            RowsKind::Update => reader.two(map, data, at).map(|(before, after, end)| {
                lies_within(before, at, end);
                lies_within(after, at, end);
                (RowChange::Update { before: image(before), after: image(after) }, end)
            }),
        };
        let Ok((change, end)) = read else { return };
        assert!(end <= data.len(), "{end} of {}", data.len());
        if let Some(plan) = plan {
            plan.convert(&change, end - at);
        }
        // A table without columns has images without bytes. The pipeline parks it: it has no key.
        assert!(end > at || map.columns.is_empty());
        if end == at {
            return;
        }
        at = end;
    }
}

/// The cells stand one behind the other, from the null bitmap to the end.
fn lies_within(cells: &[Cell], begin: usize, image_end: usize) {
    let mut at = begin;
    for cell in cells {
        if let Cell::Bytes { start, end } = cell {
            assert!(at <= *start && start <= end && *end <= image_end, "{cell:?}");
            at = *end;
        }
    }
}

/// The compiled plan of a table and its generic twin.
struct Plan {
    schema: TableSchema,
    unsigned: UnsignedBigInt,
    record: RecordPlan,
    map_bytes: usize,
}

impl Plan {
    fn new(schema: TableSchema, unsigned_bigint: UnsignedBigInt, map_bytes: usize) -> Self {
        let options = PlanOptions {
            server: "srv",
            unsigned_bigint,
            includes: &|name| !name.starts_with('_'),
        };
        let record = RecordPlan::compile(&schema, options);
        Self { schema, unsigned: unsigned_bigint, record, map_bytes }
    }

    /// Compiled and generic bytes are the same, or both are none; and they are a document.
    fn convert(&self, change: &RowChange<RowImage<'_>>, row_bytes: usize) {
        let written = self.write(change);
        let generic = self.generic(change);
        let Some(generic) = generic else {
            assert_eq!(written, None, "only the plan converts the row");
            return;
        };
        let generic = match &generic {
            RowChange::Read(row) => RowChange::Read(row.as_slice()),
            RowChange::Create(row) => RowChange::Create(row.as_slice()),
            RowChange::Delete(row) => RowChange::Delete(row.as_slice()),
            RowChange::Update { before, after } => {
                RowChange::Update { before: before.as_slice(), after: after.as_slice() }
            }
        };
        assert_eq!(written, self.write(&generic), "compiled and generic bytes");
        if let Some((_, value)) = &written {
            let columns = self.schema.columns.len();
            let limit = 2048 + 2 * (1100 * columns + 4 * self.map_bytes) + 160 * row_bytes;
            assert!(value.len() <= limit, "{} bytes from a row of {row_bytes}", value.len());
            self.is_a_document(value, matches!(change, RowChange::Delete(_)));
        }
    }

    fn write<R: schema::plan::record::Row>(
        &self,
        change: &RowChange<R>,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let row = change.after().or(change.before())?;
        self.record.write_key(row, &mut key).ok()?;
        self.record.write_envelope(change, &source(), 1_763_000_000_000_000, &mut value).ok()?;
        Some((key, value))
    }

    /// The generic values of all columns that are written; the others are NULL.
    fn generic(&self, change: &RowChange<RowImage<'_>>) -> Option<RowChange<Vec<Value>>> {
        let row = |image: &RowImage<'_>| -> Option<Vec<Value>> {
            let value = |(index, column): (usize, &schema::table::Column)| {
                let is_written = !column.name.starts_with('_') || self.schema.key.contains(&index);
                match image.column(index).filter(|_| is_written) {
                    None => Some(Value::Null),
                    Some(bytes) => column.column_type.value(bytes, self.unsigned).ok(),
                }
            };
            self.schema.columns.iter().enumerate().map(value).collect()
        };
        Some(match change {
            RowChange::Read(image) => RowChange::Read(row(image)?),
            RowChange::Create(image) => RowChange::Create(row(image)?),
            RowChange::Delete(image) => RowChange::Delete(row(image)?),
            RowChange::Update { before, after } => {
                RowChange::Update { before: row(before)?, after: row(after)? }
            }
        })
    }

    /// The sink reads the record with the schema that the source registers.
    fn is_a_document(&self, value: &[u8], is_delete: bool) {
        let body = value.get(FRAME_BYTES..).expect("a frame");
        let read = |plan: &DocumentPlan| {
            let mut out = Vec::new();
            plan.run(body, &mut out).map(|row| (row.change, out))
        };
        // Only of recorded tables: to parse a schema takes much longer than all the rest.
        let plan = RECORDED_PLANS.get(self.record.value_schema());
        let Some(read) = plan.and_then(Option::as_ref).map(read) else { return };
        match read {
            Ok((change, out)) => {
                assert_eq!(is_delete, change == DocumentChange::Delete);
                assert!(is_delete || serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            }
            Err(error) => assert!(
                matches!(error.problem(), Problem::NotFinite | Problem::DateOutOfRange),
                "{error}"
            ),
        }
    }
}

fn document_plan(schema: &str) -> Option<DocumentPlan> {
    DocumentPlan::compile(schema, DocumentOptions::default()).ok()
}

/// The document plans of the recorded tables by their schemas.
static RECORDED_PLANS: LazyLock<HashMap<String, Option<DocumentPlan>>> = LazyLock::new(|| {
    let mut plans = HashMap::new();
    for (_, body) in recorded_bodies().filter(|(number, _)| *number == kind::TABLE_MAP) {
        let map = EncodedTableMap::new(body).and_then(EncodedTableMap::parse);
        let schema = map.ok().and_then(|map| map.table_schema().ok());
        for unsigned in [UnsignedBigInt::Precise, UnsignedBigInt::Long] {
            let plan = schema.clone().map(|schema| Plan::new(schema, unsigned, body.len()));
            let text = plan.map(|plan| plan.record.value_schema().to_owned());
            plans.extend(text.map(|text| (text.clone(), document_plan(&text))));
        }
    }
    plans
});

fn source() -> Source<'static> {
    Source {
        ts_us: 1_763_000_000_000_000,
        snapshot: false,
        lsn: Lsn::new(7).expect("a small number"),
        server_id: 1,
        gtid: Some("7b40b903-e54c-11f1-9537-02fc00000001:80"),
        file: "binlog.000001",
        pos: 4,
        row: 0,
        thread: Some(9),
    }
}

/// Each recorded row event with the table map before it.
fn seeds() -> Vec<Vec<u8>> {
    let mut map: &[u8] = &[];
    let mut seeds = Vec::new();
    for (number, body) in recorded_bodies() {
        if number == kind::TABLE_MAP {
            map = body;
        } else if let Some(pick) = (0_u8..).zip(KINDS).find(|(_, kind)| *kind == number) {
            for choices in [0, LONG] {
                seeds.push(join_parts(map, &[&[pick.0 | choices][..], body].concat()));
            }
        }
    }
    seeds
}
