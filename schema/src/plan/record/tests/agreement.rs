//! Plan bytes = generic bytes = what `apache-avro` reads.

use apache_avro::types::Value as Avro;
use proptest::prelude::*;

use super::random::{any_options, any_rows};
use super::{
    AddedField, ColumnChoice, DeleteHandling, FlatOptions, Format, PlanOptions, RecordPlan, Row,
    RowChange, options, source,
};
use crate::avro::{FRAME_BYTES, SchemaStyle, schema_text};
use crate::change::RowImage;
use crate::envelope::TransactionBlock;
use crate::registry::SchemaId;
use crate::table::{Column, TableSchema};
use crate::types::{MysqlValue, Origin, ValueOptions};
use crate::value::Value;

fn flat_options() -> FlatOptions {
    let added = |text: &str| AddedField::parse(text, "__");
    FlatOptions {
        deletes: DeleteHandling::RewriteWithTombstone,
        fields: ["op", "source.ts_ms", "row", "gtid", "snapshot", "transaction.id:tx", "before.c0"]
            .map(added)
            .into(),
        headers: vec![added("op")],
        header_prefix: "__".to_owned(),
    }
}

/// A generic value in `apache-avro`'s words, without the branches of unions.
fn avro(value: &Value) -> Avro {
    match value {
        Value::Null => Avro::Null,
        Value::Boolean(value) => Avro::Boolean(*value),
        Value::Int32(value) => Avro::Int(*value),
        Value::Int64(value) => Avro::Long(*value),
        Value::Float32(value) => Avro::Float(*value),
        Value::Float64(value) => Avro::Double(*value),
        Value::String(value) => Avro::String(value.clone()),
        Value::Bytes(value) => Avro::Bytes(value.clone()),
        Value::Map(_) | Value::Date(_) => panic!("no row has these"),
        Value::Array(values) => Avro::Array(values.iter().map(avro).collect()),
        Value::Struct(values) => {
            Avro::Record(values.iter().map(|value| (String::new(), avro(value))).collect())
        }
    }
}

/// The same for what `apache-avro` has read: logical types as what they are made of.
fn plain(value: Avro) -> Avro {
    let plain_field = |(_, value)| (String::new(), plain(value));
    if let Avro::Union(_, value) = value {
        plain(*value)
    } else if let Avro::Date(number) | Avro::TimeMillis(number) = value {
        Avro::Int(number)
    } else if let Avro::TimeMicros(number)
    | Avro::TimestampMillis(number)
    | Avro::TimestampMicros(number)
    | Avro::LocalTimestampMicros(number) = value
    {
        Avro::Long(number)
    } else if let Avro::Decimal(decimal) = value {
        Avro::Bytes(Vec::try_from(&decimal).unwrap())
    } else if let Avro::Array(values) = value {
        Avro::Array(values.into_iter().map(plain).collect())
    } else if let Avro::Record(fields) = value {
        Avro::Record(fields.into_iter().map(plain_field).collect())
    } else {
        value
    }
}

fn read_all(schema: &str, framed: &[u8]) -> Avro {
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let mut bytes = &framed[FRAME_BYTES..];
    let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
    let value = reader.read_value(&mut bytes).unwrap();
    assert!(bytes.is_empty(), "all bytes are read");
    plain(value)
}

/// NaN is not equal to itself, so texts are compared.
fn text(value: &Avro) -> String {
    format!("{value:?}")
}

fn plan(table: &TableSchema, values: ValueOptions, flat: Option<&FlatOptions>) -> RecordPlan {
    let format = flat.map_or(Format::Envelope, Format::Flat);
    let choose =
        |_: &Column| ColumnChoice { propagated: true, commented: true, ..ColumnChoice::plain() };
    let options = PlanOptions { values, format, choose: &choose, ..options() };
    let mut plan = RecordPlan::compile(table, options).unwrap();
    plan.set_ids(Some(SchemaId(1)), SchemaId(2));
    plan
}

/// The bytes of what a transform would get, if it left that as it is.
fn there_and_back(schema: &str, framed: &[u8]) -> Vec<u8> {
    let form = crate::avro::schema_of_text(schema).unwrap();
    let texts = [SchemaStyle::Debezium, SchemaStyle::Clean].map(|style| schema_text(&form, style));
    assert!(texts.iter().any(|text| text == schema), "{schema}\n{texts:?}");
    let value = crate::avro::decode_value(&form, &framed[FRAME_BYTES..]).unwrap();
    let mut bytes = Vec::new();
    crate::avro::encode(&form, &value, &mut bytes).unwrap();
    bytes
}

fn check<R: Row>(plan: &RecordPlan, change: &RowChange<R>) -> Result<(), TestCaseError> {
    let transaction =
        Some(TransactionBlock { id: "file=b,pos=4", total_order: 3, collection_order: 2 });
    let source = crate::envelope::Source { transaction, ..source() };
    let (mut fast, mut generic) = (Vec::new(), Vec::new());

    let result = plan.write_value(change, &source, 5, &mut fast);
    let generic_result = plan.write_generic(change, &source, 5, &mut generic);

    prop_assert_eq!(&result, &generic_result);
    if result.is_ok() {
        prop_assert_eq!(&fast, &generic);
        let value = plan.generic_value(change, &source, 5).unwrap();
        prop_assert_eq!(text(&read_all(plan.value_schema(), &fast)), text(&avro(&value)));
        prop_assert_eq!(there_and_back(plan.value_schema(), &fast), &fast[FRAME_BYTES..]);
    }
    let Some(row) = change.after().or(change.before()) else { return Ok(()) };
    let (mut fast, mut generic) = (Vec::new(), Vec::new());
    let result = plan.write_key(row, &mut fast);
    prop_assert_eq!(&result, &plan.write_generic_key(row, &mut generic));
    if result.is_ok() {
        prop_assert_eq!(fast, generic);
    }
    Ok(())
}

proptest! {
    /// The one promise of a plan.
    #[test]
    fn plan_bytes_are_generic_bytes_and_what_apache_avro_reads(
        (table, [before, after]) in any_rows(), values in any_options(), flat: bool,
    ) {
        let flat_options = flat_options();
        let plan = plan(&table, values, flat.then_some(&flat_options));
        let before = RowImage::new(&before.0, &before.1);
        let after = RowImage::new(&after.0, &after.1);

        check(&plan, &RowChange::Create(after))?;
        check(&plan, &RowChange::Update { before, after })?;
        check(&plan, &RowChange::Delete(before))?;
    }

    /// A snapshot's values and the log's bytes give the same records.
    #[test]
    fn values_that_were_read_are_written_like_their_bytes(
        (table, [image, _]) in any_rows(), values in any_options(),
    ) {
        let plan = plan(&table, values, None);
        let image = RowImage::new(&image.0, &image.1);
        let read = |(index, column): (usize, &Column)| {
            image.column(index).map(|bytes| column.column_type.read(bytes).map(MysqlValue::into_owned)).transpose()
        };
        let row: Result<Vec<_>, _> = table.columns.iter().enumerate().map(read).collect();
        let Ok(row) = row else { return Ok(()) };
        let (mut by_bytes, mut by_values) = (Vec::new(), Vec::new());

        let from_log = plan.write_value(&RowChange::Create(image), &source(), 5, &mut by_bytes);
        let from_values =
            plan.write_value(&RowChange::Create(row.as_slice()), &source(), 5, &mut by_values);

        // Repeating Debezium, the log's ENUM members have other commas.
        if values.fidelity == crate::types::Fidelity::Exact {
            prop_assert_eq!(&from_log, &from_values);
            if from_log.is_ok() {
                prop_assert_eq!(by_bytes, by_values);
            }
        }
    }

    /// Both origins of rows have one schema.
    #[test]
    fn the_schema_does_not_depend_on_where_rows_are_read(
        (table, _) in any_rows(), values in any_options(),
    ) {
        let of = |origin| {
            let plan = RecordPlan::compile(&table, PlanOptions { values, origin, ..options() }).unwrap();
            (plan.key_schema().map(str::to_owned), plan.value_schema().to_owned())
        };

        prop_assert_eq!(of(Origin::Log), of(Origin::Snapshot));
    }
}
