//! The one place that says which version of each server is run.
//!
//! A changed pin gives a new folder in the cache, so a switch back and forth downloads nothing.

/// The suite of Debian that has what a released one has too old, or not at all.
pub(super) const UNSTABLE: &str = "unstable";

/// The suite of Debian that MariaDB comes from, and the version that stays in it.
pub(super) const MARIADB_SUITE: &str = "bookworm";
pub(super) const MARIADB: &str = "10.11";

/// MySQL's major version; Debian unstable moves, and another major is refused when it arrives.
pub(super) const MYSQL_MAJOR: u32 = 9;

/// The lowest minor of [`MYSQL_MAJOR`] that is accepted: the one the types were tested against.
pub(super) const MYSQL_MINOR_MIN: u32 = 7;

/// Kafka's version; 4.4.0 is listed but its tools module is missing (seen 2026-11).
pub(super) const KAFKA: &str = "4.3.1";

/// Log4j's version for the broker's log.
pub(super) const LOG4J: &str = "2.25.4";

/// Apicurio's version, the schema registry.
pub(super) const APICURIO: &str = "3.3.3";

/// Elasticsearch's version.
pub(super) const ELASTICSEARCH: &str = "9.5.3";

/// OpenSearch's version.
pub(super) const OPENSEARCH: &str = "3.8.0";

/// The version of the Python package that brings along Debezium's connectors of the same version,
/// and Confluent's Avro converter, which Maven's usual repository does not have.
pub(super) const DEBEZIUM: &str = "3.6.3.0";

/// Clients of Kafka Connect's REST API: the Python one, and the JavaScript one.
pub(super) const CONNECT_CLIENT_PYTHON: &str = "1.0.0";
pub(super) const CONNECT_CLIENT_JAVASCRIPT: &str = "2.3.0";

/// Confluent's Python client of Kafka and of the schema registry.
pub(super) const REGISTRY_CLIENT_PYTHON: &str = "2.16.0";

/// The Python package with Google's compiler of Protobuf; it has to go with the Protobuf of the client.
pub(super) const PROTOBUF_COMPILER_PYTHON: &str = "1.85.1";

/// The Python package with the schemas of Kubernetes' API, up to the version of this name.
pub(super) const KUBERNETES_VALIDATE: &str = "1.37.0";

/// The Python package that parses queries of Prometheus.
pub(super) const PROMQL_PARSER: &str = "0.12.0";

/// The plugin that copies jars; pinned so that a new release cannot change what is fetched.
pub(super) const MAVEN_DEPENDENCY_PLUGIN: &str = "3.6.1";

/// The JDK to unpack where the machine has none that is new enough.
pub(super) const JDK_PACKAGE: &str = "openjdk-25-jdk-headless";

/// The oldest usable JDK: Elasticsearch is started with `--sun-misc-unsafe-memory-access`,
/// which came with 23 (JEP 471).
pub(super) const JDK_MAJOR_MIN: u32 = 23;
