//! House rules that no lint knows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) const CRATES: [&str; 8] = [
    "schema",
    "formats",
    "transform",
    "connect",
    "cdc-source",
    "es-sink",
    "rowcast",
    "integration",
];

/// Longest file, in lines before its tests (style: hard limit).
const LINES_MAX: usize = 500;

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// What stands before a file's tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn no_file_is_longer_than_500_lines_before_its_tests() {
    let mut long = Vec::new();
    for path in CRATES.iter().flat_map(|name| rust_files(&repository().join(name))) {
        let lines = code(&read(&path)).lines().count();
        if lines > LINES_MAX {
            long.push(format!("{}: {lines} lines", path.display()));
        }
    }

    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn every_file_is_a_module_of_its_parent() {
    let mut dead = Vec::new();
    for path in CRATES.iter().flat_map(|name| rust_files(&repository().join(name))) {
        let folder = path.parent().unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let is_root = ["src", "bin", "it", "tests", "benches", "examples"]
            .iter()
            .any(|name| folder.ends_with(name))
            && ["lib", "main"].contains(&stem);
        let is_binary = ["bin", "tests", "benches", "examples"].iter().any(|f| folder.ends_with(f));
        if is_root || (is_binary && !folder.ends_with("src")) {
            continue;
        }
        let parents = [folder.with_extension("rs"), folder.join("lib.rs"), folder.join("main.rs")];
        let is_declared = parents.iter().filter(|parent| parent.is_file()).any(|parent| {
            let declaration = format!("mod {stem};");
            read(parent).lines().any(|line| line.trim_end().ends_with(&declaration))
        });
        if !is_declared {
            dead.push(path.display().to_string());
        }
    }

    assert_eq!(dead, Vec::<String>::new());
}

/// Who asks a process under test by its bare address looks through what it answers.
#[test]
fn every_answer_of_a_process_is_looked_through() {
    let mut unseen = Vec::new();
    for path in rust_files(&repository().join("integration/tests/it")) {
        let text = read(&path);
        let asks = text.contains(".for_others()") && text.contains("reqwest");
        // The second asks Elasticsearch only.
        let is_known = ["tidy.rs", "commands/hand_back.rs"].iter().any(|it| path.ends_with(it));
        if asks && !is_known && !text.contains("marks::{Kind, absent") {
            unseen.push(path.display().to_string());
        }
    }
    assert_eq!(unseen, Vec::<String>::new(), "ask with the methods of `scene::Endpoint`");
}

/// The files that read settings.
fn config_files() -> Vec<PathBuf> {
    let root = repository();
    let mut files = rust_files(&root.join("connect/src/config"));
    files.extend(rust_files(&root.join("cdc-source/src/config")));
    files.extend(rust_files(&root.join("es-sink/src/config")));
    for file in [
        "connect/src/config.rs",
        "connect/src/converter.rs",
        "connect/src/converter/header.rs",
        "connect/src/file_stream/chain.rs",
        "connect/src/file_stream/config.rs",
        "cdc-source/src/config.rs",
        "es-sink/src/config.rs",
    ] {
        files.push(root.join(file));
    }
    files
}

/// The settings that a file reads: text with dots between words, and the first argument of the
/// methods of `Settings`. A name that ends with a dot is the beginning of many.
fn settings_of(code: &str) -> BTreeSet<String> {
    let is_word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    };
    let mut found = BTreeSet::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let pieces: Vec<&str> = line.split('"').collect();
        for (before, text) in pieces.iter().zip(pieces.iter().skip(1)).step_by(2) {
            // The options of a transform have its name before them.
            let text = text.strip_prefix("{prefix}").unwrap_or(text);
            let is_dotted =
                text.contains('.') && text.trim_end_matches('.').split('.').all(is_word);
            let methods =
                ["optional(", "required(", "list(", "text(", "secret(", "choice(", "topic_name("];
            let is_argument = methods.iter().any(|method| before.ends_with(method));
            if is_dotted || (is_argument && is_word(text)) {
                found.insert(format!("{text}{}", if text.ends_with('.') { "*" } else { "" }));
            }
        }
    }
    found
}

#[test]
fn every_setting_is_documented_and_every_documented_setting_is_read() {
    let text = read(&repository().join("docs/config.md"));
    let documented: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();

    let settings: BTreeSet<String> =
        config_files().iter().flat_map(|path| settings_of(code(&read(path)))).collect();

    assert_eq!(settings, documented, "what the program reads, and what docs/config.md has");
}

#[test]
fn every_documented_setting_has_its_range_its_default_and_its_reason() {
    for line in read(&repository().join("docs/config.md")).lines() {
        if line.starts_with("| `") {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{line}");
            assert!(cells[..3].iter().all(|cell| !cell.is_empty()), "{line}");
        }
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let text = read(&repository().join("docs/semantics.md"));
    let files: Vec<String> = CRATES
        .iter()
        .flat_map(|name| rust_files(&repository().join(name)))
        .map(|path| read(&path))
        .collect();

    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.rsplit_once("::").map(|(_, test)| test))
        .collect();

    assert!(named.len() > 10, "{named:?}");
    for test in named {
        let is_there = files.iter().any(|file| file.contains(&format!("fn {test}(")));
        assert!(is_there, "no test is called {test}");
    }
}

/// The names of the entries of a folder below `fuzz/`, without `.rs`.
fn fuzz_entries(folder: &str) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(repository().join("fuzz").join(folder)) else {
        return BTreeSet::new();
    };
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| name(entry.unwrap().path())).collect()
}

#[test]
fn every_fuzz_target_is_described_and_replayed_on_stable() {
    let targets = fuzz_entries("fuzz_targets");
    let readme = read(&repository().join("fuzz/README.md"));
    let described = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let described: BTreeSet<String> = described.map(str::to_owned).collect();
    let tests: String = ["schema", "formats", "cdc-source", "es-sink"]
        .map(|name| read(&repository().join(name).join("src/fuzzing.rs")))
        .concat();

    assert_eq!(targets, described);
    for target in &targets {
        let test = format!("fn {target}_holds_for_seeds_and_their_mutations()");
        assert!(tests.contains(&test), "{target} is not replayed");
    }
    assert!(fuzz_entries("seeds").is_subset(&targets), "a folder of seeds without a target");
}

#[test]
fn the_files_of_the_repository_name_no_machine() {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .unwrap();
    // Put together here, so that this file does not name them itself.
    let forbidden = [["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];

    for name in String::from_utf8(listed.stdout).unwrap().split('\0').filter(|n| !n.is_empty()) {
        let bytes = std::fs::read(repository().join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        for path in &forbidden {
            assert!(!text.contains(path), "{name} contains {path}");
        }
    }
}
