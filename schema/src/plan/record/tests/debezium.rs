//! The schemas that a real Debezium 3.6.3 registered, from tables that are written down here. The
//! system test `golden` compares many more, and the records too.

use super::*;
use crate::table::{Declaration, Default};
use crate::types::temporal::Fraction;

/// The schemas that connector `srv1` registered under a subject.
fn recorded(subject: &str) -> Vec<String> {
    let envelope = include_str!("../../../../../integration/tests/golden/envelope.txt");
    let recording = include_str!("../../../../../integration/tests/golden/gold/srv1.txt");
    let line = format!("schema srv1.gold.{subject} ");
    let schemas = recording.lines().filter_map(|text| text.strip_prefix(&line));
    schemas.map(|schema| schema.replace("$ENVELOPE", envelope.trim_end())).collect()
}

/// A column with its declaration: `DEFAULT`s as `information_schema` has them.
fn declared(name: &str, (type_text, default): (&str, Default), column_type: ColumnType) -> Column {
    let type_text = type_text.to_owned();
    let declaration = Declaration { type_text, default, comment: String::new() };
    Column { name: name.to_owned(), column_type, nullable: true, declaration: Some(declaration) }
}

fn not_null(column: Column) -> Column {
    Column { nullable: false, ..column }
}

fn text() -> ColumnType {
    ColumnType::Text { charset: Charset::Utf8 }
}

fn members(of: &[&str]) -> Vec<String> {
    of.iter().map(|member| (*member).to_owned()).collect()
}

fn fraction(digits: u8) -> Fraction {
    Fraction::new(digits).unwrap()
}

fn int() -> ColumnType {
    ColumnType::Int { unsigned: false }
}

fn literal(text: &str) -> Default {
    Default::Literal(text.to_owned())
}

/// Asserts that a table has the last recorded schemas.
fn is_recorded(name: &str, columns: Vec<Column>, key: &[usize]) {
    is_version(name, columns, key, recorded(&format!("{name}-value")).len() - 1);
}

/// Asserts that a table has the recorded schemas of one of its versions.
fn is_version(name: &str, columns: Vec<Column>, key: &[usize], version: usize) {
    let table = TableSchema { id: TableId::new("gold", name), columns, key: key.to_vec() };
    let names = NameAdjustment::None;
    let values = ValueOptions::debezium();
    let options = PlanOptions { values, field_names: names, schema_names: names, ..options() };

    let plan = RecordPlan::compile(&table, options).unwrap();

    assert_eq!(plan.key_schema().unwrap(), recorded(&format!("{name}-key"))[0]);
    assert_eq!(plan.value_schema(), recorded(&format!("{name}-value"))[version]);
}

fn numbers() -> Vec<Column> {
    let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
    [
        ("c_tinyint", "tinyint", ColumnType::TinyInt { unsigned: false }),
        ("c_tinyint1", "tinyint(1)", ColumnType::TinyInt { unsigned: false }),
        ("c_tinyint_u", "tinyint unsigned", ColumnType::TinyInt { unsigned: true }),
        ("c_bool", "tinyint(1)", ColumnType::TinyInt { unsigned: false }),
        ("c_smallint", "smallint", ColumnType::SmallInt { unsigned: false }),
        ("c_smallint_u", "smallint unsigned", ColumnType::SmallInt { unsigned: true }),
        ("c_mediumint", "mediumint", ColumnType::MediumInt { unsigned: false }),
        ("c_mediumint_u", "mediumint unsigned", ColumnType::MediumInt { unsigned: true }),
        ("c_int", "int", int()),
        ("c_int_u", "int unsigned", ColumnType::Int { unsigned: true }),
        ("c_bigint", "bigint", ColumnType::BigInt { unsigned: false }),
        ("c_bigint_u", "bigint unsigned", ColumnType::BigInt { unsigned: true }),
        ("c_float", "float", ColumnType::Float),
        ("c_float24", "float", ColumnType::Float),
        ("c_float_md", "float(7,3)", ColumnType::Float),
        ("c_double", "double", ColumnType::Double),
        ("c_double_md", "double(12,4)", ColumnType::Double),
        ("c_decimal", "decimal(10,2)", decimal(10, 2)),
        ("c_decimal_big", "decimal(38,10)", decimal(38, 10)),
        ("c_decimal_0", "decimal(5,0)", decimal(5, 0)),
        ("c_numeric_u", "decimal(20,4) unsigned", decimal(20, 4)),
        ("c_bit1", "bit(1)", ColumnType::Bit { length: 1 }),
        ("c_bit8", "bit(8)", ColumnType::Bit { length: 8 }),
        ("c_bit10", "bit(10)", ColumnType::Bit { length: 10 }),
        ("c_bit64", "bit(64)", ColumnType::Bit { length: 64 }),
    ]
    .map(|(name, type_text, of)| declared(name, (type_text, Default::None), of))
    .into()
}

fn texts_and_times() -> Vec<Column> {
    [
        ("c_char", "char(10)", text()),
        ("c_varchar", "varchar(100)", text()),
        ("c_varchar_l1", "varchar(20)", text()),
        ("c_binary", "binary(5)", ColumnType::Binary { length: 5 }),
        ("c_varbinary", "varbinary(20)", ColumnType::Blob),
        ("c_tinytext", "tinytext", text()),
        ("c_text", "text", text()),
        ("c_mediumtext", "mediumtext", text()),
        ("c_longtext", "longtext", text()),
        ("c_tinyblob", "tinyblob", ColumnType::Blob),
        ("c_blob", "blob", ColumnType::Blob),
        ("c_mediumblob", "mediumblob", ColumnType::Blob),
        ("c_longblob", "longblob", ColumnType::Blob),
        ("c_date", "date", ColumnType::Date),
        ("c_time", "time", ColumnType::Time { fraction: fraction(0) }),
        ("c_time3", "time(3)", ColumnType::Time { fraction: fraction(3) }),
        ("c_time6", "time(6)", ColumnType::Time { fraction: fraction(6) }),
        ("c_datetime", "datetime", ColumnType::DateTime { fraction: fraction(0) }),
        ("c_datetime3", "datetime(3)", ColumnType::DateTime { fraction: fraction(3) }),
        ("c_datetime6", "datetime(6)", ColumnType::DateTime { fraction: fraction(6) }),
        ("c_timestamp", "timestamp", ColumnType::Timestamp { fraction: fraction(0) }),
        ("c_timestamp3", "timestamp(3)", ColumnType::Timestamp { fraction: fraction(3) }),
        ("c_timestamp6", "timestamp(6)", ColumnType::Timestamp { fraction: fraction(6) }),
        ("c_year", "year", ColumnType::Year),
        (
            "c_enum",
            "enum('a','b','c,d')",
            ColumnType::Enum { members: members(&["a", "b", "c,d"]) },
        ),
        ("c_set", "set('x','y','z')", ColumnType::Set { members: members(&["x", "y", "z"]) }),
        ("c_json", "json", ColumnType::Json),
        ("c_geometry", "geometry", ColumnType::Geometry { point: false }),
        ("c_point", "point", ColumnType::Geometry { point: true }),
        ("c_linestring", "linestring", ColumnType::Geometry { point: false }),
        ("c_vector", "vector(3)", ColumnType::Vector),
    ]
    .map(|(name, type_text, of)| declared(name, (type_text, Default::None), of))
    .into()
}

#[test]
fn a_column_of_each_type() {
    let bigint = ColumnType::BigInt { unsigned: false };
    let id = not_null(declared("id", ("bigint", Default::None), bigint));

    let columns = [vec![id], numbers(), texts_and_times()].concat();

    is_recorded("t_all", columns, &[0]);
}

fn defaults() -> Vec<Column> {
    let decimal = ColumnType::Decimal { precision: 8, scale: 2 };
    let bits = |length| ColumnType::Bit { length };
    let datetime = |digits| ColumnType::DateTime { fraction: fraction(digits) };
    let timestamp = || ColumnType::Timestamp { fraction: fraction(0) };
    let tinyint = |unsigned| ColumnType::TinyInt { unsigned };
    let enumeration = ColumnType::Enum { members: members(&["m", "n"]) };
    let set = ColumnType::Set { members: members(&["p", "q"]) };
    let column =
        |name, type_text, default: &str, of| declared(name, (type_text, literal(default)), of);
    let moment = "2020-01-02 03:04:05";
    vec![
        not_null(column("a", "int", "7", int())),
        column("b", "int", "5", int()),
        not_null(column("s", "varchar(20)", "dflt", text())),
        column("sn", "varchar(20)", "x", text()),
        not_null(column("d", "decimal(8,2)", "1.50", decimal.clone())),
        column("dn", "decimal(8,2)", "2.25", decimal),
        not_null(column("bt", "bit(1)", "b'1'", bits(1))),
        column("bt8", "bit(8)", "b'101'", bits(8)),
        not_null(column("dt", "datetime", moment, datetime(0))),
        column("dt6", "datetime(6)", "2020-01-02 03:04:05.123456", datetime(6)),
        not_null(column("da", "date", "2020-01-02", ColumnType::Date)),
        not_null(column("ti", "time", "01:02:03", ColumnType::Time { fraction: fraction(0) })),
        not_null(column("ts", "timestamp", moment, timestamp())),
        not_null(declared("ts_now", ("timestamp", Default::CurrentTimestamp), timestamp())),
        declared("tsn", ("timestamp", Default::CurrentTimestamp), timestamp()),
        not_null(declared("dt_now", ("datetime", Default::CurrentTimestamp), datetime(0))),
        not_null(column("e", "enum('m','n')", "n", enumeration)),
        not_null(column("st", "set('p','q')", "p,q", set)),
        not_null(column("bl", "tinyint(1)", "1", tinyint(false))),
        not_null(column("ti_u", "tinyint unsigned", "200", tinyint(true))),
        not_null(column("f", "float", "1.5", ColumnType::Float)),
        column("db", "double", "2.5", ColumnType::Double),
        not_null(column("y", "year", "2021", ColumnType::Year)),
        not_null(column(
            "bu",
            "bigint unsigned",
            "18446744073709551615",
            ColumnType::BigInt { unsigned: true },
        )),
        not_null(column("bin", "binary(3)", "0x616200", ColumnType::Binary { length: 3 })),
        column("vb", "varbinary(5)", "0x78797a", ColumnType::Blob),
        not_null(declared("expr", ("varchar(40)", Default::Expression), text())),
        declared("j", ("json", Default::Expression), ColumnType::Json),
        declared("gen", ("int", Default::None), int()),
        declared("gens", ("int", Default::None), int()),
        declared("comm", ("int", Default::None), int()),
    ]
}

#[test]
fn a_default_of_each_type() {
    let id = not_null(declared("id", ("int", Default::None), int()));

    is_recorded("t_notnull_def", [vec![id], defaults()].concat(), &[0]);
}

#[test]
fn keys_of_one_and_of_several_columns() {
    let decimal = ColumnType::Decimal { precision: 10, scale: 2 };
    let plain = |name, type_text, of| not_null(declared(name, (type_text, Default::None), of));
    let v = |type_text, of| declared("v", (type_text, Default::None), of);

    let composite = vec![
        plain("k1", "int", int()),
        plain("k2", "varchar(10)", text()),
        v("varchar(20)", text()),
    ];
    is_recorded("t_cpk", composite, &[1, 0]);
    let binary = vec![
        plain("k", "binary(4)", ColumnType::Binary { length: 4 }),
        v("int unsigned", ColumnType::Int { unsigned: true }),
    ];
    is_recorded("t_bpk", binary, &[0]);
    let exact = vec![
        plain("k", "decimal(10,2)", decimal),
        plain("d", "datetime(3)", ColumnType::DateTime { fraction: fraction(3) }),
        plain("b", "bigint unsigned", ColumnType::BigInt { unsigned: true }),
    ];
    is_recorded("t_dpk", exact, &[0, 1, 2]);
}

#[test]
fn each_version_of_a_table_that_is_altered() {
    let bigint = ColumnType::BigInt { unsigned: false };
    let column = |name, type_text, of| declared(name, (type_text, Default::None), of);
    let id = not_null(column("id", "int", int()));
    let (narrow, wide) = (column("a", "int", int()), column("a", "bigint", bigint));
    let n = declared("n", ("varchar(5)", literal("z")), text());
    let m = column("m", "int", int());

    is_version("t_alter", vec![id.clone(), narrow.clone()], &[0], 0);
    is_version("t_alter", vec![id.clone(), narrow, n.clone(), m.clone()], &[0], 1);
    is_version("t_alter", vec![id.clone(), wide.clone(), n, m.clone()], &[0], 2);
    is_version("t_alter", vec![id, wide, m], &[0], 3);
}
