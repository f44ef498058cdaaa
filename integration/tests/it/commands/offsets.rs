//! Showing, exporting and setting offsets, and offsets that cannot be used.

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::{request, rowcast};
use crate::scene::{DEADLINE, Scene, records, stop};

/// A connector that has copied its three rows and was stopped.
async fn stopped(name: &str) -> (Scene, String) {
    let scene = Scene::new(name).await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    stop(&running).await;
    let file = scene.write_pipeline();
    (scene, file)
}

fn stream_of(name: &str) -> Value {
    json!({ "server": name })
}

fn table_of(name: &str) -> Value {
    json!({ "server": name, "db": name, "table": "t" })
}

/// Writes an offset record past `rowcast`, as a broken tool might.
fn write_record(scene: &Scene, partition: &str, value: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &scene.worker["bootstrap.servers"])
        .create()
        .unwrap();
    let key = format!(r#"["{}",{partition}]"#, scene.name);
    let topic = &scene.worker["offset.storage.topic"];
    producer.send(BaseRecord::to(topic).key(&key).payload(value)).unwrap();
    producer.flush(DEADLINE).unwrap();
}

#[tokio::test]
async fn what_is_stored_is_shown_and_exported_as_kafka_connect_has_it() {
    let (scene, file) = stopped("cmd_show").await;
    let stored = scene.offsets();
    let stream = &stored[&stream_of("cmd_show").to_string()];

    let shown = rowcast(&["offsets", "show", &file]).await;
    let listed = rowcast(&["offsets", "show", &file, "--output", "json"]).await.json();
    let exported = rowcast(&["offsets", "export", &file]).await.json();

    let position = format!("{}:{}", stream["file"].as_str().unwrap(), stream["pos"]);
    let line = shown.out.lines().find(|line| line.starts_with("stream ")).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells[1..4], ["-", &position, &stream["lsn"].to_string()], "{shown:?}");
    assert!(line.contains(stream["gtids"].as_str().unwrap()), "{line}");
    assert!(shown.out.contains("cmd_show.t  streaming"), "{shown:?}");
    let expected = json!({ "offsets": [
        { "partition": stream_of("cmd_show"), "offset": stream },
        { "partition": table_of("cmd_show"), "offset": stored[&table_of("cmd_show").to_string()] },
    ]});
    assert_eq!(exported, expected);
    assert_eq!(listed["connectors"][0]["connector"], "cmd_show");
    assert_eq!(listed["connectors"][0]["offsets"], expected["offsets"]);
}

#[tokio::test]
async fn an_export_can_end_with_a_committed_rewrite() {
    let (scene, file) = stopped("cmd_export").await;
    let (bootstrap, topic) =
        (&scene.worker["bootstrap.servers"], &scene.worker["offset.storage.topic"]);
    let (before, stored) = (records(bootstrap, topic), scene.offsets());

    let exported = rowcast(&["offsets", "export", &file, "--commit"]).await.json();

    let after = records(bootstrap, topic);
    assert_eq!((after.len(), scene.offsets()), (before.len() + 2, stored));
    assert_eq!(exported["offsets"].as_array().unwrap().len(), 2);
    // It is what the next start goes on from.
    let running = scene.start().await;
    scene.insert(4..=4).await;
    scene.wait_for_rows(&running, 4).await;
    let refused = rowcast(&["offsets", "export", &file, "--commit"]).await;
    refused.refused("connector cmd_export runs", "stop it first");
    stop(&running).await;
}

#[tokio::test]
async fn a_table_that_is_reset_is_copied_again() {
    let (scene, file) = stopped("cmd_reset").await;
    let offsets = json!({ "offsets": [{ "partition": table_of("cmd_reset"), "offset": null }] });
    let from = request(&scene, &offsets);
    // The same partition as another tool might have written it.
    let stored = scene.offsets()[&table_of("cmd_reset").to_string()].to_string();
    let other = r#"{"table":"t","db":"cmd_reset","server":"cmd_reset"}"#;
    write_record(&scene, other, &stored);
    assert_eq!(scene.offsets().len(), 3);

    let set = rowcast(&["offsets", "set", &file, "--from", &from]).await;

    assert!(set.is_success, "{set:?}");
    assert!(set.out.contains("copied again from its first row"), "{set:?}");
    assert_eq!(scene.offsets().len(), 1, "the table's offset is still there");
    let running = scene.start().await;
    scene.wait_for_records(&running, 3, 6).await;
    stop(&running).await;
}

#[tokio::test]
async fn a_request_that_no_start_would_take_changes_nothing() {
    let (scene, file) = stopped("cmd_wrong").await;
    let before = scene.offsets();
    let set = async |text: &str| {
        let path = scene.path("wrong.json");
        std::fs::write(&path, text).unwrap();
        rowcast(&["offsets", "set", &file, "--from", path.to_str().unwrap()]).await
    };
    let one = |partition: Value, offset: Value| {
        json!({ "offsets": [{ "partition": partition, "offset": offset }] }).to_string()
    };

    set("{").await.refused("is not the offsets of a connector", "offsets export");
    set(r#"{"bogus": 1}"#).await.refused("is not the offsets of a connector", "offsets export");
    set(r#"{"offsets": []}"#).await.refused("the request has no offsets", "offsets export");
    let other = set(&one(json!({ "server": "other" }), json!(null))).await;
    other.refused("is refused: connector cmd_wrong has", "offsets export");
    let damaged = set(&one(stream_of("cmd_wrong"), json!({ "file": "b.000001" }))).await;
    damaged.refused("damaged offset record", "offsets export");
    let newer = json!({ "ts_sec": 1, "file": "b.000001", "pos": 4, "rowcast": 99 });
    let newer = set(&one(stream_of("cmd_wrong"), newer)).await;
    newer.refused("of format 99", "offsets export");
    let lost = set(&one(stream_of("cmd_wrong"), json!(null))).await;
    lost.refused("are missed by every table that is not copied again", "--unsafe-allow-loss");

    let absent = rowcast(&["offsets", "set", &file, "--from", "no-such-file"]).await;
    absent.refused("no-such-file cannot be read", "--from");
    let nothing = rowcast(&["offsets", "set", &file]).await;
    nothing.refused("standard input is not the offsets of a connector", "offsets export");
    let unknown = rowcast(&["offsets", "show", &file, "--connector", "zzz"]).await;
    unknown.refused("has no source zzz, only cmd_wrong", "--connector");
    assert_eq!(scene.offsets(), before);
}

#[tokio::test]
async fn an_offset_that_is_damaged_or_newer_halts_until_a_good_one_is_set() {
    let (scene, file) = stopped("cmd_damaged").await;
    let good = rowcast(&["offsets", "export", &file]).await.json();
    let from = request(&scene, &good);
    for (partition, value, problem) in [
        (stream_of("cmd_damaged"), "geheim{", "damaged offset record"),
        (
            stream_of("cmd_damaged"),
            r#"{"ts_sec":1,"file":"b.000001","pos":4,"rowcast":99}"#,
            "of format 99",
        ),
        (table_of("cmd_damaged"), "{}", "damaged offset record"),
        (table_of("cmd_damaged"), r#"{"state":"streaming","rowcast":99}"#, "of format 99"),
    ] {
        write_record(&scene, &partition.to_string(), value);

        let refused = scene.refused().await;
        let shown = rowcast(&["offsets", "show", &file]).await;
        let set = ["offsets", "set", &file, "--from", &from];
        let doubtful = rowcast(&set).await;
        let set = rowcast(&[&set[..], &["--unsafe-allow-loss"]].concat()).await;

        doubtful.refused("so what its new one would lose cannot be told", "--unsafe-allow-loss");
        assert!(refused.error.contains(problem), "{value}: {refused:?}");
        let hint =
            if problem.contains("99") { "start the rowcast version" } else { "restore the offset" };
        assert!(refused.hint.contains(hint), "{refused:?}");
        assert!(
            shown.out.contains(&format!("PROBLEM: {problem}")) || shown.out.contains(problem),
            "{shown:?}"
        );
        assert!(!shown.out.contains("geheim"), "{shown:?}");
        assert!(set.is_success, "{set:?}");
        // Nothing began anew.
        assert_eq!(records(&scene.worker["bootstrap.servers"], &scene.topic()).len(), 3);
    }
    let running = scene.start().await;
    scene.insert(4..=4).await;
    scene.wait_for_rows(&running, 4).await;
    stop(&running).await;
}
