//! Clients of Kafka Connect's REST API that others have written drive a worker.

use std::path::Path;
use std::process::Stdio;

use integration::stack::{ConnectClients, shared};
use serde_json::json;
use tokio::process::Command;

use super::Worker;
use crate::scenario::stop;

const PYTHON: &str = include_str!("clients/drive.py");
const JAVASCRIPT: &str = include_str!("clients/drive.js");

#[tokio::test]
async fn clients_of_others_create_pause_restart_stop_and_delete_connectors_and_change_offsets() {
    let stack = shared().await.unwrap();
    let clients = ConnectClients::fetch(&stack.installed).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = ("worker", "org.apache.kafka.connect.storage.StringConverter");
    let worker = Worker::start_with(stack, "wk-clients", folder.path(), text).await;
    std::fs::write(folder.path().join("in.txt"), "a\nb\n").unwrap();
    let python = ("python3", "drive.py", PYTHON);
    let javascript = ("node", "drive.js", JAVASCRIPT);

    drive(&worker, folder.path(), python, ("PYTHONPATH", &clients.python)).await;
    drive(&worker, folder.path(), javascript, ("NODE_PATH", &clients.javascript)).await;

    assert_eq!(worker.get("/connectors").await, json!([]), "they have deleted what they made");
    stop(&worker.process).await;
}

/// Runs a program with the worker's address; it fails if an answer is not what it expects.
async fn drive(
    worker: &Worker,
    folder: &Path,
    (program, name, text): (&str, &str, &str),
    (variable, library): (&str, &Path),
) {
    let script = folder.join(name);
    std::fs::write(&script, text).unwrap();
    let mut command = Command::new(program);
    command.arg(&script).arg(&worker.url).current_dir(folder).env(variable, library);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();

    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    println!("{told}");
    assert!(output.status.success(), "{name}:\n{told}\n{wrong}\n{}", worker.process.log().unwrap());
}
