//! What `$ref` refers to.

use serde_json::Value as Json;

use crate::DEPTH_MAX;
use crate::error::FormatError;

/// A schema in one of the texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// Which text: its place in [`Documents`].
    pub(super) document: usize,
    pub(super) node: &'a Json,
}

impl<'a> At<'a> {
    /// A part of the same text.
    pub(super) fn part(self, node: &'a Json) -> Self {
        Self { node, ..self }
    }

    pub(super) fn get(self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| self.part(node))
    }

    pub(super) fn text(self, key: &str) -> Option<&'a str> {
        self.node.get(key).and_then(Json::as_str)
    }

    /// The parts of a list.
    pub(super) fn list(self, key: &str) -> Option<Vec<Self>> {
        let list = self.node.get(key)?.as_array()?;
        Some(list.iter().map(|node| self.part(node)).collect())
    }
}

/// A schema and what it refers to in the registry, by the names that it refers to them by. The first
/// one is the schema itself, which has no name.
pub(super) struct Documents(pub(super) Vec<(String, Json)>);

impl Documents {
    pub(super) fn root(&self) -> Result<At<'_>, FormatError> {
        let (_, node) = self.0.first().ok_or_else(|| FormatError::schema("is empty"))?;
        Ok(At { document: 0, node })
    }

    /// What a `$ref` in a text refers to.
    pub(super) fn resolve(&self, from: At<'_>, reference: &str) -> Result<At<'_>, FormatError> {
        let found = self.find(from.document, reference);
        let what = || format!("refers to {reference}, which neither it nor the registry has");
        found.ok_or_else(|| FormatError::schema(what()))
    }

    fn find(&self, document: usize, reference: &str) -> Option<At<'_>> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let own = self.0.get(document)?;
        let base = if address.is_empty() {
            At { document, node: &own.1 }
        } else {
            self.document(&own.1, address)?
        };
        match fragment {
            "" => Some(base),
            pointer if pointer.starts_with('/') => {
                base.node.pointer(&unescaped(pointer)).map(|node| base.part(node))
            }
            anchor => {
                let id = format!("#{anchor}");
                let is_it = |node: &Json| {
                    node.get("$anchor").and_then(Json::as_str) == Some(anchor)
                        || ids(node).any(|known| known == id)
                };
                search(base.node, &is_it, 0).map(|node| base.part(node))
            }
        }
    }

    /// A text by its name, by its own id, or by the id of a part; relative to the id of the text that
    /// refers to it.
    fn document(&self, from: &Json, address: &str) -> Option<At<'_>> {
        let folder = ids(from).next().and_then(|id| Some(id.rsplit_once('/')?.0));
        let absolute = folder.map(|folder| format!("{folder}/{address}"));
        let is_it = |name: &str| name == address || absolute.as_deref() == Some(name);
        let mut all = self.0.iter().enumerate();
        all.find_map(|(document, (name, node))| {
            if document > 0 && is_it(name) {
                return Some(At { document, node });
            }
            let has_id = |node: &Json| ids(node).any(|id| is_it(id.trim_end_matches('#')));
            search(node, &has_id, 0).map(|node| At { document, node })
        })
    }
}

/// The ids of a schema, by the names of all drafts.
fn ids(node: &Json) -> impl Iterator<Item = &str> {
    ["$id", "id"].into_iter().filter_map(|key| node.get(key).and_then(Json::as_str))
}

/// The first part of a text that is looked for.
fn search<'a>(node: &'a Json, is_it: &dyn Fn(&Json) -> bool, depth: usize) -> Option<&'a Json> {
    if depth > DEPTH_MAX {
        return None;
    }
    match node {
        Json::Object(_) if is_it(node) => Some(node),
        Json::Object(parts) => parts.values().find_map(|part| search(part, is_it, depth + 1)),
        Json::Array(parts) => parts.iter().find_map(|part| search(part, is_it, depth + 1)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

/// A pointer without the escapes of addresses.
fn unescaped(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|code| str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| pointer.to_owned())
}
