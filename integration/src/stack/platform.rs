//! Says, before anything is downloaded, whether this machine can run the servers natively.
//!
//! MySQL has no package on the registries other than Debian's, for x86-64; the other servers
//! would run anywhere. The check itself is pure, so every answer has a test.

use std::path::Path;

/// The machine cannot run the servers natively.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the native stack needs Debian (or a system like it) on x86-64 with {TOOLS}, found {found}; \
     use `docker compose up` instead"
)]
pub struct Unsupported {
    /// What this machine is, or which tool it lacks.
    pub found: String,
}

const TOOLS: &str = "apt-get, dpkg-deb and setpriv";

/// Looks at this machine.
///
/// # Errors
///
/// [`Unsupported`] where MySQL's packages could not be unpacked or run.
pub(super) fn check_this_machine() -> Result<(), Unsupported> {
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    check(std::env::consts::ARCH, &os_release, is_on_path)
}

/// Decides from the processor, the text of `os-release` and the tools that are there.
fn check(
    architecture: &str,
    os_release: &str,
    has_tool: impl Fn(&str) -> bool,
) -> Result<(), Unsupported> {
    let field = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches(['"', '\'']))
    };
    let id = field("ID").unwrap_or("an unknown system");
    let like = field("ID_LIKE").unwrap_or_default();
    if architecture != "x86_64" || !like.split(' ').chain([id]).any(|word| word == "debian") {
        return Err(Unsupported { found: format!("{id} on {architecture}") });
    }
    match ["apt-get", "dpkg-deb", "setpriv"].into_iter().find(|tool| !has_tool(tool)) {
        Some(missing) => Err(Unsupported { found: format!("{id} without {missing}") }),
        None => Ok(()),
    }
}

/// Says whether a program of that name is on the path.
fn is_on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// Finds a program on the path.
pub(super) fn find_on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_file(file))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::check;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
    const MINT: &str = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
    const FEDORA: &str = "NAME=\"Fedora Linux\"\nID=fedora\n";

    #[test]
    fn debian_and_its_children_are_accepted() {
        assert_eq!(check("x86_64", DEBIAN, |_| true), Ok(()));
        assert_eq!(check("x86_64", MINT, |_| true), Ok(()));
    }

    #[test]
    fn another_system_is_told_to_use_docker_compose() {
        let message = check("x86_64", FEDORA, |_| true).unwrap_err().to_string();

        assert_eq!(
            message,
            "the native stack needs Debian (or a system like it) on x86-64 with apt-get, dpkg-deb \
             and setpriv, found fedora on x86_64; use `docker compose up` instead"
        );
        assert_eq!(message.lines().count(), 1);
    }

    #[test]
    fn another_processor_is_named() {
        let found = check("aarch64", DEBIAN, |_| true).unwrap_err().found;

        assert_eq!(found, "debian on aarch64");
    }

    #[test]
    fn a_missing_tool_is_named() {
        let found = check("x86_64", DEBIAN, |tool| tool != "dpkg-deb").unwrap_err().found;

        assert_eq!(found, "debian without dpkg-deb");
    }

    #[test]
    fn a_machine_without_os_release_is_refused() {
        let found = check("x86_64", "", |_| true).unwrap_err().found;

        assert_eq!(found, "an unknown system on x86_64");
    }
}
