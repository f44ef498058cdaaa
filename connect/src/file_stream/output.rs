//! Where the sink's lines go: the end of a file, or standard output.

use std::io;

use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, SeekFrom};

use super::error::FileStreamError;

/// A file that is open at its end.
pub(super) struct Output {
    /// For messages.
    name: String,
    out: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Output {
    /// Opens a file, making it if there is none; without a name, standard output.
    ///
    /// If the last line has no end it gets one, so that the next one is whole: a process that was
    /// killed while it wrote leaves such a line, and it comes again.
    ///
    /// # Errors
    ///
    /// Returns [`FileStreamError::Unwritable`] when the file cannot be written.
    pub(super) async fn open(file: Option<&str>) -> Result<Self, FileStreamError> {
        let Some(file) = file else {
            let out = Box::new(tokio::io::stdout());
            return Ok(Self { name: "standard output".to_owned(), out });
        };
        let name = format!("file {file}");
        let unwritable = |source| FileStreamError::Unwritable { file: name.clone(), source };
        let is_torn = ends_inside_line(file).await;
        let opened = OpenOptions::new().create(true).append(true).open(file).await;
        let out = Box::new(opened.map_err(unwritable)?);
        let mut output = Self { name, out };
        if is_torn {
            tracing::warn!(file, "the last line of the file has no end, which is added");
            output.write(b"\n").await?;
        }
        Ok(output)
    }

    /// Writes lines, and waits until the operating system has them.
    ///
    /// # Errors
    ///
    /// Returns [`FileStreamError::Unwritable`]; some of the lines may have been written.
    pub(super) async fn write(&mut self, lines: &[u8]) -> Result<(), FileStreamError> {
        let written = async {
            self.out.write_all(lines).await?;
            self.out.flush().await
        };
        written
            .await
            .map_err(|source| FileStreamError::Unwritable { file: self.name.clone(), source })
    }
}

/// Whether a file ends within a line. One that cannot be read is left as it is.
async fn ends_inside_line(file: &str) -> bool {
    let last = async {
        // To open a pipe would wait for its other end.
        let metadata = tokio::fs::metadata(file).await?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Ok(b'\n');
        }
        let mut file = File::open(file).await?;
        file.seek(SeekFrom::End(-1)).await?;
        file.read_u8().await
    };
    let last: io::Result<u8> = last.await;
    match last {
        Ok(byte) => byte != b'\n',
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            tracing::debug!(file, %error, "the end of the file is not looked at");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_appended_and_a_torn_one_is_ended_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for (before, after) in [("", "b\n"), ("a\n", "a\nb\n"), ("a\nto", "a\nto\nb\n")] {
            std::fs::write(&path, before).unwrap();

            let mut output = Output::open(path.to_str()).await.unwrap();
            output.write(b"b\n").await.unwrap();

            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[tokio::test]
    async fn a_file_is_made_but_not_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

        assert!(Output::open(Some(&path("new"))).await.is_ok());
        let error = Output::open(Some(&path("no/new"))).await.err().unwrap();
        assert!(matches!(error, FileStreamError::Unwritable { .. }), "{error}");
    }
}
