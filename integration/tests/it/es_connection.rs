//! The sink's way to real Elasticsearch servers: logins, certificates, and nodes that go and come.

use std::path::Path;
use std::process::Command;

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{Elasticsearch, ElasticsearchOptions, Stack, shared};
use reqwest::{Certificate, Client};
use serde_json::Value;

use crate::hand_written::HandWritten;
use crate::scenario::{LOG, log_has, stop, until_async};
use crate::scene::{SECRET, refusal};

/// A node's options with these settings and a small heap.
pub(crate) fn options(settings: &[(&str, &str)]) -> ElasticsearchOptions {
    let mut options = ElasticsearchOptions::default();
    options.heap_mb = 256;
    for (key, value) in settings {
        options.settings.push(((*key).to_owned(), (*value).to_owned()));
    }
    options
}

fn sink(stack: &Stack, name: &str, url: &str) -> PipelineFile {
    PipelineFile::new(name, &stack.kafka, &stack.registry).sink(name, url, name)
}

async fn start(pipeline: &PipelineFile, folder: &Path, name: &str) -> Rowcast {
    let (file, log) = (folder.join("sink.yaml"), folder.join(format!("{name}.log")));
    pipeline.write(&file).unwrap();
    Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
}

/// Makes a key and a certificate for 127.0.0.1: `NAME.p12`, and `NAME.pem` without the key.
pub(crate) fn certificate(stack: &Stack, folder: &Path, name: &str) {
    let keytool = |arguments: &[&str]| {
        let status = Command::new(stack.installed.java_program("keytool"))
            .current_dir(folder)
            .args(arguments)
            .args(["-alias", "node", "-storepass", "changeit"])
            .args(["-keystore", &format!("{name}.p12")])
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    };
    let names = ["-dname", "CN=node", "-ext", "san=ip:127.0.0.1", "-validity", "30"];
    let make = ["-genkeypair", "-keyalg", "EC", "-storetype", "PKCS12"];
    keytool(&[&make[..], &names[..]].concat());
    keytool(&["-exportcert", "-rfc", "-file", &format!("{name}.pem")]);
}

/// Documents of an index; nothing while there is none.
pub(crate) async fn count(client: &Client, index: &str) -> Option<u64> {
    let ask = |url: String| client.post(url).basic_auth("elastic", Some(SECRET)).send();
    ask(format!("{index}/_refresh")).await.ok()?;
    let answer: Value = ask(format!("{index}/_count")).await.ok()?.json().await.ok()?;
    answer["count"].as_u64()
}

#[tokio::test]
async fn a_sink_logs_in_over_https_and_trusts_nobody_else() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["node", "other"] {
        certificate(stack, folder.path(), name);
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut guarded = options(&[
        ("test.http.login", &format!("elastic:{SECRET}")),
        ("test.http.keystore", &path("node.p12")),
        ("test.http.keystore_password", "changeit"),
    ]);
    guarded.is_guarded = true;
    let at = folder.path().join("elasticsearch");
    let node = Elasticsearch::start(&stack.installed, &at, &guarded).await.unwrap();
    let url = node.url().replace("http://", "https://");
    let mut topic = HandWritten::new(stack, "es_https.shop.https", 1).await;
    topic.rows(1..=100, 1);
    let pipeline = |ca: &str, password: &str| {
        sink(stack, "es_https", &url)
            .with("connection.username", "elastic")
            .with("connection.password", password)
            .with("connection.ssl.ca.location", &path(ca))
            .with("connection.compression", "true")
    };

    // Whom we do not trust gets no password, and may be another one tomorrow.
    let rowcast = start(&pipeline("other.pem", SECRET), folder.path(), "untrusted").await;
    log_has(&rowcast, "invalid peer certificate").await;
    stop(&rowcast).await;

    let rowcast = start(&pipeline("node.pem", "wrong"), folder.path(), "wrong").await;
    let refused = refusal(&rowcast).await;
    assert!(refused.error.contains("answered 401"), "{refused:?}");
    assert!(refused.hint.contains("`connection.api.key`"), "{refused:?}");

    let rowcast = start(&pipeline("missing.pem", SECRET), folder.path(), "missing").await;
    let refused = refusal(&rowcast).await;
    assert!(refused.error.starts_with("`connection.ssl.ca.location` names a file"), "{refused:?}");

    let rowcast = start(&pipeline("node.pem", SECRET), folder.path(), "right").await;
    let trusted = Certificate::from_pem(&std::fs::read(path("node.pem")).unwrap()).unwrap();
    let client = Client::builder().tls_certs_only([trusted]).build().unwrap();
    let index = format!("{url}/shop.https");
    until_async(async || count(&client, &index).await == Some(100)).await;
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert!(log.contains("server=Elasticsearch 9."), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}

/// A cluster of three, by the node that comes first.
async fn cluster(stack: &Stack, folder: &Path) -> Vec<Elasticsearch> {
    let mut nodes: Vec<Elasticsearch> = Vec::new();
    for name in ["one", "two", "three"] {
        let mut settings = vec![("discovery.type", "multi-node"), ("node.name", name)];
        let seed = nodes.first().map(|first| first.transport().to_string());
        match &seed {
            Some(seed) => settings.push(("discovery.seed_hosts", seed)),
            None => settings.push(("cluster.initial_master_nodes", name)),
        }
        let at = folder.join(name);
        let node = Elasticsearch::start(&stack.installed, &at, &options(&settings)).await;
        nodes.push(node.unwrap());
    }
    nodes
}

#[tokio::test]
async fn a_node_that_is_killed_is_left_out_until_it_is_back() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let nodes = cluster(stack, folder.path()).await;
    let urls: Vec<String> = nodes.iter().map(Elasticsearch::url).collect();
    let mut topic = HandWritten::new(stack, "es_nodes.shop.nodes", 1).await;
    topic.rows(1..=500, 1);
    let pipeline = sink(stack, "es_nodes", &urls.join(","));
    let rowcast = start(&pipeline, folder.path(), "sink").await;
    let client = Client::new();
    let index = format!("{}/shop.nodes", urls[0]);
    until_async(async || count(&client, &index).await == Some(500)).await;
    let health = format!("{}/_cluster/health?wait_for_status=green", urls[0]);
    client.get(health).send().await.unwrap();

    nodes[2].server.kill().unwrap();
    let mut written = 500;
    until_async(async || {
        topic.rows(written + 1..=written + 100, written.cast_unsigned() + 1);
        written += 100;
        let expected = Some(written.cast_unsigned());
        until_async(async || count(&client, &index).await == expected).await;
        rowcast.log().unwrap().contains("a node of elasticsearch is left out")
    })
    .await;
    let log = rowcast.log().unwrap();
    let line = log.lines().find(|line| line.contains("is left out")).unwrap();
    assert!(line.contains(&format!("node=\"{}\"", urls[2])), "{line}");

    nodes[2].server.start_again().await.unwrap();
    until_async(async || {
        topic.rows(written + 1..=written + 10, written.cast_unsigned() + 1);
        written += 10;
        let expected = Some(written.cast_unsigned());
        until_async(async || count(&client, &index).await == expected).await;
        rowcast.log().unwrap().contains("a node of elasticsearch is used again")
    })
    .await;

    stop(&rowcast).await;
    assert_eq!(count(&client, &index).await, Some(written.cast_unsigned()));
}
