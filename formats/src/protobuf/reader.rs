//! Records of one schema of the registry.

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor};
use schema::value::{Schema, Value};

use super::read::SchemaReader;
use super::value::ValueReader;
use super::{ProtobufOptions, descriptor};
use crate::error::FormatError;
use crate::frame;

/// Most messages of one schema that are remembered: a topic has one or a few of them.
const MESSAGES_MAX: usize = 1_000;

/// Reads the records of one schema.
pub struct Reader {
    options: ProtobufOptions,
    file: FileDescriptor,
    messages: HashMap<Vec<usize>, (MessageDescriptor, Arc<Schema>)>,
}

impl Reader {
    /// Prepares for a schema. `imports` are the texts of what it refers to in the registry, by the
    /// names that it imports them by.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when it is no Protobuf schema.
    pub fn new(
        options: ProtobufOptions,
        text: &str,
        imports: &[(String, Arc<str>)],
    ) -> Result<Self, FormatError> {
        let file = descriptor::compile(text, imports)?;
        Ok(Self { options, file, messages: HashMap::new() })
    }

    /// Reads what stands behind the schema's id.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError`] when it is not one message of this schema.
    pub fn read(&mut self, body: &[u8]) -> Result<(Arc<Schema>, Value), FormatError> {
        let (path, body) = frame::take_path(body)?;
        if !self.messages.contains_key(&path) {
            let message = descriptor::message(&self.file, &path)?;
            let schema = SchemaReader::new(self.options).record(&message)?;
            if self.messages.len() >= MESSAGES_MAX {
                self.messages.clear();
            }
            self.messages.insert(path.clone(), (message, Arc::new(schema)));
        }
        let Some((message, schema)) = self.messages.get(&path) else {
            return Err(FormatError::record("names a message that its schema does not have"));
        };
        // The error of the decoder names fields, never values.
        let message = DynamicMessage::decode(message.clone(), body).map_err(|error| {
            FormatError::record(format!("is not a message of its schema: {error}"))
        })?;
        let value = ValueReader { options: self.options }.record(schema, &message)?;
        Ok((Arc::clone(schema), value))
    }
}
