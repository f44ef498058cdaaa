//! A value as JSON, for whoever only shows it: types without a form in JSON have the one of Kafka
//! Connect's `JsonConverter`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{DatumError, Reader, WriterSchema};
use crate::avro::writer::{Node, Shape};
use crate::plan::document::write_string;

impl WriterSchema {
    /// Appends one value, and nothing after it, as JSON on one line: bytes in base 64, numbers that
    /// JSON has not (`NaN`) as texts, semantic types as what they are made of.
    ///
    /// # Errors
    ///
    /// Returns [`DatumError`] when the bytes are not one value of this schema. `out` is then as it
    /// was.
    pub fn write_json(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), DatumError> {
        let start = out.len();
        let mut reader = Reader::new(body);
        let written =
            write(&mut reader, self.root(), out).and_then(|()| match reader.remaining() {
                0 => Ok(()),
                count => Err(DatumError::TrailingBytes { count }),
            });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

fn write(reader: &mut Reader<'_>, node: &Node, out: &mut Vec<u8>) -> Result<(), DatumError> {
    match &node.shape {
        Shape::Null => out.extend_from_slice(b"null"),
        Shape::Boolean => push(reader.boolean()?, out),
        Shape::Int | Shape::Long => push(reader.long()?, out),
        Shape::Float => {
            let number = f32::from_le_bytes(reader.array()?);
            match word(number.into()) {
                Some(word) => write_string(word, out),
                None => push(number, out),
            }
        }
        Shape::Double => {
            let number = f64::from_le_bytes(reader.array()?);
            match word(number) {
                Some(word) => write_string(word, out),
                None => push(number, out),
            }
        }
        Shape::Bytes => write_string(&STANDARD.encode(reader.bytes()?), out),
        Shape::Fixed(size) => write_string(&STANDARD.encode(reader.take(*size)?), out),
        Shape::String => write_string(&reader.text()?, out),
        Shape::Enum(symbols) => {
            let symbol = symbols.get(reader.position()?).ok_or(DatumError::UnknownSymbol)?;
            write_string(symbol, out);
        }
        Shape::Union(_) => {
            let branch = reader.branch(node)?;
            write(reader, branch, out)?;
        }
        Shape::Record(fields) => {
            out.push(b'{');
            for (index, field) in fields.iter().enumerate() {
                comma(index, out);
                write_string(&field.name, out);
                out.push(b':');
                write(reader, &field.node, out)?;
            }
            out.push(b'}');
        }
        Shape::Array(entry) => {
            out.push(b'[');
            each(reader, entry, |reader, index| {
                comma(index, out);
                write(reader, entry, out)
            })?;
            out.push(b']');
        }
        Shape::Map(entry) => {
            out.push(b'{');
            each(reader, entry, |reader, index| {
                comma(index, out);
                write_string(&reader.text()?, out);
                out.push(b':');
                write(reader, entry, out)
            })?;
            out.push(b'}');
        }
    }
    Ok(())
}

/// The entries of an array or a map, counted from 0.
fn each(
    reader: &mut Reader<'_>,
    entry: &Node,
    mut take: impl FnMut(&mut Reader<'_>, usize) -> Result<(), DatumError>,
) -> Result<(), DatumError> {
    let mut index = 0;
    while let Some(block) = reader.block()? {
        reader.spend(block.count, entry)?;
        for _ in 0..block.count {
            take(reader, index)?;
            index += 1;
        }
    }
    Ok(())
}

fn comma(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// Numbers and booleans look in JSON as they do in Rust, with exponents where they are shorter.
fn push(scalar: impl std::fmt::Debug, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{scalar:?}").as_bytes());
}

/// Jackson's word for a number that JSON has not.
fn word(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"{"type":"record","name":"R","fields":[
        {"name":"n","type":"null"},{"name":"b","type":"boolean"},{"name":"i","type":"long"},
        {"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"y","type":"bytes"},
        {"name":"x","type":{"type":"fixed","name":"F","size":2}},
        {"name":"s","type":["null","string"]},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
        {"name":"a","type":{"type":"array","items":"int"}},
        {"name":"m","type":{"type":"map","values":"int"}}]}"#;

    fn body() -> Vec<u8> {
        let mut body = vec![1, 0x0e];
        body.extend_from_slice(&1.5_f32.to_le_bytes());
        body.extend_from_slice(&f64::NEG_INFINITY.to_le_bytes());
        body.extend_from_slice(b"\x04\xff\x00\xff\x00\x02\x06\"\nx\x02");
        body.extend_from_slice(b"\x04\x02\x04\x00\x02\x02k\x02\x00");
        body
    }

    #[test]
    fn every_type_has_its_form() {
        let schema = WriterSchema::parse(ALL).unwrap();
        let mut out = b">".to_vec();

        schema.write_json(&body(), &mut out).unwrap();

        let expected = concat!(
            r#">{"n":null,"b":true,"i":7,"f":1.5,"d":"-Infinity","y":"/wA=","x":"/wA=","#,
            r#""s":"\"\nx","e":"B","a":[1,2],"m":{"k":1}}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn whatever_is_cut_off_or_too_long_leaves_nothing() {
        let schema = WriterSchema::parse(ALL).unwrap();
        let body = body();
        for end in 0..body.len() {
            let mut out = b">".to_vec();
            assert!(schema.write_json(&body[..end], &mut out).is_err(), "{end}");
            assert_eq!(out, b">");
        }
        let longer = [&body[..], b"\0"].concat();
        let error = schema.write_json(&longer, &mut Vec::new());
        assert_eq!(error, Err(DatumError::TrailingBytes { count: 1 }));
    }
}
