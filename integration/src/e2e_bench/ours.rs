//! This side: rowcast, as `rowcast run` with its defaults.

use std::path::Path;
use std::time::Duration;

use super::BenchError;
use crate::pipeline::PipelineFile;
use crate::process::Rowcast;
use crate::stack::Stack;

/// Longest wait for its end.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// What all runs of a workload share.
#[derive(Clone, Copy)]
pub(super) struct Ours<'a> {
    pub(super) stack: &'a Stack,
    pub(super) folder: &'a Path,
    pub(super) database: &'a str,
    /// Further settings of each source.
    pub(super) settings: &'a [(String, String)],
}

impl Ours<'_> {
    /// Starts sources of the database, one for each prefix, in one process. They go on where sources of
    /// the same prefixes have stopped.
    pub(super) async fn start(
        &self,
        file: &str,
        prefixes: &[String],
        extra: &[(&str, &str)],
    ) -> Result<Rowcast, BenchError> {
        let pipeline = PipelineFile::new(self.database, &self.stack.kafka, &self.stack.registry);
        let pipeline = prefixes.iter().fold(pipeline, |pipeline, prefix| {
            let include = format!("{}\\..*", self.database);
            let pipeline = pipeline.source(prefix, &self.stack.mysql, (prefix, &include));
            let given = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            given.chain(extra.iter().copied()).fold(pipeline, |p, (key, value)| p.with(key, value))
        });
        self.run(file, &pipeline).await
    }

    pub(super) async fn run(
        &self,
        file: &str,
        pipeline: &PipelineFile,
    ) -> Result<Rowcast, BenchError> {
        let path = self.folder.join(format!("{}-{file}.yaml", self.database));
        pipeline.write(&path)?;
        let log = path.with_extension("log");
        Ok(Rowcast::start(&["run", &path.to_string_lossy()], &[], &log).await?)
    }
}

/// Asks it to end, and waits for that.
pub(super) async fn stop(rowcast: &Rowcast) -> Result<(), BenchError> {
    if rowcast.stop(STOPPED_WITHIN).await?.success() {
        return Ok(());
    }
    Err(BenchError::Rowcast { log: last_lines(&rowcast.log()?) })
}

/// The end of a log, for an error.
pub(super) fn last_lines(log: &str) -> String {
    const LINES: usize = 15;
    let lines: Vec<&str> = log.lines().collect();
    lines.split_at(lines.len().saturating_sub(LINES)).1.join("\n")
}
