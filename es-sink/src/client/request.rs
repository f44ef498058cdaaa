//! A request and what comes back.

use bytes::Bytes;

use crate::bulk::{error_kind, kind_can_pass};

/// One request.
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    pub(super) content_type: &'static str,
}

/// What a request does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Get,
    Put,
    Post,
    Delete,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// Whether it says that Elasticsearch made it (7.14 and later, whatever the status).
    pub(super) is_elasticsearchs: bool,
}

/// Why there is no answer.
pub(crate) struct NoAnswer {
    pub(crate) reason: String,
    /// The connection has ended, before the time was up.
    pub(crate) was_cut: bool,
}

impl Request {
    /// A request with JSON or without a body.
    pub(crate) fn json(method: Method, path: String, body: Option<String>) -> Self {
        Self { method, path, body: body.map(Bytes::from), content_type: "application/json" }
    }

    /// A bulk request. The answer is cut down to what is looked at: an item's `error.reason` would
    /// quote the row.
    pub(crate) fn bulk(body: Bytes) -> Self {
        let path =
            "/_bulk?filter_path=errors,error.type,items.*.status,items.*.error.type,items.*.error.reason".to_owned();
        Self { method: Method::Post, path, body: Some(body), content_type: "application/x-ndjson" }
    }
}

impl Answer {
    /// Whether the same request can get another answer later.
    pub(crate) fn can_pass(&self) -> bool {
        matches!(self.status, 429 | 500..=599) || kind_can_pass(&error_kind(&self.body))
    }

    /// The answer in a few words, without anything of a row.
    pub(crate) fn reason(&self) -> Box<str> {
        format!("answered {} {}", self.status, error_kind(&self.body)).into()
    }
}
