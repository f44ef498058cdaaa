//! What a dry run says of a replay, and what the replay then does; and who may change offsets.

use integration::stack::Signal;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::{request, rowcast};
use crate::scenario::{own_server, server_without_gtids};
use crate::scene::{Scene, refusal, stop, until};

#[tokio::test]
async fn a_dry_run_says_what_a_replay_then_does() {
    // Of its own: every transaction on it is one of these.
    let mysql = own_server("mysql-replay", &[]).await;
    let mut scene = Scene::on(&mysql, "cmd_replay").await;
    scene.sql("CREATE TABLE cmd_replay.quiet (id INT PRIMARY KEY)").await;
    scene.set("table.include.list", "cmd_replay.*");
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    scene.sql("INSERT INTO cmd_replay.quiet VALUES (1)").await;
    scene.insert(4..=4).await;
    scene.wait_for_rows(&running, 4).await;
    stop(&running).await;
    let file = scene.write_pipeline();
    let early = rowcast(&["offsets", "export", &file]).await.json();
    let running = scene.start().await;
    scene.insert(5..=10).await;
    scene.wait_for_rows(&running, 10).await;
    stop(&running).await;
    let late = rowcast(&["offsets", "export", &file]).await.json();
    let stored = scene.offsets();
    // Comes while it is down: it waits, and is no part of the replay.
    scene.insert(11..=11).await;

    // Back.
    let from = request(&scene, &early);
    let dry = ["offsets", "set", &file, "--from", &from, "--dry-run"];
    let plan = rowcast(&[&dry[..], &["--output", "json"]].concat()).await.json();
    let told = rowcast(&dry).await;

    let stream = &plan["stream"];
    assert_eq!(
        (&stream["replayed_transactions"], &stream["skipped_transactions"]),
        (&json!(6), &json!(0))
    );
    assert_eq!(
        (&stream["waiting_transactions"], &stream["is_available"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(plan["losses"], json!([]));
    let effects = plan["tables"].as_array().unwrap().iter();
    let effects: Vec<_> = effects.map(|it| it["effect"].as_str().unwrap()).collect();
    assert!(effects[0].contains("lies before the new place"), "quiet: {plan:#}");
    assert!(effects[1].contains("up to its last are repeated"), "t: {plan:#}");
    assert!(told.out.contains("dry run, nothing is written"), "{told:?}");
    assert!(told.out.contains("6 transactions are read again, 0 are skipped"), "{told:?}");
    assert_eq!(scene.offsets(), stored, "a dry run has written");
    let set = rowcast(&dry[..5]).await;
    assert!(set.is_success && set.out.contains("offsets written"), "{set:?}");

    // Forward again would lose them.
    let from = request(&scene, &late);
    let forward = rowcast(&["offsets", "set", &file, "--from", &from]).await;
    forward.refused("6 transactions would be skipped", "--unsafe-allow-loss");

    // The replay: each of the six once more, and the one that waited.
    let running = scene.start().await;
    scene.wait_for_records(&running, 11, 10 + 6 + 1).await;
    let quiet =
        crate::scene::records(&scene.worker["bootstrap.servers"], "cmd_replay.cmd_replay.quiet");
    assert_eq!(quiet.len(), 1, "the other table had nothing to repeat");
    stop(&running).await;

    // And forward, for who wants it: the next start skips what came since.
    scene.insert(12..=12).await;
    let now: String = value(&scene, "SELECT @@GLOBAL.gtid_executed").await;
    let mut ahead = rowcast(&["offsets", "export", &file]).await.json();
    ahead["offsets"][0]["offset"]["gtids"] = json!(now);
    let from = request(&scene, &ahead);
    let skip = ["offsets", "set", &file, "--from", &from];
    rowcast(&skip).await.refused("1 transactions would be skipped", "--unsafe-allow-loss");
    let skipped = rowcast(&[&skip[..], &["--unsafe-allow-loss"]].concat()).await;
    assert!(skipped.is_success && skipped.out.contains("LOSS: 1 transactions"), "{skipped:?}");
}

#[tokio::test]
async fn without_gtids_a_replay_goes_by_position() {
    let scene = Scene::on(server_without_gtids().await, "cmd_position").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    stop(&running).await;
    let file = scene.write_pipeline();
    let early = rowcast(&["offsets", "export", &file]).await.json();
    let running = scene.start().await;
    scene.insert(4..=6).await;
    scene.wait_for_rows(&running, 6).await;
    stop(&running).await;
    let late = rowcast(&["offsets", "export", &file]).await.json();

    let from = request(&scene, &early);
    let set = ["offsets", "set", &file, "--from", &from];
    let plan = rowcast(&[&set[..], &["--dry-run", "--output", "json"]].concat()).await.json();
    let back = rowcast(&set).await;
    let from = request(&scene, &late);
    let forward = rowcast(&["offsets", "set", &file, "--from", &from]).await;
    let mut absent = early.clone();
    absent["offsets"][0]["offset"]["file"] = json!("binlog.999999");
    let from = request(&scene, &absent);
    let absent = rowcast(&["offsets", "set", &file, "--from", &from]).await;

    let stream = &plan["stream"];
    assert_eq!(
        (&stream["replayed_transactions"], &stream["is_available"]),
        (&json!(null), &json!(true))
    );
    assert_eq!(plan["losses"], json!([]));
    assert!(back.out.contains("the transactions in between cannot be counted"), "{back:?}");
    forward.refused("what lies between the two places would be skipped", "--unsafe-allow-loss");
    absent.refused("mysql does not have the binary log file binlog.999999", "--dry-run");
    let running = scene.start().await;
    scene.wait_for_records(&running, 6, 6 + 3).await;
    stop(&running).await;
}

#[tokio::test]
async fn a_place_that_mysql_has_purged_is_refused_before_it_is_written() {
    let mysql = own_server("mysql-replay-purged", &[]).await;
    let scene = Scene::on(&mysql, "cmd_purged").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    stop(&running).await;
    let file = scene.write_pipeline();
    let early = rowcast(&["offsets", "export", &file]).await.json();
    let running = scene.start().await;
    scene.insert(4..=5).await;
    scene.wait_for_rows(&running, 5).await;
    stop(&running).await;
    let stored = scene.offsets();
    scene.session(&["FLUSH BINARY LOGS", "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY"]).await;

    let from = request(&scene, &early);
    let set = rowcast(&["offsets", "set", &file, "--from", &from]).await;

    set.refused("mysql has purged 2 transactions that are needed", "--dry-run");
    assert_eq!(scene.offsets(), stored);
}

#[tokio::test]
async fn the_offsets_of_a_running_connector_are_its_own() {
    let scene = Scene::new("cmd_running").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    let file = scene.write_pipeline();
    let offsets = rowcast(&["offsets", "export", &file]).await.json();
    let from = request(&scene, &offsets);
    let set = ["offsets", "set", &file, "--from", &from];

    let refused = rowcast(&set).await;

    refused.refused("connector cmd_running runs: mysql at", "stop it first");
    scene.insert(4..=4).await;
    scene.wait_for_rows(&running, 4).await;

    // One that is not seen, because it sleeps and MySQL has given it up, is fenced.
    running.signal(Signal::Pause).unwrap();
    let killed = until(|| async { end_replication(&scene).await }).await;
    assert!(killed, "its replication does not end");
    let offsets = rowcast(&["offsets", "export", &file]).await.json();
    let from = request(&scene, &offsets);
    let set = rowcast(&["offsets", "set", &file, "--from", &from]).await;
    assert!(set.is_success, "{set:?}");
    running.signal(Signal::Resume).unwrap();

    let halted = refusal(&running).await;
    assert!(
        halted.error.contains("another instance has taken over the transactional id"),
        "{halted:?}"
    );
}

/// Ends what MySQL sends to the connector; says whether nothing is sent any more.
async fn end_replication(scene: &Scene) -> bool {
    let replicas = format!(
        "SELECT CONCAT('KILL ', ID) FROM information_schema.PROCESSLIST \
         WHERE USER = '{}' AND COMMAND LIKE 'Binlog Dump%'",
        scene.name
    );
    let mut connection = scene.connect().await;
    let kills: Vec<String> = connection.query(replicas).await.unwrap();
    for kill in &kills {
        // It may have ended in the meantime.
        drop(connection.query_drop(kill).await);
    }
    connection.disconnect().await.unwrap();
    kills.is_empty()
}

async fn value(scene: &Scene, statement: &str) -> String {
    let mut connection = scene.connect().await;
    let value = connection.query_first(statement).await.unwrap().unwrap();
    connection.disconnect().await.unwrap();
    value
}
