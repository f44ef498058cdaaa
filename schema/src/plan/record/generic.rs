//! The generic path: row → Connect's data model → Avro. Slow and plain, it is what the plan's one
//! pass is held against, and what a transform that needs values works on.

use super::{Body, ColumnPlan, PlanError, RecordPlan, Row};
use crate::avro;
use crate::change::RowChange;
use crate::envelope::{self, Source, TransactionBlock};
use crate::types::ValueError;
use crate::value::{Schema, Value};

impl RecordPlan {
    /// The record's key in Connect's data model.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn generic_key(&self, row: &impl Row) -> Result<Value, PlanError> {
        let values = self.key.iter().map(|column| column.generic_field(row));
        values.collect::<Result<_, _>>().map(Value::Struct)
    }

    /// The record's value in Connect's data model.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn generic_value<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
    ) -> Result<Value, PlanError> {
        let row = |row: &R| -> Result<Vec<Value>, PlanError> {
            self.columns.iter().map(|column| column.generic_field(row)).collect()
        };
        match &self.body {
            Body::Envelope => {
                let image = |image: Option<&R>| {
                    image.map(row).transpose().map(|row| row.map_or(Value::Null, Value::Struct))
                };
                let transaction = source.transaction.map_or(Value::Null, transaction_value);
                Ok(Value::Struct(vec![
                    image(change.before())?,
                    image(change.after())?,
                    self.source.value(source),
                    transaction,
                    Value::String(change.op().to_owned()),
                    Value::Int64(now_us.div_euclid(1000)),
                    Value::Int64(now_us),
                    Value::Int64(now_us.saturating_mul(1000)),
                ]))
            }
            Body::Flat(flat) => {
                let image = change.after().or(change.before());
                let mut fields = image.map(row).transpose()?.unwrap_or_default();
                if flat.deletes().writes_value() {
                    fields.push(Value::String((change.op() == "d").to_string()));
                }
                fields.extend(flat.values(change, source, now_us)?);
                Ok(Value::Struct(fields))
            }
        }
    }

    /// Appends the record's value by the generic path: the same bytes as
    /// [`RecordPlan::write_value`].
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_generic<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        now_us: i64,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        let value = self.generic_value(change, source, now_us)?;
        out.extend_from_slice(&self.value_frame);
        let mismatch = |_| PlanError { column: "value".to_owned(), source: ValueError::Form };
        avro::encode(&self.value_form, &value, out).map_err(mismatch)
    }

    /// Appends the record's key by the generic path: the same bytes as [`RecordPlan::write_key`].
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_generic_key(&self, row: &impl Row, out: &mut Vec<u8>) -> Result<(), PlanError> {
        let Some(form) = &self.key_form else { return Ok(()) };
        let value = self.generic_key(row)?;
        out.extend_from_slice(&self.key_frame);
        let mismatch = |_| PlanError { column: "key".to_owned(), source: ValueError::Form };
        avro::encode(form, &value, out).map_err(mismatch)
    }
}

impl ColumnPlan {
    /// The column's value as its field has it.
    pub(super) fn generic_field(&self, row: &impl Row) -> Result<Value, PlanError> {
        let (replacement, error) = match self.generic(row) {
            Ok(Value::Null) => (&self.null_value, self.error(ValueError::Null)),
            Ok(value) => {
                return Ok(match &self.rule {
                    None => value,
                    Some(rule) => rule.apply(value),
                });
            }
            Err(error) if error.source == ValueError::ZeroDate => (&self.zero_date_value, error),
            Err(error) => (&self.failed_value, error),
        };
        replacement.clone().ok_or(error)
    }
}

fn transaction_value(block: TransactionBlock<'_>) -> Value {
    Value::Struct(vec![
        Value::String(block.id.to_owned()),
        Value::Int64(block.total_order),
        Value::Int64(block.collection_order),
    ])
}

/// The schemas of an envelope or a flat record, kept for the generic path.
pub(super) fn value_schema(namespace: &str, row: Schema, body: &Body) -> Schema {
    match body {
        Body::Envelope => envelope::envelope_schema(namespace, &row),
        Body::Flat(flat) => {
            let mut record = row;
            if let crate::value::Kind::Struct(own) = &mut record.kind {
                own.extend(flat.fields());
            }
            record
        }
    }
}
