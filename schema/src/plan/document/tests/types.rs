//! What each type is in a document and for a mapping, one line a type.

use super::*;

/// The Avro bytes of a value, its text in a document and what its field holds.
fn one(schema: &str, value: Avro) -> (String, FieldKind) {
    let record =
        format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{schema}}}]}}"#);
    let parsed = apache_avro::Schema::parse_str(&record).unwrap();
    let body = encode(&parsed, Avro::Record(vec![("a".to_owned(), value)]));
    let (_, document) = run(&record, &body).unwrap();
    let text = document.strip_prefix(r#"{"a":"#).unwrap().strip_suffix('}').unwrap();
    (text.to_owned(), plan(&record).fields()[0].kind.clone())
}

fn named(of: &str, name: &str) -> String {
    format!(r#"{{"type":"{of}","connect.name":"{name}"}}"#)
}

fn logical(of: &str, name: &str) -> String {
    format!(r#"{{"type":"{of}","logicalType":"{name}"}}"#)
}

/// Checks one line of a table.
fn expect(schema: &str, value: Avro, text: &str, kind: &FieldKind) {
    assert_eq!(one(schema, value), (text.to_owned(), kind.clone()), "{schema}");
}

/// 2024-02-29T12:34:56.789012Z.
const MICROS: i64 = 1_709_210_096_789_012;

#[test]
fn dates_of_debezium_and_connect_are_iso_dates() {
    expect(
        &named("int", "io.debezium.time.Date"),
        Avro::Int(19_782),
        "\"2024-02-29\"",
        &FieldKind::Date,
    );
    expect(
        &named("int", "org.apache.kafka.connect.data.Date"),
        Avro::Int(-1),
        "\"1969-12-31\"",
        &FieldKind::Date,
    );
    expect(
        &named("long", "io.debezium.time.Timestamp"),
        Avro::Long(MICROS / 1_000),
        "\"2024-02-29T12:34:56.789\"",
        &FieldKind::Date,
    );
    expect(
        &named("long", "io.debezium.time.MicroTimestamp"),
        Avro::Long(MICROS),
        "\"2024-02-29T12:34:56.789012\"",
        &FieldKind::Date,
    );
    expect(
        &named("long", "io.debezium.time.NanoTimestamp"),
        Avro::Long(MICROS * 1_000 + 3),
        "\"2024-02-29T12:34:56.789012003\"",
        &FieldKind::DateNanos,
    );
    expect(
        &named("long", "org.apache.kafka.connect.data.Timestamp"),
        Avro::Long(MICROS / 1_000),
        "\"2024-02-29T12:34:56.789Z\"",
        &FieldKind::Date,
    );
}

#[test]
fn dates_of_avro_are_iso_dates() {
    expect(&logical("int", "date"), Avro::Date(19_782), "\"2024-02-29\"", &FieldKind::Date);
    expect(
        &logical("long", "timestamp-millis"),
        Avro::TimestampMillis(-1),
        "\"1969-12-31T23:59:59.999Z\"",
        &FieldKind::Date,
    );
    expect(
        &logical("long", "timestamp-micros"),
        Avro::TimestampMicros(MICROS),
        "\"2024-02-29T12:34:56.789012Z\"",
        &FieldKind::Date,
    );
    expect(
        &logical("long", "timestamp-nanos"),
        Avro::TimestampNanos(7),
        "\"1970-01-01T00:00:00.000000007Z\"",
        &FieldKind::DateNanos,
    );
    expect(
        &logical("long", "local-timestamp-millis"),
        Avro::LocalTimestampMillis(0),
        "\"1970-01-01T00:00:00.000\"",
        &FieldKind::Date,
    );
    expect(
        &logical("long", "local-timestamp-micros"),
        Avro::LocalTimestampMicros(MICROS),
        "\"2024-02-29T12:34:56.789012\"",
        &FieldKind::Date,
    );
    expect(
        &logical("long", "local-timestamp-nanos"),
        Avro::LocalTimestampNanos(7),
        "\"1970-01-01T00:00:00.000000007\"",
        &FieldKind::DateNanos,
    );
}

#[test]
fn times_and_other_numbers_are_what_they_count() {
    expect(
        &named("int", "io.debezium.time.Time"),
        Avro::Int(45_296_789),
        "\"12:34:56.789000\"",
        &FieldKind::Time,
    );
    expect(
        &named("int", "org.apache.kafka.connect.data.Time"),
        Avro::Int(1),
        "\"00:00:00.001000\"",
        &FieldKind::Time,
    );
    expect(
        &named("long", "io.debezium.time.MicroTime"),
        Avro::Long(-3_020_399_000_000),
        "\"-838:59:59.000000\"",
        &FieldKind::Time,
    );
    expect(
        &named("long", "io.debezium.time.NanoTime"),
        Avro::Long(1),
        "\"00:00:00.000000001\"",
        &FieldKind::Time,
    );
    expect(
        &logical("int", "time-millis"),
        Avro::TimeMillis(1),
        "\"00:00:00.001000\"",
        &FieldKind::Time,
    );
    expect(
        &logical("long", "time-micros"),
        Avro::TimeMicros(1),
        "\"00:00:00.000001\"",
        &FieldKind::Time,
    );
    expect(&named("int", "io.debezium.time.Year"), Avro::Int(0), "0", &FieldKind::Year);
    expect(
        &named("long", "io.debezium.time.MicroDuration"),
        Avro::Long(-5),
        "-5",
        &FieldKind::Long,
    );
}

#[test]
fn texts_are_words_dates_or_free() {
    let text = |text: &str| Avro::String(text.to_owned());
    for (name, value, shown, kind) in [
        (
            "io.debezium.time.ZonedTimestamp",
            "2024-02-29T12:34:56.78Z",
            "\"2024-02-29T12:34:56.78Z\"",
            FieldKind::Date,
        ),
        (
            "io.debezium.time.IsoTimestamp",
            "2024-02-29T12:34:56.1Z",
            "\"2024-02-29T12:34:56.1Z\"",
            FieldKind::Date,
        ),
        ("io.debezium.time.IsoDate", "2024-02-29Z", "\"2024-02-29\"", FieldKind::Date),
        ("io.debezium.time.IsoTime", "12:34:56Z", "\"12:34:56Z\"", FieldKind::Keyword),
        ("io.debezium.time.ZonedTime", "12:34:56Z", "\"12:34:56Z\"", FieldKind::Keyword),
        (
            "io.debezium.time.Interval",
            "P1Y2M3DT4H5M6.78S",
            "\"P1Y2M3DT4H5M6.78S\"",
            FieldKind::Keyword,
        ),
        ("io.debezium.data.Enum", "a,b", "\"a,b\"", FieldKind::Keyword),
        ("io.debezium.data.EnumSet", "a,b", "[\"a\",\"b\"]", FieldKind::Keyword),
        ("io.debezium.data.EnumSet", "", "[]", FieldKind::Keyword),
        ("io.debezium.data.Uuid", "x", "\"x\"", FieldKind::Keyword),
        ("io.debezium.data.Json", "{\"b\": 1.0}", "{\"b\": 1.0}", FieldKind::Json),
        ("io.debezium.data.Xml", "<a/>", "\"<a/>\"", FieldKind::Text),
    ] {
        let found = one(&named("string", name), text(value));

        assert_eq!(found, (shown.to_owned(), kind), "{name}");
    }
}

#[test]
fn bytes_are_decimals_words_or_bytes() {
    let decimal = |precision, scale| FieldKind::Decimal { precision, scale: Some(scale) };
    let connect = r#"{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal",
        "connect.parameters":{"scale":"3"}}"#;
    let avro =
        r#"{"type":"fixed","name":"d","size":2,"logicalType":"decimal","precision":4,"scale":2}"#;
    let uuid = r#"{"type":"fixed","name":"u","size":16,"logicalType":"uuid"}"#;
    let word = uuid::Uuid::from_u128(7);
    for (schema, value, text, kind) in [
        (connect, Avro::Bytes(vec![0xfb]), "-0.005", decimal(None, 3)),
        (avro, Avro::Decimal(apache_avro::Decimal::from([4, 1])), "10.25", decimal(Some(4), 2)),
        (uuid, Avro::Uuid(word), "\"00000000-0000-0000-0000-000000000007\"", FieldKind::Keyword),
        (
            &named("bytes", "io.debezium.data.Bits"),
            Avro::Bytes(vec![1, 2]),
            "\"AQI=\"",
            FieldKind::Bytes,
        ),
    ] {
        assert_eq!(one(schema, value), (text.to_owned(), kind), "{schema}");
    }
}

#[test]
fn values_with_parts_are_numbers_objects_and_arrays() {
    let variable = r#"{"type":"record","name":"v","connect.name":"io.debezium.data.VariableScaleDecimal",
        "fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}]}"#;
    let number = |scale, value| {
        Avro::Record(vec![
            ("scale".to_owned(), Avro::Int(scale)),
            ("value".to_owned(), Avro::Bytes(value)),
        ])
    };
    let any_scale = FieldKind::Decimal { precision: None, scale: None };
    let words = r#"{"type":"array","items":{"type":"enum","name":"e","symbols":["A","B"]}}"#;
    let set = Avro::Array(vec![Avro::Enum(1, "B".to_owned())]);

    assert_eq!(one(variable, number(1, vec![15])), ("1.5".to_owned(), any_scale.clone()));
    assert_eq!(one(variable, number(-2, vec![15])), ("1500".to_owned(), any_scale));
    assert_eq!(
        one(words, set),
        ("[\"B\"]".to_owned(), FieldKind::Array(Box::new(FieldKind::Keyword)))
    );
}

/// A row as `ExtractNewRecordState` leaves it, with a type and value of one of its fields.
fn flat(name: &str, schema: &str, value: Avro) -> (Row, String) {
    let record = format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"id","type":"int"}},
            {{"name":"{name}","type":{schema}}}]}}"#
    );
    let parsed = apache_avro::Schema::parse_str(&record).unwrap();
    let fields = vec![("id".to_owned(), Avro::Int(7)), (name.to_owned(), value)];
    run(&record, &encode(&parsed, Avro::Record(fields))).unwrap()
}

#[test]
fn flat_rows_are_deletes_when_debezium_marks_them() {
    let text = |text: &str| Avro::String(text.to_owned());
    let maybe = |value| Avro::Union(1, Box::new(value));
    for (name, schema, value, is_delete) in [
        ("__deleted", r#"["null","string"]"#, maybe(text("true")), true),
        ("__deleted", r#""string""#, text("true"), true),
        ("__deleted", r#""boolean""#, Avro::Boolean(true), true),
        ("__op", r#"["null","string"]"#, maybe(text("d")), true),
        ("__deleted", r#""string""#, text("false"), false),
        ("__deleted", r#"["null","string"]"#, Avro::Union(0, Box::new(Avro::Null)), false),
        ("__deleted", r#""boolean""#, Avro::Boolean(false), false),
        ("__deleted", r#""int""#, Avro::Int(1), false),
        ("__op", r#""string""#, text("u"), false),
        ("deleted", r#""string""#, text("true"), false),
        ("op", r#""string""#, text("d"), false),
    ] {
        let (row, document) = flat(name, schema, value);

        assert_eq!(row.change == RowChange::Delete, is_delete, "{name} {schema}");
        assert_eq!(document.is_empty(), is_delete, "{name} {schema}");
    }
}

#[test]
fn fields_that_debezium_adds_are_in_the_document() {
    let (_, document) = flat("__op", r#""string""#, Avro::String("u".to_owned()));

    assert_eq!(document, r#"{"id":7,"__op":"u"}"#);
}
