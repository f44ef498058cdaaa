//! The unit for systemd, without systemd running.

use std::process::Command;
use std::time::Duration;

use connect::config::WorkerConfig;

use super::{packaged, stops_within};

/// The values of a setting of the unit.
fn values(name: &str) -> Vec<String> {
    let prefix = format!("{name}=");
    let text = packaged("systemd/rowcast.service");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[tokio::test]
async fn systemd_takes_the_unit_and_finds_it_confined() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("rowcast.service");
    let binary = integration::process::binary().await.unwrap();
    let text = packaged("systemd/rowcast.service");
    let given = text.replace("/usr/local/bin/rowcast ", &format!("{} ", binary.display()));
    assert_ne!(text, given);
    std::fs::write(&unit, &given).unwrap();
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let ended = command.args(arguments).arg(&unit).output();
        ended.expect("systemd-analyze, which .ci/run installs, can be run")
    };

    // Where systemd does not run it says so, and that is all that it may say.
    let verified = analyze(&["verify", "--man=no"]);
    let told = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !told.contains("rowcast.service"), "{told}");
    // Of 100, the exposure; a unit without a word about it has 96.
    let confined = analyze(&["security", "--offline=true", "--threshold=15"]);
    assert!(confined.status.success(), "{}", String::from_utf8_lossy(&confined.stdout));

    std::fs::write(&unit, given.replace("Type=exec", "Tipe=exec")).unwrap();
    let misspelt = analyze(&["verify", "--man=no"]);
    let told = String::from_utf8_lossy(&misspelt.stderr).into_owned();
    assert!(told.contains("Tipe"), "{told}");
}

#[test]
fn the_unit_waits_for_a_stop_in_good_order() {
    let [timeout] = &values("TimeoutStopSec")[..] else { panic!("one time") };

    assert!(Duration::from_secs(timeout.parse().unwrap()) > stops_within());
    assert_eq!(values("KillSignal"), ["SIGTERM"]);
}

/// The file beside the unit names the credentials that the unit has.
#[test]
fn the_credentials_of_the_unit_are_those_that_its_properties_name() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().to_str().unwrap();
    let text = packaged("systemd/worker.properties");
    let named = "/run/credentials/rowcast.service";
    for credential in values("LoadCredential") {
        let (name, file) = credential.split_once(':').unwrap();
        assert_eq!(file, format!("/etc/rowcast/credentials/{name}"));
        std::fs::write(folder.path().join(name), "geheim-4715").unwrap();
    }
    let given = folder.path().join("worker.properties");
    std::fs::write(&given, text.replace(named, credentials)).unwrap();

    let config = WorkerConfig::from_properties(&given).unwrap();

    assert!(text.contains(named));
    assert_eq!(config.kafka["sasl.username"], "rowcast");
    assert_eq!(config.kafka["sasl.password"], "geheim-4715");
    assert!(values("ExecStart")[0].ends_with(" worker /etc/rowcast/worker.properties"));
}
