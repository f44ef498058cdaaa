//! SQL text as tokens: enough to tell names, words, literals and punctuation apart.

/// One token of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word without quotes: a keyword or a name.
    Word(String),
    /// A name in backticks or, in ANSI mode, double quotes.
    Quoted(String),
    /// A text or number literal; its content does not matter.
    Literal,
    /// Any other character.
    Symbol(char),
}

impl Token {
    /// The word in upper case, if it is not quoted.
    pub(super) fn keyword(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_ascii_uppercase()),
            Self::Quoted(_) | Self::Literal | Self::Symbol(_) => None,
        }
    }

    /// The text, if it can be a name.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
            Self::Literal | Self::Symbol(_) => None,
        }
    }
}

/// Cuts a statement into tokens. Comments vanish, but for the content of `/*! … */`, which MySQL
/// executes.
pub(super) fn tokenize(statement: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = statement;
    while let Some((token, tail)) = step(rest) {
        tokens.extend(token);
        rest = tail;
    }
    tokens
}

/// The text behind so many tokens.
pub(super) fn behind(statement: &str, mut tokens: usize) -> &str {
    let mut rest = statement;
    while tokens > 0
        && let Some((token, tail)) = step(rest)
    {
        tokens -= usize::from(token.is_some());
        rest = tail;
    }
    rest.trim()
}

/// The next token, or none for what stands between tokens, and what follows it.
fn step(rest: &str) -> Option<(Option<Token>, &str)> {
    let first = rest.chars().next()?;
    Some(match first {
        _ if rest.starts_with("/*!") => {
            let tail = rest.trim_start_matches("/*!");
            (None, tail.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ if rest.starts_with("*/") => (None, after(rest, 2)),
        _ if rest.starts_with("/*") => (None, rest.split_once("*/").map_or("", |(_, tail)| tail)),
        _ if rest.starts_with("-- ") || first == '#' => {
            (None, rest.split_once('\n').map_or("", |(_, tail)| tail))
        }
        '\'' => (Some(Token::Literal), quoted(rest, first).1),
        '`' | '"' => {
            let (name, tail) = quoted(rest, first);
            (Some(Token::Quoted(name)), tail)
        }
        _ if is_word(first) => {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (Some(Token::Word(word.to_owned())), tail)
        }
        _ if first.is_whitespace() => (None, rest.trim_start()),
        _ => (Some(Token::Symbol(first)), after(rest, first.len_utf8())),
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// The content of quotes, a doubled quote standing for one, and what follows them.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && quote == '\'' {
            characters.next();
        } else if c != quote {
            content.push(c);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return (content, after(text, at + quote.len_utf8()));
        }
    }
    (content, "")
}

fn after(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}
