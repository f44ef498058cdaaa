//! Lines of a file as batches of records, each with the position behind its last line as its offset.

use super::error::FileStreamError;
use super::lines::{FilePosition, Line, LineSplitter};
use super::tail::{FileTail, Named};
use crate::converter::TextEncoder;
use crate::kafka::RecordLimit;
use crate::kafka::batch::{RecordBatch, RecordBounds, TopicIndex};

/// Bytes that are read at once, and after which a batch ends: large enough that handing it over costs
/// nothing beside its lines.
const PIECE_BYTES: usize = 256 * 1024;

/// Follows a file.
pub(super) struct LineReader {
    file: String,
    /// Most lines of a batch.
    batch_size: usize,
    form: LineForm,
    /// The key of the offset.
    offset_key: Vec<u8>,
    tail: Option<FileTail>,
    lines: LineSplitter,
    piece: Vec<u8>,
    /// What is wrong with the next line.
    failed: Option<FileStreamError>,
    /// Whether it has been said that there is no such file.
    is_missing_told: bool,
}

/// How a line becomes a record.
pub(super) struct LineForm {
    /// What its bytes are.
    pub(super) encoder: TextEncoder,
    /// The largest record that the topic takes.
    pub(super) limit: RecordLimit,
    /// Where it goes.
    pub(super) topic: TopicIndex,
    /// All lines of a file are in one partition, because only there they keep their order.
    pub(super) partition: i32,
    /// Whether a record's key is the place behind its line, for the stage behind the reader.
    pub(super) keeps_place: bool,
}

/// Why a line is no record.
enum Unfit {
    NotText,
    TooLong { bytes: usize, limit: usize },
}

impl LineReader {
    pub(super) fn new(
        (file, position): (&str, FilePosition),
        batch_size: usize,
        form: LineForm,
        offset_key: Vec<u8>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            batch_size,
            form,
            offset_key,
            tail: None,
            lines: LineSplitter::at(position),
            piece: vec![0; PIECE_BYTES],
            failed: None,
            is_missing_told: false,
        }
    }

    /// The next lines; `None` if there is no whole line now.
    ///
    /// # Errors
    ///
    /// Returns [`FileStreamError`] when it cannot go on. All lines before that have been given.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, FileStreamError> {
        loop {
            if let Some(batch) = self.whole_lines() {
                return Ok(Some(batch));
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if !self.read_on().await? {
                return Ok(None);
            }
        }
    }

    /// The lines that are known, as far as they fit into one batch.
    fn whole_lines(&mut self) -> Option<RecordBatch> {
        let mut batch = RecordBatch::default();
        let mut end = None;
        while self.failed.is_none()
            && batch.records() < self.batch_size
            && batch.bytes() < PIECE_BYTES
        {
            let begin = self.lines.position();
            let Some(line) = self.lines.next_line() else {
                // Its end may never come, and memory has one.
                let pending = self.lines.pending();
                if pending > self.form.limit.room() {
                    let unfit = Unfit::TooLong { bytes: pending, limit: self.form.limit.room() };
                    self.failed = Some(self.unfit(unfit, begin));
                }
                break;
            };
            let line_end = line.end;
            match self.form.push(&line, &mut batch) {
                Ok(()) => end = Some(line_end),
                Err(unfit) => self.failed = Some(self.unfit(unfit, begin)),
            }
        }
        let FilePosition(position) = end?;
        // Kafka Connect's JSON of it.
        let offset = format!("{{\"position\":{position}}}");
        batch.set_offset(self.offset_key.clone(), offset.into_bytes());
        batch.end_at_boundary();
        Some(batch)
    }

    fn unfit(&self, unfit: Unfit, position: FilePosition) -> FileStreamError {
        let file = self.file.clone();
        match unfit {
            Unfit::NotText => FileStreamError::NotText { file, position },
            Unfit::TooLong { bytes, limit } => {
                FileStreamError::TooLong { file, position, bytes, limit }
            }
        }
    }

    /// Reads a piece of the file; `false` if there is nothing more now.
    async fn read_on(&mut self) -> Result<bool, FileStreamError> {
        let Some(tail) = &mut self.tail else { return self.open().await };
        let mut count = tail.read(&mut self.piece).await?;
        if count == 0 {
            let named = tail.named().await?;
            if named == Named::Other {
                // What came into the first file until it was replaced.
                count = tail.read(&mut self.piece).await?;
            }
            match named {
                _ if count > 0 => {}
                Named::Same => return Ok(false),
                Named::Nothing => {
                    self.tell_missing();
                    return Ok(false);
                }
                Named::Other => return self.follow_other().await,
            }
        }
        self.lines.push(self.piece.get(..count).unwrap_or_default());
        Ok(true)
    }

    async fn open(&mut self) -> Result<bool, FileStreamError> {
        let position = self.lines.position();
        self.tail = FileTail::open(&self.file, position).await?;
        if self.tail.is_none() {
            self.tell_missing();
            return Ok(false);
        }
        self.is_missing_told = false;
        tracing::info!(file = self.file, position = position.0, "file is followed");
        Ok(true)
    }

    /// Goes on with the file that has the name now, behind the last whole line.
    async fn follow_other(&mut self) -> Result<bool, FileStreamError> {
        let position = self.lines.position();
        tracing::warn!(
            file = self.file,
            position = position.0,
            unfinished_bytes = self.lines.pending(),
            hint = "append to the file in place of replacing it; lines of a new file before this \
                    position are not read",
            "another file has taken the name, reading goes on there at the same position"
        );
        self.lines = LineSplitter::at(position);
        self.open().await
    }

    fn tell_missing(&mut self) {
        if !self.is_missing_told {
            tracing::warn!(
                file = self.file,
                hint = "make the file, or correct `file`; rowcast waits for it",
                "there is no such file"
            );
        }
        self.is_missing_told = true;
    }
}

impl LineForm {
    /// Adds a line; nothing if it is no record.
    fn push(&self, line: &Line<'_>, batch: &mut RecordBatch) -> Result<(), Unfit> {
        let (records, key_start) = (batch.records(), batch.bytes());
        if self.keeps_place {
            batch.buffer().extend_from_slice(&line.end.0.to_be_bytes());
        }
        let key_end = batch.bytes();
        let written = self.encoder.push(line.text, batch.buffer()).map_err(|_| Unfit::NotText);
        let fits = written.and_then(|()| {
            let bytes = batch.bytes() - key_start;
            self.limit.check(bytes).map_err(|large| Unfit::TooLong { bytes, limit: large.limit() })
        });
        match fits {
            Ok(()) => {
                let bounds = RecordBounds { key_start, key_end, has_value: true };
                batch.push(self.topic, self.partition, bounds);
            }
            Err(_) => batch.truncate(records, key_start),
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use schema::fault::Fault as _;

    use super::*;

    struct Bench {
        folder: tempfile::TempDir,
        reader: LineReader,
    }

    impl Bench {
        fn new(text: Option<&[u8]>, (position, batch_size): (u64, usize)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("f");
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            let limit = [("message.max.bytes".to_owned(), "300000".to_owned())];
            let form = LineForm {
                encoder: TextEncoder::Text,
                limit: RecordLimit::of_producer(&limit.into()),
                topic: TopicIndex::FIRST,
                partition: 0,
                keeps_place: false,
            };
            let place = (file.to_str().unwrap(), FilePosition(position));
            let reader = LineReader::new(place, batch_size, form, b"key".to_vec());
            Self { folder, reader }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("f")
        }

        fn append(&self, text: &[u8]) {
            use std::io::Write;
            let mut options = std::fs::OpenOptions::new();
            options.append(true).open(self.file()).unwrap().write_all(text).unwrap();
        }

        /// The text of the next batch without what is between its lines, and how many they are.
        async fn next(&mut self) -> Option<(String, usize)> {
            let batch = self.reader.next().await.unwrap()?;
            let text = batch.slice(&(0..batch.bytes())).to_vec();
            Some((String::from_utf8(text).unwrap(), batch.records()))
        }
    }

    fn lines(text: &str, count: usize) -> Option<(String, usize)> {
        Some((text.to_owned(), count))
    }

    #[tokio::test]
    async fn whole_lines_come_in_batches_and_more_of_them_as_the_file_grows() {
        let mut bench = Bench::new(Some(b"a\nb\n\nc"), (0, 2));

        assert_eq!(bench.next().await, lines("ab", 2));
        assert_eq!(bench.next().await, lines("", 1));
        assert_eq!(bench.next().await, None);
        bench.append(b"d\ne\n");
        assert_eq!(bench.next().await, lines("cde", 2));
        assert_eq!(bench.reader.lines.position(), FilePosition(10));
    }

    #[tokio::test]
    async fn a_missing_file_is_waited_for() {
        let mut bench = Bench::new(None, (0, 9));
        assert_eq!(bench.next().await, None);
        assert_eq!(bench.next().await, None);

        std::fs::write(bench.file(), "a\n").unwrap();

        assert_eq!(bench.next().await, lines("a", 1));
    }

    #[tokio::test]
    async fn reading_goes_on_at_a_position() {
        let mut bench = Bench::new(Some(b"a\nb\n"), (2, 9));

        assert_eq!(bench.next().await, lines("b", 1));
    }

    #[tokio::test]
    async fn lines_before_one_that_does_not_fit_are_given_first() {
        let long = [b"a\n", &*vec![b'x'; 299_800], b"\nb\n"].concat();
        for (text, expected) in [
            (&b"a\n\xff\nb\n"[..], "line at byte 2 of file"),
            (&long, "makes a record of 299800 bytes or more, and the topic takes 300000"),
        ] {
            let mut bench = Bench::new(Some(text), (0, 9));

            assert_eq!(bench.next().await, lines("a", 1));
            let error = bench.reader.next().await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_not_read_for_ever() {
        let mut bench = Bench::new(Some(&vec![b'x'; 2_000_000]), (0, 9));

        let error = bench.reader.next().await.unwrap_err();

        assert!(matches!(error, FileStreamError::TooLong { .. }), "{error}");
        assert!(error.hint().unwrap().contains("max.message.bytes"));
        assert!(bench.reader.lines.pending() < 1_000_000);
    }

    #[tokio::test]
    async fn a_file_that_takes_the_place_of_another_is_gone_on_with() {
        let mut bench = Bench::new(Some(b"a\nb"), (0, 9));
        assert_eq!(bench.next().await, lines("a", 1));
        assert_eq!(bench.next().await, None);

        // As an editor saves: beside it, and then over it.
        let beside = bench.folder.path().join("g");
        std::fs::write(&beside, "a\nbb\nc\n").unwrap();
        std::fs::rename(beside, bench.file()).unwrap();

        assert_eq!(bench.next().await, lines("bbc", 2));
        // One that is shorter is another one.
        let beside = bench.folder.path().join("g");
        std::fs::write(&beside, "x\n").unwrap();
        std::fs::rename(beside, bench.file()).unwrap();
        let error = bench.reader.next().await.unwrap_err();
        assert!(matches!(error, FileStreamError::Shrunk { size: 2, .. }), "{error}");
    }
}
