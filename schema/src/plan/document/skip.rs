//! Passing over values that no document needs, such as a row's image before the change.

use super::cursor::Cursor;
use super::error::{PlanError, Problem};
use super::leaves::Leaf;
use crate::avro::{Node, Shape};

/// How to get past one value, or several.
#[derive(Debug, Clone)]
pub(super) enum Skip {
    /// Values without parts.
    Leaves(Vec<Leaf>),
    /// So many bytes.
    Bytes(usize),
    /// A branch number and that branch.
    Union(Box<[Self]>),
    /// Blocks of one value each, or of a key and a value.
    Blocks { keyed: bool, entry: Box<Self> },
    /// One after the other.
    All(Vec<Self>),
}

impl Skip {
    pub(super) fn compile(node: &Node, path: &str) -> Result<Self, PlanError> {
        if let Some(leaf) = Leaf::of(node) {
            return Ok(Self::Leaves(vec![leaf]));
        }
        Ok(match &node.shape {
            Shape::Null => Self::Bytes(0),
            Shape::Boolean => Self::Bytes(1),
            Shape::Float => Self::Bytes(4),
            Shape::Double => Self::Bytes(8),
            Shape::Fixed(size) => Self::Bytes(*size),
            Shape::Union(branches) => Self::Union(
                branches.iter().map(|node| Self::compile(node, path)).collect::<Result<_, _>>()?,
            ),
            Shape::Record(fields) => {
                let mut parts = Vec::new();
                for field in fields {
                    let part = Self::compile(&field.node, path)?;
                    Self::join(&mut parts, part, std::convert::identity, |last| Some(last));
                }
                Self::All(parts)
            }
            Shape::Array(entry) => {
                refuse_empty(entry, path)?;
                Self::Blocks { keyed: false, entry: Box::new(Self::compile(entry, path)?) }
            }
            Shape::Map(entry) => {
                Self::Blocks { keyed: true, entry: Box::new(Self::compile(entry, path)?) }
            }
            // Leaves, as far as they are not here.
            Shape::Int | Shape::Long | Shape::Enum(_) => Self::Leaves(vec![Leaf::Number]),
            Shape::Bytes | Shape::String => Self::Leaves(vec![Leaf::Run]),
        })
    }

    /// Adds a step to a list of steps of any type. Leaves after leaves become one step.
    pub(super) fn join<S>(
        steps: &mut Vec<S>,
        next: Self,
        step: impl FnOnce(Self) -> S,
        skip_of: impl FnOnce(&mut S) -> Option<&mut Self>,
    ) {
        if let (Self::Leaves(more), Some(Self::Leaves(leaves))) =
            (&next, steps.last_mut().and_then(skip_of))
        {
            leaves.extend_from_slice(more);
        } else {
            steps.push(step(next));
        }
    }

    pub(super) fn run(&self, cursor: &mut Cursor<'_>) -> Result<(), Problem> {
        match self {
            Self::Leaves(leaves) => cursor.skip_leaves(leaves),
            Self::Bytes(count) => cursor.take(*count).map(drop),
            Self::Union(branches) => {
                let position = cursor.position()?;
                branches.get(position).ok_or(Problem::UnknownBranch)?.run(cursor)
            }
            Self::All(parts) => parts.iter().try_for_each(|part| part.run(cursor)),
            Self::Blocks { keyed, entry } => {
                while let Some(block) = cursor.block()? {
                    if let Some(bytes) = block.bytes {
                        cursor.take(bytes)?;
                        continue;
                    }
                    for _ in 0..block.count {
                        if *keyed {
                            cursor.bytes()?;
                        }
                        entry.run(cursor)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Refuses arrays whose entries take no bytes: a few bytes could stand for 2^63 of them.
pub(super) fn refuse_empty(entry: &Node, path: &str) -> Result<(), PlanError> {
    if has_bytes(entry) {
        return Ok(());
    }
    Err(PlanError::Unsupported {
        path: path.to_owned(),
        found: "an array of entries without content".into(),
        expected: "entries of a byte or more",
    })
}

fn has_bytes(node: &Node) -> bool {
    match &node.shape {
        Shape::Null => false,
        Shape::Fixed(size) => *size > 0,
        Shape::Record(fields) => fields.iter().any(|field| has_bytes(&field.node)),
        Shape::Boolean
        | Shape::Int
        | Shape::Long
        | Shape::Float
        | Shape::Double
        | Shape::Bytes
        | Shape::String
        | Shape::Enum(_)
        | Shape::Array(_)
        | Shape::Map(_)
        | Shape::Union(_) => true,
    }
}
