//! Avro records as documents.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Target, join_parts, split_part};
use crate::plan::document::{
    DocumentOptions, DocumentPlan, GenericDocument, GeometryForm, IdPlan, JsonForm, RowChange,
};

/// A byte that picks a recorded schema, or `0` and a schema's text as a part; then a record.
pub const AVRO_DOCUMENT: Target =
    Target { name: "avro_document", run, seeds, heap_per_byte: 64 * 1024 };

/// Text that a value may have beside its own bytes: the zeros of a decimal's scale, a date.
const TEXT_PER_FIELD: usize = 400;

/// Text of a byte: a control character in a string takes six.
const TEXT_PER_BYTE: usize = 6;

fn run(data: &[u8]) {
    let Some((pick, rest)) = data.split_first() else { return };
    let Some(index) = usize::from(*pick).checked_sub(1) else { return any_schema(rest) };
    let schemas = &RECORDED.schemas;
    let Some(schema) = schemas.get(index % schemas.len()) else { return };
    if let Some((plan, generic)) = &schema.plans {
        let written = document(plan, generic, rest);
        let limit = schema.text.len() + TEXT_PER_FIELD * plan.fields().len();
        assert!(written <= limit + TEXT_PER_BYTE * rest.len(), "{written} bytes of document");
    }
    if let Some(plan) = &schema.id {
        id(plan, rest);
    }
}

fn any_schema(data: &[u8]) {
    let (text, body) = split_part(data);
    let Ok(text) = str::from_utf8(text) else { return };
    for (json, geometry) in
        [(JsonForm::Verbatim, GeometryForm::Object), (JsonForm::ObjectsOnly, GeometryForm::Geo)]
    {
        if let Some((plan, generic)) = plans(text, DocumentOptions { json, geometry }) {
            document(&plan, &generic, body);
        }
    }
    if let Ok(plan) = IdPlan::compile(text) {
        id(&plan, body);
    }
}

/// The compiled and the generic way to a document: either both exist or none.
fn plans(text: &str, options: DocumentOptions) -> Option<(DocumentPlan, GenericDocument)> {
    let plan = DocumentPlan::compile(text, options);
    let generic = GenericDocument::new(text, options);
    assert_eq!(plan.is_ok(), generic.is_ok(), "one of the plans refuses the schema");
    plan.ok().zip(generic.ok())
}

/// Writes a document both ways and gives its length. An error leaves the output as it was; a document is one
/// line of JSON.
fn document(plan: &DocumentPlan, generic: &GenericDocument, body: &[u8]) -> usize {
    let (mut out, mut generic_out) = (b"before".to_vec(), b"before".to_vec());
    let (row, generic_row) = (plan.run(body, &mut out), generic.run(body, &mut generic_out));
    assert_eq!(out, generic_out, "compiled and generic bytes");
    assert_eq!(row.as_ref().ok(), generic_row.as_ref().ok(), "compiled and generic row");
    let Ok(row) = row else {
        assert_eq!(out, b"before");
        return 0;
    };
    let RowChange::Upsert { document } = row.change else { return 0 };
    assert_eq!((document.start, document.end), (6, out.len()));
    let text = str::from_utf8(out.get(document).expect("it stands there")).expect("it is UTF-8");
    assert!(!text.contains(['\n', '\r']), "a bulk body is cut at line breaks");
    assert!(text.starts_with('{') && text.ends_with('}'));
    // Without a limit of depth: a JSON column may nest as deep as MySQL allows.
    serde_json::from_str::<IgnoredAny>(text).expect("it is JSON");
    text.len()
}

fn id(plan: &IdPlan, body: &[u8]) {
    let mut out = "before".to_owned();
    if plan.run(body, &mut out).is_err() {
        assert_eq!(out, "before");
        return;
    }
    assert!((1..=512).contains(&(out.len() - "before".len())), "{} bytes", out.len());
}

/// What Debezium registered and wrote; the files are described at the tests of the document plan.
struct Recorded {
    schemas: Vec<RecordedSchema>,
}

struct RecordedSchema {
    text: String,
    plans: Option<(DocumentPlan, GenericDocument)>,
    id: Option<IdPlan>,
    /// The first record of it.
    record: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedFile {
    schemas: BTreeMap<String, String>,
    records: Vec<RecordedRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedRow {
    value_schema: u32,
    value: String,
    key_schema: Option<u32>,
    key: Option<String>,
}

static RECORDED: LazyLock<Recorded> = LazyLock::new(|| {
    let text = include_str!("../../tests/golden/documents.json");
    let file: RecordedFile = serde_json::from_str(text).expect("the golden file");
    let record_of = |number: u32| {
        let values = file.records.iter().map(|row| (Some(row.value_schema), Some(&row.value)));
        let keys = file.records.iter().map(|row| (row.key_schema, row.key.as_ref()));
        let mut of_schema = values.chain(keys).filter(|(schema, _)| *schema == Some(number));
        of_schema.find_map(|(_, record)| record).map(|hex| bytes_of(hex)).unwrap_or_default()
    };
    let schema = |(number, text): (&String, &String)| RecordedSchema {
        plans: plans(text, DocumentOptions::default()),
        id: IdPlan::compile(text).ok(),
        record: record_of(number.parse().expect("the registry's id")),
        text: text.clone(),
    };
    Recorded { schemas: file.schemas.iter().map(schema).collect() }
});

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).map(|pair| byte(pair).expect("hexadecimal")).collect()
}

/// Every recorded schema with one record, and the shorter ones as text too.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, schema) in (1_u8..).zip(&RECORDED.schemas) {
        seeds.push([&[index][..], &schema.record].concat());
        if schema.text.len() < 3000 {
            let parts = join_parts(schema.text.as_bytes(), &schema.record);
            seeds.push([&[0][..], &parts].concat());
        }
    }
    seeds.extend(
        BUILT.map(|(schema, record)| [&[0][..], &join_parts(schema.as_bytes(), record)].concat()),
    );
    seeds
}

/// Types that Debezium's MySQL connector does not write.
const BUILT: [(&str, &[u8]); 4] = [
    (
        r#"{"type":"record","name":"r","fields":[{"name":"a","type":{"type":"array","items":["null","string"]}},{"name":"m","type":{"type":"map","values":"double"}}]}"#,
        b"\x04\x00\x02\x02x\x00\x02\x02k\x00\x00\x00\x00\x00\x00\xf0?\x00",
    ),
    (
        r#"{"type":"record","name":"r","fields":[{"name":"d","type":{"type":"int","logicalType":"date"}},{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]}},{"name":"f","type":{"type":"fixed","name":"f","size":2}}]}"#,
        b"\x02\x02\x02ab",
    ),
    (
        r#"{"type":"record","name":"r","fields":[{"name":"j","type":{"type":"string","connect.name":"io.debezium.data.Json"}},{"name":"s","type":{"type":"string","connect.name":"io.debezium.data.EnumSet"}}]}"#,
        b"\x0e{\"a\":1}\x06a,b",
    ),
    (r#""long""#, b"\x54"),
];
