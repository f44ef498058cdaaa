//! What looks at files for other programs where those are not: Python packages that know the schemas of
//! Kubernetes' API and the language of Prometheus' queries.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cache::Cache;
use super::error::StackError;
use super::tool::{run, run_with_retries, tool};
use super::versions::{KUBERNETES_VALIDATE, PROMQL_PARSER};

/// The oldest version of Kubernetes that manifests are held against. Of those that the package has
/// it is one that nobody maintains any more, and the newest is the package's own.
const KUBERNETES_OLDEST: &str = "1.30";

/// Fetches a Python package with what it needs, and gives its folder.
async fn fetch(name: &'static str, version: &'static str) -> Result<PathBuf, StackError> {
    let cache = Cache::open()?;
    let fetched = tokio::task::spawn_blocking(move || {
        let package = format!("{name}=={version}");
        let component = package.replace("==", "-");
        cache.component(&component, &format!("fetching {package}"), |folder| {
            let mut pip = tool("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target"]);
            pip.arg(folder).arg(&package);
            run_with_retries("pip install", &mut pip).map(drop)
        })
    });
    fetched.await?
}

/// The Python package `kubernetes-validate` (Apache-2.0), which brings the schemas.
#[derive(Clone, Debug)]
pub struct ManifestCheck {
    python: PathBuf,
}

impl ManifestCheck {
    /// Fetches it with pip if it is not in the cache.
    ///
    /// # Errors
    ///
    /// [`StackError`] if it cannot be fetched, also because pip is missing.
    pub async fn fetch() -> Result<Self, StackError> {
        Ok(Self { python: fetch("kubernetes-validate", KUBERNETES_VALIDATE).await? })
    }

    /// Holds all objects of a file against the schemas of the oldest and the newest version; nothing
    /// may stand in them that the API does not know.
    ///
    /// # Errors
    ///
    /// [`StackError::Tool`] with what is wrong.
    pub fn look_at(&self, file: &Path) -> Result<String, StackError> {
        let mut told = String::new();
        for version in [&["--kubernetes-version", KUBERNETES_OLDEST][..], &[]] {
            let mut check = tool("python3");
            check.env("PYTHONPATH", &self.python);
            check.args(["-m", "kubernetes_validate", "--strict"]).args(version).arg(file);
            told += &run("kubernetes-validate", &mut check)?;
        }
        Ok(told)
    }
}

/// The Python package `promql-parser` (MIT).
#[derive(Clone, Debug)]
pub struct PromQl {
    python: PathBuf,
}

/// For each query what [`PromQl::read`] says; ends with an error for one that is none.
const READ: &str = "
import json, sys
import promql_parser as promql

def read(query):
    asked = {'metrics': [], 'labels': [], 'groups': []}

    def visit(node):
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            asked['metrics'].append(node.name)
            asked['labels'] += [matcher.name for matcher in node.matchers.matchers]
        elif isinstance(node, promql.AggregateExpr):
            by = node.modifier
            if by is not None and by.type != promql.AggModifierType.By:
                raise ValueError('only `by` is read here')
            asked['groups'].append([] if by is None else list(by.labels))

    promql.walk(promql.parse(query), visit)
    return asked

print(json.dumps([read(query) for query in sys.argv[1:]]))
";

impl PromQl {
    /// Fetches it with pip if it is not in the cache.
    ///
    /// # Errors
    ///
    /// [`StackError`] if it cannot be fetched, also because pip is missing.
    pub async fn fetch() -> Result<Self, StackError> {
        Ok(Self { python: fetch("promql-parser", PROMQL_PARSER).await? })
    }

    /// For each query its `metrics`, the `labels` that it selects by, and in `groups` the labels that
    /// each of its aggregations leaves, the outermost first.
    ///
    /// # Errors
    ///
    /// [`StackError::Tool`] if one is no query.
    pub fn read(&self, queries: &[String]) -> Result<Value, StackError> {
        let mut parser = tool("python3");
        parser.env("PYTHONPATH", &self.python).args(["-c", READ]).args(queries);
        let told = run("promql-parser", &mut parser)?;
        Ok(serde_json::from_str(&told).unwrap_or_default())
    }
}
