//! Settings about the way to Elasticsearch: where it is, who we are, whom we trust.

use std::path::PathBuf;
use std::time::Duration;

use connect::config::{ConfigError, Settings};
use secrecy::{ExposeSecret, SecretString};

/// Where Elasticsearch is and how to get there.
#[derive(Clone)]
pub struct Connection {
    /// `connection.url`: base URLs, taken in turn. One without a scheme is of `http`, as Confluent
    /// has it.
    pub urls: Vec<String>,
    /// Who we are.
    pub login: Login,
    /// What HTTPS needs.
    pub tls: TlsFiles,
    /// What stands in between.
    pub proxy: Option<Proxy>,
    /// `connection.compression`: whether large request bodies are sent with gzip. Default `false`,
    /// Confluent's.
    pub compression: bool,
    /// `connection.timeout.ms` (1,000, 1 to 600,000): longest time to connect.
    pub connect_timeout: Duration,
    /// `connection.timeout.ms` and `read.timeout.ms` together: longest time for one request. The
    /// read timeout is 1 ms to 3,600 s; default 60 s and not Confluent's 3 s: a request that is
    /// given up is sent again, so on a slow cluster a short time means for ever.
    pub timeout: Duration,
    /// `max.connection.idle.time.ms`: how long a connection that nobody uses is kept. Default 30 s
    /// and not Confluent's 60 s: load balancers and firewalls forget one after a minute or so, and
    /// what is sent on it then is lost without a word.
    pub max_idle: Duration,
}

/// How we log in.
#[derive(Clone)]
pub enum Login {
    /// Not at all.
    None,
    /// `connection.username` and `connection.password`.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// `connection.api.key`: `id:key`, or what Elasticsearch calls `encoded`.
    ApiKey(SecretString),
    /// `connection.bearer.token`.
    Bearer(SecretString),
}

/// What HTTPS needs: files in PEM, read when a task starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `connection.ssl.ca.location`: the authorities that are trusted, and no others. Without it
    /// those of the operating system are.
    pub ca: Option<PathBuf>,
    /// `connection.ssl.certificate.location`, with those that signed it, and
    /// `connection.ssl.key.location`: who we are.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `elastic.https.ssl.endpoint.identification.algorithm`: whether the certificate has to be for
    /// the host that is connected to. It is unless that setting is empty.
    pub ignores_host: bool,
}

/// An HTTP proxy.
#[derive(Clone)]
pub struct Proxy {
    /// `proxy.host`.
    pub host: String,
    /// `proxy.port`. Default 8080, Confluent's.
    pub port: u16,
    /// `proxy.username` and `proxy.password`.
    pub login: Option<(String, SecretString)>,
}

impl Connection {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let connect_timeout = settings.duration_ms("connection.timeout.ms", 1_000, 1..=600_000)?;
        let read = settings.duration_ms("read.timeout.ms", 60_000, 1..=3_600_000)?;
        let urls = urls(settings)?;
        Ok(Self {
            login: Login::from_settings(settings, &urls)?,
            tls: TlsFiles::from_settings(settings, &urls)?,
            proxy: Proxy::from_settings(settings)?,
            compression: settings.boolean("connection.compression", false)?,
            connect_timeout,
            timeout: connect_timeout + read,
            max_idle: settings.duration_ms("max.connection.idle.time.ms", 30_000, 0..=3_600_000)?,
            urls,
        })
    }
}

fn urls(settings: &mut Settings) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "connection.url";
    let given = settings.required_list(KEY)?;
    let urls = given
        .into_iter()
        .map(|url| if url.contains("://") { url } else { format!("http://{url}") });
    let urls: Vec<String> = urls.collect();
    let is_http = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    if !urls.iter().all(is_http) {
        return Err(settings.error(KEY, "expected addresses like https://host:9200"));
    }
    match settings.optional("elastic.security.protocol").as_deref().map(str::trim) {
        None => {}
        Some("SSL") if urls.iter().all(|url| url.starts_with("https://")) => {}
        Some("PLAINTEXT") if urls.iter().all(|url| url.starts_with("http://")) => {}
        Some("SSL" | "PLAINTEXT") => {
            let problem = "says otherwise than `elastic.security.protocol`: make all addresses \
                           https:// for SSL and http:// for PLAINTEXT";
            return Err(settings.error(KEY, problem));
        }
        Some(_) => {
            let problem = "expected one of PLAINTEXT, SSL";
            return Err(settings.error("elastic.security.protocol", problem));
        }
    }
    Ok(urls)
}

impl Login {
    fn from_settings(settings: &mut Settings, urls: &[String]) -> Result<Self, ConfigError> {
        let username = settings.optional("connection.username").filter(|name| !name.is_empty());
        let password = settings.secret("connection.password");
        let api_key = given(settings.secret("connection.api.key"));
        let bearer = given(settings.secret("connection.bearer.token"));
        let in_url = urls.iter().any(|url| has_login(url));
        let ways = [username.is_some(), api_key.is_some(), bearer.is_some(), in_url];
        if ways.iter().filter(|is_given| **is_given).count() > 1 {
            let key = if api_key.is_some() { "connection.api.key" } else { "connection.username" };
            let problem = "is one of two logins: leave only one of `connection.username`, \
                           `connection.api.key`, `connection.bearer.token` and a user in \
                           `connection.url`";
            return Err(settings.error(key, problem));
        }
        Ok(match (username, api_key, bearer) {
            (Some(username), _, _) => Self::Basic { username, password },
            (None, Some(key), _) => Self::ApiKey(key),
            (None, None, Some(token)) => Self::Bearer(token),
            (None, None, None) => Self::None,
        })
    }
}

/// Whether a URL has a user before its host.
fn has_login(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn given(secret: SecretString) -> Option<SecretString> {
    (!secret.expose_secret().is_empty()).then_some(secret)
}

impl TlsFiles {
    fn from_settings(settings: &mut Settings, urls: &[String]) -> Result<Self, ConfigError> {
        const CERTIFICATE: &str = "connection.ssl.certificate.location";
        const PRIVATE_KEY: &str = "connection.ssl.key.location";
        const NAMES: &str = "elastic.https.ssl.endpoint.identification.algorithm";
        for store in
            ["elastic.https.ssl.truststore.location", "elastic.https.ssl.keystore.location"]
        {
            if settings.optional(store).is_some_and(|path| !path.is_empty()) {
                let problem = "is a key store of Java, which is not read: have `keytool` and \
                               `openssl pkcs12` write it as PEM, and name the files in \
                               `connection.ssl.ca.location`, `connection.ssl.certificate.location` \
                               and `connection.ssl.key.location`";
                return Err(settings.error(store, problem));
            }
        }
        let mut file = |key| settings.optional(key).filter(|path| !path.is_empty());
        let ca = file("connection.ssl.ca.location").map(PathBuf::from);
        let (certificate, private_key) = (file(CERTIFICATE), file(PRIVATE_KEY));
        let identity = match (certificate, private_key) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            (Some(_), None) => {
                return Err(settings.error(PRIVATE_KEY, "is required by the certificate"));
            }
            (None, Some(_)) => return Err(settings.error(CERTIFICATE, "is required by the key")),
        };
        let ignores_host = match settings.optional(NAMES).as_deref().map(str::trim) {
            None | Some("https" | "HTTPS") => false,
            Some("") if ca.is_some() => true,
            Some("") => {
                let problem = "can be empty only beside `connection.ssl.ca.location`: without \
                               either, any server of the world would do";
                return Err(settings.error(NAMES, problem));
            }
            Some(_) => return Err(settings.error(NAMES, "expected https or nothing")),
        };
        let uses_tls = urls.iter().any(|url| url.starts_with("https://"));
        if !uses_tls && (ca.is_some() || identity.is_some()) {
            let problem = "has only http:// addresses, with which no certificate is looked at: \
                           make them https://, or leave `connection.ssl.*` out";
            return Err(settings.error("connection.url", problem));
        }
        Ok(Self { ca, identity, ignores_host })
    }
}

impl Proxy {
    fn from_settings(settings: &mut Settings) -> Result<Option<Self>, ConfigError> {
        let host = settings.optional("proxy.host").filter(|host| !host.is_empty());
        let port = settings.integer("proxy.port", 8_080, 1..=65_535)?;
        let username = settings.optional("proxy.username").filter(|name| !name.is_empty());
        let password = settings.secret("proxy.password");
        let login = username.map(|username| (username, password));
        if host.is_none() && login.is_some() {
            return Err(settings.error("proxy.host", "is required by `proxy.username`"));
        }
        Ok(host.map(|host| Self { host, port, login }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn parse(pairs: &[(&str, &str)]) -> Result<Connection, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        let connection = Connection::from_settings(&mut settings);
        let connection = connection.map_err(|error| error.to_string())?;
        settings.finish().unwrap();
        Ok(connection)
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        let mut all = vec![("connection.url", "https://a:9200")];
        all.retain(|(key, _)| pairs.iter().all(|(other, _)| other != key));
        all.extend(pairs);
        parse(&all).err().unwrap_or_else(|| panic!("{pairs:?} is taken"))
    }

    #[test]
    fn an_address_without_a_scheme_is_of_http() {
        let connection = parse(&[("connection.url", "a:9200, https://b/path/")]).unwrap();

        assert_eq!(connection.urls, ["http://a:9200", "https://b/path/"]);
        assert!(matches!(connection.login, Login::None));
        assert!(refusal(&[("connection.url", "ftp://a")]).contains("https://host:9200"));
    }

    #[test]
    fn the_protocol_has_to_fit_the_addresses() {
        let parse = |protocol, url| {
            parse(&[("elastic.security.protocol", protocol), ("connection.url", url)])
        };

        assert!(parse("SSL", "https://a").is_ok());
        assert!(parse("PLAINTEXT", "http://a").is_ok());
        assert!(parse("SSL", "https://a, http://b").err().unwrap().contains("says otherwise"));
        assert!(parse("PLAINTEXT", "https://a").err().unwrap().contains("says otherwise"));
        assert!(parse("TLS", "https://a").err().unwrap().contains("PLAINTEXT, SSL"));
    }

    #[test]
    fn there_is_one_login_at_most() {
        let key = ("connection.api.key", "id:key");
        let token = ("connection.bearer.token", "t");
        let user = ("connection.username", "u");

        for pairs in [
            vec![key, token],
            vec![key, user],
            vec![user, token],
            vec![("connection.url", "https://u:p@a"), user],
            vec![("connection.url", "https://a,https://u:p@b"), token],
        ] {
            let error = refusal(&pairs);
            assert!(error.contains("is one of two logins: leave only one"), "{error}");
        }
        let login = |pair| parse(&[("connection.url", "https://a/x@y"), pair]).unwrap().login;
        assert!(matches!(login(key), Login::ApiKey(_)));
        assert!(matches!(login(token), Login::Bearer(_)));
        assert!(matches!(login(user), Login::Basic { .. }));
        assert!(matches!(login(("connection.password", "p")), Login::None));
    }

    #[test]
    fn certificates_that_would_not_be_looked_at_are_refused() {
        let ca = ("connection.ssl.ca.location", "ca.pem");
        let certificate = ("connection.ssl.certificate.location", "c.pem");
        let names = ("elastic.https.ssl.endpoint.identification.algorithm", "");

        assert!(refusal(&[("connection.url", "http://a"), ca]).contains("make them https://"));
        assert!(refusal(&[certificate]).contains("`connection.ssl.key.location` is required"));
        assert!(refusal(&[names]).contains("only beside `connection.ssl.ca.location`"));
        let store = ("elastic.https.ssl.truststore.location", "t.jks");
        assert!(refusal(&[store]).contains("`openssl pkcs12`"));
        let tls = parse(&[("connection.url", "https://a"), ca, names]).unwrap().tls;
        assert_eq!((tls.ca, tls.ignores_host), (Some("ca.pem".into()), true));
    }

    #[test]
    fn a_proxy_has_a_host() {
        assert!(refusal(&[("proxy.username", "u")]).contains("`proxy.host` is required"));
        assert!(refusal(&[("proxy.host", "p"), ("proxy.port", "0")]).contains("from 1 to 65535"));
        let proxy = parse(&[("connection.url", "https://a"), ("proxy.host", "p")]).unwrap().proxy;
        assert_eq!(proxy.map(|proxy| proxy.port), Some(8_080));
    }
}
