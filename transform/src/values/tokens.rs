//! A text in pieces: brackets, braces, commas, colons and quotes divide it, unless a backslash stands
//! before them.

/// The pieces that are left.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// One that was looked at.
    peeked: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text, peeked: None }
    }

    pub(super) fn has_next(&self) -> bool {
        self.peeked.is_some() || !self.rest.is_empty()
    }

    /// Takes the next piece if it is this one, whatever blanks are around it.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        let is_next = self.is_next(expected);
        if is_next {
            self.peeked = None;
        }
        is_next
    }

    /// Whether the next piece is this one, whatever blanks are around it.
    pub(super) fn is_next(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let mut token = trimmed(self.next_token());
        while token.is_empty() && !self.rest.is_empty() {
            token = trimmed(self.cut());
        }
        self.peeked = Some(token);
        token == expected
    }

    /// Takes the next piece if it is this one, without blanks.
    pub(super) fn take_exactly(&mut self, expected: &str) -> bool {
        let token = self.next_token();
        let is_next = token == expected;
        self.peeked = Some(token).filter(|_| !is_next);
        is_next
    }

    /// The next piece; empty at the end.
    pub(super) fn next_token(&mut self) -> &'a str {
        match self.peeked.take() {
            Some(token) => token,
            None => self.cut(),
        }
    }

    /// So many pieces together, if there are as many.
    pub(super) fn next_tokens(&mut self, count: usize) -> Option<&'a str> {
        let text = self.rest;
        for _ in 0..count {
            if self.rest.is_empty() {
                return None;
            }
            self.cut();
        }
        text.get(..text.len() - self.rest.len())
    }

    fn cut(&mut self) -> &'a str {
        let mut escaped = false;
        let end = self.rest.char_indices().find_map(|(index, c)| {
            let is_end = !escaped && matches!(c, ':' | ',' | '{' | '}' | '[' | ']' | '"');
            escaped = c == '\\' && !escaped;
            // What divides is a piece by itself.
            is_end.then_some(index.max(1))
        });
        let (token, rest) =
            self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or_default();
        self.rest = rest;
        token
    }
}

/// As Java's `trim`.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}
