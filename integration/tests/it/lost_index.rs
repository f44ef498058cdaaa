//! Indices that somebody deletes, makes anew or restores from a copy, behind a sink that runs and
//! behind one that does not: rows are gone that nobody sends again, so it halts and says what to do.

use integration::process::Rowcast;
use integration::stack::{Stack, shared};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hand_written::HandWritten;
use crate::indices::{ask, has_documents, sink, start};
use crate::scenario::stop;
use crate::scene::refusal;

/// What becomes of the index.
#[derive(Clone, Copy)]
enum Loss {
    Deleted,
    Recreated,
    Restored,
}

use Loss::{Deleted, Recreated, Restored};

/// A sink of one table that has written ten rows.
struct Written {
    stack: &'static Stack,
    rowcast: Rowcast,
    topic: HandWritten,
    index: String,
    _folder: TempDir,
}

impl Written {
    async fn new(name: &str) -> Self {
        let (stack, folder) = (shared().await.unwrap(), tempfile::tempdir().unwrap());
        let (index, url) = (format!("{name}.t"), stack.elasticsearch.url());
        let mut topic = HandWritten::new(stack, &format!("{name}.{index}"), 1).await;
        topic.rows(1..=10, 1);
        let rowcast = start(&sink(stack, name, &url), folder.path(), "sink").await;
        has_documents(&url, &index, 10).await;
        Self { stack, rowcast, topic, index, _folder: folder }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.stack.elasticsearch.url())
    }

    /// In one step, so that nobody sees anything in between.
    async fn lose(&self, loss: Loss) {
        let (alias, old) = (&self.index, format!("{}-000001", self.index));
        let new = format!("{alias}-copy");
        let mappings = match loss {
            Deleted => {
                ask("DELETE", self.url(&old), &Value::Null).await;
                return;
            }
            Recreated => json!({}),
            Restored => {
                let answer = ask("GET", self.url(&format!("{old}/_mapping")), &Value::Null).await;
                answer[&old]["mappings"].clone()
            }
        };
        ask("PUT", self.url(&new), &json!({ "mappings": mappings })).await;
        let add = json!({ "index": new, "alias": alias, "is_write_index": true });
        let actions = json!([{ "remove_index": { "index": old } }, { "add": add }]);
        ask("POST", self.url("_aliases"), &json!({ "actions": actions })).await;
    }

    /// It has halted with what has become of the index, and what can be done.
    async fn has_halted(&self, loss: Loss) {
        let refusal = refusal(&self.rowcast).await;
        let (how, remedy) = match loss {
            Deleted => ("was deleted, and rows", "reset the group's offsets to the beginning"),
            Recreated => {
                ("was deleted and made anew by somebody else, and rows", "take a new snapshot")
            }
            Restored => ("was restored from a copy, and rows", "`index.adopt`"),
        };
        let told = format!("index `{}` {how}", self.index);
        assert!(refusal.error.contains(&told), "{}", refusal.error);
        assert!(refusal.hint.contains(remedy), "{}", refusal.hint);
    }
}

/// No row comes meanwhile: the sink looks by itself, every ten seconds.
#[tokio::test]
async fn an_index_that_is_lost_behind_a_running_sink_halts_it() {
    let all = [
        (Written::new("lost_deleted").await, Deleted),
        (Written::new("lost_recreated").await, Recreated),
        (Written::new("lost_restored").await, Restored),
    ];
    for (written, loss) in &all {
        written.lose(*loss).await;
    }

    for (written, loss) in &all {
        written.has_halted(*loss).await;
    }
}

#[tokio::test]
async fn an_index_that_is_lost_behind_a_stopped_sink_halts_its_next_row() {
    let all = [
        (Written::new("lost_stop_deleted").await, Deleted),
        (Written::new("lost_stop_recreated").await, Recreated),
        (Written::new("lost_stop_restored").await, Restored),
    ];
    for (mut written, loss) in all {
        stop(&written.rowcast).await;
        written.lose(loss).await;
        written.topic.rows(11..=11, 11);
        written.rowcast.start_again().unwrap();

        written.has_halted(loss).await;
    }
}

/// The next row does not make the index anew, and a delete, which does, does not hide that it is gone.
#[tokio::test]
async fn rows_and_deletes_that_come_after_a_deleted_index_do_not_hide_it() {
    let mut row = Written::new("lost_row").await;
    let mut delete = Written::new("lost_delete").await;
    row.lose(Deleted).await;
    row.topic.rows(11..=11, 11);
    delete.lose(Deleted).await;
    delete.topic.tombstone(0, 1, 11);

    row.has_halted(Deleted).await;
    let index = reqwest::get(row.url(&row.index)).await.unwrap();
    assert_eq!(index.status(), 404);
    let refusal = refusal(&delete.rowcast).await;
    assert!(refusal.error.contains("index `lost_delete.t` was deleted"), "{}", refusal.error);
}

/// Versions of two kinds do not compare.
#[tokio::test]
async fn offsets_as_versions_do_not_get_into_an_index_of_lsns() {
    let mut written = Written::new("lost_versions").await;

    written.topic.debezium_rows(11..=11);

    let refusal = refusal(&written.rowcast).await;
    assert!(refusal.error.contains("`lost_versions.t`"), "{}", refusal.error);
    assert!(refusal.hint.contains("set `index.name` to a new index"), "{}", refusal.hint);
    has_documents(&written.stack.elasticsearch.url(), "lost_versions.t", 10).await;
}
