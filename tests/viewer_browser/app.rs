//! The viewer as an app: what it weighs, how soon it is painted, that it can be installed; and the doctor's page.

use goop::config::{Config, Sources};
use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::stage::{Stage, new_peer, row};

const LIVE: &str = "document.body.dataset.live === 'yes'";
/// Loads of the page, of which the machine is hopefully not busy during one.
const LOADS: usize = 20;
/// Milliseconds from the wish to the first thing on the screen (docs/PERFORMANCE.md).
const FIRST_PAINT: f64 = 150.0;
/// Bytes of the start page with all that it loads (docs/PERFORMANCE.md).
const WEIGHT: u64 = 60_000;

/// The figures of docs/PERFORMANCE.md: `cargo test --test viewer_browser the_start_page -- --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_page_weighs_little_and_is_painted_at_once() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    stage.play.lock().unwrap().rows = (0..20).map(|n| row(new_peer(), &format!("Peer {n}"))).collect();
    let mut paints = Vec::new();
    let mut weight = 0;
    for _ in 0..LOADS {
        browser.command("Network.clearBrowserCache", json!({})).await;
        browser.go(&stage.viewer.url()).await;
        browser.until(LIVE).await;
        browser.until("performance.getEntriesByName('first-contentful-paint').length").await;
        let measure = "const sum = performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0);
            return [sum, performance.getEntriesByName('first-contentful-paint')[0].startTime]";
        let [bytes, paint] = serde_json::from_value::<[f64; 2]>(browser.run(measure, vec![]).await).unwrap();
        weight = weight.max(bytes as u64);
        paints.push(paint);
    }
    browser.close().await;
    paints.sort_by(f64::total_cmp);
    println!("{weight} bytes; first paint in ms: best {:.0}, median {:.0}, worst {:.0}", paints[0], paints[LOADS / 2], paints[LOADS - 1]);
    assert!((10_000..=WEIGHT).contains(&weight), "{weight} bytes");
    assert!(paints[0] <= FIRST_PAINT, "{paints:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_takes_it_for_an_app_that_can_be_installed() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    browser.go(&stage.viewer.url()).await;
    browser.until(LIVE).await;
    let manifest = browser.command("Page.getAppManifest", json!({})).await;
    let objections = browser.command("Page.getInstallabilityErrors", json!({})).await;
    browser.close().await;
    assert_eq!((&manifest["errors"], &objections["installabilityErrors"]), (&json!([]), &json!([])), "{manifest}");
    assert!(manifest["url"].as_str().unwrap().ends_with("/static/goop.webmanifest"), "{manifest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_s_page_says_what_to_type_and_fits_everybody() {
    let Some(browser) = Browser::open().await else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let set = [
        "discovery.mdns=false",
        "p2p.loopback_only=true",
        "presence.rendezvous_wan=[\"http://127.0.0.1:9\", \"http://rv.invalid/c/chess\"]",
    ];
    let sources = Sources { data: Some(folder.path().to_owned()), set: set.map(str::to_owned).to_vec(), ..Sources::default() };
    let config = Config::load(&sources).unwrap();
    let stage = Stage::set_with(|options| options.current = tokio::sync::watch::channel(config).1).await;
    browser.watch().await;
    browser.go(&format!("{}doctor", stage.viewer.url())).await;
    browser.until(LIVE).await;
    let first = browser.run("return document.querySelector('main li').textContent", vec![]).await;
    let copied = browser.run("return [...document.querySelectorAll('.copy code')].map((code) => code.textContent)", vec![]).await;
    let (wide, findings, harm) = (browser.too_wide().await, browser.findings().await.unwrap_or_default(), browser.harm().await);
    browser.picture("doctor", &["light", "phone-dark"]).await;
    browser.close().await;
    assert!(first.as_str().unwrap().contains("no connection"), "what is wrong comes first: {first}");
    assert!(copied.as_array().unwrap().iter().any(|line| line == "curl -v 'http://127.0.0.1:9/'"), "{copied}");
    assert_eq!((wide, findings, harm), (json!(0), Vec::<Value>::new(), Vec::new()));
}

/// A picture is asked of the peer itself: whoever is looked at would learn it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_shown_of_those_whom_one_keeps_and_asked_of_nobody_else() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let mut rows = ["Friend", "Stranger", "Liar"].map(|name| row(new_peer(), name));
    rows.iter_mut().for_each(|row| row.avatar_hash = Some("0123456789abcdef".into()));
    let [friend, stranger, liar] = [0, 1, 2].map(|n| rows[n].peer_id);
    {
        let mut play = stage.play.lock().unwrap();
        play.rows = rows.to_vec();
        let picture = include_bytes!("../../assets/static/icon-192.png").to_vec();
        play.avatars = [(friend, picture.clone()), (stranger, picture), (liar, b"<svg onload=alert(1)>".to_vec())].into();
    }
    for kept in [friend, liar] {
        let path = format!("/api/v1/contacts/{kept}");
        assert_eq!(stage.write("PUT", &path, "Content-Type: application/json\r\n", br#"{"favourite":true}"#).await.status, 200);
    }
    browser.watch().await;
    browser.go(&format!("{}peers", stage.viewer.url())).await;
    browser.until(&format!("document.querySelector('[data-peer=\"{friend}\"] img.face')?.naturalWidth === 192")).await;
    let told = "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => name.includes('/avatar'))";
    let asked = browser.run(told, vec![]).await.to_string();
    let drawn =
        format!("return [...document.querySelectorAll('[data-peer=\"{stranger}\"] svg.face, [data-peer=\"{liar}\"] svg.face')].length");
    let (drawn, harm) = (browser.run(&drawn, vec![]).await, browser.harm().await);
    browser.close().await;
    assert_eq!((drawn, harm), (json!(2), Vec::new()), "who has no picture that may be shown keeps the drawn face");
    assert!(asked.contains(&friend.to_string()) && !asked.contains(&stranger.to_string()), "{asked}");
}
