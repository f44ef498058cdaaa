//! The pipeline file: the worker's settings on top, connectors by name below.

use std::collections::BTreeMap;
use std::path::Path;

use super::WorkerConfig;
use super::settings::{ConfigError, Origin, Settings};
use super::variables::Variables;
use super::yaml::{self, Node};
use crate::connector::ConnectorName;

/// Largest pipeline file that is read: 1 MiB, our choice; a thousand connectors fit.
pub(super) const FILE_MAX_BYTES: u64 = 1 << 20;

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
    /// All settings as they were given: variables are not replaced.
    pub given: BTreeMap<String, String>,
}

impl PipelineConfig {
    /// Reads a pipeline file and replaces its variables.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when the file cannot be read, is not YAML, or has a setting that
    /// is missing, unknown or out of its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_file(path, FILE_MAX_BYTES)?;
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
        let document =
            yaml::parse(text).map_err(|problem| ConfigError::Yaml { problem: problem.into() })?;
        let Node::Map(top) = document else {
            return Err(ConfigError::Yaml { problem: "it is not a map of settings".into() });
        };
        let (connectors, worker): (Vec<_>, Vec<_>) =
            top.into_iter().partition(|(key, _)| key == "connectors");
        let scope = "the pipeline";
        let named = Settings::new(scope, Origin::PipelineFile, BTreeMap::new());
        let worker = WorkerConfig::of_given(named, join(scope, &worker)?, environment)?;
        let connectors = match connectors.into_iter().next() {
            Some((_, Node::Map(connectors))) if !connectors.is_empty() => connectors,
            Some(_) | None => {
                let problem = "is required: a map from names to settings";
                return Err(ConfigError::new("connectors", problem));
            }
        };
        let connectors = connectors
            .iter()
            .map(|(name, settings)| {
                let variables = Variables { environment, providers: &worker.providers };
                connector(name, settings, variables)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { worker, connectors })
    }
}

/// Reads a file that is not too large.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let unreadable = |problem: String| ConfigError::Unreadable {
        path: path.display().to_string(),
        problem: problem.into(),
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > limit {
        return Err(unreadable(format!("it is larger than {} MiB", limit >> 20)));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

fn connector(
    name: &str,
    settings: &Node,
    variables: Variables<'_>,
) -> Result<ConnectorConfig, ConfigError> {
    let Node::Map(settings) = settings else {
        return Err(ConfigError::new(format!("connectors.{name}"), "is not a map of settings"));
    };
    let given = join(&format!("connector `{name}`"), settings)?;
    let name = ConnectorName::new(name);
    let mut settings = Settings::of_connector_in(&name, &given, variables)?;
    let class = settings.required("connector.class")?;
    Ok(ConnectorConfig { name, class, settings, given })
}

/// Joins nested names by dots and lists by commas.
fn join(scope: &str, tree: &[(String, Node)]) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut flat = Vec::new();
    collect("", tree, &mut flat);
    let named = Settings::new(scope, Origin::PipelineFile, BTreeMap::new());
    let mut values = BTreeMap::new();
    for (key, text) in flat {
        // YAML sees two keys where one is nested and the other has dots.
        if values.contains_key(&key) {
            return Err(named.error(&key, "is given twice"));
        }
        values.insert(key, text);
    }
    Ok(values)
}

fn collect(prefix: &str, children: &[(String, Node)], flat: &mut Vec<(String, String)>) {
    for (name, child) in children {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match child {
            Node::Map(children) => collect(&key, children, flat),
            Node::List(_) | Node::Text(_) | Node::Empty => flat.push((key, joined(child))),
        }
    }
}

fn joined(node: &Node) -> String {
    match node {
        Node::Empty => String::new(),
        Node::Text(text) => text.clone(),
        Node::List(entries) => entries.iter().map(joined).collect::<Vec<_>>().join(","),
        Node::Map(children) => {
            let pair = |(key, child): &(String, Node)| format!("{key}:{}", joined(child));
            children.iter().map(pair).collect::<Vec<_>>().join(",")
        }
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

    #[test]
    fn a_key_that_is_nested_and_dotted_is_given_twice() {
        let twice = PIPELINE.replace("port: 3306", "port: 3306\n    database.port: 3307");

        let error = parse(&twice).err().unwrap();

        let expected = "invalid configuration of connector `shop`: `database.port` is given twice";
        assert_eq!(error, expected);
    }

    #[test]
    fn connectors_are_required() {
        let (head, _) = PIPELINE.split_once("connectors:").unwrap();
        for connectors in ["", "connectors:", "connectors: {}", "connectors: []"] {
            let error = parse(&format!("{head}{connectors}")).err().unwrap();

            assert!(error.contains("`connectors` is required"), "{connectors}: {error}");
        }
        let error = parse(&format!("{head}connectors: {{a: 1}}")).err().unwrap();
        assert!(error.contains("`connectors.a` is not a map of settings"), "{error}");
    }
}
