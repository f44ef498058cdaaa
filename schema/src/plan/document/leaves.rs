//! Passing over numbers and runs of bytes, of which the source of a change has seventeen.
//!
//! As [`super::cursor::Cursor`] does, but the place is handed on from step to step instead of
//! being kept in memory. Whatever is not in the usual form, such as a branch in two bytes, is left
//! to the cursor.

use super::cursor::Cursor;
use super::error::Problem;
use crate::avro::{Node, Shape};

/// How to get past one value without parts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf {
    /// A number of variable length.
    Number,
    /// A length and as many bytes.
    Run,
    /// Null, which is the branch of this number, or a number.
    MaybeNumber(u8),
    /// Null, which is the branch of this number, or a length and as many bytes.
    MaybeRun(u8),
}

impl Leaf {
    pub(super) fn of(node: &Node) -> Option<Self> {
        let (null_branch, node) = node.optional()?;
        let null_branch = null_branch.and_then(|branch| u8::try_from(branch).ok());
        let is_run = match &node.shape {
            Shape::Int | Shape::Long | Shape::Enum(_) => false,
            Shape::Bytes | Shape::String => true,
            Shape::Null
            | Shape::Boolean
            | Shape::Float
            | Shape::Double
            | Shape::Fixed(_)
            | Shape::Array(_)
            | Shape::Map(_)
            | Shape::Record(_)
            | Shape::Union(_) => return None,
        };
        Some(match (is_run, null_branch) {
            (false, None) => Self::Number,
            (true, None) => Self::Run,
            (false, Some(branch)) => Self::MaybeNumber(branch),
            (true, Some(branch)) => Self::MaybeRun(branch),
        })
    }
}

/// Passes over the values and gives back what follows them.
pub(super) fn skip<'a>(leaves: &[Leaf], mut rest: &'a [u8]) -> Result<&'a [u8], Problem> {
    for leaf in leaves {
        rest = match leaf {
            Leaf::Number => after_number(rest)?,
            Leaf::Run => after_run(rest)?,
            Leaf::MaybeNumber(null_branch) => match after_branch(*null_branch, rest)? {
                (true, rest) => rest,
                (false, rest) => after_number(rest)?,
            },
            Leaf::MaybeRun(null_branch) => match after_branch(*null_branch, rest)? {
                (true, rest) => rest,
                (false, rest) => after_run(rest)?,
            },
        };
    }
    Ok(rest)
}

/// A number ends with its first byte below 0x80: among eight bytes it is found at once. Nine are a
/// time in nanoseconds.
#[inline(always)]
fn after_number(rest: &[u8]) -> Result<&[u8], Problem> {
    if let Some([word @ .., last]) = rest.first_chunk::<9>()
        && let Some(word) = word.first_chunk()
    {
        let ends = !u64::from_le_bytes(*word) & 0x8080_8080_8080_8080;
        // Without an end in eight bytes there are 64 zeros, and the ninth byte has to be it.
        let length = usize::try_from(ends.trailing_zeros() / 8 + 1).unwrap_or_default();
        if (ends != 0 || *last < 0x80)
            && let Some(rest) = rest.get(length..)
        {
            return Ok(rest);
        }
    }
    by_cursor(rest, Cursor::skip_long)
}

/// Lengths below 64 take one byte.
#[inline(always)]
fn after_run(rest: &[u8]) -> Result<&[u8], Problem> {
    if let [length, rest @ ..] = rest
        && length & 0x81 == 0
    {
        return rest.get(usize::from(length / 2)..).ok_or(Problem::Truncated);
    }
    by_cursor(rest, Cursor::skip_bytes)
}

/// Whether the branch that comes next is null, and what follows.
#[inline(always)]
fn after_branch(null_branch: u8, rest: &[u8]) -> Result<(bool, &[u8]), Problem> {
    if let [branch @ (0 | 2), rest @ ..] = rest {
        return Ok((branch / 2 == null_branch, rest));
    }
    let mut null = false;
    let rest = by_cursor(rest, |cursor| {
        null = cursor.is_null(null_branch.into())?;
        Ok(())
    })?;
    Ok((null, rest))
}

fn by_cursor<'a>(
    rest: &'a [u8],
    step: impl FnOnce(&mut Cursor<'a>) -> Result<(), Problem>,
) -> Result<&'a [u8], Problem> {
    let mut cursor = Cursor::new(rest);
    step(&mut cursor)?;
    Ok(cursor.rest())
}
