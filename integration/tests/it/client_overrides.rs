//! What a connector says of its clients is what the broker sees.

use integration::stack::shared;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::groups::GroupMemberInfo;

use crate::indices::has_documents;
use crate::scene::{DEADLINE, Scene, stop, wait_for_log};

#[tokio::test]
async fn the_broker_knows_a_sink_by_the_name_that_its_consumer_is_given() {
    let url = shared().await.unwrap().elasticsearch.url();
    let mut scene = Scene::new("client_overrides").await;
    scene.add_sink(&url);
    scene.sink.insert("consumer.override.client.id".to_owned(), "of-the-sink".to_owned());
    scene.worker.insert("consumer.client.id".to_owned(), "of-the-worker".to_owned());
    let running = scene.start().await;
    has_documents(&url, "client_overrides.t", 3).await;

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &scene.worker["bootstrap.servers"])
        .create()
        .unwrap();
    let groups = consumer.fetch_group_list(Some("connect-client_overrides-sink"), DEADLINE);
    let groups = groups.unwrap();
    let members: Vec<_> =
        groups.groups()[0].members().iter().map(GroupMemberInfo::client_id).collect();

    assert_eq!(members, ["of-the-sink"]);
    stop(&running).await;
}

#[tokio::test]
async fn a_source_writes_where_its_producer_is_told() {
    let mut scene = Scene::new("client_overrides_away").await;
    scene.set("producer.override.bootstrap.servers", "127.0.0.1:9");

    let running = scene.start().await;

    wait_for_log(&running, "at 127.0.0.1:9").await;
    let _ended = running.stop(DEADLINE).await;
}
