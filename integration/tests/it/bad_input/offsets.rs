//! Offsets that are damaged, from a newer version, gone, or about to be deleted: a clear error or
//! warning, and never a silent start from zero.

use integration::stack::shared;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::scene::{DEADLINE, Scene, stop, wait_for_log};
use crate::topics::{admin, make};

/// Runs the connector until its table is copied, and stops it.
async fn run_once(scene: &Scene) {
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;
    wait_for_log(&rowcast, "table copied").await;
    stop(&rowcast).await;
}

/// Writes a record of the offsets topic; no value is a tombstone.
fn write_offset(scene: &Scene, partition: &str, value: Option<&str>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &scene.worker["bootstrap.servers"])
        .create()
        .unwrap();
    let key = format!("[\"{}\",{partition}]", scene.name);
    let record = BaseRecord::to(&scene.worker["offset.storage.topic"]).key(&key);
    let record = match value {
        Some(value) => record.payload(value),
        None => record,
    };
    producer.send(record).unwrap();
    producer.flush(DEADLINE).unwrap();
}

fn stream_of(scene: &Scene) -> String {
    format!("{{\"server\":\"{}\"}}", scene.name)
}

fn table_of(scene: &Scene) -> String {
    format!("{{\"server\":\"{0}\",\"db\":\"{0}\",\"table\":\"t\"}}", scene.name)
}

#[tokio::test]
async fn a_damaged_offset_stops_the_start_and_nothing_is_written() {
    let scene = Scene::new("bad_offset").await;
    run_once(&scene).await;
    let stream = scene.offsets().remove(&stream_of(&scene)).unwrap();

    let mut wrong_file = stream.clone();
    wrong_file["file"] = "no such file".into();
    let mut wrong_gtids = stream.clone();
    wrong_gtids["gtids"] = "zeile-0815-y".into();
    for (value, said) in [
        ("{\"file\":", "damaged offset record"),
        ("[]", "damaged offset record"),
        (&wrong_file.to_string(), "damaged offset record, field `file`"),
        (&wrong_gtids.to_string(), "damaged offset record, field `gtids`"),
    ] {
        write_offset(&scene, &stream_of(&scene), Some(value));
        let refusal = scene.refused().await;
        assert!(refusal.error.starts_with(said), "{refusal:?}");
        assert!(refusal.hint.starts_with("restore the offset record from a backup"), "{refusal:?}");
    }
    write_offset(&scene, &stream_of(&scene), Some(&stream.to_string()));
    write_offset(&scene, &table_of(&scene), Some("{\"rowcast\":1,\"state\":\"dancing\"}"));
    let refusal = scene.refused().await;
    assert!(refusal.error.starts_with("damaged offset record"), "{refusal:?}");

    // What the hint says does mend it, and nothing was lost or repeated.
    let state = "{\"rowcast\":1,\"state\":\"streaming\"}";
    write_offset(&scene, &table_of(&scene), Some(state));
    scene.insert(4..=5).await;
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 5).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn an_offset_of_a_newer_version_stops_the_start() {
    let scene = Scene::new("bad_newer").await;
    run_once(&scene).await;
    let offsets = scene.offsets();
    let (stream_key, table_key) = (stream_of(&scene), table_of(&scene));
    for key in [&stream_key, &table_key] {
        let mut newer = offsets[key].clone();
        newer["rowcast"] = 1000.into();
        write_offset(&scene, key, Some(&newer.to_string()));

        let refusal = scene.refused().await;

        assert!(refusal.error.contains("offset record of format 1000, expected at most"));
        assert!(refusal.hint.contains("start the rowcast version that wrote"), "{refusal:?}");
        write_offset(&scene, key, Some(&offsets[key].to_string()));
    }
    let rowcast = scene.start().await;
    scene.insert(4..=4).await;
    scene.wait_for_rows(&rowcast, 4).await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn an_offsets_topic_that_deletes_is_refused_with_what_mends_it() {
    let stack = shared().await.unwrap();
    let mut scene = Scene::new("bad_policy").await;
    let bootstrap = stack.kafka.bootstrap();
    for policy in ["delete", "compact,delete"] {
        let topic = format!("bad_policy-{}", policy.replace(',', "-"));
        make(&bootstrap, &topic, &[("cleanup.policy", policy)]).await;
        scene.worker.insert("offset.storage.topic".to_owned(), topic.clone());

        let refusal = scene.refused().await;

        let said = format!("offsets topic {topic} has cleanup.policy={policy}, which deletes");
        assert!(refusal.error.contains(&said), "{refusal:?}");
        assert!(refusal.hint.contains("set cleanup.policy=compact on the topic"), "{refusal:?}");
        assert!(scene.offsets().is_empty());
    }
    let topic = scene.worker["offset.storage.topic"].clone();
    let resource = AlterConfig::new(ResourceSpecifier::Topic(&topic));
    let resource = resource.set("cleanup.policy", "compact");
    let altered = admin(&bootstrap).alter_configs([&resource], &AdminOptions::new()).await;
    assert!(altered.unwrap()[0].is_ok());
    run_once(&scene).await;
}

#[tokio::test]
async fn offsets_that_are_gone_while_the_topics_have_records_are_told_of() {
    let said = "no offset is stored, but the topics have records: the connector begins anew";
    let mut scene = Scene::new("bad_lost").await;
    run_once(&scene).await;
    // The offsets topic is another one, and empty.
    scene.worker.insert("offset.storage.topic".to_owned(), "bad_lost-others".to_owned());
    let rowcast = scene.start().await;
    wait_for_log(&rowcast, said).await;
    // All rows are copied again, and come after what is there.
    scene.wait_for_records(&rowcast, 3, 6).await;
    let log = stop(&rowcast).await;
    let line = log.lines().find(|line| line.contains(said)).unwrap();
    assert!(line.contains(" WARN ") && line.contains("offset_topic=\"bad_lost-others\""), "{line}");
    assert!(line.contains("hint=\"if the connector is not new, stop it, restore"), "{line}");
    assert!(line.contains("copies=true"), "{line}");

    // The topic is there and its records were deleted.
    for partition in [stream_of(&scene), table_of(&scene)] {
        write_offset(&scene, &partition, None);
    }
    scene.set("snapshot.mode", "no_data");
    let rowcast = scene.start().await;
    wait_for_log(&rowcast, said).await;
    let log = stop(&rowcast).await;
    assert!(log.contains("copies=false"), "{log}");
}

#[tokio::test]
async fn a_first_start_is_not_told_of() {
    let scene = Scene::new("good_first").await;
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;
    let log = stop(&rowcast).await;

    assert!(!log.contains("the connector begins anew"), "{log}");
}
