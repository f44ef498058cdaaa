//! Paths to one value of a document, as the binary log writes them: `$.a."b c"[3][last-1]`.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leg {
    Member(String),
    Cell(Cell),
}

/// A place in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) index: usize,
    /// Counted from the last one, which is 0.
    pub(super) is_from_end: bool,
}

impl Cell {
    /// The place in an array of this length, if the array has it.
    pub(super) fn within(self, length: usize) -> Option<usize> {
        let index = if self.is_from_end {
            length.checked_sub(self.index)?.checked_sub(1)?
        } else {
            self.index
        };
        (index < length).then_some(index)
    }

    /// Where a new value goes: one beyond an end goes to that end.
    pub(super) fn insertion(self, length: usize) -> usize {
        if self.is_from_end {
            length.saturating_sub(self.index).saturating_sub(1)
        } else {
            self.index.min(length)
        }
    }
}

/// The steps of a path; `None` if it is none, or if it could mean several values.
pub(super) fn parse(path: &str) -> Option<Vec<Leg>> {
    let mut rest = path.strip_prefix('$')?;
    let mut legs = Vec::new();
    while !rest.is_empty() {
        let leg;
        (leg, rest) = match rest.strip_prefix('[') {
            Some(cell) => cell_leg(cell)?,
            None => member_leg(rest.strip_prefix('.')?)?,
        };
        legs.push(leg);
    }
    Some(legs)
}

fn cell_leg(text: &str) -> Option<(Leg, &str)> {
    let (index, rest) = text.split_once(']')?;
    let cell = match index.strip_prefix("last") {
        Some("") => Cell { index: 0, is_from_end: true },
        Some(back) => Cell { index: back.strip_prefix('-')?.parse().ok()?, is_from_end: true },
        None => Cell { index: index.parse().ok()?, is_from_end: false },
    };
    Some((Leg::Cell(cell), rest))
}

/// A name that is no identifier stands in quotes, as a string of JSON.
fn member_leg(text: &str) -> Option<(Leg, &str)> {
    if text.starts_with('"') {
        let (quoted, rest) = text.split_at_checked(quoted_length(text)?)?;
        return Some((Leg::Member(serde_json::from_str(quoted).ok()?), rest));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let is_plain = !name.is_empty() && !name.contains(['*', '"', ' ']);
    is_plain.then(|| (Leg::Member(name.to_owned()), rest))
}

/// Bytes of the string that the text begins with, its quotes included.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(name: &str) -> Leg {
        Leg::Member(name.to_owned())
    }

    fn cell(index: usize, is_from_end: bool) -> Leg {
        Leg::Cell(Cell { index, is_from_end })
    }

    #[test]
    fn paths_as_the_log_writes_them() {
        let path = r#"$.a."b \"c\\."[3][last][last-2].größe$_"#;

        let legs = [
            member("a"),
            member(r#"b "c\."#),
            cell(3, false),
            cell(0, true),
            cell(2, true),
            member("größe$_"),
        ];
        assert_eq!(parse(path).unwrap(), legs);
        assert_eq!(parse("$").unwrap(), []);
        assert_eq!(parse(r#"$."""#).unwrap(), [member("")]);
    }

    #[test]
    fn what_is_no_path_or_one_of_many_values_is_refused() {
        for path in [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$.*",
            "$**.a",
            "$[*]",
            "$[1 to 2]",
            "$[",
            "$[-1]",
            "$[]",
            "$[last-]",
            "$[lastly]",
            r#"$."a"#,
            r#"$."a\"#,
            "$[99999999999999999999]",
            "$.a b",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn places_beyond_an_end_are_not_within_and_insert_at_that_end() {
        let place = |index, is_from_end| Cell { index, is_from_end };

        assert_eq!((place(3, false).within(3), place(3, false).insertion(3)), (None, 3));
        assert_eq!((place(9, false).within(3), place(9, false).insertion(3)), (None, 3));
        assert_eq!((place(0, true).within(3), place(0, true).insertion(3)), (Some(2), 2));
        assert_eq!((place(3, true).within(3), place(3, true).insertion(3)), (None, 0));
        assert_eq!((place(0, true).within(0), place(0, true).insertion(0)), (None, 0));
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_none(path in "[$.\\[\\]\"\\\\a-c0-9*ä-]{0,24}") {
            let _legs = parse(&path);
        }
    }
}
