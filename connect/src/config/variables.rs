//! `${env:NAME}` and `${file:PATH}` in configuration values.

use std::path::Path;

/// Replaces each variable in a text by its value.
///
/// `${env:NAME}` is an environment variable, `${env:NAME:-default}` one with a default, and
/// `${file:PATH}` the content of a file without its last line break, as container secrets are
/// mounted. `${file:PATH:KEY}` is one key of a properties file, as Kafka Connect's
/// `FileConfigProvider` has it.
///
/// # Errors
///
/// Returns [`VariableError`] naming the variable, never its value.
pub(super) fn resolve(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, VariableError> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        resolved.push_str(before);
        let Some((variable, tail)) = after.split_once('}') else {
            return Err(VariableError::Unclosed);
        };
        resolved.push_str(&value_of(variable, environment)?);
        rest = tail;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn value_of(
    variable: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, VariableError> {
    match variable.split_once(':') {
        Some(("env", name)) => {
            let (name, default) = match name.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (name, None),
            };
            environment(name)
                .or_else(|| default.map(str::to_owned))
                .ok_or_else(|| VariableError::Unset { name: name.to_owned() })
        }
        Some(("file", reference)) => file_value(reference),
        // What it says is not shown: it may be a part of a password.
        Some(_) | None => Err(VariableError::Unknown),
    }
}

fn file_value(reference: &str) -> Result<String, VariableError> {
    let (path, key) = match reference.rsplit_once(':') {
        Some((path, key)) => (path, Some(key)),
        None => (reference, None),
    };
    let content = std::fs::read_to_string(Path::new(path))
        .map_err(|source| VariableError::File { path: path.to_owned(), source })?;
    let Some(key) = key else { return Ok(content.trim_end_matches(['\r', '\n']).to_owned()) };
    content
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
        .ok_or_else(|| VariableError::Key { path: path.to_owned(), key: key.to_owned() })
}

/// A variable has no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum VariableError {
    #[error("has a `${{` without its `}}`")]
    Unclosed,
    #[error("refers to environment variable {name}, which is not set")]
    Unset { name: String },
    #[error("refers to file {path}, which cannot be read: {source}")]
    File { path: String, source: std::io::Error },
    #[error("refers to key {key}, which file {path} does not have")]
    Key { path: String, key: String },
    #[error("has a variable of an unknown kind, expected ${{env:NAME}} or ${{file:PATH}}")]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_with(text: &str) -> Result<String, String> {
        let environment = |name: &str| (name == "HOST").then(|| "db".to_owned());
        resolve(text, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        assert_eq!(resolve_with("a ${env:HOST}:${env:PORT:-3306} b").unwrap(), "a db:3306 b");
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert_eq!(
            resolve_with("${env:USER_X}").unwrap_err(),
            "refers to environment variable USER_X, which is not set"
        );
    }

    #[test]
    fn what_is_no_variable_is_not_shown() {
        for text in ["a${geheim}c", "a${vault:geheim}c", "a${geheim"] {
            let error = resolve_with(text).unwrap_err();

            assert!(!error.contains("geheim") && error.contains("${"), "{error}");
        }
    }

    #[test]
    fn a_file_gives_its_content_or_one_of_its_keys() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "user = app\npassword=s=cret\n").unwrap();
        let path = file.path().display();

        assert_eq!(resolve_with(&format!("${{file:{path}:password}}")).unwrap(), "s=cret");
        assert!(resolve_with(&format!("${{file:{path}}}")).unwrap().ends_with("s=cret"));
        assert!(resolve_with(&format!("${{file:{path}:nokey}}")).unwrap_err().contains("nokey"));
    }
}
