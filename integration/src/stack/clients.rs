//! Clients that others have written, from package registries: what they can do with Kafka Connect
//! they must be able to do with a worker of ours, and what they write must be read.

use std::path::PathBuf;

use super::cache::Cache;
use super::error::StackError;
use super::install::Installed;
use super::tool::{run_with_retries, tool};
use super::versions::{
    CONNECT_CLIENT_JAVASCRIPT, CONNECT_CLIENT_PYTHON, PROTOBUF_COMPILER_PYTHON,
    REGISTRY_CLIENT_PYTHON,
};

/// Where the clients are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectClients {
    /// The folder of the Python package `kafka-connect-py` (MIT), for `PYTHONPATH`.
    pub python: PathBuf,
    /// The folder of the JavaScript package `kafka-connect-client` (ISC), for `NODE_PATH`: it has
    /// the requests about offsets, which the other one has not.
    pub javascript: PathBuf,
}

impl ConnectClients {
    /// Fetches them with pip and npm if they are not in the cache.
    ///
    /// # Errors
    ///
    /// [`StackError`] if they cannot be fetched, also because pip or npm is missing.
    pub async fn fetch(installed: &Installed) -> Result<Self, StackError> {
        let cache = installed.cache.clone();
        tokio::task::spawn_blocking(move || {
            Ok(Self { python: python(&cache)?, javascript: javascript(&cache)? })
        })
        .await?
    }
}

/// Confluent's client of Kafka and of the schema registry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistryClient {
    /// The folder of the Python packages `confluent-kafka` with its serializers and `grpcio-tools`, which
    /// has Google's compiler of Protobuf (both Apache-2.0), for `PYTHONPATH`.
    pub python: PathBuf,
}

impl RegistryClient {
    /// Fetches it with pip if it is not in the cache.
    ///
    /// # Errors
    ///
    /// [`StackError`] if it cannot be fetched, also because pip is missing.
    pub async fn fetch(installed: &Installed) -> Result<Self, StackError> {
        let cache = installed.cache.clone();
        let compiler = format!("grpcio-tools=={PROTOBUF_COMPILER_PYTHON}");
        let name =
            format!("confluent-kafka-{REGISTRY_CLIENT_PYTHON}-{}", compiler.replace("==", "-"));
        let parts = "[protobuf,json,schemaregistry]";
        let package = format!("confluent-kafka{parts}=={REGISTRY_CLIENT_PYTHON}");
        let fetched = move || Ok(Self { python: install(&cache, &name, &[&package, &compiler])? });
        tokio::task::spawn_blocking(fetched).await?
    }
}

fn python(cache: &Cache) -> Result<PathBuf, StackError> {
    let package = format!("kafka-connect-py=={CONNECT_CLIENT_PYTHON}");
    install(cache, &package.replace("==", "-"), &[&package])
}

/// Fetches packages of Python with all that they need.
fn install(cache: &Cache, name: &str, packages: &[&str]) -> Result<PathBuf, StackError> {
    cache.component(name, &format!("fetching {name}"), |folder| {
        let mut pip = tool("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target"]);
        pip.arg(folder).args(packages);
        run_with_retries("pip install", &mut pip).map(drop)
    })
}

fn javascript(cache: &Cache) -> Result<PathBuf, StackError> {
    let package = format!("kafka-connect-client@{CONNECT_CLIENT_JAVASCRIPT}");
    let name = package.replace('@', "-");
    let folder = cache.component(&name, &format!("fetching {package}"), |folder| {
        let mut npm = tool("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.arg("--prefix").arg(folder).arg(&package);
        run_with_retries("npm install", &mut npm).map(drop)
    })?;
    Ok(folder.join("node_modules"))
}
