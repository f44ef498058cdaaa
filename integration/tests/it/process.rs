//! Tests of the helper that runs `rowcast`.

use std::time::Duration;

use integration::process::{Rowcast, binary, run_rowcast};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_binary_is_built_beside_the_tests() {
    let path = binary().await.unwrap();

    assert!(path.is_file(), "{}", path.display());
}

#[tokio::test]
async fn a_command_runs_to_its_end() {
    let output = run_rowcast(&["--version"], &[], DEADLINE).await.unwrap();

    assert!(output.status.code().is_some());
}

#[tokio::test]
async fn a_process_ends_and_its_log_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("rowcast.log");

    let rowcast = Rowcast::start(&["--version"], &[], &log).await.unwrap();
    rowcast.wait(DEADLINE).await.unwrap();

    assert_eq!(rowcast.pid(), None);
    assert!(rowcast.log().unwrap().contains("start of"));
}
