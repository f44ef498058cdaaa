//! `SetSchemaMetadata`: another name or version of the schema.

use std::sync::Arc;

use schema::value::Schema;

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::options::Options;
use crate::record::{Record, Side};
use crate::schemas::{SchemaCache, fields_of};

struct SetSchemaMetadata {
    side: Side,
    name: Option<String>,
    version: Option<u32>,
    schemas: SchemaCache<Arc<Schema>>,
}

pub(super) fn make(
    side: Side,
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let name = options.text("schema.name");
    let version = options.text("schema.version").map(|text| {
        let number = text.parse::<u32>();
        number.map_err(|_| options.invalid("schema.version", &text, "Not a number of type INT"))
    });
    let version = version.transpose()?;
    options.defaults()?;
    if name.is_none() && version.is_none() {
        let problem = "Neither schema name nor version configured";
        return Err(options.problem("schema.name", problem));
    }
    Ok(Box::new(SetSchemaMetadata { side, name, version, schemas: SchemaCache::default() }))
}

impl Transform for SetSchemaMetadata {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let part = self.side.of_mut(&mut record);
        match &part.schema {
            None if part.is_null() => {}
            None => {
                return Err(Failure::data("Schema required for [updating schema metadata]"));
            }
            Some(schema) => {
                let (name, version) = (&self.name, self.version);
                part.schema = Some(self.schemas.get(schema, |old| {
                    // Connect's own only takes structs.
                    fields_of(old)?;
                    Ok(Arc::new(Schema {
                        name: name.clone().or_else(|| old.name.clone()),
                        version: version.or(old.version),
                        ..old.clone()
                    }))
                })?);
            }
        }
        Ok(Some(record))
    }
}
