//! The whole story with the real binary: a hub, two rendezvous servers, three peers. Somebody searches, picks, joins and talks; then the hub
//! dies, and those who are in notice nothing.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod chromium;
mod harness;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use chromium::Browser;
use harness::disk::SmallDisk;
use harness::goop_node::{BINARY, Plan};
use harness::{Goop, Place, SOON, eventually, has, in_repository, need};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const PASSWORD: &str = "admin:correct horse";

fn server(plan: Plan) -> Goop {
    plan.arg("--rendezvous-only").arg("--port").arg("0").start()
}

fn plan() -> Plan {
    Plan::new(&Place::Here)
}

fn hub() -> Goop {
    server(
        plan()
            .arg("--superhub")
            .set("presence.admin_password=correct horse")
            .set("superhub.registration=open")
            .set("superhub.private_addresses=true"),
    )
}

/// A rendezvous server that lists itself.
fn board(hub: &Goop, name: &str, tag: &str) -> Goop {
    let listing = format!("listing.name='{name}'");
    server(plan().set(&listing).set(&format!("listing.tags=['{tag}']")).set(&format!("listing.hubs=['{}']", public(hub))))
}

fn public(server: &Goop) -> String {
    server.ready["public"].as_str().unwrap().trim_end_matches('/').to_owned()
}

fn get(server: &Goop, path: &str) -> Result<Value, String> {
    let (status, body) = Place::Here.http(&format!("{}{path}", public(server)), &[])?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if status == 200 { serde_json::from_str(&text).map_err(|error| error.to_string()) } else { Err(format!("{status} {text}")) }
}

fn done(said: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{text}");
    text
}

fn says(from: &Goop, to: &Goop, words: &str) {
    eventually(SOON, &format!("{words:?} is taken"), || match from.post("chat", &json!({ "to": to.id(), "content": words }))? {
        (202, _) => Ok(()),
        (status, answer) => Err(format!("{status} {answer}")),
    });
    to.hears(Some(&from.id()), words);
}

fn are_listed(hub: &Goop, count: usize) {
    eventually(SOON, &format!("{count} are listed"), || {
        let found = get(hub, "/api/v1/communities")?;
        if found["communities"].as_array().is_some_and(|all| all.len() == count) { Ok(()) } else { Err(found.to_string()) }
    });
}

/// The first community that this peer finds.
fn finds(peer: &Goop, query: &str) -> Value {
    eventually(SOON, &format!("{query:?} is found"), || {
        let said: Value = serde_json::from_str(&done(&peer.cli(&["search", query, "--json"]))).map_err(|error| error.to_string())?;
        Some(said["communities"][0].clone()).filter(Value::is_object).ok_or_else(|| said.to_string())
    })
    .0
}

#[test]
fn somebody_searches_picks_joins_and_talks_and_the_death_of_the_hub_changes_nothing() {
    if !has("curl", "--version") {
        return;
    }
    let hub = hub();
    let (chess, choir) = (board(&hub, "Chess Club", "chess"), board(&hub, "Evening Choir", "music"));
    are_listed(&hub, 2);
    let peer = |label: &str| {
        let plan = plan().label(label).set("p2p.loopback_only=true");
        let hubs = format!("[discovery]\nhubs = ['{}']\n", public(&hub));
        std::fs::write(plan.data_folder().join("goop.toml"), hubs).unwrap();
        plan.start()
    };
    let (ada, ben, cleo) = (peer("Ada"), peer("Ben"), peer("Cleo"));
    let picked = finds(&ada, "ches");
    assert_eq!((&picked["community"], &picked["rendezvous"]), (&json!("Chess Club"), &json!(public(&chess))));
    for one in [&ada, &ben] {
        let place = finds(one, "chess")["rendezvous"].as_str().unwrap().to_owned();
        assert!(done(&one.cli(&["join", &place])).contains("is connected"));
    }
    let place = finds(&cleo, "evening")["rendezvous"].as_str().unwrap().to_owned();
    assert_eq!(place, public(&choir));
    done(&cleo.cli(&["join", &place]));
    ada.sees(&ben.id(), SOON);
    ben.sees(&ada.id(), SOON);
    says(&ada, &ben, "Your move.");
    says(&ben, &ada, "e4!");
    assert!(ada.row(&cleo.id()).is_err(), "who is in another community is not seen");

    eventually(SOON, "what the hub lists is kept", || {
        let kept = std::fs::read_to_string(cleo.data().join("communities.ndjson")).unwrap_or_default().lines().count();
        if kept == 2 { Ok(()) } else { Err(format!("{kept} communities")) }
    });
    hub.kill();
    says(&ada, &ben, "Did you notice anything?");
    says(&ben, &ada, "No.");
    assert!(done(&ada.cli(&["communities"])).contains("connected"));
    let kept = finds(&cleo, "chess");
    assert_eq!(kept["rendezvous"], json!(public(&chess)), "and what was known is still found");
    done(&cleo.cli(&["join", kept["rendezvous"].as_str().unwrap()]));
    cleo.sees(&ada.id(), SOON);
    ada.sees(&cleo.id(), SOON);
    says(&cleo, &ada, "May I play too?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_hub_s_page_in_a_browser_a_link_leads_into_goop() {
    let Some(browser) = Browser::open().await else { return };
    if !has("curl", "--version") {
        return;
    }
    let hub = hub();
    let (chess, _choir) = (board(&hub, "Chess Club", "chess"), board(&hub, "Evening Choir", "music"));
    let (ada, ben) = (plan().label("Ada").set("p2p.loopback_only=true").start(), plan().label("Ben").set("p2p.loopback_only=true").start());
    done(&ben.cli(&["join", &public(&chess)]));
    are_listed(&hub, 2);
    browser.go(&format!("{}/directory", public(&hub))).await;
    browser.run("const box = document.getElementById('q'); box.value = 'chess'; box.dispatchEvent(new Event('input', { bubbles: true })); return 1", vec![]).await;
    browser.until("document.querySelectorAll('#found .listing').length === 1 && location.search === '?q=chess'").await;
    browser.run("document.querySelector('#found .listing a.first').click(); return 1", vec![]).await;
    browser.until("location.pathname === '/join' && !document.getElementById('link').hidden").await;
    let (typed, address) = ("return document.querySelector('#command code').textContent", "return location.href");
    let (typed, address) = (browser.run(typed, vec![]).await, browser.run(address, vec![]).await);
    let here = browser.run("return document.getElementById('here').href", vec![]).await;
    drop(hub);
    let cleo = plan().label("Cleo").set("p2p.loopback_only=true").start();
    browser.go(&here.as_str().unwrap().replace("http://localhost:8788/", &cleo.url(""))).await;
    browser.until("document.getElementById('q').value.startsWith('goop:join?at=')").await;
    browser.run("document.getElementById('search').requestSubmit(); return 1", vec![]).await;
    browser.until("document.querySelector('[data-join]')").await;
    browser.run("document.querySelector('[data-join]').click(); return 1", vec![]).await;
    cleo.sees(&ben.id(), SOON);
    browser.close().await;
    let link = typed.as_str().unwrap().strip_prefix("goop join '").unwrap().strip_suffix('\'').unwrap().to_owned();
    assert!(done(&ada.cli(&["join", &link])).contains("is connected"), "the link works without the hub");
    ada.sees(&ben.id(), SOON);
    says(&ada, &ben, "Found you.");
    let again = done(&ada.cli(&["join", address.as_str().unwrap()]));
    assert!(again.starts_with("You have joined ") && again.contains(" already."), "and so does the address of the page: {again}");
}

/// What is observed is what is told: by the prober, of real servers.
#[test]
fn a_hub_tells_what_it_saw_of_a_server_and_whether_it_is_the_one_that_is_named() {
    if !has("curl", "--version") {
        return;
    }
    let (hub, board) = (hub(), server(plan()));
    let list = |name: &str, place: &str, peer: &str| {
        let listing = json!({ "community": name, "rendezvous": place, "type": "open", "rendezvous_id": peer }).to_string();
        let curl = ["-u", PASSWORD, "-H", "Content-Type: application/json", "--data", &listing];
        let (status, body) = Place::Here.http(&format!("{}/api/v1/communities", public(&hub)), &curl).unwrap();
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice::<Value>(&body).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let other = libp2p::PeerId::random().to_base58();
    let ids =
        [list("True", &public(&board), &board.id()), list("Claims", &public(&board), &other), list("Dead", "http://127.0.0.1:9", &other)];
    let checked = |id: &str| {
        let path = format!("/api/v1/communities/{id}");
        let look = || get(&hub, &path).and_then(|one| if one["checked"].is_string() { Ok(one) } else { Err(one.to_string()) });
        eventually(SOON, &format!("{id} is looked at"), look).0
    };
    let seen = ids.map(|id| checked(&id));
    let told: Vec<_> = seen.iter().map(|one| (one["health"].as_str().unwrap(), one["proven"].as_bool().unwrap())).collect();
    assert_eq!(told, [("healthy", true), ("healthy", false), ("unknown", false)], "one missed answer is not known to be down");
    // What was seen is written first; the listings of a server move to their new place after it, a few at a time.
    let online = || match get(&hub, "/api/v1/communities?health=online")? {
        online if online["communities"].as_array().is_some_and(|found| found.len() == 2) => Ok(()),
        other => Err(other.to_string()),
    };
    eventually(SOON, "both that answered are online", online);
}

/// THREATS 54: the answer is an error, the search goes on, and what was acknowledged is there after a crash.
#[test]
fn on_a_full_disk_a_listing_is_refused_and_no_acknowledged_one_is_lost() {
    if !has("curl", "--version") || !need(rustix::process::geteuid().is_root(), "root, to mount a small file system") {
        return;
    }
    let disk = SmallDisk::new("2m");
    let hub = server(plan().data(disk.path()).arg("--superhub").set("presence.admin_password=correct horse").set("superhub.probe=false"));
    let list = |hub: &Goop, number: usize| {
        let listing = json!({ "community": format!("kept{number}"), "rendezvous": "rv.example:1", "type": "open" }).to_string();
        let curl = ["-u", PASSWORD, "-H", "Content-Type: application/json", "--data", &listing];
        let (status, body) = Place::Here.http(&format!("{}/api/v1/communities", public(hub)), &curl).unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let is_there = |hub: &Goop, number: usize| {
        let found = get(hub, &format!("/api/v1/communities?q=kept{number}")).unwrap();
        found["communities"].as_array().unwrap().iter().any(|one| one["community"] == format!("kept{number}"))
    };
    let mut kept = 0;
    while kept < 30 {
        assert_eq!(list(&hub, kept).0, 201);
        kept += 1;
    }
    disk.fill();
    let (status, problem) = loop {
        match list(&hub, kept) {
            (201, _) => kept += 1,
            refused => break refused,
        }
    };
    assert_eq!((status, &problem["code"]), (507, &json!("disk-full")), "{problem}");
    assert!(is_there(&hub, 0) && is_there(&hub, kept - 1) && !is_there(&hub, kept), "reading goes on");
    disk.clear();
    let hub = hub.kill().start();
    assert_eq!((0..kept).filter(|number| !is_there(&hub, *number)).count(), 0);
    assert!(!is_there(&hub, kept), "what was refused is not there");
    assert_eq!(list(&hub, kept).0, 201, "and there is room again");
}

/// The commands under "On one machine" in docs/SUPERHUB.md, as they stand there, but for the folder and the ports.
#[test]
fn the_first_commands_of_the_document_work_as_they_are_written() {
    if !has("curl", "--version") {
        return;
    }
    let text = std::fs::read_to_string(in_repository("docs/SUPERHUB.md")).unwrap();
    let part = text.split("## On one machine").nth(1).unwrap().split("```").nth(1).unwrap().to_owned();
    let ports: Vec<String> =
        (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()).collect();
    let part = part.replace("8787", &ports[0]).replace("8790", &ports[1]);
    let lines: Vec<&str> = part.lines().filter(|line| line.starts_with("goop ")).collect();
    let folder = tempfile::tempdir().unwrap();
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {}", line.replacen("goop", BINARY, 1))]).current_dir(folder.path()).env_remove("RUST_LOG");
        shell
    };
    let (running, asking): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with("goop run"));
    let mut servers: Vec<_> = running.iter().map(|line| shell(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()).collect();
    for port in &ports {
        eventually(SOON, "the server answers", || Place::Here.http(&format!("http://127.0.0.1:{port}/readyz"), &[]));
    }
    let said: Vec<String> = asking.iter().map(|line| String::from_utf8_lossy(&shell(line).output().unwrap().stdout).into_owned()).collect();
    for server in &mut servers {
        server.kill().unwrap();
        server.wait().unwrap();
    }
    assert_eq!((running.len(), asking.len()), (2, 2));
    assert!(said[0].contains("Listed on") && said[1].contains("Chess Club"), "{said:?}");
}

#[test]
fn the_demo_s_hub_lists_the_server_that_its_peers_have_joined() {
    if !has("curl", "--version") {
        return;
    }
    let mut demo = Command::new(BINARY);
    demo.args(["demo", "--json"]).env_remove("GOOP_LOG").env_remove("RUST_LOG");
    let mut demo = demo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines: Vec<Value> =
        BufReader::new(demo.stdout.take().unwrap()).lines().take(5).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let roles: Vec<&Value> = lines.iter().map(|line| &line["roles"]).collect();
    let hub = lines.iter().find(|line| line["roles"].as_array().unwrap().contains(&json!("superhub"))).unwrap();
    let (status, found) =
        Place::Here.http(&format!("{}/api/v1/communities?q=demo", hub["public"].as_str().unwrap().trim_end_matches('/')), &[]).unwrap();
    let found: Value = serde_json::from_slice(&found).unwrap();
    let stopped = i32::try_from(demo.id()).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, Signal::TERM));
    let ended = demo.wait().unwrap();
    let said = std::io::read_to_string(demo.stderr.take().unwrap()).unwrap();
    assert!(!said.contains("INFO"), "what its nodes log does not stand before its own words: {said}");
    assert!(stopped.unwrap().is_ok() && ended.success(), "{ended:?}");
    assert_eq!(roles.iter().filter(|roles| ***roles == json!(["peer"])).count(), 3, "{roles:?}");
    let square = lines.iter().find(|line| line["roles"] == json!(["rendezvous"])).unwrap();
    let listed = found["communities"][0]["rendezvous"].as_str().unwrap();
    assert_eq!((status, listed), (200, square["public"].as_str().unwrap().trim_end_matches('/')));
}
