//! Behind Caddy, with `docs/Caddyfile.example` itself: what a proxy must not break.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use goop::clock::Moment;
use serde_json::json;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::harness::goop_node::{Plan, run};
use crate::harness::{Goop, Place, SOON, eventually, has, in_repository};
use crate::talk::{ALICE, answer, ask, get, host, json, line_with, post, send, server};

/// How late an event may be that nothing holds back.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long Caddy may take to start on a loaded machine.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// How often it is started, each time on another port.
const TRIES: usize = 10;
/// Two clients, at addresses of their own.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 1, 2, 3);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 1, 2, 4);

/// A running Caddy; ends when dropped.
struct Caddy {
    child: Child,
    host: String,
    _home: TempDir,
}

impl Caddy {
    /// Before the server at `upstream`; `None` where this machine has no Caddy.
    fn before(upstream: &str, scheme: &str) -> Option<Self> {
        if !has("caddy", "version") {
            return None;
        }
        // A port that was free may be somebody else's by the time Caddy asks for it.
        Some((0..TRIES).find_map(|_| Self::start(upstream, scheme)).expect("Caddy starts"))
    }

    /// Of the example, only the names of the site and of the server are replaced, and nothing of this machine's own is touched.
    fn start(upstream: &str, scheme: &str) -> Option<Self> {
        let (home, host) = (TempDir::new().unwrap(), free_host());
        let example = fs::read_to_string(in_repository("docs/Caddyfile.example")).unwrap();
        let options = format!("admin off\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n\thttp_port {}\n", port(&free_host()));
        fs::write(home.path().join("Caddyfile"), example.replacen("\n{\n", &format!("\n{{\n\t{options}"), 1)).unwrap();
        let log = home.path().join("log");
        let mut caddy = Command::new("caddy");
        caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(home.path().join("Caddyfile"));
        caddy.env("GOOP_SITE", format!("{scheme}://localhost:{}", port(&host))).env("GOOP_UPSTREAM", upstream);
        for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            caddy.env(name, home.path());
        }
        caddy.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let mut caddy = Self { child: caddy.spawn().unwrap(), host, _home: home };
        let said = || fs::read_to_string(&log).unwrap();
        let (listens, _) = eventually(STARTS_WITHIN, "Caddy listens, or ends", || {
            if caddy.child.try_wait().unwrap().is_some() {
                eprintln!("Caddy did not start:\n{}", said());
                return Ok(false);
            }
            TcpStream::connect(&caddy.host).map(|_| true).map_err(|error| format!("{error}\n{}", said()))
        });
        listens.then_some(caddy)
    }

    fn url(&self) -> String {
        format!("http://{}", self.host)
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_host() -> String {
    format!("localhost:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

fn port(host: &str) -> &str {
    host.rsplit_once(':').unwrap().1
}

/// A server that is configured as the example says.
fn trusting() -> Plan {
    server().arg("--set").arg(r#"http.trusted_proxies=["127.0.0.1", "::1"]"#).arg("--set").arg("presence.admin_password=pass")
}

/// A connection from `from` to Caddy.
fn connect(from: Ipv4Addr, host: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port(host).parse().unwrap())).into()).unwrap();
    socket.into()
}

/// The status of a publication from `from`; `more` are further header lines.
fn publish_from(from: Ipv4Addr, caddy: &Caddy, more: &str) -> String {
    let head = format!("POST /publish HTTP/1.1\r\nhost: {}{more}", caddy.host);
    let said = answer(send(connect(from, &caddy.host), &head, ALICE).unwrap());
    said.split(' ').nth(1).unwrap().to_owned()
}

fn alice(content: &str) -> String {
    ALICE.replace("Alice", content)
}

#[test]
fn events_come_through_at_once_each_by_itself() {
    let goop = trusting().start();
    let Some(caddy) = Caddy::before(&host(&goop), "http") else { return };
    for (path, first) in [("/events", ": ok"), ("/api/v1/events", "event: snapshot")] {
        let open = || {
            let asked = Moment::now();
            let mut stream = ask(&caddy.host, &format!("GET {path}"), "").unwrap();
            line_with(&mut stream, first);
            (Moment::now().since(asked), stream)
        };
        let (wait, mut stream) = (0..5).map(|_| open()).min_by_key(|(wait, _)| *wait).unwrap();
        assert!(wait < AT_ONCE, "{path}: the first event is held back for {wait:?}");
        let mut waits: Vec<_> = (0..5)
            .map(|n| {
                let content = format!("{path} {n}");
                let published = Moment::now();
                assert!(post(&caddy.host, "/publish", &alice(&content), None).starts_with("HTTP/1.1 204"));
                line_with(&mut stream, &content);
                Moment::now().since(published)
            })
            .collect();
        waits.sort();
        assert!(waits[1] < AT_ONCE, "{path}: {waits:?}");
    }
}

#[test]
fn a_stream_is_resumed_by_last_event_id() {
    let goop = trusting().start();
    let Some(caddy) = Caddy::before(&host(&goop), "http") else { return };
    let mut stream = ask(&caddy.host, "GET /api/v1/events", "").unwrap();
    let id = line_with(&mut stream, "id: ").trim().replacen("id: ", "", 1);
    drop(stream);
    assert!(post(&caddy.host, "/publish", &alice("missed"), None).starts_with("HTTP/1.1 204"));
    let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\nlast-event-id: {id}", caddy.host);
    let mut stream = send(TcpStream::connect(&caddy.host).unwrap(), &head, "").unwrap();
    assert_eq!(line_with(&mut stream, "event: "), "event: online\n", "no snapshot, but what was missed");
    line_with(&mut stream, "missed");
}

#[test]
fn limits_and_bans_see_the_clients_own_address() {
    let goop = trusting().arg("--set").arg("http.publish_per_minute_per_ip=1").start();
    let Some(caddy) = Caddy::before(&host(&goop), "http") else { return };
    assert!((0..50).any(|_| publish_from(HERE, &caddy, "") != "204"), "an address has a limit");
    assert_eq!(publish_from(HERE, &caddy, ""), "429");
    assert_eq!(publish_from(HERE, &caddy, "\r\nx-forwarded-for: 192.0.2.1"), "429", "what a client writes itself counts for nothing");
    assert_eq!(publish_from(ELSEWHERE, &caddy, ""), "204");
    let ban = json!({ "address": ELSEWHERE, "reason": "a test" }).to_string();
    let banned = post(&host(&goop), "/api/v1/admin/bans", &ban, Some("pass"));
    assert!(banned.starts_with("HTTP/1.1 201"), "{banned}");
    assert_eq!(publish_from(ELSEWHERE, &caddy, ""), "403");
}

#[test]
fn the_doctor_sees_a_proxy_that_nobody_named_and_one_that_leads_elsewhere() {
    let (unnamed, named) = (server().start(), trusting().start());
    let Some(caddy) = Caddy::before(&host(&unnamed), "http") else { return };
    let external = format!("http.external_url=\"{}\"", caddy.url());
    let found = |goop: &Goop, more: &str| {
        let told = goop.cli(&["doctor", "--json", "--set", &external, "--set", more]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
        told["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "proxy").unwrap().clone()
    };
    let all_are_one = found(&unnamed, "http.trusted_proxies=[]");
    assert_eq!((&all_are_one["look"], &all_are_one["word"]), (&json!("bad"), &json!("all are one")), "{all_are_one}");
    assert!(all_are_one["copy"][0].as_str().unwrap().contains("trusted_proxies"), "{all_are_one}");
    let elsewhere = found(&named, "http.trusted_proxies=[]");
    assert_eq!((&elsewhere["look"], &elsewhere["word"]), (&json!("bad"), &json!("leads elsewhere")), "{elsewhere}");
}

#[test]
fn an_over_long_body_hears_its_413() {
    let goop = trusting().start();
    let Some(caddy) = Caddy::before(&host(&goop), "http") else { return };
    for length in [20_000, 400_000, 20_000_000] {
        for _ in 0..5 {
            let body = tempfile::NamedTempFile::new().unwrap();
            body.as_file().set_len(length).unwrap();
            let data = format!("@{}", body.path().display());
            let curl = ["-H", "content-type: application/json", "-H", "expect:", "--data-binary", &data];
            let (status, said) = Place::Here.http(&format!("{}/publish", caddy.url()), &curl).unwrap();
            assert_eq!(status, 413, "{length}: {}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn who_leaves_gives_the_stream_back() {
    let goop = trusting().start();
    let Some(caddy) = Caddy::before(&host(&goop), "http") else { return };
    let streams = || {
        get(&host(&goop), "/metrics")
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix(r#"goop_rendezvous_event_streams{community=""} "#).map(str::to_owned))
    };
    let mut stream = ask(&caddy.host, "GET /events", "").unwrap();
    line_with(&mut stream, ": ok");
    assert_eq!(streams().as_deref(), Some("1"));
    drop(stream);
    let gone = || if streams().as_deref() == Some("0") { Ok(()) } else { Err(format!("{:?}", streams())) };
    eventually(SOON, "the stream is given back", gone);
}

#[test]
fn a_stop_ends_streams_and_after_a_restart_peers_are_back() {
    // An address that nobody else uses, so that the port is still free for the second start.
    let [.., high, low] = std::process::id().to_be_bytes();
    let (address, free) = (Ipv4Addr::new(127, 9, high, low).to_string(), free_host());
    let upstream = format!("{address}:{}", port(&free));
    let start = || Plan::new(&Place::Here).arg("--rendezvous-only").arg("--bind").arg(&address).arg("--port").arg(port(&free)).start();
    let goop = start();
    let Some(caddy) = Caddy::before(&upstream, "http") else { return };
    let peer = Plan::new(&Place::Here).arg("--rendezvous-wan").arg(&caddy.url()).start();
    let is = |state: &str| {
        eventually(SOON, state, || match peer.api("self")?["rendezvous"][0]["state"].as_str() {
            Some(now) if now == state => Ok(()),
            other => Err(format!("{other:?}")),
        })
    };
    is("connected");
    let mut stream = ask(&caddy.host, "GET /api/v1/events", "").unwrap();
    line_with(&mut stream, &peer.id());
    goop.stop();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).expect("the stream ends, and ends properly");
    is("retrying");
    let mut waiting = ask(&caddy.host, "GET /api/v1/events", "").unwrap();
    let goop = start();
    line_with(&mut waiting, "event: snapshot");
    is("connected");
    let mut stream = ask(&caddy.host, "GET /api/v1/events", "").unwrap();
    line_with(&mut stream, &peer.id());
    peer.stop();
    goop.stop();
}

#[test]
fn communities_need_no_rule_of_their_own() {
    let goop = trusting().start();
    let Some(caddy) = Caddy::before(&host(&goop), "http") else { return };
    let founded = post(&caddy.host, "/api/v1/admin/boards", r#"{"slug":"chess","type":"invite-only"}"#, Some("pass"));
    assert!(founded.starts_with("HTTP/1.1 201"), "{founded}");
    let invitation = json(&post(&caddy.host, "/api/v1/admin/boards/chess/invitations", "{}", Some("pass")));
    let join = json!({ "invite": invitation["invite"] }).to_string();
    let personal = json(&post(&caddy.host, "/c/chess/join", &join, None))["url"].as_str().unwrap().to_owned();
    let path = personal.strip_prefix(&format!("{}/", caddy.url())).unwrap_or_else(|| panic!("{personal}"));
    assert!(post(&caddy.host, &format!("/{path}publish"), ALICE, None).starts_with("HTTP/1.1 204"));
    let mut stream = ask(&caddy.host, &format!("GET /{path}api/v1/events"), "").unwrap();
    line_with(&mut stream, "Alice");
    let seen = run(&["status", &caddy.url()]);
    assert!(seen.status.success() && String::from_utf8_lossy(&seen.stdout).starts_with("ready"), "{seen:?}");
}

#[test]
fn over_https_and_http2_it_is_the_same() {
    let goop = trusting().start();
    let Some(caddy) = Caddy::before(&host(&goop), "https") else { return };
    let url = format!("https://{}", caddy.host);
    let ours = ["--insecure", "--http2", "--resolve", &format!("{}:127.0.0.1", caddy.host)].map(str::to_owned);
    let publish = |content: &str| {
        let mut curl: Vec<&str> = ours.iter().map(String::as_str).collect();
        let body = alice(content);
        curl.extend(["-H", "content-type: application/json", "--data", &body]);
        Place::Here.http(&format!("{url}/publish"), &curl).map(|(status, _)| status)
    };
    eventually(SOON, "Caddy has made its certificate", || {
        publish("one").and_then(|status| if status == 204 { Ok(()) } else { Err(status.to_string()) })
    });
    let mut reader = Command::new("curl")
        .args(&ours)
        .args(["--silent", "--no-buffer", "--noproxy", "*", &format!("{url}/api/v1/events")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = std::io::BufReader::new(reader.stdout.take().unwrap());
    line_with(&mut stream, "one");
    assert_eq!(publish("two"), Ok(204));
    line_with(&mut stream, "two");
    reader.kill().unwrap();
    reader.wait().unwrap();
    let stranger = run(&["status", &url]);
    assert_eq!(stranger.status.code(), Some(3), "a certificate that nobody vouches for is none: {stranger:?}");
}
