//! Every supported type: a row that a snapshot reads is byte for byte the row that was streamed.

mod columns;

use std::collections::BTreeMap;

use integration::cell::Cells;
use integration::pipeline::PipelineFile;
use integration::random::Random;
use integration::stack::{MySql, shared};
use integration::topic::{ChangeRecord, Image};

use self::columns::{COLUMNS, JSON};
use crate::scenario::{Scenario, count, log_has, stop};
use integration::topic::Operation;

/// Doubles of the random test, in rows of so many.
const DOUBLES: usize = 40_000;
const DOUBLES_PER_ROW: usize = 200;

#[tokio::test]
async fn every_type_is_read_as_it_is_streamed() {
    every_type_on("types", &shared().await.unwrap().mysql).await;
}

/// Every type on this server.
pub(crate) async fn every_type_on(name: &'static str, mysql: &MySql) {
    let rows = COLUMNS.iter().map(|(_, values)| values.len()).max().unwrap();
    let definitions: Vec<_> = COLUMNS
        .iter()
        .enumerate()
        .map(|(index, (definition, _))| format!("c{index} {definition}"))
        .collect();
    let create = format!("CREATE TABLE t (id INT PRIMARY KEY, {})", definitions.join(", "));
    // Each column goes around its own values.
    let row = |number: usize| {
        let values = COLUMNS.iter().map(|(_, values)| values[number % values.len()]);
        let columns = (0..COLUMNS.len()).map(|index| format!("c{index}"));
        format!(
            "INSERT INTO t (id, {}) VALUES ({number}, {})",
            columns.collect::<Vec<_>>().join(", "),
            values.collect::<Vec<_>>().join(", ")
        )
    };
    let empty = "INSERT INTO t (id) VALUES (-1)".to_owned();

    let inserts = (0..rows).map(row).chain([empty]).collect();

    read_as_streamed_on(mysql, name, &create, inserts).await;
}

#[tokio::test]
async fn json_is_read_as_it_is_streamed() {
    let create = "CREATE TABLE t (id INT PRIMARY KEY, doc JSON)";
    let inserts = JSON.iter().enumerate();
    let inserts = inserts.map(|(id, json)| format!("INSERT INTO t VALUES ({id}, {json})"));

    read_as_streamed("types_json", create, inserts.collect()).await;
}

#[tokio::test]
async fn doubles_within_json_are_read_as_they_are_streamed() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let doubles = doubles(&mut Random::new(seed));
    let create = "CREATE TABLE t (id INT PRIMARY KEY, doc JSON)";
    let inserts = doubles.chunks(DOUBLES_PER_ROW).enumerate().map(|(id, chunk)| {
        let texts: Vec<_> = chunk.iter().map(|number| format!("{number:e}")).collect();
        format!("INSERT INTO t VALUES ({id}, '[{}]')", texts.join(", "))
    });

    read_as_streamed("types_doubles", create, inserts.collect()).await;
}

/// Powers of ten and of two and their neighbours, whole numbers, short decimals, and any bits.
fn doubles(random: &mut Random) -> Vec<f64> {
    let near = |number: f64| [number.next_down(), number, number.next_up(), -number];
    let mut doubles: Vec<f64> = Vec::new();
    for exponent in -323..=308 {
        doubles.extend(near(format!("1e{exponent}").parse().unwrap()));
        doubles.push(format!("123456789e{}", exponent - 20).parse().unwrap());
    }
    doubles.extend((-1074..=1023).flat_map(|exponent| near(2_f64.powi(exponent))));
    while doubles.len() < DOUBLES {
        let bound = 10_u64.pow(u32::try_from(random.below(19)).unwrap() + 1);
        let digits = random.below(bound);
        let exponent = i64::try_from(random.below(40)).unwrap() - 30;
        doubles.push(format!("{digits}e{exponent}").parse().unwrap());
        doubles.push(f64::from_bits(random.bits()));
    }
    doubles.into_iter().filter(|number| number.is_finite()).collect()
}

/// One source streams the inserts, another one, started later, copies the rows.
pub(crate) async fn read_as_streamed(name: &'static str, create: &str, inserts: Vec<String>) {
    read_as_streamed_on(&shared().await.unwrap().mysql, name, create, inserts).await;
}

async fn read_as_streamed_on(
    mysql: &MySql,
    name: &'static str,
    create: &str,
    inserts: Vec<String>,
) {
    let mut scenario = Scenario::on(name, mysql).await;
    scenario.sql("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = ''").await;
    scenario.sql(create).await;
    let pipeline = |prefix: &str| {
        PipelineFile::new(prefix, &scenario.stack.kafka, &scenario.stack.registry).source(
            prefix,
            mysql,
            (prefix, &format!("{name}\\..*")),
        )
    };
    let (stream, copy) = (format!("{name}_stream"), format!("{name}_copy"));
    let streaming = pipeline(&stream).with("snapshot.mode", "no_data");
    let copying = pipeline(&copy);
    let streamer = scenario.launch(&stream, &streaming).await;
    log_has(&streamer, "source starts").await;

    for insert in inserts {
        scenario.sql(&insert).await;
    }
    let copier = scenario.launch(&copy, &copying).await;
    log_has(&copier, "table copied").await;

    let topic = |prefix: &str| format!("{prefix}.{name}.t");
    let streamed = scenario.topic_of_table(&topic(&stream), "t").await;
    let copied = scenario.topic_of_table(&topic(&copy), "t").await;
    assert_eq!(count(&streamed, Operation::Create), streamed.len());
    assert_eq!(count(&copied, Operation::Read), copied.len());
    let (streamed, copied) = (images(&streamed), images(&copied));
    let differences: Vec<_> =
        streamed.iter().filter_map(|(key, image)| difference(key, image, copied[key])).collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    stop(&streamer).await;
    stop(&copier).await;
}

fn images(records: &[ChangeRecord]) -> BTreeMap<Cells, &Image> {
    records.iter().map(|record| (record.key.clone(), record.after.as_ref().unwrap())).collect()
}

/// Describes how two images of a row differ in their bytes.
fn difference(key: &Cells, streamed: &Image, copied: &Image) -> Option<String> {
    if streamed.avro == copied.avro {
        return None;
    }
    let at = streamed.avro.iter().zip(&copied.avro).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let (start, end) = (at.saturating_sub(25), bytes.len().min(at + 25));
        String::from_utf8_lossy(&bytes[start..end]).into_owned()
    };
    let cells = streamed.cells.iter().filter(|(name, cell)| copied.cells[*name] != **cell);
    Some(format!(
        "{key:?} at byte {at}: streamed {:?}, copied {:?}, cells {:?}",
        around(&streamed.avro),
        around(&copied.avro),
        cells.collect::<Vec<_>>()
    ))
}
