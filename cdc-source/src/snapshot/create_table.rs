//! What only `SHOW CREATE TABLE` says: `information_schema` cuts a default with a zero byte in it
//! short, and has a question mark for each character of four bytes.

use std::collections::HashMap;

use schema::types::ColumnType;

use super::structure::hex;

/// The literal defaults of a table's columns, by name, as the statement has them.
pub(crate) fn defaults(statement: &str) -> HashMap<String, &str> {
    let column = |line| {
        let (name, rest) = name(str::strip_prefix(line, "  ")?)?;
        Some((name, cut(literal_at(rest)?)))
    };
    statement.lines().filter_map(column).collect()
}

/// A name in backticks, and what is behind it.
pub(crate) fn name(line: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = line.strip_prefix('`')?;
    loop {
        let (part, behind) = rest.split_once('`')?;
        name.push_str(part);
        let Some(next) = behind.strip_prefix('`') else { return Some((name, behind)) };
        name.push('`');
        rest = next;
    }
}

/// What begins with the literal behind the word DEFAULT; quoted text is passed over.
fn literal_at(definition: &str) -> Option<&str> {
    let mut rest = definition;
    loop {
        if let Some(literal) = rest.strip_prefix(" DEFAULT ") {
            return (literal.starts_with('\'') || literal.starts_with("0x")).then_some(literal);
        }
        let skipped = if rest.starts_with('\'') { quoted(rest)?.len() } else { 1 };
        let mut from = skipped;
        while !rest.is_char_boundary(from) {
            from += 1;
        }
        rest = rest.get(from..).filter(|rest| !rest.is_empty())?;
    }
}

/// The literal that a text begins with.
fn cut(text: &str) -> &str {
    let end = text.find([' ', ',']).unwrap_or(text.len());
    quoted(text).or_else(|| text.get(..end)).unwrap_or_default()
}

/// The quoted text that a text begins with, with its quotes.
fn quoted(text: &str) -> Option<&str> {
    let mut characters = text.char_indices().skip(1).peekable();
    if !text.starts_with('\'') {
        return None;
    }
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '\'' if characters.next_if(|(_, next)| *next == '\'').is_some() => {}
            '\'' => return text.get(..=at),
            _ => {}
        }
    }
    None
}

/// The default of a column in the words of `information_schema`, but whole. `None` where that has
/// it right itself.
pub(super) fn whole(column_type: &ColumnType, literal: &str) -> Option<String> {
    let bytes = || match literal.strip_prefix("0x") {
        Some(digits) => unhex(digits),
        None => {
            let text = literal.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
            Some(unescaped(&text).into_bytes())
        }
    };
    if column_type.is_binary() {
        return Some(format!("0x{}", hex(&bytes()?)));
    }
    let is_text = matches!(column_type, ColumnType::Text { .. });
    if is_text { String::from_utf8(bytes()?).ok() } else { None }
}

/// What the server has printed, without its backslashes.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        plain.extend(characters.next().map(|escaped| match escaped {
            '0' => '\0',
            'n' => '\n',
            'r' => '\r',
            other => other,
        }));
    }
    plain
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::types::charset::Charset;

    const STATEMENT: &str = "CREATE TABLE `t` (
  `i``d` int NOT NULL DEFAULT '7' COMMENT 'it''s DEFAULT ''1''',
  `e` enum('a, DEFAULT ''x','b') DEFAULT 'b',
  `b` binary(3) DEFAULT 0x00FF00,
  `z` varbinary(9) DEFAULT 'ab\\0\\\\ü',
  `n` varchar(9) DEFAULT NULL,
  `x` text DEFAULT (_utf8mb4'é'),
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

    #[test]
    fn literals_are_found_behind_their_word() {
        let found = defaults(STATEMENT);

        assert_eq!(found["i`d"], "'7'");
        assert_eq!(found["e"], "'b'");
        assert_eq!(found["b"], "0x00FF00");
        assert_eq!(found["z"], "'ab\\0\\\\ü'");
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn defaults_are_whole() {
        let text = ColumnType::Text { charset: Charset::of_collation(45).unwrap() };

        assert_eq!(whole(&ColumnType::Blob, "0x00FF").unwrap(), "0x00ff");
        assert_eq!(whole(&ColumnType::Blob, "'a\\0''\\\\'").unwrap(), "0x6100275c");
        assert_eq!(whole(&text, "0xF09F9880").unwrap(), "😀");
        assert_eq!(whole(&ColumnType::Year, "'2024'"), None);
    }
}
