//! Transforms that do the same to all rows: records end in the same documents whether their plan
//! does it or they are taken apart for it.
//!
//! 16 random tables, chains and histories each time; `PROPTEST_CASES=500 cargo test -p es-sink --lib
//! folded_rows` for more. What fails is shrunk and printed with its seed.

use connect::kafka::consumer::RecordMeta;
use proptest::prelude::*;
use schema::avro::{SchemaStyle, encode, frame, schema_text};
use schema::lsn::Lsn;
use schema::registry::SchemaId;
use schema::value::{Field, Kind, Schema, Value as Datum};

use super::folded::cases;
use super::*;

const CONNECT: &str = "org.apache.kafka.connect.transforms.";
const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
const EXTRACT: &str = "ExtractField$Key";
const SCHEMA_ID: u32 = 100;

type Pairs = &'static [(&'static str, &'static str)];

/// A class, its settings, and whether it is for tombstones too.
const STEPS: [(&str, Pairs, bool); 15] = [
    ("ReplaceField$Value", &[("exclude", "a,__deleted")], true),
    ("ReplaceField$Value", &[("exclude", "c,e")], true),
    ("ReplaceField$Value", &[("include", "id,a,b,at,__deleted")], true),
    ("ReplaceField$Value", &[("renames", "b:x,c:y")], true),
    ("ReplaceField$Value", &[("renames", "b:c,d:__op")], true),
    ("MaskField$Value", &[("fields", "a,b,x")], false),
    ("MaskField$Value", &[("fields", "c,y"), ("replacement", "7")], false),
    ("MaskField$Value", &[("fields", "d"), ("replacement", "***")], false),
    ("MaskField$Value", &[("fields", "e")], true),
    ("InsertField$Value", &[("topic.field", "topic"), ("timestamp.field", "at")], true),
    ("InsertField$Value", &[("partition.field", "p!"), ("offset.field", "o")], true),
    ("InsertField$Value", &[("static.field", "from \"x\""), ("static.value", "é\n")], true),
    ("InsertField$Value", &[("static.field", "__deleted"), ("static.value", "true")], true),
    ("RegexRouter", &[("regex", "shop\\.(.*)"), ("replacement", "$1")], true),
    (EXTRACT, &[("field", "id")], true),
];

/// What looks at the data of keys, and changes nothing.
const NOTHING: (&str, Pairs, bool) = ("ReplaceField$Key", &[("exclude", "nothing")], true);

#[derive(Debug, Clone)]
struct Case {
    is_event: bool,
    columns: Vec<Field>,
    rows: Vec<Row>,
    steps: Vec<(&'static str, Pairs, bool)>,
}

#[derive(Debug, Clone)]
struct Row {
    id: i64,
    values: Vec<Datum>,
    what: What,
    timestamp: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Write,
    Delete,
    Tombstone,
}

/// A column's type with its values. None of them is a date as a text, which Elasticsearch refuses
/// where it is masked.
fn any_kind() -> impl Strategy<Value = (Schema, BoxedStrategy<Datum>)> {
    let semantic = Schema::semantic;
    let decimal = semantic(Kind::Bytes, "org.apache.kafka.connect.data.Decimal");
    let decimal = decimal.parameter("scale", "2".to_owned());
    let int = || (0..20_000).prop_map(Datum::Int32).boxed();
    let long = || (0..2_000_000_000_000_i64).prop_map(Datum::Int64).boxed();
    let text = |pattern: &'static str| pattern.prop_map(Datum::String).boxed();
    let bytes = || prop::collection::vec(any::<u8>(), 0..5).prop_map(Datum::Bytes).boxed();
    let array = Schema::new(Kind::Array(Box::new(Schema::new(Kind::Int64))));
    let arrays = prop::collection::vec(long(), 0..3).prop_map(Datum::Array).boxed();
    let inner = vec![Field::new("x", Schema::new(Kind::Float64))];
    let point = Schema::record("io.debezium.data.geometry.Point".to_owned(), Some(1), inner);
    let kinds = vec![
        (Schema::new(Kind::Boolean), any::<bool>().prop_map(Datum::Boolean).boxed()),
        (Schema::new(Kind::Int16), int()),
        (Schema::new(Kind::Int32), int()),
        (Schema::new(Kind::Int64), long()),
        // A document has no NaN.
        (Schema::new(Kind::Float32), any::<f32>().prop_map(Datum::Float32).boxed()),
        (Schema::new(Kind::Float64), any::<f64>().prop_map(Datum::Float64).boxed()),
        (Schema::new(Kind::String), text(".{0,4}")),
        (Schema::new(Kind::Bytes), bytes()),
        (decimal, bytes()),
        (semantic(Kind::Int32, "io.debezium.time.Date"), int()),
        (semantic(Kind::Int64, "io.debezium.time.MicroTimestamp"), long()),
        (semantic(Kind::Int64, "org.apache.kafka.connect.data.Timestamp"), long()),
        (semantic(Kind::Int64, "io.debezium.time.MicroTime"), long()),
        (semantic(Kind::String, "io.debezium.data.Json"), text("[{]\"a\":[1-9][}]|[1-9]")),
        (semantic(Kind::String, "io.debezium.data.EnumSet"), text("a,b|")),
        (semantic(Kind::String, "io.debezium.data.Enum"), text("a|b")),
        (array, arrays),
        (point, any::<f32>().prop_map(|n| Datum::Struct(vec![Datum::Float64(n.into())])).boxed()),
    ];
    prop::sample::select(kinds)
}

/// A column, and four values that it has, one after the other.
fn any_column(name: &'static str) -> impl Strategy<Value = (Field, Vec<Datum>)> {
    (any_kind(), any::<bool>(), prop::collection::vec(any::<bool>(), 4)).prop_flat_map(
        move |((schema, values), optional, nulls)| {
            let schema = Schema { optional, ..schema };
            prop::collection::vec(values, 4).prop_map(move |values| {
                let values = values
                    .into_iter()
                    .zip(&nulls)
                    .map(|(value, is_null)| if optional && *is_null { Datum::Null } else { value });
                (Field::new(name, schema.clone()), values.collect())
            })
        },
    )
}

fn any_columns() -> impl Strategy<Value = Vec<(Field, Vec<Datum>)>> {
    let columns = ["a", "b", "c", "d", "e"].map(any_column);
    (columns, 0_usize..6).prop_map(|(columns, count)| {
        let mut columns = Vec::from(columns);
        columns.truncate(count);
        columns
    })
}

fn any_case() -> impl Strategy<Value = Case> {
    let steps = prop::collection::vec(prop::sample::select(STEPS.to_vec()), 1..4);
    let what =
        prop_oneof![4 => Just(What::Write), 1 => Just(What::Delete), 1 => Just(What::Tombstone)];
    let row = (0_i64..3, 0_usize..4, what, prop::option::of(-1_i64..2_000_000_000_000));
    let rows = prop::collection::vec(row, 1..8);
    (any::<bool>(), any_columns(), rows, steps).prop_map(|(is_event, columns, rows, steps)| {
        let rows = rows.into_iter().flat_map(|(id, place, what, timestamp)| {
            let values = columns.iter().map(|(_, values)| values[place].clone()).collect();
            let row = Row { id, values, what, timestamp };
            // Where a tombstone is dropped, a delete has come before it.
            let delete = Row { what: What::Delete, ..row.clone() };
            let before = (is_event && what == What::Tombstone).then_some(delete);
            before.into_iter().chain([row])
        });
        let rows = rows.collect();
        Case { is_event, rows, steps, columns: columns.into_iter().map(|(f, _)| f).collect() }
    })
}

impl Case {
    /// The schema of its records.
    fn schema(&self) -> Schema {
        let id = Field::new("id", Schema::new(Kind::Int64));
        let mut fields: Vec<_> = [id].into_iter().chain(self.columns.iter().cloned()).collect();
        let text = || Schema::new(Kind::String);
        if !self.is_event {
            fields.push(Field::new("__deleted", text().optional()));
            return Schema::record("shop.db.orders.Value".to_owned(), None, fields);
        }
        let row = Schema::record("shop.db.orders.Value".to_owned(), None, fields).optional();
        let source = vec![Field::new("sequence", text().optional())];
        let source = Schema::record("io.debezium.Source".to_owned(), None, source);
        let fields = vec![
            Field::new("before", row.clone()),
            Field::new("after", row),
            Field::new("source", source),
            Field::new("op", text()),
        ];
        Schema::record("shop.db.orders.Envelope".to_owned(), None, fields)
    }

    fn value(&self, row: &Row, lsn: u64) -> Datum {
        let text = |text: &str| Datum::String(text.to_owned());
        let is_delete = row.what == What::Delete;
        let mut values = vec![Datum::Int64(row.id)];
        values.extend(row.values.iter().cloned());
        if !self.is_event {
            values.push(text(if is_delete { "true" } else { "false" }));
            return Datum::Struct(values);
        }
        let (image, source) = (Datum::Struct(values), Datum::Struct(vec![text(&lsn.to_string())]));
        let (before, after, op) = match is_delete {
            true => (image, Datum::Null, "d"),
            false => (Datum::Null, image, "u"),
        };
        Datum::Struct(vec![before, after, source, text(op)])
    }

    fn records(&self) -> Vec<Record> {
        let schema = self.schema();
        let rows = self.rows.iter().zip(0_u32..);
        let records = rows.map(|(row, offset)| {
            let lsn = u64::from(offset) + 1;
            let mut bytes = Vec::from(frame(SchemaId(SCHEMA_ID)));
            encode(&schema, &self.value(row, lsn), &mut bytes).unwrap();
            let value = (row.what != What::Tombstone).then(|| bytes.into());
            let record = record(&partition(0), offset.into(), row.id, Change::Delete, None);
            let meta = RecordMeta { timestamp: row.timestamp, ..RecordMeta::default() };
            Record { value, meta, lsn: Lsn::new(lsn), ..record }
        });
        records.collect()
    }

    /// The settings, as they are, or with something that does not fold.
    fn settings(&self, is_generic: bool) -> Vec<(String, String)> {
        let mut all = vec![
            ("errors.tolerance".to_owned(), "all".to_owned()),
            ("predicates".to_owned(), "gone".to_owned()),
            ("predicates.gone.type".to_owned(), format!("{CONNECT}predicates.RecordIsTombstone")),
        ];
        let mut names = Vec::new();
        let mut steps: Vec<_> = is_generic.then_some(NOTHING).into_iter().collect();
        if self.is_event {
            steps.push((UNWRAP, &[], true));
        }
        for step in &self.steps {
            // What was taken out of a key is not in it a second time.
            if step.0 != EXTRACT || steps.iter().all(|(class, ..)| *class != EXTRACT) {
                steps.push(*step);
            }
        }
        for (number, (class, options, is_for_all)) in steps.iter().enumerate() {
            let mut set = |key: &str, value: &str| {
                all.push((format!("transforms.t{number}.{key}"), value.to_owned()));
            };
            let package = if *class == UNWRAP { "" } else { CONNECT };
            set("type", &format!("{package}{class}"));
            options.iter().for_each(|(key, value)| set(key, value));
            if !is_for_all {
                set("predicate", "gone");
                set("negate", "true");
            }
            names.push(format!("t{number}"));
        }
        all.push(("transforms".to_owned(), names.join(",")));
        all
    }

    /// Documents with their versions, and the fields of the mapping, of all indices; or what has
    /// ended the task.
    async fn outcome(&self, is_generic: bool) -> Result<BTreeMap<String, Index>, String> {
        let settings = self.settings(is_generic);
        let settings: Vec<_> = settings.iter().map(|(k, v)| (&**k, &**v)).collect();
        let server = FakeServer::start().await;
        server.register(SCHEMA_ID, &schema_text(&self.schema(), SchemaStyle::Debezium));
        let mut bench = Bench::start(server, &settings);
        let records = self.records();
        let end = i64::try_from(records.len()).unwrap();
        bench.feed.assigned(vec![partition(0)]).await;
        bench.deliver(records).await;
        let is_done =
            |bench: &Bench| bench.pipeline.is_finished() || bench.committed.get(&0) == Some(&end);
        bench.until(|bench, _| is_done(bench)).await;
        let (ended, server, _) = bench.end().await;
        ended.map_err(|error| error.to_string())?;
        let of = |index: &String| {
            let documents = server.documents(index).into_iter();
            let documents = documents.map(|(id, row)| {
                let version = server.version(index, &id);
                (id, (row, version))
            });
            // A plan knows the fields from a delete already.
            let has_rows = self.rows.iter().any(|row| row.what == What::Write);
            (documents.collect(), has_rows.then(|| server.mapping(index)["properties"].clone()))
        };
        Ok(server.indices().iter().map(|index| (index.clone(), of(index))).collect())
    }
}

type Index = (BTreeMap<String, (Value, Option<u64>)>, Option<Value>);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_does_the_same_to_all_rows_makes_the_documents_of_the_generic_path(case in any_case()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (folded, generic) =
            runtime.block_on(async { (case.outcome(false).await, case.outcome(true).await) });
        prop_assert_eq!(folded, generic);
    }
}
