//! The binary form by a Connect schema: the way back from [`encode`](crate::avro::encode).

use super::{DatumError, Reader};
use crate::value::{Kind, Schema, Value};

/// Reads one value of a schema and nothing after it, as [`encode`](crate::avro::encode) wrote it.
///
/// # Errors
///
/// Returns [`DatumError`] when the bytes are not one value of this schema.
pub fn decode_value(schema: &Schema, body: &[u8]) -> Result<Value, DatumError> {
    let mut reader = Reader::new(body);
    let value = reader.typed(schema)?;
    match reader.remaining() {
        0 => Ok(value),
        count => Err(DatumError::TrailingBytes { count }),
    }
}

impl Reader<'_> {
    fn typed(&mut self, schema: &Schema) -> Result<Value, DatumError> {
        if schema.optional {
            let value_branch = i64::from(schema.default.is_none());
            match self.long()? {
                branch if branch == value_branch => {}
                0 | 1 => return Ok(Value::Null),
                _ => return Err(DatumError::UnknownBranch),
            }
        }
        Ok(match &schema.kind {
            Kind::Boolean => Value::Boolean(self.boolean()?),
            Kind::Int8 | Kind::Int16 | Kind::Int32 => {
                Value::Int32(i32::try_from(self.long()?).map_err(|_| DatumError::LongOverflow)?)
            }
            Kind::Int64 => Value::Int64(self.long()?),
            Kind::Float32 => Value::Float32(f32::from_le_bytes(self.array()?)),
            Kind::Float64 => Value::Float64(f64::from_le_bytes(self.array()?)),
            Kind::String => Value::String(self.text()?),
            Kind::Bytes => Value::Bytes(self.bytes()?.to_vec()),
            Kind::Array(entry) => {
                let mut entries = Vec::new();
                while let Some(block) = self.block()? {
                    for _ in 0..block.count {
                        entries.push(self.typed(entry)?);
                    }
                }
                Value::Array(entries)
            }
            Kind::Map(_, entry) => {
                let mut entries = Vec::new();
                while let Some(block) = self.block()? {
                    for _ in 0..block.count {
                        entries.push((Value::String(self.text()?), self.typed(entry)?));
                    }
                }
                Value::Map(entries)
            }
            Kind::Struct(fields) => Value::Struct(
                fields.iter().map(|field| self.typed(&field.schema)).collect::<Result<_, _>>()?,
            ),
        })
    }
}
