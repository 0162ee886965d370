//! Each rendezvous server of the configuration: does it answer, how fast, and does its stream come through.

use reqwest::Url;
use serde_json::Value;

use super::asking::{Asker, FIRST_BYTES, diagnosis};
use super::finding::quoted;
use super::{Finding, Look, MAX_SERVERS, Patient, clock, together};
use crate::config::base_url::BaseUrl;

const CHECK: &str = "rendezvous";
const KEY: &str = "presence.rendezvous_wan";

/// Asks all of them, and what their clocks say.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let servers = patient.loaded.config.presence.rendezvous_wan.into_iter().take(MAX_SERVERS);
    let (mut found, clocks): (Vec<_>, Vec<_>) = together::all(servers.map(in_time)).await.into_iter().unzip();
    found.extend(clock::judge(clocks.into_iter().flatten().collect()));
    found
}

async fn in_time(server: BaseUrl) -> (Finding, Option<i64>) {
    let what = format!("The rendezvous server {server}");
    together::in_time(CHECK, &what, one(&what, &server)).await.unwrap_or_else(|late| (late, None))
}

/// How it stands with one, and how far its clock is ahead.
async fn one(what: &str, server: &BaseUrl) -> (Finding, Option<i64>) {
    let asker = match Asker::of(server) {
        Ok(asker) => asker,
        Err(why) => return (Finding::of(CHECK, what, Look::Bad, "not asked").said(why), None),
    };
    let health = match asker.get("healthz").await {
        Ok(health) => health,
        Err(why) => return (diagnosis(CHECK, what, server, KEY, &why).await, None),
    };
    let took = health.took.as_millis();
    let finding = match (health.status, &health.elsewhere) {
        (200, _) => {
            let described = asker.get(".well-known/goop").await.ok().filter(|answer| answer.status == 200);
            let described = described.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            let ours = described.is_some_and(|described| described["peer_id"].is_string());
            answers(what, server, took, if ours { Some(asker.streams("api/v1/events").await) } else { None })
        }
        (300..400, Some(to)) => moved(what, server, to),
        (status, _) => Finding::of(CHECK, what, Look::Bad, "something else")
            .said(format!("What answers there is no rendezvous server, or it is not well: {status}."))
            .todo(format!("Look for a typing error in {KEY}; the address of a community is whole only with its /c/…"))
            .copy(format!("goop status {}", quoted(&server.to_string()))),
    };
    (finding, health.ahead)
}

/// It is alive; `stream` says of one of ours what its stream did.
fn answers(what: &str, server: &BaseUrl, took: u128, stream: Option<Result<bool, String>>) -> Finding {
    let of = |look, word| Finding::of(CHECK, what, look, word);
    match stream {
        None => of(Look::Good, "answers").said(format!("It answers within {took} ms.")),
        Some(Ok(true)) => of(Look::Good, "answers").said(format!("It answers within {took} ms, and its stream comes through.")),
        Some(Ok(false)) => of(Look::Bad, "held back")
            .said(format!(
                "It answers, but nothing of its stream came within {} s: a proxy before it, or on your side, holds it back.",
                FIRST_BYTES.as_secs()
            ))
            .todo("Whoever runs the proxy has to pass answers on as they come; in nginx and in Caddy:")
            .copy("proxy_buffering off;")
            .copy("flush_interval -1"),
        Some(Err(why)) => of(Look::Bad, "no stream")
            .said(format!("It answers, but gives no stream: {why}."))
            .todo("For a closed community, the link of an invitation leads in; otherwise ask whoever runs it.")
            .copy(format!("goop status {}", quoted(&server.to_string()))),
    }
}

/// A proxy that leads from http to https, or a community that is elsewhere.
fn moved(what: &str, server: &BaseUrl, to: &str) -> Finding {
    let place =
        server.url().join(to).ok().and_then(|url: Url| BaseUrl::parse(url.as_str().trim_end_matches("healthz").trim_end_matches('/')).ok());
    let finding = Finding::of(CHECK, what, Look::Warn, "elsewhere").said("It says that it is somewhere else now.");
    match place {
        Some(place) => finding
            .todo("If you trust it, leave this one and join it there:")
            .copy(format!("goop leave {}", quoted(&server.to_string())))
            .copy(format!("goop join {}", quoted(&place.to_string()))),
        None => finding.todo("Ask whoever runs it where it is."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_held_back_is_told_from_one_that_is_refused() {
        let server = BaseUrl::parse("https://rv.example.org/c/chess").unwrap();
        let of = |stream| answers("x", &server, 12, stream);
        assert!(of(None).look == Look::Good && of(Some(Ok(true))).said.contains("12 ms"));
        assert!(of(Some(Ok(false))).copy.iter().any(|line| line.contains("proxy_buffering")));
        assert!(of(Some(Err("it answers 404".into()))).said.contains("404"));
    }

    #[test]
    fn a_server_that_is_elsewhere_is_joined_there_by_hand() {
        let server = BaseUrl::parse("http://rv.example.org").unwrap();
        assert_eq!(moved("x", &server, "https://rv.example.org/healthz").copy[1], "goop join 'https://rv.example.org/'");
        assert_eq!(moved("x", &server, "/c/chess/healthz").copy[1], "goop join 'http://rv.example.org/c/chess'");
        assert!(moved("x", &server, "javascript:alert(1)").copy.is_empty());
        assert_eq!(moved("x", &server, "https://x/'$(rm)'").copy[1], r"goop join 'https://x/'\''$(rm)'\'''");
    }
}
