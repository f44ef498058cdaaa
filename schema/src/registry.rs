//! Schema ids: what the registry says, remembered.
//!
//! The cache is ours because the one of `schema_registry_converter` is keyed by the subject alone
//! and therefore never registers a second version (ADR 0001).

mod client;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use client::{RegistryConfig, RegistryError};

/// The id under which the registry keeps a schema, as it stands in each record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

/// A registry client that asks once for each schema and once for each id.
///
/// The caches are bounded by what tables and topics exist: one entry for a table version.
#[derive(Debug)]
pub struct Registry {
    client: client::Client,
    ids: Mutex<HashMap<(String, String), SchemaId>>,
    schemas: Mutex<HashMap<SchemaId, Arc<str>>>,
}

impl Registry {
    /// Prepares the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the settings do not make a client.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        Ok(Self {
            client: client::Client::new(config)?,
            ids: Mutex::default(),
            schemas: Mutex::default(),
        })
    }

    /// Registers an Avro schema under a subject, or finds it there.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked or refuses the schema.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        let key = (subject.to_owned(), schema.to_owned());
        if let Some(id) = lock(&self.ids).get(&key) {
            return Ok(*id);
        }
        let id = self.client.register(subject, schema).await?;
        lock(&self.ids).insert(key, id);
        Ok(id)
    }

    /// Why the subject would not take a schema as its next version; nothing if it would, or has it.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked.
    pub async fn objection(
        &self,
        subject: &str,
        schema: &str,
    ) -> Result<Option<String>, RegistryError> {
        let key = (subject.to_owned(), schema.to_owned());
        if lock(&self.ids).contains_key(&key) {
            return Ok(None);
        }
        self.client.objection(subject, schema).await
    }

    /// Sets a subject's compatibility to `NONE`: it takes any schema from then on.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked or does not do it.
    pub async fn allow_all(&self, subject: &str) -> Result<(), RegistryError> {
        self.client.allow_all(subject).await
    }

    /// Whether the registry takes schemas: `READWRITE`, `READONLY` and others; none if it has no
    /// modes.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked.
    pub async fn mode(&self) -> Result<Option<String>, RegistryError> {
        self.client.mode().await
    }

    /// The text of a subject's latest schema; none if there is no such subject. Not remembered.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked.
    pub async fn latest(&self, subject: &str) -> Result<Option<String>, RegistryError> {
        self.client.latest(subject).await
    }

    /// The text of the Avro schema with this id.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked or does not know the id.
    pub async fn schema(&self, id: SchemaId) -> Result<Arc<str>, RegistryError> {
        if let Some(schema) = lock(&self.schemas).get(&id) {
            return Ok(Arc::clone(schema));
        }
        let schema: Arc<str> = self.client.schema(id).await?.into();
        lock(&self.schemas).insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

/// A map that is only read and inserted into is whole even after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
