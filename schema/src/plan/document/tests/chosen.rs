//! Parts of rows: fields that are left out or have other names, and rows that are gone.

use super::*;
use serde_json::{Value, json};

/// What becomes of a column, by its first letter.
fn chosen(column: &str) -> Option<Box<str>> {
    match column.as_bytes().first() {
        Some(b'x') => None,
        Some(b'r') => Some(format!("renamed_{column}").into()),
        _ => Some(column.into()),
    }
}

fn choice(deleted_rows: bool) -> RowChoice<'static> {
    let everything = RowChoice::everything(DocumentOptions::default());
    RowChoice { field: &chosen, deleted_rows, ..everything }
}

fn row_schema(columns: &[(String, bool)]) -> String {
    let fields: Vec<Value> = columns
        .iter()
        .map(|(name, nullable)| {
            let text = json!({"type": "array", "items": ["null", "string"]});
            let kind = if *nullable { json!(["null", text]) } else { json!("long") };
            json!({"name": name, "type": kind})
        })
        .collect();
    json!({"type": "record", "name": "Value", "fields": fields}).to_string()
}

fn row_body(columns: &[(String, bool)], number: i64) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, nullable) in columns {
        if *nullable {
            body.extend([2, 2, 2]);
            crate::avro::put_bytes(name.as_bytes(), &mut body);
            body.push(0);
        } else {
            crate::avro::put_long(number, &mut body);
        }
    }
    body
}

proptest! {
    /// The part of a row is its whole document without and with other names.
    #[test]
    fn a_chosen_row_is_the_whole_one_with_its_fields_renamed(
        names in proptest::collection::btree_set("[xra][a-z]{0,3}", 0..8),
        nullable in proptest::collection::vec(any::<bool>(), 8), number: i64,
    ) {
        let columns: Vec<(String, bool)> = names.into_iter().zip(nullable).collect();
        let (schema, body) = (row_schema(&columns), row_body(&columns, number));
        let chosen_plan = DocumentPlan::compile_chosen(&schema, &choice(false)).unwrap();
        let (mut part, mut whole) = (Vec::new(), Vec::new());

        chosen_plan.run(&body, &mut part).unwrap();

        plan(&schema).run(&body, &mut whole).unwrap();
        let whole: serde_json::Map<String, Value> = serde_json::from_slice(&whole).unwrap();
        let expected: serde_json::Map<String, Value> = whole
            .into_iter()
            .filter_map(|(column, value)| Some((chosen(&column)?.into(), value)))
            .collect();
        prop_assert_eq!(serde_json::from_slice::<Value>(&part).unwrap(), Value::from(expected));
        let described: Vec<_> = chosen_plan.fields().iter().map(|field| &*field.name).collect();
        let kept: Vec<_> = columns.iter().filter_map(|(column, _)| chosen(column)).collect();
        prop_assert_eq!(described, kept.iter().map(|name| &**name).collect::<Vec<_>>());
    }
}

#[test]
fn two_columns_do_not_become_one_field() {
    let columns = [("rb".to_owned(), false), ("renamed_rb".to_owned(), false)];
    let field = |column: &str| -> Option<Box<str>> {
        Some(if column == "rb" { "renamed_rb".into() } else { column.into() })
    };
    let choice = RowChoice { field: &field, ..choice(false) };

    let error = DocumentPlan::compile_chosen(&row_schema(&columns), &choice).unwrap_err();

    assert_eq!(error.to_string(), "columns `rb` and `renamed_rb` would both be field `renamed_rb`");
}

#[test]
fn a_deleted_row_is_written_if_it_is_asked_for() {
    let row = Avro::Record(vec![("n".to_owned(), Avro::Int(7))]);
    let body = encode(
        &apache_avro::Schema::parse_str(ENVELOPE).unwrap(),
        Avro::Record(vec![
            ("before".to_owned(), Avro::Union(1, Box::new(row))),
            ("after".to_owned(), Avro::Union(0, Box::new(Avro::Null))),
            (
                "source".to_owned(),
                Avro::Record(vec![("sequence".to_owned(), Avro::Union(0, Box::new(Avro::Null)))]),
            ),
            ("op".to_owned(), Avro::String("d".to_owned())),
        ]),
    );
    for deleted_rows in [false, true] {
        let plan = DocumentPlan::compile_chosen(ENVELOPE, &choice(deleted_rows)).unwrap();
        let mut out = Vec::new();

        let row = plan.run(&body, &mut out).unwrap();

        assert_eq!((&row.change, row.operation), (&RowChange::Delete, Some('d')));
        let deleted = row.deleted_row.map(|range| str::from_utf8(&out[range]).unwrap());
        assert_eq!(deleted, deleted_rows.then_some(r#"{"n":7}"#));
    }
    let flat = r#"{"type":"record","name":"V","fields":[{"name":"n","type":"int"},
        {"name":"__deleted","type":"boolean"}]}"#;
    let plan = DocumentPlan::compile_chosen(flat, &choice(true)).unwrap();
    let mut out = Vec::new();
    let row = plan.run(&[14, 1], &mut out).unwrap();
    assert_eq!(row.change, RowChange::Delete);
    assert_eq!(&out[row.deleted_row.unwrap()], br#"{"n":7,"__deleted":true}"#);
}
