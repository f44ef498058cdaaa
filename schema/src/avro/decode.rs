//! Avro's binary form as a tree of values: the generic way to read a record.
//!
//! Whoever needs the values themselves takes it, such as a transform that looks into a row; and it
//! is what [`crate::plan::document::DocumentPlan`] is held against. So it is written to be read,
//! and shares nothing with the plan but the parsed schema.
//!
//! Input is not trusted. Nesting ends where the schema's does (32 levels), nothing is read past
//! the end, and a record takes memory for its own bytes and for at most [`VALUES_MAX`] values in
//! arrays and maps, whatever counts it claims.

mod json;
mod typed;

use std::sync::Arc;

use super::error::SchemaError;
use super::writer::{self, Node, Shape};

pub use typed::decode_value;

/// Most values in the arrays and maps of one record, counting every type of an entry as one: our
/// choice. MySQL's longest value with parts is a VECTOR of 16,383 numbers. Without it, an array of
/// records of nulls would make a thousand values of each byte.
/// <https://dev.mysql.com/doc/refman/9.4/en/vector.html>
pub(crate) const VALUES_MAX: usize = 1 << 20;

/// The schema that records were written with.
#[derive(Debug, Clone)]
pub struct WriterSchema {
    root: Arc<Node>,
}

impl WriterSchema {
    /// Parses a schema, given as the registry has it.
    ///
    /// # Errors
    ///
    /// Returns [`SchemaError`] when the text is no Avro schema, is one without an end, or is larger
    /// than any table's.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        Ok(Self { root: writer::parse(text)? })
    }

    /// Takes a tree that did not come from a text.
    pub(crate) fn of_tree(root: Arc<Node>) -> Result<Self, SchemaError> {
        Ok(Self { root: writer::accept(root)? })
    }

    /// Reads one value and nothing after it.
    ///
    /// # Errors
    ///
    /// Returns [`DatumError`] when the bytes are not one value of this schema.
    pub fn decode(&self, body: &[u8]) -> Result<Datum, DatumError> {
        let mut reader = Reader::new(body);
        let datum = reader.value(&self.root)?;
        match reader.remaining() {
            0 => Ok(datum),
            count => Err(DatumError::TrailingBytes { count }),
        }
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }
}

/// One value. Unions have left no trace: a value is what its branch is.
#[derive(Clone, PartialEq)]
pub enum Datum {
    /// `null`.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `int` and `long`.
    Long(i64),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `bytes` and `fixed`.
    Bytes(Vec<u8>),
    /// `string`.
    String(String),
    /// The symbol of an `enum`.
    Symbol(String),
    /// `array`.
    Array(Vec<Self>),
    /// `map`, in the order of the bytes. A key that comes twice is there twice.
    Map(Vec<(String, Self)>),
    /// `record`: one value for each field, in the schema's order.
    Record(Vec<Self>),
}

impl std::fmt::Debug for Datum {
    /// Values of rows are never printed, so only the type is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean(..)",
            Self::Long(_) => "Long(..)",
            Self::Float(_) => "Float(..)",
            Self::Double(_) => "Double(..)",
            Self::Bytes(_) => "Bytes(..)",
            Self::String(_) => "String(..)",
            Self::Symbol(_) => "Symbol(..)",
            Self::Array(_) => "Array(..)",
            Self::Map(_) => "Map(..)",
            Self::Record(_) => "Record(..)",
        })
    }
}

/// The bytes are not a value of the schema. Says what is wrong as the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatumError {
    /// The bytes end too early, or a length points past them.
    #[error("is cut off")]
    Truncated,
    /// There are more bytes than the schema says.
    #[error("has {count} bytes more than its schema describes")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A number does not end within 64 bits.
    #[error("has a number of more than 64 bits")]
    LongOverflow,
    /// A length or position below zero.
    #[error("has a negative length")]
    NegativeLength,
    /// A union branch that the schema does not have.
    #[error("has an unknown union branch")]
    UnknownBranch,
    /// An enum symbol that the schema does not have.
    #[error("has an unknown enum symbol")]
    UnknownSymbol,
    /// A boolean that is neither 0 nor 1.
    #[error("has a boolean that is neither 0 nor 1")]
    NotBoolean,
    /// Text that is not UTF-8.
    #[error("has text that is not UTF-8")]
    NotUtf8,
    /// More values in arrays and maps than any row has.
    #[error("has more than {VALUES_MAX} values in its arrays and maps")]
    TooManyValues,
}

/// What is left of one record.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    values_left: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, values_left: VALUES_MAX }
    }

    /// Reads a value of a type.
    pub(crate) fn value(&mut self, node: &Node) -> Result<Datum, DatumError> {
        Ok(match &node.shape {
            Shape::Null => Datum::Null,
            Shape::Boolean => Datum::Boolean(self.boolean()?),
            Shape::Int | Shape::Long => Datum::Long(self.long()?),
            Shape::Float => Datum::Float(f32::from_le_bytes(self.array()?)),
            Shape::Double => Datum::Double(f64::from_le_bytes(self.array()?)),
            Shape::Bytes => Datum::Bytes(self.bytes()?.to_vec()),
            Shape::Fixed(size) => Datum::Bytes(self.take(*size)?.to_vec()),
            Shape::String => Datum::String(self.text()?),
            Shape::Enum(symbols) => {
                let symbol = symbols.get(self.position()?).ok_or(DatumError::UnknownSymbol)?;
                Datum::Symbol(symbol.to_string())
            }
            Shape::Union(_) => {
                let branch = self.branch(node)?;
                self.value(branch)?
            }
            Shape::Record(fields) => Datum::Record(
                fields.iter().map(|field| self.value(&field.node)).collect::<Result<_, _>>()?,
            ),
            Shape::Array(entry) => Datum::Array(self.array_of(entry)?),
            Shape::Map(entry) => Datum::Map(self.map_of(entry)?),
        })
    }

    /// Passes over a value. It is measured and not judged: text may be no UTF-8 and a boolean may
    /// be 2.
    pub(crate) fn skip(&mut self, node: &Node) -> Result<(), DatumError> {
        match &node.shape {
            Shape::Null => {}
            Shape::Boolean => drop(self.take(1)?),
            Shape::Int | Shape::Long | Shape::Enum(_) => drop(self.long()?),
            Shape::Float => drop(self.take(4)?),
            Shape::Double => drop(self.take(8)?),
            Shape::Bytes | Shape::String => drop(self.bytes()?),
            Shape::Fixed(size) => drop(self.take(*size)?),
            Shape::Union(_) => {
                let branch = self.branch(node)?;
                self.skip(branch)?;
            }
            Shape::Record(fields) => {
                fields.iter().try_for_each(|field| self.skip(&field.node))?;
            }
            Shape::Array(entry) => self.skip_blocks(|reader| reader.skip(entry))?,
            Shape::Map(entry) => self.skip_blocks(|reader| {
                reader.bytes()?;
                reader.skip(entry)
            })?,
        }
        Ok(())
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The type that a value has: of a union the branch that comes next, else the type itself.
    pub(crate) fn branch<'n>(&mut self, node: &'n Node) -> Result<&'n Node, DatumError> {
        let Shape::Union(branches) = &node.shape else { return Ok(node) };
        let branch = branches.get(self.position()?).ok_or(DatumError::UnknownBranch)?;
        self.branch(branch)
    }

    fn array_of(&mut self, entry: &Node) -> Result<Vec<Datum>, DatumError> {
        let mut entries = Vec::new();
        while let Some(block) = self.block()? {
            self.spend(block.count, entry)?;
            for _ in 0..block.count {
                entries.push(self.value(entry)?);
            }
        }
        Ok(entries)
    }

    fn map_of(&mut self, entry: &Node) -> Result<Vec<(String, Datum)>, DatumError> {
        let mut entries = Vec::new();
        while let Some(block) = self.block()? {
            self.spend(block.count, entry)?;
            for _ in 0..block.count {
                entries.push((self.text()?, self.value(entry)?));
            }
        }
        Ok(entries)
    }

    fn skip_blocks(
        &mut self,
        mut entry: impl FnMut(&mut Self) -> Result<(), DatumError>,
    ) -> Result<(), DatumError> {
        while let Some(block) = self.block()? {
            match block.bytes {
                Some(bytes) => drop(self.take(bytes)?),
                None => (0..block.count).try_for_each(|_| entry(self))?,
            }
        }
        Ok(())
    }

    /// What comes before the entries of a block; `None` before the end. A negative count is
    /// followed by the size of the block in bytes.
    /// <https://avro.apache.org/docs/1.12.0/specification/#arrays>
    fn block(&mut self) -> Result<Option<Block>, DatumError> {
        let count = self.long()?;
        let bytes = if count < 0 { Some(self.position()?) } else { None };
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| DatumError::Truncated)?;
        // An entry takes a byte or more, but for entries without content, which no row has.
        if count > self.rest.len() {
            return Err(DatumError::Truncated);
        }
        Ok((count > 0).then_some(Block { count, bytes }))
    }

    fn spend(&mut self, count: usize, entry: &Node) -> Result<(), DatumError> {
        let values = count.saturating_mul(entry.weight());
        self.values_left = self.values_left.checked_sub(values).ok_or(DatumError::TooManyValues)?;
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, DatumError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(DatumError::NotBoolean),
        }
    }

    fn text(&mut self) -> Result<String, DatumError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| DatumError::NotUtf8)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DatumError> {
        let length = self.position()?;
        self.take(length)
    }

    fn position(&mut self) -> Result<usize, DatumError> {
        usize::try_from(self.long()?).map_err(|_| DatumError::NegativeLength)
    }

    /// Seven bits a byte, the lowest first; the lowest bit of all is the sign.
    fn long(&mut self) -> Result<i64, DatumError> {
        let mut bits = 0_u128;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array()?;
            bits |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let zigzag = u64::try_from(bits).map_err(|_| DatumError::LongOverflow)?;
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(DatumError::LongOverflow)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DatumError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DatumError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DatumError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DatumError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// One block of an array or a map.
struct Block {
    count: usize,
    bytes: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(schema: &str, body: &[u8]) -> Result<Datum, DatumError> {
        WriterSchema::parse(schema).unwrap().decode(body)
    }

    #[test]
    fn blocks_come_with_and_without_their_size() {
        const LONGS: &str = r#"{"type":"array","items":"long"}"#;
        let three = Ok(Datum::Array([1, 2, 3].map(Datum::Long).to_vec()));

        assert_eq!(decode(LONGS, &[6, 2, 4, 6, 0]), three);
        assert_eq!(decode(LONGS, &[2, 2, 3, 4, 4, 6, 0]), three);
    }

    #[test]
    fn damage_has_its_name() {
        let decode = |schema, body| decode(schema, body).unwrap_err();

        assert_eq!(decode(r#""long""#, &[]), DatumError::Truncated);
        assert_eq!(decode(r#""long""#, &[2, 0]), DatumError::TrailingBytes { count: 1 });
        assert_eq!(decode(r#""long""#, &[0xff; 11]), DatumError::LongOverflow);
        assert_eq!(decode(r#""string""#, &[1]), DatumError::NegativeLength);
        assert_eq!(decode(r#""string""#, &[2, 0xff]), DatumError::NotUtf8);
        assert_eq!(decode(r#""boolean""#, &[2]), DatumError::NotBoolean);
        assert_eq!(decode(r#"["null","long"]"#, &[4, 0]), DatumError::UnknownBranch);
        let symbols = r#"{"type":"enum","name":"e","symbols":["A"]}"#;
        assert_eq!(decode(symbols, &[2]), DatumError::UnknownSymbol);
    }

    /// A hundred kilobytes that stand for a hundred million nulls.
    #[test]
    fn values_that_take_no_bytes_have_a_limit() {
        let nulls: Vec<_> =
            (0..1_000).map(|n| format!(r#"{{"name":"n{n}","type":"null"}}"#)).collect();
        let schema = format!(
            r#"{{"type":"array","items":{{"type":"record","name":"r","fields":[
                {{"name":"b","type":"boolean"}},{}]}}}}"#,
            nulls.join(",")
        );
        // 100,000 entries of one byte, then the end.
        let mut body = vec![0xc0, 0x9a, 0x0c];
        body.resize(body.len() + 100_000, 1);
        body.push(0);

        assert_eq!(decode(&schema, &body), Err(DatumError::TooManyValues));
    }
}
