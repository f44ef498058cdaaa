//! Rules for the values of single columns: masks, hashes and truncation, as Debezium's
//! `column.mask.with…`, `column.mask.hash…` and `column.truncate.to…`.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Cell, ColumnPlan};
use crate::avro::put_bytes;
use crate::types::ValueError;
use crate::value::Value;

/// What is done to a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueRule {
    /// Text becomes so many stars, NULL too.
    Mask {
        /// Stars.
        stars: usize,
    },
    /// Text becomes its hash in hexadecimal digits.
    Hash {
        /// How it is computed.
        algorithm: HashAlgorithm,
        /// What goes before the text.
        salt: Vec<u8>,
        /// Whether the text's own bytes are hashed, and not Java's serialised form of it.
        plain: bool,
        /// Most digits: what the column has room for.
        length: Option<usize>,
    },
    /// A mask on a column that is not text: Debezium says so in the schema and writes the value.
    Ineffective,
    /// Text and bytes lose what is over a length.
    Truncate {
        /// What is kept.
        length: usize,
        /// Whether it counts UTF-16 units, as Java does, and not characters. Half a character
        /// becomes `?`.
        utf16: bool,
    },
}

/// How a hash is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// By Java's name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "MD5" => Self::Md5,
            "SHA-1" => Self::Sha1,
            "SHA-224" => Self::Sha224,
            "SHA-256" => Self::Sha256,
            "SHA-384" => Self::Sha384,
            "SHA-512" => Self::Sha512,
            _ => return None,
        })
    }

    fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hasher = D::new();
            parts.iter().for_each(|part| hasher.update(part));
            hasher.finalize().to_vec()
        }
        match self {
            Self::Md5 => run::<Md5>(parts),
            Self::Sha1 => run::<Sha1>(parts),
            Self::Sha224 => run::<Sha224>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha384 => run::<Sha384>(parts),
            Self::Sha512 => run::<Sha512>(parts),
        }
    }
}

impl ValueRule {
    /// The parameter that tells readers of the schema.
    pub(in crate::plan::record) fn parameter(&self) -> (&'static str, String) {
        match self {
            Self::Mask { .. } | Self::Hash { .. } | Self::Ineffective => {
                ("masked", "true".to_owned())
            }
            Self::Truncate { length, .. } => ("truncateLength", length.to_string()),
        }
    }

    /// What NULL becomes, if it does not stay.
    pub(in crate::plan::record) fn of_null(&self) -> Option<Value> {
        match self {
            Self::Mask { stars } => Some(Value::String("*".repeat(*stars))),
            Self::Hash { .. } | Self::Ineffective | Self::Truncate { .. } => None,
        }
    }

    /// The value as it is written.
    pub(in crate::plan::record) fn apply(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Mask { stars }, Value::String(_)) => Value::String("*".repeat(*stars)),
            (Self::Hash { algorithm, salt, plain, length }, Value::String(text)) => {
                let digest = if *plain {
                    algorithm.digest(&[salt, text.as_bytes()])
                } else {
                    algorithm.digest(&[salt, &java_serialised(&text)])
                };
                let mut digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                digits.truncate(length.unwrap_or(usize::MAX));
                Value::String(digits)
            }
            (Self::Truncate { length, utf16: true }, Value::String(text)) => {
                Value::String(truncated_utf16(&text, *length))
            }
            (Self::Truncate { length, utf16: false }, Value::String(text)) => {
                Value::String(text.chars().take(*length).collect())
            }
            (Self::Truncate { length, .. }, Value::Bytes(mut bytes)) => {
                bytes.truncate(*length);
                Value::Bytes(bytes)
            }
            (_, value) => value,
        }
    }

    pub(super) fn write(
        &self,
        column: &ColumnPlan,
        cell: impl Cell,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        let value = column.form.value(&cell.value(&column.read_as)?)?;
        let bytes = match self.apply(value) {
            Value::String(text) => text.into_bytes(),
            Value::Bytes(bytes) => bytes,
            Value::Null
            | Value::Boolean(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::Date(_)
            | Value::Struct(_) => return cell.write(column, out),
        };
        put_bytes(&bytes, out);
        Ok(())
    }
}

/// A string in the stream of Java's `ObjectOutputStream`: magic number, version, the mark of a
/// string, its length, its bytes (Java Object Serialization Specification, chapter 6). Up to 64 KiB
/// with two bytes of length, above with eight and another mark.
fn java_serialised(text: &str) -> Vec<u8> {
    const HEADER: [u8; 4] = [0xac, 0xed, 0, 5];
    const STRING: u8 = 0x74;
    const LONG_STRING: u8 = 0x7c;
    let mut stream = HEADER.to_vec();
    let body = modified_utf8(text);
    if let Ok(length) = u16::try_from(body.len()) {
        stream.push(STRING);
        stream.extend_from_slice(&length.to_be_bytes());
    } else {
        stream.push(LONG_STRING);
        stream.extend_from_slice(&u64::try_from(body.len()).unwrap_or(u64::MAX).to_be_bytes());
    }
    stream.extend_from_slice(&body);
    stream
}

/// Java's own UTF-8: each half of a surrogate pair on its own, and zero in two bytes.
fn modified_utf8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        match unit {
            0x01..=0x7f => bytes.push(low),
            0 | 0x80..=0x7ff => {
                bytes.extend_from_slice(&[0xc0 | high << 2 | low >> 6, 0x80 | low & 0x3f]);
            }
            _ => bytes.extend_from_slice(&[
                0xe0 | high >> 4,
                0x80 | (high & 0xf) << 2 | low >> 6,
                0x80 | low & 0x3f,
            ]),
        }
    }
    bytes
}

fn truncated_utf16(text: &str, length: usize) -> String {
    let units: Vec<u16> = text.encode_utf16().take(length).collect();
    char::decode_utf16(units).map(|unit| unit.unwrap_or('?')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value) -> String {
        let Value::String(text) = value else { panic!("a rule on text gives text") };
        text
    }

    /// From the recording of Debezium 3.6.3, connectors `mask_sha256` and `mask_v2_sha256`.
    #[test]
    fn hashes_are_debeziums() {
        let hash = |plain| {
            let rule = ValueRule::Hash {
                algorithm: HashAlgorithm::Sha256,
                salt: b"SALT".to_vec(),
                plain,
                length: Some(20),
            };
            text(rule.apply(Value::String("k2".to_owned())))
        };

        assert_eq!(hash(false), "46db624d06262ea4231d");
        assert_eq!(hash(true), "b19901c770e31e8e4bfc");
    }

    #[test]
    fn truncation_counts_characters_and_in_debeziums_way_java_units() {
        let cut = |utf16| {
            let rule = ValueRule::Truncate { length: 3, utf16 };
            text(rule.apply(Value::String("ab😀cd".to_owned())))
        };

        assert_eq!(cut(false), "ab😀");
        assert_eq!(cut(true), "ab?");
    }

    #[test]
    fn a_mask_hides_whether_there_was_a_value() {
        let mask = ValueRule::Mask { stars: 3 };

        assert_eq!(text(mask.apply(Value::String("secret".to_owned()))), "***");
        assert_eq!(mask.of_null(), Some(Value::String("***".to_owned())));
    }
}
