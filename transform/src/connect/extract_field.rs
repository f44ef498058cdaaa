//! `ExtractField`: a field becomes the whole.

use std::sync::Arc;

use schema::value::{Schema, Value};

use super::Transform;
use super::path::FieldPath;
use crate::error::{ConfigProblem, Exception, Failure};
use crate::java::{no_struct, require_map};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::SchemaCache;

const PURPOSE: &str = "field extraction";

struct ExtractField {
    side: Side,
    path: FieldPath,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let path = FieldPath::read(options)?;
    let defaults = options.defaults()?;
    Ok(Box::new(ExtractField { side, path, defaults, schemas: SchemaCache::default() }))
}

impl Transform for ExtractField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let Part { schema, value } = &*part;
        *part = match schema {
            None if *value == Value::Null => Part::NULL,
            None => {
                require_map(value, PURPOSE)?;
                Part::free(self.path.free_value(value)?)
            }
            Some(schema) => {
                if !matches!(value, Value::Struct(_) | Value::Null) {
                    return Err(no_struct(schema, value, PURPOSE));
                }
                let path = &self.path;
                let field = self.schemas.get(schema, |schema| {
                    let field = path.field(schema)?.ok_or_else(|| {
                        let message = format!("Unknown field: {}", path.text);
                        Failure::new(Exception::IllegalArgument, message)
                    })?;
                    Ok(Arc::new(field.schema.clone()))
                })?;
                Part::new(field, path.value(schema, value, self.defaults))
            }
        };
        Ok(Some(record))
    }
}
