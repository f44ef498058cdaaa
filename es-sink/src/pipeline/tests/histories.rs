//! Any history of changes, however it is delivered, ends with the index equal to the table.
//!
//! Delivered with duplicates, replays from any earlier offset, rebalances, faults of the server,
//! its restarts, which lose the versions of deletes, and sweeps. 24 histories each time;
//! `PROPTEST_CASES=1000 cargo test -p es-sink --lib histories` for more. What fails is shrunk and
//! printed with its seed.

use super::*;
use crate::testing::sweep_record;
use proptest::prelude::*;

const CASES: u32 = 24;
const PARTITIONS: i32 = 2;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A row changes. The next Lsn is its.
    Change { id: i64, change: Change, is_twice: bool },
    /// A copy of the table ends that has found no row: all documents of before go.
    Sweep,
    /// A partition is taken away and comes back, to go on at the committed offset.
    Rebalance { partition: i32 },
    /// The same, but it goes on at any earlier offset: so many records come again.
    Rewind { partition: i32, records: usize },
    /// The server ends and starts again: versions of deletes are forgotten.
    Restart,
    /// The server fails.
    Fault(Fault),
}

fn any_step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![3 => any::<i16>().prop_map(|n| Change::Write { n: n.into() }),
                             2 => Just(Change::Delete)];
    let change = (0_i64..6, change, prop::bool::weighted(0.1));
    prop_oneof![
        40 => change.prop_map(|(id, change, is_twice)| Step::Change { id, change, is_twice }),
        1 => Just(Step::Sweep),
        2 => (0..PARTITIONS).prop_map(|partition| Step::Rebalance { partition }),
        2 => (0..PARTITIONS, 1_usize..30)
            .prop_map(|(partition, records)| Step::Rewind { partition, records }),
        1 => Just(Step::Restart),
        4 => any_fault().prop_map(Step::Fault),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::CutWithin,
        Fault::WrongCount,
        Fault::WrongOrder,
        Fault::Unavailable,
        Fault::BadGateway,
        Fault::Html,
        Fault::Busy,
        Fault::CircuitBreaker,
        Fault::ItemsBusy,
        Fault::ItemsUnavailable,
        Fault::ItemsFail,
        Fault::TooLarge,
    ])
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    })]

    /// After random faults, rebalances and the repetitions that they cause, the index is what the
    /// table is; and at no moment was an offset committed whose change the index did not have.
    #[test]
    fn after_random_faults_the_index_equals_the_table(
        steps in prop::collection::vec(any_step(), 1..80),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(converges(steps));
    }
}

/// A topic, the table that it tells of, and the pipeline that reads it.
struct History {
    bench: Bench,
    logs: BTreeMap<i32, Vec<Record>>,
    table: BTreeMap<String, Value>,
    /// The highest Lsn of each row.
    versions: BTreeMap<String, u64>,
    lsn: u64,
}

async fn converges(steps: Vec<Step>) {
    let mut bench = Bench::start(FakeServer::start().await, &[]);
    let partitions: Vec<_> = (0..PARTITIONS).map(partition).collect();
    bench.feed.assigned(partitions).await;
    let logs = (0..PARTITIONS).map(|number| (number, Vec::new())).collect();
    let (table, versions) = (BTreeMap::new(), BTreeMap::new());
    let mut history = History { bench, logs, table, versions, lsn: 0 };
    for step in steps {
        history.step(step).await;
    }
    history.settled().await;

    let History { bench, table, versions, .. } = history;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    assert_eq!(server.documents(TOPIC), table);
    for (id, lsn) in versions {
        // A restart may have forgotten that of a row that is gone.
        let version = server.version(TOPIC, &id);
        assert!(version >= Some(lsn) || !table.contains_key(&id), "{id}: {version:?} < {lsn}");
    }
}

impl History {
    async fn step(&mut self, step: Step) {
        match step {
            Step::Change { id, change, is_twice } => self.change(id, change, is_twice).await,
            Step::Sweep => self.sweep().await,
            Step::Rebalance { partition } => self.rebalance(partition, 0).await,
            Step::Rewind { partition, records } => self.rebalance(partition, records).await,
            // Offsets say that rows are there, so what was answered has to be.
            Step::Restart => self.bench.server.restart(),
            Step::Fault(fault) => self.bench.server.fail([fault]),
        }
    }

    async fn change(&mut self, id: i64, change: Change, is_twice: bool) {
        self.lsn += 1;
        let number = i32::try_from(id % i64::from(PARTITIONS)).unwrap();
        let record = record(&partition(number), self.end(number), id, change, Some(self.lsn));
        self.append(number, record).await;
        if is_twice {
            let again = self.logs[&number].last().unwrap().clone();
            let offset = KafkaOffset(self.end(number));
            self.append(number, Record { offset, ..again }).await;
        }
        let id = id.to_string();
        self.versions.insert(id.clone(), self.lsn);
        match change {
            Change::Write { n } => {
                let row = json!({"id": id.parse::<i64>().unwrap(), "n": n, "u": null});
                self.table.insert(id, row)
            }
            Change::Delete => self.table.remove(&id),
        };
    }

    /// Offsets have holes where transaction markers are.
    fn end(&self, number: i32) -> i64 {
        let last = self.logs[&number].last();
        last.map_or(0, |last| last.offset.0 + 1 + last.offset.0 % 2)
    }

    async fn append(&mut self, number: i32, record: Record) {
        self.logs.get_mut(&number).unwrap().push(record.clone());
        self.bench.deliver(vec![record]).await;
    }

    async fn sweep(&mut self) {
        self.lsn += 1;
        // Without holes: the group of these tests compares offsets, and knows nothing of markers.
        let end = |number| self.logs[&number].last().map_or(0, |last| last.offset.0 + 1);
        let ends = (0..PARTITIONS).map(|number| (partition(number), KafkaOffset(end(number))));
        let ends: Vec<_> = ends.collect();
        self.bench.group.ends.lock().unwrap().clone_from(&ends);
        for (of, KafkaOffset(end)) in ends {
            let record = sweep_record(&of, end, self.lsn);
            self.append(of.partition, record).await;
        }
        self.table.clear();
        // Whoever begins the sweep waits for what is before it, as it does in Kafka.
        self.settled().await;
    }

    /// Takes a partition away, gives it back, and delivers again from the committed offset, as Kafka
    /// does, or from so many records before its end.
    async fn rebalance(&mut self, number: i32, records: usize) {
        let bench = &mut self.bench;
        bench.feed.revoked(vec![partition(number)], false).await;
        bench.until(|_, command| matches!(command, Some(Command::RevokeDone))).await;
        let log = &self.logs[&number];
        let committed = bench.committed.get(&number).copied().unwrap_or(0);
        let earlier = log.len().checked_sub(records.max(1)).and_then(|place| log.get(place));
        let from = match (records, earlier) {
            (0, _) => committed,
            (_, Some(earlier)) => committed.min(earlier.offset.0),
            (_, None) => 0,
        };
        // A write from before a sweep comes again without what has deleted it: the documented limit.
        let swept = log.iter().rfind(|record| record.control.is_some());
        let from = swept.map_or(from, |swept| from.max(swept.offset.0 + 1));
        bench.rewind(number, from);
        let again: Vec<_> = log.iter().filter(|r| r.offset.0 >= from).cloned().collect();
        bench.feed.assigned(vec![partition(number)]).await;
        if !again.is_empty() {
            bench.deliver(again).await;
        }
    }

    /// Waits until all that was delivered is committed.
    async fn settled(&mut self) {
        let ends: BTreeMap<i32, i64> = (self.logs.iter())
            .filter_map(|(number, log)| Some((*number, log.last()?.offset.0 + 1)))
            .collect();
        self.bench.until(|bench, _| bench.committed == ends).await;
    }
}
