//! One Kafka node that is broker and controller.

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
use super::tool::{run, tool};

/// How a broker differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KafkaOptions {
    /// Small and soon ready, or as in production.
    pub tuning: Tuning,
    /// The heap in MiB. Default 256, which is enough for tests; benchmarks want 512 or more.
    pub heap_mb: u32,
    /// Names of further listeners, each on a port of its own, such as `SASL_SSL`; a name that is
    /// no security protocol needs `listener.security.protocol.map` in `properties`.
    pub listeners: Vec<String>,
    /// Further lines of `server.properties`; they come last and win.
    pub properties: Vec<(String, String)>,
    /// SCRAM users to make with the cluster, each as Kafka's `--add-scram` takes it.
    pub scram_users: Vec<String>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            tuning: Tuning::Test,
            heap_mb: 256,
            listeners: Vec::new(),
            properties: Vec::new(),
            scram_users: Vec::new(),
        }
    }
}

/// A broker on loopback, without encryption or login on its first listener.
#[derive(Debug)]
pub struct Kafka {
    /// Stops, kills and starts it again.
    pub server: Server,
    /// The first listener, the controller's, then those of the options.
    listeners: Vec<(String, Port)>,
}

impl Kafka {
    /// Starts a broker whose data is in `directory/data`; what is there already is kept.
    ///
    /// # Errors
    ///
    /// [`StackError`] if the broker does not become ready, with the end of its log.
    pub async fn start(
        installed: &Installed,
        directory: &Path,
        options: &KafkaOptions,
    ) -> Result<Self, StackError> {
        let archive = installed.cache.class_archive(&installed.kafka, &installed.jdk.build);
        Self::start_with(installed, directory, options, &Archive::Read(archive)).await
    }

    pub(super) async fn start_with(
        installed: &Installed,
        directory: &Path,
        options: &KafkaOptions,
        archive: &Archive,
    ) -> Result<Self, StackError> {
        let (directory, data) = prepare(directory)?;
        let names = ["PLAINTEXT", "CONTROLLER"].into_iter().map(str::to_owned);
        let mut listeners = Vec::new();
        for name in names.chain(options.listeners.iter().cloned()) {
            listeners.push((name, Port::lease(installed.cache.folder())?));
        }
        let file = directory.join("server.properties");
        let text = server_properties(&listeners, &data, options);
        fs::write(&file, text).map_err(io_error("write server.properties"))?;
        let logging = directory.join("log4j2.properties");
        fs::write(&logging, include_str!("../../stack/kafka/log4j2.properties"))
            .map_err(io_error("write log4j2.properties"))?;

        let jars = class_path(&installed.kafka.join("lib"))?;
        let mut java = jvm_options(options.tuning, options.heap_mb, archive);
        java.push(format!("-Dlog4j2.configurationFile={}", logging.display()).into());
        java.extend(["-cp".into(), jars.into()]);
        let program = installed.jdk.program("java");
        if !data.join("meta.properties").exists() {
            let mut format = tool(&program);
            // The archive is for the broker; one written here would be the formatter's.
            format.args(java.iter().filter(|option| !is_archive_option(option)));
            format.args(["kafka.tools.StorageTool", "format", "--config"]).arg(&file);
            format.arg("--cluster-id").arg(cluster_id()?);
            format.args(options.scram_users.iter().flat_map(|user| ["--add-scram", user]));
            // Not on the runtime: it takes most of a second.
            tokio::task::spawn_blocking(move || run("formatting Kafka's data", &mut format))
                .await??;
        }
        java.extend([OsString::from("kafka.Kafka"), file.into()]);
        let log = directory.join(LOG);
        let launch = Launch { program, arguments: java, environment: vec![], directory, log };
        let port = listeners.first().map_or(0, |(_, port)| port.number());
        let server = Server::start("Kafka", launch, Probe::Kafka(loopback(port))).await?;
        Ok(Self { server, listeners })
    }

    /// The address for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.listener("PLAINTEXT").map(|address| address.to_string()).unwrap_or_default()
    }

    /// The address of one of the listeners; nothing if there is none of that name.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<SocketAddr> {
        let (_, port) = self.listeners.iter().find(|(known, _)| known == name)?;
        Some(loopback(port.number()))
    }
}

fn is_archive_option(option: &OsString) -> bool {
    option.to_string_lossy().starts_with("-XX:ArchiveClassesAtExit")
}

fn server_properties(listeners: &[(String, Port)], data: &Path, options: &KafkaOptions) -> String {
    let list = |skipped: &str| {
        let shown = listeners.iter().filter(|(name, _)| name != skipped);
        let texts = shown.map(|(name, port)| format!("{name}://{}", loopback(port.number())));
        texts.collect::<Vec<_>>().join(",")
    };
    let voters = listeners.iter().find(|(name, _)| name == "CONTROLLER");
    let voters = voters.map(|(_, port)| format!("1@{}", loopback(port.number())));
    let mut lines = vec![
        include_str!("../../stack/kafka/server.properties").to_owned(),
        format!("listeners={}", list("")),
        format!("advertised.listeners={}", list("CONTROLLER")),
        format!("controller.quorum.voters={}", voters.unwrap_or_default()),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
         SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"
            .to_owned(),
        format!("log.dirs={}", data.display()),
    ];
    lines.extend(options.properties.iter().map(|(key, value)| format!("{key}={value}")));
    lines.join("\n") + "\n"
}

/// A new id for a cluster, from the kernel's random numbers; Kafka takes any text.
fn cluster_id() -> Result<String, StackError> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid");
    let digits = uuid.map_err(io_error("make a cluster id"))?.replace('-', "");
    Ok(digits.chars().take(22).collect())
}
