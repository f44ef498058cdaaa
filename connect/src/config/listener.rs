//! `listeners`: where the HTTP endpoint listens, in Kafka Connect's form.

use std::fmt;

use super::security::HttpSecurity;
use super::settings::{ConfigError, Settings};

/// Kafka Connect's port.
const DEFAULT_PORT: u16 = 8083;

/// Where the HTTP endpoint listens.
#[derive(Debug, Clone)]
pub struct Listeners {
    /// The addresses; none switch the endpoint off.
    pub addresses: Vec<Listener>,
    /// Whether somebody chose them: then one that is taken is an error. Else it is only warned of,
    /// because records matter more than an endpoint that nobody asked for.
    pub is_chosen: bool,
    /// Who may ask.
    pub security: HttpSecurity,
}

/// One address: `http://host:port` or `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The name or address of an interface of this machine.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Whether it speaks TLS.
    pub is_https: bool,
}

impl Listeners {
    /// Where the endpoint is unless a setting says otherwise: only this machine reaches it, because
    /// it asks for no password unless it is told to.
    #[must_use]
    pub fn by_default() -> Self {
        let host = "127.0.0.1".to_owned();
        let listener = Listener { host, port: DEFAULT_PORT, is_https: false };
        let security = HttpSecurity::default();
        Self { addresses: vec![listener], is_chosen: false, security }
    }

    pub(super) fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        let mut listeners = Self::by_default();
        if let Some(text) = settings.optional("listeners") {
            let refused = |problem| settings.error("listeners", problem);
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            let addresses = entries.map(|entry| Listener::parse(entry).map_err(refused));
            listeners.addresses = addresses.collect::<Result<_, _>>()?;
            listeners.is_chosen = true;
        }
        let has_https = listeners.addresses.iter().any(|listener| listener.is_https);
        listeners.security = HttpSecurity::read(settings, has_https)?;
        Ok(listeners)
    }
}

impl Listener {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "expected addresses like http://127.0.0.1:8083 or https://127.0.0.1:8443";
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(EXPECTED),
        };
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or(EXPECTED)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.contains(['/', '@']) {
            return Err(EXPECTED);
        }
        // As Kafka Connect: without a host, all interfaces.
        let host = if host.is_empty() { "0.0.0.0" } else { host }.to_owned();
        Ok(Self { host, port: port.parse().map_err(|_| EXPECTED)?, is_https })
    }

    /// The URL at which a client on the same machine finds it; `None` if the port is any.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let is_any = self.host == "0.0.0.0" || self.host == "::";
        let here = Self { host: "127.0.0.1".to_owned(), ..self.clone() };
        let found = if is_any { &here } else { self };
        let scheme = if self.is_https { "https" } else { "http" };
        (self.port != 0).then(|| format!("{scheme}://{found}"))
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Origin;

    fn read(text: Option<&str>) -> Result<Listeners, String> {
        let values = text.map(|text| ("listeners".to_owned(), text.to_owned()));
        let mut settings =
            Settings::new("the pipeline", Origin::PipelineFile, values.into_iter().collect());
        Listeners::read(&mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_kafka_connects() {
        for (text, shown, url) in [
            ("http://127.0.0.1:8083", "127.0.0.1:8083", Some("http://127.0.0.1:8083")),
            ("http://:8084/", "0.0.0.0:8084", Some("http://127.0.0.1:8084")),
            ("http://[::1]:1", "[::1]:1", Some("http://[::1]:1")),
            ("http://localhost:0", "localhost:0", None),
        ] {
            let listeners = read(Some(text)).unwrap();

            let [listener] = &*listeners.addresses else { panic!("{text}") };
            assert_eq!((listener.to_string().as_str(), listener.url().as_deref()), (shown, url));
            assert!(listeners.is_chosen);
        }
        assert_eq!(read(Some("http://a:1, http://b:2")).unwrap().addresses.len(), 2);
    }

    #[test]
    fn an_https_address_needs_a_certificate() {
        let error = read(Some("https://x:1")).unwrap_err();

        assert!(error.contains("`listeners.https.ssl.keystore.location` is required"), "{error}");
    }

    #[test]
    fn nothing_switches_the_endpoint_off_and_no_setting_means_this_machine_only() {
        assert_eq!(read(Some("")).unwrap().addresses, []);
        assert_eq!(read(None).unwrap().addresses[0].to_string(), "127.0.0.1:8083");
        assert!(!read(None).unwrap().is_chosen);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["8083", "http://x", "http://x:70000", "http://u:p@x:1", "ftp://x:1"] {
            let error = read(Some(text)).unwrap_err();
            assert!(error.contains("`listeners`"), "{error}");
        }
    }
}
