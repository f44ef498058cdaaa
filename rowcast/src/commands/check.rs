//! `rowcast check`.

use std::path::{Path, PathBuf};

use connect::check::{self, CheckItem, CheckState, Report, part};
use connect::config::{ConfigError, WorkerConfig};
use connect::connector::ConnectorClass;

use super::columns::columns;
use super::{CommandError, Outcome, pretty, print};
use crate::arguments::Output;
use crate::{is_properties, load};

pub(crate) async fn run(
    path: &Path,
    connectors: &[PathBuf],
    output: Output,
    classes: &'static [&'static dyn ConnectorClass],
) -> Outcome {
    Outcome(answer(path, connectors, output, classes).await)
}

async fn answer(
    path: &Path,
    connectors: &[PathBuf],
    output: Output,
    classes: &'static [&'static dyn ConnectorClass],
) -> Result<(), CommandError> {
    let found = report(path, connectors, classes).await;
    let report = found.unwrap_or_else(|error| {
        let file = path.display().to_string();
        Report::of_fault((part::SETTINGS, &file), &error)
    });
    let problems = report.problems();
    print(&match output {
        Output::Table => text(&report),
        Output::Json => pretty(&serde_json::json!({
            "problems": problems,
            "items": report.items(),
        }))?,
    })?;
    if problems == 0 { Ok(()) } else { Err(CommandError::Problems { count: problems }) }
}

/// The error is that the files cannot be read.
async fn report(
    path: &Path,
    connectors: &[PathBuf],
    classes: &'static [&'static dyn ConnectorClass],
) -> Result<Report, ConfigError> {
    // Of a worker alone there is what `rowcast worker` needs.
    if is_properties(path) && connectors.is_empty() {
        return Ok(check::cluster(&WorkerConfig::from_properties(path)?).await);
    }
    Ok(check::pipeline(load(path, connectors)?, classes).await)
}

fn text(report: &Report) -> String {
    let rows: Vec<_> = report.items().iter().map(row).collect();
    let count = |state| report.items().iter().filter(|item| item.state == state).count();
    let summary = format!(
        "\n{} to create, {} to change, {} warning(s), {} problem(s)\n",
        count(CheckState::Create),
        count(CheckState::Change),
        count(CheckState::Warning),
        report.problems()
    );
    let remedies = report.items().iter().filter_map(|item| {
        Some(format!("  {} {}: {}\n", item.part, item.name, item.remedy.as_ref()?))
    });
    let remedies: String = remedies.collect();
    let to_do = if remedies.is_empty() { String::new() } else { format!("to do:\n{remedies}") };
    columns(["CONNECTOR", "PART", "NAME", "STATE", "WHAT"], &rows) + &summary + &to_do
}

fn row(item: &CheckItem) -> [String; 5] {
    // What a server says may have several lines.
    let what = item.what.split_whitespace().collect::<Vec<_>>().join(" ");
    [
        item.connector.clone().unwrap_or_else(|| "-".to_owned()),
        item.part.to_owned(),
        item.name.clone(),
        item.state.as_str().to_owned(),
        what,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ends_with_what_to_do() {
        let mut report = Report::default();
        report.create(("kafka", "shop.t"), "1 partition");
        let mut of_shop = Report::default();
        of_shop.problem(("mysql", "db:3306"), "binlog_format\nis MIXED", "SET it");
        report.extend_of("shop", of_shop);

        assert_eq!(
            text(&report),
            "CONNECTOR  PART   NAME     STATE    WHAT\n\
             -          kafka  shop.t   create   1 partition\n\
             shop       mysql  db:3306  problem  binlog_format is MIXED\n\
             \n\
             1 to create, 0 to change, 0 warning(s), 1 problem(s)\n\
             to do:\n  mysql db:3306: SET it\n"
        );
    }
}
