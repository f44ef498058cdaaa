use schema::offset::{SnapshotProgress, TableState};
use uuid::Uuid;

use super::*;
use crate::offsets::change::New;

const SERVER: &str = "7b40b903-e54c-11f1-9537-02fc00000001";

fn gtids(text: &str) -> Option<GtidSet> {
    (!text.is_empty()).then(|| format!("{SERVER}:{text}").parse().unwrap())
}

fn stream(position: &str, set: &str) -> StreamOffset {
    StreamOffset {
        position: position.parse().unwrap(),
        gtids: gtids(set),
        event: 0,
        row: 0,
        server_id: 1,
        ts_sec: 0,
        server_uuid: Some(SERVER.parse().unwrap()),
        file_created: None,
        lsn: None,
        prepared: Vec::new(),
        done: None,
        transaction: None,
    }
}

fn table(position: Option<&str>, state: TableState) -> TableOffset {
    TableOffset {
        position: position.map(|text| text.parse().unwrap()),
        lsn: None,
        state,
        names_until: None,
        history_until: None,
    }
}

/// Executed 1-100, of which 1-20 are purged, in two files.
fn log() -> ServerLog {
    ServerLog {
        uuid: SERVER.parse().unwrap(),
        has_gtids: true,
        executed: gtids("1-100").unwrap(),
        purged: gtids("1-20").unwrap(),
        ends: vec!["b.000002:5000".parse().unwrap(), "b.000003:900".parse().unwrap()],
        is_read: false,
    }
}

fn id(name: &str) -> TableId {
    TableId::new("shop", name)
}

fn set_stream(offset: StreamOffset) -> Change {
    Change::Stream(Some(New { offset, json: Vec::new() }))
}

fn set_table(name: &str, offset: TableOffset) -> Change {
    Change::Table(id(name), Some(New { offset, json: Vec::new() }))
}

/// The stream is at 90; `old` changed last before 40, `new` after, `never` never.
fn plan_of(log: &ServerLog, changes: &[Change]) -> Plan {
    let tables = [
        (id("never"), table(None, TableState::Streaming)),
        (id("new"), table(Some("b.000003:500"), TableState::Streaming)),
        (id("old"), table(Some("b.000002:300"), TableState::Streaming)),
    ];
    let situation = Situation {
        stream: Some(stream("b.000003:700", "1-90")),
        tables: tables.into(),
        log: Ok(log),
        unusable: Vec::new(),
        copies_new_tables: true,
    };
    plan(&ConnectorName::new("shop"), &situation, changes)
}

fn effects(plan: &Plan) -> Vec<(&str, &str)> {
    plan.tables.iter().map(|table| (table.table.as_str(), table.effect.as_str())).collect()
}

#[test]
fn a_step_back_says_which_tables_repeat_how_many_transactions() {
    let plan = plan_of(&log(), &[set_stream(stream("b.000002:400", "1-40"))]);

    let StreamPlan { replayed_transactions, skipped_transactions, .. } = plan.stream;
    assert_eq!((replayed_transactions, skipped_transactions), (Some(50), Some(0)));
    assert_eq!(
        (plan.stream.waiting_transactions, plan.stream.is_available),
        (Some(60), Some(true))
    );
    assert_eq!(
        effects(&plan),
        [
            ("shop.never", "nothing is repeated, no change of it was emitted"),
            ("shop.new", "changes after the new place up to its last are repeated"),
            ("shop.old", "nothing is repeated, its last change lies before the new place"),
        ]
    );
    assert_eq!(plan.losses, Vec::<String>::new());
}

#[test]
fn a_step_forward_is_a_loss() {
    let plan = plan_of(&log(), &[set_stream(stream("b.000003:800", "1-95"))]);

    assert_eq!(plan.stream.skipped_transactions, Some(5));
    assert_eq!(plan.losses, ["5 transactions would be skipped, their changes are never emitted"]);
    assert_eq!(effects(&plan)[0].1, "changes between the two places are not emitted");
}

#[test]
fn what_mysql_has_no_more_or_not_yet_is_said() {
    let purged = plan_of(&log(), &[set_stream(stream("b.000001:4", "1-7"))]);
    assert_eq!(purged.stream.is_available, Some(false));
    assert!(purged.losses[0].contains("purged 13 transactions"), "{:?}", purged.losses);

    let ahead = plan_of(&log(), &[set_stream(stream("b.000003:800", "1-103"))]);
    assert!(ahead.losses[1].starts_with("3 transactions that mysql has not"), "{:?}", ahead.losses);

    let by_position = ServerLog { has_gtids: false, ..log() };
    for (position, problem) in [
        ("b.000001:4", "does not have the binary log file b.000001"),
        ("b.000003:901", "b.000003 ends at 900"),
    ] {
        let plan = plan_of(&by_position, &[set_stream(stream(position, ""))]);
        assert!(plan.losses.iter().any(|loss| loss.contains(problem)), "{:?}", plan.losses);
        assert_eq!(plan.stream.is_available, Some(false));
    }
    let back = plan_of(&by_position, &[set_stream(stream("b.000002:4", ""))]);
    assert_eq!((back.losses.len(), back.stream.is_available), (0, Some(true)));
    assert_eq!(back.stream.replayed_transactions, None, "positions do not count transactions");

    let elsewhere = ServerLog { uuid: Uuid::nil(), ..by_position };
    let plan = plan_of(&elsewhere, &[set_stream(stream("b.000002:4", ""))]);
    assert!(plan.losses[0].contains("another server"), "{:?}", plan.losses);
}

#[test]
fn a_step_inside_a_transaction_counts_too() {
    let at = |event, row| StreamOffset { event, row, ..stream("b.000003:700", "1-90") };

    let ahead = plan_of(&log(), &[set_stream(at(2, 1))]);
    assert_eq!(ahead.losses, ["what lies between the two places would be skipped"]);
    let same = plan_of(&log(), &[set_stream(at(0, 0))]);
    assert!(same.losses.is_empty());
    assert!(effects(&same).iter().all(|(_, effect)| *effect == "goes on where it was"));
}

#[test]
fn a_stream_that_is_reset_loses_what_no_table_copies_again() {
    let plan = plan_of(&log(), &[Change::Stream(None)]);

    assert_eq!(plan.stream.to, None);
    assert!(plan.losses[0].contains("not copied again"), "{:?}", plan.losses);
    assert_eq!(effects(&plan)[0].1, "changes between the two places are not emitted");
}

#[test]
fn a_table_that_is_reset_is_copied_again_and_nothing_else_changes() {
    let plan = plan_of(&log(), &[Change::Table(id("old"), None)]);

    assert_eq!(plan.losses, Vec::<String>::new());
    assert_eq!(effects(&plan)[2], ("shop.old", "copied again from its first row"));
    assert_eq!(effects(&plan)[1], ("shop.new", "goes on where it was"));
}

#[test]
fn a_table_that_is_made_to_stream_without_its_rows_is_a_loss() {
    let streaming = || table(None, TableState::Streaming);
    let unknown = plan_of(&log(), &[set_table("unknown", streaming())]);
    assert!(unknown.losses[0].contains("would not be copied"), "{:?}", unknown.losses);

    for (stored, to, loss) in [
        (TableState::Snapshot(SnapshotProgress::default()), "b.000003:700", Some("left out")),
        (
            TableState::Parked { reason: "r".to_owned(), remedy: None },
            "b.000003:700",
            Some("was parked"),
        ),
        // From there on everything since it was parked is read again.
        (TableState::Parked { reason: "r".to_owned(), remedy: None }, "b.000002:100", None),
    ] {
        let situation = Situation {
            stream: Some(stream(to, "1-90")),
            tables: [(id("t"), table(Some("b.000002:300"), stored))].into(),
            log: Err("away".to_owned()),
            unusable: Vec::new(),
            copies_new_tables: true,
        };
        let changes = [set_table("t", streaming())];
        let plan = plan(&ConnectorName::new("shop"), &situation, &changes);

        assert_eq!(plan.losses.len(), usize::from(loss.is_some()), "{:?}", plan.losses);
        assert!(loss.is_none_or(|loss| plan.losses[0].contains(loss)), "{:?}", plan.losses);
        assert_eq!(plan.not_checked.as_deref(), Some("away"));
    }
}
