//! What the demo shows: plain lines, and one line in place where there is a terminal.

use std::io::{self, IsTerminal, Write};

use tokio::time::Instant;

use super::queries::Query;
use crate::oracle::Comparison;
use crate::stack::Addresses;

/// Longest line that is written in place; a longer one would wrap and stay.
const IN_PLACE_CHARACTERS: usize = 110;

/// How many differences of a table are shown.
const DIFFERENCES_SHOWN: usize = 10;

/// Standard output.
pub(super) struct Screen {
    out: io::Stdout,
    is_terminal: bool,
    started: Instant,
    /// What stands in the line that is written in place.
    in_place: String,
}

impl Screen {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        Self { out, is_terminal, started: Instant::now(), in_place: String::new() }
    }

    /// Begins a part of the demo.
    pub(super) fn step(&mut self, what: &str) -> io::Result<()> {
        self.clear()?;
        let seconds = self.started.elapsed().as_secs_f64();
        writeln!(self.out, "\n[{seconds:6.1} s] {what}")
    }

    /// Writes one line of a part.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        writeln!(self.out, "           {text}")
    }

    /// Shows how far something is. Without a terminal only the last state is written, by `keep`.
    pub(super) fn progress(&mut self, text: &str) -> io::Result<()> {
        text.clone_into(&mut self.in_place);
        if !self.is_terminal {
            return Ok(());
        }
        let shown: String = text.chars().take(IN_PLACE_CHARACTERS).collect();
        write!(self.out, "\r\x1b[2K           {shown}")?;
        self.out.flush()
    }

    /// Shows something that changes and is never kept; without a terminal nothing.
    pub(super) fn status(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal { self.progress(text) } else { Ok(()) }
    }

    /// Turns the line in place into a line that stays.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.in_place);
        if self.is_terminal {
            write!(self.out, "\r\x1b[2K")?;
        }
        self.line(&text)
    }

    /// Takes the line in place away.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.is_terminal && !self.in_place.is_empty() {
            write!(self.out, "\r\x1b[2K")?;
        }
        self.in_place.clear();
        self.out.flush()
    }

    /// Where the servers are.
    pub(super) fn addresses(&mut self, addresses: &Addresses) -> io::Result<()> {
        self.line(&format!("MySQL            {}", addresses.mysql))?;
        self.line(&format!("Kafka            {}", addresses.kafka))?;
        self.line(&format!("schema registry  {}", addresses.registry))?;
        self.line(&format!("Elasticsearch    {}", addresses.elasticsearch))
    }

    /// A question and what was answered.
    pub(super) fn answer(&mut self, query: &Query, answer: &[String]) -> io::Result<()> {
        self.line(query.what)?;
        self.line(&format!("  POST /{}/_search {}", query.index, query.body))?;
        for line in answer {
            self.line(&format!("    {line}"))?;
        }
        Ok(())
    }

    /// Each table beside its index.
    pub(super) fn comparisons(
        &mut self,
        comparisons: &[(&str, Comparison)],
        memory_mb: Option<u64>,
    ) -> io::Result<()> {
        self.step("Tables and indices")?;
        self.line("table and index     rows   documents   equal values   differences")?;
        for (table, found) in comparisons {
            let Comparison { rows, documents, equal_values, differences } = found;
            let count = differences.len();
            self.line(&format!(
                "{table:<16} {rows:>7} {documents:>11} {equal_values:>14} {count:>13}"
            ))?;
        }
        for (table, found) in comparisons {
            for difference in found.differences.iter().take(DIFFERENCES_SHOWN) {
                self.line(&format!("{table} {difference}"))?;
            }
        }
        if let Some(memory) = memory_mb {
            self.line(&format!("rowcast's resident memory was {memory} MB at most"))?;
        }
        Ok(())
    }

    /// What to look at while traffic goes on.
    pub(super) fn invitation(&mut self, addresses: &Addresses) -> io::Result<()> {
        self.step("Traffic goes on; look around in another terminal:")?;
        let Addresses { mysql, kafka, registry, elasticsearch } = addresses;
        let lines = [
            String::new(),
            format!("export MYSQL_URL={mysql}"),
            format!("export KAFKA_BOOTSTRAP_SERVERS={kafka}"),
            format!("export SCHEMA_REGISTRY_URL={registry}"),
            format!("export ELASTICSEARCH_URL={elasticsearch}"),
            String::new(),
            format!("curl '{elasticsearch}/_cat/indices/shop.*?v'"),
            format!("curl '{elasticsearch}/shop.customers/_doc/1?pretty'"),
            format!("curl '{elasticsearch}/shop.order_items/_doc/1:1?pretty'"),
            format!(
                "curl '{elasticsearch}/shop.orders/_search?q=status:paid&sort=id:desc&size=3&pretty'"
            ),
            format!("curl '{elasticsearch}/shop.products/_mapping?pretty'"),
            format!("curl '{registry}/subjects'"),
            String::new(),
            "Ctrl-C stops the traffic, compares once more and ends the demo.".to_owned(),
        ];
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}
