//! Binary JSON.

use super::Target;
use crate::types::json;

/// Binary JSON as text.
pub const JSONB: Target = Target { name: "jsonb", run, seeds, heap_per_byte: 1024 };

/// Bytes of text for each byte of binary JSON: the limit of the writer, and one string that may
/// stand beyond it, of which each byte can become six.
const TEXT_PER_BYTE: usize = 2 * 6 * 12;

fn run(data: &[u8]) {
    let mut out = b"before".to_vec();
    if json::write_text(data, &mut out).is_err() {
        return;
    }
    let text = out.strip_prefix(b"before").expect("text is appended");
    let text = str::from_utf8(text).expect("JSON is UTF-8");
    assert!(text.len() <= 64 + data.len() * TEXT_PER_BYTE, "{} bytes of text", text.len());
    serde_json::from_str::<serde_json::Value>(text).expect("the text is JSON");
    let mut compact = Vec::new();
    json::compact(text, &mut compact);
    assert_eq!(compact, text.as_bytes(), "the text is compact");
}

fn seeds() -> Vec<Vec<u8>> {
    let object =
        [0x00, 2, 0, 22, 0, 18, 0, 1, 0, 19, 0, 1, 0, 0x05, 1, 0, 0x0c, 20, 0, b'a', b'b', 1, b'x'];
    let large_array = [0x03, 1, 0, 0, 0, 13, 0, 0, 0, 0x07, 0xff, 0xff, 0xff, 0x7f];
    let nested = [0x02, 1, 0, 14, 0, 0x02, 7, 0, 1, 0, 7, 0, 0x04, 1, 0];
    let double = [&[0x0b][..], &(-1.5e-20_f64).to_le_bytes()].concat();
    let datetime = [0x0f, 12, 8, 0x40, 0xe2, 0x01, 0x05, 0xe3, 0x44, 0xa5, 0x19];
    let time = [0x0f, 11, 8, 0, 0, 0, 0x83, 0x10, 0, 0, 0];
    let date = [0x0f, 10, 8, 0, 0, 0, 0, 0, 0x44, 0xa5, 0x19];
    vec![
        object.to_vec(),
        large_array.to_vec(),
        nested.to_vec(),
        double,
        datetime.to_vec(),
        time.to_vec(),
        date.to_vec(),
        vec![],
        vec![0x04, 1],
        vec![0x06, 0xff, 0xff],
        [&[0x09][..], &i64::MIN.to_le_bytes()].concat(),
        vec![0x0c, 3, b'"', 1, b'\n'],
        vec![0x0f, 246, 4, 3, 2, 0x89, 0x00],
        vec![0x0f, 15, 1, 0xff],
    ]
}
