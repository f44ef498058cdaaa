//! Where the schema registry is, and what it asks of its clients.

use std::path::PathBuf;

use schema::registry::{RegistryConfig, TlsFiles};

use super::bearer;
use super::settings::{ConfigError, Settings};

/// Reads `schema.registry.*`. Without an address there is no registry, which is enough for JSON.
pub(super) fn read(settings: &mut Settings) -> Result<RegistryConfig, ConfigError> {
    let bearer = bearer::read(settings, "schema.registry.")?;
    let basic_auth = basic_auth(settings)?;
    if bearer.is_some() && basic_auth.is_some() {
        let problem = "is one of two logins: leave it out, or `schema.registry.bearer.auth.*`";
        return Err(settings.error("schema.registry.basic.auth.user.info", problem));
    }
    Ok(RegistryConfig {
        urls: registry_urls(settings)?,
        basic_auth,
        bearer,
        tls: tls_files(settings, "")?.unwrap_or_default(),
        timeout: settings.duration_ms("schema.registry.timeout.ms", 10_000, 100..=600_000)?,
        ..RegistryConfig::default()
    })
}

/// `schema.registry.url`: addresses, which are shown in messages, so they may hold no password.
fn registry_urls(settings: &mut Settings) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "schema.registry.url";
    let urls = settings.list(KEY);
    for url in &urls {
        registry_url(url).map_err(|problem| settings.error(KEY, problem))?;
    }
    Ok(urls)
}

/// What is wrong with the address of a registry.
pub(super) fn registry_url(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
        return Err("expected an address that begins with http:// or https://");
    };
    if rest.split('/').next().is_some_and(|host| host.contains('@')) {
        return Err("has a user or password in it; give them as \
                    `schema.registry.basic.auth.user.info`, for a connector's own registry behind \
                    `value.converter.`");
    }
    Ok(())
}

/// `schema.registry.basic.auth.user.info`: `user:password`, as Confluent's clients have it.
fn basic_auth(settings: &mut Settings) -> Result<Option<(String, String)>, ConfigError> {
    const KEY: &str = "schema.registry.basic.auth.user.info";
    let Some(info) = settings.optional(KEY) else { return Ok(None) };
    let (user, password) =
        info.split_once(':').ok_or_else(|| ConfigError::new(KEY, "expected user:password"))?;
    Ok(Some((user.to_owned(), password.to_owned())))
}

/// `schema.registry.ssl.*` behind a prefix: whom we trust and who we are, in PEM. `None` if nothing of
/// it is set.
pub(super) fn tls_files(
    settings: &mut Settings,
    prefix: &str,
) -> Result<Option<TlsFiles>, ConfigError> {
    let ca = format!("{prefix}schema.registry.ssl.truststore.location");
    let own = format!("{prefix}schema.registry.ssl.keystore.location");
    let store = |settings: &mut Settings, key: &str, kind: String, password: String| {
        let path = settings.optional(key).filter(|path| !path.trim().is_empty());
        let kind = settings.optional(&kind).map(|kind| kind.trim().to_uppercase());
        let java = [".jks", ".p12", ".pfx", ".keystore", ".truststore"];
        // A file in PEM has no password, so one is of a store of Java.
        drop(settings.secret(&password));
        let Some(path) = path else { return Ok(None) };
        let is_java = java.iter().any(|end| path.to_lowercase().ends_with(end));
        if kind.as_deref().map_or(is_java, |kind| kind != "PEM") {
            let problem = "is a key store of Java, which is not read: have `keytool` and \
                           `openssl pkcs12` write it as PEM, and name that file here";
            return Err(settings.error(key, problem));
        }
        Ok(Some(PathBuf::from(path)))
    };
    let trusted = store(
        settings,
        &ca,
        format!("{prefix}schema.registry.ssl.truststore.type"),
        format!("{prefix}schema.registry.ssl.truststore.password"),
    )?;
    let identity = store(
        settings,
        &own,
        format!("{prefix}schema.registry.ssl.keystore.type"),
        format!("{prefix}schema.registry.ssl.keystore.password"),
    )?;
    drop(settings.secret(&format!("{prefix}schema.registry.ssl.key.password")));
    let names = format!("{prefix}schema.registry.ssl.endpoint.identification.algorithm");
    let ignores_host = match settings.optional(&names).as_deref().map(str::trim) {
        None | Some("https" | "HTTPS") => false,
        Some("") if trusted.is_some() => true,
        Some("") => {
            let problem = format!(
                "can be empty only beside `{ca}`: without either, any server of the world would do"
            );
            return Err(settings.error(&names, problem));
        }
        Some(_) => return Err(settings.error(&names, "expected https or nothing")),
    };
    let is_set = trusted.is_some() || identity.is_some();
    // The key stands in the same file as the certificate, as Kafka has it in PEM.
    let identity = identity.map(|path| (path.clone(), path));
    Ok(is_set.then_some(TlsFiles { ca: trusted, identity, ignores_host }))
}
