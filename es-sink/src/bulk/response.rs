//! What Elasticsearch says about each action.

use std::borrow::Cow;

use serde::Deserialize;

use super::Malformed;
use super::reason;
use crate::bulk_action::Verb;

/// What has become of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemOutcome {
    /// The index has it now.
    Applied,
    /// The index had this version or a later one before.
    Stale,
    /// Not this time.
    Retry { status: u16, kind: Box<str> },
    /// Never: this document does not fit the index.
    Malformed(Malformed),
    /// Never, and it is not about this document alone.
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
    Create(WireAnswer<'a>),
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
    kind: Cow<'a, str>,
    /// For people; it may quote the row.
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

/// Whether the answer says, of each action, that the index has it now. This is what nearly every
/// answer says, and reading it byte by byte takes a twentieth of the time that [`outcomes`] takes; an
/// answer in other words is not wrong, but has to be read with that.
pub(super) fn all_applied(body: &[u8], mut verbs: impl Iterator<Item = Verb>) -> bool {
    let Some(mut rest) = body.strip_prefix(br#"{"errors":false,"items":["#) else { return false };
    while let Some(after) = verbs.next().and_then(|verb| applied_item(rest, verb)) {
        match after {
            [b',', more @ ..] => rest = more,
            _ => return after == b"]}" && verbs.next().is_none(),
        }
    }
    false
}

fn applied_item(body: &[u8], verb: Verb) -> Option<&[u8]> {
    let before: &[u8] = match verb {
        Verb::Index => br#"{"index":{"status":20"#,
        Verb::Create => br#"{"create":{"status":20"#,
        Verb::Delete => br#"{"delete":{"status":20"#,
    };
    match body.strip_prefix(before)? {
        [b'0' | b'1', b'}', b'}', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// One outcome for each action; `None` if the answer is not one to these actions.
pub(super) fn outcomes(body: &[u8], verbs: impl Iterator<Item = Verb>) -> Option<Vec<ItemOutcome>> {
    let response: WireResponse<'_> = serde_json::from_slice(body).ok()?;
    let mut items = response.items.into_iter();
    let outcomes: Option<Vec<_>> = verbs
        .map(|verb| {
            let (answered, answer) = items.next()?.verb();
            (answered == verb).then(|| judge(&answer, verb))
        })
        .collect();
    if items.next().is_some() { None } else { outcomes }
}

impl<'a> WireItem<'a> {
    fn verb(self) -> (Verb, WireAnswer<'a>) {
        match self {
            Self::Index(answer) => (Verb::Index, answer),
            Self::Create(answer) => (Verb::Create, answer),
            Self::Delete(answer) => (Verb::Delete, answer),
        }
    }
}

fn judge(answer: &WireAnswer<'_>, verb: Verb) -> ItemOutcome {
    let status = answer.status;
    let error = answer.error.as_ref();
    let kind = error.map_or("", |error| &*error.kind);
    match (status, kind) {
        (200 | 201, "") => ItemOutcome::Applied,
        // Nothing to delete; the version is remembered all the same.
        (404, "") if verb == Verb::Delete => ItemOutcome::Applied,
        // Of what is created it says that it is there already.
        (409, "version_conflict_engine_exception") => ItemOutcome::Stale,
        (429 | 500..=599, _) => ItemOutcome::Retry { status, kind: kind.into() },
        (_, kind) if PASSING_KINDS.contains(&kind) => {
            ItemOutcome::Retry { status, kind: kind.into() }
        }
        (_, kind) => {
            let reason = error.and_then(|error| error.reason.as_deref()).unwrap_or_default();
            if reason::is_about_the_document(kind, reason) {
                let field = reason::column(reason).map(Into::into);
                ItemOutcome::Malformed(Malformed { status, kind: kind.into(), field })
            } else {
                ItemOutcome::Refused { status, kind: kind.into() }
            }
        }
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
pub(crate) fn kind_can_pass(kind: &str) -> bool {
    PASSING_KINDS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INDEX: Verb = Verb::Index;

    fn one(verb: Verb, item: &str) -> Option<ItemOutcome> {
        let body = format!(r#"{{"errors":true,"items":[{item}]}}"#);
        outcomes(body.as_bytes(), std::iter::once(verb)).map(|mut outcomes| outcomes.remove(0))
    }

    /// Items as Elasticsearch 9.5.3 answered them.
    #[test]
    fn recorded_items_are_judged() {
        use ItemOutcome::{Applied, Refused, Retry, Stale};
        let delete = Verb::Delete;
        let kind = |kind: &str| kind.into();
        let malformed = |status, kind: &str, field: Option<&str>| {
            let field = field.map(Into::into);
            ItemOutcome::Malformed(Malformed { status, kind: kind.into(), field })
        };
        for (action, item, expected) in [
            (INDEX, r#"{"index":{"status":201}}"#, Applied),
            (delete, r#"{"delete":{"status":404}}"#, Applied),
            (
                INDEX,
                r#"{"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}"#,
                Stale,
            ),
            (
                INDEX,
                r#"{"index":{"status":429,"error":{"type":"es_rejected_execution_exception"}}}"#,
                Retry { status: 429, kind: kind("es_rejected_execution_exception") },
            ),
            (
                INDEX,
                r#"{"index":{"status":403,"error":{"type":"cluster_block_exception"}}}"#,
                Retry { status: 403, kind: kind("cluster_block_exception") },
            ),
            (
                INDEX,
                r#"{"index":{"status":400,"error":{"type":"document_parsing_exception"}}}"#,
                malformed(400, "document_parsing_exception", None),
            ),
            (
                INDEX,
                r#"{"index":{"status":400,"error":{"type":"document_parsing_exception","reason":"[1:6] failed to parse field [n] of type [long] in document with id '1'. Preview of field's value: 'field [secret]'"}}}"#,
                malformed(400, "document_parsing_exception", Some("n")),
            ),
            (
                INDEX,
                r#"{"index":{"status":400,"error":{"type":"illegal_argument_exception","reason":"Limit of total fields [1000] has been exceeded while adding new fields [1]"}}}"#,
                Refused { status: 400, kind: kind("illegal_argument_exception") },
            ),
            (
                Verb::Create,
                r#"{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}"#,
                Stale,
            ),
            (
                delete,
                r#"{"delete":{"status":404,"error":{"type":"index_not_found_exception"}}}"#,
                Refused { status: 404, kind: kind("index_not_found_exception") },
            ),
        ] {
            assert_eq!(one(action, item), Some(expected), "{item}");
        }
    }

    #[test]
    fn an_answer_to_something_else_is_no_answer() {
        assert_eq!(one(INDEX, r#"{"delete":{"status":200}}"#), None);
        assert_eq!(one(INDEX, r#"{"index":{"status":200}},{"index":{"status":200}}"#), None);
        assert_eq!(outcomes(br#"{"errors":false,"items":[]}"#, [INDEX].into_iter()), None);
        assert_eq!(outcomes(b"<html>", [INDEX].into_iter()), None);
    }

    fn verb() -> impl Strategy<Value = Verb> {
        prop_oneof![Just(INDEX), Just(Verb::Create), Just(Verb::Delete)]
    }

    /// An answer as Elasticsearch writes it.
    fn answer(items: &[(Verb, u16)]) -> String {
        let name = |verb| match verb {
            Verb::Index => "index",
            Verb::Create => "create",
            Verb::Delete => "delete",
        };
        let items = items.iter().map(|(verb, status)| {
            let error = if *status > 201 { r#","error":{"type":"e"}"# } else { "" };
            format!("{{\"{}\":{{\"status\":{status}{error}}}}}", name(*verb))
        });
        let errors = items.clone().any(|item| item.contains("error"));
        format!("{{\"errors\":{errors},\"items\":[{}]}}", items.collect::<Vec<_>>().join(","))
    }

    proptest! {
        /// The short way says the same as the long one.
        #[test]
        fn what_is_all_applied_is_so_one_by_one(
            items in prop::collection::vec((verb(), prop_oneof![Just(200), Just(201)]), 1..6),
            other in prop::option::of((0_usize..6, verb(), prop_oneof![Just(200), Just(409)])),
            cut in prop::option::of(0_usize..200),
            lost in 0_usize..3,
        ) {
            let verbs: Vec<_> = items.iter().map(|(verb, _)| *verb).collect();
            let mut items = items;
            if let Some((place, verb, status)) = other
                && let Some(item) = items.get_mut(place)
            {
                *item = (verb, status);
            }
            if lost == 1 {
                items.pop();
            }
            let mut body = answer(&items);
            if let Some(cut) = cut {
                body.truncate(cut);
            }

            let slowly = outcomes(body.as_bytes(), verbs.iter().copied())
                .is_some_and(|all| all.iter().all(|one| *one == ItemOutcome::Applied));

            prop_assert_eq!(all_applied(body.as_bytes(), verbs.into_iter()), slowly, "{}", body);
        }

        #[test]
        fn any_answer_is_judged_without_panic(body in ".{0,200}") {
            drop(outcomes(body.as_bytes(), [INDEX, Verb::Delete].into_iter()));
            drop(error_kind(body.as_bytes()));
        }
    }
}
