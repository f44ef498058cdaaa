//! Schemas: what a transform made of each, their fields, and building new ones.

use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};

use crate::error::{Exception, Failure};

/// How many schemas a transform remembers, as Connect's do (`LRUCache(16)`).
const REMEMBERED: usize = 16;

/// What was made of a schema, by the schema itself: records of one table share it.
#[derive(Debug)]
pub(crate) struct SchemaCache<T> {
    known: Vec<(Arc<Schema>, T)>,
    next: usize,
}

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self { known: Vec::new(), next: 0 }
    }
}

impl<T: Clone> SchemaCache<T> {
    pub(crate) fn get(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce(&Schema) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some((_, made)) = self.known.iter().find(|(known, _)| Arc::ptr_eq(known, schema)) {
            return Ok(made.clone());
        }
        let made = make(schema)?;
        let entry = (Arc::clone(schema), made.clone());
        match self.known.get_mut(self.next) {
            Some(oldest) => *oldest = entry,
            None => self.known.push(entry),
        }
        self.next = (self.next + 1) % REMEMBERED;
        Ok(made)
    }
}

/// A struct's fields and values.
#[derive(Clone, Copy)]
pub(crate) struct StructRef<'a> {
    pub(crate) fields: &'a [Field],
    pub(crate) values: &'a [Value],
}

impl<'a> StructRef<'a> {
    pub(crate) fn of(schema: &'a Schema, value: &'a Value) -> Option<Self> {
        match (&schema.kind, value) {
            (Kind::Struct(fields), Value::Struct(values)) => Some(Self { fields, values }),
            _ => None,
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a Field, &'a Value)> {
        self.fields.iter().zip(self.values)
    }

    pub(crate) fn find(self, name: &str) -> Option<(&'a Field, &'a Value)> {
        self.iter().find(|(field, _)| field.name == name)
    }
}

/// A field's value as Java's `Struct.get` gives it: the default stands for null, unless
/// `replace.null.with.default` is false.
pub(crate) fn read(field: &Field, value: &Value, defaults: bool) -> Value {
    match (value, &field.schema.default) {
        (Value::Null, Some(default)) if defaults => default.clone(),
        _ => value.clone(),
    }
}

/// The fields of a struct, or Connect's refusal.
pub(crate) fn fields_of(schema: &Schema) -> Result<&[Field], Failure> {
    match &schema.kind {
        Kind::Struct(fields) => Ok(fields),
        Kind::Boolean
        | Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::Float32
        | Kind::Float64
        | Kind::String
        | Kind::Bytes
        | Kind::Array(_)
        | Kind::Map(..) => Err(Failure::data("Cannot list fields on non-struct type")),
    }
}

/// A schema like `basis` with other fields: its name, version, description, parameters and whether
/// null is a value.
pub(crate) fn with_fields(basis: &Schema, fields: Vec<Field>) -> Result<Arc<Schema>, Failure> {
    check_names(fields.iter().map(|field| &*field.name))?;
    Ok(Arc::new(Schema {
        kind: Kind::Struct(fields),
        optional: basis.optional,
        name: basis.name.clone(),
        version: basis.version,
        doc: basis.doc.clone(),
        parameters: basis.parameters.clone(),
        default: None,
    }))
}

/// A struct without a name.
pub(crate) fn nameless(fields: Vec<Field>) -> Result<Arc<Schema>, Failure> {
    check_names(fields.iter().map(|field| &*field.name))?;
    Ok(Arc::new(Schema::new(Kind::Struct(fields))))
}

/// Whether fields can have these names, as Connect's `SchemaBuilder` has it.
pub(crate) fn check_names<'a>(
    names: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), Failure> {
    let mut seen = std::collections::HashSet::with_capacity(names.len());
    for name in names {
        if name.is_empty() {
            return Err(Failure::new(Exception::SchemaBuilder, "fieldName cannot be null."));
        }
        if !seen.insert(name) {
            return Err(Failure::new(
                Exception::SchemaBuilder,
                format!("Cannot create field because of field name duplication {name}"),
            ));
        }
    }
    Ok(())
}

/// Names of Connect's own logical types.
pub(crate) mod logical {
    use schema::value::{Kind, Schema};

    pub(crate) const DATE: &str = "org.apache.kafka.connect.data.Date";
    pub(crate) const TIME: &str = "org.apache.kafka.connect.data.Time";
    pub(crate) const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
    pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

    /// Connect's timestamp.
    pub(crate) fn timestamp() -> Schema {
        Schema::semantic(Kind::Int64, TIMESTAMP)
    }

    /// Whether a schema is one of these types.
    pub(crate) fn is(schema: Option<&Schema>, name: &str) -> bool {
        schema.is_some_and(|schema| schema.name.as_deref() == Some(name))
    }
}
