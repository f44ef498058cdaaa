//! Files of names with passwords or tokens.
//!
//! A file is what Kafka Connect's login module reads, a Java properties file, so `name: secret`
//! and `name=secret` are the same. A password may be written as its bcrypt hash, as `htpasswd -B`
//! writes it.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use tokio::sync::Semaphore;

use crate::config::{ConfigError, properties};

/// Largest file: 1 MiB, our choice; ten thousand users.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Shortest token: 16 characters, which nobody finds by trying if they are random.
const TOKEN_MIN_CHARS: usize = 16;

/// How costly a bcrypt hash may be: 14 is a second on one core, and each wrong login costs as much.
const COST_MAX: u32 = 14;

/// More of a password bcrypt does not look at.
const BCRYPT_MAX_BYTES: usize = 72;

/// How the beginnings of bcrypt's hashes look; other hashes have other ones.
const BCRYPT: [&str; 4] = ["$2a$", "$2b$", "$2x$", "$2y$"];

/// Beginnings of hashes that are not read.
const OTHER_HASHES: [&str; 8] =
    ["$apr1$", "$1$", "$5$", "$6$", "$argon2", "{SHA}", "{SSHA}", "{bcrypt}"];

/// Names and what proves them. Plain secrets are not kept, but what a key that nobody knows makes
/// of them: comparing takes equally long whatever is right.
pub(super) struct Secrets {
    key: hmac::Key,
    entries: Vec<Entry>,
    /// One bcrypt at a time: wrong logins must not take all cores.
    room: Semaphore,
}

struct Entry {
    name: String,
    secret: Secret,
}

enum Secret {
    Plain(hmac::Tag),
    Bcrypt {
        hash: String,
        /// Of the password that was right: each request brings it again.
        known: OnceLock<hmac::Tag>,
    },
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

/// Reads a file of passwords.
///
/// # Errors
///
/// Returns [`ConfigError`] that names the entry and never its secret.
pub(super) fn passwords(path: &Path) -> Result<Secrets, ConfigError> {
    const SETTING: &str = "rest.authentication.users.file";
    let refused = |problem: String| ConfigError::new(SETTING, problem);
    read(path, |key, name, secret| {
        if BCRYPT.iter().any(|begin| secret.starts_with(begin)) {
            let cost = secret.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok());
            let is_hash = secret.parse::<bcrypt::HashParts>().is_ok();
            let Some(cost) = cost.filter(|_| is_hash) else {
                return Err(format!("has a damaged bcrypt hash for user {name}"));
            };
            if cost > COST_MAX {
                let text = format!(
                    "has a bcrypt hash of cost {cost} for user {name}, expected {COST_MAX} at most"
                );
                return Err(text);
            }
            return Ok(Secret::Bcrypt { hash: secret.to_owned(), known: OnceLock::new() });
        }
        if OTHER_HASHES.iter().any(|begin| secret.starts_with(begin)) {
            let text = format!(
                "has a hash for user {name} that is not bcrypt; `htpasswd -nB {name}` writes one"
            );
            return Err(text);
        }
        Ok(Secret::Plain(hmac::sign(key, secret.as_bytes())))
    })
    .map_err(refused)
}

/// Reads a file of tokens.
///
/// # Errors
///
/// As [`passwords`].
pub(super) fn tokens(path: &Path) -> Result<Secrets, ConfigError> {
    const SETTING: &str = "rest.authentication.tokens.file";
    let read = read(path, |key, name, secret| {
        if secret.chars().count() < TOKEN_MIN_CHARS {
            let text = format!(
                "has a token for {name} that is shorter than {TOKEN_MIN_CHARS} characters; \
                 `openssl rand -hex 32` writes one"
            );
            return Err(text);
        }
        Ok(Secret::Plain(hmac::sign(key, secret.as_bytes())))
    });
    read.map_err(|problem| ConfigError::new(SETTING, problem))
}

fn read(
    path: &Path,
    secret: impl Fn(&hmac::Key, &str, &str) -> Result<Secret, String>,
) -> Result<Secrets, String> {
    let shown = path.display();
    let mut text = String::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| format!("names {shown}, which cannot be read: {error}"))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > FILE_MAX_BYTES) {
        return Err(format!("names {shown}, which is larger than 1 MiB"));
    }
    let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
        .map_err(|_| "cannot be used: this machine gives no random numbers".to_owned())?;
    let mut entries: Vec<Entry> = Vec::new();
    for (name, value) in properties(&text) {
        if name.is_empty() || value.is_empty() {
            return Err(format!("names {shown}, which has an entry without a name or a secret"));
        }
        if entries.iter().any(|entry| entry.name == name) {
            return Err(format!("names {shown}, which has {name} twice"));
        }
        let secret = secret(&key, &name, &value)?;
        entries.push(Entry { name, secret });
    }
    if entries.is_empty() {
        return Err(format!("names {shown}, which has no line `name: secret`"));
    }
    Ok(Secrets { key, entries, room: Semaphore::new(1) })
}

impl Secrets {
    /// Whether somebody has this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// Whether this is the password of this name. Takes as long for a name that nobody has.
    pub(super) async fn has_password(&self, name: &str, password: &str) -> bool {
        let given = hmac::sign(&self.key, password.as_bytes());
        let found = self.entries.iter().find(|entry| entry.name == name);
        let of_nobody = || {
            let is_bcrypt = |entry: &&Entry| matches!(entry.secret, Secret::Bcrypt { .. });
            self.entries.iter().find(is_bcrypt).or(self.entries.first())
        };
        let Some(looked_at) = found.or_else(of_nobody) else { return false };
        let is_right = match &looked_at.secret {
            Secret::Plain(tag) => is_equal(tag, &given),
            Secret::Bcrypt { known, .. }
                if known.get().is_some_and(|tag| is_equal(tag, &given)) =>
            {
                true
            }
            Secret::Bcrypt { hash, known } => {
                let is_right = self.has_hash(password, hash).await;
                if is_right && found.is_some() && known.set(given).is_err() {
                    tracing::trace!("another request has proved the same password meanwhile");
                }
                is_right
            }
        };
        is_right && found.is_some()
    }

    async fn has_hash(&self, password: &str, hash: &str) -> bool {
        if password.len() > BCRYPT_MAX_BYTES {
            return false;
        }
        let Ok(_alone) = self.room.acquire().await else { return false };
        let (password, hash) = (password.to_owned(), hash.to_owned());
        let verifying = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        matches!(verifying.await, Ok(Ok(true)))
    }

    /// Whose token this is. All are looked at, so that it takes as long for each.
    pub(super) fn name_of_token(&self, token: &str) -> Option<String> {
        let given = hmac::sign(&self.key, token.as_bytes());
        let is_it = |entry: &&Entry| match &entry.secret {
            Secret::Plain(tag) => is_equal(tag, &given),
            Secret::Bcrypt { .. } => false,
        };
        self.entries.iter().filter(is_it).map(|entry| entry.name.clone()).next_back()
    }
}

fn is_equal(left: &hmac::Tag, right: &hmac::Tag) -> bool {
    verify_slices_are_equal(left.as_ref(), right.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// `geheim` by `htpasswd -nbB -C 4`'s rules.
    fn hash() -> String {
        bcrypt::hash("geheim", 4).unwrap().replace("$2b$", "$2y$")
    }

    #[tokio::test]
    async fn passwords_are_plain_or_hashed_in_javas_file_or_htpasswds() {
        let text = format!("# staff\nann: plain pass:word\nbob=other\ncarl:{}\n", hash());
        let users = passwords(file(&text).path()).unwrap();

        for (name, password, is_right) in [
            ("ann", "plain pass:word", true),
            ("ann", "plain", false),
            ("ann", "other", false),
            ("bob", "other", true),
            ("carl", "geheim", true),
            ("carl", "geheim", true),
            ("carl", "wrong", false),
            ("carl", &hash(), false),
            ("dora", "geheim", false),
            ("", "", false),
        ] {
            assert_eq!(users.has_password(name, password).await, is_right, "{name} {password}");
        }
        assert!(users.knows("carl") && !users.knows("dora"));
        assert!(!format!("{users:?}").contains("plain"));
    }

    #[tokio::test]
    async fn what_bcrypt_would_cut_off_is_no_password() {
        let long = "x".repeat(BCRYPT_MAX_BYTES);
        let text = format!("ann: {}", bcrypt::hash(&long, 4).unwrap());
        let users = passwords(file(&text).path()).unwrap();

        assert!(users.has_password("ann", &long).await);
        assert!(!users.has_password("ann", &format!("{long}y")).await);
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let text = "grafana: 0123456789abcdef\nci: fedcba9876543210\n";
        let tokens = tokens(file(text).path()).unwrap();

        assert_eq!(tokens.name_of_token("fedcba9876543210").as_deref(), Some("ci"));
        assert_eq!(tokens.name_of_token("0123456789abcdee"), None);
        assert_eq!(tokens.name_of_token(""), None);
    }

    #[test]
    fn a_file_that_is_wrong_names_the_entry_and_no_secret() {
        let costly = hash().replace("$04$", "$15$");
        for (text, expected) in [
            ("", "no line `name: secret`"),
            ("ann: $apr1$abc$geheim", "user ann that is not bcrypt; `htpasswd -nB ann`"),
            ("ann: $2y$10$geheim", "damaged bcrypt hash for user ann"),
            (&format!("ann: {costly}"), "of cost 15 for user ann, expected 14 at most"),
            ("ann: geheim\nann: geheim", "has ann twice"),
            ("ann:", "without a name or a secret"),
        ] {
            let error = passwords(file(text).path()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{text}: {error}");
        }
        let short = tokens(file("ci: geheim").path()).unwrap_err().to_string();
        assert!(short.contains("for ci that is shorter than 16") && !short.contains("geheim"));
        assert!(passwords(Path::new("no/such/file")).is_err());
    }
}
