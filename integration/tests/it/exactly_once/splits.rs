//! A MySQL transaction that is larger than a Kafka transaction, and kills between its parts.

use std::time::{Duration, Instant};

use integration::random::Random;
use integration::topic::Operation;

use crate::beside::{told_once, transactions};
use crate::proxy::{Network, Proxy};
use crate::scenario::{Scenario, log_has, many_rows, stop, until};

/// Rows of the transaction, of about 200 bytes each, in more than one statement.
const ROWS: usize = 20_000;

/// How often the process is killed inside it.
const KILLS: u64 = 6;

/// How many bytes of the log more there are for each process, of the 5 MB of the transaction: no
/// machine is so fast that it is at the end before it is killed.
const BYTES_MORE: u64 = 700_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_between_the_parts_of_a_wide_transaction_lose_and_repeat_nothing() {
    let mut scenario = Scenario::new("splits").await;
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    for table in ["t", "u"] {
        let columns = "id INT PRIMARY KEY, n INT, filler VARCHAR(200)";
        scenario.sql(&format!("CREATE TABLE {table} ({columns})")).await;
    }
    let mysql = &scenario.stack.mysql;
    let proxy = Proxy::start(mysql.address(), Network::Good).await;
    let pipeline = scenario
        .source(mysql)
        .with("database.hostname", &proxy.address.ip().to_string())
        .with("database.port", &proxy.address.port().to_string())
        .with("provide.transaction.metadata", "true")
        .with("transaction.max.bytes", "65536");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied table=splits.u").await;
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    let numbers = many_rows(ROWS);
    proxy.set(Network::SilentAfter(BYTES_MORE));
    scenario.sql("BEGIN").await;
    scenario.sql(&format!("INSERT INTO t {numbers}")).await;
    // Both tables in one transaction, a row of several changes among them.
    scenario.sql(&format!("INSERT INTO u {numbers} LIMIT 3000")).await;
    scenario.sql("UPDATE t SET n = n + 1 WHERE id % 7 = 0").await;
    scenario.sql("DELETE FROM t WHERE id % 11 = 0").await;
    scenario.sql("COMMIT").await;

    let parts = || rowcast.log().unwrap().matches("split=true").count();
    for kill in 1..=KILLS {
        let before = parts();
        let has_gone_on = || parts() > before;
        assert!(until(has_gone_on).await, "{}", rowcast.log().unwrap());
        let end = Instant::now() + random.duration_below(Duration::from_millis(150));
        while Instant::now() < end {
            tokio::task::yield_now().await;
        }
        rowcast.kill().unwrap();
        assert!(!is_done(&rowcast.log().unwrap()), "the transaction ended before kill {kill}");
        let next = if kill == KILLS {
            Network::Good
        } else {
            Network::SilentAfter((kill + 1) * BYTES_MORE)
        };
        proxy.set(next);
        rowcast.start_again().unwrap();
    }

    let records = scenario.topic_is_table("t").await;
    let count = |operation| records.iter().filter(|r| r.operation == operation).count();
    assert_eq!(count(Operation::Create), ROWS);
    assert_eq!(count(Operation::Update), ROWS / 7);
    assert_eq!(count(Operation::Delete), ROWS / 11);
    assert_eq!(scenario.topic_is_table("u").await.len(), 3000);
    stop(&rowcast).await;
    let expected = [("splits.t", ROWS + ROWS / 7 + ROWS / 11), ("splits.u", 3000)];
    told_once(&transactions("splits").await, &expected);
}

/// Whether the last commit that began was that of the transaction's end.
fn is_done(log: &str) -> bool {
    let mut commits = log.lines().filter(|line| line.contains("transaction commit begins"));
    let last = commits.next_back().unwrap_or_default();
    last.contains("split=false") && log.contains("split=true")
}
