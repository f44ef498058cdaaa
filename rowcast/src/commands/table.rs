//! `rowcast table`.

use std::path::Path;

use connect::config::{Listener, Listeners};
use connect::control::TableAction;
use connect::http::client::{self, AskError, TableOrder};
use connect::http::{AllTables, ConnectorTables};

use super::tables::only_of;
use super::{CommandError, Outcome, Sources, print};
use crate::arguments::TableCommand;

/// What is to happen to which table.
pub(crate) struct Order {
    pub(crate) command: TableCommand,
    pub(crate) table: String,
    pub(crate) connector: Option<String>,
    pub(crate) filter: Option<String>,
}

pub(crate) async fn run(order: Order, pipeline: Option<&Path>, url: Option<String>) -> Outcome {
    Outcome(give(&order, pipeline, url).await)
}

async fn give(
    order: &Order,
    pipeline: Option<&Path>,
    url: Option<String>,
) -> Result<(), CommandError> {
    let Order { command, table, connector, filter } = order;
    let action = match (command, filter) {
        (TableCommand::Snapshot, filter) => TableAction::Snapshot { filter: filter.clone() },
        (_, Some(_)) => return Err(CommandError::NeedlessFilter),
        (TableCommand::Pause, None) => TableAction::Pause,
        (TableCommand::Resume, None) => TableAction::Resume,
        (TableCommand::Stop, None) => TableAction::Stop,
    };
    let sources = pipeline.map(Sources::load).transpose()?;
    let (url, tables) = ask(urls(sources.as_ref(), url)?).await?;
    let tables = only_of(tables, sources.as_ref());
    let connector = match connector {
        Some(connector) => connector.clone(),
        None => only_one_with(table, &url, &tables)?,
    };
    let order = TableOrder { connector: &connector, table, action: &action };
    let answer = client::order(&url, order).await?;
    print(&format!("{table}: {answer}\n"))
}

/// Where the process may listen.
fn urls(sources: Option<&Sources>, url: Option<String>) -> Result<Vec<String>, CommandError> {
    if let Some(url) = url {
        return Ok(vec![url]);
    }
    let by_default = Listeners::by_default();
    let listeners = sources.map_or(&by_default, |sources| &sources.listeners);
    let urls: Vec<_> = listeners.addresses.iter().filter_map(Listener::url).collect();
    if urls.is_empty() { Err(CommandError::NoListener) } else { Ok(urls) }
}

/// The first address at which a process answers, and its tables.
async fn ask(urls: Vec<String>) -> Result<(String, AllTables), CommandError> {
    let mut failed = None;
    for url in urls {
        match client::tables(&url).await {
            Ok(tables) => return Ok((url, tables)),
            Err(error) => failed = Some(error),
        }
    }
    // There is at least one address.
    Err(failed.map_or(CommandError::NoListener, |error: AskError| error.into()))
}

/// The name of the only source that captures the table.
fn only_one_with(table: &str, url: &str, tables: &AllTables) -> Result<String, CommandError> {
    let captures = |it: &&ConnectorTables| {
        let source = it.source.as_ref();
        source.is_some_and(|it| it.tables.iter().any(|it| it.table.to_string() == table))
    };
    let found: Vec<_> = tables.connectors.iter().filter(captures).collect();
    let (table, url) = (table.to_owned(), url.to_owned());
    match *found {
        [only] => Ok(only.connector.clone()),
        [] => Err(CommandError::UnknownTable { table, url }),
        _ => {
            let names: Vec<_> = found.iter().map(|it| it.connector.as_str()).collect();
            Err(CommandError::WhichConnector { table, names: names.join(", ") })
        }
    }
}
