//! Records of one schema of the registry.

use std::sync::Arc;

use schema::connect_json::json_text;
use schema::value::{Schema, Value};
use serde_json::Value as Json;

use super::read::SchemaReader;
use super::resolve::Documents;
use super::{JsonSchemaOptions, value};
use crate::error::FormatError;

/// Reads the records of one schema.
pub struct Reader {
    schema: Arc<Schema>,
}

impl Reader {
    /// Prepares for a schema. `imports` are the texts of what it refers to in the registry, by the
    /// names that it refers to them by.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when it is no JSON Schema, or none that Connect has data for.
    pub fn new(
        options: JsonSchemaOptions,
        text: &str,
        imports: &[(String, Arc<str>)],
    ) -> Result<Self, FormatError> {
        let mut documents = vec![(String::new(), parse(text)?)];
        for (name, text) in imports {
            documents.push((name.clone(), parse(text).map_err(|error| error.within(name))?));
        }
        let documents = Documents(documents);
        let schema = SchemaReader::new(&documents, options).record()?;
        Ok(Self { schema: Arc::new(schema) })
    }

    /// The schema of all records.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Reads what stands behind the schema's id.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when it is not one value of this schema.
    pub fn read(&self, body: &[u8]) -> Result<Value, FormatError> {
        // The error names a line and a column, never a value.
        let text = json_text(body).map_err(|error| FormatError::record(error.to_string()))?;
        value::of_text(&self.schema, text)
    }
}

fn parse(text: &str) -> Result<Json, FormatError> {
    let wrong = |error: &dyn std::fmt::Display| FormatError::schema(format!("is no JSON: {error}"));
    let text = json_text(text.as_bytes()).map_err(|error| wrong(&error))?;
    serde_json::from_str(text).map_err(|error| wrong(&error))
}
