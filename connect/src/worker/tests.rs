//! A worker of its own, driven over HTTP: Kafka Connect's status codes and words, as its golden
//! recording has them.

mod faults;

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::config::{ConfigError, HttpSecurity, Listener, Listeners, Settings};
use crate::connector::ConnectorKind;
use crate::control::TaskControl;
use crate::task::{Task, TaskRun};

/// How often a task has begun, by its connector's name.
static BEGUN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// A class whose tasks wait, or fail if the settings say so.
struct Waiting;

struct WaitingTask {
    name: String,
    fails: bool,
    /// Which it says it has written to.
    topic: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("told to fail")]
struct Told;

impl Fault for Told {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }
}

impl ConnectorClass for Waiting {
    fn names(&self) -> &'static [&'static str] {
        &["test.Waiting", "Waiting"]
    }

    fn task_class(&self) -> &'static str {
        "test.WaitingTask"
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Source
    }

    fn tasks(
        &self,
        name: &ConnectorName,
        mut settings: Settings,
        _: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        let count = settings.integer("tasks.max", 1, 1..=9)?;
        let fails = settings.boolean("fails", false)?;
        let topic = settings.optional("topic");
        let task = |_| WaitingTask { name: name.to_string(), fails, topic: topic.clone() };
        Ok((0..count).map(task).map(|task| Box::new(task) as Box<dyn Task>).collect())
    }
}

impl Task for WaitingTask {
    fn run<'a>(&'a mut self, stop: CancellationToken, control: &'a mut TaskControl) -> TaskRun<'a> {
        control.topics().mark(self.topic.as_deref());
        *BEGUN.lock().unwrap().entry(self.name.clone()).or_default() += 1;
        Box::pin(async move {
            if self.fails {
                return Err(Told.into());
            }
            stop.cancelled().await;
            Ok(())
        })
    }
}

static CLASSES: [&dyn ConnectorClass; 1] = [&Waiting];

/// A worker without connectors at first, whose tasks that halt do not end it.
struct Running {
    url: String,
    stop: CancellationToken,
    working: JoinHandle<Result<Ended, WorkerError>>,
}

impl Running {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut WorkerConfig)) -> Self {
        let yaml = "bootstrap.servers: none:1\nschema.registry.url: http://none\nconnectors: {x: \
                    {connector.class: Waiting}}";
        let mut config = PipelineConfig::parse(yaml, &|_| None).unwrap().worker;
        let listener = Listener { host: "127.0.0.1".to_owned(), port: 0, is_https: false };
        config.listeners = Listeners {
            addresses: vec![listener],
            is_chosen: true,
            security: HttpSecurity::default(),
        };
        change(&mut config);
        let sockets = http::bind(&config.listeners).await.unwrap();
        let url = format!("http://{}", sockets[0].local_addr().unwrap());
        let worker = Worker::new(config, &CLASSES, &sockets, ConfigLog::in_memory());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let working = tokio::spawn(async move {
            let members = (Members::Alone, AfterHalt::TryAgain);
            worker.work(members, (sockets, Vec::new()), stopped).await
        });
        let running = Self { url, stop, working };
        running.until("/health", |health| health["status"] == "healthy").await;
        running
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_text(method, path, text).await
    }

    async fn ask_text(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        let method: reqwest::Method = method.parse().unwrap();
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, Value::Null).await.1
    }

    /// Waits until an answer is as it should be.
    async fn until(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.get(path).await;
            if is_it(&answer) {
                return answer;
            }
            assert!(std::time::Instant::now() < end, "{path}: {answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        assert_eq!(self.working.await.unwrap().unwrap(), Ended::Stopped);
    }
}

fn waiting(name: &str, more: Value) -> Value {
    let mut config = json!({ "connector.class": "test.Waiting", "tasks.max": "2" });
    config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    json!({ "name": name, "config": config })
}

fn refused(code: u16, message: &str) -> (u16, Value) {
    (code, json!({ "error_code": code, "message": message }))
}

fn begun(name: &str) -> usize {
    BEGUN.lock().unwrap().get(name).copied().unwrap_or_default()
}

#[tokio::test]
async fn a_connector_is_made_seen_and_taken_away() {
    let running = Running::start().await;
    assert_eq!(running.get("/connectors").await, json!([]));

    let (status, made) = running.ask("POST", "/connectors", waiting("a", json!({}))).await;

    let config = json!({ "connector.class": "test.Waiting", "name": "a", "tasks.max": "2" });
    let expected = json!({ "name": "a", "config": config, "tasks": [], "type": "source" });
    assert_eq!((status, made), (201, expected));
    let again = running.ask("POST", "/connectors", waiting("a", json!({}))).await;
    assert_eq!(again, refused(409, "Connector a already exists"));
    assert_eq!(running.get("/connectors").await, json!(["a"]));
    assert_eq!(running.get("/connectors/a/config").await, config);
    let status =
        running.until("/connectors/a/status", |it| it["tasks"][1]["state"] == "RUNNING").await;
    assert_eq!(
        (&status["connector"]["state"], &status["type"]),
        (&json!("RUNNING"), &json!("source"))
    );
    let tasks = running.get("/connectors/a/tasks").await;
    assert_eq!(tasks[1]["id"], json!({ "connector": "a", "task": 1 }));
    assert_eq!(tasks[1]["config"]["task.class"], "test.WaitingTask");
    let all = running.get("/connectors?expand=info&expand=status").await;
    assert_eq!((&all["a"]["info"]["config"], &all["a"]["status"]), (&config, &status));
    let one = running.get("/connectors/a/tasks/0/status").await;
    assert_eq!((&one["id"], &one["state"]), (&json!(0), &json!("RUNNING")));

    assert_eq!(running.ask("DELETE", "/connectors/a", Value::Null).await.0, 204);
    assert_eq!(running.get("/connectors").await, json!([]));
    let gone = running.ask("DELETE", "/connectors/a", Value::Null).await;
    assert_eq!(gone, refused(404, "Connector a not found"));
    running.end().await;
}

#[tokio::test]
async fn what_is_wanted_of_a_connector_is_done() {
    let running = Running::start().await;
    running.ask("POST", "/connectors", waiting("b", json!({ "tasks.max": "1" }))).await;
    let status = "/connectors/b/status";
    let state = |it: &Value| it["tasks"][0]["state"].clone();
    running.until(status, |it| state(it) == "RUNNING").await;

    assert_eq!(running.ask("PUT", "/connectors/b/pause", Value::Null).await.0, 202);
    let paused = running.get(status).await;
    assert_eq!(
        (&paused["connector"]["state"], state(&paused)),
        (&json!("PAUSED"), json!("PAUSED"))
    );
    assert_eq!(running.ask("PUT", "/connectors/b/resume", Value::Null).await.0, 202);
    running.until(status, |it| state(it) == "RUNNING").await;
    let before = begun("b");
    assert_eq!(running.ask("POST", "/connectors/b/tasks/0/restart", Value::Null).await.0, 204);
    running.until(status, |it| state(it) == "RUNNING" && begun("b") > before).await;
    assert_eq!(running.ask("POST", "/connectors/b/restart", Value::Null).await.0, 204);
    let (code, told) = running
        .ask("POST", "/connectors/b/restart?includeTasks=True&onlyFailed=no", Value::Null)
        .await;
    assert_eq!((code, state(&told)), (202, json!("RESTARTING")));
    running.until(status, |it| state(it) == "RUNNING" && begun("b") > before + 1).await;

    assert_eq!(running.ask("PUT", "/connectors/b/stop", Value::Null).await.0, 204);
    let stopped = running.get(status).await;
    assert_eq!(
        (&stopped["connector"]["state"], &stopped["tasks"]),
        (&json!("STOPPED"), &json!([]))
    );
    assert_eq!(running.get("/connectors/b/tasks").await, json!([]));
    running.end().await;
}

#[tokio::test]
async fn a_task_that_halts_has_failed_until_somebody_mends_it() {
    let running = Running::start().await;
    let failing = waiting("c", json!({ "tasks.max": "1", "fails": "true" }));
    running.ask("POST", "/connectors", failing).await;
    let status = "/connectors/c/status";
    let failed = running.until(status, |it| it["tasks"][0]["state"] == "FAILED").await;
    assert_eq!(
        (&failed["tasks"][0]["trace"], &failed["connector"]["state"]),
        (&json!("told to fail"), &json!("RUNNING"))
    );

    let (code, _) = running.ask("PATCH", "/connectors/c/config", json!({ "fails": null })).await;

    assert_eq!(code, 200);
    running.until(status, |it| it["tasks"][0]["state"] == "RUNNING").await;
    let config = running.get("/connectors/c/config").await;
    assert_eq!(config.get("fails"), None);
    running.end().await;
}

#[tokio::test]
async fn a_connector_may_begin_as_it_is_wanted() {
    let running = Running::start().await;
    let mut body = waiting("d", json!({}));
    body["initial_state"] = json!("STOPPED");

    assert_eq!(running.ask("POST", "/connectors", body).await.0, 201);

    let status = running.get("/connectors/d/status").await;
    assert_eq!((&status["connector"]["state"], begun("d")), (&json!("STOPPED"), 0));
    let config = json!({ "connector.class": "Waiting", "name": "e" });
    assert_eq!(running.ask("PUT", "/connectors/e/config", config.clone()).await.0, 201);
    assert_eq!(running.ask("PUT", "/connectors/e/config", config).await.0, 200);
    running.end().await;
}

/// Words and codes of the golden recording.
#[tokio::test]
async fn refusals_are_kafka_connects() {
    let running = Running::start().await;
    for (method, path, code, message) in [
        ("GET", "/connectors/nope", 404, "Connector nope not found"),
        ("GET", "/connectors/nope/status", 404, "No status found for connector nope"),
        ("GET", "/connectors/nope/config", 404, "Connector nope not found"),
        ("GET", "/connectors/nope/tasks", 404, "Connector nope not found"),
        ("GET", "/connectors/nope/offsets", 404, "Connector nope not found"),
        ("DELETE", "/connectors/nope", 404, "Connector nope not found"),
        ("PUT", "/connectors/nope/pause", 404, "Unknown connector nope"),
        ("PUT", "/connectors/nope/resume", 404, "Unknown connector nope"),
        ("PUT", "/connectors/nope/stop", 404, "Unknown connector nope"),
        ("POST", "/connectors/nope/restart", 404, "Unknown connector: nope"),
        ("POST", "/connectors/nope/tasks/0/restart", 404, "Unknown connector: nope"),
        ("POST", "/connectors/nope/config", 405, "HTTP 405 Method Not Allowed"),
        ("GET", "/nope", 404, "HTTP 404 Not Found"),
        ("GET", "/connectors/nope/tasks-config", 404, "HTTP 404 Not Found"),
    ] {
        let answer = running.ask(method, path, Value::Null).await;
        assert_eq!(answer, refused(code, message), "{method} {path}");
    }
    running.end().await;
}

/// Method, path, body; status, and what the message has.
const WRONG: &[(&str, &str, &str, u16, &str)] = &[
    ("POST", "/connectors", "{not json", 500, "no JSON"),
    ("POST", "/connectors", r#"{"name":"x"}"#, 500, "\"config\""),
    (
        "POST",
        "/connectors",
        r#"{"config":{}}"#,
        400,
        "Connector config {name=} contains no connector type",
    ),
    (
        "POST",
        "/connectors",
        r#"{"name":"x","config":{},"zzz":1}"#,
        500,
        "Unrecognized field \"zzz\"",
    ),
    (
        "POST",
        "/connectors",
        r#"{"name":"x","config":{"connector.class":"no.such.Class"}}"#,
        400,
        "Failed to find any class that implements Connector and which name matches no.such.Class, available connectors are: ",
    ),
    (
        "POST",
        "/connectors",
        r#"{"name":"x","config":{"connector.class":"Waiting","tasks.max":"0"}}"#,
        400,
        "Connector configuration is invalid and contains the following 1 error(s):\n",
    ),
    (
        "PUT",
        "/connectors/y/config",
        r#"{"name":"x","connector.class":"Waiting"}"#,
        400,
        "Connector name configuration (x) doesn't match connector name in the URL (y)",
    ),
    ("PATCH", "/connectors/nope/config", "{}", 404, "Connector nope not found"),
    (
        "PATCH",
        "/connectors/f/offsets",
        r#"{"offsets":[{"partition":{"a":1},"offset":null}]}"#,
        400,
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/f/stop' endpoint",
    ),
    (
        "PATCH",
        "/connectors/f/offsets",
        r#"{"offsets":[]}"#,
        400,
        "Partitions / offsets need to be provided for an alter offsets request",
    ),
    ("PATCH", "/connectors/f/offsets", r#"{"bogus":1}"#, 500, "Unrecognized field \"bogus\""),
    ("GET", "/connectors/f/tasks/9/status", "", 404, "No status found for task f-9"),
    ("POST", "/connectors/f/tasks/7/restart", "", 404, "Unknown task: f-7"),
    ("POST", "/connectors/f/tasks/x/restart", "", 404, "HTTP 404 Not Found"),
    ("GET", "/connectors/f/tasks/x/status", "", 404, "HTTP 404 Not Found"),
    ("PUT", "/admin/loggers/root", r#"{"level":"LOUD"}"#, 404, "invalid log level 'LOUD'."),
];

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_as_kafka_connect_does() {
    let running = Running::start().await;
    running.ask("POST", "/connectors", waiting("f", json!({}))).await;
    for &(method, path, body, code, message) in WRONG {
        let (found, answer) = running.ask_text(method, path, body.to_owned()).await;
        let text = answer["message"].as_str().unwrap_or_default();
        assert!(
            found == code && text.contains(message),
            "{method} {path} {body}: {found} {answer}"
        );
        assert_eq!(answer["error_code"], code);
    }
    running.end().await;
}
