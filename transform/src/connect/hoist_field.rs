//! `HoistField`: the whole becomes the only field of a struct, or of an object without a schema.

use std::sync::Arc;

use schema::value::{Field, Schema, Value};

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::options::Options;
use crate::record::{Part, Record, Side};
use crate::schemas::{SchemaCache, nameless};

struct HoistField {
    side: Side,
    field: String,
    schemas: SchemaCache<Arc<Schema>>,
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let field = options.required("field")?;
    Ok(Box::new(HoistField { side, field, schemas: SchemaCache::default() }))
}

impl Transform for HoistField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        let value = std::mem::replace(&mut part.value, Value::Null);
        *part = match &part.schema {
            None => Part::free(Value::Map(vec![(Value::String(self.field.clone()), value)])),
            Some(schema) => {
                let hoist =
                    |old: &Schema| nameless(vec![Field::new(self.field.clone(), old.clone())]);
                Part::new(self.schemas.get(schema, hoist)?, Value::Struct(vec![value]))
            }
        };
        Ok(Some(record))
    }
}
