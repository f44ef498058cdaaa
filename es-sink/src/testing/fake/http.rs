//! HTTP/1.1 over a real socket: connections can be cut where they are cut in real life.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::bulk::{self, Action};
use super::faults::{Fault, SearchFault};
use super::refusal::Refusal;
use super::search::filtered;
use super::{Server, refusal};

/// A request as it came.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What goes back.
enum Answer {
    Json(u16, Value),
    Html(u16),
    /// As much of it as half its length.
    Half(Value),
    /// The connection ends.
    Cut,
    /// The same when the client has ended it.
    Never,
}

impl Request {
    /// The parts of the path, decoded.
    pub(super) fn parts(&self) -> Vec<String> {
        self.path.trim_matches('/').split('/').map(decoded).collect()
    }

    /// The method; `HEAD` is a `GET` whose body is not sent.
    pub(super) fn verb(&self) -> &str {
        if self.method == "HEAD" { "GET" } else { &self.method }
    }

    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }

    /// The body; null if it is not JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Reads one from a connection; `None` when there are no more.
    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.ok()?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(Ok(0), |length| length.parse()).ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        let (path, query) = (path.to_owned(), query.collect());
        Some(Self { method, path, query, target, headers, body })
    }

    /// Takes the compression off the body.
    fn unpack(&mut self) -> Result<(), Refusal> {
        if self.header("content-encoding") == Some("gzip") {
            let mut plain = Vec::new();
            let read = flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut plain);
            if read.is_err() {
                return Err(Refusal::new(400, "parse_exception", "request body is required"));
            }
            self.body = plain;
        }
        Ok(())
    }

    /// The index of a bulk request, if its path names one; `None` if it is no bulk request.
    fn bulk_index(&self) -> Option<Option<String>> {
        let parts = self.parts();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (self.method.as_str(), &*parts) {
            ("POST" | "PUT", ["_bulk"]) => Some(None),
            ("POST" | "PUT", [index, "_bulk"]) => Some(Some((*index).to_owned())),
            _ => None,
        }
    }
}

/// Serves one connection until it ends, or a fault ends it.
pub(super) async fn serve(stream: TcpStream, server: Arc<Server>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = Request::read(&mut stream).await?;
        let sent_bytes = request.body.len();
        let early = server.early_refusal(&mut request);
        let answer = match (early, request.bulk_index()) {
            (Some(answer), _) => answer,
            (None, Some(index)) => {
                bulk(&mut stream, &server, (&request, index.as_deref(), sent_bytes)).await
            }
            (None, None) => server.answer(&request),
        };
        match answer {
            Answer::Cut => return None,
            Answer::Never => {
                // Until the client has lost its patience.
                stream.fill_buf().await.ok()?;
                return None;
            }
            Answer::Json(status, value) => {
                let bytes = if request.method == "HEAD" {
                    Vec::new()
                } else {
                    shown(value, request.query("filter_path")).into_bytes()
                };
                write(&mut stream, (status, "application/json"), bytes.len(), &bytes).await?;
            }
            Answer::Html(status) => {
                let page = b"<html><body>from somebody else</body></html>";
                write(&mut stream, (status, "text/html"), page.len(), page).await?;
            }
            Answer::Half(value) => {
                let text = shown(value, request.query("filter_path"));
                let half = text.as_bytes().get(..text.len() / 2)?;
                write(&mut stream, (200, "application/json"), text.len(), half).await?;
                return None;
            }
        }
    }
}

/// One bulk request, which counts as under way until its answer is there, or its client is gone.
async fn bulk(
    stream: &mut BufReader<TcpStream>,
    server: &Server,
    (request, index, sent_bytes): (&Request, Option<&str>, usize),
) -> Answer {
    let (actions, fault) = match server.begin_bulk(request, (index, sent_bytes)) {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    let documents: Vec<_> = actions.iter().map(Action::document).collect();
    server.state().asked.begin(&documents);
    let mut held = server.is_held.subscribe();
    let mut is_counted = true;
    if *held.borrow() {
        server.state().asked.held += 1;
        let released = async {
            // An error is the end of the server.
            held.wait_for(|is_held| !is_held).await.is_ok()
        };
        tokio::pin!(released);
        tokio::select! {
            biased;
            _is_released = &mut released => {}
            read = stream.fill_buf() => {
                if read.is_ok_and(<[u8]>::is_empty) {
                    // Whoever sent it has given up, and may send it again. It is applied all the
                    // same.
                    server.state().asked.end(&documents);
                    is_counted = false;
                }
                released.await;
            }
        }
        server.state().asked.held -= 1;
    }
    let answer = finish_bulk(&mut server.state(), actions, fault);
    if is_counted {
        server.state().asked.end(&documents);
    }
    answer
}

fn finish_bulk(
    state: &mut super::state::State,
    actions: Vec<Action>,
    fault: Option<Fault>,
) -> Answer {
    let answer = state.bulk(actions, fault);
    match fault {
        Some(Fault::CutAfter) => Answer::Cut,
        Some(Fault::CutWithin) => Answer::Half(answer),
        _ => Answer::Json(200, answer),
    }
}

impl Server {
    /// What is wrong with a request whatever it asks for.
    fn early_refusal(&self, request: &mut Request) -> Option<Answer> {
        let mut state = self.state();
        let call = format!("{} {}", request.method, request.path);
        *state.asked.calls.entry(call).or_default() += 1;
        if state.authorization.is_some()
            && state.authorization.as_deref() != request.header("authorization")
        {
            let reason = "missing authentication credentials for REST request";
            let (status, value) = Refusal::new(401, "security_exception", reason).reply();
            return Some(Answer::Json(status, value));
        }
        if let Err(refusal) = request.unpack() {
            let (status, value) = refusal.reply();
            return Some(Answer::Json(status, value));
        }
        let kind = request.header("content-type").unwrap_or("none");
        if !request.body.is_empty() && !kind.contains("json") {
            let error = format!("Content-Type header [{kind}] is not supported");
            return Some(Answer::Json(406, json!({ "error": error, "status": 406 })));
        }
        None
    }

    /// Reads a bulk request, and finds out what goes wrong with it.
    fn begin_bulk(
        &self,
        request: &Request,
        (index, sent_bytes): (Option<&str>, usize),
    ) -> Result<(Vec<Action>, Option<Fault>), Answer> {
        let mut state = self.state();
        let fault = state.faults.of_bulk();
        // Never looked at, so not counted.
        if fault == Some(Fault::Hang) {
            return Err(Answer::Never);
        }
        state.asked.bulk_requests += 1;
        state.asked.bulk_bytes += sent_bytes;
        if state.max_bytes > 0 && request.body.len() > state.max_bytes {
            state.asked.refused_for_size += 1;
            return Err(if state.cuts_large {
                Answer::Cut
            } else {
                Answer::Json(413, Value::Null)
            });
        }
        let mut actions = bulk::parse(&request.body, index).map_err(|refusal| {
            let (status, value) = refusal.reply();
            Answer::Json(status, value)
        })?;
        actions.iter_mut().for_each(|action| action.take_defaults(request));
        match fault.and_then(|fault| refused_whole(fault, actions.len())) {
            Some(answer) => Err(answer),
            None => Ok((actions, fault)),
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.state();
        let fault = state.faults.of_request(&request.method, &request.path);
        match fault {
            Some(SearchFault::Cut) => Answer::Cut,
            Some(SearchFault::Busy) => Answer::Json(429, json!({})),
            Some(SearchFault::Unavailable) => Answer::Json(503, json!({})),
            Some(SearchFault::ShardMissing) => {
                Answer::Json(200, json!({ "_shards": { "failed": 1 }, "hits": { "hits": [] } }))
            }
            Some(SearchFault::Lost) => {
                let refusal = Refusal::new(404, "search_phase_execution_exception", "");
                Answer::Json(404, refusal.reply().1)
            }
            Some(SearchFault::CutAfter) => {
                let _answer: refusal::Reply = state.route(request);
                Answer::Cut
            }
            None => {
                let (status, value) = state.route(request);
                Answer::Json(status, value)
            }
        }
    }
}

/// The faults of which nothing is applied.
fn refused_whole(fault: Fault, actions: usize) -> Option<Answer> {
    let refused = |status, kind| {
        let (status, value) = Refusal::new(status, kind, "asked for by the test").reply();
        Some(Answer::Json(status, value))
    };
    match fault {
        Fault::CutBefore => Some(Answer::Cut),
        Fault::Unavailable => refused(503, "unavailable"),
        Fault::Busy => refused(429, "es_rejected_execution_exception"),
        Fault::CircuitBreaker => refused(429, "circuit_breaking_exception"),
        Fault::WrongPassword => refused(401, "security_exception"),
        Fault::TooLarge if actions > 1 => refused(413, "too_large"),
        Fault::BadGateway => Some(Answer::Html(502)),
        Fault::Html => Some(Answer::Html(200)),
        Fault::Hang => Some(Answer::Never),
        Fault::TooLarge
        | Fault::CutAfter
        | Fault::CutWithin
        | Fault::WrongCount
        | Fault::WrongOrder
        | Fault::ItemsBusy
        | Fault::ItemsUnavailable
        | Fault::ItemsFail
        | Fault::BadDocument => None,
    }
}

fn shown(value: Value, filter_path: Option<&str>) -> String {
    let Some(paths) = filter_path else { return value.to_string() };
    let paths: Vec<Vec<&str>> = paths.split(',').map(|path| path.split('.').collect()).collect();
    filtered(&value, &paths).unwrap_or_else(|| json!({})).to_string()
}

async fn write(
    stream: &mut BufReader<TcpStream>,
    (status, kind): (u16, &str),
    length: usize,
    body: &[u8],
) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nx-elastic-product: Elasticsearch\r\n\
         content-length: {length}\r\n\r\n"
    );
    // As one: two small packets would wait for each other (Nagle).
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()
}

/// A text of an address without its `%`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let number = str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(number.unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
