//! The registry of one connector.

use schema::registry::RegistryConfig;

use super::registry::registry_url;
use super::settings::{ConfigError, Settings};

const OF_KEYS: &str = "key.converter.schema.registry.url";
const OF_VALUES: &str = "value.converter.schema.registry.url";
const SOURCE: &str = "value.converter.basic.auth.credentials.source";
const LOGIN: &str = "value.converter.basic.auth.user.info";
const LONG_LOGIN: &str = "value.converter.schema.registry.basic.auth.user.info";

/// The registry that the converters of a connector name, as in Kafka Connect, else the worker's. The
/// worker's login goes to the worker's registry only.
pub(super) fn read(
    settings: &mut Settings,
    worker: &RegistryConfig,
) -> Result<RegistryConfig, ConfigError> {
    let (keys, values) = (settings.list(OF_KEYS), settings.list(OF_VALUES));
    // The login of keys is that of values: there is one registry.
    for key in ["key.converter.basic.auth.credentials.source", "key.converter.basic.auth.user.info"]
    {
        drop(settings.secret(key));
    }
    match settings.optional(SOURCE).as_deref().map(str::trim) {
        None | Some("" | "USER_INFO") => {}
        Some(_) => {
            let problem = "can only be USER_INFO, with `value.converter.basic.auth.user.info`";
            return Err(settings.error(SOURCE, problem));
        }
    }
    let login = match (settings.optional(LOGIN), settings.optional(LONG_LOGIN)) {
        (Some(login), _) | (None, Some(login)) if !login.is_empty() => Some(login),
        (_, _) => None,
    };
    let login = login.map(|login| {
        let parts = login.split_once(':').map(|(user, word)| (user.to_owned(), word.to_owned()));
        parts.ok_or_else(|| settings.error(LOGIN, "expected user:password"))
    });
    let login = login.transpose()?;
    if !keys.is_empty() && !values.is_empty() && keys != values {
        let problem = "has to be that of values: one registry has the schemas of a connector";
        return Err(settings.error(OF_KEYS, problem));
    }
    let (key, urls) = if values.is_empty() { (OF_KEYS, keys) } else { (OF_VALUES, values) };
    for url in &urls {
        registry_url(url).map_err(|problem| settings.error(key, problem))?;
    }
    let is_workers = urls.is_empty() || urls == worker.urls;
    let workers_login = worker.basic_auth.clone().filter(|_| is_workers);
    Ok(RegistryConfig {
        urls: if urls.is_empty() { worker.urls.clone() } else { urls },
        basic_auth: login.or(workers_login),
        timeout: worker.timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn read(pairs: &[(&str, &str)]) -> Result<RegistryConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::Connect, values);
        let worker = RegistryConfig {
            urls: vec!["http://worker".to_owned()],
            basic_auth: Some(("w".to_owned(), "geheim".to_owned())),
            timeout: std::time::Duration::from_secs(1),
        };
        super::read(&mut settings, &worker).map_err(|error| error.to_string())
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
    fn what_cannot_be_done_is_refused_without_a_password() {
        for (pairs, expected) in [
            (vec![(OF_KEYS, "http://a"), (OF_VALUES, "http://b")], "has to be that of values"),
            (vec![(OF_VALUES, "b:8081")], "begins with http://"),
            (vec![(OF_VALUES, "http://u:geheim@b")], "has a user or password in it"),
            (vec![(SOURCE, "SASL_INHERIT")], "can only be USER_INFO"),
            (vec![(LOGIN, "geheim")], "expected user:password"),
        ] {
            let refused = read(&pairs).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("geheim"), "{refused}");
        }
    }
}
