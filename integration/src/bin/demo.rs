//! `cargo demo`: MySQL to Elasticsearch on this machine, with a sample database and a comparison.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// Starts real servers, copies a sample database into Elasticsearch, changes rows, and compares
/// every table with its index.
///
/// Exits with 0 if all are equal, with 1 if not or if anything failed.
#[derive(Debug, Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    /// Ends after the comparison; otherwise traffic goes on until Ctrl-C.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let is_once = Arguments::parse().once;
    let said = match Box::pin(integration::demo::run(is_once)).await {
        Ok(true) => writeln!(io::stdout(), "\nEvery index is what its table is."),
        Ok(false) => {
            writeln!(io::stdout(), "\nAn index differs from its table.").unwrap_or_default();
            return ExitCode::FAILURE;
        }
        Err(error) => {
            let mut chain = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                chain = format!("{chain}: {cause}");
                source = cause.source();
            }
            writeln!(io::stderr(), "\n{chain}").unwrap_or_default();
            return ExitCode::FAILURE;
        }
    };
    // A reader that has gone away does not change the answer.
    said.unwrap_or_default();
    ExitCode::SUCCESS
}
