use std::sync::Arc;

use schema::fault::{Disposition, Fault};
use schema::value::{Field, Kind, Schema, Value};

use super::short;
use crate::fuzzing::ORDER;
use crate::protobuf::{ProtobufOptions, Reader};
use crate::writer::{Format, write};
use crate::{FormatError, parameter};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn read(text: &str, options: ProtobufOptions, body: &[u8]) -> Result<(String, Value), FormatError> {
    let (schema, value) = Reader::new(options, text, &[])?.read(body)?;
    Ok((short(&schema), value))
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// What confluent-kafka 2.16 for Python wrote with its `ProtobufSerializer`, behind magic and id.
const FULL: &str =
    "0008071200180122090a01611080d0acf30e22030a01622a0c0a017811000000000000f83f320b08
    80e2cfaa0610c0a9d33a3a030a016342047669736150ffffffffffffffffff01580560016d0000003f";

#[test]
fn a_record_of_confluents_client_is_read_as_its_converter_reads_it() {
    let (schema, value) = read(ORDER, ProtobufOptions::default(), &bytes(FULL)).unwrap();

    let at = "int64=org.apache.kafka.connect.data.Timestamp?";
    let union = "{card:string?,cash:bytes?}=io.confluent.connect.protobuf.Union.payment?";
    let expected = format!(
        "{{payment_0:{union},id:int64?,note:string?,state:string=State?,\
         lines:[{{sku:string?,count:int64?}}=Line?]?,weights:<string?,float64?>=weights?,at:{at},\
         coupon:{{value:string?}}=StringValue?,big:int64?,delta:int32?,paid:boolean?,\
         ratio:float32?}}=Order"
    );
    assert_eq!(schema, expected);
    let line = |sku: &str, count| Value::Struct(vec![text(sku), Value::Int64(count)]);
    let expected = Value::Struct(vec![
        Value::Struct(vec![text("visa"), Value::Null]),
        Value::Int64(7),
        text(""),
        text("PAID"),
        Value::Array(vec![line("a", 4_000_000_000), line("b", 0)]),
        Value::Map(vec![(text("x"), Value::Float64(1.5))]),
        Value::Int64(1_700_000_000_123),
        Value::Struct(vec![text("c")]),
        Value::Int64(-1),
        Value::Int32(-3),
        Value::Boolean(true),
        Value::Float32(0.5),
    ]);
    assert!(value == expected);
}

/// What is not there has its default, unless the schema can tell.
#[test]
fn what_is_not_there_is_null_where_protobuf_can_tell() {
    let (_, value) = read(ORDER, ProtobufOptions::default(), &[0]).unwrap();

    let expected = Value::Struct(vec![
        Value::Null,
        Value::Int64(0),
        Value::Null,
        text("OPEN"),
        Value::Array(vec![]),
        Value::Map(vec![]),
        Value::Null,
        Value::Null,
        Value::Int64(0),
        Value::Int32(0),
        Value::Boolean(false),
        Value::Float32(0.0),
    ]);
    assert!(value == expected);
}

#[test]
fn the_settings_of_the_converter_are_followed() {
    let with = |change: fn(&mut ProtobufOptions)| {
        let mut options = ProtobufOptions::default();
        change(&mut options);
        read(ORDER, options, &bytes(FULL)).unwrap()
    };

    let (schema, value) = with(|options| options.wrapper_for_nullables = true);
    assert!(schema.contains("coupon:string?") && schema.contains("id:int64,"), "{schema}");
    let Value::Struct(values) = value else { panic!("a struct") };
    assert!(values[7] == text("c"));
    let (schema, _) = with(|options| options.optional_for_nullables = true);
    assert!(schema.contains("note:string?") && schema.contains("id:int64,"), "{schema}");
    let (schema, value) = with(|options| options.flatten_unions = true);
    assert!(schema.starts_with("{card:string?,cash:bytes?,id:"), "{schema}");
    let Value::Struct(values) = value else { panic!("a struct") };
    assert!(values[0] == text("visa") && values[1] == Value::Null);
    let (schema, _) = with(|options| options.index_for_unions = false);
    assert!(schema.starts_with("{payment:{"), "{schema}");
    let (schema, _) = with(|options| options.keeps_packages = true);
    assert!(schema.contains("Union.shop.v1.Order.payment") && schema.ends_with("=shop.v1.Order"));
    let (schema, value) = with(|options| options.int_for_enums = true);
    assert!(schema.contains("state:int32=State?"), "{schema}");
    let Value::Struct(values) = value else { panic!("a struct") };
    assert!(values[3] == Value::Int32(1));
}

#[test]
fn a_nested_message_is_found_by_its_path() {
    // Of confluent-kafka for Python: `Order.Line`.
    let (schema, value) =
        read(ORDER, ProtobufOptions::default(), &bytes("0400000a017a1001")).unwrap();

    assert_eq!(schema, "{sku:string?,count:int64?}=Line");
    assert!(value == Value::Struct(vec![text("z"), Value::Int64(1)]));
    let unknown = read(ORDER, ProtobufOptions::default(), &[2, 10]).unwrap_err();
    assert!(unknown.to_string().contains("a message that its schema does not have"), "{unknown}");
}

/// The Python client registers its schemas as descriptors, in base 64.
#[test]
fn a_schema_that_is_a_descriptor_is_read() {
    // `message M { int64 id = 1; }` in package `p`.
    let descriptor = "CgdtLnByb3RvEgFwIhMKAU0SDgoCaWQYASABKANSAmlkYgZwcm90bzM=";

    let (schema, value) = read(descriptor, ProtobufOptions::default(), &[0, 8, 5]).unwrap();

    assert_eq!(schema, "{id:int64?}=M");
    assert!(value == Value::Struct(vec![Value::Int64(5)]));
}

#[test]
fn imports_are_those_of_the_registry() {
    let main = "syntax = \"proto3\"; import \"a/b.proto\"; message M { x.N n = 1; }";
    let other: Arc<str> = "syntax = \"proto3\"; package x; message N { int32 i = 1; }".into();
    let imports = [("a/b.proto".to_owned(), other)];

    let mut reader = Reader::new(ProtobufOptions::default(), main, &imports).unwrap();

    assert_eq!(short(&reader.read(&[0, 10, 2, 8, 1]).unwrap().0), "{n:{i:int32?}=N?}=M");
    let missing = Reader::new(ProtobufOptions::default(), main, &[]).err().unwrap();
    assert!(missing.to_string().contains("a/b.proto"), "{missing}");
    assert_eq!(missing.disposition(), Disposition::Halt);
}

#[test]
fn what_has_no_end_or_is_no_message_is_refused() {
    let refused = |text: &str, body: &[u8]| {
        read(text, ProtobufOptions::default(), body).err().unwrap().to_string()
    };

    let itself = "syntax = \"proto3\"; message M { M next = 1; }";
    assert!(refused(itself, &[0]).contains("message M contains itself"));
    assert!(refused("message {", &[0]).contains("is no Protobuf schema"));
    assert!(refused(&format!("message M {}", "{".repeat(100)), &[0]).contains("64 levels"));
    assert!(refused(ORDER, &[]).contains("path of a Protobuf message"));
    assert!(refused(ORDER, &[0, 0xff]).contains("not a message of its schema"));
    let groups = "syntax = \"proto2\"; message M { optional group G = 1 { } }";
    assert!(refused(groups, &[0]).contains("is a group"));
    let day = "syntax = \"proto3\"; import \"google/type/date.proto\"; \
               message M { google.type.Date d = 1; }";
    let refusal = refused(day, &[0, 10, 7, 8, 0xe7, 15, 16, 2, 24, 31]);
    assert_eq!(refusal, "field `d`: is no day of the calendar");
}

fn decimal(scale: &str) -> Schema {
    let schema = Schema::semantic(Kind::Bytes, "org.apache.kafka.connect.data.Decimal");
    schema.parameter("scale", scale.to_owned()).parameter("connect.decimal.precision", "9".into())
}

#[test]
fn a_schema_is_written_as_confluents_converter_does() {
    let inner =
        Schema::record("db.Inner".into(), None, vec![Field::new("a", Schema::new(Kind::Int8))]);
    let map = Kind::Map(Box::new(Schema::new(Kind::String)), Box::new(Schema::new(Kind::Int64)));
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("small", Schema::new(Kind::Int16).optional()),
        Field::new("price", decimal("2")),
        Field::new("inner", inner.clone()),
        Field::new("all", Schema::new(Kind::Array(Box::new(inner)))),
        Field::new("tags", Schema { name: Some("tags".into()), ..Schema::new(map) }),
        Field::new("on", Schema::semantic(Kind::Int32, "org.apache.kafka.connect.data.Date")),
    ];
    let schema = Arc::new(Schema::record("srv.db.t.Value".into(), None, fields));
    let line = |number| Value::Struct(vec![Value::Int32(number)]);
    let value = Value::Struct(vec![
        Value::Int32(1),
        Value::Int32(-2),
        Value::Bytes(vec![4, 0xd2]),
        line(3),
        Value::Array(vec![line(4), line(5)]),
        Value::Map(vec![(text("k"), Value::Int64(6))]),
        Value::Int32(19_000),
    ]);

    let options = ProtobufOptions { optional_for_nullables: true, ..ProtobufOptions::default() };
    let written = write(Format::Protobuf(options), &schema, &value).unwrap();

    let expected = include_str!("written.proto");
    assert_eq!(written.schema, expected);
    let mut reader = Reader::new(options, &written.schema, &[]).unwrap();
    let (read, again) = reader.read(&written.body).unwrap();
    assert!(again == value);
    let Kind::Struct(fields) = &read.kind else { panic!("a struct") };
    assert_eq!(fields[1].schema.kind, Kind::Int16);
    assert!(fields[1].schema.optional && !fields[0].schema.optional);
    assert_eq!(parameter(&fields[2].schema, "scale"), Some("2"));
}

#[test]
fn a_scalar_is_one_of_the_wrappers() {
    let schema = Arc::new(Schema::new(Kind::Int64));
    let written = write(Format::Protobuf(ProtobufOptions::default()), &schema, &Value::Int64(5));
    let written = written.unwrap();

    // The third message of `wrappers.proto`.
    assert_eq!(written.body, [2, 4, 8, 5]);
    let (schema, value) = read(&written.schema, ProtobufOptions::default(), &written.body).unwrap();
    assert_eq!(schema, "int64");
    assert!(value == Value::Int64(5));
}

/// With `use.latest.version` records are written by the registry's schema.
#[test]
fn values_are_written_by_the_schema_that_there_is() {
    let schema = Schema::record("M".into(), None, vec![Field::new("id", Schema::new(Kind::Int32))]);
    let schema = Arc::new(schema);
    let theirs = "syntax = \"proto3\"; message X { } message M { string more = 1; int64 id = 7; }";
    let format = Format::Protobuf(ProtobufOptions::default());

    let prepared = format.prepare_for(&schema, theirs, &[]).unwrap();
    let mut body = Vec::new();
    prepared.write(&Value::Struct(vec![Value::Int32(9)]), &mut body).unwrap();

    assert_eq!(body, [2, 2, 7 << 3, 9]);
    let other = format.prepare_for(&schema, "syntax = \"proto3\"; message M { }", &[]).unwrap();
    let refused = other.write(&Value::Struct(vec![Value::Int32(9)]), &mut body).unwrap_err();
    assert!(refused.to_string().starts_with("field `id`: is not in the message"), "{refused}");
}

#[test]
fn what_protobuf_cannot_say_is_refused() {
    let array = Schema::new(Kind::Array(Box::new(Schema::new(Kind::Int32))));
    let nested = Schema::new(Kind::Array(Box::new(array.clone())));
    let record = |of| Arc::new(Schema::record("M".into(), None, vec![Field::new("a", of)]));
    let format = Format::Protobuf(ProtobufOptions::default());
    let refused =
        |schema: &Arc<Schema>, value: &Value| write(format, schema, value).unwrap_err().to_string();

    let none = Value::Struct(vec![Value::Null]);
    assert!(refused(&record(nested), &none).contains("array of arrays"));
    assert!(refused(&Arc::new(array.clone()), &Value::Null).contains("is no struct"));
    let nulls = Value::Struct(vec![Value::Array(vec![Value::Null])]);
    assert!(refused(&record(array), &nulls).contains("null in an array"));
}
