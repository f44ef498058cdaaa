//! Answers to bulk requests.

use schema::fuzzing::{Target, join_parts, split_part};

use super::Malformed;
use super::response::{ItemOutcome, error_kind, outcomes};
use crate::bulk_action::Verb;

/// One byte for each action of the request as a part, its remainder by three is the verb; then the answer's body.
pub const BULK_RESPONSE: Target = Target { name: "bulk_response", run, seeds, heap_per_byte: 256 };

fn run(data: &[u8]) {
    let (actions, body) = split_part(data);
    let verb = |byte: &u8| match byte % 3 {
        0 => Verb::Index,
        1 => Verb::Delete,
        _ => Verb::Create,
    };
    let verbs: Vec<Verb> = actions.iter().map(verb).collect();
    if let Some(outcomes) = outcomes(body, verbs.iter().copied()) {
        assert_eq!(outcomes.len(), verbs.len(), "one outcome for each action");
        for outcome in &outcomes {
            is_judged_by_its_status(outcome, body.len());
        }
    }
    assert!(error_kind(body).len() <= body.len());
}

/// Only what can pass is tried again, and nothing that has an error counts as applied.
fn is_judged_by_its_status(outcome: &ItemOutcome, body_bytes: usize) {
    match outcome {
        ItemOutcome::Applied | ItemOutcome::Stale => {}
        ItemOutcome::Retry { status, kind } => {
            let passes = *status == 429 || (500..600).contains(status) || !kind.is_empty();
            assert!(passes && kind.len() <= body_bytes, "{outcome:?}");
        }
        ItemOutcome::Malformed(Malformed { status, kind, field }) => {
            let length = kind.len() + field.as_ref().map_or(0, |field| field.len());
            assert!(*status != 429 && length <= body_bytes, "{outcome:?}");
        }
        ItemOutcome::Refused { status, kind } => {
            let passes = *status == 429 || (500..600).contains(status);
            assert!(!passes && kind.len() <= body_bytes, "{outcome:?}");
        }
    }
}

/// Answers as Elasticsearch 9.5.3 gives them, shortened.
fn seeds() -> Vec<Vec<u8>> {
    let answers: [(&[u8], &str); 5] = [
        (
            &[0, 1],
            r#"{"took":3,"errors":false,"items":[{"index":{"_index":"i","_id":"1","_version":7,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":0,"status":201}},{"delete":{"_index":"i","_id":"2","result":"not_found","status":404}}]}"#,
        ),
        (
            &[0],
            r#"{"errors":true,"items":[{"index":{"_index":"i","_id":"1","status":409,"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict","index_uuid":"u","shard":"0","index":"i"}}}]}"#,
        ),
        (
            &[0],
            r#"{"errors":true,"items":[{"index":{"status":400,"error":{"type":"document_parsing_exception","reason":"[1:5] failed","caused_by":{"type":"x","reason":"\u00e9"}}}}]}"#,
        ),
        (
            &[1],
            r#"{"errors":true,"items":[{"delete":{"status":403,"error":{"type":"cluster_block_exception"}}}]}"#,
        ),
        (
            &[],
            r#"{"error":{"root_cause":[],"type":"security_exception","reason":"r"},"status":401}"#,
        ),
    ];
    answers.map(|(actions, body)| join_parts(actions, body.as_bytes())).into()
}
