//! What goes wrong before a peer runs: a typing error, a port in use, a damaged key, a full disk. Each ends in a clear message,
//! with the exit code of the contract, and nothing of the user's is touched.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use harness::disk::SmallDisk;
use harness::goop_node::{Plan, run};
use harness::{Family, Goop, Lab, Place, SOON, lab_is_possible, need};
use tempfile::TempDir;

const FAILED: i32 = 1;
const USAGE: i32 = 2;
const NOT_RUNNING: i32 = 3;
const BAD_CONFIG: i32 = 4;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The plan ends with this code and says all of these words on stderr, and nothing on stdout.
fn ends_with(plan: Plan, code: i32, words: &[&str]) {
    let Err(output) = plan.try_start() else { panic!("it started") };
    says(&output, code, words);
}

fn says(output: &Output, code: i32, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "an error belongs on stderr: {}", String::from_utf8_lossy(&output.stdout));
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn with_config(text: &str) -> Plan {
    let plan = Plan::new(&Place::Here);
    std::fs::write(plan.data_folder().join("goop.toml"), text).expect("write goop.toml");
    plan
}

#[test]
fn a_typing_error_in_the_config_names_file_line_key_and_the_nearest_one() {
    let plan = with_config("[profile]\nlabel = \"me\"\n\n[presence]\nttl_second = 30\n");
    ends_with(plan, BAD_CONFIG, &["goop.toml", "5", "ttl_second", "ttl_seconds"]);
    ends_with(with_config("[presense]\nttl_seconds = 30\n"), BAD_CONFIG, &["goop.toml", "presense", "presence"]);
    ends_with(with_config("[presence]\nttl_seconds = \"soon\"\n"), BAD_CONFIG, &["goop.toml", "2", "ttl_seconds"]);
    ends_with(with_config("[presence\n"), BAD_CONFIG, &["goop.toml", "1"]);
}

#[test]
fn a_data_folder_that_is_a_file_is_said_in_one_sentence() {
    let folder = TempDir::new().expect("make a folder");
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "mine").expect("write it");
    for data in [file.clone(), file.join("deeper/still")] {
        let data = data.to_string_lossy().into_owned();
        for command in ["run", "peers", "id"] {
            let output = run(&[command, "--data", &data]);
            says(&output, USAGE, &["goop: --data: ", &format!("{} is no folder", file.display()), "name a folder"]);
            assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
        }
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is still there"), "mine");
}

#[test]
fn an_impossible_combination_names_both_keys() {
    let plan = with_config("[presence]\nttl_seconds = 5\nheartbeat_seconds = 9\n");
    ends_with(plan, BAD_CONFIG, &["ttl_seconds", "heartbeat_seconds"]);
}

#[test]
fn a_wrong_command_line_is_usage() {
    says(&run(&["run", "--no-such-flag"]), USAGE, &["--no-such-flag"]);
    says(&run(&["no-such-command"]), USAGE, &["no-such-command"]);
}

#[test]
fn asking_a_node_that_does_not_run_says_so() {
    let folder = TempDir::new().expect("make a folder");
    let data = folder.path().to_string_lossy().into_owned();
    says(&run(&["peers", "--json", "--data", &data]), NOT_RUNNING, &[]);
    says(&run(&["--data", &data, "peers"]), NOT_RUNNING, &[]);
}

#[test]
fn an_explicit_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address");
    let folder = TempDir::new().expect("make a folder");
    let data = folder.path().to_string_lossy().into_owned();
    let viewer = run(&["run", "--json", "--data", &data, "--set", "discovery.mdns=false", "--viewer", &address.to_string()]);
    says(&viewer, FAILED, &[&address.to_string()]);

    let taken = TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = taken.local_addr().expect("it has an address").port().to_string();
    ends_with(Plan::new(&Place::Here).arg("--listen-port").arg(&port), FAILED, &[&port]);
}

#[test]
fn the_default_viewer_port_moves_when_it_is_taken() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let host = lab.host(lan, Family::V4);
    let (first, second) = (Goop::named(&host.place, "first"), Goop::named(&host.place, "second"));
    assert!(first.ready["viewer"].to_string().contains(":8788"), "{}", first.ready);
    assert_ne!(first.ready["viewer"], second.ready["viewer"]);
    second.sees(&first.id(), SOON);
    first.sees(&second.id(), SOON);
}

#[test]
fn a_damaged_key_stops_the_start_and_is_left_as_it_is() {
    let key = libp2p::identity::Keypair::ed25519_from_bytes([9; 32]).expect("32 bytes are a key");
    let good = key.to_protobuf_encoding().expect("it can be written");
    let mut flipped = good.clone();
    flipped[10] ^= 1;
    let damaged = [vec![], good[..40].to_vec(), good[..good.len() - 1].to_vec(), flipped, b"not a key at all".to_vec()];
    for bytes in damaged {
        let plan = Plan::new(&Place::Here);
        let file = plan.data_folder().join("identity.key");
        let folder = plan.data_folder().to_owned();
        std::fs::write(&file, &bytes).expect("write the key");
        let output = run(&["run", "--json", "--data", &folder.to_string_lossy(), "--set", "discovery.mdns=false"]);
        assert!(matches!(output.status.code(), Some(FAILED | BAD_CONFIG)), "{:?} {}", output.status, said(&output));
        assert!(said(&output).contains("identity.key"), "{}", said(&output));
        assert_eq!(std::fs::read(&file).expect("it is still there"), bytes, "the damaged key was changed");
    }
}

#[test]
fn the_key_is_made_once_and_only_its_owner_can_read_it() {
    let plan = Plan::new(&Place::Here);
    let first = plan.start();
    let (id, file) = (first.id(), first.data().join("identity.key"));
    owner_only(&file);
    owner_only(&first.data().join("run.json"));
    let bytes = std::fs::read(&file).expect("the key is there");
    let again = first.stop().start();
    assert_eq!((again.id(), std::fs::read(&file).expect("the key is there")), (id, bytes));
}

#[test]
fn the_site_folder_is_there_after_the_first_start_and_a_file_in_its_place_is_said() {
    let first = Plan::new(&Place::Here).start();
    assert!(first.data().join("site").is_dir(), "the program names it, so it must be there");
    let plan = Plan::new(&Place::Here);
    std::fs::write(plan.data_folder().join("site"), "a file").expect("write it");
    assert!(plan.start().logged("it is no folder"));
    let goop2 = Plan::new(&Place::Here);
    std::fs::write(goop2.data_folder().join("goop.json"), "{}").expect("write goop.json");
    let key = libp2p::identity::Keypair::generate_ed25519().to_protobuf_encoding().expect("it can be written");
    std::fs::create_dir_all(goop2.data_folder().join("data")).expect("make its folder");
    std::fs::write(goop2.data_folder().join("data/identity.key"), key).expect("write the key");
    assert!(!goop2.start().data().join("site").exists(), "goop2's folder is left as it is");
}

fn owner_only(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", file.display());
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let first = Plan::new(&Place::Here).start();
    let data = first.data().to_string_lossy().into_owned();
    let second = run(&["run", "--json", "--data", &data, "--set", "discovery.mdns=false", "--viewer", "127.0.0.1:0"]);
    assert!(second.status.code().is_some_and(|code| code != 0), "{}", said(&second));
    assert!(second.stdout.is_empty() && !said(&second).is_empty(), "{}", said(&second));
    assert_eq!(first.api("self").expect("the first answers")["peer_id"], first.id());
}

#[test]
fn a_full_disk_at_the_first_start_leaves_no_half_key() {
    if !need(rustix::process::geteuid().is_root(), "root, to mount a small file system") {
        return;
    }
    let disk = SmallDisk::new("1m");
    disk.fill();
    let Err(output) = Plan::new(&Place::Here).data(disk.path()).try_start() else { panic!("it started on a full disk") };
    assert_eq!(output.status.code(), Some(FAILED), "{}", said(&output));
    assert!(!disk.path().join("identity.key").exists(), "a half-written key would be a lost identity");
    disk.clear();
    let goop = Plan::new(&Place::Here).data(disk.path()).start();
    assert_eq!(std::fs::metadata(disk.path().join("identity.key")).expect("now it is there").len(), 68, "{}", goop.ready);
}
