//! What the codecs do in a second on one core: one JSON line a bench, on standard output.

use std::io::Write as _;
use std::process::ExitCode;

use integration::bench::{document, record};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _written = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut out = std::io::stdout();
    let documents = [document::avro_to_json(), document::avro_to_json_generic()];
    for measured in record::run()?.iter().chain(&documents) {
        let line = serde_json::to_string(measured).map_err(|error| error.to_string())?;
        writeln!(out, "{line}").map_err(|error| error.to_string())?;
    }
    Ok(())
}
