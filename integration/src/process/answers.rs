//! What a process tells over HTTP: its metrics, and the answers of its REST API.

use std::time::Duration;

use serde_json::Value;

use crate::marks::{Kind, absent};

/// For all questions together. A process that is busy or stands still is not waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// What has an answer whatever is run.
const PATHS: [&str; 7] = [
    "/",
    "/health",
    "/metrics",
    "/tables",
    "/admin/loggers",
    "/connector-plugins",
    "/connectors?expand=status",
];

/// What each connector has an answer to. Not its settings, which are shown as they are stored
/// (`docs/rest-security.md`), with the passwords that tests have put there: those of `secrets` look at them.
const OF_CONNECTOR: [&str; 3] = ["/status", "/topics", "/tables"];

/// Asks a process for all that can be read, by where its log says that it listens, and looks through the
/// answers. One that does not listen, or answers only whom it knows, tells nothing here; the tests of
/// these look by themselves.
///
/// # Panics
///
/// If an answer has what nobody may see.
pub(super) async fn look_through(log: &str) {
    let Some(url) = listens_at(log) else { return };
    let all = async {
        let mut connectors = Vec::new();
        for path in PATHS {
            let text = answer(&format!("{url}{path}")).await?;
            absent(Kind::Answer, &text);
            if path.starts_with("/connectors?") {
                let found: Value = serde_json::from_str(&text).unwrap_or_default();
                connectors.extend(found.as_object().into_iter().flat_map(|of| of.keys().cloned()));
            }
        }
        for name in connectors {
            for path in OF_CONNECTOR {
                absent(Kind::Answer, &answer(&format!("{url}/connectors/{name}{path}")).await?);
            }
        }
        Some(())
    };
    let _looked = tokio::time::timeout(ANSWERED_WITHIN, all).await;
}

/// The text of an answer, with whatever status.
async fn answer(url: &str) -> Option<String> {
    reqwest::get(url).await.ok()?.text().await.ok()
}

/// Where a process has listened since its last start; nothing where that is for HTTPS.
fn listens_at(log: &str) -> Option<String> {
    let line = log.lines().rfind(|line| line.contains("http endpoint listens"))?;
    let address = line.split_once("address=")?.1.split_whitespace().next()?.trim_matches('"');
    (!line.contains("https=true")).then(|| format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_asked_where_it_listens_now() {
        let log = "INFO http endpoint listens address=\"127.0.0.1:1\" https=false\nINFO x\n\
                   INFO http endpoint listens address=127.0.0.1:2 https=false\nINFO y";
        assert_eq!(listens_at(log).unwrap(), "http://127.0.0.1:2");
        assert_eq!(listens_at("INFO http endpoint listens address=127.0.0.1:2 https=true"), None);
        assert_eq!(listens_at(""), None);
    }
}
