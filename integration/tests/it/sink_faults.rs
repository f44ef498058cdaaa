//! A sink whose server stalls, refuses what it is sent, or is killed, while rows keep coming: no task
//! ends, nothing is lost, and work goes on at once when the server does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use integration::process::Rowcast;
use integration::stack::{Elasticsearch, ElasticsearchOptions, shared};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;

use crate::hand_written::HandWritten;
use crate::indices::{ask, sink, start};
use crate::scenario::{DEADLINE, stop, until, until_async};
use crate::scene::endpoint;

/// After so long without a poll the broker takes the partitions away.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(7);
/// How long the server refuses or is away after that was noticed: long enough for the longest pause
/// between two tries.
const HELD: Duration = Duration::from_secs(4);
/// Three times of what is promised, as the machine may be busy.
const RESUMES_WITHIN: Duration = Duration::from_secs(15);
/// What a sink may need at most with rows as long as these, of which all its queues are full: a build
/// without optimisation is larger than the 100 MB that are promised.
const MEMORY_MAX_KIB: u64 = 128 << 10;
/// Rows of one transaction, how long they are, and the pause after it: a backlog of megabytes forms
/// while a server is away.
const ROWS: i64 = 50;
const ROW_BYTES: usize = 5_000;
const PAUSE: Duration = Duration::from_millis(100);

/// The node that is broken here; it has next to no memory for what it is sent.
async fn weak_server() -> &'static Elasticsearch {
    static SERVER: OnceCell<Elasticsearch> = OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let stack = shared().await.unwrap();
            let mut options = ElasticsearchOptions::default();
            options.heap_mb = 256;
            let limit = ("indexing_pressure.memory.limit".to_owned(), "2mb".to_owned());
            options.settings.push(limit);
            let directory = stack.directory().join("elasticsearch-weak");
            Box::pin(Elasticsearch::start(&stack.installed, &directory, &options)).await.unwrap()
        })
        .await
}

/// Rows that keep coming until it is ended.
struct Stream {
    stop: Sender<()>,
    thread: JoinHandle<i64>,
}

impl Stream {
    fn start(mut topic: HandWritten) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut last = 0;
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let lsn = u64::try_from(last + 1).unwrap();
                topic.long_rows(last + 1..=last + ROWS, (ROW_BYTES, lsn));
                last += ROWS;
            }
            last
        });
        Self { stop, thread }
    }

    /// The last row's id and Lsn.
    async fn end(self) -> i64 {
        drop(self.stop);
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap()
    }
}

/// The states that a connector and its tasks are seen in.
struct States {
    seen: Arc<Mutex<BTreeSet<String>>>,
    task: AbortHandle,
}

impl States {
    async fn watch(rowcast: &Rowcast, name: &str) -> Self {
        let (endpoint, path) = (endpoint(rowcast).await, format!("/connectors/{name}/status"));
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let all = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let status = endpoint.get(&path).await;
                let tasks = status["tasks"].as_array().unwrap().iter();
                let states = tasks.chain([&status["connector"]]).map(|it| it["state"].to_string());
                all.lock().unwrap().extend(states);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { seen, task: task.abort_handle() }
    }

    fn end(&self) -> BTreeSet<String> {
        self.task.abort();
        self.seen.lock().unwrap().clone()
    }
}

/// A sink at work, and the rows that it is given.
struct Broken {
    rowcast: Rowcast,
    url: String,
    index: String,
    states: States,
    stream: Stream,
    _folder: TempDir,
}

impl Broken {
    async fn start(name: &str, url: &str) -> Self {
        let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
        let topic = HandWritten::new(stack, &format!("{name}.{name}.t"), 2).await;
        let stream = Stream::start(topic);
        let interval = MAX_POLL_INTERVAL.as_millis().to_string();
        let pipeline = sink(stack, name, url)
            .with("read.timeout.ms", "2000")
            .with("index.settings.max_result_window", &DOCUMENTS_MAX.to_string())
            .with_worker("kafka.session.timeout.ms", "6000")
            .with_worker("kafka.max.poll.interval.ms", &interval);
        let rowcast = start(&pipeline, folder.path(), "sink").await;
        let states = States::watch(&rowcast, name).await;
        let (url, index) = (url.to_owned(), format!("{name}.t"));
        let broken = Self { rowcast, url, index, states, stream, _folder: folder };
        until_async(async || count(&broken.url, &broken.index).await > Some(0)).await;
        broken
    }

    /// Breaks the server for a while. From its end on, work has to go on at once.
    async fn outage(
        &self,
        what: &str,
        held: Duration,
        (begin, end): (impl AsyncFnOnce(), impl AsyncFnOnce()),
    ) {
        let waits = || self.rowcast.log().unwrap().matches("not available, retrying").count();
        let before = waits();
        begin().await;
        assert!(until(|| waits() > before).await, "{what} was not noticed");
        tokio::time::sleep(held).await;
        end().await;
        let ended = Instant::now();
        let count = async || count(&self.url, &self.index).await;
        until_async(async || count().await.is_some()).await;
        let known = count().await;
        until_async(async || count().await > known).await;
        let resumed = ended.elapsed();
        eprintln!("{what}: work resumes after {} ms", resumed.as_millis());
        assert!(resumed < RESUMES_WITHIN, "{what}: {resumed:?}");
    }

    /// All that was written is there in its version, and nothing has ended meanwhile.
    async fn end(self) {
        let last = self.stream.end().await;
        let expected: BTreeMap<_, _> = (1..=last).map(|id| (id.to_string(), id)).collect();
        let is_there = async || versions(&self.url, &self.index).await == expected;
        let waited = tokio::time::timeout(DEADLINE / 2, until_async(is_there)).await;
        let log = self.rowcast.log().unwrap();
        assert!(waited.is_ok(), "not all of {last} rows:\n{log}");
        assert_eq!(self.states.end(), BTreeSet::from(["\"RUNNING\"".to_owned()]));
        for ended in [" ERROR ", "restart", "partitions revoked", "panicked"] {
            assert!(!log.contains(ended), "{ended}:\n{log}");
        }
        let peak = peak_kib(&self.rowcast);
        eprintln!("{last} rows, {peak} KiB at most");
        assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
        stop(&self.rowcast).await;
    }
}

/// How many documents there are; none while the server does not say.
async fn count(url: &str, index: &str) -> Option<u64> {
    let (client, url) = (reqwest::Client::new(), format!("{url}/{index}"));
    let refreshed = client.post(format!("{url}/_refresh")).send().await.ok()?;
    let answer = client.get(format!("{url}/_count")).send().await.ok()?;
    let is_answer = refreshed.status().is_success() && answer.status().is_success();
    let answer: Value = answer.json().await.ok().filter(|_| is_answer)?;
    (answer["_shards"]["failed"] == 0).then(|| answer["count"].as_u64().unwrap())
}

/// More than there are.
const DOCUMENTS_MAX: usize = 1_000_000;

/// The version of each document; none while the server does not say.
async fn versions(url: &str, index: &str) -> BTreeMap<String, i64> {
    let body = json!({ "size": DOCUMENTS_MAX, "_source": false, "version": true });
    let request = reqwest::Client::new().post(format!("{url}/{index}/_search")).json(&body);
    let Ok(answer) = request.send().await else { return BTreeMap::new() };
    let answer: Value = answer.json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
    let version = |hit: &Value| hit["_version"].as_i64().unwrap();
    hits.map(|hit| (hit["_id"].as_str().unwrap().to_owned(), version(hit))).collect()
}

/// The most memory that the program has had.
fn peak_kib(rowcast: &Rowcast) -> u64 {
    let path = format!("/proc/{}/status", rowcast.pid().unwrap());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Stalled for longer than the broker waits for a poll: the consumer goes on polling.
#[tokio::test]
async fn a_server_that_stalls_or_is_killed_is_waited_for() {
    let server = weak_server().await;
    let broken = Broken::start("sinkfault_node", &server.url()).await;

    let stall = async || server.server.pause().unwrap();
    let resume = async || server.server.resume().unwrap();
    broken.outage("stalled", MAX_POLL_INTERVAL, (stall, resume)).await;
    let kill = async || server.server.kill().unwrap();
    let start = async || server.server.start_again().await.unwrap();
    broken.outage("killed", Duration::ZERO, (kill, start)).await;

    broken.end().await;
}

/// A full disk answers 429 to each item, and an index that may not be written to 403.
#[tokio::test]
async fn an_index_that_refuses_every_document_for_a_while_is_waited_for() {
    let url = shared().await.unwrap().elasticsearch.url();
    let broken = Broken::start("sinkfault_block", &url).await;

    for block in ["read_only_allow_delete", "write"] {
        let set = async |value: Value| {
            let body = json!({ format!("index.blocks.{block}"): value });
            ask("PUT", format!("{url}/sinkfault_block.t/_settings"), &body).await;
        };
        let (begin, end) = (async || set(json!(true)).await, async || set(Value::Null).await);
        broken.outage(block, HELD, (begin, end)).await;
    }

    broken.end().await;
}

/// Each full request is more than twice of what the server has memory for.
#[tokio::test]
async fn a_server_that_refuses_full_requests_gets_smaller_ones() {
    let (stack, server) = (shared().await.unwrap(), weak_server().await);
    let (folder, url) = (tempfile::tempdir().unwrap(), server.url());
    let mut topic = HandWritten::new(stack, "sinkfault_memory.sinkfault_memory.t", 1).await;
    for (id, lsn) in (1..=120).zip(1..) {
        topic.large_row(0, id, (60_000, lsn));
    }
    let pipeline = sink(stack, "sinkfault_memory", &url);
    let rowcast = start(&pipeline, folder.path(), "sink").await;

    until_async(async || count(&url, "sinkfault_memory.t").await == Some(120)).await;

    let metrics = endpoint(&rowcast).await.text("/metrics").await;
    let refused = metrics.lines().find(|line| line.contains("es_rejected_execution_exception"));
    assert!(refused.is_some(), "nothing was refused:\n{metrics}");
    stop(&rowcast).await;
    let log = rowcast.log().unwrap();
    assert!(!log.contains(" ERROR "), "{log}");
}
