//! `cargo soak NAME`: the long runs, at the sizes that the issues state, one JSON line each.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use integration::chaos::{self, ChaosError, ChaosOptions, ChaosReport};
use integration::random::Random;
use integration::stack::{Stack, StackError, StackOptions};

/// Runs a long test on servers of its own and prints its figures as JSON.
///
/// Exits with 0 if all was as it must be.
#[derive(Debug, Parser)]
#[command(name = "cargo soak")]
struct Arguments {
    #[command(subcommand)]
    name: Soak,
}

#[derive(Debug, Subcommand)]
enum Soak {
    /// kill -9 of source and sink while rows change.
    Kill {
        /// How many times.
        #[arg(long, default_value_t = 100)]
        kills: u64,
        /// Keys of each table.
        #[arg(long, default_value_t = 400)]
        keys: u64,
        /// On a MySQL server without GTIDs, whose log is followed by file and position.
        #[arg(long)]
        without_gtids: bool,
    },
}

#[derive(Debug, thiserror::Error)]
enum SoakError {
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Chaos(#[from] ChaosError),
    #[error("cannot make a folder for the run")]
    Folder(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Soak::Kill { kills, keys, without_gtids } = Arguments::parse().name;
    let seed = Random::seed("SOAK_SEED");
    let mut servers = StackOptions::default();
    if without_gtids {
        let arguments = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
        servers.mysql.arguments.extend(arguments.map(str::to_owned));
    }
    match Box::pin(kill(servers, ChaosOptions { kills, keys, seed })).await {
        Ok(report) => {
            let json = serde_json::to_string(&report).unwrap_or_default();
            writeln!(io::stdout(), "{json}").unwrap_or_default();
            ExitCode::SUCCESS
        }
        Err(error) => {
            writeln!(io::stderr(), "seed {seed} (SOAK_SEED repeats it): {error}")
                .unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn kill(servers: StackOptions, options: ChaosOptions) -> Result<ChaosReport, SoakError> {
    let stack = Stack::start(servers).await?;
    let folder = tempfile::tempdir()?;
    let report = chaos::run(&stack, "soak", folder.path(), options).await?;
    stack.stop().await?;
    Ok(report)
}
