//! One OpenSearch node: the real server with the modules of its distribution, without plugins.
//!
//! No stack has it: whoever asks for one fetches it then, so that nobody else pays for it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use tokio::sync::OnceCell;

use super::cache::{Cache, RunFolder};
use super::error::{StackError, io_error};
use super::install::{self, Installed};
use super::java::{Archive, Tuning, class_path, jvm_options};
use super::port::Port;
use super::probe::Probe;
use super::server::{LOG, Server, loopback, prepare};
use super::supervise::Launch;
use super::warm;

/// How a node differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenSearchOptions {
    /// Small and soon ready, or as in production.
    pub tuning: Tuning,
    /// The heap in MiB. Default 512.
    pub heap_mb: u32,
    /// Further settings; they win.
    pub settings: Vec<(String, String)>,
}

impl Default for OpenSearchOptions {
    fn default() -> Self {
        Self { tuning: Tuning::Test, heap_mb: 512, settings: Vec::new() }
    }
}

/// A node on loopback.
#[derive(Debug)]
pub struct OpenSearch {
    /// Stops, kills and starts it again.
    pub server: Server,
    http: Port,
    _transport: Port,
}

impl OpenSearch {
    /// Starts a node whose data is in `directory/data`, and fetches it first if it is not in the
    /// cache; data that is there already is kept.
    ///
    /// # Errors
    ///
    /// [`StackError`] if it cannot be fetched, or does not become ready, with the end of its log.
    pub async fn start(
        installed: &Installed,
        directory: &Path,
        options: &OpenSearchOptions,
    ) -> Result<Self, StackError> {
        let (cache, jdk) = (installed.cache.clone(), installed.jdk.clone());
        let fetch = move || install::opensearch(&cache, &jdk);
        let component = tokio::task::spawn_blocking(fetch).await??;
        warm::warm_opensearch(installed, &component).await?;
        let archive = installed.cache.class_archive(&component, &installed.jdk.build);
        Self::start_with(installed, (&component, directory), options, &Archive::Read(archive)).await
    }

    pub(super) async fn start_with(
        installed: &Installed,
        (component, directory): (&Path, &Path),
        options: &OpenSearchOptions,
        archive: &Archive,
    ) -> Result<Self, StackError> {
        let (directory, data) = prepare(directory)?;
        let http = Port::lease(installed.cache.folder())?;
        let transport = Port::lease(installed.cache.folder())?;
        for made in [&directory.join("config"), &directory.join("tmp")] {
            fs::create_dir_all(made).map_err(io_error("make a folder of OpenSearch"))?;
        }
        let mut arguments = jvm_options(options.tuning, options.heap_mb, archive);
        arguments.extend(JVM_OPTIONS.map(OsString::from));
        arguments.push(format!("-Djava.io.tmpdir={}", directory.join("tmp").display()).into());
        arguments.extend(["-cp".into(), class_path(&component.join("lib"))?.into()]);
        arguments.extend(["OpenSearchMain".into(), directory.clone().into()]);
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
        let probe = Probe::Elasticsearch(url(&http));
        let server = Server::start("OpenSearch", launch, probe).await?;
        Ok(Self { server, http, _transport: transport })
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.http)
    }
}

/// Gives the one OpenSearch of this process, which the first call starts. Tests share it and keep
/// apart by the names of indices; it dies with the process.
///
/// # Errors
///
/// Those of [`OpenSearch::start`]; the next call then tries again.
pub async fn shared_opensearch() -> Result<&'static OpenSearch, StackError> {
    static SHARED: OnceCell<(OpenSearch, RunFolder)> = OnceCell::const_new();
    let start = async || {
        let cache = Cache::open()?;
        let (folder, installed) = (cache.run_folder()?, super::install(&cache).await?);
        let directory = folder.path().join("opensearch");
        let options = OpenSearchOptions::default();
        let node = Box::pin(OpenSearch::start(&installed, &directory, &options)).await?;
        Ok((node, folder))
    };
    SHARED.get_or_try_init(start).await.map(|(node, _)| node)
}

fn url(port: &Port) -> String {
    format!("http://{}", loopback(port.number()))
}

/// What the server's code needs outside the distribution; found by starting it (3.8.0).
const JVM_OPTIONS: [&str; 5] = [
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    "--add-modules=jdk.incubator.vector",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
];

/// A later setting of the same name replaces an earlier one.
const SETTINGS: [&str; 4] = [
    "cluster.name=rowcast",
    "discovery.type=single-node",
    "network.host=127.0.0.1",
    // A disk that is nearly full must not make indices read-only.
    "cluster.routing.allocation.disk.threshold_enabled=false",
];
