//! Whom the source tells what happens to its tables.

use std::time::Duration;

use connect::config::{ConfigError, Settings};

/// Where notifications go.
#[derive(Debug, Clone, Default)]
pub(crate) struct NotificationConfig {
    /// Whether `notification.enabled.channels` has `log`.
    pub(crate) log: bool,
    /// `notification.sink.topic.name`, if the channels have `sink`.
    pub(crate) topic: Option<String>,
    /// `notification.webhook.url` and `notification.webhook.timeout.ms`, if the channels have
    /// `webhook`.
    pub(crate) webhook: Option<(String, Duration)>,
}

impl NotificationConfig {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        const CHANNELS: &str = "notification.enabled.channels";
        let channels = settings.text(CHANNELS, "");
        let topic = settings.topic_name("notification.sink.topic.name")?;
        let url = settings.optional("notification.webhook.url").filter(|url| !url.is_empty());
        let timeout =
            settings.duration_ms("notification.webhook.timeout.ms", 10_000, 100..=600_000)?;
        let mut config = Self::default();
        for channel in channels.split(',').map(str::trim).filter(|channel| !channel.is_empty()) {
            match channel {
                "log" => config.log = true,
                "sink" => {
                    let missing = "is required by the channel `sink`: the topic to write to";
                    let topic = topic.clone();
                    config.topic =
                        Some(topic.ok_or_else(|| {
                            settings.error("notification.sink.topic.name", missing)
                        })?);
                }
                "webhook" => {
                    let is_http =
                        |url: &String| url.starts_with("http://") || url.starts_with("https://");
                    let missing = "is required by the channel `webhook`: an http or https URL";
                    let url = url.clone().filter(is_http);
                    let url =
                        url.ok_or_else(|| settings.error("notification.webhook.url", missing))?;
                    config.webhook = Some((url, timeout));
                }
                // What a JMX bean would show is in `rowcast tables` and the metrics.
                "jmx" => {}
                other => {
                    let problem = format!("has {other:?}, expected log, sink, webhook or jmx");
                    return Err(settings.error(CHANNELS, problem));
                }
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use connect::config::Origin;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<NotificationConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::PipelineFile, values);
        NotificationConfig::read(&mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn each_channel_has_what_it_needs() {
        let all = read(&[
            ("notification.enabled.channels", "log, sink,webhook"),
            ("notification.sink.topic.name", "told"),
            ("notification.webhook.url", "https://hooks.example/x"),
        ])
        .unwrap();
        assert!(all.log && all.topic.as_deref() == Some("told"));
        assert_eq!(all.webhook.unwrap().1, Duration::from_secs(10));

        let error = |pairs: &[_]| read(pairs).unwrap_err();
        let channel = "notification.enabled.channels";
        assert!(error(&[(channel, "sink")]).contains("notification.sink.topic.name"));
        assert!(error(&[(channel, "webhook")]).contains("notification.webhook.url"));
        let ftp = [(channel, "webhook"), ("notification.webhook.url", "ftp://x")];
        assert!(error(&ftp).contains("http"));
        assert!(error(&[(channel, "mail")]).contains("expected log, sink"));
    }
}
