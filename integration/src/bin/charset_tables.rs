//! `cargo run --bin charset_tables -- URL`: asks a MySQL server what the characters of its
//! character sets are, and writes the tables of `schema/src/types/charset/tables` anew.
//!
//! A table is a row of 16-bit numbers, little-endian: the Unicode code point of each sequence of
//! bytes in order, U+FFFD where the server has none. `charsets::` of the system tests compares all
//! of them with the server, so this has to run only when a server comes to differ.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

/// Where the tables are, from the folder of the repository.
const FOLDER: &str = "schema/src/types/charset/tables";

/// What stands for "no character", and what the server itself uses for it in `big5` and `tis620`.
const NONE: u16 = 0xfffd;

const SINGLE_BYTE: [&str; 24] = [
    "armscii8", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8",
    "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5",
    "latin7", "macce", "macroman", "swe7", "tis620",
];

/// First and last byte.
type Range = (u8, u8);

/// Character sets with their lead bytes and their trail bytes.
const DOUBLE_BYTE: [(&str, &[Range], Range); 9] = [
    ("big5", &[(0xa1, 0xf9)], (0x40, 0xfe)),
    ("cp932", &[(0x81, 0x9f), (0xe0, 0xfc)], (0x40, 0xfc)),
    ("eucjpms", &[(0xa1, 0xfe)], (0xa1, 0xfe)),
    ("euckr", &[(0x81, 0xfe)], (0x41, 0xfe)),
    ("gb18030", &[(0x81, 0xfe)], (0x40, 0xfe)),
    ("gb2312", &[(0xa1, 0xf7)], (0xa1, 0xfe)),
    ("gbk", &[(0x81, 0xfe)], (0x40, 0xfe)),
    ("sjis", &[(0x81, 0x9f), (0xe0, 0xfc)], (0x40, 0xfc)),
    ("ujis", &[(0xa1, 0xfe)], (0xa1, 0xfe)),
];

/// Character sets with further characters of three bytes, of which the first is 0x8f.
const TRIPLE_BYTE: [&str; 2] = ["eucjpms", "ujis"];

/// The four-byte characters of `gb18030` that are in the first plane: 0x81308130 and so many more.
const FOUR_BYTES: u32 = 39_420;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("usage: charset_tables mysql://USER@HOST:PORT, in the folder of the repository")]
    Usage,
    #[error("the server did not answer")]
    Server(#[from] mysql_async::Error),
    #[error("a table could not be written")]
    Io(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(failure) = run().await else { return ExitCode::SUCCESS };
    io::Write::write_fmt(&mut io::stderr(), format_args!("{failure}: {failure:?}\n"))
        .unwrap_or_default();
    ExitCode::FAILURE
}

async fn run() -> Result<(), Failure> {
    let url = std::env::args().nth(1).ok_or(Failure::Usage)?;
    let mut server = Conn::new(Opts::from_url(&url).map_err(mysql_async::Error::from)?).await?;
    for charset in SINGLE_BYTE {
        let table = cells(&mut server, charset, (0..=u8::MAX).map(|byte| vec![byte])).await?;
        write(charset, &table)?;
    }
    for (charset, leads, trails) in DOUBLE_BYTE {
        let leads = leads.iter().flat_map(|(first, last)| *first..=*last);
        let pairs =
            leads.flat_map(|lead| (trails.0..=trails.1).map(move |trail| vec![lead, trail]));
        write(charset, &cells(&mut server, charset, pairs).await?)?;
    }
    for charset in TRIPLE_BYTE {
        let seconds = 0xa1..=0xfe_u8;
        let triples = seconds.flat_map(|second| (0xa1..=0xfe).map(move |t| vec![0x8f, second, t]));
        write(&format!("{charset}_8f"), &cells(&mut server, charset, triples).await?)?;
    }
    let quads: Vec<_> = (0..FOUR_BYTES).filter_map(four_bytes).collect();
    let characters = cells(&mut server, "gb18030", quads).await?;
    write("gb18030_ranges", &ranges(&characters))
}

/// The n-th character of four bytes of `gb18030`.
fn four_bytes(number: u32) -> Option<Vec<u8>> {
    let digit = |divisor: u32, radix: u32, first: u32| {
        u8::try_from(number.checked_div(divisor)?.checked_rem(radix)? + first).ok()
    };
    Some(vec![
        digit(12_600, 126, 0x81)?,
        digit(1260, 10, 0x30)?,
        digit(10, 126, 0x81)?,
        digit(1, 10, 0x30)?,
    ])
}

/// The code points of sequences of bytes, as the server converts them.
async fn cells(
    server: &mut Conn,
    charset: &str,
    sequences: impl IntoIterator<Item = Vec<u8>>,
) -> Result<Vec<u16>, Failure> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sequences: Vec<Vec<u8>> = sequences.into_iter().collect();
    let rows: Vec<_> = sequences.iter().map(|bytes| format!("ROW(x'{}')", hex(bytes))).collect();
    let statement = format!(
        "SELECT column_0, \
         CAST(CONVERT(CONVERT(column_0 USING {charset}) USING utf32) AS BINARY) \
         FROM (VALUES {}) AS sequences",
        rows.join(",")
    );
    let answers: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
        server.query::<(Vec<u8>, Option<Vec<u8>>), _>(statement).await?.into_iter().collect();
    let cell = |bytes: &Vec<u8>| match answers.get(bytes)?.as_deref()? {
        // The server's replacement, unless it was asked for.
        [0, 0, 0, b'?'] if *bytes != [b'?'] => None,
        [0, 0, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    Ok(sequences.iter().map(|bytes| cell(bytes).unwrap_or(NONE)).collect())
}

/// Only where a run of consecutive code points begins: its number and its first code point.
fn ranges(characters: &[u16]) -> Vec<u16> {
    let mut ranges = Vec::new();
    let mut expected = None;
    for (number, character) in (0_u16..).zip(characters) {
        if expected != Some(*character) {
            ranges.extend([number, *character]);
        }
        expected = character.checked_add(1);
    }
    ranges
}

fn write(name: &str, table: &[u16]) -> Result<(), Failure> {
    let bytes: Vec<u8> = table.iter().flat_map(|cell| cell.to_le_bytes()).collect();
    Ok(fs::write(Path::new(FOLDER).join(format!("{name}.bin")), bytes)?)
}
