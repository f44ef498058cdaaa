//! Tokens, read from the front.

use schema::table::TableId;

use super::Effect;
use super::tokens::Token;

/// Reads tokens from the front.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) tokens: &'a [Token],
    /// The database of names without one.
    pub(super) database: &'a str,
}

impl Cursor<'_> {
    /// `table` or `database.table`; the name may begin with the dot alone, as ODBC has it.
    pub(super) fn table(&mut self) -> Option<TableId> {
        let has_no_database = self.skip_symbol('.');
        let first = self.name()?;
        if !has_no_database && self.skip_symbol('.') {
            return Some(TableId::new(first, self.name()?));
        }
        Some(TableId::new(self.database, first))
    }

    pub(super) fn name(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let name = first.name()?.to_owned();
        self.tokens = rest;
        Some(name)
    }

    /// The next word in upper case, unless it is quoted.
    pub(super) fn word(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let word = first.keyword()?;
        self.tokens = rest;
        Some(word)
    }

    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let is_there = self.tokens.first().is_some_and(|token| token.is_word(word));
        if is_there {
            self.advance();
        }
        is_there
    }

    pub(super) fn skip_symbol(&mut self, symbol: char) -> bool {
        let is_there = self.tokens.first() == Some(&Token::Symbol(symbol));
        if is_there {
            self.advance();
        }
        is_there
    }

    /// Whether anything of `IF NOT EXISTS` was there.
    pub(super) fn skip_if_exists(&mut self) -> bool {
        let mut any = false;
        while self.skip_word("IF") || self.skip_word("NOT") || self.skip_word("EXISTS") {
            any = true;
        }
        any
    }

    pub(super) fn advance(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    pub(super) fn contains_word(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is_word(word))
    }

    /// Whether the two words follow each other somewhere.
    pub(super) fn contains_pair(&self, first: &str, second: &str) -> bool {
        self.find_pair(first, second).is_some()
    }

    /// Where two words follow each other.
    pub(super) fn find_pair(&self, first: &str, second: &str) -> Option<usize> {
        let is_it =
            |pair: &[Token]| matches!(pair, [a, b] if a.is_word(first) && b.is_word(second));
        self.tokens.windows(2).position(is_it)
    }

    /// What it does that the index is dropped that is named next.
    pub(super) fn index_dropped(&mut self) -> Effect {
        let is_primary = self.name().is_some_and(|name| name.eq_ignore_ascii_case("PRIMARY"));
        if is_primary { Effect::RowsChange } else { Effect::KeyMayChange }
    }

    /// Every word that could name a table.
    pub(super) fn names(&self) -> Vec<String> {
        self.tokens.iter().filter_map(Token::name).map(str::to_owned).collect()
    }
}
