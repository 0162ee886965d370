//! The real binary: killed while it writes, and two of them that find each other.
#![allow(dead_code, reason = "the hub and its clients are those of benches/directory.rs, which uses more of them")]

use std::process::{Command, Stdio};
use std::time::Duration;

use goop::superhub::directory::Directory;
use serde_json::Value;

#[path = "../../benches/directory/hub.rs"]
mod hub;
#[path = "../../benches/directory/listings.rs"]
mod listings;

use hub::Hub;

/// How often it is killed; `GOOP_KILLS` for more.
const KILLS: u64 = 4;

#[test]
fn killed_while_it_writes_it_keeps_what_it_acknowledged_and_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let kills = std::env::var("GOOP_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut acknowledged = 0;
    for round in 0..kills {
        let hub = Hub::start(folder.path());
        assert_eq!(hub.missing(acknowledged), 0, "round {round}");
        acknowledged += hub.write_until_killed(acknowledged, Duration::from_millis(20 + round % 7 * 20));
    }
    assert!(acknowledged > 0, "something was acknowledged");
    let hub = Hub::start(folder.path());
    assert_eq!(hub.missing(acknowledged), 0);
    drop(hub);
    let look = rusqlite::Connection::open(folder.path().join("directory.db")).unwrap();
    let whole: String = look.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let double: i64 = look.query_row("SELECT count(*) - count(DISTINCT public) FROM listings", [], |row| row.get(0)).unwrap();
    assert_eq!(double, 0);
}

#[test]
fn a_rendezvous_server_with_two_keys_is_listed_and_found() {
    let (hub_folder, board_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = ["--set", "superhub.registration=open", "--set", "superhub.private_addresses=true"];
    let hub = Hub::start_with(hub_folder.path(), &open);
    let listing = [format!("listing.hubs=[\"{}\"]", hub.url()), "listing.name=Chess Club".to_owned()];
    let mut board = Command::new(env!("CARGO_BIN_EXE_goop"));
    board.args(["run", "--json", "--rendezvous-only", "--port", "0", "--data"]).arg(board_folder.path());
    for key in &listing {
        board.args(["--set", key]);
    }
    let mut board = board.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let found = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let found = hub.client().get("/api/v1/communities?q=chess");
        found["communities"].get(0).cloned()
    });
    let by_command = Command::new(env!("CARGO_BIN_EXE_goop"))
        .args(["hub", "register", "--hub", &hub.url(), "--name", "Go Club", "--tag", "go", "--data"])
        .arg(board_folder.path())
        .output()
        .unwrap();
    let renamed = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let found = hub.client().get("/api/v1/communities?q=go");
        found["communities"].get(0).cloned()
    });
    board.kill().unwrap();
    board.wait().unwrap();
    let (found, renamed): (Value, Value) = (found.unwrap(), renamed.unwrap());
    let said = String::from_utf8_lossy(&by_command.stdout).into_owned() + &String::from_utf8_lossy(&by_command.stderr);
    assert!(by_command.status.success() && said.contains("Listed on"), "{said}");
    assert_eq!((&found["community"], &renamed["tags"][0]), (&"Chess Club".into(), &"go".into()));
    assert_eq!(
        (&found["id"], &found["rendezvous_id"]),
        (&renamed["id"], &renamed["rendezvous_id"]),
        "the same community, under another name"
    );
    let kept = std::fs::read_to_string(board_folder.path().join("goop.toml")).unwrap();
    assert!(kept.contains("Go Club"), "{kept}");
}

#[test]
fn a_server_is_taken_off_the_hub_by_one_command() {
    let (hub_folder, board_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = ["--set", "superhub.registration=open", "--set", "superhub.private_addresses=true"];
    let hub = Hub::start_with(hub_folder.path(), &open);
    let file = board_folder.path().join("goop.toml");
    std::fs::write(&file, format!("[listing] # ours\nhubs = [\"{}\"]\nname = \"Chess Club\"\n", hub.url())).unwrap();
    let goop = |args: &[&str]| {
        let mut goop = Command::new(env!("CARGO_BIN_EXE_goop"));
        goop.args(args).arg("--data").arg(board_folder.path());
        goop
    };
    let mut board = goop(&["run", "--rendezvous-only", "--port", "0"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let listed = || hub.client().get("/api/v1/communities?q=chess")["communities"].as_array().unwrap().len();
    let was_listed = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        listed() == 1
    });
    let unlisted = goop(&["hub", "unlist"]).output().unwrap();
    let (left, again) = (listed(), goop(&["hub", "unlist"]).output().unwrap());
    board.kill().unwrap();
    board.wait().unwrap();
    let said = String::from_utf8_lossy(&unlisted.stdout).into_owned() + &String::from_utf8_lossy(&unlisted.stderr);
    assert!(was_listed && unlisted.status.success() && said.contains("No longer listed"), "{said}");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(left == 0 && kept.contains("# ours") && !kept.contains("hubs"), "{left} {kept}");
    assert!(!again.status.success(), "it is on none any more");
}

#[test]
fn a_damaged_directory_is_left_as_it_is_and_the_start_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("directory.db"), [b'x'; 8192]).unwrap();
    let mut options = super::stage::options(folder.path());
    options.name = "hub".into();
    let refused = Directory::open(options, &mut goop::shutdown::Tasks::default()).err().unwrap().to_string();
    assert!(refused.contains("damaged") && refused.contains("directory.db"), "{refused}");
    assert_eq!(std::fs::read(folder.path().join("directory.db")).unwrap(), [b'x'; 8192]);
}
