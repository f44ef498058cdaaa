//! Kafka Connect's first example: a file through a topic into an identical file.

mod chains;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use integration::pipeline::PipelineFile;
use integration::process::Rowcast;
use integration::random::Random;
use integration::stack::{Stack, shared};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{records, refusal, stop, until};

const SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

/// What is logged: the last line of one that halts is why, which the sink beside it must not follow
/// with what it commits.
const LOG: (&str, &str) = ("RUST_LOG", "info");

/// How often the process is killed.
const KILLS: usize = 8;

/// Longest time from a start to the kill.
const AIM: Duration = Duration::from_millis(2_500);

/// A file, a topic, and a second file.
struct Example {
    name: &'static str,
    stack: &'static Stack,
    folder: TempDir,
}

impl Example {
    async fn new(name: &'static str) -> Self {
        Self { name, stack: shared().await.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Both connectors, with the settings of Kafka's own `connect-file-source.properties` and
    /// `connect-file-sink.properties`; and the converter that `connect-standalone.properties` has.
    fn pipeline(&self) -> PipelineFile {
        PipelineFile::new(self.name, &self.stack.kafka, &self.stack.registry)
            .with_worker("key.converter", "org.apache.kafka.connect.json.JsonConverter")
            .with_worker("value.converter", "org.apache.kafka.connect.json.JsonConverter")
            .with_worker("key.converter.schemas.enable", "true")
            .with_worker("value.converter.schemas.enable", "true")
            .of_class(&format!("{}-sink", self.name), "FileStreamSink")
            .with("tasks.max", "1")
            .with("file", "test.sink.txt")
            .with("topics", self.name)
            .of_class(&format!("{}-source", self.name), "FileStreamSource")
            .with("tasks.max", "1")
            .with("file", "test.txt")
            .with("topic", self.name)
    }

    async fn start(&self, pipeline: &PipelineFile) -> Rowcast {
        let (file, log) = (self.path("pipeline.yaml"), self.path("rowcast.log"));
        pipeline.write(&file).unwrap();
        Rowcast::start(&["run", file.to_str().unwrap()], &[LOG], &log).await.unwrap()
    }

    /// As `echo text >> test.txt`.
    fn append(&self, text: &[u8]) {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.path("test.txt")).unwrap();
        file.write_all(text).unwrap();
    }

    fn written(&self) -> Vec<u8> {
        std::fs::read(self.path("test.sink.txt")).unwrap_or_default()
    }

    /// Waits until the second file is the first one.
    async fn files_are_equal(&self, rowcast: &Rowcast) {
        let expected = std::fs::read(self.path("test.txt")).unwrap();
        let equal = until(|| async { self.written() == expected }).await;
        let found = String::from_utf8_lossy(&self.written()).into_owned();
        assert!(equal, "{found}\n{}", rowcast.log().unwrap());
    }

    /// Keys and values of the topic, as far as they are committed.
    fn topic(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        records(&self.stack.kafka.bootstrap(), self.name)
    }

    /// The last offset of the source, as the offsets topic has it: partition and offset.
    fn offset(&self) -> Option<(Value, Value)> {
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let topic = format!("{}-offsets", self.name);
        let stored = records(&self.stack.kafka.bootstrap(), &topic);
        let (key, value) = stored.last()?;
        let key = parse(key);
        assert_eq!(key[0], format!("{}-source", self.name));
        Some((key[1].clone(), parse(value.as_deref()?)))
    }
}

#[tokio::test]
async fn the_first_example_of_kafka_connect_makes_an_identical_file() {
    let example = Example::new("connect_test").await;
    example.append(b"foo\nbar\n");
    let rowcast = example.start(&example.pipeline()).await;
    example.files_are_equal(&rowcast).await;

    let of = |text: &str| {
        let payload = json!(text);
        let value =
            format!(r#"{{"schema":{{"type":"string","optional":false}},"payload":{payload}}}"#);
        (Vec::new(), Some(value.into_bytes()))
    };
    assert_eq!(example.topic(), [of("foo"), of("bar")]);
    example.append("Another line\n\n  \"ä\"\\ €\t😀\n".as_bytes());
    example.files_are_equal(&rowcast).await;
    let expected = ["foo", "bar", "Another line", "", "  \"ä\"\\ €\t😀"];
    assert_eq!(example.topic(), expected.map(of));
    let size = std::fs::metadata(example.path("test.txt")).unwrap().len();
    let offset = (json!({"filename": "test.txt"}), json!({"position": size}));
    assert_eq!(example.offset(), Some(offset));

    // A restart goes on behind the last line, and repeats nothing.
    stop(&rowcast).await;
    example.append(b"after a restart\n");
    rowcast.start_again().unwrap();
    example.files_are_equal(&rowcast).await;
    assert_eq!(example.topic().len(), expected.len() + 1);
    stop(&rowcast).await;
}

#[tokio::test]
async fn every_converter_carries_lines_and_has_the_bytes_that_kafka_connects_has() {
    type Expected = fn(&[u8]) -> bool;
    let cases: [(&'static str, &str, Expected); 4] = [
        ("file_string", "org.apache.kafka.connect.storage.StringConverter", |v| {
            v == "ä".as_bytes()
        }),
        ("file_bytes", "org.apache.kafka.connect.converters.ByteArrayConverter", |v| {
            v == "ä".as_bytes()
        }),
        ("file_avro", "io.confluent.connect.avro.AvroConverter", |v| {
            v.len() == 8 && v[0] == 0 && v[5] == 4 && v[6..] == *"ä".as_bytes()
        }),
        ("file_json", "org.apache.kafka.connect.json.JsonConverter", |v| v == "\"ä\"".as_bytes()),
    ];
    for (name, converter, is_expected) in cases {
        let example = Example::new(name).await;
        example.append("ä\n\nend\n".as_bytes());
        let pipeline = example
            .pipeline()
            .with_worker("value.converter", converter)
            .with_worker("value.converter.schemas.enable", "false");
        let rowcast = example.start(&pipeline).await;
        example.files_are_equal(&rowcast).await;

        let records = example.topic();
        assert_eq!(records.len(), 3, "{name}");
        let (key, value) = &records[0];
        let value = value.as_ref().unwrap();
        assert!(key.is_empty() && is_expected(value), "{name}: {value:?}");
        // An empty line is an empty value and no tombstone.
        assert!(records[1].1.is_some(), "{name}");
        stop(&rowcast).await;
    }
}

/// One line of the growing file.
fn line(number: usize) -> String {
    format!("zeile-{number:06} of a file that grows while whoever reads it is killed")
}

/// What the sink's file may be: every line in its order, and after a kill again from an earlier one
/// on. A line in the middle of which it was killed is there as far as it came.
fn assert_is_in_order(text: &str, count: usize) {
    let mut next = 0;
    let mut torn = 0;
    for found in text.lines() {
        if found == line(next) {
            next += 1;
            continue;
        }
        match (0..next).find(|number| found == line(*number)) {
            Some(repeated) => next = repeated + 1,
            None => {
                assert!((0..=next).any(|number| line(number).starts_with(found)), "{found:?}");
                torn += 1;
            }
        }
    }
    assert_eq!(next, count, "the last line is the last one");
    assert!(torn <= KILLS, "{torn} torn lines");
    assert!(text.ends_with('\n'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kills_the_topic_has_each_line_once_and_the_file_every_line_in_order() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let example = Example::new("file_killed").await;
    let rowcast = example.start(&example.pipeline().with("batch.size", "7")).await;
    let mut count = 0;
    let mut append = |lines: usize| {
        let text: String = (count..count + lines).map(|number| line(number) + "\n").collect();
        // In pieces, so that lines are met half written.
        let (one, two) = text.as_bytes().split_at(text.len() / 2 + 3);
        example.append(one);
        example.append(two);
        count += lines;
    };
    for _ in 0..KILLS {
        let end = std::time::Instant::now() + random.duration_below(AIM);
        while std::time::Instant::now() < end {
            append(10);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rowcast.kill().unwrap();
        append(5);
        rowcast.start_again().unwrap();
    }
    append(1);

    let arrived = until(|| async { example.topic().len() >= count }).await;
    assert!(arrived, "{} of {count} lines\n{}", example.topic().len(), rowcast.log().unwrap());
    let values: Vec<String> = example
        .topic()
        .into_iter()
        .map(|(_, value)| {
            let value: Value = serde_json::from_slice(&value.unwrap()).unwrap();
            value["payload"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(values, (0..count).map(line).collect::<Vec<_>>());
    let last = line(count - 1) + "\n";
    let ended = until(|| async { example.written().ends_with(last.as_bytes()) }).await;
    assert!(ended, "{}", rowcast.log().unwrap());
    assert_is_in_order(&String::from_utf8(example.written()).unwrap(), count);
    stop(&rowcast).await;
}

#[tokio::test]
async fn a_file_that_was_emptied_is_not_read_on_and_the_reason_is_told() {
    let example = Example::new("file_shrunk").await;
    example.append(b"one\ntwo\n");
    let rowcast = example.start(&example.pipeline()).await;
    example.files_are_equal(&rowcast).await;

    let options = std::fs::OpenOptions::new().write(true).open(example.path("test.txt"));
    options.unwrap().set_len(4).unwrap();

    let refused = refusal(&rowcast).await;
    assert!(refused.error.contains("has 4 bytes, and 8 were read of it already"), "{refused:?}");
    assert!(refused.hint.contains("put the file back"), "{refused:?}");
    assert_eq!(example.topic().len(), 2);
}

#[tokio::test]
async fn a_line_that_its_topic_does_not_take_stops_the_source_behind_the_lines_before_it() {
    let example = Example::new("file_long").await;
    example.append(&[b"one\n", &*vec![b'x'; 2_000], b"\n"].concat());
    let pipeline = example.pipeline().with("topic.creation.default.max.message.bytes", "1500");
    let rowcast = example.start(&pipeline).await;

    let refused = refusal(&rowcast).await;

    assert!(refused.error.contains("line at byte 4 of file test.txt"), "{refused:?}");
    assert!(refused.hint.contains("max.message.bytes"), "{refused:?}");
    assert_eq!(example.topic().len(), 1);
}

/// The Java name says that a configuration is Kafka Connect's: what it has besides is told of.
#[tokio::test]
async fn mistakes_are_told_before_anything_starts() {
    let example = Example::new("file_mistakes").await;
    let plain = || PipelineFile::new(example.name, &example.stack.kafka, &example.stack.registry);
    for (pipeline, expected) in [
        (plain().of_class("f", SOURCE).with("topic", "t"), "`file` is required"),
        (plain().of_class("f", SOURCE).with("file", "f"), "`topic` is required"),
        (
            plain()
                .of_class("f", SOURCE)
                .with("file", "f")
                .with("topic", "t")
                .with("value.converter", "x"),
            "`value.converter` is no converter",
        ),
        (plain().of_class("f", "FileStreamSink").with("file", "f"), "`topics` is required"),
        (
            plain().with_worker("value.converter", "x").of_class("f", SOURCE),
            "`value.converter` is no",
        ),
    ] {
        let rowcast = example.start(&pipeline).await;
        let refused = refusal(&rowcast).await;
        assert!(refused.error.contains(expected), "{refused:?}");
        std::fs::remove_file(example.path("rowcast.log")).unwrap();
    }
}
