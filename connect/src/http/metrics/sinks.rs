//! What sinks have done, as samples.

use super::super::Connectors;
use super::{Sample, float};
use crate::control::{IndexStatus, Seconds, SinkStatus};

pub(super) fn of_sinks(connectors: &Connectors, value: fn(&SinkStatus) -> u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_sink(connectors, |labels, status| samples.push((labels, float(value(status)))));
    samples
}

pub(super) fn of_indices(
    connectors: &Connectors,
    value: fn(&IndexStatus) -> Option<f64>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_index(connectors, |labels, index| {
        samples.extend(value(index).map(|value| (labels, value)));
    });
    samples
}

pub(super) fn tolerated(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_sink(connectors, |labels, status| {
        for (stage, status) in &status.tolerated {
            for (outcome, number) in
                [("dead_letter", status.dead_letters), ("skipped", status.skipped)]
            {
                let own = vec![("stage", stage.clone()), ("outcome", outcome.to_owned())];
                samples.push(([labels.clone(), own].concat(), float(number)));
            }
        }
    });
    samples
}

pub(super) fn actions(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_index(connectors, |labels, index| {
        for (outcome, number) in [
            ("indexed", index.indexed),
            ("deleted", index.deleted),
            ("stale", index.stale),
            ("refused", index.refused),
            ("mended", index.mended),
        ] {
            let labels = [labels.clone(), vec![("outcome", outcome.to_owned())]].concat();
            samples.push((labels, float(number)));
        }
    });
    samples
}

fn each_index(
    connectors: &Connectors,
    mut each: impl FnMut(Vec<(&'static str, String)>, &IndexStatus),
) {
    each_sink(connectors, |labels, status| {
        for (name, index) in &status.indices {
            each([labels.clone(), vec![("index", name.clone())]].concat(), index);
        }
    });
}

fn each_sink(
    connectors: &Connectors,
    mut each: impl FnMut(Vec<(&'static str, String)>, &SinkStatus),
) {
    for (name, connector) in &connectors.0 {
        for (id, task) in &connector.tasks {
            let Some(status) = task.sink_status() else { continue };
            each(vec![("connector", name.to_string()), ("task", id.to_string())], &status);
        }
    }
}

pub(super) fn retries(connectors: &Connectors) -> Vec<Sample> {
    let mut samples = Vec::new();
    each_sink(connectors, |labels, status| {
        for (cause, number) in &status.requests.retries {
            let labels = [labels.clone(), vec![("cause", cause.clone())]].concat();
            samples.push((labels, float(*number)));
        }
    });
    samples
}

pub(super) fn request_seconds(
    connectors: &Connectors,
) -> Vec<(Vec<(&'static str, String)>, Seconds)> {
    let mut all = Vec::new();
    each_sink(connectors, |labels, status| all.push((labels, status.requests.seconds.clone())));
    all
}
