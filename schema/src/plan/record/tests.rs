use super::*;
use crate::change::Cell;
use crate::lsn::Lsn;
use crate::table::{Column, TableId};
use crate::types::charset::Charset;
use crate::types::temporal::Fraction;
use proptest::prelude::*;

fn column(name: &str, column_type: ColumnType, nullable: bool) -> Column {
    Column { name: name.to_owned(), column_type, nullable }
}

fn compile(table: &TableSchema) -> RecordPlan {
    let options = PlanOptions {
        server: "srv1",
        unsigned_bigint: UnsignedBigInt::Precise,
        includes: &|_| true,
    };
    RecordPlan::compile(table, options)
}

fn source() -> Source<'static> {
    Source {
        ts_us: 1_795_227_115_320_977,
        snapshot: false,
        lsn: Lsn::new(42).unwrap(),
        server_id: 1,
        gtid: Some("7b40b903-e54c-11f1-9537-02fc00000001:71"),
        file: "binlog.000001",
        pos: 39_980,
        row: 0,
        thread: Some(50),
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
    assert_eq!(plan.key_schema(), include_str!("testdata/t_cpk-key.json").trim());
    assert_eq!(plan.value_schema(), include_str!("testdata/t_cpk-value.json").trim());
}

#[test]
fn bytes_are_what_apache_avro_reads_as_the_change() {
    let mut plan = compile(&composite_key_table());
    plan.set_ids(SchemaId(1), SchemaId(2));
    let data = [7, 0, 0, 0, b'a', b'b'];
    let cells = [Cell::Bytes { start: 0, end: 4 }, Cell::Bytes { start: 4, end: 6 }, Cell::Null];
    let row = RowImage::new(&data, &cells);

    let (mut key, mut value) = (Vec::new(), Vec::new());
    plan.write_key(&row, &mut key).unwrap();
    plan.write_envelope(&RowChange::Create(row), &source(), 5, &mut value).unwrap();

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
fn a_filtered_column_is_in_neither_schema_nor_bytes() {
    let table = composite_key_table();
    let options = PlanOptions {
        server: "srv1",
        unsigned_bigint: UnsignedBigInt::Precise,
        includes: &|name| name == "v",
    };

    let plan = RecordPlan::compile(&table, options);

    assert!(plan.value_schema().contains(r#""name":"k1""#), "key columns stay");
    let options = PlanOptions { includes: &|_| false, ..options };
    assert!(!RecordPlan::compile(&table, options).value_schema().contains(r#""name":"v""#));
}

/// Any type with bytes that are a value of it.
fn typed_bytes() -> impl Strategy<Value = (ColumnType, Vec<u8>)> {
    let fraction = Fraction::new(6).unwrap();
    let fixed = |column_type: ColumnType, width: usize| {
        prop::collection::vec(any::<u8>(), width).prop_map(move |b| (column_type.clone(), b))
    };
    prop_oneof![
        any::<bool>().prop_flat_map(move |unsigned| prop_oneof![
            fixed(ColumnType::TinyInt { unsigned }, 1),
            fixed(ColumnType::SmallInt { unsigned }, 2),
            fixed(ColumnType::MediumInt { unsigned }, 3),
            fixed(ColumnType::Int { unsigned }, 4),
            fixed(ColumnType::BigInt { unsigned }, 8),
        ]),
        fixed(ColumnType::Float, 4),
        fixed(ColumnType::Double, 8),
        fixed(ColumnType::Year, 1),
        fixed(ColumnType::Date, 3),
        fixed(ColumnType::Time { fraction }, 6),
        fixed(ColumnType::DateTime { fraction }, 8),
        fixed(ColumnType::Timestamp { fraction }, 7),
        fixed(ColumnType::Decimal { precision: 12, scale: 3 }, 6),
        fixed(ColumnType::Bit { length: 1 }, 1),
        fixed(ColumnType::Bit { length: 20 }, 3),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|b| (ColumnType::Blob, b)),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|b| (ColumnType::Binary { length: 20 }, b)),
        "\\PC{0,20}"
            .prop_map(|text| (ColumnType::Text { charset: Charset::Utf8 }, text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|b| (ColumnType::Text { charset: Charset::Latin1 }, b)),
        (0_u8..4).prop_map(|b| {
            let members = vec!["x".to_owned(), "y".to_owned(), "z".to_owned()];
            (ColumnType::Enum { members }, vec![b])
        }),
        (0_u8..8).prop_map(|b| {
            let members = vec!["x".to_owned(), "y".to_owned(), "z".to_owned()];
            (ColumnType::Set { members }, vec![b])
        }),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(|b| (ColumnType::Json, b)),
    ]
}

proptest! {
    /// The plan and the generic path give the same bytes, or both refuse.
    #[test]
    fn plan_bytes_are_generic_bytes(
        (column_type, bytes) in typed_bytes(), nullable: bool, precise: bool,
    ) {
        let mode = if precise { UnsignedBigInt::Precise } else { UnsignedBigInt::Long };
        let schema = column_type.schema(mode);
        let schema = if nullable { schema.optional() } else { schema };

        let mut planned = if nullable { vec![2] } else { vec![] };
        let plan_result = column_type.write_avro(&bytes, mode, &mut planned);
        let mut generic = Vec::new();
        let generic_result = column_type
            .value(&bytes, mode)
            .map(|value| avro::encode(&schema, &value, &mut generic).unwrap());

        prop_assert_eq!(plan_result, generic_result);
        if plan_result.is_ok() {
            prop_assert_eq!(planned, generic);
        }
    }
}
