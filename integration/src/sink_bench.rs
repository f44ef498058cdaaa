//! How fast the sink is, held against a bare bulk loader: the same documents, the same server, the
//! same run, by turns.
//!
//! The loader has the bodies of all its requests in memory, ready, and two connections; it does what
//! a client has to do and nothing else. Rates are Elasticsearch's own count of indexed documents,
//! from a tenth of the documents to all: neither the start of a process nor the first meeting of a
//! consumer group is in it.

mod cores;
mod loader;
mod records;

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde::Serialize;
use serde_json::{Value, json};

use crate::pipeline::PipelineFile;
use crate::process::{ProcessError, Rowcast};
use crate::stack::Stack;
use crate::usage::{cpu, peak_rss_bytes};
pub use cores::keep_apart;
use records::Topic;

/// Pairs of runs that do not count.
const WARM_UP: usize = 2;
/// Longest wait for a run.
const DEADLINE: Duration = Duration::from_secs(600);
/// How often the count is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Documents of a run.
    pub documents: u64,
    /// Runs of each.
    pub runs: usize,
    /// Updates of the run on few keys.
    pub hot_updates: u64,
    /// Keys of that run.
    pub hot_keys: u64,
    /// Whether the rows are those of a snapshot, and the sink may use `index.bulk.load`.
    pub snapshot: bool,
    /// Further settings of the sink.
    pub settings: Vec<(String, String)>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// `bare` or `rowcast`.
    pub who: &'static str,
    /// Documents that were indexed in a second.
    pub documents_per_second: f64,
    /// Time on a core of the client in microseconds a document.
    pub client_cpu_us: f64,
    /// The same of Elasticsearch.
    pub server_cpu_us: f64,
    /// The most memory that the client had resident, in MiB; none of the loader.
    pub peak_rss_mib: Option<f64>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// All runs in their order; the first two of each warm the server up and do not count.
    pub runs: Vec<Run>,
    /// The sink's rate by the loader's of the same pair; the median of all pairs. The machine becomes
    /// faster and slower in the course of a minute, and both of a pair with it.
    pub rate_ratio: f64,
    /// The sink's median time on a core by Elasticsearch's in the same runs.
    pub cpu_ratio: f64,
    /// Actions that were sent by updates, of the run on few keys.
    pub hot_actions_ratio: f64,
}

impl Report {
    /// The runs that count.
    pub fn counted(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().skip(2 * WARM_UP)
    }
}

/// The run could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkBenchError {
    /// A server does not answer as it should.
    #[error("a server does not answer")]
    Http(#[from] reqwest::Error),
    /// Kafka does not take the records.
    #[error("kafka does not take the records")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// rowcast does not start or stop.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The operating system's.
    #[error("cannot write a file")]
    File(#[from] std::io::Error),
    /// It takes too long, or something is not there.
    #[error("{0}")]
    Unexpected(String),
}

/// Measures.
///
/// # Errors
///
/// [`SinkBenchError`] if anything is in the way.
pub async fn run(
    stack: &Stack,
    folder: &Path,
    options: &Options,
) -> Result<Report, SinkBenchError> {
    let bench = Bench { stack, folder, options, client: Client::new() };
    let rows = Topic::make(stack, "bench.db.rows", bench.op()).await?;
    rows.write(options.documents, options.documents)?;
    let bodies = loader::bodies("bare", options.documents);
    let mut runs = Vec::new();
    for number in 0..WARM_UP + options.runs {
        // The server's JVM becomes faster for a long time: neither has always the later turn.
        if number % 2 == 0 {
            runs.push(bench.sink(number).await?);
            runs.push(bench.bare(&bodies).await?);
        } else {
            runs.push(bench.bare(&bodies).await?);
            runs.push(bench.sink(number).await?);
        }
    }
    let counted = runs.get(2 * WARM_UP..).unwrap_or_default();
    let of = |who: &'static str| counted.iter().filter(move |run| run.who == who);
    let rates = |who| of(who).map(|run| run.documents_per_second);
    let rate_ratio = median(rates("rowcast").zip(rates("bare")).map(|(ours, bare)| ours / bare));
    let cpu_ratio = median(of("rowcast").map(|run| run.client_cpu_us / run.server_cpu_us));
    let hot = Topic::make(stack, "hot.db.rows", "u").await?;
    hot.write(options.hot_updates, options.hot_keys)?;
    let hot_actions_ratio = bench.hot().await?;
    Ok(Report { runs, rate_ratio, cpu_ratio, hot_actions_ratio })
}

struct Bench<'a> {
    stack: &'a Stack,
    folder: &'a Path,
    options: &'a Options,
    client: Client,
}

impl Bench<'_> {
    /// What all records but those of the run on few keys are.
    fn op(&self) -> &'static str {
        if self.options.snapshot { "r" } else { "u" }
    }

    async fn sink(&self, number: usize) -> Result<Run, SinkBenchError> {
        let index = format!("sink-{number}");
        let rowcast = self.start("bench", &index).await?;
        let pid = rowcast.pid().unwrap_or_default();
        let mut run = tokio::select! {
            run = self.measure("rowcast", &index, pid) => run?,
            ended = rowcast.wait(DEADLINE) => {
                let log = rowcast.log()?;
                let end = log.lines().next_back().unwrap_or_default().to_owned();
                return Err(SinkBenchError::Unexpected(format!("rowcast ended: {ended:?} {end}")));
            }
        };
        run.peak_rss_mib = peak_rss_mib(pid);
        rowcast.stop(DEADLINE).await?;
        self.same_documents(&index).await?;
        self.delete(&index).await?;
        Ok(run)
    }

    async fn bare(&self, bodies: &[bytes::Bytes]) -> Result<Run, SinkBenchError> {
        let url = self.stack.elasticsearch.url();
        loader::create(&self.client, &url, "bare").await?;
        let loading = loader::load(&self.client, &url, bodies);
        let (run, loaded) = tokio::join!(self.measure("bare", "bare", std::process::id()), loading);
        loaded?;
        let run = run?;
        self.keep_one("bare").await?;
        self.delete("bare").await?;
        Ok(run)
    }

    /// How many actions the sink has sent for each update.
    async fn hot(&self) -> Result<f64, SinkBenchError> {
        let rowcast = self.start("hot", "hot").await?;
        let updates = self.options.hot_updates;
        let end = Instant::now() + DEADLINE;
        let endpoint = loop {
            let log = rowcast.log()?;
            let address = log.lines().rev().find_map(|line| line.split("address=").nth(1));
            if let Some(address) = address.and_then(|rest| rest.split_whitespace().next()) {
                break format!("http://{}/connectors/sink/status", address.trim_matches('"'));
            }
            wait(end, "the endpoint").await?;
        };
        let last = json!(updates - 1);
        loop {
            let found = self.search("hot").await?;
            let newest = found.pointer("/aggregations/newest/value").and_then(Value::as_f64);
            if newest == last.as_f64() {
                break;
            }
            wait(end, "the last update").await?;
        }
        let status: Value = self.client.get(endpoint).send().await?.json().await?;
        let index = status.pointer("/tasks/0/sink/indices").and_then(Value::as_object);
        let index = index.and_then(|indices| indices.values().next()).cloned();
        let sent = |key: &str| index.as_ref()?.get(key)?.as_f64();
        let actions = sent("indexed").unwrap_or(f64::NAN) + sent("stale").unwrap_or(f64::NAN);
        rowcast.stop(DEADLINE).await?;
        Ok(actions / float(updates))
    }

    async fn start(&self, prefix: &str, index: &str) -> Result<Rowcast, SinkBenchError> {
        let Stack { kafka, registry, elasticsearch, .. } = self.stack;
        let mut file = PipelineFile::new(&format!("group-{index}"), kafka, registry)
            .sink("sink", &elasticsearch.url(), prefix)
            .with("index.name", index)
            .with("consumer.override.group.id", &format!("connect-{index}"));
        if self.options.snapshot {
            file = file.with("index.bulk.load", "true");
        }
        for (key, value) in &self.options.settings {
            file = file.with(key, value);
        }
        let path = self.folder.join(format!("{index}.yaml"));
        file.write(&path)?;
        let log = self.folder.join(format!("{index}.log"));
        Ok(Rowcast::start(&["run", &path.display().to_string()], &[], &log).await?)
    }

    /// Follows the count of an index from a tenth to all.
    async fn measure(
        &self,
        who: &'static str,
        index: &str,
        pid: u32,
    ) -> Result<Run, SinkBenchError> {
        let server = self.stack.elasticsearch.server.pid().unwrap_or_default();
        let (documents, end) = (self.options.documents, Instant::now() + DEADLINE);
        let begin_at = documents / 10;
        let begun = loop {
            let count = self.indexed(index).await?;
            if count >= begin_at {
                break Moment::now(count, pid, server);
            }
            wait(end, "the first documents").await?;
        };
        let ended = loop {
            let count = self.indexed(index).await?;
            if count >= documents {
                break Moment::now(count, pid, server);
            }
            wait(end, "the last documents").await?;
        };
        let indexed = float(ended.count - begun.count);
        let us = |from: Duration, to: Duration| (to - from).as_secs_f64() * 1e6 / indexed;
        Ok(Run {
            who,
            documents_per_second: indexed / (ended.at - begun.at).as_secs_f64(),
            client_cpu_us: us(begun.client, ended.client),
            server_cpu_us: us(begun.server, ended.server),
            peak_rss_mib: None,
        })
    }

    async fn indexed(&self, index: &str) -> Result<u64, SinkBenchError> {
        let url = self.stack.elasticsearch.url();
        let path = "_stats/indexing?filter_path=_all.primaries.indexing.index_total";
        let answer = self.client.get(format!("{url}/{index}/{path}")).send().await?;
        let answer: Value = answer.json().await.unwrap_or_default();
        let count = answer.pointer("/_all/primaries/indexing/index_total").and_then(Value::as_u64);
        Ok(count.unwrap_or_default())
    }

    async fn search(&self, index: &str) -> Result<Value, SinkBenchError> {
        let url = self.stack.elasticsearch.url();
        self.client.post(format!("{url}/{index}/_refresh")).send().await?;
        let body = json!({ "size": 0, "aggs": { "newest": { "max": { "field": "amount" } } } });
        let answer = self.client.post(format!("{url}/{index}/_search")).json(&body).send().await?;
        Ok(answer.json().await.unwrap_or_default())
    }

    /// The loader's documents are kept to be compared with.
    async fn keep_one(&self, index: &str) -> Result<(), SinkBenchError> {
        let document = self.document(index).await?;
        Ok(std::fs::write(self.folder.join("bare.json"), document.to_string())?)
    }

    async fn same_documents(&self, index: &str) -> Result<(), SinkBenchError> {
        let document = self.document(index).await?.to_string();
        match std::fs::read_to_string(self.folder.join("bare.json")) {
            Ok(bare) if bare != document => Err(SinkBenchError::Unexpected(format!(
                "the sink has written {document}, and the loader {bare}"
            ))),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn document(&self, index: &str) -> Result<Value, SinkBenchError> {
        let url = self.stack.elasticsearch.url();
        let path = format!("{url}/{index}/_source/7");
        Ok(self.client.get(path).send().await?.error_for_status()?.json().await?)
    }

    /// Of an alias what is behind it.
    async fn delete(&self, index: &str) -> Result<(), SinkBenchError> {
        let url = self.stack.elasticsearch.url();
        let found: Value = self.client.get(format!("{url}/{index}")).send().await?.json().await?;
        for name in found.as_object().into_iter().flat_map(|found| found.keys()) {
            self.client.delete(format!("{url}/{name}")).send().await?.error_for_status()?;
        }
        Ok(())
    }
}

/// A moment of a run.
struct Moment {
    at: Instant,
    count: u64,
    client: Duration,
    server: Duration,
}

impl Moment {
    fn now(count: u64, client: u32, server: u32) -> Self {
        let (client, server) = (cpu(client), cpu(server));
        Self { at: Instant::now(), count, client, server }
    }
}

fn peak_rss_mib(pid: u32) -> Option<f64> {
    peak_rss_bytes(pid).map(|bytes| float(bytes) / (1024.0 * 1024.0))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn wait(end: Instant, what: &str) -> Result<(), SinkBenchError> {
    if Instant::now() >= end {
        return Err(SinkBenchError::Unexpected(format!("waited in vain for {what}")));
    }
    tokio::time::sleep(LOOK_EVERY).await;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of documents")]
fn float(number: u64) -> f64 {
    number as f64
}
