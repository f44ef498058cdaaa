//! What the process has written, read as it grows.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the end of a log that an error shows.
const END: u64 = 6000;

/// The progress of a copy, by the lines of the log.
pub(super) struct CopyLog {
    file: File,
    /// The beginning of a line whose end is not written yet.
    rest: String,
    /// How many chunks began to be read, over all processes.
    pub(super) begun: u64,
    /// How many were given to the producer, over all processes.
    pub(super) emitted: u64,
    /// The highest number of one that was.
    pub(super) number: u64,
    /// How many the table has in the end: all that are in the topic.
    pub(super) finished: Option<u64>,
}

impl CopyLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { file, rest: String::new(), begun: 0, emitted: 0, number: 0, finished: None })
    }

    /// Reads what has been written since.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        let text = std::mem::take(&mut self.rest) + &String::from_utf8_lossy(&bytes);
        let (lines, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
        for line in lines.lines() {
            self.take(line);
        }
        rest.clone_into(&mut self.rest);
        Ok(())
    }

    fn take(&mut self, line: &str) {
        if line.contains("chunk begins") {
            self.begun += 1;
        } else if line.contains("chunk emitted") {
            self.emitted += 1;
            self.number = self.number.max(value(line, "chunk=").unwrap_or_default());
        } else if line.contains("table copied") {
            self.finished = value(line, "chunks=");
        }
    }
}

/// The number behind a name.
fn value(line: &str, name: &str) -> Option<u64> {
    let (_, text) = line.rsplit_once(name)?;
    text.split_whitespace().next()?.parse().ok()
}

/// The end of a log.
pub(super) fn end(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_counted_once_though_they_come_in_pieces() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut log = CopyLog::open(file.path()).unwrap();

        write!(file, "DEBUG chunk begins table=d.t chunk=1\nDEBUG chunk emi").unwrap();
        log.advance().unwrap();
        write!(file, "tted table=d.t chunk=7 emitted=3\nINFO table copied table=d.t ").unwrap();
        log.advance().unwrap();
        assert_eq!((log.begun, log.emitted, log.number, log.finished), (1, 1, 7, None));
        writeln!(file, "rows=12 chunks=8").unwrap();
        log.advance().unwrap();

        assert_eq!((log.begun, log.emitted, log.number, log.finished), (1, 1, 7, Some(8)));
        assert!(end(file.path()).unwrap().ends_with("chunks=8\n"));
    }
}
