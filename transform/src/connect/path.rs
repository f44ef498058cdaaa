//! A field, or a field within fields (`field.syntax.version` = `V2`): names joined by dots, with
//! backticks around a name that has dots itself.

use schema::value::{Field, Kind, Schema, Value};

use crate::error::{ConfigProblem, Failure};
use crate::java::{lookup, require_map};
use crate::options::Options;
use crate::schemas::read;

/// The way to a field.
#[derive(Debug)]
pub(super) struct FieldPath {
    pub(super) text: String,
    steps: Vec<String>,
}

impl FieldPath {
    /// Reads the setting `field` and `field.syntax.version`.
    pub(super) fn read(options: &mut Options<'_>) -> Result<Self, ConfigProblem> {
        let text = options.required("field")?;
        let version = options.text_or("field.syntax.version", "V1");
        let steps = match version.to_ascii_uppercase().as_str() {
            "V1" => vec![text.clone()],
            "V2" if text.is_empty() => {
                return Err(options.problem("field", "A path of no names leads nowhere."));
            }
            "V2" => split(&text).map_err(|at| {
                let problem = format!(
                    "Incomplete backtick pair in path: [{text}], consider adding a backslash before \
                     backtick at position {at} to escape it"
                );
                options.problem("field", problem)
            })?,
            _ => {
                let why = "String must be one of (case insensitive): V1, V2";
                return Err(options.invalid("field.syntax.version", &version, why));
            }
        };
        Ok(Self { text, steps })
    }

    /// The field's type in a struct; `None` if it is not there.
    pub(super) fn field<'a>(&self, schema: &'a Schema) -> Result<Option<&'a Field>, Failure> {
        let mut at = schema;
        let mut found = None;
        for step in &self.steps {
            let Kind::Struct(fields) = &at.kind else {
                return Err(Failure::data("Cannot look up fields on non-struct type"));
            };
            found = fields.iter().find(|field| field.name == *step);
            match found {
                Some(field) => at = &field.schema,
                None => return Ok(None),
            }
        }
        Ok(found)
    }

    /// The field's value in a struct that has it; null if one on the way is.
    pub(super) fn value(&self, schema: &Schema, value: &Value, defaults: bool) -> Value {
        let (mut schema, mut value) = (schema, value.clone());
        for step in &self.steps {
            let (Kind::Struct(fields), Value::Struct(values)) = (&schema.kind, &value) else {
                return Value::Null;
            };
            let mut both = fields.iter().zip(values);
            let Some((field, inner)) = both.find(|(field, _)| field.name == *step) else {
                return Value::Null;
            };
            let inner = read(field, inner, defaults);
            (schema, value) = (&field.schema, inner);
        }
        value
    }

    /// The field's value in an object without a schema; null if it is not there.
    pub(super) fn free_value(&self, value: &Value) -> Result<Value, Failure> {
        let mut at = value;
        for step in &self.steps {
            if *at == Value::Null {
                break;
            }
            at = lookup(require_map(at, "nested field access")?, step);
        }
        Ok(at.clone())
    }
}

/// The names of a path; `Err` with the place of a backtick that has no other.
fn split(path: &str) -> Result<Vec<String>, usize> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let at = path.len() - rest.len();
        let (step, behind) = match rest.strip_prefix('`') {
            Some(quoted) => closing(quoted).ok_or(at)?,
            None => rest
                .split_once('.')
                .map_or((rest.to_owned(), None), |(step, behind)| (step.to_owned(), Some(behind))),
        };
        steps.push(step);
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(steps),
        }
    }
}

/// The name up to a backtick that ends it, and what is behind the dot after that. A backtick with
/// a backslash before it, or with more of the name behind it, belongs to the name.
fn closing(quoted: &str) -> Option<(String, Option<&str>)> {
    for (at, _) in quoted.match_indices('`') {
        let (name, behind) = quoted.split_at_checked(at)?;
        let behind = behind.strip_prefix('`')?;
        if name.ends_with('\\') {
            continue;
        }
        let name = name.replace("\\`", "`");
        if behind.is_empty() {
            return Some((name, None));
        }
        if let Some(behind) = behind.strip_prefix('.') {
            return Some((name, Some(behind)));
        }
    }
    None
}
