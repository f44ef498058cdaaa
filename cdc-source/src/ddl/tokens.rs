//! SQL text as tokens: enough to tell names, words, literals and punctuation apart.

/// What quotes and backslashes mean, which is up to the session's `sql_mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// `ANSI_QUOTES`: a name stands in double quotes; else a text does.
    pub(crate) ansi_quotes: bool,
    /// `NO_BACKSLASH_ESCAPES`.
    pub(crate) plain_backslashes: bool,
}

impl Dialect {
    /// Of the bits of a session's `sql_mode`
    /// (<https://dev.mysql.com/doc/dev/mysql-server/latest/query__options_8h.html>).
    pub(crate) fn of_sql_mode(sql_mode: u64) -> Self {
        const ANSI_QUOTES: u64 = 1 << 2;
        const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
        Self {
            ansi_quotes: sql_mode & ANSI_QUOTES != 0,
            plain_backslashes: sql_mode & NO_BACKSLASH_ESCAPES != 0,
        }
    }

    /// Whether a backslash hides what follows it within these quotes.
    fn escapes(self, quote: char) -> bool {
        !self.plain_backslashes && (quote == '\'' || (quote == '"' && !self.ansi_quotes))
    }
}

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

    /// Whether it is this keyword, which is written in upper case.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
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
pub(super) fn tokenize(statement: &str, dialect: Dialect) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = statement;
    while let Some((token, tail)) = step(rest, dialect) {
        tokens.extend(token);
        rest = tail;
    }
    tokens
}

/// The text behind so many tokens.
pub(super) fn behind(statement: &str, mut tokens: usize, dialect: Dialect) -> &str {
    let mut rest = statement;
    while tokens > 0
        && let Some((token, tail)) = step(rest, dialect)
    {
        tokens -= usize::from(token.is_some());
        rest = tail;
    }
    rest.trim()
}

/// The next token, or none for what stands between tokens, and what follows it.
fn step(rest: &str, dialect: Dialect) -> Option<(Option<Token>, &str)> {
    let first = rest.chars().next()?;
    Some(match first {
        _ if rest.starts_with("/*!") => {
            let tail = rest.trim_start_matches("/*!");
            (None, tail.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ if rest.starts_with("*/") => (None, after(rest, 2)),
        _ if rest.starts_with("/*") => (None, rest.split_once("*/").map_or("", |(_, tail)| tail)),
        _ if first == '#' || is_dash_comment(rest) => {
            (None, rest.split_once('\n').map_or("", |(_, tail)| tail))
        }
        '`' | '"' if first == '`' || dialect.ansi_quotes => {
            let (name, tail) = quoted(rest, first, dialect);
            (Some(Token::Quoted(name)), tail)
        }
        '\'' | '"' => (Some(Token::Literal), quoted(rest, first, dialect).1),
        _ if is_word(first) => {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (Some(Token::Word(word.to_owned())), tail)
        }
        _ if first.is_whitespace() => (None, rest.trim_start()),
        _ => (Some(Token::Symbol(first)), after(rest, first.len_utf8())),
    })
}

/// Two dashes begin a comment if a blank or the end follows.
fn is_dash_comment(rest: &str) -> bool {
    let behind = rest.strip_prefix("--");
    behind.is_some_and(|behind| behind.chars().next().is_none_or(char::is_whitespace))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// The content of quotes, a doubled quote standing for one, and what follows them.
fn quoted(text: &str, quote: char, dialect: Dialect) -> (String, &str) {
    let mut content = String::new();
    let has_escapes = dialect.escapes(quote);
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && has_escapes {
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
