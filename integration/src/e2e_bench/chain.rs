//! The whole chain: from a table's rows to documents that a search finds, in one process.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::ours::{self, Ours};
use super::{BenchError, Figures, float};
use crate::pipeline::PipelineFile;
use crate::usage::{cpu, peak_rss_bytes};

/// Longest wait for all documents.
const DEADLINE: Duration = Duration::from_secs(900);
/// How often they are counted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Copies the tables of a database into an index. Found is what a search finds, which is refreshed once
/// a second.
pub(super) async fn run(ours: &Ours<'_>, prefix: &str, rows: u64) -> Result<Figures, BenchError> {
    let (stack, include) = (ours.stack, format!("{}\\.r", ours.database));
    let url = stack.elasticsearch.url();
    let mut pipeline = PipelineFile::new(prefix, &stack.kafka, &stack.registry).source(
        prefix,
        &stack.mysql,
        (prefix, &include),
    );
    for (key, value) in ours.settings {
        pipeline = pipeline.with(key, value);
    }
    let sink = format!("{prefix}-sink");
    let pipeline = pipeline.sink(&sink, &url, prefix).with("index.name", prefix);
    let began = Instant::now();
    let rowcast = ours.run(prefix, &pipeline).await?;
    let pid = rowcast.pid().ok_or(BenchError::Ended { what: "rowcast" })?;
    let server = stack.elasticsearch.server.pid().unwrap_or_default();
    let look = async || {
        let found = searchable(&url, prefix).await?;
        Ok::<_, BenchError>((found, Instant::now(), cpu(pid), cpu(server)))
    };
    let mut begin = None;
    let last = loop {
        let seen = look().await?;
        if begin.is_none() && seen.0 * 5 >= rows {
            begin = Some(seen);
        }
        if seen.0 >= rows {
            break seen;
        }
        if rowcast.pid().is_none() {
            return Err(BenchError::Rowcast { log: ours::last_lines(&rowcast.log()?) });
        }
        if began.elapsed() > DEADLINE {
            return Err(BenchError::Rows { expected: rows, found: seen.0 });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let peak = peak_rss_bytes(pid).unwrap_or_default();
    ours::stop(&rowcast).await?;
    // A small run is found at once: then all of it is measured.
    let begin = begin.filter(|begin| begin.0 < rows);
    let begin = begin.unwrap_or((0, began, Duration::ZERO, Duration::ZERO));
    let found = float(last.0 - begin.0);
    Ok(Figures::from([
        ("rows_per_second", found / (last.1 - begin.1).as_secs_f64()),
        ("rows_per_cpu_second", found / (last.2 - begin.2).as_secs_f64().max(0.01)),
        ("elasticsearch_cpu_us_per_row", (last.3 - begin.3).as_secs_f64() * 1e6 / found),
        ("all_after_seconds", (last.1 - began).as_secs_f64()),
        ("peak_rss_bytes", float(peak)),
    ]))
}

async fn searchable(url: &str, index: &str) -> Result<u64, BenchError> {
    let answer = reqwest::get(format!("{url}/{index}/_count")).await?;
    let answer: Value = answer.json().await?;
    // There is no index in the beginning.
    Ok(answer.get("count").and_then(Value::as_u64).unwrap_or_default())
}
