//! Medians and spreads, as JSON and as a table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Figures;

/// The runs of a workload.
#[derive(Clone, Debug)]
pub struct Measured {
    name: &'static str,
    pub(super) rows: u64,
    /// By who was measured, in their order.
    runs: Vec<(&'static str, Vec<Figures>)>,
}

/// All that was measured, and on what.
#[derive(Clone, Debug)]
pub struct Report {
    machine: BTreeMap<&'static str, String>,
    pub(super) workloads: Vec<Measured>,
}

impl Measured {
    pub(super) fn new(name: &'static str, rows: u64) -> Self {
        Self { name, rows, runs: Vec::new() }
    }

    pub(super) fn add(&mut self, who: &'static str, figures: Figures) {
        match self.runs.iter_mut().find(|(known, _)| *known == who) {
            Some((_, runs)) => runs.push(figures),
            None => self.runs.push((who, vec![figures])),
        }
    }

    /// A figure of all of someone's runs.
    fn all(&self, who: &str, figure: &str) -> Vec<f64> {
        let runs = self.runs.iter().filter(|(known, _)| *known == who).flat_map(|(_, runs)| runs);
        let mut all: Vec<f64> = runs.filter_map(|run| run.get(figure).copied()).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    pub(super) fn median(&self, who: &str, figure: &str) -> Option<f64> {
        let all = self.all(who, figure);
        all.get(all.len() / 2).copied()
    }

    /// How many times the other's figure rowcast's is: rows in a second and in one of a core.
    fn ratio(&self, figure: &str) -> Option<f64> {
        Some(self.median("rowcast", figure)? / self.median("debezium", figure)?)
    }

    fn to_json(&self) -> Value {
        let mut json = json!({ "name": self.name, "rows": self.rows });
        for (who, runs) in &self.runs {
            let names: Vec<_> = runs.iter().flat_map(Figures::keys).collect();
            let mut figures = BTreeMap::new();
            let mut spread = BTreeMap::new();
            for &&name in &names {
                let all = self.all(who, name);
                figures.insert(name, json!(self.median(who, name)));
                spread.insert(name, json!([all.first(), all.last()]));
            }
            figures.insert("spread", json!(spread));
            figures.insert("runs", json!(runs));
            if let Some(object) = json.as_object_mut() {
                object.insert((*who).to_owned(), json!(figures));
            }
        }
        if let (Some(ratio), Some(object)) = (self.ratio("rows_per_second"), json.as_object_mut()) {
            let of_core = self.ratio("rows_per_cpu_second");
            let ratios = json!({ "rows_per_second": ratio, "rows_per_cpu_second": of_core });
            object.insert("ratio".to_owned(), ratios);
        }
        json
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (who, runs) in &self.runs {
            let cell = |name, digits| match self.median(who, name) {
                Some(figure) => number(figure, digits),
                None => "-".to_owned(),
            };
            let rates = self.all(who, "rows_per_second");
            let spread = match (rates.first(), rates.last()) {
                (Some(least), Some(most)) => {
                    format!("{} to {}", number(*least, 0), number(*most, 0))
                }
                _ => "-".to_owned(),
            };
            let times = ["p50_ms", "p99_ms", "p99_9_ms"].map(|name| cell(name, 1));
            let peak = self.median(who, "peak_rss_bytes").map(|bytes| number(bytes / 1e6, 0));
            lines.push(format!(
                "| {} | {who} | {} | {} | {spread} | {} | {} | {} | {} | {} | {} |",
                self.name,
                runs.len(),
                cell("rows_per_second", 0),
                cell("rows_per_cpu_second", 0),
                cell("cores", 2),
                peak.unwrap_or("-".to_owned()),
                cell("broker_cpu_us_per_row", 1),
                cell("mysql_cpu_us_per_row", 1),
                times.join(" / "),
            ));
        }
        if let Some(ratio) = self.ratio("rows_per_second") {
            let of_core = self.ratio("rows_per_cpu_second");
            let of_core = of_core.map_or("-".to_owned(), |ratio| format!("{ratio:.1} ×"));
            let name = self.name;
            lines.push(format!("| {name} | ratio | | {ratio:.1} × | | {of_core} | | | | | |"));
        }
        lines
    }
}

impl Report {
    /// Of nothing yet.
    pub(super) fn new(machine: BTreeMap<&'static str, String>) -> Self {
        Self { machine, workloads: Vec::new() }
    }

    pub(super) fn add(&mut self, measured: Measured) {
        self.workloads.push(measured);
    }

    /// Everything, with each run.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let workloads: Vec<_> = self.workloads.iter().map(Measured::to_json).collect();
        json!({ "machine": self.machine, "workloads": workloads })
    }

    /// The medians as a table in Markdown.
    #[must_use]
    pub fn to_table(&self) -> String {
        let machine: Vec<_> = self.machine.iter().map(|(k, v)| format!("{k}: {v}")).collect();
        let mut lines = vec![
            machine.join("; "),
            String::new(),
            "| workload | who | runs | rows/s | from – to | rows per CPU-second | cores | peak MB | \
             broker µs/row | MySQL µs/row | p50 / p99 / p99.9 ms |"
                .to_owned(),
            "|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
        ];
        lines.extend(self.workloads.iter().flat_map(Measured::lines));
        lines.join("\n")
    }
}

/// A run in a line, for who waits at a terminal.
pub(super) fn line(who: &str, counts: bool, figures: &Figures) -> String {
    let shown = ["rows_per_second", "rows_per_cpu_second", "p50_ms", "p99_ms", "peak_rss_bytes"];
    let shown = shown.iter().filter_map(|name| {
        let figure = figures.get(name)?;
        Some(format!("{name}={}", number(*figure, 0)))
    });
    let shown: Vec<_> = shown.collect();
    let note = if counts { "" } else { " (warms up, does not count)" };
    format!("  {who}{note}: {}", shown.join(" "))
}

/// With a comma between thousands.
fn number(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let mut measured = Measured::new("catchup_bulk", 1_000_000);
        for (who, rate) in [("rowcast", 500_000.0), ("debezium", 60_000.0), ("rowcast", 700_000.0)]
        {
            let of_core = rate * 2.0;
            let figures =
                Figures::from([("rows_per_second", rate), ("rows_per_cpu_second", of_core)]);
            measured.add(who, figures);
        }
        measured.add("rowcast", Figures::from([("rows_per_second", 600_000.0)]));
        measured
    }

    #[test]
    fn the_json_has_medians_spreads_and_runs() {
        let json = measured().to_json();

        assert_eq!(json["name"], "catchup_bulk");
        assert_eq!(json["rowcast"]["rows_per_second"], 600_000.0);
        assert_eq!(json["rowcast"]["spread"]["rows_per_second"], json!([500_000.0, 700_000.0]));
        assert_eq!(json["rowcast"]["runs"].as_array().unwrap().len(), 3);
        assert_eq!(json["ratio"]["rows_per_second"], 10.0);
    }

    #[test]
    fn the_table_has_a_line_for_each_and_the_ratio() {
        let mut report = Report::new(BTreeMap::from([("memory", "1 GiB".to_owned())]));
        report.add(measured());

        let table = report.to_table();

        assert!(table.contains("| catchup_bulk | rowcast | 3 | 600,000 | 500,000 to 700,000 |"));
        assert!(table.contains("| catchup_bulk | ratio | | 10.0 × |"), "{table}");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(1_234_567.0, 0), "1,234,567");
        assert_eq!((number(999.0, 0), number(1_000.25, 2)), ("999".into(), "1,000.25".into()));
    }
}
