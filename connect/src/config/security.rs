//! Who may ask the HTTP endpoint: TLS, logins, roles, and the audit log.
//!
//! TLS has Kafka Connect's names and its PEM stores (KIP-651). Kafka Connect has one login, by an
//! extension in Java; its class is taken for what it does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use secrecy::SecretString;

use super::settings::{ConfigError, Settings};

/// Connect's own extension for logins with a password.
const BASIC_EXTENSION: &str =
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

/// What may be asked without a login: nothing of it tells of a row or a configuration.
const EXEMPTABLE: [&str; 4] = ["/", "/health", "/metrics", "/openapi.json"];

/// Who may ask the HTTP endpoint. By default anybody who reaches it.
#[derive(Debug, Clone, Default)]
pub struct HttpSecurity {
    /// What its https addresses need; none without such addresses.
    pub tls: Option<HttpsFiles>,
    /// How somebody says who it is, and what that allows.
    pub authentication: Authentication,
    /// `audit.log`: the file that changes and refusals are appended to, beside the process's log.
    pub audit_log: Option<PathBuf>,
}

/// The certificates of https addresses: `ssl.*`, or `listeners.https.ssl.*` instead.
#[derive(Debug, Clone)]
pub struct HttpsFiles {
    /// What the settings' names begin with, for messages.
    pub prefix: &'static str,
    /// Our certificate and its key.
    pub identity: KeyStore,
    /// Whose certificates a client may show; none asks for no certificate.
    pub clients: Option<TrustStore>,
    /// Whether a client without a certificate is refused.
    pub requires_certificate: bool,
    /// Whether TLS 1.2 is spoken beside 1.3.
    pub allows_tls12: bool,
}

/// A certificate, those that signed it, and its key, in PEM.
#[derive(Debug, Clone)]
pub enum KeyStore {
    /// All in one file.
    File(PathBuf),
    /// As settings.
    Text {
        /// The certificates.
        chain: String,
        /// The key.
        key: SecretString,
    },
}

/// Certificates of authorities, in PEM.
#[derive(Debug, Clone)]
pub enum TrustStore {
    /// A file.
    File(PathBuf),
    /// A setting.
    Text(String),
}

/// How somebody says who it is, and what that allows.
#[derive(Debug, Clone, Default)]
pub struct Authentication {
    /// `rest.authentication.users.file`: names with passwords; none takes no passwords.
    pub users: Option<PathBuf>,
    /// `rest.authentication.tokens.file`: names with tokens; none takes no tokens.
    pub tokens: Option<PathBuf>,
    /// Whether the common name of a client's certificate is a login.
    pub takes_certificates: bool,
    /// `rest.authorization.admins`: who may change something; none is everybody who is no reader.
    pub admins: Option<BTreeSet<String>>,
    /// `rest.authorization.readers`: who may only read; `*` is everybody.
    pub readers: BTreeSet<String>,
    /// `rest.authentication.exempt.paths`: what anybody may read.
    pub exempt: Vec<String>,
}

impl HttpSecurity {
    pub(super) fn read(settings: &mut Settings, has_https: bool) -> Result<Self, ConfigError> {
        let tls = HttpsFiles::read(settings, has_https)?;
        let authentication = Authentication::read(settings)?;
        let asks = tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        if authentication.takes_certificates && !asks {
            let problem = "has certificate, which needs an https address in `listeners` and \
                           `ssl.client.auth` requested or required";
            return Err(settings.error("rest.authentication", problem));
        }
        let audit_log = settings.optional("audit.log").filter(|path| !path.is_empty());
        Ok(Self { tls, authentication, audit_log: audit_log.map(PathBuf::from) })
    }

    /// Whether somebody who reaches the endpoint has to say who it is, at an https address or not.
    #[must_use]
    pub fn asks(&self, is_https: bool) -> bool {
        let requires = self.tls.as_ref().is_some_and(|tls| tls.requires_certificate);
        self.authentication.is_on() || (is_https && requires)
    }
}

impl Authentication {
    /// Whether any kind of login is taken, so that one is needed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.users.is_some() || self.tokens.is_some() || self.takes_certificates
    }

    fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        const METHODS: &str = "rest.authentication";
        let mut methods: BTreeSet<String> = settings.list(METHODS).into_iter().collect();
        for class in settings.list("rest.extension.classes") {
            if class != BASIC_EXTENSION {
                let problem = format!(
                    "has {class}, which is Java; only BasicAuthSecurityRestExtension is known, and \
                     `rest.authentication` has other logins"
                );
                return Err(settings.error("rest.extension.classes", problem));
            }
            methods.insert("basic".to_owned());
        }
        let basic = methods.remove("basic");
        let bearer = methods.remove("bearer");
        let takes_certificates = methods.remove("certificate");
        if !methods.is_empty() {
            return Err(settings.error(METHODS, "expected some of basic, bearer and certificate"));
        }
        let users = file_of(settings, "rest.authentication.users.file", basic)?;
        let tokens = file_of(settings, "rest.authentication.tokens.file", bearer)?;
        let admins = settings.optional("rest.authorization.admins");
        let read = Self {
            users,
            tokens,
            takes_certificates,
            admins: admins.map(|names| names_of(&names)),
            readers: names_of(&settings.text("rest.authorization.readers", "")),
            exempt: exempt(settings)?,
        };
        if !read.is_on() && (read.admins.is_some() || !read.readers.is_empty()) {
            let problem = "is required by `rest.authorization`: without a login nobody has a name";
            return Err(settings.error(METHODS, problem));
        }
        Ok(read)
    }
}

/// The file of a kind of login, which is there if the login is chosen.
fn file_of(
    settings: &mut Settings,
    key: &'static str,
    is_chosen: bool,
) -> Result<Option<PathBuf>, ConfigError> {
    match settings.optional(key).filter(|path| !path.is_empty()) {
        Some(path) if is_chosen => Ok(Some(PathBuf::from(path))),
        None if !is_chosen => Ok(None),
        Some(_) => {
            let problem = "is not used: `rest.authentication` does not have its kind of login";
            Err(settings.error(key, problem))
        }
        None => {
            let problem = "is required: a file with lines `name: secret`. Kafka Connect's is named \
                           as `file` in the JAAS configuration that its process was started with";
            Err(settings.error(key, problem))
        }
    }
}

fn names_of(text: &str) -> BTreeSet<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn exempt(settings: &mut Settings) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "rest.authentication.exempt.paths";
    let paths = settings.list(KEY);
    match paths.iter().all(|path| EXEMPTABLE.contains(&path.as_str())) {
        true => Ok(paths),
        false => Err(settings.error(KEY, format!("expected some of {}", EXEMPTABLE.join(", ")))),
    }
}

/// What [`HttpsFiles`] is read from: names below a prefix.
struct Ssl<'a> {
    settings: &'a mut Settings,
    prefix: &'static str,
}

impl HttpsFiles {
    fn read(settings: &mut Settings, has_https: bool) -> Result<Option<Self>, ConfigError> {
        const OWN: &str = "listeners.https.";
        let has_own = settings.has_prefix(OWN);
        if has_own && !has_https {
            let problem = "has no https:// address, so `listeners.https.*` would not be used";
            return Err(settings.error("listeners", problem));
        }
        if !has_https {
            return Ok(None);
        }
        // As Kafka Connect: one setting with the prefix, and those without it do not count. They
        // are named where neither is there.
        let prefix = if has_own || !settings.has_prefix("ssl") { OWN } else { "" };
        Ssl { settings, prefix }.read().map(Some)
    }
}

impl Ssl<'_> {
    fn read(mut self) -> Result<HttpsFiles, ConfigError> {
        let prefix = self.prefix;
        for store in [format!("{prefix}ssl.keystore.type"), format!("{prefix}ssl.truststore.type")]
        {
            self.only_pem(&store)?;
        }
        for password in [
            format!("{prefix}ssl.keystore.password"),
            format!("{prefix}ssl.truststore.password"),
            format!("{prefix}ssl.key.password"),
        ] {
            if self.taken(&password).is_some() {
                let problem = "is not taken: files in PEM have none. `openssl pkey` writes a key \
                               without a password, into a file that only rowcast can read";
                return Err(self.settings.error(&password, problem));
            }
        }
        let identity = self.identity()?;
        let (clients, requires_certificate) = self.clients()?;
        let allows_tls12 = self.allows_tls12()?;
        Ok(HttpsFiles { prefix, identity, clients, requires_certificate, allows_tls12 })
    }

    fn taken(&mut self, key: &str) -> Option<String> {
        self.settings.optional(key).filter(|value| !value.is_empty())
    }

    fn only_pem(&mut self, key: &str) -> Result<(), ConfigError> {
        match self.taken(key) {
            None => Ok(()),
            Some(kind) if kind.eq_ignore_ascii_case("PEM") => Ok(()),
            Some(_) => {
                let problem = "expected PEM: Java's key stores are not read. Have `keytool \
                               -importkeystore -deststoretype PKCS12` and `openssl pkcs12 -nodes` \
                               write it as PEM, into a file that only rowcast can read";
                Err(self.settings.error(key, problem))
            }
        }
    }

    fn identity(&mut self) -> Result<KeyStore, ConfigError> {
        let prefix = self.prefix;
        let location = format!("{prefix}ssl.keystore.location");
        let chain_key = format!("{prefix}ssl.keystore.certificate.chain");
        let key_key = format!("{prefix}ssl.keystore.key");
        let (chain, key) = (self.taken(&chain_key), self.taken(&key_key));
        match (self.taken(&location), chain, key) {
            (Some(path), None, None) => Ok(KeyStore::File(path.into())),
            (None, Some(chain), Some(key)) => Ok(KeyStore::Text { chain, key: key.into() }),
            (None, None, None) => {
                let problem = "is required by an https:// address in `listeners`: a file in PEM \
                               with the certificate, those that signed it, and the key";
                Err(self.settings.error(&location, problem))
            }
            (Some(_), _, _) => {
                let problem = format!("cannot be given beside `{chain_key}` and `{key_key}`");
                Err(self.settings.error(&location, problem))
            }
            (None, Some(_), None) => {
                Err(self.settings.error(&key_key, format!("is required by `{chain_key}`")))
            }
            (None, None, Some(_)) => {
                Err(self.settings.error(&chain_key, format!("is required by `{key_key}`")))
            }
        }
    }

    /// Whose certificates are asked for, and whether one has to be shown.
    fn clients(&mut self) -> Result<(Option<TrustStore>, bool), ConfigError> {
        let prefix = self.prefix;
        let (asks, requires) = self.settings.choice(
            &format!("{prefix}ssl.client.auth"),
            (false, false),
            &[("none", (false, false)), ("requested", (true, false)), ("required", (true, true))],
        )?;
        let location = format!("{prefix}ssl.truststore.location");
        let text_key = format!("{prefix}ssl.truststore.certificates");
        let store = match (self.taken(&location), self.taken(&text_key)) {
            (Some(_), Some(_)) => {
                let problem = format!("cannot be given beside `{text_key}`");
                return Err(self.settings.error(&location, problem));
            }
            (Some(path), None) => Some(TrustStore::File(path.into())),
            (None, text) => text.map(TrustStore::Text),
        };
        if asks && store.is_none() {
            let problem = format!(
                "is required by `{prefix}ssl.client.auth`: a file in PEM with the authorities \
                 whose certificates clients may have"
            );
            return Err(self.settings.error(&location, problem));
        }
        Ok((store.filter(|_| asks), requires))
    }

    fn allows_tls12(&mut self) -> Result<bool, ConfigError> {
        let prefix = self.prefix;
        // The two that follow choose among what Java has; the first says what is spoken.
        let key = format!("{prefix}ssl.enabled.protocols");
        let protocols = self.settings.text(&key, "TLSv1.2,TLSv1.3");
        self.taken(&format!("{prefix}ssl.protocol"));
        self.taken(&format!("{prefix}ssl.endpoint.identification.algorithm"));
        let names: Vec<_> = protocols.split(',').map(str::trim).collect();
        let is_known = names.iter().all(|name| ["TLSv1.2", "TLSv1.3"].contains(name));
        if !is_known || !names.contains(&"TLSv1.3") {
            return Err(self.settings.error(&key, "expected TLSv1.3, or TLSv1.2 and TLSv1.3"));
        }
        Ok(names.contains(&"TLSv1.2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Origin;

    fn read(pairs: &[(&str, &str)], has_https: bool) -> Result<HttpSecurity, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("the pipeline", Origin::PipelineFile, values);
        let read = HttpSecurity::read(&mut settings, has_https);
        let read = read.and_then(|read| settings.finish().map(|()| read));
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_asked_for_by_default() {
        let security = read(&[], false).unwrap();

        assert!(!security.asks(false) && !security.asks(true));
        assert!(security.tls.is_none() && security.audit_log.is_none());
    }

    #[test]
    fn settings_with_the_prefix_hide_those_without() {
        let plain = [("ssl.keystore.location", "a.pem")];
        let both = [plain[0], ("listeners.https.ssl.keystore.location", "b.pem")];
        let path = |pairs: &[(&str, &str)]| {
            let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let mut settings = Settings::new("the pipeline", Origin::Connect, values);
            match HttpSecurity::read(&mut settings, true).unwrap().tls.unwrap().identity {
                KeyStore::File(path) => path.to_str().unwrap().to_owned(),
                KeyStore::Text { .. } => panic!("it is a file"),
            }
        };

        assert_eq!((path(&plain), path(&both)), ("a.pem".to_owned(), "b.pem".to_owned()));
        // Without the prefix they are nobody's where there is no https.
        assert!(read(&plain, false).unwrap_err().contains("is not a known setting"));
        assert!(read(&both[1..], false).unwrap_err().contains("no https:// address"));
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_what_to_do() {
        const KEY: (&str, &str) = ("ssl.keystore.location", "a.pem");
        for (pairs, expected) in [
            (vec![("ssl.keystore.type", "JKS"), KEY], "`ssl.keystore.type` expected PEM: Java's"),
            (vec![("ssl.truststore.type", "PKCS12"), KEY], "`ssl.truststore.type` expected PEM"),
            (vec![("ssl.key.password", "x"), KEY], "`openssl pkey` writes a key"),
            (
                vec![("ssl.keystore.key", "x")],
                "certificate.chain` is required by `ssl.keystore.key",
            ),
            (vec![("ssl.keystore.key", "x"), KEY], "cannot be given beside"),
            (vec![("ssl.client.auth", "required"), KEY], "truststore.location` is required by"),
            (vec![("ssl.client.auth", "yes"), KEY], "expected one of none, requested, required"),
            (vec![("ssl.enabled.protocols", "TLSv1.1"), KEY], "expected TLSv1.3"),
            (vec![("ssl.cipher.suites", "x"), KEY], "is not a known setting"),
            (vec![("rest.authentication", "certificate"), KEY], "has certificate, which needs"),
            (vec![("rest.authentication", "kerberos"), KEY], "expected some of basic, bearer"),
            (vec![("rest.authentication", "basic"), KEY], "users.file` is required: a file with"),
            (vec![("rest.authentication.users.file", "x"), KEY], "is not used"),
            (vec![("rest.extension.classes", "com.example.X"), KEY], "has com.example.X, which"),
            (vec![("rest.authorization.readers", "ann"), KEY], "nobody has a name"),
            (vec![("rest.authentication.exempt.paths", "/connectors"), KEY], "expected some of /,"),
        ] {
            let error = read(&pairs, true).unwrap_err();
            assert!(error.contains(expected), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn connects_extension_is_a_login_with_a_password() {
        let class = ("rest.extension.classes", BASIC_EXTENSION);
        let missing = read(&[class], false).unwrap_err();
        assert!(missing.contains("the JAAS configuration"), "{missing}");

        let file = ("rest.authentication.users.file", "credentials.properties");
        let security = read(&[class, file], false).unwrap();

        assert!(security.asks(false));
        assert_eq!(security.authentication.users.unwrap(), PathBuf::from("credentials.properties"));
    }

    #[test]
    fn a_certificate_that_is_required_is_a_login_of_its_own() {
        let pairs = [
            ("ssl.keystore.location", "a.pem"),
            ("ssl.truststore.location", "ca.pem"),
            ("ssl.client.auth", "required"),
        ];
        let security = read(&pairs, true).unwrap();

        assert!(security.asks(true) && !security.asks(false));
    }
}
