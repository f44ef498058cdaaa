//! Messages for a URL: posted in order by a task of its own, so that whoever sends them never waits.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::backoff::Backoff;

/// Messages that wait at most; a server that is away for long gets none of those after them.
const WAITING_MAX: usize = 1_000;

/// How often one message is tried, over about four minutes.
const ATTEMPTS: u32 = 12;

/// Posts messages to a URL, each at most once.
#[derive(Debug)]
pub struct Webhook {
    waiting: mpsc::Sender<String>,
    /// Whether it was told that messages are lost.
    is_full: bool,
}

impl Webhook {
    /// Starts the task, which ends when this is dropped and what waits is sent or given up.
    ///
    /// # Errors
    ///
    /// Returns a text when the settings do not make a client.
    pub fn start(url: String, timeout: Duration) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| schema::fault::chain(&error.without_url()))?;
        let (waiting, mut messages) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                post(&client, &url, message).await;
            }
        });
        Ok(Self { waiting, is_full: false })
    }

    /// Sends JSON. What finds no room is dropped, which is told of.
    pub fn send(&mut self, json: String) {
        let is_full = self.waiting.try_send(json).is_err();
        if is_full && !self.is_full {
            tracing::warn!(
                waiting = WAITING_MAX,
                hint = "look whether the webhook's server is there and answers with 2xx",
                "messages for a webhook are dropped"
            );
        }
        self.is_full = is_full;
    }
}

/// Tries until the server takes it, refuses it, or was asked often enough. The URL is not logged: it
/// may have a token in it.
async fn post(client: &reqwest::Client, url: &str, json: String) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    loop {
        let request = client.post(url).header("content-type", "application/json");
        let problem = match request.body(json.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) if is_final(answer.status().as_u16()) => {
                tracing::warn!(
                    status = answer.status().as_u16(),
                    hint = "correct the webhook's URL or its server",
                    "a webhook refuses a message"
                );
                return;
            }
            Ok(answer) => format!("status {}", answer.status().as_u16()),
            Err(error) => schema::fault::chain(&error.without_url()),
        };
        if backoff.attempts() >= ATTEMPTS {
            tracing::warn!(
                error = problem,
                hint = "look whether the webhook's server is there and answers with 2xx",
                "a message for a webhook is given up"
            );
            return;
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// A server that is overloaded, or slow, may take it later.
fn is_final(status: u16) -> bool {
    (300..500).contains(&status) && status != 408 && status != 429
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers with these statuses, the last one again and again; what it was sent.
    async fn server(statuses: &'static [u16]) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (bodies, received) = mpsc::channel(100);
        let asked = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let number = asked.fetch_add(1, Ordering::Relaxed).min(statuses.len() - 1);
                let mut request = vec![0; 65_536];
                let mut length = 0;
                let body = loop {
                    length += client.read(&mut request[length..]).await.unwrap();
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    if let Some((_, body)) = text.split_once("\r\n\r\n")
                        && body.ends_with('}')
                    {
                        break body.to_owned();
                    }
                };
                bodies.send(body).await.unwrap();
                let status = statuses[number];
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, received)
    }

    #[tokio::test]
    async fn messages_come_in_order_and_again_until_they_are_taken_or_refused() {
        let (url, mut received) = server(&[500, 429, 200, 400, 204]).await;
        let mut webhook = Webhook::start(url, Duration::from_secs(5)).unwrap();

        for number in 1..=3 {
            webhook.send(format!(r#"{{"n":{number}}}"#));
        }

        let mut bodies = Vec::new();
        for _ in 0..5 {
            bodies.push(received.recv().await.unwrap());
        }
        assert_eq!(bodies, [r#"{"n":1}"#, r#"{"n":1}"#, r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_server_that_is_not_there() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut webhook =
            Webhook::start(format!("http://{free}/"), Duration::from_secs(5)).unwrap();

        for _ in 0..=WAITING_MAX + 1 {
            webhook.send("{}".to_owned());
        }

        assert!(webhook.is_full);
    }
}
