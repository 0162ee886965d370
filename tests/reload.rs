//! A running server whose configuration changes: by SIGHUP, and by the operator's API.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod harness;
mod instances;

use std::path::Path;
use std::time::Duration;

use harness::goop_node::Plan;
use harness::{Place, SOON};
use instances::{Instance, message};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

const BEFORE: &str = "presence.admin_password = \"correct horse\"\n";

fn write(folder: &Path, toml: &str) {
    std::fs::write(folder.join("goop.toml"), toml).unwrap();
}

fn start(folder: &TempDir) -> Instance {
    write(folder.path(), BEFORE);
    Instance::of(Plan::new(&Place::Here).data(folder.path()).arg("--rendezvous-only").arg("--port").arg("0").start())
}

/// Waits until what `look` answers is `wanted`.
async fn becomes<T: PartialEq + std::fmt::Debug>(wanted: T, mut look: impl AsyncFnMut() -> T) {
    let last = timeout(SOON, async {
        while look().await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(last.await.is_ok(), "not {wanted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_changes_the_password_the_limits_and_who_counts_and_ends_no_stream() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder);
    let mut reader = server.events().await;
    assert_eq!(server.publish(&message("online", 1, "Alice")).await, 204);
    reader.until("online", "Alice").await;
    let more = "presence.allow_unsigned = false\nhttp.publish_burst = 3\nhttp.external_url = \"https://goop.example\"\n";
    write(folder.path(), &format!("presence.admin_password = \"battery staple\"\n{more}"));
    server.goop.signal(Signal::HUP);
    becomes(403, async || server.publish(&message("update", 1, "Alice")).await).await;
    assert_eq!(server.admin("GET", "stats", Value::Null).await, 401, "the old password");
    let about = server.about().await;
    assert_eq!((&about["allow_unsigned"], &about["limits"]["publish_burst"]), (&json!(false), &json!(3)));
    write(folder.path(), BEFORE);
    server.goop.signal(Signal::HUP);
    becomes(200, async || server.admin("GET", "stats", Value::Null).await).await;
    assert_eq!(server.publish(&message("update", 1, "Alicia")).await, 204);
    reader.until("update", "Alicia").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_hears_what_counts_now_and_what_needs_a_restart() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder);
    assert_eq!(server.admin_answer("POST", "reload", Value::Null).await, (200, json!({ "applied": [], "needs_restart": [] })));
    write(
        folder.path(),
        &format!("{BEFORE}http.max_streams = 7\nhttp.external_url = \"https://goop.example\"\npresence.ttl_seconds = 9\n"),
    );
    let expected = json!({ "applied": ["http.external_url", "http.max_streams"], "needs_restart": ["presence.ttl_seconds"] });
    let (status, told) = server.admin_answer("POST", "reload", Value::Null).await;
    assert_eq!((status, &told), (200, &expected));
    assert!(server.goop.logged("needs a restart: presence.ttl_seconds"));
    let (_, told) = server.admin_answer("POST", "reload", Value::Null).await;
    assert_eq!(told, json!({ "applied": [], "needs_restart": ["presence.ttl_seconds"] }), "it still waits");
    let new = json!({ "slug": "secret", "type": "invite-only" });
    assert_eq!(server.admin("POST", "boards", new).await, 201);
    let (_, invited) = server.admin_answer("POST", "boards/secret/invitations", json!({})).await;
    assert!(invited["join"].as_str().unwrap().starts_with("https://goop.example/c/secret/"), "{invited}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_at_the_start_need_a_restart() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder);
    write(folder.path(), &format!("{BEFORE}http.max_streams_per_ip = 5000\n"));
    let (_, told) = server.admin_answer("POST", "reload", Value::Null).await;
    assert_eq!(told, json!({ "applied": ["http.max_streams_per_ip"], "needs_restart": ["http.max_streams_per_ip"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_counts_for_the_board_at_once_and_for_a_hub_beside_it_after_a_restart() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), BEFORE);
    let plan = Plan::new(&Place::Here).data(folder.path()).arg("--rendezvous-only").arg("--superhub").arg("--port").arg("0");
    let server = Instance::of(plan.start());
    write(folder.path(), &format!("{BEFORE}http.external_url = \"https://goop.example\"\n"));
    let (_, told) = server.admin_answer("POST", "reload", Value::Null).await;
    assert_eq!(told, json!({ "applied": ["http.external_url"], "needs_restart": ["http.external_url"] }));
    assert!(server.goop.logged("needs a restart: http.external_url"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_counts_at_once_for_a_hub_beside_one_s_own_peer() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), BEFORE);
    let hub = Plan::new(&Place::Here).data(folder.path()).arg("--superhub").arg("--port").arg("0").start();
    let url = format!("{}/api/v1/admin/audit", hub.ready["public"].as_str().unwrap().trim_end_matches('/'));
    let client = reqwest::Client::new();
    let asked = async |password: &str| client.get(&url).basic_auth("admin", Some(password)).send().await.unwrap().status().as_u16();
    assert_eq!((asked("correct horse").await, asked("battery staple").await), (200, 401));
    write(folder.path(), "presence.admin_password = \"battery staple\"\n");
    hub.signal(Signal::HUP);
    becomes(200, async || asked("battery staple").await).await;
    assert_eq!(asked("correct horse").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_is_told_in_the_configuration_s_own_words() {
    let folder = TempDir::new().unwrap();
    let server = start(&folder);
    let bad = [
        ("http.publish_burts = 3\npresence.allow_unsigned = false\n", "publish_burst"),
        ("presence.allow_unsigned = false\nhttp.max_body = 5\n", "goop.toml:2"),
        ("presence.allow_unsigned = false\npresence.admin_password = \"$argon2id$broken\"\n", "goop hash-password"),
        ("presence.allow_unsigned = false\n[", "goop.toml:2"),
    ];
    for (nth, (toml, told)) in bad.into_iter().enumerate() {
        let password = if toml.contains("admin_password") { "" } else { BEFORE };
        write(folder.path(), &format!("{toml}{password}"));
        if toml.ends_with('[') {
            write(folder.path(), toml);
        }
        let (status, problem) = server.admin_answer("POST", "reload", Value::Null).await;
        assert_eq!((status, &problem["code"]), (409, &json!("bad-config")), "{toml}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("nothing changed: ") && detail.contains(told), "{detail}");
        server.goop.signal(Signal::HUP);
        becomes(2 * nth + 2, async || server.goop.log().matches("nothing changed\"").count()).await;
    }
    assert_eq!(server.publish(&message("online", 1, "Alice")).await, 204, "unsigned ones still count");
    server.stop();
}
