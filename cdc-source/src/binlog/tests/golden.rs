//! What the recorded events say, as a person has reviewed it against `types.sql`.

use std::fmt::Write as _;

use super::{Decoded, Image, decoded, events, parse};
use crate::binlog::event::BinlogEvent;
use crate::binlog::table_map::TableMap;

#[test]
fn recorded_tables_and_rows_are_what_the_statements_say() {
    let mut described = String::new();
    for event in decoded() {
        match event {
            Decoded::Table(map) => table(&map, &mut described),
            Decoded::Rows { kind, images, .. } => {
                for image in &images {
                    writeln!(described, "  {kind:?} {}", row(image)).unwrap();
                }
            }
            Decoded::Other => {}
        }
    }

    let expected = include_str!("../../../tests/golden/types.txt");
    for (found, expected) in described.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(described.lines().count(), expected.lines().count());
}

#[test]
fn recorded_transactions_have_their_ids_times_and_statements() {
    let events = events();
    let parsed: Vec<_> = events.iter().map(|event| parse(event).unwrap()).collect();

    let (mut gtids, mut statements) = (Vec::new(), Vec::new());
    for event in &parsed {
        if let BinlogEvent::Gtid { gtid, committed_us } = event {
            gtids.push((gtid.clone().unwrap(), *committed_us));
        }
        if let BinlogEvent::Query(query) = event {
            statements
                .push((query.database().unwrap().to_owned(), query.statement.clone().into_owned()));
        }
    }

    let numbers: Vec<_> = gtids.iter().map(|(gtid, _)| gtid.number).collect();
    let (untagged, tagged) = numbers.split_at(numbers.len() - 2);
    assert!(untagged.is_sorted() && untagged.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert_eq!(tagged, [1, 2]);
    let tags: Vec<_> = gtids.iter().map(|(gtid, _)| gtid.source.tag.as_str()).collect();
    assert_eq!(tags[tags.len() - 3..], ["", "blue", "blue"]);
    // Commit times are the clock's, in microseconds, and not the session's `timestamp`.
    let sensible = 1_700_000_000_000_000..4_000_000_000_000_000;
    assert!(gtids.iter().all(|(_, micros)| sensible.contains(micros)));
    let said = |at: usize| (statements[at].0.as_str(), statements[at].1.as_str());
    assert_eq!(said(0), ("golden", "CREATE DATABASE golden"));
    assert!((0..statements.len()).any(|at| said(at) == ("golden", "BEGIN")));
    let begins = statements.iter().filter(|(_, statement)| *statement == "BEGIN").count();
    let ends = parsed.iter().filter(|event| matches!(event, BinlogEvent::Xid)).count();
    assert_eq!(begins, ends);
    assert!(matches!(parsed.last(), Some(BinlogEvent::Rotate)));
}

/// One line for the table, one for each column.
fn table(map: &TableMap, described: &mut String) {
    let prefix = if map.has_prefix_key { ", by a prefix" } else { "" };
    writeln!(described, "{} key {:?}{prefix}", map.id, map.key).unwrap();
    for column in &map.columns {
        let nullable = if column.nullable { " NULL" } else { "" };
        let column_type = match &column.column_type {
            Ok(column_type) => format!("{column_type:?}"),
            Err(type_name) => format!("not exact: {type_name}"),
        };
        writeln!(described, "  {} {column_type}{nullable}", column.name).unwrap();
    }
}

fn row(image: &Image) -> String {
    let cell = |cell: &Option<Result<String, String>>| match cell {
        None => "NULL".to_owned(),
        Some(Ok(text)) => format!("{:?}", runs(text)),
        Some(Err(_)) => "?".to_owned(),
    };
    image.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

/// The text with ten and more of the same character shown by their number.
fn runs(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let run = |run: &[char]| match run {
        [first, ..] if run.len() > 9 => format!("{first}×{}", run.len()),
        _ => run.iter().collect(),
    };
    characters.chunk_by(|left, right| left == right).map(run).collect()
}
