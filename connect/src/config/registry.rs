//! Where the schema registry is.

use schema::registry::RegistryConfig;

use super::settings::{ConfigError, Settings};

/// Reads `schema.registry.*`. Without an address there is no registry, which is enough for JSON.
pub(super) fn read(settings: &mut Settings) -> Result<RegistryConfig, ConfigError> {
    Ok(RegistryConfig {
        urls: registry_urls(settings)?,
        basic_auth: basic_auth(settings)?,
        timeout: settings.duration_ms("schema.registry.timeout.ms", 10_000, 100..=600_000)?,
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
