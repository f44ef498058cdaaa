//! Three workers and ten connectors, while workers are killed, sleep, leave and come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use integration::oracle;
use integration::stack::{Signal, Stack, shared};
use mysql_async::prelude::Queryable;
use mysql_async::{Opts, Pool};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Worker, confluent, debezium};
use crate::scenario::{DEADLINE, Scenario, connect, stop};

const NAMES: [&str; 5] = ["wk_c0", "wk_c1", "wk_c2", "wk_c3", "wk_c4"];

/// Between two changes of a table.
const PACE: Duration = Duration::from_millis(50);

/// Changes a row of a table after the other until it is stopped.
struct Traffic {
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u64>>,
}

impl Traffic {
    async fn start(stack: &Stack) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for name in NAMES {
            let (is_over, mut connection) = (Arc::clone(&is_over), connect(&stack.mysql).await);
            tasks.push(tokio::spawn(async move {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let id = count % 40;
                    let change = format!("REPLACE INTO {name}.t VALUES ({id}, {count})");
                    connection.query_drop(change).await.unwrap();
                    count += 1;
                    tokio::time::sleep(PACE).await;
                }
                count
            }));
        }
        Self { is_over, tasks }
    }

    async fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        let mut count = 0;
        for task in self.tasks {
            count += task.await.unwrap();
        }
        count
    }
}

/// Whether all ten tasks run, none of them on `not_on`.
fn all_run(all: &Value, not_on: &[&str]) -> bool {
    let Some(all) = all.as_object().filter(|all| all.len() == 2 * NAMES.len()) else {
        return false;
    };
    all.values().all(|one| {
        let task = &one["status"]["tasks"][0];
        let worker = task["worker_id"].as_str().unwrap_or_default();
        task["state"] == "RUNNING" && !not_on.contains(&worker)
    })
}

/// How many tasks each worker has, by their statuses.
fn load(all: &Value) -> std::collections::BTreeMap<String, usize> {
    let mut load = std::collections::BTreeMap::new();
    for one in all.as_object().unwrap().values() {
        let worker = one["status"]["tasks"][0]["worker_id"].as_str().unwrap().to_owned();
        *load.entry(worker).or_insert(0) += 1;
    }
    load
}

async fn until_all_run(worker: &Worker, not_on: &[&str], what: &str) -> Value {
    let begun = Instant::now();
    let all = worker.until("/connectors?expand=status", |all| all_run(all, not_on)).await;
    println!(
        "{what}: all tasks run after {:.1} s: {:?}",
        begun.elapsed().as_secs_f64(),
        load(&all)
    );
    all
}

pub(super) fn id(worker: &Worker) -> &str {
    worker.url.trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_connectors_survive_kills_sleeps_and_restarts_of_three_workers() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut scenarios = Vec::new();
    for name in NAMES {
        let mut scenario = Scenario::new(name).await;
        scenario.sql("CREATE TABLE t (id INT PRIMARY KEY, a BIGINT)").await;
        scenario.sql("INSERT INTO t VALUES (1000, 0), (1001, 0)").await;
        scenarios.push(scenario);
    }
    let start = |name: &'static str| Worker::start(stack, "wk-cluster", folder.path(), name);
    let (a, b, mut c) = (start("a").await, start("b").await, start("c").await);
    for (number, name) in (7010..).zip(NAMES) {
        // Any worker takes any call.
        b.make(&format!("{name}-source"), debezium(&stack.mysql, stack, (name, number))).await;
        c.make(&format!("{name}-sink"), confluent(stack, name)).await;
    }
    let all = until_all_run(&a, &[], "start").await;
    let even = a.until("/connectors?expand=status", |all| {
        all_run(all, &[]) && load(all).len() == 3 && load(all).values().all(|it| *it <= 4)
    });
    println!("{:?}, then even: {:?}", load(&all), load(&even.await));
    let traffic = Traffic::start(stack).await;

    a.process.kill().unwrap();
    until_all_run(&b, &[id(&a)], "kill -9").await;

    b.process.signal(Signal::Pause).unwrap();
    until_all_run(&c, &[id(&a), id(&b)], "SIGSTOP").await;
    b.process.signal(Signal::Resume).unwrap();
    let d = start("d").await;
    until_all_run(&d, &[id(&a)], "it wakes, and a new worker").await;

    stop(&c.process).await;
    until_all_run(&d, &[id(&a), id(&c)], "one leaves").await;
    c.start_again().await;
    until_all_run(&c, &[id(&a)], "one comes back").await;

    let changes = traffic.stop().await;
    assert!(changes > 100, "{changes} changes prove nothing");
    let pool = Pool::new(Opts::from_url(&stack.mysql.url()).unwrap());
    let elasticsearch = stack.elasticsearch.url();
    for scenario in &mut scenarios {
        // No record is there twice.
        scenario.topic_is_table("t").await;
        let (table, index) = (format!("{}.t", scenario.name), format!("{0}.{0}.t", scenario.name));
        oracle::wait_until_equal(&pool, &elasticsearch, &table, &index, DEADLINE).await.unwrap();
    }
    pool.disconnect().await.unwrap();
    for worker in [&b, &c, &d] {
        stop(&worker.process).await;
    }
}
