//! Runs an expression on one record.

use std::borrow::Cow;
use std::cmp::Ordering;

use schema::value::Value;

use super::parse::{Expr, Function, Literal, Loop, Operator, Variable};
use super::value::Val;
use crate::record::{Part, Record};

type Done<'a> = Result<Val<'a>, String>;

/// One run.
pub(super) struct Run<'a> {
    record: &'a Record,
    /// Elements of lists that are walked, outermost first.
    bound: Vec<Val<'a>>,
    steps: u32,
}

impl<'a> Run<'a> {
    pub(super) fn new(record: &'a Record, steps: u32) -> Self {
        Self { record, bound: Vec::new(), steps }
    }

    pub(super) fn eval(&mut self, expr: &'a Expr) -> Done<'a> {
        self.step()?;
        match expr {
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::List(all) => {
                all.iter().map(|one| self.eval(one)).collect::<Result<_, _>>().map(Val::List)
            }
            Expr::Name(variable) => Ok(self.variable(*variable)),
            Expr::Field(of, name) => field(&self.eval(of)?, name),
            Expr::Has(of, name) => {
                let found = self.eval(of)?.field(name)?;
                Ok(Val::Bool(found.is_some_and(|found| !matches!(found, Val::Null))))
            }
            Expr::Index(both) => self.index(both),
            Expr::Not(of) => Ok(Val::Bool(!self.flag(of)?)),
            Expr::Negate(of) => negate(&self.eval(of)?),
            Expr::And(all) => self.until(all, false).map(Val::Bool),
            Expr::Or(all) => self.until(all, true).map(Val::Bool),
            Expr::Binary(operator, both) => self.binary(*operator, both),
            Expr::If(all) => {
                let [condition, then, otherwise] = &**all;
                let chosen = if self.flag(condition)? { then } else { otherwise };
                self.eval(chosen)
            }
            Expr::Call(function, values) => self.call(*function, values),
            Expr::Matches(of, pattern) => {
                let of = self.eval(of)?;
                let Val::Text(text) = &of else {
                    return Err(format!("`matches` takes a text and not {}", of.kind()));
                };
                Ok(Val::Bool(pattern.is_match(text)))
            }
            Expr::Loop(walk, both) => self.walk(*walk, both),
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let left = self.steps.checked_sub(1);
        self.steps = left.ok_or("the expression takes too many steps for this record")?;
        Ok(())
    }

    fn variable(&self, variable: Variable) -> Val<'a> {
        let data = |part: &'a Part| Val::of(part.schema.as_deref(), &part.value);
        let schema = |part: &'a Part| part.schema.as_deref().map_or(Val::Null, Val::Schema);
        match variable {
            Variable::Key => data(&self.record.key),
            Variable::Value => data(&self.record.value),
            Variable::KeySchema => schema(&self.record.key),
            Variable::ValueSchema => schema(&self.record.value),
            Variable::Topic => Val::Text(Cow::Borrowed(&self.record.topic)),
            Variable::Headers => Val::Headers(&self.record.headers),
            Variable::Bound(place) => self.bound.get(place).cloned().unwrap_or(Val::Null),
        }
    }

    fn flag(&mut self, expr: &'a Expr) -> Result<bool, String> {
        let value = self.eval(expr)?;
        let Val::Bool(flag) = value else {
            return Err(format!("a condition is true or false and not {}", value.kind()));
        };
        Ok(flag)
    }

    /// `&&` ends with the first false, `||` with the first true, whatever is wrong with the others:
    /// in CEL their order does not matter.
    fn until(&mut self, all: &'a [Expr], end: bool) -> Result<bool, String> {
        let mut wrong = None;
        for one in all {
            match self.flag(one) {
                Ok(flag) if flag == end => return Ok(end),
                Ok(_) => {}
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        wrong.map_or(Ok(!end), Err)
    }

    fn index(&mut self, both: &'a [Expr; 2]) -> Done<'a> {
        let [of, index] = both;
        let of = self.eval(of)?;
        let index = self.eval(index)?;
        match (index.kind(), index) {
            (_, Val::Text(name)) => field(&of, &name),
            (_, Val::Int(place)) => {
                let mut all = of.elements()?;
                let place = usize::try_from(place).ok().filter(|place| *place < all.len());
                place
                    .map(|place| all.swap_remove(place))
                    .ok_or("a list is not that long".to_owned())
            }
            (kind, _) => Err(format!("an index is a text or a number and not {kind}")),
        }
    }

    fn binary(&mut self, operator: Operator, both: &'a [Expr; 2]) -> Done<'a> {
        let [left, right] = both;
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        let ordered = |holds: fn(Ordering) -> bool| match left.order(&right) {
            Some(order) => Ok(Val::Bool(holds(order))),
            None => Err(format!("{} and {} have no order", left.kind(), right.kind())),
        };
        match operator {
            Operator::Equal => left.is_equal(&right).map(Val::Bool),
            Operator::NotEqual => left.is_equal(&right).map(|equal| Val::Bool(!equal)),
            Operator::Less => ordered(Ordering::is_lt),
            Operator::LessOrEqual => ordered(Ordering::is_le),
            Operator::Greater => ordered(Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(Ordering::is_ge),
            Operator::In => self.is_in(&left, right).map(Val::Bool),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => arithmetic(operator, &left, right),
        }
    }

    fn is_in(&mut self, one: &Val<'a>, all: Val<'a>) -> Result<bool, String> {
        if let (Val::Text(name), Val::Data(..) | Val::Headers(_)) = (one, &all)
            && all.kind() != "a list"
        {
            return Ok(all.field(name)?.is_some());
        }
        for other in all.elements()? {
            self.step()?;
            if one.is_equal(&other)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn walk(&mut self, walk: Loop, both: &'a [Expr; 2]) -> Done<'a> {
        let [list, condition] = both;
        let mut holding = 0_usize;
        let elements = self.eval(list)?.elements()?;
        let count = elements.len();
        for element in elements {
            self.bound.push(element);
            let holds = self.flag(condition);
            self.bound.pop();
            holding += usize::from(holds?);
        }
        Ok(Val::Bool(match walk {
            Loop::All => holding == count,
            Loop::Exists => holding > 0,
            Loop::ExistsOne => holding == 1,
        }))
    }

    fn call(&mut self, function: Function, values: &'a [Expr]) -> Done<'a> {
        let mut values =
            values.iter().map(|value| self.eval(value)).collect::<Result<Vec<_>, _>>()?;
        let last = values.pop().unwrap_or(Val::Null);
        match function {
            Function::Size => size(last),
            Function::Int => int(&last),
            Function::Double => double(&last),
            Function::Text => text(last),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                let (Some(Val::Text(of)), Val::Text(part)) = (values.pop(), last) else {
                    return Err("contains, startsWith and endsWith take texts".to_owned());
                };
                Ok(Val::Bool(match function {
                    Function::Contains => of.contains(&*part),
                    Function::StartsWith => of.starts_with(&*part),
                    Function::EndsWith
                    | Function::Size
                    | Function::Int
                    | Function::Double
                    | Function::Text => of.ends_with(&*part),
                }))
            }
        }
    }
}

fn of_literal(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(flag) => Val::Bool(*flag),
        Literal::Int(number) => Val::Int(*number),
        Literal::Uint(number) => Val::Uint(*number),
        Literal::Double(number) => Val::Double(*number),
        Literal::Text(text) => Val::Text(Cow::Borrowed(text)),
    }
}

fn field<'a>(of: &Val<'a>, name: &str) -> Done<'a> {
    of.field(name)?.ok_or_else(|| format!("there is no field `{name}`"))
}

fn negate<'a>(value: &Val<'_>) -> Done<'a> {
    match (value, value.kind()) {
        (Val::Int(number), _) => number.checked_neg().map(Val::Int).ok_or_else(overflow),
        (Val::Double(number), _) => Ok(Val::Double(-number)),
        (_, kind) => Err(format!("{kind} has no negative")),
    }
}

fn arithmetic<'a>(operator: Operator, left: &Val<'a>, right: Val<'a>) -> Done<'a> {
    match (left, &right) {
        (Val::Int(left), Val::Int(right)) => {
            let checked = [
                i64::checked_add,
                i64::checked_sub,
                i64::checked_mul,
                i64::checked_div,
                i64::checked_rem,
            ];
            let done = chosen(operator, checked).and_then(|done| done(*left, *right));
            done.map(Val::Int).ok_or_else(overflow)
        }
        (Val::Uint(left), Val::Uint(right)) => {
            let checked = [
                u64::checked_add,
                u64::checked_sub,
                u64::checked_mul,
                u64::checked_div,
                u64::checked_rem,
            ];
            let done = chosen(operator, checked).and_then(|done| done(*left, *right));
            done.map(Val::Uint).ok_or_else(overflow)
        }
        (Val::Double(left), Val::Double(right)) if operator != Operator::Remainder => {
            let plain: [fn(f64, f64) -> f64; 5] =
                [|a, b| a + b, |a, b| a - b, |a, b| a * b, |a, b| a / b, |a, b| a % b];
            let done = chosen(operator, plain).map(|done| done(*left, *right));
            done.map(Val::Double).ok_or_else(overflow)
        }
        (Val::Text(left), Val::Text(right)) if operator == Operator::Add => {
            Ok(Val::Text(Cow::Owned(format!("{left}{right}"))))
        }
        _ => {
            let (left, right) = (left.kind(), right.kind());
            Err(format!(
                "{left} and {right} make no sum or product: `int(...)` makes whole numbers, \
                         `double(...)` others, `string(...)` texts"
            ))
        }
    }
}

/// What an operator of arithmetic does, of what all five do.
fn chosen<T>(
    operator: Operator,
    [add, subtract, multiply, divide, remainder]: [T; 5],
) -> Option<T> {
    match operator {
        Operator::Add => Some(add),
        Operator::Subtract => Some(subtract),
        Operator::Multiply => Some(multiply),
        Operator::Divide => Some(divide),
        Operator::Remainder => Some(remainder),
        Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::In => None,
    }
}

fn overflow() -> String {
    "a whole number is beyond 64 bits, or divided by zero".to_owned()
}

fn size(value: Val<'_>) -> Done<'_> {
    let size = match (value.kind(), value) {
        (_, Val::Text(text)) => text.chars().count(),
        (_, Val::Bytes(bytes)) => bytes.len(),
        (_, Val::Data(_, Value::Map(entries))) => entries.len(),
        (_, value) => value.elements()?.len(),
    };
    Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn int<'a>(value: &Val<'_>) -> Done<'a> {
    let number = match (value, value.kind()) {
        (Val::Int(number), _) => Some(*number),
        (Val::Uint(number), _) => i64::try_from(*number).ok(),
        // The bounds are doubles themselves; the upper one is beyond the largest number.
        #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds")]
        (Val::Double(number), _) => {
            let is_within = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
            is_within.contains(number).then(|| number.trunc() as i64)
        }
        (Val::Text(text), _) => text.parse().ok(),
        (_, kind) => return Err(format!("{kind} makes no whole number")),
    };
    number.map(Val::Int).ok_or_else(|| format!("{} makes no whole number", value.kind()))
}

fn double<'a>(value: &Val<'_>) -> Done<'a> {
    let number = match (value, value.kind()) {
        (Val::Double(number), _) => Some(*number),
        (Val::Int(_) | Val::Uint(_) | Val::Text(_), _) => {
            let Ok(Val::Text(text)) = text(value.clone()) else { return Err(overflow()) };
            text.parse().ok()
        }
        (_, kind) => return Err(format!("{kind} makes no number")),
    };
    number.map(Val::Double).ok_or_else(|| format!("{} makes no number", value.kind()))
}

fn text(value: Val<'_>) -> Done<'_> {
    let text = match (value.kind(), value) {
        (_, Val::Text(text)) => text,
        (_, Val::Int(number)) => number.to_string().into(),
        (_, Val::Uint(number)) => number.to_string().into(),
        (_, Val::Double(number)) => number.to_string().into(),
        (_, Val::Bool(flag)) => flag.to_string().into(),
        (_, Val::Bytes(bytes)) => {
            let text = std::str::from_utf8(bytes);
            text.map_err(|_| "bytes are no text of UTF-8".to_owned())?.into()
        }
        (kind, _) => return Err(format!("{kind} makes no text")),
    };
    Ok(Val::Text(text))
}
