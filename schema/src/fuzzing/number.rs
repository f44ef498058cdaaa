//! Packed decimals.

use std::sync::LazyLock;

use super::Target;
use crate::avro::put_bytes;
use crate::plan::document::{DocumentOptions, DocumentPlan};
use crate::types::decimal::{self, Unscaled};

/// Precision, scale, and a packed decimal or a decimal's text.
pub const DECIMAL: Target = Target { name: "decimal", run, seeds, heap_per_byte: 64 };

fn run(data: &[u8]) {
    let Some(([precision, scale], bytes)) = data.split_first_chunk() else { return };
    packed(*precision, *scale, bytes);
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(unscaled) = Unscaled::parse(text, *scale)
    {
        prints_and_reads_back(&bytes_of(unscaled), *scale);
    }
}

fn bytes_of(unscaled: Unscaled) -> Vec<u8> {
    let mut bytes = Vec::new();
    unscaled.put(&mut bytes);
    bytes
}

/// A packed decimal, its text and its Avro form are one number.
fn packed(precision: u8, scale: u8, bytes: &[u8]) {
    let read = Unscaled::unpack(bytes, precision, scale);
    let mut text = Vec::new();
    let printed = decimal::text_from_binlog(bytes, precision, scale, &mut text);
    assert_eq!(read.as_ref().err(), printed.as_ref().err());
    let Ok(read) = read else { return };
    let (unscaled, mut avro) = (bytes_of(read), Vec::new());
    read.write(&mut avro);
    assert_eq!(decimal::packed_bytes(precision, scale), Some(bytes.len()), "all bytes are read");
    let mut framed = Vec::new();
    put_bytes(&unscaled, &mut framed);
    assert_eq!(avro, framed);
    let text = str::from_utf8(&text).expect("digits are ASCII");
    // A sign, a zero and a point may stand beside the digits.
    assert!(text.len() <= usize::from(precision) + 3, "{text}");
    let by_text = Unscaled::parse(text, scale).expect("its own text");
    assert_eq!(bytes_of(by_text), unscaled, "{text}");
    assert_eq!(prints_and_reads_back(&unscaled, scale).as_deref(), document_text(scale, text));
}

/// The unscaled number in a document, which reads back as the same; `None` for a scale that MySQL
/// does not have.
fn prints_and_reads_back(unscaled: &[u8], scale: u8) -> Option<String> {
    let plan = PLANS.get(usize::from(scale))?;
    let (mut avro, mut out) = (Vec::new(), Vec::new());
    put_bytes(unscaled, &mut avro);
    plan.run(&avro, &mut out).expect("a decimal is a document");
    let document = String::from_utf8(out).expect("a document is text");
    let text = document.strip_prefix(r#"{"d":"#).and_then(|tail| tail.strip_suffix('}'));
    let text = text.expect("one column").to_owned();
    let again = Unscaled::parse(&text, scale).expect("its own text");
    assert_eq!(bytes_of(again), unscaled, "{text}");
    Some(text)
}

fn document_text(scale: u8, text: &str) -> Option<&str> {
    PLANS.get(usize::from(scale)).map(|_| text)
}

/// A record of one decimal for each scale of MySQL.
static PLANS: LazyLock<Vec<DocumentPlan>> = LazyLock::new(|| {
    let plan = |scale: u8| {
        let schema = format!(
            r#"{{"type":"record","name":"r","fields":[{{"name":"d","type":{{"type":"bytes",
            "connect.name":"org.apache.kafka.connect.data.Decimal",
            "connect.parameters":{{"scale":"{scale}"}}}}}}]}}"#
        );
        DocumentPlan::compile(&schema, DocumentOptions::default()).expect("a schema")
    };
    (0..=30).map(plan).collect()
});

fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![14, 4, 0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2],
        vec![14, 4, 0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d],
        vec![1, 0, 0x80],
        vec![5, 5, 0x80, 0x01, 0x02],
        [&[65, 30, 0xe3][..], &[0x3b, 0x9a, 0xc9, 0xff].repeat(6), &[0x03, 0xe7]].concat(),
        [&[65, 30][..], &[0x80], &[0; 29]].concat(),
        b"\x05\x02-123.45".to_vec(),
        [&[65, 0][..], &b"9".repeat(65)].concat(),
    ]
}
