//! One Elasticsearch node: the real server with its HTTP transport, without X-Pack.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::error::{StackError, io_error};
use super::install::Installed;
use super::java::{Archive, Tuning, class_path, jvm_options};
use super::port::Port;
use super::probe::Probe;
use super::server::{LOG, Server, loopback, prepare};
use super::supervise::Launch;

/// How a node differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ElasticsearchOptions {
    /// Small and soon ready, or as in production.
    pub tuning: Tuning,
    /// The heap in MiB. Default 512.
    pub heap_mb: u32,
    /// Further settings; they win. `test.http.login` (`user:password`), `test.http.keystore` (a
    /// PKCS12 file) and `test.http.keystore_password` turn authentication and HTTPS on; a node
    /// with either cannot be waited for and needs `is_guarded`.
    pub settings: Vec<(String, String)>,
    /// Whether an answer of any kind counts as ready. Off by default.
    pub is_guarded: bool,
}

impl Default for ElasticsearchOptions {
    fn default() -> Self {
        Self { tuning: Tuning::Test, heap_mb: 512, settings: Vec::new(), is_guarded: false }
    }
}

/// A node on loopback.
#[derive(Debug)]
pub struct Elasticsearch {
    /// Stops, kills and starts it again.
    pub server: Server,
    http: Port,
    transport: Port,
}

impl Elasticsearch {
    /// Starts a node whose data is in `directory/data`; what is there already is kept.
    ///
    /// # Errors
    ///
    /// [`StackError`] if the node does not become ready, with the end of its log.
    pub async fn start(
        installed: &Installed,
        directory: &Path,
        options: &ElasticsearchOptions,
    ) -> Result<Self, StackError> {
        let archive = installed.cache.class_archive(&installed.elasticsearch, &installed.jdk.build);
        Self::start_with(installed, directory, options, &Archive::Read(archive)).await
    }

    pub(super) async fn start_with(
        installed: &Installed,
        directory: &Path,
        options: &ElasticsearchOptions,
        archive: &Archive,
    ) -> Result<Self, StackError> {
        let (directory, data) = prepare(directory)?;
        let http = Port::lease(installed.cache.folder())?;
        let transport = Port::lease(installed.cache.folder())?;
        let config = directory.join("config");
        for made in [&config, &directory.join("tmp")] {
            fs::create_dir_all(made).map_err(io_error("make a folder of Elasticsearch"))?;
        }
        let mut arguments = jvm_options(options.tuning, options.heap_mb, archive);
        arguments.extend(JVM_OPTIONS.map(OsString::from));
        arguments.push(format!("-Djava.io.tmpdir={}", directory.join("tmp").display()).into());
        arguments.extend(["-cp".into(), class_path(&installed.elasticsearch.join("lib"))?.into()]);
        arguments.push("NodeMain".into());
        arguments.extend([installed.elasticsearch.clone().into(), config.into()]);
        let settings = [
            ("path.data", data.display().to_string()),
            ("path.logs", directory.join("logs").display().to_string()),
            ("http.port", http.number().to_string()),
            ("transport.port", transport.number().to_string()),
        ];
        arguments.extend(settings.iter().map(|(key, value)| format!("{key}={value}").into()));
        arguments.extend(SETTINGS.map(OsString::from));
        arguments.extend(options.settings.iter().map(|(k, v)| format!("{k}={v}").into()));
        let launch = Launch {
            program: installed.jdk.program("java"),
            arguments,
            environment: vec![],
            log: directory.join(LOG),
            directory,
        };
        let probe = if options.is_guarded {
            Probe::Listening(loopback(http.number()))
        } else {
            Probe::Elasticsearch(url(&http))
        };
        let server = Server::start("Elasticsearch", launch, probe).await?;
        Ok(Self { server, http, transport })
    }

    /// Its address, without a slash at the end; replace `http` if HTTPS is on.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.http)
    }

    /// Where other nodes find it: one of their `discovery.seed_hosts`.
    #[must_use]
    pub fn transport(&self) -> SocketAddr {
        loopback(self.transport.number())
    }
}

fn url(port: &Port) -> String {
    format!("http://{}", loopback(port.number()))
}

/// What the server's code needs outside the distribution; found by starting it (9.5.3).
const JVM_OPTIONS: [&str; 6] = [
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "--add-modules=jdk.incubator.vector",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    // The native vector library is in the distribution only.
    "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false",
];

/// A later setting of the same name replaces an earlier one.
const SETTINGS: [&str; 4] = [
    "cluster.name=rowcast",
    "discovery.type=single-node",
    "network.host=127.0.0.1",
    // A disk that is nearly full must not make indices read-only.
    "cluster.routing.allocation.disk.threshold_enabled=false",
];
