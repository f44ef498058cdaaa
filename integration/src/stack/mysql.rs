//! A MySQL server: binary log in row format with full metadata, global transaction ids.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::{StackError, io_error};
use super::install::Installed;
use super::port::Port;
use super::probe::Probe;
use super::server::{LOG, Server, loopback, prepare};
use super::supervise::Launch;
use super::tool::{run, tool};

/// The folder, in the component's own, that new data folders are copied from.
pub(super) const TEMPLATE: &str = "template";

/// The option that a server takes only if its data folder was made with it.
const AT_INITIALIZATION: &str = "--lower-case-table-names";

/// How a MySQL server differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MySqlOptions {
    /// `server_id`; servers that replicate from each other need different ones. Default 1.
    pub server_id: u32,
    /// Whether each commit is flushed to the disk. Off by default: data then survives the kill of
    /// the server, but not of the machine, which no test does.
    pub is_durable: bool,
    /// Further options of `mysqld`, each as `--name=value`; they come last and win.
    pub arguments: Vec<String>,
}

impl Default for MySqlOptions {
    fn default() -> Self {
        Self { server_id: 1, is_durable: false, arguments: Vec::new() }
    }
}

/// A MySQL server with `root`, without a password, on loopback.
#[derive(Debug)]
pub struct MySql {
    /// Stops, kills and starts it again.
    pub server: Server,
    port: Port,
}

impl MySql {
    /// The user that may do everything; the password is empty.
    pub const USER: &str = "root";

    /// Starts a server whose data is in `directory/data`; what is there already is kept.
    ///
    /// # Errors
    ///
    /// [`StackError`] if the server does not become ready, with the end of its log.
    pub async fn start(
        installed: &Installed,
        directory: &Path,
        options: &MySqlOptions,
    ) -> Result<Self, StackError> {
        let (directory, data) = prepare(directory)?;
        let port = Port::lease(installed.cache.folder())?;
        if !data.exists() {
            let is_it = |argument: &&String| argument.starts_with(AT_INITIALIZATION);
            match options.arguments.iter().find(is_it).cloned() {
                Some(argument) => initialize(&installed.mysql, &data, argument).await?,
                None => copy_template(&installed.mysql.join(TEMPLATE), &data)?,
            }
        }
        let launch = Launch {
            program: installed.mysql.join("bin/mysqld"),
            arguments: arguments(&installed.mysql, &data, port.number(), options)?,
            environment: vec![("TZ".into(), "UTC".into())],
            log: directory.join(LOG),
            directory,
        };
        let probe = Probe::MySql(loopback(port.number()));
        Ok(Self { server: Server::start("MySQL", launch, probe).await?, port })
    }

    /// Where it listens for TCP connections.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        loopback(self.port.number())
    }

    /// Its address with the user, as MySQL's clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://{}@{}", Self::USER, self.address())
    }
}

/// Makes a data folder with an option of its own.
async fn initialize(component: &Path, data: &Path, argument: String) -> Result<(), StackError> {
    let mut mysqld = tool(component.join("bin/mysqld"));
    mysqld.args(base_arguments(component, data)?).arg("--initialize-insecure").arg(argument);
    let made = tokio::task::spawn_blocking(move || {
        run("mysqld --initialize-insecure", &mut mysqld).map(drop)
    });
    made.await?
}

/// The options that say where the server's parts are, also needed to make a data folder.
pub(super) fn base_arguments(component: &Path, data: &Path) -> Result<Vec<OsString>, StackError> {
    let mut arguments = places(component, data)?;
    // The package's own folder for LOAD DATA does not exist here.
    arguments.extend(["--secure-file-priv=".into(), "--mysqlx=OFF".into()]);
    Ok(arguments)
}

/// The same for any server of MySQL's kind, that is unpacked from Debian's packages.
pub(super) fn places(component: &Path, data: &Path) -> Result<Vec<OsString>, StackError> {
    let usr = component.join("root/usr");
    let mut arguments = vec![OsString::from("--no-defaults")];
    for (name, path) in [
        ("basedir", usr.clone()),
        ("datadir", data.to_owned()),
        ("lc-messages-dir", usr.join("share/mysql")),
        ("character-sets-dir", usr.join("share/mysql/charsets")),
        ("plugin-dir", usr.join("lib/mysql/plugin")),
    ] {
        arguments.push(format!("--{name}={}", path.display()).into());
    }
    arguments.extend(as_root()?);
    Ok(arguments)
}

/// The option without which no server runs as root, if this process does.
fn as_root() -> Result<Option<OsString>, StackError> {
    let me = fs::metadata("/proc/self").map_err(io_error("look up this process's user"))?;
    Ok((me.uid() == 0).then(|| "--user=root".into()))
}

fn arguments(
    component: &Path,
    data: &Path,
    port: u16,
    options: &MySqlOptions,
) -> Result<Vec<OsString>, StackError> {
    let mut arguments = base_arguments(component, data)?;
    // No socket file: its path may be at most 107 bytes long, and data folders are deep.
    arguments.extend(
        [
            "--bind-address=127.0.0.1",
            "--socket=",
            "--log-bin=binlog",
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--binlog-row-metadata=FULL",
        ]
        .map(OsString::from),
    );
    arguments.push(format!("--port={port}").into());
    arguments.push(format!("--server-id={}", options.server_id).into());
    if !options.is_durable {
        arguments.push("--innodb-flush-log-at-trx-commit=2".into());
        arguments.push("--sync-binlog=0".into());
    }
    arguments.extend(options.arguments.iter().map(OsString::from));
    Ok(arguments)
}

/// Copies through a second name, so that a killed copy is not taken for a data folder.
pub(super) fn copy_template(template: &Path, data: &Path) -> Result<(), StackError> {
    let partial = data.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io_error("remove an unfinished copy"))?;
    }
    let mut copy = tool("cp");
    copy.args(["--archive", "--reflink=auto"]).arg(template).arg(&partial);
    run("copying an empty data folder", &mut copy)?;
    fs::rename(&partial, data).map_err(io_error("put a data folder into its place"))
}
