//! What the codecs do in a second on one core: one JSON line a bench, on standard output.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use integration::bench::measure::Effort;
use integration::bench::{document, record, transform};

/// Measures the codecs on one core.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-codec")]
struct Arguments {
    /// The bench of this name; all without one.
    name: Option<String>,
    /// Does the work so many times, for a tool that counts instructions, and times nothing well.
    #[arg(long)]
    passes: Option<u32>,
    /// Only says what there is.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _written = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let effort = arguments.passes.map_or(Effort::Timed, Effort::Passes);
    let is_wanted = |name| arguments.name.as_deref().is_none_or(|wanted| wanted == name);
    let mut found = false;
    for bench in record::BENCHES.iter().chain(&document::BENCHES) {
        if !is_wanted(bench.name) {
            continue;
        }
        found = true;
        let line = if arguments.list {
            bench.name.to_owned()
        } else {
            let measured = (bench.run)(effort)?;
            serde_json::to_string(&measured).map_err(|error| error.to_string())?
        };
        writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())?;
    }
    // Not listed: they are not among the counted ones.
    if is_wanted("transform") && !arguments.list {
        found = true;
        for measured in transform::all(effort)? {
            let line = serde_json::to_string(&measured).map_err(|error| error.to_string())?;
            writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())?;
        }
    }
    if found { Ok(()) } else { Err("there is no bench of this name; --list names them".to_owned()) }
}
