//! A tree as binary JSON, as MySQL stores it.

use std::borrow::Cow;

use super::Layout;
use super::tree::{Key, Node};
use crate::types::ValueError;

/// Appends a document.
pub(super) fn write(node: &Node<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let value = Encoded::of(node)?;
    out.push(value.kind);
    out.extend_from_slice(&value.bytes);
    Ok(())
}

/// A value as its container holds it. Offsets are relative to their own container, so its bytes
/// are the same wherever they stand.
struct Encoded<'a> {
    kind: u8,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Encoded<'a> {
    fn of(node: &'a Node<'_>) -> Result<Self, ValueError> {
        match node {
            Node::Scalar { kind, bytes } => Ok(Self { kind: *kind, bytes: Cow::Borrowed(bytes) }),
            Node::Array(values) => {
                let values: Vec<_> = values.iter().map(Self::of).collect::<Result<_, _>>()?;
                Self::container(None, &values)
            }
            Node::Object(members) => {
                let keys: Vec<&Key<'_>> = members.iter().map(|(key, _)| key).collect();
                let values = members.iter().map(|(_, value)| Self::of(value));
                Self::container(Some(&keys), &values.collect::<Result<Vec<_>, _>>()?)
            }
        }
    }

    /// In the small form if every offset fits into it, else in the large one.
    fn container(keys: Option<&[&Key<'_>]>, values: &[Self]) -> Result<Self, ValueError> {
        let small = Layout { object: keys.is_some(), large: false };
        let layout = match Self::size(small, keys, values) {
            0..=0xffff => small,
            _ => Layout { large: true, ..small },
        };
        let size = Self::size(layout, keys, values);
        let mut out = Writer { bytes: Vec::with_capacity(size), layout };
        out.offset(values.len())?;
        out.offset(size)?;
        let keys = keys.unwrap_or_default();
        let mut at = size - Self::data_size(layout, keys, values);
        for key in keys {
            out.offset(at)?;
            let length = u16::try_from(key.len()).map_err(|_| ValueError::Json)?;
            out.bytes.extend_from_slice(&length.to_le_bytes());
            at += key.len();
        }
        for value in values {
            out.bytes.push(value.kind);
            if layout.is_inlined(value.kind) {
                out.inlined(&value.bytes);
            } else {
                out.offset(at)?;
                at += value.bytes.len();
            }
        }
        for key in keys {
            out.bytes.extend_from_slice(key);
        }
        for value in values.iter().filter(|value| !layout.is_inlined(value.kind)) {
            out.bytes.extend_from_slice(&value.bytes);
        }
        Ok(Self { kind: layout.kind(), bytes: Cow::Owned(out.bytes) })
    }

    fn size(layout: Layout, keys: Option<&[&Key<'_>]>, values: &[Self]) -> usize {
        let keys = keys.unwrap_or_default();
        let width = layout.offset_bytes();
        let entries = keys.len() * (width + 2) + values.len() * (width + 1);
        2 * width + entries + Self::data_size(layout, keys, values)
    }

    /// Bytes of the keys, and of the values that do not stand in their entries.
    fn data_size(layout: Layout, keys: &[&Key<'_>], values: &[Self]) -> usize {
        let stored = values.iter().filter(|value| !layout.is_inlined(value.kind));
        keys.iter().map(|key| key.len()).sum::<usize>()
            + stored.map(|value| value.bytes.len()).sum::<usize>()
    }
}

struct Writer {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Writer {
    fn offset(&mut self, offset: usize) -> Result<(), ValueError> {
        let bytes = u32::try_from(offset).map_err(|_| ValueError::Json)?.to_le_bytes();
        self.bytes.extend(bytes.iter().take(self.layout.offset_bytes()));
        Ok(())
    }

    /// A value in its entry takes as many bytes as an offset.
    fn inlined(&mut self, value: &[u8]) {
        let padding = std::iter::repeat(&0);
        self.bytes.extend(value.iter().chain(padding).take(self.layout.offset_bytes()));
    }
}
