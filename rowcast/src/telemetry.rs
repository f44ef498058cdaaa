//! Log lines on standard error.

use std::io::IsTerminal;

use connect::loggers::Reload;
use tracing_subscriber::EnvFilter;

use crate::arguments::LogFormat;

/// What is logged unless `RUST_LOG` says otherwise: our own life cycle, and problems of libraries.
const DEFAULT_FILTER: &str = "info,mysql_async=warn,rdkafka=warn,hyper=warn,reqwest=warn";

/// A command that answers at once tells of problems only.
const COMMAND_FILTER: &str = "warn";

/// Starts logging, for `rowcast run` or for a command that answers at once.
pub(crate) fn start(format: LogFormat, is_run: bool) {
    let default = if is_run { DEFAULT_FILTER } else { COMMAND_FILTER };
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let directives = chosen.filter(|it| EnvFilter::try_new(it).is_ok());
    let directives = directives.unwrap_or_else(|| default.to_owned());
    let builder = tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let filter = EnvFilter::new(&directives);
    let reload: Reload = match format {
        LogFormat::Text => {
            let builder = builder.with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            reloading(move |filter| handle.reload(filter))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true);
            let builder = builder.with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            reloading(move |filter| handle.reload(filter))
        }
    };
    connect::loggers::install(&directives, reload);
}

fn reloading<E: std::fmt::Display>(
    reload: impl Fn(EnvFilter) -> Result<(), E> + Send + Sync + 'static,
) -> Reload {
    Box::new(move |directives| {
        let filter = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
        reload(filter).map_err(|error| error.to_string())
    })
}
