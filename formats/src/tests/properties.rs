//! Random schemas and values of them: what is written is read as the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use schema::value::{Field, Kind, Schema, Value};

use crate::json_schema::{self, JsonSchemaOptions};
use crate::protobuf::{self, ProtobufOptions};
use crate::writer::{Format, write};
use crate::{decimal, names};

type Typed = (Schema, Value);

fn plain(kind: Kind) -> impl Fn(Value) -> Typed {
    move |value| (Schema::new(kind.clone()), value)
}

fn semantic(kind: Kind, name: &'static str) -> impl Fn(Value) -> Typed {
    move |value| (Schema::semantic(kind.clone(), name), value)
}

fn leaf() -> BoxedStrategy<Typed> {
    let small = any::<i8>().prop_map(|n| Value::Int32(n.into())).prop_map(plain(Kind::Int8));
    let short = any::<i16>().prop_map(|n| Value::Int32(n.into())).prop_map(plain(Kind::Int16));
    let number = any::<i64>().prop_map(|n| decimal::shortest(&n.to_be_bytes()).unwrap());
    let decimal = (number, 0_u16..20).prop_map(|(bytes, scale)| {
        let schema = Schema::semantic(Kind::Bytes, names::DECIMAL);
        (schema.parameter(names::SCALE, scale.to_string()), Value::Bytes(bytes))
    });
    let day = (-719_162..=2_932_896).prop_map(Value::Int32);
    let finite = proptest::num::f64::NORMAL | proptest::num::f64::ZERO;
    let single = proptest::num::f32::NORMAL | proptest::num::f32::ZERO;
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean).prop_map(plain(Kind::Boolean)),
        small,
        short,
        any::<i32>().prop_map(Value::Int32).prop_map(plain(Kind::Int32)),
        any::<i64>().prop_map(Value::Int64).prop_map(plain(Kind::Int64)),
        single.prop_map(Value::Float32).prop_map(plain(Kind::Float32)),
        finite.prop_map(Value::Float64).prop_map(plain(Kind::Float64)),
        any::<String>().prop_map(Value::String).prop_map(plain(Kind::String)),
        vec(any::<u8>(), 0..9).prop_map(Value::Bytes).prop_map(plain(Kind::Bytes)),
        decimal,
        day.prop_map(semantic(Kind::Int32, names::DATE)),
        (0..86_400_000).prop_map(Value::Int32).prop_map(semantic(Kind::Int32, names::TIME)),
        (-4_000_000_000_000_i64..4_000_000_000_000)
            .prop_map(Value::Int64)
            .prop_map(semantic(Kind::Int64, names::TIMESTAMP)),
    ]
    .boxed()
}

/// What may be null, and sometimes is.
fn optional(of: BoxedStrategy<Typed>) -> BoxedStrategy<Typed> {
    let made =
        (of, any::<bool>(), any::<bool>()).prop_map(|((schema, value), may, is)| match (may, is) {
            (false, _) => (schema, value),
            (true, false) => (schema.optional(), value),
            (true, true) => (schema.optional(), Value::Null),
        });
    made.boxed()
}

/// Several values of one type: one at random, again and again.
fn array(of: BoxedStrategy<Typed>) -> BoxedStrategy<Typed> {
    let made = (of, 0_usize..4).prop_map(|((each, value), count)| {
        (Schema::new(Kind::Array(Box::new(each))), Value::Array(vec![value; count]))
    });
    made.boxed()
}

fn map(of: BoxedStrategy<Typed>) -> BoxedStrategy<Typed> {
    let made = (of, btree_map(any::<String>(), Just(()), 0..4), any::<u32>());
    let made = made.prop_map(|((each, value), keys, name): (Typed, BTreeMap<String, ()>, u32)| {
        let kind = Kind::Map(Box::new(Schema::new(Kind::String)), Box::new(each));
        let entries = keys.into_keys().map(|key| (Value::String(key), value.clone()));
        let name = Some(format!("m{name}"));
        (Schema { name, ..Schema::new(kind) }, Value::Map(entries.collect()))
    });
    made.boxed()
}

fn record(of: BoxedStrategy<Typed>) -> BoxedStrategy<Typed> {
    let made = (vec(of, 1..6), any::<u64>()).prop_map(|(parts, name)| {
        let (schemas, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let fields = schemas.into_iter().enumerate();
        let fields =
            fields.map(|(place, schema)| Field::new(format!("f{place}"), schema)).collect();
        (Schema::record(format!("a.b.R{name}"), None, fields), Value::Struct(values))
    });
    made.boxed()
}

fn any_record() -> BoxedStrategy<Typed> {
    let inner = leaf().prop_recursive(3, 24, 5, |inner| {
        let structs = record(optional(inner));
        prop_oneof![structs.clone(), leaf()].boxed()
    });
    let parts = prop_oneof![
        3 => optional(inner.clone().boxed()),
        1 => array(inner.clone().boxed()),
        1 => map(optional(inner.boxed())),
    ];
    record(parts.boxed())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_as_json_is_read_as_the_same(
        (schema, value) in any_record(), numeric_decimals: bool, additional_properties: bool,
    ) {
        let options = JsonSchemaOptions {
            numeric_decimals, additional_properties, ..JsonSchemaOptions::default()
        };
        let schema = Arc::new(schema);

        let written = write(Format::JsonSchema(options), &schema, &value).unwrap();
        let reader = json_schema::Reader::new(options, &written.schema, &[]).unwrap();

        prop_assert!(reader.read(&written.body).unwrap() == value);
        prop_assert!(**reader.schema() == *schema, "the schema is the same too");
    }

    #[test]
    fn what_is_written_as_protobuf_is_read_as_the_same((schema, value) in any_record(), wraps: bool) {
        let options = ProtobufOptions {
            wrapper_for_nullables: wraps, optional_for_nullables: !wraps, ..ProtobufOptions::default()
        };
        let schema = Arc::new(schema);

        let written = write(Format::Protobuf(options), &schema, &value).unwrap();
        let mut reader = protobuf::Reader::new(options, &written.schema, &[]).unwrap();
        let (read, again) = reader.read(&written.body).unwrap();

        prop_assert!(again == value);
        // By its names and tags it can be written again.
        let twice = write(Format::Protobuf(options), &read, &again).unwrap();
        let mut reader = protobuf::Reader::new(options, &twice.schema, &[]).unwrap();
        prop_assert!(reader.read(&twice.body).unwrap().1 == value);
    }
}
