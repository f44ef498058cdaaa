//! GTID sets, positions and offsets: what is written as text or JSON.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use super::Target;
use crate::gtid::{Gtid, GtidSet};
use crate::lsn::Lsn;
use crate::offset::{SourcePartition, StreamOffset, TableOffset};
use crate::position::BinlogPosition;

/// One GTID set, or two with `|` between them.
pub const GTID_SET: Target =
    Target { name: "gtid_set", run: gtid_set, seeds: gtid_set_seeds, heap_per_byte: 256 };

/// A binlog position, an Lsn, or the key or value of an offset record.
pub const POSITION: Target =
    Target { name: "position", run: position, seeds: position_seeds, heap_per_byte: 256 };

fn gtid_set(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (left, right) = text.split_once('|').unwrap_or((text, ""));
    let (Ok(left), Ok(right)) = (left.parse::<GtidSet>(), right.parse::<GtidSet>()) else { return };
    for set in [&left, &right] {
        assert_eq!(set.to_string().parse::<GtidSet>().as_ref(), Ok(set), "print and parse");
        is_normal(set);
    }
    let (mut both, mut reversed) = (left.clone(), right.clone());
    both.union(&right);
    reversed.union(&left);
    assert_eq!(both, reversed, "the order of a union");
    is_normal(&both);
    assert!(left.is_subset(&both) && right.is_subset(&both));
    assert_eq!(left.is_subset(&right), both == right, "a subset adds nothing");
    for (source, intervals) in left.iter() {
        for number in intervals.iter().flat_map(|interval| [interval.first, interval.last]) {
            let gtid = Gtid { source: source.clone(), number };
            assert!(left.contains(&gtid) && both.contains(&gtid));
            let mut again = left.clone();
            again.insert(&gtid);
            assert_eq!(again, left, "what is there is added");
        }
    }
}

/// Intervals are in order, and none touches the next.
fn is_normal(set: &GtidSet) {
    for (source, intervals) in set.iter() {
        assert!(!intervals.is_empty(), "{source:?} without a transaction");
        assert!(
            intervals.iter().all(|interval| 1 <= interval.first && interval.first <= interval.last)
        );
        let apart = |pair: &[_]| matches!(pair, [low, high] if low_end(low) < high_start(high));
        assert!(intervals.windows(2).all(apart), "{intervals:?}");
    }
}

fn low_end(interval: &crate::gtid::Interval) -> u64 {
    interval.last.saturating_add(1)
}

fn high_start(interval: &crate::gtid::Interval) -> u64 {
    interval.first
}

fn gtid_set_seeds() -> Vec<Vec<u8>> {
    const A: &str = "7b40b903-e54c-11f1-9537-02fc00000001";
    const B: &str = "8b40b903-e54c-11f1-9537-02fc00000001";
    [
        format!("{A}:1-3:7:blue:1-2:red:5,{B}:4"),
        format!("{A}:1-3:5-7|{A}:4"),
        format!("{A}:1-9223372036854775806|{A}:2,\n{B}:1-2:9"),
        format!("{A}:18446744073709551615|{A}:18446744073709551614"),
        format!("{A}:_x1:1,{A}:3|"),
        String::new(),
    ]
    .map(String::into_bytes)
    .into()
}

fn position(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        prints_and_parses::<BinlogPosition>(text);
        prints_and_parses::<Lsn>(text);
    }
    if let Some((connector, partition)) = SourcePartition::parse_key(data) {
        let again = SourcePartition::parse_key(&partition.key(&connector));
        assert_eq!(again, Some((connector, partition)));
    }
    if let Ok(offset) = StreamOffset::from_json(data) {
        let again = StreamOffset::from_json(&offset.to_json()).expect("its own JSON");
        assert_eq!(again, offset);
    }
    if let Ok(offset) = TableOffset::from_json(data) {
        let again = TableOffset::from_json(&offset.to_json()).expect("its own JSON");
        assert_eq!(again, offset);
    }
}

fn prints_and_parses<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().expect("its own text"), value);
    }
}

fn position_seeds() -> Vec<Vec<u8>> {
    [
        "mysql-bin.000042:1337",
        "1763000000000000",
        r#"["srv1",{"server":"srv1"}]"#,
        r#"["c",{"server":"srv1","db":"a","table":"b"}]"#,
        r#"{"ts_sec":1795227115,"file":"binlog.000001","pos":42986,"gtids":"7b40b903-e54c-11f1-9537-02fc00000001:1-80","row":1,"server_id":1,"event":2}"#,
        r#"{"ts_sec":0,"file":"binlog.000001","pos":4,"gtids":""}"#,
        r#"{"ts_sec":12,"file":"binlog.000002","pos":9,"row":1,"server_id":7,"server_uuid":"00000000-0000-0000-0000-000000000000","lsn":77,"rowcast":1}"#,
        r#"{"file":"binlog.000002","pos":9,"lsn":5,"state":"snapshot","last_key":[{"signed":-7},{"text":"가"},{"binary":"00ff"},{"unsigned":8}],"rows":12,"chunks":3,"rowcast":1}"#,
        r#"{"state":"streaming","rowcast":1}"#,
        r#"{"state":"parked","reason":"r","rowcast":1}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
