//! What a chain says of all rows of a schema is what becomes of each.
//!
//! `PROPTEST_CASES=20000 cargo test -p transform --lib fold` for more.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use schema::value::{Field, Kind, Schema, Value};

use super::properties::typed;
use crate::{Chain, Folded, Origin, Part, Record};

const CONNECT: &str = "org.apache.kafka.connect.transforms.";
const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";

/// A class, its settings, and whether it is only for what is no tombstone.
type Step = (&'static str, &'static [(&'static str, &'static str)], bool);

const STEPS: [(&str, &[(&str, &str)]); 15] = [
    ("ReplaceField$Value", &[("exclude", "a,c")]),
    ("ReplaceField$Value", &[("include", "a,b,bb"), ("replace.null.with.default", "false")]),
    ("ReplaceField$Value", &[("renames", "a:x,b:y")]),
    // Two fields of one name, where a row has both.
    ("ReplaceField$Value", &[("renames", "a:b"), ("replace.null.with.default", "false")]),
    ("ReplaceField$Value", &[("include", "before")]),
    ("MaskField$Value", &[("fields", "a,x"), ("replace.null.with.default", "false")]),
    ("MaskField$Value", &[("fields", "a,b,t")]),
    ("MaskField$Value", &[("fields", "a,b,c"), ("replacement", "7")]),
    ("MaskField$Value", &[("fields", "b"), ("replacement", "x")]),
    ("InsertField$Value", &[("topic.field", "t"), ("timestamp.field", "at")]),
    ("InsertField$Value", &[("partition.field", "p!"), ("offset.field", "o")]),
    ("InsertField$Value", &[("static.field", "a"), ("static.value", "x")]),
    ("InsertField$Value", &[("timestamp.field", "at!")]),
    ("Cast$Value", &[("spec", "a:string")]),
    ("RegexRouter", &[("regex", "(.*)"), ("replacement", "to-$1")]),
];

fn any_step() -> impl Strategy<Value = Step> {
    (prop::sample::select(STEPS.to_vec()), any::<bool>())
        .prop_map(|((class, options), guarded)| (class, options, guarded && class != "RegexRouter"))
}

fn chain(unwraps: bool, steps: &[Step]) -> Chain {
    let mut all = BTreeMap::from([
        ("predicates".to_owned(), "gone".to_owned()),
        ("predicates.gone.type".to_owned(), "RecordIsTombstone".to_owned()),
    ]);
    let mut names = Vec::new();
    if unwraps {
        names.push("unwrap".to_owned());
        all.insert("transforms.unwrap.type".to_owned(), UNWRAP.to_owned());
    }
    for (number, (class, options, guarded)) in steps.iter().enumerate() {
        let mut set = |key: &str, value: &str| {
            all.insert(format!("transforms.t{number}.{key}"), value.to_owned());
        };
        set("type", &format!("{CONNECT}{class}"));
        options.iter().for_each(|(key, value)| set(key, value));
        if *guarded {
            set("predicate", "gone");
            set("negate", "true");
        }
        names.push(format!("t{number}"));
    }
    all.insert("transforms".to_owned(), names.join(","));
    Chain::read(&all).unwrap().0
}

/// Columns with values of them. Some of those that can be null have a default.
fn any_row() -> impl Strategy<Value = (Schema, Value)> {
    let column = (typed(), any::<bool>()).prop_map(|((mut schema, value), has_default)| {
        if has_default && schema.optional && schema.kind == Kind::String {
            schema.default = Some(Value::String("default".to_owned()));
        }
        (schema, value)
    });
    prop::collection::btree_map("[abc]{1,2}|before", column, 0..5).prop_map(|columns| {
        let columns = columns.into_iter();
        let (fields, values) =
            columns.map(|(name, (schema, value))| (Field::new(name, schema), value)).unzip();
        (Schema::record("Value".to_owned(), None, fields), Value::Struct(values))
    })
}

/// The row after a change, in the event of it.
fn event((row, value): (Schema, Value), is_named: bool) -> (Schema, Value) {
    let row = row.optional();
    let fields = vec![
        Field::new("before", row.clone()),
        Field::new("after", row),
        Field::new("source", Schema::record("Source".to_owned(), None, Vec::new())),
        Field::new("op", Schema::new(Kind::String)),
    ];
    let name = if is_named { "a.b.Envelope" } else { "a.b.Other" };
    let op = Value::String("u".to_owned());
    let values = vec![Value::Null, value, Value::Struct(Vec::new()), op];
    (Schema::record(name.to_owned(), None, fields), Value::Struct(values))
}

fn record((schema, value): (Schema, Value), timestamp: Option<i64>) -> Record {
    Record {
        topic: "a.b".into(),
        partition: Some(3),
        offset: Some(4),
        timestamp,
        key: Part::NULL,
        value: Part::new(Arc::new(schema), value),
        headers: Vec::new(),
    }
}

/// The row that a chain works on: what is in an event, if it is unwrapped.
fn columns(part: &Part) -> BTreeMap<String, Value> {
    let of = |schema: &Schema, value: &Value| {
        let (Kind::Struct(fields), Value::Struct(values)) = (&schema.kind, value) else {
            panic!("a struct")
        };
        let names = fields.iter().map(|field| field.name.clone());
        (fields.clone(), names.zip(values.iter().cloned()).collect::<BTreeMap<_, _>>())
    };
    let (fields, values) = of(part.schema.as_deref().unwrap(), &part.value);
    match fields.iter().find(|field| field.name == "after") {
        Some(after) => of(&after.schema, &values["after"]).1,
        None => values,
    }
}

fn made(folded: &Folded, columns: &BTreeMap<String, Value>, record: &Record) -> Value {
    match &folded.origin {
        Origin::Row(name) => columns[name].clone(),
        Origin::Masked(name, _) if columns[name] == Value::Null => Value::Null,
        Origin::Masked(_, value) => value.clone(),
        Origin::Topic => Value::String(record.topic.to_string()),
        Origin::Partition => Value::Int32(record.partition.unwrap()),
        Origin::Offset => Value::Int64(record.offset.unwrap()),
        Origin::Timestamp => record.timestamp.map_or(Value::Null, Value::Int64),
        Origin::Text(text) => Value::String(text.clone()),
    }
}

/// NaN is not itself, so values are told apart by their text.
fn texts(schema: &Schema, value: &Value) -> String {
    crate::json_of(Some(schema), value).unwrap().to_string()
}

proptest! {
    #[test]
    fn a_row_becomes_what_the_chain_says_of_all_rows(
        row in any_row(),
        form in 0..4,
        steps in prop::collection::vec(any_step(), 1..4),
        timestamp in any::<Option<i64>>(),
    ) {
        let value = if form == 0 { row } else { event(row, form > 1) };
        let given = record(value, timestamp);
        let mut chain = chain(form > 1 || steps.len() == 1, &steps);
        let Some(folded) = chain.fold(given.value.schema.as_deref().unwrap()) else {
            return Ok(());
        };

        let done = chain.apply(given.clone()).unwrap().unwrap();

        let columns = columns(&given.value);
        let fields = folded.iter().map(|field| Field::new(&field.name, field.schema.clone()));
        let expected = Schema::new(Kind::Struct(fields.collect()));
        let values = folded.iter().map(|field| made(field, &columns, &given)).collect();
        let schema = done.value.schema.unwrap();
        prop_assert_eq!(&schema.kind, &expected.kind);
        prop_assert_eq!(texts(&schema, &done.value.value), texts(&expected, &Value::Struct(values)));
    }
}

fn fold(unwraps: bool, steps: &[Step], value: (Schema, Value)) -> Option<Vec<String>> {
    let folded = chain(unwraps, steps).fold(&value.0)?;
    Some(folded.into_iter().map(|field| field.name).collect())
}

fn small_row() -> (Schema, Value) {
    let text = Schema::new(Kind::String).optional();
    let with_default = text.clone().default_value(Value::String("x".to_owned()));
    let fields = vec![Field::new("a", text), Field::new("d", with_default)];
    let values = vec![Value::String("1".to_owned()), Value::Null];
    (Schema::record("v".to_owned(), None, fields), Value::Struct(values))
}

/// So that the property above is about something.
#[test]
fn what_is_the_same_for_all_rows_folds() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let replace: Step = ("ReplaceField$Value", &[("exclude", "d"), ("renames", "a:x")], false);
    let mask: Step = ("MaskField$Value", &[("fields", "x")], true);
    let insert: Step = ("InsertField$Value", &[("offset.field", "o")], true);

    assert_eq!(fold(false, &[replace, mask, insert], small_row()), names(&["x", "o"]));
    assert_eq!(fold(true, &[replace, mask, insert], event(small_row(), true)), names(&["x", "o"]));
    assert_eq!(fold(true, &[replace, mask, insert], small_row()), names(&["x", "o"]));
}

#[test]
fn what_is_another_matter_with_every_row_does_not_fold() {
    let rename: Step = ("ReplaceField$Value", &[("renames", "a:x")], false);
    let mask: Step = ("MaskField$Value", &[("fields", "a"), DEFAULTS_STAY], false);
    let cast: Step = ("Cast$Value", &[("spec", "a:int8"), DEFAULTS_STAY], false);
    let key: Step = ("ReplaceField$Key", &[("exclude", "a")], false);
    let late: Step = ("InsertField$Value", &[("timestamp.field", "at!"), DEFAULTS_STAY], false);
    let bytes: Step = ("MaskField$Value", &[("fields", "b"), DEFAULTS_STAY], false);
    const DEFAULTS_STAY: (&str, &str) = ("replace.null.with.default", "false");

    // Where `d` is null, its default is read.
    assert_eq!(fold(false, &[rename], small_row()), None);
    for step in [cast, key, late] {
        assert_eq!(fold(false, &[step], small_row()), None, "{step:?}");
    }
    // A change event, of which another field is asked for; and a null, which `MaskField` refuses.
    assert_eq!(fold(false, &[mask], event(small_row(), true)), None);
    assert_eq!(fold(true, &[mask], event(small_row(), true)), None);
    assert!(fold(false, &[mask], small_row()).is_some());
    let fields = vec![Field::new("b", Schema::new(Kind::Bytes))];
    let value = Value::Struct(vec![Value::Bytes(Vec::new())]);
    assert_eq!(fold(false, &[bytes], (Schema::record("v".to_owned(), None, fields), value)), None);
}
