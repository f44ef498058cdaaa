//! What a record's key says: the document's id, where it is routed to, and the key's columns.

use std::borrow::Cow;
use std::sync::Arc;

use schema::avro::WriterSchema;
use schema::connect_json::JsonKey;
use schema::plan::document::{DecodeError, IdPlan, PlanError, write_id};

use crate::config::DocumentsConfig;

/// The key of the record at hand. Its buffers are used again for the next one.
#[derive(Default)]
pub(super) struct Key {
    pub(super) id: String,
    routing: Option<String>,
}

impl Key {
    pub(super) fn routing(&self) -> Option<&str> {
        self.routing.as_deref()
    }

    /// Takes a key in JSON without a schema.
    pub(super) fn set_json(
        &mut self,
        prefix: &str,
        key: &JsonKey<'_>,
        config: &DocumentsConfig,
    ) -> Result<(), PlanError> {
        self.id.clear();
        key.write_id(prefix, &mut self.id);
        self.routing = match &config.routing {
            None => None,
            Some(column) => Some(key.column(column).ok_or_else(|| no_routing(column))?.to_owned()),
        };
        Ok(())
    }

    /// Takes a key that is a text.
    pub(super) fn set_text(
        &mut self,
        prefix: &str,
        text: &str,
        config: &DocumentsConfig,
    ) -> Result<(), PlanError> {
        self.id.clear();
        write_id(prefix, [Some(text)].into_iter(), &mut self.id);
        config.routing.as_ref().map_or(Ok(()), |column| Err(no_routing(column)))
    }
}

fn no_routing(column: &str) -> PlanError {
    PlanError::NotInKey { column: column.into(), setting: "index.routing.column" }
}

/// How to read the keys of one schema.
pub(super) struct KeyPlan {
    ids: IdPlan,
    /// Which column is the routing.
    routing: Option<usize>,
}

impl KeyPlan {
    pub(super) fn compile(
        schema: &WriterSchema,
        table: &str,
        config: &DocumentsConfig,
    ) -> Result<Self, PlanError> {
        let ids = IdPlan::of_schema(schema, &|column| config.fields.field(table, column))?;
        let routing = match &config.routing {
            None => None,
            Some(column) => Some(ids.position(column).ok_or_else(|| no_routing(column))?),
        };
        Ok(Self { ids, routing })
    }

    /// Reads a key. `prefix` is what its id begins with.
    pub(super) fn read(&self, prefix: &str, body: &[u8], key: &mut Key) -> Result<(), DecodeError> {
        key.id.clear();
        self.ids.run_after(prefix, body, &mut key.id)?;
        if let Some(column) = self.routing {
            let routing = key.routing.get_or_insert_default();
            routing.clear();
            self.ids.write_column(column, body, routing)?;
        }
        Ok(())
    }
}

/// The columns of a key that was read.
pub(super) enum KeyColumns<'r> {
    Avro {
        plan: Arc<KeyPlan>,
        body: Cow<'r, [u8]>,
    },
    Json(JsonKey<'r>),
    /// A value that is no row's columns.
    Nameless,
}

impl KeyColumns<'_> {
    /// Appends the text of a column, null as `%N`; `false` if there is no such column.
    pub(super) fn write_column(&self, name: &str, out: &mut String) -> Result<bool, DecodeError> {
        match self {
            Self::Avro { plan, body } => {
                let Some(position) = plan.ids.position(name) else { return Ok(false) };
                plan.ids.write_column(position, body, out)?;
                Ok(true)
            }
            Self::Json(key) => {
                let text = key.column(name);
                out.push_str(text.unwrap_or_default());
                Ok(text.is_some())
            }
            Self::Nameless => Ok(false),
        }
    }

    /// The columns as fields of a JSON object, without braces. They have been read before, so what
    /// fails here is two columns that have one name; the row's own record says so.
    pub(super) fn fields(&self, table: &str, config: &DocumentsConfig) -> Vec<u8> {
        let mut fields = Vec::new();
        let written = match self {
            Self::Avro { plan, body } => plan.ids.write_fields(body, &mut fields).is_ok(),
            Self::Json(key) => {
                let field = |column: &str| config.fields.field(table, column);
                key.write_fields(&field, &mut fields).is_ok()
            }
            Self::Nameless => true,
        };
        if !written {
            fields.clear();
        }
        fields
    }
}
