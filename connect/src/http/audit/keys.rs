//! Which keys a body sets, read beside the handler that reads the body.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use futures_util::TryStreamExt;
use serde_json::value::RawValue;

/// Most of a body that is looked at: 256 KiB, our choice, four times the largest of today.
const COPY_MAX_BYTES: usize = 256 << 10;

/// Most keys that are written down; Debezium's connector has 150.
const KEYS_MAX: usize = 400;

/// Longest key that is written down whole.
const KEY_MAX_CHARS: usize = 200;

/// A copy of a body, which fills as the handler reads it: so nothing is read that the handler
/// does not read, and its limits hold.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct BodyCopy(Arc<Mutex<Vec<u8>>>);

impl BodyCopy {
    /// The body, and the copy that fills.
    pub(in crate::http) fn of(body: Body) -> (Body, Self) {
        let copy = Self::default();
        let kept = copy.clone();
        let pieces = body.into_data_stream().inspect_ok(move |piece| kept.push(piece));
        (Body::from_stream(pieces), copy)
    }

    fn push(&self, piece: &Bytes) {
        let mut copy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One byte more than fits says that it is not whole.
        let room = (COPY_MAX_BYTES + 1).saturating_sub(copy.len());
        copy.extend(piece.iter().take(room));
    }

    /// The keys, in the order of the alphabet: those of `config`, as in `POST /connectors`, or else
    /// those of the whole. None of what is no JSON object.
    pub(in crate::http) fn keys(&self) -> Vec<String> {
        let copy = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if copy.len() > COPY_MAX_BYTES {
            return vec!["…".to_owned()];
        }
        let Ok(object) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(&copy) else {
            return Vec::new();
        };
        let config = object.get("config").map(|config| config.get());
        let inner = config
            .and_then(|config| serde_json::from_str::<BTreeMap<String, &RawValue>>(config).ok());
        let keys = inner.unwrap_or(object).into_keys();
        keys.take(KEYS_MAX).map(|key| shown(&key)).collect()
    }
}

/// A key without a secret: Debezium has the salt of a hash in the name of the setting.
fn shown(key: &str) -> String {
    const SALT: &str = ".with.salt.";
    let key = match key.split_once(SALT) {
        Some((before, _)) => format!("{before}{SALT}…"),
        None => key.to_owned(),
    };
    if key.chars().count() <= KEY_MAX_CHARS {
        return key;
    }
    key.chars().take(KEY_MAX_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn keys(text: &str) -> Vec<String> {
        let (body, copy) = BodyCopy::of(Body::from(text.to_owned()));
        axum::body::to_bytes(body, usize::MAX).await.unwrap();
        copy.keys()
    }

    #[tokio::test]
    async fn keys_are_those_of_the_configuration() {
        let own = r#"{"b": "geheim", "a": {"c": 1}, "config": 2}"#;
        assert_eq!(keys(own).await, ["a", "b", "config"]);
        let post = r#"{"name": "x", "config": {"database.password": "geheim", "a": null}}"#;
        assert_eq!(keys(post).await, ["a", "database.password"]);
        let salted = r#"{"column.mask.hash.SHA-256.with.salt.geheim": "a.b.c"}"#;
        assert_eq!(keys(salted).await, ["column.mask.hash.SHA-256.with.salt.…"]);
        for text in ["", "[1]", "{\"geheim\"", "geheim"] {
            assert_eq!(keys(text).await, Vec::<String>::new(), "{text}");
        }
    }

    #[tokio::test]
    async fn large_bodies_have_no_keys() {
        let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(COPY_MAX_BYTES));
        assert_eq!(keys(&large).await, ["…"]);
        let long = format!(r#"{{"{}": 1}}"#, "ä".repeat(300));
        assert_eq!(keys(&long).await[0].chars().count(), KEY_MAX_CHARS + 1);
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_is_not_read() {
        let (body, copy) = BodyCopy::of(Body::from(r#"{"a": 1}"#));
        drop(body);

        assert_eq!(copy.keys(), Vec::<String>::new());
    }
}
