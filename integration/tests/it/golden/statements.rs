//! Cuts SQL into statements and says which tables they are about.

/// The statements of a text, without the semicolons between them.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut quote: Option<char> = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('\'' | '"'), '\\') => {
                characters.next();
            }
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, ';') => {
                statements.push(text.get(start..at).unwrap());
                start = at + 1;
            }
            (Some(_) | None, _) => {}
        }
    }
    statements.push(text.get(start..).unwrap());
    statements.into_iter().map(str::trim).filter(|statement| !statement.is_empty()).collect()
}

/// What a statement does to a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touch<'a> {
    Rows(&'a str),
    Definition(&'a str),
    Nothing,
}

/// The one table that a statement changes, by its name alone.
pub(super) fn touch(statement: &str) -> Touch<'_> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let bare = |name: &'static str| move |word: &&str| word.eq_ignore_ascii_case(name);
    let after = |name: &'static str| {
        let place = words.iter().position(bare(name));
        place.and_then(|place| words.get(place + 1)).copied().unwrap_or_default()
    };
    let verb = words.first().copied().unwrap_or_default().to_ascii_lowercase();
    let table = match verb.as_str() {
        "insert" => return Touch::Rows(table_name(after("into"))),
        "delete" => return Touch::Rows(table_name(after("from"))),
        "update" => return Touch::Rows(table_name(after("update"))),
        "alter" | "rename" => after("table"),
        "create" | "drop" if words.get(1).is_some_and(bare("table")) => after("table"),
        "create" | "drop" if words.iter().any(bare("index")) => after("on"),
        _ => return Touch::Nothing,
    };
    Touch::Definition(table_name(table))
}

fn table_name(word: &str) -> &str {
    word.split('(').next().unwrap_or_default().trim_matches('`')
}

#[test]
fn statements_are_cut_outside_of_quotes_only() {
    let text = "a 'x;\\'y' \"p;\"; `b;`;\n;c";

    assert_eq!(statements(text), ["a 'x;\\'y' \"p;\"", "`b;`", "c"]);
}

#[test]
fn a_statement_names_its_table() {
    assert_eq!(touch("insert into t(id) values(1)"), Touch::Rows("t"));
    assert_eq!(touch("update `a` set b = 1"), Touch::Rows("a"));
    assert_eq!(touch("create unique index i on t(b)"), Touch::Definition("t"));
    assert_eq!(touch("ALTER TABLE t ADD b INT"), Touch::Definition("t"));
    assert_eq!(touch("create table t (id int)"), Touch::Definition("t"));
}
