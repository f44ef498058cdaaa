//! `bearer.auth.*`: the tokens that a registry asks for, by Confluent's names.

use std::time::Duration;

use schema::registry::{BearerConfig, IssuerConfig, TokenSource};

use super::settings::{ConfigError, Settings};

/// Reads the settings behind a prefix. None if no token is asked for.
pub(super) fn read(
    settings: &mut Settings,
    prefix: &str,
) -> Result<Option<BearerConfig>, ConfigError> {
    let key = |name: &str| name.replace("{prefix}", prefix);
    let given = |settings: &mut Settings, name: &str| {
        let value = settings.optional(&key(name)).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    let (source, token) = (
        given(settings, "{prefix}bearer.auth.credentials.source"),
        given(settings, "{prefix}bearer.auth.token"),
    );
    let logical_cluster = given(settings, "{prefix}bearer.auth.logical.cluster");
    let identity_pool = given(settings, "{prefix}bearer.auth.identity.pool.id");
    for (name, value) in [
        ("{prefix}bearer.auth.logical.cluster", &logical_cluster),
        ("{prefix}bearer.auth.identity.pool.id", &identity_pool),
    ] {
        if value.as_ref().is_some_and(|value| !value.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(settings.error(&key(name), "expected letters, digits and `-`"));
        }
    }
    let source = match (source.as_deref(), token) {
        (None, None) => return Ok(None),
        (None | Some("STATIC_TOKEN"), Some(token)) => TokenSource::Static(token),
        (Some("STATIC_TOKEN"), None) => {
            let problem =
                format!("is required by `{}`", key("{prefix}bearer.auth.credentials.source"));
            return Err(settings.error(&key("{prefix}bearer.auth.token"), problem));
        }
        (Some("OAUTHBEARER"), _) => TokenSource::Issuer(issuer(settings, &key)?),
        (Some(_), _) => {
            let problem = "expected STATIC_TOKEN or OAUTHBEARER: have whatever else fetches tokens \
                           write them to a file, and name that in the token, as `${file:/path:key}`";
            return Err(settings.error(&key("{prefix}bearer.auth.credentials.source"), problem));
        }
    };
    Ok(Some(BearerConfig { source, logical_cluster, identity_pool }))
}

/// An OAuth server, and who we are there.
fn issuer(
    settings: &mut Settings,
    key: &impl Fn(&str) -> String,
) -> Result<IssuerConfig, ConfigError> {
    let required = |settings: &mut Settings, name: &str| {
        let given = settings.optional(&key(name)).filter(|value| !value.trim().is_empty());
        let problem = format!("is required by `{}`", key("{prefix}bearer.auth.credentials.source"));
        given.ok_or_else(|| settings.error(&key(name), problem))
    };
    let url = required(settings, "{prefix}bearer.auth.issuer.endpoint.url")?.trim().to_owned();
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
    if host.is_none_or(|host| host.contains('@')) {
        let problem = "expected an address that begins with http:// or https://, without a user and \
                       a password";
        return Err(settings.error(&key("{prefix}bearer.auth.issuer.endpoint.url"), problem));
    }
    let buffer = settings.integer(
        &key("{prefix}bearer.auth.cache.expiry.buffer.seconds"),
        300,
        0..=86_400,
    )?;
    Ok(IssuerConfig {
        url,
        client_id: required(settings, "{prefix}bearer.auth.client.id")?.trim().to_owned(),
        client_secret: required(settings, "{prefix}bearer.auth.client.secret")?,
        scope: settings
            .optional(&key("{prefix}bearer.auth.scope"))
            .filter(|scope| !scope.trim().is_empty()),
        expiry_buffer: Duration::from_secs(buffer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<BearerConfig>, String> {
        let key = |key: &str| format!("p.bearer.auth.{key}");
        let values = pairs.iter().map(|(k, v)| (key(k), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::PipelineFile, values);
        let read = super::read(&mut settings, "p.").map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(read)
    }

    const OAUTH: [(&str, &str); 4] = [
        ("credentials.source", "OAUTHBEARER"),
        ("issuer.endpoint.url", "https://login/oauth2/token"),
        ("client.id", "me"),
        ("client.secret", "geheim"),
    ];

    #[test]
    fn an_oauth_server_has_confluents_settings() {
        let more = [
            ("scope", "all"),
            ("logical.cluster", "lsrc-1"),
            ("identity.pool.id", "pool-1"),
            ("cache.expiry.buffer.seconds", "60"),
        ];

        let bearer = read(&[&OAUTH[..], &more].concat()).unwrap().unwrap();

        let TokenSource::Issuer(issuer) = bearer.source else { panic!("a static token") };
        assert_eq!((&*issuer.url, &*issuer.client_id), (OAUTH[1].1, "me"));
        assert_eq!((&*issuer.client_secret, issuer.scope.as_deref()), ("geheim", Some("all")));
        assert_eq!(issuer.expiry_buffer, Duration::from_secs(60));
        assert_eq!(bearer.logical_cluster.as_deref(), Some("lsrc-1"));
        assert_eq!(bearer.identity_pool.as_deref(), Some("pool-1"));
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_without_the_secret() {
        let with = |pair: (&'static str, &'static str)| {
            let rest = OAUTH.into_iter().filter(|(key, _)| *key != pair.0);
            read(&rest.chain([pair]).collect::<Vec<_>>()).err().unwrap()
        };
        for (pair, expected) in [
            (("client.secret", " "), "client.secret` is required by"),
            (("client.id", ""), "client.id` is required by"),
            (("issuer.endpoint.url", ""), "issuer.endpoint.url` is required by"),
            (("issuer.endpoint.url", "login"), "begins with http://"),
            (("issuer.endpoint.url", "http://me:geheim@login/"), "without a user"),
            (("logical.cluster", "a b"), "expected letters"),
            (("cache.expiry.buffer.seconds", "-1"), "expected a number from 0"),
            (("credentials.source", "SASL_OAUTHBEARER_INHERIT"), "expected STATIC_TOKEN or"),
        ] {
            let refused = with(pair);
            assert!(refused.contains(expected) && !refused.contains("geheim"), "{refused}");
        }
    }
}
