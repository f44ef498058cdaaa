//! What most tests of the source share: a database, a pipeline of its own, and its topics.

use std::time::{Duration, Instant};

use integration::marks::ROW;
use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::stack::{MySql, MySqlOptions, Stack, shared};
use integration::topic::{ChangeRecord, Operation, Topics, problems, wait_until_equal};
use integration::workload::Workload;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Longest wait for anything that a test waits for; the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(240);

/// What the program logs in tests: its own phases.
pub(crate) const LOG: (&str, &str) =
    ("RUST_LOG", "info,rowcast=debug,connect=debug,cdc_source=debug,es_sink=debug");

/// A database, pipeline and topics of one name.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) stack: &'static Stack,
    pub(crate) topics: Topics,
    url: String,
    connection: Conn,
    folder: TempDir,
}

impl Scenario {
    /// On the shared server, which has GTIDs, with an empty database.
    pub(crate) async fn new(name: &'static str) -> Self {
        Self::on(name, &shared().await.unwrap().mysql).await
    }

    /// On another server, with an empty database.
    pub(crate) async fn on(name: &'static str, mysql: &MySql) -> Self {
        let mut scenario = Self::without_database(name, mysql).await;
        scenario.sql(&format!("CREATE DATABASE {name}")).await;
        scenario.sql(&format!("USE {name}")).await;
        scenario
    }

    pub(crate) async fn without_database(name: &'static str, mysql: &MySql) -> Self {
        let stack = shared().await.unwrap();
        let topics = Topics::new(&stack.kafka.bootstrap(), &stack.registry.url());
        let url = mysql.url();
        let connection = connect(mysql).await;
        Self { name, stack, topics, url, connection, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn sql(&mut self, statement: &str) {
        self.connection.query_drop(statement).await.unwrap();
    }

    pub(crate) async fn rows<T: FromRow + Send + 'static>(&mut self, statement: &str) -> Vec<T> {
        self.connection.query(statement).await.unwrap()
    }

    /// A pipeline with one source of all tables of the database.
    pub(crate) fn source(&self, mysql: &MySql) -> PipelineFile {
        let name = self.name;
        PipelineFile::new(name, &self.stack.kafka, &self.stack.registry).source(
            name,
            mysql,
            (name, &format!("{name}\\..*")),
        )
    }

    /// Starts a pipeline and waits until its source reads the log.
    pub(crate) async fn start(&self, pipeline: &PipelineFile) -> Rowcast {
        let rowcast = self.launch("rowcast", pipeline).await;
        log_has(&rowcast, "source starts").await;
        rowcast
    }

    /// Starts a pipeline under a name of its own.
    pub(crate) async fn launch(&self, name: &str, pipeline: &PipelineFile) -> Rowcast {
        let file = self.folder.path().join(format!("{name}.yaml"));
        pipeline.write(&file).unwrap();
        let log = self.folder.path().join(format!("{name}.log"));
        Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
    }

    pub(crate) fn topic(&self, table: &str) -> String {
        format!("{0}.{0}.{table}", self.name)
    }

    pub(crate) async fn records(&mut self, table: &str) -> Vec<ChangeRecord> {
        let topic = self.topic(table);
        self.topics.read(&topic).await.unwrap()
    }

    /// Waits until a table's topic is the table, and checks that no record is there twice.
    pub(crate) async fn topic_is_table(&mut self, table: &str) -> Vec<ChangeRecord> {
        self.topic_of_table(&self.topic(table), table).await
    }

    /// As [`topic_is_table`](Self::topic_is_table), for a topic of another name.
    pub(crate) async fn topic_of_table(&mut self, topic: &str, table: &str) -> Vec<ChangeRecord> {
        let records = self.equal(topic, table).await;
        assert_eq!(problems(&records), Vec::<String>::new());
        records
    }

    /// Waits until a table's topic is the table; its records may share their places in the log.
    pub(crate) async fn topic_equals_table(&mut self, table: &str) -> Vec<ChangeRecord> {
        self.equal(&self.topic(table), table).await
    }

    /// Waits until a table has been copied again so many times, and its topic is the table. The topic
    /// may well be the table before the copy ends, which is what the sweep behind it says.
    pub(crate) async fn copied_again(&mut self, table: &str, times: usize) -> Vec<ChangeRecord> {
        until_async(async || sweeps(&self.records(table).await) >= times).await;
        let records = self.topic_is_table(table).await;
        assert_eq!(sweeps(&records), times, "{table}");
        records
    }

    async fn equal(&mut self, topic: &str, table: &str) -> Vec<ChangeRecord> {
        let table = format!("{}.{table}", self.name);
        let names = (table.as_str(), topic);
        let found = wait_until_equal(&mut self.topics, &self.url, names, DEADLINE).await;
        found.unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    /// What the programs of this scenario have logged.
    fn logs(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let logs = files.filter(|file| file.extension().is_some_and(|it| it == "log"));
        logs.map(|log| std::fs::read_to_string(log).unwrap()).collect()
    }

    /// Waits until a table's topic has a record of which `is_it` holds.
    pub(crate) async fn record(
        &mut self,
        table: &str,
        is_it: impl Fn(&ChangeRecord) -> bool,
    ) -> ChangeRecord {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(record) = self.records(table).await.into_iter().find(|r| is_it(r)) {
                return record;
            }
            assert!(Instant::now() < end, "the record did not come");
        }
    }
}

/// A connection with which statements can be run beside a scenario's own.
pub(crate) async fn connect(mysql: &MySql) -> Conn {
    Conn::new(Opts::from_url(&mysql.url()).unwrap()).await.unwrap()
}

/// The server without GTIDs that tests share.
pub(crate) async fn server_without_gtids() -> &'static MySql {
    static SERVER: OnceCell<MySql> = OnceCell::const_new();
    SERVER.get_or_init(|| Box::pin(own_server("mysql-without-gtids", &WITHOUT_GTIDS))).await
}

/// What makes a server one without GTIDs.
pub(crate) const WITHOUT_GTIDS: [&str; 2] = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];

/// A server with further options, whose data lies in the shared stack's folder.
pub(crate) async fn own_server(name: &str, arguments: &[&str]) -> MySql {
    let stack = shared().await.unwrap();
    let mut options = MySqlOptions::default();
    options.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    MySql::start(&stack.installed, &stack.directory().join(name), &options).await.unwrap()
}

/// A replica of `source` with GTIDs, whose data lies in the shared stack's folder.
pub(crate) async fn replica(name: &str, source: &MySql) -> MySql {
    replica_with(name, source, &[]).await
}

/// The same with further options.
pub(crate) async fn replica_with(name: &str, source: &MySql, arguments: &[&str]) -> MySql {
    let stack = shared().await.unwrap();
    let mut options = MySqlOptions::default();
    options.server_id = 2;
    options.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let folder = stack.directory().join(name);
    let mysql = MySql::start(&stack.installed, &folder, &options).await.unwrap();
    let mut connection = connect(&mysql).await;
    let source = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, \
         SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1",
        source.address().port()
    );
    connection.query_drop(source).await.unwrap();
    connection.query_drop("START REPLICA").await.unwrap();
    mysql
}

/// A query for so many rows of about 200 bytes: a number from 1, a zero, and a text that nobody may see
/// ([`ROW`]). The session has to allow that many (`cte_max_recursion_depth`).
pub(crate) fn many_rows(rows: usize) -> String {
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         SELECT i, 0, CONCAT('{ROW}', REPEAT(CHAR(65 + i % 26), 144)) FROM n"
    )
}

/// Waits until the program has logged a text.
pub(crate) async fn log_has(rowcast: &Rowcast, text: &str) {
    let is_there = || rowcast.log().unwrap().contains(text);
    let found = until(|| is_there() || rowcast.pid().is_none()).await;
    assert!(found && is_there(), "no {text:?} in:\n{}", rowcast.log().unwrap());
}

/// Changes rows until the log of a program that lives is so; panics if that does not come.
pub(crate) async fn work_until(
    workload: &mut Workload,
    rowcast: &Rowcast,
    is_so: impl Fn(&str) -> bool,
) {
    let end = Instant::now() + DEADLINE;
    loop {
        let log = rowcast.log().unwrap();
        if is_so(&log) {
            return;
        }
        assert!(rowcast.pid().is_some() && Instant::now() < end, "{log}");
        workload.step().await.unwrap();
    }
}

/// Waits for a condition; says whether it came true in time.
pub(crate) async fn until(condition: impl Fn() -> bool) -> bool {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// As [`until`], for a condition that asks a server; panics if it does not come true.
pub(crate) async fn until_async(mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < end, "the condition did not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks the program to end, and asserts that it does so in good order.
pub(crate) async fn stop(rowcast: &Rowcast) {
    let status = rowcast.stop(DEADLINE).await.unwrap();
    assert!(status.success(), "{}", rowcast.log().unwrap());
}

/// How many copies or truncations end in these records.
pub(crate) fn sweeps(records: &[ChangeRecord]) -> usize {
    records.iter().filter(|it| matches!(it.operation, Operation::Sweep { .. })).count()
}

/// How many records of an operation there are.
pub(crate) fn count(records: &[ChangeRecord], operation: Operation) -> usize {
    records.iter().filter(|record| record.operation == operation).count()
}
