//! Files as the API tells them: what is offered, decided and opened, and what a peer gets that takes none.

use goop::clock::UnixMillis;
use goop::peer::OpenError;
use goop::peer::memory::Outcome;
use goop::proto::transfer::{Offer, Step};
use serde_json::{Value, json};

use crate::stage::{Answer, Script, Stage, new_peer};
use crate::{SVG, assert_problem, with};

async fn post(stage: &Stage, path: &str, body: &[u8]) -> Answer {
    stage.write("POST", &format!("/api/v1/{path}"), "", body).await
}

fn offer(name: &str) -> Offer {
    Offer { id: format!("offer-{name}"), name: name.into(), size: 5, mime: "image/svg+xml".into(), hash: "ab".repeat(32) }
}

#[tokio::test]
async fn a_peer_that_takes_no_files_gets_a_link_that_can_be_taken_back() {
    let stage = Stage::set().await;
    let ann = new_peer();
    let answer = post(&stage, &format!("files?to={ann}&name=my%20photo.jpg"), b"bytes").await;
    let sent = answer.json();
    assert_eq!((answer.status, &sent["state"], &sent["size"]), (202, &json!("linked"), &json!(5)), "{sent}");
    let link = sent["link"].as_str().unwrap();
    let told = stage.get(&format!("/api/v1/chat?peer={ann}")).await.json();
    let text = told["messages"][0]["content"].as_str().unwrap();
    assert!(text.contains(&link.replace(' ', "%20")) && text.contains(&format!("/p/{}/", stage.me)), "{text}");

    let host = stage.site_host(stage.me).await;
    let read = async |path: &str| stage.ask(&format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n"), b"").await;
    assert_eq!(read(&link.replace(' ', "%20")).await.body, b"bytes");
    let token = link.split('/').nth(1).unwrap();
    assert_eq!(token.len(), 32, "nobody guesses it");
    assert!(!read("shared/").await.text().contains(token), "and nobody is told of it");

    assert_eq!(post(&stage, &format!("files/{}/cancel", sent["number"]), b"").await.json()["state"], "cancelled");
    assert_eq!(read(&link.replace(' ', "%20")).await.status, 404);
    assert!(!stage.home.path().join("site/shared").join(token).exists());
    assert_eq!(std::fs::read_dir(stage.home.path().join("spool")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_of_ones_own_site_can_be_offered_and_what_is_missing_cannot() {
    let stage = Stage::set().await;
    let ann = new_peer();
    stage.write("PUT", "/api/v1/site/docs/a.txt", "", b"from my site").await;
    let sent = post(&stage, &format!("files?to={ann}&site=docs/a.txt"), b"").await.json();
    assert_eq!((&sent["name"], &sent["size"]), (&json!("a.txt"), &json!(12)));
    assert_problem(&post(&stage, &format!("files?to={ann}&site=docs/b.txt"), b"").await, 404, "not-found");
    assert_problem(&post(&stage, &format!("files?to={ann}&site=.env"), b"").await, 403, "forbidden");
    assert_problem(&post(&stage, &format!("files?to={ann}"), b"").await, 400, "bad-request");
    assert_problem(&post(&stage, &format!("files?to={}&name=x", stage.me), b"x").await, 400, "bad-request");
}

#[tokio::test]
async fn a_file_for_somebody_unreachable_is_not_kept_unless_they_are_a_favourite() {
    let stage = Stage::set().await;
    let ann = new_peer();
    with(&stage, |play| _ = play.files.insert((ann, String::new()), Script::Fails(OpenError::NoAddress)));
    assert_problem(&post(&stage, &format!("files?to={ann}&name=x"), b"x").await, 502, "not-taken");
    stage.write("PUT", &format!("/api/v1/contacts/{ann}"), "Content-Type: application/json\r\n", br#"{"favourite":true}"#).await;
    let waiting = post(&stage, &format!("files?to={ann}&name=x"), b"x").await.json();
    assert_eq!(waiting["state"], "waiting");
    assert_eq!(post(&stage, &format!("files/{}/cancel", waiting["number"]), b"").await.status, 200);
    assert_eq!(std::fs::read_dir(stage.home.path().join("spool")).unwrap().count(), 0);
}

#[tokio::test]
async fn offers_are_told_and_decided_once() {
    let stage = Stage::set().await;
    let ann = new_peer();
    let number = stage.peer.memory().offered(ann, &offer("a.svg"), false, UnixMillis::now()).unwrap().0.number;
    let listed = stage.get("/api/v1/files").await.json();
    let file = &listed["files"][0];
    assert_eq!((&file["direction"], &file["state"], &file["peer"]), (&json!("in"), &json!("offered"), &json!(ann.to_string())));
    assert_eq!((&file["link"], &file["file"]), (&Value::Null, &Value::Null));
    assert_problem(&stage.get(&format!("/api/v1/files/{number}")).await, 404, "not-found");
    let mut stream = stage.listen().await;
    stream.next().await;
    assert_eq!(post(&stage, &format!("files/{number}/decline"), b"").await.json()["state"], "declined");
    let (name, event) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), &event["file"]["state"]), ("file", &json!("declined")));
    assert_problem(&post(&stage, &format!("files/{number}/accept"), b"").await, 409, "not-now");
    assert_problem(&post(&stage, &format!("files/{number}/explode"), b"").await, 404, "not-found");
    assert_problem(&post(&stage, "files/999/accept", b"").await, 404, "not-found");
    assert_eq!(stage.write("DELETE", &format!("/api/v1/files/{number}"), "", b"").await.status, 204);
    assert_eq!(stage.get("/api/v1/files").await.json(), json!({ "files": [] }));
}

/// THREATS 27, 28: whatever it claims to be.
#[tokio::test]
async fn a_file_that_arrived_is_a_download_and_never_shown() {
    let stage = Stage::set().await;
    let memory = stage.peer.memory();
    let number = memory.offered(new_peer(), &offer("x\".svg"), false, UnixMillis::now()).unwrap().0.number;
    // Nobody is there to fetch it from, so its steps are taken by hand.
    memory.take_step(number, Step::Accept, &Outcome::default()).unwrap();
    memory.take_step(number, Step::Finish, &Outcome { place: Some("x_.svg".into()), ..Outcome::default() }).unwrap();
    let downloads = stage.home.path().join("downloads");
    std::fs::create_dir_all(&downloads).unwrap();
    std::fs::write(downloads.join("x_.svg"), SVG).unwrap();
    let answer = stage.get(&format!("/api/v1/files/{number}")).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, SVG));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"x_.svg\""));
    assert!(answer.header("content-security-policy").unwrap().starts_with("sandbox; default-src 'none'"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    std::fs::remove_file(downloads.join("x_.svg")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", downloads.join("x_.svg")).unwrap();
    assert_problem(&stage.get(&format!("/api/v1/files/{number}")).await, 404, "not-found");
}
