//! The registry of one connector.

use std::collections::BTreeMap;

use schema::registry::{Registering, RegistryConfig, Strategy};

use super::bearer;
use super::registry::{registry_url, tls_files};
use super::settings::{ConfigError, Settings};
use crate::java_client::login;

const OF_KEYS: &str = "key.converter.schema.registry.url";
const OF_VALUES: &str = "value.converter.schema.registry.url";
const SOURCE: &str = "value.converter.basic.auth.credentials.source";
const LOGIN: &str = "value.converter.basic.auth.user.info";
const LONG_LOGIN: &str = "value.converter.schema.registry.basic.auth.user.info";
const KEYS: &str = "key.converter.";
const VALUES: &str = "value.converter.";

/// User and password.
type Login = (String, String);

/// The registry that the converters of a connector name, as in Kafka Connect, else the worker's. What
/// the worker logs in with goes to the worker's registry only. `kafka` is what the worker's clients
/// are told.
pub(super) fn read(
    settings: &mut Settings,
    worker: &RegistryConfig,
    kafka: &BTreeMap<String, String>,
) -> Result<RegistryConfig, ConfigError> {
    let (keys, values) = (settings.list(OF_KEYS), settings.list(OF_VALUES));
    // What keys log in with is that of values: there is one registry.
    for key in ["key.converter.basic.auth.credentials.source", "key.converter.basic.auth.user.info"]
    {
        drop(settings.secret(key));
    }
    drop((bearer::read(settings, KEYS)?, tls_files(settings, KEYS)?));
    if !keys.is_empty() && !values.is_empty() && keys != values {
        let problem = "has to be that of values: one registry has the schemas of a connector";
        return Err(settings.error(OF_KEYS, problem));
    }
    let (key, mut urls) = if values.is_empty() { (OF_KEYS, keys) } else { (OF_VALUES, values) };
    let basic_auth = basic_auth(settings, &mut urls, kafka)?;
    for url in &urls {
        registry_url(url).map_err(|problem| settings.error(key, problem))?;
    }
    let bearer = bearer::read(settings, VALUES)?;
    if basic_auth.is_some() && bearer.is_some() {
        let problem = "is one of two logins: leave it out, or the bearer's token";
        return Err(settings.error(LOGIN, problem));
    }
    let tls = tls_files(settings, VALUES)?;
    let is_workers = urls.is_empty() || urls == worker.urls;
    let has_login = basic_auth.is_some() || bearer.is_some();
    let workers = Some(worker).filter(|_| is_workers && !has_login);
    Ok(RegistryConfig {
        urls: if urls.is_empty() { worker.urls.clone() } else { urls },
        basic_auth: basic_auth.or_else(|| workers?.basic_auth.clone()),
        bearer: bearer.or_else(|| workers?.bearer.clone()),
        // Whom we trust is no secret, but who we are is.
        tls: tls.or_else(|| is_workers.then(|| worker.tls.clone())).unwrap_or_default(),
        timeout: worker.timeout,
        registering: registering(settings)?,
        key_subjects: strategy(settings, "key.converter.key.subject.name.strategy")?,
        value_subjects: strategy(settings, "value.converter.value.subject.name.strategy")?,
    })
}

/// What the registry is logged in to with, from where `basic.auth.credentials.source` says.
fn basic_auth(
    settings: &mut Settings,
    urls: &mut [String],
    kafka: &BTreeMap<String, String>,
) -> Result<Option<Login>, ConfigError> {
    let given = match (settings.optional(LOGIN), settings.optional(LONG_LOGIN)) {
        (Some(login), _) | (None, Some(login)) if !login.is_empty() => Some(login),
        (_, _) => None,
    };
    match settings.optional(SOURCE).as_deref().map(str::trim) {
        None | Some("" | "USER_INFO") => {
            let Some(given) = given else { return Ok(None) };
            let parts = given.split_once(':');
            let parts = parts.map(|(user, word)| (user.to_owned(), word.to_owned()));
            parts.map(Some).ok_or_else(|| settings.error(LOGIN, "expected user:password"))
        }
        Some("URL") => {
            let mut found = None;
            for url in urls {
                let Some((login, without)) = split_login(url) else { continue };
                *url = without;
                if found.as_ref().is_some_and(|other| *other != login) {
                    let problem = "has different logins in its addresses: one is for all of them";
                    return Err(settings.error(OF_VALUES, problem));
                }
                found = Some(login);
            }
            Ok(found)
        }
        Some("SASL_INHERIT") => {
            let both = login::of_clients(kafka);
            let problem = "is SASL_INHERIT, and the worker does not log in to Kafka with a user and \
                           password";
            both.map(Some).ok_or_else(|| settings.error(SOURCE, problem))
        }
        Some(_) => Err(settings.error(SOURCE, "expected one of USER_INFO, URL, SASL_INHERIT")),
    }
}

/// User and password of an address, and the address without them.
fn split_login(url: &str) -> Option<(Login, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end)?;
    let (login, host) = host.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    Some(((user.to_owned(), password.to_owned()), format!("{scheme}://{host}{path}")))
}

/// How ids of schemas are come by. There is one way for keys and values.
fn registering(settings: &mut Settings) -> Result<Registering, ConfigError> {
    let Registering { auto, use_latest, strict, normalize } = Registering::default();
    let mut both = |name: &str, default: bool| {
        let (key, value) = (name.replace("{prefix}", KEYS), name.replace("{prefix}", VALUES));
        let is_keys = settings.has(&key).then(|| settings.boolean(&key, default)).transpose()?;
        let is_values =
            settings.has(&value).then(|| settings.boolean(&value, default)).transpose()?;
        match (is_keys, is_values) {
            (Some(of_keys), Some(of_values)) if of_keys != of_values => {
                Err(settings.error(&key, "has to be that of values"))
            }
            (of_keys, of_values) => Ok(of_values.or(of_keys).unwrap_or(default)),
        }
    };
    Ok(Registering {
        auto: both("{prefix}auto.register.schemas", auto)?,
        use_latest: both("{prefix}use.latest.version", use_latest)?,
        strict: both("{prefix}latest.compatibility.strict", strict)?,
        normalize: both("{prefix}normalize.schemas", normalize)?,
    })
}

fn strategy(settings: &mut Settings, key: &str) -> Result<Strategy, ConfigError> {
    let Some(class) = settings.optional(key).filter(|class| !class.trim().is_empty()) else {
        return Ok(Strategy::default());
    };
    let problem = "expected TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy of \
                   io.confluent.kafka.serializers.subject";
    Strategy::of_class(class.trim()).ok_or_else(|| settings.error(key, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::registry::TokenSource;

    use crate::config::Origin;

    fn read(pairs: &[(&str, &str)]) -> Result<RegistryConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::Connect, values);
        let worker = RegistryConfig {
            urls: vec!["http://worker".to_owned()],
            basic_auth: Some(("w".to_owned(), "geheim".to_owned())),
            ..RegistryConfig::default()
        };
        let sasl = [("sasl.username", "k"), ("sasl.password", "kp")];
        let kafka = sasl.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        super::read(&mut settings, &worker, &kafka).map_err(|error| error.to_string())
    }

    fn of(name: &str) -> String {
        format!("{VALUES}{name}")
    }

    #[test]
    fn the_registry_of_the_converters_wins_over_the_workers() {
        let (url, login) = ((OF_VALUES, "http://a, https://b"), (LOGIN, "u:p:q"));

        assert_eq!(read(&[]).unwrap().urls, ["http://worker"]);
        assert_eq!(read(&[]).unwrap().basic_auth.unwrap().0, "w");
        let other = read(&[url]).unwrap();
        assert_eq!(other.urls, ["http://a", "https://b"]);
        assert!(other.basic_auth.is_none(), "the worker's login is not for others");
        let both = read(&[url, (OF_KEYS, "http://a,https://b"), (SOURCE, "USER_INFO"), login]);
        assert_eq!(both.unwrap().basic_auth, Some(("u".to_owned(), "p:q".to_owned())));
        assert_eq!(read(&[(OF_KEYS, "http://k")]).unwrap().urls, ["http://k"]);
    }

    #[test]
    fn logins_come_from_where_they_are_said_to_be() {
        let url = read(&[(OF_VALUES, "https://u:p@a/x,https://b"), (SOURCE, "URL")]).unwrap();
        assert_eq!(url.urls, ["https://a/x", "https://b"]);
        assert_eq!(url.basic_auth, Some(("u".to_owned(), "p".to_owned())));
        let sasl = read(&[(SOURCE, "SASL_INHERIT")]).unwrap();
        assert_eq!(sasl.basic_auth, Some(("k".to_owned(), "kp".to_owned())));
        let source = of("bearer.auth.credentials.source");
        let token = of("bearer.auth.token");
        let bearer = read(&[(&source, "STATIC_TOKEN"), (&token, "t1")]).unwrap();
        let source = bearer.bearer.unwrap().source;
        assert!(matches!(source, TokenSource::Static(token) if token == "t1"));
        assert!(bearer.basic_auth.is_none(), "a token takes the place of the worker's login");
        let files = read(&[
            (&of("schema.registry.ssl.truststore.location"), "/ca.pem"),
            (&of("schema.registry.ssl.truststore.type"), "PEM"),
            (&of("schema.registry.ssl.keystore.location"), "/me.pem"),
            (&of("schema.registry.ssl.endpoint.identification.algorithm"), ""),
        ]);
        let tls = files.unwrap().tls;
        assert_eq!(tls.ca, Some("/ca.pem".into()));
        assert_eq!(tls.identity, Some(("/me.pem".into(), "/me.pem".into())));
        assert!(tls.ignores_host);
    }

    #[test]
    fn what_is_registered_how_is_confluents() {
        let plain = read(&[]).unwrap();
        assert_eq!((plain.registering, plain.value_subjects), Default::default());
        let record = "io.confluent.kafka.serializers.subject.RecordNameStrategy";
        let all = read(&[
            (&of("auto.register.schemas"), "false"),
            ("key.converter.auto.register.schemas", "false"),
            (&of("use.latest.version"), "true"),
            (&of("latest.compatibility.strict"), "false"),
            (&of("normalize.schemas"), "true"),
            (&of("value.subject.name.strategy"), record),
        ]);
        let all = all.unwrap();
        let expected =
            Registering { auto: false, use_latest: true, strict: false, normalize: true };
        assert_eq!(all.registering, expected);
        assert_eq!((all.key_subjects, all.value_subjects), (Strategy::Topic, Strategy::Record));
    }

    #[test]
    fn what_cannot_be_done_is_refused_without_a_password() {
        let source = of("bearer.auth.credentials.source");
        let token = of("bearer.auth.token");
        let store = of("schema.registry.ssl.truststore.location");
        let names = of("schema.registry.ssl.endpoint.identification.algorithm");
        let strategy = of("value.subject.name.strategy");
        for (pairs, expected) in [
            (vec![(OF_KEYS, "http://a"), (OF_VALUES, "http://b")], "has to be that of values"),
            (vec![(OF_VALUES, "b:8081")], "begins with http://"),
            (vec![(OF_VALUES, "http://u:geheim@b")], "has a user or password in it"),
            (vec![(SOURCE, "OTHER")], "expected one of USER_INFO, URL"),
            (vec![(LOGIN, "geheim")], "expected user:password"),
            (vec![(LOGIN, "u:geheim"), (&token, "geheim")], "one of two logins"),
            (vec![(&source, "CUSTOM")], "expected STATIC_TOKEN or OAUTHBEARER"),
            (vec![(&source, "STATIC_TOKEN")], "bearer.auth.token` is required by"),
            (vec![(&store, "/a.jks")], "is a key store of Java"),
            (vec![(&names, "")], "can be empty only beside"),
            (vec![(&strategy, "com.example.Mine")], "expected TopicNameStrategy"),
        ] {
            let refused = read(&pairs).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("geheim"), "{refused}");
        }
        let key = "key.converter.auto.register.schemas";
        let both = [(key, "true"), (&of("auto.register.schemas"), "false")];
        assert!(read(&both).unwrap_err().contains("has to be that of values"));
    }
}
