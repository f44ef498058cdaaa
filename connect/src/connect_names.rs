//! A worker's properties by Kafka Connect's names, in ours.
//!
//! `definition/tables/worker-verdicts.tsv` says what becomes of each setting of Kafka Connect's
//! workers, distributed and standalone.

use std::collections::BTreeMap;

use crate::config::ConfigError;
use crate::definition::{Verdict, of_workers};
use crate::java_client::login;

/// What every Kafka client takes from the top of a worker's properties, as Kafka Connect hands it on.
/// `ssl.*` is not among them: it is the endpoint's here, and Java's stores are nothing for librdkafka.
const CLIENT: [&str; 7] = [
    "security.protocol",
    "sasl.mechanism",
    "client.dns.lookup",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
];

/// Our names for what stands in a `worker.properties`.
///
/// # Errors
///
/// Returns [`ConfigError`] for the first setting that is refused.
pub(crate) fn of_connect(
    given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut ours = BTreeMap::new();
    for (key, value) in given {
        if !counts(&key, &value)? {
            continue;
        }
        let key = match &*key {
            "sasl.jaas.config" => {
                let login = login::of_jaas(&value).map_err(|problem| error(&key, problem))?;
                let login = login.into_iter();
                ours.extend(login.map(|(key, value)| (format!("kafka.{key}"), value)));
                continue;
            }
            key if CLIENT.contains(&key) => format!("kafka.{key}"),
            // There is one registry for all.
            key if key.starts_with("key.converter.schema.registry.") => continue,
            key if key.starts_with("key.converter.bearer.auth.") => continue,
            key if key.starts_with("value.converter.schema.registry.ssl.") => {
                key.trim_start_matches("value.converter.").to_owned()
            }
            key if key.starts_with("value.converter.bearer.auth.") => {
                key.replacen("value.converter.", "schema.registry.", 1)
            }
            "value.converter.schema.registry.url" => "schema.registry.url".to_owned(),
            "value.converter.schema.registry.basic.auth.user.info" => {
                "schema.registry.basic.auth.user.info".to_owned()
            }
            _ => key,
        };
        ours.entry(key).or_insert(value);
    }
    Ok(ours)
}

/// Whether a setting does anything here, by its verdict.
fn counts(key: &str, value: &str) -> Result<bool, ConfigError> {
    match of_workers().verdict(key).map(|found| &found.verdict) {
        Some(Verdict::Harmless { .. }) => Ok(false),
        Some(Verdict::Refused { remedy, except }) => {
            let value = value.trim();
            if value.is_empty() || except.contains(&value) {
                Ok(false)
            } else {
                Err(error(key, *remedy))
            }
        }
        Some(Verdict::Honoured { .. }) | None => Ok(true),
    }
}

fn error(key: &str, problem: impl Into<std::borrow::Cow<'static, str>>) -> ConfigError {
    let scope = "the worker".to_owned();
    ConfigError::Setting { scope, key: key.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, WorkerConfig};

    fn ours(pairs: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        of_connect(given).map_err(|error| error.to_string())
    }

    fn worker(pairs: &[(&str, &str)]) -> Result<WorkerConfig, String> {
        let needed = [("bootstrap.servers", "b"), ("group.id", "g")];
        let ours = ours(&[&needed[..], pairs].concat())?;
        let settings = crate::config::Settings::new("the worker", Origin::Connect, ours);
        WorkerConfig::from_settings(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn every_setting_of_kafka_connects_workers_has_a_verdict() {
        assert_eq!(of_workers().unreadable(), Vec::<&str>::new());
        for name in include_str!("connect_names/recorded.txt").lines() {
            assert!(of_workers().verdict(name).is_some(), "{name} has no verdict");
        }
    }

    #[test]
    fn verdicts_are_what_becomes_of_a_workers_settings() {
        for verdict in of_workers().verdicts() {
            let sample = verdict.sample();
            let found = ours(&sample);
            let is_right = match &verdict.verdict {
                Verdict::Honoured { .. } => found.as_ref().is_ok_and(|ours| !ours.is_empty()),
                Verdict::Harmless { .. } => found.as_ref().is_ok_and(BTreeMap::is_empty),
                Verdict::Refused { remedy, except } => {
                    let takes = |value: &&str| ours(&[(verdict.name, *value)]).is_ok();
                    found.as_ref().is_err_and(|refused| refused.contains(remedy))
                        && takes(&"")
                        && except.iter().all(takes)
                }
            };
            assert!(is_right, "{verdict:?}: {found:?}");
        }
    }

    #[test]
    fn what_all_clients_are_told_is_kafkas() {
        let jaas = "org.apache.kafka.common.security.scram.ScramLoginModule required \
                    username=\"u\" password=\"${env:PASSWORD}\";";
        let found = ours(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", jaas),
            ("client.dns.lookup", "use_all_dns_ips"),
        ]);

        let found: Vec<_> = found.unwrap().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            found,
            [
                "kafka.client.dns.lookup=use_all_dns_ips",
                "kafka.sasl.mechanism=SCRAM-SHA-512",
                "kafka.sasl.password=${env:PASSWORD}",
                "kafka.sasl.username=u",
                "kafka.security.protocol=SASL_SSL",
            ]
        );
        let refused = ours(&[("sasl.jaas.config", "x.Y required password=\"geheim\";")]);
        let refused = refused.unwrap_err();
        assert!(refused.contains("PlainLoginModule") && !refused.contains("geheim"), "{refused}");
    }

    #[test]
    fn where_tokens_are_asked_for_is_kafkas() {
        let jaas = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                    clientId=\"c\" clientSecret=\"${env:SECRET}\" scope=\"s\";";
        let handler =
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
        let url = "sasl.oauthbearer.token.endpoint.url";
        let common = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.login.callback.handler.class", handler),
            (url, "https://login/token"),
        ];
        let found = |given: &[(&str, &str)]| {
            let found = ours(&[&common[..], given].concat()).unwrap();
            found.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
        };

        let by_jaas = found(&[("sasl.jaas.config", jaas)]);
        let by_settings = found(&[
            ("sasl.oauthbearer.client.credentials.client.id", "c"),
            ("sasl.oauthbearer.client.credentials.client.secret", "${env:SECRET}"),
            ("sasl.oauthbearer.scope", "s"),
        ]);

        assert_eq!(
            by_jaas,
            [
                "kafka.sasl.mechanism=OAUTHBEARER",
                "kafka.sasl.oauthbearer.client.id=c",
                "kafka.sasl.oauthbearer.client.secret=${env:SECRET}",
                "kafka.sasl.oauthbearer.scope=s",
                "kafka.sasl.oauthbearer.token.endpoint.url=https://login/token",
            ]
        );
        let renamed = |text: &String| text.replace("client.credentials.client", "client");
        assert_eq!(by_settings.iter().map(renamed).collect::<Vec<_>>(), by_jaas);
    }

    #[test]
    fn a_worker_is_known_by_the_name_that_it_is_given() {
        let worker = worker(&[
            ("rest.advertised.host.name", "h"),
            ("rest.advertised.port", "99"),
            ("admin.compression.type", "x"),
        ]);

        let cluster = worker.unwrap().cluster;
        assert_eq!(cluster.advertised_host.as_deref(), Some("h"));
        assert_eq!(cluster.advertised_port, Some(99));
    }
}
