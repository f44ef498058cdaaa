//! Stands between rowcast and the registry and keeps the texts of the schemas that pass: the
//! registry gives two texts one number if they only differ in blanks or in the order of attributes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The texts that were registered, by subject.
pub(super) type Texts = BTreeMap<String, Vec<String>>;

/// A relay that runs until the process ends.
pub(super) struct Relay {
    address: SocketAddr,
    path: String,
    texts: Arc<Mutex<Texts>>,
}

impl Relay {
    /// Starts one in front of a registry, on a thread of its own.
    pub(super) fn start(registry: &str) -> Self {
        let url = reqwest::Url::parse(registry).unwrap();
        let path = url.path().to_owned();
        let base = registry.strip_suffix(&path).unwrap().to_owned();
        let texts = Arc::new(Mutex::new(Texts::new()));
        let kept = Arc::clone(&texts);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(stream, base.clone(), Arc::clone(&kept)));
                }
            });
        });
        Self { address, path, texts }
    }

    /// Its address, as a registry's.
    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// What has passed.
    pub(super) fn texts(&self) -> Texts {
        self.texts.lock().unwrap().clone()
    }
}

/// Hands the requests of one connection on, until it ends.
async fn serve(stream: TcpStream, base: String, texts: Arc<Mutex<Texts>>) {
    let client = reqwest::Client::new();
    let mut stream = BufReader::new(stream);
    while let Some((method, path, body)) = request(&mut stream).await {
        let subject =
            path.split("/subjects/").nth(1).and_then(|rest| rest.strip_suffix("/versions"));
        if let (Some(subject), Ok(body)) = (subject, serde_json::from_slice::<Json>(&body)) {
            let text = body["schema"].as_str().unwrap().to_owned();
            let mut texts = texts.lock().unwrap();
            let texts = texts.entry(subject.to_owned()).or_default();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let answer = client
            .request(method.parse().unwrap(), format!("{base}{path}"))
            .header("content-type", "application/vnd.schemaregistry.v1+json")
            .body(body)
            .send();
        let answer = answer.await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
    }
}

/// Method, path and body of the next request; none when the connection has ended.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((method, path, body))
}
