//! A MySQL server that is played by a script: what it is asked it answers from a list, and what is
//! not in the list is a syntax error, as on a server that does not know the statement.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::handshake::greeting_of;

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];
const COM_QUERY: u8 = 0x03;

/// One value, as text; `None` is NULL.
pub(crate) type Cell = Option<String>;

/// What the server says to a statement.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Done, without rows.
    Done,
    Rows(Vec<&'static str>, Vec<Vec<Cell>>),
    Error(u16, &'static str),
}

/// What a server answers to a statement; none to one that it does not know.
type Answers = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// A server's part.
pub(crate) struct Script {
    pub(crate) version: String,
    /// `mysql_native_password`, or `caching_sha2_password`, whose fast path is played.
    pub(crate) plugin: &'static str,
    /// What it answers to a statement that it knows.
    pub(crate) answer: Box<Answers>,
}

/// A server that plays its part until the test ends.
pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    statements: Arc<Mutex<Vec<String>>>,
    unknown: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (statements, unknown) = (Arc::default(), Arc::default());
        let server =
            Self { address, statements: Arc::clone(&statements), unknown: Arc::clone(&unknown) };
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, heard) =
                    (Arc::clone(&script), (Arc::clone(&statements), Arc::clone(&unknown)));
                tokio::spawn(async move { play(stream, &script, heard).await });
            }
        });
        server
    }

    /// All statements that it was asked.
    pub(crate) fn statements(&self) -> Vec<String> {
        self.statements.lock().unwrap().clone()
    }

    /// Those that it does not know.
    pub(crate) fn unknown(&self) -> Vec<String> {
        self.unknown.lock().unwrap().clone()
    }
}

type Heard = (Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>);

/// One connection, until the client leaves.
async fn play(mut stream: TcpStream, script: &Script, (statements, unknown): Heard) {
    send(&mut stream, 0, &greeting_of(&script.version, script.plugin, false)).await;
    if receive(&mut stream).await.is_none() {
        return;
    }
    if script.plugin == "caching_sha2_password" {
        send(&mut stream, 2, &[1, 3]).await;
        send(&mut stream, 3, OK).await;
    } else {
        send(&mut stream, 2, OK).await;
    }
    while let Some(command) = receive(&mut stream).await {
        let Some((&COM_QUERY, statement)) = command.split_first() else { return };
        let statement = String::from_utf8(statement.to_vec()).unwrap();
        statements.lock().unwrap().push(statement.clone());
        let answer = (script.answer)(&statement).unwrap_or_else(|| {
            unknown.lock().unwrap().push(statement.clone());
            Answer::Error(1064, "You have an error in your SQL syntax")
        });
        for (number, packet) in (1..).zip(packets(&answer)) {
            send(&mut stream, number, &packet).await;
        }
    }
}

fn packets(answer: &Answer) -> Vec<Vec<u8>> {
    match answer {
        Answer::Done => vec![OK.to_vec()],
        Answer::Error(code, message) => {
            let [low, high] = code.to_le_bytes();
            vec![[&[0xff, low, high][..], b"#HY000", message.as_bytes()].concat()]
        }
        Answer::Rows(columns, rows) => {
            let count = u8::try_from(columns.len()).unwrap();
            let row = |cells: &Vec<Cell>| {
                assert_eq!(cells.len(), columns.len());
                let cell = |cell: &Cell| {
                    cell.as_ref().map_or_else(|| vec![0xfb], |text| counted(text.as_bytes()))
                };
                cells.iter().flat_map(cell).collect::<Vec<u8>>()
            };
            let head = std::iter::once(vec![count]).chain(columns.iter().map(|name| column(name)));
            let ended = std::iter::once(END.to_vec());
            head.chain(ended.clone()).chain(rows.iter().map(row)).chain(ended).collect()
        }
    }
}

/// A column of text: catalog, schema, both tables, both names, then what is fixed.
fn column(name: &str) -> Vec<u8> {
    const VAR_STRING: u8 = 253;
    let names = [&b"def"[..], b"", b"", b"", name.as_bytes(), name.as_bytes()];
    let mut packet: Vec<u8> = names.iter().flat_map(|name| counted(name)).collect();
    packet.extend([0x0c, 45, 0, 0, 4, 0, 0, VAR_STRING, 0, 0, 0, 0, 0]);
    packet
}

/// Bytes with their number before them.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let mut counted = match u8::try_from(bytes.len()) {
        Ok(short @ 0..=250) => vec![short],
        _ => [&[0xfc], &u16::try_from(bytes.len()).unwrap().to_le_bytes()[..]].concat(),
    };
    counted.extend_from_slice(bytes);
    counted
}

async fn send(stream: &mut TcpStream, number: u8, payload: &[u8]) {
    let [low, middle, high, ..] = payload.len().to_le_bytes();
    let frame = [&[low, middle, high, number][..], payload].concat();
    // The client may have left; the test finds out what it made of the answers.
    let _sent = stream.write_all(&frame).await;
}

async fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.ok()?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
}
