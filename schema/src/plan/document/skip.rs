//! Passing over values that no document needs, such as a row's image before the change.

use super::cursor::Cursor;
use super::error::{PlanError, Problem};
use crate::avro::{Node, Shape};

/// How to get past one value.
#[derive(Debug, Clone)]
pub(super) enum Skip {
    /// So many bytes.
    Bytes(usize),
    /// A number of variable length.
    Number,
    /// A length and as many bytes.
    Run,
    /// A branch number and that branch.
    Union(Box<[Self]>),
    /// Blocks of one value each, or of a key and a value.
    Blocks { keyed: bool, entry: Box<Self> },
    /// One after the other.
    All(Box<[Self]>),
}

impl Skip {
    pub(super) fn compile(node: &Node, path: &str) -> Result<Self, PlanError> {
        let many = |nodes: &mut dyn Iterator<Item = &Node>| {
            nodes.map(|node| Self::compile(node, path)).collect::<Result<Box<[_]>, _>>()
        };
        Ok(match &node.shape {
            Shape::Null => Self::Bytes(0),
            Shape::Boolean => Self::Bytes(1),
            Shape::Float => Self::Bytes(4),
            Shape::Double => Self::Bytes(8),
            Shape::Fixed(size) => Self::Bytes(*size),
            Shape::Int | Shape::Long | Shape::Enum(_) => Self::Number,
            Shape::Bytes | Shape::String => Self::Run,
            Shape::Union(branches) => Self::Union(many(&mut branches.iter().map(|node| &**node))?),
            Shape::Record(fields) => Self::All(many(&mut fields.iter().map(|field| &*field.node))?),
            Shape::Array(entry) => {
                refuse_empty(entry, path)?;
                Self::Blocks { keyed: false, entry: Box::new(Self::compile(entry, path)?) }
            }
            Shape::Map(entry) => {
                Self::Blocks { keyed: true, entry: Box::new(Self::compile(entry, path)?) }
            }
        })
    }

    pub(super) fn run(&self, cursor: &mut Cursor<'_>) -> Result<(), Problem> {
        match self {
            Self::Bytes(count) => cursor.take(*count).map(drop),
            Self::Number => cursor.long().map(drop),
            Self::Run => cursor.bytes().map(drop),
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
