//! Asks a server whether it can do its work, which an open port does not say.

use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::net::TcpStream;

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a server is asked.
#[derive(Clone, Debug)]
pub(super) enum Probe {
    /// MySQL: a query over TCP, as the user that everyone uses here.
    MySql(SocketAddr),
    /// Kafka: the cluster's metadata names a broker, so it takes requests.
    Kafka(SocketAddr),
    /// The registry: it takes the setting that Confluent's has from the start. Asked again after
    /// each restart, since a registry in memory forgets it.
    Registry(String),
    /// Elasticsearch: the primary shards are there. `GET /` answers before that.
    Elasticsearch(String),
    /// Kafka Connect: the worker has read its topics and takes requests.
    Connect(String),
    /// Any server that wants a login or encryption: its port is open.
    Listening(SocketAddr),
}

impl Probe {
    /// Says whether the server is ready; no answer in time means no.
    pub(super) async fn is_ready(&self) -> bool {
        let answer = async {
            match self {
                Self::MySql(address) => is_mysql_ready(*address).await,
                Self::Kafka(address) => is_kafka_ready(*address).await,
                Self::Registry(url) => is_registry_ready(url).await,
                Self::Elasticsearch(url) => is_elasticsearch_ready(url).await,
                Self::Connect(url) => is_connect_ready(url).await,
                Self::Listening(address) => TcpStream::connect(address).await.is_ok(),
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, Box::pin(answer)).await.unwrap_or(false)
    }
}

async fn is_mysql_ready(address: SocketAddr) -> bool {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some("root"))
        .prefer_socket(false);
    let Ok(mut connection) = mysql_async::Conn::new(options).await else { return false };
    let answer: Result<Option<u8>, _> = connection.query_first("SELECT 1").await;
    connection.disconnect().await.is_ok() && matches!(answer, Ok(Some(1)))
}

async fn is_kafka_ready(address: SocketAddr) -> bool {
    // librdkafka would wait for its own, longer, pauses between connections.
    if TcpStream::connect(address).await.is_err() {
        return false;
    }
    let ask = move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", address.to_string()).set("log_level", "0");
        let consumer: BaseConsumer = config.create().ok()?;
        let metadata = consumer.fetch_metadata(None, ANSWER_WITHIN / 2).ok()?;
        Some(!metadata.brokers().is_empty())
    };
    matches!(tokio::task::spawn_blocking(ask).await, Ok(Some(true)))
}

async fn is_registry_ready(url: &str) -> bool {
    let request = reqwest::Client::new()
        .put(format!("{url}/config"))
        .json(&serde_json::json!({ "compatibility": "BACKWARD" }));
    request.send().await.is_ok_and(|response| response.status().is_success())
}

async fn is_elasticsearch_ready(url: &str) -> bool {
    let health = "_cluster/health?wait_for_status=yellow&wait_for_no_initializing_shards=true";
    let request = reqwest::Client::new().get(format!("{url}/{health}&timeout=2s"));
    request.send().await.is_ok_and(|response| response.status().is_success())
}

async fn is_connect_ready(url: &str) -> bool {
    let request = reqwest::Client::new().get(format!("{url}/health"));
    request.send().await.is_ok_and(|response| response.status().is_success())
}
