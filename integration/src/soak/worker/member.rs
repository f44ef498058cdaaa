//! One worker of the cluster.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::STOPPED_WITHIN;
use crate::process::Rowcast;
use crate::soak::{STARTED_WITHIN, SoakError, log};

/// Between two looks.
const POLL: Duration = Duration::from_millis(100);

/// A worker that answers at all answers within this; one that is frozen does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What it logs when its REST API is there; each start has another port.
const LISTENS: &str = "http endpoint listens";

/// A worker that is there, or will be again.
pub(super) struct Member {
    pub(super) process: Rowcast,
    client: reqwest::Client,
    /// How often it was started.
    starts: usize,
    url: String,
}

impl Member {
    /// Starts one and waits until it answers.
    pub(super) async fn start(file: &Path, log: &Path) -> Result<Self, SoakError> {
        let levels = ("RUST_LOG", "info,connect=debug");
        let arguments = ["worker", &file.to_string_lossy()];
        let process = Rowcast::start(&arguments, &[levels], log).await?;
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build()?;
        let mut member = Self { process, client, starts: 0, url: String::new() };
        member.is_ready().await?;
        Ok(member)
    }

    /// Starts it again after its end, and waits until it answers.
    pub(super) async fn start_again(&mut self) -> Result<(), SoakError> {
        self.process.start_again()?;
        self.is_ready().await
    }

    /// Asks it to end, which it has to do in good order.
    pub(super) async fn stop(&self) -> Result<(), SoakError> {
        let status = self.process.stop(STOPPED_WITHIN).await?;
        if status.success() { Ok(()) } else { Err(self.ended("its end in good order")?) }
    }

    /// What Kafka Connect calls it: its address.
    pub(super) fn id(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    /// Makes a connector.
    pub(super) async fn make(&self, name: &str, config: &Value) -> Result<(), SoakError> {
        let body = json!({ "name": name, "config": config });
        let request = self.client.post(format!("{}/connectors", self.url)).json(&body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Waits until it says that so many tasks run, all of them on these workers.
    pub(super) async fn until_all_run(
        &self,
        (tasks, ids): (usize, &[String]),
        end: Instant,
    ) -> Result<(), SoakError> {
        let url = format!("{}/connectors?expand=status", self.url);
        loop {
            let answer = self.get(&url).await;
            if running(&answer, ids) == Some(tasks) {
                return Ok(());
            }
            if self.process.pid().is_none() {
                return Err(self.ended("all tasks ran")?);
            }
            if Instant::now() >= end {
                return Err(SoakError::Late {
                    what: format!("all tasks on {ids:?}, by {answer},"),
                    seconds: super::RUN_WITHIN.as_secs(),
                    log: log::end(self.process.log_path())?,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until it has told its address and answers there.
    async fn is_ready(&mut self) -> Result<(), SoakError> {
        self.starts += 1;
        let end = Instant::now() + STARTED_WITHIN;
        while Instant::now() < end {
            if let Some(address) = address(&self.process.log()?, self.starts) {
                self.url = format!("http://{address}");
                let health = self.get(&format!("{}/health", self.url)).await;
                if health.get("status").is_some_and(|status| status == "healthy") {
                    return Ok(());
                }
            }
            if self.process.pid().is_none() {
                return Err(self.ended("it was ready")?);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(SoakError::Late {
            what: "a worker's answer".to_owned(),
            seconds: STARTED_WITHIN.as_secs(),
            log: log::end(self.process.log_path())?,
        })
    }

    /// An answer, or null if there is none.
    async fn get(&self, url: &str) -> Value {
        let asked = async { self.client.get(url).send().await?.json().await };
        asked.await.unwrap_or_else(|_: reqwest::Error| Value::Null)
    }

    fn ended(&self, what: &str) -> Result<SoakError, SoakError> {
        let log = log::end(self.process.log_path())?;
        Ok(SoakError::Ended { what: what.to_owned(), log })
    }
}

/// The address that a process has told at its start of this number, from 1.
fn address(log: &str, start: usize) -> Option<&str> {
    let complete = log.get(..=log.rfind('\n')?)?;
    let line = complete.lines().filter(|line| line.contains(LISTENS)).nth(start.checked_sub(1)?)?;
    let (_, address) = line.split_once("address=")?;
    Some(address.split_whitespace().next()?.trim_matches('"'))
}

/// How many tasks run on these workers; none if one does not.
fn running(all: &Value, ids: &[String]) -> Option<usize> {
    let mut count = 0;
    for one in all.as_object()?.values() {
        for task in one.pointer("/status/tasks")?.as_array()? {
            let worker = task.get("worker_id")?.as_str()?;
            if task.get("state")? != "RUNNING" || !ids.iter().any(|id| id == worker) {
                return None;
            }
            count += 1;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_last_start() {
        let log = "INFO http endpoint listens address=127.0.0.1:1 tls=false\nINFO x\n\
                   INFO http endpoint listens address=\"127.0.0.1:2\"\n\
                   INFO http endpoint listens addr";

        assert_eq!(address(log, 1), Some("127.0.0.1:1"));
        assert_eq!(address(log, 2), Some("127.0.0.1:2"));
        assert_eq!(address(log, 3), None);
        assert_eq!(address("", 1), None);
    }

    #[test]
    fn a_task_runs_only_on_a_worker_that_is_there() {
        let ids = ["a:1".to_owned()];
        let with = |state: &str, worker: &str| json!({"x": {"status": {"tasks": [{"state": state, "worker_id": worker}]}}});

        assert_eq!(running(&with("RUNNING", "a:1"), &ids), Some(1));
        assert_eq!(running(&with("RUNNING", "b:2"), &ids), None);
        assert_eq!(running(&with("FAILED", "a:1"), &ids), None);
        assert_eq!(running(&json!({"x": {"status": {"tasks": []}}}), &ids), Some(0));
        assert_eq!(running(&Value::Null, &ids), None);
    }
}
