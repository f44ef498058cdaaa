//! Stores of certificates: PEM, and PKCS12 for our own. Java's own form is nothing for OpenSSL.

use std::borrow::Cow;
use std::collections::BTreeMap;

const TRUSTSTORE_REMEDY: &str = "is a store that only Java reads: write its certificates into a PEM \
    file (`keytool -exportcert -rfc`) and set `ssl.truststore.type=PEM`";
const KEYSTORE_REMEDY: &str = "is a store that only Java reads: convert it (`keytool -importkeystore \
    -deststoretype pkcs12`) and set `ssl.keystore.type=PKCS12`, or PEM";

/// What a setting of a store is for librdkafka.
pub(super) fn of(
    name: &str,
    value: &str,
    given: &BTreeMap<String, String>,
) -> Result<Vec<(&'static str, String)>, Cow<'static, str>> {
    let kind = |key: &str| given.get(key).map_or("JKS", |kind| kind.trim()).to_ascii_uppercase();
    let one = |name| vec![(name, value.to_owned())];
    match name {
        "ssl.truststore.location" => match &*kind("ssl.truststore.type") {
            "PEM" => Ok(one("ssl.ca.location")),
            _ => Err(TRUSTSTORE_REMEDY.into()),
        },
        "ssl.keystore.location" => match &*kind("ssl.keystore.type") {
            // One file has both.
            "PEM" => Ok([one("ssl.certificate.location"), one("ssl.key.location")].concat()),
            "PKCS12" => Ok(one("ssl.keystore.location")),
            _ => Err(KEYSTORE_REMEDY.into()),
        },
        // The types are read with the locations.
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stores_that_openssl_reads_are_taken() {
        let of = |name: &str, kind: &str| {
            let given = [(name.replace("location", "type"), kind.to_owned())].into();
            let found = of(name, "/x", &given);
            found.map(|all| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };

        assert_eq!(of("ssl.truststore.location", "pem"), Ok(vec!["ssl.ca.location"]));
        assert!(of("ssl.truststore.location", "JKS").unwrap_err().contains("PEM"));
        assert_eq!(of("ssl.keystore.location", "PKCS12"), Ok(vec!["ssl.keystore.location"]));
        assert_eq!(
            of("ssl.keystore.location", "PEM"),
            Ok(vec!["ssl.certificate.location", "ssl.key.location"])
        );
        assert!(of("ssl.keystore.location", "JKS").unwrap_err().contains("PKCS12"));
    }
}
