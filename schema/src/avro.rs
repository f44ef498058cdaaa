//! Avro as Confluent's converter writes it: the schema's text, the binary form, the wire format.

mod derive;
mod encode;

pub(crate) use derive::INSTANT;
pub use derive::{SchemaStyle, schema_text};
pub use encode::{EncodeError, encode, put_bytes, put_count, put_long};

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
