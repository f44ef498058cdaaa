//! The long runs of `cargo soak`, at a size for every day.

use integration::random::Random;
use integration::soak::{ddl, sink, snapshot, transaction, worker};
use integration::stack::{Cache, install, shared};

fn settings(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_under_writes_that_is_killed_reads_no_row_twice_and_takes_no_lock() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = snapshot::Options {
        rows: 20_000,
        kills: 3,
        writes_per_second: 200,
        settings: settings(&[("snapshot.chunk.rows", "100")]),
        seed: Random::seed("SOAK_SEED"),
    };
    eprintln!("SOAK_SEED={} repeats the run", options.seed);

    let running = snapshot::run(stack, "soak_snapshot", folder.path(), &options);
    let report = Box::pin(running).await.unwrap();

    assert_eq!(report.problems, Vec::<String>::new(), "{report:?}");
    assert!(report.equal && report.rows_at_end > 0, "{report:?}");
    assert_eq!((report.kills, report.rows_read_twice, report.locks_seen), (3, 0, 0), "{report:?}");
    assert!(report.chunks_finished >= 200 && report.lock_looks > 0, "{report:?}");
    assert!(report.peak_rss_mb > 0.0 && !report.rss_curve.is_empty(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_commit_at_once_are_in_the_topic_once_each() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = transaction::Options {
        rows: 20_001,
        row_bytes: None,
        is_compressed: false,
        concurrent: 16,
        settings: settings(&[("transaction.max.bytes", "65536")]),
    };

    let running = transaction::run(stack, "soak_rows", folder.path(), &options);
    let report = Box::pin(running).await.unwrap();

    assert_eq!(report.problems, Vec::<String>::new(), "{report:?}");
    assert!(report.equal && report.records.created == 20_002, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_large_rows_is_in_the_topic_once() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = transaction::Options {
        rows: 500,
        row_bytes: Some(transaction::LARGE_ROW_BYTES),
        is_compressed: false,
        concurrent: 1,
        settings: Vec::new(),
    };

    let running = transaction::run(stack, "soak_bytes", folder.path(), &options);
    let report = Box::pin(running).await.unwrap();

    assert_eq!(report.problems, Vec::<String>::new(), "{report:?}");
    assert!(report.equal && report.records.created == 501, "{report:?}");
    assert!(report.binlog_bytes > 500 * transaction::LARGE_ROW_BYTES, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_definitions_are_followed() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = ddl::Options { seed: Random::seed("SOAK_SEED"), statements: 120 };
    eprintln!("SOAK_SEED={} repeats the run", options.seed);

    let report = Box::pin(ddl::run(stack, "soak_ddl", folder.path(), options)).await.unwrap();

    assert!(report.is_good(), "{report:?}\nthe log is kept in {}", folder.keep().display());
}

/// Against the real servers it is `cargo soak sink --server elasticsearch --runs 20`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_history_ends_in_its_index_whatever_fails() {
    let installed = install(&Cache::open().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let seed = Random::seed("SOAK_SEED");
    eprintln!("SOAK_SEED={seed} repeats the run");
    let start = sink::Servers::start(&installed, sink::Kind::Fake, folder.path());
    let servers = Box::pin(start).await.unwrap();

    let report = Box::pin(servers.run("soak_sink", folder.path(), seed)).await.unwrap();

    assert_eq!(report.problems, Vec::<String>::new(), "{report:?}");
    assert!(report.records > 100 && report.documents > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_in_trouble_loses_and_repeats_nothing() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let seed = Random::seed("SOAK_SEED");
    eprintln!("SOAK_SEED={seed} repeats the run");
    let options = worker::Options { seed, databases: 2, troubles: 4 };

    let running = worker::run(stack, "soak_worker", folder.path(), options);
    let report = Box::pin(running).await.unwrap();

    assert!(report.is_good(), "{report:?}\nthe logs are kept in {}", folder.keep().display());
    assert_eq!(report.recovered_s.len(), 4, "{report:?}");
}
