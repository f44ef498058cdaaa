//! `rowcast check`: a pipeline that would run, and one with each of its parts wrong.

use std::collections::BTreeSet;

use integration::stack::shared;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use super::{Answer, rowcast};
use crate::indices::{ask, has_documents};
use crate::scene::{DEADLINE, Scene, metrics_have, stop};

/// What a check has said of one thing.
fn item<'a>(answer: &'a Value, part: &str, name: &str) -> &'a Value {
    let items = answer["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["part"] == part && item["name"] == name);
    found.unwrap_or_else(|| panic!("no {part} {name} in {answer:#}"))
}

fn states(answer: &Value) -> BTreeSet<&str> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["state"].as_str().unwrap()).collect()
}

async fn check(scene: &Scene) -> Answer {
    rowcast(&["check", &scene.write_pipeline(), "--output", "json"]).await
}

/// The topics of the broker that have a text in their names.
fn topics(scene: &Scene) -> Vec<String> {
    let bootstrap = &scene.worker["bootstrap.servers"];
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let metadata = consumer.fetch_metadata(None, DEADLINE).unwrap();
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| name.contains(&scene.name)).collect()
}

/// The table is copied.
const FOLLOWED: &str = concat!(
    r#"rowcast_source_table_state{connector="cmd_check",table="cmd_check.t",state="streaming"}"#,
    " 1.0"
);

/// A source and a sink of its topic.
async fn pipeline(name: &str) -> (Scene, String) {
    let url = shared().await.unwrap().elasticsearch.url();
    let mut scene = Scene::new(name).await;
    scene.add_sink(&url);
    scene.sink.remove("topics.regex");
    scene.sink.insert("topics".to_owned(), scene.topic());
    (scene, url)
}

#[tokio::test]
async fn what_would_be_made_is_told_and_nothing_is_made() {
    let (scene, url) = pipeline("cmd_check").await;
    let (topic, index) = (scene.topic(), "cmd_check.t");

    let before = check(&scene).await.json();
    let made = topics(&scene);
    let found = reqwest::get(format!("{url}/{index}")).await.unwrap().status();
    let table = rowcast(&["check", &scene.write_pipeline()]).await;

    assert_eq!(before["problems"], 0, "{before:#}");
    assert_eq!(made, Vec::<String>::new());
    assert_eq!(found.as_u16(), 404);
    for (part, name) in [
        ("kafka", topic.as_str()),
        ("kafka", "cmd_check-offsets"),
        ("mysql", "cmd_check.t"),
        ("mysql", "stream"),
        ("elasticsearch", index),
    ] {
        assert_eq!(item(&before, part, name)["state"], "create", "{before:#}");
    }
    assert!(!states(&before).contains("warning"), "{before:#}");
    assert!(
        item(&before, "elasticsearch", &url)["what"].as_str().unwrap().contains("lasticsearch")
    );
    assert!(table.is_success && table.out.contains("0 problem(s)"), "{table:?}");
    assert!(table.out.starts_with("CONNECTOR"), "{table:?}");

    let running = scene.start().await;
    has_documents(&url, index, 3).await;
    metrics_have(&running, &[FOLLOWED]).await;
    stop(&running).await;
    let after = check(&scene).await.json();

    assert_eq!(states(&after), ["ok"].into(), "{after:#}");
    let stream = item(&after, "mysql", "stream")["what"].as_str().unwrap();
    assert!(stream.starts_with("would go on at "), "{stream}");

    // A field of another type is in the way, and a new one would be added.
    scene.sql("ALTER TABLE cmd_check.t ADD COLUMN more INT").await;
    scene.sql("INSERT INTO cmd_check.t VALUES (4, 'x', 1)").await;
    let mut scene = scene;
    let sink = std::mem::take(&mut scene.sink);
    let running = scene.start().await;
    scene.wait_for_rows(&running, 4).await;
    stop(&running).await;
    scene.sink = sink;
    let grown = check(&scene).await.json();
    let found = item(&grown, "elasticsearch", index);
    assert_eq!(found["state"], "change", "{grown:#}");
    assert!(found["what"].as_str().unwrap().ends_with("extended by more"), "{found}");
    let mapping = json!({ "properties": { "more": { "type": "date" } } });
    ask("PUT", format!("{url}/{index}/_mapping"), &mapping).await;
    let conflict = check(&scene).await;
    let conflict: Value = serde_json::from_str(&conflict.out).unwrap();
    assert_eq!(item(&conflict, "elasticsearch", index)["state"], "problem", "{conflict:#}");
}

/// Nobody is there.
const NOBODY: &str = "http://127.0.0.1:9";

/// Whose setting is wrong, how, and what a check says of it: its part, what is wrong, what to do.
const WRONG: [([&str; 3], [&str; 3]); 10] = [
    (
        ["source", "table.include.list", "cmd_check_wrong.u"],
        ["mysql", "no table of this name", "correct the list"],
    ),
    (
        ["source", "database.password", "wrong"],
        ["mysql", "refuses user `cmd_check_wrong`", "database.password"],
    ),
    (["source", "database.port", "9"], ["mysql", "connect", "database.hostname"]),
    (["source", "database.prot", "9"], ["settings", "not a known setting", "database.prot"]),
    (
        ["source", "commit.interval.ms", "x"],
        ["settings", "expected a number", "commit.interval.ms"],
    ),
    (
        ["source", "topic.creation.default.replication.factor", "3"],
        ["kafka", "would have 3 copies", "replication.factor"],
    ),
    (["sink", "connection.url", NOBODY], ["elasticsearch", "does not answer", "connection.url"]),
    (
        ["sink", "topics", "cmd_check_wrong.cmd_check_wrong.typo"],
        ["kafka", "does not exist yet", "topics"],
    ),
    (
        ["worker", "schema.registry.url", NOBODY],
        ["registry", "could not reach", "schema.registry.url"],
    ),
    (
        ["worker", "bootstrap.servers", "127.0.0.1:9"],
        ["kafka", "list the topics", "bootstrap.servers"],
    ),
];

/// The item of a part that says this.
fn saying<'a>(answer: &'a Value, part: &str, what: &str) -> &'a Value {
    let says = |item: &&Value| {
        item["part"] == part && item["what"].as_str().is_some_and(|found| found.contains(what))
    };
    let found = answer["items"].as_array().unwrap().iter().find(says);
    found.unwrap_or_else(|| panic!("{part} does not say {what:?} in {answer:#}"))
}

#[tokio::test]
async fn each_part_that_is_wrong_is_named_with_what_to_do() {
    let (mut scene, _) = pipeline("cmd_check_wrong").await;
    let (worker, source, sink) = (scene.worker.clone(), scene.settings.clone(), scene.sink.clone());
    for ([of, key, value], [part, what, remedy]) in WRONG {
        (scene.worker, scene.settings, scene.sink) = (worker.clone(), source.clone(), sink.clone());
        let settings = match of {
            "worker" => &mut scene.worker,
            "sink" => &mut scene.sink,
            _ => &mut scene.settings,
        };
        settings.insert(key.to_owned(), value.to_owned());

        let answer = check(&scene).await;

        let said: Value =
            serde_json::from_str(&answer.out).unwrap_or_else(|_| panic!("{answer:?}"));
        let found = saying(&said, part, what);
        assert!(found["remedy"].as_str().unwrap().contains(remedy), "{key}: {found:#}");
        let is_problem = found["state"] == "problem";
        assert_eq!(answer.is_success, !is_problem, "{key}: {said:#}");
        let last = answer.error.lines().last().unwrap_or_default();
        assert_eq!(last.contains("the check has found"), is_problem, "{answer:?}");
    }
    scene.worker = worker;
    assert_eq!(topics(&scene), Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_grant_comes_with_its_statement() {
    let scene = Scene::new("cmd_check_grant").await;
    scene.sql("REVOKE REPLICATION SLAVE ON *.* FROM cmd_check_grant").await;
    scene.sql("CREATE TABLE cmd_check_grant.u (a INT)").await;
    let mut scene = scene;
    scene.set("table.include.list", "cmd_check_grant.t,cmd_check_grant.u");

    let answer = check(&scene).await;

    let said: Value = serde_json::from_str(&answer.out).unwrap();
    let grant = saying(&said, "mysql", "lacks REPLICATION SLAVE");
    let key = saying(&said, "mysql", "has no primary key");
    assert!(grant["remedy"].as_str().unwrap().starts_with("GRANT REPLICATION SLAVE"), "{said:#}");
    assert!(key["remedy"].as_str().unwrap().starts_with("add a primary key"), "{said:#}");
    assert!(!answer.is_success && said["problems"] == 2, "{said:#}");
}

/// Where a router sends the rows of the next test.
const ROUTED: &str = "cmd_check_routed.cmd_check_routed_x.t";

/// By a router alone, which is folded into the plans, and beside a transform that looks at data.
#[tokio::test]
async fn topics_and_indices_are_named_as_the_transforms_name_them() {
    let (mut scene, _) = pipeline("cmd_check_routed").await;
    let router = "org.apache.kafka.connect.transforms.RegexRouter";
    for (key, value) in [
        ("transforms", "route"),
        ("transforms.route.type", router),
        ("transforms.route.regex", r".*\.(t)"),
        ("transforms.route.replacement", "cmd_check_routed.cmd_check_routed_x.$1"),
        ("transforms.hoist.type", "org.apache.kafka.connect.transforms.HoistField$Value"),
        ("transforms.hoist.field", "row"),
    ] {
        if !key.starts_with("transforms.hoist") {
            scene.sink.insert(key.to_owned(), value.to_owned());
        }
        scene.set(key, value);
        if key == "transforms.route.replacement" {
            let folded = check(&scene).await.json();
            assert_eq!(item(&folded, "kafka", ROUTED)["state"], "create");
            assert_eq!(item(&folded, "elasticsearch", "cmd_check_routed_x.t")["state"], "create");
        }
    }
    scene.set("transforms", "hoist,route");

    let generic = check(&scene).await.json();

    assert_eq!(generic["problems"], 0, "{generic:#}");
    assert_eq!(item(&generic, "kafka", ROUTED)["state"], "create");
    let items = generic["items"].as_array().unwrap();
    let made = items.iter().filter(|item| item["state"] == "create");
    assert!(made.clone().all(|item| item["name"] != *scene.topic()), "{generic:#}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_problem_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    let path = file.to_str().unwrap();

    let absent = rowcast(&["check", path, "--output", "json"]).await;
    std::fs::write(&file, "bootstrap.servers: b\nno.such: 1\nconnectors: {a: {}}").unwrap();
    let wrong = rowcast(&["check", path]).await;

    let said: Value = serde_json::from_str(&absent.out).unwrap();
    assert_eq!((&said["problems"], &said["items"][0]["state"]), (&json!(1), &json!("problem")));
    assert!(wrong.out.contains("`no.such` is not a known setting"), "{wrong:?}");
    assert!(!absent.is_success && !wrong.is_success);
}

#[tokio::test]
async fn a_worker_and_connectors_of_kafka_connect_are_looked_at() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let worker = write(
        "worker.properties",
        &format!(
            "bootstrap.servers={}\ngroup.id=cmd_check_connect\n\
             offset.storage.topic=cmd_check_connect-offsets\n\
             config.storage.topic=cmd_check_connect-configs\n\
             status.storage.topic=cmd_check_connect-status\nstatus.storage.partitions=7\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n",
            stack.kafka.bootstrap()
        ),
    );
    let lines = write("lines.txt", "a\n");
    let source = write(
        "source.properties",
        &format!(
            "name=lines\nconnector.class=FileStreamSource\nfile={lines}\ntopic=cmd_check_connect\n"
        ),
    );
    let nowhere = folder.path().join("no/such/folder/x").to_str().unwrap().to_owned();
    let sink = write(
        "sink.json",
        &json!({ "name": "out", "config": { "connector.class": "FileStreamSink",
            "file": nowhere, "topics": "cmd_check_connect" } })
        .to_string(),
    );

    let cluster = rowcast(&["check", &worker, "--output", "json"]).await.json();
    let good = rowcast(&["check", &worker, &source, "--output", "json"]).await.json();
    let bad = rowcast(&["check", &worker, &source, &sink]).await;

    for topic in ["offsets", "configs", "status", "configs-slots"] {
        let name = format!("cmd_check_connect-{topic}");
        assert_eq!(item(&cluster, "kafka", &name)["state"], "create", "{cluster:#}");
    }
    let status = item(&cluster, "kafka", "cmd_check_connect-status");
    assert!(status["what"].as_str().unwrap().starts_with("7 partition(s)"), "{status}");
    assert_eq!(item(&good, "kafka", "cmd_check_connect")["state"], "create");
    assert_eq!(item(&good, "file", &lines)["what"], "can be read");
    assert!(!bad.is_success && bad.out.contains("its folder does not exist"), "{bad:?}");
    assert!(bad.out.contains("make the folder"), "{bad:?}");
    assert!(bad.out.contains("as soon as the source has made it"), "{bad:?}");
}
