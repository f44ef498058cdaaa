//! `kill -9` at any moment loses nothing and repeats nothing.

use integration::chaos::{self, ChaosOptions};
use integration::random::Random;
use integration::stack::shared;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_twenty_kills_every_index_is_its_table_and_no_record_is_there_twice() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = ChaosOptions { kills: 20, keys: 60, seed: Random::seed("CHAOS_SEED") };
    eprintln!("CHAOS_SEED={} repeats the run", options.seed);

    let ended = Box::pin(chaos::run(stack, "kills", folder.path(), options)).await;
    let report = ended.unwrap_or_else(|error| {
        panic!("{error}\nthe log is kept in {}", folder.keep().display());
    });

    eprintln!("kills by the phase they hit: {:?}, between phases: {}", report.hits, report.misses);
    eprintln!("{report:?}");
    assert_eq!(report.kills, 20);
    assert!(report.rows > 0 && report.records > report.rows);
}
