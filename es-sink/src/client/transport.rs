//! HTTP to each node. The only file that knows `reqwest`.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};
use schema::fault;
use secrecy::{ExposeSecret, SecretString};

use super::gzip;
use super::request::{Answer, Method, NoAnswer, Request};
use crate::config::{Connection, Login, Proxy, TlsFiles};
use crate::error::SinkError;

/// Largest answer that is read: our choice. A bulk answer has some 60 bytes for each of at most
/// 1,000,000 actions, a mapping some 50 for each field.
const ANSWER_MAX_BYTES: usize = 64 << 20;
/// Largest file of certificates: our choice; all authorities of a system are 220 kB.
const PEM_MAX_BYTES: u64 = 4 << 20;

const CA: &str = "connection.ssl.ca.location";
const CERTIFICATE: &str = "connection.ssl.certificate.location";
const PRIVATE_KEY: &str = "connection.ssl.key.location";

/// Why an exchange has failed.
pub(super) enum Failure {
    /// The node has not answered.
    Away(NoAnswer),
    /// It has, but with what cannot be used.
    Unusable(NoAnswer),
}

/// The way to the nodes.
pub(super) struct Transport {
    client: Client,
    nodes: Vec<Url>,
    compresses: bool,
}

impl Transport {
    /// Reads the certificates. Nothing is sent yet.
    pub(super) fn new(connection: &Connection) -> Result<Self, SinkError> {
        let parsed = connection.urls.iter().map(|url| Url::parse(url));
        let nodes: Vec<_> = parsed.collect::<Result<_, _>>().map_err(|error| invalid(&error))?;
        let mut builder = Client::builder()
            .user_agent(concat!("rowcast/", env!("CARGO_PKG_VERSION")))
            .default_headers(login(&connection.login)?)
            // An answer of somebody else, who would get the login.
            .redirect(Policy::none())
            .http1_only()
            .connect_timeout(connection.connect_timeout)
            .timeout(connection.timeout)
            .pool_idle_timeout(connection.max_idle);
        if connection.max_idle.is_zero() {
            builder = builder.pool_max_idle_per_host(0);
        }
        if let Some(proxy) = &connection.proxy {
            builder = builder.proxy(through(proxy)?);
        }
        let uses_tls = nodes.iter().any(|node| node.scheme() == "https");
        let builder = if uses_tls {
            trust(builder, &connection.tls)?
        } else {
            // The system's authorities need not be there.
            builder.tls_certs_only([])
        };
        let client = builder.build().map_err(|error| {
            let is_identity = connection.tls.identity.is_some();
            let key = |_| setting(PRIVATE_KEY, "is not the key of the certificate");
            if is_identity { key(error) } else { invalid(&error) }
        })?;
        Ok(Self { client, nodes, compresses: connection.compression })
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The address of a node, without a password that it may have.
    pub(super) fn shown(&self, node: usize) -> String {
        self.nodes.get(node).map(shown).unwrap_or_default()
    }

    /// Sends a request to a node once.
    pub(super) async fn exchange(&self, node: usize, request: &Request) -> Result<Answer, Failure> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let url = self.url(node, &request.path)?;
        let mut sent = self.client.request(method, url);
        if let Some(body) = &request.body {
            sent = sent.header(CONTENT_TYPE, request.content_type);
            let packed = if self.compresses { gzip::pack(body).await } else { None };
            if packed.is_some() {
                sent = sent.header(CONTENT_ENCODING, "gzip");
            }
            sent = sent.body(packed.unwrap_or_else(|| body.clone()));
        }
        let mut response = sent.send().await.map_err(away)?;
        let status = response.status().as_u16();
        let product = HeaderName::from_static("x-elastic-product");
        let is_elasticsearchs = response.headers().contains_key(product);
        let body = read(&mut response).await?;
        Ok(Answer { status, body, is_elasticsearchs })
    }

    /// A node's address may have a path, which stays in front.
    fn url(&self, node: usize, path: &str) -> Result<Url, Failure> {
        let base = self.nodes.get(node).map_or("", Url::as_str).trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|error| unusable(error.to_string()))
    }
}

async fn read(response: &mut reqwest::Response) -> Result<Bytes, Failure> {
    let first = response.chunk().await.map_err(away)?.unwrap_or_default();
    let Some(second) = response.chunk().await.map_err(away)? else { return Ok(first) };
    let mut body = BytesMut::from(&*first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if body.len().saturating_add(piece.len()) > ANSWER_MAX_BYTES {
            return Err(unusable(format!("answered with more than {ANSWER_MAX_BYTES} bytes")));
        }
        body.extend_from_slice(&piece);
        next = response.chunk().await.map_err(away)?;
    }
    Ok(body.freeze())
}

fn away(error: reqwest::Error) -> Failure {
    let was_cut = !error.is_timeout();
    // The URL may have a password in it.
    let mut reason = fault::chain(&error.without_url());
    // It may pass, when the server gets a new certificate; so it is waited for, but not understood.
    if reason.contains("invalid peer certificate") {
        reason.push_str(" (whom to trust is in `connection.ssl.ca.location`)");
    }
    Failure::Away(NoAnswer { reason, was_cut })
}

fn unusable(reason: String) -> Failure {
    Failure::Unusable(NoAnswer { reason, was_cut: false })
}

fn login(login: &Login) -> Result<HeaderMap, SinkError> {
    let encoded = |text: String| BASE64_STANDARD.encode(text);
    let secret = |secret: &SecretString| secret.expose_secret().trim().to_owned();
    let (key, value) = match login {
        Login::None => return Ok(HeaderMap::new()),
        Login::Basic { username, password } => {
            let login = format!("{username}:{}", password.expose_secret());
            ("connection.username", format!("Basic {}", encoded(login)))
        }
        Login::ApiKey(key) if key.expose_secret().contains(':') => {
            ("connection.api.key", format!("ApiKey {}", encoded(secret(key))))
        }
        Login::ApiKey(key) => ("connection.api.key", format!("ApiKey {}", secret(key))),
        Login::Bearer(token) => ("connection.bearer.token", format!("Bearer {}", secret(token))),
    };
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| setting(key, "has characters that no HTTP header can have"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

fn through(proxy: &Proxy) -> Result<reqwest::Proxy, SinkError> {
    let Proxy { host, port, login } = proxy;
    let made = reqwest::Proxy::all(format!("http://{host}:{port}"));
    let made = made.map_err(|_| setting("proxy.host", "is not the name of a host"))?;
    Ok(match login {
        Some((username, password)) => made.basic_auth(username, password.expose_secret()),
        None => made,
    })
}

/// Whose certificates are trusted, and ours.
fn trust(mut builder: ClientBuilder, tls: &TlsFiles) -> Result<ClientBuilder, SinkError> {
    if let Some(path) = &tls.ca {
        let authorities = authorities(&pem(CA, path)?)?;
        builder = builder
            .tls_certs_only(authorities)
            .tls_danger_accept_invalid_hostnames(tls.ignores_host);
    }
    let Some((certificate, key)) = &tls.identity else { return Ok(builder) };
    let mut both = pem(CERTIFICATE, certificate)?;
    if !has_section(&both, "CERTIFICATE-----") {
        return Err(setting(CERTIFICATE, "has no certificate in PEM"));
    }
    let key = pem(PRIVATE_KEY, key)?;
    if has_section(&key, "ENCRYPTED") || !has_section(&key, "PRIVATE KEY-----") {
        return Err(setting(PRIVATE_KEY, "has no private key in PEM without a password"));
    }
    both.push(b'\n');
    both.extend(key);
    let invalid = |_| setting(PRIVATE_KEY, "has no private key in PEM that can be used");
    Ok(builder.identity(Identity::from_pem(&both).map_err(invalid)?))
}

fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, SinkError> {
    let invalid = || setting(CA, "has no certificate of an authority in PEM");
    let found = Certificate::from_pem_bundle(pem).map_err(|_| invalid())?;
    if found.is_empty() {
        return Err(invalid());
    }
    // Only building looks into them, and would not say that it is about them.
    let looked_at = Client::builder().tls_certs_only(found.iter().cloned()).build();
    looked_at.map(|_| found).map_err(|_| invalid())
}

fn has_section(pem: &[u8], name: &str) -> bool {
    String::from_utf8_lossy(pem).contains(name)
}

fn pem(key: &'static str, path: &Path) -> Result<Vec<u8>, SinkError> {
    let mut pem = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(PEM_MAX_BYTES).read_to_end(&mut pem))
        .map_err(|error| SinkError::Setting {
            setting: key,
            problem: format!("names a file that cannot be read: {error}").into(),
        });
    read.map(|_| pem)
}

fn setting(setting: &'static str, problem: &str) -> SinkError {
    SinkError::Setting { setting, problem: problem.into() }
}

fn invalid(error: &dyn std::error::Error) -> SinkError {
    SinkError::Client { problem: fault::chain(error).into() }
}

fn shown(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        shown.push_str(&format!(":{port}"));
    }
    shown
}
