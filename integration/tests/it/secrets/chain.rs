//! One row through servers that all want a login, over lines that nobody can read.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use integration::process::Rowcast;
use integration::stack::{Elasticsearch, Kafka, KafkaOptions, MySql, Stack, shared};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::vault::FakeVault;
use super::{PASSWORD, ROLE_SECRET, tells_nothing, with_role};
use crate::es_connection::{certificate, count, options};
use crate::scenario::{LOG, Scenario, log_has, stop, until, until_async};
use crate::scene::{SECRET, told};
use crate::worker::{Worker, confluent, debezium};

/// A value of a row, which only the topic and the index may have.
const ROW: &str = "geheim-zeile-4714";

/// A broker that wants a login by SCRAM over TLS, with the certificate of `node.p12`.
async fn broker(stack: &Stack, folder: &Path) -> Kafka {
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let store = folder.join("node.p12").to_str().unwrap().to_owned();
    let mut guarded = KafkaOptions::default();
    guarded.listeners.push("SASL_SSL".to_owned());
    guarded.scram_users.push(format!("SCRAM-SHA-512=[name=rowcast,password={PASSWORD}]"));
    let properties = [
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        ("listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config", module),
        ("ssl.keystore.location", &store),
        ("ssl.keystore.type", "PKCS12"),
        ("ssl.keystore.password", "changeit"),
        ("ssl.key.password", "changeit"),
    ];
    guarded.properties.extend(properties.map(|(key, value)| (key.to_owned(), value.to_owned())));
    Kafka::start(&stack.installed, &folder.join("kafka"), &guarded).await.unwrap()
}

/// The same for a node of Elasticsearch.
async fn node(stack: &Stack, folder: &Path) -> Elasticsearch {
    let store = folder.join("node.p12").to_str().unwrap().to_owned();
    let mut guarded = options(&[
        ("test.http.login", &format!("elastic:{SECRET}")),
        ("test.http.keystore", &store),
        ("test.http.keystore_password", "changeit"),
    ]);
    guarded.is_guarded = true;
    Elasticsearch::start(&stack.installed, &folder.join("es"), &guarded).await.unwrap()
}

/// Stands before the registry and wants a login.
async fn guarded_registry(stack: &Stack) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inner: reqwest::Url = stack.registry.url().parse().unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), inner.path());
    let to = (inner.host_str().unwrap().to_owned(), inner.port().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(guard(client, to.clone()));
        }
    });
    url
}

async fn guard(mut client: TcpStream, to: (String, u16)) -> std::io::Result<()> {
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("rowcast:{PASSWORD}")));
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 4_096];
        let length = client.read(&mut part).await?;
        if length == 0 {
            return Ok(());
        }
        head.extend_from_slice(&part[..length]);
    }
    if !String::from_utf8_lossy(&head).contains(&login) {
        return client
            .write_all(b"HTTP/1.1 401 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    }
    let mut server = TcpStream::connect(to).await?;
    server.write_all(&head).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// A worker's properties: secrets of a file, of the environment and of Vault.
fn properties(kafka: &Kafka, registry: &str, folder: &Path, vault: &FakeVault) -> String {
    let secrets = folder.join("secrets.properties");
    std::fs::write(&secrets, format!("kafka={PASSWORD}\n")).unwrap();
    let (secrets, ca) = (secrets.display(), folder.join("node.pem"));
    let (bootstrap, ca) = (kafka.listener("SASL_SSL").unwrap(), ca.display());
    let avro = "io.confluent.connect.avro.AvroConverter";
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let group = "sec-chain";
    format!(
        "bootstrap.servers={bootstrap}\n\
         group.id={group}\n\
         security.protocol=SASL_SSL\n\
         sasl.mechanism=SCRAM-SHA-512\n\
         sasl.jaas.config={module} required username=\"rowcast\" \
         password=\"${{file:{secrets}:kafka}}\";\n\
         kafka.ssl.ca.location={ca}\n\
         key.converter={avro}\n\
         key.converter.schema.registry.url={registry}\n\
         value.converter={avro}\n\
         value.converter.schema.registry.url={registry}\n\
         value.converter.schema.registry.basic.auth.user.info=rowcast:${{env:REGISTRY_PASSWORD}}\n\
         offset.storage.topic={group}-offsets\n\
         config.storage.topic={group}-configs\n\
         status.storage.topic={group}-status\n\
         offset.storage.replication.factor=1\n\
         config.storage.replication.factor=1\n\
         status.storage.replication.factor=1\n\
         listeners=http://127.0.0.1:0\n\
         config.providers=vault\n{}",
        with_role(vault)
    )
}

async fn start(text: &str, folder: &Path, name: &str) -> Rowcast {
    let file = folder.join(format!("{name}.properties"));
    std::fs::write(&file, text).unwrap();
    let environment = [LOG, ("REGISTRY_PASSWORD", PASSWORD)];
    let log = folder.join(format!("{name}.log"));
    Rowcast::start(&["worker", file.to_str().unwrap()], &environment, &log).await.unwrap()
}

/// A source that trusts MySQL's own authority and has its password from Vault.
async fn source(stack: &Stack, scenario: &mut Scenario) -> Value {
    let name = "sec_chain";
    for statement in [
        format!("CREATE USER {name} IDENTIFIED BY '{PASSWORD}'"),
        format!("GRANT SELECT, RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {name}"),
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(40))".to_owned(),
        format!("INSERT INTO t VALUES (1, '{ROW}')"),
    ] {
        scenario.sql(&statement).await;
    }
    let folder = data_folder(&stack.mysql).await;
    let mut config = debezium(&stack.mysql, stack, (name, 7_801));
    config["database.user"] = name.into();
    config["database.password"] = "${vault:secret/app:mysql}".into();
    config["database.ssl.mode"] = "verify_ca".into();
    config["database.ssl.ca"] = format!("{folder}ca.pem").into();
    config
}

async fn data_folder(mysql: &MySql) -> String {
    use mysql_async::prelude::Queryable;
    let options = mysql_async::Opts::from_url(&mysql.url()).unwrap();
    let mut connection = mysql_async::Conn::new(options).await.unwrap();
    connection.query_first("SELECT @@datadir").await.unwrap().unwrap()
}

/// A connector whose own login is wrong says so in its status, and the others go on.
async fn a_wrong_login_of_a_connector_is_in_its_status(worker: &Worker, folder: &Path) {
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let wrong = format!("{module} required username=\"rowcast\" password=\"geheim-wrong\";");
    let lines = folder.join("lines.txt");
    std::fs::write(&lines, "zeile-1\n").unwrap();
    let file = lines.to_str().unwrap();
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let source = json!({
        "connector.class": "FileStreamSource",
        "file": file,
        "topic": "sec-wrong",
        "value.converter": text,
        "producer.override.sasl.jaas.config": wrong,
    });
    let sink = json!({
        "connector.class": "FileStreamSink",
        "file": folder.join("out.txt").to_str().unwrap(),
        "topics": "sec-wrong",
        "value.converter": text,
        "consumer.override.sasl.jaas.config": wrong,
    });
    for (name, config) in [("sec-wrong-source", source), ("sec-wrong-sink", sink)] {
        let url = format!("{}/connectors/{name}/config", worker.url());
        // Kafka Connect's answer has the settings as they are.
        let made = Client::new().put(url).json(&config).send().await.unwrap();
        assert_eq!(made.status(), 201);
        let told = |it: &Value| {
            let trace = it["tasks"][0]["trace"].as_str().unwrap_or_default();
            trace.contains("SASL authentication failed: the broker refuses the login")
        };
        worker.until(&format!("/connectors/{name}/status"), told).await;
        worker.ask("DELETE", &format!("/connectors/{name}"), &Value::Null).await;
    }
}

/// The last line of the log with a text, once there is one.
async fn log_line(rowcast: &Rowcast, text: &str) -> String {
    log_has(rowcast, text).await;
    let log = rowcast.log().unwrap();
    log.lines().rfind(|line| line.contains(text)).unwrap().to_owned()
}

/// Who must not be trusted, or does not trust us, is told of without a secret.
async fn wrong_ones_are_told_of(text: &str, folder: &Path, registry: &str) {
    let other = format!("kafka={PASSWORD}\nother=geheim-other\n");
    std::fs::write(folder.join("secrets.properties"), other).unwrap();
    for (name, (from, to), cause) in [
        ("password", (":kafka}", ":other}"), "the broker refuses the login"),
        ("authority", ("node.pem", "other.pem"), "the broker's certificate is not trusted"),
        (
            "mechanism",
            ("mechanism=SCRAM-SHA-512", "mechanism=PLAIN"),
            "the broker does not have this SASL mechanism, but: SCRAM-SHA-512",
        ),
    ] {
        let rowcast = start(&text.replace(from, to), folder, name).await;
        let line = log_line(&rowcast, "kafka is waited for").await;
        assert!(line.contains(cause) && line.contains("rowcast keeps trying"), "{line}");
        // It does.
        let told = || rowcast.log().unwrap().matches("kafka is waited for").count();
        assert!(until(|| told() > 1).await, "{}", rowcast.log().unwrap());
        tells_nothing(&rowcast.log().unwrap());
        stop(&rowcast).await;
    }
    let status = reqwest::get(format!("{registry}/subjects")).await.unwrap().status();
    assert_eq!(status, 401, "the registry wants a login");
}

#[tokio::test]
async fn a_row_goes_through_where_every_server_wants_a_login_and_nobody_sees_a_secret() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["node", "other"] {
        certificate(stack, folder, name);
    }
    let (kafka, elasticsearch) = tokio::join!(broker(stack, folder), node(stack, folder));
    let (registry, vault) = (guarded_registry(stack).await, FakeVault::start().await);
    vault.put("app", json!({ "mysql": PASSWORD, "elastic": SECRET }));
    let text = properties(&kafka, &registry, folder, &vault);
    let url = elasticsearch.url().replace("http://", "https://");
    let mut scenario = Scenario::new("sec_chain").await;
    let worker = Worker::of(start(&text, folder, "worker").await).await;

    worker.make("sec-chain-source", source(stack, &mut scenario).await).await;
    let mut sink = confluent(stack, "sec_chain");
    sink["connection.url"] = url.clone().into();
    sink["connection.username"] = "elastic".into();
    sink["connection.password"] = "${vault:secret/app:elastic}".into();
    sink["connection.ssl.ca.location"] = folder.join("node.pem").to_str().unwrap().into();
    worker.make("sec-chain-sink", sink).await;

    let trusted = Certificate::from_pem(&std::fs::read(folder.join("node.pem")).unwrap()).unwrap();
    let client = Client::builder().tls_certs_only([trusted]).build().unwrap();
    let index = format!("{url}/sec_chain.sec_chain.t");
    until_async(async || count(&client, &index).await == Some(1)).await;
    for path in ["", "/config", "/status", "/offsets", "/topics", "/tasks"] {
        for name in ["sec-chain-source", "sec-chain-sink"] {
            tells_nothing(&worker.get(&format!("/connectors/{name}{path}")).await.to_string());
        }
    }
    let metrics = told(&format!("{}/metrics", worker.url())).await;
    assert!(metrics.contains("sec-chain-sink"), "{metrics}");
    tells_nothing(&metrics);
    a_wrong_login_of_a_connector_is_in_its_status(&worker, folder).await;
    tells_nothing(&worker.process.log().unwrap());
    stop(&worker.process).await;
    assert!(text.contains(ROLE_SECRET), "only its file has it");
    wrong_ones_are_told_of(&text, folder, &registry).await;
}
