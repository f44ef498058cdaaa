//! Kafka Connect's first example on a worker, with the commands of `docs/file-stream.md` as they stand
//! there.

use std::path::Path;
use std::process::Stdio;

use integration::stack::shared;
use serde_json::{Value, json};
use tokio::process::Command;

use super::Worker;
use crate::scenario::{stop, until};
use crate::tidy::{read, repository};

/// The topic of this test; the documentation's is `connect-test`.
const TOPIC: &str = "wk-quickstart";

/// The commands of the block, with our address and topic in them.
fn commands(worker: &Worker) -> Vec<String> {
    let page = read(&repository().join("docs/file-stream.md"));
    let (_, section) = page.split_once("\n## With curl, on a worker\n").unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let ours = block.replace("http://localhost:8083", &worker.url).replace("connect-test", TOPIC);
    ours.lines().map(str::to_owned).collect()
}

/// What a command writes, in JSON if it is some.
pub(super) async fn run(command: &str, folder: &Path) -> Value {
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = shell.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or(Value::from(text))
}

#[tokio::test]
async fn the_first_example_works_with_curl() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let json_converter = "org.apache.kafka.connect.json.JsonConverter";
    let named = ("worker", json_converter);
    let worker = Worker::start_with(stack, "wk-quickstart", folder.path(), named).await;
    let (source, sink) = (folder.path().join("test.txt"), folder.path().join("test.sink.txt"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();

    for command in commands(&worker) {
        // Time passes for whoever types.
        if command.starts_with("cat ") {
            assert!(until(|| read(&sink) == "foo\nbar\n").await, "{:?}", read(&sink));
        }
        if command.contains("/status") {
            let runs = |it: &Value| it["tasks"][0]["state"] == "RUNNING";
            worker.until("/connectors/local-file-sink/status", runs).await;
        }
        if command.contains("DELETE") {
            assert!(until(|| read(&sink) == read(&source)).await, "{:?}", read(&sink));
        }
        let answer = run(&command, folder.path()).await;
        println!("{command}\n  {answer}");
        assert_eq!(answer.get("error_code"), None, "{command}: {answer}");
        if command.contains("POST") {
            assert_eq!(answer["tasks"], json!([]), "{answer}");
        }
    }

    assert_eq!(read(&source), "foo\nbar\nAnother line\n");
    assert_eq!(worker.get("/connectors").await, json!(["local-file-sink"]));
    let topics = json!({ "local-file-sink": { "topics": [TOPIC] } });
    worker.until("/connectors/local-file-sink/topics", |it| *it == topics).await;
    stop(&worker.process).await;
}
