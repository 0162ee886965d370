//! `/admin/directory`: what the operator of a hub sees and does.

use reqwest::Method;
use serde_json::{Value, json};
use thirtyfour::{By, Key};

use crate::chromium::Browser;
use crate::hub::{Board, Hub, PASSWORD};

async fn log_in(browser: &Browser, hub: &Hub) {
    browser.go(&format!("{}/admin", hub.url)).await;
    browser.driver.find(By::Id("password")).await.unwrap().send_keys(PASSWORD + Key::Enter).await.unwrap();
    browser.until("document.getElementById('listings')").await;
}

async fn agree(browser: &Browser) {
    browser.until("document.getElementById('confirm').open").await;
    browser.click("#confirm [value=yes]").await;
}

fn told(words: &str) -> String {
    format!("document.getElementById('told').textContent === '{words}'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_lists_changes_hides_removes_and_lets_servers_in() {
    let Some(browser) = Browser::open().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let boards = [Board::start(), Board::start()];
    for (number, board) in boards.iter().enumerate() {
        let draft = json!({ "community": format!("Asks {number}"), "rendezvous": board.url, "type": "open", "tags": ["new"] });
        assert_eq!(hub.by_peer(&board.key, Method::POST, "/api/v1/communities", Some(&draft)).await.status(), 202);
    }
    log_in(&browser, &hub).await;
    for (id, text) in
        [("f-name", "Chess Club"), ("f-endpoints", "https://rv.example/c/chess, rv.example:8787"), ("f-tags", "Chess, Board Games")]
    {
        browser.driver.find(By::Id(id)).await.unwrap().send_keys(text).await.unwrap();
    }
    browser.driver.find(By::Id("f-name")).await.unwrap().send_keys(Key::Enter + "").await.unwrap();
    browser.until(&told("It is listed.")).await;
    browser.until("document.getElementById('listings').textContent.includes('Chess Club')").await;
    browser.click("[aria-label='List Asks 0']").await;
    browser.until("document.getElementById('listings').textContent.includes('Asks 0')").await;
    browser.click("[aria-label='Refuse Asks 1']").await;
    agree(&browser).await;
    browser.until(&told("It was refused.")).await;
    let found = hub.get("/api/v1/communities?q=chess").await;
    let listed = found["communities"][0].clone();
    let id = listed["id"].as_str().unwrap();
    let report = json!({ "reason": "spam", "words": "Buy my hats!", "contact": "hat@example.org" });
    assert_eq!(hub.ask(Method::POST, &format!("/api/v1/communities/{id}/report")).json(&report).send().await.unwrap().status(), 202);
    browser.until("document.getElementById('reports').textContent.includes('Buy my hats!')").await;
    browser.picture("hub-admin", &["light", "phone-dark"]).await;
    let mut looks = vec![(browser.too_wide().await, browser.findings().await.unwrap_or_default())];
    browser.click("[aria-label='Hide Chess Club']").await;
    browser.until("document.getElementById('hidden').textContent.includes('Chess Club')").await;
    let while_hidden = hub.names("q=chess").await;
    browser.click("[aria-label='Show Chess Club again']").await;
    browser.until("document.getElementById('listings').textContent.includes('Chess Club')").await;

    browser.go(&format!("{}/admin/directory/{id}", hub.url)).await;
    looks.push((browser.too_wide().await, browser.findings().await.unwrap_or_default()));
    let change = "document.getElementById('f-name').value = 'Go Club'; document.getElementById('f-tags').value = '';
        document.getElementById('f-paid').value = 'yes'; document.getElementById('f-name').form.requestSubmit(); return 1";
    browser.run(change, vec![]).await;
    browser.until("location.pathname === '/admin/directory' && document.getElementById('listings').textContent.includes('Go Club')").await;
    let changed = hub.get(&format!("/api/v1/communities/{id}")).await;
    browser.go(&format!("{}/admin/directory/{id}", hub.url)).await;
    browser.click("[data-method=DELETE] button").await;
    agree(&browser).await;
    browser.until("location.pathname === '/admin/directory' && !document.getElementById('listings').textContent.includes('Go Club')").await;
    browser.click("[data-leave] button").await;
    browser.until("document.getElementById('login')").await;
    browser.close().await;

    assert_eq!(
        (&listed["endpoints"], &listed["tags"]),
        (&json!(["https://rv.example/c/chess", "rv.example:8787"]), &json!(["chess", "board-games"]))
    );
    assert_eq!(while_hidden, [""; 0]);
    let now = (&changed["community"], &changed["tags"], &changed["paid"], &changed["endpoints"]);
    assert_eq!(now, (&json!("Go Club"), &json!([]), &json!(true), &listed["endpoints"]));
    assert_eq!(looks, vec![(json!(0), Vec::<Value>::new()); 2]);
    let audit = hub.admin_get("/api/v1/admin/audit").await;
    let done: Vec<&str> = audit["audit"].as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(done, ["removed", "changed", "shown", "hidden", "refused", "listed", "listed"]);
    hub.close().await;
}
