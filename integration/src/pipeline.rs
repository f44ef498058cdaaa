//! Pipeline files for `rowcast run`.

use std::io;
use std::path::Path;

use crate::stack::{Kafka, MySql, Registry};

/// A pipeline file in the making.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    worker: Vec<(String, String)>,
    connectors: Vec<(String, Vec<(String, String)>)>,
}

impl PipelineFile {
    /// A pipeline of the group `group`, without connectors.
    #[must_use]
    pub fn new(group: &str, kafka: &Kafka, registry: &Registry) -> Self {
        let worker = [
            ("bootstrap.servers", kafka.bootstrap()),
            ("schema.registry.url", registry.url()),
            ("group.id", group.to_owned()),
            ("offset.storage.topic", format!("{group}-offsets")),
            // Many run at the same time.
            ("listeners", "http://127.0.0.1:0".to_owned()),
        ];
        let worker = worker.map(|(key, value)| (key.to_owned(), value)).into();
        Self { worker, connectors: Vec::new() }
    }

    /// Adds a source: the tables of `include` in `mysql`, under the topic prefix `prefix`.
    #[must_use]
    pub fn source(self, name: &str, mysql: &MySql, (prefix, include): (&str, &str)) -> Self {
        let address = mysql.address();
        let settings = [
            ("connector.class", "mysql".to_owned()),
            ("database.hostname", address.ip().to_string()),
            ("database.port", address.port().to_string()),
            ("database.user", MySql::USER.to_owned()),
            ("database.password", String::new()),
            ("topic.prefix", prefix.to_owned()),
            ("table.include.list", include.to_owned()),
        ];
        self.connector(name, settings.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// Adds a sink of the topics of `prefix`, one index for each table, named `database.table`.
    #[must_use]
    pub fn sink(self, name: &str, elasticsearch_url: &str, prefix: &str) -> Self {
        let settings = [
            ("connector.class", "elasticsearch".to_owned()),
            ("connection.url", elasticsearch_url.to_owned()),
            ("topics.regex", format!("{}\\..*", prefix.replace('.', "\\."))),
            ("index.name", "{database}.{table}".to_owned()),
        ];
        self.connector(name, settings.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// Adds a connector of a class, without settings.
    #[must_use]
    pub fn of_class(self, name: &str, class: &str) -> Self {
        self.connector(name, vec![("connector.class".to_owned(), class.to_owned())])
    }

    /// Gives the connector that was added last one more setting, or another value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        if let Some((_, settings)) = self.connectors.last_mut() {
            settings.retain(|(known, _)| known != key);
            settings.push((key.to_owned(), value.to_owned()));
        }
        self
    }

    /// Gives the worker one more setting, or another value.
    #[must_use]
    pub fn with_worker(mut self, key: &str, value: &str) -> Self {
        self.worker.retain(|(known, _)| known != key);
        self.worker.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.to_yaml())
    }

    fn connector(mut self, name: &str, settings: Vec<(String, String)>) -> Self {
        self.connectors.push((name.to_owned(), settings));
        self
    }

    fn to_yaml(&self) -> String {
        let mut lines: Vec<String> =
            self.worker.iter().map(|(key, value)| format!("{key}: {}", quoted(value))).collect();
        lines.push("connectors:".to_owned());
        for (name, settings) in &self.connectors {
            lines.push(format!("  {name}:"));
            lines.extend(
                settings.iter().map(|(key, value)| format!("    {key}: {}", quoted(value))),
            );
        }
        lines.join("\n") + "\n"
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
