//! Copies from a replica: they wait while it is behind its source.

use std::time::Duration;

use integration::process::Rowcast;
use integration::stack::MySql;
use integration::topic::Operation;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::reads;
use crate::scenario::{Scenario, connect, count, log_has, own_server, replica, stop, until_async};

/// What an idle server says comes so seldom that it is not what wakes a copy.
const HEARTBEATS: Duration = Duration::from_secs(40);

/// A source and its replica, with a table `t` of so many rows that is on both, and `blocker`.
struct Pair {
    source: Conn,
    /// A session of the replica's.
    replica: Conn,
    /// On the replica, which is what rowcast reads.
    scenario: Scenario,
    server: MySql,
    _source: MySql,
}

impl Pair {
    async fn start(name: &'static str, rows: u32) -> Self {
        let first = own_server(&format!("mysql-{name}-source"), &[]).await;
        let second = replica(&format!("mysql-{name}-replica"), &first).await;
        let mut source = connect(&first).await;
        let rows: Vec<_> = (1..=rows).map(|id| format!("({id}, {id})")).collect();
        for statement in [
            format!("CREATE DATABASE {name}"),
            format!("USE {name}"),
            "CREATE TABLE t (id INT PRIMARY KEY, a INT)".to_owned(),
            format!("INSERT INTO t VALUES {}", rows.join(", ")),
            "CREATE TABLE blocker (id INT AUTO_INCREMENT PRIMARY KEY)".to_owned(),
        ] {
            source.query_drop(statement).await.unwrap();
        }
        let mut connection = connect(&second).await;
        caught_up(&mut source, &mut connection).await;
        let mut scenario = Scenario::without_database(name, &second).await;
        scenario.sql(&format!("USE {name}")).await;
        connection.query_drop(format!("USE {name}")).await.unwrap();
        Self { source, replica: connection, scenario, server: second, _source: first }
    }

    /// Lets the applier wait for a lock, until the replica is so many seconds behind. Reading is
    /// not in its way.
    async fn block(&mut self, seconds: u64) {
        self.replica.query_drop("LOCK TABLES blocker READ").await.unwrap();
        self.source.query_drop("INSERT INTO blocker VALUES ()").await.unwrap();
        self.is_behind(seconds).await;
    }

    async fn unblock(&mut self) {
        self.replica.query_drop("UNLOCK TABLES").await.unwrap();
    }

    async fn is_behind(&mut self, seconds: u64) {
        let mut watch = connect(&self.server).await;
        until_async(async || {
            let row: mysql_async::Row =
                watch.query_first("SHOW REPLICA STATUS").await.unwrap().unwrap();
            row.get::<Option<u64>, _>("Seconds_Behind_Source").unwrap() >= Some(seconds)
        })
        .await;
    }

    /// Starts rowcast, which may copy while the replica is at most a second behind.
    async fn launch(&self) -> Rowcast {
        let pipeline = self
            .scenario
            .source(&self.server)
            .with("table.include.list", &format!("{}.t", self.scenario.name))
            .with("snapshot.chunk.rows", "1")
            .with("snapshot.max.threads", "1")
            .with("snapshot.max.rows.per.second", "4")
            .with("snapshot.max.replica.lag.ms", "1000")
            .with("source.heartbeat.period.ms", &HEARTBEATS.as_millis().to_string());
        self.scenario.start(&pipeline).await
    }

    /// The stream goes on while copies wait: a row that is written here, and not at the source.
    async fn stream_goes_on(&mut self, id: u32) {
        let before = count(&self.scenario.records("t").await, Operation::Create);
        self.scenario.sql(&format!("INSERT INTO t VALUES ({id}, 0)")).await;
        until_async(async || count(&self.scenario.records("t").await, Operation::Create) > before)
            .await;
    }
}

/// Waits until the replica has all that the source has.
async fn caught_up(source: &mut Conn, replica: &mut Conn) {
    let executed: Option<String> =
        source.query_first("SELECT @@GLOBAL.gtid_executed").await.unwrap();
    let wait = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{}', 90)", executed.unwrap());
    assert_eq!(replica.query_first::<u32, _>(wait).await.unwrap(), Some(0));
}

fn begun(rowcast: &Rowcast) -> usize {
    rowcast.log().unwrap().matches("chunk begins").count()
}

fn waits(rowcast: &Rowcast) -> usize {
    rowcast.log().unwrap().matches("copies wait for the server").count()
}

/// The replica is behind when the copy would begin, and once more when half of it is done: each time
/// the copy waits until the replica has caught up.
#[tokio::test]
async fn no_chunk_begins_while_the_replica_is_behind() {
    const ROWS: u32 = 60;
    let mut pair = Pair::start("replica_lag", ROWS).await;

    pair.block(3).await;
    let rowcast = pair.launch().await;
    log_has(&rowcast, "copies wait for the server").await;
    pair.stream_goes_on(1_001).await;
    pair.source.query_drop("UPDATE t SET a = 1000 WHERE id = 2").await.unwrap();
    pair.is_behind(6).await;
    let log = rowcast.log().unwrap();
    assert_eq!((begun(&rowcast), waits(&rowcast)), (0, 1), "{log}");
    let reason = "s behind its source, at most 1s may be\"";
    assert!(log.contains(reason), "{log}");
    pair.unblock().await;

    log_has(&rowcast, "copies go on, the server is quiet enough").await;
    until_async(async || begun(&rowcast) > 2).await;
    pair.block(3).await;
    until_async(async || waits(&rowcast) == 2).await;
    // A chunk that was about to begin has begun by then.
    pair.is_behind(5).await;
    let before = begun(&rowcast);
    assert!(before < 60, "the copy was too fast for the test");
    pair.source.query_drop("DELETE FROM t WHERE id > 50").await.unwrap();
    pair.is_behind(9).await;
    assert_eq!(begun(&rowcast), before, "{}", rowcast.log().unwrap());
    pair.unblock().await;

    log_has(&rowcast, "table copied").await;
    caught_up(&mut pair.source, &mut pair.replica).await;
    pair.scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}

/// A replica that is stopped has no lag that anybody knows: the copy waits, and says what to do.
#[tokio::test]
async fn a_replica_that_does_not_replicate_counts_as_behind() {
    let mut pair = Pair::start("replica_stopped", 3).await;

    pair.replica.query_drop("STOP REPLICA SQL_THREAD").await.unwrap();
    let rowcast = pair.launch().await;
    log_has(&rowcast, "Replica_IO_Running is Yes, Replica_SQL_Running is No").await;
    log_has(&rowcast, "hint=\"START REPLICA, or RESET REPLICA ALL").await;
    pair.stream_goes_on(1_001).await;
    pair.replica.query_drop("STOP REPLICA IO_THREAD").await.unwrap();
    pair.stream_goes_on(1_002).await;
    assert_eq!((begun(&rowcast), waits(&rowcast)), (0, 1), "{}", rowcast.log().unwrap());

    pair.replica.query_drop("START REPLICA").await.unwrap();
    log_has(&rowcast, "copies go on, the server is quiet enough").await;
    // There is nothing to replicate, so that no event wakes the copy.
    let begins = log_has(&rowcast, "chunk begins");
    tokio::time::timeout(HEARTBEATS / 2, begins).await.unwrap();
    pair.source.query_drop("UPDATE t SET a = 1000 WHERE id = 2").await.unwrap();
    log_has(&rowcast, "table copied").await;
    caught_up(&mut pair.source, &mut pair.replica).await;
    let records = pair.scenario.topic_is_table("t").await;
    assert!(reads(&records) >= 3, "{records:?}");
    stop(&rowcast).await;
}
