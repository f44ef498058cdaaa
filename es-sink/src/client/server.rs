//! Which server it is, and what servers differ in.
//!
//! A feature that is in the table may still be missing: distributions leave modules out. So whoever
//! uses one also understands the refusal.

use serde::Deserialize;

/// Who has made the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Elasticsearch,
    OpenSearch,
}

/// The server, as `GET /` tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) product: Product,
    pub(crate) version: (u16, u16, u16),
    /// Elastic's service without nodes: it runs the newest code, whatever version it tells, and
    /// keeps most settings of an index to itself.
    pub(crate) is_serverless: bool,
}

/// What not every server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    /// The field type `unsigned_long`.
    UnsignedLong,
    /// The field type `flattened`.
    Flattened,
    /// The field type `flat_object`.
    FlatObject,
    /// The field type `wildcard`.
    Wildcard,
    /// The field type `date_nanos`.
    DateNanos,
    /// The field type `dense_vector`.
    DenseVector,
    /// The field type `knn_vector`.
    KnnVector,
    /// Points in time, below `/_pit` or `/_search/point_in_time`.
    PointInTime,
    /// `require_alias` of an action.
    RequireAlias,
    /// Data streams.
    DataStream,
    /// `index.gc_deletes` and other settings of an index's shards.
    ShardSettings,
}

/// From which version of each product on: none if never; and whether without nodes.
struct Since(Option<(u16, u16)>, Option<(u16, u16)>, bool);

impl Feature {
    pub(crate) const ALL: [Self; 11] = [
        Self::UnsignedLong,
        Self::Flattened,
        Self::FlatObject,
        Self::Wildcard,
        Self::DateNanos,
        Self::DenseVector,
        Self::KnnVector,
        Self::PointInTime,
        Self::RequireAlias,
        Self::DataStream,
        Self::ShardSettings,
    ];

    /// The one table of differences. The links are what the line says of each product.
    fn since(self) -> Since {
        match self {
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/unsigned-long.html
            // https://docs.opensearch.org/latest/field-types/supported-field-types/unsigned-long/
            Self::UnsignedLong => Since(Some((7, 10)), Some((2, 8)), true),
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/flattened.html
            Self::Flattened => Since(Some((7, 3)), None, true),
            // https://docs.opensearch.org/latest/field-types/supported-field-types/flat-object/
            Self::FlatObject => Since(None, Some((2, 7)), false),
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/keyword.html
            // https://docs.opensearch.org/latest/field-types/supported-field-types/wildcard/
            Self::Wildcard => Since(Some((7, 9)), Some((2, 15)), true),
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/date_nanos.html
            // https://docs.opensearch.org/latest/field-types/supported-field-types/date-nanos/
            Self::DateNanos => Since(Some((7, 0)), Some((1, 0)), true),
            // With an index that can be searched, from 8.0 on:
            // https://www.elastic.co/guide/en/elasticsearch/reference/8.0/dense-vector.html
            Self::DenseVector => Since(Some((8, 0)), None, true),
            // https://docs.opensearch.org/latest/field-types/supported-field-types/knn-vector/
            Self::KnnVector => Since(None, Some((1, 0)), false),
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/point-in-time-api.html
            // https://docs.opensearch.org/latest/search-plugins/searching-data/point-in-time-api/
            Self::PointInTime => Since(Some((7, 10)), Some((2, 4)), true),
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/docs-bulk.html
            // https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
            Self::RequireAlias => Since(Some((7, 10)), Some((1, 0)), true),
            // https://www.elastic.co/guide/en/elasticsearch/reference/7.17/data-streams.html
            // https://docs.opensearch.org/latest/im-plugin/data-streams/
            Self::DataStream => Since(Some((7, 9)), Some((1, 0)), true),
            // https://www.elastic.co/docs/reference/elasticsearch/index-settings/index-modules
            Self::ShardSettings => Since(Some((7, 0)), Some((1, 0)), false),
        }
    }
}

/// The oldest that is accepted: what the sink asks of all of them is there from here on.
const OLDEST_ELASTICSEARCH: (u16, u16, u16) = (7, 10, 0);

impl Server {
    /// What is taken for the server if we may not ask it: the oldest versions that are supported,
    /// so that nothing is used which may not be there.
    pub(super) fn assumed(is_elasticsearchs: bool) -> Self {
        let (product, version) = match is_elasticsearchs {
            // Only 7.14 and later say so.
            true => (Product::Elasticsearch, (7, 17, 0)),
            false => (Product::OpenSearch, (1, 0, 0)),
        };
        Self { product, version, is_serverless: false }
    }

    /// Reads the answer to `GET /`. The error says what answered.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let root: Root = serde_json::from_slice(body)
            .map_err(|_| "something without a version number".to_owned())?;
        let number = root.version.number.as_str();
        let version = triple(number).ok_or_else(|| format!("of version `{number:.20}`"))?;
        let distribution = root.version.distribution.as_deref();
        match distribution {
            Some("opensearch") => {
                Ok(Self { product: Product::OpenSearch, version, is_serverless: false })
            }
            Some(other) => Err(format!("the distribution `{other:.20}`")),
            // OpenSearch in its mode of compatibility tells the version of the last Elasticsearch
            // that it has in common with it (`compatibility.override_main_response_version`, gone
            // with 3.0); its tagline stays.
            None if root.tagline.contains("OpenSearch") => {
                Ok(Self { product: Product::OpenSearch, version: (1, 0, 0), is_serverless: false })
            }
            None if version < OLDEST_ELASTICSEARCH => Err(format!("Elasticsearch {number:.20}")),
            None => {
                let is_serverless = root.version.build_flavor.as_deref() == Some("serverless");
                Ok(Self { product: Product::Elasticsearch, version, is_serverless })
            }
        }
    }

    /// Whether the server is to have something.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        let Since(elasticsearch, opensearch, serverless) = feature.since();
        let since = match self.product {
            Product::Elasticsearch if self.is_serverless => return serverless,
            Product::Elasticsearch => elasticsearch,
            Product::OpenSearch => opensearch,
        };
        let (major, minor, _) = self.version;
        since.is_some_and(|since| since <= (major, minor))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor, patch) = self.version;
        match self.product {
            Product::Elasticsearch if self.is_serverless => write!(f, "Elasticsearch Serverless"),
            Product::Elasticsearch => write!(f, "Elasticsearch {major}.{minor}.{patch}"),
            Product::OpenSearch => write!(f, "OpenSearch {major}.{minor}.{patch}"),
        }
    }
}

#[derive(Deserialize)]
struct Root {
    version: RootVersion,
    #[serde(default)]
    tagline: String,
}

#[derive(Deserialize)]
struct RootVersion {
    number: String,
    distribution: Option<String>,
    build_flavor: Option<String>,
}

/// `8.19.0`, `9.5.3-SNAPSHOT`.
fn triple(number: &str) -> Option<(u16, u16, u16)> {
    let number = number.split(['-', '+']).next()?;
    let mut parts = number.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(body: &str) -> Result<String, String> {
        Server::parse(body.as_bytes()).map(|server| server.to_string())
    }

    #[test]
    fn servers_are_told_apart_by_what_they_say_of_themselves() {
        let you_know = r#""tagline":"You Know, for Search""#;
        for (version, tagline, expected) in [
            (r#""number":"9.5.3","build_flavor":"default""#, you_know, "Elasticsearch 9.5.3"),
            (r#""number":"7.17.29-SNAPSHOT""#, you_know, "Elasticsearch 7.17.29"),
            (
                r#""number":"8.11.0","build_flavor":"serverless""#,
                you_know,
                "Elasticsearch Serverless",
            ),
            (
                r#""number":"3.8.0","distribution":"opensearch""#,
                r#""tagline":"The OpenSearch Project: https://opensearch.org/""#,
                "OpenSearch 3.8.0",
            ),
            (
                r#""number":"7.10.2""#,
                r#""tagline":"The OpenSearch Project: https://opensearch.org/""#,
                "OpenSearch 1.0.0",
            ),
        ] {
            let body = format!("{{\"name\":\"n\",\"version\":{{{version}}},{tagline}}}");
            assert_eq!(parse(&body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_too_old_or_something_else_is_named() {
        let number = |number| format!(r#"{{"version":{{"number":"{number}"}}}}"#);
        assert_eq!(parse(&number("6.8.23")), Err("Elasticsearch 6.8.23".to_owned()));
        assert_eq!(parse(&number("7.9.3")), Err("Elasticsearch 7.9.3".to_owned()));
        assert!(parse(&number("7.10.0")).is_ok() && parse(&number("10.0")).is_ok());
        assert!(parse(&number("latest")).unwrap_err().contains("`latest`"));
        assert!(parse("<html>nginx</html>").unwrap_err().contains("without a version"));
        let other = r#"{"version":{"number":"1.0.0","distribution":"quicksearch"}}"#;
        assert!(parse(other).unwrap_err().contains("`quicksearch`"));
    }

    #[test]
    fn a_feature_is_there_from_its_version_on() {
        let server = |product, version, is_serverless| Server { product, version, is_serverless };
        let has = |server: Server| -> Vec<_> {
            Feature::ALL.into_iter().filter(|feature| server.has(*feature)).collect()
        };
        let lacks = |server: Server, missing: &[Feature]| {
            let has = has(server);
            assert!(Feature::ALL.iter().all(|one| has.contains(one) != missing.contains(one)));
        };
        use Feature::{
            DenseVector, FlatObject, Flattened, KnnVector, PointInTime, ShardSettings,
            UnsignedLong, Wildcard,
        };

        lacks(
            server(Product::Elasticsearch, (7, 17, 0), false),
            &[FlatObject, KnnVector, DenseVector],
        );
        lacks(server(Product::Elasticsearch, (9, 5, 3), false), &[FlatObject, KnnVector]);
        lacks(
            server(Product::Elasticsearch, (8, 11, 0), true),
            &[FlatObject, KnnVector, ShardSettings],
        );
        lacks(server(Product::OpenSearch, (3, 8, 0), false), &[Flattened, DenseVector]);
        lacks(
            Server::assumed(false),
            &[Flattened, DenseVector, UnsignedLong, FlatObject, Wildcard, PointInTime],
        );
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(body in ".{0,200}", number in ".{0,30}") {
            drop(Server::parse(body.as_bytes()));
            let body = serde_json::json!({ "version": { "number": number } });
            drop(Server::parse(body.to_string().as_bytes()));
        }
    }
}
