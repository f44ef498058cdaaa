//! `rowcast tables`.

use std::path::Path;

use connect::config::{Listener, Listeners};
use connect::control::TableStatus;
use connect::http::client::{self, AskError};
use connect::http::{AllTables, ConnectorTables};
use schema::fault::chain;

use super::columns::{columns, or_dash};
use super::{CommandError, Outcome, Sources, pretty, print};
use crate::arguments::Output;

pub(crate) async fn run(pipeline: Option<&Path>, url: Option<String>, output: Output) -> Outcome {
    Outcome(answer(pipeline, url, output).await)
}

async fn answer(
    pipeline: Option<&Path>,
    url: Option<String>,
    output: Output,
) -> Result<(), CommandError> {
    let tables = match (pipeline, url) {
        (pipeline, Some(url)) => {
            let sources = pipeline.map(Sources::load).transpose()?;
            only_of(client::tables(&url).await?, sources.as_ref())
        }
        (Some(pipeline), None) => of_pipeline(&Sources::load(pipeline)?).await?,
        (None, None) => {
            let listeners = Listeners::by_default().addresses;
            let url = listeners.iter().find_map(Listener::url).unwrap_or_default();
            client::tables(&url).await?
        }
    };
    print(&match output {
        Output::Table => text(&tables),
        Output::Json => pretty(&tables)?,
    })
}

/// The connectors of the file among those that a process has told of.
pub(super) fn only_of(mut tables: AllTables, sources: Option<&Sources>) -> AllTables {
    if let Some(sources) = sources {
        let is_in = |it: &ConnectorTables| {
            sources.sources.iter().any(|source| source.name().as_str() == it.connector)
        };
        tables.connectors.retain(is_in);
    }
    tables
}

/// What the process of a pipeline file says, or else what its offsets say.
async fn of_pipeline(sources: &Sources) -> Result<AllTables, CommandError> {
    let mut reasons = Vec::new();
    for url in sources.listeners.addresses.iter().filter_map(Listener::url) {
        match client::tables(&url).await {
            Ok(tables) => {
                let tables = only_of(tables, Some(sources));
                if !tables.connectors.is_empty() {
                    return Ok(tables);
                }
                reasons.push(format!("the process at {url} has other connectors"));
            }
            // What the topic says instead would hide that the process is there.
            Err(error @ (AskError::Denied { .. } | AskError::Access { .. })) => {
                return Err(error.into());
            }
            Err(error @ (AskError::Nobody { .. } | AskError::Other { .. })) => {
                reasons.push(error.to_string());
            }
            Err(error @ (AskError::Failed { .. } | AskError::Refused { .. })) => {
                reasons.push(chain(&error));
            }
        }
    }
    if reasons.is_empty() {
        reasons.push("`listeners` of the file has no address to ask".to_owned());
    }
    tracing::warn!(
        reason = reasons.join("; "),
        hint = "give the address that the log names (`http endpoint listens`) as --url",
        "no process was asked, this is what the offsets topic says"
    );
    let mut connectors = Vec::new();
    for source in &sources.sources {
        connectors.push(source.tables(&source.stored().await?)?);
    }
    Ok(AllTables { connectors })
}

fn text(tables: &AllTables) -> String {
    let parts: Vec<String> = tables.connectors.iter().map(text_of).collect();
    if parts.is_empty() { "no source\n".to_owned() } else { parts.join("\n") }
}

fn text_of(connector: &ConnectorTables) -> String {
    let ConnectorTables { connector: name, state, trace, source } = connector;
    let mut text = format!("{name}: {state}");
    if let Some(source) = source {
        text.push_str(&format!(
            ", at {} of {}, lsn {}",
            source.position, source.server, source.lsn
        ));
        if let Some(lag_ms) = source.lag_ms {
            text.push_str(&format!(", lag {}.{:03} s", lag_ms / 1000, lag_ms % 1000));
        }
    }
    text.push('\n');
    if let Some(trace) = trace {
        text.push_str(&format!("  {trace}\n"));
    }
    let Some(source) = source.as_ref().filter(|source| !source.tables.is_empty()) else {
        return text;
    };
    let heading = [
        "TABLE", "STATE", "POSITION", "LSN", "ROWS", "CHUNKS", "ROWS/S", "ETA S", "SKIPPED",
        "REASON",
    ];
    let rows: Vec<_> = source.tables.iter().map(row).collect();
    let remedies = source
        .tables
        .iter()
        .filter_map(|table| Some(format!("  {}: {}\n", table.table, table.remedy.as_ref()?)));
    let remedies: String = remedies.collect();
    let what_to_do =
        if remedies.is_empty() { String::new() } else { format!("to do:\n{remedies}") };
    text + &columns(heading, &rows) + &what_to_do
}

fn row(table: &TableStatus) -> [String; 10] {
    let snapshot = table.snapshot.as_ref();
    let rows = snapshot.map(|it| match it.estimated_rows {
        Some(estimate) => format!("{}/~{estimate}", it.rows),
        None => it.rows.to_string(),
    });
    [
        table.table.to_string(),
        table.state.as_str().to_owned(),
        or_dash(table.position.as_ref()),
        or_dash(table.lsn),
        or_dash(rows),
        or_dash(snapshot.map(|it| it.chunks)),
        or_dash(snapshot.and_then(|it| it.rows_per_second)),
        or_dash(snapshot.and_then(|it| it.eta_seconds)),
        table.skipped_events.to_string(),
        table.reason.clone().unwrap_or_default(),
    ]
}
