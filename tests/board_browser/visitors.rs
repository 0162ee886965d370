//! `/`: what everybody sees.

use goop::config::base_url::BaseUrl;
use serde_json::{Value, json};

use crate::chromium::{Browser, payloads};
use crate::operator::LONG;
use crate::rendezvous_stage::{Server, message, peer};

const NAMES: [&str; 12] =
    ["Ada", "Björn", "Chiyo", "Dawit", "Élodie", "Farid", "Grace Hopper’s parrot", "ハナコ", "Ines", "Jonas", "Kofi", "لينا"];
/// A name of three hundred letters, one that shows nothing, and one that would be read backwards.
const ODD: [&str; 4] = ["\u{200b}\u{202e}", "a  b\t\u{7}c\u{202e}d", "👩‍👩‍👧‍👦 family", ""];
const LIVE: &str = "document.getElementById('live').textContent === 'live'";

async fn publish(server: &Server, numbers: impl Iterator<Item = (u16, &str)>) {
    for (number, name) in numbers {
        assert_eq!(server.publish(&message("online", number, name)).await, 204);
    }
}

fn numbered<'a>(from: u16, names: &'a [&'a str]) -> impl Iterator<Item = (u16, &'a str)> {
    (from..).zip(names.iter().copied())
}

/// The row of the peer with this number, as an expression of the page.
fn row(number: u16) -> String {
    format!("document.querySelector('[data-peer=\"{}\"]')", peer(number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_changes_and_goes_is_seen_on_an_open_page() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start(|options| {
        options.ttl = LONG;
        options.http.external_url = Some(BaseUrl::parse("https://goop.example.org").unwrap());
    });
    publish(&server, numbered(0, &NAMES)).await;
    browser.go(&server.url("/")).await;
    browser.until(LIVE).await;
    browser.until("document.getElementById('count').textContent === '12'").await;
    publish(&server, [(50, "Newcomer")].into_iter()).await;
    browser.until(&format!("{}?.textContent.startsWith('Newcomer…')", row(50))).await;
    browser.until("document.getElementById('news').textContent === 'Newcomer came. 13 here.'").await;
    server.publish(&message("update", 50, "Renamed")).await;
    browser.until(&format!("{}.textContent.startsWith('Renamed…')", row(50))).await;
    server.publish(&message("offline", 50, "")).await;
    browser.until(&format!("!{} && document.getElementById('count').textContent === '12'", row(50))).await;
    browser.picture("board", &["light", "dark", "phone", "phone-dark"]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_s_own_event_source_reads_both_streams() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start(|options| options.ttl = LONG);
    publish(&server, [(1, "Ada")].into_iter()).await;
    browser.go(&server.url("/static/icon.svg")).await;
    let listen = "window.heard = [];
        const note = (stream) => (event) => heard.push([stream, event.type, JSON.parse(event.data).type ?? 'all', Boolean(event.lastEventId)]);
        const [changes, lines] = [new EventSource('/api/v1/events'), new EventSource('/events')];
        for (const name of ['snapshot', 'online', 'update', 'offline']) changes.addEventListener(name, note('changes'));
        lines.onmessage = note('lines');
        return await new Promise((done) => setInterval(() => heard.length === 2 && done(heard), 10))";
    let mut first = browser.run(listen, vec![]).await;
    first.as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(first, json!([["changes", "snapshot", "all", true], ["lines", "message", "online", false]]));
    server.publish(&message("offline", 1, "")).await;
    browser.until("heard.filter(([, , type]) => type === 'offline').length === 2").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_draws_a_row_as_the_server_does() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start(|options| options.ttl = LONG);
    browser.go(&server.url("/")).await;
    browser.until(LIVE).await;
    publish(&server, numbered(0, &NAMES)).await;
    publish(&server, numbered(100, &ODD)).await;
    let long = "x".repeat(300);
    publish(&server, [(200, long.as_str())].into_iter()).await;
    browser.until("document.querySelectorAll('#peers li').length === 17").await;
    let differ = "const served = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
        document.querySelectorAll('#peers li').forEach((item) => item.removeAttribute('class'));
        const rows = [...served.querySelectorAll('#peers li')];
        const differ = rows.filter((one) => !document.querySelector(`[data-peer=\"${one.dataset.peer}\"]`).isEqualNode(one));
        return [rows.length, differ.map((one) => one.outerHTML)]";
    let answer = browser.run(differ, vec![]).await;
    browser.close().await;
    assert_eq!(answer, json!([17, []]));
}

/// THREATS 21, 62: on the page as it is served and as it changes while it is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_two_hundred_payloads_in_every_field_stay_text_on_the_board() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start(|options| options.ttl = LONG);
    browser.watch().await;
    let hostile = |number: u16, payload: &str| {
        let mut message = message("online", number, payload);
        let short: String = payload.chars().take(60).collect();
        let further =
            json!({ "email": payload, "goopClientVersion": short, "publicKey": payload, "activeTemplate": payload, "addrs": [payload] });
        message.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        message
    };
    for (number, payload) in payloads::all().take(100).enumerate() {
        assert_eq!(server.publish(&hostile(number as u16, &payload)).await, 204, "{payload}");
    }
    browser.go(&server.url("/")).await;
    browser.until(LIVE).await;
    for (number, payload) in payloads::all().enumerate().skip(100) {
        assert_eq!(server.publish(&hostile(number as u16, &payload)).await, 204, "{payload}");
        let hash = json!({ "avatarHash": payload });
        let mut odd = message("online", 1000 + number as u16, "x");
        odd.as_object_mut().unwrap().extend(hash.as_object().unwrap().clone());
        assert_eq!(server.publish(&odd).await, 400, "an avatar's hash is hex: {payload}");
    }
    browser.until("document.getElementById('count').textContent === '200'").await;
    let harm = browser.harm().await;
    let shown = browser.run("return document.querySelector('#peers').textContent.includes('<script>alert(1)</script>')", vec![]).await;
    let emails = browser.run("return (await (await fetch('/')).text()).includes('evil.example/x.js&#60;/script')", vec![]).await;
    browser.close().await;
    assert_eq!((harm, shown, emails), (vec![], json!(true), json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_fits_a_phone_weighs_little_and_axe_finds_nothing() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start(|options| options.ttl = LONG);
    publish(&server, numbered(0, &NAMES)).await;
    let long = "x".repeat(300);
    publish(&server, [(200, long.as_str())].into_iter()).await;
    browser.go(&server.url("/")).await;
    browser.until(LIVE).await;
    let weight = "return performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0)";
    let bytes = browser.run(weight, vec![]).await.as_u64().unwrap();
    let wide = browser.too_wide().await;
    let findings = browser.findings().await.unwrap_or_default();
    browser.close().await;
    assert_eq!((wide, findings), (json!(0), vec![]));
    assert!((1000..60_000).contains(&bytes), "{bytes} bytes over the wire");
    eprintln!("the page of a board: {bytes} bytes over the wire");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_the_board_is_read_and_says_how_old_it_is() {
    let Some(browser) = Browser::open().await else { return };
    let server = Server::start(|options| options.ttl = LONG);
    publish(&server, numbered(0, &NAMES)).await;
    browser.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.go(&server.url("/")).await;
    let text = browser.driver.find(thirtyfour::By::Tag("main")).await.unwrap().text().await.unwrap();
    browser.close().await;
    assert!(NAMES.iter().all(|name| text.contains(name)), "{text}");
    assert!(text.contains("12 here now") && text.contains("reload to see who is here now") && !text.contains("Copy"), "{text}");
    assert!(text.contains(&format!("goop run --rendezvous-wan {}", server.url(""))), "{text}");
}
