//! The whole of a Kafka Connect cluster: `rowcast worker` with its file, and so with its connectors
//! and its topics, and Kafka Connect again with what rowcast has left there.

use integration::oracle;
use integration::process::run_rowcast;
use integration::stack::shared;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::worker::{self, Worker};
use super::{Change, Load, Takeover, by_writer, has_every_change_once, server};
use crate::scenario::{DEADLINE, log_has, stop, until, until_async};
use crate::worker::Worker as RowcastWorker;

/// The one stays in the config topic all the time. The other is deleted, which leaves its offsets,
/// and posted again.
const NAMES: [&str; 2] = ["whole_kept", "whole_posted"];
const SINK: &str = "whole-sink";

/// The two connectors of a cluster, and who has written their records so far.
struct Cluster {
    connect: &'static Worker,
    connectors: [Takeover; 2],
    folder: TempDir,
    written: [(usize, usize, usize); 2],
}

impl Cluster {
    async fn start() -> Self {
        static CONNECT: OnceCell<Worker> = OnceCell::const_new();
        let start = || Box::pin(Worker::start("connect-whole", true));
        let (connect, mysql) = (CONNECT.get_or_init(start).await, server().await);
        let [kept, posted] = NAMES;
        let connectors = [
            Takeover::new(kept, mysql, connect).await,
            Takeover::new(posted, mysql, connect).await,
        ];
        for taken in &connectors {
            connect.create(taken.name, &taken.source()).await;
            until_async(async || taken.changes().await.len() >= 40).await;
        }
        let folder = tempfile::tempdir().unwrap();
        Self { connect, connectors, folder, written: [(40, 0, 0); 2] }
    }

    /// Changes rows of both; new ones have ids from `first` on.
    fn load(&self, first: u32) -> [Load; 2] {
        self.connectors.each_ref().map(|taken| taken.load(first))
    }

    /// Waits until so many more records are there of Debezium and of rowcast.
    async fn until_more(&self, (of_debezium, ours): (usize, usize)) {
        for (taken, before) in self.connectors.iter().zip(self.written) {
            until_async(async || {
                let now = by_writer(&taken.changes().await);
                now.0 >= before.0 + of_debezium && now.1 >= before.1 + ours
            })
            .await;
        }
    }

    /// Waits until the topics are the tables, and checks that each change is there once and none was
    /// copied since the first copy.
    async fn topics_are_tables(&mut self) {
        for (taken, written) in self.connectors.iter().zip(&mut self.written) {
            let changes = taken.topic_is_table().await;
            has_every_change_once(&changes);
            let is_copied = |change: &&Change| change.op == "r";
            assert_eq!(changes.iter().filter(is_copied).count(), 40, "each row was copied once");
            *written = by_writer(&changes);
            println!("{}: {} of Debezium, {} of rowcast", taken.name, written.0, written.1);
        }
    }

    async fn indices_are_tables(&self) {
        let url = shared().await.unwrap().elasticsearch.url();
        for taken in &self.connectors {
            let pool = mysql_async::Pool::from_url(taken.mysql.url()).unwrap();
            let (table, index) = (format!("{}.t", taken.name), taken.topic());
            oracle::wait_until_equal(&pool, &url, &table, &index, DEADLINE).await.unwrap();
            pool.disconnect().await.unwrap();
        }
    }

    /// Confluent's sink of both topics.
    async fn sink(&self) -> Value {
        json!({
            "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
            "tasks.max": "1",
            "topics": self.connectors.each_ref().map(Takeover::topic).join(","),
            "connection.url": shared().await.unwrap().elasticsearch.url(),
            "key.ignore": "false",
            "behavior.on.null.values": "delete",
        })
    }
}

/// Waits until a connector and its task are as they should be; a task that has failed says why.
async fn until_is(rowcast: &RowcastWorker, name: &str, state: &str) -> Value {
    let path = format!("/connectors/{name}/status");
    let status = rowcast.until(&path, |it| match state {
        "STOPPED" => it["connector"]["state"] == state && it["tasks"] == json!([]),
        _ => it["tasks"][0]["state"] == state,
    });
    status.await["tasks"][0]["trace"].clone()
}

async fn put(rowcast: &RowcastWorker, name: &str, what: &str) {
    let path = format!("/connectors/{name}/{what}");
    let (status, answer) = rowcast.ask("PUT", &path, &Value::Null).await;
    assert!(status < 300, "{path}: {answer}");
}

/// What the hint of a sink says that has met Debezium's records behind rowcast's: it begins at the end
/// of the topics, and the tables are copied, each with a sweep behind it.
async fn follow_the_remedy(cluster: &Cluster, rowcast: &RowcastWorker) {
    put(rowcast, SINK, "stop").await;
    until_is(rowcast, SINK, "STOPPED").await;
    let mut offsets = Vec::new();
    for taken in &cluster.connectors {
        let topic = taken.topic();
        let end = worker::end(cluster.connect.bootstrap(), &topic);
        offsets.push(json!({
            "partition": { "kafka_topic": topic, "kafka_partition": 0 },
            "offset": { "kafka_offset": end },
        }));
    }
    let path = format!("/connectors/{SINK}/offsets");
    let (status, answer) = rowcast.ask("PATCH", &path, &json!({ "offsets": offsets })).await;
    assert_eq!(status, 200, "{answer}");
    put(rowcast, SINK, "resume").await;
    for taken in &cluster.connectors {
        let mut config = taken.source();
        config["snapshot.sweep"] = json!("true");
        let path = format!("/connectors/{}/config", taken.name);
        let (status, answer) = rowcast.ask("PUT", &path, &config).await;
        assert_eq!(status, 200, "{answer}");
        let table = format!("{}.t", taken.name);
        let copy = ["table", "snapshot", &table, "--url", rowcast.url()];
        // The task starts again with its new settings, and takes no command meanwhile.
        until_async(async || run_rowcast(&copy, &[], DEADLINE).await.unwrap().status.success())
            .await;
    }
}

/// Kafka Connect, then `rowcast worker`, then Kafka Connect, then `rowcast worker`: with one file, one
/// set of topics and unchanged connectors, while rows change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_takes_a_clusters_place_and_gives_it_back() {
    let mut cluster = Cluster::start().await;
    let load = cluster.load(1_000);
    cluster.until_more((400, 0)).await;
    let [kept, posted] = NAMES;
    cluster.connect.delete(posted).await;
    cluster.connect.leave().await;
    let file = cluster.connect.properties();

    let mut rowcast = RowcastWorker::start_from(&file, cluster.folder.path(), "rowcast").await;
    until_is(&rowcast, kept, "RUNNING").await;
    rowcast.make(posted, cluster.connectors[1].source()).await;
    let again = json!({ "name": kept, "config": cluster.connectors[0].source() });
    let (status, answer) = rowcast.ask("POST", "/connectors", &again).await;
    assert_eq!(
        (status, &answer["message"]),
        (409, &json!(format!("Connector {kept} already exists")))
    );
    rowcast.make(SINK, cluster.sink().await).await;
    let goes_on = "the stored offset is debezium's";
    let log = || rowcast.process.log().unwrap();
    assert!(until(|| log().matches(goes_on).count() == 2).await, "{}", log());
    cluster.until_more((0, 400)).await;
    end(load).await;
    cluster.topics_are_tables().await;
    cluster.indices_are_tables().await;
    put(&rowcast, SINK, "stop").await;
    until_is(&rowcast, SINK, "STOPPED").await;
    let load = cluster.load(1_000_000);
    // The sink will read these and halt behind them: their deletes are Debezium's.
    cluster.until_more((0, 20)).await;
    stop(&rowcast.process).await;

    cluster.connect.come_back(NAMES).await;
    cluster.until_more((400, 0)).await;
    end(load).await;
    cluster.topics_are_tables().await;
    cluster.connect.leave().await;

    let load = cluster.load(2_000_000);
    rowcast.start_again().await;
    cluster.until_more((0, 200)).await;
    put(&rowcast, SINK, "resume").await;
    let trace = until_is(&rowcast, SINK, "FAILED").await.to_string();
    assert!(trace.contains("has versions from lsn, expected kafka offset"), "{trace}");
    log_has(&rowcast.process, "rowcast table snapshot").await;
    end(load).await;
    cluster.topics_are_tables().await;
    follow_the_remedy(&cluster, &rowcast).await;
    let load = cluster.load(3_000_000);
    cluster.until_more((0, 200)).await;
    end(load).await;
    cluster.indices_are_tables().await;
    stop(&rowcast.process).await;
}

async fn end(load: [Load; 2]) {
    for load in load {
        load.end().await;
    }
}
