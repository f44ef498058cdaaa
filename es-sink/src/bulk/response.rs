//! What Elasticsearch says about each action.

use serde::Deserialize;

use crate::bulk::ActionKind;

/// What has become of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ItemOutcome {
    /// The index has it now.
    Applied,
    /// The index had this version or a later one before.
    Stale,
    /// Not this time.
    Retry { status: u16, kind: Box<str> },
    /// Never.
    Refused { status: u16, kind: Box<str> },
}

/// Causes that pass although their status does not say so: a full disk makes indices read-only
/// with 403 or 429.
const PASSING_KINDS: [&str; 4] = [
    "cluster_block_exception",
    "unavailable_shards_exception",
    "circuit_breaking_exception",
    "es_rejected_execution_exception",
];

#[derive(Deserialize)]
struct WireResponse<'a> {
    #[serde(borrow)]
    items: Vec<WireItem<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireItem<'a> {
    #[serde(borrow)]
    Index(WireAnswer<'a>),
    #[serde(borrow)]
    Delete(WireAnswer<'a>),
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    status: u16,
    #[serde(borrow)]
    error: Option<WireError<'a>>,
}

#[derive(Deserialize)]
struct WireError<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
}

/// One outcome for each action; `None` if the answer is not one to these actions.
pub(super) fn outcomes<'a>(
    body: &[u8],
    kinds: impl Iterator<Item = &'a ActionKind>,
) -> Option<Vec<ItemOutcome>> {
    let response: WireResponse<'_> = serde_json::from_slice(body).ok()?;
    let mut items = response.items.into_iter();
    let outcomes: Option<Vec<_>> = kinds
        .map(|kind| match (kind, items.next()?) {
            (ActionKind::Index(_), WireItem::Index(answer)) => Some(judge(&answer, false)),
            (ActionKind::Delete, WireItem::Delete(answer)) => Some(judge(&answer, true)),
            (ActionKind::Index(_), WireItem::Delete(_))
            | (ActionKind::Delete, WireItem::Index(_)) => None,
        })
        .collect();
    if items.next().is_some() { None } else { outcomes }
}

fn judge(answer: &WireAnswer<'_>, is_delete: bool) -> ItemOutcome {
    let status = answer.status;
    let kind = answer.error.as_ref().map_or("", |error| &*error.kind);
    match (status, kind) {
        (200 | 201, "") => ItemOutcome::Applied,
        // Nothing to delete; the version is remembered all the same.
        (404, "") if is_delete => ItemOutcome::Applied,
        (409, "version_conflict_engine_exception") => ItemOutcome::Stale,
        (429 | 500..=599, _) => ItemOutcome::Retry { status, kind: kind.into() },
        (_, kind) if PASSING_KINDS.contains(&kind) => {
            ItemOutcome::Retry { status, kind: kind.into() }
        }
        (_, _) => ItemOutcome::Refused { status, kind: kind.into() },
    }
}

/// `error.type` of a refusal of a whole request; empty where there is none.
pub(crate) fn error_kind(body: &[u8]) -> Box<str> {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow)]
        error: WireError<'a>,
    }
    let refusal = serde_json::from_slice::<Refusal<'_>>(body);
    refusal.map_or_else(|_| Box::default(), |refusal| refusal.error.kind.into())
}

/// Whether a cause passes whatever its status.
pub(super) fn kind_can_pass(kind: &str) -> bool {
    PASSING_KINDS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INDEX: ActionKind = ActionKind::Index(0..0);

    fn one(kind: &ActionKind, item: &str) -> Option<ItemOutcome> {
        let body = format!(r#"{{"errors":true,"items":[{item}]}}"#);
        outcomes(body.as_bytes(), std::iter::once(kind)).map(|mut outcomes| outcomes.remove(0))
    }

    /// Items as Elasticsearch 9.5.3 answered them.
    #[test]
    fn recorded_items_are_judged() {
        use ItemOutcome::{Applied, Refused, Retry, Stale};
        let delete = ActionKind::Delete;
        let kind = |kind: &str| kind.into();
        for (action, item, expected) in [
            (&INDEX, r#"{"index":{"status":201}}"#, Applied),
            (&delete, r#"{"delete":{"status":404}}"#, Applied),
            (
                &INDEX,
                r#"{"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}"#,
                Stale,
            ),
            (
                &INDEX,
                r#"{"index":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}"#,
                Retry { status: 429, kind: kind("es_rejected_execution_exception") },
            ),
            (
                &INDEX,
                r#"{"index":{"status":403,"error":{"type":"cluster_block_exception"}}}"#,
                Retry { status: 403, kind: kind("cluster_block_exception") },
            ),
            (
                &INDEX,
                r#"{"index":{"status":400,"error":{"type":"document_parsing_exception"}}}"#,
                Refused { status: 400, kind: kind("document_parsing_exception") },
            ),
            (
                &delete,
                r#"{"delete":{"status":404,"error":{"type":"index_not_found_exception"}}}"#,
                Refused { status: 404, kind: kind("index_not_found_exception") },
            ),
        ] {
            assert_eq!(one(action, item), Some(expected), "{item}");
        }
    }

    #[test]
    fn an_answer_to_something_else_is_no_answer() {
        assert_eq!(one(&INDEX, r#"{"delete":{"status":200}}"#), None);
        assert_eq!(one(&INDEX, r#"{"index":{"status":200}},{"index":{"status":200}}"#), None);
        assert_eq!(outcomes(br#"{"errors":false,"items":[]}"#, [INDEX].iter()), None);
        assert_eq!(outcomes(b"<html>", [INDEX].iter()), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_judged_without_panic(body in ".{0,200}") {
            drop(outcomes(body.as_bytes(), [INDEX, ActionKind::Delete].iter()));
            drop(error_kind(body.as_bytes()));
        }
    }
}
