//! `listeners`: where the HTTP endpoint listens, in Kafka Connect's form.

use std::fmt;

use super::settings::{ConfigError, Settings};

/// Kafka Connect's port.
const DEFAULT_PORT: u16 = 8083;

/// Where the HTTP endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// The addresses; none switch the endpoint off.
    pub addresses: Vec<Listener>,
    /// Whether somebody chose them: then one that is taken is an error. Else it is only warned of,
    /// because records matter more than an endpoint that nobody asked for.
    pub is_chosen: bool,
}

/// One address: `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The name or address of an interface of this machine.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
}

impl Listeners {
    /// Where the endpoint is unless a setting says otherwise: only this machine reaches it, because
    /// it asks for no password.
    #[must_use]
    pub fn by_default() -> Self {
        let listener = Listener { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT };
        Self { addresses: vec![listener], is_chosen: false }
    }

    pub(super) fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        let Some(text) = settings.optional("listeners") else { return Ok(Self::by_default()) };
        let refused = |problem| settings.error("listeners", problem);
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let addresses = entries
            .map(|entry| Listener::parse(entry).map_err(refused))
            .collect::<Result<_, _>>()?;
        Ok(Self { addresses, is_chosen: true })
    }
}

impl Listener {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected addresses like http://127.0.0.1:8083";
        let rest = text.strip_prefix("http://").ok_or(if text.starts_with("https://") {
            "cannot be https; put a proxy in front of http"
        } else {
            EXPECTED
        })?;
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':').ok_or(EXPECTED)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.contains(['/', '@']) {
            return Err(EXPECTED);
        }
        // As Kafka Connect: without a host, all interfaces.
        let host = if host.is_empty() { "0.0.0.0" } else { host }.to_owned();
        Ok(Self { host, port: port.parse().map_err(|_| EXPECTED)? })
    }

    /// The URL at which a client on the same machine finds it; `None` if the port is any.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let is_any = self.host == "0.0.0.0" || self.host == "::";
        let here = Self { host: "127.0.0.1".to_owned(), port: self.port };
        let found = if is_any { &here } else { self };
        (self.port != 0).then(|| format!("http://{found}"))
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
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
    fn nothing_switches_the_endpoint_off_and_no_setting_means_this_machine_only() {
        assert_eq!(read(Some("")).unwrap().addresses, []);
        assert_eq!(read(None).unwrap().addresses[0].to_string(), "127.0.0.1:8083");
        assert!(!read(None).unwrap().is_chosen);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["8083", "http://x", "http://x:70000", "http://u:p@x:1", "https://x:1"] {
            let error = read(Some(text)).unwrap_err();
            assert!(error.contains("`listeners`"), "{error}");
        }
    }
}
