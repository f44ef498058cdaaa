//! A JSON document whose containers are opened, so that parts of it can be changed.
//!
//! Scalars stay the bytes that they were: what a change does not touch prints as it did.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{DEPTH_MAX, Layout, kind, little_endian, variable_extent};
use crate::types::ValueError;

/// A value within a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    /// A value without parts, as it is stored.
    Scalar {
        kind: u8,
        bytes: &'a [u8],
    },
    Array(Vec<Self>),
    /// Members in the order of their keys.
    Object(Vec<(Key<'a>, Self)>),
}

pub(super) type Key<'a> = Cow<'a, [u8]>;

/// MySQL orders keys by their length, then by their bytes.
pub(super) fn key_order(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

impl<'a> Node<'a> {
    /// Opens binary JSON that stands `depth` levels deep in a document.
    pub(super) fn parse(binary: &'a [u8], depth: usize) -> Result<Self, ValueError> {
        // MySQL stores no bytes at all for a NULL that an old server let into a NOT NULL column.
        let Some((kind, bytes)) = binary.split_first() else {
            return Ok(Self::Scalar { kind: kind::LITERAL, bytes: &[0] });
        };
        Parser { bytes_left: binary.len() }.value(*kind, bytes, depth)
    }
}

/// No two parts of a document share bytes. Damage that lets them do so would make a tree that is
/// far larger than the document.
struct Parser {
    bytes_left: usize,
}

impl Parser {
    fn spend(&mut self, bytes: usize) -> Result<(), ValueError> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(ValueError::Json)?;
        Ok(())
    }

    fn value<'a>(
        &mut self,
        kind: u8,
        bytes: &'a [u8],
        depth: usize,
    ) -> Result<Node<'a>, ValueError> {
        if depth > DEPTH_MAX {
            return Err(ValueError::Json);
        }
        match Layout::of(kind) {
            Some(layout) => {
                self.spend(1)?;
                self.container(bytes, depth, layout)
            }
            None => {
                let bytes = bytes.get(..extent(kind, bytes)?).ok_or(ValueError::Json)?;
                self.spend(bytes.len())?;
                Ok(Node::Scalar { kind, bytes })
            }
        }
    }

    fn container<'a>(
        &mut self,
        bytes: &'a [u8],
        depth: usize,
        layout: Layout,
    ) -> Result<Node<'a>, ValueError> {
        let width = layout.offset_bytes();
        let count = layout.offset(bytes, 0)?;
        let size = layout.offset(bytes, width)?;
        let bytes = bytes.get(..size).ok_or(ValueError::Json)?;
        let keys_end = 2 * width + if layout.object { count * (width + 2) } else { 0 };
        let value = |parser: &mut Self, index: usize| {
            let entry = keys_end + index * (width + 1);
            let kind = *bytes.get(entry).ok_or(ValueError::Json)?;
            let start = layout.value_start(bytes, entry, kind)?;
            parser.value(kind, bytes.get(start..).ok_or(ValueError::Json)?, depth + 1)
        };
        if !layout.object {
            let values = (0..count).map(|index| value(self, index));
            return Ok(Node::Array(values.collect::<Result<_, _>>()?));
        }
        let mut members: Vec<(Key<'a>, Node<'a>)> = Vec::new();
        for index in 0..count {
            let key = key(bytes, 2 * width + index * (width + 2), layout)?;
            let is_behind = |(last, _): &(Key<'a>, _)| key_order(last, key) == Ordering::Less;
            if !members.last().is_none_or(is_behind) {
                return Err(ValueError::Json);
            }
            self.spend(key.len())?;
            members.push((Cow::Borrowed(key), value(self, index)?));
        }
        Ok(Node::Object(members))
    }
}

/// The key whose entry begins at `entry` of an object.
fn key(object: &[u8], entry: usize, layout: Layout) -> Result<&[u8], ValueError> {
    let start = layout.offset(object, entry)?;
    let length = little_endian(object, entry + layout.offset_bytes(), 2)?;
    object.get(start..start + length).ok_or(ValueError::Json)
}

/// How many bytes a scalar takes.
fn extent(kind: u8, bytes: &[u8]) -> Result<usize, ValueError> {
    Ok(match kind {
        kind::LITERAL => 1,
        kind::INT16 | kind::UINT16 => 2,
        kind::INT32 | kind::UINT32 => 4,
        kind::INT64 | kind::UINT64 | kind::DOUBLE => 8,
        kind::STRING => variable_extent(bytes)?.end,
        kind::OPAQUE => 1 + variable_extent(bytes.get(1..).ok_or(ValueError::Json)?)?.end,
        _ => return Err(ValueError::Json),
    })
}
