//! `rowcast migrate --back`: a sink's index for a sink whose versions are Kafka offsets.

use integration::stack::shared;
use serde_json::{Value, json};

use super::rowcast;
use crate::indices::{ask, has_documents};
use crate::scenario::LOG;
use crate::scene::{Scene, endpoint, stop};

/// Writes a document as Confluent's sink does; says what Elasticsearch thinks of it.
async fn write_with_offset(url: &str, index: &str, offset: u64) -> Value {
    let path = format!("{url}/{index}/_doc/1?version_type=external&version={offset}");
    let document = json!({ "id": 1, "note": "from its offset" });
    let answer = reqwest::Client::new().put(path).json(&document).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn an_index_with_lsns_gives_its_name_to_one_that_takes_offsets() {
    let url = shared().await.unwrap().elasticsearch.url();
    let mut scene = Scene::new("handed_back").await;
    scene.add_sink(&url);
    scene.sink.remove("topics.regex");
    scene.sink.insert("topics".to_owned(), scene.topic());
    scene.sink.insert("index.name".to_owned(), "{topic}".to_owned());
    let (name, file) = (scene.topic(), scene.write_pipeline());
    let back = |more: &[&'static str]| {
        let mut arguments = vec!["migrate", "--back", file.as_str()];
        arguments.extend(more);
        arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |more: &[&'static str]| {
        let arguments = back(more);
        rowcast(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let process = scene.start_with(&scene.pipeline(), &[LOG]).await;
    has_documents(&url, &name, 3).await;
    let listens = endpoint(&process).await;
    let running = scene.pipeline().replace("http://127.0.0.1:0", listens.for_others());
    std::fs::write(&file, running).unwrap();
    run(&["--new-index"]).await.refused("runs in the process at", "stop it first");
    stop(&process).await;

    let told = run(&[]).await;
    assert!(!told.is_success && told.out.contains("needs a new index in place of"), "{told:?}");
    assert!(told.error.contains("hint=\"--new-index makes them"), "{told:?}");
    let refused = write_with_offset(&url, &name, 7).await;
    assert_eq!(refused["error"]["type"], "version_conflict_engine_exception", "{refused}");

    let made = run(&["--new-index"]).await;
    assert!(made.is_success && made.out.contains(&format!("{name}-000002")), "{made:?}");
    assert!(made.out.contains("DELETE /connectors/NAME/offsets"), "{made:?}");
    let taken = write_with_offset(&url, &name, 7).await;
    assert_eq!((&taken["result"], &taken["_version"]), (&json!("created"), &json!(7)), "{taken}");
    assert_eq!(taken["_index"], format!("{name}-000002"));
    has_documents(&url, &name, 1).await;
    has_documents(&url, &format!("{name}-000001"), 3).await;
    let again = run(&["--new-index"]).await;
    assert!(again.is_success && again.out.contains("stays: its versions are no Lsns"), "{again:?}");
}

#[tokio::test]
async fn an_index_that_has_the_name_itself_is_deleted_only_if_that_is_wanted() {
    const NAME: &str = "handed_back_itself.d.t";
    let url = shared().await.unwrap().elasticsearch.url();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    let sink = json!({
        "connector.class": "elasticsearch", "connection.url": url, "topics.regex": ".*",
    });
    let pipeline = json!({
        "bootstrap.servers": "127.0.0.1:1", "schema.registry.url": "http://127.0.0.1:1",
        "listeners": "http://127.0.0.1:0", "connectors": { "sink": sink },
    });
    std::fs::write(&file, pipeline.to_string()).unwrap();
    let meta = json!({ "rowcast": { "versions": "lsn", "topic": NAME } });
    ask("PUT", format!("{url}/{NAME}"), &json!({ "mappings": { "_meta": meta } })).await;
    let file = file.to_str().unwrap();

    rowcast(&["migrate", "--back", file]).await.refused("does not list its topics", "--topic");
    let wrong = rowcast(&["migrate", "--back", file, "--connector", "nobody"]).await;
    wrong.refused("has no such sink", "--connector");
    let meant = ["migrate", "--back", file, "--topic", NAME, "--topic", "handed_back_nothing"];
    let kept = rowcast(&[&meant[..], &["--new-index"]].concat()).await;
    assert!(!kept.is_success && kept.out.contains("there is no such index"), "{kept:?}");
    assert!(kept.error.contains("--delete-old"), "{kept:?}");

    let made = rowcast(&[&meant[..], &["--new-index", "--delete-old"]].concat()).await;
    assert!(made.is_success && made.out.contains("the old one is deleted"), "{made:?}");
    let taken = write_with_offset(&url, NAME, 0).await;
    assert_eq!(taken["_index"], format!("{NAME}-000001"), "{taken}");
}
