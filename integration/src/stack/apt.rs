//! Unpacks packages of Debian into a folder, without installing them.
//!
//! apt gets a state of its own, so neither the machine's package lists nor its packages change.
//! The binaries want a newer C library than the machine has; each that is needed gets a script
//! that calls the unpacked loader with the unpacked libraries. The script replaces itself, so the
//! process keeps its id.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use super::error::{StackError, io_error};
use super::tool::{run, run_with_retries, tool};

/// The loader inside an unpacked root, on x86-64: since Debian 13, and before.
const LOADERS: [&str; 2] = ["usr/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"];

/// The keys that Debian signs its archive with; in the package that apt depends on.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks packages of a suite and all they depend on into `folder/root`, and lists them, with
/// their versions, in `folder/packages.txt`.
///
/// # Errors
///
/// [`StackError`] if apt's configuration names no archive, or a download or a write fails.
pub(super) fn unpack(suite: &str, packages: &[&str], folder: &Path) -> Result<(), StackError> {
    unpack_with(suite, packages, &[], folder)
}

/// The same, and some packages `alone`, without what they depend on: a tool that brings a debugger.
///
/// # Errors
///
/// As [`unpack`].
pub(super) fn unpack_with(
    suite: &str,
    packages: &[&str],
    alone: &[&str],
    folder: &Path,
) -> Result<(), StackError> {
    let state = folder.join("apt");
    let root = folder.join("root");
    for part in ["lists/partial", "archives/partial", "etc"] {
        fs::create_dir_all(state.join(part)).map_err(io_error("make apt's folders"))?;
    }
    fs::create_dir_all(&root).map_err(io_error("make the root to unpack into"))?;
    let source = format!("deb [signed-by={KEYRING}] {} {suite} main\n", archive()?);
    fs::write(state.join("etc/sources.list"), source).map_err(io_error("write apt's sources"))?;
    fs::write(state.join("status"), "").map_err(io_error("write apt's status"))?;

    run_with_retries("apt-get update", apt_get(&state).arg("update"))?;
    let mut download = apt_get(&state);
    download.args(["--yes", "--download-only", "install"]).args(packages);
    run_with_retries("apt-get install --download-only", &mut download)?;

    if !alone.is_empty() {
        let mut download = apt_get(&state);
        download.arg("download").args(alone).current_dir(state.join("archives"));
        run_with_retries("apt-get download", &mut download)?;
    }

    let debs = debs(&state.join("archives")).map_err(io_error("list the packages"))?;
    for deb in &debs {
        run("dpkg-deb --extract", tool("dpkg-deb").arg("--extract").arg(deb).arg(&root))?;
    }
    keep_links_inside(&root, &root).map_err(io_error("mend the unpacked links"))?;
    let names: Vec<_> = debs.iter().filter_map(|deb| deb.file_stem()?.to_str()).collect();
    fs::write(folder.join("packages.txt"), names.join("\n") + "\n")
        .map_err(io_error("write the list of packages"))?;
    fs::remove_dir_all(&state).map_err(io_error("remove apt's folders"))
}

/// Finds the version of an unpacked package in `folder/packages.txt`.
pub(super) fn version(folder: &Path, package: &str) -> Option<String> {
    let list = fs::read_to_string(folder.join("packages.txt")).ok()?;
    let line = list.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix('_'))?;
    Some(line.split('_').next()?.to_owned())
}

/// Writes `folder/bin/NAME`, which runs an unpacked binary under its own C library.
///
/// # Errors
///
/// [`StackError::Unexpected`] without a C library; [`StackError::Io`] if the script cannot be
/// written.
pub(super) fn write_wrapper(folder: &Path, binary: &str) -> Result<(), StackError> {
    let script =
        format!("{}exec {} \"$root/{binary}\" \"$@\"\n", beginning(), loader(folder, binary)?);
    write_script(folder, binary, &script)
}

/// The first lines of a script in `folder/bin`: where the root and its libraries are.
pub(super) fn beginning() -> &'static str {
    "#!/bin/sh\nroot=${0%/*}/../root\n\
     libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu\n"
}

/// What a script calls before an unpacked binary.
pub(super) fn loader(folder: &Path, binary: &str) -> Result<String, StackError> {
    let is_there = |loader: &&&str| folder.join("root").join(loader).exists();
    let loader = LOADERS.iter().find(is_there).ok_or_else(|| StackError::Unexpected {
        what: format!("nothing was unpacked that can load {binary}"),
        expected: LOADERS.join(" or "),
        found: "neither".to_owned(),
    })?;
    Ok(format!("\"$root/{loader}\" --library-path \"$libraries\""))
}

/// Writes `folder/bin/NAME`, named as the binary.
pub(super) fn write_script(folder: &Path, binary: &str, script: &str) -> Result<(), StackError> {
    let name = Path::new(binary).file_name().unwrap_or_default();
    let bin = folder.join("bin");
    let write = || {
        fs::create_dir_all(&bin)?;
        fs::write(bin.join(name), script)?;
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755))
    };
    write().map_err(io_error(format!("write the wrapper of {binary}")))
}

/// The address of the archive that the machine's own apt configuration names for Debian.
///
/// Before the first `apt-get update` the origin is not known yet, so the first source that is not
/// for security updates is the second choice.
fn archive() -> Result<String, StackError> {
    let mut targets = tool("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(SITE) $(ORIGIN) $(LABEL)",
        "Created-By: Packages",
    ]);
    let list = run("apt-get indextargets", &mut targets)?;
    let sites: Vec<&str> = list.lines().collect();
    let debian = sites.iter().find_map(|line| line.strip_suffix(" Debian Debian"));
    let first = || sites.iter().find(|line| !line.contains("security"))?.split(' ').next();
    debian.or_else(first).map(str::to_owned).ok_or_else(|| StackError::Unexpected {
        what: "apt has no source; add Debian's archive to its configuration".to_owned(),
        expected: "a deb line".to_owned(),
        found: "none".to_owned(),
    })
}

/// apt-get with the state, the sources and the cache of one folder.
fn apt_get(state: &Path) -> Command {
    let mut command = tool("apt-get");
    let folder = state.display();
    for option in [
        format!("Dir::Etc::SourceList={folder}/etc/sources.list"),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State={folder}"),
        format!("Dir::State::status={folder}/status"),
        format!("Dir::Cache={folder}"),
        "APT::Install-Recommends=false".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "Acquire::Retries=3".to_owned(),
        "Acquire::http::Timeout=30".to_owned(),
    ] {
        command.arg("-o").arg(option);
    }
    command.arg("--quiet");
    command
}

fn debs(archives: &Path) -> io::Result<Vec<PathBuf>> {
    let mut debs = Vec::new();
    for entry in fs::read_dir(archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            debs.push(path);
        }
    }
    debs.sort();
    Ok(debs)
}

/// Points absolute links, such as a JDK's into `/etc`, to the same path below the root.
fn keep_links_inside(root: &Path, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
        let kind = kind?;
        if kind.is_dir() {
            keep_links_inside(root, &path)?;
        } else if kind.is_symlink()
            && let Some(relative) = relative_target(root, &path, &fs::read_link(&path)?)
        {
            fs::remove_file(&path)?;
            symlink(relative, &path)?;
        }
    }
    Ok(())
}

/// The way from a link to an absolute target below the root; nothing for a relative target.
fn relative_target(root: &Path, link: &Path, target: &Path) -> Option<PathBuf> {
    let below = target.strip_prefix("/").ok()?;
    let depth = link.strip_prefix(root).ok()?.components().count() - 1;
    let up = std::iter::repeat_n(Component::ParentDir, depth);
    Some(up.collect::<PathBuf>().join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_link_stays_below_the_root() {
        let target =
            relative_target(Path::new("/r"), Path::new("/r/usr/lib/x"), Path::new("/etc/x"));

        assert_eq!(target, Some(PathBuf::from("../../etc/x")));
    }

    #[test]
    fn a_relative_link_is_left_alone() {
        assert_eq!(relative_target(Path::new("/r"), Path::new("/r/x"), Path::new("y")), None);
    }

    #[test]
    fn the_version_of_a_package_is_read_from_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let list = "mysql-client-core_9.7.5-1_amd64\nmysql-server-core_9.7.4-2_amd64\n";
        fs::write(folder.path().join("packages.txt"), list).unwrap();

        assert_eq!(version(folder.path(), "mysql-server-core").as_deref(), Some("9.7.4-2"));
        assert_eq!(version(folder.path(), "mysql-server"), None);
    }
}
