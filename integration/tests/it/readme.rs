//! Every command of README.md is run, as it stands there, by a shell.
//!
//! Two kinds cannot be: `docker` (there is no container engine where the tests run), of which the
//! files, options and profiles are checked here and the rest in `compose.rs`; and
//! `cargo test --workspace`, which is what runs this, of which `.ci/run` is checked.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// One demo at a time: each starts four servers.
static DEMO: Mutex<()> = Mutex::const_new(());

/// How long a demo may take on a busy machine, with a build of its binary.
const DEMO_WITHIN: Duration = Duration::from_secs(600);

const STOPPED_WITHIN: Duration = Duration::from_secs(120);

const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Who runs a command.
#[derive(Debug, PartialEq, Eq)]
enum Runner {
    /// `the_demo_that_goes_on_answers_every_curl_of_the_readme`
    Demo,
    /// `the_demo_that_ends_finds_every_index_equal`
    DemoOnce,
    /// As above, while the demo goes on.
    Curl,
    /// `the_test_command_is_what_ci_runs`
    Tests,
    /// `docker_commands_name_what_exists`
    Docker,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The commands of all `sh` blocks; a command goes on over lines while a quote is open.
fn commands() -> Vec<String> {
    let readme = read("README.md");
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands: Vec<String> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match commands.last_mut() {
            Some(last) if is_open(last) => *last = format!("{last}\n{line}"),
            _ => commands.push(line.to_owned()),
        }
    }
    commands
}

fn is_open(command: &str) -> bool {
    command.matches('\'').count() % 2 == 1
}

fn runner(command: &str) -> Option<Runner> {
    Some(match command {
        "cargo demo" => Runner::Demo,
        "cargo demo --once" => Runner::DemoOnce,
        "cargo test --workspace" => Runner::Tests,
        _ if command.starts_with("curl ") => Runner::Curl,
        _ if command.starts_with("docker compose ") => Runner::Docker,
        _ => return None,
    })
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(command).current_dir(repository()).stdin(Stdio::null()).kill_on_drop(true);
    // Not ours: see `process::build`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            shell.env_remove(&name);
        }
    }
    shell
}

#[test]
fn every_command_has_a_test_that_runs_it() {
    let commands = commands();

    for command in &commands {
        assert!(runner(command).is_some(), "no test runs {command:?}");
    }

    for runner_needed in
        [Runner::Demo, Runner::DemoOnce, Runner::Curl, Runner::Tests, Runner::Docker]
    {
        assert!(commands.iter().any(|c| runner(c).as_ref() == Some(&runner_needed)));
    }
}

#[tokio::test]
async fn the_demo_that_ends_finds_every_index_equal() {
    let _alone = DEMO.lock().await;

    let output = timeout(DEMO_WITHIN, shell("cargo demo --once").output()).await.unwrap().unwrap();

    let shown = shown(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("Every index is what its table is."), "{shown}");
    for table in ["shop.customers", "shop.products", "shop.orders", "shop.order_items"] {
        let line = shown.lines().rfind(|line| line.trim().starts_with(&format!("{table} ")));
        let cells: Vec<&str> = line.unwrap().split_whitespace().collect();
        let [_, rows, documents, values, differences] = cells[..] else { panic!("{shown}") };
        assert_eq!((rows, differences), (documents, "0"), "{shown}");
        assert!(values.parse::<u64>().unwrap() > rows.parse::<u64>().unwrap(), "{shown}");
    }
}

#[tokio::test]
async fn the_demo_that_goes_on_answers_every_curl_of_the_readme() {
    let _alone = DEMO.lock().await;
    let mut demo = shell("exec cargo demo").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let url = elasticsearch_url(&mut demo, &mut lines).await;

    for command in commands().iter().filter(|command| runner(command) == Some(Runner::Curl)) {
        let mut curl = shell(command);
        curl.env("ELASTICSEARCH_URL", &url);
        let output = timeout(ANSWERED_WITHIN, curl.output()).await.unwrap().unwrap();

        let shown = shown(&output);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command}: {error}: {shown}"));
        assert!(output.status.success() && answer.get("error").is_none(), "{command}: {shown}");
        if let Some(hits) = answer.pointer("/hits/total/value") {
            assert_ne!(hits, 0, "{command}: {shown}");
        }
        assert_ne!(answer.get("found"), Some(&false.into()), "{command}: {shown}");
    }

    interrupt(&demo);
    let mut rest = String::new();
    let mut reader = lines.into_inner();
    timeout(STOPPED_WITHIN, reader.read_to_string(&mut rest)).await.unwrap().unwrap();
    let status = timeout(STOPPED_WITHIN, demo.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}: {rest}");
    assert!(rest.contains("Every index is what its table is."), "{rest}");
}

/// Reads until the demo says where Elasticsearch is and that it goes on.
async fn elasticsearch_url(demo: &mut Child, lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let mut shown = Vec::new();
    let reading = async {
        let mut url = None;
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(found) = line.strip_prefix("export ELASTICSEARCH_URL=") {
                url = Some(found.to_owned());
            }
            if let Some(url) = url.take_if(|_| line.starts_with("Ctrl-C")) {
                return Some(url);
            }
            shown.push(line);
        }
        None
    };
    let url = timeout(DEMO_WITHIN, reading).await;
    match url {
        Ok(Some(url)) => url,
        Ok(None) => panic!("{}: {}", demo.wait().await.unwrap(), shown.join("\n")),
        Err(_) => panic!("not ready in time: {}", shown.join("\n")),
    }
}

/// What Ctrl-C does: the demo is cargo's child or has taken its place, and both get the signal.
fn interrupt(demo: &Child) {
    let pid = demo.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
}

fn shown(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn the_test_command_is_what_ci_runs() {
    let script = read(".ci/run");

    let checked = std::process::Command::new("bash")
        .args(["-n", ".ci/run"])
        .current_dir(repository())
        .status()
        .unwrap();

    assert!(checked.success());
    assert!(script.lines().any(|line| line == "cargo test --workspace"), "{script}");
    assert!(script.starts_with("#!/usr/bin/env bash\n") && script.contains("set -euo pipefail"));
    for command in
        ["cargo fmt --all --check", "cargo clippy --workspace --all-targets -- -D warnings"]
    {
        assert!(script.lines().any(|line| line == command), "{command}");
    }
}

#[test]
fn docker_commands_name_what_exists() {
    let compose: serde_json::Value = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let has_profile = |profile: &str| {
        services
            .values()
            .flat_map(|service| service["profiles"].as_array())
            .flatten()
            .any(|known| known == profile)
    };

    for command in commands().iter().filter(|command| runner(command) == Some(Runner::Docker)) {
        let mut words = command.split(' ').skip(2);
        while let Some(word) = words.next() {
            match word {
                "--profile" => assert!(has_profile(words.next().unwrap()), "{command}"),
                "up" => {}
                "--build" => assert!(repository().join("Dockerfile").is_file()),
                other => panic!("{other} in {command:?} is not checked"),
            }
        }
    }
}

#[test]
fn links_lead_to_files() {
    for document in [
        "README.md",
        "docs/architecture.md",
        "docs/commands.md",
        "docs/config.md",
        "docs/metrics.md",
        "docs/semantics.md",
        "docs/snapshots.md",
        "docs/soaks.md",
        "docs/file-stream.md",
        "docs/packaging.md",
        "docs/rest-security.md",
        "docs/worker.md",
    ] {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let is_local = !link.starts_with("http");
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = repository().join(folder).join(file);
            assert!(!is_local || path.exists(), "{document} links to {link}");
            if is_local && !heading.is_empty() {
                let target = std::fs::read_to_string(&path).unwrap().to_lowercase();
                let title = heading.replace('-', " ");
                assert!(target.contains(&format!("# {title}")), "{document} links to {link}");
            }
        }
    }
}
