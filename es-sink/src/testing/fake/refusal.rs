//! Errors in the form of Elasticsearch.

use serde_json::{Map, Value, json};

/// An answer to a request.
pub(super) type Reply = (u16, Value);

/// Why a request, or one item of it, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    kind: String,
    reason: String,
    cause: Option<Box<Self>>,
}

impl Refusal {
    pub(super) fn new(status: u16, kind: &str, reason: impl Into<String>) -> Self {
        Self { status, kind: kind.to_owned(), reason: reason.into(), cause: None }
    }

    pub(super) fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    pub(super) fn no_index(name: &str) -> Self {
        Self::new(404, "index_not_found_exception", format!("no such index [{name}]"))
    }

    pub(super) fn invalid_request(reason: &str) -> Self {
        let reason = format!("Validation Failed: 1: {reason};");
        Self::new(400, "action_request_validation_exception", reason)
    }

    pub(super) fn because(mut self, kind: &str, reason: impl Into<String>) -> Self {
        self.cause = Some(Box::new(Self::new(self.status, kind, reason)));
        self
    }

    /// The `error` of one item.
    pub(super) fn error(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".to_owned(), json!(self.kind));
        error.insert("reason".to_owned(), json!(self.reason));
        if let Some(cause) = &self.cause {
            error.insert("caused_by".to_owned(), cause.error());
        }
        Value::Object(error)
    }

    /// The answer to a whole request.
    pub(super) fn reply(&self) -> Reply {
        let mut error = self.error();
        error["root_cause"] = json!([{ "type": self.kind, "reason": self.reason }]);
        (self.status, json!({ "error": error, "status": self.status }))
    }
}

/// A path that the server does not know: `error` is no object then.
pub(super) fn no_handler(method: &str, target: &str) -> Reply {
    (400, json!({ "error": format!("no handler found for uri [{target}] and method [{method}]") }))
}
