//! Schema ids: what the registry says, remembered.
//!
//! Client and cache are ours (ADR 0117): the crates for it keep what is asked for by the subject
//! alone, and know neither several addresses with certificates nor what `normalize` is.

mod bearer;
mod client;
mod config;
mod error;
mod subject;
mod tls;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use bearer::{BearerConfig, IssuerConfig, TokenSource};
pub use config::{Registering, RegistryConfig, TlsFiles};
pub use error::{Answer, RegistryError};
pub use subject::{Strategy, record_name};

/// The id under which the registry keeps a schema, as it stands in each record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

/// The language of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// Avro.
    Avro,
    /// Protobuf.
    Protobuf,
    /// JSON Schema.
    Json,
}

impl SchemaKind {
    /// What the registry calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Protobuf => "PROTOBUF",
            Self::Json => "JSON",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Avro, Self::Protobuf, Self::Json].into_iter().find(|kind| kind.name() == name)
    }
}

/// A schema of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its language.
    pub kind: SchemaKind,
    /// Its text.
    pub text: Arc<str>,
    /// What it refers to: name, subject, version.
    references: Vec<(String, String, i64)>,
    /// The texts of what it refers to, and of what these do, by the names that they are referred to
    /// by.
    pub imports: Vec<(String, Arc<str>)>,
}

/// Most schemas that one refers to, those that these refer to included: our choice.
const IMPORTS_MAX: usize = 256;

/// A registry client that asks once for each schema and once for each id.
///
/// The caches are bounded by what tables and topics exist: one entry for a table version.
#[derive(Debug)]
pub struct Registry {
    client: client::Client,
    ids: Mutex<HashMap<(String, String), SchemaId>>,
    schemas: Mutex<HashMap<SchemaId, Arc<Registered>>>,
    config: RegistryConfig,
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
            config: config.clone(),
        })
    }

    /// The id of an Avro schema under a subject, come by as the settings say: it is registered, or
    /// has to be there.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked, refuses the schema, or does not
    /// have it where it has to.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        self.identify(subject, (SchemaKind::Avro, schema)).await.map(|(id, _)| id)
    }

    /// The same for a schema of any language. With `use.latest.version` it is the subject's latest
    /// schema, by which records of Protobuf then have to be written, so that one comes along.
    ///
    /// # Errors
    ///
    /// As [`Self::register`].
    pub async fn identify(
        &self,
        subject: &str,
        schema: (SchemaKind, &str),
    ) -> Result<(SchemaId, Option<Arc<Registered>>), RegistryError> {
        let Registering { auto, use_latest, .. } = self.config.registering;
        if !auto && use_latest {
            return self.latest_for(subject, schema).await;
        }
        let key = (subject.to_owned(), schema.1.to_owned());
        if let Some(id) = lock(&self.ids).get(&key) {
            return Ok((*id, None));
        }
        let id = if auto {
            self.client.register(subject, schema).await?
        } else {
            let found = self.client.look_up(subject, schema).await?;
            let what = || format!("subject {subject}");
            found.ok_or_else(|| RegistryError::NotRegistered { what: what() })?
        };
        lock(&self.ids).insert(key, id);
        Ok((id, None))
    }

    async fn latest_for(
        &self,
        subject: &str,
        (kind, text): (SchemaKind, &str),
    ) -> Result<(SchemaId, Option<Arc<Registered>>), RegistryError> {
        let what = || format!("subject {subject}");
        let found = self.client.version(subject, "latest").await?;
        let Some((id, found)) = found else {
            return Err(RegistryError::NotRegistered { what: what() });
        };
        let is_same = match (kind, found.kind) {
            // A record in Avro can be read by no other schema than the one that it was written by.
            (SchemaKind::Avro, SchemaKind::Avro) => canonical(text) == canonical(&found.text),
            (kind, other) => kind == other,
        };
        if !is_same {
            return Err(RegistryError::NotLatest { what: what() });
        }
        let goes_with = kind == SchemaKind::Avro || !self.config.registering.strict;
        if !goes_with && self.client.objection(subject, (kind, text)).await?.is_some() {
            return Err(RegistryError::NotLatest { what: what() });
        }
        Ok((id, Some(Arc::new(self.with_imports(found).await?))))
    }

    /// What the subject of a key's schema is called.
    #[must_use]
    pub fn key_subject(&self, topic: &str, schema: (SchemaKind, &str)) -> String {
        let name = record_name(schema.0, schema.1);
        self.config.key_subjects.subject(topic, "-key", name.as_deref())
    }

    /// What the subject of a value's schema is called.
    #[must_use]
    pub fn value_subject(&self, topic: &str, schema: (SchemaKind, &str)) -> String {
        let name = record_name(schema.0, schema.1);
        self.config.value_subjects.subject(topic, "-value", name.as_deref())
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
        self.client.objection(subject, (SchemaKind::Avro, schema)).await
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
        let latest = self.client.version(subject, "latest").await?;
        Ok(latest.map(|(_, found)| found.text.to_string()))
    }

    /// The text of the schema with this id.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked or does not know the id.
    pub async fn schema(&self, id: SchemaId) -> Result<Arc<str>, RegistryError> {
        self.registered(id).await.map(|schema| Arc::clone(&schema.text))
    }

    /// The schema with this id, with all that it refers to.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError`] when the registry cannot be asked, does not know the id, or has not
    /// all of what the schema refers to.
    pub async fn registered(&self, id: SchemaId) -> Result<Arc<Registered>, RegistryError> {
        if let Some(schema) = lock(&self.schemas).get(&id) {
            return Ok(Arc::clone(schema));
        }
        let schema = self.client.schema(id).await?;
        let schema = Arc::new(self.with_imports(schema).await?);
        lock(&self.schemas).insert(id, Arc::clone(&schema));
        Ok(schema)
    }

    /// Asks for what a schema refers to, once for each name.
    async fn with_imports(&self, mut schema: Registered) -> Result<Registered, RegistryError> {
        let mut open = schema.references.clone();
        while let Some((name, subject, version)) = open.pop() {
            if schema.imports.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let missing = |text: &str| RegistryError::Refused {
                what: format!("reference {name}, version {version} of subject {subject}"),
                source: Answer { status: None, text: text.into() },
            };
            if schema.imports.len() >= IMPORTS_MAX {
                return Err(missing("a schema refers to more than 256 others"));
            }
            let found = self.client.version(&subject, &version.to_string()).await?;
            let (_, found) = found.ok_or_else(|| missing("there is no such version"))?;
            open.extend(found.references);
            schema.imports.push((name, found.text));
        }
        Ok(schema)
    }
}

/// An Avro schema without what its records do not depend on.
fn canonical(text: &str) -> Option<String> {
    apache_avro::Schema::parse_str(text).ok().map(|schema| schema.canonical_form())
}

/// A map that is only read and inserted into is whole even after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
