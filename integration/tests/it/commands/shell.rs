//! What shells and readers are given.

use std::process::Command;

use super::rowcast;

#[tokio::test]
async fn bash_takes_its_completions_and_man_its_pages() {
    let folder = tempfile::tempdir().unwrap();
    let completions = rowcast(&["completions", "bash"]).await;
    let script = folder.path().join("rowcast.bash");
    std::fs::write(&script, &completions.out).unwrap();
    let pages = folder.path().join("man1");

    let page = rowcast(&["man"]).await;
    let written = rowcast(&["man", pages.to_str().unwrap()]).await;
    let checked = Command::new("bash").arg("-n").arg(&script).output().unwrap();

    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    assert!(completions.out.contains("redrive") && completions.out.contains("--dry-run"));
    assert!(page.is_success && page.out.contains(".TH rowcast"), "{page:?}");
    assert!(written.is_success, "{written:?}");
    let count = std::fs::read_dir(&pages).unwrap().count();
    assert!(count > 10, "{count} pages");
    // Whichever of the two is there finds what is wrong with a page.
    for entry in std::fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        for (tool, arguments) in
            [("mandoc", ["-T", "lint", "-W", "error"]), ("groff", ["-man", "-ww", "-z", "-b"])]
        {
            if let Ok(found) = Command::new(tool).args(arguments).arg(&path).output() {
                assert!(found.status.success(), "{tool} {}: {found:?}", path.display());
            }
        }
    }
}
