//! The common name in a certificate, from its DER (RFC 5280, 4.1).
//!
//! TLS has verified the certificate before; only the way to one field of it is walked here, which
//! is less than any library for certificates would bring along.

/// DER's tags of what is walked through.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
/// The version of a certificate, which the first version does not have.
const VERSION: u8 = 0xa0;

/// `UTF8String`, `PrintableString`, `IA5String`: all of them are UTF-8. Others are not written any
/// more (RFC 5280, 4.1.2.4).
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The common name of a certificate that has exactly one: of several it is not said which counts.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    let names = names(subject(certificate)?)?;
    match &*names {
        [name] if !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}

/// The content of the subject: the sixth field, behind version, number, algorithm, issuer and
/// validity.
fn subject(certificate: &[u8]) -> Option<&[u8]> {
    let (signed, _) = tagged(certificate, SEQUENCE)?;
    let (fields, _) = tagged(signed, SEQUENCE)?;
    let (first, _, behind) = element(fields)?;
    let mut rest = if first == VERSION { element(behind)?.2 } else { behind };
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    Some(tagged(rest, SEQUENCE)?.0)
}

/// All common names of a subject: a sequence of sets of pairs.
fn names(subject: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut sets = subject;
    while !sets.is_empty() {
        let (mut pairs, behind) = tagged(sets, SET)?;
        sets = behind;
        while !pairs.is_empty() {
            let (pair, behind) = tagged(pairs, SEQUENCE)?;
            pairs = behind;
            let (kind, value) = tagged(pair, OBJECT_ID)?;
            if kind == COMMON_NAME {
                let (tag, text, _) = element(value)?;
                let text = TEXTS.contains(&tag).then_some(text)?;
                names.push(std::str::from_utf8(text).ok()?.to_owned());
            }
        }
    }
    Some(names)
}

/// The content of an element with this tag, and what is behind it.
fn tagged(bytes: &[u8], expected: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, behind) = element(bytes)?;
    (tag == expected).then_some((content, behind))
}

/// Tag and content of the first element, and what is behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // So many bytes of length follow; four are 4 GiB.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
        0x80 | 0x85.. => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((*tag, content, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, DnValue)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn text(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    #[test]
    fn the_common_name_is_found_among_others() {
        let long = "n".repeat(300);
        let organization = (DnType::OrganizationName, text("Example"));
        let printable = DnValue::PrintableString("bob".try_into().unwrap());
        for (name, expected) in [
            (text("ann"), Some("ann")),
            (text("Jürgen, O=x"), Some("Jürgen, O=x")),
            (text(&long), Some(&*long)),
            (printable, Some("bob")),
            (text(""), None),
        ] {
            let names = [organization.clone(), (DnType::CommonName, name)];
            assert_eq!(common_name(&certificate(&names)).as_deref(), expected);
        }
        assert_eq!(common_name(&certificate(&[organization])), None);
        assert_eq!(common_name(&certificate(&[])), None);
    }

    #[test]
    fn several_names_are_none() {
        let pair = |name: &str| {
            let length = u8::try_from(name.len()).unwrap();
            let value = [&[0x06, 3], &COMMON_NAME[..], &[0x0c, length], name.as_bytes()].concat();
            let inner = u8::try_from(value.len()).unwrap();
            [&[SET, inner + 2, SEQUENCE, inner], &*value].concat()
        };

        assert_eq!(names(&[pair("ann"), pair("bob")].concat()).unwrap(), ["ann", "bob"]);
        assert_eq!(names(&pair("ann")[..9]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name_or_none(bytes: Vec<u8>, at: usize, byte: u8) {
            common_name(&bytes);
            let mut damaged = certificate(&[(DnType::CommonName, text("ann"))]);
            let at = at % damaged.len();
            damaged[at] = byte;
            common_name(&damaged);
            damaged.truncate(at);
            prop_assert_eq!(common_name(&damaged), None);
        }
    }
}
