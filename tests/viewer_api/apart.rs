//! Sites without an origin of their own (THREATS 26).

use crate::stage::{Script, Stage, new_peer};
use crate::with;

/// The path at which a site stands apart, as our page names it.
async fn apart(stage: &Stage, peer: libp2p::PeerId) -> String {
    let page = stage.get(&format!("/peers/{peer}/site?apart=1")).await.text();
    let from = page.find("/apart/").unwrap_or_else(|| panic!("{page}"));
    page[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_site_apart_has_no_origin_and_loads_its_own_files_only() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| {
        play.files.insert((peer, "/".into()), Script::file("text/html", "<p>hi"));
        play.files.insert((peer, "/docs".into()), Script::file("text/html", "index"));
        play.files.insert((peer, "/a.exe".into()), Script::file("text/html", "MZ"));
    });
    let place = apart(&stage, peer).await;
    let opaque = "Origin: null\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors";
    let ask = async |path: &str| stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{opaque}\r\n", stage.host()), b"").await;
    let page = ask(&place).await;
    assert_eq!((page.status, page.text().as_str(), page.header("x-content-type-options")), (200, "<p>hi", Some("nosniff")));
    let (host, port) = (stage.host(), stage.addr().port());
    let own = format!("http://{host}{place} http://127.0.0.1:{port}{place}");
    let csp = format!(
        "sandbox allow-scripts allow-forms allow-downloads; default-src 'none'; script-src {own} 'unsafe-inline'; \
         style-src {own} 'unsafe-inline'; img-src {own} data: blob:; media-src {own} blob:; font-src data:; form-action 'none'; \
         base-uri 'none'; webrtc 'block'; frame-ancestors http://{host} http://127.0.0.1:{port}"
    );
    assert_eq!(page.header("content-security-policy"), Some(csp.as_str()));
    assert_eq!(page.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert!(!page.head.to_ascii_lowercase().contains("access-control"));
    assert_eq!(ask(&format!("{place}docs")).await.header("location"), Some("./docs/"));
    assert_eq!(ask(&format!("{place}a.exe")).await.header("content-disposition"), Some("attachment; filename=\"a.exe\""));
    for wrong in [place.replace("/apart/", "/apart/0"), place.replace(&peer.to_string(), &new_peer().to_string()), "/apart/x".into()] {
        let answer = ask(&wrong).await;
        assert_eq!(answer.status, 404, "{wrong}");
        assert!(answer.header("content-security-policy").unwrap().starts_with("sandbox "), "{wrong}");
    }
    let other = apart(&stage, new_peer()).await;
    assert_ne!(place.split('/').nth(2), other.split('/').nth(2), "each site has a key of its own");
    for write in ["POST", "PUT", "DELETE"] {
        assert_eq!(stage.write(write, &place, "", b"x").await.status, 405);
    }
    let site = stage.site_host(peer).await;
    assert_eq!(stage.ask(&format!("GET {place} HTTP/1.1\r\nHost: {site}\r\n"), b"").await.status, 404, "a site knows nothing of it");
}
