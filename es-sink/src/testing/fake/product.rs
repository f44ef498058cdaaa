//! Which server the fake is, and where servers differ.

use serde_json::{Value, json};

/// A server and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Product {
    /// Elasticsearch 7.17.
    Elasticsearch7,
    /// Elasticsearch 8.19.
    Elasticsearch8,
    /// Elasticsearch 9.5.
    #[default]
    Elasticsearch9,
    /// Elastic's cloud without nodes and shards.
    Serverless,
    /// OpenSearch 2.19.
    OpenSearch2,
    /// OpenSearch 3.8.
    OpenSearch3,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Elasticsearch7,
        Self::Elasticsearch8,
        Self::Elasticsearch9,
        Self::Serverless,
        Self::OpenSearch2,
        Self::OpenSearch3,
    ];

    /// Whether it is OpenSearch.
    #[must_use]
    pub fn is_opensearch(self) -> bool {
        matches!(self, Self::OpenSearch2 | Self::OpenSearch3)
    }

    /// What `version.number` says.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Elasticsearch7 => "7.17.29",
            Self::Elasticsearch8 => "8.19.4",
            Self::Elasticsearch9 => "9.5.3",
            // What serverless projects say whatever they run.
            Self::Serverless => "8.11.0",
            Self::OpenSearch2 => "2.19.3",
            Self::OpenSearch3 => "3.8.0",
        }
    }

    /// The type of the error that condemns one document. Elasticsearch has a name for it since 8.9.
    #[must_use]
    pub fn document_error(self) -> &'static str {
        if self.has_document_parsing_exception() {
            "document_parsing_exception"
        } else {
            "mapper_parsing_exception"
        }
    }

    /// Whether errors of documents say where in the document.
    pub(super) fn has_document_parsing_exception(self) -> bool {
        matches!(self, Self::Elasticsearch8 | Self::Elasticsearch9 | Self::Serverless)
    }

    /// Whether a point in time can be read in the order of `_shard_doc`.
    pub(super) fn has_shard_doc(self) -> bool {
        !matches!(self, Self::OpenSearch2)
    }

    /// Whether `_id` can be sorted by: `indices.id_field_data.enabled` is off since 8.0.
    pub(super) fn sorts_by_id(self) -> bool {
        self.is_opensearch() || self == Self::Elasticsearch7
    }

    pub(super) fn has_type(self, name: &str) -> bool {
        let only_elasticsearch = ["flattened", "dense_vector", "version", "histogram"];
        let only_opensearch = ["flat_object", "knn_vector"];
        if self.is_opensearch() {
            COMMON_TYPES.contains(&name) || only_opensearch.contains(&name)
        } else {
            COMMON_TYPES.contains(&name) || only_elasticsearch.contains(&name)
        }
    }

    /// What `GET /` answers.
    pub(super) fn greeting(self) -> Value {
        let mut version = json!({ "number": self.number(), "build_type": "unknown" });
        let tagline = if self.is_opensearch() {
            version["distribution"] = json!("opensearch");
            "The OpenSearch Project: https://opensearch.org/"
        } else {
            let flavor = if self == Self::Serverless { "serverless" } else { "default" };
            version["build_flavor"] = json!(flavor);
            "You Know, for Search"
        };
        json!({
            "name": "node-0",
            "cluster_name": "fake",
            "cluster_uuid": "fake-cluster",
            "version": version,
            "tagline": tagline,
        })
    }
}

const COMMON_TYPES: [&str; 34] = [
    "alias",
    "binary",
    "boolean",
    "byte",
    "completion",
    "constant_keyword",
    "date",
    "date_nanos",
    "date_range",
    "double",
    "double_range",
    "float",
    "float_range",
    "geo_point",
    "geo_shape",
    "half_float",
    "integer",
    "integer_range",
    "ip",
    "ip_range",
    "join",
    "keyword",
    "long",
    "long_range",
    "nested",
    "object",
    "percolator",
    "rank_feature",
    "scaled_float",
    "search_as_you_type",
    "short",
    "text",
    "unsigned_long",
    "wildcard",
];
