//! A cluster of workers in trouble: some are killed, frozen, restarted one after the other, come and
//! go, while the tables of their connectors change. In the end every index has to be its table, and
//! no record may be in a topic twice.
//!
//! Whatever goes wrong is drawn from the run's seed, and so are the changes. When the one meets the
//! other, is not.

mod member;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use self::member::Member;
use self::traffic::Traffic;
use super::{SoakError, float};
use crate::chaos::{check_topics, compare};
use crate::random::Random;
use crate::stack::{MySql, Signal, Stack};

/// Workers at the beginning.
const MEMBERS: usize = 3;

/// The most that come.
const MEMBERS_MAX: usize = 4;

/// The longest sleep, and the longest time that a killed worker stays away: twice what the group waits
/// for a sign of life.
const AWAY_MAX: Duration = Duration::from_secs(12);

/// The longest time until all tasks run after a trouble.
const RUN_WITHIN: Duration = Duration::from_secs(120);

/// The longest time that a worker takes to end in good order.
const STOPPED_WITHIN: Duration = Duration::from_secs(90);

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the random numbers begin with.
    pub seed: u64,
    /// Databases, each with a source and a sink.
    pub databases: u32,
    /// How often something goes wrong.
    pub troubles: u64,
}

/// What one run was.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What repeats its random numbers.
    pub seed: u64,
    /// What went wrong, in this order.
    pub troubles: Vec<&'static str>,
    /// Seconds until all tasks ran again, for each of them.
    pub recovered_s: Vec<f64>,
    /// Transactions that were committed meanwhile.
    pub transactions: u64,
    /// Rows of all tables in the end, each equal to its document.
    pub rows: u64,
    /// Records in all topics, as a reader of committed records finds them.
    pub records: u64,
    /// What is not as it must be; empty if nothing is.
    pub problems: Vec<String>,
    /// Seconds from the first start to the last comparison.
    pub seconds: f64,
}

impl Report {
    /// Whether all was as it must be, and the run says something.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && self.rows > 0 && self.records > 0
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Kill,
    Sleep,
    Restart,
    RollingRestart,
    ComeOrGo,
}

impl Trouble {
    const ALL: [Self; 5] =
        [Self::Kill, Self::Sleep, Self::Restart, Self::RollingRestart, Self::ComeOrGo];

    fn draw(random: &mut Random) -> Self {
        let at = usize::try_from(random.below(Self::ALL.len() as u64)).unwrap_or_default();
        Self::ALL.get(at).copied().unwrap_or(Self::Kill)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "worker killed",
            Self::Sleep => "worker frozen",
            Self::Restart => "worker restarted",
            Self::RollingRestart => "all workers restarted",
            Self::ComeOrGo => "worker comes or goes",
        }
    }
}

/// One run, with names that begin with `name`. Logs are in the folder.
///
/// # Errors
///
/// [`SoakError`] if the run itself fails, and if a task does not come to run again.
pub async fn run(
    stack: &Stack,
    name: &str,
    folder: &Path,
    options: Options,
) -> Result<Report, SoakError> {
    let began = Instant::now();
    let mut random = Random::new(options.seed);
    let names: Vec<_> = (0..options.databases).map(|number| format!("{name}_{number}")).collect();
    let traffic = Traffic::start(stack, &names, &mut random).await?;
    let mut cluster = Cluster::start(stack, name, folder).await?;
    cluster.make_connectors(stack, &names).await?;
    cluster.until_all_run(2 * names.len()).await?;
    let (mut troubles, mut recovered_s) = (Vec::new(), Vec::new());
    for _ in 0..options.troubles {
        let trouble = Trouble::draw(&mut random);
        cluster.cause(trouble, &mut random).await?;
        troubles.push(trouble.name());
        recovered_s.push(cluster.until_all_run(2 * names.len()).await?.as_secs_f64());
        tokio::time::sleep(random.duration_below(Duration::from_secs(3))).await;
    }
    let (transactions, tables) = traffic.stop().await?;
    let mut problems = cluster.ended();
    let mut report = Report {
        seed: options.seed,
        troubles,
        recovered_s,
        transactions,
        rows: 0,
        records: 0,
        problems: Vec::new(),
        seconds: 0.0,
    };
    for (name, tables) in names.iter().zip(tables) {
        match compare(stack, &tables).await {
            Ok((rows, _)) => report.rows += rows,
            Err(error) => problems.push(schema::fault::chain(&error)),
        }
        match check_topics(stack, name, &tables).await {
            Ok(records) => report.records += records,
            Err(error) => problems.push(schema::fault::chain(&error)),
        }
    }
    cluster.stop().await?;
    report.problems = problems;
    report.seconds = float(u64::try_from(began.elapsed().as_millis()).unwrap_or_default()) / 1000.0;
    Ok(report)
}

/// The workers of a run.
struct Cluster {
    file: PathBuf,
    folder: PathBuf,
    members: Vec<Member>,
    /// How many have ever come.
    started: usize,
}

impl Cluster {
    async fn start(stack: &Stack, name: &str, folder: &Path) -> Result<Self, SoakError> {
        let file = folder.join("worker.properties");
        std::fs::write(&file, properties(stack, name))?;
        let folder = folder.to_owned();
        let mut cluster = Self { file, folder, members: Vec::new(), started: 0 };
        while cluster.members.len() < MEMBERS {
            cluster.come().await?;
        }
        Ok(cluster)
    }

    async fn come(&mut self) -> Result<(), SoakError> {
        let log = self.folder.join(format!("worker-{}.log", self.started));
        self.started += 1;
        self.members.push(Member::start(&self.file, &log).await?);
        Ok(())
    }

    /// Posts a source and a sink of each database, to one worker after the other.
    async fn make_connectors(&self, stack: &Stack, names: &[String]) -> Result<(), SoakError> {
        for ((number, name), member) in (8801_u32..).zip(names).zip(self.members.iter().cycle()) {
            member.make(&format!("{name}-source"), &source(&stack.mysql, name, number)).await?;
            member.make(&format!("{name}-sink"), &sink(stack, name)).await?;
        }
        Ok(())
    }

    async fn cause(&mut self, trouble: Trouble, random: &mut Random) -> Result<(), SoakError> {
        let count = self.members.len();
        let at = usize::try_from(random.below(count as u64)).unwrap_or_default();
        let pause = random.duration_below(AWAY_MAX);
        if trouble == Trouble::RollingRestart {
            for member in &mut self.members {
                member.stop().await?;
                member.start_again().await?;
            }
            return Ok(());
        }
        if trouble == Trouble::ComeOrGo && count < MEMBERS_MAX && random.chance(50) {
            return self.come().await;
        }
        if trouble == Trouble::ComeOrGo && count > 2 {
            return self.members.swap_remove(at).stop().await;
        }
        let Some(member) = self.members.get_mut(at) else { return Ok(()) };
        match trouble {
            Trouble::Kill => {
                member.process.kill()?;
                tokio::time::sleep(pause).await;
                member.start_again().await
            }
            Trouble::Sleep => {
                member.process.signal(Signal::Pause)?;
                tokio::time::sleep(pause).await;
                Ok(member.process.signal(Signal::Resume)?)
            }
            Trouble::Restart | Trouble::RollingRestart | Trouble::ComeOrGo => {
                member.stop().await?;
                member.start_again().await
            }
        }
    }

    /// Waits until so many tasks run on workers that are there, whoever is asked; how long it took.
    async fn until_all_run(&self, tasks: usize) -> Result<Duration, SoakError> {
        let began = Instant::now();
        let ids: Vec<_> = self.members.iter().map(Member::id).collect();
        for member in &self.members {
            member.until_all_run((tasks, &ids), began + RUN_WITHIN).await?;
        }
        Ok(began.elapsed())
    }

    /// Workers that have ended by themselves.
    fn ended(&self) -> Vec<String> {
        let gone = self.members.iter().filter(|member| member.process.pid().is_none());
        gone.map(|member| format!("{} has ended", member.process.log_path().display())).collect()
    }

    async fn stop(&mut self) -> Result<(), SoakError> {
        for member in &self.members {
            if member.process.pid().is_some() {
                member.stop().await?;
            }
        }
        Ok(())
    }
}

/// A worker's file, as Kafka Connect has it.
fn properties(stack: &Stack, group: &str) -> String {
    let (kafka, registry) = (stack.kafka.bootstrap(), stack.registry.url());
    let mut text = format!(
        "bootstrap.servers={kafka}\ngroup.id={group}\nlisteners=http://127.0.0.1:0\n\
         offset.storage.topic={group}-offsets\nconfig.storage.topic={group}-configs\n\
         status.storage.topic={group}-status\n"
    );
    for part in ["key", "value"] {
        text += &format!("{part}.converter=io.confluent.connect.avro.AvroConverter\n");
        text += &format!("{part}.converter.schema.registry.url={registry}\n");
    }
    for part in ["config", "offset", "status"] {
        text += &format!("{part}.storage.replication.factor=1\n");
    }
    text
}

fn source(mysql: &MySql, name: &str, server_id: u32) -> Value {
    let address = mysql.address();
    json!({
        "connector.class": "mysql",
        "database.hostname": address.ip().to_string(),
        "database.port": address.port().to_string(),
        "database.user": MySql::USER,
        "database.password": "",
        "database.server.id": server_id.to_string(),
        "topic.prefix": name,
        "table.include.list": format!("{name}\\..*"),
    })
}

fn sink(stack: &Stack, name: &str) -> Value {
    json!({
        "connector.class": "elasticsearch",
        "connection.url": stack.elasticsearch.url(),
        "topics.regex": format!("{name}\\..*"),
        "index.name": "{database}.{table}",
    })
}
