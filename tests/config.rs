//! The configuration as its users meet it: layers, faults, goop2 peer folders, the example, the commands.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use goop::cli::Cli;
use goop::config::{Config, ConfigErrors, Loaded, Origin, Sources, example, set_in_file};
use goop::http::client_ip::TrustedProxies;
use proptest::prelude::*;
use tempfile::TempDir;
use toml_edit::{DocumentMut, Value};

/// What `goop ARGS` would load with the environment `env` and, in its data folder, the files `files`.
fn load_with(files: &[(&str, &str)], env: &[(&str, &str)], args: &[&str]) -> (TempDir, Result<Loaded, ConfigErrors>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut sources = Cli::read(std::iter::once("goop").chain(args.iter().copied())).unwrap().sources().unwrap();
    sources.data.get_or_insert(dir.path().to_owned());
    sources.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let loaded = Config::load(&sources);
    (dir, loaded)
}

fn good(files: &[(&str, &str)], env: &[(&str, &str)], args: &[&str]) -> Loaded {
    load_with(files, env, args).1.unwrap()
}

fn faults(files: &[(&str, &str)], env: &[(&str, &str)], args: &[&str]) -> Vec<String> {
    let (dir, loaded) = load_with(files, env, args);
    let folder = format!("{}/", dir.path().display());
    loaded.unwrap_err().0.iter().map(|fault| fault.to_string().replace(&folder, "")).collect()
}

fn toml_faults(text: &str) -> Vec<String> {
    faults(&[("goop.toml", text)], &[], &[])
}

fn goop(args: &[&str], home: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goop"));
    command.env_clear().env("HOME", home).args(args).output().unwrap()
}

#[test]
fn nothing_set_gives_the_defaults_of_the_contract() {
    let loaded = good(&[], &[], &[]);
    assert_eq!(loaded.config, Config::default());
    let (presence, http) = (&loaded.config.presence, &loaded.config.http);
    assert_eq!((presence.ttl_seconds, presence.heartbeat_seconds), (Duration::from_secs(20), Duration::from_secs(5)));
    assert_eq!((presence.rendezvous_port, presence.rendezvous_bind), (8787, IpAddr::from([127, 0, 0, 1])));
    assert_eq!((presence.topic.as_str(), presence.allow_unsigned), ("goop.presence.v1", true));
    assert_eq!(loaded.config.p2p.mdns_tag.as_str(), "goop-mdns");
    assert_eq!(loaded.config.viewer.http_addr.get(), Some("127.0.0.1:8788".parse().unwrap()));
    assert_eq!((http.max_body.bytes(), http.max_streams_per_ip, http.publish_per_minute_per_ip), (16 * 1024, 1024, 12_000));
    assert_eq!((http.publish_per_minute_per_peer, http.publish_burst, http.max_streams), (120, 20, 0));
    assert!(!loaded.is_explicit("viewer.http_addr"), "a default address may move");
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let file = ("goop.toml", "[presence]\nrendezvous_port = 1\nttl_seconds = 11\n");
    let port = ("PORT", "2");
    let env = ("GOOP_PRESENCE__RENDEZVOUS_PORT", "3");
    let set = ["--set", "presence.rendezvous_port=4"];
    let chosen = |env: &[(&str, &str)], args: &[&str]| good(&[file], env, args).config.presence.rendezvous_port;
    assert_eq!(chosen(&[], &[]), 1);
    assert_eq!(chosen(&[port], &[]), 2);
    assert_eq!(chosen(&[port, env], &[]), 3);
    assert_eq!(chosen(&[port, env], &set), 4);
    let loaded = good(&[file], &[port, env], &set);
    assert_eq!(*loaded.origin("presence.rendezvous_port"), Origin::Set);
    assert!(matches!(loaded.origin("presence.ttl_seconds"), Origin::File { line: 3, .. }), "a layer changes only its own keys");
    let by_option = good(&[file], &[], &["run", "--set", "p2p.listen_port=5", "--listen-port", "6"]);
    assert_eq!(by_option.config.p2p.listen_port, 6, "an option of its own is more exact than --set");
}

#[test]
fn port_binds_everywhere_unless_a_bind_is_given() {
    let bound = |files: &[(&str, &str)], env: &[(&str, &str)]| good(files, env, &[]).config.presence.rendezvous_bind.to_string();
    assert_eq!(bound(&[], &[("PORT", "5000")]), "0.0.0.0");
    assert_eq!(bound(&[("goop.toml", "[presence]\nrendezvous_bind = \"127.0.0.2\"")], &[("PORT", "5000")]), "127.0.0.2");
    assert_eq!(bound(&[], &[("PORT", "5000"), ("GOOP_PRESENCE__RENDEZVOUS_BIND", "[::1]")]), "::1");
    assert_eq!(bound(&[], &[("PORT", "not ours")]), "127.0.0.1", "PORT of another program on a machine that hosts nothing");
    assert_eq!(
        faults(&[], &[("PORT", "http")], &["--set", "superhub.enabled=true"])[0],
        "PORT: presence.rendezvous_port: must be a whole number from 0 to 65535"
    );
}

#[test]
fn herokus_routers_are_believed_where_dyno_is_set_and_nobody_elses_word() {
    let client = |files: &[(&str, &str)], env: &[(&str, &str)], router: &str| {
        let proxies = TrustedProxies::new(good(files, env, &[]).config.http.trusted_proxies);
        let forged =
            HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static("192.0.2.1, 203.0.113.9"))]);
        proxies.client(router.parse().unwrap(), &forged).to_string()
    };
    let dyno = ("DYNO", "web.1");
    assert_eq!(client(&[], &[dyno], "10.1.2.3"), "203.0.113.9", "the last hop, which the router wrote");
    assert_eq!(client(&[], &[dyno], "198.51.100.7"), "198.51.100.7");
    assert_eq!(client(&[], &[], "10.1.2.3"), "10.1.2.3");
    let named = ("goop.toml", "[http]\ntrusted_proxies = [\"192.0.2.0/24\"]");
    assert_eq!(client(&[named], &[dyno], "10.1.2.3"), "10.1.2.3", "who names proxies means those");
}

#[test]
fn set_and_environment_take_toml_and_bare_words() {
    let args = ["--set", "profile.label=Alice", "--set", "http.trusted_proxies=[\"10.0.0.0/8\", \"::1\"]", "--set", "http.max_body=1 MiB"];
    let loaded = good(&[], &[("GOOP_P2P__LOOPBACK_ONLY", "true"), ("GOOP_PROFILE__EMAIL", "\"a@b\"")], &args);
    assert_eq!((loaded.config.profile.label.as_str(), loaded.config.profile.email.as_str()), ("Alice", "a@b"));
    assert_eq!((loaded.config.http.max_body.bytes(), loaded.config.http.trusted_proxies.len()), (1 << 20, 2));
    assert!(loaded.config.p2p.loopback_only);
    for (text, label) in [("42", "42"), ("true", "true"), ("'a b'", "a b"), ("a = b", "a = b"), ("", ""), ("2020-01-01", "2020-01-01")] {
        let set = format!("profile.label={text}");
        assert_eq!(good(&[], &[], &["--set", &set]).config.profile.label.as_str(), label);
    }
}

#[test]
fn secrets_come_from_the_environment_or_from_a_file_it_names() {
    let (dir, _) = load_with(&[("secret", "'hunter2'\n")], &[], &[]);
    let file = dir.path().join("secret");
    let from_file = good(&[], &[("GOOP_PRESENCE__ADMIN_PASSWORD_FILE", file.to_str().unwrap())], &[]);
    assert_eq!(from_file.config.presence.admin_password.expose(), "'hunter2'", "to the letter, without the line end");
    let from_env = good(&[], &[("GOOP_PRESENCE__ADMIN_PASSWORD", "\"a\"b")], &[]);
    assert_eq!(from_env.config.presence.admin_password.expose(), "\"a\"b");
    let missing = faults(&[], &[("GOOP_PRESENCE__ADMIN_PASSWORD_FILE", "/nowhere/x")], &[]);
    assert!(missing[0].starts_with("GOOP_PRESENCE__ADMIN_PASSWORD_FILE: presence.admin_password: /nowhere/x: "), "{missing:?}");
    let both = [("GOOP_PRESENCE__ADMIN_PASSWORD", "x"), ("GOOP_PRESENCE__ADMIN_PASSWORD_FILE", file.to_str().unwrap())];
    assert!(faults(&[], &both, &[])[0].contains("keep one of them"));
}

#[test]
fn a_secret_is_never_shown() {
    const CANARY: &str = "canary-5d1f";
    let dir = tempfile::tempdir().unwrap();
    let text =
        format!("[presence]\nadmin_password = \"{CANARY}\"\n[http]\nexternal_url = \"https://u:{CANARY}@h/c/x/m/{CANARY}/events\"\n");
    let loaded = good(&[("goop.toml", &text)], &[], &[]);
    assert!(!format!("{loaded:?}").contains(CANARY), "{loaded:?}");
    fs::write(dir.path().join("goop.toml"), text).unwrap();
    for command in ["show", "check"] {
        let output = goop(&["config", command, "--data", dir.path().to_str().unwrap()], dir.path());
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && !said.contains(CANARY), "{said}");
    }
    let wrong = format!("[presence]\nadmin_password = [\"{CANARY}\"]");
    assert!(!toml_faults(&wrong)[0].contains(CANARY));
}

#[test]
fn every_fault_is_told_with_its_line_and_the_way_out() {
    let text = "\
label = \"x\"
[presense]
ttl_seconds = 1
[p2p]
listen_prt = 1
mdns_tag = \"-x\"
listen_port = 70000
[viewer]
http_addr = \"0.0.0.0:80\"
[presence]
ttl_seconds = \"20\"
heartbeat_seconds = 0
rendezvous_bind = \"everywhere\"
rendezvous_wan = [\"ftp://x\"]
[http]
max_body = \"16 parsecs\"
trusted_proxies = [\"10.0.0.0/33\"]
[superhub]
admin_peers = [\"12D3KooW\"]
";
    let told = faults(&[("goop.toml", text)], &[("GOOP_PRESENCE__TTL", "1")], &["--set", "p2p.listen-port=1", "--set", "nonsense"]);
    let expected = [
        "--set: nonsense: write it as section.key=value",
        "goop.toml:1: label: there is no such key; did you mean profile.label?",
        "goop.toml:2: presense: there is no such key; did you mean [presence]?",
        "goop.toml:5: p2p.listen_prt: there is no such key; did you mean p2p.listen_port?",
        "goop.toml:6: p2p.mdns_tag: must be 1 to 15 letters, digits and single hyphens between them, with at least one letter, not \"-x\"",
        "goop.toml:7: p2p.listen_port: must be a whole number from 0 to 65535, not 70000",
        "goop.toml:9: viewer.http_addr: must be an address of this machine alone, such as \"127.0.0.1:80\", not \"0.0.0.0:80\": the viewer asks for no password",
        "goop.toml:11: presence.ttl_seconds: must be a whole number of seconds, not \"20\"",
        "goop.toml:12: presence.heartbeat_seconds: must be from 1 to 86400, not 0",
        "goop.toml:13: presence.rendezvous_bind: must be an IP address such as \"0.0.0.0\" or \"::1\", not \"everywhere\"",
        "goop.toml:14: presence.rendezvous_wan: must be a URL such as \"https://rv.example.org\": it must begin with https:// or http://",
        "goop.toml:16: http.max_body: must be a size such as \"16KiB\" or a number of bytes, not \"16 parsecs\"",
        "goop.toml:17: http.trusted_proxies: must be an address or network such as \"10.0.0.0/8\", not \"10.0.0.0/33\"",
        "goop.toml:19: superhub.admin_peers: must be a peer id such as 12D3KooW…, not \"12D3KooW\"",
        "GOOP_PRESENCE__TTL: presence.ttl: there is no such key; did you mean presence.ttl_seconds?",
        "--set: p2p.listen-port: there is no such key; did you mean p2p.listen_port?",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let told = |text: &str| toml_faults(text)[0].clone();
    assert!(told("\n\n[p2p\n").starts_with("goop.toml:3: this is not TOML: "));
    assert!(told("[p2p]\nlisten_port = 1\nlisten_port = 2").starts_with("goop.toml:3: this is not TOML: "));
    assert_eq!(told("\npresence = 5"), "goop.toml:2: presence: this is a section of keys, and takes no value itself");
    assert!(told("[p2p]\n[p2p.listen_port]\nx = 1").contains("goop.toml:2: p2p.listen_port: must be a whole number"));
    assert!(told("[[p2p]]").starts_with("goop.toml:1: p2p: this is a section"));
    let (dir, _) = load_with(&[], &[], &[]);
    fs::write(dir.path().join("goop.toml"), b"\n\n# \xff").unwrap();
    let sources = Sources { data: Some(dir.path().to_owned()), ..Sources::default() };
    assert!(Config::load(&sources).unwrap_err().to_string().ends_with("goop.toml:3: this is not text in UTF-8"));
    let long = "#".repeat(2 << 20);
    assert!(told(&long).contains("longer than"));
}

#[test]
fn hostile_text_in_a_fault_forges_no_line() {
    let told = faults(&[], &[("GOOP_X__\u{1b}[2J", "1")], &["--set", "a\nb: fine", "--set", "\u{202e}.x=\n"]).concat();
    assert!(!told.contains(['\n', '\u{1b}', '\u{202e}']), "{told:?}");
}

#[test]
fn impossible_combinations_are_told_where_they_were_made() {
    assert!(toml_faults("[presence]\nttl_seconds = 5")[0].starts_with("goop.toml:2: presence.ttl_seconds: heartbeat_seconds (5) must be"));
    assert!(toml_faults("\n[presence]\nheartbeat_seconds = 20")[0].starts_with("goop.toml:3: presence.heartbeat_seconds: "));
    for site in [".", "..", "site/..", "/", "./"] {
        let told = toml_faults(&format!("[paths]\nsite_root = \"{site}\""));
        assert!(told[0].starts_with("goop.toml:2: paths.site_root: everyone may read the site"), "{site}: {told:?}");
    }
    assert!(toml_faults("[identity]\nkey_file = \"site/secret/k\"")[0].contains("everyone may read the site"));
    assert!(
        toml_faults("[paths]\ndownloads = \"site/in\"")[0].contains("everyone may read the site"),
        "what others sent is not for everyone"
    );
}

#[test]
fn a_viewer_is_on_loopback_or_off() {
    let addr = |text: &str| good(&[], &[], &["run", "--viewer", text]).config.viewer.http_addr.get().map(|addr| addr.to_string());
    assert_eq!(addr("off"), None);
    assert_eq!(addr("127.0.0.1:0").as_deref(), Some("127.0.0.1:0"));
    assert_eq!(addr("localhost:9").as_deref(), Some("127.0.0.1:9"));
    assert_eq!(addr("[::1]:9").as_deref(), Some("[::1]:9"));
    for text in [
        "0.0.0.0:1",
        "[::]:1",
        "192.168.1.5:1",
        "[::ffff:10.0.0.1]:1",
        "127.0.0.2:1",
        "[::ffff:127.0.0.1]:1",
        ":80",
        "8788",
        "example.org:1",
    ] {
        assert!(faults(&[], &[], &["run", "--viewer", text])[0].starts_with("--viewer: viewer.http_addr: must be an address"), "{text}");
    }
}

#[test]
fn a_tag_is_a_dns_sd_label() {
    let tag = |text: &str| {
        load_with(&[], &[], &["--set", &format!("p2p.mdns_tag={text}")]).1.map(|loaded| loaded.config.p2p.mdns_tag.to_string())
    };
    assert_eq!(tag("Goop-MDNS").unwrap(), "goop-mdns", "DNS names have no letter case");
    assert!(tag("abcdefghijklmno").is_ok());
    for text in ["", "abcdefghijklmnop", "-a", "a-", "a--b", "1234", "a.b", "a_b", "ä", "a b"] {
        assert!(tag(text).is_err(), "{text}");
    }
}

#[test]
fn an_address_for_a_public_role_that_does_not_run_is_refused() {
    for args in [["--bind", "0.0.0.0"], ["--port", "80"]] {
        let (_dir, loaded) = load_with(&[], &[], &[&["run"][..], &args].concat());
        let errors = loaded.unwrap_err();
        assert!(errors.is_usage() && errors.to_string().contains("no public role"), "{errors}");
        assert!(load_with(&[], &[], &[&["run", "--rendezvous-only"][..], &args].concat()).1.is_ok());
    }
}

/// A folder as goop2's newest generation writes it, every field of it.
const GOOP_JSON: &str = "\u{feff}{
  \"identity\": {\"key_file\": \"data/identity.key\"},
  \"paths\": {\"site_root\": \"site\", \"site_source\": \"site/src\", \"site_stage\": \"site/stage\"},
  \"p2p\": {\"listen_port\": 4010, \"mdns_tag\": \"goop-mdns\", \"bridge_mode\": false, \"nacl_public_key\": \"A\", \"nacl_private_key\": \"B\"},
  \"PRESENCE\": {\"topic\": \"goop.presence.v1\", \"Ttl_Seconds\": 30, \"heartbeat_seconds\": 7, \"rendezvous_host\": false,
    \"rendezvous_port\": 8787, \"rendezvous_bind\": \"\", \"rendezvous_wan\": \"\", \"rendezvous_only\": false, \"admin_password\": \"\",
    \"templates_dir\": \"\", \"peer_db_path\": \"\", \"external_url\": \"\", \"relay_port\": 0, \"relay_ws_port\": 0,
    \"relay_key_file\": \"data/relay.key\", \"relay_cleanup_delay_sec\": 3, \"relay_poll_deadline_sec\": 10, \"relay_connect_timeout_sec\": 5,
    \"relay_refresh_interval_sec\": 90, \"relay_recovery_grace_sec\": 5, \"use_services\": false, \"credits_url\": \"\",
    \"registration_url\": \"\", \"email_url\": \"\", \"templates_url\": \"\", \"bridge_url\": \"\", \"encryption_url\": \"\",
    \"credits_admin_token\": \"\", \"registration_admin_token\": \"\", \"templates_admin_token\": \"\", \"bridge_admin_token\": \"\",
    \"encryption_admin_token\": \"\"},
  \"profile\": {\"label\": \"Alice\", \"email\": \"a@example.com\", \"verification_token\": \"\", \"bridge_token\": \"\"},
  \"viewer\": {\"http_addr\": \":9090\", \"debug\": false, \"theme\": \"dark\", \"preferred_cam\": \"\", \"preferred_mic\": \"\",
    \"video_disabled\": false, \"hide_unverified\": false, \"active_template\": \"\", \"open_sites_external\": false,
    \"splash\": \"goop2-splash2.png\", \"peer_offline_grace_min\": 15, \"cluster_binary_path\": \"\", \"cluster_binary_mode\": \"\"},
  \"lua\": {\"enabled\": true, \"script_dir\": \"site/lua\", \"timeout_seconds\": 5, \"max_memory_mb\": 10, \"rate_limit_per_peer\": 30,
    \"rate_limit_global\": 120, \"http_enabled\": true, \"kv_enabled\": true}
}";

#[test]
fn a_goop2_peer_folder_is_read_whole_and_ours_lives_beside_it() {
    let loaded = good(&[("goop.json", GOOP_JSON), (".goop/goop.toml", "[presence]\nttl_seconds = 40")], &[], &[]);
    let config = &loaded.config;
    assert!(loaded.data.goop2 && loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!((config.p2p.listen_port, config.profile.label.as_str()), (4010, "Alice"));
    assert_eq!(config.viewer.http_addr.get().unwrap().to_string(), "127.0.0.1:9090");
    assert_eq!(config.presence.heartbeat_seconds, Duration::from_secs(7));
    assert_eq!(config.presence.ttl_seconds, Duration::from_secs(40), "what we saved overrides goop2's file");
    assert!(loaded.data.identity_key(config).ends_with("data/identity.key"));
    for ours in [loaded.data.run_json(), loaded.data.lock_file(), loaded.data.known_peer_id(), loaded.config_file, loaded.data.avatar()] {
        assert!(ours.starts_with(&loaded.data.state) && ours.parent().unwrap().ends_with(".goop"), "{}", ours.display());
    }
}

#[test]
fn an_empty_goop_json_is_a_peer_folder_with_goop2s_identity() {
    let loaded = good(&[("goop.json", "{}")], &[], &[]);
    assert!(loaded.data.identity_key(&loaded.config).ends_with("data/identity.key"));
    assert_eq!(loaded.config.viewer, Config::default().viewer);
    let silent =
        good(&[("goop.json", "{\"viewer\": {\"http_addr\": \"\"}, \"p2p\": null, \"presence\": {\"ttl_seconds\": null}}")], &[], &[]);
    assert!(silent.config.viewer == Config::default().viewer && !silent.is_explicit("viewer.http_addr"));
}

#[test]
fn goop2_keys_that_goop2_does_not_use_are_warned_about_and_not_used() {
    let text =
        "{\"p2p\": {\"mdns_tag\": \"my_own tag\"},\n\"presence\": {\"topic\": \"t\", \"rendezvous_wan\": \"https://rv.example.org\"},
        \"viewer\": {\"http_addr\": \"192.168.1.5:80\"}}";
    let loaded = good(&[("goop.json", text)], &[], &[]);
    assert!(loaded.config.p2p.mdns_tag.is_default(), "or no goop2 peer would find this one");
    assert_eq!(loaded.config.presence.topic.as_str(), "goop.presence.v1");
    assert_eq!(loaded.config.viewer.http_addr.get().unwrap().to_string(), "127.0.0.1:80", "nobody else reaches the viewer");
    assert_eq!(loaded.config.presence.rendezvous_wan.len(), 1);
    assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
}

#[test]
fn faults_of_a_goop_json_are_told_with_their_lines() {
    let text = "{\n\"presence\": {\"ttl_seconds\": 1.5,\n\"ttl_secs\": 5},\n\"p2p\": [],\n\"presense\": {\"x\": 1}}";
    let told = faults(&[("goop.json", text)], &[], &[]);
    let expected = [
        "goop.json:2: presence.ttl_seconds: must be a whole number of seconds, not 1.5",
        "goop.json:3: presence.ttl_secs: there is no such key; did you mean presence.ttl_seconds?",
        "goop.json:4: p2p: this is a section of keys, and takes no value itself",
        "goop.json:5: presense: there is no such key; did you mean [presence]?",
    ];
    assert_eq!(told, expected);
    assert!(faults(&[("goop.json", "{\n\"p2p\": {,}}")], &[], &[])[0].starts_with("goop.json:2: this is not JSON: "));
    assert!(faults(&[("goop.json", "")], &[], &[])[0].starts_with("goop.json:1: this is not JSON: "));
    assert_eq!(faults(&[("goop.json", "[]")], &[], &[])[0], "goop.json:1: this must be a JSON object: { … }");
}

#[test]
fn of_two_equal_keys_in_a_goop_json_the_last_counts() {
    let loaded = good(&[("goop.json", "{\"p2p\":{\"listen_port\":1,\"LISTEN_PORT\":2},\"P2P\":{\"listen_port\":3}}")], &[], &[]);
    assert_eq!(loaded.config.p2p.listen_port, 3);
}

#[test]
fn a_password_that_others_can_read_is_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("goop.toml");
    fs::write(&file, "[presence]\nadmin_password = \"x\"").unwrap();
    let sources = Sources { data: Some(dir.path().to_owned()), ..Sources::default() };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Config::load(&sources).unwrap().warnings[0].to_string().contains("can be read by others: chmod 600"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Config::load(&sources).unwrap().warnings.is_empty());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "[presence]\nadmin_password = \"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA\"").unwrap();
    assert!(Config::load(&sources).unwrap().warnings.is_empty(), "a hash is not the password");
}

#[test]
fn the_example_is_the_code() {
    let text = example::text();
    let on_disk = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml")).unwrap();
    assert_eq!(on_disk, text, "renew it with: cargo run -- config example > config.example.toml");
    assert!(text.lines().all(|line| line.len() <= 140));
    let live: String =
        text.lines().map(|line| if line.starts_with("# ") { "" } else { line.trim_start_matches('#') }).collect::<Vec<_>>().join("\n");
    let document: DocumentMut = live.parse().unwrap();
    let keys = Config::keys();
    assert_eq!(document.iter().map(|(_, section)| section.as_table().unwrap().len()).sum::<usize>(), keys.len());
    for key in &keys {
        assert!(document[key.section].get(key.name).is_some() && !key.doc.is_empty(), "{}", key.path());
    }
    let loaded = good(&[("goop.toml", &live)], &[], &[]);
    assert_eq!(loaded.config, Config::default());
    let commented_out = good(&[("goop.toml", &text)], &[], &[]);
    assert!(keys.iter().all(|key| !commented_out.is_explicit(&key.path())), "a saved example makes no address explicit");
}

#[test]
fn a_saved_key_keeps_everything_else_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".goop/goop.toml");
    set_in_file(&file, "profile.label", Some(Value::from("A \"B\""))).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "[profile]\nlabel = 'A \"B\"'\n");
    let text = "# mine\n[profile]\nlabel = \"A\" # who\n\n[p2p] # net\nlisten_port = 1\n";
    fs::write(&file, text).unwrap();
    set_in_file(&file, "profile.label", Some(Value::from("C"))).unwrap();
    set_in_file(&file, "p2p.loopback_only", Some(Value::from(true))).unwrap();
    set_in_file(&file, "p2p.listen_port", None).unwrap();
    let expected = "# mine\n[profile]\nlabel = \"C\" # who\n\n[p2p] # net\nloopback_only = true\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for (key, value) in [("p2p.listen_port", Value::from(70_000)), ("p2p.nonsense", Value::from(1)), ("nonsense", Value::from(1))] {
        assert!(set_in_file(&file, key, Some(value)).is_err(), "{key}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), expected, "a refused value changes nothing");
    fs::write(&file, "not = [toml").unwrap();
    assert!(set_in_file(&file, "profile.label", Some(Value::from("C"))).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "not = [toml");
}

#[test]
fn data_may_stand_anywhere_on_the_command_line() {
    let lines: [&[&str]; 8] = [
        &["--data", "/d"],
        &["--data", "/d", "run"],
        &["run", "--data", "/d"],
        &["get", "P", "/x", "--data", "/d"],
        &["get", "--data", "/d", "P"],
        &["chat", "P", "hi", "--data=/d"],
        &["chat", "--all", "hi", "--data", "/d"],
        &["config", "check", "--data", "/d"],
    ];
    for line in lines {
        let cli = Cli::read(std::iter::once("goop").chain(line.iter().copied())).unwrap();
        assert_eq!(cli.global.data.as_deref(), Some(Path::new("/d")), "{line:?}");
    }
    let peer = Cli::read(["goop", "peer", "/"]).unwrap();
    assert_eq!(peer.global.data.as_deref(), Some(Path::new("/")), "goop2's way to start a peer");
    let missing = Cli::read(["goop", "peer", "/nowhere/p"]).unwrap_err();
    assert!(missing.to_string().contains("there is no folder /nowhere/p"), "goop2 demands the folder, too");
}

#[test]
fn a_command_line_is_read_as_the_contract_says() {
    use goop::cli::Command::{Chat, Get, Run};
    let read = |line: &[&str]| Cli::read(std::iter::once("goop").chain(line.iter().copied())).map(|cli| cli.command);
    assert!(matches!(read(&[]).unwrap(), Run(run) if !run.json));
    assert!(matches!(read(&["--json", "--label", "A"]).unwrap(), Run(run) if run.json && run.label.as_deref() == Some("A")));
    assert!(matches!(read(&["rendezvous", "/d"]).unwrap(), Run(run) if run.rendezvous_only));
    assert!(matches!(read(&["get", "P"]).unwrap(), Get(get) if get.path == "/" && get.output.is_none()));
    assert!(matches!(read(&["chat", "P", "hi"]).unwrap(), Chat(chat) if chat.message() == (Some("P"), "hi")));
    assert!(matches!(read(&["chat", "--all", "hi"]).unwrap(), Chat(chat) if chat.message() == (None, "hi")));
    let community = read(&["chat", "--all", "hi", "--community", "https://rv.example/c/chess"]).unwrap();
    assert!(matches!(community, Chat(chat) if chat.community.as_deref() == Some("https://rv.example/c/chess") && chat.peer.is_none()));
    for wrong in [
        &["chat", "P", "hi", "--community", "x"][..],
        &["chat", "P"],
        &["chat"],
        &["chat", "P", "hi", "--all", "ho"],
        &["--label", "A", "id"],
        &["nonsense"],
        &["get"],
    ] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn exit_codes_tell_usage_from_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let code = |args: &[&str]| goop(args, dir.path()).status.code().unwrap();
    assert_eq!(code(&["config", "check"]), 0);
    assert_eq!(code(&["nonsense"]), 2);
    assert_eq!(code(&["run", "--hub", "a.b"]), 2);
    assert_eq!(code(&["config", "check", "--set", "p2p.listen_port=x"]), 4);
    assert_eq!(code(&["config", "check", "--set", "presence.admin_password=$argon2id$broken"]), 4);
    let checked = goop(&["config", "check"], dir.path());
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    let downloads = format!("files    {}", dir.path().join(".local/share/goop/downloads").display());
    assert!(said.contains("goop.toml, which is not there") && said.contains(&downloads), "{said}");
    assert_eq!(code(&["config", "check", "--config", "/nowhere"]), 4);
    let wrong = goop(&["config", "check", "--set", "p2p.listn_port=1"], dir.path());
    assert!(wrong.stdout.is_empty());
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(told, "goop: --set: p2p.listn_port: there is no such key; did you mean p2p.listen_port?\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "looking at the configuration writes nothing");
}

#[test]
fn completions_and_manual_come_from_the_same_definition() {
    let dir = tempfile::tempdir().unwrap();
    for (args, word) in [
        (&["completions", "bash"][..], "--mdns-tag"),
        (&["completions", "fish"], "mdns-tag"),
        (&["man"], "goop\\-peers"),
        (&["man", "run"], "mdns\\-tag"),
        (&["man", "config", "show"], "secrets are left out"),
    ] {
        let output = goop(args, dir.path());
        assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains(word), "{args:?}");
    }
    let script = goop(&["completions", "bash"], dir.path()).stdout;
    assert!(!String::from_utf8(script).unwrap().contains("rendezvous)"), "goop2's names stay hidden");
}

/// Text with many characters that mean something in TOML and JSON.
fn nearly_configuration() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("[presence]\n".to_owned()),
        Just("ttl_seconds".to_owned()),
        Just("\"viewer\": {\"http_addr\": ".to_owned()),
        Just("\u{feff}".to_owned()),
        "[\\[\\]{}\":=,.\n#'0-9a-z\\\\-]{0,6}",
        ".{0,6}",
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_as_a_configuration_file_is_read_or_refused_with_a_line(text in nearly_configuration(), json: bool) {
        let name = if json { "goop.json" } else { "goop.toml" };
        if let (_dir, Err(errors)) = load_with(&[(name, &text)], &[], &[]) {
            prop_assert!(!errors.0.is_empty());
            for fault in errors.0 {
                let in_the_text = |line: usize| (1..=text.matches('\n').count() + 1).contains(&line);
                let has_line = matches!(fault.origin, Origin::File { line, .. } | Origin::GoopJson { line, .. } if in_the_text(line));
                prop_assert!(has_line && !fault.message.is_empty(), "{:?}", fault);
            }
        }
    }

    #[test]
    fn any_word_for_any_key_is_read_or_refused_by_name(index in any::<prop::sample::Index>(), text in ".{0,40}") {
        let keys = Config::keys();
        let key = index.get(&keys).path();
        let env = BTreeMap::from([(format!("GOOP_{}", key.replace('.', "__").to_uppercase()), text.clone())]);
        let set = vec![format!("{key}={text}")];
        for sources in [Sources { env, ..Sources::default() }, Sources { set, ..Sources::default() }] {
            let sources = Sources { default_data: "/nowhere/at/all".into(), ..sources };
            if let Err(errors) = Config::load(&sources) {
                let told = errors.to_string();
                prop_assert!(told.contains(&key) || told.contains("site"), "{}", told);
                prop_assert!(!told.chars().any(|character| character.is_control() && character != '\n'), "{:?}", told);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_value_that_is_taken_is_written_as_it_was(ttl in 7_u64..86_400, label in "[^\\p{C}]{0,60}", port: u16, body in 1_u64..16_384, unsigned: bool) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("goop.toml");
        let values = [
            ("presence.ttl_seconds", Value::from(i64::try_from(ttl).unwrap())),
            ("profile.label", Value::from(label.clone())),
            ("p2p.listen_port", Value::from(i64::from(port))),
            ("http.max_body", Value::from(format!("{body}KiB"))),
            ("presence.allow_unsigned", Value::from(unsigned)),
        ];
        for (key, value) in values {
            set_in_file(&file, key, Some(value)).unwrap();
        }
        let config = Config::load(&Sources { data: Some(dir.path().to_owned()), ..Sources::default() }).unwrap().config;
        prop_assert_eq!(config.presence.ttl_seconds.as_secs(), ttl);
        prop_assert_eq!(config.profile.label.as_str(), label);
        prop_assert_eq!((config.p2p.listen_port, config.presence.allow_unsigned), (port, unsigned));
        prop_assert_eq!(config.http.max_body.bytes(), body * 1024);
    }
}
