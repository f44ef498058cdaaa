//! `sasl.jaas.config`: the login of a Java client, for the modules that have a name and a password,
//! and for the one that asks for a token with a client's id and secret.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The modules that librdkafka does the same for.
const MODULES: [&str; 2] = [
    "org.apache.kafka.common.security.plain.PlainLoginModule",
    "org.apache.kafka.common.security.scram.ScramLoginModule",
];

/// The module that asks an endpoint for a token.
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// Its options, and what librdkafka calls them. `scope` may be missing; so may the others, which are
/// settings of their own since Kafka 4.1.
const OAUTH_OPTIONS: [(&str, &str); 3] = [
    ("clientId", "sasl.oauthbearer.client.id"),
    ("clientSecret", "sasl.oauthbearer.client.secret"),
    ("scope", "sasl.oauthbearer.scope"),
];

/// What its options for the endpoint's certificate begin with.
const OAUTH_TLS: &str = "ssl.";

/// The name and the password of an entry such as
/// `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`.
///
/// The error does not show the text, which has a password.
pub(crate) fn of_jaas(text: &str) -> Result<Vec<(&'static str, String)>, Cow<'static, str>> {
    let (module, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    if module != OAUTH && !MODULES.contains(&module) {
        return Err("has a module that is not supported: expected PlainLoginModule, \
                    ScramLoginModule or OAuthBearerLoginModule of \
                    org.apache.kafka.common.security"
            .into());
    }
    let options =
        options(rest).ok_or("is not what JAAS is: expected `required name=\"value\" …;`")?;
    if module == OAUTH {
        return of_oauth(options);
    }
    let option = |name: &str| {
        let found = options.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    match (option("username"), option("password")) {
        (Some(user), Some(password)) => {
            Ok(vec![("sasl.username", user), ("sasl.password", password)])
        }
        _ => Err("has no `username` and `password`".into()),
    }
}

/// Whose token is asked for.
fn of_oauth(
    options: Vec<(String, String)>,
) -> Result<Vec<(&'static str, String)>, Cow<'static, str>> {
    let (mut found, mut extensions) = (Vec::new(), Vec::new());
    for (name, value) in options {
        if let Some(extension) = name.strip_prefix("extension_") {
            extensions.push(format!("{extension}={value}"));
        } else if let Some((_, as_name)) = OAUTH_OPTIONS.iter().find(|(known, _)| *known == name) {
            found.push((*as_name, value));
        } else if name.starts_with(OAUTH_TLS) {
            return Err("has stores for the endpoint's certificate: give its authority as \
                        `kafka.https.ca.location` (PEM)"
                .into());
        } else {
            return Err(format!(
                "has the option `{name}`: expected clientId, clientSecret, scope and extension_…"
            )
            .into());
        }
    }
    if !extensions.is_empty() {
        found.push(("sasl.oauthbearer.extensions", extensions.join(",")));
    }
    Ok(found)
}

/// The options behind the control flag; none if the text is not of this form.
fn options(text: &str) -> Option<Vec<(String, String)>> {
    let text = text.trim().strip_suffix(';')?.trim_end();
    let mut rest = text.split_once(char::is_whitespace).map_or("", |(_flag, rest)| rest).trim();
    let mut options = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let (value, behind) = match behind.chars().next()? {
            quote @ ('"' | '\'') => quoted(behind.get(1..)?, quote)?,
            _ => {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                (behind.get(..end)?.to_owned(), behind.get(end..)?)
            }
        };
        options.push((name.trim().to_owned(), value));
        rest = behind.trim_start();
    }
    Some(options)
}

/// A text up to its closing quote, with what a backslash protects, and what is behind.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            _ if character == quote => return Some((value, text.get(at + 1..)?)),
            _ => value.push(character),
        }
    }
    None
}

/// User and password that Kafka's clients log in with, if they log in so.
pub(crate) fn of_clients(properties: &BTreeMap<String, String>) -> Option<(String, String)> {
    let of = |key: &str| properties.get(key).cloned();
    of("sasl.username").zip(of("sasl.password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_read_as_java_reads_them() {
        let login =
            |text: &str| of_jaas(text).map(|found| found.into_iter().map(|(_, v)| v).collect());
        let found: Result<Vec<String>, _> = login(
            "org.apache.kafka.common.security.plain.PlainLoginModule required\n \
             username=\"u\" password=\"p;\\\"x=1\" ;",
        );
        assert_eq!(found.unwrap(), ["u", "p;\"x=1"]);
        let found: Result<Vec<String>, _> = login(
            "org.apache.kafka.common.security.scram.ScramLoginModule required password='q' username=u;",
        );
        assert_eq!(found.unwrap(), ["u", "q"]);
    }

    #[test]
    fn a_client_that_asks_for_tokens_is_read_as_java_reads_it() {
        let found = of_jaas(&format!(
            "{OAUTH} required clientId=\"c\" clientSecret='s t' scope=kafka extension_pool=\"p1\" \
             extension_cluster=lkc ;"
        ));
        let expected = [
            ("sasl.oauthbearer.client.id", "c"),
            ("sasl.oauthbearer.client.secret", "s t"),
            ("sasl.oauthbearer.scope", "kafka"),
            ("sasl.oauthbearer.extensions", "pool=p1,cluster=lkc"),
        ];
        assert_eq!(found.unwrap(), expected.map(|(key, value)| (key, value.to_owned())));
        assert_eq!(of_jaas(&format!("{OAUTH} required ;")), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_login_is_refused_without_its_text() {
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
        for text in [
            "",
            "com.sun.security.auth.module.Krb5LoginModule required password=\"geheim\";",
            &format!("{plain} required username=\"u\" password=\"geheim\""),
            &format!("{plain} required username=\"u\" password=\"geheim;"),
            &format!("{plain} required password=\"geheim\";"),
            &format!("{OAUTH} required unsecuredLoginStringClaim_sub=\"geheim\";"),
            &format!("{OAUTH} required ssl.truststore.password=\"geheim\";"),
        ] {
            let problem = of_jaas(text).unwrap_err();
            assert!(!problem.contains("geheim"), "{problem}");
        }
    }
}
