//! Bytes into lines, however they are cut into pieces. Pure.
//!
//! A line ends with `\n`, `\r\n` or `\r`, as in Kafka Connect. So a `\r` at the end of what is known
//! does not end its line yet: the next byte may belong to it.

/// A place in a file: the bytes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FilePosition(pub(super) u64);

impl FilePosition {
    /// The place so many bytes further on.
    pub(super) fn after(self, bytes: usize) -> Self {
        Self(self.0.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)))
    }
}

/// Cuts a file into lines.
#[derive(Debug)]
pub(super) struct LineSplitter {
    bytes: Vec<u8>,
    /// Where the first line begins that was not taken yet.
    start: usize,
    /// Up to here there is no end of that line, so that nothing is looked at twice.
    scanned: usize,
    /// The place of `start` in the file.
    position: FilePosition,
}

/// A whole line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Without its end.
    pub(super) text: &'a [u8],
    /// The place behind its end.
    pub(super) end: FilePosition,
}

impl LineSplitter {
    /// Begins at a place in a file.
    pub(super) fn at(position: FilePosition) -> Self {
        Self { bytes: Vec::new(), start: 0, scanned: 0, position }
    }

    /// Takes the next bytes of the file.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, if its end is known.
    pub(super) fn next_line(&mut self) -> Option<Line<'_>> {
        let rest = self.bytes.get(self.scanned..)?;
        let Some(found) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.scanned = self.bytes.len();
            return None;
        };
        let end = self.scanned + found;
        let next = match (rest.get(found), rest.get(found + 1)) {
            (Some(b'\r'), None) => {
                self.scanned = end;
                return None;
            }
            (Some(b'\r'), Some(b'\n')) => end + 2,
            _ => end + 1,
        };
        let start = std::mem::replace(&mut self.start, next);
        self.scanned = next;
        self.position = self.position.after(next - start);
        Some(Line { text: self.bytes.get(start..end)?, end: self.position })
    }

    /// Bytes of a line whose end is not known.
    pub(super) fn pending(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Where the next line begins.
    pub(super) fn position(&self) -> FilePosition {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines and the places behind them, of a file that comes in these pieces.
    fn split<'a>(from: u64, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, u64)> {
        let mut lines = LineSplitter::at(FilePosition(from));
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next_line() {
                found.push((line.text.to_vec(), line.end.0));
            }
        }
        found
    }

    fn whole(text: &[u8]) -> Vec<(Vec<u8>, u64)> {
        split(0, std::iter::once(text))
    }

    /// The same by another way: byte by byte, each looking at the one before it.
    fn model(text: &[u8]) -> Vec<(Vec<u8>, u64)> {
        let (mut found, mut line) = (Vec::new(), Vec::new());
        for (index, byte) in text.iter().enumerate() {
            let end = u64::try_from(index).unwrap() + 1;
            let after_return = index > 0 && text[index - 1] == b'\r';
            match byte {
                b'\n' if after_return => {
                    let (_, last) = found.last_mut().unwrap();
                    *last = end;
                }
                b'\n' | b'\r' => found.push((std::mem::take(&mut line), end)),
                _ => line.push(*byte),
            }
        }
        // Its line may go on with a `\n`.
        if text.ends_with(b"\r") {
            found.pop();
        }
        found
    }

    #[test]
    fn a_line_ends_in_three_ways_and_not_with_the_file() {
        let line = |text: &str, end| (text.as_bytes().to_vec(), end);

        assert_eq!(
            whole(b"a\nb\r\nc\rd\n\n\r\r\ne"),
            [
                line("a", 2),
                line("b", 5),
                line("c", 7),
                line("d", 9),
                line("", 10),
                line("", 11),
                line("", 13)
            ]
        );
        assert!(whole(b"a\r").is_empty());
        assert_eq!(split(40, [&b"a\r"[..], b"b"].into_iter()), [line("a", 42)]);
        assert_eq!(split(40, [&b"a\r"[..], b"\nb"].into_iter()), [line("a", 43)]);
    }

    #[test]
    fn what_waits_for_its_end_is_counted() {
        let mut lines = LineSplitter::at(FilePosition(7));
        lines.push(b"ab\ncd");
        assert_eq!(lines.next_line(), Some(Line { text: b"ab", end: FilePosition(10) }));
        assert_eq!(lines.next_line(), None);
        lines.push(b"ef");

        assert_eq!((lines.pending(), lines.position()), (4, FilePosition(10)));
    }

    proptest! {
        /// However the bytes come, lines and positions are the same.
        #[test]
        fn pieces_do_not_matter(
            text in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..60),
            cuts in prop::collection::vec(0_usize..60, 0..20),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);

            prop_assert_eq!(split(0, pieces), model(&text));
        }

        /// Who goes on at any position that was given finds the lines that are left.
        #[test]
        fn a_restart_at_any_position_goes_on_with_the_next_line(
            text in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..60),
        ) {
            let all = whole(&text);
            for (index, (_, end)) in all.iter().enumerate() {
                let rest = &text[usize::try_from(*end).unwrap()..];
                prop_assert_eq!(&split(*end, std::iter::once(rest)), &all[index + 1..]);
            }
        }
    }
}
