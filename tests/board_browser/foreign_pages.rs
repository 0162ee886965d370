//! THREATS 31: what a page of somebody else makes the operator's browser do.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::chromium::Browser;
use super::operator::{PASSWORD, api, log_in, server};
use super::rendezvous_stage::{SOON, Server, message};

/// Each sends what it can with the operator's cookie or password; none may change anything.
const ATTACKS: &str = "const [target] = given;
    const board = JSON.stringify({ slug: 'evil', type: 'open' });
    const cut = new AbortController();
    const late = () => new Promise((answer) => setTimeout(answer, 3000, 'asked for a password'));
    const quietly = (tried) => Promise.race([late(), tried.then((answer) => answer.status, () => 'blocked')]);
    const ask = (path, request) => quietly(fetch(target + '/api/v1/admin/' + path, { method: 'POST', credentials: 'include', signal: cut.signal, ...request }));
    const tried = ['cors', 'no-cors'].flatMap((mode) => [
        ask('boards', { mode, headers: { 'Content-Type': 'application/json' }, body: board }),
        ask('boards', { mode, headers: { 'Content-Type': 'text/plain' }, body: board }),
        ask('standby', { mode }),
        ask('standby', { mode, body: '' }),
    ]);
    tried.push(ask('boards/club', { method: 'DELETE' }), ask('boards/club', { method: 'PATCH', body: '{\"name\":\"evil\"}' }));
    navigator.sendBeacon(target + '/api/v1/admin/standby');
    navigator.sendBeacon(target + '/api/v1/admin/boards', new Blob([board], { type: 'text/plain' }));
    navigator.sendBeacon(target + '/api/v1/admin/boards', new Blob([board], { type: 'application/json' }));
    const forms = [['text/plain', 'boards', [['{\"slug\":\"evil\",\"type\":\"open\",\"name\":\"', '\"}']]],
        ['application/x-www-form-urlencoded', 'boards', [['slug', 'evil'], ['type', 'open']]],
        ['multipart/form-data', 'standby', []], ['application/x-www-form-urlencoded', 'standby', []]];
    const submit = ([enctype, path, fields], nth) => {
        const frame = Object.assign(document.createElement('iframe'), { name: 'frame' + nth });
        const form = Object.assign(document.createElement('form'), { method: 'post', enctype, action: target + '/api/v1/admin/' + path, target: frame.name });
        for (const [name, value] of fields) form.append(Object.assign(document.createElement('input'), { name, value }));
        document.body.append(frame, form);
        const answered = new Promise((done) => (frame.onload = done));
        form.submit();
        return Promise.race([late(), answered.then(() => 'answered')]);
    };
    const said = await Promise.all([...tried, ...forms.map(submit)]);
    cut.abort();
    document.querySelectorAll('iframe').forEach((frame) => frame.remove());
    return said.filter((status) => status >= 200 && status < 300)";

/// A page without any policy on a port of its own; answers its port. A browser opens connections that it may never use, so none waits
/// for another.
async fn foreign_page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(show_kittens(stream));
        }
    });
    port
}

async fn show_kittens(mut stream: TcpStream) {
    if stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
        let page = "<!doctype html><title>a nice page</title><p>Look at the kittens.";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
        let _ = stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{page}", page.len()).as_bytes()).await;
    }
}

/// Whether nothing has changed at the server, and the operator is still in.
async fn assert_untouched(browser: &Browser, server: &Server, how: &str) {
    let boards = api(server, Method::GET, "boards", Value::Null).await;
    let names: Vec<_> = boards["boards"].as_array().unwrap().iter().map(|board| board["name"].clone()).collect();
    assert_eq!(names, [Value::Null, json!("club")], "{how}");
    assert_eq!(api(server, Method::GET, "stats", Value::Null).await["standby"], false, "{how}");
    assert_eq!(server.publish(&message("update", 1, "Ada")).await, 204, "{how}");
    browser.go(&server.url("/admin")).await;
    browser.until("document.getElementById('boards')").await;
}

async fn attack(browser: &Browser, server: &Server, login: &str) {
    let port = foreign_page().await;
    // The same site on another port gets the cookie even where it is strict; another site does not.
    for host in ["127.0.0.1", "localhost"] {
        browser.go(&format!("http://{host}:{port}/")).await;
        let done = tokio::time::timeout(SOON * 3, browser.run(ATTACKS, vec![json!(server.url(""))])).await.unwrap();
        assert_eq!(done, json!([]), "{login}, from {host}");
        assert_untouched(browser, server, &format!("{login}, from {host}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_foreign_page_changes_nothing_with_the_operator_s_session_or_password() {
    let Some(browser) = Browser::open().await else { return };
    let server = server();
    api(&server, Method::POST, "boards", json!({ "slug": "club", "type": "open" })).await;
    log_in(&browser, &server).await;
    attack(&browser, &server, "logged in by the form").await;
    browser.close().await;

    let Some(browser) = Browser::open().await else { return };
    browser.go(&server.url("/admin?login=basic").replace("//", &format!("//admin:{}@", PASSWORD.replace(' ', "%20")))).await;
    browser.until("document.getElementById('boards')").await;
    attack(&browser, &server, "logged in by Basic").await;
    browser.close().await;
}
