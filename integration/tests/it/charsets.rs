//! Every character set of the server: what `Charset` makes of bytes is what the server says they
//! are; rows of all of them come alike both ways; and what is no text parks its table.

mod alphabet;
mod parked;
mod rows;

use std::collections::BTreeMap;
use std::time::Instant;

use integration::random::Random;
use integration::stack::shared;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use schema::types::charset::Charset;

use crate::scenario::connect;

/// Four-byte sequences of one character set, drawn at random.
const SAMPLES: usize = 40_000;

/// Code points in one text that the server converts.
const CHUNK: u32 = 0x2000;

#[tokio::test]
async fn every_collation_of_the_server_is_of_its_character_set() {
    let mut server = connect(&shared().await.unwrap().mysql).await;
    let collations: Vec<(u16, String)> = server
        .query("SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS")
        .await
        .unwrap();
    let expected: BTreeMap<u16, &str> = collations
        .iter()
        .filter(|(_, name)| name != "binary")
        .map(|(id, name)| (*id, name.as_str()))
        .collect();

    let known: BTreeMap<u16, &str> =
        (0..=u16::MAX).filter_map(|id| Some((id, Charset::of_collation(id)?.name()))).collect();

    assert_eq!(known, expected);
}

#[tokio::test]
async fn every_sequence_of_bytes_is_what_the_server_says() {
    let seed = Random::seed("ROWCAST_SEED");
    println!("ROWCAST_SEED={seed}");
    let started = Instant::now();
    let mut server = connect(&shared().await.unwrap().mysql).await;
    pairs(&mut server, "charset_bytes").await;

    let mut compared = 0;
    let mut texts = 0;
    let mut random = Random::new(seed);
    for (name, charset) in charsets(&mut server).await {
        for source in sources(&name, &mut random) {
            let rows = said(&mut server, &name, &source).await;
            compared += rows.len();
            for (bytes, said) in rows {
                let expected = said.and_then(|(count, text)| exact(&name, &bytes, count, text));
                let decoded = charset.decode(&bytes).ok().map(String::from);
                assert_eq!(decoded, expected, "{name} {bytes:02x?}");
                texts += usize::from(expected.is_some());
            }
        }
    }
    println!("{compared} sequences, {texts} of them text, in {:?}", started.elapsed());
    assert!(compared > 1_500_000 && texts > 300_000, "{compared} {texts}");
}

#[tokio::test]
async fn all_of_unicode_comes_back_from_every_character_set() {
    let started = Instant::now();
    let mut server = connect(&shared().await.unwrap().mysql).await;
    all_of_unicode(&mut server, "charset_unicode").await;

    let mut characters = 0;
    for (name, charset) in charsets(&mut server).await {
        let has_all = ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030"].contains(&name.as_str());
        // Beyond the second plane there is nothing that an older set could have.
        let end = if has_all { 0x11_0000 } else { 0x3_0000 };
        let statement = format!(
            "SELECT t, CAST(CONVERT(t USING {name}) AS BINARY), \
             CONVERT(CONVERT(t USING {name}) USING utf8mb4) FROM texts WHERE id < {end}"
        );
        let texts: Vec<(String, Vec<u8>, String)> = server.query(statement).await.unwrap();
        let mut kept = 0;
        for (text, bytes, back) in texts {
            // `tis620` sees no more than 16 bits of U+1FFFD, and so stores what it does not have.
            let decoded = charset.decode(&bytes).ok();
            let expected = (!back.contains(char::REPLACEMENT_CHARACTER)).then_some(back.as_str());
            assert!(
                decoded.as_deref() == expected,
                "{name} in the text of {:?}",
                text.chars().next()
            );
            kept += text.chars().zip(back.chars()).filter(|(a, b)| a == b).count();
        }
        if has_all {
            assert_eq!(kept, 0x11_0000 - 0x800 - 1, "{name}");
        }
        assert!(kept >= 0x5f, "{name} has {kept} characters");
        characters += kept;
    }
    println!("{characters} characters in {:?}", started.elapsed());
}

/// The character sets of the server but `binary`.
async fn charsets(server: &mut Conn) -> Vec<(String, Charset)> {
    let named: Vec<(String, u16)> = server
        .query(
            "SELECT CHARACTER_SET_NAME, ID FROM information_schema.COLLATIONS \
             WHERE IS_DEFAULT = 'Yes' AND CHARACTER_SET_NAME <> 'binary' ORDER BY 1",
        )
        .await
        .unwrap();
    named.into_iter().map(|(name, id)| (name, Charset::of_collation(id).unwrap())).collect()
}

/// A table of all sequences of two bytes.
async fn pairs(server: &mut Conn, database: &str) {
    for statement in [
        &format!("CREATE DATABASE {database}"),
        &format!("USE {database}"),
        "SET cte_max_recursion_depth = 65536",
        "CREATE TABLE pairs (b BINARY(2) PRIMARY KEY)",
        "INSERT INTO pairs WITH RECURSIVE n (i) AS \
         (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 65535) \
         SELECT UNHEX(LPAD(HEX(i), 4, '0')) FROM n",
    ] {
        server.query_drop(statement).await.unwrap();
    }
}

/// What to ask about a character set: derived tables with the sequences in `b`. A sequence that is
/// no whole number of units cannot be in a column: the server puts zeros before it.
fn sources(name: &str, random: &mut Random) -> Vec<String> {
    let one = "(SELECT SUBSTR(b, 2) AS b FROM pairs WHERE b < x'0100') AS s".to_owned();
    let two = "pairs AS s".to_owned();
    let behind = |first: u8| format!("(SELECT CONCAT(x'{first:02x}', b) AS b FROM pairs) AS s");
    let mut four = |draw: fn(&mut Random) -> [u8; 4]| {
        let rows =
            (0..SAMPLES).map(|_| format!("ROW(x'{:08x}')", u32::from_be_bytes(draw(random))));
        format!("(VALUES {}) AS s (b)", rows.collect::<Vec<_>>().join(","))
    };
    match name {
        "ujis" | "eucjpms" => vec![one, two, behind(0x8f), behind(0x8e), behind(0xa1)],
        "utf8mb3" | "utf8mb4" => {
            let mut sources: Vec<_> = [0xdf, 0xe0, 0xed, 0xef].map(behind).into();
            sources.extend([one, two, four(|random| near(random, [0xf0, 0x80, 0x80, 0x80]))]);
            sources
        }
        "gb18030" => vec![
            one,
            two,
            behind(0x81),
            four(|random| near(random, [0x81, 0x30, 0x81, 0x30])),
            four(|random| {
                let digit = |from: u8, count: u64, random: &mut Random| {
                    from + u8::try_from(random.below(count)).unwrap()
                };
                [(0x81, 126), (0x30, 10), (0x81, 126), (0x30, 10)]
                    .map(|(from, count)| digit(from, count, random))
            }),
        ],
        "utf16" => vec![two, four(|random| near(random, [0xd8, 0, 0xdc, 0]))],
        "utf16le" => vec![two, four(|random| near(random, [0, 0xd8, 0, 0xdc]))],
        "utf32" => vec![
            "(SELECT CONCAT(x'0000', b) AS b FROM pairs) AS s".to_owned(),
            "(SELECT CONCAT(x'0010', b) AS b FROM pairs) AS s".to_owned(),
            four(|random| near(random, [0, 0, 0, 0])),
        ],
        "ucs2" => vec![two, four(|random| near(random, [0xd8, 0, 0xdc, 0]))],
        "big5" | "gb2312" | "gbk" | "euckr" | "sjis" | "cp932" => vec![one, two],
        _ => vec![one],
    }
}

/// Bytes that differ from these in some of their lower bits, rarely in all.
fn near(random: &mut Random, bytes: [u8; 4]) -> [u8; 4] {
    let mask = [0x07, 0x1f, 0x3f, 0x7f, 0xff][usize::try_from(random.below(5)).unwrap()];
    bytes.map(|byte| byte ^ (random.bits().to_le_bytes()[0] & mask))
}

/// A sequence, and if the server takes it as text: how many characters it is, and as what.
type Said = (Vec<u8>, Option<(u64, String)>);

async fn said(server: &mut Conn, name: &str, source: &str) -> Vec<Said> {
    let statement = format!(
        "SELECT b, CHAR_LENGTH(CONVERT(b USING {name})), \
         CAST(CONVERT(CONVERT(b USING {name}) USING utf8mb4) AS BINARY) FROM {source}"
    );
    let said = |(bytes, count, text): (Vec<u8>, Option<u64>, Option<Vec<u8>>)| {
        (bytes, count.zip(text.map(|text| String::from_utf8(text).unwrap())))
    };
    server.query_map(statement, said).await.unwrap()
}

/// The server's text, if it has not put something else for a character: `?`, or U+FFFD, or, at the
/// end, nothing.
fn exact(name: &str, bytes: &[u8], characters: u64, text: String) -> Option<String> {
    let has_replacement = name.starts_with("utf") || ["ucs2", "gb18030"].contains(&name);
    let marks = text.matches('?').count();
    let real_marks = bytes.iter().filter(|byte| **byte == b'?').count();
    let is_exact = marks <= real_marks
        && text.chars().count() == usize::try_from(characters).unwrap()
        && (has_replacement || !text.contains(char::REPLACEMENT_CHARACTER));
    is_exact.then_some(text)
}

/// A table of texts that have every character of Unicode but U+FFFD, which `big5` and `tis620` use
/// for what they do not have.
async fn all_of_unicode(server: &mut Conn, database: &str) {
    for statement in [
        &format!("CREATE DATABASE {database}"),
        &format!("USE {database}"),
        "SET NAMES utf8mb4",
        "CREATE TABLE texts (id INT PRIMARY KEY, t LONGTEXT CHARACTER SET utf8mb4)",
    ] {
        server.query_drop(statement).await.unwrap();
    }
    for first in (0..0x11_0000).step_by(usize::try_from(CHUNK).unwrap()) {
        let characters = (first..first + CHUNK).filter_map(char::from_u32);
        let text: String = characters.filter(|c| *c != char::REPLACEMENT_CHARACTER).collect();
        server.exec_drop("INSERT INTO texts VALUES (?, ?)", (first, text)).await.unwrap();
    }
}
