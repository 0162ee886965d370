//! `/c/{slug}/join` and the page of a personal URL: how somebody comes into a closed community, and what whoever is out sees.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use thirtyfour::{By, Key};

use crate::chromium::Browser;
use crate::operator::{api, found, server};
use crate::rendezvous_stage::{Server, message};

const LIVE: &str = "document.getElementById('live')?.textContent === 'live'";

async fn invite(server: &Server, slug: &str) -> Value {
    api(server, Method::POST, "invitations", json!({ "slug": slug })).await
}

/// Where the browser is, as a path.
async fn path(browser: &Browser) -> String {
    browser.run("return location.pathname", vec![]).await.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_in_and_the_personal_page_is_live() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    found(&server, "choir", "invite-only").await;
    let invitation = invite(&server, "choir").await;
    browser.watch().await;
    browser.go(invitation["link"].as_str().unwrap()).await;
    browser.until(&format!("document.getElementById('invite').value === {}", invitation["invite"])).await;
    browser.picture("join", &["light", "phone-dark"]).await;
    let looks = (browser.too_wide().await, browser.findings().await.unwrap_or_default());
    browser.driver.find(By::Id("invite")).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    browser.until(LIVE).await;
    let mine = path(&browser).await;
    assert!(mine.starts_with("/c/choir/m/"), "{mine}");
    let address = browser.run("return document.getElementById('address').textContent", vec![]).await;
    assert_eq!(address, json!(server.url(mine.trim_end_matches('/'))));
    let said = server.post(&format!("{mine}publish"), message("online", 1, "Alto").to_string()).await;
    assert_eq!(said.status(), 204);
    browser.until("document.getElementById('peers').textContent.includes('Alto')").await;
    browser.picture("member", &["dark", "phone"]).await;
    let pages = (looks, browser.too_wide().await, browser.findings().await.unwrap_or_default(), browser.harm().await);
    browser.go(invitation["link"].as_str().unwrap()).await;
    browser.driver.find(By::Id("invite")).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    browser.until("document.querySelector('#accept .told').textContent.includes('does not count')").await;
    browser.close().await;
    assert_eq!(pages, ((json!(0), vec![]), json!(0), vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_keeps_a_ticket_that_leads_in_once_approved() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    found(&server, "club", "application").await;
    browser.go(&server.url("/c/club/join")).await;
    browser.run("document.getElementById('ask').open = true; return 1", vec![]).await;
    browser.driver.find(By::Id("message")).await.unwrap().send_keys("I play the viola").await.unwrap();
    browser.driver.find(By::Css("#apply button")).await.unwrap().click().await.unwrap();
    browser
        .until("location.hash.startsWith('#ticket=') && document.getElementById('asked').textContent.includes('nobody has answered')")
        .await;
    let asked = api(&server, Method::GET, "applications", Value::Null).await;
    assert_eq!(asked["applications"][0]["message"], "I play the viola");
    api(&server, Method::POST, "applications/1/approve", Value::Null).await;
    browser.driver.refresh().await.unwrap();
    browser.until(LIVE).await;
    assert!(path(&browser).await.starts_with("/c/club/m/"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_community_looks_to_strangers_as_if_it_were_not_there() {
    let server = server();
    found(&server, "choir", "invite-only").await;
    found(&server, "chess", "open").await;
    let visit = async |path: &str| {
        let page = Client::new().get(server.url(path)).header("accept", "text/html").send().await.unwrap();
        let (status, mime) = (page.status().as_u16(), page.headers()["content-type"].to_str().unwrap().to_owned());
        (status, mime, page.text().await.unwrap().replace("choir", "quire"))
    };
    for path in ["/", "/join", "/pulse", "/peers.json", "/api/v1/events"] {
        assert_eq!(visit(&format!("/c/choir{path}")).await, visit(&format!("/c/quire{path}")).await, "{path}");
    }
    assert_eq!((visit("/c/choir/").await.0, visit("/c/choir/").await.1), (404, "text/html; charset=utf-8".into()));
    assert_eq!(server.get("/c/choir/").await.headers()["content-type"], "application/problem+json");
    let front = visit("/").await.2;
    assert!(front.contains("The chess") && !front.contains("quire"), "{front}");
    assert_eq!(visit("/join").await.0, 404, "the open board needs no joining");
    assert_eq!(visit("/c/%3Cscript%3E/join").await.0, 404);
}
