//! A row through each transform, by itself: what the generic path adds to a record. Beside them the
//! paths themselves, with and without the transforms that fold.

mod paths;

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};
use transform::{Chain, Part, Record};

use super::measure::{Effort, Input, Measured, measure};

/// What a case gives its transform.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Given {
    /// A flat row.
    Row,
    /// A change event of that row.
    Event,
    /// A change event of an outbox table.
    Outbox,
}

/// A case: its name, its class with settings that take what it is given, and a predicate's.
type Case = (&'static str, Given, &'static str, Settings);
type Settings = &'static [(&'static str, &'static str)];

const CASES: [Case; 31] = [
    ("Cast$Value", Given::Row, "Cast$Value", &[("spec", "c1:string,c2:float64")]),
    ("DropHeaders", Given::Row, "DropHeaders", &[("headers", "h")]),
    ("ExtractField$Key", Given::Row, "ExtractField$Key", &[("field", "c0")]),
    ("ExtractField$Value", Given::Row, "ExtractField$Value", &[("field", "c1")]),
    ("Flatten$Value", Given::Event, "Flatten$Value", &[]),
    (
        "HeaderFrom$Value",
        Given::Row,
        "HeaderFrom$Value",
        &[("fields", "c1"), ("headers", "h"), ("operation", "move")],
    ),
    ("HoistField$Value", Given::Row, "HoistField$Value", &[("field", "row")]),
    (
        "InsertField$Value",
        Given::Row,
        "InsertField$Value",
        &[("topic.field", "topic"), ("timestamp.field", "at")],
    ),
    ("InsertHeader", Given::Row, "InsertHeader", &[("header", "h"), ("value.literal", "1")]),
    ("MaskField$Value", Given::Row, "MaskField$Value", &[("fields", "c1,c3")]),
    ("RegexRouter", Given::Row, "RegexRouter", &[("regex", "(.*)\\.(.*)"), ("replacement", "$2")]),
    (
        "ReplaceField$Value",
        Given::Row,
        "ReplaceField$Value",
        &[("exclude", "c1"), ("renames", "c2:d2")],
    ),
    ("SetSchemaMetadata$Value", Given::Row, "SetSchemaMetadata$Value", &[("schema.name", "other")]),
    (
        "TimestampConverter$Value to a timestamp",
        Given::Row,
        "TimestampConverter$Value",
        &[("field", "c4"), ("target.type", "Timestamp")],
    ),
    (
        "TimestampConverter$Value to a text",
        Given::Row,
        "TimestampConverter$Value",
        &[("field", "c4"), ("target.type", "string"), ("format", "yyyy-MM-dd'T'HH:mm:ss")],
    ),
    ("TimestampRouter", Given::Row, "TimestampRouter", &[]),
    ("ValueToKey", Given::Row, "ValueToKey", &[("fields", "c1")]),
    ("ExtractNewRecordState", Given::Event, "ExtractNewRecordState", &[]),
    (
        "ExtractNewRecordState with add.fields",
        Given::Event,
        "ExtractNewRecordState",
        &[("add.fields", "op,source.ts_ms")],
    ),
    (
        "ByLogicalTableRouter",
        Given::Event,
        "ByLogicalTableRouter",
        &[("topic.regex", "(.*)"), ("topic.replacement", "all")],
    ),
    ("EventRouter", Given::Outbox, "EventRouter", &[]),
    (
        "Filter of Debezium",
        Given::Row,
        "io.debezium.transforms.Filter",
        &[("language", "cel"), ("condition", "value.c0 > 1 && value.c1.startsWith('text')")],
    ),
    (
        "ContentBasedRouter",
        Given::Row,
        "ContentBasedRouter",
        &[
            ("language", "cel"),
            ("topic.expression", "value.c2 > 1 ? topic + '-' + value.c3 : null"),
        ],
    ),
    ("Filter by HasHeaderKey", Given::Row, "Filter", &HAS_HEADER),
    ("Filter by RecordIsTombstone", Given::Row, "Filter", &IS_TOMBSTONE),
    ("Filter by TopicNameMatches", Given::Row, "Filter", &TOPIC_MATCHES),
    ("Cast$Key", Given::Row, "Cast$Key", &[("spec", "c0:string")]),
    ("MaskField$Key", Given::Row, "MaskField$Key", &[("fields", "c0")]),
    ("ReplaceField$Key", Given::Row, "ReplaceField$Key", &[("renames", "c0:id")]),
    ("InsertField$Key", Given::Row, "InsertField$Key", &[("topic.field", "topic")]),
    ("SetSchemaMetadata$Key", Given::Row, "SetSchemaMetadata$Key", &[("schema.name", "k2")]),
];

const HAS_HEADER: [(&str, &str); 3] =
    [("predicate", "p"), ("predicates.p.type", "HasHeaderKey"), ("predicates.p.name", "h")];
const IS_TOMBSTONE: [(&str, &str); 2] =
    [("predicate", "p"), ("predicates.p.type", "RecordIsTombstone")];
const TOPIC_MATCHES: [(&str, &str); 3] = [
    ("predicate", "p"),
    ("predicates.p.type", "TopicNameMatches"),
    ("predicates.p.pattern", "other.*"),
];

/// Measures all of them, and the paths that they are on.
///
/// # Errors
///
/// Returns what is wrong with a transform of this table.
pub fn all(effort: Effort) -> Result<Vec<Measured>, String> {
    let mut measured = vec![copy(effort)];
    for case in &CASES {
        measured.push(one(case, effort)?);
    }
    measured.extend(paths::all(effort)?);
    Ok(measured)
}

/// What each case does beside its transform.
fn copy(effort: Effort) -> Measured {
    let record = row();
    measure("a copy of the row, which is in the figures of transforms", ONE, effort, || {
        std::hint::black_box(record.clone());
    })
}

/// One row.
const ONE: Input = Input { rows: 1, bytes: 0 };

fn one(case: &Case, effort: Effort) -> Result<Measured, String> {
    let (name, given, ..) = case;
    let mut chain = chain(case)?;
    let record = record(*given);
    chain.apply(record.clone()).map_err(|error| format!("{name}: {error}"))?;
    let mut failed = Ok(());
    let measured = measure(name, ONE, effort, || {
        if let Err(error) = chain.apply(record.clone()) {
            failed = Err(error.to_string());
        }
    });
    failed.map(|()| measured)
}

fn chain((name, _, class, settings): &Case) -> Result<Chain, String> {
    let mut all = BTreeMap::from([
        ("transforms".to_owned(), "t".to_owned()),
        ("transforms.t.type".to_owned(), (*class).to_owned()),
        ("predicates".to_owned(), "p".to_owned()),
        ("predicates.p.type".to_owned(), "RecordIsTombstone".to_owned()),
    ]);
    for (key, value) in *settings {
        let prefix = if key.starts_with("predicates.") { "" } else { "transforms.t." };
        all.insert(format!("{prefix}{key}"), (*value).to_owned());
    }
    let (chain, _) = Chain::read(&all).map_err(|error| format!("{name}: {error}"))?;
    Ok(chain)
}

fn record(given: Given) -> Record {
    let row = row();
    let value = match given {
        Given::Row => return row,
        Given::Event => row.value,
        Given::Outbox => outbox(),
    };
    Record { value: event(value), ..row }
}

/// The event of a row that was written.
fn event(row: Part) -> Part {
    let Some(schema) = row.schema else { return row };
    let image = Schema { optional: true, ..Schema::clone(&schema) };
    let text = || Schema::new(Kind::String);
    let long = || Schema::new(Kind::Int64).optional();
    let source = vec![Field::new("db", text()), Field::new("ts_ms", long())];
    let fields = vec![
        Field::new("before", image.clone()),
        Field::new("after", image),
        Field::new("source", Schema::record("Source".to_owned(), None, source)),
        Field::new("op", text()),
        Field::new("ts_ms", long()),
    ];
    let source = vec![Value::String("shop".to_owned()), Value::Int64(1_700_000_000_000)];
    let values = vec![
        Value::Null,
        row.value,
        Value::Struct(source),
        Value::String("c".to_owned()),
        Value::Int64(1_700_000_000_000),
    ];
    let schema = Schema::record("shop.orders.Envelope".to_owned(), None, fields);
    Part::new(Arc::new(schema), Value::Struct(values))
}

/// A row of an outbox table.
fn outbox() -> Part {
    let columns = ["id", "aggregatetype", "aggregateid", "type", "payload"];
    let field = |name| Field::new(name, Schema::new(Kind::String));
    let schema = Schema::record("v".to_owned(), None, columns.map(field).into());
    let values = columns.map(|name| Value::String(format!("the {name} of an event")));
    Part::new(Arc::new(schema), Value::Struct(values.into()))
}

/// Ten columns of numbers and texts.
fn row() -> Record {
    let (mut fields, mut values) = (Vec::new(), Vec::new());
    for number in 0..10_i64 {
        let (kind, value) = match number % 2 {
            0 => (Kind::Int64, Value::Int64(1_700_000_000_000 + number)),
            _ => (Kind::String, Value::String(format!("text of twenty chars{number}"))),
        };
        fields.push(Field::new(format!("c{number}"), Schema::new(kind).optional()));
        values.push(value);
    }
    let key =
        Schema::record("k".to_owned(), None, vec![Field::new("c0", Schema::new(Kind::Int64))]);
    let value = Schema::record("v".to_owned(), None, fields);
    Record {
        topic: "shop.orders".into(),
        partition: Some(0),
        offset: Some(1),
        timestamp: Some(1_700_000_000_000),
        key: Part::new(Arc::new(key), Value::Struct(vec![Value::Int64(1)])),
        value: Part::new(Arc::new(value), Value::Struct(values)),
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transform_takes_its_record() {
        for case in CASES {
            let done = chain(&case).unwrap().apply(record(case.1)).unwrap();
            assert!(done.is_some(), "{}", case.0);
        }
    }

    #[test]
    fn each_class_has_a_case() {
        let has = |class: &str| {
            let last = class.rsplit('.').next().unwrap_or(class);
            // Both sides of a transform are one piece of code.
            let either = last.trim_end_matches("$Key").trim_end_matches("$Value");
            CASES.iter().any(|(_, _, known, _)| {
                let known = known.rsplit('.').next().unwrap_or(known);
                known == last || known.strip_suffix("$Value") == Some(either)
            })
        };
        let missing: Vec<_> = transform::transform_classes().filter(|class| !has(class)).collect();
        assert_eq!(missing, Vec::<&str>::new());
        for class in transform::predicate_classes() {
            let last = class.rsplit('.').next().unwrap_or(class);
            assert!(CASES.iter().any(|(name, ..)| name.ends_with(last)), "{class}");
        }
    }
}
