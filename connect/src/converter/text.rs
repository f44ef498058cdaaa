//! Records whose value is one text: Kafka Connect's `Schema.STRING_SCHEMA`, and whatever else there
//! is, as a text.

use std::borrow::Cow;
use std::collections::HashMap;

use schema::avro::{Datum, DatumError, SchemaError, WriterSchema, put_bytes};
use schema::connect_json::{Enveloped, JsonError, json_text};
use schema::fault::{Disposition, Fault};
use schema::registry::{Registry, RegistryConfig, RegistryError, SchemaId};

use transform::JsonProblem;

use super::Converter;

/// The Avro schema of a text that is always there, as Confluent's converter registers it.
const AVRO_TEXT: &str = r#""string""#;

/// What comes before a text that has its schema beside it, in `JsonConverter`'s order of fields.
const JSON_TEXT: &[u8] = br#"{"schema":{"type":"string","optional":false},"payload":"#;

/// The registry's frame begins with it.
const MAGIC: u8 = 0;

/// Most schemas that are kept. With more than that they are asked for again.
const SCHEMAS_MAX: usize = 1_000;

/// Makes bytes of texts, as a converter does of Kafka Connect's strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoder {
    /// A string of this schema, with the registry's frame.
    Avro(SchemaId),
    /// A JSON text.
    Json {
        /// Whether its schema comes with it.
        schemas: bool,
    },
    /// The text.
    Text,
    /// The same bytes, which need not be a text.
    Bytes,
}

/// Bytes that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not UTF-8")]
pub struct NotUtf8;

impl TextEncoder {
    /// Prepares a converter; Avro's schema is registered under `subject`.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked or refuses the schema.
    pub async fn start(
        converter: Converter,
        registry: &RegistryConfig,
        subject: &str,
    ) -> Result<Self, RegistryError> {
        Ok(match converter {
            Converter::Avro => {
                let registry = Registry::new(registry)?;
                Self::Avro(registry.register(subject, AVRO_TEXT).await?)
            }
            Converter::Json { schemas } => Self::Json { schemas },
            // Settings refuse it for lines.
            Converter::Registered(_) | Converter::Text => Self::Text,
            Converter::Bytes => Self::Bytes,
        })
    }

    /// Appends the bytes of a text.
    ///
    /// # Errors
    ///
    /// Returns [`NotUtf8`] when it is none; `out` is then as it was.
    pub fn push(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotUtf8> {
        if self != Self::Bytes && str::from_utf8(text).is_err() {
            return Err(NotUtf8);
        }
        match self {
            Self::Avro(id) => {
                out.push(MAGIC);
                out.extend_from_slice(&id.0.to_be_bytes());
                put_bytes(text, out);
            }
            Self::Json { schemas: true } => {
                out.extend_from_slice(JSON_TEXT);
                push_json_string(text, out);
                out.push(b'}');
            }
            Self::Json { schemas: false } => push_json_string(text, out),
            Self::Text | Self::Bytes => out.extend_from_slice(text),
        }
        Ok(())
    }
}

/// Appends a JSON string with the escapes of Jackson, which writes for `JsonConverter`: its hex digits
/// are capitals. So a topic has the same bytes, whoever wrote it.
fn push_json_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.reserve(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => {
                out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    digit(byte >> 4),
                    digit(byte & 15),
                ]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Makes texts of values' bytes. What is no text by its schema becomes JSON.
pub struct TextDecoder {
    converter: Converter,
    /// Where Avro's schemas are; other converters need none.
    registry: Option<Registry>,
    schemas: HashMap<SchemaId, WriterSchema>,
}

impl TextDecoder {
    /// Prepares a converter. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry's settings do not make a client.
    pub fn new(converter: Converter, registry: &RegistryConfig) -> Result<Self, RegistryError> {
        let registry = match converter {
            Converter::Avro => Some(Registry::new(registry)?),
            Converter::Json { .. }
            | Converter::Registered(_)
            | Converter::Text
            | Converter::Bytes => None,
        };
        Ok(Self { converter, registry, schemas: HashMap::new() })
    }

    /// Appends the text of a value: a text as it is, bytes as they are, anything else as JSON on one
    /// line, and `null` where there is no value.
    ///
    /// # Errors
    ///
    /// Returns [`TextError`] when the value is not what the converter says, or the registry cannot
    /// be asked. `out` is then as it was.
    pub async fn push(&mut self, value: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), TextError> {
        let Some(value) = value else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        match self.converter {
            Converter::Registered(_) | Converter::Text | Converter::Bytes => {
                out.extend_from_slice(value);
            }
            Converter::Json { schemas: true } => {
                push_json(Enveloped::parse(value)?.payload, out);
            }
            Converter::Json { schemas: false } => push_json(json_text(value)?, out),
            Converter::Avro => self.push_avro(value, out).await?,
        }
        Ok(())
    }

    async fn push_avro(&mut self, value: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
        let Some(([MAGIC, id @ ..], body)) = value.split_first_chunk::<5>() else {
            return Err(TextError::NotFramed);
        };
        let id = SchemaId(u32::from_be_bytes(*id));
        let schema = self.schema(id).await?;
        match schema.decode(body)? {
            Datum::String(text) | Datum::Symbol(text) => out.extend_from_slice(text.as_bytes()),
            Datum::Bytes(bytes) => out.extend_from_slice(&bytes),
            Datum::Null
            | Datum::Boolean(_)
            | Datum::Long(_)
            | Datum::Float(_)
            | Datum::Double(_)
            | Datum::Array(_)
            | Datum::Map(_)
            | Datum::Record(_) => schema.write_json(body, out)?,
        }
        Ok(())
    }

    async fn schema(&mut self, id: SchemaId) -> Result<&WriterSchema, TextError> {
        if self.schemas.len() >= SCHEMAS_MAX && !self.schemas.contains_key(&id) {
            self.schemas.clear();
        }
        match self.schemas.entry(id) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let registry = self.registry.as_ref().ok_or(TextError::NotFramed)?;
                let text = registry.schema(id).await?;
                let parsed = WriterSchema::parse(&text)
                    .map_err(|source| TextError::Schema { id: id.0, source })?;
                Ok(place.insert(parsed))
            }
        }
    }
}

/// Appends one JSON value: a string as what it says, anything else as it is.
fn push_json(json: &str, out: &mut Vec<u8>) {
    if let Ok(text) = serde_json::from_str::<String>(json) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    // Between values there may be line breaks; inside a string there are none.
    out.extend(json.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
}

/// A value is not what its converter says, or its schema cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// Not the JSON that the settings say.
    #[error("value is not what `value.converter` says")]
    Json(#[from] JsonError),
    /// Not the registry's frame.
    #[error(
        "value does not begin with the frame of a schema registry, a zero byte and a schema id"
    )]
    NotFramed,
    /// The registry does not have the schema, or cannot be asked.
    #[error("schema of the value could not be read")]
    Registry(#[from] RegistryError),
    /// The registry's schema is none.
    #[error("schema {id} of the registry cannot be used")]
    Schema {
        /// Its number.
        id: u32,
        /// Why.
        #[source]
        source: SchemaError,
    },
    /// The bytes do not fit their schema.
    #[error("value {0}")]
    Datum(#[from] DatumError),
    /// The JSON does not fit its schema.
    #[error("value {0}")]
    Data(JsonProblem),
    /// A text that is none.
    #[error("value is no JSON")]
    NotJson,
}

impl Fault for TextError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Registry(error) => error.disposition(),
            Self::Json(_)
            | Self::NotFramed
            | Self::Schema { .. }
            | Self::Datum(_)
            | Self::Data(_)
            | Self::NotJson => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Registry(error) => error.hint(),
            Self::Json(error) => error.hint(),
            Self::NotFramed
            | Self::Schema { .. }
            | Self::Datum(_)
            | Self::Data(_)
            | Self::NotJson => Some(Cow::Borrowed(
                "set `value.converter` to what the writer of the topic has, or find out who wrote \
                 this record",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn encoded(encoder: TextEncoder, text: &[u8]) -> Vec<u8> {
        let mut out = b">".to_vec();
        encoder.push(text, &mut out).unwrap();
        out.split_off(1)
    }

    fn nowhere() -> RegistryConfig {
        RegistryConfig {
            urls: Vec::new(),
            timeout: Duration::from_secs(1),
            ..RegistryConfig::default()
        }
    }

    async fn decoded(converter: Converter, value: Option<&[u8]>) -> Result<String, String> {
        let mut decoder = TextDecoder::new(converter, &nowhere()).unwrap();
        let mut out = b">".to_vec();
        let ended = decoder.push(value, &mut out).await;
        let text = String::from_utf8(out.split_off(1)).unwrap();
        match ended {
            Ok(()) => Ok(text),
            Err(error) => {
                assert_eq!(text, "", "nothing is left of a value that is none");
                Err(schema::fault::chain(&error))
            }
        }
    }

    #[test]
    fn bytes_are_those_of_kafka_connects_converters() {
        let with = TextEncoder::Json { schemas: true };
        assert_eq!(
            encoded(with, b"foo"),
            br#"{"schema":{"type":"string","optional":false},"payload":"foo"}"#
        );
        let without = TextEncoder::Json { schemas: false };
        let odd = "\u{8}\t\u{c}\r\u{1f}\u{7f}\"\\/ä€😀";
        assert_eq!(encoded(without, b""), b"\"\"");
        assert_eq!(
            encoded(without, odd.as_bytes()),
            "\"\\b\\t\\f\\r\\u001F\u{7f}\\\"\\\\/ä€😀\"".as_bytes()
        );
        assert_eq!(encoded(TextEncoder::Avro(SchemaId(258)), b"foo"), b"\0\0\0\x01\x02\x06foo");
        assert_eq!(encoded(TextEncoder::Text, b"foo"), b"foo");
        assert_eq!(encoded(TextEncoder::Bytes, b"\xff"), b"\xff");
    }

    #[test]
    fn what_is_no_text_is_refused_but_as_bytes() {
        for encoder in [TextEncoder::Text, TextEncoder::Json { schemas: true }] {
            let mut out = b"x".to_vec();
            assert_eq!(encoder.push(b"a\xff", &mut out), Err(NotUtf8));
            assert_eq!(out, b"x");
        }
    }

    #[tokio::test]
    async fn a_text_is_itself_and_anything_else_is_json_on_one_line() {
        let (with, without) =
            (Converter::Json { schemas: true }, Converter::Json { schemas: false });
        for (converter, value, expected) in [
            (with, r#"{"schema":{"type":"string"},"payload":"a\nb\u00e4"}"#, "a\nbä"),
            (with, r#"{"schema":null,"payload":null}"#, "null"),
            (with, "{\"payload\":{\"n\":\n1.50},\"schema\":null}", "{\"n\": 1.50}"),
            (without, "\"x\"", "x"),
            (without, "[1,\r\n2]", "[1,  2]"),
            (Converter::Text, "x", "x"),
            (Converter::Bytes, "{", "{"),
        ] {
            let found = decoded(converter, Some(value.as_bytes())).await;
            assert_eq!(found.as_deref(), Ok(expected), "{value}");
        }
        assert_eq!(decoded(with, None).await.as_deref(), Ok("null"));
    }

    #[tokio::test]
    async fn what_the_converter_does_not_say_is_refused() {
        let with = Converter::Json { schemas: true };
        for (converter, value, expected) in [
            (with, "\"x\"", "value is not what `value.converter` says"),
            (Converter::Json { schemas: false }, "x", "is not one JSON value"),
            (Converter::Avro, "x", "does not begin with the frame"),
        ] {
            let error = decoded(converter, Some(value.as_bytes())).await.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
