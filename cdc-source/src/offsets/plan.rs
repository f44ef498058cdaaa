//! What new offsets would mean: what is read again, what is never read, and whether the log still
//! has what the next start needs. Pure.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use connect::connector::ConnectorName;
use schema::gtid::GtidSet;
use schema::offset::{SourcePartition, StreamOffset, TableOffset};
use schema::position::BinlogPosition;
use schema::table::TableId;
use serde::Serialize;
use serde_json::Value;

use super::change::Change;
use super::server::ServerLog;

pub(super) type StoredTables = BTreeMap<TableId, TableOffset>;

/// What a change of offsets would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The connector.
    pub connector: String,
    /// What happens to the stream.
    pub stream: StreamPlan,
    /// What happens to each table that has an offset, or gets one.
    pub tables: Vec<TablePlan>,
    /// What would be lost, and what would keep the connector from starting.
    pub losses: Vec<String>,
    /// Why MySQL could not be asked what it still has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_checked: Option<String>,
}

/// Where the stream goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StreamPlan {
    /// The stored place.
    pub from: Option<Place>,
    /// The new place; none is where the log ends at the next start.
    pub to: Option<Place>,
    /// Transactions between the two that are read again, if both places have GTIDs.
    pub replayed_transactions: Option<u64>,
    /// Transactions between the two that are never read, if both places have GTIDs.
    pub skipped_transactions: Option<u64>,
    /// All transactions that the next start finds after the new place, if it has GTIDs.
    pub waiting_transactions: Option<u64>,
    /// Whether MySQL still has the log from the new place on.
    pub is_available: Option<bool>,
}

/// A place in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// `file:offset` where a transaction begins.
    pub position: String,
    /// What was executed before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtids: Option<String>,
    /// Events of the transaction that are done.
    pub event: u64,
    /// Rows after them that are done.
    pub row: u64,
}

/// What happens to a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TablePlan {
    /// The table, `database.table`.
    pub table: String,
    /// Its stored state; none without an offset.
    pub from_state: Option<String>,
    /// Its state at the next start; none if that treats it as new.
    pub to_state: Option<String>,
    /// Where its last change was that was emitted.
    pub last_change: Option<String>,
    /// What that means.
    pub effect: String,
}

/// What is stored and what the server has.
pub(super) struct Situation<'a> {
    pub(super) stream: Option<StreamOffset>,
    pub(super) tables: StoredTables,
    /// The server's log, or why it is not known.
    pub(super) log: Result<&'a ServerLog, String>,
    /// What has an offset that cannot be understood.
    pub(super) unusable: Vec<SourcePartition>,
    /// Whether a table without an offset is copied.
    pub(super) copies_new_tables: bool,
}

/// How the new place of the stream is to the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Move {
    is_back: bool,
    is_ahead: bool,
}

/// What changes would do.
pub(super) fn plan(name: &ConnectorName, situation: &Situation<'_>, changes: &[Change]) -> Plan {
    let change_of_stream = changes.iter().find_map(|change| match change {
        Change::Stream(new) => Some(new.as_ref().map(|new| &new.offset)),
        Change::Table(..) => None,
    });
    let stored = situation.stream.as_ref();
    let new = change_of_stream.unwrap_or(stored);
    let mut losses = Vec::new();
    let mut stream =
        StreamPlan { from: stored.map(place), to: new.map(place), ..StreamPlan::default() };
    let moved = moves(stored, new, &mut stream, &mut losses);
    if let (Some(new), Ok(log)) = (new, &situation.log) {
        check_log(new, log, &mut stream, &mut losses);
    }
    let tables = tables(situation, changes, (new, moved), &mut losses);
    let not_checked = situation.log.as_ref().err().cloned();
    Plan { connector: name.to_string(), stream, tables, losses, not_checked }
}

fn place(offset: &StreamOffset) -> Place {
    Place {
        position: offset.position.to_string(),
        gtids: offset.gtids.as_ref().map(ToString::to_string),
        event: offset.event,
        row: offset.row,
    }
}

/// Compares the stored place of the stream with the new one.
fn moves(
    stored: Option<&StreamOffset>,
    new: Option<&StreamOffset>,
    plan: &mut StreamPlan,
    losses: &mut Vec<String>,
) -> Move {
    let (Some(stored), Some(new)) = (stored, new) else {
        // Without a place, the next start begins where the log ends by then.
        let is_ahead = stored.is_some() && new.is_none();
        if is_ahead {
            losses.push(
                "the stream would begin where the log ends: changes since its stored place are \
                 missed by every table that is not copied again"
                    .to_owned(),
            );
        }
        return Move { is_back: false, is_ahead };
    };
    let inside = (new.event, new.row).cmp(&(stored.event, stored.row));
    let order = match (&stored.gtids, &new.gtids) {
        (Some(from), Some(to)) => {
            let (replayed, skipped) = (from.difference(to).count(), to.difference(from).count());
            plan.replayed_transactions = Some(replayed);
            plan.skipped_transactions = Some(skipped);
            if skipped > 0 {
                losses.push(format!(
                    "{skipped} transactions would be skipped, their changes are never emitted"
                ));
                return Move { is_back: replayed > 0, is_ahead: true };
            }
            if replayed > 0 { Some(Ordering::Less) } else { Some(inside) }
        }
        _ => new.position.partial_cmp(&stored.position).map(|order| order.then(inside)),
    };
    match order {
        Some(Ordering::Less) => Move { is_back: true, is_ahead: false },
        Some(Ordering::Equal) => Move::default(),
        Some(Ordering::Greater) => {
            losses.push("what lies between the two places would be skipped".to_owned());
            Move { is_back: false, is_ahead: true }
        }
        None => {
            losses.push("the two places are of different logs and cannot be compared".to_owned());
            Move { is_back: true, is_ahead: true }
        }
    }
}

/// Whether the server can go on from there.
fn check_log(new: &StreamOffset, log: &ServerLog, plan: &mut StreamPlan, losses: &mut Vec<String>) {
    let is_other = new.server_uuid.is_some_and(|uuid| uuid != log.uuid);
    let found = losses.len();
    match new.gtids.as_ref().filter(|_| log.has_gtids) {
        Some(to) => {
            plan.waiting_transactions = Some(log.executed.difference(to).count());
            check_gtids(to, log, losses);
            if is_other && new.is_inside() && new.done.is_none() {
                losses.push(
                    "the place is inside a transaction of another server, the next start halts"
                        .to_owned(),
                );
            }
        }
        None if is_other => losses
            .push("the place is in the log of another server, the next start halts".to_owned()),
        None => check_position(&new.position, log, losses),
    }
    plan.is_available = Some(losses.len() == found);
}

fn check_gtids(to: &GtidSet, log: &ServerLog, losses: &mut Vec<String>) {
    let gone = log.purged.difference(to).count();
    if gone > 0 {
        losses.push(format!(
            "mysql has purged {gone} transactions that are needed, the next start halts"
        ));
    }
    let unknown = to.difference(&log.executed).count();
    if unknown > 0 {
        losses.push(format!(
            "{unknown} transactions that mysql has not executed would be taken for done and \
             skipped when they come"
        ));
    }
}

fn check_position(position: &BinlogPosition, log: &ServerLog, losses: &mut Vec<String>) {
    match log.ends.iter().find(|end| end.file() == position.file()) {
        None => losses.push(format!(
            "mysql does not have the binary log file {}, the next start halts",
            position.file()
        )),
        Some(end) if end.offset() < position.offset() => losses.push(format!(
            "the file {} ends at {}, the next start halts",
            position.file(),
            end.offset()
        )),
        Some(_) => {}
    }
}

/// A table's stored offset, and the new one if it is changed.
type TableChange<'a> = (Option<&'a TableOffset>, Option<Option<&'a TableOffset>>);

fn tables(
    situation: &Situation<'_>,
    changes: &[Change],
    (new_stream, moved): (Option<&StreamOffset>, Move),
    losses: &mut Vec<String>,
) -> Vec<TablePlan> {
    let stored = situation.tables.iter();
    let mut all: BTreeMap<&TableId, TableChange<'_>> =
        stored.map(|(table, offset)| (table, (Some(offset), None))).collect();
    for change in changes {
        if let Change::Table(table, new) = change {
            let entry = all.entry(table).or_default();
            entry.1 = Some(new.as_ref().map(|new| &new.offset));
        }
    }
    let plan_of = |(table, (stored, change)): (&TableId, TableChange<'_>)| {
        let new = change.unwrap_or(stored);
        let is_unusable = situation.unusable.iter().any(|it| is_of(it, table));
        let unusable = is_unusable.then(|| UNUSABLE.to_owned());
        let (from_state, to_state) = (stored.map(state).or(unusable), new.map(state));
        let is_changed = change.is_some();
        let states = (from_state.as_deref(), to_state.as_deref());
        losses.extend(table_loss(table, states, (stored, new_stream), is_changed));
        let last_change = stored.and_then(|offset| offset.position.as_ref());
        let effect = match states.1 {
            None if situation.copies_new_tables => "copied again from its first row".to_owned(),
            None => "followed from then on, without a copy".to_owned(),
            Some(other) if other != "streaming" => format!("stays {other}"),
            Some(_) => streaming_effect(last_change, new_stream, moved),
        };
        TablePlan {
            table: table.to_string(),
            from_state,
            to_state,
            last_change: last_change.map(ToString::to_string),
            effect,
        }
    };
    all.into_iter().map(plan_of).collect()
}

/// The state of a table whose stored offset cannot be understood.
const UNUSABLE: &str = "unusable";

fn is_of(partition: &SourcePartition, of: &TableId) -> bool {
    match partition {
        SourcePartition::Stream { .. } => false,
        SourcePartition::Table { table, .. } => table == of,
    }
}

/// A state by its name, as the offset has it.
fn state(offset: &TableOffset) -> String {
    let json: Option<Value> = serde_json::from_slice(&offset.to_json()).ok();
    let name = json.as_ref().and_then(|json| json.get("state")).and_then(Value::as_str);
    name.unwrap_or("unknown").to_owned()
}

/// What a table that is followed sees of the stream's move.
fn streaming_effect(
    last_change: Option<&BinlogPosition>,
    new: Option<&StreamOffset>,
    moved: Move,
) -> String {
    // All that it has emitted lies before the new place, if both are in one log.
    let is_behind = || {
        let (last, new) = (last_change?, &new?.position);
        last.partial_cmp(new).map(Ordering::is_le)
    };
    let repeated = match (moved.is_back, last_change) {
        (false, _) => None,
        (true, None) => Some("nothing is repeated, no change of it was emitted"),
        (true, Some(_)) if is_behind() == Some(true) => {
            Some("nothing is repeated, its last change lies before the new place")
        }
        (true, Some(_)) => Some("changes after the new place up to its last are repeated"),
    };
    let skipped = moved.is_ahead.then_some("changes between the two places are not emitted");
    let parts: Vec<&str> = repeated.into_iter().chain(skipped).collect();
    if parts.is_empty() { "goes on where it was".to_owned() } else { parts.join("; ") }
}

/// A table that is made to stream although not all of it was copied or followed.
fn table_loss(
    table: &TableId,
    (from, to): (Option<&str>, Option<&str>),
    (stored, stream): (Option<&TableOffset>, Option<&StreamOffset>),
    is_changed: bool,
) -> Option<String> {
    if !is_changed || to != Some("streaming") {
        return None;
    }
    match from {
        // That nothing is known of it is told already.
        Some("streaming" | UNUSABLE) => None,
        None => Some(format!("{table} has no offset: the rows that it has would not be copied")),
        Some("parked") => {
            let since = stored.and_then(|offset| offset.position.as_ref());
            let follows = since.zip(stream).and_then(|(since, stream)| {
                stream.position.partial_cmp(since).map(Ordering::is_le)
            });
            let loss = format!(
                "{table} was parked: its changes since then would be missed, unless the stream is \
                 set back to before that"
            );
            (follows != Some(true)).then_some(loss)
        }
        Some(from) => Some(format!(
            "{table} is in state {from}: the rows that are not copied yet would be left out"
        )),
    }
}

#[cfg(test)]
mod tests;
