//! What `cargo bench-codec` runs: events of the log in memory, through the code that the pipeline
//! runs on them, to records in a batch. Neither the network nor Kafka is part of it.

mod events;

use std::sync::Arc;

use connect::kafka::batch::{RecordBatch, TopicIndex};
use schema::bytes::equal;
use schema::change::{RowChange, RowImage};
use schema::envelope::{EventSource, SnapshotMarker, Source};
use schema::lsn::{Lsn, LsnClock};
use schema::names::NameAdjustment;
use schema::offset::StreamOffset;
use schema::plan::record::{ColumnChoice, Format, PlanOptions, RecordPlan};
use schema::position::BinlogPosition;
use schema::registry::SchemaId;
use schema::types::{Origin, ValueOptions};
use uuid::Uuid;

use crate::binlog::event::{BinlogEvent, RowsEvent, parse_body};
use crate::binlog::table_map::TableMap;
use crate::pipeline::record_writer::{RecordWriter, Scratch};
use crate::rows::ImageReader;
use crate::tables::TablePlan;
use crate::transaction::TransactionTracker;

pub use events::{Workload, bulk_inserts, single_row_updates};

/// Our clock while the bench runs.
const NOW_US: i64 = 1_795_227_115_320_977;

/// What the pipeline does with events, without its connections.
pub struct Codec {
    transaction: TransactionTracker,
    table: Option<Table>,
    images: ImageReader,
    scratch: Scratch,
    lsn: LsnClock,
    batch: RecordBatch,
    event: EventSource,
    position: BinlogPosition,
    /// Knows what the processor can do.
    checksum: crc32fast::Hasher,
}

/// The table of the workload, and the `TABLE_MAP` that said so.
struct Table {
    bytes: Box<[u8]>,
    map: Arc<TableMap>,
    plan: Arc<TablePlan>,
}

/// An event of the log whose checksum is right: its header's words and its body.
struct Event<'a> {
    timestamp: u32,
    kind: u8,
    server_id: u32,
    log_pos: u32,
    size: u32,
    body: &'a [u8],
}

/// Which of the two ways from rows to records is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The compiled plan.
    Planned,
    /// By way of Connect's data model.
    Generic,
}

impl Codec {
    /// At the beginning of a log.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bench.
    pub fn new() -> Result<Self, String> {
        let position =
            BinlogPosition::new("binlog.000001", 4).map_err(|error| error.to_string())?;
        Ok(Self {
            transaction: tracker(&position),
            table: None,
            images: ImageReader::default(),
            scratch: Scratch::default(),
            lsn: LsnClock::start(None, 1),
            batch: RecordBatch::default(),
            event: EventSource::default(),
            position,
            checksum: crc32fast::Hasher::new(),
        })
    }

    /// Converts a part of a log; gives the bytes of its records.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the log, which the bench made itself.
    pub fn run(&mut self, log: &[u8], path: Path) -> Result<usize, String> {
        // Each run reads transactions that are new.
        self.transaction = tracker(&self.position);
        let mut rest = log;
        let mut written = 0;
        while !rest.is_empty() {
            let (event, after) = Event::read(rest, self.checksum.clone()).ok_or("an event")?;
            self.take(&event, path)?;
            rest = after;
            // As the pipeline hands its batch over.
            if self.batch.bytes() >= 1 << 20 {
                written += self.batch.bytes();
                self.batch.truncate(0, 0);
            }
        }
        written += self.batch.bytes();
        self.batch.truncate(0, 0);
        Ok(written)
    }

    fn take(&mut self, event: &Event<'_>, path: Path) -> Result<(), String> {
        self.transaction.saw(event.server_id, event.timestamp.into());
        let end = u64::from(event.log_pos);
        let start = end - u64::from(event.size);
        let parsed = parse_body(event.kind, event.body).map_err(|error| format!("{error:?}"))?;
        let begins = matches!(parsed, BinlogEvent::Gtid { .. });
        match parsed {
            BinlogEvent::Gtid { gtid, committed_us } => {
                self.position.set_offset(start);
                self.transaction.begin(&self.position, gtid, committed_us);
            }
            BinlogEvent::Query(query) => {
                self.transaction.set_thread(query.thread);
                if query.statement == "BEGIN" {
                    self.transaction.opened();
                }
            }
            BinlogEvent::TableMap(map) => {
                let is_known =
                    self.table.as_ref().is_some_and(|table| equal(&table.bytes, map.bytes));
                if !is_known {
                    let parsed = map.parse().map_err(|error| format!("{error:?}"))?;
                    let plan = table_plan(&parsed)?;
                    let bytes = map.bytes.into();
                    self.table = Some(Table { bytes, map: Arc::new(parsed), plan: Arc::new(plan) });
                }
            }
            BinlogEvent::Rows(rows) => self.take_rows(&rows, start, event.server_id, path)?,
            BinlogEvent::Xid => {
                self.position.set_offset(end);
                self.transaction.commit(&self.position);
            }
            BinlogEvent::Rotate
            | BinlogEvent::Heartbeat
            | BinlogEvent::XaPrepare { .. }
            | BinlogEvent::Incident
            | BinlogEvent::Ignorable
            | BinlogEvent::Other => return Err("an event that is in no workload".to_owned()),
        }
        if !begins {
            self.transaction.event_done();
        }
        Ok(())
    }

    fn take_rows(
        &mut self,
        rows: &RowsEvent<'_>,
        start: u64,
        server_id: u32,
        path: Path,
    ) -> Result<(), String> {
        let Table { map, plan, .. } = self.table.as_ref().ok_or("a table map comes first")?;
        let open = self.transaction.open();
        let source = Source {
            ts_us: open.map_or(0, |open| i64::try_from(open.committed_us).unwrap_or_default()),
            snapshot: SnapshotMarker::No,
            lsn: self.lsn.last(),
            server_id,
            gtid: self.transaction.gtid_text(),
            file: self.position.file(),
            pos: start,
            row: 0,
            thread: open.and_then(|open| open.thread),
            transaction: None,
        };
        self.event.begin(NOW_US);
        let mut writer = RecordWriter {
            plan,
            record: &plan.record,
            batch: &mut self.batch,
            lsn: &mut self.lsn,
            order: None,
            source,
            event: &mut self.event,
            tombstones: true,
        };
        let (mut at, mut number, data) = (0, 0, rows.rows);
        while at < data.len() {
            let read = self.images.change(rows.kind, map, rows.rows, at);
            let (change, end) = read.map_err(|error| error.to_string())?;
            at = end;
            writer.source.row = number;
            number += 1;
            if path == Path::Generic {
                generic(&plan.record, &change, &writer.source, writer.batch.buffer())?;
                continue;
            }
            let _lsn: Lsn = writer
                .change(&change, &mut self.scratch, None)
                .map_err(|error| error.to_string())?;
        }
        self.transaction.rows_done_of(&plan.schema.id, number.into());
        Ok(())
    }
}

/// At the beginning of a log.
fn tracker(position: &BinlogPosition) -> TransactionTracker {
    let offset = StreamOffset {
        position: position.clone(),
        gtids: Some(schema::gtid::GtidSet::default()),
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
    };
    TransactionTracker::resume(&offset, Uuid::nil())
}

fn generic(
    record: &RecordPlan,
    change: &RowChange<RowImage<'_>>,
    source: &Source<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let row = change.after().or(change.before()).ok_or("an image")?;
    record.write_generic_key(row, out).map_err(|error| error.to_string())?;
    record.write_generic(change, source, NOW_US, out).map_err(|error| error.to_string())
}

fn table_plan(map: &TableMap) -> Result<TablePlan, String> {
    let schema = map.table_schema().map_err(|(column, _)| column)?;
    let options = PlanOptions {
        server: "shop",
        values: ValueOptions::exact(),
        field_names: NameAdjustment::Avro,
        schema_names: NameAdjustment::Avro,
        message_key: None,
        format: Format::Envelope,
        origin: Origin::Log,
        choose: &|_| ColumnChoice::plain(),
    };
    let mut record = RecordPlan::compile(&schema, options).map_err(|error| error.to_string())?;
    record.set_ids(Some(SchemaId(1)), SchemaId(2));
    Ok(TablePlan::new(schema, record, TopicIndex::FIRST))
}

impl<'a> Event<'a> {
    /// Time 4, type 1, server 4, size 4, position 4, flags 2; the body; a checksum of 4.
    fn read(log: &'a [u8], mut sum: crc32fast::Hasher) -> Option<(Self, &'a [u8])> {
        let (header, _) = log.split_first_chunk::<19>()?;
        let [t0, t1, t2, t3, kind, s0, s1, s2, s3, z0, z1, z2, z3, p0, p1, p2, p3, _, _] = *header;
        let size = u32::from_le_bytes([z0, z1, z2, z3]);
        let (event, after) = log.split_at_checked(usize::try_from(size).ok()?)?;
        let (checked, checksum) = event.split_last_chunk::<4>()?;
        sum.update(checked);
        if sum.finalize().to_le_bytes() != *checksum {
            return None;
        }
        let event = Self {
            timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            kind,
            server_id: u32::from_le_bytes([s0, s1, s2, s3]),
            log_pos: u32::from_le_bytes([p0, p1, p2, p3]),
            size,
            body: checked.get(19..)?,
        };
        Some((event, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_write_all_rows_and_the_planned_one_their_offsets_too() {
        for workload in [bulk_inserts(), single_row_updates()] {
            let mut planned = Codec::new().unwrap();
            let mut generic = Codec::new().unwrap();

            let bytes = planned.run(&workload.log, Path::Planned).unwrap();
            let generic_bytes = generic.run(&workload.log, Path::Generic).unwrap();

            // The Lsn's digits are all that differs.
            let rows = usize::try_from(workload.rows).unwrap();
            assert!(bytes >= generic_bytes && bytes <= generic_bytes + 4 * rows, "{bytes}");
            assert!(bytes > 200 * rows, "{bytes} bytes of {rows} rows");
        }
    }
}
