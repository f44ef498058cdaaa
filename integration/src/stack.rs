//! MySQL, Kafka, a schema registry and Elasticsearch: real servers, run natively on loopback.
//!
//! [`Stack::start`] fetches what is missing into the [`Cache`], starts the four side by side on
//! free ports and waits until each can do its work. Every server can be stopped, killed, frozen
//! and started again on its port and data. All of them die with this process, even if it is
//! killed, so no test leaves anything running.
//!
//! A [`Stack`] is bound to no runtime: it may be started in one test and used in another.

mod apt;
mod cache;
mod checkers;
mod clients;
mod connect;
mod elasticsearch;
mod error;
mod install;
mod java;
mod kafka;
mod mariadb;
mod maven;
mod mysql;
pub mod named;
mod opensearch;
pub mod percona;
mod platform;
mod port;
mod probe;
mod registry;
mod server;
pub(crate) mod supervise;
mod tool;
mod versions;
mod warm;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

pub use self::cache::Cache;
pub use self::checkers::{ManifestCheck, PromQl};
pub use self::clients::{ConnectClients, RegistryClient};
pub use self::connect::{ConnectOptions, KafkaConnect};
pub use self::elasticsearch::{Elasticsearch, ElasticsearchOptions};
pub use self::error::StackError;
pub use self::install::Installed;
pub use self::java::Tuning;
pub use self::kafka::{Kafka, KafkaOptions};
pub use self::mariadb::MariaDb;
pub use self::mysql::{MySql, MySqlOptions};
pub use self::opensearch::{OpenSearch, OpenSearchOptions, shared_opensearch};
pub use self::platform::Unsupported;
pub use self::registry::{Registry, RegistryOptions};
pub use self::server::Server;
pub use self::supervise::{Signal, is_alive};

use self::cache::RunFolder;

/// How a stack differs from the usual one.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StackOptions {
    /// Where data and logs are, in a folder for each server. By default a new folder in the
    /// cache, whose data is removed by a later start and whose logs are kept for a while.
    pub directory: Option<PathBuf>,
    /// The database.
    pub mysql: MySqlOptions,
    /// The broker.
    pub kafka: KafkaOptions,
    /// The schema registry.
    pub registry: RegistryOptions,
    /// The search engine.
    pub elasticsearch: ElasticsearchOptions,
}

/// Four running servers. Dropping it kills them.
#[derive(Debug)]
pub struct Stack {
    /// The database.
    pub mysql: MySql,
    /// The broker.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: Registry,
    /// The search engine.
    pub elasticsearch: Elasticsearch,
    /// What further servers can be started from.
    pub installed: Installed,
    folder: RunFolder,
}

impl Stack {
    /// Fetches what is missing, then starts all four servers and waits until they are ready.
    ///
    /// # Errors
    ///
    /// [`StackError::Platform`] on a machine that cannot run them, before any download;
    /// otherwise what failed, with the end of the log. Servers that had started are killed.
    pub async fn start(options: StackOptions) -> Result<Self, StackError> {
        let cache = Cache::open()?;
        let folder = match &options.directory {
            Some(directory) => RunFolder::own(directory)?,
            None => cache.run_folder()?,
        };
        let installed = install(&cache).await?;
        let at = |server: &str| folder.path().join(server);
        let (mysql, kafka, registry, elasticsearch) = (
            at(ServerName::MySql.as_str()),
            at(ServerName::Kafka.as_str()),
            at(ServerName::Registry.as_str()),
            at(ServerName::Elasticsearch.as_str()),
        );
        let (mysql, kafka, registry, elasticsearch) = tokio::try_join!(
            Box::pin(MySql::start(&installed, &mysql, &options.mysql)),
            Box::pin(Kafka::start(&installed, &kafka, &options.kafka)),
            Box::pin(Registry::start(&installed, &registry, &options.registry)),
            Box::pin(Elasticsearch::start(&installed, &elasticsearch, &options.elasticsearch)),
        )?;
        Ok(Self { mysql, kafka, registry, elasticsearch, installed, folder })
    }

    /// Stops all servers in good order, at the same time.
    ///
    /// # Errors
    ///
    /// [`StackError::NotStopped`] for the first that had to be killed.
    pub async fn stop(&self) -> Result<(), StackError> {
        let stopped = tokio::join!(
            self.mysql.server.stop(),
            self.kafka.server.stop(),
            self.registry.server.stop(),
            self.elasticsearch.server.stop(),
        );
        stopped.0.and(stopped.1).and(stopped.2).and(stopped.3)
    }

    /// The folder that has a folder for each server.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.folder.path()
    }

    /// Where the servers can be reached.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            mysql: self.mysql.url(),
            kafka: self.kafka.bootstrap(),
            registry: self.registry.url(),
            elasticsearch: self.elasticsearch.url(),
        }
    }

    /// The ids of the servers' processes that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let servers = [
            &self.mysql.server,
            &self.kafka.server,
            &self.registry.server,
            &self.elasticsearch.server,
        ];
        servers.into_iter().filter_map(Server::pid).collect()
    }
}

/// Gives the one stack of this process, which the first call starts. Tests share it and keep
/// apart by the names of databases, topics and indices; it dies with the process.
///
/// # Errors
///
/// Those of [`Stack::start`]; the next call then tries again.
pub async fn shared() -> Result<&'static Stack, StackError> {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    SHARED.get_or_try_init(|| Box::pin(Stack::start(StackOptions::default()))).await
}

/// Fetches what is missing, for servers that are started one by one.
///
/// # Errors
///
/// As [`Stack::start`].
pub async fn install(cache: &Cache) -> Result<Installed, StackError> {
    let cache = cache.clone();
    let installed = tokio::task::spawn_blocking(move || Installed::ensure(&cache)).await??;
    warm::warm(&installed).await?;
    Ok(installed)
}

/// Where the servers of a stack can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The database, with its user; the password is empty.
    pub mysql: String,
    /// The broker, for `bootstrap.servers`.
    pub kafka: String,
    /// The schema registry's base address, with its path.
    pub registry: String,
    /// The search engine.
    pub elasticsearch: String,
}

/// The versions of the servers that are pinned; MySQL's is what Debian has.
#[must_use]
pub fn versions() -> [(&'static str, &'static str); 4] {
    [
        ("Kafka", versions::KAFKA),
        ("Apicurio", versions::APICURIO),
        ("Elasticsearch", versions::ELASTICSEARCH),
        ("Debezium", versions::DEBEZIUM),
    ]
}

/// A server of a stack, by the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// The database.
    MySql,
    /// The broker.
    Kafka,
    /// The schema registry.
    Registry,
    /// The search engine.
    Elasticsearch,
}

impl ServerName {
    /// All of them, in the order of the data's way.
    pub const ALL: [Self; 4] = [Self::MySql, Self::Kafka, Self::Registry, Self::Elasticsearch];

    /// The name of the server's folder.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Kafka => "kafka",
            Self::Registry => "registry",
            Self::Elasticsearch => "elasticsearch",
        }
    }

    /// The server's log in the folder of a stack.
    #[must_use]
    pub fn log(self, stack: &Path) -> PathBuf {
        stack.join(self.as_str()).join(server::LOG)
    }
}
