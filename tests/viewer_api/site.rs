//! Sites as origins of their own, and one's own site read and written (THREATS 24, 27, 39–41).

use serde_json::json;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Answer, Script, Stage, new_peer, read_head};
use crate::{PNG, SOON, assert_problem, with};

/// THREATS 27: the headers, letter for letter.
#[tokio::test]
async fn header_snapshot_of_a_peers_site() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| _ = play.files.insert((peer, "/".into()), Script::file("application/x-evil", "<p>hi")));
    let site = stage.site_host(peer).await;
    let answer = stage.ask(&format!("GET / HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    let mut head: Vec<_> = answer
        .head
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
        .map(str::to_ascii_lowercase)
        .collect();
    head[1..].sort();
    let csp = format!(
        "content-security-policy: default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; webrtc 'block'; frame-ancestors http://{} http://127.0.0.1:{}",
        stage.host(),
        stage.addr().port()
    );
    let devices = "permissions-policy: accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), local-fonts=(), \
                   magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=(), xr-spatial-tracking=()";
    let expected = [
        "http/1.1 200 ok",
        "cache-control: no-cache",
        "connection: close",
        "content-length: 5",
        csp.as_str(),
        "content-type: text/html; charset=utf-8",
        "cross-origin-opener-policy: same-origin",
        "cross-origin-resource-policy: same-origin",
        "origin-agent-cluster: ?1",
        devices,
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
    ];
    assert_eq!(head, expected);
}

#[tokio::test]
async fn a_site_has_files_only_and_no_api_no_writes_no_service_worker() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| {
        play.files.insert((peer, "/api/v1/self".into()), Script::file("application/json", "{}"));
        play.files.insert((peer, "/sw.js".into()), Script::file("text/javascript", "1"));
        play.files.insert((peer, "/what.exe".into()), Script::file("text/html", "MZ"));
        play.files.insert((peer, "/docs".into()), Script::file("text/html", "index"));
    });
    for host in [stage.site_host(peer).await, stage.site_host(stage.me).await] {
        for path in ["/api/v1/self", "/api/v1/peers", "/healthz", "/metrics", "/static/goop.css"] {
            let answer = stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"), b"").await;
            assert_eq!(answer.status, 404, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let answer =
                stage.ask(&format!("{method} / HTTP/1.1\r\nHost: {host}\r\nX-Goop-Token: {}\r\n", stage.viewer.token()), b"").await;
            assert_eq!(answer.status, 405, "{method}");
            assert!(answer.header("content-security-policy").is_some());
        }
    }
    let site = stage.site_host(peer).await;
    let ask = async |path: &str, more: &str| stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {site}\r\n{more}"), b"").await;
    assert_eq!(ask("/sw.js", "").await.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(ask("/sw.js", "Service-Worker: script\r\n").await.status, 403);
    assert_eq!(ask("/sw.js", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n").await.status, 403);
    assert_eq!(ask("/sw.js", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n").await.status, 200);
    let unknown = ask("/what.exe", "").await;
    assert_eq!(
        (unknown.header("content-type"), unknown.header("content-disposition")),
        (Some("application/octet-stream"), Some("attachment; filename=\"what.exe\""))
    );
    let folder = ask("/docs", "").await;
    assert_eq!((folder.status, folder.header("location")), (308, Some("./docs/")));
}

#[tokio::test]
async fn the_own_site_is_written_read_and_removed_by_version() {
    let stage = Stage::set_with(|options| options.max_file = 1000).await;
    assert_eq!(stage.get("/api/v1/site").await.json()["entries"], json!([]), "no folder yet");
    let new = "If-None-Match: *\r\n";
    let first = stage.write("PUT", "/api/v1/site/sub/a%20b.html", new, b"<p>one").await;
    assert_eq!(first.status, 204);
    let tag = first.header("etag").unwrap().to_owned();
    assert_problem(&stage.write("PUT", "/api/v1/site/sub/a%20b.html", new, b"two").await, 412, "changed");
    assert_problem(&stage.write("PUT", "/api/v1/site/sub/a%20b.html", "If-Match: \"other\"\r\n", b"two").await, 412, "changed");
    for odd in ["If-Match: *\r\n", "If-Match: W/\"a\"\r\n", "If-Match: \"a\", \"b\"\r\n", "If-None-Match: \"a\"\r\n"] {
        assert_problem(&stage.write("PUT", "/api/v1/site/sub/a%20b.html", odd, b"two").await, 400, "bad-request");
    }
    let read = stage.get("/api/v1/site/sub/a%20b.html").await;
    assert_eq!((read.text().as_str(), read.header("etag")), ("<p>one", Some(tag.as_str())));
    assert_eq!(read.header("content-disposition"), Some("attachment; filename=\"a_b.html\""));
    let site = stage.site_host(stage.me).await;
    let shown = stage.ask(&format!("GET /sub/a%20b.html HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    assert_eq!((shown.text().as_str(), shown.header("content-disposition")), ("<p>one", None));
    let again = stage.ask(&format!("GET /sub/a%20b.html HTTP/1.1\r\nHost: {site}\r\nIf-None-Match: {tag}\r\n"), b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let second = stage.write("PUT", "/api/v1/site/sub/a%20b.html", &format!("If-Match: {tag}\r\n"), b"two").await;
    assert_eq!(second.status, 204);
    assert_eq!(stage.get("/api/v1/site").await.json()["entries"][0]["path"], "sub/a b.html");
    assert_problem(&stage.write("DELETE", "/api/v1/site/sub/a%20b.html", &format!("If-Match: {tag}\r\n"), b"").await, 412, "changed");
    assert_eq!(stage.write("DELETE", "/api/v1/site/sub/a%20b.html", "", b"").await.status, 204);
    assert_problem(&stage.get("/api/v1/site/sub/a%20b.html").await, 404, "not-found");
}

#[tokio::test]
async fn a_part_of_an_own_file_is_sent_and_of_a_peers_file_the_whole() {
    let stage = Stage::set().await;
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(stage.write("PUT", "/api/v1/site/a.mp4", "", &content).await.status, 204);
    let peer = new_peer();
    with(&stage, |play| _ = play.files.insert((peer, "/a.mp4".into()), Script::file("video/mp4", "0123456789")));
    let (own, foreign) = (stage.site_host(stage.me).await, stage.site_host(peer).await);
    let on = async |method: &str, host: &str, path: &str, more: &str| {
        stage.ask(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"), b"").await
    };
    for (host, path) in [(own.as_str(), "/a.mp4"), (stage.host().as_str(), "/api/v1/site/a.mp4")] {
        for (range, first, last) in [("100-199", 100, 199), ("150000-", 150_000, 199_999), ("-10", 199_990, 199_999), ("0-0", 0, 0)] {
            let part = on("GET", host, path, &format!("Range: bytes={range}")).await;
            assert_eq!((part.status, part.header("content-range")), (206, Some(format!("bytes {first}-{last}/200000").as_str())), "{path}");
            assert!(part.body == content[first..=last], "{path} {range}");
        }
        let whole = on("GET", host, path, "Range: bytes=0-1,4-5").await;
        assert_eq!((whole.status, whole.header("accept-ranges"), whole.body.len()), (200, Some("bytes"), 200_000));
        let tag = whole.header("etag").unwrap();
        assert_eq!(on("GET", host, path, &format!("Range: bytes=0-1\r\nIf-Range: {tag}")).await.status, 206);
        assert_eq!(on("GET", host, path, "Range: bytes=0-1\r\nIf-Range: \"older\"").await.status, 200);
        let beyond = on("GET", host, path, "Range: bytes=200000-").await;
        assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */200000")));
        assert_eq!(on("HEAD", host, path, "Range: bytes=0-1").await.status, 200, "a head has no parts");
    }
    let theirs = on("GET", &foreign, "/a.mp4", "Range: bytes=0-1").await;
    assert_eq!((theirs.status, theirs.header("accept-ranges"), theirs.text().as_str()), (200, None, "0123456789"));
}

#[tokio::test]
async fn a_slow_upload_keeps_no_other_write_waiting() {
    let stage = Stage::set().await;
    let put = |path: &str, length: usize, body: &str| {
        let token = stage.viewer.token();
        format!(
            "PUT /api/v1/site/{path} HTTP/1.1\r\nHost: {}\r\nX-Goop-Token: {token}\r\nContent-Length: {length}\r\n\r\n{body}",
            stage.host()
        )
    };
    let mut slow = TcpStream::connect(stage.addr()).await.unwrap();
    slow.write_all(put("slow.txt", 4, "ab").as_bytes()).await.unwrap();
    let begun = async {
        while std::fs::read_dir(stage.home.path().join("site")).map_or(0, Iterator::count) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, begun).await.expect("the upload does not begin");
    let other = timeout(SOON, stage.write("PUT", "/api/v1/site/other.txt", "", b"now")).await.expect("it waits for the slow one");
    assert_eq!((other.status, stage.write("PUT", "/api/v1/avatar", "", PNG).await.status), (204, 204));
    slow.write_all(b"cd").await.unwrap();
    assert_eq!(read_head(&mut BufReader::new(slow)).await.unwrap().0, 204);
}

#[tokio::test]
async fn files_dropped_into_the_own_site_are_listed_on_its_origin() {
    let stage = Stage::set().await;
    std::fs::create_dir_all(stage.home.path().join("site/photos")).unwrap();
    std::fs::write(stage.home.path().join("site/photos/<i>.jpg"), "x").unwrap();
    let site = stage.site_host(stage.me).await;
    let ask = async |path: &str| stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    assert!(ask("/").await.text().contains("href=\"photos/\""));
    let photos = ask("/photos").await;
    assert_eq!((photos.status, photos.header("location")), (308, Some("./photos/")));
    let listed = ask("/photos/").await;
    assert_eq!((listed.status, listed.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(listed.text().contains("href=\"%3Ci%3E.jpg\"") && !listed.text().contains("<i>"), "{}", listed.text());
}

/// THREATS 39–41, through HTTP's own spellings.
#[tokio::test]
async fn nothing_outside_the_own_site_is_read_or_written() {
    let stage = Stage::set().await;
    std::fs::create_dir_all(stage.home.path().join("site/lua")).unwrap();
    std::fs::write(stage.home.path().join("secret.txt"), "secret").unwrap();
    std::fs::write(stage.home.path().join("site/.env"), "secret").unwrap();
    std::fs::write(stage.home.path().join("site/lua/x.lua"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(stage.home.path().join("secret.txt"), stage.home.path().join("site/link.txt")).unwrap();
    let site = stage.site_host(stage.me).await;
    let paths = [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "%2e%2e%2fsecret.txt",
        "sub/../../secret.txt",
        "..%5csecret.txt",
        "//etc/passwd",
        "%2fetc/passwd",
        ".env",
        "%2eenv",
        "lua/x.lua",
        "LUA/x.lua",
        "lua%2fx.lua",
        "link.txt",
        "a%00b",
        "C:%5csecret.txt",
        "....//secret.txt",
        "%252e%252e/secret.txt",
    ];
    for path in paths {
        for answer in
            [stage.get(&format!("/api/v1/site/{path}")).await, stage.ask(&format!("GET /{path} HTTP/1.1\r\nHost: {site}\r\n"), b"").await]
        {
            assert!([400, 403, 404].contains(&answer.status) && !answer.text().contains("secret\n"), "{path}: {answer:?}");
            assert_ne!(answer.text(), "secret", "{path}");
        }
    }
    for path in &paths[..5] {
        assert!([400, 403, 404].contains(&stage.write("PUT", &format!("/api/v1/site/{path}"), "", b"x").await.status), "{path}");
    }
    assert_eq!(std::fs::read_to_string(stage.home.path().join("secret.txt")).unwrap(), "secret");
}

#[tokio::test]
async fn a_head_request_hears_the_head_and_no_body() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| _ = play.files.insert((peer, "/a.txt".into()), Script::file("text/plain", "hello")));
    let site = stage.site_host(peer).await;
    let head = stage.ask(&format!("HEAD /a.txt HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("5"), 0));
}

#[tokio::test]
async fn a_file_of_the_own_site_is_renamed_by_version_and_replaces_nothing() {
    let stage = Stage::set().await;
    for path in ["a.html", "b.html"] {
        assert_eq!(stage.write("PUT", &format!("/api/v1/site/{path}"), "", path.as_bytes()).await.status, 204);
    }
    let json = "Content-Type: application/json\r\n";
    let rename = async |more: &str, to: &str| {
        let body = json!({ "to": to }).to_string();
        stage.write("POST", "/api/v1/site/a.html", &format!("{json}{more}"), body.as_bytes()).await
    };
    assert_problem(&rename("", "b.html").await, 409, "taken");
    assert_problem(&rename("If-Match: \"other\"\r\n", "c.html").await, 412, "changed");
    assert_problem(&rename("", ".env").await, 403, "forbidden");
    let renamed = rename("", "folder/c d.html").await;
    assert_eq!(renamed.status, 204);
    let read = stage.get("/api/v1/site/folder/c%20d.html").await;
    assert_eq!((read.text().as_str(), read.header("etag")), ("a.html", renamed.header("etag")));
    assert_problem(&rename("", "e.html").await, 404, "not-found");
    assert_problem(&stage.write("POST", "/api/v1/site/b.html", "", br#"{"to":"e.html"}"#).await, 415, "unsupported-media-type");
}

#[tokio::test]
async fn a_first_page_is_made_once_and_never_over_another() {
    let stage = Stage::set().await;
    assert_problem(&stage.post_json("/api/v1/site", r#"{"look":"loud"}"#).await, 400, "bad-request");
    for look in ["card", "letter", "night"] {
        let shown = stage.get(&format!("/site/look/{look}")).await;
        assert!(shown.text().contains("Me &#60;b&#62;myself"), "{}", shown.text());
        let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";
        assert_eq!(shown.header("content-security-policy"), Some(policy));
    }
    assert_eq!(stage.post_json("/api/v1/site", r#"{"look":"letter"}"#).await.status, 204);
    assert_problem(&stage.post_json("/api/v1/site", r#"{"look":"night"}"#).await, 412, "changed");
    let site = stage.site_host(stage.me).await;
    let shown = stage.ask(&format!("GET / HTTP/1.1\r\nHost: {site}\r\n"), b"").await.text();
    assert!(shown.contains("Dear visitor") && shown.contains("Me &#60;b&#62;myself"), "{shown}");
}

async fn send_form(stage: &Stage, heads: &str, form: &str) -> Answer {
    let head = format!(
        "POST /site/first HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{heads}",
        stage.host(),
        form.len()
    );
    stage.ask(&head, form.as_bytes()).await
}

#[tokio::test]
async fn a_first_page_without_a_name_says_so_at_the_field_and_loses_nothing() {
    let stage = Stage::set().await;
    let own = format!("Origin: http://{}\r\n", stage.host());
    let form = |name: &str| format!("token={}&name={name}&look=night", stage.viewer.token());
    assert!(stage.get("/site").await.text().contains("name=\"name\" value=\"\""), "nobody has said a name");
    for (name, typed, words) in [("", "", "Your name is missing"), ("a%07%3Cb%3E", "a\u{7}&#60;b&#62;", "must have no control characters")]
    {
        let back = send_form(&stage, &own, &form(name)).await;
        let html = back.text();
        assert!(back.status == 422 && html.contains(words) && html.contains(&format!("value=\"{typed}\"")), "{html}");
        assert!(html.contains("aria-invalid=\"true\"") && html.contains("Begin with a first page"), "{html}");
    }
    assert!(!stage.home.path().join("site/index.html").exists());
    assert_eq!(stage.get("/site/first").await.header("location"), Some("/site"), "who comes back to the form's own address");
    let made = send_form(&stage, &own, &form("Ann+%26+Co")).await;
    assert_eq!((made.status, made.header("location")), (303, Some("/site")));
    assert!(std::fs::read_to_string(stage.home.path().join("site/index.html")).unwrap().contains("Ann &#38; Co"));
    let twice = send_form(&stage, &own, &form("Bob")).await;
    assert!(twice.status == 412 && twice.text().contains("There is a first page already"), "{twice:?}");
    stage.configure("[profile]\nlabel = \"Ann\"\n").await;
    stage.write("DELETE", "/api/v1/site/index.html", "", b"").await;
    assert!(stage.get("/site").await.text().contains("name=\"name\" value=\"Ann\""), "who has said it need not type it");
}

/// THREATS 24: the one form that needs no script, from anywhere but our own page.
#[tokio::test]
async fn attack_no_other_page_sends_the_form_and_none_without_the_token() {
    let stage = Stage::set().await;
    let (own, token) = (format!("Origin: http://{}\r\n", stage.host()), stage.viewer.token().to_owned());
    let good = format!("token={token}&name=Eve&look=card");
    assert_problem(&send_form(&stage, "", &good).await, 403, "token");
    let theirs = format!("Origin: http://{}\r\n", stage.site_host(new_peer()).await);
    for heads in ["Origin: null\r\n", "Origin: http://evil.example\r\n", &theirs, &format!("{own}Sec-Fetch-Site: same-site\r\n")] {
        assert_problem(&send_form(&stage, heads, &good).await, 403, "foreign-origin");
    }
    for wrong in [String::new(), token[1..].to_owned(), format!("{token}0")] {
        let refused = send_form(&stage, &own, &format!("token={wrong}&name=Eve&look=card")).await;
        assert!(
            refused.status == 403 && refused.text().contains("value=\"Eve\"") && refused.text().contains("started again"),
            "{refused:?}"
        );
    }
    for bad in [String::new(), format!("{good}&look=card"), format!("token={token}&name=Eve&look=loud"), format!("{good}&x=1")] {
        assert_problem(&send_form(&stage, &own, &bad).await, 400, "bad-request");
    }
    assert!(!stage.home.path().join("site/index.html").exists());
}

/// THREATS 54: it is said before a byte of it is read.
#[tokio::test]
async fn an_upload_larger_than_the_disk_hears_507_and_leaves_nothing() {
    let stage = Stage::set_with(|options| options.max_file = u64::MAX).await;
    let head = format!(
        "PUT /api/v1/site/a.iso HTTP/1.1\r\nHost: {}\r\nX-Goop-Token: {}\r\nContent-Length: {}\r\n",
        stage.host(),
        stage.viewer.token(),
        1_u64 << 60
    );
    let refused = stage.ask(&head, b"").await;
    assert_problem(&refused, 507, "disk-full");
    assert!(refused.text().contains("nothing was changed"), "{refused:?}");
    assert!(!stage.home.path().join("site").exists());
    assert!(stage.get("/api/v1/site").await.json()["room"].as_u64().unwrap() < 1 << 60);
}

#[tokio::test]
async fn a_draft_is_shown_on_the_own_site_alone_and_saved_nowhere() {
    let stage = Stage::set().await;
    let kept = stage.write("PUT", "/api/v1/site-draft/sub/a%20b.html", "", b"<p>draft").await;
    let url = kept.json()["url"].as_str().unwrap().to_owned();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert_eq!(host, stage.site_host(stage.me).await);
    let ask = async |host: &str, path: &str| stage.ask(&format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n"), b"").await;
    let shown = ask(host, path).await;
    assert_eq!((shown.text().as_str(), shown.header("content-type")), ("<p>draft", Some("text/html; charset=utf-8")));
    assert!(shown.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let other = stage.site_host(new_peer()).await;
    for (host, path) in [(host, "sub/a%20b.html"), (&other, path), (host, "sub/a%20b.html?goop-draft=0")] {
        assert_eq!(ask(host, path).await.status, 404, "{host} {path}");
    }
    assert!(!stage.home.path().join("site").exists());
    assert_problem(&stage.write("PUT", "/api/v1/site-draft/.env", "", b"x").await, 403, "forbidden");
    assert_problem(&stage.write("PUT", "/api/v1/site-draft/a.html", "", &vec![b'a'; (1 << 20) + 1]).await, 413, "too-large");
}
