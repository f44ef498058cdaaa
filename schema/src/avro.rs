//! Avro as Confluent's converter writes it: the schema's text, the binary form both ways, the wire
//! format.

mod connect;
mod decode;
mod derive;
mod encode;
mod error;
mod parse_back;
mod writer;

pub(crate) use connect::schema as connect_type;
pub use decode::{Datum, DatumError, WriterSchema, decode_value};
pub(crate) use decode::{Reader, VALUES_MAX};
pub(crate) use derive::INSTANT;
pub use derive::{SchemaStyle, java_decimal, schema_text};
pub use encode::{EncodeError, encode, put_bytes, put_count, put_long};
pub use error::SchemaError;
pub use parse_back::schema_of_text;
pub(crate) use writer::{Field, Node, Semantics, Shape};

use crate::registry::SchemaId;

/// First byte of a record in Confluent's wire format.
pub const MAGIC: u8 = 0;

/// Length of what stands before the Avro bytes: the magic byte and the id, big-endian.
pub const FRAME_BYTES: usize = 5;

/// What stands before the Avro bytes of a record.
#[must_use]
pub fn frame(id: SchemaId) -> [u8; FRAME_BYTES] {
    let [a, b, c, d] = id.0.to_be_bytes();
    [MAGIC, a, b, c, d]
}
