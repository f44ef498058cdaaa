//! What Kafka Connect's `JsonConverter` writes.
//!
//! With its schema (`schemas.enable`) a record is `{"schema": …, "payload": …}`. The schema becomes
//! the tree that an Avro schema would be, and the payload Avro bytes of it: so plans, ids and
//! semantic types are the same as for Avro, and there is one path for both.
//!
//! Without a schema (`schemaless`) a record is a document by itself, as it is.
//!
//! Every text is untrusted: nesting is bounded, and a record costs its length times its depth.
//! <https://github.com/apache/kafka/blob/4.1/connect/json/src/main/java/org/apache/kafka/connect/json/JsonConverter.java>

mod decimal;
mod encode;
mod error;
mod object;
mod schema;
mod schemaless;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

pub use decimal::unscaled;
pub use error::{JsonError, JsonProblem};
pub use schema::ConnectSchema;
pub use schemaless::{JsonKey, JsonRow};

/// Deepest nesting of a payload and of a schema: our choice, more than any table needs.
/// Elasticsearch itself maps 20 levels of objects.
const DEPTH_MAX: usize = 64;

/// A record with its schema.
#[derive(Debug, Clone, Copy)]
pub struct Enveloped<'a> {
    /// The text of the schema; `None` where it is null, as for a payload without one.
    pub schema: Option<&'a str>,
    /// The text of the payload.
    pub payload: &'a str,
}

impl<'a> Enveloped<'a> {
    /// Takes a record apart. Nothing but `schema` and `payload` may be in it.
    ///
    /// # Errors
    ///
    /// Returns [`JsonError`] when it is anything else.
    pub fn parse(text: &'a [u8]) -> Result<Self, JsonError> {
        let fields = object::fields(json_text(text)?)?;
        let (mut schema, mut payload) = (None, None);
        for (name, value) in fields.iter() {
            match name {
                "schema" => schema = Some(value),
                "payload" => payload = Some(value),
                _ => return Err(JsonError::whole(JsonProblem::NotEnveloped)),
            }
        }
        match (schema, payload) {
            (Some(schema), Some(payload)) => {
                let schema = Some(schema.get()).filter(|schema| *schema != "null");
                Ok(Self { schema, payload: payload.get() })
            }
            _ => Err(JsonError::whole(JsonProblem::NotEnveloped)),
        }
    }
}

/// The text of a record without a schema.
///
/// # Errors
///
/// Returns [`JsonError`] when it is not one JSON value, or nests too deep.
pub fn json_text(text: &[u8]) -> Result<&str, JsonError> {
    let text = str::from_utf8(text).map_err(|_| JsonError::whole(JsonProblem::NotUtf8))?;
    object::check_depth(text)?;
    let value: &RawValue = serde_json::from_str(text).map_err(|error| JsonError::syntax(&error))?;
    Ok(value.get())
}
