//! Connect's data as the text of a schema for the registry and the bytes behind its id.

use std::sync::Arc;

use schema::value::{Schema, Value};

use crate::error::FormatError;
use crate::json_schema::{self, JsonSchemaOptions};
use crate::protobuf::{self, ProtobufOptions};

/// A format with its converter's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `io.confluent.connect.protobuf.ProtobufConverter`.
    Protobuf(ProtobufOptions),
    /// `io.confluent.connect.json.JsonSchemaConverter`.
    JsonSchema(JsonSchemaOptions),
}

impl Format {
    /// Makes ready to write values of a schema, which is done once for each.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when the format has no such schema.
    pub fn prepare(self, schema: &Arc<Schema>) -> Result<Prepared, FormatError> {
        let plan = match self {
            Self::Protobuf(options) => Plan::Protobuf(protobuf::Plan::new(schema, options)?),
            Self::JsonSchema(options) => {
                Plan::JsonSchema(json_schema::write::text(schema, options)?.into(), options)
            }
        };
        Ok(Prepared { plan, schema: Arc::clone(schema) })
    }

    /// The same for a schema that the registry has already, as with `use.latest.version`: values are
    /// written as that one has them. `imports` are the texts of what it refers to, by name.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when the schemas do not fit each other.
    pub fn prepare_for(
        self,
        schema: &Arc<Schema>,
        text: &str,
        imports: &[(String, Arc<str>)],
    ) -> Result<Prepared, FormatError> {
        let plan = match self {
            Self::Protobuf(options) => {
                let given = (text, imports);
                Plan::Protobuf(protobuf::Plan::of_text(schema, options, given)?)
            }
            // The text of a value is the same, whatever the schema says of it.
            Self::JsonSchema(options) => Plan::JsonSchema(text.into(), options),
        };
        Ok(Prepared { plan, schema: Arc::clone(schema) })
    }
}

/// Writes values of one schema.
pub struct Prepared {
    plan: Plan,
    schema: Arc<Schema>,
}

enum Plan {
    Protobuf(protobuf::Plan),
    JsonSchema(Arc<str>, JsonSchemaOptions),
}

impl Prepared {
    /// The text to register. It refers to no other schema of the registry.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.plan {
            Plan::Protobuf(plan) => plan.text(),
            Plan::JsonSchema(text, _) => text,
        }
    }

    /// Appends what stands behind [`crate::frame::header`].
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when it is no value of the schema; `out` is then as it was.
    pub fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match &self.plan {
            Plan::Protobuf(plan) => plan.write(&self.schema, value, out),
            Plan::JsonSchema(_, options) => {
                let json = json_schema::write_value::text(&self.schema, value, *options)?;
                out.extend_from_slice(json.as_bytes());
                Ok(())
            }
        }
    }
}

/// A value with its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text to register.
    pub schema: String,
    /// What stands behind its id.
    pub body: Vec<u8>,
}

/// Writes one value. For many of one schema, [`Format::prepare`] once.
///
/// # Errors
///
/// Returns [`FormatError`] when the format has no such schema, or the value is not of it.
pub fn write(format: Format, schema: &Arc<Schema>, value: &Value) -> Result<Written, FormatError> {
    let prepared = format.prepare(schema)?;
    let mut body = Vec::new();
    prepared.write(value, &mut body)?;
    Ok(Written { schema: prepared.text().to_owned(), body })
}
