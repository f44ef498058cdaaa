//! `GET /metrics`, in the `OpenMetrics` text that Prometheus reads.
//!
//! Nothing is counted here: at each scrape the tasks' last statuses are written down.

mod sinks;

use std::fmt;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{Connectors, Endpoint, HttpError, jmx};
use crate::config::MetricNames;
use crate::control::{Seconds, SnapshotStatus, SourceStatus, TableActivity, TableStatus};
use sinks::{actions, of_indices, of_sinks, request_seconds, retries, tolerated};

/// What may be asked for behind `?`.
#[derive(serde::Deserialize)]
pub(super) struct Asked {
    names: Option<String>,
}

pub(super) async fn metrics(
    State(endpoint): State<Arc<Endpoint>>,
    Query(asked): Query<Asked>,
) -> Response {
    let names = match asked.names.as_deref() {
        None => endpoint.cluster.identity.config.metrics_names,
        Some(word) => match MetricNames::of(word) {
            Some(names) => names,
            None => {
                let message = "expected names=rowcast or names=jmx".to_owned();
                return HttpError::new(StatusCode::BAD_REQUEST, message).into_response();
            }
        },
    };
    match text(endpoint.connectors(), names) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn text(connectors: Arc<Connectors>, names: MetricNames) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Statuses(connectors, names)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Statuses(Arc<Connectors>, MetricNames);

/// One value of a metric.
pub(super) type Sample = (Vec<(&'static str, String)>, f64);

/// A metric: its name, what it is, and its values.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) samples: fn(&Connectors) -> Vec<Sample>,
}

/// A metric of how long bulk requests took.
const REQUEST_SECONDS: (&str, &str) =
    ("rowcast_sink_request_seconds", "How long bulk requests took until they were answered");

impl Collector for Statuses {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (name, help) = REQUEST_SECONDS;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, seconds) in request_seconds(&self.0) {
            let labels: Vec<_> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
            let bounds = Seconds::BOUNDS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(seconds.buckets).collect();
            family.encode_family(&labels)?.encode_histogram::<Vec<(String, String)>>(
                seconds.sum,
                seconds.count,
                &buckets,
                None,
            )?;
        }
        let others: &[Metric] = match self.1 {
            MetricNames::Rowcast => &[],
            MetricNames::Jmx => &jmx::METRICS,
        };
        for metric in METRICS.iter().chain(others) {
            // A dot or a unit after the help would be added by the encoder.
            let mut family =
                encoder.encode_descriptor(metric.name, metric.help, None, metric.kind)?;
            for (labels, value) in (metric.samples)(&self.0) {
                let labels: Vec<_> = labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
                write(family.encode_family(&labels)?, metric.kind, value)?;
            }
        }
        Ok(())
    }
}

fn write(mut encoder: MetricEncoder<'_>, kind: MetricType, value: f64) -> Result<(), fmt::Error> {
    match kind {
        MetricType::Counter => {
            encoder.encode_counter::<Vec<(String, String)>, _, f64>(&value, None)
        }
        MetricType::Gauge | MetricType::Histogram | MetricType::Info | MetricType::Unknown => {
            encoder.encode_gauge(&value)
        }
    }
}

/// All metrics; `docs/metrics.md` has a row for each.
const METRICS: [Metric; 33] = [
    Metric {
        name: "rowcast_task_state",
        help: "1 for the state that a task is in",
        kind: MetricType::Gauge,
        samples: |connectors| {
            let mut samples = Vec::new();
            for (name, connector) in &connectors.0 {
                for (id, task) in &connector.tasks {
                    let labels = vec![
                        ("connector", name.to_string()),
                        ("task", id.to_string()),
                        ("state", task.run_state().as_str().to_lowercase()),
                    ];
                    samples.push((labels, 1.0));
                }
            }
            samples
        },
    },
    Metric {
        name: "rowcast_source_lag_seconds",
        help: "Age of the last transaction when it was read, 0 when there is nothing more to read",
        kind: MetricType::Gauge,
        samples: |it| of_sources(it, |status| Some(float(status.lag_ms?) / 1000.0)),
    },
    Metric {
        name: "rowcast_source_binlog_headroom_seconds",
        help: "Time at least until MySQL purges what is not read yet; none if it never does",
        kind: MetricType::Gauge,
        samples: |it| of_sources(it, |status| Some(float(status.headroom_seconds?))),
    },
    Metric {
        name: "rowcast_source_lsn",
        help: "Number of the last change that was emitted",
        kind: MetricType::Gauge,
        samples: |it| of_sources(it, |status| Some(float(status.lsn))),
    },
    Metric {
        name: "rowcast_source_position_bytes",
        help: "Offset in the binary log file that is named by the label",
        kind: MetricType::Gauge,
        samples: position,
    },
    Metric {
        name: "rowcast_source_skipped_events",
        help: "Events of the log that were not emitted since the task began, by reason",
        kind: MetricType::Counter,
        samples: skipped,
    },
    Metric {
        name: "rowcast_source_unlogged_cascades",
        help: "Foreign keys that change rows of captured tables without a trace in the binary log",
        kind: MetricType::Gauge,
        samples: |it| of_sources(it, |status| Some(float(status.unlogged_cascades))),
    },
    Metric {
        name: "rowcast_source_records",
        help: "Records that were handed to Kafka since the task began",
        kind: MetricType::Counter,
        samples: |it| of_sources(it, |status| Some(float(status.counts.records))),
    },
    Metric {
        name: "rowcast_source_records_filtered",
        help: "Records that a transform has dropped since the task began",
        kind: MetricType::Counter,
        samples: |it| of_sources(it, |status| Some(float(status.counts.filtered))),
    },
    Metric {
        name: "rowcast_source_records_failed",
        help: "Records that failed and were skipped since the task began (errors.tolerance = all)",
        kind: MetricType::Counter,
        samples: |it| of_sources(it, |status| Some(float(status.counts.failed))),
    },
    Metric {
        name: "rowcast_source_transactions",
        help: "Transactions of MySQL that were read since the task began",
        kind: MetricType::Counter,
        samples: |it| of_sources(it, |status| Some(float(status.counts.transactions))),
    },
    Metric {
        name: "rowcast_source_table_state",
        help: "1 for the state that a captured table is in, 0 for the others",
        kind: MetricType::Gauge,
        samples: table_states,
    },
    Metric {
        name: "rowcast_source_table_skipped_row_events",
        help: "Row events of a table that were not emitted since the task began",
        kind: MetricType::Counter,
        samples: |it| of_tables(it, |table| Some(float(table.skipped_events))),
    },
    Metric {
        name: "rowcast_source_snapshot_rows",
        help: "Rows of a table that its copy has read so far",
        kind: MetricType::Gauge,
        samples: |it| of_snapshots(it, |snapshot| Some(snapshot.rows)),
    },
    Metric {
        name: "rowcast_source_snapshot_chunks",
        help: "Chunks of a table that its copy has finished so far",
        kind: MetricType::Gauge,
        samples: |it| of_snapshots(it, |snapshot| Some(snapshot.chunks)),
    },
    Metric {
        name: "rowcast_source_snapshot_rows_per_second",
        help: "How fast a table was copied in the last seconds",
        kind: MetricType::Gauge,
        samples: |it| of_snapshots(it, |snapshot| snapshot.rows_per_second),
    },
    Metric {
        name: "rowcast_source_snapshot_eta_seconds",
        help: "Time until a table is copied, by MySQL's estimate of its rows",
        kind: MetricType::Gauge,
        samples: |it| of_snapshots(it, |snapshot| snapshot.eta_seconds),
    },
    Metric {
        name: "rowcast_sink_records",
        help: "Records that were read from Kafka since the task began",
        kind: MetricType::Counter,
        samples: |it| of_sinks(it, |status| status.records),
    },
    Metric {
        name: "rowcast_sink_sweeps",
        help: "Sweeps that were carried out since the task began",
        kind: MetricType::Counter,
        samples: |it| of_sinks(it, |status| status.sweeps),
    },
    Metric {
        name: "rowcast_sink_swept_documents",
        help: "Documents that sweeps have deleted since the task began",
        kind: MetricType::Counter,
        samples: |it| of_sinks(it, |status| status.swept_documents),
    },
    Metric {
        name: "rowcast_sink_parked_partitions",
        help: "Partitions that stop at a document that its index does not take",
        kind: MetricType::Gauge,
        samples: |it| of_sinks(it, |status| u64::try_from(status.parked.len()).unwrap_or(u64::MAX)),
    },
    Metric {
        name: "rowcast_sink_actions",
        help: "Bulk actions that were answered, by index and outcome",
        kind: MetricType::Counter,
        samples: actions,
    },
    Metric {
        name: "rowcast_sink_index_bytes",
        help: "Bytes of the bulk actions that were answered, by index",
        kind: MetricType::Counter,
        samples: |it| of_indices(it, |index| Some(float(index.bytes))),
    },
    Metric {
        name: "rowcast_sink_dead_letters",
        help: "Records in the dead-letter topic, by index",
        kind: MetricType::Counter,
        samples: |it| of_indices(it, |index| Some(float(index.dead_letters))),
    },
    Metric {
        name: "rowcast_sink_tolerated_records",
        help: "Records that failed and that errors.tolerance lets a task go on without",
        kind: MetricType::Counter,
        samples: tolerated,
    },
    Metric {
        name: "rowcast_sink_lag_seconds",
        help: "From the commit in MySQL to the answer of Elasticsearch, of the last document",
        kind: MetricType::Gauge,
        samples: |it| of_indices(it, |index| Some(float(index.lag_ms?) / 1000.0)),
    },
    Metric {
        name: "rowcast_sink_searchable_lag_seconds",
        help: "From the commit in MySQL until a search finds it, of the last document that was looked for",
        kind: MetricType::Gauge,
        samples: |it| of_indices(it, |index| Some(float(index.searchable_lag_ms?) / 1000.0)),
    },
    Metric {
        name: "rowcast_sink_in_flight_requests",
        help: "Bulk requests that are under way",
        kind: MetricType::Gauge,
        samples: |it| of_sinks(it, |status| status.requests.in_flight),
    },
    Metric {
        name: "rowcast_sink_in_flight_requests_limit",
        help: "Bulk requests that may be under way, as the server's answers allow",
        kind: MetricType::Gauge,
        samples: |it| of_sinks(it, |status| status.requests.in_flight_limit),
    },
    Metric {
        name: "rowcast_sink_request_bytes_limit",
        help: "How large a bulk request may be, as the server's answers allow",
        kind: MetricType::Gauge,
        samples: |it| of_sinks(it, |status| status.requests.bytes_limit),
    },
    Metric {
        name: "rowcast_sink_waiting_bytes",
        help: "Bytes of actions that wait for a bulk request",
        kind: MetricType::Gauge,
        samples: |it| of_sinks(it, |status| status.requests.waiting_bytes),
    },
    Metric {
        name: "rowcast_sink_request_bytes",
        help: "Bytes of all bulk requests, before compression",
        kind: MetricType::Counter,
        samples: |it| of_sinks(it, |status| status.requests.bytes),
    },
    Metric {
        name: "rowcast_sink_retries",
        help: "Bulk requests of which something had to be sent again, by cause",
        kind: MetricType::Counter,
        samples: retries,
    },
];

/// Exact up to 2^53, which all of these stay below.
#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

fn of_sources(connectors: &Connectors, value: fn(&SourceStatus) -> Option<f64>) -> Vec<Sample> {
    let sources = connectors.sources().filter_map(|(name, connector)| {
        let value = value(&*connector.source_status()?)?;
        Some((vec![("connector", name.to_string())], value))
    });
    sources.collect()
}

fn of_tables(connectors: &Connectors, value: fn(&TableStatus) -> Option<f64>) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, connector) in connectors.sources() {
        let Some(status) = connector.source_status() else { continue };
        for table in &status.tables {
            let labels = vec![("connector", name.to_string()), ("table", table.table.to_string())];
            samples.extend(value(table).map(|value| (labels, value)));
        }
    }
    samples
}

fn of_snapshots(connectors: &Connectors, value: fn(&SnapshotStatus) -> Option<u64>) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, connector) in connectors.sources() {
        let Some(status) = connector.source_status() else { continue };
        for table in &status.tables {
            let labels = vec![("connector", name.to_string()), ("table", table.table.to_string())];
            let value = table.snapshot.as_ref().and_then(value);
            samples.extend(value.map(|value| (labels, float(value))));
        }
    }
    samples
}

fn position(connectors: &Connectors) -> Vec<Sample> {
    let sources = connectors.sources().filter_map(|(name, connector)| {
        let status = connector.source_status()?;
        let (file, offset) = status.position.rsplit_once(':')?;
        let labels = vec![("connector", name.to_string()), ("file", file.to_owned())];
        Some((labels, float(offset.parse().ok()?)))
    });
    sources.collect()
}

fn skipped(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, connector) in connectors.sources() {
        let Some(status) = connector.source_status() else { continue };
        for (reason, events) in &status.skipped_events {
            let labels = vec![("connector", name.to_string()), ("reason", reason.clone())];
            samples.push((labels, float(*events)));
        }
    }
    samples
}

fn table_states(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, connector) in connectors.sources() {
        let Some(status) = connector.source_status() else { continue };
        for table in &status.tables {
            for state in TableActivity::ALL {
                let labels = vec![
                    ("connector", name.to_string()),
                    ("table", table.table.to_string()),
                    ("state", state.as_str().to_owned()),
                ];
                samples.push((labels, if table.state == state { 1.0 } else { 0.0 }));
            }
        }
    }
    samples
}

/// The names of all metrics, as they are scraped.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = String> {
    METRICS.iter().map(scraped).chain([REQUEST_SECONDS.0.to_owned()])
}

/// The same of those of others.
#[cfg(test)]
pub(super) fn names_of_others() -> impl Iterator<Item = String> {
    jmx::METRICS.iter().map(scraped)
}

#[cfg(test)]
fn scraped(metric: &Metric) -> String {
    match metric.kind {
        MetricType::Counter => format!("{}_total", metric.name),
        MetricType::Gauge | MetricType::Histogram | MetricType::Info | MetricType::Unknown => {
            metric.name.to_owned()
        }
    }
}
