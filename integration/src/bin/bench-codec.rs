//! What the codecs do in a second on one core: one JSON line a bench, on standard output.

use std::io::Write as _;
use std::process::ExitCode;

use integration::bench::{document, record, transform};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _written = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the bench of this name; all without one.
fn run() -> Result<(), String> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let records = record::BENCHES.iter().map(|bench| (bench.name, bench.run));
    let documents = document::BENCHES.iter().map(|bench| (bench.name, bench.run));
    for (_, bench) in
        records.chain(documents).filter(|(name, _)| wanted.is_empty() || *name == wanted)
    {
        let line = serde_json::to_string(&bench()?).map_err(|error| error.to_string())?;
        writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())?;
    }
    if wanted.is_empty() || wanted == "transform" {
        for measured in transform::all()? {
            let line = serde_json::to_string(&measured).map_err(|error| error.to_string())?;
            writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
