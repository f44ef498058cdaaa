//! What a text is, as Connect's `Values.parseString` finds it out: the smallest number, a boolean, a
//! date or a time, a list or a map of these, else the text.
//!
//! Its rules are odd and are kept: what stands behind a number, a list or a map does not count
//! (`12:30` is 12), and a list whose entries have no type in common has none.
//! <https://kafka.apache.org/43/javadoc/org/apache/kafka/connect/data/Values.html>

mod literal;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use schema::value::{Kind, Schema, Value};

use self::literal::{number, time};
use self::tokens::Tokens;
use crate::java::decimal::Decimal;
use crate::record::Part;
use crate::schemas::logical;
use crate::text::inner_text;

/// Deepest nesting, as of the readers of JSON; what nests deeper is a text.
const DEPTH_MAX: usize = 64;
const DAY_MS: i64 = 86_400_000;

/// Reads a text.
pub(crate) fn parse(text: &str) -> Part {
    let mut parser = Parser { tokens: Tokens::of(text) };
    match parser.value(None) {
        Ok(Some(found)) => found.part(),
        Ok(None) => Part::NULL,
        Err(IsText) => {
            Part::new(Arc::new(Schema::new(Kind::String)), Value::String(text.to_owned()))
        }
    }
}

/// The whole text is no more than a text.
struct IsText;

/// Something that is not null.
enum Found {
    Leaf(Schema, Value),
    List(Option<Type>, Vec<Option<Self>>),
    Map((Option<Type>, Option<Type>), Vec<(Self, Option<Self>)>),
}

/// A type whose parts may have none.
#[derive(Clone)]
enum Type {
    Leaf(Schema),
    List(Option<Box<Self>>),
    Map(Option<Box<Self>>, Option<Box<Self>>),
}

struct Parser<'a> {
    tokens: Tokens<'a>,
}

impl Parser<'_> {
    /// One value; none for null. With a depth it is a part of another one.
    fn value(&mut self, depth: Option<usize>) -> Result<Option<Found>, IsText> {
        if depth.is_some() && self.tokens.take("\"") {
            return Ok(Some(self.quoted()));
        }
        for (word, value) in [
            ("null", None),
            ("true", Some(Value::Boolean(true))),
            ("false", Some(Value::Boolean(false))),
        ] {
            let before = self.tokens.clone();
            if self.tokens.take(word) && (depth.is_some() || !self.tokens.has_next()) {
                return Ok(value.map(|value| Found::Leaf(Schema::new(Kind::Boolean), value)));
            }
            self.tokens = before;
        }
        let inner = depth.map_or(0, |depth| depth + 1);
        if inner <= DEPTH_MAX && self.tokens.take("[") {
            return self.list(inner).map(Some);
        }
        if inner <= DEPTH_MAX && self.tokens.take("{") {
            return self.map(inner).map(Some);
        }
        self.number_or_time().map(Some)
    }

    fn number_or_time(&mut self) -> Result<Found, IsText> {
        let token = tokens::trimmed(self.tokens.next_token());
        if !token.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) {
            return Err(IsText);
        }
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            // Colons divide, so a time is five tokens.
            let before = self.tokens.clone();
            let rest = self.tokens.next_tokens(4);
            if let Some((schema, value)) = rest.and_then(|rest| time(&format!("{token}{rest}"))) {
                return Ok(Found::Leaf(schema, value));
            }
            self.tokens = before;
        }
        let found = time(token).or_else(|| number(token)).ok_or(IsText)?;
        Ok(Found::Leaf(found.0, found.1))
    }

    /// Up to the next quote. What is behind a backslash stays there, with it.
    fn quoted(&mut self) -> Found {
        let mut text = String::new();
        while self.tokens.has_next() && !self.tokens.take_exactly("\"") {
            text.push_str(self.tokens.next_token());
        }
        let found = time(&text);
        let (schema, value) =
            found.unwrap_or_else(|| (Schema::new(Kind::String), Value::String(text)));
        Found::Leaf(schema, value)
    }

    fn list(&mut self, depth: usize) -> Result<Found, IsText> {
        let (mut entries, mut common) = (Vec::new(), Common::default());
        while self.tokens.has_next() {
            if self.tokens.take("]") {
                let common = common.of(entries.iter().any(Option::is_none))?;
                return Ok(Found::List(common, entries));
            }
            let entry = self.value(Some(depth))?;
            common.merge(entry.as_ref());
            entries.push(entry);
            if !self.tokens.take(",") && !self.tokens.is_next("]") {
                return Err(IsText);
            }
        }
        Err(IsText)
    }

    /// The commas between entries may be left out, as they may in Connect.
    fn map(&mut self, depth: usize) -> Result<Found, IsText> {
        let (mut entries, mut places) = (Vec::<(Found, Option<Found>)>::new(), HashMap::new());
        let (mut keys, mut values) = (Common::default(), Common::default());
        while self.tokens.has_next() {
            if self.tokens.take("}") {
                let has_null = entries.iter().any(|(_, value)| value.is_none());
                let types = (keys.of(false)?, values.of(has_null)?);
                return Ok(Found::Map(types, entries));
            }
            let key = self.value(Some(depth))?.ok_or(IsText)?;
            if !self.tokens.take(":") {
                return Err(IsText);
            }
            let value = self.value(Some(depth))?;
            keys.merge(Some(&key));
            values.merge(value.as_ref());
            let place = *places.entry(inner_text(&key.free())).or_insert(entries.len());
            match entries.get_mut(place) {
                Some((_, known)) => *known = value,
                None => entries.push((key, value)),
            }
            self.tokens.take(",");
        }
        Err(IsText)
    }
}

/// The type that entries have in common.
#[derive(Default)]
enum Common {
    #[default]
    Unknown,
    Is(Type),
    None,
}

impl Common {
    fn merge(&mut self, entry: Option<&Found>) {
        let Some(entry) = entry else { return };
        *self = match std::mem::take(self) {
            Self::Unknown => Self::Is(entry.kind()),
            Self::Is(known) => common(known, entry.kind()).map_or(Self::None, Self::Is),
            Self::None => Self::None,
        };
    }

    /// The type; a null is none of any, so that there is no such list.
    fn of(self, has_null: bool) -> Result<Option<Type>, IsText> {
        match self {
            Self::Is(_) if has_null => Err(IsText),
            Self::Is(common) => Ok(Some(common)),
            Self::Unknown | Self::None => Ok(None),
        }
    }
}

/// Of two numbers the one that takes both, of two lists the later one's. Where Connect takes a time for
/// a date, or a decimal of one scale for one of another, there is nothing in common.
fn common(known: Type, new: Type) -> Option<Type> {
    let (first, second) = match (&known, &new) {
        (Type::Leaf(known), Type::Leaf(new)) => (known, new),
        (Type::List(_), Type::List(_)) | (Type::Map(..), Type::Map(..)) => return Some(new),
        (Type::Leaf(_) | Type::List(_) | Type::Map(..), _) => return None,
    };
    if first.kind == second.kind {
        return (first == second).then_some(new);
    }
    let (first, second) = (rank(&first.kind)?, rank(&second.kind)?);
    Some(if first > second { known } else { new })
}

fn rank(kind: &Kind) -> Option<usize> {
    let numbers = [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64, Kind::Float32, Kind::Float64];
    numbers.iter().position(|number| number == kind)
}

impl Type {
    /// The schema, if every part has one.
    fn schema(&self) -> Option<Schema> {
        let part = |part: &Option<Box<Self>>| part.as_ref()?.schema().map(Box::new);
        match self {
            Self::Leaf(schema) => Some(schema.clone()),
            Self::List(entry) => Some(Schema::new(Kind::Array(part(entry)?))),
            Self::Map(keys, values) => Some(Schema::new(Kind::Map(part(keys)?, part(values)?))),
        }
    }
}

impl Found {
    fn kind(&self) -> Type {
        let part = |part: &Option<Type>| part.clone().map(Box::new);
        match self {
            Self::Leaf(schema, _) => Type::Leaf(schema.clone()),
            Self::List(entry, _) => Type::List(part(entry)),
            Self::Map((keys, values), _) => Type::Map(part(keys), part(values)),
        }
    }

    /// With a schema, if all of it has one; else data without.
    fn part(self) -> Part {
        let schema = self.kind().schema();
        let typed = schema.and_then(|schema| {
            let value = self.typed(&schema)?;
            Some(Part::new(Arc::new(schema), value))
        });
        typed.unwrap_or_else(|| Part::free(self.free()))
    }

    /// As a value of a schema that takes it.
    fn typed(&self, schema: &Schema) -> Option<Value> {
        match (self, &schema.kind) {
            (Self::Leaf(own, value), _) => widened(own, value, schema),
            (Self::List(_, entries), Kind::Array(entry)) => {
                let entries = entries.iter().map(|found| found.as_ref()?.typed(entry));
                Some(Value::Array(entries.collect::<Option<_>>()?))
            }
            (Self::Map(_, entries), Kind::Map(keys, values)) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Some((key.typed(keys)?, value.as_ref()?.typed(values)?)));
                Some(Value::Map(entries.collect::<Option<_>>()?))
            }
            (Self::List(..) | Self::Map(..), _) => None,
        }
    }

    /// As a value without a schema. A decimal has no form there but its text.
    fn free(&self) -> Value {
        let entry = |entry: &Option<Self>| entry.as_ref().map_or(Value::Null, Self::free);
        match self {
            Self::Leaf(schema, value) => match (schema.name.as_deref(), value) {
                (Some(logical::DATE), Value::Int32(days)) => Value::Date(i64::from(*days) * DAY_MS),
                (Some(logical::TIME), Value::Int32(millis)) => Value::Date((*millis).into()),
                (Some(logical::TIMESTAMP), Value::Int64(millis)) => Value::Date(*millis),
                (Some(logical::DECIMAL), Value::Bytes(bytes)) => {
                    Value::String(Decimal::new(bytes, Decimal::scale_of(schema)).to_string())
                }
                _ => value.clone(),
            },
            Self::List(_, entries) => Value::Array(entries.iter().map(entry).collect()),
            Self::Map(_, entries) => {
                let entries = entries.iter().map(|(key, value)| (key.free(), entry(value)));
                Value::Map(entries.collect())
            }
        }
    }
}

/// A value as one of a wider type.
fn widened(own: &Schema, value: &Value, schema: &Schema) -> Option<Value> {
    if own.kind == schema.kind {
        return Some(value.clone());
    }
    let is_date = logical::is(Some(own), logical::DATE);
    let whole = match value {
        Value::Int32(days) if is_date && logical::is(Some(schema), logical::TIMESTAMP) => {
            i64::from(*days) * DAY_MS
        }
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        Value::Float32(number) if schema.kind == Kind::Float64 => {
            return Some(Value::Float64((*number).into()));
        }
        Value::Null
        | Value::Boolean(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::Date(_)
        | Value::Struct(_) => return None,
    };
    match schema.kind {
        Kind::Int16 | Kind::Int32 => i32::try_from(whole).ok().map(Value::Int32),
        Kind::Int64 => Some(Value::Int64(whole)),
        #[expect(clippy::cast_precision_loss, reason = "as Java's `floatValue`")]
        Kind::Float32 => Some(Value::Float32(whole as f32)),
        #[expect(clippy::cast_precision_loss, reason = "as Java's `doubleValue`")]
        Kind::Float64 => Some(Value::Float64(whole as f64)),
        Kind::Boolean
        | Kind::Int8
        | Kind::String
        | Kind::Bytes
        | Kind::Array(_)
        | Kind::Map(..)
        | Kind::Struct(_) => None,
    }
}
