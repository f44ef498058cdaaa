//! The number of a change in records that were written already.

use serde_json::Value as Json;

/// The text of `source.sequence` of a record in JSON, with its schema or without.
pub(crate) fn lsn_in_json(value: &[u8]) -> Option<String> {
    if value.first() != Some(&b'{') {
        return None;
    }
    let json: Json = serde_json::from_slice(value).ok()?;
    let payload = json.get("payload").filter(|_| json.get("schema").is_some()).unwrap_or(&json);
    payload.get("source")?.get("sequence")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_its_number_with_and_without_a_schema() {
        let lsn = |text: &str| lsn_in_json(text.as_bytes());

        assert_eq!(lsn(r#"{"source":{"sequence":"7"}}"#).as_deref(), Some("7"));
        let enveloped = r#"{"schema":{},"payload":{"source":{"sequence":"8"}}}"#;
        assert_eq!(lsn(enveloped).as_deref(), Some("8"));
        for other in ["", "7", "{", "{}", r#"{"source":{"sequence":null}}"#, r#"{"source":1}"#] {
            assert_eq!(lsn(other), None, "{other}");
        }
    }
}
