//! `pt-online-schema-change` of Percona's toolkit, for the tests of what is made of it.

use std::path::{Path, PathBuf};

use super::apt;
use super::error::StackError;
use super::install::{self, Installed};

/// The script, which Perl runs.
const TOOL: &str = "usr/bin/pt-online-schema-change";

/// Gives the command that runs `pt-online-schema-change`, which is fetched first if it is not in the
/// cache.
///
/// # Errors
///
/// [`StackError`] if it cannot be fetched.
pub async fn online_schema_change(installed: &Installed) -> Result<PathBuf, StackError> {
    let cache = installed.cache.clone();
    let component = tokio::task::spawn_blocking(move || install::percona_toolkit(&cache)).await??;
    Ok(component.join("bin/pt-online-schema-change"))
}

/// Perl looks for its modules below `/usr`, and so does the driver for the ways to log in.
pub(super) fn write_script(folder: &Path) -> Result<(), StackError> {
    let script = format!(
        "{}folder=$root/usr/lib/x86_64-linux-gnu\n\
         PERL5LIB=$root/usr/share/perl5:$folder/perl-base\n\
         for part in \"$folder\"/perl5/* \"$folder\"/perl/* \"$root\"/usr/share/perl/*; do\n\
         PERL5LIB=$PERL5LIB:$part\ndone\n\
         MARIADB_PLUGIN_DIR=$folder/libmariadb3/plugin\n\
         export PERL5LIB MARIADB_PLUGIN_DIR\n\
         exec {} \"$root/usr/bin/perl\" \"$root/{TOOL}\" \"$@\"\n",
        apt::beginning(),
        apt::loader(folder, "perl")?
    );
    apt::write_script(folder, TOOL, &script)
}
