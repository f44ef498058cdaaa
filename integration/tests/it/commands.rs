//! The commands that look at a pipeline and change its offsets, and the endpoint of its process:
//! right and wrong, on real servers.

mod check;
mod dlq;
mod endpoint;
mod hand_back;
mod migrate;
mod offsets;
mod replay;
mod shell;

use integration::process::run_rowcast;
use serde_json::Value;

use crate::scene::{DEADLINE, ROW_MARK, SECRET, Scene};

/// What a command has answered.
#[derive(Debug)]
struct Answer {
    is_success: bool,
    out: String,
    error: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert!(self.is_success, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It failed, and said so with this text and what to do.
    fn refused(&self, text: &str, hint: &str) {
        assert!(!self.is_success, "{self:?}");
        let last = self.error.lines().last().unwrap_or_default();
        assert!(last.contains(" ERROR ") && last.contains(text), "no {text:?}: {self:?}");
        let (_, told) = last.split_once("hint=").unwrap_or_default();
        assert!(told.contains(hint), "no hint {hint:?}: {self:?}");
        assert_eq!(self.out, "", "it has answered all the same");
    }
}

/// Runs `rowcast` with these arguments to its end.
async fn rowcast(arguments: &[&str]) -> Answer {
    let output = run_rowcast(arguments, &[], DEADLINE).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, error) = (text(output.stdout), text(output.stderr));
    for forbidden in ["panicked", SECRET, ROW_MARK] {
        assert!(!out.contains(forbidden) && !error.contains(forbidden), "{out}{error}");
    }
    Answer { is_success: output.status.success(), out, error }
}

/// Writes offsets into a file and gives its path.
fn request(scene: &Scene, offsets: &Value) -> String {
    let path = scene.path("request.json");
    std::fs::write(&path, offsets.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}
