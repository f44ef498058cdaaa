//! What holds for every record and every setting.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use schema::value::{Field, Kind, Schema, Value};

use crate::{Chain, Header, Part, Record, json_of, part_of, schema_json, schema_of};

/// A schema with a value of it.
pub(super) fn typed() -> impl Strategy<Value = (Schema, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|v| (Schema::new(Kind::Boolean), Value::Boolean(v))),
        any::<i8>().prop_map(|v| (Schema::new(Kind::Int8), Value::Int32(v.into()))),
        any::<i16>().prop_map(|v| (Schema::new(Kind::Int16), Value::Int32(v.into()))),
        any::<i32>().prop_map(|v| (Schema::new(Kind::Int32), Value::Int32(v))),
        any::<i64>().prop_map(|v| (Schema::new(Kind::Int64), Value::Int64(v))),
        any::<f32>().prop_map(|v| (Schema::new(Kind::Float32), Value::Float32(v))),
        any::<f64>().prop_map(|v| (Schema::new(Kind::Float64), Value::Float64(v))),
        ".{0,8}".prop_map(|v| (Schema::new(Kind::String), Value::String(v))),
        any::<Vec<u8>>().prop_map(|v| (Schema::new(Kind::Bytes), Value::Bytes(v))),
        any::<i64>().prop_map(|v| (timestamp(), Value::Int64(v))),
        any::<i32>().prop_map(|v| (date(), Value::Int32(v))),
        (any::<Vec<u8>>(), 0..9).prop_map(|(v, scale)| (decimal(scale), Value::Bytes(v))),
    ];
    let leaf = (leaf, any::<(bool, bool)>()).prop_map(|((schema, value), (optional, null))| {
        let value = if optional && null { Value::Null } else { value };
        (Schema { optional, ..schema }, value)
    });
    leaf.prop_recursive(3, 24, 6, |inner| {
        let fields = prop::collection::btree_map("[abc]{1,2}", inner.clone(), 0..5);
        let structs = fields.prop_map(|fields| {
            let (mut types, mut values) = (Vec::new(), Vec::new());
            for (name, (schema, value)) in fields {
                types.push(Field::new(name, schema));
                values.push(value);
            }
            (Schema::record("s".to_owned(), Some(1), types), Value::Struct(values))
        });
        let arrays = inner.clone().prop_map(|(schema, value)| {
            (Schema::new(Kind::Array(Box::new(schema))), Value::Array(vec![value]))
        });
        let maps = inner.prop_map(|(schema, value)| {
            let keys = Box::new(Schema::new(Kind::String));
            let value = Value::Map(vec![(Value::String("a".to_owned()), value)]);
            (Schema::new(Kind::Map(keys, Box::new(schema))), value)
        });
        prop_oneof![4 => structs, 1 => arrays, 1 => maps]
    })
}

fn timestamp() -> Schema {
    Schema::semantic(Kind::Int64, "org.apache.kafka.connect.data.Timestamp")
}

fn date() -> Schema {
    Schema::semantic(Kind::Int32, "org.apache.kafka.connect.data.Date")
}

fn decimal(scale: i32) -> Schema {
    let schema = Schema::semantic(Kind::Bytes, "org.apache.kafka.connect.data.Decimal");
    schema.parameter("scale", scale.to_string())
}

/// The same without a schema.
fn free(schema: &Schema, value: &Value) -> Value {
    match (&schema.kind, value) {
        (Kind::Struct(fields), Value::Struct(values)) => {
            let entry = |(field, value): (&Field, &Value)| {
                (Value::String(field.name.clone()), free(&field.schema, value))
            };
            Value::Map(fields.iter().zip(values).map(entry).collect())
        }
        (Kind::Array(entry), Value::Array(values)) => {
            Value::Array(values.iter().map(|value| free(entry, value)).collect())
        }
        (Kind::Map(_, entry), Value::Map(entries)) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), free(entry, value)));
            Value::Map(entries.collect())
        }
        _ => value.clone(),
    }
}

fn part() -> impl Strategy<Value = Part> {
    (typed(), 0..4).prop_map(|((schema, value), which)| match which {
        0 => Part::free(free(&schema, &value)),
        _ => Part::new(Arc::new(schema), value),
    })
}

fn record() -> impl Strategy<Value = Record> {
    (part(), part(), part(), any::<Option<i64>>()).prop_map(|(key, value, header, timestamp)| {
        Record {
            topic: "a.b".into(),
            partition: Some(0),
            offset: Some(1),
            timestamp,
            key,
            value,
            headers: vec![Header { name: "a".to_owned(), part: header }],
        }
    })
}

fn chain(class: &str, settings: &[(&str, &str)]) -> Chain {
    let mut all = BTreeMap::from([
        ("transforms".to_owned(), "t".to_owned()),
        ("transforms.t.type".to_owned(), class.to_owned()),
    ]);
    for (key, value) in settings {
        all.insert(format!("transforms.t.{key}"), (*value).to_owned());
    }
    Chain::read(&all).unwrap().0
}

/// One of every transform, on names that records have.
const ALL: [(&str, &[(&str, &str)]); 27] = [
    ("Cast$Value", &[("spec", "a:string,b:int8,c:float32,aa:boolean")]),
    ("Cast$Value", &[("spec", "int64")]),
    ("Cast$Key", &[("spec", "a:float64")]),
    ("DropHeaders", &[("headers", "a")]),
    ("ExtractField$Value", &[("field", "a")]),
    ("ExtractField$Key", &[("field", "a.b"), ("field.syntax.version", "V2")]),
    ("Filter", &[]),
    ("Flatten$Value", &[]),
    ("Flatten$Key", &[("delimiter", "")]),
    ("HeaderFrom$Value", &[("fields", "a,b"), ("headers", "x,y"), ("operation", "move")]),
    ("HeaderFrom$Key", &[("fields", "a"), ("headers", "x"), ("operation", "copy")]),
    ("HoistField$Value", &[("field", "a")]),
    (
        "InsertField$Value",
        &[("topic.field", "t"), ("offset.field", "o!"), ("timestamp.field", "ts")],
    ),
    ("InsertField$Key", &[("static.field", "a"), ("static.value", "x")]),
    ("InsertHeader", &[("header", "h"), ("value.literal", "1.5")]),
    ("MaskField$Value", &[("fields", "a,b")]),
    ("MaskField$Value", &[("fields", "a,b"), ("replacement", "7")]),
    ("RegexRouter", &[("regex", "(.).(.*)"), ("replacement", "$2$1")]),
    ("ReplaceField$Value", &[("exclude", "a"), ("renames", "b:bb")]),
    ("ReplaceField$Key", &[("include", "a,b")]),
    ("SetSchemaMetadata$Value", &[("schema.name", "n"), ("schema.version", "4")]),
    ("TimestampConverter$Value", &[("target.type", "string"), ("format", "yyyy-MM-dd")]),
    ("TimestampConverter$Value", &[("target.type", "Time"), ("field", "a"), ("format", "yyyy")]),
    (
        "TimestampConverter$Key",
        &[("target.type", "unix"), ("field", "b"), ("unix.precision", "nanoseconds")],
    ),
    ("TimestampRouter", &[]),
    ("ValueToKey", &[("fields", "a,b")]),
    ("HoistField$Key", &[("field", "a")]),
];

/// Those after which a second time changes nothing.
const IDEMPOTENT: [(&str, &[(&str, &str)]); 8] = [
    ("Cast$Value", &[("spec", "a:string")]),
    ("Cast$Value", &[("spec", "a:int8,b:boolean")]),
    ("DropHeaders", &[("headers", "a")]),
    ("Flatten$Value", &[]),
    ("MaskField$Value", &[("fields", "a,b")]),
    ("ReplaceField$Value", &[("exclude", "a")]),
    ("SetSchemaMetadata$Value", &[("schema.name", "n")]),
    ("ValueToKey", &[("fields", "a")]),
];

/// All that is in a part. `Debug` does not print values.
fn shown(part: &Part) -> String {
    let schema = part.schema.as_deref();
    format!("{:?} {:?}", schema.map(schema_json), json_of(schema, &part.value).unwrap())
}

/// Whether data are of their schema.
fn fits(schema: &Schema, value: &Value) -> bool {
    match (&schema.kind, value) {
        (_, Value::Null) => true,
        (Kind::Boolean, Value::Boolean(_))
        | (Kind::Int32, Value::Int32(_))
        | (Kind::Int64, Value::Int64(_))
        | (Kind::Float32, Value::Float32(_))
        | (Kind::Float64, Value::Float64(_))
        | (Kind::String, Value::String(_))
        | (Kind::Bytes, Value::Bytes(_)) => true,
        (Kind::Int8, Value::Int32(number)) => i8::try_from(*number).is_ok(),
        (Kind::Int16, Value::Int32(number)) => i16::try_from(*number).is_ok(),
        (Kind::Array(entry), Value::Array(values)) => values.iter().all(|value| fits(entry, value)),
        (Kind::Map(keys, entry), Value::Map(entries)) => {
            entries.iter().all(|(key, value)| fits(keys, key) && fits(entry, value))
        }
        (Kind::Struct(fields), Value::Struct(values)) => {
            fields.len() == values.len()
                && fields.iter().zip(values).all(|(field, value)| fits(&field.schema, value))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn whatever_a_transform_makes_is_of_its_schema(record in record(), which in 0..ALL.len()) {
        let (class, settings) = ALL[which];
        let mut chain = chain(class, settings);

        for _ in 0..2 {
            let Ok(Some(done)) = chain.apply(record.clone()) else { return Ok(()) };
            let headers = done.headers.iter().map(|header| &header.part);
            for part in headers.chain([&done.key, &done.value]) {
                if let Some(schema) = &part.schema {
                    prop_assert!(fits(schema, &part.value), "{class}: {schema:?} {:?}", part.value);
                }
            }
        }
    }

    #[test]
    fn a_second_time_changes_nothing(record in record(), which in 0..IDEMPOTENT.len()) {
        let (class, settings) = IDEMPOTENT[which];
        let mut chain = chain(class, settings);

        if let Ok(Some(once)) = chain.apply(record) {
            let twice = chain.apply(once.clone()).unwrap().unwrap();
            let all = |record: &Record| {
                let headers = record.headers.iter().map(|header| &header.part);
                headers.chain([&record.key, &record.value]).map(shown).collect::<Vec<_>>()
            };
            prop_assert_eq!(all(&once), all(&twice));
        }
    }

    #[test]
    fn what_is_hoisted_is_extracted(record in record()) {
        let mut there = chain("HoistField$Value", &[("field", "f")]);
        let mut back = chain("ExtractField$Value", &[("field", "f")]);

        let hoisted = there.apply(record.clone()).unwrap().unwrap();
        let done = back.apply(hoisted).unwrap().unwrap();

        prop_assert_eq!(shown(&done.value), shown(&record.value));
    }

    #[test]
    fn a_name_and_back_is_the_record(record in record()) {
        let mut there = chain("ReplaceField$Value", &[("renames", "a:zz")]);
        let mut back = chain("ReplaceField$Value", &[("renames", "zz:a")]);

        if let Ok(Some(renamed)) = there.apply(record.clone()) {
            let done = back.apply(renamed).unwrap().unwrap();
            prop_assert_eq!(shown(&done.value), shown(&record.value));
        }
    }

    #[test]
    fn data_go_to_json_and_back((schema, value) in typed()) {
        let schema = Arc::new(schema);
        let json = json_of(Some(&schema), &value).unwrap();
        let read = Arc::new(schema_of(&schema_json(&schema)).unwrap());

        prop_assert_eq!(&read, &schema);
        let part = part_of(Some(&read), &json).unwrap();
        prop_assert_eq!(json_of(Some(&read), &part.value).unwrap(), json);
    }

    #[test]
    fn no_setting_panics(
        which in 0..ALL.len(), key in 0_usize..3, value in ".{0,10}", record in record(),
    ) {
        let (class, settings) = ALL[which];
        let mut all = BTreeMap::from([
            ("transforms".to_owned(), "t".to_owned()),
            ("transforms.t.type".to_owned(), class.to_owned()),
        ]);
        for (at, (name, known)) in settings.iter().enumerate() {
            let value = if at == key { value.clone() } else { (*known).to_owned() };
            all.insert(format!("transforms.t.{name}"), value);
        }

        if let Ok((mut chain, _)) = Chain::read(&all) {
            drop(chain.apply(record));
        }
    }
}

#[test]
fn an_error_says_which_transform_and_has_no_value_in_it() {
    let mut chain = chain("Cast$Value", &[("spec", "int8")]);
    let schema = Arc::new(Schema::new(Kind::String));
    let record = Record {
        topic: "t".into(),
        partition: None,
        offset: None,
        timestamp: None,
        key: Part::NULL,
        value: Part::new(schema, Value::String("secret".to_owned())),
        headers: Vec::new(),
    };

    let error = chain.apply(record).unwrap_err();

    assert_eq!(error.class, "org.apache.kafka.connect.transforms.Cast$Value");
    assert_eq!(error.exception.class(), "org.apache.kafka.connect.errors.DataException");
    let text = format!("{error} {error:?}");
    assert!(text.contains("transform `t`") && !text.contains("secret"), "{text}");
}

#[test]
fn predicates_choose_records_and_are_negated() {
    let settings = |negate: &str| {
        let pairs = [
            ("transforms", "t"),
            ("transforms.t.type", "RegexRouter"),
            ("transforms.t.regex", ".*"),
            ("transforms.t.replacement", "other"),
            ("transforms.t.predicate", "p"),
            ("transforms.t.negate", negate),
            ("predicates", "p"),
            ("predicates.p.type", "TopicNameMatches"),
            ("predicates.p.pattern", "a.*"),
        ];
        pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let record = |topic: &str| Record {
        topic: topic.into(),
        partition: None,
        offset: None,
        timestamp: None,
        key: Part::NULL,
        value: Part::NULL,
        headers: Vec::new(),
    };
    for (negate, topic, expected) in [
        ("false", "ab", "other"),
        ("false", "b", "b"),
        ("true", "ab", "ab"),
        ("true", "b", "other"),
    ] {
        let mut chain = Chain::read(&settings(negate)).unwrap().0;
        assert_eq!(&*chain.apply(record(topic)).unwrap().unwrap().topic, expected);
    }
}

#[test]
fn a_chain_that_is_wrong_names_the_setting() {
    let error = |pairs: &[(&str, &str)]| {
        let all = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Chain::read(&all).unwrap_err()
    };
    let with = |pair: (&'static str, &'static str)| {
        error(&[("transforms", "t"), ("transforms.t.type", "Filter"), pair])
    };

    assert_eq!(error(&[("transforms", "a,a")]).key, "transforms");
    assert!(error(&[("transforms", "t")]).problem.contains("\"type\" which has no default"));
    let unknown = error(&[("transforms", "t"), ("transforms.t.type", "com.example.X")]);
    assert_eq!(unknown.key, "transforms.t.type");
    assert!(unknown.problem.contains("could not be found"));
    assert_eq!(with(("transforms.t.predicate", "p")).key, "transforms.t.predicate");
    assert_eq!(with(("transforms.t.negate", "true")).key, "transforms.t.negate");
    assert_eq!(with(("predicates", "p")).key, "predicates.p.type");
}
