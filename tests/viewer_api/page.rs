//! The page as it is served (THREATS 21).

use goop::peer::Path;
use serde_json::json;

use crate::stage::{Stage, new_peer, row};
use crate::{assert_problem, with};

/// THREATS 21.
#[tokio::test]
async fn names_and_messages_of_others_stand_on_the_page_as_text() {
    let stage = Stage::set().await;
    let nasty = "<script>alert(1)</script>\" onmouseover=\"alert(2) '&";
    let peer = new_peer();
    with(&stage, |play| play.rows = vec![row(peer, nasty)]);
    stage.post_json("/api/v1/chat", &json!({ "content": nasty }).to_string()).await;
    let page = stage.get("/").await;
    let html = page.text();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!html.contains("<script>") && !html.contains("\" onmouseover"), "{html}");
    assert_eq!(html.matches("alert(1)").count(), 4, "the name, its title, what its link is called, and the message: {html}");
    assert!(html.contains("<title>Me &#60;b&#62;myself&#60;/b&#62; – goop</title>"), "{html}");
    assert!(html.contains(stage.viewer.token()) && html.contains("messages in memory only"));
    let csp = page.header("content-security-policy").unwrap();
    assert!(!csp.contains("unsafe") && csp.contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn the_page_shows_one_conversation_and_says_with_whom() {
    let stage = Stage::set().await;
    let ann = new_peer();
    with(&stage, |play| play.rows = vec![row(ann, "Ann & Co")]);
    let direct = stage.post_json("/api/v1/chat", &json!({ "to": ann.to_string(), "content": "only for you" }).to_string()).await;
    assert_eq!(direct.status, 202);
    stage.post_json("/api/v1/chat", r#"{"content":"for all"}"#).await;
    let (everyone, alone) = (stage.get("/").await.text(), stage.get(&format!("/?with={ann}")).await.text());
    assert!(everyone.contains(">To everyone</h2>") && everyone.contains("for all") && !everyone.contains("only for you"), "{everyone}");
    assert!(alone.contains(">Ann &#38; Co</bdi>") && alone.contains("only for you") && !alone.contains("for all"), "{alone}");
    assert!(everyone.contains(&format!("href=\"/?with={ann}\"")), "{everyone}");
    assert_problem(&stage.get("/?with=nobody").await, 400, "bad-request");
}

#[tokio::test]
async fn every_path_word_reaches_the_page() {
    let stage = Stage::set().await;
    let row_of = |path| goop::peer::PeerRow { path, ..row(new_peer(), "x") };
    with(&stage, |play| play.rows = [Path::Lan, Path::Direct, Path::Relayed, Path::Unreachable, Path::NotTried].map(row_of).to_vec());
    let html = stage.get("/").await.text();
    for word in ["same network", "direct", "relayed", "unreachable", "not tried yet"] {
        assert!(html.contains(word), "{word}");
    }
}
