//! The schema registry: Apicurio, for its REST API that is compatible with Confluent's.

use std::path::Path;

use super::error::StackError;
use super::install::Installed;
use super::java::{Archive, Tuning, jvm_options};
use super::port::Port;
use super::probe::Probe;
use super::server::{LOG, Server, loopback, prepare};
use super::supervise::Launch;

/// How a registry differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// Small and soon ready, or as in production.
    pub tuning: Tuning,
    /// The heap in MiB. Default 256.
    pub heap_mb: u32,
    /// Whether schemas are kept in a file and survive a restart. Off by default.
    pub is_persistent: bool,
    /// Further settings, as environment variables of Quarkus or Apicurio.
    pub environment: Vec<(String, String)>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        let environment = Vec::new();
        Self { tuning: Tuning::Test, heap_mb: 256, is_persistent: false, environment }
    }
}

/// A schema registry on loopback. Its global compatibility is `BACKWARD`, as Confluent's; that is
/// set anew at each start, since Apicurio's default is `NONE`.
#[derive(Debug)]
pub struct Registry {
    /// Stops, kills and starts it again.
    pub server: Server,
    port: Port,
    _management: Port,
}

impl Registry {
    /// Starts a registry whose data, if any, is in `directory/data`.
    ///
    /// # Errors
    ///
    /// [`StackError`] if the registry does not become ready, with the end of its log.
    pub async fn start(
        installed: &Installed,
        directory: &Path,
        options: &RegistryOptions,
    ) -> Result<Self, StackError> {
        let archive = installed.cache.class_archive(&installed.registry, &installed.jdk.build);
        Self::start_with(installed, directory, options, &Archive::Read(archive)).await
    }

    pub(super) async fn start_with(
        installed: &Installed,
        directory: &Path,
        options: &RegistryOptions,
        archive: &Archive,
    ) -> Result<Self, StackError> {
        let (directory, data) = prepare(directory)?;
        let port = Port::lease(installed.cache.folder())?;
        let management = Port::lease(installed.cache.folder())?;
        let address = loopback(port.number());
        let mut arguments = jvm_options(options.tuning, options.heap_mb, archive);
        arguments.push("-jar".into());
        arguments.push(installed.registry.join("quarkus-run.jar").into());
        let mut environment = vec![
            ("QUARKUS_HTTP_HOST".to_owned(), address.ip().to_string()),
            ("QUARKUS_HTTP_PORT".to_owned(), address.port().to_string()),
            // Its health checks are on a second port, for all registries the same by default.
            ("QUARKUS_MANAGEMENT_HOST".to_owned(), address.ip().to_string()),
            ("QUARKUS_MANAGEMENT_PORT".to_owned(), management.number().to_string()),
            ("QUARKUS_LOG_LEVEL".to_owned(), "WARN".to_owned()),
            ("QUARKUS_HTTP_ACCESS_LOG_ENABLED".to_owned(), "false".to_owned()),
        ];
        if options.is_persistent {
            // Without it, what the registry has answered is lost if it is killed within half a
            // second.
            let url = format!("jdbc:h2:file:{};WRITE_DELAY=0", data.join("registry").display());
            environment.push(("APICURIO_DATASOURCE_URL".to_owned(), url));
        }
        environment.extend(options.environment.iter().cloned());
        let launch = Launch {
            program: installed.jdk.program("java"),
            arguments,
            environment: environment.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            log: directory.join(LOG),
            directory,
        };
        let probe = Probe::Registry(url(&port));
        let server = Server::start("the schema registry", launch, probe).await?;
        Ok(Self { server, port, _management: management })
    }

    /// The base address of the API, with its path and without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.port)
    }
}

fn url(port: &Port) -> String {
    format!("http://{}/apis/ccompat/v7", loopback(port.number()))
}
