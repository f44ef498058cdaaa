//! Partial updates of JSON (`binlog_row_value_options=PARTIAL_JSON`): the log holds differences,
//! and each record has the whole document.
//!
//! After each update the row is copied by SQL into a second table, which the log holds whole. So
//! every state between is compared, not only the last one.

use std::collections::{BTreeMap, BTreeSet};

use integration::cell::{Cell, Cells};
use integration::random::Random;
use integration::stack::shared;
use integration::topic::{ChangeRecord, Image, Operation};

use crate::scenario::{Scenario, log_has, stop};

/// Columns of both tables: differences are shorter than the document only because of the filler.
const COLUMNS: &str = "id INT NOT NULL, n INT NOT NULL, doc JSON, note VARCHAR(20), other JSON";

/// Updates of the random test.
const UPDATES: usize = 600;

/// Rows that they update.
const ROWS: u64 = 6;

/// Paths begin with one of the first, which objects have, and go on with any.
const LEGS: [&str; 17] = [
    ".a",
    ".bb",
    ".\"c d\"",
    ".größe",
    ".\"😀\"",
    ".\"q\\\"u\\\\o\"",
    ".\"\"",
    ".\"a.b\"",
    ".\"$[0]\"",
    ".\"line\\nend\\u0001\"",
    "[0]",
    "[1]",
    "[7]",
    "[last]",
    "[last-1]",
    "[last-9]",
    ".$_1",
];

/// Values as SQL.
const VALUES: [&str; 20] = [
    "7",
    "-70000",
    "18446744073709551615",
    "-9223372036854775808",
    "1.5e100",
    "-0.0e0",
    "true",
    "NULL",
    "''",
    "'text \"with\" quotes'",
    "CAST(12.500 AS DECIMAL(10,3))",
    "TIMESTAMP'2020-01-02 03:04:05.678'",
    "TIME'-12:34:56'",
    "x'ff00fe'",
    "CAST('[1, [2, 3], {\"a\": null}]' AS JSON)",
    "CAST('{\"a\": {\"bb\": [1, 2]}, \"größe\": [[], {}]}' AS JSON)",
    "CAST('[]' AS JSON)",
    "CAST('{}' AS JSON)",
    "REPEAT('ä', 300)",
    "REPEAT('x', 70000)",
];

#[tokio::test]
async fn each_record_has_the_whole_document_that_a_partial_update_makes() {
    let mut history = History::begin("partial_json").await;
    let updates = [
        "doc = JSON_SET(doc, '$.a', 1)",
        "doc = JSON_SET(doc, '$.a', 2, '$.neu', 'ä', '$.arr[0]', true)",
        "doc = JSON_REPLACE(doc, '$.arr[last]', CAST('{\"x\": [1]}' AS JSON))",
        "doc = JSON_SET(doc, '$.arr[99]', 'behind the end', '$.arr[last-99]', 'before the first')",
        "doc = JSON_REMOVE(doc, '$.arr[1]', '$.neu')",
        "doc = JSON_SET(doc, '$.\"q\\\\\"uo te\"', 3), other = JSON_SET(other, '$[0].k', 4)",
        "doc = JSON_REMOVE(doc, '$.\"q\\\\\"uo te\"'), note = 'x'",
        "doc = JSON_SET(doc, '$.a[1]', 'a scalar becomes an array')",
        "doc = JSON_REPLACE(doc, '$.a[0][0][0]', 'cells of a scalar')",
        "other = JSON_SET(other, '$[0]', REPEAT('y', 70000)), doc = '{\"whole\": [1]}'",
        "other = JSON_REMOVE(other, '$[0]')",
        "doc = NULL",
        "note = 'no document'",
        "doc = JSON_OBJECT('filler', REPEAT('z', 500))",
    ];

    history.update(updates[0], "TRUE").await;
    let first: u64 = history.partial_events().await.iter().sum();
    for update in &updates[1..] {
        history.update(update, "TRUE").await;
    }

    // Both images with both fillers would be four times 2,000 bytes a row.
    assert!((1..ROWS * 3 * 2000).contains(&first), "{first}");
    let events = history.partial_events().await;
    assert!(events.len() >= updates.len(), "{events:?}");
    history.was_streamed(updates.len() * usize::try_from(ROWS).unwrap()).await;
}

#[tokio::test]
async fn random_partial_updates_are_whole_documents_in_the_topic() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut history = History::begin("partial_json_random").await;

    for _ in 0..UPDATES {
        let row = random.below(ROWS);
        let update = match random.below(25) {
            0 => format!("doc = JSON_OBJECT('a', JSON_ARRAY(1, 2), 'filler', {FILLER})"),
            1 => format!("other = JSON_ARRAY(1, {FILLER}), note = 'whole'"),
            2..10 => format!("doc = {}, other = {}", change("doc", &mut random), {
                change("other", &mut random)
            }),
            10..14 => format!("other = {}", change("other", &mut random)),
            _ => format!("doc = {}", change("doc", &mut random)),
        };
        history.update(&update, &format!("id = {row}")).await;
    }

    let partial = history.partial_events().await;
    assert!(partial.len() > UPDATES / 4, "{}", partial.len());
    history.was_streamed(UPDATES).await;
}

/// Makes differences worth it.
const FILLER: &str = "REPEAT('f', 2000)";

/// A function that changes a document at one to three random paths.
fn change(column: &str, random: &mut Random) -> String {
    let removes = random.below(4) == 0;
    let mut call = match random.below(3) {
        _ if removes => format!("JSON_REMOVE({column}"),
        0 => format!("JSON_REPLACE({column}"),
        _ => format!("JSON_SET({column}"),
    };
    for _ in 0..=random.below(3) {
        let legs = (0..=random.below(3)).map(|_| *pick(&LEGS, random)).collect::<String>();
        // A bare cell would be the root of a document that is no array, which cannot be removed.
        let root = if column == "other" { "[1]" } else { ".a" };
        let path = if random.below(3) == 0 { format!("{root}{legs}") } else { legs };
        let path = if removes && path.starts_with('[') { format!("{root}{path}") } else { path };
        let quoted = path.replace('\\', "\\\\");
        call.push_str(&format!(", '${quoted}'"));
        if !removes {
            call.push_str(&format!(", {}", pick(&VALUES, random)));
        }
    }
    call.push(')');
    call
}

fn pick<'a, T>(all: &'a [T], random: &mut Random) -> &'a T {
    &all[usize::try_from(random.below(all.len() as u64)).unwrap()]
}

/// A table that is updated in part, and one of its whole states.
struct History {
    scenario: Scenario,
    rowcast: integration::process::Rowcast,
    /// Where the log was at the beginning.
    begin: (String, u64),
}

impl History {
    async fn begin(name: &'static str) -> Self {
        let mysql = &shared().await.unwrap().mysql;
        let mut scenario = Scenario::new(name).await;
        scenario.sql("SET NAMES utf8mb4, time_zone = '+00:00'").await;
        scenario.sql(&format!("CREATE TABLE t ({COLUMNS}, PRIMARY KEY (id))")).await;
        scenario.sql(&format!("CREATE TABLE states ({COLUMNS}, PRIMARY KEY (id, n))")).await;
        for id in 0..ROWS {
            let doc = format!("JSON_OBJECT('a', 0, 'arr', JSON_ARRAY(1, 2), 'filler', {FILLER})");
            let other = format!("JSON_ARRAY(JSON_OBJECT(), {FILLER})");
            scenario.sql(&format!("INSERT INTO t VALUES ({id}, 0, {doc}, '', {other})")).await;
        }
        scenario.sql("INSERT INTO states SELECT * FROM t").await;
        let status: Vec<(String, u64, String, String, String)> =
            scenario.rows("SHOW BINARY LOG STATUS").await;
        let begin = (status[0].0.clone(), status[0].1);
        let rowcast = scenario.start(&scenario.source(mysql)).await;
        for table in ["t", "states"] {
            log_has(&rowcast, &format!("table copied table={name}.{table}")).await;
        }
        scenario.sql("SET SESSION binlog_row_value_options = 'PARTIAL_JSON'").await;
        Self { scenario, rowcast, begin }
    }

    async fn update(&mut self, assignments: &str, rows: &str) {
        let update = format!("UPDATE t SET n = n + 1, {assignments} WHERE {rows}");
        self.scenario.sql(&update).await;
        let copy = format!("INSERT INTO states SELECT * FROM t WHERE {rows}");
        self.scenario.sql(&copy).await;
    }

    /// Sizes of the events of our table in the log that hold differences. Other tests write to the same
    /// log.
    async fn partial_events(&mut self) -> Vec<u64> {
        let (first, from) = self.begin.clone();
        type Listed = (String, u64, String, u32, u64, String);
        // Other tests begin new files of the log, too. The last one is being written: an event at its end
        // may be there in part.
        self.scenario.sql("FLUSH BINARY LOGS").await;
        let mut files: Vec<(String, u64, String)> = self.scenario.rows("SHOW BINARY LOGS").await;
        files.pop();
        let mut events: Vec<Listed> = Vec::new();
        for (file, _, _) in files.into_iter().filter(|(file, _, _)| *file >= first) {
            let from = if file == first { from } else { 4 };
            let list = format!("SHOW BINLOG EVENTS IN '{file}' FROM {from}");
            events.extend(self.scenario.rows::<Listed>(&list).await);
        }
        // `table_id: 120 (database.table)`, and `table_id: 120 flags: STMT_END_F`.
        let ours = format!(" ({}.t)", self.scenario.name);
        let maps = events.iter().filter(|event| event.2 == "Table_map");
        let ids: BTreeSet<String> =
            maps.filter_map(|event| event.5.strip_suffix(&*ours).map(str::to_owned)).collect();
        let is_ours = |info: &str| ids.iter().any(|id| info.starts_with(&format!("{id} ")));
        let partial = events
            .into_iter()
            .filter(|event| event.2 == "Update_rows_partial" && is_ours(&event.5));
        partial.map(|(_, start, _, _, end, _)| end - start).collect()
    }

    /// Every state of every row is in both topics, with the same bytes.
    async fn was_streamed(mut self, updates: usize) {
        self.scenario.topic_is_table("states").await;
        let records = self.scenario.topic_is_table("t").await;
        let states = self.scenario.records("states").await;
        let states: BTreeMap<_, _> = states.iter().map(after).map(|i| (state_of(i), i)).collect();

        let changes: Vec<_> =
            records.iter().filter(|record| record.operation == Operation::Update).collect();
        for change in &changes {
            for image in [change.before.as_ref().unwrap(), after(change)] {
                let whole = states[&state_of(image)];
                let cells = |image: &Image| image.cells.clone();
                assert_eq!(cells(image), cells(whole));
                assert_eq!(image.avro, whole.avro);
            }
        }
        assert!(changes.len() >= updates, "{} of {updates}", changes.len());
        stop(&self.rowcast).await;
    }
}

fn after(record: &ChangeRecord) -> &Image {
    record.after.as_ref().unwrap()
}

/// Which state of which row it is.
fn state_of(image: &Image) -> (Cell, Cell) {
    let cell = |cells: &Cells, name: &str| cells[name].clone();
    (cell(&image.cells, "id"), cell(&image.cells, "n"))
}
