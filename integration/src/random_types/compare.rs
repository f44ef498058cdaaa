//! The two sources of a run, and the comparison of what they wrote.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::table::Table;
use super::{RandomTypesError, Report};
use crate::cell::Cells;
use crate::pipeline::PipelineFile;
use crate::process::Rowcast;
use crate::stack::{MySql, Stack};
use crate::topic::{ChangeRecord, Image, TopicError, Topics, problems, wait_until_equal};

/// Longest wait for the topics of a round to become their tables, and for a source to start or stop.
const DEADLINE: Duration = Duration::from_secs(90);

/// How long a topic is waited for before the log is looked at.
const PATIENCE: Duration = Duration::from_secs(2);

/// The level of the programs' logs.
const LOG: (&str, &str) = ("RUST_LOG", "info,cdc_source=debug");

/// The source that streams, and what is needed to start those that copy.
pub(super) struct Sources<'a> {
    stack: &'a Stack,
    mysql: &'a MySql,
    name: &'a str,
    folder: &'a Path,
    streamer: Rowcast,
    topics: Topics,
}

impl<'a> Sources<'a> {
    /// Starts the source that streams, which copies nothing.
    pub(super) async fn start(
        (stack, mysql): (&'a Stack, &'a MySql),
        name: &'a str,
        folder: &'a Path,
    ) -> Result<Self, RandomTypesError> {
        let prefix = format!("{name}_stream");
        let pipeline = PipelineFile::new(&prefix, &stack.kafka, &stack.registry)
            .source(&prefix, mysql, (&prefix, &format!("{name}\\..*")))
            .with("snapshot.mode", "no_data");
        let streamer = launch(folder, &prefix, &pipeline).await?;
        let end = Instant::now() + DEADLINE;
        loop {
            let log = streamer.log()?;
            if log.contains("source starts") {
                break;
            }
            if streamer.pid().is_none() || Instant::now() >= end {
                return Err(RandomTypesError::Start { log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let topics = Topics::new(&stack.kafka.bootstrap(), &stack.registry.url());
        Ok(Self { stack, mysql, name, folder, streamer, topics })
    }

    /// Ends the source that streams.
    pub(super) async fn stop(self) -> Result<(), RandomTypesError> {
        self.streamer.stop(DEADLINE).await?;
        Ok(())
    }

    /// Copies the tables, so many rows at a time, and compares copy, stream and table.
    pub(super) async fn compare(
        &mut self,
        tables: &BTreeMap<String, Table>,
        chunk_rows: u64,
        report: &mut Report,
    ) -> Result<(), RandomTypesError> {
        let (name, round) = (self.name, report.rounds);
        let prefix = format!("{name}_copy{round}");
        let pipeline = PipelineFile::new(&prefix, &self.stack.kafka, &self.stack.registry)
            .source(&prefix, self.mysql, (&prefix, &format!("{name}\\.r{round}_.*")))
            .with("snapshot.chunk.rows", &chunk_rows.to_string());
        let copier = launch(self.folder, &prefix, &pipeline).await?;
        let end = Instant::now() + DEADLINE;
        for (table, drawn) in tables {
            if let Err(problem) = self.compare_table((&copier, &prefix), end, table, report).await {
                let create = &drawn.create;
                report.failures.insert(drawn.seed, format!("{problem}\n{create}"));
            }
        }
        copier.stop(DEADLINE).await?;
        report.rounds += 1;
        Ok(())
    }

    async fn compare_table(
        &mut self,
        (copier, prefix): (&Rowcast, &str),
        end: Instant,
        table: &str,
        report: &mut Report,
    ) -> Result<(), String> {
        let table = format!("{}.{table}", self.name);
        let (url, topics) = (self.mysql.url(), &mut self.topics);
        let names = (table.as_str(), format!("{}_stream.{table}", self.name));
        let streamed = settled((&self.streamer, end), topics, &url, (names.0, &names.1)).await?;
        let names = (table.as_str(), format!("{prefix}.{table}"));
        let copied = settled((copier, end), topics, &url, (names.0, &names.1)).await?;
        let mut found = problems(&streamed);
        found.extend(problems(&copied));
        let rows = last_images(&streamed, &mut found);
        let copies = last_images(&copied, &mut found);
        for (key, image) in &rows {
            let copy = copies.get(key);
            if copy.is_none_or(|copy| copy.avro != image.avro) {
                found.push(format!("{key:?}: {}", different(image, copy.copied())));
            }
            report.rows += 1;
            report.values += u64::try_from(image.cells.len()).unwrap_or_default();
        }
        report.tables += 1;
        let columns = rows.values().next().map_or(0, |image| image.cells.len());
        report.columns += u64::try_from(columns).unwrap_or_default();
        report.images += u64::try_from(streamed.len()).unwrap_or_default();
        found.truncate(3);
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }
}

async fn launch(
    folder: &Path,
    name: &str,
    pipeline: &PipelineFile,
) -> Result<Rowcast, RandomTypesError> {
    let file = folder.join(format!("{name}.yaml"));
    pipeline.write(&file)?;
    let log: PathBuf = folder.join(format!("{name}.log"));
    Ok(Rowcast::start(&["run", &file.to_string_lossy()], &[LOG], &log).await?)
}

/// The records of a topic once it is its table. A table that was given up, or a source that has
/// ended, is not waited for.
async fn settled(
    (source, end): (&Rowcast, Instant),
    topics: &mut Topics,
    mysql: &str,
    (table, topic): (&str, &str),
) -> Result<Vec<ChangeRecord>, String> {
    loop {
        // In this order: what is logged in between is seen the next time.
        let log = source.log().map_err(|error| error.to_string())?;
        let error = match wait_until_equal(topics, mysql, (table, topic), PATIENCE).await {
            Ok(records) => return Ok(records),
            Err(error @ TopicError::Different { .. }) => format!("{error:.1500}"),
            Err(error) => return Err(format!("{error:?}")),
        };
        let reason = log.lines().find(|line| line.contains(&format!("table={table} reason=")));
        if let Some(reason) = reason {
            return Err(format!("{topic}: {reason}"));
        }
        if source.pid().is_none() || Instant::now() >= end {
            let about = log.lines().filter(|line| line.contains(&format!("{table} ")));
            let last = log.lines().rev().take(3);
            let told: Vec<_> = about.chain(last).collect();
            return Err(format!("{error}\n{}", told.join("\n")));
        }
    }
}

/// How the bytes of two images of a row differ, and in which columns.
fn different(streamed: &Image, copied: Option<&Image>) -> String {
    let Some(copied) = copied else { return "it is not copied".to_owned() };
    let pairs = streamed.avro.iter().zip(&copied.avro);
    let at = pairs.take_while(|(a, b)| a == b).count();
    let from = |bytes: &[u8]| -> Vec<u8> { bytes.iter().skip(at).take(16).copied().collect() };
    let cells: Vec<_> = streamed
        .cells
        .iter()
        .filter(|(name, cell)| copied.cells.get(*name) != Some(*cell))
        .collect();
    format!(
        "from byte {at} it is streamed as {:02x?}, copied as {:02x?}; columns {cells:?}",
        from(&streamed.avro),
        from(&copied.avro)
    )
}

/// The last image of each row that is there. What a change says was there before it has to be,
/// byte by byte, what the change before has left.
fn last_images<'a>(
    records: &'a [ChangeRecord],
    found: &mut Vec<String>,
) -> BTreeMap<&'a Cells, &'a Image> {
    let mut in_order: Vec<&ChangeRecord> = records.iter().collect();
    in_order.sort_by_key(|record| record.lsn);
    let mut rows: HashMap<String, (&Cells, &Image)> = HashMap::new();
    for record in in_order {
        let key = format!("{:?}", record.key);
        let known = rows.remove(&key);
        if let Some(before) = &record.before {
            let left = known.map(|(_, image)| &image.avro);
            if left != Some(&before.avro) {
                found.push(format!("{key} was {before:02x?}, but was left as {left:02x?}"));
            }
        }
        if let Some(after) = &record.after {
            rows.insert(key, (&record.key, after));
        }
    }
    rows.into_values().collect()
}
