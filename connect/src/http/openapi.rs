//! `GET /openapi.json`: what can be asked, for programs (`OpenAPI` 3.1).
//!
//! `openapi/document.json` is written by hand and sent as it is; tests hold it to the router.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

const DOCUMENT: &str = include_str!("openapi/document.json");

pub(super) async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}

/// Method and path of every request that the document has, in its order: `("GET", "/connectors")`.
/// Parameters have braces, as the router writes them.
#[cfg(test)]
pub(super) fn operations() -> Vec<(String, String)> {
    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
    let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
    let of_path = |(path, item): (&String, &serde_json::Value)| {
        let methods = item.as_object().unwrap().keys().filter(|key| METHODS.contains(&&***key));
        methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    document["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// All values of `key` below a value.
    fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get(key).and_then(Value::as_str));
                map.values().for_each(|inner| all(inner, key, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| all(inner, key, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_nothing_is_left_over() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let (mut references, mut ids) = (Vec::new(), Vec::new());
        all(&document, "$ref", &mut references);
        all(&document["paths"], "operationId", &mut ids);

        for reference in &references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for kind in ["schemas", "responses", "parameters"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let own = format!("#/components/{kind}/{name}");
                assert!(references.contains(&own.as_str()), "{own} is not used");
            }
        }
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), operations().len());
    }

    #[test]
    fn every_parameter_of_a_path_is_described() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            let named =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            let described = item["parameters"].as_array().cloned().unwrap_or_default();
            let described = described.iter().map(|it| it["$ref"].as_str().unwrap().to_owned());
            let named = named.map(|name| format!("#/components/parameters/{name}"));

            assert_eq!(named.collect::<Vec<_>>(), described.collect::<Vec<_>>(), "{path}");
        }
    }
}
