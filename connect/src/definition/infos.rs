//! The answers of Kafka Connect's REST API about settings: `GET …/config` and `PUT …/validate`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Check, ConfigKey, ConfigType, Definitions, Importance, Verdict, Width, Wording};
use crate::config::{ConfigError, Origin, Settings, WorkerConfig};
use crate::connector::{ConnectorClass, ConnectorName};

/// Kafka Connect's `ConfigKeyInfo`: a definition as the REST API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    name: &'static str,
    #[serde(rename = "type")]
    kind: ConfigType,
    required: bool,
    default_value: Option<&'static str>,
    importance: Importance,
    documentation: &'static str,
    group: Option<&'static str>,
    order_in_group: i32,
    width: Width,
    display_name: &'static str,
    dependents: Vec<&'static str>,
}

/// Kafka Connect's `ConfigValueInfo`: a value and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigValueInfo {
    name: String,
    value: Option<String>,
    recommended_values: Vec<&'static str>,
    errors: Vec<String>,
    visible: bool,
}

/// Kafka Connect's `ConfigInfo`. A setting without a definition is there only if it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigInfo {
    definition: Option<KeyInfo>,
    value: ConfigValueInfo,
}

/// Kafka Connect's `ConfigInfos`: the answer to a request for validation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigInfos {
    name: String,
    error_count: usize,
    groups: Vec<&'static str>,
    configs: Vec<ConfigInfo>,
}

/// The answer to `GET /connector-plugins/{class}/config`: the class's own settings, then those that
/// all connectors have.
#[must_use]
pub fn key_infos(class: &dyn ConnectorClass) -> Vec<KeyInfo> {
    let definitions = class.definitions();
    let base = definitions.base();
    let all = definitions.keys().iter().chain(base.into_iter().flat_map(Definitions::keys));
    all.map(|key| KeyInfo::of(key, definitions, key.listed_default())).collect()
}

impl ConfigInfos {
    /// The answer to `PUT /connector-plugins/{class}/config/validate`, with all that is wrong with a
    /// configuration: what its types say, and then what the parsers of the class say, which run as at
    /// a start. Connects to nothing.
    #[must_use]
    pub fn of(
        class: &dyn ConnectorClass,
        config: &BTreeMap<String, String>,
        worker: &WorkerConfig,
    ) -> Self {
        let definitions = class.definitions();
        let mut errors = definitions.type_errors(config);
        parser_errors(class, config, worker, &mut errors);
        let mut configs: Vec<ConfigInfo> = definitions
            .validated()
            .map(|(key, wording)| {
                let errors = errors.remove(key.name).unwrap_or_default();
                ConfigInfo::of(key, wording, definitions, (config.get(key.name), errors))
            })
            .collect();
        configs.extend(errors.into_iter().map(|(name, errors)| ConfigInfo::unknown(name, errors)));
        let mut groups = Vec::new();
        for (key, _) in definitions.validated() {
            groups.extend(key.group.filter(|group| !groups.contains(group)));
        }
        Self {
            name: config.get("connector.class").cloned().unwrap_or_default(),
            error_count: configs.iter().map(|config| config.value.errors.len()).sum(),
            groups,
            configs,
        }
    }

    /// How many errors there are.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.error_count
    }

    /// The message of the answer 400 to a configuration with errors; `None` if there are none.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.error_count == 0 {
            return None;
        }
        let errors = self.configs.iter().flat_map(|config| &config.value.errors);
        let errors: Vec<&str> = errors.map(String::as_str).collect();
        let (count, list) = (self.error_count, errors.join("\n"));
        Some(format!(
            "Connector configuration is invalid and contains the following {count} error(s):\n{list}\n\
             You can also find the above list of errors at the endpoint \
             `/connector-plugins/{{connectorType}}/config/validate`"
        ))
    }
}

impl Definitions {
    /// All definitions, in the order of an answer to a request for validation.
    fn validated(&self) -> impl Iterator<Item = (&ConfigKey, Wording)> {
        let base = self
            .base
            .into_iter()
            .flat_map(|base| base.keys.iter().map(move |key| (key, base.wording)));
        base.chain(self.keys.iter().map(|key| (key, self.wording)))
    }

    fn type_errors(&self, config: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for (key, wording) in self.validated() {
            let is_read = match self.verdict(key.name).map(|verdict| &verdict.verdict) {
                Some(Verdict::Honoured { .. } | Verdict::Refused { .. }) => true,
                Some(Verdict::Harmless { .. }) | None => false,
            };
            let value = config.get(key.name).map(String::as_str);
            let errors = key.errors(value, wording, is_read);
            if !errors.is_empty() {
                all.insert(key.name.to_owned(), errors);
            }
        }
        all
    }

    /// The words of whoever a setting is from; of the class for settings without a definition.
    fn wording_of(&self, key: &str) -> Wording {
        let is_own = self.keys.iter().any(|own| own.name == key);
        match self.base {
            Some(base) if !is_own && base.key(key).is_some() => base.wording,
            Some(_) | None => self.wording,
        }
    }
}

/// All that is wrong with a configuration, by setting. One for Kafka Connect is judged as
/// [`ConfigInfos`] does it; one of a pipeline file by its parsers alone, because it may leave out what
/// the vendors require.
pub(crate) fn config_errors(
    class: &dyn ConnectorClass,
    config: &BTreeMap<String, String>,
    worker: &WorkerConfig,
) -> BTreeMap<String, Vec<String>> {
    let class_name = config.get("connector.class").map_or("", String::as_str);
    let mut errors = match Origin::of_class(class_name) {
        Origin::Connect => class.definitions().type_errors(config),
        Origin::PipelineFile => BTreeMap::new(),
    };
    parser_errors(class, config, worker, &mut errors);
    errors
}

/// Lets the parsers of the class find errors, one after the other: they stop at the first, so what
/// it is about is taken away, or put there if it is missing, and they read again. Each round ends an
/// error or the search, so there are no more rounds than settings.
fn parser_errors(
    class: &dyn ConnectorClass,
    config: &BTreeMap<String, String>,
    worker: &WorkerConfig,
    errors: &mut BTreeMap<String, Vec<String>>,
) {
    let definitions = class.definitions();
    let class_name = config.get("connector.class").map_or("", String::as_str);
    let name = config.get("name").map_or("", String::as_str);
    let mut trial = config.clone();
    for key in errors.keys() {
        definitions.mend(&mut trial, key);
    }
    // Read by the worker, before the class is known.
    for key in ["connector.class", "name"] {
        trial.remove(key);
    }
    for _ in 0..=config.len() + definitions.keys.len() {
        let scope = format!("connector `{name}`");
        let settings = Settings::new(scope, Origin::of_class(class_name), trial.clone());
        let Err(error) = class.tasks(&ConnectorName::new(name), settings.for_trial(), worker)
        else {
            return;
        };
        let (key, problem) = match error {
            ConfigError::Setting { key, problem, .. } => (key, problem),
            // Errors about files are not about a connector's settings.
            other @ (ConfigError::Unreadable { .. } | ConfigError::Yaml { .. }) => {
                ("connector.class".to_owned(), other.to_string().into())
            }
        };
        let told = definitions.wording_of(&key).problem(&key, &problem);
        let of_key = errors.entry(key.clone()).or_default();
        if of_key.is_empty() {
            of_key.push(told);
        }
        if !definitions.mend(&mut trial, &key) {
            return;
        }
    }
}

impl Definitions {
    /// Takes away what is wrong, or puts a valid value in its place if it has to be there. Whether
    /// that changed anything.
    fn mend(&self, trial: &mut BTreeMap<String, String>, key: &str) -> bool {
        let before = trial.len();
        // An error may name the beginning of several settings, as of those with a salt in them.
        trial.retain(|name, _| name != key && !(key.ends_with('.') && name.starts_with(key)));
        let is_asked_for = before == trial.len()
            || self
                .key(key)
                .is_some_and(|key| key.is_required || key.checks.contains(&Check::Required));
        let sample = self.verdict(key).filter(|verdict| verdict.name == key);
        match sample.map(|verdict| (&verdict.verdict, verdict.sample())) {
            Some((Verdict::Honoured { .. }, sample)) if is_asked_for => {
                trial.extend(sample.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            }
            Some(_) | None => {}
        }
        before != trial.len() || !is_asked_for
    }
}

impl KeyInfo {
    fn of(key: &ConfigKey, definitions: &Definitions, default_value: Option<&'static str>) -> Self {
        Self {
            name: key.name,
            kind: key.kind,
            required: key.is_required,
            default_value,
            importance: key.importance,
            documentation: definitions.verdict(key.name).map_or("", |found| found.documentation),
            group: key.group,
            order_in_group: key.order,
            width: key.width,
            display_name: key.display_name,
            dependents: key.dependents.clone(),
        }
    }
}

impl ConfigInfo {
    fn of(
        key: &ConfigKey,
        wording: Wording,
        definitions: &Definitions,
        (value, errors): (Option<&String>, Vec<String>),
    ) -> Self {
        let default = key.validated_default();
        let value = match wording {
            // Debezium validates by itself and gives no values back.
            Wording::Debezium => None,
            Wording::Connect if !errors.is_empty() => None,
            Wording::Connect => value.map(|text| key.normal(text)).or(default.map(str::to_owned)),
        };
        let value = ConfigValueInfo {
            name: key.name.to_owned(),
            value,
            recommended_values: key.recommended(),
            errors,
            visible: !key.checks.contains(&Check::Hidden),
        };
        Self { definition: Some(KeyInfo::of(key, definitions, default)), value }
    }

    fn unknown(name: String, errors: Vec<String>) -> Self {
        let recommended_values = Vec::new();
        let value =
            ConfigValueInfo { name, value: None, recommended_values, errors, visible: true };
        Self { definition: None, value }
    }
}

/// Our version, which stands where Kafka Connect has that of a plug-in.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Converters that can be named, by their Java classes.
const CONVERTERS: [&str; 3] = [
    "io.confluent.connect.avro.AvroConverter",
    "org.apache.kafka.connect.json.JsonConverter",
    "org.apache.kafka.connect.storage.StringConverter",
];
const HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

impl ConfigKey {
    /// The default as a list of settings shows it.
    fn listed_default(&self) -> Option<&'static str> {
        match self.name {
            "connector.plugin.version" => Some(VERSION),
            _ => self.default,
        }
    }

    /// The default as it is when a configuration is validated: then a worker's defaults are known.
    fn validated_default(&self) -> Option<&'static str> {
        match self.name {
            "key.converter" | "value.converter" => CONVERTERS.first().copied(),
            // What Kafka Connect says of a converter that does not tell its version.
            "key.converter.plugin.version" | "value.converter.plugin.version" => Some("undefined"),
            "header.converter" => Some(HEADER_CONVERTER),
            "header.converter.plugin.version" => Some(VERSION),
            _ => self.listed_default(),
        }
    }

    fn recommended(&self) -> Vec<&'static str> {
        match self.name {
            "key.converter" | "value.converter" => CONVERTERS.to_vec(),
            "header.converter"
            | "connector.plugin.version"
            | "key.converter.plugin.version"
            | "value.converter.plugin.version"
            | "header.converter.plugin.version" => self.validated_default().into_iter().collect(),
            _ => {
                let words = self.checks.iter().find_map(|check| match check {
                    Check::OneOf(words) if !self.is_of_kafka_alone() => Some(words.clone()),
                    Check::OneOf(_)
                    | Check::Required
                    | Check::Positive
                    | Check::AtLeast(_)
                    | Check::Hidden => None,
                });
                words.unwrap_or_default()
            }
        }
    }

    /// Settings whose words Kafka Connect checks and does not recommend.
    fn is_of_kafka_alone(&self) -> bool {
        super::of_sources().keys.iter().chain(&super::of_sinks().keys).any(|key| key == self)
    }

    /// A value as Kafka writes one that it has read.
    fn normal(&self, text: &str) -> String {
        match self.kind {
            ConfigType::Password => self.shown(text).to_owned(),
            ConfigType::List => text.split(',').map(str::trim).collect::<Vec<_>>().join(","),
            ConfigType::Boolean => text.trim().to_ascii_lowercase(),
            ConfigType::String
            | ConfigType::Short
            | ConfigType::Int
            | ConfigType::Long
            | ConfigType::Class => text.trim().to_owned(),
        }
    }
}
