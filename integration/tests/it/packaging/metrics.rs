//! Grafana's dashboard and Prometheus' alerts: every metric and label of their queries is one that a
//! running process has.

use std::collections::{BTreeMap, BTreeSet};

use integration::stack::{PromQl, shared};
use serde_json::Value;

use super::packaged;
use crate::indices::has_documents;
use crate::scene::{Scene, endpoint, stop};
use crate::tidy::{read, repository};

/// What a query asks for.
struct Asked {
    metrics: BTreeSet<String>,
    /// Labels that its selectors and its groups name.
    labels: BTreeSet<String>,
    /// The labels that are left, if it has an aggregation.
    left: Option<BTreeSet<String>>,
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// What each query asks for, by a parser of its language.
async fn asked(queries: &[Query]) -> Vec<Asked> {
    let parser = PromQl::fetch().await.unwrap();
    // Without Grafana's variables.
    let plain = |query: &str| query.replace("$__rate_interval", "1m").replace("$connector", ".*");
    let plain: Vec<_> = queries.iter().map(|(query, _)| plain(query)).collect();
    let read = parser.read(&plain).unwrap();
    let read = read.as_array().unwrap();
    assert_eq!(read.len(), queries.len());
    let asked = read.iter().map(|query| {
        let groups = query["groups"].as_array().unwrap();
        let grouped = groups.iter().flat_map(texts);
        Asked {
            metrics: texts(&query["metrics"]),
            labels: texts(&query["labels"]).into_iter().chain(grouped).collect(),
            left: groups.first().map(texts),
        }
    });
    asked.collect()
}

/// A query, and the labels that the text around it shows.
type Query = (String, BTreeSet<String>);

/// The labels in a text, as `{{label}}` or `{{ $labels.label }}`.
fn shown(text: &str) -> BTreeSet<String> {
    let places = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    let names = places.map(|place| place.trim().trim_start_matches("$labels.").to_owned());
    names.filter(|name| !name.starts_with("$value")).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&packaged("grafana/rowcast.json")).unwrap()
}

fn queries_of_the_dashboard() -> Vec<Query> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let text = |target: &Value, key: &str| target[key].as_str().unwrap().to_owned();
    targets.map(|it| (text(it, "expr"), shown(&text(it, "legendFormat")))).collect()
}

fn queries_of_the_alerts() -> Vec<Query> {
    let rules: Value = serde_saphyr::from_str(&packaged("prometheus/alerts.yml")).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    let query = |rule: &Value| {
        let annotations = rule["annotations"].to_string();
        (rule["expr"].as_str().unwrap().to_owned(), shown(&annotations))
    };
    rules.iter().map(query).collect()
}

/// The metrics of docs/metrics.md with their labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = read(&repository().join("docs/metrics.md"));
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `rowcast_"));
    rows.map(|row| {
        let mut cells = row.split('|');
        let name = format!("rowcast_{}", cells.next().unwrap().trim().trim_end_matches('`'));
        let labels = cells.next().unwrap().split(',').map(|label| label.trim().to_owned());
        (name, labels.collect())
    })
    .collect()
}

/// The name in docs/metrics.md: a histogram has a row for all that is made of it.
fn base(metric: &str) -> &str {
    metric.strip_suffix("_bucket").unwrap_or(metric)
}

/// What a process answers: the names that it describes, and the labels of each that has a value.
fn answered(text: &str) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let mut described = BTreeSet::new();
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            described.insert(format!("{name}{suffix}"));
        } else if let Some((name, rest)) = line.split_once('{')
            && let Some((inside, _)) = rest.rsplit_once('}')
        {
            // No value of the tests has a comma or an equals sign.
            let names = inside.split(',').filter_map(|pair| pair.split('=').next());
            labels.entry(name.to_owned()).or_default().extend(names.map(str::to_owned));
        }
    }
    (described, labels)
}

#[tokio::test]
async fn the_dashboard_shows_every_metric_and_panels_do_not_overlap() {
    let asked = asked(&queries_of_the_dashboard()).await;
    let metrics = asked.iter().flat_map(|query| &query.metrics);
    let shown: BTreeSet<String> = metrics.map(|metric| base(metric).to_owned()).collect();
    // A number that means nothing by itself.
    let left_out: BTreeSet<String> = ["rowcast_source_lsn".to_owned()].into();

    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(&documented - &shown, left_out);

    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard()["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for (x, y) in (0..place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
            assert!(cells.insert((place("x") + x, place("y") + y)), "{panel}");
        }
    }
}

#[tokio::test]
async fn every_metric_and_label_of_the_dashboard_and_the_alerts_is_one_that_a_process_has() {
    let url = shared().await.unwrap().elasticsearch.url();
    let mut scene = Scene::new("pk_metrics").await;
    scene.add_sink(&url);
    let running = scene.start().await;
    has_documents(&url, "pk_metrics.t", 3).await;
    let text = endpoint(&running).await.text("/metrics").await;
    let (described, labels) = answered(&text);
    let documented = documented();

    let queries = [queries_of_the_dashboard(), queries_of_the_alerts()].concat();
    for ((query, shown), asked) in queries.iter().zip(asked(&queries).await) {
        for metric in &asked.metrics {
            assert!(described.contains(base(metric)), "{query}: no {metric} in\n{text}");
            // Some have no value where nothing went wrong.
            let known = labels.get(metric).or_else(|| documented.get(base(metric)));
            let known = known.unwrap_or_else(|| panic!("{metric} is not documented"));
            assert!(asked.labels.is_subset(known), "{query}: {metric} has {known:?}");
            let left = asked.left.as_ref().unwrap_or(known);
            assert!(shown.is_subset(left), "{query}: {shown:?} of {left:?}");
        }
    }
    // And the other way round: what the documentation says of labels is so.
    for (metric, found) in labels.iter().filter(|(metric, _)| documented.contains_key(*metric)) {
        assert_eq!(found, &documented[metric], "{metric}");
    }
    stop(&running).await;
}
