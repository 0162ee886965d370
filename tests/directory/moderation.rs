//! What visitors report, how much of it there can be, and what the operator makes of it.

use goop::config::superhub::Policy;
use goop::proto::directory::target::Trust;
use goop::superhub::directory::{MAX_WORDS, MOST_REPORTED, MOST_SAID, Reason, Report};
use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};

use super::hub::{Board, Hub, PASSWORD, options};
use super::stage::{Stage, listing};

fn chess() -> Value {
    json!({ "community": "Chess Club", "rendezvous": "rv2.example.com:8787", "type": "open" })
}

fn report(words: &str) -> Report {
    Report { reason: Reason::Spam, words: words.into(), contact: String::new() }
}

async fn reported(hub: &Hub, id: &str, report: Value) -> u16 {
    hub.ask(Method::POST, &format!("/api/v1/communities/{id}/report")).json(&report).send().await.unwrap().status().as_u16()
}

async fn act(hub: &Hub, id: &str, what: &str) -> u16 {
    hub.as_admin(Method::POST, &format!("/api/v1/admin/communities/{id}/{what}")).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_waits_for_the_operator_and_hiding_takes_the_listing_out_of_everything() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    assert_eq!(
        reported(&hub, &id, json!({ "reason": "fraud", "words": "they want money\nand more", "contact": "me@example.org" })).await,
        202
    );
    let waiting = hub.admin_get("/api/v1/admin/reports").await;
    let one = &waiting["reports"][0];
    assert_eq!((&waiting["waiting"], &one["count"], &one["listing"]["community"]), (&json!(1), &json!(1), &json!("Chess Club")));
    let said = (&one["said"][0]["reason"], &one["said"][0]["words"], &one["said"][0]["contact"]);
    assert_eq!(said, (&json!("fraud"), &json!("they want money and more"), &json!("me@example.org")));
    assert_eq!(hub.names("q=chess").await, ["Chess Club"], "a report changes nothing by itself");

    assert_eq!(act(&hub, &id, "hide").await, 204);
    let gone = [format!("/api/v1/communities/{id}"), format!("/directory/{id}")];
    for path in &gone {
        assert_eq!(hub.ask(Method::GET, path).send().await.unwrap().status(), 410, "{path}");
    }
    for params in ["q=chess", "q=chess&sort=newest", "", "type=open", "sort=oldest"] {
        assert_eq!(hub.names(params).await, [""; 0], "{params}");
    }
    let changed =
        hub.as_admin(Method::PATCH, &format!("/api/v1/communities/{id}")).json(&json!({ "tags": ["chess"] })).send().await.unwrap();
    assert_eq!(changed.status(), 200, "the operator may still change it");
    assert_eq!(hub.names("tag=chess").await, [""; 0], "and it stays hidden");
    assert_eq!(hub.admin_get("/api/v1/admin/reports").await["waiting"], 0);
    assert_eq!(hub.admin_get("/api/v1/admin/hidden").await["communities"][0]["id"], *id);
    assert_eq!(reported(&hub, &id, json!({ "reason": "spam" })).await, 410);

    assert_eq!(act(&hub, &id, "unhide").await, 204);
    assert_eq!((hub.names("q=chess").await, hub.names("").await), (vec!["Chess Club".to_owned()], vec!["Chess Club".to_owned()]));
    assert_eq!(reported(&hub, &id, json!({ "reason": "spam" })).await, 202);
    assert_eq!((act(&hub, &id, "dismiss").await, act(&hub, &id, "dismiss").await), (204, 404));
    assert_eq!(reported(&hub, &id, json!({ "reason": "spam" })).await, 202);
    assert_eq!(hub.as_admin(Method::DELETE, &format!("/api/v1/communities/{id}")).send().await.unwrap().status(), 204);
    assert_eq!(hub.admin_get("/api/v1/admin/reports").await["waiting"], 0, "removing it closes its reports");
    let audit = hub.admin_get("/api/v1/admin/audit").await;
    let done: Vec<&str> = audit["audit"].as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(done, ["removed", "dismissed", "shown", "changed", "hidden", "listed"], "who did it is noted, who reported is not");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_stays_hidden_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    assert_eq!(act(&hub, &id, "hide").await, 204);
    hub.close().await;
    let hub = Hub::start(folder.path());
    assert_eq!((hub.names("").await.len(), hub.names("q=chess").await.len()), (0, 0));
    assert_eq!(act(&hub, &id, "unhide").await, 204);
    assert_eq!(hub.names("q=chess").await, ["Chess Club"]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_server_that_is_hidden_does_not_renew_rename_or_withdraw_itself_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.registration = Policy::Open;
    let (hub, board) = (Hub::with(options, PASSWORD), Board::start());
    let register = async |name: &str| {
        let draft = json!({ "community": name, "rendezvous": board.url, "type": "open" });
        let answer = hub.by_peer(&board.key, Method::POST, "/api/v1/communities", Some(&draft)).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned())
    };
    let (status, id) = register("Club").await;
    assert_eq!((status, hub.names("q=club").await), (201, vec!["Club".to_owned()]));
    assert_eq!(act(&hub, &id, "hide").await, 204);
    for name in ["Club", "Club again"] {
        assert_eq!((register(name).await, hub.names("").await, hub.names("q=club").await), ((200, id.clone()), vec![], vec![]), "{name}");
    }
    assert_eq!(hub.by_peer(&board.key, Method::DELETE, &format!("/api/v1/communities/{id}"), None).await.status(), 204);
    assert_eq!((register("Club").await, hub.names("").await, hub.names("q=club").await), ((200, id.clone()), vec![], vec![]));
    assert_eq!(act(&hub, &id, "unhide").await, 204);
    assert_eq!(hub.names("q=club").await, ["Club"]);
    hub.close().await;
}

/// Whoever was reported does not end that by going away for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn attack_who_withdraws_a_listing_and_lists_it_again_finds_its_reports_still_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.registration = Policy::Open;
    let (hub, board) = (Hub::with(options, PASSWORD), Board::start());
    let draft = json!({ "community": "Club", "rendezvous": board.url, "type": "open" });
    let register = async || hub.by_peer(&board.key, Method::POST, "/api/v1/communities", Some(&draft)).await;
    let waiting = async || hub.admin_get("/api/v1/admin/reports").await["waiting"].clone();
    let id = register().await.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(reported(&hub, &id, json!({ "reason": "fraud", "words": "a trap" })).await, 202);
    assert_eq!(hub.by_peer(&board.key, Method::DELETE, &format!("/api/v1/communities/{id}"), None).await.status(), 204);
    assert_eq!(waiting().await, 0, "what is not listed needs no judgement");
    assert_eq!(register().await.status(), 200);
    assert_eq!(waiting().await, 1);
    assert_eq!(hub.admin_get("/api/v1/admin/reports").await["reports"][0]["said"][0]["words"], "a trap");
    assert_eq!(hub.as_admin(Method::DELETE, &format!("/api/v1/communities/{id}")).send().await.unwrap().status(), 204);
    assert_eq!(waiting().await, 0);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_form_a_report_needs_no_script() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let send = |body: &'static str| {
        let request = client.post(format!("{}/directory/{id}/report", hub.url)).header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send()
    };
    let back = send("reason=impostor&words=it+is+mine&contact=").await.unwrap();
    assert_eq!((back.status().as_u16(), back.headers()["location"].to_str().unwrap()), (303, &*format!("/directory/{id}?reported=yes")));
    let thanks = hub.ask(Method::GET, &format!("/directory/{id}?reported=yes")).send().await.unwrap().text().await.unwrap();
    assert!(thanks.contains("Thank you."));
    assert_eq!(hub.admin_get("/api/v1/admin/reports").await["reports"][0]["said"][0]["words"], "it is mine");
    assert_eq!(send("reason=love").await.unwrap().status(), 400);
    let json = client.post(format!("{}/directory/{id}/report", hub.url)).json(&json!({ "reason": "spam" })).send().await.unwrap();
    assert_eq!(json.status(), 415);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_one_address_reports_a_few_times_and_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(reported(&hub, &id, json!({ "reason": "spam" })).await);
    }
    assert_eq!(answers[..5], [202; 5]);
    assert_eq!(answers[5..], [429; 15]);
    let page = hub.ask(Method::POST, &format!("/directory/{id}/report")).header("accept", "text/html");
    let page = page.header("content-type", "application/x-www-form-urlencoded").body("reason=spam").send().await.unwrap();
    assert_eq!(page.status(), 429);
    assert!(page.headers().contains_key("retry-after") && page.text().await.unwrap().contains("<!doctype html>"));
    hub.close().await;
}

/// THREATS 31: or any page would have its visitors report whom it likes.
#[tokio::test(flavor = "multi_thread")]
async fn attack_a_page_of_another_origin_reports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let form = hub.ask(Method::POST, &format!("/directory/{id}/report")).header("content-type", "application/x-www-form-urlencoded");
        let json = hub.ask(Method::POST, &format!("/api/v1/communities/{id}/report")).json(&json!({ "reason": "spam" }));
        let look = hub.ask(Method::POST, &format!("/api/v1/communities/{id}/check"));
        for request in [form.body("reason=spam"), json, look] {
            assert_eq!(request.header(name, value).send().await.unwrap().status(), 403, "{name}: {value}");
        }
    }
    for what in ["hide", "unhide", "dismiss"] {
        let request = hub.as_admin(Method::POST, &format!("/api/v1/admin/communities/{id}/{what}"));
        assert_eq!(request.header("origin", "https://evil.example").send().await.unwrap().status(), 403, "{what}");
        assert_eq!(hub.ask(Method::POST, &format!("/api/v1/admin/communities/{id}/{what}")).send().await.unwrap().status(), 401, "{what}");
    }
    for path in ["/api/v1/admin/reports", "/api/v1/admin/hidden", "/admin/directory", &format!("/admin/directory/{id}")] {
        assert_eq!(hub.ask(Method::GET, path).send().await.unwrap().status(), 401, "{path}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_renames_the_host_the_hub_s_own_page_still_reports() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.http.external_url = Some(goop::config::base_url::BaseUrl::parse("https://hub.example").unwrap());
    let hub = Hub::with(options, PASSWORD);
    let at = |path: &str| Client::new().post(format!("{}{path}", hub.local));
    let made = at("/api/v1/communities").basic_auth("admin", Some(PASSWORD)).json(&chess()).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let report = |origin: &str| {
        let path = format!("/api/v1/communities/{}/report", made["id"].as_str().unwrap());
        at(&path).header("origin", origin).json(&json!({ "reason": "spam" })).send()
    };
    assert_eq!(report("https://hub.example").await.unwrap().status(), 202);
    assert_eq!(report("https://hub.example.evil").await.unwrap().status(), 403);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_ten_thousand_reports_keep_the_words_of_a_few_and_count_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let id = stage.list(listing("Chess Club")).await.id;
    let (long, odd) = ("w".repeat(10_000), "a\u{202e}b\r\n\u{0}c");
    for round in 0..10 {
        let (long, odd) = (long.clone(), odd.to_owned());
        let flood = stage.directory.change(0, move |desk| {
            (0..1000).try_for_each(|number| desk.report(&id, &report(if (round + number) % 2 == 0 { &long } else { &odd })))
        });
        flood.await.unwrap();
    }
    let one = "SELECT (SELECT count FROM reported), (SELECT count(*) FROM reports), (SELECT max(length(words)) FROM reports), (SELECT count(*) FROM audit)";
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let kept: (i64, i64, i64, i64) = stage.directory.read(move |look| Ok(look.query_row(one, [], row)?)).await.unwrap();
    assert_eq!(kept, (10_000, MOST_SAID, MAX_WORDS as i64, 1), "and strangers push nothing out of the audit log");
    let others = stage.directory.change(20_000, |desk| {
        let names = (0..MOST_REPORTED).map(|number| listing(&format!("Club {number}")));
        names.map(|one| desk.list(one, Trust::Operator, "test").map(|listed| listed.id)).collect::<Result<Vec<_>, _>>()
    });
    let others = others.await.unwrap();
    let flood = stage.directory.change(0, move |desk| others.iter().try_for_each(|id| desk.report(id, &report(""))));
    flood.await.unwrap();
    let honest = stage.list(listing("Not reported yet")).await.id;
    stage.directory.change(0, move |desk| desk.report(&honest, &report("look here"))).await.unwrap();
    let counted = "SELECT count(*), max(count), (SELECT count(*) FROM reports WHERE words = 'look here') FROM reported";
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let kept: (i64, i64, i64) = stage.directory.read(move |look| Ok(look.query_row(counted, [], row)?)).await.unwrap();
    assert_eq!(kept, (MOST_REPORTED, 10_000, 1), "a flood of single reports shuts nobody out, and what many reported stays");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_junk_hides_neither_the_first_words_nor_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open(folder.path());
    let id = stage.list(listing("Chess Club")).await.id;
    stage.directory.change(0, move |desk| (1..=20).try_for_each(|n| desk.report(&id, &report(&n.to_string())))).await.unwrap();
    let words = |look: &rusqlite::Connection| {
        let mut query = look.prepare("SELECT words FROM reports ORDER BY id")?;
        Ok(query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?)
    };
    assert_eq!(stage.directory.read(words).await.unwrap(), ["1", "2", "3", "18", "19", "20"]);
    stage.close().await;
}

/// THREATS 16.
#[tokio::test(flavor = "multi_thread")]
async fn attack_a_whole_network_reports_as_often_as_one_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.http.trusted_proxies = vec![goop::config::setting::Setting::read(&toml_edit::Value::from("127.0.0.1")).unwrap()];
    let hub = Hub::with(options, PASSWORD);
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    let from = async |client: String| {
        let request = hub.ask(Method::POST, &format!("/api/v1/communities/{id}/report")).header("x-forwarded-for", client);
        request.json(&json!({ "reason": "spam" })).send().await.unwrap().status().as_u16()
    };
    let mut taken = 0;
    for host in 0..60 {
        taken += u32::from(from(format!("2001:db8:1:{host:x}::1")).await == 202);
    }
    assert_eq!(taken, 20);
    assert_eq!(from("2001:db8:2::1".to_owned()).await, 202, "others still report");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_report_that_nobody_has_seen_is_not_dismissed_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let [chess, go] =
        ["Chess Club", "Go Club"].map(|name| json!({ "community": name, "rendezvous": "rv2.example.com:8787", "type": "open" }));
    let (chess, go) = (hub.list(chess).await["id"].as_str().unwrap().to_owned(), hub.list(go).await["id"].as_str().unwrap().to_owned());
    let last = async |nth: usize| hub.admin_get("/api/v1/admin/reports").await["reports"][nth]["last"].as_u64().unwrap();
    assert_eq!(reported(&hub, &go, json!({ "reason": "spam" })).await, 202);
    let seen = last(0).await;
    let page = async || hub.as_admin(Method::GET, "/admin/directory").send().await.unwrap().text().await.unwrap();
    assert!(page().await.contains(&format!("/{go}/dismiss?last={seen}\"")));
    assert_eq!(reported(&hub, &chess, json!({ "reason": "spam" })).await, 202);
    while last(1).await == seen {
        assert_eq!(reported(&hub, &go, json!({ "reason": "illegal", "words": "look" })).await, 202);
    }
    assert_eq!(act(&hub, &go, &format!("dismiss?last={seen}")).await, 409);
    let text = page().await;
    assert!(text.find(&format!("/{go}/dismiss")) < text.find(&format!("/{chess}/dismiss")), "what more people reported comes first");
    assert_eq!(act(&hub, &go, &format!("dismiss?last={}", last(1).await)).await, 204);
    assert_eq!(hub.admin_get("/api/v1/admin/reports").await["waiting"], 1);
    assert_eq!(act(&hub, &chess, "dismiss").await, 204, "without the word it dismisses what there is");
    hub.close().await;
}
