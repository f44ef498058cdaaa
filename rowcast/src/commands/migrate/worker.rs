//! The settings of a worker: what its properties file says, or else what connectors tell of it.

use std::collections::BTreeMap;

use connect::http::cluster::Cluster;

/// The keys of the settings that a properties file of Kafka Connect calls the same.
const SAME: [&str; 2] = ["group.id", "offset.storage.topic"];

/// The upper part of a pipeline file.
pub(super) struct WorkerSettings {
    pub(super) settings: BTreeMap<String, String>,
    /// The converter of values, where a connector names none.
    pub(super) converters: BTreeMap<String, String>,
    /// Whether group and offsets topic are those of the cluster, so that offsets are there already.
    pub(super) shares_offsets: bool,
    steps: Vec<String>,
}

impl WorkerSettings {
    /// Of a properties file, if there is one, and of what the connectors have.
    pub(super) fn new(given: Option<&BTreeMap<String, String>>, cluster: &Cluster) -> Self {
        let of_connectors =
            |key: &str| cluster.connectors.iter().find_map(|it| it.config.get(key)).cloned();
        let of_worker = |key: &str| given.and_then(|given| given.get(key)).cloned();
        let mut settings = BTreeMap::new();
        let mut steps = Vec::new();
        let brokers = of_worker("bootstrap.servers")
            .or_else(|| of_connectors("schema.history.internal.kafka.bootstrap.servers"));
        let registry = ["value.converter", "key.converter"]
            .map(|part| format!("{part}.schema.registry.url"))
            .iter()
            .find_map(|key| of_worker(key).or_else(|| of_connectors(key)));
        for (key, found, variable) in [
            ("bootstrap.servers", brokers, "BOOTSTRAP_SERVERS"),
            ("schema.registry.url", registry, "SCHEMA_REGISTRY_URL"),
        ] {
            let value = found.unwrap_or_else(|| {
                steps.push(format!("set the environment variable {variable}, which is `{key}`"));
                format!("${{env:{variable}}}")
            });
            settings.insert(key.to_owned(), value);
        }
        let login = [
            "value.converter.basic.auth.user.info",
            "value.converter.schema.registry.basic.auth.user.info",
        ];
        if let Some(login) =
            login.iter().find_map(|key| of_worker(key).or_else(|| of_connectors(key)))
        {
            settings.insert("schema.registry.basic.auth.user.info".to_owned(), login);
        }
        settings.extend(SAME.iter().filter_map(|key| Some(((*key).to_owned(), of_worker(key)?))));
        if let Some(given) = given {
            add_security(given, &mut settings, &mut steps);
        }
        let shares_offsets = SAME.iter().all(|key| settings.contains_key(*key));
        let is_converter =
            |key: &&String| key.starts_with("value.converter") || key.starts_with("key.converter");
        let converters = given.into_iter().flatten().filter(|(key, _)| is_converter(key));
        let converters = converters.map(|(key, value)| (key.clone(), value.clone())).collect();
        Self { settings, converters, shares_offsets, steps }
    }

    /// What is left to do about it.
    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }
}

/// How Kafka is spoken to, by librdkafka's names.
fn add_security(
    given: &BTreeMap<String, String>,
    settings: &mut BTreeMap<String, String>,
    steps: &mut Vec<String>,
) {
    for (key, value) in given {
        match key.as_str() {
            "security.protocol" => {
                settings.insert("kafka.security.protocol".to_owned(), value.to_lowercase());
            }
            "sasl.mechanism" => {
                settings.insert("kafka.sasl.mechanism".to_owned(), value.clone());
            }
            "sasl.jaas.config" => match (jaas(value, "username"), jaas(value, "password")) {
                (Some(user), Some(password)) => {
                    settings.insert("kafka.sasl.username".to_owned(), user);
                    settings.insert("kafka.sasl.password".to_owned(), password);
                }
                _ => steps.push("give the login at Kafka as `kafka.sasl.*`".to_owned()),
            },
            // A file of PEM is the only store that librdkafka reads.
            "ssl.truststore.location"
                if given.get("ssl.truststore.type").is_some_and(|kind| kind == "PEM") =>
            {
                settings.insert("kafka.ssl.ca.location".to_owned(), value.clone());
            }
            "ssl.truststore.type" => {}
            other if other.starts_with("ssl.") || other.starts_with("sasl.") => {
                steps.push(format!(
                    "give the worker's `{other}` as `kafka.*`, by librdkafka's name"
                ));
            }
            _ => {}
        }
    }
}

/// One value of a JAAS line: `… required username="u" password="p";`.
fn jaas(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("{key}="))?;
    let (value, _) = rest.strip_prefix('"')?.split_once('"')?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::properties;

    fn cluster() -> Cluster {
        Cluster { version: "4.3.1".to_owned(), connectors: Vec::new() }
    }

    #[test]
    fn a_properties_file_says_where_everything_is_and_who_we_are() {
        let given = properties(
            "bootstrap.servers=k:9092\ngroup.id=g\noffset.storage.topic=o\n\
             value.converter=io.confluent.connect.avro.AvroConverter\n\
             value.converter.schema.registry.url=http://r:8081\n\
             security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"u\" password=\"p\";\nssl.keystore.location=/k.jks\n",
        )
        .into_iter()
        .collect();

        let worker = WorkerSettings::new(Some(&given), &cluster());

        let expected = [
            ("bootstrap.servers", "k:9092"),
            ("group.id", "g"),
            ("kafka.sasl.mechanism", "SCRAM-SHA-512"),
            ("kafka.sasl.password", "p"),
            ("kafka.sasl.username", "u"),
            ("kafka.security.protocol", "sasl_ssl"),
            ("offset.storage.topic", "o"),
            ("schema.registry.url", "http://r:8081"),
        ];
        let found = worker.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        assert!(found.eq(expected), "{:?}", worker.settings);
        assert!(worker.shares_offsets);
        assert_eq!(worker.converters.len(), 2);
        let step = "give the worker's `ssl.keystore.location` as `kafka.*`, by librdkafka's name";
        assert_eq!(worker.steps(), [step]);
    }

    #[test]
    fn what_nobody_tells_is_a_variable_that_is_left_to_be_set() {
        let worker = WorkerSettings::new(None, &cluster());

        assert_eq!(worker.settings["bootstrap.servers"], "${env:BOOTSTRAP_SERVERS}");
        assert!(!worker.shares_offsets);
        assert_eq!(worker.steps().len(), 2);
    }
}
