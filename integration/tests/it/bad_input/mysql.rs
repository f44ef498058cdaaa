//! A MySQL that refuses us, or that we must refuse.

use std::net::TcpListener;

use integration::stack::{MySql, MySqlOptions, shared};

use crate::scene::{SECRET, Scene, clean_log, records, stop, until, wait_for_log};

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let mut scene = Scene::new("bad_password").await;
    scene.set("database.password", format!("{SECRET}-wrong"));

    let refusal = scene.refused().await;

    assert!(refusal.error.starts_with("mysql at 127.0.0.1:"), "{refusal:?}");
    assert!(refusal.error.ends_with("refuses user `bad_password`"), "{refusal:?}");
    assert!(refusal.hint.contains("`database.password`"), "{refusal:?}");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn an_unreachable_server_is_waited_for_with_growing_pauses() {
    let mut scene = Scene::new("bad_port").await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scene.set("database.port", free.port().to_string());

    let rowcast = scene.start().await;
    let tries = || async { delays(&rowcast.log().unwrap()).len() >= 4 };
    assert!(until(tries).await, "{}", rowcast.log().unwrap());
    let log = stop(&rowcast).await;

    let delays = delays(&log);
    assert!(delays.is_sorted(), "{delays:?}");
    let waiting: Vec<_> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    for line in &waiting {
        assert!(line.contains(&format!("could not connect at {free}: ")), "{line}");
        assert!(line.contains("start MySQL or correct `database.hostname`"), "{line}");
    }
    assert!(waiting.len() <= delays.len() + 1, "{log}");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_waited_for() {
    let mut scene = Scene::new("bad_host").await;
    scene.set("database.hostname", "no-such-host.invalid");

    let rowcast = scene.start().await;
    wait_for_log(&rowcast, "could not connect at no-such-host.invalid:").await;

    let log = stop(&rowcast).await;
    assert!(log.contains("correct `database.hostname`"), "{log}");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_given_up_and_tried_again() {
    let mut scene = Scene::new("bad_silence").await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    scene.set("database.port", address.port().to_string());
    scene.set("connect.timeout.ms", "300");

    let rowcast = scene.start().await;
    let expected = format!("mysql at {address} did not answer in time to connect");
    wait_for_log(&rowcast, &expected).await;

    let log = stop(&rowcast).await;
    assert!(log.contains("rowcast keeps trying"), "{log}");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn each_missing_grant_is_named_with_the_statement_that_gives_it() {
    let scene = Scene::new("bad_grants").await;
    let expected = [
        ("SELECT", "`table.include.list` has bad_grants.t, but no table of this name can be seen"),
        ("REPLICATION SLAVE", "the user lacks REPLICATION SLAVE"),
        ("REPLICATION CLIENT", "the user lacks REPLICATION CLIENT"),
    ];
    for (privilege, error) in expected {
        scene.sql(&format!("REVOKE {privilege} ON *.* FROM bad_grants")).await;

        let refusal = scene.refused().await;

        assert!(refusal.error.contains(error), "{refusal:?}");
        assert!(refusal.hint.contains(&format!("GRANT {privilege} ON ")), "{refusal:?}");
        assert!(refusal.hint.contains("'bad_grants'"), "{refusal:?}");
        scene.sql(&format!("GRANT {privilege} ON *.* TO bad_grants")).await;
    }
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn a_grant_of_some_columns_does_not_do() {
    let scene = Scene::new("bad_columns").await;
    let statements = [
        "REVOKE SELECT ON *.* FROM bad_columns",
        "GRANT SELECT (id) ON bad_columns.t TO bad_columns",
    ];
    scene.session(&statements).await;

    let refusal = scene.refused().await;

    assert!(refusal.error.contains("table bad_columns.t cannot be read"), "{refusal:?}");
    let grant = "GRANT SELECT ON `bad_columns`.`t` TO 'bad_columns'";
    assert!(refusal.hint.contains(grant), "{refusal:?}");
    assert!(scene.offsets().is_empty());
}

/// A pattern takes what can be seen, so a missing grant shows only when such a table changes.
#[tokio::test]
async fn a_table_that_could_not_be_seen_is_parked_and_not_begun_in_the_middle() {
    let mut scene = Scene::new("bad_unseen").await;
    let statements = [
        "CREATE TABLE bad_unseen.hidden (id INT PRIMARY KEY)",
        "INSERT INTO bad_unseen.hidden VALUES (1)",
        "REVOKE SELECT ON *.* FROM bad_unseen",
        "GRANT SELECT ON bad_unseen.t TO bad_unseen",
    ];
    scene.session(&statements).await;
    scene.set("table.include.list", "bad_unseen.*");
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;

    scene.sql("INSERT INTO bad_unseen.hidden VALUES (2)").await;
    scene.sql("CREATE TABLE bad_unseen.later (id INT PRIMARY KEY)").await;
    scene.sql("INSERT INTO bad_unseen.later VALUES (1)").await;
    scene.insert(4..=5).await;

    scene.wait_for_rows(&rowcast, 5).await;
    let log = stop(&rowcast).await;
    let parked = log.lines().find(|line| line.contains("table parked")).unwrap_or_default();
    assert!(parked.contains("table=bad_unseen.hidden"), "{log}");
    assert!(parked.contains("GRANT SELECT ON `bad_unseen`.`hidden` TO 'bad_unseen'"), "{parked}");
    assert_eq!(log.matches("table parked").count(), 1, "{log}");
    let bootstrap = &scene.worker["bootstrap.servers"];
    assert_eq!(records(bootstrap, "bad_unseen.bad_unseen.later").len(), 1);
}

#[tokio::test]
async fn all_that_is_wrong_with_tables_is_told_at_once() {
    let mut scene = Scene::new("bad_tables").await;
    let statements = [
        "USE bad_tables",
        "CREATE TABLE keyless (a INT)",
        "CREATE TABLE shape (id INT PRIMARY KEY, place GEOMETRY)",
        "CREATE TABLE chinese (id INT PRIMARY KEY, words VARCHAR(9) CHARACTER SET gbk)",
        "CREATE TABLE choice (id INT PRIMARY KEY, kind ENUM('a') CHARACTER SET binary)",
        "CREATE TABLE embedding (id INT PRIMARY KEY, space VECTOR(3))",
        "CREATE TABLE prefixed (id VARCHAR(99), PRIMARY KEY (id(9)))",
    ];
    scene.session(&statements).await;
    scene.set("table.include.list", "bad_tables.*, bad_tables.absent, other.t");

    let refusal = scene.refused().await;

    for expected in [
        "table bad_tables.keyless has no primary key and no unique key without NULL, but",
        "column kind of bad_tables.choice is enum('a'), but that cannot be captured exactly yet",
        "`table.include.list` has bad_tables.absent, but no table of this name can be seen",
        "`table.include.list` has other.t, but no table of this name can be seen",
    ] {
        assert!(refusal.error.contains(expected), "no {expected:?} in {refusal:#?}");
    }
    for expected in [
        "add a primary key to bad_tables.keyless",
        "`table.without.key`: copy",
        "take bad_tables.choice off",
    ] {
        assert!(refusal.hint.contains(expected), "no {expected:?} in {refusal:#?}");
    }
    let good = ["t ", "chinese", "shape", "embedding", "prefixed"];
    for good in good.map(|name| format!("bad_tables.{name}")) {
        assert!(!refusal.error.contains(&good), "{refusal:#?}");
    }
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn a_server_without_a_binary_log_is_refused() {
    let stack = shared().await.unwrap();
    let mut options = MySqlOptions::default();
    options.arguments.push("--skip-log-bin".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let mysql = MySql::start(&stack.installed, folder.path(), &options).await.unwrap();
    let scene = Scene::on(&mysql, "bad_no_log").await;

    let refusal = scene.refused().await;

    let expected = "log_bin is OFF, but changes are read from the binary log";
    assert!(refusal.error.contains(expected), "{refusal:?}");
    assert!(refusal.hint.contains("start mysqld with --log-bin"), "{refusal:?}");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn a_log_that_leaves_databases_out_is_refused() {
    let stack = shared().await.unwrap();
    let mut options = MySqlOptions::default();
    options.arguments.push("--binlog-do-db=shop".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let mysql = MySql::start(&stack.installed, folder.path(), &options).await.unwrap();
    let scene = Scene::on(&mysql, "bad_do_db").await;

    let refusal = scene.refused().await;

    let expected = "binlog_do_db is shop, but a log that leaves databases out loses changes";
    assert!(refusal.error.contains(expected), "{refusal:?}");
    assert!(refusal.hint.contains("start mysqld without --binlog-do-db"), "{refusal:?}");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn a_replica_that_does_not_log_what_it_replicates_is_refused() {
    let source = &shared().await.unwrap().mysql;
    let mut options = MySqlOptions::default();
    options.server_id = 2;
    options.arguments.push("--log-replica-updates=OFF".to_owned());
    options.arguments.push("--replicate-wild-do-table=bad_replicated.%".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let replica = MySql::start(installed, folder.path(), &options).await.unwrap();
    let scene = Scene::on(&replica, "bad_replica").await;
    let written = Scene::on(source, "bad_replicated").await;
    let change = format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{}', SOURCE_PORT = {}, SOURCE_USER = \
         'bad_replicated', SOURCE_PASSWORD = '{SECRET}', SOURCE_AUTO_POSITION = 1, \
         GET_SOURCE_PUBLIC_KEY = 1",
        source.address().ip(),
        source.address().port()
    );

    scene.session(&[&change, "START REPLICA"]).await;
    let replicated = || async { scene.count("bad_replicated.t").await == Some(3) };
    assert!(until(replicated).await, "nothing was replicated");
    let refusal = scene.refused().await;

    let expected = "the server is a replica with log_replica_updates = OFF";
    assert!(refusal.error.contains(expected), "{refusal:?}");
    assert!(refusal.hint.contains("--log-replica-updates"), "{refusal:?}");
    assert!(scene.offsets().is_empty() && written.offsets().is_empty());
}

#[tokio::test]
async fn a_password_of_digits_needs_no_quotes() {
    let scene = Scene::new("bad_digits").await;
    scene.sql("ALTER USER bad_digits IDENTIFIED BY '0123'").await;
    let quoted = format!("\"database.password\": \"{SECRET}\"");
    let unquoted = "\"database.password\": 0123";

    let rowcast = scene.start_with(&scene.pipeline().replace(&quoted, unquoted), &[]).await;

    scene.wait_for_rows(&rowcast, 3).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn no_level_of_the_log_shows_passwords_or_rows() {
    let scene = Scene::new("bad_trace").await;
    let rowcast = scene.start_with(&scene.pipeline(), &[("RUST_LOG", "trace")]).await;
    wait_for_log(&rowcast, "table copied").await;

    scene.insert(4..=6).await;
    scene.sql("UPDATE bad_trace.t SET note = CONCAT(note, 2) WHERE id = 4").await;
    scene.wait_for_records(&rowcast, 6, 7).await;

    stop(&rowcast).await;
    clean_log(&rowcast);
}

/// The pauses that the log tells of, in milliseconds.
fn delays(log: &str) -> Vec<u64> {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once("delay_ms=")?;
        rest.split(' ').next()?.parse().ok()
    };
    log.lines().filter_map(of_line).collect()
}
