//! `communities`: looked for, joined, left.

use std::fs;

use goop::clients::rendezvous::{Status, Stream, membership};
use goop::clock::UnixMillis;
use goop::config::base_url::BaseUrl;
use goop::config::{Config, Sources};
use serde_json::json;
use tokio::sync::watch;

use crate::stage::{Answer, Stage};
use crate::{assert_problem, with};

async fn join(stage: &Stage, link: &str) -> Answer {
    stage.post_json("/api/v1/communities", &json!({ "link": link }).to_string()).await
}

async fn leave(stage: &Stage, name: &str) -> Answer {
    stage.write("DELETE", &format!("/api/v1/communities?name={name}"), "", b"").await
}

fn id(url: &str) -> String {
    membership::id(&BaseUrl::parse(url).unwrap())
}

fn file(stage: &Stage) -> String {
    fs::read_to_string(stage.home.path().join("goop.toml")).unwrap()
}

#[tokio::test]
async fn a_community_is_joined_once_listed_and_left() {
    let stage = Stage::set().await;
    fs::write(stage.home.path().join("goop.toml"), "# mine\n").unwrap();
    let joined = join(&stage, "https://rv.example/c/chess").await;
    assert_eq!(
        (joined.status, joined.json()),
        (201, json!({ "name": "rv.example/c/chess", "already": false, "applied": true, "refused": null }))
    );
    assert_eq!(join(&stage, " https://rv.example/c/chess/ ").await.status, 200);
    assert!(file(&stage).starts_with("# mine\n") && file(&stage).contains("https://rv.example/c/chess"));
    let listed = stage.get("/api/v1/communities").await.json();
    assert_eq!(
        listed,
        json!({ "communities": [{ "id": id("https://rv.example/c/chess"), "name": "rv.example/c/chess", "listed": true }], "locked": null })
    );
    assert_problem(&leave(&stage, "rv.example").await, 404, "not-found");
    assert_eq!(leave(&stage, "rv.example/c/chess").await.status, 200);
    assert_eq!(stage.get("/api/v1/communities").await.json()["communities"], json!([]));
    assert!(file(&stage).starts_with("# mine\n") && !file(&stage).contains("rv.example"));
}

#[tokio::test]
async fn each_of_mine_says_in_words_how_it_goes() {
    let stage = Stage::set().await;
    stage.configure("presence.rendezvous_wan = [\"https://rv.example/c/club/m/s3cret\", \"https://new.example\"]\n").await;
    let status = |name: &str, stream, refused: Option<&str>| Status {
        id: id(&format!("https://{}", name.replace("***", "s3cret"))),
        name: name.into(),
        since: UnixMillis(1),
        stream,
        moved_to: None,
        refused: refused.map(Into::into),
    };
    let servers = vec![
        status("127.0.0.1:8787", Stream::Connected { ours: true }, None),
        status("rv.example/c/club/m/***", Stream::Retrying { why: "no <route>".into() }, Some("you are banned")),
    ];
    with(&stage, |play| play.servers = servers);
    let listed = stage.get("/api/v1/communities").await.json();
    let of = |at: usize, key: &str| listed["communities"][at][key].clone();
    assert_eq!((of(0, "listed"), of(1, "listed"), of(2, "listed")), (json!(false), json!(true), json!(true)));
    assert_eq!((of(1, "status")["refused"].clone(), of(2, "name")), (json!("you are banned"), json!("new.example")));
    let page = stage.get("/communities").await.text();
    for said in ["you are banned", "has not asked there yet", "data-leave=\"rv.example/c/club/m/***\""] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("s3cret") && page.matches("data-leave").count() == 2, "{page}");
}

#[tokio::test]
async fn of_two_memberships_that_look_alike_the_one_that_is_meant_is_left() {
    let stage = Stage::set().await;
    let url = |token: &str| format!("https://rv.example/c/x/m/{token}");
    stage.configure(&format!("presence.rendezvous_wan = [\"{}\", \"{}\"]\n", url("ONE"), url("TWO"))).await;
    let refused = |token: &str| Status {
        id: id(&url(token)),
        name: "rv.example/c/x/m/***".into(),
        since: UnixMillis(1),
        stream: Stream::Connecting,
        moved_to: None,
        refused: Some(format!("you are {token}")),
    };
    with(&stage, |play| play.servers = vec![refused("TWO"), refused("ONE")]);
    let listed = stage.get("/api/v1/communities").await.json();
    let said = |at: usize| (&listed["communities"][at]["id"], &listed["communities"][at]["status"]["refused"]);
    assert_eq!(said(0), (&json!(id(&url("TWO"))), &json!("you are TWO")), "whatever the order");
    let page = stage.get("/communities").await.text();
    assert!(["ONE", "TWO"].iter().all(|token| page.contains(&format!("data-id=\"{}\"", id(&url(token))))), "{page}");
    assert_problem(&leave(&stage, "rv.example/c/x/m/***&id=0123456789abcdef").await, 404, "not-found");
    assert_eq!(leave(&stage, &format!("rv.example/c/x/m/***&id={}", id(&url("TWO")))).await.status, 200);
    assert!(file(&stage).contains(&url("ONE")) && !file(&stage).contains("TWO"), "{}", file(&stage));
}

#[tokio::test]
async fn one_s_own_communities_have_the_names_of_their_listings() {
    let stage = Stage::set().await;
    stage.configure("presence.rendezvous_wan = [\"https://rv.example/c/club/m/s3cret\", \"https://new.example\"]\n").await;
    let listing = |number: u8, name: &str, place: &str, proven: bool| {
        let id = goop::proto::directory::ListingId::from_bytes([number; 16]).to_string();
        json!({ "hub": "https://hub.example/", "at": 1, "id": id, "community": name, "rendezvous": place, "type": "open", "proven": proven })
            .to_string()
    };
    let kept = |lines: &[String]| fs::write(stage.home.path().join("found.ndjson"), lines.join("\n")).unwrap();
    let club = "https://rv.example/c/club";
    kept(&[
        listing(1, "<b>Club</b>", club, true),
        listing(2, "Your Bank", club, false),
        listing(3, "Elsewhere", "https://a.example", true),
    ]);
    let listed = stage.get("/api/v1/communities").await.json();
    assert_eq!(
        (&listed["communities"][0]["community"], &listed["communities"][1]["community"]),
        (&json!("<b>Club</b>"), &serde_json::Value::Null)
    );
    let page = stage.get("/communities").await.text();
    let first = "<strong><bdi>&#60;b&#62;Club&#60;/b&#62;</bdi></strong><span class=\"soft\"><bdi>rv.example/c/club/m/***</bdi></span>";
    assert!(page.contains(first) && page.contains("<strong><bdi>new.example</bdi></strong>"), "{page}");
    kept(&[listing(1, "<b>Club</b>", club, true), listing(2, "Your Bank", club, true)]);
    let page = stage.get("/communities").await.text();
    assert!(page.contains("<strong><bdi>rv.example/c/club/m/***</bdi></strong>"), "where listings disagree nobody is believed: {page}");
}

#[tokio::test]
async fn without_a_hub_what_is_kept_is_searched_and_the_page_says_so() {
    let stage = Stage::set().await;
    let id = goop::proto::directory::ListingId::from_bytes([1; 16]).to_string();
    let kept = json!({ "hub": "https://hub.example/", "at": 1, "id": id, "community": "Chess <Club>", "rendezvous": "https://rv.example/c/chess", "type": "invite-only" });
    fs::write(stage.home.path().join("found.ndjson"), kept.to_string() + "\n").unwrap();
    let found = stage.get("/api/v1/communities/search?q=che").await.json();
    assert_eq!((&found["local"], &found["hubs"], &found["communities"][0]["community"]), (&json!(true), &json!(0), &json!("Chess <Club>")));
    let page = stage.get("/communities?q=che").await.text();
    for said in [
        "Chess &#60;Club&#62;",
        "name a super hub in the settings",
        "kept on this machine",
        "href=\"https://rv.example/c/chess/join\"",
        "by invitation",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_problem(&stage.get(&format!("/api/v1/communities/search?q={}", "x".repeat(300))).await, 400, "bad-request");
    assert!(stage.get("/communities?q=%21").await.text().contains("needs a letter or a digit"));
}

#[tokio::test]
async fn bad_input_a_link_that_leads_nowhere_changes_nothing() {
    let stage = Stage::set().await;
    for link in ["", "javascript:alert(1)", "https://rv.example/#x", "goop:join?invite=a"] {
        assert_problem(&join(&stage, link).await, 400, "bad-request");
    }
    assert_problem(&join(&stage, "http://127.0.0.1:1/c/x/join#invitation").await, 502, "unreachable");
    let looked = stage.get("/api/v1/communities/search?q=http://127.0.0.1:1/c/x/join%23invitation").await.json();
    assert_eq!((&looked["link"]["answers"], &looked["link"]["invited"]), (&json!(false), &json!(true)));
    assert!(!looked.to_string().contains("join#") && !stage.home.path().join("goop.toml").exists());
}

/// A page of another site may lead somebody here; nobody knocks anywhere for that.
#[tokio::test]
async fn attack_the_page_itself_follows_no_link() {
    let stage = Stage::set().await;
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let page = stage.get(&format!("/communities?q=http://{}/", trap.local_addr().unwrap())).await;
    assert!(page.status == 200 && page.text().contains("data-link") && trap.accept().is_err(), "{page:?}");
}

#[tokio::test]
async fn what_the_command_line_sets_is_neither_joined_nor_left() {
    let stage = Stage::set_with(|options| {
        let set = vec!["presence.rendezvous_wan=\"https://rv.example\"".into()];
        let data = Some(options.current.borrow().data.root.clone());
        options.current = watch::channel(Config::load(&Sources { data, set, ..Sources::default() }).unwrap()).1;
    })
    .await;
    assert_problem(&join(&stage, "https://other.example").await, 409, "locked");
    assert_problem(&leave(&stage, "rv.example").await, 409, "locked");
    let page = stage.get("/communities").await.text();
    assert!(page.contains("They are set by --set") && !page.contains("data-leave"), "{page}");
}
