//! What HTTP says of the directory, and who may change it.

use std::collections::BTreeSet;

use goop::rendezvous::Rendezvous;
use goop::shutdown::Tasks;
use goop::superhub::SuperHub;
use goop::telemetry::Metrics;
use libp2p::identity::Keypair;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::hub::{Hub, PASSWORD, board_options, options};
use super::stage;

fn chess() -> Value {
    json!({ "community": "Chess Club", "rendezvous": "rv2.example.com:8787", "type": "invite-only", "members": 23 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_made_read_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let made = hub.list(json!({
        "community": "Go Developers", "description": "We write programs.", "tags": ["Go", "code"], "lang": "en", "type": "open",
        "rendezvous": "rv1.example.com:8787", "members": 142,
    }));
    let made = made.await;
    let expected = [
        ("community", json!("Go Developers")),
        ("description", json!("We write programs.")),
        ("tags", json!(["go", "code"])),
        ("lang", json!("en")),
        ("rendezvous", json!("rv1.example.com:8787")),
        ("type", json!("open")),
        ("paid", json!(false)),
        ("members", json!(142)),
        ("health", json!("unknown")),
        ("origin", json!("hub.example")),
        ("origin_id", json!(stage::key().public().to_peer_id().to_base58())),
        ("federated", json!(false)),
        ("proven", json!(false)),
        ("similar_to", Value::Null),
    ];
    for (field, value) in expected {
        assert_eq!(made[field], value, "{field}");
    }
    let (id, path) = (made["id"].as_str().unwrap(), format!("/api/v1/communities/{}", made["id"].as_str().unwrap()));
    assert_eq!(id.len(), 26);
    assert!(made["updated"].as_str().unwrap().ends_with('Z'));
    assert_eq!(hub.get(&path).await, made);
    assert_eq!(hub.names("q=go+dev").await, ["Go Developers"]);

    let tag = format!("\"{}\"", made["version"]);
    let change = |tag: &str, body: Value| hub.as_admin(Method::PATCH, &path).header("if-match", tag).json(&body).send();
    let changed = change(&tag, json!({ "community": "Rust Developers", "tags": [], "lang": "" })).await.unwrap();
    assert_eq!(changed.status(), 200);
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(
        (&changed["community"], &changed["lang"], &changed["id"], &changed["members"]),
        (&json!("Rust Developers"), &Value::Null, &made["id"], &json!(142))
    );
    assert!(changed["version"].as_u64() > made["version"].as_u64());
    assert_eq!(change(&tag, json!({ "members": 1 })).await.unwrap().status(), 412, "that was an older version");
    assert_eq!((hub.names("q=go").await.len(), hub.names("q=rust").await.len()), (0, 1));

    assert_eq!(hub.as_admin(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(hub.ask(Method::GET, &path).send().await.unwrap().status(), 410);
    assert_eq!(hub.as_admin(Method::DELETE, &path).send().await.unwrap().status(), 410);
    assert_eq!(hub.names("").await, [""; 0]);
    let audit = hub.admin_get("/api/v1/admin/audit").await;
    let what: Vec<_> =
        audit["audit"].as_array().unwrap().iter().map(|row| (row["who"].as_str().unwrap(), row["what"].as_str().unwrap())).collect();
    assert_eq!(what, [("admin", "removed"), ("admin", "changed"), ("admin", "listed")]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_strangers_hear_401_before_anything_else_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let id = hub.list(chess()).await["id"].as_str().unwrap().to_owned();
    let one = format!("/api/v1/communities/{id}");
    let doors = [
        (Method::POST, "/api/v1/communities"),
        (Method::PATCH, one.as_str()),
        (Method::DELETE, one.as_str()),
        (Method::DELETE, "/api/v1/communities/nothing"),
        (Method::POST, "/api/v1/communities/import"),
        (Method::GET, "/api/v1/admin/requests"),
        (Method::GET, "/api/v1/admin/audit"),
    ];
    for (method, path) in doors {
        for body in ["", "not json", "{\"origin\":\"elsewhere\"}"] {
            let refused = hub.ask(method.clone(), path).header("content-type", "text/plain").body(body).send().await.unwrap();
            assert_eq!(refused.status(), 401, "{method} {path} {body}");
            let ways: Vec<_> = refused
                .headers()
                .get_all("www-authenticate")
                .iter()
                .map(|line| line.to_str().unwrap().split(' ').next().unwrap().to_owned())
                .collect();
            assert_eq!(ways, ["Basic", "libp2p-PeerID"]);
        }
    }
    let stranger = Keypair::generate_ed25519();
    for (method, path) in [(Method::PATCH, one.as_str()), (Method::DELETE, one.as_str())] {
        let refused = hub.by_peer(&stranger, method, path, Some(&json!({ "community": "Mine" }))).await;
        assert_eq!(refused.status(), 403);
    }
    assert_eq!(hub.by_peer(&stranger, Method::GET, "/api/v1/admin/requests", None).await.status(), 403);
    let foreign =
        hub.as_admin(Method::POST, "/api/v1/communities").header("origin", "https://evil.example").json(&chess()).send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert_eq!(hub.names("").await, ["Chess Club"]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_the_operator_s_doors_are_shut_and_a_listed_peer_s_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Keypair::generate_ed25519();
    let mut options = options(folder.path());
    let shut = Hub::with(options.clone(), "");
    assert_eq!(shut.as_admin(Method::GET, "/api/v1/admin/audit").send().await.unwrap().status(), 403);
    assert_eq!(shut.ask(Method::POST, "/api/v1/communities").send().await.unwrap().status(), 401, "a server may still list itself");
    shut.close().await;
    options.peers = vec![admin.public().to_peer_id()];
    let hub = Hub::with(options, "");
    let made = hub.by_peer(&admin, Method::POST, "/api/v1/communities", Some(&chess())).await;
    assert_eq!(made.status(), 201);
    assert!(made.headers().contains_key("authentication-info"));
    let audit: Value = hub.by_peer(&admin, Method::GET, "/api/v1/admin/audit", None).await.json().await.unwrap();
    assert_eq!(audit["audit"][0]["who"], admin.public().to_peer_id().to_base58());
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_somebody_else_s_origin_is_not_written_here() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    for origin in
        [json!({ "origin": "hub.bob.example" }), json!({ "origin_id": Keypair::generate_ed25519().public().to_peer_id().to_base58() })]
    {
        let mut listing = chess();
        listing.as_object_mut().unwrap().extend(origin.as_object().unwrap().clone());
        let refused = hub.as_admin(Method::POST, "/api/v1/communities").json(&listing).send().await.unwrap();
        assert_eq!(refused.status(), 403, "{listing}");
    }
    let made = hub.list(chess()).await;
    assert_eq!(
        hub.as_admin(Method::POST, "/api/v1/communities").json(&made).send().await.unwrap().status(),
        201,
        "what a hub answers may be sent back"
    );
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_what_cannot_be_listed_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let bad = [
        (json!({}), "community"),
        (json!({ "community": "A" }), "rendezvous"),
        (json!({ "community": "A\u{202e}B", "rendezvous": "a:1" }), "202E"),
        (json!({ "community": "x".repeat(65), "rendezvous": "a:1" }), "64"),
        (json!({ "community": "A", "rendezvous": "javascript:alert(1)" }), "host:port"),
        (json!({ "community": "A", "rendezvous": "https://u:p@a" }), "password"),
        (json!({ "community": "A", "rendezvous": "a:1", "type": "secret" }), "secret"),
        (json!({ "community": "A", "rendezvous": "a:1", "tags": ["<script>"] }), "tag"),
        (json!({ "community": "A", "rendezvous": "a:1", "lang": "klingon language" }), "BCP 47"),
        (json!({ "community": "A", "rendezvous": "a:1", "nmae": "B" }), "nmae"),
        (json!({ "community": "A", "rendezvous": "a:1", "members": -1 }), "members"),
    ];
    for (listing, word) in bad {
        let refused = hub.as_admin(Method::POST, "/api/v1/communities").json(&listing).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{listing}");
        let detail: Value = refused.json().await.unwrap();
        assert!(detail["detail"].as_str().unwrap().contains(word) || word == "members", "{listing}: {detail}");
    }
    let twice = "{\"community\":\"A\",\"community\":\"B\",\"rendezvous\":\"a:1\"}";
    let refused =
        hub.as_admin(Method::POST, "/api/v1/communities").header("content-type", "application/json").body(twice).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_odd_queries_get_clear_answers() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    hub.list(chess()).await;
    let long = format!("q={}", "chess+".repeat(1700));
    for (params, status) in [
        (long.as_str(), 400),
        ("q=***", 400),
        ("q=", 200),
        ("", 200),
        ("q=chess+AND+NOT+%22", 200),
        ("q=NEAR(a+b)", 200),
        ("q=name%3Achess*", 200),
        ("q=%00%ff", 400),
        ("type=secret", 400),
        ("health=great", 400),
        ("sort=random", 400),
        ("limit=0", 400),
        ("limit=51", 400),
        ("limit=x", 400),
        ("cursor=x", 400),
        ("cursor=3.9999999999999999999", 400),
        ("cursor=3.17592186044415", 200),
        ("tag=%3Cb%3E", 400),
        ("lang=1", 400),
        ("origin=nobody", 200),
        ("paid=maybe", 400),
        ("q=a&q=b", 400),
    ] {
        let answer = hub.ask(Method::GET, &format!("/api/v1/communities?{params}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{params:.60}");
        let body: Value = answer.json().await.unwrap();
        assert!(
            if status == 200 { body["communities"].is_array() } else { !body["detail"].as_str().unwrap().is_empty() },
            "{params:.60}: {body}"
        );
    }
    assert_eq!(hub.names("origin=nobody").await, [""; 0]);
    assert_eq!(hub.names("origin=HUB.example&q=chess").await, ["Chess Club"]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_listings_are_imported_at_once_and_bad_lines_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let mut lines: Vec<String> =
        (0..600).map(|number| json!({ "community": format!("Imported {number}"), "rendezvous": "rv.example:1" }).to_string()).collect();
    lines.insert(1, "{".into());
    lines.insert(5, json!({ "community": "No place" }).to_string());
    lines.push(String::new());
    let import =
        |mime: &str, body: String| hub.as_admin(Method::POST, "/api/v1/communities/import").header("content-type", mime).body(body).send();
    let answer: Value = import("application/x-ndjson", lines.join("\n")).await.unwrap().json().await.unwrap();
    assert_eq!((&answer["listed"], &answer["refused"]), (&json!(600), &json!(2)));
    let told: Vec<_> = answer["refusals"].as_array().unwrap().iter().map(|refusal| refusal["line"].as_u64().unwrap()).collect();
    assert_eq!(told, [2, 6]);
    assert_eq!(hub.names("q=imported+599").await, ["Imported 599"]);
    assert_eq!(import("application/json", lines.join("\n")).await.unwrap().status(), 415);
    assert_eq!(import("application/x-ndjson", "x".repeat(5 << 20)).await.unwrap().status(), 413);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_what_the_running_server_does() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let made = hub.list(chess()).await;
    let openapi = hub.get("/api/v1/openapi.json").await;
    assert_eq!(openapi["openapi"], "3.1.0");
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        let real = path.replace("{id}", if path.contains("requests") { "1" } else { made["id"].as_str().unwrap() });
        let documented: BTreeSet<String> =
            methods.as_object().unwrap().keys().filter(|key| *key != "parameters").map(|key| key.to_uppercase()).collect();
        let refused = hub.as_admin(Method::TRACE, &real).send().await.unwrap();
        assert_eq!(refused.status(), 405, "{path}");
        let allowed =
            refused.headers()["allow"].to_str().unwrap().split(',').filter(|method| *method != "HEAD").map(str::to_owned).collect();
        assert_eq!(documented, allowed, "{path}");
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let asked = hub.as_admin(method.to_uppercase().parse().unwrap(), &real);
            let asked = if matches!(method.as_str(), "post" | "patch") { asked.json(&json!({})) } else { asked };
            let status = asked.send().await.unwrap().status().as_u16().to_string();
            assert!(operation["responses"].get(&status).is_some(), "{method} {path} answered {status}");
        }
    }
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&made), keys(&openapi["components"]["schemas"]["Listing"]["properties"]));
    assert_eq!(keys(&hub.get("/api/v1/communities").await), keys(&openapi["components"]["schemas"]["Page"]["properties"]));
    assert_eq!(keys(&hub.admin_get("/api/v1/admin/audit").await), keys(&openapi["components"]["schemas"]["Audit"]["properties"]));
    assert_eq!(keys(&hub.admin_get("/api/v1/admin/reports").await), keys(&openapi["components"]["schemas"]["Reports"]["properties"]));
    assert_eq!(keys(&hub.admin_get("/api/v1/admin/hidden").await), keys(&openapi["components"]["schemas"]["Hidden"]["properties"]));
    assert_eq!(keys(&hub.admin_get("/api/v1/admin/requests").await), keys(&openapi["components"]["schemas"]["Requests"]["properties"]));
    let text = openapi.to_string();
    for name in openapi["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name} is used nowhere");
    }
    let page = hub.ask(Method::GET, "/api/docs").send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let page = page.text().await.unwrap();
    for path in openapi["paths"].as_object().unwrap().keys() {
        assert!(page.contains(path.as_str()), "{path}");
    }
    assert!(!page.contains("<script"));
    assert!(page.contains("/static/goop.css") && page.contains("<main"), "it looks as every page of goop");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_of_the_description_is_read_by_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let openapi = hub.get("/api/v1/openapi.json").await;
    for parameter in openapi["paths"]["/api/v1/communities"]["get"]["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        if name == "origin" || name == "q" {
            continue;
        }
        let wrong = format!("/api/v1/communities?{name}=%3C");
        assert_eq!(hub.ask(Method::GET, &wrong).send().await.unwrap().status(), 400, "`{name}` is read by the server");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_it_says_who_it_is_and_that_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let described = hub.get("/.well-known/goop").await;
    assert_eq!(
        (&described["roles"], &described["peer_id"]),
        (&json!(["superhub"]), &json!(stage::key().public().to_peer_id().to_base58()))
    );
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/static/goop.css", 200), ("/publish", 404), ("/events", 404), ("/", 200)]
    {
        assert_eq!(hub.ask(Method::GET, path).send().await.unwrap().status(), status, "{path}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_whoever_is_struck_off_the_list_operates_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let (metrics, mut tasks, stop) = (Metrics::default(), Tasks::default(), CancellationToken::new());
    let (admin, mut beside) = (Keypair::generate_ed25519(), board_options(&stage::key()));
    beside.doors.peers = vec![admin.public().to_peer_id()];
    let mut hub = options(folder.path());
    (hub.peers, hub.registration) = (beside.doors.peers.clone(), goop::config::superhub::Policy::Closed);
    let prepared = Rendezvous::prepare(Vec::new(), beside, &metrics).unwrap();
    let hub = SuperHub::open(hub, prepared.door(), prepared.addr(), &metrics, &mut tasks, stop.clone()).unwrap();
    let board = prepared.serve(Some(("superhub", hub.router())), &metrics, &mut tasks, stop.clone());
    let list = async || {
        let (url, server) = (format!("{}/api/v1/communities", board.url()), stage::key().public().to_peer_id());
        let mut proof = goop::http::auth::peer_id::PeerIdClient::new(admin.clone(), server, "127.0.0.1".into(), rand::random());
        let asked = Client::new().post(&url).header("authorization", proof.ask()).send().await.unwrap();
        let challenge = asked.headers()["www-authenticate"].to_str().unwrap().to_owned();
        let request = Client::new().post(&url).header("authorization", proof.prove(&challenge).unwrap());
        request.json(&chess()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(list().await, 201);
    let fresh = goop::rendezvous::Fresh { http: Default::default(), allow_unsigned: true, password: None, peers: Vec::new() };
    board.reload(&fresh).unwrap();
    assert_eq!(list().await, 403, "the list is asked each time");
    stop.cancel();
    assert_eq!(tasks.finish(std::time::Duration::from_secs(20)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_rendezvous_server_both_answer_at_one_door() {
    let folder = tempfile::tempdir().unwrap();
    let (metrics, mut tasks, stop) = (Metrics::default(), Tasks::default(), CancellationToken::new());
    let prepared = Rendezvous::prepare(Vec::new(), board_options(&stage::key()), &metrics).unwrap();
    let hub = SuperHub::open(options(folder.path()), prepared.door(), prepared.addr(), &metrics, &mut tasks, stop.clone()).unwrap();
    let board = prepared.serve(Some(("superhub", hub.router())), &metrics, &mut tasks, stop.clone());
    let url = board.url();
    let get = async |path: &str| reqwest::get(format!("{url}{path}")).await.unwrap();
    let described: Value = get("/.well-known/goop").await.json().await.unwrap();
    assert_eq!(described["roles"], json!(["rendezvous", "superhub"]));
    assert!(described["epoch"].is_u64());
    for (path, status) in [
        ("/", 200),
        ("/directory", 200),
        ("/join", 200),
        ("/admin/directory", 401),
        ("/api/v1/communities", 200),
        ("/api/v1/admin/stats", 401),
        ("/api/v1/admin/audit", 401),
        ("/c/none/events", 404),
    ] {
        assert_eq!(get(path).await.status(), status, "{path}");
    }
    assert!(get("/").await.text().await.unwrap().contains("href=\"/directory\""), "the board's page leads to the directory");
    let visit = Client::new().get(format!("{url}/admin")).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    let cookie = visit.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let audit = Client::new().get(format!("{url}/api/v1/admin/audit")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(audit.status(), 200, "one login for all public roles");
    stop.cancel();
    assert_eq!(tasks.finish(std::time::Duration::from_secs(20)).await, [""; 0]);
}
