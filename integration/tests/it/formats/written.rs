//! What the source writes in Protobuf and by JSON Schemas: to Confluent's client it is the table, and by
//! way of the sink the index is.

use std::collections::BTreeMap;
use std::process::Stdio;

use integration::oracle;
use integration::pipeline::PipelineFile;
use integration::random::Random;
use integration::stack::{RegistryClient, shared};
use mysql_async::Pool;
use serde_json::Value;
use tokio::process::Command;

use crate::scenario::{DEADLINE, Scenario, log_has, stop, until_async};
use crate::scene::records;

const CONSUME: &str = include_str!("consume.py");

/// A format: our name of it, its converter, and the settings with which a null stays one and a table may
/// get columns.
struct Written {
    name: &'static str,
    converter: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// The `time.precision.mode` with which times are times to the sink.
    times: &'static str,
}

const PROTOBUF: Written = Written {
    name: "protobuf",
    converter: "io.confluent.connect.protobuf.ProtobufConverter",
    settings: &[("optional.for.nullables", "true")],
    times: "connect",
};

const JSON_SCHEMA: Written = Written {
    name: "jsonschema",
    converter: "io.confluent.connect.json.JsonSchemaConverter",
    // As Confluent says: who may write any property may have written the new one with another type.
    settings: &[("object.additional.properties", "false")],
    times: "adaptive_time_microseconds",
};

impl Written {
    /// Gives the connector that was added last the converters.
    fn of(&self, mut pipeline: PipelineFile) -> PipelineFile {
        for side in ["key", "value"] {
            pipeline = pipeline.with(&format!("{side}.converter"), self.converter);
            for (name, value) in self.settings {
                pipeline = pipeline.with(&format!("{side}.converter.{name}"), value);
            }
        }
        pipeline
    }

    /// Keys and values of a topic, as Confluent's client reads them.
    async fn read(&self, topic: &str) -> Vec<(Value, Value)> {
        let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
        let client = RegistryClient::fetch(&stack.installed).await.unwrap();
        let script = folder.path().join("consume.py");
        std::fs::write(&script, CONSUME).unwrap();
        let mut command = Command::new("python3");
        command.arg(&script).args([&stack.kafka.bootstrap(), &stack.registry.url()]);
        command.args([self.name, topic]).env("PYTHONPATH", &client.python);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{wrong}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A column: its type, two values as SQL, and what a record has for one, as SQL with `?` for the column, by
/// Debezium's documentation.
type Column = (&'static str, [&'static str; 2], &'static str);

/// Columns of the usual types.
const COLUMNS: [Column; 32] = [
    ("TINYINT", ["-128", "127"], "?"),
    ("BOOLEAN", ["TRUE", "FALSE"], "?"),
    ("SMALLINT UNSIGNED", ["0", "65535"], "?"),
    ("MEDIUMINT", ["-8388608", "8388607"], "?"),
    ("INT", ["-2147483648", "2147483647"], "?"),
    ("INT UNSIGNED", ["0", "4294967295"], "?"),
    ("BIGINT", ["-9223372036854775808", "9223372036854775807"], "?"),
    ("BIGINT UNSIGNED", ["0", "18446744073709551615"], "CAST(? AS CHAR)"),
    ("FLOAT", ["-0.25", "1.5"], "?"),
    ("DOUBLE", ["0.1", "-1.7976931348623157e308"], "?"),
    ("DECIMAL(20,4)", ["1234567890123456.7891", "-0.0001"], "CAST(? AS CHAR)"),
    ("DECIMAL(5,0)", ["-99999", "0"], "CAST(? AS CHAR)"),
    ("BIT(1)", ["b'0'", "b'1'"], "? = 1"),
    ("BIT(8)", ["b'10000001'", "b'0'"], "LPAD(HEX(?), 2, '0')"),
    ("CHAR(10)", ["'abc  '", "''"], "?"),
    ("VARCHAR(300)", ["'zeile-it''s 한국어 😀'", "REPEAT('x', 300)"], "?"),
    ("VARCHAR(20) CHARACTER SET latin1", ["'€éÿ'", "'plain'"], "?"),
    ("TEXT", ["REPEAT('b', 65535)", "'a\\n\\t\\\\\"'"], "?"),
    ("BINARY(4)", ["x'00ff'", "'abcd'"], "HEX(?)"),
    ("VARBINARY(10)", ["x'00ff20'", "''"], "HEX(?)"),
    ("BLOB", ["REPEAT(x'fe', 1000)", "''"], "HEX(?)"),
    ("ENUM('a','c,d','한')", ["'c,d'", "'한'"], "?"),
    ("SET('a','b','c')", ["'c,a'", "''"], "?"),
    ("YEAR", ["1901", "2155"], "? + 0"),
    ("DATE", ["'1969-12-31'", "'9999-12-31'"], "DATEDIFF(?, '1970-01-01')"),
    (
        "TIME(6)",
        ["'12:34:56.789012'", "'-01:00:00'"],
        "TIMESTAMPDIFF(MICROSECOND, '2000-01-01', ADDTIME('2000-01-01 00:00:00', ?))",
    ),
    ("DATETIME", ["'1969-12-31 23:59:59'", "'2024-02-29 12:00:00'"], MILLISECONDS),
    ("DATETIME(3)", ["'1000-01-01 00:00:00.001'", "'9999-12-31 23:59:59.999'"], MILLISECONDS),
    (
        "DATETIME(6)",
        ["'1969-12-31 23:59:59.999999'", "'2024-02-29 12:00:00.000001'"],
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', ?)",
    ),
    (
        "TIMESTAMP NULL",
        ["'2024-02-29 12:00:00'", "'2038-01-19 03:14:07'"],
        "DATE_FORMAT(?, '%Y-%m-%dT%H:%i:%sZ')",
    ),
    (
        "TIMESTAMP(6) NULL",
        ["'2024-02-29 12:00:00.123456'", "NULL"],
        "DATE_FORMAT(?, '%Y-%m-%dT%H:%i:%s.%fZ')",
    ),
    ("JSON", ["'{\"b\": [1, 2.5], \"a\": null}'", "'[]'"], "REPLACE(CAST(? AS CHAR), ' ', '')"),
];

const MILLISECONDS: &str = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', ?) DIV 1000";

/// Makes a table of columns.
async fn create(scenario: &mut Scenario, columns: &[Column]) {
    scenario.sql("SET NAMES utf8mb4, time_zone = '+00:00'").await;
    let columns = columns.iter().enumerate();
    let columns = columns.map(|(place, (definition, ..))| format!("c{place} {definition}"));
    let columns = columns.collect::<Vec<_>>().join(", ");
    scenario.sql(&format!("CREATE TABLE t (id BIGINT PRIMARY KEY, {columns})")).await;
}

/// A row of the first or the second values, whether or not there is one.
fn row(columns: &[Column], id: u64, which: usize) -> String {
    let names: Vec<String> = (0..columns.len()).map(|place| format!("c{place}")).collect();
    let values: Vec<&str> = columns.iter().map(|(_, values, _)| values[which]).collect();
    format!("REPLACE INTO t (id, {}) VALUES ({id}, {})", names.join(", "), values.join(", "))
}

/// The table's rows by their keys, as records should have them.
async fn rows(scenario: &mut Scenario) -> BTreeMap<i64, Value> {
    let pairs = COLUMNS.iter().enumerate().map(|(place, (.., expression))| {
        format!("'c{place}', {}", expression.replace('?', &format!("c{place}")))
    });
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    let select = format!("SELECT id, JSON_OBJECT('id', id, 'added', added, {pairs}) FROM t");
    let rows: Vec<(i64, String)> = scenario.rows(&select).await;
    rows.into_iter().map(|(id, row)| (id, known(serde_json::from_str(&row).unwrap()))).collect()
}

/// A row without its nulls: a record from before a column was added does not have it.
fn known(mut row: Value) -> Value {
    if let Value::Object(fields) = &mut row {
        fields.retain(|_, value| !value.is_null());
    }
    row
}

/// What the records make of a table: each change is one of the row as it was left.
fn applied(records: Vec<(Value, Value)>) -> BTreeMap<i64, Value> {
    let mut rows = BTreeMap::new();
    for (key, mut value) in records {
        let id = key["id"].as_i64().unwrap();
        if value.is_null() {
            assert!(!rows.contains_key(&id), "a tombstone of {id} before its delete");
            continue;
        }
        let (before, after) = (known(value["before"].take()), known(value["after"].take()));
        assert_eq!(before, rows.remove(&id).unwrap_or_default(), "{value}");
        assert!(value["source"]["table"] == "t" && value["ts_ms"].is_i64(), "{value}");
        let is_delete = value["op"] == "d";
        assert_eq!(after.is_null(), is_delete, "{value}");
        if !is_delete {
            rows.insert(id, after);
        }
    }
    rows
}

#[tokio::test]
async fn to_confluents_client_the_topics_are_the_table() {
    let name = "formats_written";
    let mut scenario = Scenario::new(name).await;
    create(&mut scenario, &COLUMNS).await;
    scenario.sql(&row(&COLUMNS, 1, 0)).await;
    scenario.sql("INSERT INTO t (id) VALUES (3)").await;
    let stack = scenario.stack;
    let mut pipeline = PipelineFile::new(name, &stack.kafka, &stack.registry);
    for format in [&PROTOBUF, &JSON_SCHEMA] {
        let (prefix, include) = (format!("{name}.{}", format.name), format!("{name}\\.t"));
        pipeline = pipeline.source(format.name, &stack.mysql, (&prefix, &include));
        pipeline = format.of(pipeline);
    }
    let rowcast = scenario.launch("source", &pipeline).await;
    let topic = |format: &Written| format!("{name}.{}.{name}.t", format.name);
    let has = async |count: usize| {
        for format in [&PROTOBUF, &JSON_SCHEMA] {
            let written = || records(&stack.kafka.bootstrap(), &topic(format)).len();
            until_async(async || written() >= count || rowcast.pid().is_none()).await;
            assert_eq!(written(), count, "{}:\n{}", format.name, rowcast.log().unwrap());
        }
    };
    has(2).await;

    scenario.sql(&row(&COLUMNS, 2, 1)).await;
    scenario.sql("DELETE FROM t WHERE id = 3").await;
    scenario.sql("ALTER TABLE t ADD COLUMN added VARCHAR(20)").await;
    scenario.sql("UPDATE t SET added = CONCAT('new ', id), c0 = 0, c15 = ''").await;
    scenario.sql("INSERT INTO t (id, added) VALUES (4, '한')").await;
    scenario.sql("UPDATE t SET id = 5 WHERE id = 1").await;

    has(11).await;
    let expected = rows(&mut scenario).await;
    assert_eq!(expected.keys().copied().collect::<Vec<_>>(), [2, 4, 5]);
    for format in [&PROTOBUF, &JSON_SCHEMA] {
        assert_eq!(applied(format.read(&topic(format)).await), expected, "{}", format.name);
    }
    stop(&rowcast).await;
}

/// A table and its index, by way of one topic in this format: random changes, three kills at any moment,
/// and a column that is added in their middle.
async fn an_index_is_its_table(name: &'static str, format: &Written, columns: &[Column]) {
    let seed = Random::seed("ROWCAST_SEED");
    eprintln!("ROWCAST_SEED={seed} repeats the run");
    let mut random = Random::new(seed);
    let mut scenario = Scenario::new(name).await;
    create(&mut scenario, columns).await;
    for id in 0..20 {
        scenario.sql(&row(columns, id, 0)).await;
    }
    let (stack, mysql) = (scenario.stack, &scenario.stack.mysql);
    let elasticsearch = stack.elasticsearch.url();
    let source = scenario.source(mysql).with("time.precision.mode", format.times);
    let sink = format.of(source).sink(&format!("{name}-sink"), &elasticsearch, name);
    let pipeline = format.of(sink.with("index.name", name));
    let rowcast = scenario.launch("rowcast", &pipeline).await;
    log_has(&rowcast, "source starts").await;

    let mut added = "";
    for step in 0..240 {
        let id = random.below(60);
        let change = match random.below(4) {
            0 | 1 => row(columns, id, usize::try_from(random.below(2)).unwrap()),
            2 => format!("UPDATE t SET c0 = 7, c15 = 'zeile-{step}'{added} WHERE id = {id}"),
            _ => format!("DELETE FROM t WHERE id = {id}"),
        };
        scenario.sql(&change).await;
        match step {
            80 => {
                scenario.sql("ALTER TABLE t ADD COLUMN added VARCHAR(20)").await;
                added = ", added = 'new'";
            }
            40 | 81 | 200 => {
                rowcast.kill().unwrap();
                rowcast.start_again().unwrap();
            }
            _ => {}
        }
    }

    let (pool, table) = (Pool::new(mysql.url().as_str()), format!("{name}.t"));
    let ended = oracle::wait_until_equal(&pool, &elasticsearch, &table, name, DEADLINE).await;
    let comparison = ended.unwrap_or_else(|error| panic!("{error}\n{}", rowcast.log().unwrap()));
    assert!(comparison.rows > 0, "{comparison:?}");
    stop(&rowcast).await;
    pool.disconnect().await.unwrap();
}

#[tokio::test]
async fn an_index_is_its_table_by_way_of_json_schemas() {
    an_index_is_its_table("formats_json_schema", &JSON_SCHEMA, &COLUMNS).await;
}

/// Protobuf has no place for the names of Debezium's types: to the sink a DATETIME is a moment, JSON a text
/// and a SET a text, as `docs/config.md` says.
#[tokio::test]
async fn an_index_is_its_table_by_way_of_protobuf() {
    let is_named = |definition: &str| {
        ["TIME(", "DATETIME", "JSON", "SET("].iter().any(|of| definition.starts_with(of))
    };
    let columns: Vec<Column> =
        COLUMNS.into_iter().filter(|(definition, ..)| !is_named(definition)).collect();
    an_index_is_its_table("formats_protobuf", &PROTOBUF, &columns).await;
}
