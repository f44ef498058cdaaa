//! The pipeline file: the worker's settings on top, connectors by name below.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::settings::{ConfigError, Origin, Settings};
use super::{WorkerConfig, variables};
use crate::connector::ConnectorName;

/// Largest pipeline file that is read: 1 MiB, our choice; a thousand connectors fit.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Everything that `rowcast run` needs to know.
pub struct PipelineConfig {
    /// What all connectors share.
    pub worker: WorkerConfig,
    /// The connectors in the order of their names.
    pub connectors: Vec<ConnectorConfig>,
}

/// One connector of a pipeline file.
pub struct ConnectorConfig {
    /// Its name.
    pub name: ConnectorName,
    /// `connector.class`.
    pub class: String,
    /// All its other settings.
    pub settings: Settings,
}

impl PipelineConfig {
    /// Reads a pipeline file and replaces its variables.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when the file cannot be read, is not YAML, or has a setting that
    /// is missing, unknown or out of its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let size = std::fs::metadata(path)
            .map_err(|error| ConfigError::new(&shown, format!("cannot be read: {error}")))?
            .len();
        if size > FILE_MAX_BYTES {
            return Err(ConfigError::new(&shown, "is larger than 1 MiB"));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(&shown, format!("cannot be read: {error}")))?;
        Self::parse(&text, &|name| std::env::var(name).ok())
    }

    /// Parses the text of a pipeline file.
    ///
    /// # Errors
    ///
    /// As [`PipelineConfig::load`].
    pub fn parse(
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let document: Value = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::new("the file", format!("is not valid YAML: {error}")))?;
        let Value::Object(mut top) = document else {
            return Err(ConfigError::new("the file", "is not a map of settings"));
        };
        let Some(Value::Object(connectors)) = top.remove("connectors") else {
            return Err(ConfigError::new(
                "connectors",
                "is required: a map from names to settings",
            ));
        };
        let worker = flatten("the pipeline", &Value::Object(top), environment)?;
        let worker = WorkerConfig::from_settings(worker)?;
        let connectors = connectors
            .iter()
            .map(|(name, settings)| connector(name, settings, environment))
            .collect::<Result<_, _>>()?;
        Ok(Self { worker, connectors })
    }
}

fn connector(
    name: &str,
    settings: &Value,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<ConnectorConfig, ConfigError> {
    let mut settings = flatten(&format!("connector `{name}`"), settings, environment)?;
    let class = settings.required("connector.class")?;
    Ok(ConnectorConfig { name: ConnectorName::new(name), class, settings })
}

/// Joins nested names by dots and lists by commas, and replaces variables in values.
fn flatten(
    scope: &str,
    tree: &Value,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, ConfigError> {
    let mut flat = BTreeMap::new();
    collect("", tree, &mut flat);
    let named = Settings::new(scope, Origin::PipelineFile, BTreeMap::new());
    let values = flat
        .into_iter()
        .map(|(key, text)| match variables::resolve(&text, environment) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(named.error(&key, error.to_string())),
        })
        .collect::<Result<_, _>>()?;
    Ok(Settings::new(scope, Origin::PipelineFile, values))
}

fn collect(prefix: &str, node: &Value, flat: &mut BTreeMap<String, String>) {
    match node {
        Value::Object(children) => {
            for (name, child) in children {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                collect(&key, child, flat);
            }
        }
        Value::Array(entries) => {
            let entries: Vec<_> = entries.iter().map(scalar).collect();
            flat.insert(prefix.to_owned(), entries.join(","));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            flat.insert(prefix.to_owned(), scalar(node));
        }
    }
}

fn scalar(node: &Value) -> String {
    match node {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => node.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: &str = "
bootstrap.servers: ${env:BROKER}
schema:
  registry.url: [http://a, http://b]
kafka:
  security.protocol: plaintext
connectors:
  shop:
    connector.class: mysql
    database:
      port: 3306
    table.include.list: [shop.orders, shop.customers]
";

    fn parse(text: &str) -> Result<PipelineConfig, String> {
        let environment = |name: &str| (name == "BROKER").then(|| "kafka:9092".to_owned());
        PipelineConfig::parse(text, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn nesting_is_joined_by_dots_and_lists_by_commas() {
        let mut pipeline = parse(PIPELINE).unwrap();

        assert_eq!(pipeline.worker.kafka["bootstrap.servers"], "kafka:9092");
        assert_eq!(pipeline.worker.kafka["security.protocol"], "plaintext");
        assert_eq!(pipeline.worker.registry.urls, ["http://a", "http://b"]);
        let shop = &mut pipeline.connectors[0];
        assert_eq!(shop.class, "mysql");
        assert_eq!(shop.settings.optional("database.port").as_deref(), Some("3306"));
        assert_eq!(shop.settings.list("table.include.list"), ["shop.orders", "shop.customers"]);
    }

    #[test]
    fn broken_yaml_and_unknown_keys_are_errors_that_say_where() {
        let broken = parse("connectors: [").err().unwrap();
        assert!(broken.contains("is not valid YAML"), "{broken}");

        let unknown = parse(&PIPELINE.replace("kafka:\n", "kafkaa:\n")).err().unwrap();
        assert!(unknown.contains("`kafkaa.security.protocol` is not a known setting"), "{unknown}");

        let missing = parse(&PIPELINE.replace("${env:BROKER}", "${env:NOPE}")).err().unwrap();
        assert!(missing.contains("NOPE, which is not set"), "{missing}");
    }
}
