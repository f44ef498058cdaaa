//! Runs all recorded SQL once, with all recorded connectors in one `rowcast` process, and keeps
//! what came of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use integration::process::Rowcast;
use integration::stack::{MySql, Stack, shared};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::{Value as Json, json};

use super::recording::{Pair, Recording, pairs, recordings};
use super::registry::RegistryClient;
use super::relay::{Relay, Texts};
use super::statements::{Touch, statements, touch};
use super::topics::{Offsets, Written, frame_id, written};
use crate::scenario::{connect, own_server, stop};

/// Name of the group, and of the topic of its offsets.
const GROUP: &str = "golden";

/// For 70 connectors on a machine that other servers share.
const DEADLINE: Duration = Duration::from_secs(240);

/// What came of a run.
pub(super) struct Outcome {
    pub(super) recordings: Vec<Recording>,
    /// The registry's number of each recorded schema, by connector and place.
    pub(super) ids: HashMap<String, Vec<u32>>,
    /// All that was written, by topic.
    pub(super) written: BTreeMap<String, Vec<Written>>,
    /// Texts of the schemas in the registry.
    pub(super) schemas: HashMap<u32, String>,
    /// How many schemas each subject has.
    pub(super) versions: BTreeMap<String, usize>,
    /// What rowcast has registered.
    pub(super) registered: Texts,
}

/// Runs everything, and stops the servers and programs that it has started.
pub(super) async fn run() -> Outcome {
    let stack = shared().await.unwrap();
    let (pairs, recordings) = (pairs(), recordings());
    let registry = RegistryClient::new(&stack.registry.url());
    let ids = join_all(
        recordings
            .iter()
            .map(async |recording| (recording.name.clone(), registry.register(recording).await)),
    );
    let ids: HashMap<String, Vec<u32>> = ids.await.into_iter().collect();
    let mysql = own_server("mysql-of-golden", &["--max-connections=2000"]).await;
    prepare(&mysql, &pairs).await;
    let relay = Relay::start(&stack.registry.url());
    capture(GROUP, (stack, &relay), &mysql, &pairs, &recordings).await;

    let prefixes: Vec<String> = recordings.iter().map(|r| format!("{}.", r.name)).collect();
    let written = written(&stack.kafka.bootstrap(), &prefixes);
    let mut schemas = HashMap::new();
    for recording in &recordings {
        let texts = recording.schemas.iter().map(|(_, text)| text.clone());
        schemas.extend(ids[&recording.name].iter().copied().zip(texts));
    }
    let recorded: BTreeSet<u32> = schemas.keys().copied().collect();
    let found = written.values().flatten().flat_map(Written::parts);
    let found: BTreeSet<u32> = found.map(|bytes| frame_id(bytes)).collect();
    for id in found.into_iter().filter(|id| !recorded.contains(id)) {
        schemas.insert(id, registry.schema(id).await);
    }
    let registered = relay.texts();
    let subjects = recordings.iter().flat_map(|recording| &recording.schemas).map(|(name, _)| name);
    let versions = registry.versions(subjects.chain(registered.keys()).collect()).await;
    Outcome { recordings, ids, written, schemas, versions, registered }
}

/// Runs the statements that were run before the connectors.
pub(super) async fn prepare(mysql: &MySql, pairs: &[Pair]) {
    for pair in pairs {
        let mut session = Session::new(mysql).await;
        for statement in statements(&pair.before) {
            session.run(statement).await;
        }
    }
}

/// Runs rowcast until it has copied and streamed everything.
pub(super) async fn capture(
    group: &str,
    (stack, relay): (&Stack, &Relay),
    mysql: &MySql,
    pairs: &[Pair],
    recordings: &[Recording],
) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("golden.yaml");
    std::fs::write(&file, pipeline(group, (stack, relay), mysql, recordings)).unwrap();
    let log = folder.path().join("golden.log");
    let rowcast = Rowcast::start(&["run", file.to_str().unwrap()], &[], &log).await.unwrap();
    let mut offsets = Offsets::new(&stack.kafka.bootstrap(), &format!("{group}-offsets"));
    wait_for_copies(&rowcast, &mut offsets, recordings);
    for pair in pairs {
        let connectors = recordings.iter().filter(|recording| recording.pair == pair.name);
        let connectors: Vec<&str> = connectors.map(|it| it.name.as_str()).collect();
        let mut session = Session::new(mysql).await;
        stream(pair, &connectors, &mut session, &mut offsets, &rowcast).await;
    }
    let names: Vec<&str> = recordings.iter().map(|recording| recording.name.as_str()).collect();
    let mut session = Session::new(mysql).await;
    let end = session.executed().await;
    session.passed(&rowcast, &mut offsets, &names, &end).await;
    stop(&rowcast).await;
}

/// The pipeline file: each connector with its recorded configuration. JSON is YAML.
fn pipeline(
    group: &str,
    (stack, relay): (&Stack, &Relay),
    mysql: &MySql,
    recordings: &[Recording],
) -> String {
    let connector = |recording: &Recording| {
        let mut settings = recording.config.clone();
        let address = mysql.address();
        for (key, value) in [
            ("connector.class", "io.debezium.connector.mysql.MySqlConnector".to_owned()),
            ("database.hostname", address.ip().to_string()),
            ("database.port", address.port().to_string()),
            ("database.user", MySql::USER.to_owned()),
        ] {
            settings.insert(key.to_owned(), value);
        }
        (recording.name.clone(), json!(settings))
    };
    let connectors: serde_json::Map<String, Json> = recordings.iter().map(connector).collect();
    let file = json!({
        "bootstrap.servers": stack.kafka.bootstrap(),
        "listeners": "http://127.0.0.1:0",
        "schema.registry.url": relay.url(),
        "group.id": group,
        "offset.storage.topic": format!("{group}-offsets"),
        "connectors": connectors,
    });
    format!("{file:#}")
}

/// Runs the statements that are streamed. rowcast asks the server for a definition when it meets it
/// or the first rows of it, so a definition is changed only when all before it was read, also by a
/// connector that does not capture the table, as it may tell the definition: Debezium, which reads
/// statements, needs no such pause.
async fn stream(
    pair: &Pair,
    connectors: &[&str],
    session: &mut Session,
    offsets: &mut Offsets,
    rowcast: &Rowcast,
) {
    let mut changed: HashMap<&str, String> = HashMap::new();
    for statement in statements(&pair.stream) {
        let touch = touch(statement);
        if let Touch::Definition(table) = touch
            && let Some(executed) = changed.remove(table)
        {
            session.passed(rowcast, offsets, connectors, &executed).await;
        }
        session.run(statement).await;
        if let Touch::Rows(table) | Touch::Definition(table) = touch {
            changed.insert(table, session.executed().await);
        }
    }
}

/// The session in which the SQL runs, and one to look at the server.
struct Session {
    writer: Conn,
    reader: Conn,
}

impl Session {
    async fn new(mysql: &MySql) -> Self {
        let mut session = Self { writer: connect(mysql).await, reader: connect(mysql).await };
        session.run("SET NAMES utf8mb4").await;
        session
    }

    async fn run(&mut self, statement: &str) {
        if let Err(error) = self.writer.query_drop(statement).await {
            panic!("{error}: {statement}");
        }
    }

    /// The set of executed transactions.
    async fn executed(&mut self) -> String {
        let set: Option<String> =
            self.reader.query_first("SELECT @@GLOBAL.gtid_executed").await.unwrap();
        set.unwrap()
    }

    /// Waits until all of these connectors have committed what has been executed.
    async fn passed(
        &mut self,
        rowcast: &Rowcast,
        offsets: &mut Offsets,
        connectors: &[&str],
        executed: &str,
    ) {
        let end = Instant::now() + DEADLINE;
        loop {
            offsets.read();
            let sets = connectors.iter().map(|name| offsets.gtids(name));
            let mut behind = 0;
            for set in sets {
                let contains = format!("SELECT GTID_SUBSET('{executed}', '{set}')");
                let contains: Option<u8> = self.reader.query_first(contains).await.unwrap();
                behind += usize::from(contains != Some(1));
            }
            if behind == 0 {
                return;
            }
            let is_alive = rowcast.pid().is_some();
            let log = || rowcast.log().unwrap();
            assert!(is_alive && Instant::now() < end, "{behind} are behind:\n{}", log());
        }
    }
}

/// Waits until all connectors have copied their tables.
fn wait_for_copies(rowcast: &Rowcast, offsets: &mut Offsets, recordings: &[Recording]) {
    let end = Instant::now() + DEADLINE;
    loop {
        let copying = offsets.copying(recordings);
        if copying.is_empty() {
            return;
        }
        let goes_on = rowcast.pid().is_some() && Instant::now() < end;
        assert!(goes_on, "{copying:?} are copying:\n{}", rowcast.log().unwrap());
    }
}
