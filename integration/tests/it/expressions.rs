//! Debezium's filter and its routing by content, with expressions of CEL, on real servers.

use integration::stack::shared;
use serde_json::{Value, json};

use crate::json_topics::{JsonTopic, all, found, sink, start};
use crate::scenario::until_async;
use crate::scene::stop;

#[tokio::test]
async fn what_an_expression_keeps_goes_where_another_one_says() {
    let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
    let topic = JsonTopic::new(stack, "cel.rows").await;
    topic.write(&json!("k1"), Some(&json!({"op": "u", "n": 1})), None);
    topic.write(&json!("k2"), Some(&json!({"op": "u", "n": 2})), None);
    topic.write(&json!("k3"), Some(&json!({"op": "c", "n": 3})), None);
    topic.write(&json!("k4"), Some(&json!({"op": "c", "n": 4})), None);
    // A tombstone has no value to ask about: it is kept, as in Debezium.
    topic.write(&json!("k4"), None, None);
    let pipeline = sink(stack, "cel", "false")
        .with("transforms", "keep,route")
        .with("transforms.keep.type", "io.debezium.transforms.Filter")
        .with("transforms.keep.language", "cel")
        .with("transforms.keep.condition", "value.n > 1 && value.op in ['c', 'u']")
        .with("transforms.route.type", "io.debezium.transforms.ContentBasedRouter")
        .with("transforms.route.language", "cel")
        .with("transforms.route.topic.expression", "value.op == 'u' ? 'cel.updates' : null");
    let rowcast = start(&pipeline, &folder).await;

    let rows = async |index: &str| {
        let found = found(stack, index, &all()).await;
        found.into_iter().map(|(id, (_, row))| (id, row["n"].clone())).collect::<Vec<_>>()
    };
    let is = |id: &str, n: u32| vec![(id.to_owned(), Value::from(n))];
    until_async(async || rows("cel.updates").await == is("k2", 2)).await;
    until_async(async || rows("cel.rows").await == is("k3", 3)).await;
    stop(&rowcast).await;
}
