//! Settings of Kafka's Java clients, in librdkafka's.
//!
//! `keys.tsv` has a line for each that a producer, a consumer or an admin client of Java has, with what
//! becomes of it; `docs/compatibility.md` is made of it. Values that Java writes in a way of its own
//! are turned into librdkafka's: logins, and stores of certificates.

pub(crate) mod login;
mod store;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::kafka::check_property;

/// What says who a client is.
pub(crate) const PRINCIPAL: [&str; 3] = ["security.protocol", "sasl.jaas.config", "sasl.mechanism"];

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Of sources, and of dead letters.
    Producer,
    /// Of sinks.
    Consumer,
    /// Of topics that are made.
    Admin,
}

impl Client {
    /// Its letter in the table.
    fn letter(self) -> char {
        match self {
            Self::Producer => 'p',
            Self::Consumer => 'c',
            Self::Admin => 'a',
        }
    }
}

/// What becomes of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientVerdict {
    /// It is given to librdkafka under this name.
    Passed(&'static str),
    /// It is turned into settings of librdkafka, by its own rules.
    Translated,
    /// rowcast reads it itself.
    Honoured,
    /// It is taken and changes nothing, for this reason.
    Harmless(&'static str),
    /// It is an error, but for some values; the text says what to do.
    Refused(&'static str, Vec<&'static str>),
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// The clients that have it: `p`, `c` and `a`.
    pub clients: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub verdict: ClientVerdict,
    /// A value, and others that go with it.
    sample: &'static str,
}

static KEYS: LazyLock<Vec<ClientKey>> =
    LazyLock::new(|| include_str!("java_client/keys.tsv").lines().filter_map(parse).collect());

/// All settings of Java's clients.
#[must_use]
pub fn client_keys() -> &'static [ClientKey] {
    &KEYS
}

fn parse(line: &'static str) -> Option<ClientKey> {
    if line.starts_with('#') {
        return None;
    }
    let columns: Vec<&'static str> = line.split('\t').collect();
    let &[clients, name, verdict, sample, why] = columns.as_slice() else { return None };
    let (word, rest) = verdict.split_once(' ').unwrap_or((verdict, ""));
    let verdict = match word {
        "as" => ClientVerdict::Passed(rest),
        "login" | "mechanism" | "host" | "store" => ClientVerdict::Translated,
        "honoured" => ClientVerdict::Honoured,
        "harmless" => ClientVerdict::Harmless(why),
        "refused" => ClientVerdict::Refused(why, rest.split('|').collect()),
        _ => return None,
    };
    Some(ClientKey { clients, name, verdict, sample })
}

/// Settings of a Java client, as librdkafka has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) properties: BTreeMap<String, String>,
    /// Those that are known and change nothing.
    pub(crate) harmless: Vec<String>,
    /// Those that the client does not have.
    pub(crate) unknown: Vec<String>,
}

/// A setting that cannot be translated. Its value is not shown: it may be a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) key: String,
    pub(crate) problem: Cow<'static, str>,
}

impl Refused {
    fn new(key: &str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.to_owned(), problem: problem.into() }
    }
}

/// Translates the settings of one client.
pub(crate) fn translate(
    client: Client,
    given: &BTreeMap<String, String>,
) -> Result<Translated, Refused> {
    let mut translated = Translated::default();
    for (name, value) in given {
        let found = KEYS.iter().find(|key| key.name == name);
        let Some(key) = found.filter(|key| key.clients.contains(client.letter())) else {
            translated.unknown.push(name.clone());
            continue;
        };
        let value = value.trim();
        match &key.verdict {
            ClientVerdict::Passed(as_name) => {
                pass((name, as_name), value, &mut translated.properties)?;
            }
            ClientVerdict::Translated => {
                for (as_name, value) in special(name, value, given)? {
                    pass((name, as_name), &value, &mut translated.properties)?;
                }
            }
            ClientVerdict::Honoured => {}
            ClientVerdict::Harmless(_) => translated.harmless.push(name.clone()),
            ClientVerdict::Refused(remedy, except) => {
                if !value.is_empty() && !except.contains(&value) {
                    return Err(Refused::new(name, *remedy));
                }
            }
        }
    }
    Ok(translated)
}

fn pass(
    (name, as_name): (&str, &str),
    value: &str,
    properties: &mut BTreeMap<String, String>,
) -> Result<(), Refused> {
    // Java's word for the system's own buffers.
    let value = if as_name.starts_with("socket.") && value == "-1" { "0" } else { value };
    check_property(as_name, value).map_err(|problem| Refused::new(name, problem))?;
    properties.insert(as_name.to_owned(), value.to_owned());
    Ok(())
}

/// Settings whose values are Java's.
fn special(
    name: &str,
    value: &str,
    given: &BTreeMap<String, String>,
) -> Result<Vec<(&'static str, String)>, Refused> {
    match name {
        "sasl.jaas.config" => login::of_jaas(value).map_err(|problem| Refused::new(name, problem)),
        "sasl.mechanism" => match value {
            "GSSAPI" => {
                let problem = "is not supported: expected PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or \
                               OAUTHBEARER";
                Err(Refused::new(name, problem))
            }
            _ => Ok(vec![("sasl.mechanism", value.to_owned())]),
        },
        "ssl.endpoint.identification.algorithm" => {
            let algorithm = if value.is_empty() { "none" } else { value };
            Ok(vec![("ssl.endpoint.identification.algorithm", algorithm.to_owned())])
        }
        _ => store::of(name, value, given).map_err(|problem| Refused::new(name, problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(client: Client, pairs: &[(&str, &str)]) -> Result<Translated, Refused> {
        let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        translate(client, &given)
    }

    fn properties(client: Client, pairs: &[(&str, &str)]) -> Vec<String> {
        let found = translated(client, pairs).unwrap().properties;
        found.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn every_setting_of_javas_clients_has_a_verdict() {
        let recorded = include_str!("java_client/recorded.tsv");
        let recorded: Vec<_> =
            recorded.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let known: Vec<_> =
            client_keys().iter().map(|key| format!("{}\t{}", key.clients, key.name)).collect();

        assert_eq!(known, recorded);
    }

    #[test]
    fn what_becomes_of_each_setting_is_what_the_table_says() {
        for key in client_keys() {
            let client = match key.clients.chars().next().unwrap() {
                'p' => Client::Producer,
                'c' => Client::Consumer,
                _ => Client::Admin,
            };
            let mut entries = key.sample.split(" && ");
            let mut pairs = vec![(key.name, entries.next().unwrap())];
            pairs.extend(entries.filter_map(|entry| entry.split_once('=')));
            let found = translated(client, &pairs);

            let is_said = match (&key.verdict, &found) {
                (ClientVerdict::Passed(name), Ok(found)) => found.properties.contains_key(*name),
                (ClientVerdict::Translated, Ok(found)) => {
                    !found.properties.is_empty() || key.name.ends_with("store.type")
                }
                (ClientVerdict::Honoured, Ok(found)) => *found == Translated::default(),
                (ClientVerdict::Harmless(_), Ok(found)) => found.harmless == [key.name],
                (ClientVerdict::Refused(remedy, _), Err(found)) => found.problem == *remedy,
                _ => false,
            };
            assert!(is_said, "{key:?}: {found:?}");
        }
    }

    #[test]
    fn settings_of_another_client_are_unknown() {
        let found = translated(Client::Admin, &[("acks", "1"), ("no.such", "1")]).unwrap();

        assert_eq!(found.unknown, ["acks", "no.such"]);
    }

    #[test]
    fn values_of_java_are_librdkafkas() {
        assert_eq!(
            properties(
                Client::Producer,
                &[
                    ("max.request.size", "2000000"),
                    ("send.buffer.bytes", "-1"),
                    ("ssl.endpoint.identification.algorithm", ""),
                ]
            ),
            [
                "message.max.bytes=2000000",
                "socket.send.buffer.bytes=0",
                "ssl.endpoint.identification.algorithm=none",
            ]
        );
        let wrong = translated(Client::Consumer, &[("fetch.min.bytes", "many")]).unwrap_err();
        assert_eq!(wrong.key, "fetch.min.bytes");
        assert!(translated(Client::Consumer, &[("auto.offset.reset", "earliest")]).is_ok());
    }
}
