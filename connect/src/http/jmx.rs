//! What is measured, under the names that dashboards for Kafka Connect and Debezium ask for.
//!
//! Those two have their figures in the JVM (JMX), and Prometheus gets them by an exporter whose
//! configuration makes their names: Debezium's own example for `debezium_metrics_*`, and Strimzi's for
//! `kafka_connect_*`. Only what is truly measured here is told.

use prometheus_client::metrics::MetricType;

use super::metrics::{Metric, Sample, float};
use super::{Connector, Connectors};
use crate::connector::ConnectorName;
use crate::control::{SourceStatus, TableActivity, TableStatus, TaskHandle};

const STREAMING: &str = "streaming";
const SNAPSHOT: &str = "snapshot";

/// All of them; `docs/metrics.md` has a row for each.
pub(super) const METRICS: [Metric; 20] = [
    gauge(
        "debezium_metrics_MilliSecondsBehindSource",
        "Age of the last transaction when it was read",
        |it| of_sources(it, STREAMING, |status| Some(float(status.lag_ms?))),
    ),
    gauge("debezium_metrics_Connected", "1 while the log is read", |it| {
        let mut samples = Vec::new();
        each_source(it, |connector, status| {
            let is_running =
                connector.tasks.values().any(|task| task.run_state().as_str() == RUNNING);
            samples.push((labels(status, STREAMING), flag(is_running)));
        });
        samples
    }),
    gauge("debezium_metrics_BinlogPosition", "Offset in the binary log file that is read", |it| {
        of_sources(it, STREAMING, |status| {
            let (_, offset) = status.position.rsplit_once(':')?;
            Some(float(offset.parse().ok()?))
        })
    }),
    gauge("debezium_metrics_IsGtidModeEnabled", "1 if the server has GTIDs", |it| {
        of_sources(it, STREAMING, |status| Some(flag(status.gtids.is_some())))
    }),
    gauge("debezium_metrics_TotalNumberOfEventsSeen", "Records that were handed to Kafka", |it| {
        of_sources(it, STREAMING, |status| Some(float(status.counts.records)))
    }),
    gauge("debezium_metrics_NumberOfCommittedTransactions", "Transactions that were read", |it| {
        of_sources(it, STREAMING, |status| Some(float(status.counts.transactions)))
    }),
    gauge("debezium_metrics_SnapshotRunning", "1 while a table is copied", |it| {
        of_sources(it, SNAPSHOT, |status| Some(flag(count(status, is_copying) > 0)))
    }),
    gauge("debezium_metrics_SnapshotPaused", "1 while the copy of a table waits", |it| {
        of_sources(it, SNAPSHOT, |status| {
            Some(flag(count(status, |table| table.state == TableActivity::Paused) > 0))
        })
    }),
    gauge("debezium_metrics_SnapshotCompleted", "1 when all tables are copied", |it| {
        of_sources(it, SNAPSHOT, |status| Some(flag(count(status, is_left) == 0)))
    }),
    gauge("debezium_metrics_TotalTableCount", "Captured tables", |it| {
        of_sources(it, SNAPSHOT, |status| Some(float(count(status, |_| true))))
    }),
    gauge("debezium_metrics_RemainingTableCount", "Tables that are not copied yet", |it| {
        of_sources(it, SNAPSHOT, |status| Some(float(count(status, is_left))))
    }),
    gauge("debezium_metrics_RowsScanned", "Rows of a table that its copy has read", rows_scanned),
    gauge("kafka_connect_worker_connector_count", "Connectors with a task here", |it| {
        vec![(Vec::new(), float(number(it.0.len())))]
    }),
    gauge("kafka_connect_worker_task_count", "Tasks that are here", |it| {
        let tasks = it.0.values().map(|connector| connector.tasks.len()).sum();
        vec![(Vec::new(), float(number(tasks)))]
    }),
    gauge("kafka_connect_worker_connector_total_task_count", "Its tasks that are here", |it| {
        of_connectors(it, |_| true)
    }),
    gauge("kafka_connect_worker_connector_running_task_count", "Those that run", |it| {
        of_connectors(it, |state| state == RUNNING)
    }),
    gauge("kafka_connect_worker_connector_failed_task_count", "Those that have failed", |it| {
        of_connectors(it, |state| state == "FAILED")
    }),
    gauge("kafka_connect_connector_status", "1 for the state that a task is in", status),
    Metric {
        name: "kafka_connect_source_task_source_record_write",
        help: "Records that the task has handed to Kafka since it began",
        kind: MetricType::Counter,
        samples: |it| {
            let mut samples = Vec::new();
            each_task(it, |labels, _, connector| {
                let written = connector.source_status().map(|status| status.counts.records);
                samples.extend(written.map(|records| (labels, float(records))));
            });
            samples
        },
    },
    Metric {
        name: "kafka_connect_sink_task_sink_record_read",
        help: "Records that the task has read from Kafka since it began",
        kind: MetricType::Counter,
        samples: |it| {
            let mut samples = Vec::new();
            each_task(it, |labels, task, connector| {
                let status = connector.tasks.get(&task).and_then(TaskHandle::sink_status);
                samples.extend(status.map(|status| (labels, float(status.records))));
            });
            samples
        },
    },
];

/// A state's name in Kafka Connect.
const RUNNING: &str = "RUNNING";

const fn gauge(
    name: &'static str,
    help: &'static str,
    samples: fn(&Connectors) -> Vec<Sample>,
) -> Metric {
    Metric { name, help, kind: MetricType::Gauge, samples }
}

fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn is_copying(table: &TableStatus) -> bool {
    table.state == TableActivity::Snapshot
}

fn is_left(table: &TableStatus) -> bool {
    matches!(table.state, TableActivity::Snapshot | TableActivity::Paused)
}

fn count(status: &SourceStatus, is_meant: impl Fn(&TableStatus) -> bool) -> u64 {
    number(status.tables.iter().filter(|table| is_meant(table)).count())
}

/// As Debezium's exporter has them: the name is `topic.prefix`.
fn labels(status: &SourceStatus, context: &str) -> Vec<(&'static str, String)> {
    vec![
        ("context", context.to_owned()),
        ("name", status.counts.topic_prefix.clone()),
        ("plugin", "mysql".to_owned()),
    ]
}

fn each_source(connectors: &Connectors, mut each: impl FnMut(&Connector, &SourceStatus)) {
    for (_, connector) in connectors.sources() {
        if let Some(status) = connector.source_status() {
            each(connector, &status);
        }
    }
}

fn of_sources(
    connectors: &Connectors,
    context: &str,
    value: fn(&SourceStatus) -> Option<f64>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_source(connectors, |_, status| {
        samples.extend(value(status).map(|value| (labels(status, context), value)));
    });
    samples
}

fn rows_scanned(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_source(connectors, |_, status| {
        for table in &status.tables {
            let Some(snapshot) = &table.snapshot else { continue };
            let mut labels = labels(status, SNAPSHOT);
            labels.push(("table", table.table.to_string()));
            samples.push((labels, float(snapshot.rows)));
        }
    });
    samples
}

/// The tasks of each connector that are in a state.
fn of_connectors(connectors: &Connectors, is_meant: fn(&str) -> bool) -> Vec<Sample> {
    let of_one = |(name, connector): (&ConnectorName, &Connector)| {
        let tasks = connector.tasks.values();
        let meant = tasks.filter(|task| is_meant(task.run_state().as_str())).count();
        (vec![("connector", name.to_string())], float(number(meant)))
    };
    connectors.0.iter().map(of_one).collect()
}

fn each_task(
    connectors: &Connectors,
    mut each: impl FnMut(Vec<(&'static str, String)>, usize, &Connector),
) {
    for (name, connector) in &connectors.0 {
        for id in connector.tasks.keys() {
            let labels = vec![("connector", name.to_string()), ("task", id.to_string())];
            each(labels, *id, connector);
        }
    }
}

fn status(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_task(connectors, |mut labels, task, connector| {
        let Some(task) = connector.tasks.get(&task) else { return };
        labels.push(("status", task.run_state().as_str().to_lowercase()));
        samples.push((labels, 1.0));
    });
    samples
}
