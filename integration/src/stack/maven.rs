//! Fetches jars with Maven, from whatever repositories its own configuration names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt;
use super::error::{StackError, io_error};
use super::java::{Jdk, may_use_machine};
use super::platform::find_on_path;
use super::tool::{run_with_retries, tool};
use super::versions::{MAVEN_DEPENDENCY_PLUGIN, UNSTABLE};

/// Maven and the JDK that runs it.
#[derive(Clone, Debug)]
pub(super) struct Maven {
    program: PathBuf,
    jdk: Jdk,
}

impl Maven {
    /// Finds the machine's Maven.
    pub(super) fn find(jdk: &Jdk) -> Option<Self> {
        if !may_use_machine() {
            return None;
        }
        let home = std::env::var_os("MAVEN_HOME").map(|home| Path::new(&home).join("bin/mvn"));
        let program = home.filter(|mvn| mvn.is_file()).or_else(|| find_on_path("mvn"))?;
        Some(Self { program, jdk: jdk.clone() })
    }

    /// Takes the Maven that [`unpack_maven`] put into a folder.
    pub(super) fn unpacked(folder: &Path, jdk: &Jdk) -> Self {
        Self { program: folder.join("root/usr/share/maven/bin/mvn"), jdk: jdk.clone() }
    }

    /// Copies the run-time dependencies of a project file into a folder.
    ///
    /// `versions` become properties of the project: the pins are not repeated there.
    ///
    /// # Errors
    ///
    /// [`StackError::Tool`] with Maven's last lines, after all retries.
    pub(super) fn copy_dependencies(
        &self,
        project: &str,
        versions: &[(&str, &str)],
        jars: &Path,
    ) -> Result<(), StackError> {
        let file = jars.with_extension("pom.xml");
        fs::write(&file, project).map_err(io_error("write the project file"))?;
        let mut command = self.command("copy-dependencies");
        command.arg("--file").arg(&file).arg("-DincludeScope=runtime");
        command.arg(format!("-DoutputDirectory={}", jars.display()));
        command.args(versions.iter().map(|(name, version)| format!("-D{name}={version}")));
        run_with_retries("mvn dependency:copy-dependencies", &mut command).map(drop)
    }

    /// Fetches one artefact, without what it depends on, into a folder.
    ///
    /// # Errors
    ///
    /// [`StackError::Tool`] with Maven's last lines, after all retries.
    pub(super) fn copy_artifact(&self, artifact: &str, folder: &Path) -> Result<(), StackError> {
        let mut command = self.command("copy");
        command.current_dir(folder).arg(format!("-Dartifact={artifact}"));
        command.arg(format!("-DoutputDirectory={}", folder.display()));
        run_with_retries("mvn dependency:copy", &mut command).map(drop)
    }

    fn command(&self, goal: &str) -> Command {
        let mut command = tool(&self.program);
        command.env("JAVA_HOME", &self.jdk.home).args(["--batch-mode", "--quiet"]).arg(format!(
            "org.apache.maven.plugins:maven-dependency-plugin:{MAVEN_DEPENDENCY_PLUGIN}:{goal}"
        ));
        command
    }
}

/// Unpacks Maven and the libraries it is made of.
///
/// # Errors
///
/// [`StackError`] if a package cannot be had.
pub(super) fn unpack_maven(folder: &Path) -> Result<(), StackError> {
    apt::unpack(UNSTABLE, &["maven"], folder)
}
