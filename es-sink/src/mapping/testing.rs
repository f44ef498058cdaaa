//! Settings for tests.

use connect::config::{Origin, Settings};

use crate::config::{IndexConfig, SinkConfig};

/// The settings of a sink of one topic, with these among them.
pub(super) fn sink_config(url: &str, pairs: &[(&str, &str)]) -> SinkConfig {
    let usual = [("topics", "shop.db.orders"), ("connection.url", url)];
    let values = usual.iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let settings = Settings::new("connector `s`", Origin::PipelineFile, values.collect());
    SinkConfig::from_settings(settings).unwrap()
}

pub(super) fn index_config(pairs: &[(&str, &str)]) -> IndexConfig {
    sink_config("http://es:9200", pairs).index
}
