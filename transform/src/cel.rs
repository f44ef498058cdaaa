//! Expressions about records, in Google's Common Expression Language: what scripts are in Debezium.
//!
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>
//!
//! Expressions come from configurations and are run for each record, so everything about them has a
//! limit: their length, how deep they nest, and how many steps one record may take. They cannot call
//! anything, and what goes wrong is told without values of the row. That is why this is ours
//! (`docs/adr/0114-cel-of-our-own.md`). Not there are maps, bytes and times as literals, and functions
//! about times; whoever uses them is told so at the start.

mod eval;
mod parse;
mod token;
mod value;

use parse::Expr;
pub(crate) use value::Val;

use crate::record::Record;

/// Longest expression: 10,000 characters. The longest of Debezium's documentation has 60.
const TEXT_MAX: usize = 10_000;
/// Parts of an expression at most.
const NODES_MAX: usize = 500;
/// How deep they nest: far below what a stack of 2 MiB holds.
const DEPTH_MAX: usize = 48;
/// Steps of one record: some milliseconds. Only lists of rows that are walked inside each other can
/// take so many.
const STEPS_MAX: u32 = 100_000;

/// An expression that can be asked about records.
#[derive(Debug)]
pub(crate) struct Program(Expr);

impl Program {
    /// Reads an expression, or says what is wrong and what to write instead.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("an expression has at most {TEXT_MAX} characters"));
        }
        let expr = parse::parse(&token::tokens(text)?)?;
        match expr.depth() {
            depth if depth > DEPTH_MAX => Err(too_deep()),
            _ => Ok(Self(expr)),
        }
    }

    /// What the expression says of a record, or why it says nothing; without values of the row.
    pub(crate) fn run<'a>(&'a self, record: &'a Record) -> Result<Val<'a>, String> {
        eval::Run::new(record, STEPS_MAX).eval(&self.0)
    }
}

fn too_deep() -> String {
    format!("an expression nests at most {DEPTH_MAX} deep")
}

#[cfg(test)]
mod tests;
