//! A file that grows, read from a position on.
//!
//! The name is what stands in the offset, so the name is what is followed: a file that takes the
//! place of another is gone on with at the same position, if it has one there. What cannot be told
//! is a file that was emptied and has grown past the position since the last look.

use std::fs::Metadata;
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::error::FileStreamError;
use super::lines::FilePosition;

/// An open file.
#[derive(Debug)]
pub(super) struct FileTail {
    name: String,
    file: File,
    identity: Identity,
    /// Where the next byte is read.
    next: FilePosition,
}

/// Which file it is, whatever its name: device and inode.
type Identity = (u64, u64);

/// What a name stands for now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The file that is open.
    Same,
    /// Another file.
    Other,
    /// No file.
    Nothing,
}

impl FileTail {
    /// Opens a file at a position, which has to be the beginning of a line; `None` if there is no
    /// such file.
    ///
    /// # Errors
    ///
    /// Returns [`FileStreamError`] for what is no file, cannot be read, or has not such a position.
    pub(super) async fn open(
        name: &str,
        position: FilePosition,
    ) -> Result<Option<Self>, FileStreamError> {
        let unreadable = |source| FileStreamError::Unreadable { file: name.to_owned(), source };
        // Asked before it is opened: to open a pipe waits for its writer.
        match tokio::fs::metadata(name).await {
            Ok(metadata) if !metadata.is_file() => {
                return Err(FileStreamError::NotAFile { file: name.to_owned() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        }
        let mut file = match File::open(name).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = file.metadata().await.map_err(unreadable)?;
        let size = metadata.len();
        if size < position.0 {
            return Err(FileStreamError::Shrunk { file: name.to_owned(), size, read: position });
        }
        if !begins_line(&mut file, position).await.map_err(unreadable)? {
            return Err(FileStreamError::InsideLine { file: name.to_owned(), position });
        }
        let identity = identity(&metadata);
        Ok(Some(Self { name: name.to_owned(), file, identity, next: position }))
    }

    /// Reads what there is, up to the length of `bytes`; 0 at the end of the file as it is now.
    pub(super) async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, FileStreamError> {
        let read = self.file.read(bytes).await;
        let count =
            read.map_err(|source| FileStreamError::Unreadable { file: self.name.clone(), source })?;
        self.next = self.next.after(count);
        Ok(count)
    }

    /// Looks what the name stands for now.
    ///
    /// # Errors
    ///
    /// Returns [`FileStreamError::Shrunk`] if the file has become shorter than what was read.
    pub(super) async fn named(&self) -> Result<Named, FileStreamError> {
        let file = || self.name.clone();
        match tokio::fs::metadata(&self.name).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Named::Nothing),
            Err(source) => Err(FileStreamError::Unreadable { file: file(), source }),
            Ok(metadata) if identity(&metadata) != self.identity => Ok(Named::Other),
            Ok(metadata) if metadata.len() < self.next.0 => {
                let (size, read) = (metadata.len(), self.next);
                Err(FileStreamError::Shrunk { file: file(), size, read })
            }
            Ok(_) => Ok(Named::Same),
        }
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Goes to a position, and says whether what is before it ends a line. A position that is counted in
/// another way, as Kafka Connect counts characters, or is about another file, rarely does.
async fn begins_line(file: &mut File, position: FilePosition) -> io::Result<bool> {
    let Some(before) = position.0.checked_sub(1) else { return Ok(true) };
    file.seek(SeekFrom::Start(before)).await?;
    let byte = file.read_u8().await?;
    Ok(matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(text: &str) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            std::fs::write(folder.file(), text).unwrap();
            folder
        }

        fn file(&self) -> String {
            self.0.path().join("f").to_str().unwrap().to_owned()
        }

        async fn open(&self, position: u64) -> Result<Option<FileTail>, FileStreamError> {
            FileTail::open(&self.file(), FilePosition(position)).await
        }
    }

    async fn rest(tail: &mut FileTail) -> String {
        let mut bytes = [0; 100];
        let count = tail.read(&mut bytes).await.unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_file_is_read_from_a_position_on_and_as_it_grows() {
        let folder = Folder::with("ab\ncd\n");
        let mut tail = folder.open(3).await.unwrap().unwrap();
        assert_eq!(rest(&mut tail).await, "cd\n");
        assert_eq!(
            (rest(&mut tail).await, tail.named().await.unwrap()),
            (String::new(), Named::Same)
        );

        std::fs::write(folder.file(), "ab\ncd\nef").unwrap();

        assert_eq!(rest(&mut tail).await, "ef");
    }

    #[tokio::test]
    async fn a_position_that_the_file_has_not_is_refused() {
        let folder = Folder::with("ab\ncd\n");

        let shrunk = folder.open(7).await.unwrap_err();
        let inside = folder.open(4).await.unwrap_err();

        assert!(matches!(shrunk, FileStreamError::Shrunk { size: 6, .. }), "{shrunk}");
        assert!(matches!(inside, FileStreamError::InsideLine { .. }), "{inside}");
        assert!(folder.open(6).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_the_name_stands_for_is_noticed() {
        let folder = Folder::with("ab\ncd\n");
        let mut tail = folder.open(0).await.unwrap().unwrap();
        assert_eq!(rest(&mut tail).await.len(), 6);

        std::fs::write(folder.file(), "ab\n").unwrap();
        assert!(matches!(tail.named().await, Err(FileStreamError::Shrunk { size: 3, .. })));
        std::fs::remove_file(folder.file()).unwrap();
        assert_eq!(tail.named().await.unwrap(), Named::Nothing);
        // The open one keeps its inode, so no other file can have it.
        std::fs::write(folder.file(), "ab\ncd\nef\n").unwrap();
        assert_eq!(tail.named().await.unwrap(), Named::Other);
    }

    #[tokio::test]
    async fn only_a_regular_file_is_read_and_none_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();

        let directory = FileTail::open(path, FilePosition(0)).await.unwrap_err();
        let missing = FileTail::open(&format!("{path}/x/y"), FilePosition(0)).await.unwrap();

        assert!(matches!(directory, FileStreamError::NotAFile { .. }), "{directory}");
        assert!(missing.is_none());
    }
}
