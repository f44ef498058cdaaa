//! The files: a pipeline for `rowcast run`, each connector as Kafka Connect's REST API takes it, and
//! the offsets that were found. All of them only for their owner: they have passwords.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use super::super::{CommandError, pretty};
use super::verdict::Verdict;
use super::worker::WorkerSettings;

/// The files to write, by their paths in the folder.
pub(super) struct Files {
    files: BTreeMap<String, String>,
    is_empty: bool,
}

impl Files {
    /// Puts them together.
    pub(super) fn new(worker: &WorkerSettings, verdicts: &[Verdict]) -> Self {
        let taken = || verdicts.iter().filter(|verdict| verdict.is_taken());
        let connectors = taken().filter_map(|it| Some((it.name.as_str(), it.config.as_ref()?)));
        let heading =
            "# Written by `rowcast migrate`. It may have passwords: keep it to yourself.\n";
        let text = heading.to_owned() + &pipeline(worker, connectors);
        let mut files = BTreeMap::from([("pipeline.yaml".to_owned(), text)]);
        for verdict in verdicts {
            let file = file_name(&verdict.name);
            if let Some(config) = &verdict.config {
                let json = json!({ "name": verdict.name, "config": config });
                files.insert(format!("connectors/{file}.json"), pretty(&json).unwrap_or_default());
            }
            if let Some(offsets) = verdict.offsets.as_ref().filter(|_| verdict.is_taken()) {
                files.insert(format!("offsets/{file}.json"), pretty(offsets).unwrap_or_default());
            }
        }
        Self { files, is_empty: taken().next().is_none() }
    }

    /// Whether there is no connector to run.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Writes them into a new folder, which is taken away again if that fails.
    pub(super) fn write(&self, folder: &Path) -> Result<(), CommandError> {
        let failed = |source| CommandError::Output { path: folder.display().to_string(), source };
        let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        private(folder).map_err(failed)?;
        let write = || -> std::io::Result<()> {
            for name in ["connectors", "offsets"] {
                private(&folder.join(name))?;
            }
            for (name, text) in &self.files {
                let mut options = File::options();
                let mut file =
                    options.write(true).create_new(true).mode(0o600).open(folder.join(name))?;
                file.write_all(text.as_bytes())?;
            }
            Ok(())
        };
        write().map_err(|error| {
            drop(std::fs::remove_dir_all(folder));
            failed(error)
        })
    }
}

/// The text of a pipeline file.
pub(super) fn pipeline<'a>(
    worker: &WorkerSettings,
    connectors: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
) -> String {
    let mut text = lines("", &worker.settings);
    text.push_str("connectors:\n");
    for (name, config) in connectors {
        text.push_str(&format!("  {}:\n{}", quoted(name), lines("    ", config)));
    }
    text
}

fn lines(indent: &str, settings: &BTreeMap<String, String>) -> String {
    let line =
        |(key, value): (&String, &String)| format!("{indent}{}: {}\n", quoted(key), quoted(value));
    settings.iter().map(line).collect()
}

/// Text as YAML has it: plain where that means the same, else as JSON, which is YAML.
fn quoted(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_name);
    // Words that YAML takes for other things than text.
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text);
    if is_plain && !is_word { text.to_owned() } else { json!(text).to_string() }
}

/// A name as a file's: names of connectors may have any characters.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_what_they_are_in_yaml() {
        for (text, expected) in [
            ("database.hostname", "database.hostname"),
            ("no", "\"no\""),
            ("", "\"\""),
            ("3306", "\"3306\""),
            ("a: #b", "\"a: #b\""),
            ("p\"w\\", "\"p\\\"w\\\\\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn a_name_does_not_leave_the_folder() {
        assert_eq!(file_name("../a/b"), "_.._a_b");
        assert_eq!(file_name("shop-1.x"), "shop-1.x");
    }
}
