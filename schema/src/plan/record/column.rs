//! One column of a plan.

use super::PlanError;
use super::losses::Loss;
use crate::avro;
use crate::change::RowImage;
use crate::types::{ColumnType, Form, MysqlValue, ValueError};
use crate::value::{Field, Schema, Value};

mod op;
mod rule;

use op::Op;
pub use rule::{HashAlgorithm, ValueRule};

/// One column that is written.
#[derive(Debug, Clone)]
pub struct ColumnPlan {
    /// Its place in the row image.
    pub(super) index: usize,
    /// Its name in the record.
    pub(super) name: String,
    /// As what its bytes are read.
    pub(super) read_as: ColumnType,
    pub(super) form: Form,
    op: Op,
    /// Whether its numbers can be written as others.
    may_wrap: bool,
    pub(super) rule: Option<ValueRule>,
    /// The branch of a value in the column's union; none if it takes no NULL.
    pub(super) branch: Option<u8>,
    /// What NULL is written as; none if the column takes no NULL.
    pub(super) null: Option<Box<[u8]>>,
    pub(super) null_value: Option<Value>,
    /// Whether that is something else than NULL.
    pub(super) null_is_lost: bool,
    /// What a value is written as that the form cannot hold; none if the table stops there.
    pub(super) failed: Option<Box<[u8]>>,
    pub(super) failed_value: Option<Value>,
    /// The same for a date that no calendar has.
    pub(super) zero_date: Option<Box<[u8]>>,
    pub(super) zero_date_value: Option<Value>,
    /// The schema of its field.
    pub(super) schema: Schema,
}

/// A row as a plan takes it: bytes of the log, or the values that a snapshot reads.
pub trait Row {
    /// What a column holds that is not NULL.
    type Cell: Cell;

    /// What the column with this place in the row holds; `None` for NULL.
    fn cell(&self, index: usize) -> Option<Self::Cell>;

    /// Whether a column is known to hold the same in both rows. `false` may only mean that
    /// comparing is not worth it.
    fn is_same(&self, _other: &Self, _index: usize) -> bool {
        false
    }

    /// The same for all columns; those that are not told of are not known.
    fn same_columns(&self, _other: &Self) -> impl Iterator<Item = bool> {
        std::iter::empty()
    }
}

/// What one column of a row holds.
pub trait Cell: Copy {
    /// The value.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the column does not hold a value of its type.
    fn value<'a>(self, read_as: &'a ColumnType) -> Result<MysqlValue<'a>, ValueError>
    where
        Self: 'a;

    /// Appends the value as Avro, without the union's branch.
    ///
    /// # Errors
    ///
    /// Returns [`ValueError`] when the column does not hold a value of its type, or one that its
    /// form cannot hold.
    fn write(self, column: &ColumnPlan, out: &mut Vec<u8>) -> Result<(), ValueError>;
}

impl<'d> Row for RowImage<'d> {
    type Cell = &'d [u8];

    #[inline]
    fn cell(&self, index: usize) -> Option<&'d [u8]> {
        self.column(index)
    }

    #[inline]
    fn is_same(&self, other: &Self, index: usize) -> bool {
        self.has_same(other, index)
    }

    #[inline]
    fn same_columns(&self, other: &Self) -> impl Iterator<Item = bool> {
        Self::same_columns(self, other)
    }
}

impl Cell for &[u8] {
    fn value<'a>(self, read_as: &'a ColumnType) -> Result<MysqlValue<'a>, ValueError>
    where
        Self: 'a,
    {
        read_as.read(self)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each column is a tenth of a row's time")]
    fn write(self, column: &ColumnPlan, out: &mut Vec<u8>) -> Result<(), ValueError> {
        match column.op.write(self, out) {
            Some(written) => written,
            None => column.form.write(&column.read_as.read(self)?, out),
        }
    }
}

/// NULL is `None`.
impl<'d, 'v> Row for &'d [Option<MysqlValue<'v>>] {
    type Cell = &'d MysqlValue<'v>;

    fn cell(&self, index: usize) -> Option<Self::Cell> {
        self.get(index).and_then(Option::as_ref)
    }
}

impl Cell for &MysqlValue<'_> {
    fn value<'a>(self, _read_as: &'a ColumnType) -> Result<MysqlValue<'a>, ValueError>
    where
        Self: 'a,
    {
        Ok(self.clone())
    }

    fn write(self, column: &ColumnPlan, out: &mut Vec<u8>) -> Result<(), ValueError> {
        column.form.write(self, out)
    }
}

impl ColumnPlan {
    /// A column that is read as one type and written in a form.
    pub(super) fn new(index: usize, name: String, read_as: ColumnType, form: Form) -> Self {
        Self {
            index,
            name,
            op: Op::new(&read_as, &form),
            may_wrap: form == Form::Wrapped,
            schema: form.schema(),
            read_as,
            form,
            rule: None,
            branch: None,
            null: None,
            null_value: None,
            null_is_lost: false,
            failed: None,
            failed_value: None,
            zero_date: None,
            zero_date_value: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn field(&self) -> Field {
        Field::new(self.name.clone(), self.schema.clone())
    }

    /// The same column as an optional field whose schema has no default.
    pub(super) fn without_default(&self) -> Self {
        let mut plan = self.clone();
        plan.schema.default = None;
        plan.schema.optional = true;
        // NULL is the first branch.
        plan.branch = Some(2);
        plan.null_value = Some(plan.null_value.unwrap_or(Value::Null));
        let encoded = |value: &Option<Value>| value.as_ref().and_then(|value| plan.encoded(value));
        let (null, failed) = (encoded(&plan.null_value), encoded(&plan.failed_value));
        let zero_date = encoded(&plan.zero_date_value);
        Self { null, failed, zero_date, ..plan }
    }

    /// What a row holds in the column.
    #[inline]
    pub(super) fn cell<R: Row>(&self, row: &R) -> Option<R::Cell> {
        row.cell(self.index)
    }

    /// Whether it is known to hold the same in both rows.
    #[inline]
    pub(super) fn is_same<R: Row>(&self, before: &R, after: &R) -> bool {
        before.is_same(after, self.index)
    }

    /// Whether it is one of the columns that are told of.
    #[inline]
    pub(super) fn is_in(&self, columns: &[bool]) -> bool {
        columns.get(self.index).copied().unwrap_or_default()
    }

    /// Appends what a row holds; tells whether something else was written than that.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call for each column is a tenth of a row's time")]
    pub(super) fn write(
        &self,
        cell: Option<impl Cell>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Loss>, ValueError> {
        let Some(cell) = cell else { return self.write_null(out) };
        let start = out.len();
        if let Some(branch) = self.branch {
            out.push(branch);
        }
        let written = match &self.rule {
            None => cell.write(self, out),
            Some(rule) => rule.write(self, cell, out),
        };
        match written {
            Ok(()) if self.may_wrap && self.is_wrapped(cell) => Ok(Some(Loss::Wrapped)),
            Ok(()) => Ok(None),
            Err(error) => {
                out.truncate(start);
                self.write_failed(error, out).map(Some)
            }
        }
    }

    /// Appends the column of a row, which has to be what the row holds: a key.
    pub(super) fn write_exact(&self, row: &impl Row, out: &mut Vec<u8>) -> Result<(), PlanError> {
        let Some(cell) = self.cell(row) else {
            return self.write_null(out).map(|_loss| ()).map_err(|source| self.error(source));
        };
        if let Some(branch) = self.branch {
            out.push(branch);
        }
        cell.write(self, out).map_err(|source| self.error(source))
    }

    /// The column's value in Connect's data model: the generic path.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] when the column does not hold a value of its type.
    pub(super) fn generic(&self, row: &impl Row) -> Result<Value, PlanError> {
        let Some(cell) = self.cell(row) else { return Ok(Value::Null) };
        let value = cell.value(&self.read_as).map_err(|source| self.error(source))?;
        self.form.value(&value).map_err(|source| self.error(source))
    }

    fn write_null(&self, out: &mut Vec<u8>) -> Result<Option<Loss>, ValueError> {
        let null = self.null.as_ref().ok_or(ValueError::Null)?;
        out.extend_from_slice(null);
        Ok(self.null_is_lost.then_some(Loss::Defaulted))
    }

    #[cold]
    fn write_failed(&self, error: ValueError, out: &mut Vec<u8>) -> Result<Loss, ValueError> {
        let is_zero_date = error == ValueError::ZeroDate;
        let replacement = if is_zero_date { &self.zero_date } else { &self.failed };
        let replacement = replacement.as_ref().ok_or(error)?;
        out.extend_from_slice(replacement);
        Ok(Loss::Unconvertible)
    }

    #[cold]
    fn is_wrapped(&self, cell: impl Cell) -> bool {
        let value = cell.value(&self.read_as);
        matches!(value, Ok(MysqlValue::Unsigned(number)) if number > i64::MAX.cast_unsigned())
    }

    #[cold]
    pub(super) fn error(&self, source: ValueError) -> PlanError {
        PlanError { column: self.name.clone(), source }
    }

    /// A value of this column as a record has it, with the branch of its union.
    pub(super) fn encoded(&self, value: &Value) -> Option<Box<[u8]>> {
        let mut bytes = Vec::new();
        avro::encode(&self.schema, value, &mut bytes).ok()?;
        Some(bytes.into())
    }
}
