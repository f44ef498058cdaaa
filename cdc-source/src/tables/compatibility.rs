//! Schemas and the registry: whether it takes them, asked before the first row has a new form, and
//! also if none comes.

use std::time::Duration;

use schema::plan::record::RecordPlan;
use schema::registry::{RegistryError, SchemaId, SchemaKind};
use schema::table::TableId;
use tokio::time::Instant;

use super::Tables;
use crate::config::Incompatible;
use crate::error::SourceError;
use crate::snapshot::structure;

/// What is to be done about a schema that is not compatible.
const REMEDY: &str = "give the change a compatible form (a new column that is NOT NULL needs a \
     default in the schema), or set `schema.incompatible` to allow for the table, then resume it";

/// How long after its change a definition is looked at, however much there is to do: asking takes a
/// registry with many versions a while, and most tables have a row soon, which asks as well.
const FORESEE_AFTER: Duration = Duration::from_secs(5);

/// The ids of a table's schemas: of the key, if it has one, and of the value.
type Ids = (Option<SchemaId>, SchemaId);

impl Tables {
    /// Registers the schemas of a table. `None` if the registry refuses them, which parks the table.
    pub(super) async fn register(
        &mut self,
        table: &TableId,
        record: &RecordPlan,
    ) -> Result<Option<Ids>, SourceError> {
        let topic = record.topic();
        let key = match record.key_schema() {
            Some(key) => {
                let subject = self.registry.key_subject(topic, (SchemaKind::Avro, key));
                let Some(id) = self.register_one(table, &subject, key).await? else {
                    return Ok(None);
                };
                Some(id)
            }
            None => None,
        };
        let schema = (SchemaKind::Avro, record.value_schema());
        let subject = self.registry.value_subject(topic, schema);
        let value = self.register_one(table, &subject, record.value_schema()).await?;
        Ok(value.map(|value| (key, value)))
    }

    async fn register_one(
        &mut self,
        table: &TableId,
        subject: &str,
        schema: &str,
    ) -> Result<Option<SchemaId>, SourceError> {
        if let Some(drafts) = &self.drafts {
            return Ok(Some(drafts.schema(schema)));
        }
        let mut registered = self.registry.register(subject, schema).await;
        if matches!(registered, Err(RegistryError::Incompatible { .. }))
            && self.config.incompatible.of(table) == Incompatible::Allow
        {
            tracing::warn!(
                table = %table,
                subject,
                "a schema is not compatible with its subject, whose compatibility is set to NONE"
            );
            self.registry.allow_all(subject).await?;
            registered = self.registry.register(subject, schema).await;
        }
        match registered {
            Ok(id) => Ok(Some(id)),
            Err(error @ RegistryError::Incompatible { .. }) => {
                self.incompatible(table, &schema::fault::chain(&error))?;
                Ok(None)
            }
            Err(
                error @ (RegistryError::Refused { .. }
                | RegistryError::NotRegistered { .. }
                | RegistryError::NotLatest { .. }),
            ) => {
                self.park(table, &schema::fault::chain(&error));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A table's definition has changed: unless a row asks the registry before, it will be asked.
    pub(crate) fn will_foresee(&mut self, table: &TableId) {
        // What the registry gets is made of it record by record.
        if self.drafts.is_none() && self.config.incompatible.of(table) != Incompatible::Allow {
            self.unforeseen.insert(table.clone(), Instant::now());
        }
    }

    /// A table about whose definition the registry is to be asked now: when the stream has nothing
    /// else to do, or some time after the change.
    pub(crate) fn next_to_foresee(&mut self, is_idle: bool) -> Option<TableId> {
        let is_due = |since: &Instant| is_idle || since.elapsed() >= FORESEE_AFTER;
        let table = self.unforeseen.iter().find(|(_, since)| is_due(since))?.0.clone();
        self.unforeseen.remove(&table);
        (self.offsets.contains_key(&table) && !self.is_parked(&table)).then_some(table)
    }

    /// Asks the registry whether it will take a table's definition as it is now. Nothing is
    /// registered: a definition between this one and the stream's place comes first.
    pub(crate) async fn foresee(&mut self, table: &TableId) -> Result<(), SourceError> {
        let declared = structure::read(self.connection().await?, table, None).await?;
        // What cannot be converted or compiled is judged when a row has it.
        let Ok(structure) = declared else { return Ok(()) };
        if structure.schema.columns.is_empty() {
            return Ok(());
        }
        let Ok((record, _)) = self.compile(&structure.schema) else { return Ok(()) };
        let topic = record.topic();
        let of_value = (SchemaKind::Avro, record.value_schema());
        let value = (self.registry.value_subject(topic, of_value), record.value_schema());
        let key = record
            .key_schema()
            .map(|key| (self.registry.key_subject(topic, (SchemaKind::Avro, key)), key));
        for (subject, schema) in key.into_iter().chain([value]) {
            if let Some(reason) = self.registry.objection(&subject, schema).await? {
                let reason = format!("its definition was changed, but {reason}");
                return self.incompatible(table, &reason);
            }
        }
        Ok(())
    }

    fn incompatible(&mut self, table: &TableId, reason: &str) -> Result<(), SourceError> {
        match self.config.incompatible.of(table) {
            Incompatible::Park | Incompatible::Allow => {
                self.park_with(table, reason, Some(REMEDY));
                Ok(())
            }
            Incompatible::Halt => Err(SourceError::Incompatible {
                table: table.to_string(),
                reason: reason.to_owned(),
            }),
        }
    }
}
