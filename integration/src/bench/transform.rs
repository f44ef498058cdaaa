//! A row through each transform, by itself: what the generic path adds to a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};
use transform::{Chain, Part, Record};

use super::measure::{Effort, Input, Measured, measure};

/// Classes with settings that take a record of [`row`].
const TRANSFORMS: [(&str, &[(&str, &str)]); 19] = [
    ("Cast$Value", &[("spec", "c1:string,c2:float64")]),
    ("DropHeaders", &[("headers", "h")]),
    ("ExtractField$Value", &[("field", "c1")]),
    ("Flatten$Value", &[]),
    ("HeaderFrom$Value", &[("fields", "c1"), ("headers", "h"), ("operation", "move")]),
    ("HoistField$Value", &[("field", "row")]),
    ("InsertField$Value", &[("topic.field", "topic"), ("timestamp.field", "at")]),
    ("InsertHeader", &[("header", "h"), ("value.literal", "1")]),
    ("MaskField$Value", &[("fields", "c1,c3")]),
    ("RegexRouter", &[("regex", "(.*)\\.(.*)"), ("replacement", "$2")]),
    ("ReplaceField$Value", &[("exclude", "c1"), ("renames", "c2:d2")]),
    ("SetSchemaMetadata$Value", &[("schema.name", "other")]),
    ("TimestampConverter$Value", &[("field", "c4"), ("target.type", "Timestamp")]),
    (
        "TimestampConverter$Value",
        &[("field", "c4"), ("target.type", "string"), ("format", "yyyy-MM-dd'T'HH:mm:ss")],
    ),
    ("TimestampRouter", &[]),
    ("ValueToKey", &[("fields", "c1")]),
    (
        "io.debezium.transforms.Filter",
        &[("language", "cel"), ("condition", "value.c0 > 1 && value.c1.startsWith('text')")],
    ),
    (
        "ContentBasedRouter",
        &[
            ("language", "cel"),
            ("topic.expression", "value.c2 > 1 ? topic + '-' + value.c3 : null"),
        ],
    ),
    ("ByLogicalTableRouter", &[("topic.regex", "(.*)"), ("topic.replacement", "all")]),
];

/// Measures all of them.
///
/// # Errors
///
/// Returns what is wrong with a transform of this table.
pub fn all(effort: Effort) -> Result<Vec<Measured>, String> {
    TRANSFORMS.iter().map(|(class, settings)| one(class, settings, effort)).collect()
}

fn one(class: &'static str, settings: &[(&str, &str)], effort: Effort) -> Result<Measured, String> {
    let mut all = BTreeMap::from([
        ("transforms".to_owned(), "t".to_owned()),
        ("transforms.t.type".to_owned(), class.to_owned()),
    ]);
    for (key, value) in settings {
        all.insert(format!("transforms.t.{key}"), (*value).to_owned());
    }
    let (mut chain, _) = Chain::read(&all).map_err(|error| error.to_string())?;
    let record = row();
    chain.apply(record.clone()).map_err(|error| error.to_string())?;
    let mut failed = Ok(());
    let measured = measure(class, Input { rows: 1, bytes: 0 }, effort, || {
        if let Err(error) = chain.apply(record.clone()) {
            failed = Err(error.to_string());
        }
    });
    failed.map(|()| measured)
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
    fn each_transform_takes_the_row() {
        for (class, settings) in TRANSFORMS {
            let mut all = BTreeMap::from([
                ("transforms".to_owned(), "t".to_owned()),
                ("transforms.t.type".to_owned(), class.to_owned()),
            ]);
            for (key, value) in settings {
                all.insert(format!("transforms.t.{key}"), (*value).to_owned());
            }
            let (mut chain, _) = Chain::read(&all).unwrap();
            assert!(chain.apply(row()).unwrap().is_some(), "{class}");
        }
    }
}
