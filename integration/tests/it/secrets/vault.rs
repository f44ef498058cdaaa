//! A Vault: KV version 2 at `secret`, leased secrets at `database`, tokens that end, and `AppRole`.
//!
//! Statuses and fields are those of `HashiCorp` Vault's HTTP API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that ends with the runtime of its test.
pub(super) struct FakeVault {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

/// What it has, and what it was asked.
#[derive(Default)]
pub(super) struct State {
    pub(super) secrets: BTreeMap<String, Value>,
    tokens: BTreeMap<String, Token>,
    /// The secret of the role `role-4711`.
    pub(super) role_secret: String,
    /// For how long a login's token lasts.
    pub(super) login_ttl: Duration,
    pub(super) namespace: Option<String>,
    pub(super) is_sealed: bool,
    /// Whether it takes requests and answers none.
    pub(super) is_silent: bool,
    pub(super) reads: usize,
    pub(super) logins: usize,
    pub(super) renewals: usize,
}

/// None of them ends without a time to live, which is zero seconds in answers.
struct Token {
    ttl: Option<Duration>,
    ends: Option<Instant>,
}

impl Token {
    fn new(ttl: Option<Duration>) -> Self {
        Self { ttl, ends: ttl.map(|ttl| Instant::now() + ttl) }
    }

    fn seconds(&self) -> u64 {
        self.ttl.map_or(0, |ttl| ttl.as_secs())
    }
}

/// One request, as far as it counts.
struct Asked {
    path: String,
    token: String,
    namespace: Option<String>,
    body: Value,
}

impl FakeVault {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State { login_ttl: Duration::from_secs(3_600), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&served)));
            }
        });
        Self { url, state }
    }

    /// Changes what it has, or looks at it.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// Gives out a token.
    pub(super) fn token(&self, text: &str, ttl: Option<Duration>) {
        self.with(|state| state.tokens.insert(text.to_owned(), Token::new(ttl)));
    }

    /// Writes a secret anew.
    pub(super) fn put(&self, path: &str, data: Value) {
        self.with(|state| state.secrets.insert(path.to_owned(), data));
    }

    /// Takes all tokens back.
    pub(super) fn revoke(&self) {
        self.with(|state| state.tokens.clear());
    }
}

async fn serve(mut client: TcpStream, state: Arc<Mutex<State>>) {
    let mut read = Vec::new();
    while let Some(asked) = request(&mut client, &mut read).await {
        if state.lock().unwrap().is_silent {
            std::future::pending::<()>().await;
        }
        let (status, body) = answer(&mut state.lock().unwrap(), &asked);
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n");
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        if client.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request of a connection; none at its end.
async fn request(client: &mut TcpStream, read: &mut Vec<u8>) -> Option<Asked> {
    loop {
        let text = String::from_utf8_lossy(read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(": "));
                let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.to_owned())
            };
            let length = header("content-length").map_or(0, |it| it.parse().unwrap());
            if body.len() >= length {
                let path = head.split(' ').nth(1)?.trim_start_matches("/v1/").to_owned();
                let body = serde_json::from_slice(&body.as_bytes()[..length]).unwrap_or_default();
                read.drain(..head.len() + 4 + length);
                let token = header("x-vault-token").unwrap_or_default();
                return Some(Asked { path, token, namespace: header("x-vault-namespace"), body });
            }
        }
        let mut part = [0; 4_096];
        let length = client.read(&mut part).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&part[..length]);
    }
}

fn answer(state: &mut State, asked: &Asked) -> (u16, Value) {
    let errors = |status, text: &[&str]| (status, json!({ "errors": text }));
    if state.is_sealed {
        return errors(503, &["Vault is sealed"]);
    }
    if asked.namespace != state.namespace {
        return errors(404, &["no handler for route"]);
    }
    if asked.path == "auth/approle/login" {
        return log_in(state, &asked.body);
    }
    let is_over = |token: &Token| token.ends.is_some_and(|end| end <= Instant::now());
    let Some(token) = state.tokens.get_mut(&asked.token).filter(|token| !is_over(token)) else {
        return errors(403, &["permission denied"]);
    };
    match &*asked.path {
        "auth/token/lookup-self" => {
            let is_renewable = token.ttl.is_some();
            (200, json!({ "data": { "ttl": token.seconds(), "renewable": is_renewable } }))
        }
        "auth/token/renew-self" => {
            *token = Token::new(token.ttl);
            state.renewals += 1;
            (200, auth(&asked.token, token))
        }
        path => match state.secrets.get(path.strip_prefix("secret/data/").unwrap_or(path)) {
            Some(data) => {
                state.reads += 1;
                (200, secret(path, data))
            }
            None => errors(404, &[]),
        },
    }
}

fn log_in(state: &mut State, body: &Value) -> (u16, Value) {
    if body["role_id"] != "role-4711" || body["secret_id"] != state.role_secret.as_str() {
        return (400, json!({ "errors": ["invalid role or secret ID"] }));
    }
    state.logins += 1;
    let (text, token) = (format!("hvs.login-{}", state.logins), Token::new(Some(state.login_ttl)));
    let answer = auth(&text, &token);
    state.tokens.insert(text, token);
    (200, answer)
}

fn auth(text: &str, token: &Token) -> Value {
    let (ttl, is_renewable) = (token.seconds(), token.ttl.is_some());
    json!({ "auth": { "client_token": text, "lease_duration": ttl, "renewable": is_renewable } })
}

/// Version 2 wraps what it has once more; what is not below it has a lease.
fn secret(path: &str, data: &Value) -> Value {
    if !path.starts_with("secret/") {
        return json!({ "lease_id": format!("{path}/1"), "lease_duration": 3, "data": data });
    }
    let metadata = json!({ "deletion_time": "", "destroyed": false, "version": 1 });
    json!({
        "lease_id": "",
        "lease_duration": 0,
        "renewable": false,
        "data": { "data": data, "metadata": metadata },
    })
}
