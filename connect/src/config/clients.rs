//! What single kinds of Kafka clients are told beside what all are: Kafka Connect's `producer.*` of a
//! worker and `producer.override.*` of a connector, and the same of consumers and admin clients.

use std::collections::BTreeMap;

use super::settings::{ConfigError, Origin, Settings};
use crate::java_client::{self, Client, PRINCIPAL, Refused};

/// Read where the group is named.
const GROUP: &str = "consumer.override.group.id";

/// Over the properties of all clients, by librdkafka's names.
#[derive(Clone, Default)]
pub struct ClientOverrides {
    producer: BTreeMap<String, String>,
    consumer: BTreeMap<String, String>,
    admin: BTreeMap<String, String>,
    policy: OverridePolicy,
}

/// `connector.client.config.override.policy`: what connectors may say of their clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum OverridePolicy {
    /// Everything. The default, Kafka Connect's.
    #[default]
    All,
    /// Nothing.
    None,
    /// Who they are.
    Principal,
    /// What `connector.client.config.override.allowlist` names.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        const KEY: &str = "connector.client.config.override.policy";
        let named = settings.list("connector.client.config.override.allowlist");
        let given = settings.optional("connector.client.config.override.policy");
        let class = given.as_deref().unwrap_or("All");
        let word = class.rsplit('.').next().unwrap_or(class);
        match word.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(word) {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            "Allowlist" => Ok(Self::Allowlist(named)),
            _ => Err(settings.error(KEY, "expected All, None, Principal or Allowlist")),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::All => "All",
            Self::None => "None",
            Self::Principal => "Principal",
            Self::Allowlist(_) => "Allowlist",
        }
    }

    fn allows(&self, property: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => PRINCIPAL.contains(&property),
            Self::Allowlist(named) => named.iter().any(|name| name == property),
        }
    }
}

impl ClientOverrides {
    /// Reads `producer.*`, `consumer.*` and `admin.*` of a worker.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first that is refused.
    pub(super) fn of_worker(settings: &mut Settings) -> Result<Self, ConfigError> {
        let policy = OverridePolicy::read(settings)?;
        Ok(Self {
            producer: read(settings, Client::Producer, "producer.")?,
            consumer: read(settings, Client::Consumer, "consumer.")?,
            admin: read(settings, Client::Admin, "admin.")?,
            policy,
        })
    }

    /// The same with what a connector says.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for the first that is refused, or that the worker does not allow.
    pub(super) fn of_connector(&self, settings: &mut Settings) -> Result<Self, ConfigError> {
        for prefix in ["producer.override.", "consumer.override.", "admin.override."] {
            self.check_policy(settings, prefix)?;
        }
        let mut overrides = self.clone();
        overrides.producer.extend(read(settings, Client::Producer, "producer.override.")?);
        let group = settings.optional(GROUP);
        overrides.consumer.extend(read(settings, Client::Consumer, "consumer.override.")?);
        if let Some(group) = group {
            settings.insert(GROUP, &group);
        }
        overrides.admin.extend(read(settings, Client::Admin, "admin.override.")?);
        Ok(overrides)
    }

    fn check_policy(&self, settings: &Settings, prefix: &str) -> Result<(), ConfigError> {
        let given =
            settings.values().keys().filter_map(|key| Some((key, key.strip_prefix(prefix)?)));
        for (key, property) in given {
            if !self.policy.allows(property) {
                let policy = self.policy.name();
                // Kafka Connect's words.
                let problem = format!(
                    "The '{policy}' policy does not allow '{property}' to be overridden in the \
                     connector configuration."
                );
                return Err(settings.error(key, problem));
            }
        }
        Ok(())
    }

    /// What a client is told.
    pub(super) fn over(
        &self,
        client: Client,
        all: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let own = match client {
            Client::Producer => &self.producer,
            Client::Consumer => &self.consumer,
            Client::Admin => &self.admin,
        };
        let mut properties = all.clone();
        properties.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        properties
    }
}

/// Takes the settings of a client out.
fn read(
    settings: &mut Settings,
    client: Client,
    prefix: &str,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let given = settings.with_prefix(prefix);
    let translated = java_client::translate(client, &given)
        .map_err(|Refused { key, problem }| settings.error(&format!("{prefix}{key}"), problem))?;
    match settings.origin() {
        Origin::PipelineFile => {
            if let Some(key) = translated.unknown.first() {
                return Err(settings.error(&format!("{prefix}{key}"), "is not a known setting"));
            }
            if let Some(key) = translated.harmless.first() {
                let problem = "changes nothing in rowcast: leave it out";
                return Err(settings.error(&format!("{prefix}{key}"), problem));
            }
        }
        Origin::Connect => {
            for key in &translated.unknown {
                settings.tell_unknown(&format!("{prefix}{key}"));
            }
        }
    }
    Ok(translated.properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(origin: Origin, pairs: &[(&str, &str)]) -> Settings {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("connector `c`", origin, values)
    }

    fn worker(pairs: &[(&str, &str)]) -> ClientOverrides {
        ClientOverrides::of_worker(&mut settings(Origin::Connect, pairs)).unwrap()
    }

    fn problem(worker: &ClientOverrides, origin: Origin, pair: (&str, &str)) -> String {
        let read = worker.of_connector(&mut settings(origin, &[pair]));
        read.err().unwrap().to_string()
    }

    #[test]
    fn a_connector_says_more_than_its_worker_and_both_more_than_what_all_are_told() {
        let worker = worker(&[("producer.compression.type", "gzip"), ("producer.acks", "1")]);
        let mut of_connector = settings(
            Origin::Connect,
            &[
                ("producer.override.compression.type", "zstd"),
                ("consumer.override.fetch.min.bytes", "5"),
                ("consumer.override.group.id", "g"),
            ],
        );
        let all = [("bootstrap.servers", "b"), ("compression.type", "none")];
        let all = all.map(|(k, v)| (k.to_owned(), v.to_owned())).into();

        let overrides = worker.of_connector(&mut of_connector).unwrap();

        let compression =
            |it: &ClientOverrides, client| it.over(client, &all)["compression.type"].clone();
        assert_eq!(compression(&worker, Client::Producer), "gzip");
        assert_eq!(compression(&overrides, Client::Producer), "zstd");
        assert_eq!(compression(&overrides, Client::Consumer), "none");
        assert_eq!(overrides.over(Client::Consumer, &all)["fetch.min.bytes"], "5");
        assert_eq!(of_connector.optional("consumer.override.group.id").as_deref(), Some("g"));
        assert!(of_connector.finish().is_ok());
    }

    #[test]
    fn a_policy_says_what_connectors_may_override_in_kafka_connects_words() {
        let key = "connector.client.config.override.policy";
        let acks = ("producer.override.acks", "all");
        let login = ("producer.override.sasl.mechanism", "PLAIN");
        let allow = |policy: &ClientOverrides, pair| {
            policy.of_connector(&mut settings(Origin::Connect, &[pair])).is_ok()
        };
        let none = worker(&[(key, "None")]);
        let principal = worker(&[(
            key,
            "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
        )]);
        let list = ("connector.client.config.override.allowlist", "acks,x");
        let allowlist = worker(&[(key, "Allowlist"), list]);

        assert!(allow(&worker(&[]), acks) && allow(&worker(&[(key, "All")]), login));
        assert!(!allow(&none, acks) && !allow(&none, ("consumer.override.group.id", "g")));
        assert!(allow(&principal, login) && !allow(&principal, acks));
        assert!(allow(&allowlist, acks) && !allow(&allowlist, login));
        assert_eq!(
            problem(&none, Origin::Connect, acks),
            "invalid configuration of connector `c`: `producer.override.acks` The 'None' policy does \
             not allow 'acks' to be overridden in the connector configuration."
        );
        assert!(
            ClientOverrides::of_worker(&mut settings(Origin::Connect, &[(key, "x.Y")])).is_err()
        );
    }

    #[test]
    fn what_is_refused_is_named_as_it_was_given() {
        let all = worker(&[]);
        let refused =
            problem(&all, Origin::Connect, ("consumer.override.auto.offset.reset", "latest"));
        assert!(refused.contains("`consumer.override.auto.offset.reset` is always earliest"));
        let needless = problem(&all, Origin::PipelineFile, ("producer.override.acks", "1"));
        assert!(needless.contains("changes nothing"), "{needless}");
        let unknown = problem(&all, Origin::PipelineFile, ("producer.override.akcs", "1"));
        assert!(unknown.contains("`producer.override.akcs` is not a known setting"), "{unknown}");
    }
}
