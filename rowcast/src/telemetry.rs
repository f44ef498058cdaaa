//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::arguments::LogFormat;

/// What is logged unless `RUST_LOG` says otherwise: our own life cycle, and problems of libraries.
const DEFAULT_FILTER: &str = "info,mysql_async=warn,rdkafka=warn,hyper=warn,reqwest=warn";

/// A command that answers at once tells of problems only.
const COMMAND_FILTER: &str = "warn";

/// Starts logging, for `rowcast run` or for a command that answers at once.
pub(crate) fn start(format: LogFormat, is_run: bool) {
    let default = if is_run { DEFAULT_FILTER } else { COMMAND_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
