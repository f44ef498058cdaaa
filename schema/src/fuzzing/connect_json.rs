//! Records of Kafka Connect's `JsonConverter`.

use super::Target;
use crate::connect_json::{ConnectSchema, Enveloped, JsonKey, JsonRow};
use crate::plan::document::{DocumentOptions, DocumentPlan, RowChange, RowChoice};

/// A record, with its schema or without.
pub const CONNECT_JSON: Target =
    Target { name: "connect_json", run: connect_json, seeds, heap_per_byte: 512 };

fn connect_json(data: &[u8]) {
    let choice = RowChoice::everything(DocumentOptions::default());
    if let Ok(row) = JsonRow::parse(data) {
        let mut out = Vec::new();
        match row.run(&choice, &mut out) {
            Ok(row) => {
                if let RowChange::Upsert { document } = row.change {
                    let document = out.get(document).expect("a document is where it is said to be");
                    is_one_line_of_json(document);
                }
            }
            Err(_) => assert!(out.is_empty(), "what fails leaves nothing"),
        }
    }
    if let Ok(Some(key)) = JsonKey::parse(data) {
        let mut id = String::new();
        key.write_id("", &mut id);
        assert!((1..=512).contains(&id.len()));
    }
    let Ok(Enveloped { schema: Some(schema), payload }) = Enveloped::parse(data) else { return };
    let Ok(schema) = ConnectSchema::parse(schema) else { return };
    let mut avro = Vec::new();
    if schema.encode(payload, &mut avro).is_err() {
        assert!(avro.is_empty(), "what fails leaves nothing");
        return;
    }
    if schema.writer().decode(&avro).is_err() {
        // Only for more values than a record may have.
        assert!(avro.len() > 1 << 16, "what is written is read");
        return;
    }
    let Ok(plan) = DocumentPlan::of_schema(schema.writer(), &choice) else { return };
    let mut out = Vec::new();
    if let Ok(row) = plan.run(&avro, &mut out)
        && let RowChange::Upsert { document } = row.change
    {
        is_one_line_of_json(out.get(document).expect("a document is where it is said to be"));
    }
}

fn is_one_line_of_json(document: &[u8]) {
    assert!(!document.contains(&b'\n') && !document.contains(&b'\r'));
    serde_json::from_slice::<serde::de::IgnoredAny>(document).expect("a document is JSON");
}

fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"schema":{"type":"struct","fields":[{"field":"id","type":"int64"},{"field":"t","type":"string","optional":true},{"field":"d","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},{"field":"m","type":"map","keys":{"type":"string"},"values":{"type":"array","items":{"type":"boolean"}}}]},"payload":{"id":7,"t":null,"d":-12.50,"m":{"a":[true]}}}"#,
        r#"{"before":null,"after":{"id":1,"n":[1.5e3,"\u00e4"]},"source":{"ts_ms":5},"op":"c"}"#,
        r#"{"schema":null,"payload":"a"}"#,
        r#"{"id":1,"__deleted":"true"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
