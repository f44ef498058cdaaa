//! Partial updates: the differences that `binlog_row_value_options=PARTIAL_JSON` logs in place of
//! a new document.
//!
//! Their form is described in MySQL's `sql/json_diff.h`: an operation, a path, and a value unless
//! something is removed.

use super::path::{self, Leg};
use super::tree::{Key, Node, key_order};
use super::{DEPTH_MAX, encode};
use crate::types::ValueError;

/// Appends the binary JSON that a document becomes by these differences.
///
/// # Errors
///
/// Returns [`ValueError::Json`] when the document is not binary JSON, and [`ValueError::JsonDiff`]
/// when the differences are damaged or do not fit it.
pub fn write_patched(document: &[u8], diffs: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut root = Node::parse(document, 0)?;
    let mut rest = diffs;
    while !rest.is_empty() {
        let diff;
        (diff, rest) = Diff::read(rest).ok_or(ValueError::JsonDiff)?;
        diff.apply(&mut root).ok_or(ValueError::JsonDiff)?;
    }
    encode::write(&root, out)
}

/// One difference.
struct Diff<'a> {
    operation: Operation<'a>,
    path: Vec<Leg>,
}

enum Operation<'a> {
    Replace(Node<'a>),
    Insert(Node<'a>),
    Remove,
}

impl<'a> Diff<'a> {
    /// The first difference, and the bytes behind it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const REPLACE: u8 = 0;
        const INSERT: u8 = 1;
        const REMOVE: u8 = 2;
        let (number, rest) = bytes.split_first()?;
        let (path, rest) = counted(rest)?;
        let path = path::parse(std::str::from_utf8(path).ok()?)?;
        // A value so deep that its document would be deeper than MySQL allows.
        if path.len() > DEPTH_MAX {
            return None;
        }
        if *number == REMOVE {
            return Some((Self { operation: Operation::Remove, path }, rest));
        }
        let (value, rest) = counted(rest)?;
        if value.is_empty() {
            return None;
        }
        let value = Node::parse(value, path.len()).ok()?;
        let operation = match *number {
            REPLACE => Operation::Replace(value),
            INSERT => Operation::Insert(value),
            _ => return None,
        };
        Some((Self { operation, path }, rest))
    }

    /// Changes the document; `None` if it does not have the place, or has what is to be new.
    fn apply(self, root: &mut Node<'a>) -> Option<()> {
        let mut path = self.path;
        // A new root is logged as a whole document.
        let last = path.pop()?;
        let mut parent = root;
        for leg in &path {
            parent = child(parent, leg)?;
        }
        match self.operation {
            Operation::Replace(value) => *child(parent, &last)? = value,
            Operation::Insert(value) => insert(parent, last, value)?,
            Operation::Remove => remove(parent, &last)?,
        }
        Some(())
    }
}

fn child<'n, 'a>(node: &'n mut Node<'a>, leg: &Leg) -> Option<&'n mut Node<'a>> {
    match (node, leg) {
        (Node::Array(values), Leg::Cell(cell)) => {
            let index = cell.within(values.len())?;
            values.get_mut(index)
        }
        (Node::Object(members), Leg::Member(name)) => {
            let index = find(members, name).ok()?;
            members.get_mut(index).map(|(_, value)| value)
        }
        _ => None,
    }
}

fn insert<'a>(parent: &mut Node<'a>, leg: Leg, value: Node<'a>) -> Option<()> {
    match (parent, leg) {
        (Node::Array(values), Leg::Cell(cell)) => {
            values.insert(cell.insertion(values.len()), value);
            Some(())
        }
        (Node::Object(members), Leg::Member(name)) => {
            let index = find(members, &name).err()?;
            members.insert(index, (Key::Owned(name.into_bytes()), value));
            Some(())
        }
        _ => None,
    }
}

fn remove(parent: &mut Node<'_>, leg: &Leg) -> Option<()> {
    match (parent, leg) {
        (Node::Array(values), Leg::Cell(cell)) => {
            values.remove(cell.within(values.len())?);
            Some(())
        }
        (Node::Object(members), Leg::Member(name)) => {
            members.remove(find(members, name).ok()?);
            Some(())
        }
        _ => None,
    }
}

/// Where a member is, or where it would be.
fn find(members: &[(Key<'_>, Node<'_>)], name: &str) -> Result<usize, usize> {
    members.binary_search_by(|(key, _)| key_order(key, name.as_bytes()))
}

/// Bytes behind their length, which is encoded as in MySQL's protocol.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xfa => return rest.split_at_checked(usize::from(*first)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let (length, rest) = rest.split_at_checked(width)?;
    let length = length.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests;
