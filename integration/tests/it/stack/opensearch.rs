//! OpenSearch, which is started only where a test asks for it.

use integration::stack::{OpenSearch, OpenSearchOptions, shared, shared_opensearch};
use serde_json::json;

use super::{get, post};

#[tokio::test]
async fn opensearch_says_what_it_is() {
    let node = shared_opensearch().await.unwrap();

    let version = get(&node.url()).await;

    assert_eq!(version["version"]["distribution"], "opensearch", "{version}");
    assert_eq!(version["version"]["number"], "3.8.0");
}

#[tokio::test]
async fn opensearch_keeps_its_data_when_it_is_killed_and_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let installed = &shared().await.unwrap().installed;
    let options = OpenSearchOptions::default();
    let node = OpenSearch::start(installed, folder.path(), &options).await.unwrap();
    let index = format!("{}/kept/_doc?refresh=true", node.url());

    post(&index, &json!({ "n": 1 })).await;
    node.server.kill().unwrap();
    node.server.start_again().await.unwrap();
    post(&index, &json!({ "n": 2 })).await;
    node.server.restart().await.unwrap();

    assert_eq!(get(&format!("{}/kept/_count", node.url())).await["count"], 2);
}

#[tokio::test]
async fn the_shared_opensearch_is_one() {
    let (first, second) = tokio::join!(shared_opensearch(), shared_opensearch());

    assert_eq!(first.unwrap().url(), second.unwrap().url());
}
