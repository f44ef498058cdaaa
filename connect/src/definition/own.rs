//! The settings that all connectors have, by Kafka Connect's definitions (4.3).

use std::sync::LazyLock;

use super::{Definitions, Wording};

static OF_SOURCES: LazyLock<Definitions> = LazyLock::new(|| {
    let keys = concat!(include_str!("tables/connector.tsv"), include_str!("tables/source.tsv"));
    let verdicts = concat!(
        include_str!("tables/connector-verdicts.tsv"),
        include_str!("tables/source-verdicts.tsv")
    );
    Definitions::parse((keys, verdicts), Wording::Connect, None)
});

static OF_SINKS: LazyLock<Definitions> = LazyLock::new(|| {
    let keys = concat!(include_str!("tables/connector.tsv"), include_str!("tables/sink.tsv"));
    let verdicts = concat!(
        include_str!("tables/connector-verdicts.tsv"),
        include_str!("tables/sink-verdicts.tsv")
    );
    Definitions::parse((keys, verdicts), Wording::Connect, None)
});

static OF_FILE_STREAM_SOURCES: LazyLock<Definitions> = LazyLock::new(|| {
    let tables = (
        include_str!("tables/file-stream-source.tsv"),
        include_str!("tables/file-stream-source-verdicts.tsv"),
    );
    Definitions::parse(tables, Wording::Connect, Some(of_sources()))
});

static OF_FILE_STREAM_SINKS: LazyLock<Definitions> = LazyLock::new(|| {
    let tables = (
        include_str!("tables/file-stream-sink.tsv"),
        include_str!("tables/file-stream-sink-verdicts.tsv"),
    );
    Definitions::parse(tables, Wording::Connect, Some(of_sinks()))
});

static OF_WORKERS: LazyLock<Definitions> = LazyLock::new(|| {
    let tables = ("", include_str!("tables/worker-verdicts.tsv"));
    Definitions::parse(tables, Wording::Connect, None)
});

/// The settings of a worker, distributed or standalone; without definitions, which nobody asks for.
#[must_use]
pub fn of_workers() -> &'static Definitions {
    &OF_WORKERS
}

/// The settings of `FileStreamSource`.
#[must_use]
pub fn of_file_stream_sources() -> &'static Definitions {
    &OF_FILE_STREAM_SOURCES
}

/// The settings of `FileStreamSink`.
#[must_use]
pub fn of_file_stream_sinks() -> &'static Definitions {
    &OF_FILE_STREAM_SINKS
}

/// The settings of every source.
#[must_use]
pub fn of_sources() -> &'static Definitions {
    &OF_SOURCES
}

/// The settings of every sink.
#[must_use]
pub fn of_sinks() -> &'static Definitions {
    &OF_SINKS
}
