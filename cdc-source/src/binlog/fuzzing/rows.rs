//! Row images: through the reader, through the plan, and as a document.

use std::collections::HashMap;
use std::sync::LazyLock;

use schema::avro::FRAME_BYTES;
use schema::change::{RowChange, RowImage};
use schema::envelope::{SnapshotMarker, Source};
use schema::fuzzing::{Target, join_parts, split_part};
use schema::lsn::Lsn;
use schema::names::NameAdjustment;
use schema::plan::document::{DocumentOptions, DocumentPlan, Problem, RowChange as DocumentChange};
use schema::plan::record::{ColumnChoice, Format, PlanOptions, RecordPlan};
use schema::table::{Column, TableSchema};
use schema::types::{Origin, SchemaStyle, TimePrecision, ValueOptions};

use super::super::event::{BinlogEvent, RowsEvent, RowsKind, kind, parse_body};
use super::super::table_map::{EncodedTableMap, TableMap};
use super::recorded_bodies;
use crate::rows::ImageReader;

/// The body of a `TABLE_MAP` as a part, a byte that picks the event type and the settings, and the
/// body of the row event.
pub const ROW_IMAGES: Target = Target { name: "row_images", run, seeds, heap_per_byte: 32 * 1024 };

const NOW_US: i64 = 1_763_000_000_000_000;

const KINDS: [u8; 7] = [
    kind::WRITE_ROWS,
    kind::UPDATE_ROWS,
    kind::DELETE_ROWS,
    kind::WRITE_ROWS_V1,
    kind::UPDATE_ROWS_V1,
    kind::DELETE_ROWS_V1,
    kind::PARTIAL_UPDATE_ROWS,
];

fn run(data: &[u8]) {
    let (map_body, rest) = split_part(data);
    let Some((pick, body)) = rest.split_first() else { return };
    let encoded = EncodedTableMap::new(map_body).and_then(EncodedTableMap::parse);
    let number = KINDS.get(usize::from(pick & 0x3f) % KINDS.len()).copied().unwrap_or_default();
    let Ok(map) = encoded else { return };
    let Ok(BinlogEvent::Rows(rows)) = parse_body(number, body) else { return };
    // As the pipeline refuses them.
    if rows.columns != map.columns.len() || !rows.is_full {
        return;
    }
    let is_captured = map.has_names() && !map.key.is_empty() && !map.has_prefix_key;
    let schema = map.table_schema().ok().filter(|_| is_captured);
    let plan = schema.and_then(|schema| Plan::new(schema, settings(*pick), map_body.len()));
    read_rows(&map, &rows, plan.as_ref());
}

/// The settings that the two highest bits pick.
fn settings(pick: u8) -> ValueOptions {
    match pick >> 6 {
        0 => ValueOptions::exact(),
        1 => ValueOptions { style: SchemaStyle::Clean, ..ValueOptions::exact() },
        2 => ValueOptions::debezium(),
        _ => ValueOptions { time: TimePrecision::IsoString, ..ValueOptions::debezium() },
    }
}

/// One pick for each of the settings.
const SETTINGS: [u8; 4] = [0, 1 << 6, 2 << 6, 3 << 6];

/// Reads the rows to their end. An image never reaches beyond the event, and each one is longer
/// than nothing, so there is an end.
fn read_rows(map: &TableMap, rows: &RowsEvent<'_>, plan: Option<&Plan>) {
    let (mut reader, mut at, data) = (ImageReader::default(), 0, rows.rows);
    while at < data.len() {
        let read = match rows.kind {
            RowsKind::Write => {
                reader.one(map, data, at).map(|(row, end)| (RowChange::Create(row), end))
            }
            RowsKind::Delete => {
                reader.one(map, data, at).map(|(row, end)| (RowChange::Delete(row), end))
            }
            RowsKind::Update => reader
                .two(map, data, at)
                .map(|(before, after, end)| (RowChange::Update { before, after }, end)),
            RowsKind::PartialUpdate => reader.change(rows.kind, map, data, at),
        };
        let Ok((change, end)) = read else { return };
        assert!(end <= data.len(), "{end} of {}", data.len());
        if rows.kind != RowsKind::PartialUpdate {
            lies_within(&change, map.columns.len(), data.get(at..end).expect("a row's place"));
        }
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

/// The columns stand one behind the other, from the beginning of the row to its end, those of the
/// image before it first.
fn lies_within(change: &RowChange<RowImage<'_>>, columns: usize, row: &[u8]) {
    let row = row.as_ptr_range();
    let mut at = row.start;
    for image in change.before().into_iter().chain(change.after()) {
        for cell in (0..columns).filter_map(|index| image.column(index)) {
            let place = cell.as_ptr_range();
            assert!(at <= place.start && place.end <= row.end, "{place:?} of {row:?}");
            at = place.end;
        }
    }
}

/// The compiled plan of a table and its generic twin.
struct Plan {
    schema: TableSchema,
    record: RecordPlan,
    map_bytes: usize,
}

impl Plan {
    /// `None` for names that no plan can write.
    fn new(schema: TableSchema, values: ValueOptions, map_bytes: usize) -> Option<Self> {
        let choose = |column: &Column| ColumnChoice {
            included: !column.name.starts_with('_'),
            ..ColumnChoice::plain()
        };
        let options = PlanOptions {
            server: "srv",
            values,
            field_names: NameAdjustment::Avro,
            schema_names: NameAdjustment::Avro,
            message_key: None,
            format: Format::Envelope,
            origin: Origin::Log,
            choose: &choose,
        };
        let record = RecordPlan::compile(&schema, options).ok()?;
        Some(Self { schema, record, map_bytes })
    }

    /// Compiled and generic bytes are the same, or both are none; and they are a document.
    fn convert(&self, change: &RowChange<RowImage<'_>>, row_bytes: usize) {
        let written = self.write(change);
        assert_eq!(written, self.generic(change), "compiled and generic bytes");
        if let Some((_, value)) = &written {
            let columns = self.schema.columns.len();
            let limit = 2048 + 2 * (1100 * columns + 4 * self.map_bytes) + 160 * row_bytes;
            assert!(value.len() <= limit, "{} bytes from a row of {row_bytes}", value.len());
            self.is_a_document(value, matches!(change, RowChange::Delete(_)));
        }
    }

    fn write(&self, change: &RowChange<RowImage<'_>>) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let row = change.after().or(change.before())?;
        self.record.write_key(row, &mut key).ok()?;
        self.record.write_value(change, &source(), NOW_US, &mut value).ok()?;
        Some((key, value))
    }

    fn generic(&self, change: &RowChange<RowImage<'_>>) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let row = change.after().or(change.before())?;
        self.record.write_generic_key(row, &mut key).ok()?;
        self.record.write_generic(change, &source(), NOW_US, &mut value).ok()?;
        Some((key, value))
    }

    /// The sink reads the record with the schema that the source registers.
    fn is_a_document(&self, value: &[u8], is_delete: bool) {
        let body = value.get(FRAME_BYTES..).expect("a frame");
        let read = |plan: &DocumentPlan| {
            let mut out = Vec::new();
            plan.run(body, &mut out).map(|row| (row.change, out))
        };
        // Only of recorded tables: to parse a schema takes much longer than all the rest.
        let Some(plan) = RECORDED_PLANS.get(self.record.value_schema()) else { return };
        let read = read(plan);
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

/// The document plans of the recorded tables by their schemas.
static RECORDED_PLANS: LazyLock<HashMap<String, DocumentPlan>> = LazyLock::new(|| {
    let mut plans = HashMap::new();
    for (_, body) in recorded_bodies().filter(|(number, _)| *number == kind::TABLE_MAP) {
        let map = EncodedTableMap::new(body).and_then(EncodedTableMap::parse);
        let Ok(schema) = map.expect("a recorded map").table_schema() else { continue };
        for pick in SETTINGS {
            let plan = Plan::new(schema.clone(), settings(pick), body.len());
            let text = plan.expect("a recorded table").record.value_schema().to_owned();
            let document = DocumentPlan::compile(&text, DocumentOptions::default());
            plans.insert(text, document.expect("the schema of a recorded table"));
        }
    }
    plans
});

fn source() -> Source<'static> {
    Source {
        ts_us: NOW_US,
        snapshot: SnapshotMarker::No,
        lsn: Lsn::new(7).expect("a small number"),
        server_id: 1,
        gtid: Some("7b40b903-e54c-11f1-9537-02fc00000001:80"),
        file: "binlog.000001",
        pos: 4,
        row: 0,
        thread: Some(9),
        transaction: None,
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
            for settings in SETTINGS {
                seeds.push(join_parts(map, &[&[pick.0 | settings][..], body].concat()));
            }
        }
    }
    seeds
}
