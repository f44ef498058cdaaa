//! Rows with text of every character set.

use std::fmt::Write as _;

use integration::random::Random;
use integration::stack::shared;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use schema::types::charset::Charset;

use super::alphabet::{character, text};
use super::charsets;
use crate::scenario::{Scenario, connect, log_has, stop};
use crate::types::read_as_streamed;

const ROWS: usize = 25;
const MEMBERS: usize = 4;

#[tokio::test]
async fn text_of_every_character_set_is_read_as_it_is_streamed() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut server = connect(&shared().await.unwrap().mysql).await;
    let mut columns = Vec::new();
    let mut values: Vec<Vec<String>> = vec![Vec::new(); ROWS];
    for (name, charset) in charsets(&mut server).await {
        let members = members(&mut server, charset, &mut random).await;
        let list: Vec<_> = members.iter().map(|member| format!("'{member}'")).collect();
        let (list, in_bin) = (list.join(", "), format!("CHARACTER SET {name} COLLATE {name}_bin"));
        columns.push(format!("{name}_v VARCHAR(12) CHARACTER SET {name}"));
        columns.push(format!("{name}_c CHAR(8) {in_bin}"));
        columns.push(format!("{name}_t TEXT CHARACTER SET {name}"));
        columns.push(format!("{name}_e ENUM({list}) {in_bin}"));
        columns.push(format!("{name}_s SET({list}) {in_bin}"));
        for row in &mut values {
            for longest in [12, 8, 60] {
                row.push(literal(&text(charset, longest, &mut random)));
            }
            row.push((random.below(4) + 1).to_string());
            row.push(random.below(16).to_string());
        }
    }
    let create = format!("CREATE TABLE t (id INT PRIMARY KEY, {})", columns.join(", "));
    let rows = values.iter().enumerate();
    let inserts = rows.map(|(id, row)| format!("INSERT INTO t VALUES ({id}, {})", row.join(", ")));

    read_as_streamed("charset_rows", &create, inserts.collect()).await;
}

/// Characters that are in a character set twice sort apart, so a bound has to keep them apart.
#[tokio::test]
async fn a_table_is_copied_along_a_key_in_any_character_set() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let mut random = Random::new(seed);
    let names = ["big5", "cp932", "gb18030", "gbk", "sjis", "swe7", "ujis", "utf16", "utf32"];
    let mut scenario = Scenario::new("charset_keys").await;
    let mut server = connect(&scenario.stack.mysql).await;
    for (name, charset) in charsets(&mut server).await {
        if !names.contains(&name.as_str()) {
            continue;
        }
        let columns = format!("k VARCHAR(9) CHARACTER SET {name}, n INT, PRIMARY KEY (k, n)");
        scenario.sql(&format!("CREATE TABLE {name} ({columns})")).await;
        let mut rows = String::new();
        for number in 0..ROWS {
            let key = literal(&text(charset, 2, &mut random));
            write!(rows, "({key}, {number}), ").unwrap();
        }
        // NEC's and the older form of one character.
        let twice = if name == "cp932" { ["x'81be'", "x'879b'"] } else { ["'a'", "'a'"] };
        let [first, second] = twice;
        scenario
            .sql(&format!("INSERT INTO {name} VALUES {rows}({first}, 100), ({second}, 101)"))
            .await;
    }
    let pipeline = scenario.source(&scenario.stack.mysql).with("snapshot.chunk.rows", "4");

    let rowcast = scenario.start(&pipeline).await;

    for name in names {
        let records = scenario.topic_is_table(name).await;
        assert_eq!(records.len(), ROWS + 2, "{name}");
    }
    stop(&rowcast).await;
}

/// `information_schema` has `?` for these members.
#[tokio::test]
async fn a_member_outside_the_first_plane_is_copied_right() {
    let mut scenario = Scenario::new("charset_members").await;
    scenario.sql("SET NAMES utf8mb4").await;
    scenario
        .sql(
            "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('😀', '?'), \
             s SET('🦀', '가') CHARACTER SET utf16)",
        )
        .await;
    scenario.sql("INSERT INTO t VALUES (1, '😀', '🦀,가'), (2, '?', '')").await;
    let pipeline = scenario.source(&scenario.stack.mysql);

    let rowcast = scenario.start(&pipeline).await;
    log_has(&rowcast, "table copied").await;
    scenario.sql("UPDATE t SET s = '🦀'").await;

    let records = scenario.topic_is_table("t").await;
    assert_eq!(records.len(), 4);
    stop(&rowcast).await;
}

fn literal(bytes: &[u8]) -> String {
    bytes.iter().fold("x'".to_owned(), |text, byte| format!("{text}{byte:02x}")) + "'"
}

/// Members for an ENUM: characters that a statement can name, which `information_schema` shows.
async fn members(server: &mut Conn, charset: Charset, random: &mut Random) -> Vec<String> {
    let mut members: Vec<String> = Vec::new();
    while members.len() < MEMBERS {
        let (_, text) = character(charset, random);
        let is_plain = |c: char| !c.is_control() && c < '\u{10000}' && !" ',\\?".contains(c);
        if text.chars().all(is_plain) && !members.contains(&text) {
            let name = charset.name();
            let hex = literal(text.as_bytes());
            let back: Option<bool> = server
                .query_first(format!(
                    "SELECT CAST(CONVERT(CONVERT(_utf8mb4 {hex} USING {name}) USING utf8mb4) \
                     AS BINARY) = {hex}"
                ))
                .await
                .unwrap();
            members.extend(back.unwrap().then_some(text));
        }
    }
    members
}
