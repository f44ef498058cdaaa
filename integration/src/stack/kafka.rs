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
    /// Listeners whose clients are sent to another address, such as a proxy's.
    pub advertised: Vec<(String, SocketAddr)>,
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
            advertised: Vec::new(),
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
    /// `node.id`.
    pub id: u32,
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
        let listeners = lease(installed, options)?;
        let voters = voter(1, &listeners);
        let node = Node { id: 1, listeners, voters, cluster: cluster_id()? };
        Self::start_node(installed, directory, options, (node, archive)).await
    }

    /// Starts brokers that form one cluster, each with its data in a folder of its own: every
    /// topic has a copy on each of them, unless it is made otherwise.
    ///
    /// # Errors
    ///
    /// [`StackError`] for the first broker that does not become ready.
    pub async fn start_cluster(
        installed: &Installed,
        directory: &Path,
        options: &KafkaOptions,
        count: u32,
    ) -> Result<Vec<Self>, StackError> {
        let cluster = cluster_id()?;
        let listeners: Vec<_> =
            (0..count).map(|_| lease(installed, options)).collect::<Result<_, _>>()?;
        let voters: Vec<_> = (1..).zip(&listeners).map(|(id, own)| voter(id, own)).collect();
        let voters = voters.join(",");
        let mut options = options.clone();
        let copies = count.to_string();
        let settings = CLUSTER.iter().map(|name| ((*name).to_owned(), copies.clone()));
        let insync = count.saturating_sub(1).max(1).to_string();
        let insync = CLUSTER_INSYNC.iter().map(|name| ((*name).to_owned(), insync.clone()));
        let fast = FAST_FAILOVER.iter().map(|(name, ms)| ((*name).to_owned(), (*ms).to_owned()));
        let given = std::mem::take(&mut options.properties);
        options.properties = settings.chain(insync).chain(fast).chain(given).collect();
        let archive = installed.cache.class_archive(&installed.kafka, &installed.jdk.build);
        let archive = Archive::Read(archive);
        let nodes = (1..).zip(listeners).map(|(id, listeners)| {
            let node = Node { id, listeners, voters: voters.clone(), cluster: cluster.clone() };
            let folder = directory.join(format!("broker-{id}"));
            let (options, archive) = (&options, &archive);
            async move { Self::start_node(installed, &folder, options, (node, archive)).await }
        });
        // At the same time: none is ready before most of them are there.
        futures_util::future::try_join_all(nodes).await
    }

    async fn start_node(
        installed: &Installed,
        directory: &Path,
        options: &KafkaOptions,
        (node, archive): (Node, &Archive),
    ) -> Result<Self, StackError> {
        let (directory, data) = prepare(directory)?;
        let file = directory.join("server.properties");
        let text = server_properties(&node, &data, options);
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
            format.arg("--cluster-id").arg(&node.cluster);
            format.args(options.scram_users.iter().flat_map(|user| ["--add-scram", user]));
            // Not on the runtime: it takes most of a second.
            tokio::task::spawn_blocking(move || run("formatting Kafka's data", &mut format))
                .await??;
        }
        java.extend([OsString::from("kafka.Kafka"), file.into()]);
        let log = directory.join(LOG);
        let launch = Launch { program, arguments: java, environment: vec![], directory, log };
        let port = node.listeners.first().map_or(0, |(_, port)| port.number());
        let server = Server::start("Kafka", launch, Probe::Kafka(loopback(port))).await?;
        Ok(Self { server, id: node.id, listeners: node.listeners })
    }

    /// The address for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.listener("PLAINTEXT").map(|address| address.to_string()).unwrap_or_default()
    }

    /// The transactional ids that the broker knows, whatever their state.
    ///
    /// # Errors
    ///
    /// [`StackError::Tool`] if the broker does not answer.
    pub async fn transactional_ids(
        &self,
        installed: &Installed,
    ) -> Result<Vec<String>, StackError> {
        let mut command = tool(installed.jdk.program("java"));
        command.args(["-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(class_path(&installed.kafka.join("lib"))?);
        command.args(["org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server"]);
        command.arg(self.bootstrap()).arg("list");
        let listing =
            tokio::task::spawn_blocking(move || run("listing transactions", &mut command));
        // The first line has the names of the columns.
        let ids = |text: String| {
            let words = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
            words.map(str::to_owned).collect()
        };
        listing.await?.map(ids)
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

/// One broker of a cluster, which may be the only one.
struct Node {
    id: u32,
    listeners: Vec<(String, Port)>,
    voters: String,
    cluster: String,
}

/// How many copies there are of what.
const CLUSTER: [&str; 4] = [
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
];

/// How many of them have to be there.
const CLUSTER_INSYNC: [&str; 3] = [
    "min.insync.replicas",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.min.isr",
];

/// A leader that is dead is replaced after some 4 s, and not after 10 s and more.
const FAST_FAILOVER: [(&str, &str); 5] = [
    ("controller.quorum.election.timeout.ms", "500"),
    ("controller.quorum.fetch.timeout.ms", "1000"),
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("replica.lag.time.max.ms", "3000"),
];

/// The client's listener, the controller's, then those of the options.
fn lease(installed: &Installed, options: &KafkaOptions) -> Result<Vec<(String, Port)>, StackError> {
    let names = ["PLAINTEXT", "CONTROLLER"].into_iter().map(str::to_owned);
    let names = names.chain(options.listeners.iter().cloned());
    names.map(|name| Ok((name, Port::lease(installed.cache.folder())?))).collect()
}

fn voter(id: u32, listeners: &[(String, Port)]) -> String {
    let controller = listeners.iter().find(|(name, _)| name == "CONTROLLER");
    controller.map(|(_, port)| format!("{id}@{}", loopback(port.number()))).unwrap_or_default()
}

fn server_properties(node: &Node, data: &Path, options: &KafkaOptions) -> String {
    let own = |port: &Port| loopback(port.number());
    let advertised = |name: &str, port: &Port| {
        let other = options.advertised.iter().find(|(known, _)| known == name);
        other.map_or_else(|| own(port), |(_, address)| *address)
    };
    let listeners: Vec<String> =
        node.listeners.iter().map(|(name, port)| format!("{name}://{}", own(port))).collect();
    let clients = node.listeners.iter().filter(|(name, _)| name != "CONTROLLER");
    let advertised: Vec<String> =
        clients.map(|(name, port)| format!("{name}://{}", advertised(name, port))).collect();
    let mut lines = vec![
        include_str!("../../stack/kafka/server.properties").to_owned(),
        format!("node.id={}", node.id),
        format!("listeners={}", listeners.join(",")),
        format!("advertised.listeners={}", advertised.join(",")),
        format!("controller.quorum.voters={}", node.voters),
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
