//! Two real nodes, each before its own browser: from the first run to a chat, a file, and a block.

use serde_json::{Value, json};
use thirtyfour::{By, Key};

use crate::chromium::Browser;
use crate::harness::goop_node::Plan;
use crate::harness::{Goop, Place, has};

fn start(label: &str) -> Goop {
    Plan::new(&Place::Here).label(label).set("p2p.loopback_only=true").start()
}

async fn say(browser: &Browser, words: &str) {
    browser.driver.find(By::Id("content")).await.unwrap().send_keys(words.to_owned() + Key::Enter).await.unwrap();
}

fn hears(words: &str) -> String {
    format!("[...document.querySelectorAll('#messages .said')].some((said) => said.textContent === '{words}')")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_first_run_to_a_chat_a_file_and_a_block() {
    if !has("curl", "--version") {
        return;
    }
    let (Some(at_ann), Some(at_bob)) = (Browser::open().await, Browser::open().await) else { return };
    let (ann, bob) = (start("ann"), start("bob"));
    at_ann.go(&ann.url("peers")).await;
    at_bob.go(&bob.url("")).await;
    ann.meets(&bob);
    let row = format!("[data-peer='{}']", bob.id());
    at_ann.until(&format!("document.querySelector(\"{row}\")?.textContent.includes('bob')")).await;
    at_ann.click(&format!("{row} .chat")).await;
    at_ann.until("document.body.dataset.live === 'yes' && document.body.dataset.with").await;
    say(&at_ann, "hello Bob").await;
    at_ann.until("document.querySelector('#messages .state')?.textContent === 'delivered'").await;
    at_bob.until("document.getElementById('unread')?.textContent === '1 new'").await;
    at_bob.click("nav a[href='/chat']").await;
    at_bob.click(&format!("#conversations a[href*='{}']", ann.id())).await;
    at_bob.until(&format!("document.body.dataset.with && {}", hears("hello Bob"))).await;
    say(&at_bob, "hello Ann").await;
    at_ann.until(&hears("hello Ann")).await;

    let drop = "const input = document.getElementById('file'); const held = new DataTransfer();
        held.items.add(new File(['x'.repeat(300000)], 'picture.png', { type: 'image/png' }));
        input.files = held.files; input.dispatchEvent(new Event('change')); return 1";
    at_bob.run(drop, vec![]).await;
    at_ann.click("#files button.first").await;
    at_ann.until("document.querySelector('#files a')?.textContent === 'Save'").await;
    at_bob.until("document.getElementById('files').textContent.includes('done')").await;
    let size = "return (await (await fetch(document.querySelector('#files a').href)).arrayBuffer()).byteLength";
    let arrived = at_ann.run(size, vec![]).await;

    at_ann.click("nav a[href='/peers']").await;
    at_ann.until("document.body.dataset.live === 'yes' && location.pathname === '/peers'").await;
    at_ann.click(&format!("{row} [data-set='blocked']")).await;
    at_ann.until(&format!("document.querySelector(\"#blocked {row} [data-set='blocked'][aria-pressed='true']\")")).await;
    let blocked = ann.api("contacts").unwrap()["contacts"][0]["blocked"].clone();
    say(&at_bob, "still there?").await;
    at_bob.until("document.querySelector('#messages .failed')").await;
    let heard: Value = ann.api(&format!("chat?peer={}", bob.id())).unwrap();
    at_ann.close().await;
    at_bob.close().await;
    assert_eq!((arrived, blocked), (json!(300_000), json!(true)));
    assert_eq!(heard["messages"].as_array().unwrap().len(), 2, "nothing came after the block: {heard}");
}
