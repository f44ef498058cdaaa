//! A MySQL transaction that is larger than a Kafka transaction, and kills between its parts.

use std::time::{Duration, Instant};

use integration::random::Random;
use integration::topic::Operation;

use crate::scenario::{Scenario, log_has, stop, until};

/// Rows of the transaction, of about 200 bytes each, in more than one statement.
const ROWS: usize = 20_000;

/// How often the process is killed inside it.
const KILLS: usize = 6;

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
    let pipeline = scenario.source(mysql).with("transaction.max.bytes", "65536");
    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied table=splits.u").await;
    scenario.sql("SET cte_max_recursion_depth = 1000000").await;
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
         SELECT i, 0, REPEAT(CHAR(65 + i % 26), 150) FROM n"
    );
    scenario.sql("BEGIN").await;
    scenario.sql(&format!("INSERT INTO t {numbers}")).await;
    // Both tables in one transaction, a row of several changes among them.
    scenario.sql(&format!("INSERT INTO u {numbers} LIMIT 3000")).await;
    scenario.sql("UPDATE t SET n = n + 1 WHERE id % 7 = 0").await;
    scenario.sql("DELETE FROM t WHERE id % 11 = 0").await;
    scenario.sql("COMMIT").await;

    let parts = || rowcast.log().unwrap().matches("split=true").count();
    let mut kills = 0;
    for _ in 0..KILLS {
        let before = parts();
        let has_gone_on = || parts() > before + 2 || is_done(&rowcast.log().unwrap());
        assert!(until(has_gone_on).await, "{}", rowcast.log().unwrap());
        if is_done(&rowcast.log().unwrap()) {
            break;
        }
        let end = Instant::now() + random.duration_below(Duration::from_millis(30));
        while Instant::now() < end {
            tokio::task::yield_now().await;
        }
        rowcast.kill().unwrap();
        kills += 1;
        rowcast.start_again().unwrap();
    }

    let records = scenario.topic_is_table("t").await;
    let count = |operation| records.iter().filter(|r| r.operation == operation).count();
    assert_eq!(count(Operation::Create), ROWS);
    assert_eq!(count(Operation::Update), ROWS / 7);
    assert_eq!(count(Operation::Delete), ROWS / 11);
    assert_eq!(scenario.topic_is_table("u").await.len(), 3000);
    assert!(kills >= 3, "only {kills} kills met the transaction");
    stop(&rowcast).await;
}

/// Whether the last commit that began was that of the transaction's end.
fn is_done(log: &str) -> bool {
    let mut commits = log.lines().filter(|line| line.contains("transaction commit begins"));
    let last = commits.next_back().unwrap_or_default();
    last.contains("split=false") && log.contains("split=true")
}
