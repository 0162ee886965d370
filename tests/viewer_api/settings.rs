//! `settings`: what is changed in the configuration file, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use goop::config::reload::ReloadHandle;
use goop::config::{Config, Sources};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::assert_problem;
use crate::stage::{Answer, Stage};

const FILE: &str = "# mine\n[profile]\nlabel = \"Ann\" # me\n";

async fn staged(toml: &str) -> Stage {
    let stage = Stage::set().await;
    stage.configure(toml).await;
    stage
}

fn file(stage: &Stage) -> String {
    fs::read_to_string(stage.home.path().join("goop.toml")).unwrap()
}

async fn patch(stage: &Stage, tag: Option<&str>, wishes: Value) -> Answer {
    let only_if = tag.map(|tag| format!("If-Match: {tag}\r\n")).unwrap_or_default();
    let head = format!("Content-Type: application/json\r\n{only_if}");
    stage.write("PATCH", "/api/v1/settings", &head, wishes.to_string().as_bytes()).await
}

fn of<'a>(settings: &'a Value, key: &str) -> &'a Value {
    settings["settings"].as_array().unwrap().iter().find(|one| one["key"] == key).unwrap()
}

#[tokio::test]
async fn what_is_changed_is_in_the_file_and_everything_else_stays_there() {
    let stage = staged(FILE).await;
    let before = stage.get("/api/v1/settings").await;
    assert_eq!(of(&before.json(), "profile.label")["value"], "Ann");
    let tag = before.header("etag").unwrap().to_owned();
    let wishes =
        json!({ "profile.label": "Anna", "p2p.listen_port": 4001, "discovery.hubs": ["https://hub.example"], "discovery.mdns": false });
    let after = patch(&stage, Some(&tag), wishes).await;
    assert_eq!(after.status, 200, "{after:?}");
    assert_eq!((of(&after.json(), "profile.label")["value"].clone(), after.json()["told"].clone()), (json!("Anna"), json!(true)));
    let toml = file(&stage);
    assert!(toml.starts_with("# mine\n[profile]\nlabel = \"Anna\" # me\n") && toml.contains("hubs = [\"https://hub.example/\"]"), "{toml}");
    let tag = after.header("etag").unwrap().to_owned();
    assert_eq!(patch(&stage, Some(&tag), json!({ "p2p.listen_port": null })).await.status, 200);
    assert!(!file(&stage).contains("listen_port"), "null takes a key out");
}

#[tokio::test]
async fn bad_input_all_or_nothing_and_each_key_says_what_it_wants() {
    let stage = staged(FILE).await;
    let wishes = json!({ "profile.label": "Anna", "presence.ttl_seconds": 0, "profile.lable": "x", "discovery.hubs": ["javascript:alert(1)"],
        "p2p.listen_port": "many", "viewer.http_addr": "0.0.0.0:1", "viewer.theme": { "a": 1 } });
    let refused = patch(&stage, None, wishes).await;
    assert_problem(&refused, 422, "bad-settings");
    let errors = refused.json()["errors"].clone();
    for (key, word) in [
        ("presence.ttl_seconds", "from 1 to"),
        ("profile.lable", "did you mean profile.label?"),
        ("discovery.hubs", "https://"),
        ("p2p.listen_port", "whole number"),
        ("viewer.http_addr", "this machine alone"),
        ("viewer.theme", "\"dark\""),
    ] {
        assert!(errors[key].as_str().is_some_and(|why| why.contains(word)), "{key}: {errors}");
    }
    assert_eq!(errors["profile.label"], Value::Null);
    let together = patch(&stage, None, json!({ "presence.heartbeat_seconds": 30 })).await;
    assert!(
        together.json()["errors"]["presence.heartbeat_seconds"].as_str().unwrap().contains("must be less than ttl_seconds"),
        "{together:?}"
    );
    let inside = patch(&stage, None, json!({ "paths.site_root": "." })).await;
    assert!(inside.json()["errors"]["paths.site_root"].as_str().unwrap().contains("everyone may read the site"), "{inside:?}");
    let password = patch(&stage, None, json!({ "presence.admin_password": "$argon2id$v=19" })).await;
    assert!(password.json()["errors"]["presence.admin_password"].as_str().unwrap().contains("goop hash-password"), "{password:?}");
    assert_eq!(file(&stage), FILE);
}

/// The running node may refuse what the file takes, or be busy; neither is told as if it counted.
#[tokio::test]
async fn who_saves_hears_whether_the_running_node_took_it_and_why_not() {
    let (reload, mut wishes) = ReloadHandle::new();
    let stage = Stage::set_with(|options| options.reload = Some(reload)).await;
    let refusing = async { wishes.recv().await.unwrap().send(Err("the port is taken".to_owned())) };
    let (saved, _) = tokio::join!(patch(&stage, None, json!({ "profile.label": "Anna" })), refusing);
    assert_eq!((saved.status, &saved.json()["told"], &saved.json()["refused"]), (200, &json!(true), &json!("the port is taken")));
    drop(wishes);
    let saved = patch(&stage, None, json!({ "profile.label": "Ann" })).await.json();
    assert_eq!((&saved["told"], &saved["refused"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn two_tabs_or_an_editor_do_not_overwrite_one_another() {
    let stage = staged(FILE).await;
    let tag = stage.get("/api/v1/settings").await.header("etag").unwrap().to_owned();
    assert_eq!(patch(&stage, Some(&tag), json!({ "profile.label": "One" })).await.status, 200);
    assert_problem(&patch(&stage, Some(&tag), json!({ "profile.label": "Other" })).await, 412, "changed");
    assert!(file(&stage).contains("One"));
    assert_problem(&patch(&stage, Some("W/\"x\""), json!({ "profile.label": "Other" })).await, 400, "bad-request");
}

#[tokio::test]
async fn a_file_that_is_read_only_missing_or_broken_loses_nothing_and_says_so() {
    let stage = staged(FILE).await;
    let path = stage.home.path().join("goop.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let refused = patch(&stage, None, json!({ "profile.label": "Anna" })).await;
    assert_problem(&refused, 409, "not-saved");
    let why = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(["goop.toml: nothing was saved", "read-only", "chmod u+w"].iter().all(|word| why.contains(word)), "{why}");
    let page = stage.get("/settings").await.text();
    assert!(["Nothing can be saved to", "it is read-only", "chmod u+w"].iter().all(|word| page.contains(word)), "{page}");
    assert_eq!(file(&stage), FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    fs::write(&path, "[profile\nlabel = 1").unwrap();
    assert_problem(&patch(&stage, None, json!({ "profile.label": "Anna" })).await, 409, "bad-config");
    let page = stage.get("/settings").await;
    assert!(page.status == 200 && page.text().contains("The settings have faults") && page.text().contains("goop.toml:1"), "{page:?}");
    assert_eq!(file(&stage), "[profile\nlabel = 1");

    fs::remove_file(&path).unwrap();
    assert_eq!(patch(&stage, None, json!({ "profile.label": "Anna" })).await.status, 200);
    assert_eq!(file(&stage), "[profile]\nlabel = \"Anna\"\n");
}

#[tokio::test]
async fn a_goop_json_stays_as_it_is_and_what_is_saved_stands_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let before = "{\"profile\": {\"label\": \"Old\"}, \"viewer\": {\"theme\": \"dark\"}}";
    fs::write(folder.path().join("goop.json"), before).unwrap();
    let sources = Sources { data: Some(folder.path().to_owned()), ..Sources::default() };
    let stage = Stage::set_with(|options| options.current = watch::channel(Config::load(&sources).unwrap()).1).await;
    let shown = stage.get("/api/v1/settings").await.json();
    assert!(shown["goop2"] == true && of(&shown, "profile.label")["origin"].as_str().unwrap().contains("goop.json"), "{shown}");
    let after = patch(&stage, None, json!({ "profile.label": "New" })).await.json();
    assert_eq!(of(&after, "profile.label")["value"], "New");
    assert_eq!(fs::read_to_string(folder.path().join("goop.json")).unwrap(), before);
    assert!(fs::read_to_string(folder.path().join(".goop/goop.toml")).unwrap().contains("label = \"New\""));
}

#[tokio::test]
async fn what_the_command_line_or_the_environment_sets_is_locked() {
    let stage = Stage::set_with(|options| {
        let env = [("GOOP_PROFILE__EMAIL".to_owned(), "a@b.c".to_owned())].into();
        let data = Some(options.current.borrow().data.root.clone());
        let sources = Sources { data, set: vec!["profile.label=Ann".into()], env, ..Sources::default() };
        options.current = watch::channel(Config::load(&sources).unwrap()).1;
    })
    .await;
    let shown = stage.get("/api/v1/settings").await.json();
    assert_eq!(
        (&of(&shown, "profile.label")["locked"], &of(&shown, "profile.email")["locked"]),
        (&json!("--set"), &json!("GOOP_PROFILE__EMAIL"))
    );
    for key in ["profile.label", "profile.email"] {
        let refused = patch(&stage, None, json!({ key: "x" })).await;
        assert!(refused.json()["errors"][key].as_str().unwrap().contains("above the configuration file"), "{refused:?}");
    }
    let page = stage.get("/settings").await.text();
    assert!(
        page.contains("Set by --set")
            && page.contains(
                "name=\"profile.label\" data-kind=\"text\" type=\"text\" value=\"Ann\" autocomplete=\"off\" spellcheck=\"false\" disabled"
            ),
        "{page}"
    );
}

/// THREATS 56.
#[tokio::test]
async fn attack_no_secret_is_shown_and_none_is_lost_by_what_is_sent_back() {
    let secret = "https://rv.example/c/club/m/s3cret";
    let stage = staged(&format!("presence.rendezvous_wan = [\"{secret}\"] # mine\npresence.admin_password = \"hush\"\n")).await;
    let (shown, page) = (stage.get("/api/v1/settings").await, stage.get("/settings").await);
    for told in [shown.text(), page.text()] {
        assert!(!told.contains("s3cret") && !told.contains("hush") && told.contains("/m/***"), "{told}");
    }
    let mut servers = of(&shown.json(), "presence.rendezvous_wan")["value"].as_array().unwrap().clone();
    servers.push(json!("https://other.example"));
    let after = patch(&stage, None, json!({ "presence.rendezvous_wan": servers })).await;
    assert!(after.status == 200 && !after.text().contains("s3cret"), "{after:?}");
    let toml = file(&stage);
    assert!(toml.contains(secret) && toml.contains("https://other.example") && toml.contains("# mine") && toml.contains("hush"), "{toml}");
}

/// THREATS 56: two memberships of one community look alike without their tokens.
#[tokio::test]
async fn attack_secrets_that_look_alike_are_not_mixed_up() {
    let (one, two, hub) = ("https://rv.example/c/x/m/TOKENONE", "https://rv.example/c/x/m/TOKENTWO", "https://rv.example/c/x/m/TOKENHUB");
    let stage = staged(&format!("presence.rendezvous_wan = [\"{one}\", \"{two}\"]\ndiscovery.hubs = [\"{hub}\"]\n")).await;
    let key = "presence.rendezvous_wan";
    let mut servers = of(&stage.get("/api/v1/settings").await.json(), key)["value"].as_array().unwrap().clone();
    assert_eq!(servers[0], servers[1]);
    servers.push(json!("https://other.example"));
    assert_eq!(patch(&stage, None, json!({ key: servers })).await.status, 200);
    let toml = file(&stage);
    assert!([one, two, hub, "https://other.example/"].iter().all(|url| toml.matches(url).count() == 1), "{toml}");
    let shown = servers[0].clone();
    let refused = patch(&stage, None, json!({ key: [shown.clone(), shown.clone(), shown] })).await;
    assert!(refused.status == 422 && refused.text().contains("secret"), "{refused:?}");
    assert_eq!(file(&stage), toml);
}

#[tokio::test]
async fn attack_nobody_else_changes_a_setting() {
    let stage = staged(FILE).await;
    let body = b"{\"profile.label\":\"Eve\"}";
    let head =
        |more: &str| format!("PATCH /api/v1/settings HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{more}", stage.host(), body.len());
    assert_problem(&stage.ask(&head("Content-Type: application/json\r\n"), body).await, 403, "token");
    let token = format!("X-Goop-Token: {}\r\n", stage.viewer.token());
    let foreign = format!("{token}Content-Type: application/json\r\nOrigin: http://evil.example\r\n");
    assert_problem(&stage.ask(&head(&foreign), body).await, 403, "foreign-origin");
    assert_problem(&stage.ask(&head(&format!("{token}Content-Type: text/plain\r\n")), body).await, 415, "unsupported-media-type");
    assert_eq!(file(&stage), FILE);
}

#[tokio::test]
async fn every_page_wears_the_colours_that_are_chosen() {
    let stage = staged("viewer.theme = \"dark\"\n").await;
    assert!(stage.get("/settings").await.text().contains("<html lang=\"en\" data-theme=\"dark\">"));
    patch(&stage, None, json!({ "viewer.theme": "system" })).await;
    assert!(stage.get("/").await.text().contains("<html lang=\"en\">"));
}
