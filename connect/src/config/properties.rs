//! Files of Kafka Connect: `worker.properties`, and connectors as properties or JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::pipeline::{ConnectorConfig, FILE_MAX_BYTES, PipelineConfig, read_file};
use super::providers::Providers;
use super::settings::{ConfigError, Origin, Settings};
use super::{WorkerConfig, properties};
use crate::connect_names;
use crate::connector::ConnectorName;

fn load(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    Ok(properties(&read_file(path, FILE_MAX_BYTES)?).into_iter().collect())
}

/// A connector as `POST /connectors` takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectorJson {
    name: String,
    config: BTreeMap<String, Option<String>>,
}

impl WorkerConfig {
    /// Reads Kafka Connect's `worker.properties`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when the file cannot be read, or a setting is not valid.
    pub fn from_properties(path: &Path) -> Result<Self, ConfigError> {
        let given = connect_names::of_connect(load(path)?)?;
        let environment = &|name: &str| std::env::var(name).ok();
        let named = Settings::new("the worker", Origin::Connect, BTreeMap::new());
        Self::of_given(named, given, environment)
    }
}

impl PipelineConfig {
    /// Reads what `connect-standalone` takes: `worker.properties`, and connectors as properties or
    /// JSON.
    ///
    /// # Errors
    ///
    /// As [`WorkerConfig::from_properties`].
    pub fn from_properties(worker: &Path, connectors: &[&Path]) -> Result<Self, ConfigError> {
        let worker = WorkerConfig::from_properties(worker)?;
        let connectors = connectors.iter().map(|path| connector(path, &worker.providers));
        let connectors = connectors.collect::<Result<_, _>>()?;
        Ok(Self { worker, connectors })
    }
}

fn connector(path: &Path, providers: &Providers) -> Result<ConnectorConfig, ConfigError> {
    let is_json = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let given = if is_json { json(path)? } else { load(path)? };
    let missing = || ConfigError::Unreadable {
        path: path.display().to_string(),
        problem: "it has no `name`".into(),
    };
    let name = ConnectorName::new(given.get("name").ok_or_else(missing)?);
    let mut settings = Settings::of_connector(&name, &given, providers)?;
    let class = settings.required("connector.class")?;
    Ok(ConnectorConfig { name, class, settings, given })
}

/// `{"name": …, "config": {…}}`, or only the settings.
fn json(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = read_file(path, FILE_MAX_BYTES)?;
    let settings = match serde_json::from_str::<ConnectorJson>(&text) {
        Ok(ConnectorJson { name, mut config }) => {
            config.insert("name".to_owned(), Some(name));
            config
        }
        Err(_) => serde_json::from_str(&text).map_err(|error| ConfigError::Unreadable {
            path: path.display().to_string(),
            // What serde says of it may quote a value.
            problem: format!("it is no connector in JSON (line {})", error.line()).into(),
        })?,
    };
    Ok(settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_is_properties_or_json() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let worker = write(
            "worker.properties",
            "bootstrap.servers=kafka:9092\nvalue.converter.schema.registry.url=http://registry\n\
             consumer.max.poll.records=3\nplugin.path=/x\n",
        );
        let file = write("a.properties", "name=a\nconnector.class=FileStreamSource\nfile=x");
        let long = write("b.json", r#"{"name":"b","config":{"connector.class":"x.Y","n":null}}"#);
        let short = write("c.json", r#"{"name":"c","connector.class":"x.Y"}"#);

        let pipeline = PipelineConfig::from_properties(&worker, &[&file, &long, &short]).unwrap();

        let names: Vec<_> = pipeline.connectors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(pipeline.worker.kafka["bootstrap.servers"], "kafka:9092");
        assert_eq!(pipeline.worker.registry.urls, ["http://registry"]);
        let wrong = write("d.json", r#"{"name":"d","config":{"password":471147}}"#);
        let error = PipelineConfig::from_properties(&worker, &[&wrong]).err().unwrap().to_string();
        assert!(error.contains("no connector in JSON") && !error.contains("471147"), "{error}");
    }
}
