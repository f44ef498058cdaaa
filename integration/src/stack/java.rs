//! Finds a JDK, or unpacks one, and holds what all Java servers are started with.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::apt;
use super::error::{StackError, io_error};
use super::platform::find_on_path;
use super::tool::{run, tool};
use super::versions::{JDK_MAJOR_MIN, JDK_PACKAGE, UNSTABLE};

/// Turns the look at the machine off: with `unpacked`, JDK and Maven come from Debian unstable.
/// For machines whose own tools are broken, and to test that the unpacked ones work.
const TOOLS_VARIABLE: &str = "ROWCAST_TOOLS";

/// A JDK with a compiler.
#[derive(Clone, Debug)]
pub(super) struct Jdk {
    /// The folder that has `bin/java`.
    pub(super) home: PathBuf,
    /// Who built it and which build it is, fit for a file name.
    pub(super) build: String,
    major: u32,
}

impl Jdk {
    /// Finds the newest JDK of the machine that is new enough.
    pub(super) fn find() -> Option<Self> {
        if !may_use_machine() {
            return None;
        }
        let mut homes: Vec<PathBuf> =
            std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
        let on_path = find_on_path("java").and_then(|java| java.canonicalize().ok());
        homes.extend(on_path.and_then(|java| Some(java.parent()?.parent()?.to_owned())));
        for folder in ["/usr/lib/jvm", "/usr/local/lib/jvm", "/opt/java"] {
            let entries = fs::read_dir(folder).into_iter().flatten();
            homes.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        }
        let usable = homes.iter().filter_map(|home| Self::at(home));
        usable.filter(|jdk| jdk.major >= JDK_MAJOR_MIN).max_by_key(|jdk| jdk.major)
    }

    /// Takes a folder as a JDK if it is one.
    pub(super) fn at(home: &Path) -> Option<Self> {
        let release = fs::read_to_string(home.join("release")).ok()?;
        let major = major(&field(&release, "JAVA_VERSION")?)?;
        if !home.join("bin/java").is_file() || !home.join("bin/javac").is_file() {
            return None;
        }
        let build = field(&release, "JAVA_RUNTIME_VERSION")
            .or_else(|| field(&release, "JAVA_VERSION"))?
            .replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '+', "-");
        // Two vendors' builds of one version do not share class archives.
        let vendor = field(&release, "IMPLEMENTOR").unwrap_or_default();
        let vendor: String = vendor.chars().filter(char::is_ascii_alphanumeric).collect();
        Some(Self { home: home.to_owned(), build: format!("{vendor}-{build}"), major })
    }

    /// One of the JDK's programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }

    /// Compiles sources against a class path and packs the classes into a jar.
    ///
    /// # Errors
    ///
    /// [`StackError::Tool`] with the compiler's messages.
    pub(super) fn compile(
        &self,
        sources: &[PathBuf],
        class_path: &str,
        jar: &Path,
    ) -> Result<(), StackError> {
        let classes = jar.with_extension("classes");
        let mut javac = tool(self.program("javac"));
        javac.args(["-nowarn", "-cp", class_path, "-d"]).arg(&classes).args(sources);
        run("javac", &mut javac)?;
        let mut pack = tool(self.program("jar"));
        pack.arg("--create").arg("--file").arg(jar).arg("-C").arg(&classes).arg(".");
        run("jar", &mut pack)?;
        fs::remove_dir_all(classes).map_err(io_error("remove the compiled classes"))
    }
}

/// Whether JDK and Maven of the machine may be used.
pub(super) fn may_use_machine() -> bool {
    std::env::var_os(TOOLS_VARIABLE).is_none_or(|value| value != "unpacked")
}

/// Unpacks a JDK; the folder then serves as its home.
///
/// # Errors
///
/// [`StackError`] if the package or one it depends on cannot be had.
pub(super) fn unpack_jdk(folder: &Path) -> Result<(), StackError> {
    apt::unpack(UNSTABLE, &[JDK_PACKAGE], folder)?;
    let jvms = folder.join("root/usr/lib/jvm");
    let name = fs::read_dir(&jvms)
        .map_err(io_error("list the unpacked JDK"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| jvms.join(name).join("release").is_file())
        .unwrap_or_default();
    let home = jvms.join(&name);
    for program in ["java", "javac", "jar"] {
        apt::write_wrapper(folder, &format!("usr/lib/jvm/{name}/bin/{program}"))?;
    }
    fs::copy(home.join("release"), folder.join("release")).map_err(io_error("copy `release`"))?;
    // A third of a gigabyte for making run-time images, which nothing here does.
    fs::remove_dir_all(home.join("jmods")).map_err(io_error("remove the JDK's modules"))?;
    write_trust_store(folder, &home.join("lib/security/cacerts"))
}

/// Makes what the package's installation would: the store of certificates that Java trusts.
fn write_trust_store(folder: &Path, store: &Path) -> Result<(), StackError> {
    let source = folder.join("TrustStore.java");
    fs::write(&source, include_str!("../../stack/java/TrustStore.java"))
        .map_err(io_error("write TrustStore.java"))?;
    if store.is_symlink() {
        fs::remove_file(store).map_err(io_error("remove the link to the trust store"))?;
    }
    let from_machine = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let certificates = from_machine
        .into_iter()
        .chain([PathBuf::from("/etc/ssl/certs/ca-certificates.crt")])
        .find(|file| file.is_file())
        .unwrap_or_else(|| folder.join("root/usr/share/ca-certificates/mozilla"));
    let mut java = tool(folder.join("bin/java"));
    java.arg(source).arg(certificates).arg(store);
    run("making Java's trust store", &mut java).map(drop)
}

/// How a Java server is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuning {
    /// Ready soon and small: the quick compiler only, the serial collector, classes from an
    /// archive. For everything that does not measure.
    #[default]
    Test,
    /// As a production server would be: both compilers, the default collector.
    Benchmark,
}

/// What becomes of a server's class archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Archive {
    /// The classes come from it, if it is there and fits.
    Read(PathBuf),
    /// It is written when the server ends.
    Write(PathBuf),
}

/// The options of the virtual machine that all servers share.
pub(super) fn jvm_options(tuning: Tuning, heap_mb: u32, archive: &Archive) -> Vec<OsString> {
    let mut options = vec![format!("-Xms{heap_mb}m"), format!("-Xmx{heap_mb}m")];
    if tuning == Tuning::Test {
        options.extend(["-XX:+UseSerialGC".to_owned(), "-XX:TieredStopAtLevel=1".to_owned()]);
    }
    match archive {
        Archive::Write(path) => {
            options.push(format!("-XX:ArchiveClassesAtExit={}", path.display()));
        }
        // An archive that does not fit is passed over; the machine's notes on it are only noise.
        Archive::Read(path) if tuning == Tuning::Test && path.is_file() => {
            options.push(format!("-XX:SharedArchiveFile={}", path.display()));
            options.push("-Xlog:disable".to_owned());
        }
        Archive::Read(_) => {}
    }
    options.into_iter().map(OsString::from).collect()
}

/// Joins the jars of a folder, in the order of their names, into a class path.
///
/// Each jar is named, because a class archive is bound to the exact path, and `*` is expanded in
/// the order of the directory.
///
/// # Errors
///
/// [`StackError::Io`] if the folder cannot be read.
pub(super) fn class_path(folder: &Path) -> Result<String, StackError> {
    let mut jars = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("list the jars"))? {
        let path = entry.map_err(io_error("list the jars"))?.path();
        if path.extension().is_some_and(|extension| extension == "jar") {
            jars.push(path.display().to_string());
        }
    }
    jars.sort();
    Ok(jars.join(":"))
}

fn field(release: &str, key: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// The major version; before 9 it was written as `1.8.0`, which counts as 1 and is too old.
fn major(version: &str) -> Option<u32> {
    version.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jdk(folder: &Path, release: &str) -> Option<Jdk> {
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("bin/java"), "").unwrap();
        fs::write(folder.join("bin/javac"), "").unwrap();
        fs::write(folder.join("release"), release).unwrap();
        Jdk::at(folder)
    }

    #[test]
    fn a_jdk_is_known_by_its_release_file() {
        let folder = tempfile::tempdir().unwrap();
        let release = "IMPLEMENTOR=\"Eclipse Adoptium\"\nJAVA_RUNTIME_VERSION=\"25.0.1+8-LTS\"\n\
                       JAVA_VERSION=\"25.0.1\"\n";

        let jdk = jdk(folder.path(), release).unwrap();

        assert_eq!(jdk.major, 25);
        assert_eq!(jdk.build, "EclipseAdoptium-25.0.1+8-LTS");
    }

    #[test]
    fn a_folder_without_a_compiler_is_no_jdk() {
        let folder = tempfile::tempdir().unwrap();
        jdk(folder.path(), "JAVA_VERSION=\"25\"\n").unwrap();
        fs::remove_file(folder.path().join("bin/javac")).unwrap();

        assert!(Jdk::at(folder.path()).is_none());
    }

    #[test]
    fn old_and_early_versions_have_a_major() {
        assert_eq!(major("1.8.0_402"), Some(1));
        assert_eq!(major("26-ea"), Some(26));
        assert_eq!(major("nonsense"), None);
    }

    #[test]
    fn benchmarks_get_both_compilers() {
        let options = jvm_options(Tuning::Benchmark, 512, &Archive::Read("absent".into()));

        assert_eq!(options, ["-Xms512m", "-Xmx512m"]);
    }
}
