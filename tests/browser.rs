//! A real browser between hostile sites: what one peer's site can reach is itself, and nothing else (THREATS 21, 24–28, 30).
//!
//! Needs `chromedriver` and Chromium; without them it is skipped with a message, and fails where `CI=true`.
//! The attacks need nothing of the sites but a page, so [`Scene`] may as well name sites of real nodes.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod chromium;
mod firefox;
mod stage;

use chromium::Browser;
use firefox::Firefox;
use serde_json::{Value, json};
use stage::{Script, Stage, new_peer, row};

/// Where things are, with a slash at the end.
struct Scene {
    viewer: String,
    hostile: String,
    victim: String,
}

/// What a hostile page tries, by name; each answers `"blocked"`, or what it got.
const ATTACKS: &[(&str, &str)] = &[
    ("fetch of the API", "return await attempt(() => fetch(viewer + 'api/v1/peers'))"),
    ("fetch of the API without CORS", "return await attempt(() => fetch(viewer + 'api/v1/peers', { mode: 'no-cors' }))"),
    (
        "fetch of the API by address",
        "return await attempt(() => fetch(viewer.replace('localhost', '127.0.0.1') + 'api/v1/peers', { mode: 'no-cors' }))",
    ),
    ("fetch of the page with the token", "return await attempt(async () => (await fetch(viewer)).text())"),
    ("fetch of another site", "return await attempt(() => fetch(victim + 'secret.txt', { mode: 'no-cors' }))"),
    (
        "fetch out into the world",
        "return await attempt(() => fetch('http://192.0.2.1/', { mode: 'no-cors', signal: AbortSignal.timeout(3000) }))",
    ),
    (
        "a post without preflight",
        "return await attempt(() => fetch(viewer + 'api/v1/chat', { method: 'POST', mode: 'no-cors', body: '{\"content\":\"forged\"}' }))",
    ),
    (
        "XMLHttpRequest",
        "return await loads((x) => { const r = new XMLHttpRequest(); r.onload = x.got; r.onerror = x.not; r.open('GET', viewer + 'api/v1/peers'); r.send(); })",
    ),
    (
        "img of the viewer",
        "return await loads((x) => { const i = new Image(); i.onload = x.got; i.onerror = x.not; i.src = viewer + 'static/icon.svg'; })",
    ),
    (
        "img of another site",
        "return await loads((x) => { const i = new Image(); i.onload = x.got; i.onerror = x.not; i.src = victim + 'dot.svg'; })",
    ),
    (
        "script of the viewer",
        "return await loads((x) => { const s = document.createElement('script'); s.onload = x.got; s.onerror = x.not; s.src = viewer + 'static/peers.js'; document.head.append(s); })",
    ),
    (
        "style of the viewer",
        "return await loads((x) => { const s = document.createElement('link'); s.rel = 'stylesheet'; s.onload = x.got; s.onerror = x.not; s.href = viewer + 'static/goop.css'; document.head.append(s); })",
    ),
    (
        "EventSource",
        "return await loads((x) => { const e = new EventSource(viewer + 'api/v1/events'); e.onopen = x.got; e.onerror = x.not; })",
    ),
    (
        "WebSocket",
        "return await loads((x) => { const s = new WebSocket(viewer.replace('http', 'ws') + 'ws'); s.onopen = x.got; s.onerror = x.not; })",
    ),
    (
        "a worker of the viewer's",
        "return await loads((x) => { const w = new Worker(viewer + 'static/peers.js'); w.onmessage = x.got; w.onerror = x.not; })",
    ),
    (
        "a worker from a blob",
        "return await loads((x) => { const w = new Worker(URL.createObjectURL(new Blob(['postMessage(1)']))); w.onmessage = x.got; w.onerror = x.not; })",
    ),
    (
        "a worker of its own that asks",
        "return await loads((x) => { const w = new Worker('worker.js'); w.onmessage = (m) => m.data === 'blocked' ? x.not() : x.got(); w.onerror = x.not; w.postMessage([viewer, victim]); })",
    ),
    ("a service worker", "return await attempt(() => navigator.serviceWorker.register('worker.js'))"),
    ("a frame of the viewer", "return await frame(viewer)"),
    ("a frame of another site", "return await frame(victim)"),
    (
        "document.domain",
        "try { document.domain = 'localhost'; } catch { return 'blocked'; } return document.domain === 'localhost' ? document.domain : 'blocked'",
    ),
    ("another site's localStorage", "return localStorage.getItem('secret') ?? 'blocked'"),
    (
        "another site's cookies",
        "document.cookie = 'probe=1; domain=localhost'; return document.cookie.includes('secret') || document.cookie.includes('probe') ? document.cookie : 'blocked'",
    ),
    ("another site's databases", "return (await indexedDB.databases()).some((d) => d.name === 'secret') ? 'there' : 'blocked'"),
    ("another site's caches", "return (await caches.has('secret')) ? 'there' : 'blocked'"),
    ("a beacon", "navigator.sendBeacon(viewer + 'api/v1/chat', '{\"content\":\"forged\"}'); return 'blocked'"),
    (
        "a base element",
        "const before = document.baseURI; const b = document.createElement('base'); b.href = viewer; document.head.append(b); return document.baseURI === before ? 'blocked' : 'moved'",
    ),
];

const TOOLS: &str = "const [viewer, victim] = given;
    const attempt = async (ask) => { try { await ask(); return 'got it'; } catch { return 'blocked'; } };
    const loads = (start) => new Promise((answer) => {
        try { start({ got: () => answer('got it'), not: () => answer('blocked') }); } catch { answer('blocked'); }
        setTimeout(() => answer('silence'), 10000);
    });
    const frame = (url) => new Promise((answer) => {
        const made = document.createElement('iframe');
        made.onload = () => { try { answer(made.contentDocument?.body?.innerText ? 'got it' : 'blocked'); } catch { answer('blocked'); } };
        made.onerror = () => answer('blocked');
        made.src = url;
        document.body.append(made);
    });";

/// What it tries besides from within the frame of our page.
const FROM_THE_FRAME: &[(&str, &str)] = &[
    ("the page around it", "return await attempt(() => top.document.body.innerText)"),
    ("the token", "return await attempt(() => parent.document.querySelector('[name=goop-token]').content)"),
    ("a way to elsewhere for the whole tab", "return await attempt(async () => { top.location.href = victim; })"),
    ("the same by replace", "return await attempt(async () => { parent.location.replace(victim); })"),
    (
        "the same by a link",
        "const a = document.createElement('a'); [a.href, a.target] = [victim, '_top']; document.body.append(a); a.click(); return 'blocked'",
    ),
    (
        "the same by a form",
        "const f = document.createElement('form'); [f.action, f.target] = ['/', '_top']; document.body.append(f); try { f.submit(); } catch {} return 'blocked'",
    ),
    ("the same by name", "try { window.open(victim, '_parent'); } catch {} return 'blocked'"),
    (
        "messages to the page around it",
        "for (const said of [['snapshot', '{\"start\":\"x\"}'], ['lost', '{}']]) { top.postMessage(said, '*'); try { new BroadcastChannel('goop').postMessage(said); } catch {} } return 'blocked'",
    ),
    ("an opener", "return window.opener || parent.opener ? 'there' : 'blocked'"),
    ("a dialog", "alert(1); confirm(1); prompt(1); return 'blocked'"),
    ("the whole screen", "return await attempt(() => document.documentElement.requestFullscreen())"),
    (
        "the pointer",
        "return await loads((x) => { document.onpointerlockchange = x.got; document.onpointerlockerror = x.not; const asked = document.body.requestPointerLock(); asked?.catch(x.not); })",
    ),
    ("a device", "return await attempt(() => navigator.mediaDevices.getUserMedia({ video: true }))"),
];

/// What the attacks ask of a browser.
trait Surf {
    async fn go(&self, url: &str);
    async fn run(&self, body: &str, given: Vec<Value>) -> Value;
    async fn until(&self, condition: &str);
    async fn enter_frame(&self);
    async fn leave_frame(&self);
    async fn has_dialog(&self) -> bool;
}

impl Surf for Browser {
    async fn go(&self, url: &str) {
        Self::go(self, url).await;
    }

    async fn run(&self, body: &str, given: Vec<Value>) -> Value {
        Self::run(self, body, given).await
    }

    async fn until(&self, condition: &str) {
        Self::until(self, condition).await;
    }

    async fn enter_frame(&self) {
        self.driver.enter_frame(0).await.unwrap();
    }

    async fn leave_frame(&self) {
        self.driver.enter_default_frame().await.unwrap();
    }

    async fn has_dialog(&self) -> bool {
        self.driver.get_alert_text().await.is_ok()
    }
}

impl Surf for Firefox {
    async fn go(&self, url: &str) {
        Self::go(self, url).await;
    }

    async fn run(&self, body: &str, given: Vec<Value>) -> Value {
        Self::run(self, body, given).await.unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    async fn until(&self, condition: &str) {
        let asked = format!("return Boolean({condition})");
        let met = async {
            while Self::run(self, &asked, vec![]).await != Ok(json!(true)) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(chromium::SOON, met).await.expect(condition);
    }

    async fn enter_frame(&self) {
        Self::enter_frame(self).await;
    }

    async fn leave_frame(&self) {
        Self::leave_frame(self).await;
    }

    async fn has_dialog(&self) -> bool {
        Self::has_dialog(self).await
    }
}

/// How a visitor comes to the hostile page: by itself, or in a frame of ours.
enum Way {
    Alone,
    Framed(String),
}

/// Goes to the hostile page. In a frame, the page around it is marked, to see whether it stays.
async fn visit(browser: &impl Surf, scene: &Scene, way: &Way) {
    let Way::Framed(page) = way else { return browser.go(&scene.hostile).await };
    browser.go(page).await;
    browser.until("document.body.dataset.live === 'yes'").await;
    browser.run("window.marked = 1; return 1", vec![]).await;
    browser.enter_frame().await;
    browser.until("document.readyState === 'complete' && window.ran === 1").await;
}

/// Whether the page around the frame is as it was; goes back to it.
async fn left_alone(browser: &impl Surf, way: &Way) -> Vec<String> {
    let Way::Framed(page) = way else { return vec![] };
    if browser.has_dialog().await {
        return vec!["a dialog is open".into()];
    }
    browser.leave_frame().await;
    let stands = "return window.marked === 1 && document.body.dataset.live === 'yes' && location.href";
    let there = browser.run(stands, vec![]).await;
    if there == json!(page) { vec![] } else { vec![format!("the page around the frame: {there}")] }
}

async fn hide_things(browser: &impl Surf, scene: &Scene) -> Vec<String> {
    browser.go(&scene.victim).await;
    let hidden = "localStorage.setItem('secret', 'secret'); document.cookie = 'secret=1'; indexedDB.open('secret'); await caches.open('secret'); return 'hidden'";
    let is_hidden = browser.run(hidden, vec![]).await == "hidden";
    if is_hidden { vec![] } else { vec!["the victim could not keep its own things".into()] }
}

async fn attack(browser: &impl Surf, scene: &Scene, way: &Way) -> Vec<String> {
    let mut got_through = hide_things(browser, scene).await;
    visit(browser, scene, way).await;
    let more = if matches!(way, Way::Framed(_)) { FROM_THE_FRAME } else { &[] };
    for (name, script) in ATTACKS.iter().chain(more) {
        let answer = browser.run(&format!("{TOOLS} {script}"), vec![json!(scene.viewer), json!(scene.victim)]).await;
        if answer != "blocked" && answer != json!({ "threw": "SecurityError" }) {
            got_through.push(format!("{name}: {answer}"));
        }
    }
    got_through.extend(left_alone(browser, way).await);
    got_through.extend(post_a_form(browser, scene, way).await);
    got_through
}

/// A form to the API: where the browser does not keep the page, it shows that it stopped.
async fn post_a_form(browser: &impl Surf, scene: &Scene, way: &Way) -> Vec<String> {
    visit(browser, scene, way).await;
    let script = "document.addEventListener('securitypolicyviolation', () => (window.ran = 2)); const f = document.createElement('form'); \
         f.method = 'post'; f.enctype = 'text/plain'; f.action = given[0] + 'api/v1/chat'; const i = document.createElement('input'); \
         i.name = '{\"content\":\"forged\",\"x\":\"'; i.value = '\"}'; f.append(i); document.body.append(f); setTimeout(() => f.submit()); return 1";
    browser.run(script, vec![json!(scene.viewer)]).await;
    browser.until("window.ran !== 1 && document.readyState === 'complete'").await;
    let shown = browser.run("return document.documentElement.textContent", vec![]).await.to_string();
    let mut got_through = left_alone(browser, way).await;
    if shown.contains("urn:goop") || shown.contains("forged") {
        got_through.push(format!("a form: {shown}"));
    }
    got_through
}

/// The frame itself may be led elsewhere, but neither to our pages nor to another site.
async fn move_the_frame(browser: &Browser, scene: &Scene, way: &Way) -> Vec<String> {
    let mut got_through = vec![];
    for url in
        [scene.viewer.clone(), format!("{}site/look/card", scene.viewer), format!("{}api/v1/peers", scene.viewer), scene.victim.clone()]
    {
        visit(browser, scene, way).await;
        browser.driver.execute("location = arguments[0]", vec![json!(url)]).await.unwrap();
        browser.until("window.ran === undefined && document.readyState === 'complete'").await;
        let shown = browser.driver.source().await.unwrap_or_default();
        if shown.contains("goop-token") || shown.contains("Hello!") || shown.contains("\"peers\"") || shown.contains("a site") {
            got_through.push(format!("the frame shows {url}"));
        }
        got_through.extend(left_alone(browser, way).await);
    }
    got_through
}

/// A window that a hostile page opens is no handle to what is in it.
async fn open_windows(browser: &Browser, scene: &Scene, way: &Way) -> Vec<String> {
    let mut got_through = vec![];
    for url in [&scene.viewer, &scene.victim] {
        visit(browser, scene, way).await;
        let before = browser.driver.windows().await.unwrap();
        let script = "window.other = window.open(given[0]); return other ? 'opened' : 'refused'";
        let opened = browser.run(script, vec![json!(url)]).await;
        let hostile = browser.driver.window().await.unwrap();
        let windows = browser.driver.windows().await.unwrap();
        if let Some(new) = windows.into_iter().find(|window| !before.contains(window)) {
            browser.driver.switch_to_window(new).await.unwrap();
            browser.until("document.readyState === 'complete' && location.href !== 'about:blank'").await;
            if browser.run("return window.opener", vec![]).await != Value::Null {
                got_through.push(format!("{url} has an opener"));
            }
            browser.driver.switch_to_window(hostile.clone()).await.unwrap();
            if matches!(way, Way::Framed(_)) {
                browser.driver.enter_frame(0).await.unwrap();
            }
            let peek = "try { return other.document.body.innerText } catch (error) { return 'blocked' }";
            let seen = browser.run(peek, vec![]).await;
            if seen != "blocked" && seen != json!({ "threw": "TypeError" }) {
                got_through.push(format!("{url}: {seen}"));
            }
        } else if opened == "opened" {
            got_through.push(format!("{url}: opened, but where?"));
        }
    }
    got_through
}

/// A link to the API shows nothing.
async fn go_to_the_api(browser: &Browser, scene: &Scene) -> Vec<String> {
    browser.go(&scene.hostile).await;
    browser.driver.execute("location = arguments[0]", vec![json!(format!("{}api/v1/peers", scene.viewer))]).await.unwrap();
    browser.until("location.hostname === 'localhost' && document.readyState === 'complete'").await;
    let refused = browser.driver.source().await.unwrap().contains("foreign-origin");
    if refused { vec![] } else { vec!["a link to the API shows it".into()] }
}

fn set_scene(stage: &Stage, hostile: goop::peer::PeerRow, victim: goop::peer::PeerRow) {
    let mut play = stage.play.lock().unwrap();
    let page = "<!doctype html><title>site</title><p>a site</p><script>window.ran = 1</script>";
    let worker = "onmessage = async ({ data }) => { const tried = await Promise.allSettled(data.map((url) => fetch(url, { mode: 'no-cors' }))); \
                  postMessage(tried.every((one) => one.status === 'rejected') ? 'blocked' : 'got it'); }";
    play.files.insert((hostile.peer_id, "/".into()), Script::file("text/html", page));
    play.files.insert((hostile.peer_id, "/worker.js".into()), Script::file("text/javascript", worker));
    play.files.insert((victim.peer_id, "/".into()), Script::file("text/html", page));
    play.files.insert((victim.peer_id, "/secret.txt".into()), Script::file("text/plain", "secret"));
    let dot = "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>";
    play.files.insert((victim.peer_id, "/dot.svg".into()), Script::file("image/svg+xml", dot));
    play.rows = vec![hostile, victim];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_site_reaches_itself_and_nothing_else() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let (eve, bob) = (new_peer(), new_peer());
    let site = async |peer| format!("http://{}/", stage.site_host(peer).await);
    let scene = Scene { viewer: stage.viewer.url(), hostile: site(eve).await, victim: site(bob).await };
    set_scene(&stage, row(eve, "Eve"), row(bob, "Bob"));

    let mut got_through = attack(&browser, &scene, &Way::Alone).await;
    got_through.extend(open_windows(&browser, &scene, &Way::Alone).await);
    got_through.extend(go_to_the_api(&browser, &scene).await);
    browser.go(&scene.hostile).await;
    let inline = browser.run("return window.ran", vec![]).await;
    let dialog = browser.driver.get_alert_text().await.is_ok();
    browser.close().await;

    assert!(got_through.is_empty(), "{got_through:#?}");
    assert_eq!(inline, json!(1), "a hand-written page with a script in it works");
    assert!(!dialog, "a dialog is open");
    let messages = stage.get("/api/v1/chat").await.json();
    assert_eq!(messages["messages"], json!([]), "a forged message was sent");
}

/// THREATS 24–27, from within the page that frames the site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_site_in_our_frame_stays_in_it() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let (eve, bob) = (new_peer(), new_peer());
    let site = async |peer| format!("http://{}/", stage.site_host(peer).await);
    let scene = Scene { viewer: stage.viewer.url(), hostile: site(eve).await, victim: site(bob).await };
    set_scene(&stage, row(eve, "Eve"), row(bob, "Bob"));
    let way = Way::Framed(format!("{}peers/{eve}/site", scene.viewer));

    let mut got_through = attack(&browser, &scene, &way).await;
    got_through.extend(move_the_frame(&browser, &scene, &way).await);
    got_through.extend(open_windows(&browser, &scene, &way).await);
    browser.close().await;
    assert!(got_through.is_empty(), "{got_through:#?}");
    assert_eq!(stage.get("/api/v1/chat").await.json()["messages"], json!([]), "a forged message was sent");
}

/// The same in another engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_site_reaches_itself_and_nothing_else_in_firefox() {
    let Some(browser) = Firefox::open().await else { return };
    let stage = Stage::set().await;
    let (eve, bob) = (new_peer(), new_peer());
    let site = async |peer| format!("http://{}/", stage.site_host(peer).await);
    let scene = Scene { viewer: stage.viewer.url(), hostile: site(eve).await, victim: site(bob).await };
    set_scene(&stage, row(eve, "Eve"), row(bob, "Bob"));

    let mut got_through = attack(&browser, &scene, &Way::Alone).await;
    for page in ["site", "site?apart=1"] {
        let way = Way::Framed(format!("{}peers/{eve}/{page}", scene.viewer));
        got_through.extend(attack(&browser, &scene, &way).await);
    }
    browser.close().await;
    assert!(got_through.is_empty(), "{got_through:#?}");
    assert_eq!(stage.get("/api/v1/chat").await.json()["messages"], json!([]), "a forged message was sent");
}

/// THREATS 26.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_site_without_an_origin_of_its_own_has_none() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let (eve, bob) = (new_peer(), new_peer());
    let site = async |peer| format!("http://{}/", stage.site_host(peer).await);
    let scene = Scene { viewer: stage.viewer.url(), hostile: site(eve).await, victim: site(bob).await };
    set_scene(&stage, row(eve, "Eve"), row(bob, "Bob"));
    let way = Way::Framed(format!("{}peers/{eve}/site?apart=1", scene.viewer));

    visit(&browser, &scene, &way).await;
    let origin = browser.run("return [origin, document.querySelector('p').textContent]", vec![]).await;
    let mut got_through = attack(&browser, &scene, &way).await;
    got_through.extend(move_the_frame(&browser, &scene, &way).await);
    browser.close().await;
    assert_eq!(origin, json!(["null", "a site"]), "it is shown, and its script runs");
    assert!(got_through.is_empty(), "{got_through:#?}");
    assert_eq!(stage.get("/api/v1/chat").await.json()["messages"], json!([]), "a forged message was sent");
}
