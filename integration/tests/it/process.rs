//! Tests of the helper that runs `rowcast`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
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

/// What every test that starts a process relies on: the program says which command it does not know.
#[tokio::test]
async fn a_log_and_an_output_that_tell_a_secret_or_a_row_fail_their_test() {
    let folder = tempfile::tempdir().unwrap();
    for planted in ["geheim-planted", "zeile-planted"] {
        let log = folder.path().join(planted);
        let rowcast = Rowcast::start(&[planted], &[], &log).await.unwrap();
        rowcast.wait(DEADLINE).await.unwrap();
        assert!(rowcast.log().unwrap().contains(planted));

        let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(rowcast)));
        let told = *dropped.unwrap_err().downcast::<String>().unwrap();
        assert!(told.contains("this log tells what nobody may see"), "{told}");

        let run = AssertUnwindSafe(run_rowcast(&[planted], &[], DEADLINE)).catch_unwind().await;
        let told = *run.unwrap_err().downcast::<String>().unwrap();
        assert!(told.contains("this output tells what nobody may see"), "{told}");
    }
}
