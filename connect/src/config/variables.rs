//! `${env:NAME}`, `${file:PATH}`, `${dir:PATH:FILE}` and secrets in configuration values.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use regex::Regex;
use secrecy::ExposeSecret;

use super::providers::{Paths, Provider, Providers};
use crate::vault::{Secret, Vault, VaultError};

/// What `TimestampRouter` and `EventRouter` replace by themselves, record by record: no variables.
const PLACEHOLDERS: [(&str, &str); 3] =
    [("topic", "${topic}"), ("timestamp", "${timestamp}"), ("routedByValue", "${routedByValue}")];

/// Who has values for variables.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a> {
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) providers: &'a Providers,
}

/// Replaces variables in several texts. A secret with many keys is read once for all of them, so that
/// a user and a password are of one version of it.
pub(super) struct Replacing<'a> {
    variables: Variables<'a>,
    secrets: BTreeMap<(String, String), Secret>,
}

impl<'a> Replacing<'a> {
    pub(super) fn new(variables: Variables<'a>) -> Self {
        Self { variables, secrets: BTreeMap::new() }
    }

    /// For how long all that was read is valid; none if for ever.
    pub(super) fn valid_for(&self) -> Option<Duration> {
        self.secrets.values().filter_map(|secret| secret.valid_for).min()
    }

    /// Replaces each variable in a text by its value.
    ///
    /// `${env:NAME}` is an environment variable, `${env:NAME:-default}` one with a default, and
    /// `${file:PATH}` the content of a file without its last line break, as container secrets are
    /// mounted. `${file:PATH:KEY}` is one key of a properties file and `${dir:PATH:FILE}` a file of a
    /// folder, as Kafka Connect's `FileConfigProvider` and `DirectoryConfigProvider` have them, but
    /// without the last line break. `${NAME:PATH:KEY}` is a key of a secret of Vault.
    ///
    /// # Errors
    ///
    /// Returns [`VariableError`] naming the variable, never its value.
    pub(super) fn replace(&mut self, text: &str) -> Result<String, VariableError> {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            resolved.push_str(before);
            let Some((variable, tail)) = after.split_once('}') else {
                return Err(VariableError::Unclosed);
            };
            match PLACEHOLDERS.iter().find(|(name, _)| *name == variable) {
                Some((_, text)) => resolved.push_str(text),
                None => resolved.push_str(&self.value_of(variable)?),
            }
            rest = tail;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    fn value_of(&mut self, variable: &str) -> Result<String, VariableError> {
        // What it says is not shown: it may be a part of a password.
        let (name, reference) = variable.split_once(':').ok_or(VariableError::Unknown)?;
        match self.variables.providers.get(name).ok_or(VariableError::Unknown)? {
            Provider::Environment(pattern) => self.environment(reference, pattern.as_ref()),
            Provider::File(allowed) => file_value(reference, allowed),
            Provider::Directory(allowed) => {
                let (folder, file) = reference.rsplit_once(':').ok_or(VariableError::Unknown)?;
                // A name, as in Connect: no way out of the folder.
                if file.is_empty() || file.contains('/') || file == ".." {
                    return Err(VariableError::Unknown);
                }
                content(&format!("{folder}/{file}"), allowed).map(without_line_break)
            }
            Provider::Vault(vault) => {
                let (path, key) = reference.split_once(':').ok_or(VariableError::Unknown)?;
                self.secret(vault, name, (path, key))
            }
        }
    }

    fn environment(
        &self,
        reference: &str,
        pattern: Option<&Regex>,
    ) -> Result<String, VariableError> {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if pattern.is_some_and(|pattern| !pattern.is_match(name)) {
            return Err(VariableError::Pattern { name: name.to_owned() });
        }
        (self.variables.environment)(name)
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| VariableError::Unset { name: name.to_owned() })
    }

    fn secret(
        &mut self,
        vault: &Vault,
        provider: &str,
        (path, key): (&str, &str),
    ) -> Result<String, VariableError> {
        let place = (provider.to_owned(), path.to_owned());
        if !self.secrets.contains_key(&place) {
            let secret = vault.read(path).map_err(|source| {
                let address = vault.address().to_owned();
                VariableError::Vault { path: path.to_owned(), address, source }
            })?;
            self.secrets.insert(place.clone(), secret);
        }
        let value = self.secrets.get(&place).and_then(|secret| secret.values.get(key));
        let value = value.map(|value| value.expose_secret().to_owned());
        value.ok_or_else(|| VariableError::Key { path: path.to_owned(), key: key.to_owned() })
    }
}

fn file_value(reference: &str, allowed: &Paths) -> Result<String, VariableError> {
    let (path, key) = match reference.rsplit_once(':') {
        Some((path, key)) => (path, Some(key)),
        None => (reference, None),
    };
    let content = content(path, allowed)?;
    let Some(key) = key else { return Ok(without_line_break(content)) };
    property(&content, key)
        .ok_or_else(|| VariableError::Key { path: path.to_owned(), key: key.to_owned() })
}

fn content(path: &str, allowed: &Paths) -> Result<String, VariableError> {
    if !allowed.allow(Path::new(path)) {
        return Err(VariableError::Forbidden { path: path.to_owned() });
    }
    std::fs::read_to_string(Path::new(path))
        .map_err(|source| VariableError::File { path: path.to_owned(), source })
}

fn without_line_break(content: String) -> String {
    content.trim_end_matches(['\r', '\n']).to_owned()
}

/// The value of a key of a Java properties file. Of several lines with the key the last counts.
fn property(content: &str, key: &str) -> Option<String> {
    let found = properties(content).into_iter().rfind(|(name, _)| name == key);
    found.map(|(_, value)| value)
}

/// The entries of a Java properties file in their order: `=`, `:` or blanks behind the key,
/// comments, lines that go on behind a backslash, and escapes.
#[must_use]
pub fn properties(content: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = content.lines();
    while let Some(first) = lines.next() {
        let mut line = first.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&line) {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
        }
        let (name, value) = split_property(&line);
        found.push((unescaped(name), unescaped(value)));
    }
    found
}

/// Whether the line ends with a backslash that is not itself escaped.
fn goes_on(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

fn split_property(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.find(|c: char| {
        let ends = !is_escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    let (name, rest) = end.and_then(|end| line.split_at_checked(end)).unwrap_or((line, ""));
    let rest = rest.trim_start();
    (name, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                plain.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

/// A variable has no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum VariableError {
    #[error("has a `${{` without its `}}`")]
    Unclosed,
    #[error("refers to environment variable {name}, which is not set")]
    Unset { name: String },
    #[error("refers to file {path}, which cannot be read: {source}")]
    File { path: String, source: std::io::Error },
    #[error("refers to environment variable {name}, which allowlist.pattern does not match")]
    Pattern { name: String },
    #[error("refers to file {path}, which is not in allowed.paths")]
    Forbidden { path: String },
    #[error("refers to key {key}, which {path} does not have")]
    Key { path: String, key: String },
    #[error("refers to {path} of Vault at {address}, {source}")]
    Vault { path: String, address: String, source: VaultError },
    #[error(
        "has a variable of an unknown kind, expected ${{env:NAME}}, ${{file:PATH}} or \
             ${{dir:PATH:FILE}}, or one of config.providers"
    )]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_with(text: &str) -> Result<String, String> {
        let environment = |name: &str| (name == "HOST").then(|| "db".to_owned());
        let variables = Variables { environment: &environment, providers: &Providers::default() };
        Replacing::new(variables).replace(text).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        assert_eq!(resolve_with("a ${env:HOST}:${env:PORT:-3306} b").unwrap(), "a db:3306 b");
    }

    #[test]
    fn what_transforms_replace_stays() {
        let text = "${topic}-${timestamp} outbox.event.${routedByValue}";
        assert_eq!(resolve_with(text).unwrap(), text);
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert_eq!(
            resolve_with("${env:USER_X}").unwrap_err(),
            "refers to environment variable USER_X, which is not set"
        );
    }

    #[test]
    fn what_is_no_variable_is_not_shown() {
        for text in ["a${geheim}c", "a${vault:geheim}c", "a${geheim"] {
            let error = resolve_with(text).unwrap_err();

            assert!(!error.contains("geheim") && error.contains("${"), "{error}");
        }
    }

    #[test]
    fn a_file_gives_its_content_or_one_of_its_keys() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "user = app\npassword=s=cret\n").unwrap();
        let path = file.path().display();

        assert_eq!(resolve_with(&format!("${{file:{path}:password}}")).unwrap(), "s=cret");
        assert!(resolve_with(&format!("${{file:{path}}}")).unwrap().ends_with("s=cret"));
        assert!(resolve_with(&format!("${{file:{path}:nokey}}")).unwrap_err().contains("nokey"));
    }

    #[test]
    fn a_properties_file_is_read_as_java_reads_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# password=comment\n  ! password=comment\nuser : app\npassword = a\\=b\\\\c d\n\
                    long=one \\\n    two\nblank value\nunicode=\\u00e4\\n\nempty=\nuser=last\n";
        std::fs::write(file.path(), text).unwrap();
        let key = |key: &str| resolve_with(&format!("${{file:{}:{key}}}", file.path().display()));

        assert_eq!(key("password").unwrap(), "a=b\\c d");
        assert_eq!(key("user").unwrap(), "last");
        assert_eq!(key("long").unwrap(), "one two");
        assert_eq!(key("blank").unwrap(), "value");
        assert_eq!(key("unicode").unwrap(), "\u{e4}\n");
        assert_eq!(key("empty").unwrap(), "");
    }

    #[test]
    fn a_folder_gives_its_files_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "s=cret\n").unwrap();
        let of = |file: &str| resolve_with(&format!("${{dir:{}:{file}}}", folder.path().display()));

        assert_eq!(of("password").unwrap(), "s=cret");
        assert!(of("missing").unwrap_err().contains("cannot be read"));
        for outside in ["..", "../password", ""] {
            assert!(of(outside).unwrap_err().contains("unknown kind"));
        }
    }
}
