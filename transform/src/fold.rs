//! What transforms make of all rows of one schema alike, so that it can be a part of a plan.

use schema::value::{Field, Kind, Schema, Value};

use crate::schemas::check_names;

/// A field that a row has after the transforms.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// Its name.
    pub name: String,
    /// Its type.
    pub schema: Schema,
    /// What it is made of.
    pub origin: Origin,
}

/// What a field is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// The row's field of this name, as it is.
    Row(String),
    /// The row's field of this name, with one value in the place of all but null.
    Masked(String, Value),
    /// The record's topic.
    Topic,
    /// The record's partition.
    Partition,
    /// The record's offset.
    Offset,
    /// The record's time; null if it has none.
    Timestamp,
    /// Always this text.
    Text(String),
}

impl Origin {
    /// The row's field that it is made of, if it is one's.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Row(name) | Self::Masked(name, _) => Some(name),
            Self::Topic | Self::Partition | Self::Offset | Self::Timestamp | Self::Text(_) => None,
        }
    }

    /// What stands in the place of all values but null, if anything does.
    #[must_use]
    pub fn masked(&self) -> Option<&Value> {
        if let Self::Masked(_, value) = self { Some(value) } else { None }
    }
}

/// The fields of a record's value on their way through a chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) fields: Vec<Folded>,
    /// The name of the value's schema, as long as nothing has changed.
    untouched: Option<Option<String>>,
    is_unwrapped: bool,
}

impl Row {
    /// A value as it comes; `None` if it is no struct.
    pub(crate) fn of(value: &Schema) -> Option<Self> {
        let Kind::Struct(fields) = &value.kind else { return None };
        let untouched = Some(value.name.clone());
        Some(Self { fields: as_they_are(fields), untouched, is_unwrapped: false })
    }

    /// The same value with other fields; `None` if Connect has no struct of them.
    pub(crate) fn with(self, fields: Vec<Folded>) -> Option<Self> {
        check_names(fields.iter().map(|field| &*field.name)).ok()?;
        Some(Self { fields, untouched: None, ..self })
    }

    /// The row of a change event; what is none stays as it is. `None` if it was changed before.
    pub(crate) fn unwrapped(self) -> Option<Self> {
        let name = self.untouched.as_ref()?;
        let is_named = name.as_deref().is_none_or(|name| name.ends_with(".Envelope"));
        if !is_named || !is_event(&self.fields) {
            return Some(self);
        }
        let after = self.fields.iter().find(|field| field.name == "after")?;
        let Kind::Struct(fields) = &after.schema.kind else { return None };
        Some(Self { fields: as_they_are(fields), untouched: None, is_unwrapped: true })
    }

    /// The fields, if they are a row's and not those of a change event.
    pub(crate) fn finished(self, value: &Schema) -> Option<Vec<Folded>> {
        let was_event = Self::of(value).is_some_and(|row| is_event(&row.fields));
        (was_event == self.is_unwrapped && !is_event(&self.fields)).then_some(self.fields)
    }
}

/// Whether a null of these fields is read as null: with a default, Java's `Struct.get` gives that.
pub(crate) fn nulls_stay(fields: &[Folded], defaults: bool) -> bool {
    !defaults || fields.iter().all(|field| field.schema.default.is_none())
}

fn as_they_are(fields: &[Field]) -> Vec<Folded> {
    let field = |field: &Field| Folded {
        name: field.name.clone(),
        schema: field.schema.clone(),
        origin: Origin::Row(field.name.clone()),
    };
    fields.iter().map(field).collect()
}

fn is_event(fields: &[Folded]) -> bool {
    let has = |name: &str| fields.iter().any(|field| field.name == name);
    ["before", "after", "source", "op"].into_iter().all(has)
}
