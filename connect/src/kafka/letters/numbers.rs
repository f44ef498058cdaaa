//! The Lsn of a record that has it in its value, as all have that rowcast's source writes: only
//! tombstones have it in a header.

use std::collections::HashMap;

use schema::fault::chain;
use schema::plan::document::{DocumentOptions, DocumentPlan};
use schema::registry::{Registry, RegistryError, SchemaId};
use tokio::runtime::Handle;

use crate::config::WorkerConfig;

/// Reads values by their schemas.
///
/// Bounded by how many versions the tables have had: one plan for each.
pub(super) struct Numbers {
    /// None if it could not be asked, once.
    registry: Option<Registry>,
    runtime: Handle,
    plans: HashMap<SchemaId, Option<DocumentPlan>>,
    /// Reused for each document, which nobody looks at.
    document: Vec<u8>,
}

impl Numbers {
    /// For a thread that may be blocked, within the runtime.
    pub(super) fn new(worker: &WorkerConfig) -> Self {
        let (plans, document) = (HashMap::new(), Vec::new());
        let mut this = Self { registry: None, runtime: Handle::current(), plans, document };
        match Registry::new(&worker.registry) {
            Ok(registry) => this.registry = Some(registry),
            Err(error) => this.give_up(&error),
        }
        this
    }

    /// Nothing if the value has none, or cannot be understood.
    pub(super) fn of(&mut self, value: &[u8]) -> Option<String> {
        let ([0, id @ ..], body) = value.split_first_chunk::<5>()? else { return None };
        let id = SchemaId(u32::from_be_bytes(*id));
        if !self.plans.contains_key(&id) {
            let plan = self.plan(id)?;
            self.plans.insert(id, plan);
        }
        self.document.clear();
        let row = self.plans.get(&id)?.as_ref()?.run(body, &mut self.document).ok()?;
        row.lsn.map(|lsn| lsn.to_string())
    }

    /// `Some(None)` if the schema makes no documents, nothing if nobody tells it.
    fn plan(&mut self, id: SchemaId) -> Option<Option<DocumentPlan>> {
        let registry = self.registry.as_ref()?;
        match self.runtime.block_on(registry.schema(id)) {
            Ok(text) => Some(DocumentPlan::compile(&text, DocumentOptions::default()).ok()),
            Err(RegistryError::Refused { .. }) => Some(None),
            Err(error) => {
                self.give_up(&error);
                None
            }
        }
    }

    fn give_up(&mut self, error: &RegistryError) {
        self.registry = None;
        tracing::warn!(
            error = chain(error),
            hint =
                "correct `schema.registry.url` or start the registry, and give the command again",
            "the registry cannot be asked, so dead letters are taken to have no lsn"
        );
    }
}
