//! A list of servers, and another replica with our number.

use futures_util::StreamExt;
use integration::stack::shared;
use integration::topic::Operation;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStreamRequest, Conn};

use crate::beside::{told_once, transactions};
use crate::proxy::{Network, Proxy};
use crate::scenario::{
    Scenario, connect, count, log_has, many_rows, replica, replica_with, server_without_gtids,
    stop, until, until_async,
};

#[tokio::test]
async fn the_first_server_of_the_list_that_can_be_reached_is_taken() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("hosts").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let list = format!("no-such-host.invalid,{free},{}", mysql.address());
    let pipeline = scenario.source(mysql).with("database.hostname", &list);

    let rowcast = scenario.start(&pipeline).await;

    scenario.topic_is_table("t").await;
    let log = rowcast.log().unwrap();
    assert!(log.contains(&format!("server cannot be used server={free}")), "{log}");
    assert!(log.contains(&format!("server={} position", mysql.address())), "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn when_the_first_server_fails_its_replica_is_followed_by_gtids() {
    let first = crate::scenario::own_server("mysql-failover", &[]).await;
    let second = replica("mysql-failover-replica", &first).await;
    let mut scenario = Scenario::on("failover", &first).await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1), (2)").await;
    let list = format!("{},{}", first.address(), second.address());
    let pipeline = scenario.source(&first).with("database.hostname", &list);
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("INSERT INTO t VALUES (3)").await;
    let mut on_second = connect(&second).await;
    until_async(async || {
        let count = on_second.query_first("SELECT COUNT(*) FROM failover.t").await;
        count.ok().flatten() == Some(3)
    })
    .await;

    first.server.kill().unwrap();
    on_second.query_drop("STOP REPLICA").await.unwrap();
    on_second.query_drop("INSERT INTO failover.t VALUES (4), (5)").await.unwrap();

    let five = || rowcast.log().unwrap().contains(&format!("server={} position", second.address()));
    assert!(until(five).await, "{}", rowcast.log().unwrap());
    until_async(async || scenario.records("t").await.len() >= 5).await;
    let records = scenario.records("t").await;
    assert_eq!(records.len(), 5);
    assert_eq!(integration::topic::problems(&records), Vec::<String>::new());
    stop(&rowcast).await;
}

/// The other server has the rows of the transaction in other events, and each row comes once.
#[tokio::test]
async fn the_next_server_goes_on_inside_a_split_transaction() {
    const ROWS: usize = 20_000;
    let first = crate::scenario::own_server("mysql-split", &[]).await;
    let small = "--binlog-row-event-max-size=1024";
    let second = replica_with("mysql-split-replica", &first, &[small]).await;
    let proxy = Proxy::start(first.address(), Network::Good).await;
    let mut scenario = Scenario::on("split_hosts", &first).await;
    for table in ["t", "u"] {
        let columns = "id INT PRIMARY KEY, n INT, filler VARCHAR(200)";
        scenario.sql(&format!("CREATE TABLE {table} ({columns})")).await;
    }
    let pipeline = scenario
        .source(&first)
        .with("database.hostname", &format!("{},{}", proxy.address, second.address()))
        .with("provide.transaction.metadata", "true")
        .with("transaction.max.bytes", "65536");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied table=split_hosts.t").await;
    log_has(&rowcast, "table copied table=split_hosts.u").await;
    stop(&rowcast).await;
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    let numbers = many_rows(ROWS);
    scenario.sql("BEGIN").await;
    scenario.sql(&format!("INSERT INTO u {numbers} LIMIT 30")).await;
    scenario.sql(&format!("INSERT INTO t {numbers}")).await;
    scenario.sql("UPDATE t SET n = n + 1 WHERE id % 7 = 0").await;
    scenario.sql("UPDATE u SET n = n + 1").await;
    scenario.sql("COMMIT").await;
    let mut on_second = connect(&second).await;
    until_async(async || {
        let count = on_second.query_first("SELECT SUM(n) FROM split_hosts.u").await;
        count.ok().flatten().flatten() == Some(30)
    })
    .await;

    rowcast.start_again().unwrap();
    let parts = || rowcast.log().unwrap().matches("split=true").count();
    assert!(until(|| parts() > 5).await, "{}", rowcast.log().unwrap());
    rowcast.kill().unwrap();
    proxy.set(Network::CutAfter(0));
    let offset = scenario.topics.read_texts("split_hosts-offsets").await.unwrap();
    let (_, offset) = offset.iter().rfind(|(key, _)| !key.contains("\"table\"")).unwrap();
    assert!(
        offset.contains(r#""done":"[{\"db\":\"split_hosts\",\"table\":\"t\",\"rows\":"#),
        "{offset}"
    );
    rowcast.start_again().unwrap();

    log_has(&rowcast, &format!("server={} position", second.address())).await;
    let records = scenario.topic_is_table("t").await;
    assert_eq!(count(&records, Operation::Create), ROWS);
    assert_eq!(count(&records, Operation::Update), ROWS / 7);
    let records = scenario.topic_is_table("u").await;
    assert_eq!(count(&records, Operation::Create), 30);
    assert_eq!(count(&records, Operation::Update), 30);
    stop(&rowcast).await;
    let expected = [("split_hosts.t", ROWS + ROWS / 7), ("split_hosts.u", 60)];
    told_once(&transactions("split_hosts").await, &expected);
}

/// Copies read from the stream's server, also when one before it in the list can be reached again.
#[tokio::test]
async fn a_copy_reads_from_the_server_of_the_stream() {
    let mysql = &shared().await.unwrap().mysql;
    let other = server_without_gtids().await;
    let proxy = Proxy::start(other.address(), Network::CutAfter(0)).await;
    let mut scenario = Scenario::new("copy_hosts").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;
    scenario.sql("CREATE TABLE signals (id INT PRIMARY KEY, type VARCHAR(32), data TEXT)").await;
    let list = format!("{},{}", proxy.address, mysql.address());
    let pipeline = scenario
        .source(mysql)
        .with("database.hostname", &list)
        .with("table.include.list", "copy_hosts.t")
        .with("signal.data.collection", "copy_hosts.signals");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;

    proxy.set(Network::Good);
    let data = r#"{"data-collections": ["copy_hosts.t"]}"#;
    scenario.sql(&format!("INSERT INTO signals VALUES (1, 'execute-snapshot', '{data}')")).await;

    scenario.record("t", |record| matches!(record.operation, Operation::Sweep { .. })).await;
    scenario.topic_is_table("t").await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn another_replica_with_our_number_is_told_of_and_both_go_on() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("same_number").await;
    scenario.sql("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let other: Conn = connect(mysql).await;
    let request = BinlogStreamRequest::new(4711).with_filename(b"binlog.000001").with_pos(4_u64);
    let mut other = other.get_binlog_stream(request).await.unwrap();
    assert!(other.next().await.unwrap().is_ok());
    let pipeline = scenario.source(mysql).with("database.server.id", "4711");

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "another replica has our server id server_id=4711").await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("INSERT INTO t VALUES (1)").await;

    scenario.topic_is_table("t").await;
    // The other one is read to the end of the log, which the insert is at.
    loop {
        let event = other.next().await.unwrap().unwrap();
        let text = String::from_utf8_lossy(event.data()).into_owned();
        if text.contains("same_number") && text.contains("\u{1}t\0") {
            break;
        }
    }
    let log = rowcast.log().unwrap();
    assert!(!log.contains("another replica with our server id"), "{log}");
    stop(&rowcast).await;
    // Its own predecessor is no other replica.
    rowcast.start_again().unwrap();
    assert!(until(|| rowcast.log().unwrap().matches("source starts").count() == 2).await);
    stop(&rowcast).await;
}
