//! Transactions of the stream: where they begin and end, what is executed, and the offset that is
//! true at any moment in between.

use std::collections::BTreeMap;

use schema::digits::push_unsigned;
use schema::gtid::{Gtid, GtidSet};
use schema::lsn::Lsn;
use schema::offset::{PreparedXa, StreamOffset, TableRows};
use schema::position::BinlogPosition;
use schema::table::TableId;
use uuid::Uuid;

/// Most XA transactions that may wait for their outcome at once: each is in every offset.
const PREPARED_MAX: usize = 10_000;

/// Follows the stream from transaction to transaction.
#[derive(Debug)]
pub(crate) struct TransactionTracker {
    server_uuid: Uuid,
    /// What is executed before the open transaction; `None` on servers without GTIDs.
    executed: Option<GtidSet>,
    /// Where the open transaction begins, or where the next one will.
    begin: BinlogPosition,
    open: Option<OpenTransaction>,
    /// The last transaction's identifier as text.
    named: Option<GtidText>,
    /// What the first transaction after a restart has already emitted, by its events on the server
    /// where it was read.
    skip: Done,
    /// The same by the rows of each table; `None` if nobody knows, until that transaction ends.
    carried: Option<Rows>,
    /// Rows of the open transaction that are done.
    rows: RowsDone,
    /// When the file of `begin` was begun.
    file_created: Option<u32>,
    server_id: u32,
    ts_sec: i64,
    /// XA transactions without an outcome yet, oldest first.
    prepared: Vec<PreparedXa>,
}

/// A transaction whose end has not been read yet.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    gtid: Option<Gtid>,
    /// Time of the commit, microseconds since 1970; 0 if the server does not say.
    pub(crate) committed_us: u64,
    /// The thread that ran it.
    pub(crate) thread: Option<u32>,
    done: Done,
    /// Whether its first statement was `BEGIN` or `XA START`; else it is one statement long.
    is_opened: bool,
    /// The name of an XA transaction, while its rows are passed over.
    xa: Option<String>,
}

/// How many rows of each table.
type Rows = BTreeMap<TableId, u64>;

/// The same for the open transaction. Most transactions change the tables that the one before has
/// changed, so their names are kept.
#[derive(Debug, Default)]
struct RowsDone {
    tables: Vec<(TableId, Option<u64>)>,
    /// Where the table of the last event is.
    last: usize,
}

/// Most names that are kept from one transaction to the next.
const NAMES_KEPT: usize = 16;

impl RowsDone {
    fn clear(&mut self) {
        if self.tables.len() > NAMES_KEPT {
            self.tables.clear();
        }
        self.tables.iter_mut().for_each(|(_, rows)| *rows = None);
    }

    fn add(&mut self, table: &TableId, rows: u64) {
        let is_it = |(known, _): &(TableId, Option<u64>)| known == table;
        if !self.tables.get(self.last).is_some_and(is_it) {
            self.last = self.tables.iter().position(is_it).unwrap_or(self.tables.len());
        }
        match self.tables.get_mut(self.last) {
            Some((_, done)) => *done = Some(done.unwrap_or(0) + rows),
            None => self.tables.push((table.clone(), Some(rows))),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&TableId, u64)> {
        self.tables.iter().filter_map(|(table, rows)| Some((table, (*rows)?)))
    }

    fn of(&self, table: &TableId) -> u64 {
        self.iter().find(|(known, _)| *known == table).map_or(0, |(_, rows)| rows)
    }
}

/// A transaction's identifier as text. Nearly all come from one server, so only the number at its
/// end is written again.
#[derive(Debug)]
struct GtidText {
    gtid: Gtid,
    text: String,
    /// Where the number begins.
    number_at: usize,
}

/// How much of a transaction is done: whole events from its `BEGIN` on, of whatever kind, as
/// Debezium counts them, and rows of the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Done {
    events: u64,
    rows: u64,
}

impl TransactionTracker {
    /// Starts where an offset says.
    pub(crate) fn resume(offset: &StreamOffset, server_uuid: Uuid) -> Self {
        let skip = Done { events: offset.event, rows: offset.row };
        let by_table = |done: &Vec<TableRows>| {
            let table = |it: &TableRows| (TableId::new(&it.db, &it.table), it.rows);
            done.iter().map(table).collect()
        };
        let carried = match &offset.done {
            Some(done) => Some(by_table(done)),
            None => (!offset.is_inside()).then(Rows::new),
        };
        let is_same = offset.server_uuid.is_none_or(|uuid| uuid == server_uuid);
        Self {
            server_uuid,
            executed: offset.gtids.clone(),
            begin: offset.position.clone(),
            open: None,
            named: None,
            skip: if is_same { skip } else { Done::default() },
            carried,
            rows: RowsDone::default(),
            file_created: offset.file_created,
            server_id: offset.server_id,
            ts_sec: offset.ts_sec,
            prepared: offset.prepared.clone(),
        }
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self, at: &BinlogPosition, gtid: Option<Gtid>, committed_us: u64) {
        self.begin.clone_from(at);
        if gtid.is_none() && self.executed.take().is_some() {
            tracing::warn!(
                position = %at,
                hint = "set gtid_mode=ON again: until then another server cannot be followed",
                "a transaction has no GTID: the place in the log is known by file and position only"
            );
        }
        if let Some(gtid) = &gtid {
            match &mut self.named {
                Some(named) if named.gtid.source == gtid.source => named.set_number(gtid.number),
                named => *named = Some(GtidText::new(gtid)),
            }
        }
        self.open = Some(OpenTransaction {
            gtid,
            committed_us,
            thread: None,
            done: Done::default(),
            is_opened: false,
            xa: None,
        });
        self.rows.clear();
    }

    /// All that is executed up to here is known by GTIDs. Not inside a transaction.
    pub(crate) fn adopt(&mut self, executed: GtidSet) {
        self.executed = Some(executed);
    }

    /// The open transaction's GTID as text, as every event of it carries it.
    pub(crate) fn gtid_text(&self) -> Option<&str> {
        self.open.as_ref()?.gtid.as_ref()?;
        self.named.as_ref().map(|named| named.text.as_str())
    }

    /// Its first statement says that more follow.
    pub(crate) fn opened(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_opened = true;
        }
    }

    /// It is an XA transaction of this name, whose outcome comes later.
    pub(crate) fn set_xa(&mut self, xid: &str) {
        if let Some(open) = &mut self.open {
            open.xa = Some(xid.to_owned());
        }
    }

    /// The rows of the open XA transaction are done: what has to be read when it is committed.
    pub(crate) fn xa_prepared(&mut self) -> Option<PreparedXa> {
        let open = self.open.as_mut()?;
        let gtid = open.gtid.as_ref().map(|gtid| {
            let mut set = GtidSet::default();
            set.insert(gtid);
            set
        });
        let (position, server_uuid) = (self.begin.clone(), self.server_uuid);
        Some(PreparedXa { xid: open.xa.take()?, position, gtid, server_uuid })
    }

    /// An XA transaction waits for its outcome; `false` if too many do.
    pub(crate) fn keep_prepared(&mut self, prepared: PreparedXa) -> bool {
        // One that comes again after a restart was not committed before it.
        self.prepared.retain(|known| known.xid != prepared.xid);
        self.prepared.push(prepared);
        self.prepared.len() <= PREPARED_MAX
    }

    /// The XA transaction of this name, if it waits for its outcome.
    pub(crate) fn prepared(&self, xid: &str) -> Option<&PreparedXa> {
        self.prepared.iter().find(|prepared| prepared.xid == xid)
    }

    /// An XA transaction has its outcome.
    pub(crate) fn forget_prepared(&mut self, xid: &str) {
        self.prepared.retain(|prepared| prepared.xid != xid);
    }

    /// The rows of the open transaction come once more, from its beginning.
    pub(crate) fn rewind(&mut self) {
        if let Some(open) = &mut self.open {
            open.done = Done::default();
        }
    }

    /// Whether a statement without `BEGIN` before it is all there is of the transaction.
    pub(crate) fn is_single_statement(&self) -> bool {
        self.open.as_ref().is_none_or(|open| !open.is_opened)
    }

    /// Whether the rows of the open transaction are passed over until its outcome is known.
    pub(crate) fn is_xa(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.xa.is_some())
    }

    /// The tables of which rows of the open transaction were emitted.
    pub(crate) fn emitted(&self) -> Vec<TableId> {
        let carried = self.carried.iter().flat_map(BTreeMap::keys);
        let all = self.rows.iter().map(|(table, _)| table).chain(carried);
        let mut tables: Vec<_> = all.cloned().collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// Its first statement tells which thread runs it.
    pub(crate) fn set_thread(&mut self, thread: u32) {
        if let Some(open) = &mut self.open {
            open.thread = Some(thread);
        }
    }

    /// A row event of the table begins: how many of its rows are to be skipped, because they were
    /// emitted before a restart; `None` for all.
    pub(crate) fn rows_to_skip(&self, table: &TableId) -> Option<u64> {
        let Some(carried) = &self.carried else { return self.rows_to_skip_by_events() };
        let skip = carried.get(table).copied().unwrap_or_default();
        Some(if skip == 0 { 0 } else { skip.saturating_sub(self.rows.of(table)) })
    }

    /// The same by the number of events, which only the server has on which it was read.
    pub(crate) fn rows_to_skip_by_events(&self) -> Option<u64> {
        let done = self.open.as_ref().map_or(Done::default(), |open| open.done);
        match done.events.cmp(&self.skip.events) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(self.skip.rows),
            std::cmp::Ordering::Greater => Some(0),
        }
    }

    /// So many rows of an event of the table were emitted, or skipped because they had been.
    pub(crate) fn rows_done_of(&mut self, table: &TableId, rows: u64) {
        self.rows.add(table, rows);
    }

    /// So many rows of the current row event are done.
    pub(crate) fn rows_done(&mut self, rows: u64) {
        if let Some(open) = &mut self.open {
            open.done.rows = rows;
        }
    }

    /// An event of it is done.
    pub(crate) fn event_done(&mut self) {
        if let Some(open) = &mut self.open {
            open.done = Done { events: open.done.events + 1, rows: 0 };
        }
    }

    /// The transaction ends, at `end`.
    pub(crate) fn commit(&mut self, end: &BinlogPosition) {
        if let Some(open) = self.open.take()
            && let (Some(executed), Some(gtid)) = (&mut self.executed, &open.gtid)
        {
            executed.insert(gtid);
        }
        self.begin.clone_from(end);
        self.skip = Done::default();
        self.carried = Some(Rows::new());
        self.rows.clear();
    }

    /// Between transactions the stream has moved on without one; whether that is news.
    pub(crate) fn advance(&mut self, position: &BinlogPosition) -> bool {
        let is_news = self.open.is_none() && self.begin != *position;
        if is_news {
            self.begin.clone_from(position);
        }
        is_news
    }

    /// An event was read.
    pub(crate) fn saw(&mut self, server_id: u32, ts_sec: i64) {
        if server_id != 0 {
            self.server_id = server_id;
        }
        if ts_sec != 0 {
            self.ts_sec = ts_sec;
        }
    }

    /// Another file of the log goes on; when it was begun is said by its first event.
    pub(crate) fn file_begins(&mut self, created: Option<u32>) {
        self.file_created = created;
    }

    /// Whether no transaction is open.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.open.is_none()
    }

    /// The open transaction.
    pub(crate) fn open(&self) -> Option<&OpenTransaction> {
        self.open.as_ref()
    }

    /// What is executed before the open transaction.
    pub(crate) fn executed(&self) -> Option<&GtidSet> {
        self.executed.as_ref()
    }

    /// The offset that is true now.
    pub(crate) fn offset(&self, lsn: Lsn) -> StreamOffset {
        let done = match &self.open {
            // Nothing new was emitted while what is to be skipped has not been passed, nor while rows
            // are passed over that will be read again.
            Some(open)
                if open.xa.is_none()
                    && (open.done.events, open.done.rows) >= (self.skip.events, self.skip.rows) =>
            {
                open.done
            }
            _ => self.skip,
        };
        StreamOffset {
            position: self.begin.clone(),
            gtids: self.executed.clone(),
            event: done.events,
            row: done.rows,
            server_id: self.server_id,
            ts_sec: self.ts_sec,
            server_uuid: Some(self.server_uuid),
            file_created: self.file_created,
            lsn: Some(lsn),
            prepared: self.prepared.clone(),
            done: self.done_rows(),
            transaction: None,
        }
    }

    /// Rows of the open transaction that are done, before a restart or since.
    fn done_rows(&self) -> Option<Vec<TableRows>> {
        let mut done = self.carried.clone()?;
        for (table, rows) in self.rows.iter() {
            let known = done.entry(table.clone()).or_default();
            *known = (*known).max(rows);
        }
        let rows_of = |(table, rows): (TableId, u64)| {
            let TableId { database: db, name: table } = table;
            TableRows { db, table, rows }
        };
        Some(done.into_iter().map(rows_of).collect())
    }
}

impl GtidText {
    fn new(gtid: &Gtid) -> Self {
        let text = gtid.to_string();
        let number_at = text.rfind(':').map_or(text.len(), |colon| colon + 1);
        Self { gtid: gtid.clone(), text, number_at }
    }

    fn set_number(&mut self, number: u64) {
        let before = std::mem::replace(&mut self.gtid.number, number);
        let digit = before % 10;
        if before.wrapping_add(1) == number && digit < 9 {
            // Nearly always, and then all digits but the last stay.
            self.text.pop();
            self.text.extend(char::from_digit(u32::try_from(digit + 1).unwrap_or(0), 10));
        } else {
            self.text.truncate(self.number_at);
            push_unsigned(number, &mut self.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::gtid::GtidSource;

    const UUID: &str = "7b40b903-e54c-11f1-9537-02fc00000001";

    fn position(offset: u64) -> BinlogPosition {
        BinlogPosition::new("binlog.000001", offset).unwrap()
    }

    fn gtid(number: u64) -> Gtid {
        let source = GtidSource { uuid: UUID.parse().unwrap(), tag: String::new() };
        Gtid { source, number }
    }

    fn start() -> StreamOffset {
        StreamOffset {
            position: position(4),
            gtids: Some(format!("{UUID}:1-5").parse().unwrap()),
            event: 0,
            row: 0,
            server_id: 1,
            ts_sec: 0,
            server_uuid: None,
            file_created: None,
            lsn: None,
            prepared: Vec::new(),
            done: None,
            transaction: None,
        }
    }

    fn lsn() -> Lsn {
        Lsn::new(9).unwrap()
    }

    fn table() -> TableId {
        TableId::new("shop", "orders")
    }

    /// The other server has the rows of two events in one, and those of another table between them.
    #[test]
    fn on_another_server_rows_are_skipped_table_by_table() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let other = TableId::new("shop", "items");
        let mut tracker = TransactionTracker::resume(&start(), here);
        tracker.begin(&position(100), Some(gtid(6)), 0);
        tracker.rows_done_of(&table(), 3);
        tracker.event_done();
        tracker.rows_done_of(&table(), 2);
        tracker.event_done();
        let offset = StreamOffset::from_json(&tracker.offset(lsn()).to_json()).unwrap();

        let mut tracker = TransactionTracker::resume(&offset, there);
        tracker.begin(&position(200), Some(gtid(6)), 0);
        assert_eq!(tracker.rows_to_skip(&other), Some(0));
        tracker.rows_done_of(&other, 1);
        tracker.event_done();
        assert_eq!(tracker.rows_to_skip(&table()), Some(5));
        let meanwhile = tracker.offset(lsn());
        tracker.rows_done_of(&table(), 9);
        tracker.event_done();
        assert_eq!(tracker.rows_to_skip(&table()), Some(0));
        tracker.commit(&position(300));

        let rows = |table: &TableId, rows| TableRows {
            db: table.database.clone(),
            table: table.name.clone(),
            rows,
        };
        assert_eq!(offset.done, Some(vec![rows(&table(), 5)]));
        assert_eq!(meanwhile.done, Some(vec![rows(&other, 1), rows(&table(), 5)]));
        let after = StreamOffset::from_json(&tracker.offset(lsn()).to_json()).unwrap();
        assert_eq!(after.done, None, "between transactions it is not written");
    }

    /// Nothing of the transaction has come from the other server when the source ends again.
    #[test]
    fn what_is_done_is_not_forgotten_before_the_other_server_has_sent_anything() {
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut tracker = TransactionTracker::resume(&start(), here);
        tracker.begin(&position(100), Some(gtid(6)), 0);
        tracker.rows_done_of(&table(), 3);
        tracker.event_done();
        let mut offset = tracker.offset(lsn());

        for begins in [false, true] {
            let mut tracker = TransactionTracker::resume(&offset, there);
            if begins {
                tracker.begin(&position(200), Some(gtid(6)), 0);
            }
            offset = StreamOffset::from_json(&tracker.offset(lsn()).to_json()).unwrap();
        }

        let mut tracker = TransactionTracker::resume(&offset, there);
        tracker.begin(&position(200), Some(gtid(6)), 0);
        assert_eq!(tracker.rows_to_skip(&table()), Some(3));
    }

    #[test]
    fn the_offset_names_the_set_before_an_open_transaction_and_what_is_done_of_it() {
        let mut tracker = TransactionTracker::resume(&start(), Uuid::nil());

        tracker.begin(&position(100), Some(gtid(6)), 0);
        tracker.event_done();
        tracker.rows_done(3);
        let inside = tracker.offset(lsn());
        tracker.event_done();
        tracker.commit(&position(300));
        let after = tracker.offset(lsn());

        assert_eq!(inside.position, position(100));
        assert_eq!(inside.gtids.unwrap().to_string(), format!("{UUID}:1-5"));
        assert_eq!((inside.event, inside.row), (1, 3));
        assert_eq!(after.position, position(300));
        assert_eq!(after.gtids.unwrap().to_string(), format!("{UUID}:1-6"));
        assert_eq!((after.event, after.row), (0, 0));
    }

    #[test]
    fn transactions_are_named_as_they_print() {
        let mut tracker = TransactionTracker::resume(&start(), Uuid::nil());

        for tag in ["", "blue"] {
            for number in [1, 2, 9, 10, 11, 4_711, 4_712, u64::MAX, 99_999_999, 100_000_000] {
                let mut gtid = gtid(number);
                gtid.source.tag = tag.to_owned();
                tracker.begin(&position(4), Some(gtid.clone()), 0);
                assert_eq!(tracker.gtid_text(), Some(gtid.to_string().as_str()));
            }
        }
    }

    /// Its rows come again when it is committed: were they counted as done, they would be lost.
    #[test]
    fn rows_that_are_passed_over_are_not_done() {
        let mut tracker = TransactionTracker::resume(&start(), Uuid::nil());
        tracker.begin(&position(100), Some(gtid(6)), 0);
        tracker.set_xa("X'61',X'',1");
        for _ in 0..5 {
            tracker.event_done();
        }

        let inside = tracker.offset(lsn());
        let prepared = tracker.xa_prepared().unwrap();
        assert!(tracker.keep_prepared(prepared.clone()));
        tracker.commit(&position(300));
        let after = tracker.offset(lsn());

        assert_eq!((inside.position, inside.event), (position(100), 0));
        assert_eq!((prepared.position, prepared.xid.as_str()), (position(100), "X'61',X'',1"));
        assert_eq!(prepared.gtid.unwrap().to_string(), format!("{UUID}:6"));
        assert_eq!((&after.position, after.prepared.len()), (&position(300), 1));
        let resumed = TransactionTracker::resume(&after, Uuid::nil());
        assert!(resumed.prepared("X'61',X'',1").is_some());
    }

    #[test]
    fn a_restart_inside_a_transaction_skips_what_is_done_and_nothing_more() {
        let offset = StreamOffset { event: 1, row: 3, ..start() };
        let mut tracker = TransactionTracker::resume(&offset, Uuid::nil());

        tracker.begin(&position(100), Some(gtid(6)), 0);
        assert_eq!(tracker.rows_to_skip(&table()), None);
        tracker.event_done();
        assert_eq!(tracker.rows_to_skip(&table()), Some(3));
        assert_eq!((tracker.offset(lsn()).event, tracker.offset(lsn()).row), (1, 3));
        tracker.rows_done(5);
        assert_eq!((tracker.offset(lsn()).event, tracker.offset(lsn()).row), (1, 5));
        tracker.event_done();
        assert_eq!(tracker.rows_to_skip(&table()), Some(0));
        tracker.commit(&position(200));
        tracker.begin(&position(200), Some(gtid(7)), 0);
        assert_eq!(tracker.rows_to_skip(&table()), Some(0));
    }
}
