//! A Kafka Connect worker with Debezium's MySQL connector and Confluent's Avro converter: what
//! rowcast takes the place of, for tests that move from one to the other.
//!
//! No stack has it: whoever asks for one fetches it then. Confluent's Elasticsearch sink is in none
//! of the package registries, so it is not among the plugins.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::error::{StackError, io_error};
use super::install::{self, Installed};
use super::java::{Archive, Tuning, class_path, jvm_options};
use super::port::Port;
use super::probe::Probe;
use super::server::{LOG, Server, loopback, prepare};
use super::supervise::Launch;
use super::{Kafka, Registry};

/// How a worker differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Small and soon ready, or as in production.
    pub tuning: Tuning,
    /// The heap in MiB. Default 384, which is enough for a few small tables.
    pub heap_mb: u32,
    /// `group.id`; the three internal topics begin with it.
    pub group_id: String,
    /// `exactly.once.source.support`: whether sources write in Kafka transactions. Default false,
    /// as Kafka Connect's.
    pub is_exactly_once: bool,
    /// Further lines of the worker's properties; they come last and win.
    pub properties: Vec<(String, String)>,
}

impl ConnectOptions {
    /// A worker of the group `group_id`.
    #[must_use]
    pub fn new(group_id: &str) -> Self {
        Self {
            tuning: Tuning::Test,
            heap_mb: 384,
            group_id: group_id.to_owned(),
            is_exactly_once: false,
            properties: Vec::new(),
        }
    }

    /// The topic with the connectors' offsets.
    #[must_use]
    pub fn offset_topic(&self) -> String {
        format!("{}-offsets", self.group_id)
    }
}

/// A distributed worker on loopback, the only one of its group.
#[derive(Debug)]
pub struct KafkaConnect {
    /// Stops, kills and starts it again.
    pub server: Server,
    rest: Port,
}

impl KafkaConnect {
    /// Starts a worker that uses a broker and a registry, and fetches it first if it is not in the
    /// cache.
    ///
    /// # Errors
    ///
    /// [`StackError`] if it cannot be fetched, or does not become ready, with the end of its log.
    pub async fn start(
        installed: &Installed,
        directory: &Path,
        (kafka, registry): (&Kafka, &Registry),
        options: &ConnectOptions,
    ) -> Result<Self, StackError> {
        let (cache, jdk) = (installed.cache.clone(), installed.jdk.clone());
        let fetch = move || install::debezium(&cache, &jdk);
        let component = tokio::task::spawn_blocking(fetch).await??;
        let (directory, _) = prepare(directory)?;
        let rest = Port::lease(installed.cache.folder())?;
        let file = directory.join("worker.properties");
        let addresses = (kafka.bootstrap(), registry.url(), url(&rest));
        let text = worker_properties(&component.join(install::PLUGINS), addresses, options);
        fs::write(&file, text).map_err(io_error("write worker.properties"))?;
        let logging = directory.join("log4j2.properties");
        fs::write(&logging, include_str!("../../stack/connect/log4j2.properties"))
            .map_err(io_error("write log4j2.properties"))?;

        let none = Archive::Read(directory.join("no-archive"));
        let mut arguments = jvm_options(options.tuning, options.heap_mb, &none);
        if options.tuning == Tuning::Benchmark {
            // The collector for throughput, of which it has most rows a second here.
            arguments.push("-XX:+UseParallelGC".into());
        }
        arguments.push(format!("-Dlog4j2.configurationFile={}", logging.display()).into());
        arguments.extend(["-cp".into(), class_path(&installed.kafka.join("lib"))?.into()]);
        arguments.push(OsString::from("org.apache.kafka.connect.cli.ConnectDistributed"));
        arguments.push(file.into());
        let launch = Launch {
            program: installed.jdk.program("java"),
            arguments,
            environment: vec![],
            log: directory.join(LOG),
            directory,
        };
        let server = Server::start("Kafka Connect", launch, Probe::Connect(url(&rest))).await?;
        Ok(Self { server, rest })
    }

    /// The address of its REST API, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.rest)
    }
}

fn url(port: &Port) -> String {
    format!("http://{}", loopback(port.number()))
}

fn worker_properties(
    plugins: &Path,
    (bootstrap, registry, rest): (String, String, String),
    options: &ConnectOptions,
) -> String {
    let group = &options.group_id;
    let converter = "io.confluent.connect.avro.AvroConverter";
    let support = if options.is_exactly_once { "enabled" } else { "disabled" };
    let mut lines = vec![
        format!("bootstrap.servers={bootstrap}"),
        format!("group.id={group}"),
        format!("exactly.once.source.support={support}"),
        format!("listeners={rest}"),
        format!("plugin.path={}", plugins.display()),
        // Three seconds instead of twenty: the classes are named, not looked for.
        "plugin.discovery=service_load".to_owned(),
        "connector.client.config.override.policy=All".to_owned(),
        "scheduled.rebalance.max.delay.ms=0".to_owned(),
        "offset.flush.interval.ms=1000".to_owned(),
        "offset.storage.partitions=1".to_owned(),
        "status.storage.partitions=1".to_owned(),
    ];
    for part in ["key", "value"] {
        lines.push(format!("{part}.converter={converter}"));
        lines.push(format!("{part}.converter.schema.registry.url={registry}"));
    }
    for (kind, topic) in [("config", "configs"), ("offset", "offsets"), ("status", "status")] {
        lines.push(format!("{kind}.storage.topic={group}-{topic}"));
        lines.push(format!("{kind}.storage.replication.factor=1"));
    }
    lines.extend(options.properties.iter().map(|(key, value)| format!("{key}={value}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_properties_name_the_servers_and_what_is_given_wins() {
        let mut options = ConnectOptions::new("g");
        options.is_exactly_once = true;
        options.properties = vec![("offset.flush.interval.ms".to_owned(), "9".to_owned())];
        let addresses = ["k:1", "http://r", "http://127.0.0.1:2"].map(str::to_owned);

        let text = worker_properties(Path::new("/p"), addresses.into(), &options);

        assert!(text.contains("\nexactly.once.source.support=enabled\n"), "{text}");
        assert!(text.contains(&format!("\noffset.storage.topic={}\n", options.offset_topic())));
        assert!(text.contains("\nvalue.converter.schema.registry.url=http://r\n"), "{text}");
        assert!(text.ends_with("\noffset.flush.interval.ms=9\n"), "{text}");
    }
}
