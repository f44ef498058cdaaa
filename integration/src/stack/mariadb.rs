//! A MariaDB server, for the tests of what is made of one. No stack has it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;

use super::error::{StackError, io_error};
use super::install::{self, Installed};
use super::mysql::{MySql, TEMPLATE, copy_template, places};
use super::port::Port;
use super::probe::Probe;
use super::server::{LOG, Server, loopback, prepare};
use super::supervise::Launch;
use super::tool::{run, tool};

/// What the package brings to make a data folder with, in this order.
const SYSTEM_TABLES: [&str; 2] = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"];

/// A MariaDB server with `root`, without a password, on loopback. Its log is one that MySQL could
/// have: with row events and full metadata. New users log in with `mysql_native_password`.
#[derive(Debug)]
pub struct MariaDb {
    /// Stops, kills and starts it again.
    pub server: Server,
    port: Port,
}

impl MariaDb {
    /// Starts a server whose data is in `directory/data`, and fetches it first if it is not in the
    /// cache.
    ///
    /// # Errors
    ///
    /// [`StackError`] if it cannot be fetched, or does not become ready, with the end of its log.
    pub async fn start(installed: &Installed, directory: &Path) -> Result<Self, StackError> {
        let cache = installed.cache.clone();
        let component = tokio::task::spawn_blocking(move || install::mariadb(&cache)).await??;
        let (directory, data) = prepare(directory)?;
        let port = Port::lease(installed.cache.folder())?;
        if !data.exists() {
            copy_template(&component.join(TEMPLATE), &data)?;
        }
        let launch = Launch {
            program: component.join("bin/mariadbd"),
            arguments: arguments(&component, &data, port.number())?,
            environment: vec![("TZ".into(), "UTC".into())],
            log: directory.join(LOG),
            directory,
        };
        let probe = Probe::MySql(loopback(port.number()));
        Ok(Self { server: Server::start("MariaDB", launch, probe).await?, port })
    }

    /// Where it listens for TCP connections.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        loopback(self.port.number())
    }

    /// Its address with the user, as MySQL's clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://{}@{}", MySql::USER, self.address())
    }
}

/// Makes an empty data folder, as `mariadb-install-db` does: from statements, which the server reads
/// from its standard input.
pub(super) fn initialize(component: &Path) -> Result<(), StackError> {
    let template = component.join(TEMPLATE);
    fs::create_dir_all(&template).map_err(io_error("make MariaDB's data folder"))?;
    let statements = component.join("bootstrap.sql");
    fs::write(&statements, bootstrap(component)?).map_err(io_error("write statements"))?;
    let input = File::open(&statements).map_err(io_error("read statements"))?;
    let mut mariadbd = tool(component.join("bin/mariadbd"));
    mariadbd.args(base_arguments(component, &template)?).arg("--bootstrap").stdin(input);
    run("mariadbd --bootstrap", &mut mariadbd).map(drop)
}

fn bootstrap(component: &Path) -> Result<String, StackError> {
    // Root has a password then, which is empty, and not the socket that there is none of.
    let mut statements =
        "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_owned();
    for file in SYSTEM_TABLES {
        let text = fs::read_to_string(component.join("root/usr/share/mysql").join(file))
            .map_err(io_error(format!("read {file}")))?;
        // They say so themselves: without these lines the folder is not for one machine only.
        for line in text.lines().filter(|line| !line.contains("@current_hostname")) {
            statements.push_str(line);
            statements.push('\n');
        }
    }
    Ok(statements)
}

fn base_arguments(component: &Path, data: &Path) -> Result<Vec<OsString>, StackError> {
    let mut arguments = places(component, data)?;
    // The default is 96 MB, of which each server would have a copy.
    arguments.push("--innodb-log-file-size=8M".into());
    Ok(arguments)
}

fn arguments(component: &Path, data: &Path, port: u16) -> Result<Vec<OsString>, StackError> {
    let mut arguments = base_arguments(component, data)?;
    arguments.extend(
        [
            "--bind-address=127.0.0.1",
            // As MySQL's: no socket file. Nor is an address a name, which other users could have.
            "--socket=",
            "--skip-name-resolve",
            "--log-bin=binlog",
            "--binlog-format=ROW",
            "--binlog-row-metadata=FULL",
            "--server-id=1",
            "--innodb-flush-log-at-trx-commit=2",
        ]
        .map(OsString::from),
    );
    arguments.push(format!("--port={port}").into());
    Ok(arguments)
}
