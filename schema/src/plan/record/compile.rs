//! Table, settings → plan.

use super::column::{ColumnPlan, ValueRule};
use super::flat::{FlatOptions, FlatPlan, FlatTable, UnknownField};
use super::losses::Losses;
use super::{Body, RecordPlan, generic};
use crate::avro::{self, FRAME_BYTES};
use crate::envelope::SourceWriter;
use crate::names::{self, NameAdjustment};
use crate::table::{Column, TableSchema};
use crate::types::{ConversionFailure, Fidelity, Form, Origin, ValueOptions};
use crate::value::{Schema, Value};

/// What a plan depends on beside the table.
#[derive(Clone, Copy)]
pub struct PlanOptions<'a> {
    /// `topic.prefix`.
    pub server: &'a str,
    /// The forms of values.
    pub values: ValueOptions,
    /// `field.name.adjustment.mode`.
    pub field_names: NameAdjustment,
    /// `schema.name.adjustment.mode`.
    pub schema_names: NameAdjustment,
    /// `message.key.columns`, if it names this table: the columns of the key.
    pub message_key: Option<&'a [String]>,
    /// `format`.
    pub format: Format<'a>,
    /// Where the rows are read that the plan writes.
    pub origin: Origin,
    /// What is done with single columns.
    pub choose: &'a dyn Fn(&Column) -> ColumnChoice,
}

/// What a record's value is.
#[derive(Debug, Clone, Copy)]
pub enum Format<'a> {
    /// Debezium's envelope around both images.
    Envelope,
    /// The row alone, as `ExtractNewRecordState` leaves it.
    Flat(&'a FlatOptions),
}

/// What is done with one column.
#[derive(Debug, Clone)]
pub struct ColumnChoice {
    /// Whether it is written. A key column always is in the key.
    pub included: bool,
    /// What is done to its values.
    pub rule: Option<ValueRule>,
    /// Whether its schema tells its type in MySQL.
    pub propagated: bool,
    /// Whether its schema tells its comment.
    pub commented: bool,
}

impl ColumnChoice {
    /// A column that is written as it is.
    #[must_use]
    pub fn plain() -> Self {
        Self { included: true, rule: None, propagated: false, commented: false }
    }
}

impl RecordPlan {
    /// Compiles the plan of a table version. The schemas still have to be registered.
    ///
    /// # Errors
    ///
    /// Returns [`CompileError`] when the table cannot be written by these settings.
    pub fn compile(table: &TableSchema, options: PlanOptions<'_>) -> Result<Self, CompileError> {
        let topic = names::data_topic(options.server, &table.id);
        let namespace = options.schema_names.namespace(&topic);
        let columns = value_columns(table, options)?;
        let primary: Vec<ColumnPlan> = table
            .key_columns_with_index()
            .map(|(index, column)| key_column(index, column, options))
            .collect::<Result<_, _>>()?;
        let message_key = options.message_key.map(|names| message_key(table, names, options));
        let (key, identity) = match message_key.transpose()? {
            // Without a primary key, the declared one tells rows apart.
            Some(key) if !key.is_empty() => (key, Some(primary).filter(|it| !it.is_empty())),
            Some(_) | None => (primary, None),
        };
        unique_names(&columns)?;
        unique_names(&key)?;
        let record = |suffix: &str, columns: &[ColumnPlan]| {
            let fields = columns.iter().map(ColumnPlan::field).collect();
            Schema::record(format!("{namespace}.{suffix}"), None, fields)
        };
        let style = options.values.style;
        let body = match options.format {
            Format::Envelope => Body::Envelope,
            Format::Flat(flat) => {
                let (server, id, columns) = (options.server, &table.id, columns.as_slice());
                let fidelity = options.values.fidelity;
                let table = FlatTable { server, id, columns, fidelity };
                Body::Flat(FlatPlan::new(flat, &table)?)
            }
        };
        let value_form = generic::value_schema(&namespace, record("Value", &columns), &body);
        let key_form = (!key.is_empty()).then(|| record("Key", &key));
        Ok(Self {
            key_schema: key_form.as_ref().map(|form| avro::schema_text(form, style)),
            value_schema: avro::schema_text(&value_form, style),
            key_form,
            value_form,
            source: SourceWriter::new(options.server, &table.id),
            losses: Losses::new(columns.len()),
            topic,
            columns,
            key,
            identity,
            body,
            key_frame: [0; FRAME_BYTES],
            value_frame: [0; FRAME_BYTES],
        })
    }
}

fn value_columns(
    table: &TableSchema,
    options: PlanOptions<'_>,
) -> Result<Vec<ColumnPlan>, CompileError> {
    let mut columns = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let choice = (options.choose)(column);
        if choice.included {
            columns.push(value_column(index, column, &choice, options)?);
        }
    }
    Ok(columns)
}

/// The columns that `message.key.columns` names, in its order. Debezium passes over those that the
/// table does not have; with none left, the primary key stays.
fn message_key(
    table: &TableSchema,
    names: &[String],
    options: PlanOptions<'_>,
) -> Result<Vec<ColumnPlan>, CompileError> {
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let found = table.columns.iter().enumerate().find(|(_, column)| column.name == *name);
        match found {
            Some((index, column)) => key.push(key_column(index, column, options)?),
            None if options.values.fidelity == Fidelity::Debezium => {}
            None => return Err(CompileError::KeyColumn { column: name.clone() }),
        }
    }
    Ok(key)
}

/// A column of a key: exact or an error, whatever the settings say for values.
fn key_column(
    index: usize,
    column: &Column,
    options: PlanOptions<'_>,
) -> Result<ColumnPlan, CompileError> {
    let values = ValueOptions { failure: ConversionFailure::Fail, ..options.values };
    let commented = (options.choose)(column).commented;
    let choice = ColumnChoice { commented, ..ColumnChoice::plain() };
    value_column(index, column, &choice, PlanOptions { values, ..options })
}

fn value_column(
    index: usize,
    column: &Column,
    choice: &ColumnChoice,
    options: PlanOptions<'_>,
) -> Result<ColumnPlan, CompileError> {
    let values = &options.values;
    let declaration = column.declaration.as_ref();
    let form = Form::new(&column.column_type, declaration, values, options.origin);
    let rule = applicable(choice.rule.clone(), column, &form, values.fidelity)?;
    // The schema is the same wherever rows are read, so its default is too.
    let log_form = Form::new(&column.column_type, declaration, values, Origin::Log);
    let default = declaration
        .and_then(|known| log_form.default(&column.column_type, known, column.nullable, values));
    let mut schema = form.schema();
    // Debezium has one mapper for a column, and a rule is one.
    if choice.propagated && rule.is_none() {
        schema.parameters.extend(super::key::source_parameters(column, choice, values.fidelity));
    }
    if let (true, Some(declaration)) = (choice.commented, declaration)
        && !declaration.comment.is_empty()
    {
        schema = schema.doc(&declaration.comment_for(values.fidelity));
    }
    if let Some((name, value)) = rule.as_ref().map(ValueRule::parameter) {
        schema = schema.parameter(name, value);
    }
    schema.default.clone_from(&default);
    schema.optional = column.nullable || form.is_always_optional(values.style);
    let name = options
        .field_names
        .field(&column.name)
        .ok_or_else(|| CompileError::Name { column: column.name.clone() })?;
    let read_as = values.fidelity.read_as(&column.column_type, declaration, options.origin);
    let mut plan = ColumnPlan::new(index, name, read_as, form);
    plan.branch = schema.optional.then(|| if default.is_some() { 0 } else { 2 });
    plan.schema = schema;
    plan.rule = rule;
    settle_null(&mut plan, default, values);
    Ok(plan)
}

/// What is written where there is no value: for NULL, and for what cannot be converted.
fn settle_null(plan: &mut ColumnPlan, default: Option<Value>, values: &ValueOptions) {
    let masked = plan.rule.as_ref().and_then(ValueRule::of_null);
    if plan.schema.optional {
        let replaced = default.clone().filter(|_| !values.null_stays_null);
        plan.null_is_lost = masked.is_none() && replaced.is_some();
        plan.null_value = Some(masked.or(replaced).unwrap_or(Value::Null));
    }
    if values.failure != ConversionFailure::Fail {
        plan.failed_value = plan.null_value.clone().or(default);
        plan.zero_date_value = plan.failed_value.clone().or_else(|| plan.form.epoch());
    }
    plan.null = plan.null_value.as_ref().and_then(|value| plan.encoded(value));
    plan.failed = plan.failed_value.as_ref().and_then(|value| plan.encoded(value));
    plan.zero_date = plan.zero_date_value.as_ref().and_then(|value| plan.encoded(value));
}

/// A rule that the column can take. One that would not hide anything is refused, unless Debezium
/// is to be repeated, which lets it pass.
fn applicable(
    rule: Option<ValueRule>,
    column: &Column,
    form: &Form,
    fidelity: Fidelity,
) -> Result<Option<ValueRule>, CompileError> {
    let Some(rule) = rule else { return Ok(None) };
    let is_text = matches!(form, Form::Text | Form::Enum { .. } | Form::Set { .. });
    let applies = match (&rule, fidelity) {
        (ValueRule::Mask { .. } | ValueRule::Hash { .. } | ValueRule::Ineffective, _) => is_text,
        (ValueRule::Truncate { length, .. }, Fidelity::Debezium) => {
            if column.declared_length().is_some_and(|declared| declared <= *length) {
                return Ok(None);
            }
            true
        }
        (ValueRule::Truncate { .. }, Fidelity::Exact) => {
            matches!(form, Form::Text | Form::Bytes(_))
        }
    };
    if !applies && fidelity == Fidelity::Exact {
        return Err(CompileError::Rule { column: column.name.clone() });
    }
    Ok(Some(match rule {
        _ if !applies => ValueRule::Ineffective,
        ValueRule::Hash { algorithm, salt, plain, .. } => {
            ValueRule::Hash { algorithm, salt, plain, length: column.declared_length() }
        }
        ValueRule::Truncate { length, .. } => {
            ValueRule::Truncate { length, utf16: fidelity == Fidelity::Debezium }
        }
        mask @ (ValueRule::Mask { .. } | ValueRule::Ineffective) => mask,
    }))
}

/// Two columns can get the same name when characters are replaced.
fn unique_names(columns: &[ColumnPlan]) -> Result<(), CompileError> {
    let mut seen = std::collections::HashSet::new();
    match columns.iter().find(|column| !seen.insert(&column.name)) {
        Some(column) => Err(CompileError::Collision { name: column.name.clone() }),
        None => Ok(()),
    }
}

/// A table cannot be written by the connector's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A name that Avro does not take.
    #[error(
        "column {column} has no name that Avro takes; set field.name.adjustment.mode to avro or avro_unicode"
    )]
    Name {
        /// Its name in MySQL.
        column: String,
    },
    /// Two columns with one name.
    #[error("two columns get the name {name}; set field.name.adjustment.mode=avro_unicode")]
    Collision {
        /// The name in the record.
        name: String,
    },
    /// A key column that the table does not have.
    #[error("message.key.columns names the column {column}, which the table does not have")]
    KeyColumn {
        /// The name in the settings.
        column: String,
    },
    /// A mask that would hide nothing.
    #[error(
        "column {column} is not text and cannot be masked, hashed or truncated; exclude it with column.exclude.list"
    )]
    Rule {
        /// Its name in MySQL.
        column: String,
    },
    /// A field that a flat record cannot add.
    #[error(transparent)]
    Field(#[from] UnknownField),
    /// A record without fields.
    #[error("no column of the table is written")]
    Empty,
}
