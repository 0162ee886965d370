//! Asks a rendezvous server how it is: ours, or one of goop2, which knows `/healthz` only.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;

use super::report::{Community, Report};
use crate::clients::USER_AGENT;
use crate::clients::answer::{self, innermost};
use crate::config::base_url::BaseUrl;

/// How long an answer may take, its body included.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Characters of a server's own words that are repeated.
const MAX_WORDS: usize = 200;

/// Asks the server at `url`, and puts into `report` what it says.
pub(super) async fn ask(url: &BaseUrl, report: &mut Report) {
    let asker = match Asker::of(url) {
        Ok(asker) => asker,
        Err(why) => return report.is_not_live(why),
    };
    match asker.get("healthz").await {
        Ok((200, _)) => {}
        Ok((status, _)) => return report.is_not_live(format!("{url} is no rendezvous server: it answers {status} at /healthz")),
        Err(why) => return report.is_not_live(format!("{url} does not answer: {why}")),
    }
    let (ready, known, metrics) = tokio::join!(asker.get("readyz"), asker.get(".well-known/goop"), asker.get("metrics"));
    match ready {
        // goop2 does not know the question.
        Ok((200 | 404, _)) => {}
        Ok((status, body)) => report.is_not_ready(format!("the rendezvous server cannot serve: {}", words(status, &body))),
        Err(why) => report.is_not_ready(format!("the rendezvous server does not say whether it can serve: {why}")),
    }
    match known {
        Ok((200, body)) => describe(&serde_json::from_slice(&body).unwrap_or_default(), report),
        // A server of ours that does not know this community, or not for strangers; goop2 answers in plain words.
        Ok((404, body)) if is_problem(&body) => report.is_not_ready(words(404, &body)),
        _ => {}
    }
    if let Ok((200, body)) = metrics {
        let counted = counted(&String::from_utf8_lossy(&body));
        report.communities = if counted.is_empty() { std::mem::take(&mut report.communities) } else { counted };
    }
}

/// What `/.well-known/goop` says; what the running node itself has said stays.
fn describe(known: &Value, report: &mut Report) {
    let text = |key: &str| known[key].as_str().map(str::to_owned);
    report.version = report.version.take().or_else(|| text("version"));
    report.peer_id = report.peer_id.take().or_else(|| text("peer_id"));
    if report.roles.is_empty() {
        let roles = known["roles"].as_array().into_iter().flatten();
        report.roles = roles.filter_map(|role| role.as_str().map(str::to_owned)).collect();
    }
    if let Some(peers) = known["peers"].as_u64() {
        report.communities = vec![Community { slug: text("community"), peers, streams: None }];
    }
}

/// The communities as OpenMetrics text counts them, the open board first.
fn counted(metrics: &str) -> Vec<Community> {
    let of = |name: &str| {
        let start = format!("goop_rendezvous_{name}{{community=\"");
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(&start)?.split_once("\"} "));
        lines.filter_map(|(slug, count)| Some((slug.to_owned(), count.parse::<u64>().ok()?))).collect::<Vec<_>>()
    };
    let streams = of("event_streams");
    let streams_of = |slug: &str| streams.iter().find(|(of, _)| of == slug).map(|(_, count)| *count);
    let row = |(slug, peers): (String, u64)| {
        let streams = streams_of(&slug);
        Community { slug: Some(slug).filter(|slug| !slug.is_empty()), peers, streams }
    };
    let mut all: Vec<Community> = of("peers").into_iter().map(row).collect();
    all.sort_by(|a, b| a.slug.cmp(&b.slug));
    all
}

fn is_problem(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|problem| problem["code"].is_string())
}

/// What a refusal says of itself.
fn words(status: u16, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["detail", "title"].into_iter().find_map(|key| problem[key].as_str());
    let said: String = said.unwrap_or_default().chars().take(MAX_WORDS).collect();
    if said.is_empty() { format!("it answers {status}") } else { format!("{said} ({status})") }
}

struct Asker {
    client: Client,
    base: BaseUrl,
}

impl Asker {
    fn of(url: &BaseUrl) -> Result<Self, String> {
        let builder = Client::builder().user_agent(USER_AGENT).timeout(PATIENCE);
        let builder = if url.is_loopback() { builder.no_proxy() } else { builder };
        Ok(Self { client: builder.build().map_err(|error| innermost(&error).to_string())?, base: url.clone() })
    }

    /// Status and body of `path` below the base.
    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), String> {
        let response = self.client.get(self.base.below(path)).send().await.map_err(|error| why(&error))?;
        Ok((response.status().as_u16(), read(response).await?))
    }
}

async fn read(response: Response) -> Result<Vec<u8>, String> {
    answer::read(response, MAX_ANSWER).await.map_err(|error| error.why(PATIENCE))
}

fn why(error: &reqwest::Error) -> String {
    answer::why(error, PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_tell_who_is_where() {
        let text = "# TYPE goop_rendezvous_peers gauge\n\
                    goop_rendezvous_peers{community=\"chess\"} 2\n\
                    goop_rendezvous_peers{community=\"\"} 7\n\
                    goop_rendezvous_event_streams{community=\"\"} 9\n\
                    goop_rendezvous_peers{community=\"go\"} many\n# EOF\n";
        let row = |slug: Option<&str>, peers, streams| Community { slug: slug.map(str::to_owned), peers, streams };
        assert_eq!(counted(text), [row(None, 7, Some(9)), row(Some("chess"), 2, None)]);
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words_or_as_its_status() {
        assert_eq!(words(503, br#"{"detail":"this server stands by"}"#), "this server stands by (503)");
        assert_eq!(words(502, b"<html>"), "it answers 502");
        assert_eq!(words(503, format!(r#"{{"title":"{}"}}"#, "x".repeat(5000)).as_bytes()).len(), MAX_WORDS + 6);
    }
}
