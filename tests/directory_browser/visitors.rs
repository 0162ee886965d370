//! Whoever looks for a community: searches as they type, follows a link, reports what should not be there.

use serde_json::{Value, json};
use thirtyfour::prelude::TypingData;
use thirtyfour::{By, Key};

use crate::chromium::{Browser, payloads};
use crate::hub::Hub;

async fn fill(hub: &Hub) {
    for (name, tags, lang, kind, text) in [
        ("Chess Club Lisbon", json!(["chess", "games", "lisbon"]), "en", "open", "We play on Thursdays, online and in the park."),
        ("Schachfreunde Nord", json!(["chess"]), "de", "application", "Wir spielen freitags."),
        ("Jardins partagés", json!(["gardening"]), "fr", "open", "Des graines, des conseils, du compost."),
        ("نادي الشطرنج", json!(["chess"]), "ar", "invite-only", "نلعب كل يوم."),
    ] {
        let rendezvous = format!("https://rv.example.org/c/{}", tags[0].as_str().unwrap());
        let members = json!({ "community": name, "rendezvous": rendezvous, "tags": tags, "lang": lang, "type": kind, "description": text, "members": 12 });
        hub.list(members).await;
    }
}

async fn type_into(browser: &Browser, id: &str, words: impl Into<TypingData>) {
    browser.driver.find(By::Id(id)).await.unwrap().send_keys(words).await.unwrap();
}

fn names(count: usize) -> String {
    format!("document.querySelectorAll('#found .listing').length === {count}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_follows_what_one_types_and_the_pages_fit_a_phone() {
    let Some(browser) = Browser::open().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    fill(&hub).await;
    browser.go(&format!("{}/directory", hub.url)).await;
    browser.until(&names(4)).await;
    browser.picture("directory", &["light", "dark", "phone-dark"]).await;
    let mut looks = vec![(browser.too_wide().await, browser.findings().await.unwrap_or_default())];
    type_into(&browser, "q", "lisb").await;
    browser.until(&format!("{} && location.search === '?q=lisb'", names(1))).await;
    browser.until("document.getElementById('count').textContent === 'One community.'").await;
    type_into(&browser, "q", Key::Backspace + Key::Backspace + Key::Backspace + Key::Backspace + "freitgas").await;
    browser.until("document.querySelector('#found .listing')?.textContent.includes('Schachfreunde')").await;
    browser.driver.find(By::Css("#found .listing a")).await.unwrap().click().await.unwrap();
    browser.until("document.querySelector('h1').textContent === 'Schachfreunde Nord' && document.querySelector('.qr path')").await;
    browser.picture("listing", &["light", "phone"]).await;
    looks.push((browser.too_wide().await, browser.findings().await.unwrap_or_default()));
    browser.driver.find(By::Css("aside a.first")).await.unwrap().click().await.unwrap();
    browser.until("!document.getElementById('link').hidden").await;
    browser.picture("hub-join", &["light", "phone-dark"]).await;
    looks.push((browser.too_wide().await, browser.findings().await.unwrap_or_default()));
    let command = browser.run("return document.querySelector('#command code').textContent", vec![]).await;
    browser.go(&format!("{}/api/docs", hub.url)).await;
    looks.push((browser.too_wide().await, browser.findings().await.unwrap_or_default()));
    browser.close().await;
    assert_eq!(command, "goop join 'goop:join?at=https%3A%2F%2Frv.example.org%2Fc%2Fchess'");
    assert_eq!(looks, vec![(json!(0), vec![]); 4]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_should_not_be_there_is_reported_by_a_form() {
    let Some(browser) = Browser::open().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    fill(&hub).await;
    let id = hub.get("/api/v1/communities?q=jardins").await["communities"][0]["id"].as_str().unwrap().to_owned();
    browser.go(&format!("{}/directory/{id}", hub.url)).await;
    browser.driver.find(By::Css("#report summary")).await.unwrap().click().await.unwrap();
    browser.until("document.getElementById('report').open").await;
    let looks = (browser.too_wide().await, browser.findings().await.unwrap_or_default());
    type_into(&browser, "words", "this is <b>our</b> name").await;
    browser
        .run(
            "document.getElementById('reason').value = 'impostor'; document.querySelector('#report form').requestSubmit(); return 1",
            vec![],
        )
        .await;
    browser
        .until("location.search === '?reported=yes' && document.querySelector('[role=status]').textContent.startsWith('Thank you')")
        .await;
    browser.close().await;
    assert_eq!(looks, (json!(0), vec![]));
    let waiting = hub.admin_get("/api/v1/admin/reports").await;
    assert_eq!(waiting["reports"][0]["said"][0]["words"], "this is <b>our</b> name");
    hub.close().await;
}

/// What a link may hold that is no way into a community, or tries to be more than that.
const HOSTILE: [&str; 23] = [
    "at=javascript:alert(1)",
    "at=javascript://rv.example/%0aalert(1)",
    "at=data:text/html,<script>alert(1)</script>",
    "at=//evil.example",
    "at=file:///etc/passwd",
    "at=https://user:pass@rv.example",
    "at=https://rv.example/?q=1",
    "at=https://rv.example/%23x",
    "at=https://rv.example/c/x/m/token",
    "at=rv.example",
    "at=rv.example:99999",
    "at=",
    "invite=x",
    "at=https://rv.example&at=javascript:alert(1)",
    "to=https://evil.example",
    "%",
    "at=%ff%fe",
    "<img src=x onerror=alert(1)>",
    "at=https://rv.example/c/x'%3Btouch%20y",
    "at=x%3Bid%3B:8787",
    "at=x$(id):8787",
    "at=--set%3Dviewer%3Dx:80",
    "at=https://x/$(id)",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_hostile_link_leads_nowhere_and_runs_nothing() {
    let Some(browser) = Browser::open().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    browser.watch().await;
    browser.go(&format!("{}/join", hub.url)).await;
    browser.until("!document.getElementById('nothing').hidden").await;
    let mut let_through = Vec::new();
    let all: Vec<String> = payloads::all().step_by(4).map(|payload| format!("at={payload}")).collect();
    for fragment in HOSTILE.iter().map(|hostile| (*hostile).to_owned()).chain(all).chain([format!("at=a:1&x={}", "x".repeat(5000))]) {
        browser
            .run("location.hash = '#' + given[0]; dispatchEvent(new HashChangeEvent('hashchange')); return 1", vec![json!(fragment)])
            .await;
        browser.until("!document.getElementById('damaged').hidden || !document.getElementById('link').hidden").await;
        let shown = "return [document.getElementById('link').hidden, document.getElementById('open').getAttribute('href'),
            document.getElementById('here').getAttribute('href'), location.pathname]";
        let shown = browser.run(shown, vec![]).await;
        if shown != json!([true, null, null, "/join"]) {
            let_through.push((fragment, shown));
        }
    }
    let quoted = "at=https://rv.example/c/x&invite=a'%3B%20rm%20-rf%20%22$(x)`y`";
    browser.run("location.hash = '#' + given[0]; dispatchEvent(new HashChangeEvent('hashchange')); return 1", vec![json!(quoted)]).await;
    browser.until("!document.getElementById('link').hidden").await;
    let command = browser.run("return document.querySelector('#command code').textContent", vec![]).await;
    let href = browser.run("return document.getElementById('open').getAttribute('href')", vec![]).await;
    let harm = browser.harm().await;
    browser.close().await;
    let (command, href) = (command.as_str().unwrap().to_owned(), href.as_str().unwrap().to_owned());
    assert_eq!((let_through, harm), (vec![], Vec::<Value>::new()));
    assert_eq!(command.matches('\'').count(), 2, "nothing ends the quotes: {command}");
    assert!(command == format!("goop join '{href}'") && href.starts_with("goop:join?at=https%3A%2F%2Frv.example"), "{command}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_payloads_in_names_descriptions_and_searches_stay_text() {
    let Some(browser) = Browser::open().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    for (number, payload) in payloads::all().enumerate().step_by(5) {
        let name: String = payload.chars().take(60).collect();
        let draft =
            json!({ "community": format!("{number} {name}"), "description": payload, "rendezvous": "https://rv.example", "type": "open" });
        let answer = hub.as_admin(reqwest::Method::POST, "/api/v1/communities").json(&draft).send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 201 | 400), "{payload}");
    }
    browser.watch().await;
    let mut path = "/directory".to_owned();
    let mut harm = Vec::new();
    let mut id = String::new();
    while !path.is_empty() {
        browser.go(&format!("{}{path}", hub.url)).await;
        harm.extend(browser.harm().await);
        let seen = browser.run("return [document.querySelector('.listing a').getAttribute('href'), document.querySelector('[rel=next]')?.getAttribute('href') ?? '']", vec![]).await;
        (id, path) = (seen[0].as_str().unwrap().to_owned(), seen[1].as_str().unwrap().to_owned());
    }
    browser.go(&format!("{}{id}", hub.url)).await;
    harm.extend(browser.harm().await);
    browser.go(&format!("{}/directory?q=%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E", hub.url)).await;
    harm.extend(browser.harm().await);
    type_into(&browser, "q", "<img src=x onerror=alert(1)>").await;
    browser.until("location.search.includes('%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E%3Cimg') || location.search.endsWith('%3E')").await;
    harm.extend(browser.harm().await);
    browser.close().await;
    assert_eq!(harm, Vec::<Value>::new());
    hub.close().await;
}
