//! `rowcast completions` and `rowcast man`: what shells and readers know of the command line.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{CommandError, Outcome, print_bytes};
use crate::arguments::Arguments;

pub(crate) fn completions(shell: Shell) -> Outcome {
    Outcome(print_bytes(&script(shell)))
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rowcast", &mut script);
    script
}

/// The page of `rowcast`, or a folder of it and of each command's.
pub(crate) fn man(folder: Option<&Path>) -> Outcome {
    Outcome(match folder {
        None => page().and_then(|page| print_bytes(&page)),
        Some(folder) => write_pages(folder)
            .map_err(|source| CommandError::Output { path: folder.display().to_string(), source }),
    })
}

fn page() -> Result<Vec<u8>, CommandError> {
    let mut page = Vec::new();
    Man::new(Arguments::command()).render(&mut page).map_err(CommandError::Print)?;
    Ok(page)
}

fn write_pages(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();

            for command in Arguments::command().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{shell} does not know {name}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page_that_says_what_it_does() {
        let folder = tempfile::tempdir().unwrap();

        write_pages(folder.path()).unwrap();

        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        for command in Arguments::command().get_subcommands() {
            let page = read(&format!("rowcast-{}.1", command.get_name()));
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
        }
        assert!(read("rowcast-offsets-set.1").contains("dry\\-run"));
        assert!(read("rowcast.1").contains("Keeps Elasticsearch equal to MySQL"));
    }
}
