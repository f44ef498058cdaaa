//! From text to tokens.

use std::iter::Peekable;
use std::str::CharIndices;

/// The smallest part of an expression that means something.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name, or one of the words `true`, `false`, `null` and `in`.
    Name(String),
    /// A name between backticks, which is never a word.
    Quoted(String),
    /// A number as it is written.
    Number(String),
    /// A text without its quotes and escapes.
    Text(String),
    /// Anything else: `&&`, `(`.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", "+", "-", "*", "/", "%", "(", ")",
    "[", "]", ".", ",", "{", "}",
];

/// What other languages write, and what CEL has for it.
const FOREIGN: [(&str, &str); 6] = [
    ("===", "write `==`"),
    ("!==", "write `!=`"),
    ("==~", "write `text.matches('pattern')`"),
    ("=~", "write `text.matches('pattern')`"),
    ("?.", "write `has(a.b) && a.b...` for `a?.b...`"),
    ("?:", "write `has(a.b) ? a.b : c` for `a?.b ?: c`"),
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(at, c)) = chars.peek() {
        let rest = text.get(at..).unwrap_or_default();
        if c.is_whitespace() {
            chars.next();
        } else if rest.starts_with("//") {
            while chars.next_if(|(_, c)| *c != '\n').is_some() {}
        } else if let Some(quote) = raw_quote(rest) {
            chars.next();
            chars.next();
            tokens.push(Token::Text(until_quote(&mut chars, quote, true)?));
        } else if c == '\'' || c == '"' {
            chars.next();
            tokens.push(Token::Text(until_quote(&mut chars, c, false)?));
        } else if c == '`' {
            chars.next();
            tokens.push(Token::Quoted(until_quote(&mut chars, c, true)?));
        } else if c.is_ascii_digit() {
            tokens.push(Token::Number(number(rest, &mut chars)));
        } else if c == '_' || c.is_ascii_alphabetic() {
            let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
            let mut name = String::new();
            while let Some((_, c)) = chars.next_if(|(_, c)| is_name(*c)) {
                name.push(c);
            }
            tokens.push(Token::Name(name));
        } else {
            let sign = sign(rest)?;
            for _ in sign.chars() {
                chars.next();
            }
            tokens.push(Token::Sign(sign));
        }
    }
    Ok(tokens)
}

fn sign(rest: &str) -> Result<&'static str, String> {
    if let Some((foreign, remedy)) = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign)) {
        return Err(format!("`{foreign}` is not CEL: {remedy}"));
    }
    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    let first = rest.chars().next().unwrap_or_default();
    sign.copied().ok_or_else(|| format!("`{first}` is not CEL"))
}

/// The quote of `r'...'`, in which a backslash is one.
fn raw_quote(rest: &str) -> Option<char> {
    let quote = rest.strip_prefix(['r', 'R'])?.chars().next()?;
    ['\'', '"'].contains(&quote).then_some(quote)
}

fn until_quote(
    chars: &mut Peekable<CharIndices<'_>>,
    quote: char,
    is_raw: bool,
) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next() {
            None => return Err(format!("a text has no {quote} at its end")),
            Some((_, c)) if c == quote => return Ok(text),
            Some((_, '\\')) if !is_raw => text.push(escaped(chars)?),
            Some((_, c)) => text.push(c),
        }
    }
}

fn escaped(chars: &mut Peekable<CharIndices<'_>>) -> Result<char, String> {
    let (_, c) = chars.next().ok_or("a text ends behind a backslash")?;
    let digits = match c {
        'x' | 'X' => 2,
        'u' => 4,
        'U' => 8,
        'n' => return Ok('\n'),
        't' => return Ok('\t'),
        'r' => return Ok('\r'),
        '\\' | '\'' | '"' | '`' | '?' => return Ok(c),
        _ => return Err(format!("`\\{c}` is no escape of CEL")),
    };
    let code: String = chars.take(digits).map(|(_, c)| c).collect();
    let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
    code.ok_or_else(|| {
        format!("`\\{c}` has no {digits} hexadecimal digits of a character behind it")
    })
}

fn number(rest: &str, chars: &mut Peekable<CharIndices<'_>>) -> String {
    let mut text = String::new();
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    while let Some(&(_, c)) = chars.peek() {
        let signs_exponent = !is_hex && text.ends_with(['e', 'E']) && ['+', '-'].contains(&c);
        if !(c.is_ascii_alphanumeric() || c == '.' || signs_exponent) {
            break;
        }
        text.push(c);
        chars.next();
    }
    text
}
