//! Transforms that look at no key and no value: records end in the same documents whether they are
//! taken apart for them or not.
//!
//! 16 random chains and topics each time; `PROPTEST_CASES=500 cargo test -p es-sink --lib folded` for
//! more. What fails is shrunk and printed with its seed.

use bytes::Bytes;
use connect::kafka::consumer::RecordMeta;
use proptest::prelude::*;

use super::*;

const CASES: u32 = 16;
const CONNECT: &str = "org.apache.kafka.connect.transforms.";

/// One transform: its class and settings, and its condition as class, settings and whether it is
/// turned round.
#[derive(Debug, Clone)]
struct Step {
    class: &'static str,
    options: Vec<Pair>,
    predicate: Option<(&'static str, Option<Pair>, bool)>,
}

type Pair = (&'static str, &'static str);

/// What looks at the data, and changes nothing.
fn nothing() -> Step {
    let options = vec![("spec", "nothing:string"), ("replace.null.with.default", "false")];
    Step { class: "Cast$Value", options, predicate: None }
}

fn any_step() -> impl Strategy<Value = Step> {
    let predicate = prop_oneof![
        Just(("TopicNameMatches", Some(("pattern", r".*\.orders")))),
        Just(("TopicNameMatches", Some(("pattern", "a-.*")))),
        Just(("HasHeaderKey", Some(("name", "h")))),
        Just(("RecordIsTombstone", None)),
    ];
    let predicate =
        (predicate, any::<bool>()).prop_map(|((class, option), negate)| (class, option, negate));
    let regex = |regex, replacement| vec![("regex", regex), ("replacement", replacement)];
    let class = prop_oneof![
        3 => Just(("RegexRouter", regex(r"shop\.db\.(.*)", "a-$1"))),
        2 => Just(("RegexRouter", regex(".*", "all"))),
        1 => Just(("TimestampRouter", vec![("timestamp.format", "yyyy")])),
        1 => Just(("InsertHeader", vec![("header", "h"), ("value.literal", "1")])),
        1 => Just(("DropHeaders", vec![("headers", "h")])),
    ];
    let plain = (class, prop::option::of(predicate.clone()));
    let plain = plain.prop_map(|((class, options), predicate)| Step { class, options, predicate });
    // Without a condition it drops everything.
    let filter = predicate.prop_map(|predicate| Step {
        class: "Filter",
        options: Vec::new(),
        predicate: Some(predicate),
    });
    prop_oneof![4 => plain, 1 => filter]
}

fn settings(steps: &[Step]) -> Vec<(String, String)> {
    let names = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>().join(",");
    let mut all = vec![
        ("transforms".to_owned(), names(steps.len())),
        ("predicates".to_owned(), names(steps.len())),
    ];
    for (number, Step { class, options, predicate }) in steps.iter().enumerate() {
        let mut set = |kind: &str, key: &str, value: &str| {
            all.push((format!("{kind}.t{number}.{key}"), value.to_owned()));
        };
        set("transforms", "type", &format!("{CONNECT}{class}"));
        options.iter().for_each(|(key, value)| set("transforms", key, value));
        let (class, option, negate) = predicate.unwrap_or(("RecordIsTombstone", None, false));
        set("predicates", "type", &format!("{CONNECT}predicates.{class}"));
        if let Some((key, value)) = option {
            set("predicates", key, value);
        }
        if predicate.is_some() {
            set("transforms", "predicate", &format!("t{number}"));
            set("transforms", "negate", &negate.to_string());
        }
    }
    all
}

/// A change of a row in one of two topics, with a header or without.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    change: Option<i64>,
    is_flat: bool,
    is_other: bool,
    has_header: bool,
    is_tombstone: bool,
}

fn any_row() -> impl Strategy<Value = Row> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    (0_i64..5, prop::option::weighted(0.8, any::<i64>()), flags).prop_map(
        |(id, change, (is_flat, is_other, has_header, is_tombstone))| Row {
            id,
            change,
            is_flat,
            is_other,
            has_header,
            is_tombstone,
        },
    )
}

fn other() -> TopicPartition {
    TopicPartition { topic: "shop.db.items".into(), partition: 1 }
}

fn records(rows: &[Row]) -> Vec<Record> {
    let mut offsets = [0, 0];
    let rows = rows.iter().zip(1_u64..);
    rows.map(|(row, lsn)| {
        let place = if row.is_other { other() } else { partition(0) };
        let offset = &mut offsets[usize::from(row.is_other)];
        *offset += 1;
        let change = row.change.map_or(Change::Delete, |n| Change::Write { n });
        let make = if row.is_flat { flat_record } else { record };
        let mut record = make(&place, *offset - 1, row.id, change, Some(lsn));
        if row.is_tombstone {
            (record.value, record.lsn) = (None, schema::lsn::Lsn::new(lsn));
        }
        let header = || ("h".into(), Some(Bytes::from_static(b"1")));
        let headers = if row.has_header { Box::from([header()]) } else { Box::default() };
        record.meta =
            RecordMeta { timestamp: Some(1_700_000_000_123), headers, ..RecordMeta::default() };
        record
    })
    .collect()
}

/// Documents with their versions, of all indices.
type Indices = BTreeMap<String, BTreeMap<String, (Value, Option<u64>)>>;

async fn after(steps: &[Step], rows: &[Row]) -> Indices {
    let settings = settings(steps);
    let settings: Vec<_> = settings.iter().map(|(k, v)| (&**k, &**v)).collect();
    let records = records(rows);
    let ends = |number: i32| {
        let of = |record: &&Record| record.partition.partition == number;
        records.iter().rfind(of).map(|record| record.offset.0 + 1)
    };
    let ends = [ends(0), ends(1)];
    let mut bench = Bench::start(FakeServer::start().await, &settings);
    bench.feed.assigned(vec![partition(0), other()]).await;
    bench.deliver(records).await;
    let is_done = |bench: &Bench| {
        let committed = [bench.committed.get(&0).copied(), bench.committed.get(&1).copied()];
        committed == ends
    };
    bench.until(|bench, _| is_done(bench)).await;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    let of = |index: &String| {
        let documents = server.documents(index).into_iter();
        documents.map(|(id, row)| (id.clone(), (row, server.version(index, &id)))).collect()
    };
    server.indices().iter().map(|index| (index.clone(), of(index))).collect()
}

pub(super) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_looks_at_no_data_makes_the_documents_of_the_generic_path(
        steps in prop::collection::vec(any_step(), 1..4),
        rows in prop::collection::vec(any_row(), 1..12),
    ) {
        let generic = [&steps[..], &[nothing()]].concat();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (folded, generic) = runtime.block_on(async {
            (after(&steps, &rows).await, after(&generic, &rows).await)
        });
        prop_assert_eq!(folded, generic);
    }
}
