//! Each rendezvous server of the configuration: does it answer, how fast, and does its stream come through.

use std::net::IpAddr;

use reqwest::Url;
use serde_json::Value;

use super::asking::{Asker, FIRST_BYTES, diagnosis};
use super::{Finding, Look, MAX_SERVERS, Patient, clock, together};
use crate::clients::rendezvous::standing::{Standing, standing};
use crate::config::base_url::BaseUrl;
use crate::config::presence::RENDEZVOUS_WAN;
use crate::proto::directory::Endpoint;
use crate::proto::shell::quoted;
use crate::proto::signed::addrs::is_public;

/// Names of private networks (RFC 6761, 6762, 8375), besides those without a dot.
const PRIVATE_NAMES: [&str; 4] = [".localhost", ".local", ".internal", ".home.arpa"];
const CHECK: &str = "rendezvous";

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
        Err(why) => return (diagnosis(CHECK, what, server, RENDEZVOUS_WAN, &why).await, None),
    };
    let took = health.took.as_millis();
    let standing = if health.status == 200 { standing(server).await } else { Standing::Silent };
    let finding = match (health.status, &health.elsewhere) {
        (200, _) if standing == Standing::NoCommunity => Finding::of(CHECK, what, Look::Bad, "no such community")
            .said("A server answers, but there is no such community here (404), or it is closed to strangers.")
            .todo(format!("Look for a typing error in {RENDEZVOUS_WAN}; into a closed community leads the link of an invitation."))
            .copy(format!("goop status {}", quoted(&server.to_string()))),
        (200, _) if standing == Standing::SomethingElse => something_else(what, server, "What answers there is no rendezvous server."),
        (200, _) => {
            let described = asker.get(".well-known/goop").await.ok().filter(|answer| answer.status == 200);
            let described = described.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            let ours = described.is_some_and(|described| described["peer_id"].is_string());
            answers(what, server, took, if ours { Some(asker.streams("api/v1/events").await) } else { None })
        }
        (300..400, Some(to)) => moved(what, server, to),
        (status, _) => something_else(what, server, &format!("What answers there is no rendezvous server, or it is not well: {status}.")),
    };
    (finding, health.ahead)
}

fn something_else(what: &str, server: &BaseUrl, said: &str) -> Finding {
    Finding::of(CHECK, what, Look::Bad, "something else")
        .said(said)
        .todo(format!("Look for a typing error in {RENDEZVOUS_WAN}; the address of a community is whole only with its /c/…"))
        .copy(format!("goop status {}", quoted(&server.to_string())))
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

/// A proxy that leads from http to https, or a community that is elsewhere. A server of the internet that names a place in a private network
/// means none that anybody should join.
fn moved(what: &str, server: &BaseUrl, to: &str) -> Finding {
    let place = server.url().join(to).ok().filter(|url| is_private(server.url()) || !is_private(url));
    let place = place.and_then(|url| Endpoint::parse(url.as_str().trim_end_matches("healthz")).ok());
    let finding = Finding::of(CHECK, what, Look::Warn, "elsewhere").said("It says that it is somewhere else now.");
    match place {
        Some(place) => finding
            .todo("If you trust it, leave this one and join it there:")
            .copy(format!("goop leave {}", quoted(&server.to_string())))
            .copy(format!("goop join {}", quoted(place.as_str()))),
        None => finding.todo("Ask whoever runs it where it is."),
    }
}

/// Whether a URL leads into a private network, as far as its host tells.
fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let private_name = || !host.contains('.') || PRIVATE_NAMES.iter().any(|name| host.ends_with(name));
    literal.map_or_else(|_| private_name(), |ip| !is_public(ip))
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
        assert_eq!(moved("x", &server, "https://rv.example.org/healthz").copy[1], "goop join 'https://rv.example.org'");
        assert_eq!(moved("x", &server, "/c/chess/healthz").copy[1], "goop join 'http://rv.example.org/c/chess'");
        assert!(moved("x", &server, "javascript:alert(1)").copy.is_empty());
    }

    #[test]
    fn attack_a_server_that_moves_puts_no_command_and_no_private_place_behind_join() {
        let server = BaseUrl::parse("https://rv.example.org").unwrap();
        let long = format!("https://x.example/{}", "x".repeat(600));
        for to in [&*long, "https://x.example/'$(rm)'", "https://x.example/$(rm)/healthz", "https://x;rm:80/"] {
            assert!(moved("x", &server, to).copy.is_empty(), "{to}");
        }
        let inside = [
            "127.0.0.1:8788",
            "[::1]:1",
            "[::ffff:10.0.0.1]",
            "0x7f.1",
            "192.168.1.1",
            "169.254.1.1",
            "localhost",
            "x.localhost",
            "nas.local.",
            "router",
        ];
        for to in inside {
            assert!(moved("x", &server, &format!("http://{to}/healthz")).copy.is_empty(), "{to}");
        }
        let at_home = BaseUrl::parse("http://192.168.1.1").unwrap();
        assert_eq!(moved("x", &at_home, "https://nas.local/healthz").copy[1], "goop join 'https://nas.local'");
    }
}
