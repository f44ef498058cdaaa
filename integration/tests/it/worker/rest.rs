//! Kafka Connect's REST API to the letter: all that a real Kafka Connect 4.3.1 with Debezium 3.6.3 was
//! asked, in its order, asked of a worker of ours.
//!
//! `recorded.json` has the requests and answers, one a line, without the headers of its server. The
//! answers about a class's settings are those of `compatibility/recorded.json`, and of the list of
//! loggers two are left. Names of databases and connectors are made unique, addresses and versions
//! become ours; whatever else differs is in [`EXCEPTIONS`] with its reason.

use std::time::{Duration, Instant};

use integration::marks::{Kind, absent};
use integration::stack::{Stack, shared};
use serde_json::{Value, json};

use super::Worker;
use crate::compatibility::{recorded as recorded_infos, without_what_is_ours};
use crate::scenario::{Scenario, stop};

/// How long an answer to a `GET` may take to become the recorded one: a connector starts meanwhile.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Database and first part of the connectors' names: those of the recording are `gold` and `srv`.
const DATABASE: &str = "rest_gold";
const PREFIX: &str = "rest-srv";

/// What is not compared of an answer.
struct Exception {
    /// Its steps, by their places in the recording.
    steps: &'static [usize],
    /// Takes it out of both answers.
    take_out: fn(&mut Value),
    why: &'static str,
    /// Whether the answers may be equal as well.
    is_race: bool,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        steps: &[0],
        take_out: only_shape,
        why: "version, commit and the cluster's id are the program's and the cluster's own",
        is_race: false,
    },
    Exception {
        steps: &[2, 3],
        take_out: only_first_class,
        why: "each worker lists the classes that it has: rowcast has the sinks as well, and no class \
              for what it does without one",
        is_race: false,
    },
    Exception {
        steps: &[8, 10],
        take_out: before_list,
        why: "the message ends with that list",
        is_race: false,
    },
    Exception {
        steps: &[11, 12],
        take_out: without_message,
        why: "the words are the JVM's and a Java library's about its own classes",
        is_race: false,
    },
    Exception {
        steps: &[14, 68],
        take_out: before_java,
        why: "behind the field's name, the same words about Java's classes",
        is_race: false,
    },
    Exception {
        steps: &[4, 6, 7],
        take_out: without_ours,
        why: "documentation, versions and the list of converters",
        is_race: false,
    },
    Exception {
        steps: &[32, 40],
        take_out: sorted,
        why: "Kafka Connect's order is that of a hash table",
        is_race: false,
    },
    Exception {
        steps: &[41, 65],
        take_out: only_shape_of_offsets,
        why: "where the server's log is; and fields of ours, and offsets of tables, beside Debezium's",
        is_race: false,
    },
    Exception {
        steps: &[42, 43],
        take_out: only_root_logger,
        why: "loggers are modules of ours, and how much is logged is the process's",
        is_race: false,
    },
    Exception {
        steps: &[59],
        take_out: without_topics,
        why: "topics are forgotten in the background: the recording was made before that",
        is_race: true,
    },
];

fn only_shape(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(only_shape),
        Value::Array(list) => list.iter_mut().for_each(only_shape),
        Value::String(text) => "text".clone_into(text),
        Value::Number(number) => *number = 0.into(),
        Value::Bool(_) | Value::Null => {}
    }
}

fn only_first_class(value: &mut Value) {
    let list = value.as_array_mut().unwrap();
    list.retain(|it| it["class"] == "io.debezium.connector.mysql.MySqlConnector");
}

fn message(value: &mut Value) -> &mut Value {
    value.get_mut("message").unwrap()
}

fn cut(value: &mut Value, at: &str) {
    let text = message(value).as_str().unwrap().split(at).next().unwrap().to_owned();
    *message(value) = Value::from(
        text.replace("org.apache.kafka.connect.runtime.rest.errors.BadRequestException: ", ""),
    );
}

fn before_list(value: &mut Value) {
    cut(value, "available connectors are: ");
}

fn before_java(value: &mut Value) {
    cut(value, "\" (class ");
    cut(value, "\", not marked");
}

fn without_message(value: &mut Value) {
    assert!(!message(value).as_str().unwrap().is_empty());
    message(value).take();
}

fn without_ours(value: &mut Value) {
    let infos = match value.get_mut("configs") {
        Some(configs) => configs,
        None => value,
    };
    for info in infos.as_array_mut().unwrap() {
        *info = without_what_is_ours(info.take());
    }
}

fn sorted(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(sorted),
        Value::Array(list) => list.sort_by_key(Value::to_string),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn only_shape_of_offsets(value: &mut Value) {
    let offsets = value["offsets"].as_array_mut().unwrap();
    offsets.retain(|one| one["partition"].get("table").is_none());
    for one in offsets {
        let offset = one["offset"].as_object_mut().unwrap();
        offset.retain(|key, _| ["ts_sec", "file", "pos", "gtids", "server_id"].contains(&&**key));
        offset.values_mut().for_each(only_shape);
    }
}

fn only_root_logger(value: &mut Value) {
    if let Some(root) = value.get_mut("root") {
        *value = root.take();
    }
    only_shape(value);
}

fn without_topics(value: &mut Value) {
    value.as_object_mut().unwrap().values_mut().for_each(|it| it["topics"] = json!([]));
}

/// One request and its answer.
#[derive(Debug, Clone)]
struct Step {
    place: usize,
    method: String,
    path: String,
    request: Value,
    answer: Answer,
}

#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    body: Value,
}

/// The recording with our addresses and names in it.
fn recorded(worker: &Worker, stack: &Stack) -> Vec<Step> {
    let ours = |text: &str| {
        text.replace("srv", PREFIX)
            .replace("gold.", &format!("{DATABASE}."))
            .replace("\"gold\"", &format!("\"{DATABASE}\""))
            .replace("127.0.0.1:19092", &stack.kafka.bootstrap())
            .replace("127.0.0.1:18083", super::cluster::id(worker))
            .replace("\"3316\"", &format!("\"{}\"", stack.mysql.address().port()))
            .replace("3.6.3.Final", env!("CARGO_PKG_VERSION"))
    };
    let parse = |text: &str| serde_json::from_str::<Value>(&ours(text)).unwrap();
    let all = parse(include_str!("recorded.json"));
    let step = |(place, it): (usize, &Value)| {
        let text = |of: &Value| of.as_str().map(str::to_owned);
        let mut body = it["response"].clone();
        if let Some(place) = body["compatibility"].as_u64() {
            let infos = recorded_infos(usize::try_from(place).unwrap());
            body = parse(&infos["response"].to_string());
        }
        let answer = Answer {
            status: it["status"].as_u64().unwrap().try_into().unwrap(),
            content_type: text(&it["headers"]["Content-Type"]),
            location: text(&it["headers"]["Location"]),
            body,
        };
        let (method, path) = (text(&it["method"]).unwrap(), text(&it["path"]).unwrap());
        Step { place, method, path, request: it["request"].clone(), answer }
    };
    all.as_array().unwrap().iter().enumerate().map(step).collect()
}

impl Step {
    /// Asks the worker, a `GET` until it is answered as recorded; what was different in the end.
    async fn difference(&self, worker: &Worker) -> Option<String> {
        let end = Instant::now() + SETTLED_WITHIN;
        let expected = self.comparable(self.answer.clone());
        loop {
            let answer = self.ask(worker).await;
            let found = self.comparable(answer.clone());
            if found == expected {
                let is_excused = self.exceptions().any(|it| !it.is_race);
                let is_idle = is_excused && answer == self.answer;
                return is_idle.then(|| format!("{} needs no exception", self.place));
            }
            if self.method != "GET" || Instant::now() > end {
                let Self { place, method, path, .. } = self;
                return Some(format!(
                    "{place} {method} {path}\n  recorded {expected:?}\n  found    {found:?}"
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, worker: &Worker) -> Answer {
        let method: reqwest::Method = self.method.parse().unwrap();
        let url = format!("{}{}", worker.url, self.path);
        let request = reqwest::Client::new().request(method, url);
        let json = "application/json";
        let request = match &self.request {
            Value::Null => request,
            // Recorded as text: no JSON.
            Value::String(text) => request.header("content-type", json).body(text.clone()),
            body @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                request.json(body)
            }
        };
        let answer = request.send().await.unwrap();
        let header = |name| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        let (status, content_type) = (answer.status().as_u16(), header("content-type"));
        let location = header("location");
        let body = answer.bytes().await.unwrap();
        absent(Kind::Answer, &String::from_utf8_lossy(&body));
        let text = || Value::from(String::from_utf8_lossy(&body));
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
        Answer { status, content_type, location, body }
    }

    fn exceptions(&self) -> impl Iterator<Item = &'static Exception> {
        EXCEPTIONS.iter().filter(|it| it.steps.contains(&self.place))
    }

    /// An answer without what is not compared.
    fn comparable(&self, mut answer: Answer) -> Answer {
        // Kafka Connect's own server names no type for what it answers without a handler.
        if self.answer.content_type.is_none() && self.answer.body.is_object() {
            answer.content_type = None;
        }
        for exception in self.exceptions() {
            assert!(!exception.why.is_empty());
            if answer.status == self.answer.status {
                (exception.take_out)(&mut answer.body);
            }
        }
        answer
    }
}

/// The tables of which the recording lists topics, each with a row.
async fn tables(scenario: &mut Scenario) {
    for statement in [
        "DROP USER IF EXISTS debezium",
        "CREATE USER debezium IDENTIFIED BY 'dbz'",
        "GRANT ALL ON *.* TO debezium",
    ] {
        scenario.sql(statement).await;
    }
    let tables = ["dpk", "notnull_def", "alter", "nopk", "new", "all", "cpk", "uk", "bpk"];
    for table in tables.map(|table| format!("t_{table}")).iter().chain([&"t-odd name$1".to_owned()])
    {
        scenario.sql(&format!("CREATE TABLE `{table}` (id INT PRIMARY KEY)")).await;
        scenario.sql(&format!("INSERT INTO `{table}` VALUES (1)")).await;
    }
}

/// The two that the recording has made between its steps, from what it shows of them.
async fn others(worker: &Worker, steps: &[Step]) {
    for name in ["-2", "3"].map(|number| format!("{PREFIX}{number}")) {
        let config = steps[33].answer.body[&name]["info"]["config"].clone();
        worker.make(&name, config).await;
    }
}

#[tokio::test]
async fn every_recorded_request_is_answered_as_by_kafka_connect() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::new(DATABASE).await;
    tables(&mut scenario).await;
    let worker = Worker::start(stack, "wk-rest", folder.path(), "worker").await;
    let steps = recorded(&worker, stack);
    assert_eq!(steps.len(), 75);

    let mut differences = Vec::new();
    for step in &steps {
        if step.place == 32 {
            others(&worker, &steps).await;
            worker
                .until(&format!("/connectors/{PREFIX}1/status"), |it| {
                    it["tasks"][0]["state"] == "RUNNING"
                })
                .await;
        }
        // The topic of transactions has records of the stream only.
        if step.place == 40 {
            scenario.sql("INSERT INTO t_all VALUES (2)").await;
        }
        differences.extend(step.difference(&worker).await);
    }

    let count = differences.len();
    assert!(differences.is_empty(), "{count} differences:\n{}", differences.join("\n"));
    stop(&worker.process).await;
}
