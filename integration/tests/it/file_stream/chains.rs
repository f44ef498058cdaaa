//! Transforms between a file and a topic, and between a topic and a file.

use integration::pipeline::PipelineFile;

use super::*;

const TRANSFORMS: &str = "org.apache.kafka.connect.transforms";

/// The values of the topic.
fn values(example: &Example) -> Vec<Value> {
    let values = example.topic().into_iter().map(|(key, value)| {
        assert!(key.is_empty());
        serde_json::from_slice(&value.unwrap()).unwrap()
    });
    values.collect()
}

/// Kafka Connect's converters without schemas, as its documentation of transforms has them.
fn worker(example: &Example) -> PipelineFile {
    PipelineFile::new(example.name, &example.stack.kafka, &example.stack.registry)
        .with_worker("key.converter", "org.apache.kafka.connect.json.JsonConverter")
        .with_worker("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .with_worker("key.converter.schemas.enable", "false")
        .with_worker("value.converter.schemas.enable", "false")
}

fn source(example: &Example, pipeline: PipelineFile) -> PipelineFile {
    pipeline
        .of_class(&format!("{}-source", example.name), "FileStreamSource")
        .with("tasks.max", "1")
        .with("file", "test.txt")
        .with("topic", example.name)
}

/// <https://kafka.apache.org/43/kafka-connect/user-guide/#transformations>: the chain of the
/// source is the documentation's. That of the sink takes the line out again, of one of two.
#[tokio::test]
async fn kafka_connects_example_of_transforms_makes_the_records_of_its_documentation() {
    let example = Example::new("file_chain").await;
    example.append(b"foo\nbar\nhello world\n");
    let pipeline = worker(&example)
        .of_class("file_chain-sink", "FileStreamSink")
        .with("file", "test.sink.txt")
        .with("topics", example.name)
        .with("transforms", "Stamp,NoTombstones,Line")
        .with("transforms.Stamp.type", &format!("{TRANSFORMS}.InsertField$Value"))
        .with("transforms.Stamp.topic.field", "from")
        .with("transforms.NoTombstones.type", &format!("{TRANSFORMS}.Filter"))
        .with("transforms.NoTombstones.predicate", "tombstone")
        .with("transforms.Line.type", &format!("{TRANSFORMS}.ReplaceField$Value"))
        .with("transforms.Line.exclude", "data_source")
        .with("predicates", "tombstone")
        .with("predicates.tombstone.type", &format!("{TRANSFORMS}.predicates.RecordIsTombstone"));
    let pipeline = source(&example, pipeline)
        .with("transforms", "MakeMap, InsertSource")
        .with("transforms.MakeMap.type", &format!("{TRANSFORMS}.HoistField$Value"))
        .with("transforms.MakeMap.field", "line")
        .with("transforms.InsertSource.type", &format!("{TRANSFORMS}.InsertField$Value"))
        .with("transforms.InsertSource.static.field", "data_source")
        .with("transforms.InsertSource.static.value", "test-file-source");
    let rowcast = example.start(&pipeline).await;

    let expected = |line: &str| json!({"line": line, "data_source": "test-file-source"});
    let arrived = until(|| async { example.topic().len() == 3 }).await;
    assert!(arrived, "{}", rowcast.log().unwrap());
    assert_eq!(values(&example), ["foo", "bar", "hello world"].map(expected));
    let offset = (json!({"filename": "test.txt"}), json!({"position": 20}));
    assert_eq!(example.offset(), Some(offset));
    let line = |line: &str| format!("{{\"line\":\"{line}\",\"from\":\"file_chain\"}}\n");
    let lines = ["foo", "bar", "hello world"].map(line).concat();
    let written = until(|| async { example.written() == lines.as_bytes() }).await;
    assert!(written, "{:?}\n{}", example.written(), rowcast.log().unwrap());

    // A restart goes on behind the last line, and repeats nothing.
    stop(&rowcast).await;
    example.append(b"again\n");
    rowcast.start_again().unwrap();
    let lines = lines + &line("again");
    let written = until(|| async { example.written() == lines.as_bytes() }).await;
    assert!(written, "{:?}\n{}", example.written(), rowcast.log().unwrap());
    assert_eq!(values(&example).last(), Some(&expected("again")));
    assert_eq!(example.topic().len(), 4);
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_line_that_a_transform_does_not_take_ends_the_task_or_is_skipped() {
    let example = Example::new("file_poison").await;
    example.append(b"1\nsecret\n2\n");
    let pipeline = source(&example, worker(&example))
        .with("transforms", "number")
        .with("transforms.number.type", &format!("{TRANSFORMS}.Cast$Value"))
        .with("transforms.number.spec", "int32");
    let rowcast = example.start(&pipeline).await;

    let refused = refusal(&rowcast).await;
    assert!(refused.error.contains("the line before byte 9 of file test.txt"), "{refused:?}");
    assert!(refused.error.contains("number") && !refused.error.contains("secret"), "{refused:?}");
    // The lines before it are in the topic.
    assert_eq!(values(&example), [json!(1)]);

    std::fs::remove_file(example.path("rowcast.log")).unwrap();
    let rowcast = example.start(&pipeline.with("errors.tolerance", "all")).await;
    let arrived = until(|| async { example.topic().len() == 2 }).await;
    assert!(arrived, "{}", rowcast.log().unwrap());
    assert_eq!(values(&example), [json!(1), json!(2)]);
    stop(&rowcast).await;
    assert!(!rowcast.log().unwrap().contains("secret"));
}
