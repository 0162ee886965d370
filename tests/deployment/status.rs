//! `goop status`: its words for people, its JSON for programs, its exit code for health checks.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::goop_node::{Plan, run};
use crate::harness::{Goop, Place, SOON, eventually};
use crate::talk::{ALICE, ask, get, host, line_with, post, server};

/// What a program learns: the exit code, and the JSON.
fn told(output: &Output) -> (i32, Value) {
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"));
    (output.status.code().unwrap(), json)
}

fn status(goop: &Goop) -> (i32, Value) {
    told(&goop.cli(&["status", "--json"]))
}

#[test]
fn a_server_that_is_ready_says_who_is_where_and_how_many_read() {
    let goop = server().arg("--set").arg("presence.admin_password=pass").start();
    let host = host(&goop);
    let founded = post(&host, "/api/v1/admin/boards", r#"{"slug":"chess","type":"open"}"#, Some("pass"));
    assert!(founded.starts_with("HTTP/1.1 201"), "{founded}");
    let mut stream = ask(&host, "GET /c/chess/events", "").unwrap();
    line_with(&mut stream, ": ok");
    assert!(post(&host, "/c/chess/publish", ALICE, None).starts_with("HTTP/1.1 204"));
    let (code, said) = status(&goop);
    assert_eq!((code, &said["live"], &said["ready"], &said["problems"]), (0, &json!(true), &json!(true), &json!([])), "{said}");
    assert_eq!((&said["peer_id"], &said["roles"], &said["pid"]), (&goop.ready["peer_id"], &json!(["rendezvous"]), &goop.ready["pid"]));
    let communities = json!([{ "slug": null, "peers": 0, "streams": 0 }, { "slug": "chess", "peers": 1, "streams": 1 }]);
    assert_eq!(said["communities"], communities);
    let words = String::from_utf8(goop.cli(&["status"]).stdout).unwrap();
    assert!(words.starts_with("ready, goop ") && words.contains("1 peer in chess, 1 event stream"), "{words}");
    goop.stop();
}

#[test]
fn a_stranger_learns_by_the_url_what_the_server_tells_strangers() {
    let goop = server().start();
    let host = host(&goop);
    assert!(post(&host, "/publish", ALICE, None).starts_with("HTTP/1.1 204"));
    let (code, said) = told(&run(&["status", &format!("http://{host}"), "--json"]));
    assert_eq!((code, &said["ready"], &said["peer_id"]), (0, &json!(true), &goop.ready["peer_id"]), "{said}");
    assert_eq!((&said["communities"][0]["peers"], &said["roles"]), (&json!(1), &json!(["rendezvous"])), "{said}");
    let (code, said) = told(&run(&["status", &format!("http://{host}/c/nowhere"), "--json"]));
    assert!(code == 3 && said["problems"][0].as_str().unwrap().contains("no such community"), "{said}");
    goop.stop();
}

#[test]
fn a_server_on_standby_is_live_and_not_ready() {
    let goop = server().arg("--set").arg("presence.admin_password=pass").start();
    let host = host(&goop);
    assert!(post(&host, "/api/v1/admin/standby", "", Some("pass")).starts_with("HTTP/1.1 204"));
    let (code, said) = status(&goop);
    assert_eq!((code, &said["live"], &said["ready"]), (3, &json!(true), &json!(false)), "{said}");
    assert!(said["problems"][0].as_str().unwrap().contains("stands by"), "{said}");
    assert!(get(&host, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    goop.stop();
}

#[test]
fn what_is_not_running_is_told_with_exit_code_3() {
    let folder = tempfile::TempDir::new().unwrap();
    let nothing = run(&["status", "--json", "--data", folder.path().to_str().unwrap()]);
    let (code, said) = told(&nothing);
    assert_eq!((code, &said["live"]), (3, &json!(false)));
    assert!(said["problems"][0].as_str().unwrap().contains("no goop is running"), "{said}");
    let killed = server().start().kill();
    let (code, said) = told(&run(&["status", "--json", "--data", killed.data_folder().to_str().unwrap()]));
    assert!(code == 3 && said["problems"][0].as_str().unwrap().contains("killed"), "{said}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = told(&run(&["status", "--json", &format!("http://{closed}")]));
    assert!(code == 3 && said["problems"][0].as_str().unwrap().contains("refused"), "{said}");
    assert_eq!(run(&["status", "no-url"]).status.code(), Some(2));
}

#[test]
fn a_server_that_knows_healthz_only_is_ready_and_any_other_is_none() {
    for (health, code) in [("200 OK", 0), ("404 Not Found", 3)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let mut head = [0; 1024];
                let length = socket.read(&mut head).unwrap_or_default();
                let status = if head[..length].starts_with(b"GET /healthz ") { health } else { "404 Not Found" };
                let _ = write!(socket, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            }
        });
        let (exit, said) = told(&run(&["status", "--json", &url]));
        assert_eq!((exit, &said["ready"]), (code, &json!(code == 0)), "{said}");
    }
}

#[test]
fn a_peer_without_its_rendezvous_is_ready_and_says_what_is_wrong() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let goop = Plan::new(&Place::Here).arg("--rendezvous-wan").arg(&format!("http://{closed}")).start();
    let look = || match status(&goop) {
        (0, said) if said["problems"][0].as_str().is_some_and(|problem| problem.contains("no connection to the rendezvous")) => Ok(said),
        other => Err(format!("{other:?}")),
    };
    let (said, _) = eventually(SOON, "it says that it has no connection", look);
    assert_eq!((&said["sees"], &said["viewer"]), (&json!(0), &goop.ready["viewer"]), "{said}");
    goop.stop();
}
