//! `transforms` of a source or a sink of files: lines go through as records of Kafka Connect's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::value::{Kind, Schema, Value};
use serde_json::Value as Json;
use transform::{Chain, HeaderConverter, Part, json_of};

use super::error::LineError;
use crate::config::{ConfigError, Settings, WorkerConfig, read_transforms};
use crate::connector::ConnectorName;
use crate::converter::{Converter, Converters, PartReader, TextDecoder, connect_record};
use crate::kafka::consumer::Record;

/// What lines go through.
#[derive(Debug, Clone)]
pub(super) struct ChainConfig {
    /// `transforms`, `predicates` and all below them.
    transforms: BTreeMap<String, String>,
    /// `key.converter`, `value.converter` and `header.converter`.
    pub(super) converters: Converters,
}

impl ChainConfig {
    /// What is asked for; none without transforms.
    pub(super) fn read(
        connector: &ConnectorName,
        converters: Converters,
        settings: &mut Settings,
        worker: &WorkerConfig,
    ) -> Result<Option<Self>, ConfigError> {
        let transforms = read_transforms(settings)?;
        let config = Self { transforms, converters };
        if config.chain().is_empty() {
            return Ok(None);
        }
        if [converters.key, converters.value].contains(&Converter::Avro) {
            worker.require_registry(connector)?;
        }
        Ok(Some(config))
    }

    /// The transforms. Their settings were read once already.
    pub(super) fn chain(&self) -> Chain {
        Chain::read(&self.transforms).map(|(chain, _)| chain).unwrap_or_default()
    }
}

/// `errors.tolerance`: whether the task goes on without a record that fails. Default `none`.
pub(super) fn tolerates(settings: &mut Settings) -> Result<bool, ConfigError> {
    settings.choice("errors.tolerance", false, &[("none", false), ("all", true)])
}

/// How a record becomes a line.
pub(super) enum LineDecoder {
    /// By its converter alone.
    Plain(Box<TextDecoder>),
    /// By way of transforms.
    Chained(Box<ChainDecoder>),
}

impl LineDecoder {
    /// Appends the line of a record; nothing if a transform drops it.
    ///
    /// # Errors
    ///
    /// Returns [`LineError`] when it is none; `out` is then as it was.
    pub(super) async fn push(
        &mut self,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), LineError> {
        match self {
            Self::Plain(decoder) => decoder.push(record.value.as_deref(), out).await?,
            Self::Chained(chain) => {
                let Some(value) = chain.value_of(record).await? else { return Ok(()) };
                push_text(&value, out)?;
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Reads records, sends them through transforms and gives their values.
pub(super) struct ChainDecoder {
    chain: Chain,
    key: PartReader,
    value: PartReader,
    header: HeaderConverter,
}

impl ChainDecoder {
    pub(super) fn new(
        config: &ChainConfig,
        worker: &WorkerConfig,
    ) -> Result<Self, schema::registry::RegistryError> {
        let Converters { key, value, header } = config.converters;
        Ok(Self {
            chain: config.chain(),
            key: PartReader::new(key, &worker.registry)?,
            value: PartReader::new(value, &worker.registry)?,
            header,
        })
    }

    async fn value_of(&mut self, record: &Record) -> Result<Option<Part>, LineError> {
        let key = self.key.read(record.key.as_deref()).await?;
        let value = self.value.read(record.value.as_deref()).await?;
        let given = connect_record(record, (key, value), self.header)?;
        Ok(self.chain.apply(given)?.map(|done| done.value))
    }
}

/// A text as it is, bytes as they are, anything else as JSON.
fn push_text(part: &Part, out: &mut Vec<u8>) -> Result<(), LineError> {
    match (&part.value, part.schema.as_deref().and_then(|schema| schema.name.as_deref())) {
        (Value::String(text), _) => out.extend_from_slice(text.as_bytes()),
        (Value::Bytes(bytes), None) => out.extend_from_slice(bytes),
        _ => {
            let json: Json = json_of(part.schema.as_deref(), &part.value)?;
            out.extend_from_slice(json.to_string().as_bytes());
        }
    }
    Ok(())
}

/// Kafka Connect's `Schema.STRING_SCHEMA`, which lines have.
pub(super) fn text_schema() -> Arc<Schema> {
    Arc::new(Schema::new(Kind::String))
}
