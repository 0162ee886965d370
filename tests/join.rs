//! From a word to the people behind it: search, join, see each other; and what becomes of that when the hub is gone.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use harness::goop_node::{Plan, run};
use harness::{Goop, Place, SOON, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "admin:correct horse";

fn server(role: &str) -> Goop {
    let plan = Plan::new(&Place::Here).arg(role).arg("--rendezvous-only").arg("--port").arg("0");
    plan.set("superhub.probe=false").set("presence.admin_password=correct horse").start()
}

fn url(server: &Goop) -> String {
    server.ready["public"].as_str().unwrap().trim_end_matches('/').to_owned()
}

fn operate(server: &Goop, path: &str, body: &Value) -> Value {
    let curl = ["-u", PASSWORD, "-H", "Content-Type: application/json", "--data", &body.to_string()];
    let (status, answer) = Place::Here.http(&format!("{}/api/v1/{path}", url(server)), &curl).unwrap();
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap()
}

/// A peer whose configuration is this file, and nothing on its command line.
fn peer(folder: &TempDir, label: &str, toml: &str) -> Goop {
    fs::write(folder.path().join("goop.toml"), toml).unwrap();
    Plan::new(&Place::Here).data(folder.path()).label(label).start()
}

fn file(folder: &Path) -> String {
    fs::read_to_string(folder.join("goop.toml")).unwrap()
}

fn done(said: &Output) -> String {
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{text}");
    text
}

fn failed(said: &Output) -> String {
    assert!(!said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    String::from_utf8_lossy(&said.stderr).into_owned()
}

/// The rendezvous of the first community that this node finds, and whether it had to look on its own disk.
fn found(peer: &Goop, query: &str) -> (String, bool) {
    let said: Value = serde_json::from_str(&done(&peer.cli(&["search", query, "--json"]))).unwrap();
    (said["communities"][0]["rendezvous"].as_str().unwrap().to_owned(), said["local"].as_bool().unwrap())
}

#[test]
fn one_searches_joins_and_is_in_and_the_hub_may_die() {
    let (hub, board) = (server("--superhub"), server("--rendezvous-host"));
    operate(&hub, "communities", &json!({ "community": "Chess Club", "rendezvous": url(&board), "type": "open" }));
    let toml = format!("# mine\n[discovery]\nhubs = [\"{}\"] # the one I know\n", url(&hub));
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (alice, bob) = (peer(&folders[0], "Alice", &toml), peer(&folders[1], "Bob", &toml));
    for one in [&alice, &bob] {
        let (place, local) = found(one, "chess");
        assert!(!local);
        let said = done(&one.cli(&["join", &place]));
        assert!(said.contains("is connected"), "{said}");
        let kept = file(one.data());
        assert!(kept.contains("# mine") && kept.contains("# the one I know") && kept.contains(&place), "{kept}");
    }
    alice.sees(&bob.id(), SOON);
    bob.sees(&alice.id(), SOON);
    drop(hub);
    let (place, local) = found(&alice, "chess");
    assert!(local && place == url(&board));
    let carol = peer(&folders[2], "Carol", "");
    done(&carol.cli(&["join", &place]));
    carol.sees(&alice.id(), SOON);
    alice.sees(&carol.id(), SOON);
    alice.sees(&bob.id(), SOON);
    let listed = done(&alice.cli(&["communities"]));
    assert!(listed.contains(&format!("connected     Chess Club ({})", place.trim_start_matches("http://"))), "{listed}");
    done(&alice.cli(&["leave", &place]));
    bob.misses(&alice.id(), SOON);
    alice.misses(&bob.id(), SOON);
    bob.sees(&carol.id(), SOON);
    assert!(!file(alice.data()).contains(&place) && file(alice.data()).contains("# mine"));
    assert!(done(&alice.cli(&["communities"])).contains("None yet"));
}

#[test]
fn by_the_pages_api_one_searches_joins_and_leaves_without_a_restart() {
    let (hub, board) = (server("--superhub"), server("--rendezvous-host"));
    operate(&hub, "communities", &json!({ "community": "Chess Club", "rendezvous": url(&board), "type": "open" }));
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (alice, bob) = (peer(&folders[0], "Alice", "# mine\n"), peer(&folders[1], "Bob", ""));
    let set = json!({ "discovery.hubs": [url(&hub)], "presence.ttl_seconds": 21 }).to_string();
    let curl = ["-H", "Content-Type: application/json", "--data", &set];
    let (status, saved) = alice.change("PATCH", "settings", &curl).unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!((status, &saved["applied"], &saved["needs_restart"]), (200, &json!(["discovery.hubs"]), &json!(["presence.ttl_seconds"])));
    let found = alice.api("communities/search?q=chess").unwrap();
    let place = found["communities"][0]["rendezvous"].as_str().unwrap().to_owned();
    assert_eq!((&found["local"], &place), (&json!(false), &url(&board)));
    let looked = bob.api(&format!("communities/search?q={place}")).unwrap();
    assert_eq!((&looked["link"]["answers"], &looked["link"]["peers"]), (&json!(true), &json!(0)));
    for one in [&alice, &bob] {
        let (status, joined) = one.post("communities", &json!({ "link": place })).unwrap();
        assert!(status == 201 && joined.contains("\"applied\":true"), "{joined}");
    }
    alice.sees(&bob.id(), SOON);
    let name = place.trim_start_matches("http://");
    let mine = alice.api("communities").unwrap();
    assert_eq!((&mine["communities"][0]["name"], &mine["communities"][0]["listed"]), (&json!(name), &json!(true)));
    assert_eq!(alice.delete(&format!("communities?name={name}")).unwrap().0, 200);
    bob.misses(&alice.id(), SOON);
    assert!(file(alice.data()).starts_with("# mine\n") && !file(alice.data()).contains(name));
}

#[test]
fn a_community_that_moved_is_written_down_and_found_after_a_restart() {
    let (old, new) = (server("--rendezvous-host"), server("--rendezvous-host"));
    for board in [&old, &new] {
        operate(board, "admin/boards", &json!({ "slug": "chess", "type": "open" }));
    }
    let (from, to) = (format!("{}/c/chess", url(&old)), format!("{}/c/chess", url(&new)));
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let toml = format!("[presence]\nrendezvous_wan = [\n    \"{from}\", # where we play\n]\n");
    let (alice, bob) = (peer(&folders[0], "Alice", &toml), peer(&folders[1], "Bob", &toml));
    alice.sees(&bob.id(), SOON);
    let curl = ["-u", PASSWORD, "-H", "Content-Type: application/json", "--data", &json!({ "to": to }).to_string()];
    assert_eq!(Place::Here.http(&format!("{}/api/v1/admin/boards/chess/move", url(&old)), &curl).unwrap().0, 204);
    for one in [&alice, &bob] {
        let written = || if file(one.data()).contains(&to) { Ok(()) } else { Err(file(one.data())) };
        eventually(SOON, "the move is written down", written);
        assert!(file(one.data()).contains("# where we play") && !file(one.data()).contains(&from), "{}", file(one.data()));
        let name = || match one.api("communities")?["communities"][0]["name"].clone() {
            name if name == to.trim_start_matches("http://") => Ok(()),
            other => Err(other.to_string()),
        };
        eventually(SOON, "it goes by its new name", name);
    }
    drop(old);
    let alice = alice.stop().start();
    alice.sees(&bob.id(), SOON);
    bob.sees(&alice.id(), SOON);
}

#[test]
fn an_invitation_becomes_a_personal_address_and_counts_once() {
    let board = server("--rendezvous-host");
    operate(&board, "admin/boards", &json!({ "slug": "club", "type": "invite-only" }));
    let link = operate(&board, "admin/boards/club/invitations", &json!({}))["link"].as_str().unwrap().to_owned();
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let data = |at: usize| folders[at].path().to_str().unwrap();
    let said = done(&run(&["join", &link, "--data", data(0)]));
    assert!(said.contains("/c/club/m/***") && said.contains("does not run"), "the secret is not shown: {said}");
    assert!(file(folders[0].path()).contains("/c/club/m/"));
    let again = run(&["join", &link, "--data", data(1)]);
    assert_eq!(again.status.code(), Some(5), "refused: {}", failed(&again));
    assert!(!folders[1].path().join("goop.toml").exists(), "nothing is written for who is not let in");
    let token = link.split_once('#').unwrap().1;
    let second = operate(&board, "admin/boards/club/invitations", &json!({}))["invite"].as_str().unwrap().to_owned();
    assert_ne!(token, second);
    done(&run(&["join", &format!("https://hub.example/join#at={}/c/club&invite={second}", url(&board)), "--data", data(1)]));
    let (alice, bob) = (Plan::new(&Place::Here).data(folders[0].path()).start(), Plan::new(&Place::Here).data(folders[1].path()).start());
    alice.sees(&bob.id(), SOON);
    done(&alice.cli(&["leave", &format!("{}/c/club", url(&board))]));
    bob.misses(&alice.id(), SOON);
}

#[test]
fn nobody_joins_what_is_no_community_and_what_is_silent_is_written_down_and_said() {
    let (board, folder) = (server("--rendezvous-host"), TempDir::new().unwrap());
    let hub = Plan::new(&Place::Here).arg("--superhub").arg("--port").arg("0").set("superhub.probe=false").start();
    let viewer = peer(&TempDir::new().unwrap(), "Viewer", "");
    let data = folder.path().to_str().unwrap();
    let join = |link: &str| run(&["join", link, "--data", data]);
    assert!(failed(&join(&format!("{}/c/nix", url(&board)))).contains("no such community, or"));
    let page = viewer.ready["viewer"].as_str().unwrap();
    for other in [&url(&hub), page, page.trim_start_matches("http://").trim_end_matches('/')] {
        let why = failed(&join(other));
        assert!(why.contains("no rendezvous server"), "{why}");
    }
    assert!(!folder.path().join("goop.toml").exists(), "nothing is written");
    let said = done(&join("http://127.0.0.1:1"));
    assert!(said.contains("does not answer") && file(folder.path()).contains("127.0.0.1:1"), "{said}");
    assert!(done(&join(&url(&board))).contains("Joined"));
}

#[test]
fn what_cannot_be_written_is_said_and_left_as_it_was() {
    let folder = TempDir::new().unwrap();
    let (path, data) = (folder.path().join("goop.toml"), folder.path().to_str().unwrap());
    let before = "# do not touch\npresence.rendezvous_wan = [\"http://127.0.0.1:1\"]\n";
    fs::write(&path, before).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    for command in [["join", "http://127.0.0.1:2"], ["leave", "http://127.0.0.1:1"]] {
        let why = failed(&run(&[&command[..], &["--data", data]].concat()));
        let told = ["goop.toml: nothing was saved", "it is read-only", "chmod u+w"];
        assert!(told.iter().all(|word| why.contains(word)), "{why}");
    }
    assert_eq!(file(folder.path()), before);
    let set = ["join", "http://127.0.0.1:2", "--data", data, "--set", "presence.rendezvous_wan=\"http://127.0.0.1:1\""];
    assert!(failed(&run(&set)).contains("--set"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(done(&run(&["join", "http://127.0.0.1:1/", "--data", data])).contains("already"));
    assert!(failed(&run(&["leave", "http://127.0.0.1:3", "--data", data])).contains("none of your communities"));
    assert!(failed(&run(&["join", "javascript:alert(1)", "--data", data])).contains("no link"));
    assert_eq!(file(folder.path()), before);
}
