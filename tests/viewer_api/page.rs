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
    for (path, times) in [("/peers", 6), ("/chat", 2), (format!("/peers/{peer}/site").as_str(), 6)] {
        let page = stage.get(path).await;
        let html = page.text();
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(!html.contains("<script>") && !html.contains("\" onmouseover"), "{html}");
        assert_eq!(html.matches("alert(1)").count(), times, "{path}: {html}");
        let csp = page.header("content-security-policy").unwrap();
        assert!(!csp.contains("unsafe") && csp.contains("frame-ancestors 'none'"));
    }
    let home = stage.get("/").await.text();
    assert!(home.contains("<title>Me &#60;b&#62;myself&#60;/b&#62; – goop</title>") && home.contains(stage.viewer.token()), "{home}");
}

#[tokio::test]
async fn home_says_who_i_am_and_what_is_reachable() {
    let stage = Stage::set().await;
    with(&stage, |play| play.rows = vec![row(new_peer(), "Ann")]);
    let html = stage.get("/").await.text();
    let words = ["goop listens at no address", "Rendezvous servers", "class=\"qr\"", "One peer is here", ">peer</span>"];
    for said in words.into_iter().chain([stage.me.to_string().as_str()]) {
        assert!(html.contains(said), "{said}: {html}");
    }
}

#[tokio::test]
async fn peers_are_searched_and_kept_without_a_script() {
    let stage = Stage::set().await;
    let (ann, bob, eve) = (new_peer(), new_peer(), new_peer());
    with(&stage, |play| play.rows = vec![row(ann, "Ann Ott"), row(bob, "Bob"), row(eve, "Eve")]);
    for (peer, decision) in [(bob, r#"{"favourite":true}"#), (eve, r#"{"blocked":true}"#)] {
        let path = format!("/api/v1/contacts/{peer}");
        assert_eq!(stage.write("PUT", &path, "Content-Type: application/json\r\n", decision.as_bytes()).await.status, 200);
    }
    let html = stage.get("/peers").await.text();
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
    let order = [">Yours<", &bob.to_string(), ">Who is here<", &ann.to_string(), ">Blocked<", &eve.to_string()].map(place);
    assert!(order.is_sorted(), "{order:?}");
    // No id of a peer holds a blank.
    let found = stage.get("/peers?q=N%20O").await.text();
    assert!(found.contains(&ann.to_string()) && !found.contains(&bob.to_string()), "{found}");
}

#[tokio::test]
async fn the_page_shows_one_conversation_and_says_with_whom() {
    let stage = Stage::set().await;
    let ann = new_peer();
    with(&stage, |play| play.rows = vec![row(ann, "Ann & Co")]);
    let direct = stage.post_json("/api/v1/chat", &json!({ "to": ann.to_string(), "content": "only for you" }).to_string()).await;
    assert_eq!(direct.status, 202);
    stage.post_json("/api/v1/chat", r#"{"content":"for all"}"#).await;
    let (everyone, alone) = (stage.get("/chat").await.text(), stage.get(&format!("/chat?with={ann}")).await.text());
    assert!(
        everyone.contains(">Everyone here</h1>") && everyone.contains("for all") && !everyone.contains("class=\"said\">only for you"),
        "{everyone}"
    );
    assert!(
        alone.contains(">Ann &#38; Co</bdi></h1>") && alone.contains("only for you") && !alone.contains("class=\"said\">for all"),
        "{alone}"
    );
    assert!(everyone.contains(&format!("href=\"/chat?with={ann}\"")), "{everyone}");
    assert_problem(&stage.get("/chat?with=nobody").await, 400, "bad-request");
}

#[tokio::test]
async fn every_path_word_reaches_the_page() {
    let stage = Stage::set().await;
    let row_of = |path| goop::peer::PeerRow { path, ..row(new_peer(), "x") };
    with(&stage, |play| play.rows = [Path::Lan, Path::Direct, Path::Relayed, Path::Unreachable, Path::NotTried].map(row_of).to_vec());
    let html = stage.get("/peers").await.text();
    for word in ["same network", "direct", "relayed", "unreachable", "not tried yet"] {
        assert!(html.contains(word), "{word}");
    }
}

#[tokio::test]
async fn my_site_lists_what_is_there_and_offers_a_first_page_to_who_has_none() {
    let stage = Stage::set().await;
    let site = stage.site_host(stage.me).await;
    let empty = stage.get("/site").await;
    for said in ["Begin with a first page", "data-look=\"night\"", "There is nothing yet", "Nothing yet; choose a first page"] {
        assert!(empty.text().contains(said), "{said}: {}", empty.text());
    }
    let frame = format!("src=\"http://{site}/\"");
    assert!(!empty.text().contains(&frame), "an empty site is not framed");
    let csp = empty.header("content-security-policy").unwrap();
    assert!(csp.ends_with(&format!("; frame-src http://{site}/ 'self'")) && csp.contains("frame-ancestors 'none'"), "{csp}");
    let nasty = "%3Cimg%20src=x%20onerror=alert(1)%3E.html";
    for path in ["index.html", "photos/a.jpg", nasty] {
        assert_eq!(stage.write("PUT", &format!("/api/v1/site/{path}"), "", b"12345").await.status, 204);
    }
    let html = stage.get("/site").await.text();
    assert!(
        html.contains(&frame)
            && html.contains("3 files, 15 bytes")
            && !html.contains("Begin with a first page")
            && !html.contains("<img src=x"),
        "{html}"
    );
    assert!(
        html.contains(&format!("href=\"http://{site}/photos/a.jpg\"")) && html.contains("href=\"/site/edit?path=index.html\""),
        "{html}"
    );
    assert!(!html.contains("edit?path=photos"), "a picture is no text");
    let edit = stage.get(&format!("/site/edit?path={}", "%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E.html")).await.text();
    assert!(edit.contains("data-etag=") && edit.contains(">\n12345</textarea>") && !edit.contains("<img src=x"), "{edit}");
}

#[tokio::test]
async fn a_text_is_edited_as_it_is_and_what_is_none_is_not() {
    let stage = Stage::set().await;
    let texts: [(&str, &[u8], &str); 5] = [
        ("a.html", b"</textarea><script>alert(1)</script>", "&#60;/textarea&#62;&#60;script&#62;"),
        ("b.css", b"\r\n\r\nb { }\r\n", "data-crlf"),
        ("c.txt", b"\xff\xfe", "It is no text in UTF-8."),
        ("d.json", b"{\"a\":\"\0\"}", "It is no text in UTF-8."),
        ("e.png", b"x", "Texts are edited here"),
    ];
    for (path, content, said) in texts {
        assert_eq!(stage.write("PUT", &format!("/api/v1/site/{path}"), "", content).await.status, 204);
        let html = stage.get(&format!("/site/edit?path={path}")).await.text();
        assert!(html.contains(said) && !html.contains("<script>"), "{path}: {html}");
    }
    assert_eq!(stage.write("PUT", "/api/v1/site/long.txt", "", &vec![b'a'; (1 << 20) + 1]).await.status, 204);
    assert!(stage.get("/site/edit?path=long.txt").await.text().contains("It is too long"));
    let new = stage.get("/site/edit?path=about").await.text();
    assert!(new.contains("data-path=\"about.html\"") && new.contains("not saved yet") && !new.contains("data-etag"), "{new}");
    assert_problem(&stage.get("/site/edit?path=../x.html").await, 403, "forbidden");
    assert_problem(&stage.get("/site/edit?path=.env").await, 403, "forbidden");
}

/// THREATS 24.
#[tokio::test]
async fn a_peers_site_is_framed_from_its_own_origin_and_says_whose_it_is() {
    let stage = Stage::set().await;
    let (ann, eve) = (new_peer(), new_peer());
    with(&stage, |play| play.rows = vec![row(ann, "Ann")]);
    let site = stage.site_host(ann).await;
    let page = stage.get(&format!("/peers/{ann}/site")).await;
    let html = page.text();
    let sandbox = "sandbox=\"allow-scripts allow-same-origin allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox\"";
    for said in [">Ann</bdi></h1>", "verified", "same network", &format!("src=\"http://{site}/\""), sandbox, &format!("/chat?with={ann}")] {
        assert!(html.contains(said), "{said}: {html}");
    }
    let csp = page.header("content-security-policy").unwrap();
    assert!(csp.ends_with(&format!("; frame-src http://{site}/")) && csp.contains("frame-ancestors 'none'"), "{csp}");
    let (path, json) = (format!("/api/v1/contacts/{eve}"), "Content-Type: application/json\r\n");
    assert_eq!(stage.write("PUT", &path, json, br#"{"blocked":true}"#).await.status, 200);
    let blocked = stage.get(&format!("/peers/{eve}/site")).await.text();
    assert!(blocked.contains("You blocked") && !blocked.contains("<iframe"), "{blocked}");
    assert_problem(&stage.get("/peers/nobody/site").await, 400, "bad-request");
}
