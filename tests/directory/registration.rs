//! Rendezvous servers that list themselves, and strangers who try to list others.

use goop::config::superhub::Policy;
use goop::proto::directory::target::Trust;
use goop::superhub::directory::{Desk, Draft, MOST_OF_HOST, MOST_OF_SITE, Reason, RegistrationState, Report, Request};
use libp2p::identity::Keypair;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::hub::{Board, Hub, options};

fn draft(name: &str, url: &str) -> Value {
    json!({ "community": name, "rendezvous": url, "type": "open" })
}

async fn register(hub: &Hub, key: &Keypair, draft: &Value) -> Response {
    hub.by_peer(key, Method::POST, "/api/v1/communities", Some(draft)).await
}

fn hub(folder: &tempfile::TempDir, policy: Policy) -> Hub {
    let mut options = options(folder.path());
    options.registration = policy;
    Hub::with(options, super::hub::PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_lists_itself_renews_and_changes_what_is_said_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, board) = (hub(&folder, Policy::Open), Board::start());
    let made = register(&hub, &board.key, &draft("Chess Club", &board.url)).await;
    assert_eq!((made.status(), made.headers()["goop-lease-seconds"].to_str().unwrap()), (reqwest::StatusCode::CREATED, "3600"));
    let made: Value = made.json().await.unwrap();
    assert_eq!(made["rendezvous_id"], board.peer().to_base58());
    let again = register(&hub, &board.key, &draft("Chess Club", &board.url)).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<Value>().await.unwrap()["version"], made["version"], "a renewal that changes nothing says nothing");
    let renamed: Value = register(&hub, &board.key, &draft("Go Club", &board.url)).await.json().await.unwrap();
    assert_eq!((&renamed["id"], &renamed["community"]), (&made["id"], &json!("Go Club")));
    let path = format!("/api/v1/communities/{}", made["id"].as_str().unwrap());
    let patch = json!({ "description": "Every Monday", "rendezvous": "https://elsewhere.example" });
    let patched: Value = hub.by_peer(&board.key, Method::PATCH, &path, Some(&patch)).await.json().await.unwrap();
    assert_eq!(
        (&patched["description"], &patched["rendezvous"]),
        (&json!("Every Monday"), &made["rendezvous"]),
        "where it is, it proves anew"
    );
    assert_eq!(hub.by_peer(&board.key, Method::DELETE, &path, None).await.status(), 204);
    let back: Value = register(&hub, &board.key, &draft("Go Club", &board.url)).await.json().await.unwrap();
    assert_eq!(back["id"], made["id"], "what comes back is the same community");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_community_is_listed_by_the_server_that_it_is_on() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, board, other) = (hub(&folder, Policy::Open), Board::start(), Board::start());
    board.found("club", "invite-only").await;
    let listing = json!({ "community": "The Club", "rendezvous": format!("{}/c/club", board.url), "type": "invite-only" });
    assert_eq!(register(&hub, &other.key, &listing).await.status(), 403, "nobody else's server says that it is theirs");
    let made = register(&hub, &board.key, &listing).await;
    assert_eq!(made.status(), 201, "though to strangers it is not there");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_the_operator_s_word_and_a_refused_one_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, one, other) = (hub(&folder, Policy::Approve), Board::start(), Board::start());
    for board in [&one, &other] {
        let waits = register(&hub, &board.key, &draft("Chess Club", &board.url)).await;
        assert_eq!(waits.status(), 202);
        assert!(waits.headers().contains_key("retry-after"));
    }
    assert_eq!(hub.names("").await, [""; 0]);
    let requests = hub.admin_get("/api/v1/admin/requests").await;
    assert_eq!((&requests["waiting"], &requests["requests"][0]["peer_id"]), (&json!(2), &json!(one.peer().to_base58())));
    let decide = |number: usize, word: &str| {
        hub.as_admin(Method::POST, &format!("/api/v1/admin/requests/{}/{word}", requests["requests"][number]["id"])).send()
    };
    assert_eq!(decide(0, "approve").await.unwrap().status(), 201);
    assert_eq!(decide(1, "refuse").await.unwrap().status(), 204);
    assert_eq!(decide(1, "approve").await.unwrap().status(), 404, "it waits no longer");
    assert_eq!(hub.names("q=chess").await, ["Chess Club"]);
    assert_eq!(register(&hub, &one.key, &draft("Chess Club", &one.url)).await.status(), 200);
    let refused = hub.by_peer(&other.key, Method::POST, "/api/v1/communities", Some(&draft("Chess Club", &other.url))).await;
    assert!(matches!(refused.status().as_u16(), 403 | 429), "{}", refused.status());
    let listed = hub.get("/api/v1/communities").await["communities"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(hub.as_admin(Method::DELETE, &format!("/api/v1/communities/{listed}")).send().await.unwrap().status(), 204);
    let out = register(&hub, &one.key, &draft("Chess Club", &one.url)).await;
    assert!(matches!(out.status().as_u16(), 403 | 429), "what the operator removed does not come back: {}", out.status());
    hub.close().await;
}

/// What is open to everybody is not open to whoever was shown out: another path, another port or another key changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn attack_what_was_removed_or_hidden_does_not_come_back_under_another_address() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, one, near, other, last) = (hub(&folder, Policy::Open), Board::start(), Board::start(), Board::start(), Board::start());
    let elsewhere = |board: &Board| board.url.replace("127.0.0.1", "localhost");
    let made: Value = register(&hub, &one.key, &draft("Chess Club", &one.url)).await.json().await.unwrap();
    let path = format!("/api/v1/communities/{}", made["id"].as_str().unwrap());
    assert_eq!(hub.as_admin(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(register(&hub, &one.key, &draft("Chess Club", &elsewhere(&one))).await.status(), 202, "the same server elsewhere waits");
    assert_eq!(register(&hub, &near.key, &draft("Chess Club", &near.url)).await.status(), 202, "another key at the same host waits");
    let innocent = register(&hub, &other.key, &draft("Go Club", &elsewhere(&other))).await;
    assert_eq!(innocent.status(), 201);
    let innocent: Value = innocent.json().await.unwrap();
    let hide = format!("/api/v1/admin/communities/{}/hide", innocent["id"].as_str().unwrap());
    assert_eq!(hub.as_admin(Method::POST, &hide).send().await.unwrap().status(), 204);
    assert_eq!(register(&hub, &last.key, &draft("Go Club 2", &elsewhere(&last))).await.status(), 202);
    assert_eq!(register(&hub, &other.key, &draft("Go Club", &elsewhere(&other))).await.status(), 200, "a hidden one keeps its lease");
    assert_eq!(hub.names("").await, [""; 0]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_nobody_lists_somebody_else_s_server() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, victim, mallory) = (hub(&folder, Policy::Open), Board::start(), Keypair::generate_ed25519());
    let refused = register(&hub, &mallory, &draft("Mine now", &victim.url)).await;
    assert_eq!(refused.status(), 403);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "not-proven");
    assert!(problem["detail"].as_str().unwrap().contains(&victim.peer().to_base58()), "{problem}");
    let mut in_her_name = draft("Mine now", &victim.url);
    in_her_name["rendezvous_id"] = victim.peer().to_base58().into();
    assert_eq!(register(&hub, &mallory, &in_her_name).await.status(), 403);
    assert_eq!(hub.names("").await, [""; 0]);
    hub.close().await;
}

const INWARD: &str = include_str!("../data/inward-addresses.txt");

#[tokio::test(flavor = "multi_thread")]
async fn attack_addresses_inside_somebody_s_network_are_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let board = Board::start();
    let port = board.url.rsplit(':').next().unwrap();
    let mut options = options(folder.path());
    (options.registration, options.private_addresses) = (Policy::Open, false);
    options.http.trusted_proxies = vec![goop::config::setting::Setting::read(&toml_edit::Value::from("127.0.0.1")).unwrap()];
    let hub = Hub::with(options, super::hub::PASSWORD);
    assert!(INWARD.lines().count() > 60, "the list is there");
    let before = board_requests(&board).await;
    for (number, evasion) in INWARD.lines().filter(|line| !line.starts_with('#')).enumerate() {
        let address = evasion.replace("PORT", port);
        let refused = register_from(&hub, &board.key, &draft("Inside", &address), number).await;
        // 429: many of these are one address, and one address is looked at once a minute.
        assert!(matches!(refused.status().as_u16(), 400 | 403 | 429), "{evasion}: {}", refused.status());
    }
    assert_eq!(board_requests(&board).await, before + 1, "nobody knocked but this test");
    assert_eq!(hub.names("").await, [""; 0]);
    hub.close().await;
}

/// The same as [`register`], from another address each time.
async fn register_from(hub: &Hub, key: &Keypair, draft: &Value, number: usize) -> Response {
    let peer = super::stage::key().public().to_peer_id();
    let mut client = goop::http::auth::peer_id::PeerIdClient::new(key.clone(), peer, "127.0.0.1".into(), rand::random());
    let asked = hub.ask(Method::POST, "/api/v1/communities").header("authorization", client.ask()).send().await.unwrap();
    let challenge = asked.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let request = hub.ask(Method::POST, "/api/v1/communities").header("authorization", client.prove(&challenge).unwrap());
    request.header("x-forwarded-for", format!("9.1.{number}.1")).json(draft).send().await.unwrap()
}

/// How many connections a server has taken.
async fn board_requests(board: &Board) -> u64 {
    let metrics = reqwest::get(format!("{}/metrics", board.url)).await.unwrap().text().await.unwrap();
    let line = metrics.lines().find(|line| line.contains("http_connections_accepted_total")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_slow_endless_and_redirecting_servers_hold_nobody_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let (hub, key) = (hub(&folder, Policy::Open), Keypair::generate_ed25519());
    for how in ["silent", "endless", "redirect", "huge", "nothing"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let evil = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = [0; 1024];
                let _ = socket.read(&mut head).await;
                match how {
                    "silent" => tokio::time::sleep(std::time::Duration::from_secs(60)).await,
                    "endless" => {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                        while socket.write_all(&[b' '; 16 * 1024]).await.is_ok() {}
                    }
                    "huge" => drop(socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{").await),
                    "redirect" => {
                        drop(socket.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await)
                    }
                    _ => {}
                }
            }
        });
        let began = goop::clock::Moment::now();
        let refused = register(&hub, &key, &draft("Evil", &url)).await;
        assert_eq!(refused.status(), 403, "{how}");
        assert!(goop::clock::Moment::now().since(began) < std::time::Duration::from_secs(15), "{how}");
        evil.abort();
    }
    assert_eq!(hub.names("").await, [""; 0]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_nobody_renews_lapses_into_a_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    let peer = Keypair::generate_ed25519().public().to_peer_id();
    let draft: goop::superhub::directory::Draft = serde_json::from_value(draft("Chess Club", "https://rv.example")).unwrap();
    let listing = goop::proto::directory::Listing { rendezvous_id: Some(peer), ..draft.listing().unwrap() };
    let trust = goop::proto::directory::target::Trust::Stranger;
    let request = goop::superhub::directory::Request { peer, host: "rv.example".into(), listing, trust };
    let again = request.clone();
    stage.directory.change(1, move |desk| desk.register(request, Policy::Open, 3600)).await.unwrap();
    let lapse = async |later: u64| {
        stage
            .directory
            .change(64, move |desk| {
                desk.now.0 += later;
                desk.lapse()
            })
            .await
            .unwrap();
        stage.names("chess").await.len()
    };
    assert_eq!(lapse(3_599_000).await, 1);
    assert_eq!(lapse(3_601_000).await, 0);
    let back = move |desk: &mut goop::superhub::directory::Desk<'_>| {
        desk.now.0 += 3_700_000;
        desk.register(again, Policy::Approve, 3600)
    };
    stage.directory.change(1, back).await.unwrap();
    assert_eq!(stage.names("chess").await.len(), 1, "who was let in once comes back without being asked");
}

/// A server of this peer at this address, once it has proven itself.
fn request(peer: libp2p::PeerId, name: &str, host: &str, path: usize) -> Request {
    let draft: Draft = serde_json::from_value(draft(name, &format!("https://{host}/{path}"))).unwrap();
    let listing = goop::proto::directory::Listing { rendezvous_id: Some(peer), ..draft.listing().unwrap() };
    Request { peer, host: host.into(), listing, trust: Trust::Stranger }
}

/// THREATS 37: where a stranger's name leads is the stranger's to say, whoever has corrected a word of the listing.
#[tokio::test(flavor = "multi_thread")]
async fn attack_an_operator_who_corrects_a_word_does_not_vouch_for_a_stranger_s_address() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    let asked = request(libp2p::PeerId::random(), "Ches Club", "evil.example", 1);
    stage.directory.change(1, move |desk| desk.register(asked, Policy::Open, 3600)).await.unwrap();
    stage.close().await;
    let hub = hub(&folder, Policy::Open);
    let id = hub.get("/api/v1/communities").await["communities"][0]["id"].as_str().unwrap().to_owned();
    let change = async |patch: Value| {
        let changed = hub.as_admin(Method::PATCH, &format!("/api/v1/communities/{id}")).json(&patch).send().await.unwrap();
        assert_eq!(changed.status(), 200);
        let database = rusqlite::Connection::open(folder.path().join("directory.db")).unwrap();
        database.query_row("SELECT trusted FROM endpoints", [], |row| row.get::<_, bool>(0)).unwrap()
    };
    assert!(!change(json!({ "community": "Chess Club", "rendezvous": "https://evil.example/1" })).await);
    assert!(change(json!({ "rendezvous": "https://10.0.0.1" })).await, "what he writes himself he may have asked");
    hub.close().await;
}

/// Nobody shows one server, and then leads the name to another's.
#[tokio::test(flavor = "multi_thread")]
async fn attack_whose_address_leads_to_another_server_by_now_proves_it_anew_or_lapses() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, board) = (hub(&folder, Policy::Open), Board::start());
    let (key, draft) = (board.key.clone(), draft("Chess Club", &board.url));
    assert_eq!(register(&hub, &key, &draft).await.status(), 201);
    let seen = |peer: libp2p::PeerId| {
        let database = rusqlite::Connection::open(folder.path().join("directory.db")).unwrap();
        database.execute("UPDATE endpoints SET peer = ?1", [peer.to_bytes()]).unwrap()
    };
    assert_eq!(seen(libp2p::PeerId::random()), 1);
    assert_eq!(register(&hub, &key, &draft).await.status(), 200, "it was there again when it was asked");
    let url = board.url.clone();
    drop(board);
    while reqwest::get(format!("{url}/healthz")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(register(&hub, &key, &draft).await.status(), 403, "it was not");
    seen(key.public().to_peer_id());
    assert_eq!(register(&hub, &key, &draft).await.status(), 200, "whose server it was need not be up to renew");
    hub.close().await;
}

/// Names below one's own cost nothing, nor do keys.
#[tokio::test(flavor = "multi_thread")]
async fn attack_whoever_fills_the_queue_from_one_site_keeps_nobody_else_out_or_out_of_sight() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO registrations (peer, address, host, state, draft, asked) \
                SELECT randomblob(38), 'https://h' || i, 'example.evil.h' || i || '.', 'waiting', '{\"community\":\"Spam\"}', strftime('%s') * 1000 FROM n";
    rusqlite::Connection::open(folder.path().join("directory.db")).unwrap().execute_batch(many).unwrap();
    let ask = |name: &'static str, host: &'static str| {
        let asked = request(libp2p::PeerId::random(), name, host, 1);
        stage.directory.change(1, move |desk| desk.register(asked, Policy::Approve, 3600))
    };
    assert!(ask("Spam", "one.more.evil.example").await.is_err());
    assert!(ask("Honest Club", "honest.example").await.is_ok());
    stage.close().await;
    let hub = hub(&folder, Policy::Approve);
    let page = hub.as_admin(Method::GET, "/admin/directory").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Honest Club") && page.contains("Spam"), "the first of each site stands on the operator's page");
    hub.close().await;
}

/// What one site may list where nobody looks at it before is bounded, and whoever was shown out does not come back below the same name.
#[tokio::test(flavor = "multi_thread")]
async fn attack_names_below_a_name_are_one_site_to_an_open_hub() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    let ask = async |host: String| {
        let asked = request(libp2p::PeerId::random(), "Club", &host, 1);
        stage.directory.change(1, move |desk| desk.register(asked, Policy::Open, 3600)).await.unwrap()
    };
    for number in 0..MOST_OF_SITE {
        assert!(matches!(ask(format!("h{number}.evil.example")).await, RegistrationState::Listed(_)), "{number}");
    }
    assert_eq!(ask("more.evil.example".into()).await, RegistrationState::Waiting);
    let RegistrationState::Listed(bad) = ask("a.bad.example".into()).await else { panic!("it is another site") };
    stage.directory.change(1, move |desk| desk.hide(&bad, true, "admin")).await.unwrap();
    for host in ["b.bad.example", "bad.example", "a.bad.example."] {
        assert_eq!(ask(host.into()).await, RegistrationState::Waiting, "{host}");
    }
    assert!(matches!(ask("bad2.example".into()).await, RegistrationState::Listed(_)));
    stage.close().await;
}

/// Hidden is hidden, also for whoever stays away until his tombstone is forgotten; who is not is a stranger again, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn attack_what_was_hidden_does_not_come_back_when_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    let (bad, good) =
        (request(libp2p::PeerId::random(), "Bad", "bad.example", 1), request(libp2p::PeerId::random(), "Good", "good.example", 1));
    let register = async |asked: &Request, days: u64| {
        let asked = asked.clone();
        let change = move |desk: &mut Desk<'_>| {
            desk.now.0 += days * 86_400_000;
            desk.register(asked, Policy::Open, 3600)
        };
        stage.directory.change(1, change).await
    };
    let RegistrationState::Listed(hidden) = register(&bad, 0).await.unwrap() else { panic!("it is open") };
    assert!(register(&good, 0).await.is_ok());
    stage.directory.change(0, move |desk| desk.hide(&hidden, true, "admin")).await.unwrap();
    let reported = Report { reason: Reason::Spam, words: String::new(), contact: String::new() };
    let RegistrationState::Renewed(id) = register(&good, 0).await.unwrap() else { panic!("it is listed") };
    stage.directory.change(0, move |desk| desk.report(&id, &reported)).await.unwrap();
    let pass = move |desk: &mut Desk<'_>| {
        desk.now.0 += 86_400_000;
        desk.lapse()?;
        desk.now.0 += 31 * 86_400_000;
        desk.forget()
    };
    stage.directory.change(64, pass).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM listings), (SELECT count(*) FROM registrations), (SELECT count(*) FROM reported)";
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let left: (i64, i64, i64) = stage.directory.read(move |look| Ok(look.query_row(left, [], row)?)).await.unwrap();
    assert_eq!(left, (0, 1, 0));
    assert!(register(&bad, 32).await.is_err());
    assert!(matches!(register(&good, 32).await, Ok(RegistrationState::Listed(_))));
    stage.close().await;
}

/// B.8: a name is as old as its use, not as the listing that takes it.
#[tokio::test(flavor = "multi_thread")]
async fn attack_an_old_listing_that_takes_a_name_is_marked_and_whose_name_it_was_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    let (squatter, victim) = (libp2p::PeerId::random(), libp2p::PeerId::random());
    let register = async |asked: Request, later: u64| {
        let change = move |desk: &mut Desk<'_>| {
            desk.now.0 += later;
            desk.register(asked, Policy::Open, 3600)
        };
        match stage.directory.change(1, change).await.unwrap() {
            RegistrationState::Listed(id) | RegistrationState::Renewed(id) => id,
            RegistrationState::Waiting => panic!("it is open"),
        }
    };
    let similar = async |id| stage.directory.get(id).await.unwrap().unwrap().similar;
    let evil = register(request(squatter, "Something", "evil.example", 1), 0).await;
    let good = register(request(victim, "Chess Club", "good.example", 1), 0).await;
    assert_eq!(register(request(squatter, "Сhess CIub", "evil.example", 1), 0).await, evil);
    assert_eq!((similar(evil).await, similar(good).await), (Some(good), None));
    let mut changed = request(victim, "Chess Club", "good.example", 1);
    changed.listing.members = 7;
    register(changed.clone(), 0).await;
    assert_eq!((similar(evil).await, similar(good).await), (Some(good), None), "a change of something else is no new name");
    let lapse = |desk: &mut Desk<'_>| {
        desk.now.0 += 3_700_000;
        desk.lapse()
    };
    stage.directory.change(64, lapse).await.unwrap();
    register(request(squatter, "Сhess CIub", "evil.example", 1), 3_800_000).await;
    assert_eq!(register(changed, 3_800_000).await, good);
    assert_eq!(similar(good).await, None, "nor is it one to come back");
    stage.close().await;
}

/// Authority: a renewal comes by itself every few hours, and says what the owner's file says.
#[tokio::test(flavor = "multi_thread")]
async fn attack_a_renewal_does_not_undo_what_the_operator_has_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, board) = (hub(&folder, Policy::Open), Board::start());
    let (mut wanted, key) = (draft("Chess Club", &board.url), &board.key);
    wanted["description"] = "Buy\u{202e} now".into();
    let made: Value = register(&hub, key, &wanted).await.json().await.unwrap();
    let path = format!("/api/v1/communities/{}", made["id"].as_str().unwrap());
    let corrected = hub.as_admin(Method::PATCH, &path).json(&json!({ "description": "" })).send().await.unwrap();
    assert_eq!(corrected.status(), 200);
    let renewed: Value = register(&hub, key, &wanted).await.json().await.unwrap();
    assert_eq!(renewed["description"], "");
    wanted["description"] = "We play on Mondays".into();
    let changed: Value = register(&hub, key, &wanted).await.json().await.unwrap();
    assert_eq!(changed["description"], "We play on Mondays", "what the owner says anew counts");
    hub.close().await;
}

/// What waits is what was judged: sixteen kilobytes of the same tag, and what turns text around, is not kept for the operator to read.
#[tokio::test(flavor = "multi_thread")]
async fn attack_what_waits_holds_nothing_that_was_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, board) = (hub(&folder, Policy::Approve), Board::start());
    let mut asked = draft("Chess Club", &board.url);
    (asked["tags"], asked["description"]) = (vec!["chess"; 1000].into(), "We \u{202e}play".into());
    assert_eq!(register(&hub, &board.key, &asked).await.status(), 202);
    let waiting = &hub.admin_get("/api/v1/admin/requests").await["requests"][0]["draft"];
    assert_eq!((&waiting["tags"], &waiting["description"]), (&json!(["chess"]), &json!("We play")));
    assert_eq!(
        (&waiting["community"], &waiting["rendezvous"], &waiting["type"]),
        (&json!("Chess Club"), &json!(board.url), &json!("open"))
    );
    hub.close().await;
}

/// What servers that list themselves do, and what the hub does about it, has a log of its own length.
#[tokio::test(flavor = "multi_thread")]
async fn attack_strangers_push_nothing_that_the_operator_did_out_of_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    stage.list(super::stage::listing("Chess Club")).await;
    let asked = request(libp2p::PeerId::random(), "Club", "evil.example", 1);
    stage.directory.change(1, move |desk| desk.register(asked, Policy::Open, 3600)).await.unwrap();
    let lapse = |desk: &mut Desk<'_>| {
        desk.now.0 += 3_700_000;
        desk.lapse()
    };
    stage.directory.change(64, lapse).await.unwrap();
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100500) \
                INSERT INTO audit (at, who, what, detail, stranger) SELECT i, 'x', 'changed', 'junk', 1 FROM n";
    rusqlite::Connection::open(folder.path().join("directory.db")).unwrap().execute_batch(many).unwrap();
    stage.directory.change(0, |desk| desk.forget()).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM audit WHERE stranger = 1), (SELECT group_concat(detail) FROM audit WHERE stranger = 0)";
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
    let left: (i64, String) = stage.directory.read(move |look| Ok(look.query_row(left, [], row)?)).await.unwrap();
    assert_eq!(left, (100_000, "Chess Club".to_owned()), "the lapse and its listing are strangers' too");
    stage.close().await;
}

/// Or whoever is listed would have the hub write without end, and push what its operator did out of the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn attack_an_owner_changes_no_more_than_an_owner_has_to() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, board) = (hub(&folder, Policy::Open), Board::start());
    let made: Value = register(&hub, &board.key, &draft("Chess Club", &board.url)).await.json().await.unwrap();
    let path = format!("/api/v1/communities/{}", made["id"].as_str().unwrap());
    let patch = json!({ "description": "junk" });
    let patched = async || hub.by_peer(&board.key, Method::PATCH, &path, Some(&patch)).await.status().as_u16();
    let renewed = async || register(&hub, &board.key, &draft("Chess Club", &board.url)).await.status().as_u16();
    let mut changes = 0;
    while patched().await == 200 {
        changes += 1;
    }
    assert!((20..500).contains(&changes), "{changes}");
    assert_eq!(patched().await, 429);
    while renewed().await != 429 {}
    let cleaned = hub.as_admin(Method::PATCH, &path).json(&json!({ "description": "" })).send().await.unwrap();
    assert_eq!(cleaned.status(), 200, "the operator is not held up");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_hundred_thousand_requests_hurt_nobody_and_one_host_has_few() {
    let folder = tempfile::tempdir().unwrap();
    let stage = super::stage::Stage::open(folder.path());
    stage.list(super::stage::listing("Chess Club")).await;
    let ask = |host: String, number: usize| {
        let peer = Keypair::generate_ed25519().public().to_peer_id();
        let draft: goop::superhub::directory::Draft = serde_json::from_value(draft("Spam", &format!("https://{host}/{number}"))).unwrap();
        let (listing, trust) = (draft.listing().unwrap(), goop::proto::directory::target::Trust::Stranger);
        let request = goop::superhub::directory::Request { peer, host, listing, trust };
        stage.directory.change(1, move |desk| desk.register(request, Policy::Approve, 3600))
    };
    for number in 0..MOST_OF_HOST {
        ask("evil.example".into(), number as usize).await.unwrap();
    }
    assert!(ask("evil.example".into(), 99).await.is_err());
    assert!(ask("good.example".into(), 0).await.is_ok());
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO registrations (peer, address, host, state, draft, asked) \
                SELECT randomblob(38), 'https://h' || i, 'h' || i, 'waiting', '{}', strftime('%s') * 1000 FROM n";
    rusqlite::Connection::open(folder.path().join("directory.db")).unwrap().execute_batch(many).unwrap();
    let mut late = Vec::new();
    for number in 0..6 {
        late.push(ask(format!("late{number}.example"), 0).await.map_err(|full| full.to_string()));
    }
    assert!(late[..4].iter().all(Result::is_ok), "the site that has sixteen gives way, until it has one like the others: {late:?}");
    assert!(late[4..].iter().all(|full| full.as_ref().is_err_and(|full| full.contains("wait for the operator"))), "{late:?}");
    let began = goop::clock::Moment::now();
    assert_eq!(stage.names("chess").await, ["Chess Club"]);
    stage.list(super::stage::listing("Go Club")).await;
    assert_eq!(stage.names("spam").await, [""; 0]);
    assert!(goop::clock::Moment::now().since(began) < std::time::Duration::from_secs(2));
    stage.close().await;
    let began = goop::clock::Moment::now();
    let again = super::stage::Stage::open(folder.path());
    assert_eq!(again.names("go").await, ["Go Club"]);
    assert!(goop::clock::Moment::now().since(began) < std::time::Duration::from_secs(2), "a start reads none of them");
}
