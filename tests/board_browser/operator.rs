//! `/admin`: what the operator sees and does.

use std::time::Duration;

use goop::config::Secret;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use thirtyfour::{By, Key};

use crate::chromium::{Browser, payloads};
use crate::rendezvous_stage::{Server, message, peer};

pub(crate) const PASSWORD: &str = "correct horse";

/// Nobody falls silent in the middle of a test.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) fn server() -> Server {
    Server::start(|options| (options.doors.password, options.ttl) = (Secret::new(PASSWORD), LONG))
}

/// What the API says, asked beside the browser.
pub(crate) async fn api(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let request = Client::new().request(method, server.url(&format!("/api/v1/admin/{path}"))).basic_auth("admin", Some(PASSWORD));
    let request = if body.is_null() { request } else { request.json(&body) };
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.json().await.unwrap_or_default()
}

pub(crate) async fn found(server: &Server, slug: &str, kind: &str) {
    api(server, Method::POST, "boards", json!({ "slug": slug, "name": format!("The {slug}"), "type": kind })).await;
}

/// Logs in by the form.
pub(crate) async fn log_in(browser: &Browser, server: &Server) {
    browser.go(&server.url("/admin")).await;
    browser.driver.find(By::Id("password")).await.unwrap().send_keys(PASSWORD + Key::Enter).await.unwrap();
    browser.until("document.getElementById('boards')").await;
}

/// Goes on by Tab until the focus is on what `selector` names.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..80 {
        browser.press(Key::Tab).await;
        let there = browser.run("return document.activeElement.matches(given[0])", vec![json!(selector)]).await;
        if there == true {
            let seen = "const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement); return outlineStyle + parseFloat(outlineWidth)";
            assert_eq!(browser.run(seen, vec![]).await, "solid3", "the focus is seen on {selector}");
            return;
        }
    }
    panic!("{selector} is not reached by Tab");
}

fn told(words: &str) -> String {
    format!("document.getElementById('told').textContent === '{words}'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_keyboard_alone_somebody_logs_in_founds_a_community_and_invites() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    browser.go(&server.url("/admin")).await;
    tab_to(&browser, ".skip").await;
    tab_to(&browser, "#password").await;
    browser.press("wrong" + Key::Enter).await;
    browser.until("document.querySelector('#login .told').textContent.includes('not the operator')").await;
    browser.press(PASSWORD + Key::Enter).await;
    browser.until("document.getElementById('boards')").await;

    tab_to(&browser, "#new-name").await;
    browser.press("The choir").await;
    tab_to(&browser, "#new-slug").await;
    browser.press("choir").await;
    tab_to(&browser, "#new-type").await;
    browser.press("by inv").await;
    tab_to(&browser, "#found button").await;
    browser.press(Key::Enter).await;
    browser.until(&told("The community was founded.")).await;
    browser.until("document.activeElement.id === 'boards'").await;

    tab_to(&browser, "#b-choir-invite summary").await;
    browser.press(Key::Enter).await;
    tab_to(&browser, "#uses-choir").await;
    browser.press(Key::Up + Key::Up).await;
    tab_to(&browser, "#note-choir").await;
    browser.press("for the altos" + Key::Enter).await;
    browser.until("document.getElementById('invitation').open && document.querySelector('#invitation .qr path')").await;
    let link = browser.run("return document.querySelector('#invitation code').textContent", vec![]).await;
    browser.picture("admin-invitation", &["light", "phone-dark"]).await;
    browser.press(Key::Escape + "").await;
    browser.until("!document.getElementById('invitation').open").await;
    browser.until("document.querySelector('#b-choir-invitations').textContent.includes('for the altos')").await;
    browser.close().await;

    let (join, invite) = link.as_str().unwrap().split_once('#').unwrap();
    assert_eq!(join, server.url("/c/choir/join"));
    for number in 0..4 {
        let answer = Client::new().post(join).json(&json!({ "invite": invite })).send().await.unwrap();
        assert_eq!(answer.status(), if number < 3 { 200 } else { 403 }, "three may come");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_says_what_became_of_it_and_what_destroys_asks_first() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    found(&server, "club", "application").await;
    for words in ["let me in", "me too"] {
        let asked = Client::new().post(server.url("/c/club/join")).json(&json!({ "message": words })).send().await.unwrap();
        assert_eq!(asked.status(), 202);
    }
    assert_eq!(server.publish(&message("online", 1, "Ada")).await, 204);
    log_in(&browser, &server).await;
    let press = async |selector: &str| {
        browser.until(&format!("document.querySelector('{selector}')")).await;
        let click = "const button = document.querySelector(given[0]); button.closest('details')?.setAttribute('open', ''); button.click(); return 1";
        browser.run(click, vec![json!(selector)]).await;
    };
    let agree = async || {
        browser.until("document.getElementById('confirm').open").await;
        press("#confirm [value=yes]").await;
    };
    browser.picture("admin", &["light", "dark", "phone"]).await;

    press("[action$=\"1/approve\"] button").await;
    browser.until(&told("The application was approved.")).await;
    press("[action$=\"2/decline\"] button").await;
    browser.until("document.getElementById('confirm').open").await;
    press("#confirm [value=\"\"]").await;
    press("[action$=\"2/decline\"] button").await;
    agree().await;
    browser.until(&told("The application was refused.")).await;
    browser.until("document.getElementById('b-club-applications').textContent.includes('Nobody asks')").await;

    press("[data-ban]").await;
    browser
        .until(&format!("document.activeElement.id === 'ban-reason' && document.getElementById('ban-peer').value === '{}'", peer(1)))
        .await;
    browser.press("spam" + Key::Enter).await;
    browser.until(&told("The ban counts.")).await;
    browser.until("document.getElementById('bans').textContent.includes('ends in 23 h; spam') && document.getElementById('b--rows').textContent.includes('Nobody is here')").await;
    press("#bans button").await;
    browser.until(&told("The ban was lifted.")).await;

    press("[action$=\"/standby\"] button").await;
    agree().await;
    browser.until(&told("This server stands by.")).await;
    browser.until("document.getElementById('state').textContent.includes('nobody can publish')").await;
    press("[action$=\"/resume\"] button").await;
    browser.until(&told("This server serves again.")).await;

    let rename =
        "document.getElementById('name-club').value = 'The other club'; document.getElementById('type-club').value = 'open'; return 1";
    browser.run(rename, vec![]).await;
    press("[action$=\"/boards/club\"][data-method=PATCH] button").await;
    browser.until("document.getElementById('b-club-title').textContent === 'The other club'").await;
    browser.run("document.getElementById('to-club').value = 'https://other.example/c/club'; return 1", vec![]).await;
    press("[action$=\"/boards/club/move\"] button").await;
    agree().await;
    browser.until("document.getElementById('b-club').textContent.includes('moved to https://other.example/c/club')").await;
    press("[action$=\"/boards/club/move\"][data-method=DELETE] button").await;
    browser.until(&told("The community is here again.")).await;
    press("[action$=\"/reload\"] button").await;
    browser.until("document.getElementById('told').textContent.startsWith('This was not done: ')").await;

    press("[action$=\"/boards/club\"][data-method=DELETE] button").await;
    agree().await;
    browser.until("!document.getElementById('b-club')").await;

    browser.run("document.getElementById('new-slug').value = 'x425'; return 1", vec![]).await;
    press("#found button").await;
    browser.until("document.querySelector('#found .told').textContent.includes('425')").await;
    press("[action$=\"/session\"] button").await;
    browser.until("document.getElementById('password')").await;
    browser.close().await;
    assert_eq!(api(&server, Method::GET, "boards", Value::Null).await["boards"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_seen_on_the_operator_s_open_page() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    log_in(&browser, &server).await;
    assert_eq!(server.publish(&message("online", 1, "Ada")).await, 204);
    browser.until("document.getElementById('b--rows').textContent.includes('Ada')").await;
    browser
        .until("document.querySelector('#state dd').textContent === '1' && document.getElementById('log').textContent.includes('Ada')")
        .await;
    browser.close().await;
}

/// THREATS 21: the page of whoever may change everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_two_hundred_payloads_in_every_field_stay_text_for_the_operator() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    found(&server, "club", "application").await;
    browser.watch().await;
    log_in(&browser, &server).await;
    for (number, payload) in payloads::all().enumerate() {
        let mut said = message("online", number as u16, &payload);
        let short: String = payload.chars().take(60).collect();
        let further = json!({ "email": payload, "goopClientVersion": short, "activeTemplate": payload, "addrs": [payload] });
        said.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let asked = Client::new().post(server.url("/publish")).header("user-agent", payload.replace('\t', " ")).json(&said).send();
        assert_eq!(asked.await.unwrap().status(), 204, "{payload}");
        // One address has no more than twenty applications undecided.
        let from = std::net::IpAddr::from([127, 0, 1, number as u8 / 20 + 1]);
        let applicant = Client::builder().local_address(from).build().unwrap();
        let applied = applicant.post(server.url("/c/club/join")).json(&json!({ "message": payload })).send().await.unwrap();
        assert_eq!(applied.status(), 202, "{payload}");
        if number % 4 == 0 {
            api(&server, Method::POST, "bans", json!({ "peer_id": peer(5000 + number as u16).to_base58(), "reason": payload })).await;
            api(&server, Method::POST, "invitations", json!({ "slug": "club", "note": payload })).await;
        }
    }
    let name = payloads::all().find(|payload| payload.starts_with("\"><img")).unwrap();
    api(&server, Method::PATCH, "boards/club", json!({ "name": name })).await;
    browser.until("document.querySelectorAll('#b--rows li').length === 200").await;
    let changed = browser.harm().await;
    browser.go(&server.url("/admin")).await;
    browser.until("document.querySelectorAll('#b-club-applications li').length === 200").await;
    let served = browser.harm().await;
    let shown = "return ['b--rows', 'b-club-applications', 'bans', 'b-club-invitations', 'log'].map((id) => document.getElementById(id).textContent.includes('<script>alert(1)</script>'))";
    let shown = browser.run(shown, vec![]).await;
    browser.close().await;
    assert_eq!((changed, served), (vec![], vec![]));
    assert_eq!(shown, json!([true, true, true, true, true]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_s_pages_fit_a_phone_and_axe_finds_nothing() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    found(&server, "club", "application").await;
    found(&server, "choir", "invite-only").await;
    let long = "x".repeat(300);
    for (number, name) in ["Ada", &long].iter().enumerate() {
        assert_eq!(server.publish(&message("online", number as u16, name)).await, 204);
    }
    Client::new().post(server.url("/c/club/join")).json(&json!({ "message": long.repeat(3) })).send().await.unwrap();
    api(&server, Method::POST, "bans", json!({ "peer_id": peer(7).to_base58(), "reason": long })).await;
    api(&server, Method::POST, "invitations", json!({ "slug": "choir" })).await;
    browser.go(&server.url("/admin")).await;
    browser.picture("admin-login", &["light", "phone-dark"]).await;
    let mut findings = vec![(browser.too_wide().await, browser.findings().await.unwrap_or_default())];
    log_in(&browser, &server).await;
    browser.run("document.querySelectorAll('details').forEach((details) => details.open = true); return 1", vec![]).await;
    findings.push((browser.too_wide().await, browser.findings().await.unwrap_or_default()));
    browser.close().await;
    assert_eq!(findings, vec![(json!(0), vec![]), (json!(0), vec![])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_the_operator_reads_everything() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    found(&server, "club", "application").await;
    assert_eq!(server.publish(&message("online", 1, "Ada")).await, 204);
    browser.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.go(&server.url("/admin")).await;
    let text = async || browser.driver.find(By::Tag("main")).await.unwrap().text().await.unwrap();
    let gate = text().await;
    browser.go(&server.url("/admin?login=basic").replace("//", &format!("//admin:{}@", PASSWORD.replace(' ', "%20")))).await;
    let page = text().await;
    let forms = browser.driver.find_all(By::Css("main form")).await.unwrap();
    let mut displayed = 0;
    for form in forms {
        displayed += usize::from(form.is_displayed().await.unwrap());
    }
    browser.close().await;
    assert!(gate.contains("log in by your browser’s own dialog") && !gate.contains("The operator’s password"), "{gate}");
    assert!(page.contains("The club") && page.contains("this page needs JavaScript") && page.contains("Ada"), "{page}");
    assert_eq!(displayed, 0, "what would do nothing is not shown");
}
