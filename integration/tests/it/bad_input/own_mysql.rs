//! A MySQL of its own whose settings and logs are changed, also while `rowcast` runs.

use integration::stack::{MySql, MySqlOptions, shared};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::scene::{Scene, stop, wait_for_log};

/// The server, for one test at a time.
async fn server() -> MutexGuard<'static, MySql> {
    static SERVER: OnceCell<Mutex<MySql>> = OnceCell::const_new();
    let start = || async {
        let stack = shared().await.unwrap();
        let folder = stack.directory().join("mysql-of-bad-input");
        let options = MySqlOptions::default();
        Mutex::new(MySql::start(&stack.installed, &folder, &options).await.unwrap())
    };
    SERVER.get_or_init(start).await.lock().await
}

#[tokio::test]
async fn each_wrong_setting_is_named_with_the_statement_that_mends_it() {
    let mysql = server().await;
    let scene = Scene::on(&mysql, "bad_settings").await;
    let settings =
        [("binlog_row_image", "MINIMAL", "FULL"), ("binlog_row_image", "NOBLOB", "FULL")];
    for (name, wrong, right) in settings {
        scene.sql(&format!("SET GLOBAL {name} = '{wrong}'")).await;

        let refusal = scene.refused().await;

        let started = "mysql is not ready to be captured: ";
        assert!(
            refusal.error.starts_with(&format!("{started}{name} is {wrong}, but ")),
            "{refusal:?}"
        );
        assert!(refusal.hint.starts_with(&format!("SET PERSIST {name} = ")), "{refusal:?}");
        // What the hint says does mend it.
        scene.sql(&refusal.hint.replace("PERSIST", "GLOBAL")).await;
        scene.sql(&format!("SET GLOBAL {name} = '{right}'")).await;
    }
    assert!(scene.offsets().is_empty());
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_table_whose_rows_are_logged_in_part_is_parked_and_the_others_go_on() {
    let mysql = server().await;
    let mut scene = Scene::on(&mysql, "bad_image").await;
    scene.sql("CREATE TABLE bad_image.other (id INT PRIMARY KEY, note VARCHAR(99))").await;
    scene.set("table.include.list", "bad_image.*");
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;

    let partial = [
        "SET SESSION binlog_row_image = MINIMAL",
        "UPDATE bad_image.other SET note = 'zeile-0815-y2' WHERE id = 1",
    ];
    scene.sql("INSERT INTO bad_image.other VALUES (1, 'zeile-0815-y')").await;
    scene.session(&partial).await;
    scene.insert(4..=5).await;

    scene.wait_for_rows(&rowcast, 5).await;
    let log = stop(&rowcast).await;
    let parked = log.lines().find(|line| line.contains("table parked")).unwrap_or_default();
    assert!(parked.contains(" ERROR ") && parked.contains("table=bad_image.other"), "{log}");
    assert!(parked.contains("binlog_row_image") && parked.contains("hint="), "{parked}");
    let state = scene.offsets().into_iter().find(|(key, _)| key.contains("other")).unwrap().1;
    assert!(state.to_string().contains("binlog_row_image"), "{state}");
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_waited_for_and_one_that_restarts_is_read_on() {
    let mysql = server().await;
    let scene = Scene::on(&mysql, "bad_restart").await;
    mysql.server.kill().unwrap();

    let rowcast = scene.start().await;
    wait_for_log(&rowcast, "start MySQL or correct `database.hostname`").await;
    mysql.server.start_again().await.unwrap();
    scene.wait_for_rows(&rowcast, 3).await;
    scene.insert(4..=6).await;
    mysql.server.kill().unwrap();
    wait_for_log(&rowcast, "could not read the binary log at").await;
    mysql.server.start_again().await.unwrap();
    scene.insert(7..=9).await;

    scene.wait_for_rows(&rowcast, 9).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_log_that_was_purged_while_down_is_not_skipped() {
    let mysql = server().await;
    let scene = Scene::on(&mysql, "bad_purged").await;
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;
    stop(&rowcast).await;
    let before = scene.offsets();

    scene.insert(4..=5).await;
    scene.session(&["FLUSH BINARY LOGS", "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY"]).await;
    let refusal = scene.refused().await;

    assert!(refusal.error.contains("mysql cannot send the binary log from where"), "{refusal:?}");
    assert!(refusal.hint.contains("set snapshot.mode to `when_needed`"), "{refusal:?}");
    assert!(refusal.hint.contains("binlog_expire_logs_seconds"), "{refusal:?}");
    assert_eq!(scene.offsets(), before);
}

#[tokio::test]
async fn a_log_that_was_reset_while_down_is_not_taken_for_the_old_one() {
    let mysql = server().await;
    for (name, transactions) in [("bad_reset", 1), ("bad_reset_longer", 400)] {
        // With few transactions the server notices; with more than before it cannot.
        let scene = Scene::on(&mysql, name).await;
        let rowcast = scene.start().await;
        scene.wait_for_rows(&rowcast, 3).await;
        stop(&rowcast).await;
        let before = scene.offsets();

        scene.sql("RESET BINARY LOGS AND GTIDS").await;
        scene.insert(4..=3 + transactions).await;
        let refusal = scene.refused().await;

        assert!(refusal.error.contains("binary log"), "{refusal:?}");
        assert!(refusal.hint.contains("set snapshot.mode to `when_needed`"), "{refusal:?}");
        assert_eq!(scene.offsets(), before);
    }
}
