//! Rows that change, and a reader that counts those that never go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use integration::random::Random;
use integration::stack::MySql;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::scenario::{connect, until_async};

/// Rows 1 to this are changed and never deleted.
pub(crate) const BASE_ROWS: u32 = 1500;

/// Each has rows of its own.
const WRITERS: u32 = 3;

/// Between two changes of a writer.
const PACE: Duration = Duration::from_millis(12);

/// More changes than any test makes.
const CHANGES_MAX: usize = 1 << 20;

/// Deadlock, lock wait, table away for a moment: what a client tries again.
const TRY_AGAIN: [u16; 3] = [1213, 1205, 1146];

/// A row after a change; none if it is gone.
pub(super) type Changed = (u32, Option<(u32, String)>);

/// Changes rows of `orders` until it is stopped.
pub(super) struct Load {
    writers: Vec<JoinHandle<()>>,
    count: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    /// What was committed, in order for each row. Nobody has to read it.
    pub(super) changes: mpsc::Receiver<Changed>,
}

impl Load {
    pub(super) async fn start(mysql: &MySql, database: &str, seed: u64) -> Self {
        let (tell, changes) = mpsc::channel(CHANGES_MAX);
        let is_over = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        let count = Arc::new(AtomicU64::new(0));
        for number in 0..WRITERS {
            let mut connection = connect(mysql).await;
            connection.query_drop(format!("USE {database}")).await.unwrap();
            let random = Random::new(seed.wrapping_add(number.into()));
            let (tell, is_over) = (tell.clone(), Arc::clone(&is_over));
            let count = Arc::clone(&count);
            let mut writer = Writer { number, connection, random, rows: BTreeMap::new(), tell };
            writers.push(tokio::spawn(async move {
                let mut pace = tokio::time::interval(PACE);
                while !is_over.load(Ordering::Relaxed) {
                    pace.tick().await;
                    writer.change().await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        Self { writers, count, is_over, changes }
    }

    /// Goes on until there were so many changes, or more; returns how many.
    pub(super) async fn stop_after(&mut self, least: u64) -> u64 {
        until_async(async || self.count.load(Ordering::Relaxed) >= least).await;
        self.is_over.store(true, Ordering::Relaxed);
        for writer in self.writers.drain(..) {
            writer.await.unwrap();
        }
        self.count.load(Ordering::Relaxed)
    }
}

struct Writer {
    number: u32,
    connection: Conn,
    random: Random,
    /// The counters of rows that it has changed.
    rows: BTreeMap<u32, u32>,
    tell: mpsc::Sender<Changed>,
}

impl Writer {
    async fn change(&mut self) {
        let below = |bound: u32, random: &mut Random| u32::try_from(random.below(bound.into()));
        let extra: Vec<u32> = self.rows.keys().copied().filter(|id| *id > BASE_ROWS).collect();
        match self.random.below(4) {
            0 => {
                let last = extra.last().copied().unwrap_or(BASE_ROWS + 1000 + self.number);
                let id = last + WRITERS;
                self.run(&format!(
                    "INSERT INTO orders (id, a, note) VALUES ({id}, 0, 'zeile-new')"
                ))
                .await;
                self.rows.insert(id, 0);
                self.tell.try_send((id, Some((0, "new".to_owned())))).unwrap();
            }
            // The last one stays, so that no id comes twice.
            1 if extra.len() > 1 => {
                let id = self.random.pick(&extra[..extra.len() - 1]);
                self.run(&format!("DELETE FROM orders WHERE id = {id}")).await;
                self.rows.remove(&id);
                self.tell.try_send((id, None)).unwrap();
            }
            _ => {
                let base = below(BASE_ROWS / WRITERS, &mut self.random).unwrap();
                let id = base * WRITERS + self.number + 1;
                let counter = self.rows.get(&id).copied().unwrap_or_default() + 1;
                let note = format!("zeile-{counter}");
                let set = format!("SET a = {counter}, note = '{note}' WHERE id = {id}");
                self.run(&format!("UPDATE orders {set}")).await;
                self.rows.insert(id, counter);
                self.tell.try_send((id, Some((counter, note)))).unwrap();
            }
        }
    }

    async fn run(&mut self, statement: &str) {
        loop {
            match self.connection.query_drop(statement).await {
                Ok(()) => return,
                Err(mysql_async::Error::Server(error)) if TRY_AGAIN.contains(&error.code) => {
                    tokio::time::sleep(PACE).await;
                }
                Err(error) => panic!("{statement}: {error}"),
            }
        }
    }
}

/// Reads an index all the time.
pub(super) struct Watch {
    task: JoinHandle<(u64, u64)>,
    is_over: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn start(elasticsearch: &str, index: &str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let url = format!("{elasticsearch}/{index}");
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            let rows = json!({"query": {"range": {"id": {"lte": BASE_ROWS}}}});
            let mut pace = tokio::time::interval(Duration::from_millis(50));
            let (mut looks, mut fewest) = (0, u64::MAX);
            while !ends.load(Ordering::Relaxed) {
                pace.tick().await;
                let refreshed = client.post(format!("{url}/_refresh")).send().await.unwrap();
                assert!(refreshed.status().is_success());
                let counted = client.post(format!("{url}/_count")).json(&rows).send().await;
                let answer: Value = counted.unwrap().json().await.unwrap();
                fewest = fewest.min(answer["count"].as_u64().unwrap());
                looks += 1;
            }
            (looks, fewest)
        });
        Self { task, is_over }
    }

    /// How often it has looked, and the fewest rows that it has seen.
    pub(super) async fn stop(&mut self) -> (u64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        (&mut self.task).await.unwrap()
    }
}
