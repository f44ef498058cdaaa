//! From tokens to an expression.

use regex::{Regex, RegexBuilder};

use super::token::Token;
use super::{DEPTH_MAX, NODES_MAX, too_deep};

/// An expression.
#[derive(Debug)]
pub(super) enum Expr {
    Literal(Literal),
    List(Vec<Self>),
    Name(Variable),
    Field(Box<Self>, Box<str>),
    /// Whether a field is there and not null.
    Has(Box<Self>, Box<str>),
    Index(Box<[Self; 2]>),
    Not(Box<Self>),
    Negate(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Binary(Operator, Box<[Self; 2]>),
    If(Box<[Self; 3]>),
    Call(Function, Vec<Self>),
    Matches(Box<Self>, Regex),
    Loop(Loop, Box<[Self; 2]>),
}

#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Key,
    Value,
    KeySchema,
    ValueSchema,
    Topic,
    Headers,
    /// An element of a list that is walked: how many others were bound before it.
    Bound(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    Double,
    Text,
}

/// What is asked of the elements of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    All,
    Exists,
    ExistsOne,
}

const VARIABLES: [(&str, Variable); 7] = [
    ("key", Variable::Key),
    ("value", Variable::Value),
    ("keySchema", Variable::KeySchema),
    ("valueSchema", Variable::ValueSchema),
    ("topic", Variable::Topic),
    ("header", Variable::Headers),
    ("headers", Variable::Headers),
];

/// By their names and how many values they take, the one before the point included.
const FUNCTIONS: [(&str, usize, Function); 7] = [
    ("size", 1, Function::Size),
    ("contains", 2, Function::Contains),
    ("startsWith", 2, Function::StartsWith),
    ("endsWith", 2, Function::EndsWith),
    ("int", 1, Function::Int),
    ("double", 1, Function::Double),
    ("string", 1, Function::Text),
];

/// What scripts call, and what CEL has for it.
const FOREIGN: [(&str, &str); 8] = [
    ("get", "write `a.b` for `a.get('b')`"),
    ("getString", "write `a.b` for `a.getString('b')`"),
    ("getInt64", "write `a.b` for `a.getInt64('b')`"),
    ("equals", "write `a == b` for `a.equals(b)`"),
    ("toString", "write `string(a)` for `a.toString()`"),
    ("isEmpty", "write `size(a) == 0` for `a.isEmpty()`"),
    ("length", "write `size(a)` for `a.length()`"),
    ("name", "write `valueSchema.name` without parentheses"),
];

pub(super) fn parse(tokens: &[Token]) -> Result<Expr, String> {
    let mut parser = Parser { rest: tokens, bound: Vec::new(), depth: 0, nodes: 0 };
    let expr = parser.expr()?;
    match parser.rest.first() {
        None => Ok(expr),
        Some(token) => Err(format!("{} is not expected there", shown(token))),
    }
}

struct Parser<'a> {
    rest: &'a [Token],
    /// The names of elements, outermost first.
    bound: Vec<String>,
    depth: usize,
    nodes: usize,
}

type Parsed = Result<Expr, String>;

impl Parser<'_> {
    fn expr(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let condition = self.or()?;
        let expr = if self.takes("?") {
            let then = self.or()?;
            self.expect(":")?;
            let otherwise = self.expr()?;
            Expr::If(Box::new([condition, then, otherwise]))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn or(&mut self) -> Parsed {
        let first = self.and()?;
        let mut all = vec![first];
        while self.takes("||") {
            all.push(self.and()?);
        }
        Ok(single(all, Expr::Or))
    }

    fn and(&mut self) -> Parsed {
        let first = self.binary(0)?;
        let mut all = vec![first];
        while self.takes("&&") {
            all.push(self.binary(0)?);
        }
        Ok(single(all, Expr::And))
    }

    /// Comparisons (level 0), sums and products.
    fn binary(&mut self, level: usize) -> Parsed {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.takes(sign)) {
            self.count()?;
            left = Expr::Binary(*operator, Box::new([left, self.binary(level + 1)?]));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        if self.takes("!") {
            return Ok(Expr::Not(Box::new(self.deeper(Self::unary)?)));
        }
        if self.takes("-") {
            if let Some(Token::Number(text)) = self.rest.first() {
                self.rest = self.rest.get(1..).unwrap_or_default();
                return Ok(Expr::Literal(number(&format!("-{text}"))?));
            }
            return Ok(Expr::Negate(Box::new(self.deeper(Self::unary)?)));
        }
        self.member()
    }

    fn deeper(&mut self, parse: fn(&mut Self) -> Parsed) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    fn member(&mut self) -> Parsed {
        let mut expr = self.primary()?;
        loop {
            if self.takes("[") {
                self.count()?;
                let index = self.expr()?;
                self.expect("]")?;
                expr = Expr::Index(Box::new([expr, index]));
            } else if self.takes(".") {
                self.count()?;
                let Some(Token::Name(name) | Token::Quoted(name)) = self.next() else {
                    return Err("a name is expected behind a point".to_owned());
                };
                expr = match self.takes("(") {
                    true => self.call(&name, Some(expr))?,
                    false => Expr::Field(Box::new(expr), name.into()),
                };
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        self.count()?;
        match self.next() {
            Some(Token::Text(text)) => Ok(Expr::Literal(Literal::Text(text.into()))),
            Some(Token::Number(text)) => Ok(Expr::Literal(number(&text)?)),
            Some(Token::Name(name)) => self.named(&name),
            Some(Token::Quoted(name)) => self.variable(&name),
            Some(Token::Sign("(")) => {
                let expr = self.expr()?;
                self.expect(")")?;
                Ok(expr)
            }
            Some(Token::Sign("[")) => Ok(Expr::List(self.list("]")?)),
            Some(Token::Sign("{")) => Err("maps are not supported: write a list".to_owned()),
            Some(token @ Token::Sign(_)) => Err(format!("{} is not expected there", shown(&token))),
            None => Err("the expression ends too early".to_owned()),
        }
    }

    fn named(&mut self, name: &str) -> Parsed {
        let literal = match name {
            "null" => Some(Literal::Null),
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            _ => None,
        };
        match literal {
            Some(literal) => Ok(Expr::Literal(literal)),
            None if self.takes("(") => self.call(name, None),
            None => self.variable(name),
        }
    }

    fn variable(&self, name: &str) -> Parsed {
        if let Some(place) = self.bound.iter().rposition(|bound| bound == name) {
            return Ok(Expr::Name(Variable::Bound(place)));
        }
        let known = VARIABLES.iter().find(|(known, _)| *known == name);
        known.map(|(_, variable)| Expr::Name(*variable)).ok_or_else(|| {
            let known: Vec<_> = VARIABLES.iter().map(|(name, _)| *name).collect();
            format!("there is no `{name}`, expected one of {}", known.join(", "))
        })
    }

    /// A function or a macro behind its opening parenthesis.
    fn call(&mut self, name: &str, receiver: Option<Expr>) -> Parsed {
        let walk = match name {
            "all" => Some(Loop::All),
            "exists" => Some(Loop::Exists),
            "exists_one" => Some(Loop::ExistsOne),
            _ => None,
        };
        if let (Some(walk), true) = (walk, receiver.is_some()) {
            let list = receiver.into_iter().collect();
            return self.walk(walk, list);
        }
        let mut values: Vec<_> = receiver.into_iter().collect();
        let is_method = !values.is_empty();
        values.extend(self.list(")")?);
        match (name, is_method) {
            ("has", false) => has(values),
            ("matches", true) => matches(values),
            _ => function(name, values, is_method),
        }
    }

    /// `list.all(name, condition)` behind its opening parenthesis.
    fn walk(&mut self, walk: Loop, mut list: Vec<Expr>) -> Parsed {
        let Some(Token::Name(name)) = self.next() else {
            return Err(
                "a name for the elements is expected, as in `list.all(x, x > 0)`".to_owned()
            );
        };
        self.expect(",")?;
        self.bound.push(name);
        let condition = self.expr()?;
        self.bound.pop();
        self.expect(")")?;
        list.push(condition);
        let both = <[Expr; 2]>::try_from(list).map_err(|_| "a list is expected".to_owned())?;
        Ok(Expr::Loop(walk, Box::new(both)))
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Expr>, String> {
        let mut all = Vec::new();
        if self.takes(end) {
            return Ok(all);
        }
        loop {
            all.push(self.expr()?);
            if self.takes(end) {
                return Ok(all);
            }
            self.expect(",")?;
        }
    }

    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        match self.nodes > NODES_MAX {
            true => Err(format!("an expression has at most {NODES_MAX} parts")),
            false => Ok(()),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first.clone())
    }

    /// Takes a sign, or the word `in`, if it comes next.
    fn takes(&mut self, sign: &'static str) -> bool {
        let is_next = match self.rest.first() {
            Some(Token::Sign(next)) => *next == sign,
            Some(Token::Name(word)) => sign == "in" && word == "in",
            Some(_) | None => false,
        };
        if is_next {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        is_next
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.takes(sign) {
            return Ok(());
        }
        let found = self.rest.first().map_or("its end".to_owned(), shown);
        Err(format!("`{sign}` is expected where the expression has {found}"))
    }
}

/// By level; within one from left to right.
const OPERATORS: [&[(&str, Operator)]; 3] = [
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("in", Operator::In),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

fn single(mut all: Vec<Expr>, more: fn(Vec<Expr>) -> Expr) -> Expr {
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            all.extend(last);
            more(all)
        }
    }
}

fn has(mut values: Vec<Expr>) -> Parsed {
    match (values.pop(), values.is_empty()) {
        (Some(Expr::Field(of, name)), true) => Ok(Expr::Has(of, name)),
        _ => Err("`has` takes one field, as `has(value.after)`".to_owned()),
    }
}

fn matches(mut values: Vec<Expr>) -> Parsed {
    let (pattern, text) = (values.pop(), values.pop());
    let (Some(Expr::Literal(Literal::Text(pattern))), Some(text), true) =
        (pattern, text, values.is_empty())
    else {
        return Err("`matches` takes a text in quotes, as `a.matches('^x')`".to_owned());
    };
    let regex = RegexBuilder::new(&pattern).build();
    let regex = regex.map_err(|_| format!("`{pattern}` is no pattern of the syntax RE2"))?;
    Ok(Expr::Matches(Box::new(text), regex))
}

fn function(name: &str, values: Vec<Expr>, is_method: bool) -> Parsed {
    let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    if let Some((_, count, function)) = known
        // `size` goes both ways; of the others those with two values are methods.
        && (*count == values.len())
        && (*function == Function::Size || is_method == (*count == 2))
    {
        return Ok(Expr::Call(*function, values));
    }
    if let Some((_, remedy)) = FOREIGN.iter().find(|(foreign, _)| *foreign == name) {
        return Err(format!("there is no function `{name}`: {remedy}"));
    }
    match known {
        Some(_) => Err(format!("`{name}` does not take these values")),
        None => {
            let known: Vec<_> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
            let known = known.join(", ");
            let more = "has, matches, all, exists, exists_one";
            Err(format!("there is no function `{name}`, expected one of {known}, {more}"))
        }
    }
}

fn number(text: &str) -> Result<Literal, String> {
    let wrong = || format!("`{text}` is no number, or one that is too large");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    if let Some(hex) = hex {
        let int = i64::from_str_radix(&format!("{sign}{hex}"), 16);
        return int.map(Literal::Int).map_err(|_| wrong());
    }
    if let Some(digits) = digits.strip_suffix(['u', 'U']) {
        return format!("{sign}{digits}").parse().map(Literal::Uint).map_err(|_| wrong());
    }
    if digits.contains(['.', 'e', 'E']) {
        let double = text.parse().ok().filter(|double: &f64| double.is_finite());
        return double.map(Literal::Double).ok_or_else(wrong);
    }
    text.parse().map(Literal::Int).map_err(|_| wrong())
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(text) | Token::Quoted(text) | Token::Number(text) => format!("`{text}`"),
        Token::Text(_) => "a text".to_owned(),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}

impl Expr {
    /// How deep it nests.
    pub(super) fn depth(&self) -> usize {
        let deepest = |all: &[Self]| all.iter().map(Self::depth).max().unwrap_or_default();
        1 + match self {
            Self::Literal(_) | Self::Name(_) => 0,
            Self::List(all) | Self::And(all) | Self::Or(all) | Self::Call(_, all) => deepest(all),
            Self::Field(of, _)
            | Self::Has(of, _)
            | Self::Not(of)
            | Self::Negate(of)
            | Self::Matches(of, _) => of.depth(),
            Self::Index(both) | Self::Binary(_, both) | Self::Loop(_, both) => deepest(&**both),
            Self::If(all) => deepest(&**all),
        }
    }
}
