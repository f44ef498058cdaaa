//! Files of Kafka Connect: `worker.properties`, and connectors as properties or JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::WorkerConfig;
use super::pipeline::{ConnectorConfig, FILE_MAX_BYTES, PipelineConfig, read_file};
use super::settings::{ConfigError, Origin, Settings};
use crate::connect_names;
use crate::connector::ConnectorName;

/// Parses a properties file as Java does: `key=value`, `key: value` or `key value`, comments, lines
/// that go on behind a backslash, and escapes.
///
/// # Errors
///
/// Returns the number of a line that is none, from 1, and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, (usize, &'static str)> {
    let mut values = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut line = first.to_owned();
        while goes_on(&line) {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim_start());
        }
        let wrong = |problem| (number + 1, problem);
        let (key, value) = split(&line);
        let (key, value) = (unescape(key).map_err(wrong)?, unescape(value).map_err(wrong)?);
        values.insert(key, value);
    }
    Ok(values)
}

/// Whether a line ends with a backslash that is not itself escaped.
fn goes_on(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.find(|c: char| {
        let ends = !is_escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
        is_escaped = !is_escaped && c == '\\';
        ends
    });
    let Some(end) = end else { return (line, "") };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start())
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = letters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                plain.push(code.ok_or("has \\u without four digits of a letter")?);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

fn load(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = read_file(path, FILE_MAX_BYTES)?;
    let path = path.display().to_string();
    parse(&text).map_err(|(line, problem)| ConfigError::Properties { path, line, problem })
}

/// A connector as `POST /connectors` takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectorJson {
    name: String,
    config: BTreeMap<String, Option<String>>,
}

impl WorkerConfig {
    /// Reads Kafka Connect's `worker.properties`.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when the file cannot be read, or a setting is not valid.
    pub fn from_properties(path: &Path) -> Result<Self, ConfigError> {
        let given = connect_names::of_connect(load(path)?);
        let environment = &|name: &str| std::env::var(name).ok();
        let settings = Settings::resolved("the worker", Origin::Connect, (&given, environment))?;
        Self::from_settings(settings)
    }
}

impl PipelineConfig {
    /// Reads what `connect-standalone` takes: `worker.properties`, and connectors as properties or
    /// JSON.
    ///
    /// # Errors
    ///
    /// As [`WorkerConfig::from_properties`].
    pub fn from_properties(worker: &Path, connectors: &[&Path]) -> Result<Self, ConfigError> {
        let worker = WorkerConfig::from_properties(worker)?;
        let connectors = connectors.iter().map(|path| connector(path)).collect::<Result<_, _>>()?;
        Ok(Self { worker, connectors })
    }
}

fn connector(path: &Path) -> Result<ConnectorConfig, ConfigError> {
    let is_json = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let given = if is_json { json(path)? } else { load(path)? };
    let missing = || ConfigError::Unreadable {
        path: path.display().to_string(),
        problem: "it has no `name`".into(),
    };
    let name = ConnectorName::new(given.get("name").ok_or_else(missing)?);
    let mut settings = Settings::of_connector(&name, &given)?;
    let class = settings.required("connector.class")?;
    Ok(ConnectorConfig { name, class, settings, given })
}

/// `{"name": …, "config": {…}}`, or only the settings.
fn json(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = read_file(path, FILE_MAX_BYTES)?;
    let settings = match serde_json::from_str::<ConnectorJson>(&text) {
        Ok(ConnectorJson { name, mut config }) => {
            config.insert("name".to_owned(), Some(name));
            config
        }
        Err(_) => serde_json::from_str(&text).map_err(|error| ConfigError::Unreadable {
            path: path.display().to_string(),
            // What serde says of it may quote a value.
            problem: format!("it is no connector in JSON (line {})", error.line()).into(),
        })?,
    };
    Ok(settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn lines_are_keys_and_values_as_in_java() {
        for (text, expected) in [
            ("a=b", pair("a", "b")),
            ("  a = b ", pair("a", "b ")),
            ("a: b", pair("a", "b")),
            ("a b=c", pair("a", "b=c")),
            ("a", pair("a", "")),
            ("# c\n! d\n\na=b\\\n   c", pair("a", "bc")),
            ("a\\=b=c\\tx\\u00e9\\\\", pair("a=b", "c\txé\\")),
            ("topic.regex=a\\\\..*", pair("topic.regex", "a\\..*")),
            ("a=b\\", pair("a", "b")),
        ] {
            assert_eq!(parsed(text), [expected], "{text:?}");
        }
        assert_eq!(parse("a=1\nb=\\uzz"), Err((2, "has \\u without four digits of a letter")));
    }

    #[test]
    fn a_connector_is_properties_or_json() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let worker = write(
            "worker.properties",
            "bootstrap.servers=kafka:9092\nvalue.converter.schema.registry.url=http://registry\n\
             consumer.max.poll.records=3\nplugin.path=/x\n",
        );
        let file = write("a.properties", "name=a\nconnector.class=FileStreamSource\nfile=x");
        let long = write("b.json", r#"{"name":"b","config":{"connector.class":"x.Y","n":null}}"#);
        let short = write("c.json", r#"{"name":"c","connector.class":"x.Y"}"#);

        let pipeline = PipelineConfig::from_properties(&worker, &[&file, &long, &short]).unwrap();

        let names: Vec<_> = pipeline.connectors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(pipeline.worker.kafka["bootstrap.servers"], "kafka:9092");
        assert_eq!(pipeline.worker.registry.urls, ["http://registry"]);
        let wrong = write("d.json", r#"{"name":"d","config":{"password":7}}"#);
        let error = PipelineConfig::from_properties(&worker, &[&wrong]).err().unwrap().to_string();
        assert!(error.contains("no connector in JSON") && !error.contains('7'), "{error}");
    }
}
