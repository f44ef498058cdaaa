//! Plans against the generic path, against `apache-avro`, and against Debezium's schemas.

mod agreement;
mod debezium;
mod random;

use super::*;
use crate::change::{Extent, RowImage};
use crate::envelope::{SnapshotMarker, TransactionBlock};
use crate::lsn::Lsn;
use crate::names::NameAdjustment;
use crate::table::{Column, TableId, TableSchema};
use crate::types::charset::Charset;
use crate::types::{ColumnType, Origin, ValueOptions};

fn column(name: &str, column_type: ColumnType, nullable: bool) -> Column {
    Column { name: name.to_owned(), column_type, nullable, declaration: None }
}

/// What a pipeline file begins with.
fn options() -> PlanOptions<'static> {
    PlanOptions {
        server: "srv1",
        values: ValueOptions::exact(),
        field_names: NameAdjustment::Avro,
        schema_names: NameAdjustment::Avro,
        message_key: None,
        format: Format::Envelope,
        origin: Origin::Log,
        choose: &|_| ColumnChoice::plain(),
    }
}

fn compile(table: &TableSchema) -> RecordPlan {
    RecordPlan::compile(table, options()).unwrap()
}

fn source() -> Source<'static> {
    Source {
        ts_us: 1_795_227_115_320_977,
        snapshot: SnapshotMarker::No,
        lsn: Lsn::new(42).unwrap(),
        server_id: 1,
        gtid: Some("7b40b903-e54c-11f1-9537-02fc00000001:71"),
        file: "binlog.000001",
        pos: 39_980,
        row: 0,
        thread: Some(50),
        transaction: None,
    }
}

/// `CREATE TABLE t_cpk (k1 INT, k2 VARCHAR(10), v TEXT, PRIMARY KEY (k2, k1))` of the recording.
fn composite_key_table() -> TableSchema {
    let text = || ColumnType::Text { charset: Charset::Utf8 };
    TableSchema {
        id: TableId::new("gold", "t_cpk"),
        columns: vec![
            column("k1", ColumnType::Int { unsigned: false }, false),
            column("k2", text(), false),
            column("v", text(), true),
        ],
        key: vec![1, 0],
    }
}

#[test]
fn schemas_are_the_ones_that_debezium_registered() {
    let plan = compile(&composite_key_table());

    assert_eq!(plan.topic(), "srv1.gold.t_cpk");
    assert_eq!(plan.key_schema().unwrap(), include_str!("testdata/t_cpk-key.json").trim());
    assert_eq!(plan.value_schema(), include_str!("testdata/t_cpk-value.json").trim());
}

#[test]
fn bytes_are_what_apache_avro_reads_as_the_change() {
    let mut plan = compile(&composite_key_table());
    plan.set_ids(Some(SchemaId(1)), SchemaId(2));
    let data = [7, 0, 0, 0, b'a', b'b'];
    let cells = [Extent::new(0, 4), Extent::new(4, 6), Extent::NULL];
    let row = RowImage::new(&data, &cells);

    let (mut key, mut value) = (Vec::new(), Vec::new());
    plan.write_key(&row, &mut key).unwrap();
    plan.write_value(&RowChange::Create(row), &source(), 5, &mut value).unwrap();

    assert_eq!(key, [&[0, 0, 0, 0, 1][..], &[4, b'a', b'b', 14]].concat());
    let schema = apache_avro::Schema::parse_str(plan.value_schema()).unwrap();
    let mut reader = &value[FRAME_BYTES..];
    let read = apache_avro::reader::datum::GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut reader)
        .unwrap();
    assert!(reader.is_empty(), "all bytes are read");
    let text = format!("{read:?}");
    assert!(
        text.contains(r#"("k1", Int(7))"#) && text.contains(r#"("op", String("c"))"#),
        "{text}"
    );
    assert!(text.contains(r#"String("42")"#), "the lsn is in `sequence`: {text}");
}

#[test]
fn a_truncate_is_an_envelope_without_rows() {
    let plan = compile(&composite_key_table());
    let mut value = Vec::new();

    plan.write_truncate(&source(), 5, &mut value);

    let schema = apache_avro::Schema::parse_str(plan.value_schema()).unwrap();
    let mut reader = &value[FRAME_BYTES..];
    let read = apache_avro::reader::datum::GenericDatumReader::builder(&schema)
        .build()
        .unwrap()
        .read_value(&mut reader)
        .unwrap();
    assert!(reader.is_empty(), "all bytes are read");
    let text = format!("{read:?}");
    assert!(text.contains(r#"[("before", Union(0, Null)), ("after", Union(0, Null))"#), "{text}");
    assert!(text.contains(r#"("op", String("t"))"#), "{text}");
}

#[test]
fn records_of_one_event_are_written_as_if_each_were_alone() {
    let plan = compile(&composite_key_table());
    let data = [7, 0, 0, 0, b'a', b'b'];
    let cells = [Extent::new(0, 4), Extent::new(4, 6), Extent::NULL];
    let row = RowImage::new(&data, &cells);
    let block = TransactionBlock { id: "file=b,pos=4", total_order: 3, collection_order: 2 };
    let events = [(0, None, 5), (1, Some(9), 5), (2, Some(9), 6), (3, None, 6)];

    let mut event = EventSource::default();
    for (pos, thread, now_us) in events {
        event.begin(now_us);
        for (number, lsn) in (0_u32..).zip([8, 9, 10, 10, 99, 100, 7]) {
            let change =
                if number % 2 == 0 { RowChange::Create(row) } else { RowChange::Delete(row) };
            let transaction = (number % 3 == 0).then_some(block);
            let lsn = Lsn::new(lsn).unwrap();
            let source = Source { lsn, row: number, pos, thread, transaction, ..source() };
            let (mut alone, mut shared) = (Vec::new(), Vec::new());
            plan.write_value(&change, &source, now_us, &mut alone).unwrap();
            plan.write_shared(&change, &source, &mut event, &mut shared).unwrap();

            assert_eq!(shared, alone, "record {number} of the event at {pos}");
        }
    }
}

#[test]
fn a_filtered_column_is_in_neither_schema_nor_bytes() {
    let table = composite_key_table();
    let only_v =
        |column: &Column| ColumnChoice { included: column.name == "v", ..ColumnChoice::plain() };

    let plan = RecordPlan::compile(&table, PlanOptions { choose: &only_v, ..options() }).unwrap();

    let value = plan.value_schema();
    assert!(value.contains(r#""name":"v""#) && !value.contains(r#""name":"k1""#), "{value}");
    assert!(plan.key_schema().unwrap().contains(r#""name":"k1""#), "the key stays whole");
}

#[test]
fn names_that_collide_or_that_avro_refuses_are_errors() {
    let text = || ColumnType::Text { charset: Charset::Utf8 };
    let table = TableSchema {
        id: TableId::new("d", "t"),
        columns: vec![column("a b", text(), true), column("a-b", text(), true)],
        key: vec![],
    };
    let compiled = |field_names| {
        RecordPlan::compile(&table, PlanOptions { field_names, ..options() }).map(|_| ())
    };

    let name = |column: &str| column.to_owned();
    assert_eq!(compiled(NameAdjustment::Avro), Err(CompileError::Collision { name: name("a_b") }));
    assert_eq!(compiled(NameAdjustment::None), Err(CompileError::Name { column: name("a b") }));
    assert_eq!(compiled(NameAdjustment::AvroUnicode), Ok(()));
}

#[test]
fn a_table_without_a_key_has_no_key_schema() {
    let table = TableSchema { key: vec![], ..composite_key_table() };

    let plan = compile(&table);

    let mut key = Vec::new();
    plan.write_key(&RowImage::new(&[], &[]), &mut key).unwrap();
    assert_eq!((plan.key_schema(), key), (None, vec![]));
}
