//! The way into a server of one's own: does `http.external_url` lead here, and does the server see its clients behind a proxy, and only where
//! the proxy says so (THREATS 15).
//!
//! The server tells each client under which address it counts it (`you` at `/.well-known/goop`). It is asked twice: as anybody, and as somebody
//! who claims to be [`CLAIMED`].

use std::net::IpAddr;

use serde_json::Value;

use super::asking::{Asker, diagnosis};
use super::{Finding, Look, Patient, together};
use crate::config::base_url::BaseUrl;
use crate::http::client_ip::TrustedProxies;
use crate::proto::shell::quoted;

const CHECK: &str = "proxy";
const WHAT: &str = "The way in from outside";
const KEY: &str = "http.external_url";
/// An address that nobody has (RFC 5737).
const CLAIMED: &str = "192.0.2.77";

/// What the server answers to somebody who comes the public way.
#[derive(Debug)]
struct Seen {
    /// As whom it counts us.
    plain: IpAddr,
    /// As whom it counts us when we claim to be [`CLAIMED`].
    claiming: Option<IpAddr>,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
}

/// Goes the way that others go; needs a server that runs here.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    if !patient.is_server() {
        return Vec::new();
    }
    let http = &patient.loaded.config.http;
    let Some(local) = patient.running.as_ref().and_then(|running| BaseUrl::parse(running.local.as_deref()?).ok()) else {
        return Vec::new();
    };
    let Some(external) = &http.external_url else {
        let open = !patient.loaded.config.presence.rendezvous_bind.is_loopback();
        return if open { vec![unnamed()] } else { Vec::new() };
    };
    let trusted = TrustedProxies::new(http.trusted_proxies.clone());
    let what = format!("{WHAT}, {external}");
    vec![together::in_time(CHECK, &what, look(&local, external, &trusted)).await.unwrap_or_else(|late| late)]
}

fn unnamed() -> Finding {
    Finding::of(CHECK, WHAT, Look::Warn, "no name")
        .said("This server is open to other machines, but does not know under which name: what was signed for another server counts here too.")
        .todo("Say it in the configuration:")
        .copy("[http] external_url = \"https://your.name.example\"")
}

async fn look(local: &BaseUrl, external: &BaseUrl, trusted: &TrustedProxies) -> Finding {
    let known = |asker: Asker| async move {
        let answer = asker.get(".well-known/goop").await?;
        Ok::<_, String>((describe(&answer.body), asker))
    };
    let here = match Asker::of(local) {
        Ok(asker) => known(asker).await.map(|(said, _)| said["peer_id"].clone()).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let outside = match Asker::of(external) {
        Ok(asker) => known(asker).await,
        Err(why) => Err(why),
    };
    let (said, asker) = match outside {
        Ok(outside) => outside,
        Err(why) => return diagnosis(CHECK, &format!("{WHAT}, {external}"), external, KEY, &why).await,
    };
    if here.is_null() || said["peer_id"] != here {
        return another(external);
    }
    // Nothing stands between where a server listens and itself.
    if external.url().origin() == local.url().origin() {
        return Finding::of(CHECK, WHAT, Look::Good, "leads here").said("It leads here, from this machine alone.");
    }
    let Some(plain) = you(&said) else { return Finding::of(CHECK, WHAT, Look::Good, "leads here") };
    let claiming =
        asker.get_with(".well-known/goop", "x-forwarded-for", CLAIMED).await.ok().and_then(|answer| you(&describe(&answer.body)));
    let own = if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
    judge(&Seen { plain, claiming, own }, trusted)
}

fn describe(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn you(said: &Value) -> Option<IpAddr> {
    said["you"].as_str()?.parse().ok()
}

fn another(external: &BaseUrl) -> Finding {
    Finding::of(CHECK, WHAT, Look::Bad, "leads elsewhere")
        .said(format!("What answers at {external} is not this server."))
        .todo(format!("Look at {KEY}, at the DNS entry of that name, and at where the proxy there passes requests on to."))
        .copy(format!("curl -s {}/.well-known/goop", quoted(external.to_string().trim_end_matches('/'))))
}

fn judge(seen: &Seen, trusted: &TrustedProxies) -> Finding {
    let of = |look, word| Finding::of(CHECK, WHAT, look, word);
    let claimed = seen.claiming.is_some_and(|claiming| claiming.to_string() == CLAIMED);
    match seen.plain {
        // Whoever asks from a trusted address may say what they like; that is no finding.
        plain if trusted.trusts(plain) => of(Look::Plain, "leads here")
            .said("How others are counted cannot be told from the machine of the proxy itself.")
            .todo("From another machine, look at \"you\" in what this server says:")
            .copy(format!("curl -s <{KEY}>/.well-known/goop")),
        _ if claimed => of(Look::Bad, "anybody may lie")
            .said("Whoever says so is counted under any address they like: bans and limits by address are worth nothing.")
            .todo("Trust the address of the proxy alone:")
            .copy("[http] trusted_proxies = [\"127.0.0.1\", \"::1\"]"),
        plain if plain.is_loopback() => of(Look::Bad, "all are one")
            .said(format!("A proxy stands before this server, and everybody is counted under its address, {plain}: they share their limits, and a ban meets all."))
            .todo("Trust what the proxy says:")
            .copy(format!("[http] trusted_proxies = [\"{plain}\"]")),
        plain if seen.own.contains(&plain) => of(Look::Good, "leads here").said("Others are counted under their own addresses."),
        plain => of(Look::Plain, "leads here")
            .said(format!("This machine is counted as {plain} there. If that is the address of a proxy, everybody is."))
            .todo("Then, and only then, trust what it says:")
            .copy(format!("[http] trusted_proxies = [\"{plain}\"]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http::HttpConfig;
    use crate::config::setting::Setting;

    fn judged(plain: &str, claiming: &str, trusted: &str) -> Finding {
        let ip = |text: &str| text.parse().unwrap();
        let seen = Seen { plain: ip(plain), claiming: Some(ip(claiming)), own: vec![ip("127.0.0.1"), ip("203.0.113.9")] };
        let networks = HttpConfig {
            trusted_proxies: Setting::read(&toml_edit::Value::from(trusted)).map(|one| vec![one]).unwrap_or_default(),
            ..HttpConfig::default()
        };
        judge(&seen, &TrustedProxies::new(networks.trusted_proxies))
    }

    #[test]
    fn a_proxy_that_nobody_named_makes_all_clients_one() {
        let found = judged("127.0.0.1", "127.0.0.1", "none");
        assert!(found.look == Look::Bad && found.copy[0] == "[http] trusted_proxies = [\"127.0.0.1\"]", "{found:?}");
    }

    #[test]
    fn attack_a_server_that_believes_every_client_is_found() {
        let found = judged("203.0.113.9", CLAIMED, "10.0.0.0/8");
        assert!(found.look == Look::Bad && found.word == "anybody may lie", "{found:?}");
    }

    #[test]
    fn a_client_that_is_counted_as_itself_is_well() {
        assert_eq!(judged("203.0.113.9", "203.0.113.9", "127.0.0.1").look, Look::Good);
        assert_eq!(judged("127.0.0.1", CLAIMED, "127.0.0.1").look, Look::Plain, "asked from the proxy's own machine");
        assert_eq!(judged("198.51.100.1", "198.51.100.1", "127.0.0.1").look, Look::Plain);
    }
}
