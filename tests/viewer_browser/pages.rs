//! Each page before a peer that is played by a script.

use std::time::Duration;

use goop::clients::rendezvous::{Status, Stream, membership};
use goop::clock::UnixMillis;
use goop::config::base_url::BaseUrl;
use goop::peer::{OpenError, PeerEvent, PeerRow};
use goop::proto::chat::{ChatMessage, Kept, State};
use libp2p::PeerId;
use serde_json::{Value, json};
use thirtyfour::Key;

use crate::chromium::{Browser, SOON, payloads};
use crate::stage::{Script, Stage, new_peer, row};

const LIVE: &str = "document.body.dataset.live === 'yes'";

pub(super) async fn open(browser: &Browser, stage: &Stage, path: &str) {
    browser.go(&format!("{}{path}", stage.viewer.url())).await;
    browser.until(LIVE).await;
}

fn message(from: PeerId, to: Option<PeerId>, content: &str, number: i64) -> PeerEvent {
    let message = ChatMessage {
        id: number.to_string(),
        from,
        to,
        community: None,
        content: content.into(),
        at: UnixMillis(1_700_000_000_000),
        delivered: 0,
    };
    PeerEvent::Chat { message: Kept { message, number, state: State::Received, why: None, until: None }, muted: false }
}

async fn send_file(stage: &Stage, to: PeerId, name: &str) {
    let name: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = stage.write("POST", &format!("/api/v1/files?to={to}&name={name}"), "", b"some bytes").await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// Texts on the page that are none of the given ones, nor our own word about a file.
const OTHERS: &str = "const all = new Set(given[0]);
    const texts = [...document.querySelectorAll(given[1])].map((text) => text.textContent);
    return texts.filter((text) => !all.has(text) && !text.startsWith('I have a file for you: '))";

/// THREATS 21: on the pages as they are served, and as they change while they are open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_two_hundred_payloads_in_names_messages_and_file_names_stay_text() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let all: Vec<_> = payloads::all().collect();
    assert_eq!(all.len(), 200);
    let rows: Vec<_> = all.iter().map(|payload| row(new_peer(), payload)).collect();
    let friend = rows[0].peer_id;
    stage.play.lock().unwrap().rows = rows[..100].to_vec();
    for payload in &all {
        for to in [None, Some(friend.to_string())] {
            let said = json!({ "to": to, "content": payload });
            assert_eq!(stage.post_json("/api/v1/chat", &said.to_string()).await.status, 202);
        }
    }
    for payload in all.iter().step_by(10) {
        send_file(&stage, friend, payload).await;
    }
    browser.watch().await;
    open(&browser, &stage, "peers").await;
    for newcomer in &rows[100..] {
        stage.events.send(PeerEvent::Online { peer: newcomer.clone() }).unwrap();
        browser.until(&format!("document.querySelector('[data-peer=\"{}\"]')", newcomer.peer_id)).await;
    }
    let mut harm = browser.harm().await;
    harm.extend(browser.run(OTHERS, vec![json!(all), json!("#peers bdi")]).await.as_array().unwrap().clone());
    for path in ["", "chat", &format!("chat?with={friend}")] {
        open(&browser, &stage, path).await;
        if path.starts_with("chat") {
            browser.until("document.querySelectorAll('#messages time[datetime]').length >= 190").await;
            harm.extend(browser.run(OTHERS, vec![json!(all), json!(".said")]).await.as_array().unwrap().clone());
        }
        harm.extend(browser.harm().await);
    }
    browser.until("document.querySelectorAll('#files li').length === 20").await;
    for payload in &all {
        let path: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
        stage.write("PUT", &format!("/api/v1/site/{path}"), "", payload.as_bytes()).await;
    }
    open(&browser, &stage, "site").await;
    harm.extend(browser.harm().await);
    let listed = browser.run("return document.querySelectorAll('[data-path]').length", vec![]).await;
    for (row, payload) in rows.iter().zip(&all).step_by(20) {
        open(&browser, &stage, &format!("peers/{}/site", row.peer_id)).await;
        harm.extend(browser.harm().await);
        let path: String = payload.replace([':', '\\', '\t'], "").bytes().map(|byte| format!("%{byte:02x}")).collect();
        stage.write("PUT", &format!("/api/v1/site/{path}.txt"), "", payload.as_bytes()).await;
        open(&browser, &stage, &format!("site/edit?path={path}.txt")).await;
        harm.extend(browser.harm().await);
        let text = browser.run("return document.getElementById('text').value", vec![]).await;
        assert_eq!(text, json!(payload));
    }
    browser.close().await;
    assert!(listed.as_u64().unwrap() > 100, "{listed} files");
    assert_eq!(harm, Vec::<Value>::new());
}

/// Tasks above 50 ms are what a reader feels (the issue's figure). The machine may be busy with other things: one quiet round is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_peers_that_change_fifty_times_a_second_leave_the_page_to_its_reader() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let rows: Vec<_> = (0..1000).map(|n| row(new_peer(), &format!("Peer {n}"))).collect();
    stage.play.lock().unwrap().rows = rows.clone();
    open(&browser, &stage, "peers").await;
    browser.until("document.getElementById('count').textContent === '1000 here'").await;
    let watch = "window.long = []; new PerformanceObserver((list) => long.push(...list.getEntries().map((one) => one.duration))).observe({ type: 'longtask' }); return 1";
    browser.run(watch, vec![]).await;
    let mut rounds = Vec::new();
    for round in 0..30 {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for (n, mut changed) in rows.iter().cloned().enumerate().take(50) {
            beat.tick().await;
            changed.label = format!("Round {round} of {n}");
            stage.events.send(PeerEvent::Update { peer: changed }).unwrap();
        }
        browser
            .until(&format!("document.querySelector('[data-peer=\"{}\"]').textContent.includes('Round {round}')", rows[49].peer_id))
            .await;
        let long = browser.run("return long.splice(0)", vec![]).await;
        rounds.push(long.clone());
        if long == json!([]) {
            break;
        }
    }
    browser.close().await;
    assert_eq!(rounds.last(), Some(&json!([])), "tasks above 50 ms, in milliseconds: {rounds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_tabs_of_a_browser_share_one_stream_and_another_takes_over() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let before = stage.events.receiver_count();
    open(&browser, &stage, "peers").await;
    let first = browser.driver.window().await.unwrap();
    let second = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(second).await.unwrap();
    open(&browser, &stage, "peers").await;
    let (ann, bob) = (new_peer(), new_peer());
    let there = |peer| format!("document.querySelector('[data-peer=\"{peer}\"]') !== null");
    stage.play.lock().unwrap().rows = vec![row(ann, "Ann")];
    stage.events.send(PeerEvent::Online { peer: row(ann, "Ann") }).unwrap();
    browser.until(&there(ann)).await;
    stage.play.lock().unwrap().rows = vec![row(bob, "Bob")];
    let streams = stage.events.receiver_count() - before;
    browser.driver.switch_to_window(first).await.unwrap();
    browser.driver.close_window().await.unwrap();
    let left = browser.driver.windows().await.unwrap();
    browser.driver.switch_to_window(left[0].clone()).await.unwrap();
    browser.until(&there(bob)).await;
    browser.close().await;
    assert!(streams <= 2, "{streams} streams: one, and the one before it for a moment");
}

/// Goes on by Tab until the focus is on what `selector` names, which is seen.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..60 {
        browser.press(Key::Tab).await;
        if browser.run("return document.activeElement.matches(given[0])", vec![json!(selector)]).await == true {
            let seen = "return getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(browser.run(seen, vec![]).await, "solid", "the focus is seen on {selector}");
            return;
        }
    }
    panic!("{selector} is not reached by Tab");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_keyboard_alone_a_peer_is_found_kept_and_answered() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let (ann, bob) = (new_peer(), new_peer());
    stage.play.lock().unwrap().rows = vec![row(ann, "Ann"), row(bob, "Bob")];
    open(&browser, &stage, "").await;
    tab_to(&browser, ".skip").await;
    tab_to(&browser, "nav a[href='/peers']").await;
    browser.press(Key::Enter + "").await;
    browser.until(&format!("location.pathname === '/peers' && {LIVE}")).await;
    tab_to(&browser, "#q").await;
    browser.press("bo").await;
    browser.until(&format!("document.querySelector('[data-peer=\"{ann}\"]').hidden")).await;
    tab_to(&browser, "[data-set=favourite]").await;
    browser.press(Key::Enter + "").await;
    browser.until("document.querySelector('#favourites [aria-pressed=true]') === document.activeElement").await;
    browser.driver.action_chain().key_down(Key::Shift).send_keys(Key::Tab + "").key_up(Key::Shift).perform().await.unwrap();
    browser.press(Key::Enter + "").await;
    browser.until(&format!("location.search === '?with={bob}' && {LIVE}")).await;
    tab_to(&browser, "#content").await;
    browser.press("hello" + Key::Enter).await;
    browser.until("document.querySelector('#messages .mine .said')?.textContent === 'hello'").await;
    browser.close().await;
    assert_eq!(stage.get(&format!("/api/v1/chat?peer={bob}")).await.json()["messages"][0]["content"], "hello");
}

const SAY: &str = "const form = document.getElementById('say'); form.elements.content.value = given[0]; form.requestSubmit(); return true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_is_counted_and_what_was_not_sent_says_why() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let (ann, bob) = (new_peer(), new_peer());
    stage.play.lock().unwrap().rows = vec![row(ann, "Ann"), row(bob, "Bob")];
    open(&browser, &stage, &format!("chat?with={bob}")).await;
    let memory = stage.peer.memory().clone();
    let psst = ChatMessage {
        id: "1".into(),
        from: ann,
        to: Some(stage.me),
        community: None,
        content: "psst".into(),
        at: UnixMillis(1),
        delivered: 0,
    };
    memory.receive(&psst).unwrap();
    stage.events.send(message(ann, Some(stage.me), "psst", 1)).unwrap();
    browser.until("document.title.startsWith('(1) ') && document.getElementById('unread').textContent === '1 new'").await;
    browser.until("document.querySelector('#conversations .count')?.textContent === '1 new'").await;

    stage.play.lock().unwrap().files.insert((bob, String::new()), Script::Fails(OpenError::NoAddress));
    browser.run(SAY, vec![json!("lost?")]).await;
    browser.until("document.getElementById('problem').textContent.startsWith('Not sent: ')").await;
    browser.until("document.querySelector('#messages .failed')?.textContent.startsWith('not sent: ')").await;
    let left = browser.run("return document.querySelector('#content').value", vec![]).await;
    open(&browser, &stage, &format!("chat?with={ann}")).await;
    browser.until("document.getElementById('unread').hidden && document.querySelector('.said').textContent === 'psst'").await;
    browser.run("document.querySelector('#messages button').click(); return 1", vec![]).await;
    browser.until("!document.querySelector('#messages li')").await;
    browser.close().await;
    assert_eq!(left, "lost?", "what was not sent can be sent again");
    assert_eq!(stage.get(&format!("/api/v1/chat?peer={ann}")).await.json()["messages"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_outlives_its_node_can_send_again_and_keeps_its_draft() {
    let Some(browser) = Browser::open().await else { return };
    let before = Stage::set().await;
    let (addr, ann) = (before.addr(), new_peer());
    open(&browser, &before, &format!("chat?with={ann}")).await;
    browser.run("document.getElementById('content').focus(); return 1", vec![]).await;
    browser.press("half a thought").await;
    before.stop.cancel();
    assert!(before.tasks.finish(SOON).await.is_empty(), "the viewer does not end");
    let after = Stage::set_with(|options| options.addr = addr).await;
    let token = format!("document.querySelector('meta[name=goop-token]').content === '{}'", after.viewer.token());
    browser.until(&format!("{token} && document.getElementById('content')?.value === 'half a thought'")).await;
    browser.run("document.getElementById('say').requestSubmit(); return true", vec![]).await;
    browser.until("document.getElementById('messages').textContent.includes('half a thought')").await;
    browser.close().await;
    assert_eq!(after.get(&format!("/api/v1/chat?peer={ann}")).await.json()["messages"][0]["content"], "half a thought");
}

/// Communities that were found before, and two of which one is a member.
async fn kept_communities(stage: &Stage) {
    let listing = |nth: u8, name: &str, kind: &str, health: &str| {
        let id = goop::proto::directory::ListingId::from_bytes([nth; 16]).to_string();
        let about = "Everybody who likes it, on every evening of the week, beginners too.";
        json!({ "hub": "https://hub.example/", "at": 1, "id": id, "community": name, "description": about, "tags": ["games", "evenings"],
            "rendezvous": format!("https://rv.example/c/{}", "x".repeat(40 + usize::from(nth))), "type": kind, "members": 12, "health": health })
        .to_string()
    };
    let lines = [
        listing(1, "Chess Club", "open", "healthy"),
        listing(2, "Club of clubs", "invite-only", "down"),
        listing(3, "Knitting club", "application", "unknown"),
        listing(4, "Evenings at the board", "application", "healthy").replace(&"x".repeat(44), "chess"),
    ];
    std::fs::write(stage.home.path().join("found.ndjson"), lines.join("\n")).unwrap();
    let status = |name: &str, stream| {
        let id = membership::id(&BaseUrl::parse(&format!("https://{name}")).unwrap());
        Status { id, name: name.into(), since: UnixMillis(1), stream, moved_to: None, refused: None }
    };
    stage.play.lock().unwrap().servers = vec![
        status("rv.example/c/chess", Stream::Connected { ours: false }),
        status("127.0.0.1:8787", Stream::Retrying { why: "Connection refused".into() }),
    ];
    let toml = "presence.rendezvous_wan = [\"https://rv.example/c/chess\"]\n[profile]\nlabel = \"Me\"\nemail = \"me@example.org\"\n";
    stage.configure(toml).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_saved_refused_beside_the_field_and_never_overwritten() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let file = stage.home.path().join("goop.toml");
    stage.configure("# mine\n[profile]\nlabel = \"Ann\"\n").await;
    open(&browser, &stage, "settings").await;
    let set = "const field = document.getElementsByName(given[0])[0]; field.value = given[1]; document.getElementById('settings').requestSubmit(); return true";
    browser.run(set, vec![json!("profile.label"), json!("Anna")]).await;
    browser.until("document.getElementById('told').textContent.startsWith('Saved')").await;
    browser.run(set, vec![json!("viewer.http_addr"), json!("0.0.0.0:80")]).await;
    browser.until("document.getElementById('viewer-http-addr-wrong').textContent.includes('this machine alone')").await;
    browser.until("document.activeElement.name === 'viewer.http_addr' && document.activeElement.value === '0.0.0.0:80'").await;
    browser.run(set, vec![json!("viewer.http_addr"), json!("127.0.0.1:8788")]).await;
    browser.until("document.getElementById('told').textContent === 'Nothing was changed.'").await;
    browser.run(set, vec![json!("viewer.theme"), json!("dark")]).await;
    browser.until("document.documentElement.dataset.theme === 'dark'").await;
    std::fs::write(&file, "# an editor's\n").unwrap();
    browser.run(set, vec![json!("profile.email"), json!("ann@example.org")]).await;
    browser.until("document.getElementById('problem').textContent.includes('changed by somebody else')").await;
    let left = browser.run("return document.getElementsByName('profile.email')[0].value", vec![]).await;
    browser.close().await;
    assert_eq!((left, std::fs::read_to_string(&file).unwrap().as_str()), (json!("ann@example.org"), "# an editor's\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn communities_are_found_while_one_types_joined_and_left() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    kept_communities(&stage).await;
    stage.play.lock().unwrap().servers.clear();
    open(&browser, &stage, "communities").await;
    browser.until("document.querySelectorAll('#found li').length === 4").await;
    tab_to(&browser, "#q").await;
    browser.press("ches").await;
    browser.until("document.querySelectorAll('#found li').length === 1").await;
    browser.run("document.querySelector('[data-join]').click(); return 1", vec![]).await;
    browser.until("document.getElementById('told').textContent.startsWith('You joined Chess Club')").await;
    browser.until("document.querySelectorAll('#mine [data-leave]').length === 2").await;
    let file = stage.home.path().join("goop.toml");
    let joined = std::fs::read_to_string(&file).unwrap();
    browser.run("document.querySelectorAll('#mine [data-leave]')[1].click(); return 1", vec![]).await;
    browser.until("document.querySelectorAll('#mine [data-leave]').length === 1").await;
    browser.until("document.querySelectorAll('#found [data-join]').length === 1").await;
    let left = std::fs::read_to_string(&file).unwrap();
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let half =
        "const q = document.getElementById('q'); q.value = given[0]; q.dispatchEvent(new Event('input', { bubbles: true })); return 1";
    browser.run(half, vec![json!(format!("http://{}/c/ha", trap.local_addr().unwrap()))]).await;
    browser.until("document.getElementById('told').textContent === 'Press Enter to follow this link.'").await;
    assert!(trap.accept().is_err(), "nobody knocks at an address of which half is typed");
    browser
        .run(
            "const q = document.getElementById('q'); q.value = given[0]; q.form.requestSubmit(); return 1",
            vec![json!("http://127.0.0.1:1/c/<b>/join#x")],
        )
        .await;
    browser.until("document.getElementById('found').textContent.includes('used up by joining')").await;
    browser.run("document.querySelector('[data-join]').click(); return 1", vec![]).await;
    browser.until("document.getElementById('problem').textContent.includes('does not answer')").await;
    browser.close().await;
    assert!(joined.contains("/c/xxx") && !left.contains("/c/xxx"), "{joined} {left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_community_is_a_conversation_of_its_own_and_what_was_said_earlier_is_a_button_away() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    kept_communities(&stage).await;
    let (bob, memory) = (new_peer(), stage.peer.memory().clone());
    stage.play.lock().unwrap().rows = vec![PeerRow { sources: vec!["rv.example/c/chess".into()], ..row(bob, "Bob") }];
    for nth in 0..250 {
        let said = |community: Option<&str>| ChatMessage {
            id: nth.to_string(),
            from: bob,
            to: None,
            community: community.map(Into::into),
            content: format!("word {nth}"),
            at: UnixMillis(1),
            delivered: 0,
        };
        memory.receive(&said((nth >= 5).then_some("rv.example/c/chess"))).unwrap();
    }
    open(&browser, &stage, "chat").await;
    browser.until("document.querySelectorAll('#messages li').length === 5").await;
    let link = "document.querySelector('#conversations [data-community=\"rv.example/c/chess\"]')";
    browser.until(&format!("{link}?.querySelector('.count')?.textContent === '245 new'")).await;
    browser.run(&format!("{link}.click(); return 1"), vec![]).await;
    browser.until("document.body.dataset.community && document.querySelectorAll('#messages li').length === 200").await;
    browser.until(&format!("{link}.getAttribute('aria-current') === 'true' && !{link}.querySelector('.count')")).await;
    browser.run("document.getElementById('earlier').click(); return 1", vec![]).await;
    browser.until("document.querySelectorAll('#messages li').length === 245 && document.getElementById('earlier').hidden").await;
    browser.until("document.querySelector('#messages .said').textContent === 'word 5'").await;
    let say = "const form = document.getElementById('say'); form.elements.content.value = 'to chess'; form.requestSubmit(); return 1";
    browser.run(say, vec![]).await;
    browser.until("document.querySelector('#messages .mine .said')?.textContent === 'to chess'").await;
    browser.close().await;
    let said = stage.get("/api/v1/chat?community=rv.example/c/chess&limit=1").await.json();
    assert_eq!((&said["messages"][0]["content"], &said["messages"][0]["community"]), (&json!("to chess"), &json!("rv.example/c/chess")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_fit_a_phone_weigh_little_and_axe_finds_nothing() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    let long = "x".repeat(300);
    let mut rows = ["Ada", "Björn", "Chiyo", &long].map(|name| row(new_peer(), name)).to_vec();
    (rows[1].path, rows[1].reason) = (goop::peer::Path::Unreachable, Some("nobody answers at 3 addresses".into()));
    (rows[2].online, rows[0].signed) = (false, false);
    let ada = rows[0].peer_id;
    stage.play.lock().unwrap().rows = rows.clone();
    for (peer, what) in [(rows[2].peer_id, r#"{"favourite":true}"#), (new_peer(), r#"{"blocked":true}"#)] {
        stage.write("PUT", &format!("/api/v1/contacts/{peer}"), "Content-Type: application/json\r\n", what.as_bytes()).await;
    }
    for content in [long.as_str(), "Hello Ada, are you there?"] {
        stage.post_json("/api/v1/chat", &json!({ "to": ada.to_string(), "content": content }).to_string()).await;
    }
    send_file(&stage, ada, "holiday pictures.zip").await;
    let mut wrong = Vec::new();
    let page = "<!doctype html><title>Ada</title><style>body { font: 1.2rem/1.5 Georgia, serif; margin: 2rem; }</style><h1>Ada’s garden</h1><p>Tomatoes first.</p>";
    stage.play.lock().unwrap().files.insert((ada, "/".into()), Script::file("text/html", page));
    kept_communities(&stage).await;
    let (theirs, chat) = (format!("peers/{ada}/site"), format!("chat?with={ada}"));
    let nothing = format!("peers/{}/site", rows[1].peer_id);
    let pages = [
        ("home", ""),
        ("peers", "peers"),
        ("chat", &chat),
        ("communities", "communities?q=evenings"),
        ("settings", "settings"),
        ("peer-site", &theirs),
        ("peer-site-empty", &nothing),
        ("site-empty", "site"),
        ("site", "site"),
        ("site-edit", "site/edit?path=index.html"),
    ];
    for (name, path) in pages {
        if name == "site" {
            stage.post_json("/api/v1/site", r#"{"look":"card"}"#).await;
            for (path, size) in [("pictures/boat.jpg", 120_000), ("notes.txt", 900), (&format!("{}.html", &long[..100]), 5)] {
                stage.write("PUT", &format!("/api/v1/site/{path}"), "", &vec![b'a'; size]).await;
            }
        }
        open(&browser, &stage, path).await;
        let weight = "return performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0)";
        let bytes = browser.run(weight, vec![]).await.as_u64().unwrap();
        let (wide, findings) = (browser.too_wide().await, browser.findings().await.unwrap_or_default());
        browser.picture(name, &["light", "phone-dark"]).await;
        if wide != 0 || !findings.is_empty() || !(1000..60_000).contains(&bytes) {
            wrong.push(format!("{name}: {bytes} bytes, too wide: {wide}, axe: {findings:#?}"));
        }
    }
    browser.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
