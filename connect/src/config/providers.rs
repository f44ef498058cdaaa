//! Config providers: whose values stand for `${NAME:PATH:KEY}`, by Kafka Connect's names.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use regex::Regex;

use super::settings::{ConfigError, Settings};
use super::variables::Variables;
use crate::pem;
use crate::vault::{Login, Vault, VaultConfig};

/// What all settings of providers begin with.
const PREFIX: &str = "config.providers.";

/// The providers of a worker by name. `env`, `file` and `dir` are there without being named.
pub struct Providers(BTreeMap<String, Provider>);

/// Where values come from.
pub(super) enum Provider {
    /// Variables of the environment, whose names match if there is a pattern.
    Environment(Option<Regex>),
    /// Properties files, and whole files.
    File(Paths),
    /// Files of a folder.
    Directory(Paths),
    /// Secrets of `HashiCorp` Vault.
    Vault(Vault),
}

/// Folders and files that may be read; all if none is named.
#[derive(Default)]
pub(super) struct Paths(Vec<PathBuf>);

impl Default for Providers {
    fn default() -> Self {
        Self(BTreeMap::from([
            ("env".to_owned(), Provider::Environment(None)),
            ("file".to_owned(), Provider::File(Paths::default())),
            ("dir".to_owned(), Provider::Directory(Paths::default())),
        ]))
    }
}

impl Providers {
    /// Takes `config.providers` and what belongs to it out of a worker's settings. Their own values
    /// may have variables of the environment, of files and of folders.
    pub(super) fn take(
        named: &Settings,
        given: &mut BTreeMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let (own, others): (BTreeMap<_, _>, _) = std::mem::take(given)
            .into_iter()
            .partition(|(key, _)| key == "config.providers" || key.starts_with(PREFIX));
        *given = others;
        let mut providers = Self::default();
        let mut own = Settings::resolved(
            named.clone(),
            &own,
            Variables { environment, providers: &providers },
        )?;
        for name in own.list("config.providers") {
            let class = own.required(&format!("config.providers.{name}.class"))?;
            let params = own.with_prefix(&format!("config.providers.{name}.param."));
            let mut params = Settings::new(format!("provider `{name}`"), own.origin(), params);
            let provider = Provider::read(&class, &mut params)?.ok_or_else(|| {
                let key = format!("config.providers.{name}.class");
                own.error(
                    &key,
                    "expected FileConfigProvider, DirectoryConfigProvider, \
                                 EnvVarConfigProvider or VaultSecretProvider",
                )
            })?;
            params.finish()?;
            providers.0.insert(name, provider);
        }
        // A provider that is not listed does nothing, as in Connect.
        own.finish()?;
        Ok(providers)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Provider> {
        self.0.get(name)
    }

    /// Whether a text needs a provider that may take seconds to answer.
    pub(crate) fn is_slow(&self, text: &str) -> bool {
        let is_vault = |name: &str| matches!(self.get(name), Some(Provider::Vault(_)));
        text.split("${").skip(1).filter_map(|it| it.split_once(':')).any(|(name, _)| is_vault(name))
    }
}

impl Settings {
    /// Takes `config.action.reload`: after how long the connector has to begin anew because a secret
    /// ends then; none if none does, or if it shall go on.
    pub(crate) fn reload_after(&mut self) -> Result<Option<Duration>, ConfigError> {
        let choices = [("restart", true), ("none", false)];
        let restarts = self.choice("config.action.reload", true, &choices)?;
        Ok(self.valid_for().filter(|_| restarts))
    }
}

impl Provider {
    /// By the last part of the class's name: there are several of one name for Vault.
    fn read(class: &str, params: &mut Settings) -> Result<Option<Self>, ConfigError> {
        Ok(Some(match class.rsplit('.').next().unwrap_or_default() {
            "EnvVarConfigProvider" => Self::Environment(pattern(params)?),
            "FileConfigProvider" => Self::File(Paths::read(params)?),
            "DirectoryConfigProvider" => Self::Directory(Paths::read(params)?),
            "VaultSecretProvider" | "VaultConfigProvider" => {
                let config = vault(params)?;
                let started = Vault::start(config);
                Self::Vault(started.map_err(|problem| params.error("vault.addr", problem))?)
            }
            _ => return Ok(None),
        }))
    }
}

/// `allowlist.pattern`: the whole name has to match.
fn pattern(params: &mut Settings) -> Result<Option<Regex>, ConfigError> {
    const KEY: &str = "allowlist.pattern";
    let Some(text) = params.optional(KEY).filter(|text| !text.is_empty()) else { return Ok(None) };
    let whole = Regex::new(&format!("^(?:{text})$"));
    whole.map(Some).map_err(|_| params.error(KEY, "is not a regular expression"))
}

impl Paths {
    /// `allowed.paths`.
    fn read(params: &mut Settings) -> Result<Self, ConfigError> {
        const KEY: &str = "allowed.paths";
        let paths: Vec<_> = params.list(KEY).into_iter().map(PathBuf::from).collect();
        if paths.iter().any(|path| !path.is_absolute()) {
            return Err(params.error(KEY, "expected paths that begin with /"));
        }
        Ok(Self(paths.iter().map(|path| without_parents(path)).collect()))
    }

    pub(super) fn allow(&self, path: &Path) -> bool {
        let path = without_parents(path);
        self.0.is_empty() || self.0.iter().any(|allowed| path.starts_with(allowed))
    }
}

/// The same path without `..`, as text: links are followed, because mounted secrets are links.
fn without_parents(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
        normal
    })
}

/// Vault's, by the names of Lenses' provider, which most use with Kafka Connect.
fn vault(params: &mut Settings) -> Result<VaultConfig, ConfigError> {
    params.rename("vault.address", "vault.addr");
    let address = params.required("vault.addr")?;
    let is_url = address.starts_with("http://") || address.starts_with("https://");
    if !is_url || address.contains('@') {
        let problem = "expected an address that begins with http:// or https://, without a login";
        return Err(params.error("vault.addr", problem));
    }
    let is_app_role =
        params.choice("vault.auth.method", false, &[("token", false), ("approle", true)])?;
    let login = if is_app_role {
        Login::AppRole {
            mount: params.text("app.role.path", "approle"),
            role: params.required("app.role.id")?.into(),
            secret: params.required("app.role.secret.id")?.into(),
        }
    } else {
        Login::Token(params.required("vault.token")?.into())
    };
    let ttl_ms = params.integer("secret.default.ttl", 0_u64, 0..=31_536_000_000)?;
    Ok(VaultConfig {
        address: address.trim_end_matches('/').to_owned(),
        namespace: params.optional("vault.namespace").filter(|it| !it.is_empty()),
        login,
        authorities: authorities(params)?,
        is_versioned: params.choice("vault.engine.version", true, &[("2", true), ("1", false)])?,
        ttl: (ttl_ms > 0).then(|| Duration::from_millis(ttl_ms)),
    })
}

/// `vault.pem`: certificates as text, or a file with them.
fn authorities(params: &mut Settings) -> Result<Option<String>, ConfigError> {
    const KEY: &str = "vault.pem";
    let Some(given) = params.optional(KEY).filter(|it| !it.is_empty()) else { return Ok(None) };
    let text = if given.contains("-----BEGIN ") { Ok(given) } else { pem::read(Path::new(&given)) };
    let text = text.and_then(|text| pem::authorities(&text).map(|_| text));
    text.map(Some).map_err(|error| params.error(KEY, error.to_string()))
}
