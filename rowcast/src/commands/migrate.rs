//! `rowcast migrate`: the connectors of a Kafka Connect cluster as a pipeline file of ours.
//!
//! It changes nothing in the cluster, in Kafka or in Elasticsearch, but for the indices of a sink that
//! is given back, if it is told to (`back`). What becomes of each connector is
//! decided in `verdict`, which prints nothing: configurations have passwords, and those go into the
//! files only.

mod back;
mod output;
mod verdict;
mod worker;

use std::path::Path;

use connect::config::properties;
use connect::http::cluster::{self, Cluster};

use self::output::Files;
use self::verdict::{Becomes, Verdict};
use self::worker::WorkerSettings;
use super::columns::columns;
use super::{CommandError, Outcome, print};
use crate::arguments::MigrateArguments;

/// Largest properties file of a worker that is read: 1 MiB; they have some 100 lines.
const WORKER_MAX_BYTES: u64 = 1 << 20;

pub(crate) async fn run(given: MigrateArguments) -> Outcome {
    Outcome(match (&given.back, &given.from, &given.output) {
        (Some(pipeline), _, _) => back::give(pipeline, &given).await,
        (None, Some(from), Some(output)) => migrate(from, given.worker.as_deref(), output).await,
        // clap asks for them.
        (None, _, _) => Ok(()),
    })
}

async fn migrate(from: &str, worker: Option<&Path>, output: &Path) -> Result<(), CommandError> {
    // Before anybody is asked: nothing is overwritten.
    if output.symlink_metadata().is_ok() {
        return Err(CommandError::OutputExists { path: output.display().to_string() });
    }
    let given = worker.map(read_worker).transpose()?;
    let cluster = cluster::read(from).await?;
    if cluster.connectors.is_empty() {
        return Err(CommandError::NothingToMigrate { why: "it runs no connectors".to_owned() });
    }
    let worker = WorkerSettings::new(given.as_ref(), &cluster);
    let verdicts: Vec<_> =
        cluster.connectors.iter().map(|found| Verdict::of(found, &worker)).collect();
    let files = Files::new(&worker, &verdicts);
    if files.is_empty() {
        let why: Vec<_> = verdicts.iter().map(Verdict::line).collect();
        return Err(CommandError::NothingToMigrate { why: why.join("; ") });
    }
    files.write(output)?;
    print(&report(&cluster, &verdicts, &worker, output))
}

fn read_worker(path: &Path) -> Result<std::collections::BTreeMap<String, String>, CommandError> {
    let failed = |source| CommandError::WorkerFile { path: path.display().to_string(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > WORKER_MAX_BYTES {
        return Err(failed(std::io::Error::other("it is larger than 1 MiB")));
    }
    Ok(properties(&std::fs::read_to_string(path).map_err(failed)?).into_iter().collect())
}

/// What becomes of what, and what is left to do.
fn report(
    cluster: &Cluster,
    verdicts: &[Verdict],
    worker: &WorkerSettings,
    output: &Path,
) -> String {
    let rows: Vec<_> = verdicts
        .iter()
        .map(|it| [it.name.clone(), it.class.clone(), it.state.clone(), it.becomes.to_string()])
        .collect();
    let mut text = format!(
        "kafka connect {}, connectors: {}\n\n{}",
        cluster.version,
        verdicts.len(),
        columns(["CONNECTOR", "CLASS", "STATE", "BECOMES"], &rows)
    );
    let notes = verdicts.iter().flat_map(|verdict| {
        verdict.notes.iter().map(|note| format!("  {}: {note}\n", verdict.name))
    });
    let notes: String = notes.collect();
    if !notes.is_empty() {
        text.push_str(&format!("\nchanged:\n{notes}"));
    }
    text.push_str("\nto do:\n");
    let folder = output.display();
    for step in worker.steps() {
        text.push_str(&format!("  {step}\n"));
    }
    for verdict in verdicts {
        for step in verdict.steps(worker, &folder.to_string()) {
            text.push_str(&format!("  {}: {step}\n", verdict.name));
        }
    }
    text.push_str(&format!(
        "  start it: rowcast run {folder}/pipeline.yaml\n\
         \nthe files in {folder} have the connectors' passwords; only their owner can read them\n"
    ));
    text
}

impl std::fmt::Display for Becomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GoesOn { place } => write!(f, "goes on at {place}, copies nothing"),
            Self::Copies { why } => write!(f, "copies its tables: {why}"),
            Self::NewIndex { name } => write!(f, "fills new indices {name} from the beginning"),
            Self::LeftOut { why } => write!(f, "left out: {why}"),
        }
    }
}
