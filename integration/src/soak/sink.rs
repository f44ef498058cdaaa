//! Random histories, written straight into Kafka, through a sink whose processes, server and network
//! fail: in the end each index is its history's, version by version.
//!
//! Whatever goes wrong is drawn from the run's seed as the history is. When it meets what the sink
//! is doing, is not: a seed repeats what is done, not its moments.

mod feed;
mod network;
mod target;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use self::feed::Feed;
use self::network::Proxy;
use self::target::{Documents, Target};
use super::{SoakError, log};
use crate::pipeline::PipelineFile;
use crate::process::Rowcast;
use crate::random::Random;
use crate::sink_history::{self, History};
use crate::stack::{Installed, Kafka, KafkaOptions, Registry, RegistryOptions};

/// Parts of a history.
const STEPS: u64 = 40;

/// Few keys: each is changed, deleted and made again many times.
const KEYS: u64 = 24;

/// Longest wait until an index is its history's: each sweep waits for the others to commit.
const EQUAL_WITHIN: Duration = Duration::from_secs(240);

/// Longest time that a network stays bad.
const BAD_FOR: Duration = Duration::from_secs(3);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The one in this process.
    Fake,
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    Opensearch,
}

/// What one run was.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What repeats its random numbers.
    pub seed: u64,
    /// Against which server.
    pub server: Kind,
    /// Records that were written.
    pub records: usize,
    /// Documents in the end.
    pub documents: usize,
    /// What went wrong, in this order.
    pub faults: Vec<&'static str>,
    /// What is not as it must be; empty if the index is the history's.
    pub problems: Vec<String>,
    /// Seconds from the first record to the last comparison.
    pub seconds: f64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    KillSink,
    SecondComesOrGoes,
    RestartServer,
    KillServer,
    CutNetwork,
    SilenceNetwork,
    BadAnswer,
}

impl Trouble {
    const ALL: [Self; 7] = [
        Self::KillSink,
        Self::SecondComesOrGoes,
        Self::RestartServer,
        Self::KillServer,
        Self::CutNetwork,
        Self::SilenceNetwork,
        Self::BadAnswer,
    ];

    fn draw(random: &mut Random) -> Option<Self> {
        let at = usize::try_from(random.below(Self::ALL.len() as u64)).unwrap_or_default();
        Self::ALL.get(at).copied().filter(|_| random.chance(40))
    }

    fn name(self) -> &'static str {
        match self {
            Self::KillSink => "sink killed",
            Self::SecondComesOrGoes => "second process comes or goes",
            Self::RestartServer => "server restarted",
            Self::KillServer => "server killed",
            Self::CutNetwork => "network cut",
            Self::SilenceNetwork => "network silent",
            Self::BadAnswer => "bad answer",
        }
    }
}

/// The servers of all runs.
pub struct Servers {
    kind: Kind,
    target: Target,
    kafka: Kafka,
    registry: Registry,
}

impl Servers {
    /// Starts a broker, a registry and the server that is asked for.
    ///
    /// # Errors
    ///
    /// [`SoakError::Stack`] if one of them does not start.
    pub async fn start(
        installed: &Installed,
        kind: Kind,
        folder: &Path,
    ) -> Result<Self, SoakError> {
        let (brokers, schemas) = (KafkaOptions::default(), RegistryOptions::default());
        let kafka = Box::pin(Kafka::start(installed, &folder.join("kafka"), &brokers)).await?;
        let registry = folder.join("registry");
        let registry = Box::pin(Registry::start(installed, &registry, &schemas)).await?;
        let target = Box::pin(Target::start(kind, installed, &folder.join("server"))).await?;
        Ok(Self { kind, target, kafka, registry })
    }

    /// One history, with names that begin with `name`. Logs are in the folder.
    ///
    /// # Errors
    ///
    /// [`SoakError`] if the run itself fails.
    pub async fn run(&self, name: &str, folder: &Path, seed: u64) -> Result<Report, SoakError> {
        let began = Instant::now();
        let history = History::draw(sink_history::Options { seed, steps: STEPS, keys: KEYS });
        let feed = Feed::new(&self.kafka, &self.registry, name).await?;
        let proxy = Proxy::start(self.target.address()?).await?;
        let file = self.pipeline(name, folder, &proxy)?;
        let file = file.to_string_lossy();
        let start = async |log: &str| {
            Rowcast::start(&["run", &file], &[("RUST_LOG", "info")], &folder.join(log)).await
        };
        let first = start("first.log").await?;
        let second = start("second.log").await?;
        let mut run = Run { servers: self, proxy, first, second, faults: Vec::new() };
        let mut random = Random::new(!seed);
        for step in &history.steps {
            feed.write(step)?;
            if let Some(trouble) = Trouble::draw(&mut random) {
                run.cause(trouble, &mut random).await?;
            }
            // So that something happens between two of them.
            tokio::time::sleep(random.duration_below(Duration::from_millis(300))).await;
        }
        let problems = run.wait_until_equal(&format!("{name}.t"), &history.rows).await?;
        Ok(Report {
            seed,
            server: self.kind,
            records: history.steps.iter().map(Vec::len).sum(),
            documents: history.rows.len(),
            faults: run.faults.into_iter().map(Trouble::name).collect(),
            problems,
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    fn pipeline(&self, name: &str, folder: &Path, proxy: &Proxy) -> Result<PathBuf, SoakError> {
        let file = folder.join("pipeline.yaml");
        PipelineFile::new(name, &self.kafka, &self.registry)
            .sink(name, &proxy.url(), name)
            .with("tasks.max", "2")
            .with("batch.size", "20")
            .with("connection.timeout.ms", "1000")
            .with("read.timeout.ms", "2000")
            .write(&file)?;
        Ok(file)
    }
}

/// One history under way.
struct Run<'a> {
    servers: &'a Servers,
    proxy: Proxy,
    first: Rowcast,
    /// Comes and goes.
    second: Rowcast,
    faults: Vec<Trouble>,
}

impl Run<'_> {
    async fn cause(&mut self, trouble: Trouble, random: &mut Random) -> Result<(), SoakError> {
        self.faults.push(trouble);
        let target = &self.servers.target;
        match trouble {
            Trouble::KillSink => {
                self.first.kill()?;
                self.first.start_again()?;
            }
            Trouble::SecondComesOrGoes if self.second.pid().is_some() => self.second.kill()?,
            Trouble::SecondComesOrGoes => self.second.start_again()?,
            Trouble::RestartServer => target.restart().await?,
            Trouble::KillServer => target.kill().await?,
            Trouble::CutNetwork | Trouble::SilenceNetwork => {
                if trouble == Trouble::CutNetwork {
                    self.proxy.cut();
                } else {
                    self.proxy.silence();
                }
                tokio::time::sleep(random.duration_below(BAD_FOR)).await;
                self.proxy.mend();
            }
            Trouble::BadAnswer => target.misbehave(random),
        }
        Ok(())
    }

    /// What still differs when the time is up; nothing if it does not.
    async fn wait_until_equal(
        &self,
        index: &str,
        expected: &Documents,
    ) -> Result<Vec<String>, SoakError> {
        let end = Instant::now() + EQUAL_WITHIN;
        loop {
            let found = self.servers.target.documents(index).await;
            if found == *expected {
                return Ok(Vec::new());
            }
            if self.first.pid().is_none() {
                let log = log::end(self.first.log_path())?;
                return Err(SoakError::Ended { what: "the end of the history".to_owned(), log });
            }
            if Instant::now() >= end {
                return Ok(differences(&found, expected));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn differences(found: &Documents, expected: &Documents) -> Vec<String> {
    let missing = expected.iter().filter(|(key, row)| found.get(key) != Some(row));
    let extra = found.iter().filter(|(key, _)| !expected.contains_key(key));
    missing
        .map(|(key, row)| format!("{key} is {:?}, expected {row:?}", found.get(key)))
        .chain(extra.map(|(key, row)| format!("{key} is {row:?}, expected nothing")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_old_or_too_much_is_told() {
        let expected = Documents::from([(1, (5, 10)), (2, (6, 11)), (3, (7, 12))]);
        let found = Documents::from([(1, (5, 10)), (2, (6, 9)), (4, (8, 3))]);

        let told = differences(&found, &expected);

        assert_eq!(
            told,
            [
                "2 is Some((6, 9)), expected (6, 11)",
                "3 is None, expected (7, 12)",
                "4 is (8, 3), expected nothing",
            ]
        );
        assert_eq!(differences(&expected, &expected), Vec::<String>::new());
    }
}
