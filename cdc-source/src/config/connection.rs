//! The settings of connections to MySQL.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest;
use connect::config::{ConfigError, Settings};
use secrecy::SecretString;
use uuid::Uuid;

use crate::wire::{TlsMode, TlsSettings};

/// Longest silence of the server without `connect.keep.alive`.
const SILENCE_WITHOUT_KEEP_ALIVE: Duration = Duration::from_secs(3600);

/// Where MySQL is, who we are there, and how long we wait.
#[derive(Clone)]
pub(crate) struct ConnectionConfig {
    /// `database.hostname`: the servers, tried in this order.
    pub(crate) hosts: Vec<Host>,
    /// `database.user`.
    pub(crate) user: String,
    /// `database.password`. Default empty.
    pub(crate) password: SecretString,
    /// `database.ssl.mode` and its files.
    pub(crate) tls: TlsSettings,
    /// `database.server.id`, 1 to 2^32 - 1: our number as a replica, different from every other
    /// replica's. Default: derived from the connector's name, in the upper half.
    pub(crate) server_id: u32,
    /// Our name as a replica, derived from the connector's. By it the server knows that a new
    /// instance is the successor of a dead one, and that others with our number are not.
    pub(crate) replica_uuid: Uuid,
    /// `connect.timeout.ms`, 100 to 600,000. Default 30,000, Debezium's.
    pub(crate) connect_timeout: Duration,
    /// `database.query.timeout.ms`, 1,000 to 3,600,000: longest time for one of our statements, but
    /// for the copy of a chunk. Default 60,000: they take milliseconds.
    pub(crate) query_timeout: Duration,
    /// `connect.keep.alive` (default true) and `connect.keep.alive.interval.ms`, 1,000 to 3,600,000
    /// (default 60,000, Debezium's): longest silence of the stream.
    pub(crate) silence_max: Duration,
    /// After so long without a byte the operating system asks whether the server is still there.
    pub(crate) keep_alive: Option<Duration>,
    /// `source.heartbeat.period.ms`, 100 to 60,000: how often an idle server says that it is there,
    /// which also closes chunks. Default 1,000.
    pub(crate) heartbeat_period: Duration,
}

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        if name.contains(':') { write!(f, "[{name}]:{port}") } else { write!(f, "{name}:{port}") }
    }
}

impl ConnectionConfig {
    /// Reads the settings of the connector `name` within `group`.
    pub(super) fn read(
        name: &str,
        group: &str,
        settings: &mut Settings,
    ) -> Result<Self, ConfigError> {
        const INTERVAL: &str = "connect.keep.alive.interval.ms";
        let port = settings.integer("database.port", 3306, 1..=u16::MAX)?;
        let is_kept_alive = settings.boolean("connect.keep.alive", true)?;
        let interval = settings.duration_ms(INTERVAL, 60_000, 1_000..=3_600_000)?;
        let heartbeat_period =
            settings.duration_ms("source.heartbeat.period.ms", 1_000, 100..=60_000)?;
        if is_kept_alive && interval <= heartbeat_period {
            let problem = "must be longer than `source.heartbeat.period.ms`";
            return Err(settings.error(INTERVAL, problem));
        }
        Ok(Self {
            hosts: hosts(settings, port)?,
            user: settings.required("database.user")?,
            password: settings.secret("database.password"),
            tls: tls(settings)?,
            server_id: settings.integer(
                "database.server.id",
                derived_server_id(group, name),
                1..=u32::MAX,
            )?,
            replica_uuid: derived_uuid(group, name),
            connect_timeout: settings.duration_ms("connect.timeout.ms", 30_000, 100..=600_000)?,
            query_timeout: settings.duration_ms(
                "database.query.timeout.ms",
                60_000,
                1_000..=3_600_000,
            )?,
            silence_max: if is_kept_alive { interval } else { SILENCE_WITHOUT_KEEP_ALIVE },
            keep_alive: is_kept_alive.then_some(interval),
            heartbeat_period,
        })
    }

    /// The servers, as messages name them.
    pub(crate) fn addresses(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        hosts.join(",")
    }

    /// Takes a number and a uuid of its own, for a second stream beside the first: the server ends
    /// a stream when another one of the same replica begins.
    pub(crate) fn become_second_replica(&mut self) {
        const BIT: u32 = 1 << 30;
        self.server_id ^= BIT;
        self.replica_uuid = Uuid::from_u128(self.replica_uuid.as_u128() ^ u128::from(BIT));
    }
}

/// `database.hostname`: names or addresses, each with a port of its own if it has one.
fn hosts(settings: &mut Settings, port: u16) -> Result<Vec<Host>, ConfigError> {
    const KEY: &str = "database.hostname";
    let entries = settings.required_list(KEY)?;
    let host = |entry: &String| {
        host(entry, port).ok_or_else(|| {
            settings.error(KEY, "expected host or host:port, several with commas between them")
        })
    };
    entries.iter().map(host).collect()
}

fn host(entry: &str, default: u16) -> Option<Host> {
    let with_port = |name: &str, port: &str| {
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Host { name: name.to_owned(), port })
    };
    let host = if let Some(rest) = entry.strip_prefix('[') {
        // An IPv6 address has colons itself.
        match rest.split_once(']')? {
            (name, "") => Host { name: name.to_owned(), port: default },
            (name, port) => with_port(name, port.strip_prefix(':')?)?,
        }
    } else {
        match entry.split_once(':') {
            Some((name, port)) if !port.contains(':') => with_port(name, port)?,
            Some(_) | None => Host { name: entry.to_owned(), port: default },
        }
    };
    let is_name = |c: char| !c.is_whitespace() && !"/@[]".contains(c);
    (!host.name.is_empty() && host.name.chars().all(is_name)).then_some(host)
}

/// The same connector always takes the same number, so that it can be found in `SHOW REPLICAS`. The
/// upper half is rarely used by hand.
fn derived_server_id(group: &str, name: &str) -> u32 {
    crc32fast::hash(format!("{group}/{name}").as_bytes()) | 0x8000_0000
}

fn derived_uuid(group: &str, name: &str) -> Uuid {
    let hash = digest::digest(&digest::SHA256, format!("rowcast/{group}/{name}").as_bytes());
    let bytes = hash.as_ref().first_chunk().copied().unwrap_or_default();
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// `database.ssl.mode` and the files that go with it.
fn tls(settings: &mut Settings) -> Result<TlsSettings, ConfigError> {
    // Connector/J's names are Debezium's, with `_` for its `-` or blank; MySQL's own clients have
    // the shorter ones.
    const MODES: [(&str, TlsMode); 8] = [
        ("disabled", TlsMode::Disabled),
        ("disable", TlsMode::Disabled),
        ("preferred", TlsMode::Preferred),
        ("required", TlsMode::Required),
        ("require", TlsMode::Required),
        ("verify_ca", TlsMode::VerifyCa),
        ("verify_identity", TlsMode::VerifyIdentity),
        ("verify_full", TlsMode::VerifyIdentity),
    ];
    const MODE: &str = "database.ssl.mode";
    let mode = settings.optional(MODE).map(|mode| mode.trim().to_ascii_lowercase());
    let mode = match mode {
        None => TlsMode::Preferred,
        Some(mode) => {
            let known = MODES.iter().find(|(name, _)| *name == mode.replace('-', "_"));
            known.map(|(_, mode)| *mode).ok_or_else(|| {
                let problem =
                    "expected one of disabled, preferred, required, verify_ca, verify_identity";
                settings.error(MODE, problem)
            })?
        }
    };
    for java in ["database.ssl.truststore", "database.ssl.keystore"] {
        let password = settings.optional(&format!("{java}.password")).is_some();
        if settings.optional(java).is_some() || password {
            let problem = "names a Java key store, which is not read; give PEM files as \
                           `database.ssl.ca`, `database.ssl.cert` and `database.ssl.key`";
            return Err(settings.error(java, problem));
        }
    }
    let mut file = |key: &str| settings.optional(key).filter(|path| !path.is_empty());
    let (ca, cert, key) =
        (file("database.ssl.ca"), file("database.ssl.cert"), file("database.ssl.key"));
    let verifies = matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
    if ca.is_some() && !verifies {
        // Whoever names an authority thinks that it is looked at.
        let problem = "is only looked at with `database.ssl.mode` verify_ca or verify_identity";
        return Err(settings.error("database.ssl.ca", problem));
    }
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
        (None, None) => None,
        (Some(_), None) => {
            return Err(settings.error("database.ssl.key", "is required with database.ssl.cert"));
        }
        (None, Some(_)) => {
            return Err(settings.error("database.ssl.cert", "is required with database.ssl.key"));
        }
    };
    Ok(TlsSettings { mode, ca: ca.map(PathBuf::from), identity })
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn read(pairs: &[(&str, &str)]) -> Result<ConnectionConfig, String> {
        let base = [("database.hostname", "db"), ("database.user", "u")];
        let all = base.iter().chain(pairs);
        let values = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::PipelineFile, values);
        let config = ConnectionConfig::read("x", "g", &mut settings).map_err(|e| e.to_string())?;
        settings.finish().map_err(|e| e.to_string())?;
        Ok(config)
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        read(pairs).err().unwrap()
    }

    #[test]
    fn several_hosts_have_their_own_ports_or_the_common_one() {
        let list = "db1, db2:3307,10.0.0.3:3308 , [::1]:3309, fe80::1, [fe80::2]";
        let config = read(&[("database.hostname", list), ("database.port", "9")]).unwrap();

        let hosts: Vec<_> = config.hosts.iter().map(ToString::to_string).collect();
        let expected =
            ["db1:9", "db2:3307", "10.0.0.3:3308", "[::1]:3309", "[fe80::1]:9", "[fe80::2]:9"];
        assert_eq!(hosts, expected);
        for wrong in ["", " , ", "db:", "db:0", "db:70000", ":3306", "[::1", "a b", "mysql://db"] {
            assert!(error(&[("database.hostname", wrong)]).contains("`database.hostname`"));
        }
    }

    #[test]
    fn modes_of_tls_have_debeziums_and_mysqls_names() {
        let mode = |name: &str| read(&[("database.ssl.mode", name)]).unwrap().tls.mode;

        assert_eq!(read(&[]).unwrap().tls.mode, TlsMode::Preferred);
        assert_eq!(mode("disabled"), TlsMode::Disabled);
        assert_eq!(mode("disable"), TlsMode::Disabled);
        assert_eq!(mode("REQUIRED"), TlsMode::Required);
        assert_eq!(mode("verify_ca"), TlsMode::VerifyCa);
        assert_eq!(mode("verify-ca"), TlsMode::VerifyCa);
        assert_eq!(mode("VERIFY_IDENTITY"), TlsMode::VerifyIdentity);
        let refused = error(&[("database.ssl.mode", "always")]);
        assert!(refused.contains("expected one of disabled, preferred, required"), "{refused}");
    }

    #[test]
    fn files_of_tls_belong_together() {
        let ca = ("database.ssl.ca", "ca.pem");
        let verified = ("database.ssl.mode", "verify_ca");
        let (cert, key) = (("database.ssl.cert", "c.pem"), ("database.ssl.key", "k.pem"));

        let config = read(&[ca, verified, cert, key]).unwrap();
        assert_eq!(config.tls.ca, Some(PathBuf::from("ca.pem")));
        assert!(config.tls.identity.is_some());
        assert!(error(&[ca]).contains("only looked at with `database.ssl.mode` verify_ca"));
        assert!(error(&[cert]).contains("`database.ssl.key` is required"));
        assert!(error(&[key]).contains("`database.ssl.cert` is required"));
    }

    #[test]
    fn javas_key_stores_are_refused_with_what_is_read_instead() {
        for key in [
            "database.ssl.truststore",
            "database.ssl.keystore",
            "database.ssl.keystore.password",
            "database.ssl.truststore.password",
        ] {
            let refused = error(&[(key, "geheim")]);
            assert!(refused.contains("`database.ssl.ca`, `database.ssl.cert`"), "{refused}");
            assert!(!refused.contains("geheim"), "{refused}");
        }
    }

    #[test]
    fn silence_is_longer_than_the_pause_between_two_heartbeats() {
        let interval = "connect.keep.alive.interval.ms";

        assert_eq!(read(&[]).unwrap().silence_max, Duration::from_secs(60));
        let without = read(&[("connect.keep.alive", "false")]).unwrap();
        assert_eq!((without.silence_max, without.keep_alive), (Duration::from_secs(3600), None));
        let refused = error(&[(interval, "1000")]);
        assert!(refused.contains("longer than `source.heartbeat.period.ms`"), "{refused}");
        assert!(read(&[(interval, "1000"), ("source.heartbeat.period.ms", "999")]).is_ok());
    }

    #[test]
    fn times_are_read_as_debezium_has_them() {
        let times = [("connect.timeout.ms", "10000"), ("database.query.timeout.ms", "600000")];
        let config = read(&times).unwrap();

        assert_eq!(config.connect_timeout, Duration::from_secs(10));
        assert_eq!(config.query_timeout, Duration::from_secs(600));
        assert!(error(&[("database.query.timeout.ms", "1")]).contains("from 1000 to 3600000"));
    }

    #[test]
    fn what_is_derived_from_the_name_is_stable() {
        assert_eq!(derived_server_id("g", "x"), derived_server_id("g", "x"));
        assert_ne!(derived_server_id("g", "x"), derived_server_id("g", "y"));
        assert_eq!(derived_uuid("g", "x"), derived_uuid("g", "x"));
        assert_ne!(derived_uuid("g", "x"), derived_uuid("h", "x"));
    }
}
